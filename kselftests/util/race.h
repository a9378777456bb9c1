// SPDX-License-Identifier: GPL-2.0
//
// Makes pieces of code in several threads run at the same time, again and again, until they truly
// did so as often as the test needs.
//
// Every round, the sides meet, awake, and are let go when each is seen to be on a CPU. Each one's
// start and end are measured. From these the next round's start delays are chosen: a random point
// inside each side's usual duration is made to fall on one common instant, so that over the rounds
// every part of one side meets every part of the others.
//
// A guest's CPUs are threads of its host, and where that is busy they may get one CPU between them:
// then the sides are never seen on a CPU together, and they overlap only if the host takes one off
// its CPU on its way. So the round's leader lets the others go at a random point of its time slice.
// Few such rounds overlap; it takes more of them.
//
//     ExpectRace({.overlaps = 50}, {[&] { read(...); }, [&] { revokeat(...); }},
//                [&] { fd = OpenDevice(); }, [&] { EXPECT_TRUE(IsRevoked(fd)); });

#ifndef REVOKE_KSELFTESTS_UTIL_RACE_H_
#define REVOKE_KSELFTESTS_UTIL_RACE_H_

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <ostream>
#include <vector>

namespace revoke_test {

struct RaceOptions {
  // The rounds that have to overlap: there is an instant at which all sides are under way, begun
  // and not ended. The race goes on until there were so many of them.
  int overlaps = 20;
  // It goes on after that, for as many rounds in all, but not beyond this time (scaled).
  int rounds = 200;
  std::chrono::milliseconds time{1'500};
  // When it gives up (scaled; checked after each round).
  std::chrono::milliseconds limit{20'000};
  // What else must have come about, as far as the test is concerned: both ways in which a race can
  // end, for example. It goes on until that holds, too.
  std::function<bool()> seen{};
  // So much of each side, from its start, is made to meet so much of the others; the rest comes as
  // it comes.
  std::chrono::nanoseconds meet_within = std::chrono::hours(1);
  std::uint32_t seed = 1;  // of the random delays
};

// Both run in the thread that called Race(), while no side runs.
struct RaceHooks {
  std::function<void()> before;  // prepares a round
  std::function<bool()> after;   // judges a round; false ends the race
};

struct RaceReport {
  int rounds = 0;      // completed
  int overlapped = 0;  // of these
  int apart = 0;       // rounds in which the sides were not seen on a CPU together
  bool seen = false;   // RaceOptions::seen, in the end
  std::chrono::nanoseconds elapsed{0};
  std::vector<std::chrono::nanoseconds> mean_duration;  // per side

  friend std::ostream& operator<<(std::ostream& os, const RaceReport& report);
};

// Runs the race. Each side has a thread of its own for all rounds.
RaceReport Race(const RaceOptions& options, const std::vector<std::function<void()>>& sides,
                const RaceHooks& hooks = {});

// Race() for suites, whose `after` judges a round with GoogleTest's assertions; the first failure
// ends it. Prints the report, and fails the test if too few rounds have overlapped: a race that is
// none sees nothing.
void ExpectRace(const RaceOptions& options, const std::vector<std::function<void()>>& sides,
                const std::function<void()>& before, const std::function<void()>& after);

namespace internal {

// Whether as many rounds overlapped as `options` demand, and the test has seen what it has to see.
testing::AssertionResult MetOften(const RaceReport& report, const RaceOptions& options);

}  // namespace internal
}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_RACE_H_
