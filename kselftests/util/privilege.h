// SPDX-License-Identifier: GPL-2.0
//
// Giving privileges up. All of it is meant for forked children (process.h) and is async-signal-safe
// unless said otherwise; it changes the calling thread only.

#ifndef REVOKE_KSELFTESTS_UTIL_PRIVILEGE_H_
#define REVOKE_KSELFTESTS_UTIL_PRIVILEGE_H_

#include <sys/types.h>

namespace revoke_test {

// "nobody" wherever the kernel needs such a number (overflowuid is one less than 65535).
inline constexpr uid_t kNobody = 65534;

// True if `capability` (CAP_SYS_ADMIN, ...) is effective.
bool HaveCapability(int capability);

// Takes `capability` out of the effective, permitted and inheritable sets. Returns 0, or -1 and
// errno.
int DropCapability(int capability);

// Becomes user and group `id` for good: no groups, no capabilities. Returns 0, or -1 and errno
// (EPERM: was not root).
int BecomeUser(uid_t id = kNobody);

// Enters a new user namespace as its root (user and group 0 there are the caller's outside).
// Returns 0, or -1 and errno. Not async-signal-safe.
int EnterUserNamespace();

// True if EnterUserNamespace() works here; tried out in a child. Not for use in children.
bool UserNamespacesWork();

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_PRIVILEGE_H_
