// SPDX-License-Identifier: GPL-2.0
//
// What early_user tells late_initcalls_test.

#ifndef REVOKE_KSELFTESTS_CLIENTS_EARLY_USER_H_
#define REVOKE_KSELFTESTS_CLIENTS_EARLY_USER_H_

namespace revoke_test::early {

// A file with those of the lines below that are true
inline constexpr const char* kLog = "/early.log";

inline constexpr const char* kBegun = "begun while late initcalls run";
inline constexpr const char* kDrives = "drives the device";
inline constexpr const char* kDead = "has nothing of a device that was pulled";
inline constexpr const char* kDrivesAgain = "drives the device that was plugged in";
inline constexpr const char* kEnded = "ended while late initcalls run";

}  // namespace revoke_test::early

#endif  // REVOKE_KSELFTESTS_CLIENTS_EARLY_USER_H_
