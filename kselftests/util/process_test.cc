// SPDX-License-Identifier: GPL-2.0

#include "process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>

#include "checkpoint.h"
#include "errno_matchers.h"
#include "fd.h"

namespace revoke_test {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

// Reads until the end of file; bounded by the test's deadline.
std::string ReadAll(int fd) {
  std::string text;
  char buffer[256];
  ssize_t got = 0;
  while ((got = read(fd, buffer, sizeof(buffer))) > 0)
    text.append(buffer, static_cast<std::size_t>(got));
  return text;
}

TEST(Child, ExitsWithCodeOfBody) {
  EXPECT_THAT(InChild([] {}), Exited(0));
  EXPECT_THAT(InChild([] { return 7; }), Exited(7));
  EXPECT_THAT(InChild([] { return 7; }), Not(Exited(0)));
}

TEST(Child, TellsSignal) {
  const ExitStatus status = InChild([] { raise(SIGKILL); });
  EXPECT_THAT(status, KilledBySignal(SIGKILL));
  EXPECT_THAT(status, Not(KilledBySignal(SIGTERM)));
  EXPECT_THAT(status, Not(Exited(0)));
  EXPECT_EQ(testing::PrintToString(status), "killed by signal 9 (SIGKILL)");
}

TEST(Child, StatusCanBeAskedAgain) {
  Child child([] { return 3; });
  EXPECT_THAT(child.Wait(), Exited(3));
  EXPECT_THAT(child.Wait(), Exited(3));
  EXPECT_EQ(child.pid(), -1);
  EXPECT_THAT(child.Signal(SIGTERM), SyscallFailsWithErrno(ESRCH));
}

TEST(Child, WaitIsBounded) {
  Child child([] {
    while (true) pause();
  });
  const ExitStatus status = child.Wait(milliseconds(1));
  EXPECT_EQ(testing::PrintToString(status), "still running");
  EXPECT_THAT(status, Not(Exited(0)));
  EXPECT_THAT(child.Signal(SIGTERM), SyscallSucceeds());
  EXPECT_THAT(child.Wait(), KilledBySignal(SIGTERM));
}

TEST(Child, DestructorKills) {
  pid_t pid = -1;
  {
    const Child child([] {
      while (true) pause();
    });
    pid = child.pid();
    EXPECT_THAT(kill(pid, 0), SyscallSucceeds());
  }
  EXPECT_THAT(kill(pid, 0), SyscallFailsWithErrno(ESRCH));
}

TEST(Child, HasGroupOfItsOwn) {
  Child child([] { return getpgrp() == getpid() ? 0 : 1; });
  EXPECT_EQ(getpgid(child.pid()), child.pid());
  EXPECT_THAT(child.Wait(), Exited(0));
}

TEST(Child, GrandchildrenGoWithIt) {
  PipeEnds alive = Pipe();
  Checkpoint grandchild_runs;
  Child child([&] {
    if (fork() == 0) {
      grandchild_runs.Reach();
      while (true) pause();
    }
    TEST_CHECK(grandchild_runs.WaitFor(1));
  });
  alive.write = FileDescriptor();
  EXPECT_THAT(child.Wait(), Exited(0));
  // The end of file comes when the grandchild, the last to hold the pipe, is gone.
  EXPECT_EQ(ReadAll(alive.read.get()), "");
}

TEST(Child, DiesWithParent) {
  PipeEnds alive = Pipe();
  Checkpoint grandchild_runs;
  Child parent([&] {
    const Child child([&] {
      TEST_CHECK(setpgid(0, getppid()) == 0);  // out of the reach of a kill of its own group
      grandchild_runs.Reach();
      while (true) pause();
    });
    TEST_CHECK(grandchild_runs.WaitFor(1));
    _exit(0);  // without destructors
  });
  alive.write = FileDescriptor();
  ASSERT_TRUE(grandchild_runs.WaitFor(1));
  EXPECT_EQ(ReadAll(alive.read.get()), "");
}

TEST(TestCheck, NamesFileLineAndCondition) {
  PipeEnds error = Pipe();
  Child child([&] {
    dup2(error.write.get(), STDERR_FILENO);
    TEST_CHECK(1 + 1 == 2);
    TEST_CHECK(1 + 1 == 3);
  });
  error.write = FileDescriptor();
  EXPECT_THAT(ReadAll(error.read.get()),
              testing::MatchesRegex(".*process_test.cc:[0-9]+: check failed: 1 \\+ 1 == 3\n"));
  EXPECT_THAT(child.Wait(), Exited(kCheckFailedExit));
}

TEST(TestCheck, NamesErrno) {
  PipeEnds error = Pipe();
  Child child([&] {
    dup2(error.write.get(), STDERR_FILENO);
    TEST_PCHECK(close(-1) == 0);
  });
  error.write = FileDescriptor();
  EXPECT_THAT(ReadAll(error.read.get()), HasSubstr("close(-1) == 0, errno is EBADF\n"));
  EXPECT_THAT(child.Wait(), Exited(kCheckFailedExit));
}

TEST(Child, LostAssertionIsNotLost) {
  Child child([] {
    // Quietly: the interceptor would undo what is tested.
    dup2(Open("/dev/null", O_WRONLY).Release(), STDOUT_FILENO);
    dup2(STDOUT_FILENO, STDERR_FILENO);
    ADD_FAILURE() << "nobody sees this";
  });
  EXPECT_THAT(child.Wait(), Exited(kCheckFailedExit));
}

TEST(ExitStatus, SaysWhyItDidNotStart) {
  const ExitStatus status = ExitStatus::NotStarted(EAGAIN);
  EXPECT_EQ(testing::PrintToString(status),
            "not started, fork failed with EAGAIN (Resource temporarily unavailable)");
  EXPECT_THAT(status, Not(Exited(0)));
  EXPECT_THAT(status, Not(Exited(EAGAIN)));
}

}  // namespace
}  // namespace revoke_test
