// SPDX-License-Identifier: GPL-2.0
//
// When the sides of a race (race.h) are to start, from what has been seen of them.

#ifndef REVOKE_KSELFTESTS_UTIL_RACE_PLANNER_H_
#define REVOKE_KSELFTESTS_UTIL_RACE_PLANNER_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace revoke_test::internal {

struct Window {
  std::int64_t start = 0;  // ns on CLOCK_MONOTONIC
  std::int64_t end = 0;
};

// True if some instant belongs to every window.
bool AllOverlap(const std::vector<Window>& windows);

// Reproducible everywhere, and quick between two rounds.
class RandomNumbers {
 public:
  explicit RandomNumbers(std::uint32_t seed) : state_(seed | std::uint64_t{1} << 32) {}
  double Next();  // in [0, 1)

 private:
  std::uint64_t state_;
};

// The median of the last values seen: what is unusual does not count.
class RecentMedian {
 public:
  void Add(std::int64_t value);
  double value() const { return median_; }  // 0: there is none yet

 private:
  static constexpr std::size_t kKept = 15;
  std::vector<std::int64_t> values_;
  std::size_t oldest_ = 0;
  double median_ = 0;
};

// Learns how long each side takes and how late it starts, and chooses delays.
class DelayPlanner {
 public:
  DelayPlanner(std::size_t sides, std::uint32_t seed,
               std::chrono::nanoseconds meet_within = std::chrono::hours(1));

  // Start delays in ns for the next round, none negative.
  std::vector<std::int64_t> Next();

  // What came of it. `released` is when the sides were let go, if they were on their CPUs then;
  // else it tells nothing.
  void Learn(std::optional<std::int64_t> released, const std::vector<Window>& windows);

 private:
  struct Side {
    RecentMedian lateness;  // ns from release to start beyond the delay asked for
    RecentMedian duration;  // ns
    std::int64_t delay = 0;
  };

  std::vector<Side> sides_;
  RandomNumbers random_;
  double meet_within_;  // ns
};

}  // namespace revoke_test::internal

#endif  // REVOKE_KSELFTESTS_UTIL_RACE_PLANNER_H_
