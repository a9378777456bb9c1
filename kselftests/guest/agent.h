// SPDX-License-Identifier: GPL-2.0
//
// The guest side of guest-run: reads the job, runs the program, writes the verdict.

#ifndef REVOKE_KSELFTESTS_GUEST_AGENT_H_
#define REVOKE_KSELFTESTS_GUEST_AGENT_H_

#include <string>

#include "job.h"

namespace guest {

// Runs the program of `job` with its output in `output` and waits for it, reaping whatever else
// ends meanwhile. Never throws: what goes wrong is in the verdict.
Verdict RunJob(const Job& job, const std::string& output);

// Reads the job from `results`, runs it, leaves the verdict there. False, with a message on
// standard error, if not even that was possible.
bool ServeJob(const std::string& results);

}  // namespace guest

#endif  // REVOKE_KSELFTESTS_GUEST_AGENT_H_
