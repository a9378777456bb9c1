// SPDX-License-Identifier: GPL-2.0

#include "proc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <string>

#include "blocked.h"
#include "process.h"
#include "temp_dir.h"
#include "thread.h"

namespace revoke_test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

// A directory made to look like that of a task.
class TaskDirTest : public testing::Test {
 protected:
  void Write(const std::string& file, const std::string& text) {
    std::ofstream(dir_ / file) << text;
  }
  std::optional<TaskState> Read() { return ReadTaskDir(dir_.path()); }

  TempDir dir_;
};

TEST_F(TaskDirTest, ReadsAll) {
  Write("stat", "12 (a (b) c) S 3 4 5 0 -1\n");
  Write("syscall", "0 0x3 0x7f 0x1 0x0 0x0 0x0 0x7ffc 0x7f14\n");
  Write("wchan", "pipe_read");
  Write("status", "Name:\tx\nvoluntary_ctxt_switches:\t41\nnonvoluntary_ctxt_switches:\t7\n");
  const std::optional<TaskState> task = Read();
  ASSERT_TRUE(task);
  EXPECT_EQ(task->comm, "a (b) c");
  EXPECT_EQ(task->state, 'S');
  EXPECT_EQ(task->parent, 3);
  EXPECT_EQ(task->group, 4);
  EXPECT_EQ(task->syscall, TaskState::Syscall::kNumber);
  EXPECT_EQ(task->syscall_number, 0);
  EXPECT_EQ(task->wchan, "pipe_read");
  EXPECT_EQ(task->voluntary_switches, 41U);
}

TEST_F(TaskDirTest, KnowsFormsOfSyscall) {
  Write("stat", "1 (x) S 0 0 0\n");
  EXPECT_EQ(Read()->syscall, TaskState::Syscall::kUnknown);
  Write("syscall", "running\n");
  EXPECT_EQ(Read()->syscall, TaskState::Syscall::kRunning);
  Write("syscall", "-1 0x7ffc 0x7f14\n");
  EXPECT_EQ(Read()->syscall, TaskState::Syscall::kNone);
  Write("syscall", "232 0x0\n");
  EXPECT_EQ(Read()->syscall_number, 232);
  Write("syscall", "");
  EXPECT_EQ(Read()->syscall, TaskState::Syscall::kUnknown);
}

TEST_F(TaskDirTest, NoWchanIsEmpty) {
  Write("stat", "1 (x) S 0 0 0\n");
  Write("wchan", "0");
  EXPECT_EQ(Read()->wchan, "");
}

TEST_F(TaskDirTest, NothingWithoutGoodStat) {
  EXPECT_FALSE(Read());
  Write("stat", "no parentheses");
  EXPECT_FALSE(Read());
  Write("stat", "1 (x) S");
  EXPECT_FALSE(Read());
}

TEST(Proc, KnowsThisTask) {
  const std::optional<TaskState> task = ReadTask(gettid());
  ASSERT_TRUE(task);
  EXPECT_EQ(task->state, 'R');
  EXPECT_EQ(task->parent, getppid());
  EXPECT_EQ(task->group, getpgrp());
  EXPECT_FALSE(ReadTask(-1));
}

TEST(Proc, ListsThreads) {
  const ScopedThread thread([] {});
  EXPECT_THAT(ThreadsOf(getpid()), Contains(gettid()));
}

TEST(Proc, ListsChildrenAndGroups) {
  Child child([] {
    while (true) pause();
  });
  const pid_t pid = child.pid();
  EXPECT_THAT(ChildrenOf(getpid()), Contains(pid));
  EXPECT_THAT(ChildrenOf(pid), Not(Contains(pid)));
  EXPECT_THAT(MembersOf(pid), testing::ElementsAre(pid));
  ASSERT_THAT(child.Signal(9), 0);
  EXPECT_THAT(child.Wait(), KilledBySignal(9));
  EXPECT_THAT(ChildrenOf(getpid()), Not(Contains(pid)));
}

TEST(Proc, DescribesTask) {
  const Child child([] {
    prctl(PR_SET_NAME, "odd)name");
    while (true) pause();
  });
  ASSERT_TRUE(WaitUntilBlocked(child.pid(), {.syscall = SYS_pause}));
  EXPECT_THAT(DescribeTask(child.pid()), HasSubstr("(odd)name) state S, "));
  EXPECT_EQ(DescribeTask(-1), "task -1 is gone");
}

TEST(Proc, ReadsSmallFiles) {
  const TempDir dir;
  const std::string text(10'000, 'x');
  std::ofstream(dir / "file") << text;
  EXPECT_EQ(ReadSmallFile(dir / "file"), text);
  EXPECT_FALSE(ReadSmallFile(dir / "other"));
  EXPECT_FALSE(ReadSmallFile(dir.path()));
}

}  // namespace
}  // namespace revoke_test
