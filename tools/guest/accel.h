// SPDX-License-Identifier: GPL-2.0
//
// Whether hardware virtualisation works here. That /dev/kvm exists says little: it may belong to a
// nested or crippled hypervisor, so the only answer is a guest that boots and answers.

#ifndef REVOKE_TOOLS_GUEST_ACCEL_H_
#define REVOKE_TOOLS_GUEST_ACCEL_H_

#include <functional>
#include <string>

#include "backend.h"

namespace guest {

struct AccelAnswer {
  Accel accel = Accel::kTcg;
  std::string why;  // one line for people
};

// `probe` boots under KVM and returns true if the guest answered; it is called only when needed.
// The answer is kept in `cache_file` and valid while `boot_id` and the device stay the same.
AccelAnswer ChooseAccel(const std::string& kvm_device, const std::string& boot_id,
                        const std::string& cache_file, const std::function<bool()>& probe);

}  // namespace guest

#endif  // REVOKE_TOOLS_GUEST_ACCEL_H_
