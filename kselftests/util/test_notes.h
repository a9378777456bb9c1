// SPDX-License-Identifier: GPL-2.0
//
// What happened in a test, and in which order, for the baseline (baseline.h). The notes are in
// memory that the test shares with its children, so that these speak for it, too. Whoever takes
// one may do so in any thread and any child; all is async-signal-safe.

#ifndef REVOKE_KSELFTESTS_UTIL_TEST_NOTES_H_
#define REVOKE_KSELFTESTS_UTIL_TEST_NOTES_H_

namespace revoke_test {

// What the first revokeat() was answered.
enum class FirstRevoke : int { kNotCalled, kEnosys, kOther };

// What had happened when the test first went wrong.
enum class FirstFailure : int {
  kNone,         // it did not go wrong
  kInSetup,      // nothing of the below, or a TEST_CHECK failed, which is never the hole
  kAfterEnosys,  // the first revokeat() had been answered ENOSYS
  kAtTheHole,    // baseline::FailsFromHere() had been called
};

struct TestNotes {
  FirstRevoke first_revoke = FirstRevoke::kNotCalled;
  FirstFailure first_failure = FirstFailure::kNone;
};

// Puts the notes into memory shared with children forked later. Called once by IsolatedMain.
void ShareTestNotes();
void ResetTestNotes();
TestNotes ReadTestNotes();

// Of these, the first call counts.
void NoteRevoke(bool enosys);
void NoteFailedAssertion();
void NoteFailedCheck();

// The test has come to where the unpatched kernel fails it.
void NoteHole();

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_TEST_NOTES_H_
