// SPDX-License-Identifier: GPL-2.0

#include "blocked.h"

#include <sched.h>

#include <optional>

namespace revoke_test {
namespace internal {

bool BlockedJudge::Blocked(const TaskState& task) {
  const bool asleep = where_.states.find(task.state) != std::string::npos;
  const bool right_place =
      where_.wchan.empty() || task.wchan.find(where_.wchan) != std::string::npos;
  if (!asleep || !right_place) {
    sightings_ = 0;
    return false;
  }
  if (where_.use_syscall_file && task.syscall != TaskState::Syscall::kUnknown) {
    switch (task.syscall) {
      case TaskState::Syscall::kNone:
        return where_.syscall == BlockedIn::kNoSyscall || where_.syscall == BlockedIn::kAnySyscall;
      case TaskState::Syscall::kNumber:
        return where_.syscall == task.syscall_number || where_.syscall == BlockedIn::kAnySyscall;
      default:
        return false;
    }
  }
  sightings_ = sightings_ > 0 && sleep_ == task.voluntary_switches ? sightings_ + 1 : 1;
  sleep_ = task.voluntary_switches;
  return sightings_ >= kSightings;
}

}  // namespace internal

testing::AssertionResult WaitUntilBlocked(pid_t tid, const BlockedIn& where,
                                          std::chrono::milliseconds limit) {
  internal::BlockedJudge judge(where);
  const Deadline deadline(limit);
  while (true) {
    const std::optional<TaskState> task = ReadTask(tid);
    if (!task || task->state == 'Z' || task->state == 'X') {
      return testing::AssertionFailure() << "task " << tid << " ended instead of blocking";
    }
    if (judge.Blocked(*task)) return testing::AssertionSuccess() << DescribeTask(tid);
    if (deadline.Passed()) {
      return testing::AssertionFailure()
             << "task " << tid << " did not block in system call " << where.syscall
             << (where.wchan.empty() ? "" : " in " + where.wchan) << "; now: " << DescribeTask(tid);
    }
    sched_yield();
  }
}

}  // namespace revoke_test
