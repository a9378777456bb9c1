// SPDX-License-Identifier: GPL-2.0

#include "errno_matchers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "fd.h"

namespace revoke_test {
namespace {

using testing::AnyOf;
using testing::Ge;
using testing::HasSubstr;
using testing::Not;
using testing::StringMatchResultListener;

int FailWith(int error) {
  errno = error;
  return -1;
}

// What EXPECT_THAT would print, and with errno spoilt between its two calls of the matcher as its
// streams may do.
template <typename T, typename M>
std::string Explanation(const T& value, const M& matcher) {
  const testing::Matcher<const T&> monomorphic = testing::SafeMatcherCast<const T&>(matcher);
  if (monomorphic.Matches(value)) return "matched";
  errno = ENOTTY;
  StringMatchResultListener listener;
  EXPECT_FALSE(monomorphic.MatchAndExplain(value, &listener));
  return listener.str();
}

TEST(ErrnoText, NamesErrno) {
  EXPECT_EQ(ErrnoName(ENODEV), "ENODEV");
  EXPECT_EQ(ErrnoName(99999), "errno 99999");
  EXPECT_EQ(ErrnoText(ENODEV), "ENODEV (No such device)");
  EXPECT_EQ(ErrnoText(99999), "errno 99999 (unknown)");
}

TEST(SyscallSucceeds, JudgesByMinusOne) {
  EXPECT_THAT(0, SyscallSucceeds());
  EXPECT_THAT(7L, SyscallSucceeds());
  EXPECT_THAT(-2, SyscallSucceeds());
  EXPECT_THAT(FailWith(EIO), Not(SyscallSucceeds()));
  EXPECT_THAT(static_cast<ssize_t>(FailWith(EIO)), Not(SyscallSucceeds()));
}

TEST(SyscallSucceeds, ExplainsByName) {
  EXPECT_EQ(Explanation(FailWith(EIO), SyscallSucceeds()),
            "which failed with EIO (Input/output error)");
}

TEST(SyscallSucceeds, KeepsErrnoOfTheCall) {
  // Explanation() has changed errno to ENOTTY in between.
  EXPECT_THAT(Explanation(FailWith(ENODEV), SyscallSucceeds()), HasSubstr("ENODEV"));
}

TEST(SyscallSucceeds, ForgetsErrnoOfAnEarlierCall) {
  const testing::Matcher<int> matcher = SyscallSucceeds();
  EXPECT_FALSE(matcher.Matches(FailWith(EIO)));
  const int failed = FailWith(ENOSPC);
  EXPECT_FALSE(matcher.Matches(failed));
  StringMatchResultListener listener;
  EXPECT_FALSE(matcher.MatchAndExplain(failed, &listener));
  EXPECT_THAT(listener.str(), HasSubstr("ENOSPC"));
}

TEST(SyscallSucceedsWithValue, TakesNumbersAndMatchers) {
  EXPECT_THAT(5, SyscallSucceedsWithValue(5));
  EXPECT_THAT(5, SyscallSucceedsWithValue(Ge(4)));
  EXPECT_THAT(5, Not(SyscallSucceedsWithValue(4)));
  // -1 is never a value.
  EXPECT_THAT(FailWith(EIO), Not(SyscallSucceedsWithValue(-1)));
  EXPECT_EQ(Explanation(FailWith(EIO), SyscallSucceedsWithValue(0)),
            "which failed with EIO (Input/output error)");
}

TEST(SyscallFailsWithErrno, TakesNumbersAndMatchers) {
  EXPECT_THAT(FailWith(ENODEV), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(FailWith(ENODEV), SyscallFailsWithErrno(AnyOf(EIO, ENODEV)));
  EXPECT_THAT(FailWith(ENODEV), Not(SyscallFailsWithErrno(EIO)));
  EXPECT_THAT(FailWith(ENODEV), Not(SyscallFailsWithErrno(AnyOf(EIO, EPERM))));
}

TEST(SyscallFailsWithErrno, SuccessNeverMatches) {
  errno = ENODEV;
  EXPECT_THAT(0, Not(SyscallFailsWithErrno(ENODEV)));
  EXPECT_EQ(Explanation(3, SyscallFailsWithErrno(ENODEV)), "which succeeded with 3");
}

TEST(SyscallFailsWithErrno, NamesBothErrnos) {
  EXPECT_THAT(Explanation(FailWith(EPERM), SyscallFailsWithErrno(ENODEV)), HasSubstr("EPERM"));
  EXPECT_THAT(testing::DescribeMatcher<int>(SyscallFailsWithErrno(AnyOf(EIO, ENODEV))),
              testing::AllOf(HasSubstr("EIO (Input"), HasSubstr("ENODEV (No such")));
}

TEST(SyscallMatchers, JudgeObjectsByTheirError) {
  errno = ENOENT;
  const FileDescriptor failed(-1);
  errno = EIO;  // of something later
  EXPECT_THAT(failed, Not(SyscallSucceeds()));
  EXPECT_THAT(failed, SyscallFailsWithErrno(ENOENT));
  EXPECT_THAT(failed, Not(SyscallFailsWithErrno(EIO)));
  EXPECT_THAT(FileDescriptor(dup(0)), SyscallSucceeds());
}

TEST(RetryEintr, RepeatsOnEintrOnly) {
  int calls = 0;
  EXPECT_EQ(RetryEintr([&] { return ++calls < 3 ? FailWith(EINTR) : 8; }), 8);
  EXPECT_EQ(calls, 3);
  calls = 0;
  EXPECT_THAT(RetryEintr([&] {
                ++calls;
                return FailWith(EIO);
              }),
              SyscallFailsWithErrno(EIO));
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace revoke_test
