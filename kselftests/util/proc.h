// SPDX-License-Identifier: GPL-2.0
//
// What /proc says about tasks. `tid` is a thread id of any process (for a process: of its first
// thread).

#ifndef REVOKE_KSELFTESTS_UTIL_PROC_H_
#define REVOKE_KSELFTESTS_UTIL_PROC_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace revoke_test {

struct TaskState {
  enum class Syscall {
    kUnknown,  // the kernel has no such file, or we may not read it
    kRunning,  // on a CPU or about to be
    kNone,     // asleep outside any system call, for instance in a page fault
    kNumber,   // asleep in system call `syscall_number`
  };

  std::string comm;
  char state = '?';  // R, S, D, T, Z, ...
  pid_t parent = 0;
  pid_t group = 0;  // process group
  Syscall syscall = Syscall::kUnknown;
  long syscall_number = -1;
  std::string wchan;  // function it sleeps in; empty if unknown
  std::uint64_t voluntary_switches = 0;
};

// Reads `dir`/{stat,syscall,wchan,status}; `dir` is "/proc/TID". Nothing if there is no such task.
std::optional<TaskState> ReadTaskDir(const std::string& dir);
std::optional<TaskState> ReadTask(pid_t tid);

// Threads of a process; processes whose parent is `parent`; processes in process group `group`.
std::vector<pid_t> ThreadsOf(pid_t pid);
std::vector<pid_t> ChildrenOf(pid_t parent);
std::vector<pid_t> MembersOf(pid_t group);

// One line on a task, and its kernel stack below it if that may be read.
std::string DescribeTask(pid_t tid);

// Whole text of a small file; nothing if it cannot be read.
std::optional<std::string> ReadSmallFile(const std::string& path);

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_PROC_H_
