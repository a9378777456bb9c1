// SPDX-License-Identifier: GPL-2.0
//
// Runs the emulator: one child process group, its output kept in files, with a deadline.

#ifndef REVOKE_TOOLS_GUEST_PROCESS_H_
#define REVOKE_TOOLS_GUEST_PROCESS_H_

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace guest {

struct ProcessSpec {
  std::vector<std::string> argv;      // argv[0] is searched in PATH
  std::string stdout_path;            // appended to
  std::string stderr_path;            // appended to
  std::chrono::milliseconds timeout;  // then the whole group is killed
  // Called a few times a second while the child runs, and once after it ended.
  std::function<void()> tick = [] {};
  // Asked after each tick; what it says is true is killed as if the time were over.
  std::function<bool()> stalled = [] { return false; };
};

struct ProcessResult {
  bool timed_out = false;
  bool interrupted = false;      // SIGINT, SIGTERM or SIGHUP came, and the group was killed
  std::optional<int> exit_code;  // if it exited by itself
  std::optional<int> signal;     // if a signal ended it
};

// The child reads /dev/null and writes to pipes, since emulators reopen and truncate plain files.
// On return no process of the group is left. Throws Error if the child cannot be started.
ProcessResult RunProcess(const ProcessSpec& spec);

// "PROGRAM exited with 1 ..." if the process did not end well by itself, for the judgement. A
// time-out is not described here.
std::optional<std::string> DescribeFailure(const ProcessSpec& spec, const ProcessResult& result);

}  // namespace guest

#endif  // REVOKE_TOOLS_GUEST_PROCESS_H_
