// SPDX-License-Identifier: GPL-2.0
//
// Bounds for every wait. No helper waits for ever, and every bound grows on slow machines.

#ifndef REVOKE_KSELFTESTS_UTIL_DEADLINE_H_
#define REVOKE_KSELFTESTS_UTIL_DEADLINE_H_

#include <chrono>
#include <ctime>
#include <optional>
#include <string>

namespace revoke_test {

// How long helpers wait by default, before scaling. Shorter than the deadline of a test, so that
// the helper can say what it was waiting for.
inline constexpr std::chrono::milliseconds kDefaultWait{10'000};

// KSFT_MACHINE_SLOW=yes (set by kernel CI systems) stands for this factor.
inline constexpr int kMachineSlowFactor = 5;
inline constexpr int kMaxSlowFactor = 1000;

// The slow factor meant by the values of REVOKE_TEST_SLOW and KSFT_MACHINE_SLOW (null: not set);
// the former wins. Returns nothing and sets *error if REVOKE_TEST_SLOW is not a whole number from 1
// to kMaxSlowFactor.
std::optional<int> ParseSlowFactor(const char* revoke_test_slow, const char* ksft_machine_slow,
                                   std::string* error);

// The factor of this process's environment, at least 1. A bad value ends the process with a message
// (IsolatedMain checks it before any test runs).
int SlowFactor();

// `time` multiplied by SlowFactor().
std::chrono::milliseconds Scaled(std::chrono::milliseconds time);

// Leaves `percent` % of each time that is scaled from now on, in this process and in its later
// children. Async-signal-safe.
void ShortenDeadlines(int percent);

// A point on CLOCK_MONOTONIC. Async-signal-safe, usable across fork().
class Deadline {
 public:
  // `in` from now, scaled by SlowFactor().
  explicit Deadline(std::chrono::milliseconds in);

  bool Passed() const { return Left() <= std::chrono::nanoseconds::zero(); }

  // Time left, zero once passed.
  std::chrono::nanoseconds Left() const;

  // The same for futex(2) and ppoll(2) (relative), and for poll(2) (milliseconds, rounded up,
  // INT_MAX at most).
  timespec LeftAsTimespec() const;
  int LeftAsPollTimeout() const;

 private:
  std::chrono::steady_clock::time_point end_;
};

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_DEADLINE_H_
