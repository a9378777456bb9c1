// SPDX-License-Identifier: GPL-2.0
//
// Makes pieces of code in several threads run at the same time, again and again, and tells how
// often they truly did.
//
// Every round, all sides are let go at once and each one's start and end are measured. From these
// the next round's start delays are chosen: a random point inside each side's expected duration is
// made to fall on one common instant, so that over the rounds every part of one side meets every
// part of the others.
//
//     ExpectRace({.rounds = 2000}, {[&] { read(...); }, [&] { revokeat(...); }},
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
  int rounds = 1000;                       // at most
  std::chrono::milliseconds limit{5'000};  // at most, scaled; checked after each round
  int min_rounds = 8;                      // made even if that takes longer than `limit`
  // For ExpectRace(): one in so many rounds at least must overlap.
  int one_in = 100;
  // Gives each side a CPU of its own as far as there are any. Without that a scheduler with enough
  // else to do may keep all sides on one CPU, where they never overlap.
  bool pin = true;
  std::uint32_t seed = 1;  // of the random delays
};

// Both run in the thread that called Race(), while no side runs.
struct RaceHooks {
  std::function<void()> before;  // prepares a round
  std::function<bool()> after;   // judges a round; false ends the race
};

struct RaceReport {
  int rounds = 0;      // completed
  int overlapped = 0;  // rounds in which there was an instant at which all sides were running
  bool hit_limit = false;
  std::chrono::nanoseconds elapsed{0};
  std::vector<std::chrono::nanoseconds> mean_duration;  // per side

  friend std::ostream& operator<<(std::ostream& os, const RaceReport& report);
};

// Runs the race. Each side has a thread of its own for all rounds.
RaceReport Race(const RaceOptions& options, const std::vector<std::function<void()>>& sides,
                const RaceHooks& hooks = {});

// Race() for suites, whose `after` judges a round with GoogleTest's assertions; the first failure
// ends it. Prints the report, and fails the test if the sides have met too seldom: a race that is
// none sees nothing.
void ExpectRace(const RaceOptions& options, const std::vector<std::function<void()>>& sides,
                const std::function<void()>& before, const std::function<void()>& after);

namespace internal {

struct Window {
  std::int64_t start = 0;  // ns on CLOCK_MONOTONIC
  std::int64_t end = 0;
};

// Whether there were enough rounds, and enough of them overlapped.
testing::AssertionResult MetOften(const RaceReport& report, const RaceOptions& options);

// True if some instant belongs to every window.
bool AllOverlap(const std::vector<Window>& windows);

// Learns how long each side takes and how late it starts, and chooses delays.
class DelayPlanner {
 public:
  DelayPlanner(std::size_t sides, std::uint32_t seed);

  // Start delays in ns for the next round, none negative.
  std::vector<std::int64_t> Next();

  // What came of it. `released` is when the sides were let go.
  void Learn(std::int64_t released, const std::vector<Window>& windows);

 private:
  struct Side {
    double lateness = 0;  // ns from release to start beyond the delay asked for, running mean
    double duration = 0;  // ns, running mean
    std::int64_t delay = 0;
  };
  double Random();  // in [0, 1)

  std::vector<Side> sides_;
  std::uint64_t random_state_;
  bool learned_ = false;
};

}  // namespace internal
}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_RACE_H_
