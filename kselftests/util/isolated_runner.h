// SPDX-License-Identifier: GPL-2.0
//
// Runs each selected GoogleTest test in a process of its own. A crash or a hang costs one test.
//
// The test's process leads a process group and has an end of file for input; what it and its
// children print comes out as KTAP diagnostics. When it ends, or at the deadline, everything it
// started is killed, daemons included (the runner is their subreaper), and what SIGKILL does not
// end is reported with its kernel stack: an unkillable task is a finding. Around each test the
// kernel log and the taint flags are watched (kmsg.h).

#ifndef REVOKE_KSELFTESTS_UTIL_ISOLATED_RUNNER_H_
#define REVOKE_KSELFTESTS_UTIL_ISOLATED_RUNNER_H_

#include <chrono>

#include "ktap.h"
#include "splat.h"
#include "verdict.h"

namespace revoke_test {

struct RunnerOptions {
  std::chrono::milliseconds deadline{60'000};  // per test, scaled
  std::chrono::milliseconds kill_wait{5'000};  // for SIGKILL to take effect, scaled
  Policy policy;
  splat::AllowList allowed_splats;
};

// Runs the tests that GoogleTest's flags select, in this single-threaded process, and reports them
// to `ktap`. Returns the exit code of the program.
int RunIsolated(const RunnerOptions& options, KtapWriter* ktap);

// Same, all in this process, for debuggers: no deadline, no kernel log, no baseline.
int RunInProcess(const RunnerOptions& options, KtapWriter* ktap);

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_ISOLATED_RUNNER_H_
