// SPDX-License-Identifier: GPL-2.0
//
// For what may never come back from the kernel.

#ifndef REVOKE_KSELFTESTS_GUEST_BOUNDED_H_
#define REVOKE_KSELFTESTS_GUEST_BOUNDED_H_

#include <chrono>
#include <functional>

namespace guest {

enum class Bounded {
  kDone,    // it returned
  kFailed,  // it threw an Error, which was printed, or its process died
  kStuck,   // it was not done in time, and was killed; the process may still be there
};

// Calls `what` in a child process and waits for it no longer than `timeout`, and some moments more
// for its end. Throws Error if there can be no child.
Bounded RunBounded(const std::function<void()>& what, std::chrono::milliseconds timeout);

}  // namespace guest

#endif  // REVOKE_KSELFTESTS_GUEST_BOUNDED_H_
