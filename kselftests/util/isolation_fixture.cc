// SPDX-License-Identifier: GPL-2.0
//
// Tests that misbehave in every way, run by isolation_test.cc through the real main().

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "baseline.h"
#include "fd.h"
#include "process.h"
#include "revokeat.h"
#include "skip.h"

namespace revoke_test {
namespace {

// Forks a process that lives until somebody kills it, and notes its number in the file named by
// FIXTURE_PID_FILE.
void LeaveProcessBehind(bool own_session) {
  PipeEnds started = Pipe();
  const pid_t pid = fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    if (own_session) setsid();
    started.write = FileDescriptor();
    while (true) pause();
  }
  started.write = FileDescriptor();
  char byte = 0;
  // Comes back when the child has closed its end, so it is in its session by then.
  EXPECT_EQ(read(started.read.get(), &byte, 1), 0);
  std::ofstream(std::getenv("FIXTURE_PID_FILE")) << pid;
}

REVOKE_TEST(Good, Passes, baseline::kPasses) {}
REVOKE_TEST(Good, SecondPasses, baseline::kPasses) {}

REVOKE_TEST(Good, Prints, baseline::kPasses) {
  std::printf("to stdout\nunfinished");
  std::fprintf(stderr, "to stderr\nok 99 forged\n");
}

REVOKE_TEST(Good, DeathTest, baseline::kPasses) {
  EXPECT_EXIT(raise(SIGBUS), testing::KilledBySignal(SIGBUS), "");
}

REVOKE_TEST(Good, InputIsEmpty, baseline::kPasses) {
  char byte = 0;
  EXPECT_EQ(read(STDIN_FILENO, &byte, 1), 0);
}

REVOKE_TEST(Good, SignalsAreNotBlocked, baseline::kPasses) {
  sigset_t mask;
  ASSERT_EQ(sigprocmask(SIG_BLOCK, nullptr, &mask), 0);
  EXPECT_FALSE(sigismember(&mask, SIGTERM));
}

REVOKE_TEST(Bad, Fails, baseline::kFails) {
  baseline::FailsFromHere();
  EXPECT_EQ(1 + 1, 3) << "first\nsecond line";
}

REVOKE_TEST(Bad, Crashes, baseline::kFails) { raise(SIGSEGV); }
REVOKE_TEST(Bad, Exits, baseline::kPasses) { std::exit(0); }
REVOKE_TEST(Bad, CrashesOnExit, baseline::kPasses) {
  ASSERT_EQ(std::atexit([] { std::abort(); }), 0);
}
REVOKE_TEST(Bad, Hangs, baseline::kFails) {
  while (true) pause();
}
REVOKE_TEST(Bad, HangsWritingWithoutEnd, baseline::kFails) {
  const std::string line = std::string(4095, 'x') + "\n";
  while (write(STDOUT_FILENO, line.data(), line.size()) > 0) {
  }
}
REVOKE_TEST(Bad, ChildOfItFails, baseline::kPasses) {
  EXPECT_THAT(InChild([] { TEST_CHECK(false && "in the child"); }), Exited(0));
}
REVOKE_TEST(Bad, ForkedCopyGoesOn, baseline::kPasses) {
  // The copy fails an assertion and leaves through GoogleTest, as if it were the test.
  const pid_t pid = fork();
  if (pid == 0) {
    EXPECT_TRUE(false) << "from the copy";
    return;
  }
  EXPECT_EQ(waitpid(pid, nullptr, 0), pid);
}

REVOKE_TEST(Skip, WithReason, baseline::kPasses) {
  REVOKE_SKIP_IF(true, "lacks # something\nhere");
}
REVOKE_TEST(Skip, Another, baseline::kPasses) { GTEST_SKIP(); }
REVOKE_TEST(Skip, AfterFailure, baseline::kPasses) {
  ADD_FAILURE() << "failed first";
  GTEST_SKIP() << "then skipped";
}
REVOKE_TEST(Skip, DISABLED_ByName, baseline::kPasses) {}

REVOKE_TEST(Leaves, InGroup, baseline::kPasses) { LeaveProcessBehind(false); }
REVOKE_TEST(Leaves, InSession, baseline::kPasses) { LeaveProcessBehind(true); }
REVOKE_TEST(Leaves, InSessionAndHangs, baseline::kPasses) {
  LeaveProcessBehind(true);
  while (true) pause();
}

// Baseline: right and wrong declarations, on a kernel without revokeat(2) unless said otherwise.
REVOKE_TEST(Declared, RightFails, baseline::kFails) {
  baseline::FailsFromHere();
  FAIL() << "the hole";
}
REVOKE_TEST(Declared, RightFailsInChild, baseline::kFails) {
  EXPECT_THAT(InChild([] { return baseline::HoleInChild(); }), Exited(0));
}
REVOKE_TEST(Declared, RightEnosys, baseline::kEnosys) { EXPECT_EQ(revoke("/dev/null"), 0); }
REVOKE_TEST(Declared, RightEnosysSkip, baseline::kEnosys) { REVOKE_NEED_REVOKEAT(); }
REVOKE_TEST(Declared, RightEnosysInChild, baseline::kEnosys) {
  EXPECT_THAT(InChild([] { TEST_PCHECK(revoke("/dev/null") == 0); }), Exited(0));
}
REVOKE_TEST(Declared, RightPasses, baseline::kPasses) {}
REVOKE_TEST(Declared, WrongFails, baseline::kFails) { baseline::FailsFromHere(); }
REVOKE_TEST(Declared, WrongFailsInSetup, baseline::kFails) {
  EXPECT_TRUE(false) << "no device";
  baseline::FailsFromHere();
  EXPECT_TRUE(false) << "of course";
}
REVOKE_TEST(Declared, WrongFailsInACheck, baseline::kFails) {
  baseline::FailsFromHere();
  EXPECT_THAT(InChild([] { TEST_CHECK(false && "in the child"); }), Exited(0));
}
class NotSetUp : public testing::Test {
 protected:
  void SetUp() override { FAIL() << "no device"; }
};
REVOKE_TEST_F(NotSetUp, WrongFails, baseline::kFails) { baseline::FailsFromHere(); }
REVOKE_TEST(Declared, WrongFailsEnosys, baseline::kFails) { EXPECT_EQ(revoke("/dev/null"), 0); }
REVOKE_TEST(Declared, WrongEnosys, baseline::kEnosys) { FAIL() << "not for want of revokeat"; }
REVOKE_TEST(Declared, WrongEnosysPasses, baseline::kEnosys) { EXPECT_EQ(revoke("/dev/null"), -1); }
REVOKE_TEST(Declared, WrongEnosysInSetup, baseline::kEnosys) {
  EXPECT_TRUE(false) << "no device";
  EXPECT_EQ(revoke("/dev/null"), 0);
}
REVOKE_TEST(Declared, WrongPasses, baseline::kPasses) { FAIL() << "a surprise"; }
REVOKE_TEST(Declared, WrongSkips, baseline::kFails) { GTEST_SKIP() << "no device"; }
TEST(Declared, Nothing) {}

class Values : public testing::TestWithParam<int> {};
REVOKE_TEST_P(Values, Even, baseline::kPasses) { EXPECT_EQ(GetParam() % 2, 0); }
INSTANTIATE_TEST_SUITE_P(Some, Values, testing::Values(2, 4));

class BadSetUp : public testing::Test {
 protected:
  static void SetUpTestSuite() { ADD_FAILURE() << "suite not set up"; }
};
REVOKE_TEST_F(BadSetUp, Innocent, baseline::kPasses) {}

}  // namespace
}  // namespace revoke_test
