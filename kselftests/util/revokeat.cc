// SPDX-License-Identifier: GPL-2.0

#include "revokeat.h"

#include <unistd.h>

#include <cerrno>

#include "test_notes.h"

namespace revoke_test {

int revokeat(int dfd, const char* path, unsigned int flags) {
  const auto result = static_cast<int>(syscall(__NR_revokeat, dfd, path, flags));
  NoteRevoke(result == -1 && errno == ENOSYS);
  return result;
}

int revoke(const char* path) { return revokeat(AT_FDCWD, path, 0); }

int RevokeFile(int fd) { return revokeat(fd, "", AT_EMPTY_PATH | REVOKE_FILE); }

bool HaveRevokeat() {
  // No descriptor -1, and no such flags either.
  return !(revokeat(-1, "", ~0U) == -1 && errno == ENOSYS);
}

}  // namespace revoke_test
