// SPDX-License-Identifier: GPL-2.0

#include "revokeat.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <new>

#include "mapping.h"
#include "test_check.h"

namespace revoke_test {
namespace {

using Note = std::atomic<FirstRevoke>;
static_assert(Note::is_always_lock_free, "several processes write it");

Note local_note{FirstRevoke::kNotCalled};
Note* note = &local_note;

}  // namespace

int revokeat(int dfd, const char* path, unsigned int flags) {
  const auto result = static_cast<int>(syscall(__NR_revokeat, dfd, path, flags));
  const bool enosys = result == -1 && errno == ENOSYS;
  FirstRevoke expected = FirstRevoke::kNotCalled;
  note->compare_exchange_strong(expected, enosys ? FirstRevoke::kEnosys : FirstRevoke::kOther);
  return result;
}

int revoke(const char* path) { return revokeat(AT_FDCWD, path, 0); }

bool HaveRevokeat() {
  // No descriptor -1, and no such flags either.
  return !(revokeat(-1, "", ~0U) == -1 && errno == ENOSYS);
}

void ShareFirstRevoke() {
  Mapping page = Mapping::SharedAnonymous(sizeof(Note));
  TEST_CHECK(page.valid());
  // For the rest of the process's life.
  note = new (page.Release()) Note(FirstRevoke::kNotCalled);
}

void ResetFirstRevoke() { note->store(FirstRevoke::kNotCalled); }

FirstRevoke GetFirstRevoke() { return note->load(); }

}  // namespace revoke_test
