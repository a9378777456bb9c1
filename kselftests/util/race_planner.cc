// SPDX-License-Identifier: GPL-2.0

#include "race_planner.h"

#include <algorithm>
#include <cstddef>

namespace revoke_test::internal {

bool AllOverlap(const std::vector<Window>& windows) {
  std::int64_t latest_start = windows.front().start;
  std::int64_t earliest_end = windows.front().end;
  for (const Window& window : windows) {
    latest_start = std::max(latest_start, window.start);
    earliest_end = std::min(earliest_end, window.end);
  }
  return latest_start < earliest_end;
}

double RandomNumbers::Next() {
  state_ ^= state_ << 13;  // xorshift64
  state_ ^= state_ >> 7;
  state_ ^= state_ << 17;
  return static_cast<double>(state_ >> 11) / static_cast<double>(std::uint64_t{1} << 53);
}

void RecentMedian::Add(std::int64_t value) {
  if (values_.size() < kKept) {
    values_.push_back(value);
  } else {
    values_[oldest_] = value;
    oldest_ = (oldest_ + 1) % kKept;
  }
  std::vector<std::int64_t> sorted = values_;
  // The lower one of two: what the scheduler adds is what there is to leave out.
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>((sorted.size() - 1) / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  median_ = static_cast<double>(*middle);
}

DelayPlanner::DelayPlanner(std::size_t sides, std::uint32_t seed,
                           std::chrono::nanoseconds meet_within)
    : sides_(sides), random_(seed), meet_within_(static_cast<double>(meet_within.count())) {}

std::vector<std::int64_t> DelayPlanner::Next() {
  // Without delay, side i is at point `into` of its run at time lateness + into. The latest of
  // these is the instant all can reach; the others are delayed by the difference.
  constexpr double kMaxDelay = 20'000'000;  // ns; what is longer is met often enough near its start
  std::vector<double> reaches;
  reaches.reserve(sides_.size());
  for (const Side& side : sides_) {
    const double within = std::min(side.duration.value(), meet_within_);
    reaches.push_back(side.lateness.value() + random_.Next() * within);
  }
  const double meet = *std::max_element(reaches.begin(), reaches.end());
  std::vector<std::int64_t> delays;
  delays.reserve(sides_.size());
  for (std::size_t i = 0; i < sides_.size(); ++i) {
    sides_[i].delay = static_cast<std::int64_t>(std::min(meet - reaches[i], kMaxDelay));
    delays.push_back(sides_[i].delay);
  }
  return delays;
}

void DelayPlanner::Learn(std::optional<std::int64_t> released, const std::vector<Window>& windows) {
  constexpr std::int64_t kMaxLateness = 200'000;  // ns; all are on their CPUs and wait for this
  for (std::size_t i = 0; i < sides_.size(); ++i) {
    Side& side = sides_[i];
    if (released) {
      const std::int64_t lateness = windows[i].start - *released - side.delay;
      side.lateness.Add(std::clamp<std::int64_t>(lateness, 0, kMaxLateness));
    }
    side.duration.Add(windows[i].end - windows[i].start);
  }
}

}  // namespace revoke_test::internal
