// SPDX-License-Identifier: GPL-2.0
//
// One guest run from the job file to the judgement.

#ifndef REVOKE_TOOLS_GUEST_RUNNER_H_
#define REVOKE_TOOLS_GUEST_RUNNER_H_

#include <functional>
#include <string>
#include <string_view>

#include "backend.h"
#include "judge.h"

namespace guest {

struct RunResult {
  Judgement judgement;
  Backend backend = Backend::kInitramfs;
  Accel accel = Accel::kTcg;
  bool interrupted = false;
  std::chrono::milliseconds elapsed{0};
};

// Boots a guest as `spec` says (its accel is not kAuto), and judges. What the program prints is
// handed to `echo` as it comes. The logs and *.ktap files of an earlier run are removed from the
// results directory first. Throws Error when no guest could be started.
RunResult RunGuest(const RunSpec& spec, const splat::AllowList& allow,
                   const std::function<void(std::string_view)>& echo);

// Boots the kernel under KVM with a program that does nothing; true if the verdict is good.
// `spec` gives kernel, agent and qemu; `directory` is scratch.
bool ProbeKvm(const RunSpec& spec, const std::string& directory);

}  // namespace guest

#endif  // REVOKE_TOOLS_GUEST_RUNNER_H_
