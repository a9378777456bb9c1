// SPDX-License-Identifier: GPL-2.0

#include "race.h"

#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <sstream>

namespace revoke_test {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

void Busy(std::chrono::nanoseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

TEST(Race, GoesOnUntilEnoughRoundsOverlap) {
  std::atomic<int> first{0};
  std::atomic<int> second{0};
  const RaceReport report =
      Race({.overlaps = 100, .rounds = 0}, {[&] {
                                              Busy(std::chrono::microseconds(50));
                                              ++first;
                                            },
                                            [&] {
                                              Busy(std::chrono::microseconds(5));
                                              ++second;
                                            }});
  EXPECT_EQ(first, report.rounds);
  EXPECT_EQ(second, report.rounds);
  EXPECT_EQ(report.overlapped, 100) << report;
  EXPECT_GE(report.rounds, report.overlapped);
  EXPECT_LE(report.apart, report.rounds);
  EXPECT_GE(report.mean_duration[0], std::chrono::microseconds(50));
  EXPECT_GE(report.mean_duration[1], std::chrono::microseconds(5));
}

// As on a host that gives a guest one CPU for all of its own: the sides are never on a CPU
// together.
TEST(Race, OverlapsOnOneCpuToo) {
  cpu_set_t all;
  ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  const std::function<void()> side = [] { Busy(std::chrono::microseconds(300)); };
  const RaceReport report = Race({.overlaps = 3, .rounds = 0}, {side, side});
  EXPECT_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
  EXPECT_EQ(report.overlapped, 3) << report;
}

TEST(Race, OverlapsWithMoreSidesThanCpus) {
  const std::function<void()> side = [] { Busy(std::chrono::microseconds(100)); };
  const RaceReport report = Race({.overlaps = 3, .rounds = 0}, {side, side, side, side});
  EXPECT_EQ(report.overlapped, 3) << report;
}

TEST(Race, MakesMoreRoundsIfThereIsTime) {
  const std::function<void()> side = [] { Busy(std::chrono::microseconds(100)); };
  const RaceReport report =
      Race({.overlaps = 1, .rounds = 100, .time = milliseconds(60'000)}, {side, side});
  EXPECT_GE(report.rounds, 100);
  EXPECT_GE(report.overlapped, 1);
}

TEST(Race, MakesNoMoreRoundsThanThereIsTimeFor) {
  const std::function<void()> side = [] { Busy(std::chrono::microseconds(100)); };
  const RaceReport report =
      Race({.overlaps = 1, .rounds = 1'000'000, .time = milliseconds(20)}, {side, side});
  EXPECT_LT(report.rounds, 1'000'000);
}

TEST(Race, TakesMoreThanTwoSides) {
  std::atomic<int> runs{0};
  const std::function<void()> side = [&] { ++runs; };
  const RaceReport report =
      Race({.overlaps = 1, .rounds = 50, .limit = milliseconds(500)}, {side, side, side, side});
  EXPECT_GT(report.rounds, 0);
  EXPECT_EQ(runs, 4 * report.rounds);
}

TEST(Race, GoesOnUntilTheTestHasSeenWhatItWants) {
  int rounds = 0;
  const RaceHooks hooks = {.before = nullptr, .after = [&] {
                             ++rounds;
                             return true;
                           }};
  const std::function<void()> side = [] { Busy(std::chrono::microseconds(100)); };
  const RaceReport report =
      Race({.overlaps = 1, .rounds = 0, .seen = [&] { return rounds >= 50; }}, {side, side}, hooks);
  EXPECT_GE(report.rounds, 50);
  EXPECT_TRUE(report.seen);
}

TEST(Race, GivesUpAtItsLimit) {
  const std::function<void()> side = [] {};
  const RaceReport report = Race({.overlaps = 1'000'000, .limit = milliseconds(20)}, {side, side});
  EXPECT_GT(report.rounds, 0);
  EXPECT_LT(report.overlapped, 1'000'000);
}

TEST(Race, HooksFrameEachRound) {
  int inside = 0;
  std::atomic<int> ran{0};
  const std::function<void()> side = [&] { ran += inside; };
  const RaceReport report = Race({.overlaps = 100}, {side, side},
                                 {.before = [&] { inside = 1; },
                                  .after =
                                      [&] {
                                        inside = 0;
                                        return ran < 20;
                                      }});
  EXPECT_EQ(report.rounds, 10);  // ended by the hook
  EXPECT_EQ(ran, 20);
}

RaceReport Met(int rounds, int overlapped, bool seen = true) {
  RaceReport report;
  report.seen = seen;
  report.rounds = rounds;
  report.overlapped = overlapped;
  return report;
}

TEST(MetOften, WantsSoManyRoundsThatOverlap) {
  EXPECT_TRUE(internal::MetOften(Met(200, 3), {.overlaps = 3}));
  EXPECT_TRUE(internal::MetOften(Met(3, 3), {.overlaps = 3}));
  EXPECT_FALSE(internal::MetOften(Met(200, 2), {.overlaps = 3}));
  EXPECT_FALSE(internal::MetOften(Met(200, 0), {}));
  EXPECT_FALSE(internal::MetOften(Met(0, 0), {}));
  EXPECT_FALSE(internal::MetOften(Met(200, 200, false), {}));
}

TEST(ExpectRace, FailsIfTheSidesMeetTooSeldom) {
  int before = 0;
  int after = 0;
  EXPECT_NONFATAL_FAILURE(ExpectRace(
                              {.overlaps = 1'000'000, .limit = milliseconds(10)}, {[] {}, [] {}},
                              [&] { ++before; }, [&] { ++after; }),
                          "less than 1000000 rounds in which the sides met");
  EXPECT_GT(before, 0);
  EXPECT_EQ(after, before);
}

TEST(ExpectRace, FailsIfTheTestDoesNotSeeWhatItWants) {
  const std::function<void()> side = [] { Busy(std::chrono::microseconds(100)); };
  EXPECT_NONFATAL_FAILURE(
      ExpectRace({.overlaps = 1, .limit = milliseconds(2'000), .seen = [] { return false; }},
                 {side, side}, nullptr, nullptr),
      "did not come about");
}

TEST(ExpectRace, RefusesToWantNone) {
  EXPECT_DEATH(ExpectRace({.overlaps = 0}, {[] {}, [] {}}, nullptr, nullptr), "overlaps > 0");
}

TEST(Race, ReportPrints) {
  std::ostringstream out;
  out << Race({.overlaps = 1, .rounds = 3, .limit = milliseconds(0)}, {[] {}, [] {}});
  EXPECT_THAT(out.str(), HasSubstr(" rounds, "));
  EXPECT_THAT(out.str(), HasSubstr("of them overlapped"));
}

}  // namespace
}  // namespace revoke_test
