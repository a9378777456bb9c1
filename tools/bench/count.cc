// SPDX-License-Identifier: GPL-2.0

#include "count.h"

#include <algorithm>
#include <ctime>
#include <string>
#include <utility>

#include "files.h"

namespace bench {
namespace {

using guest::Error;

constexpr int kWarmUp = 2;
constexpr int kBatches = 15;

// Executes 2 * `rounds` instructions, and a few that are the same for each call.
__attribute__((noinline)) std::uint64_t CountRounds(std::uint64_t rounds) {
  const std::uint64_t begin = Instructions();
  asm volatile("1: dec %0\n\tjnz 1b" : "+r"(rounds)::"cc");
  return Instructions() - begin;
}

// The least of some: those that the timer has not hit.
std::uint64_t LeastOf(std::uint64_t rounds) {
  std::uint64_t least = CountRounds(rounds);
  for (int i = 0; i < kBatches; i++) least = std::min(least, CountRounds(rounds));
  return least;
}

}  // namespace

void CheckCounter() {
  constexpr std::uint64_t kRounds = 100000;
  const std::uint64_t counted = LeastOf(1 + kRounds) - LeastOf(1);
  if (counted == 2 * kRounds) return;
  throw Error(std::to_string(2 * kRounds) + " instructions were counted as " +
              std::to_string(counted) + ": boot with guest-run --accel icount");
}

Figure Summarize(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

void Settle(int seconds) {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  time = {.tv_sec = time.tv_sec + seconds, .tv_nsec = 500000000};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr);
}

Figure Measure(const Loop& loop, unsigned count) {
  unsigned wrong = 0;
  const auto run = [&loop, &wrong](unsigned times) {
    const std::uint64_t begin = Instructions();
    wrong += loop(times);
    return Instructions() - begin;
  };
  Settle();
  for (int i = 0; i < kWarmUp; i++) run(count);
  std::uint64_t empty = run(0);
  for (int i = 0; i < kBatches; i++) empty = std::min(empty, run(0));
  std::vector<double> batches(kBatches);
  for (double& batch : batches) batch = static_cast<double>(run(count) - empty) / count;
  if (wrong != 0)
    throw Error(std::to_string(wrong) + " times the result was another than expected");
  return Summarize(std::move(batches));
}

}  // namespace bench
