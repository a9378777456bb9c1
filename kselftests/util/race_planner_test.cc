// SPDX-License-Identifier: GPL-2.0

#include "race_planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace revoke_test::internal {
namespace {

using testing::Each;
using testing::Ge;

TEST(AllOverlap, NeedsACommonInstant) {
  EXPECT_TRUE(AllOverlap({{.start = 0, .end = 10}, {.start = 5, .end = 15}}));
  EXPECT_TRUE(AllOverlap({{.start = 5, .end = 6}, {.start = 0, .end = 100}}));
  EXPECT_FALSE(AllOverlap({{.start = 0, .end = 10}, {.start = 10, .end = 20}}));
  EXPECT_FALSE(AllOverlap({{.start = 11, .end = 20}, {.start = 0, .end = 10}}));
  // In pairs, but not all three at once.
  EXPECT_FALSE(
      AllOverlap({{.start = 0, .end = 10}, {.start = 9, .end = 20}, {.start = 15, .end = 30}}));
}

TEST(DelayPlanner, FirstRoundHasNoDelay) {
  DelayPlanner planner(3, 1);
  EXPECT_EQ(planner.Next(), (std::vector<std::int64_t>{0, 0, 0}));
}

// Sides that behave the same every time are made to overlap in every round, whatever their
// lateness, and each part of one meets each part of the other.
TEST(DelayPlanner, SweepsOneSideOverTheOther) {
  constexpr std::int64_t kLate[] = {0, 50'000};
  constexpr std::int64_t kTakes[] = {10'000, 2'000};
  DelayPlanner planner(2, 7);
  std::int64_t earliest = INT64_MAX;
  std::int64_t latest = INT64_MIN;
  int overlapped = 0;
  for (int round = 0; round < 1000; ++round) {
    const std::vector<std::int64_t> delays = planner.Next();
    ASSERT_THAT(delays, Each(Ge(0)));
    std::vector<Window> windows;
    for (int i = 0; i < 2; ++i) {
      const std::int64_t start = 1'000'000 + kLate[i] + delays[i];
      windows.push_back({.start = start, .end = start + kTakes[i]});
    }
    planner.Learn(1'000'000, windows);
    if (round == 0) {
      EXPECT_FALSE(AllOverlap(windows));  // nothing was known yet
      continue;
    }
    if (AllOverlap(windows)) ++overlapped;
    earliest = std::min(earliest, windows[1].start - windows[0].start);
    latest = std::max(latest, windows[1].start - windows[0].start);
  }
  EXPECT_GT(overlapped, 990);
  // Side 1 starts from just before side 0 (by up to its own length) to just before side 0's end.
  EXPECT_LT(earliest, -1'000);
  EXPECT_GT(latest, 9'000);
}

TEST(RecentMedian, LeavesOutWhatIsUnusual) {
  RecentMedian median;
  EXPECT_EQ(median.value(), 0);
  median.Add(1'000'000);
  EXPECT_EQ(median.value(), 1'000'000);
  median.Add(50);
  EXPECT_EQ(median.value(), 50);
  for (int i = 0; i < 100; ++i) {
    median.Add(i % 3 == 0 ? 1'000'000 : 60);
    if (i > 15) {
      EXPECT_EQ(median.value(), 60);
    }
  }
}

TEST(RecentMedian, FollowsWhatHasChangedForGood) {
  RecentMedian median;
  for (int i = 0; i < 100; ++i) median.Add(50);
  for (int i = 0; i < 8; ++i) median.Add(500);
  EXPECT_EQ(median.value(), 500);
}

TEST(DelayPlanner, ForgetsHiccups) {
  DelayPlanner planner(2, 3);
  for (int i = 0; i < 300; ++i) {
    static_cast<void>(planner.Next());
    // One side is off its CPU in two of five rounds.
    const std::int64_t takes = i % 5 < 2 ? 4'000'000 : 1000;
    planner.Learn(0, {{.start = 0, .end = takes}, {.start = 0, .end = 1000}});
  }
  const std::vector<std::int64_t> delays = planner.Next();
  EXPECT_LT(*std::max_element(delays.begin(), delays.end()), 10'000);
}

// A side that was off its CPU for a while in the very first round: no later round may wait for
// that.
TEST(DelayPlanner, BelievesNoGreatLateness) {
  DelayPlanner planner(2, 3);
  planner.Learn(0, {{.start = 0, .end = 1000}, {.start = 1'000'000'000, .end = 1'000'001'000}});
  const std::vector<std::int64_t> delays = planner.Next();
  EXPECT_LT(*std::max_element(delays.begin(), delays.end()), 1'000'000);
}

TEST(DelayPlanner, NoDelayIsLong) {
  DelayPlanner planner(2, 3);
  planner.Learn(0, {{.start = 0, .end = 1'000'000'000}, {.start = 0, .end = 1000}});
  for (int i = 0; i < 10; ++i) {
    const std::vector<std::int64_t> delays = planner.Next();
    EXPECT_LE(*std::max_element(delays.begin(), delays.end()), 20'000'000);
  }
}

TEST(DelayPlanner, MeetsNearTheStartIfAskedTo) {
  DelayPlanner planner(2, 3, std::chrono::microseconds(20));
  planner.Learn(0, {{.start = 0, .end = 5'000'000}, {.start = 0, .end = 5'000'000}});
  for (int i = 0; i < 100; ++i) {
    const std::vector<std::int64_t> delays = planner.Next();
    EXPECT_LE(*std::max_element(delays.begin(), delays.end()), 20'000);
  }
}

TEST(DelayPlanner, SeedRepeats) {
  const auto plan = [](std::uint32_t seed) {
    DelayPlanner planner(2, seed);
    planner.Learn(0, {{.start = 0, .end = 100'000}, {.start = 0, .end = 100'000}});
    return planner.Next();
  };
  EXPECT_EQ(plan(1), plan(1));
  EXPECT_NE(plan(1), plan(2));
}

TEST(DelayPlanner, LearnsDurationsOnlyFromSidesThatWereNotOnTheirCpus) {
  DelayPlanner planner(2, 3);
  for (int i = 0; i < 20; ++i) {
    planner.Learn(std::nullopt,
                  {{.start = 9'000'000, .end = 9'100'000}, {.start = 0, .end = 1000}});
  }
  std::int64_t longest = 0;
  for (int i = 0; i < 100; ++i) {
    const std::vector<std::int64_t> delays = planner.Next();
    longest = std::max(longest, *std::max_element(delays.begin(), delays.end()));
  }
  EXPECT_GT(longest, 50'000);
  EXPECT_LT(longest, 101'000);
}

}  // namespace
}  // namespace revoke_test::internal
