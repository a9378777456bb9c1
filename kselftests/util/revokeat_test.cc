// SPDX-License-Identifier: GPL-2.0

#include "revokeat.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "errno_matchers.h"
#include "process.h"
#include "skip.h"
#include "test_notes.h"

namespace revoke_test {
namespace {

class OnHost : public testing::Test {
 protected:
  void SetUp() override {
    REVOKE_SKIP_IF(HaveRevokeat(), "these are for a kernel without revokeat(2)");
    ResetTestNotes();
  }
};

TEST_F(OnHost, CallsAnswerEnosys) {
  EXPECT_THAT(revokeat(AT_FDCWD, "/dev/null", 0), SyscallFailsWithErrno(ENOSYS));
  EXPECT_THAT(revoke("/dev/null"), SyscallFailsWithErrno(ENOSYS));
}

TEST_F(OnHost, FirstAnswerIsNoted) {
  EXPECT_THAT(revoke("/dev/null"), SyscallFailsWithErrno(ENOSYS));
  EXPECT_EQ(ReadTestNotes().first_revoke, FirstRevoke::kEnosys);
}

TEST_F(OnHost, ChildrenSpeakForTheTest) {
  // Without sharing the note stays in the child.
  EXPECT_THAT(InChild([] { static_cast<void>(revoke("/dev/null")); }), Exited(0));
  EXPECT_EQ(ReadTestNotes().first_revoke, FirstRevoke::kNotCalled);
  ShareTestNotes();
  EXPECT_THAT(InChild([] { static_cast<void>(revoke("/dev/null")); }), Exited(0));
  EXPECT_EQ(ReadTestNotes().first_revoke, FirstRevoke::kEnosys);
}

TEST(Revokeat, NumbersAreThoseOfTheSeries) {
  EXPECT_EQ(__NR_revokeat, 473);
  EXPECT_EQ(REVOKE_FILE, 1);
}

}  // namespace
}  // namespace revoke_test
