// SPDX-License-Identifier: GPL-2.0

#include "blocked.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <string>

#include "fd.h"
#include "process.h"
#include "thread.h"

namespace revoke_test {
namespace {

using internal::BlockedJudge;
using std::chrono::milliseconds;
using testing::HasSubstr;

TaskState Asleep(TaskState::Syscall syscall, long number) {
  TaskState task;
  task.state = 'S';
  task.syscall = syscall;
  task.syscall_number = number;
  task.wchan = "pipe_read";
  task.voluntary_switches = 5;
  return task;
}

TEST(BlockedJudge, ComparesSyscall) {
  const TaskState in_read = Asleep(TaskState::Syscall::kNumber, SYS_read);
  EXPECT_TRUE(BlockedJudge({.syscall = SYS_read}).Blocked(in_read));
  EXPECT_TRUE(BlockedJudge({}).Blocked(in_read));
  EXPECT_FALSE(BlockedJudge({.syscall = SYS_write}).Blocked(in_read));
  EXPECT_FALSE(BlockedJudge({.syscall = BlockedIn::kNoSyscall}).Blocked(in_read));
}

TEST(BlockedJudge, KnowsFaults) {
  const TaskState in_fault = Asleep(TaskState::Syscall::kNone, -1);
  EXPECT_TRUE(BlockedJudge({.syscall = BlockedIn::kNoSyscall}).Blocked(in_fault));
  EXPECT_TRUE(BlockedJudge({}).Blocked(in_fault));
  EXPECT_FALSE(BlockedJudge({.syscall = SYS_read}).Blocked(in_fault));
}

TEST(BlockedJudge, RunningIsNotBlocked) {
  EXPECT_FALSE(BlockedJudge({}).Blocked(Asleep(TaskState::Syscall::kRunning, -1)));
  TaskState task = Asleep(TaskState::Syscall::kNumber, SYS_read);
  task.state = 'R';
  EXPECT_FALSE(BlockedJudge({.syscall = SYS_read}).Blocked(task));
}

TEST(BlockedJudge, ComparesState) {
  TaskState task = Asleep(TaskState::Syscall::kNumber, SYS_read);
  EXPECT_FALSE(BlockedJudge({.states = "D"}).Blocked(task));
  task.state = 'D';
  EXPECT_TRUE(BlockedJudge({.states = "D"}).Blocked(task));
  EXPECT_TRUE(BlockedJudge({}).Blocked(task));
}

TEST(BlockedJudge, ComparesWchan) {
  const TaskState task = Asleep(TaskState::Syscall::kNumber, SYS_read);
  EXPECT_TRUE(BlockedJudge({.wchan = "pipe"}).Blocked(task));
  EXPECT_FALSE(BlockedJudge({.wchan = "futex"}).Blocked(task));
}

TEST(BlockedJudge, WithoutSyscallNeedsOneLongSleep) {
  TaskState task = Asleep(TaskState::Syscall::kUnknown, -1);
  BlockedJudge judge({.syscall = SYS_read});
  for (int i = 1; i < BlockedJudge::kSightings; ++i) ASSERT_FALSE(judge.Blocked(task)) << i;
  ++task.voluntary_switches;  // another sleep: the count begins again
  for (int i = 1; i < BlockedJudge::kSightings; ++i) ASSERT_FALSE(judge.Blocked(task)) << i;
  task.state = 'R';  // and again
  ASSERT_FALSE(judge.Blocked(task));
  task.state = 'S';
  for (int i = 1; i < BlockedJudge::kSightings; ++i) ASSERT_FALSE(judge.Blocked(task)) << i;
  EXPECT_TRUE(judge.Blocked(task));
}

TEST(BlockedJudge, CanIgnoreSyscall) {
  const TaskState task = Asleep(TaskState::Syscall::kNumber, SYS_write);
  BlockedJudge judge({.syscall = SYS_read, .use_syscall_file = false});
  bool blocked = false;
  for (int i = 0; i < BlockedJudge::kSightings; ++i) blocked = judge.Blocked(task);
  EXPECT_TRUE(blocked);
}

// A thread that reads from an empty pipe.
class BlockedReader : public testing::Test {
 protected:
  ~BlockedReader() override { pipe_.write = FileDescriptor(); }

  PipeEnds pipe_ = Pipe();
};

TEST_F(BlockedReader, IsSeen) {
  char byte = 0;
  ssize_t result = -1;
  ScopedThread reader([&] { result = read(pipe_.read.get(), &byte, 1); });
  EXPECT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  EXPECT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read, .use_syscall_file = false}));
  ASSERT_EQ(write(pipe_.write.get(), "x", 1), 1);
  reader.Join();
  EXPECT_EQ(result, 1);
}

TEST_F(BlockedReader, ElsewhereIsToldApart) {
  char byte = 0;
  ScopedThread reader([&] { static_cast<void>(!read(pipe_.read.get(), &byte, 1)); });
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  const testing::AssertionResult result =
      WaitUntilBlocked(reader.tid(), {.syscall = SYS_write}, milliseconds(5));
  EXPECT_FALSE(result);
  EXPECT_THAT(result.message(),
              HasSubstr("did not block in system call " + std::to_string(SYS_write)));
  EXPECT_THAT(result.message(), HasSubstr("in system call " + std::to_string(SYS_read)));
  pipe_.write = FileDescriptor();
}

TEST(WaitUntilBlocked, BusyTaskIsNotBlocked) {
  const Child busy([] {
    volatile int counter = 0;
    while (true) counter = counter + 1;
  });
  EXPECT_FALSE(WaitUntilBlocked(busy.pid(), {}, milliseconds(20)));
  EXPECT_FALSE(WaitUntilBlocked(busy.pid(), {.use_syscall_file = false}, milliseconds(20)));
}

TEST(WaitUntilBlocked, EndedTaskIsTold) {
  const Child child([] {});
  const testing::AssertionResult result = WaitUntilBlocked(child.pid(), {.syscall = SYS_read});
  EXPECT_FALSE(result);
  EXPECT_THAT(result.message(), HasSubstr("ended instead of blocking"));
}

}  // namespace
}  // namespace revoke_test
