// SPDX-License-Identifier: GPL-2.0
//
// What the agent does before and after the job when it is process 1.

#ifndef REVOKE_KSELFTESTS_GUEST_INIT_H_
#define REVOKE_KSELFTESTS_GUEST_INIT_H_

#include <string>

namespace guest {

// Mounts the kernel's file systems and the results directory. Throws Error.
void SetUpMachine();

// Mounts the host directories the job in `results` names. Throws Error.
void MountShares(const std::string& results);

// Ends the machine. Does not return.
[[noreturn]] void PowerOff();

}  // namespace guest

#endif  // REVOKE_KSELFTESTS_GUEST_INIT_H_
