// SPDX-License-Identifier: GPL-2.0

#include "test_notes.h"

#include <gtest/gtest.h>

#include "baseline.h"
#include "process.h"
#include "test_check.h"
#include "thread.h"

namespace revoke_test {
namespace {

class Notes : public testing::Test {
 protected:
  static void SetUpTestSuite() { ShareTestNotes(); }
  void SetUp() override { ResetTestNotes(); }
  // What went wrong here did so on purpose.
  void TearDown() override { ResetTestNotes(); }
};

FirstFailure Failure() { return ReadTestNotes().first_failure; }

TEST_F(Notes, NothingAtFirst) {
  EXPECT_EQ(ReadTestNotes().first_revoke, FirstRevoke::kNotCalled);
  EXPECT_EQ(Failure(), FirstFailure::kNone);
}

TEST_F(Notes, FirstRevokeCounts) {
  NoteRevoke(true);
  NoteRevoke(false);
  EXPECT_EQ(ReadTestNotes().first_revoke, FirstRevoke::kEnosys);
  ResetTestNotes();
  NoteRevoke(false);
  NoteRevoke(true);
  EXPECT_EQ(ReadTestNotes().first_revoke, FirstRevoke::kOther);
}

TEST_F(Notes, FailureBeforeTheHoleIsNotAtTheHole) {
  NoteFailedAssertion();
  NoteHole();
  NoteFailedAssertion();
  EXPECT_EQ(Failure(), FirstFailure::kInSetup);
}

TEST_F(Notes, FailureAfterTheHoleIs) {
  NoteHole();
  NoteFailedAssertion();
  NoteFailedCheck();
  EXPECT_EQ(Failure(), FirstFailure::kAtTheHole);
}

TEST_F(Notes, HoleIsOfOneTestOnly) {
  NoteHole();
  ResetTestNotes();
  NoteFailedAssertion();
  EXPECT_EQ(Failure(), FirstFailure::kInSetup);
}

TEST_F(Notes, CheckIsNeverTheHole) {
  NoteHole();
  EXPECT_THAT(InChild([] { TEST_CHECK(false && "on purpose"); }), Exited(kCheckFailedExit));
  NoteFailedAssertion();  // of the one who waited for the child
  EXPECT_EQ(Failure(), FirstFailure::kInSetup);
}

TEST_F(Notes, EnosysComesFirst) {
  NoteRevoke(true);
  NoteHole();
  NoteFailedCheck();
  EXPECT_EQ(Failure(), FirstFailure::kAfterEnosys);
  ResetTestNotes();
  NoteFailedAssertion();
  NoteRevoke(true);
  EXPECT_EQ(Failure(), FirstFailure::kInSetup);
  ResetTestNotes();
  NoteRevoke(false);
  NoteFailedAssertion();
  EXPECT_EQ(Failure(), FirstFailure::kInSetup);
}

TEST_F(Notes, ChildrenAndThreadsSpeakForTheTest) {
  EXPECT_THAT(InChild([] { return baseline::HoleInChild(); }), Exited(baseline::kHoleExit));
  NoteFailedAssertion();
  EXPECT_EQ(Failure(), FirstFailure::kAtTheHole);
  ResetTestNotes();
  ScopedThread([] { baseline::FailsFromHere(); }).Join();
  NoteFailedAssertion();
  EXPECT_EQ(Failure(), FirstFailure::kAtTheHole);
}

TEST(ExitCodes, OfAHoleIsNotThatOfACheck) {
  EXPECT_NE(baseline::kHoleExit, kCheckFailedExit);
  EXPECT_NE(baseline::kHoleExit, 0);
}

}  // namespace
}  // namespace revoke_test
