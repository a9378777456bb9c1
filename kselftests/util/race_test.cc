// SPDX-License-Identifier: GPL-2.0

#include "race.h"

#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <sstream>
#include <thread>
#include <vector>

#include "skip.h"

namespace revoke_test {
namespace {

using internal::AllOverlap;
using internal::DelayPlanner;
using internal::Window;
using std::chrono::milliseconds;
using testing::Each;
using testing::Ge;
using testing::HasSubstr;

void Busy(std::chrono::nanoseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

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

TEST(DelayPlanner, ForgetsAHiccup) {
  DelayPlanner planner(2, 3);
  const std::vector<Window> usual = {{.start = 0, .end = 1000}, {.start = 0, .end = 1000}};
  static_cast<void>(planner.Next());
  planner.Learn(0, usual);
  const std::vector<Window> hiccup = {{.start = 0, .end = 1'000'000'000},
                                      {.start = 0, .end = 1000}};
  planner.Learn(0, hiccup);
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

TEST(DelayPlanner, SeedRepeats) {
  const auto plan = [](std::uint32_t seed) {
    DelayPlanner planner(2, seed);
    planner.Learn(0, {{.start = 0, .end = 100'000}, {.start = 0, .end = 100'000}});
    return planner.Next();
  };
  EXPECT_EQ(plan(1), plan(1));
  EXPECT_NE(plan(1), plan(2));
}

TEST(Race, SidesOverlap) {
  std::atomic<int> first{0};
  std::atomic<int> second{0};
  const RaceReport report =
      Race({.rounds = 2000, .limit = milliseconds(10'000)}, {[&] {
                                                               Busy(std::chrono::microseconds(50));
                                                               ++first;
                                                             },
                                                             [&] {
                                                               Busy(std::chrono::microseconds(5));
                                                               ++second;
                                                             }});
  EXPECT_EQ(first, report.rounds);
  EXPECT_EQ(second, report.rounds);
  EXPECT_EQ(report.hit_limit, report.rounds < 2000);
  EXPECT_LE(report.overlapped, report.rounds);
  EXPECT_GE(report.mean_duration[0], std::chrono::microseconds(50));
  EXPECT_GE(report.mean_duration[1], std::chrono::microseconds(5));
  // On one CPU only a preemption inside a side can make them overlap.
  REVOKE_SKIP_IF(std::thread::hardware_concurrency() < 2, "needs two CPUs");
  REVOKE_SKIP_IF(report.hit_limit, "the CPUs are too busy with other programs to race on");
  EXPECT_GT(report.overlapped, report.rounds / 50) << report;
}

TEST(Race, TakesMoreThanTwoSides) {
  std::atomic<int> runs{0};
  const std::function<void()> side = [&] { ++runs; };
  const RaceReport report = Race({.rounds = 50}, {side, side, side, side});
  EXPECT_GT(report.rounds, 0);
  EXPECT_EQ(runs, 4 * report.rounds);
}

TEST(Race, StopsAtTimeLimit) {
  const std::function<void()> side = [] { Busy(milliseconds(2)); };
  const RaceReport report = Race({.rounds = 1'000'000, .limit = milliseconds(20)}, {side, side});
  EXPECT_TRUE(report.hit_limit);
  EXPECT_GT(report.rounds, 0);
  EXPECT_LT(report.rounds, 1'000'000);
}

TEST(Race, HooksFrameEachRound) {
  int inside = 0;
  std::atomic<int> ran{0};
  const std::function<void()> side = [&] { ran += inside; };
  const RaceReport report = Race({.rounds = 100, .limit = milliseconds(20'000)}, {side, side},
                                 {.before = [&] { inside = 1; },
                                  .after =
                                      [&] {
                                        inside = 0;
                                        return ran < 20;
                                      }});
  EXPECT_EQ(report.rounds, 10);  // ended by the hook
  EXPECT_EQ(ran, 20);
}

TEST(Race, MakesTheLeastRoundsHoweverLongTheyTake) {
  const std::function<void()> side = [] { Busy(milliseconds(1)); };
  const RaceReport report =
      Race({.rounds = 100, .limit = milliseconds(0), .min_rounds = 5}, {side, side});
  EXPECT_EQ(report.rounds, 5);
}

RaceReport Met(int rounds, int overlapped) {
  RaceReport report;
  report.rounds = rounds;
  report.overlapped = overlapped;
  return report;
}

TEST(MetOften, WantsAShareOfTheRounds) {
  EXPECT_TRUE(internal::MetOften(Met(200, 200), {}));
  EXPECT_TRUE(internal::MetOften(Met(200, 2), {}));
  EXPECT_FALSE(internal::MetOften(Met(200, 1), {}));
  EXPECT_FALSE(internal::MetOften(Met(200, 0), {}));
  EXPECT_TRUE(internal::MetOften(Met(200, 50), {.one_in = 4}));
  EXPECT_FALSE(internal::MetOften(Met(200, 49), {.one_in = 4}));
}

TEST(MetOften, WantsRounds) {
  EXPECT_FALSE(internal::MetOften(Met(7, 7), {}));
  EXPECT_TRUE(internal::MetOften(Met(8, 8), {}));
  EXPECT_TRUE(internal::MetOften(Met(3, 3), {.rounds = 3}));
  EXPECT_FALSE(internal::MetOften(Met(0, 0), {}));
}

TEST(ExpectRace, FailsIfTheSidesMeetTooSeldom) {
  int before = 0;
  int after = 0;
  // Nothing is often enough.
  EXPECT_NONFATAL_FAILURE(
      ExpectRace(
          {.rounds = 3, .one_in = 0}, {[] {}, [] {}}, [&] { ++before; }, [&] { ++after; }),
      "the sides meet in less than one of");
  EXPECT_EQ(before, 3);
  EXPECT_EQ(after, 3);
}

TEST(Race, ReportPrints) {
  std::ostringstream out;
  out << Race({.rounds = 3}, {[] {}, [] {}});
  EXPECT_THAT(out.str(), HasSubstr("3 rounds, "));
  EXPECT_THAT(out.str(), HasSubstr("of them overlapped"));
}

}  // namespace
}  // namespace revoke_test
