// SPDX-License-Identifier: GPL-2.0

#include "test_notes.h"

#include <atomic>
#include <new>

#include "mapping.h"
#include "test_check.h"

namespace revoke_test {
namespace {

struct Notes {
  std::atomic<FirstRevoke> first_revoke{FirstRevoke::kNotCalled};
  std::atomic<FirstFailure> first_failure{FirstFailure::kNone};
  std::atomic<bool> at_the_hole{false};
};
static_assert(std::atomic<FirstRevoke>::is_always_lock_free &&
                  std::atomic<FirstFailure>::is_always_lock_free &&
                  std::atomic<bool>::is_always_lock_free,
              "several processes write them");

Notes local_notes;
Notes* notes = &local_notes;

void NoteFailure(bool may_be_the_hole) {
  FirstFailure now = FirstFailure::kInSetup;
  if (notes->first_revoke.load() == FirstRevoke::kEnosys) {
    now = FirstFailure::kAfterEnosys;
  } else if (may_be_the_hole && notes->at_the_hole.load()) {
    now = FirstFailure::kAtTheHole;
  }
  FirstFailure expected = FirstFailure::kNone;
  notes->first_failure.compare_exchange_strong(expected, now);
}

}  // namespace

void ShareTestNotes() {
  Mapping page = Mapping::SharedAnonymous(sizeof(Notes));
  TEST_CHECK(page.valid());
  // For the rest of the process's life.
  notes = new (page.Release()) Notes();
}

void ResetTestNotes() {
  notes->first_revoke.store(FirstRevoke::kNotCalled);
  notes->first_failure.store(FirstFailure::kNone);
  notes->at_the_hole.store(false);
}

TestNotes ReadTestNotes() {
  return {.first_revoke = notes->first_revoke.load(), .first_failure = notes->first_failure.load()};
}

void NoteRevoke(bool enosys) {
  FirstRevoke expected = FirstRevoke::kNotCalled;
  notes->first_revoke.compare_exchange_strong(expected,
                                              enosys ? FirstRevoke::kEnosys : FirstRevoke::kOther);
}

void NoteFailedAssertion() { NoteFailure(true); }

void NoteFailedCheck() { NoteFailure(false); }

void NoteHole() { notes->at_the_hole.store(true); }

}  // namespace revoke_test
