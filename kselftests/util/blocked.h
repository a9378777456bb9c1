// SPDX-License-Identifier: GPL-2.0
//
// Waits, without sleeping, until another task is blocked where the test wants it:
//
//     ScopedThread reader([&] { result = read(fd.get(), buffer, 1); });
//     ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
//
// /proc/TID/syscall names the system call. Where the kernel has no such file, or it may not be
// read, the task must be seen asleep in one and the same sleep (by its count of voluntary switches)
// many times in a row; give `wchan` too if the task sleeps in other places on its way.

#ifndef REVOKE_KSELFTESTS_UTIL_BLOCKED_H_
#define REVOKE_KSELFTESTS_UTIL_BLOCKED_H_

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <string>

#include "deadline.h"
#include "proc.h"

namespace revoke_test {

struct BlockedIn {
  static constexpr long kAnySyscall = -2;
  static constexpr long kNoSyscall = -1;  // asleep outside system calls: in a page fault

  long syscall = kAnySyscall;    // SYS_read, ...
  std::string states = "SD";     // any of these letters
  std::string wchan{};           // part of the name of the function it sleeps in; empty: any
  bool use_syscall_file = true;  // false: judge as if the kernel had none
};

// Success once task `tid` is blocked so; failure, with what it does instead, if `limit` (scaled)
// passes first or the task ends.
testing::AssertionResult WaitUntilBlocked(pid_t tid, const BlockedIn& where,
                                          std::chrono::milliseconds limit = kDefaultWait);

namespace internal {

// Judges one observation after another of the same task.
class BlockedJudge {
 public:
  explicit BlockedJudge(BlockedIn where) : where_(std::move(where)) {}

  // Sightings of one sleep that count as being blocked when the system call is not known.
  static constexpr int kSightings = 32;

  // True if the task is blocked where it should be.
  bool Blocked(const TaskState& task);

 private:
  BlockedIn where_;
  int sightings_ = 0;
  std::uint64_t sleep_ = 0;  // voluntary switches at the last sighting
};

}  // namespace internal
}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_BLOCKED_H_
