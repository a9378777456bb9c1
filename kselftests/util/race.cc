// SPDX-License-Identifier: GPL-2.0

#include "race.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <memory>

#include "deadline.h"
#include "test_check.h"
#include "thread.h"

namespace revoke_test {
namespace {

std::int64_t Now() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Repeats `done` until it holds. With `yield`, gives the CPU away if that takes longer than a
// moment.
template <typename F>
void SpinUntil(bool yield, F done) {
  constexpr int kPatience = 2000;
  for (int spins = 0; !done(); ++spins) {
    if (yield && spins >= kPatience) sched_yield();
  }
}

// One round's meeting point of the sides and the coordinator. Each word is written in one phase of
// the round only, and `round` separates the rounds.
struct Meeting {
  std::atomic<int> round{0};  // coordinator -> sides: go to the start line of this round; -1: leave
  std::atomic<int> at_line{0};            // sides that are up
  std::atomic<int> on_cpu{0};             // sides that know all are
  std::atomic<std::int64_t> released{0};  // time of release, 0 before it
  std::atomic<int> finished{0};           // sides through with the round
};

// The CPUs this thread may run on.
std::vector<int> AllowedCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  TEST_PCHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

void PinTo(pid_t tid, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  // A CPU that went offline in between costs overlap, which is reported, and nothing else.
  static_cast<void>(sched_setaffinity(tid, sizeof(set), &set));
}

class Side {
 public:
  Side(Meeting* meeting, const std::function<void()>* body, int sides, bool share_cpu)
      : meeting_(meeting), body_(body), sides_(sides), share_cpu_(share_cpu), thread_([this] {
          Run();
        }) {}

  pid_t tid() const { return thread_.tid(); }

  // To be used by the coordinator between rounds only.
  void set_delay(std::int64_t delay) { delay_ = delay; }
  const internal::Window& window() const { return window_; }

 private:
  void Run() {
    for (int round = 1;; ++round) {
      meeting_->round.wait(round - 1, std::memory_order_acquire);
      if (meeting_->round.load(std::memory_order_acquire) < 0) return;

      // Waking up takes long and varies; so all meet again, awake. Whoever yields for the others
      // may be off its CPU when the last one comes, which would then run alone; so they meet once
      // more, keeping the CPU if they have one each. The last one lets go.
      meeting_->at_line.fetch_add(1, std::memory_order_acq_rel);
      SpinUntil(true, [&] { return meeting_->at_line.load(std::memory_order_acquire) == sides_; });
      if (meeting_->on_cpu.fetch_add(1, std::memory_order_acq_rel) + 1 == sides_) {
        meeting_->released.store(Now(), std::memory_order_release);
      }
      std::int64_t released = 0;
      SpinUntil(share_cpu_, [&] {
        released = meeting_->released.load(std::memory_order_acquire);
        return released != 0;
      });
      const std::int64_t start = released + delay_;
      SpinUntil(share_cpu_, [&] { return Now() >= start; });

      window_.start = Now();
      (*body_)();
      window_.end = Now();
      meeting_->finished.fetch_add(1, std::memory_order_acq_rel);
      meeting_->finished.notify_one();
    }
  }

  Meeting* meeting_;
  const std::function<void()>* body_;
  int sides_;
  bool share_cpu_;
  std::int64_t delay_ = 0;
  internal::Window window_;
  ScopedThread thread_;  // last: it uses the others
};

}  // namespace

namespace internal {

testing::AssertionResult MetOften(const RaceReport& report, const RaceOptions& options) {
  const int wanted = std::min(options.min_rounds, options.rounds);
  if (report.rounds < wanted) {
    return testing::AssertionFailure() << "less than " << wanted << " rounds: " << report;
  }
  if (report.overlapped * options.one_in < report.rounds) {
    return testing::AssertionFailure()
           << "the sides meet in less than one of " << options.one_in << " rounds: " << report;
  }
  return testing::AssertionSuccess();
}

bool AllOverlap(const std::vector<Window>& windows) {
  std::int64_t latest_start = windows.front().start;
  std::int64_t earliest_end = windows.front().end;
  for (const Window& window : windows) {
    latest_start = std::max(latest_start, window.start);
    earliest_end = std::min(earliest_end, window.end);
  }
  return latest_start < earliest_end;
}

DelayPlanner::DelayPlanner(std::size_t sides, std::uint32_t seed)
    : sides_(sides), random_state_(seed | std::uint64_t{1} << 32) {}

double DelayPlanner::Random() {
  // xorshift64: reproducible everywhere, and quick between two rounds.
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 7;
  random_state_ ^= random_state_ << 17;
  return static_cast<double>(random_state_ >> 11) / static_cast<double>(std::uint64_t{1} << 53);
}

std::vector<std::int64_t> DelayPlanner::Next() {
  // Without delay, side i is at point `into` of its run at time lateness + into. The latest of
  // these is the instant all can reach; the others are delayed by the difference.
  constexpr double kMaxDelay = 20'000'000;  // ns; what is longer is met often enough near its start
  std::vector<double> reaches;
  reaches.reserve(sides_.size());
  for (const Side& side : sides_) reaches.push_back(side.lateness + Random() * side.duration);
  const double meet = *std::max_element(reaches.begin(), reaches.end());
  std::vector<std::int64_t> delays;
  delays.reserve(sides_.size());
  for (std::size_t i = 0; i < sides_.size(); ++i) {
    sides_[i].delay = static_cast<std::int64_t>(std::min(meet - reaches[i], kMaxDelay));
    delays.push_back(sides_[i].delay);
  }
  return delays;
}

void DelayPlanner::Learn(std::int64_t released, const std::vector<Window>& windows) {
  // One round in eight of weight. What the scheduler adds when it takes a side off its CPU is no
  // part of what is learned: it would become a delay, during which sides are taken off again, and
  // so on.
  constexpr double kWeight = 1.0 / 8;
  constexpr double kMaxLateness = 200'000;  // ns; all are awake, on their CPUs, and wait for this
  constexpr double kFloor = 1000;           // ns; below it a clock read matters as much
  for (std::size_t i = 0; i < sides_.size(); ++i) {
    Side& side = sides_[i];
    auto lateness = static_cast<double>(windows[i].start - released - side.delay);
    lateness = std::clamp(lateness, 0.0, kMaxLateness);
    auto duration = static_cast<double>(windows[i].end - windows[i].start);
    if (learned_) duration = std::min(duration, 8 * std::max(side.duration, kFloor));
    const double weight = learned_ ? kWeight : 1;
    side.lateness += (lateness - side.lateness) * weight;
    side.duration += (duration - side.duration) * weight;
  }
  learned_ = true;
}

}  // namespace internal

RaceReport Race(const RaceOptions& options, const std::vector<std::function<void()>>& sides,
                const RaceHooks& hooks) {
  TEST_CHECK(sides.size() >= 2 && "a race has at least two sides");
  const auto count = static_cast<int>(sides.size());
  const Deadline deadline(options.limit);
  const std::int64_t began = Now();
  internal::DelayPlanner planner(sides.size(), options.seed);
  Meeting meeting;
  const std::vector<int> cpus = AllowedCpus();
  const bool share_cpu = !options.pin || cpus.size() < sides.size();
  std::vector<std::unique_ptr<Side>> runners;
  runners.reserve(sides.size());
  for (const std::function<void()>& side : sides) {
    runners.push_back(std::make_unique<Side>(&meeting, &side, count, share_cpu));
  }
  if (options.pin) {
    for (std::size_t i = 0; i < runners.size(); ++i)
      PinTo(runners[i]->tid(), cpus[i % cpus.size()]);
  }

  RaceReport report;
  std::vector<std::int64_t> total(sides.size(), 0);
  while (report.rounds < options.rounds) {
    if (report.rounds >= options.min_rounds && deadline.Passed()) {
      report.hit_limit = true;
      break;
    }
    if (hooks.before) hooks.before();
    const std::vector<std::int64_t> delays = planner.Next();
    for (std::size_t i = 0; i < runners.size(); ++i) runners[i]->set_delay(delays[i]);
    meeting.at_line.store(0, std::memory_order_relaxed);
    meeting.on_cpu.store(0, std::memory_order_relaxed);
    meeting.released.store(0, std::memory_order_relaxed);
    meeting.finished.store(0, std::memory_order_relaxed);
    meeting.round.store(report.rounds + 1, std::memory_order_release);
    meeting.round.notify_all();

    for (int seen = 0; seen < count; seen = meeting.finished.load(std::memory_order_acquire)) {
      meeting.finished.wait(seen, std::memory_order_acquire);
    }
    std::vector<internal::Window> windows;
    for (std::size_t i = 0; i < runners.size(); ++i) {
      windows.push_back(runners[i]->window());
      total[i] += windows[i].end - windows[i].start;
    }
    planner.Learn(meeting.released.load(std::memory_order_relaxed), windows);
    ++report.rounds;
    if (internal::AllOverlap(windows)) ++report.overlapped;
    if (hooks.after && !hooks.after()) break;
  }

  meeting.round.store(-1, std::memory_order_release);
  meeting.round.notify_all();
  runners.clear();
  for (const std::int64_t time : total) {
    report.mean_duration.emplace_back(report.rounds > 0 ? time / report.rounds : 0);
  }
  report.elapsed = std::chrono::nanoseconds(Now() - began);
  return report;
}

void ExpectRace(const RaceOptions& options, const std::vector<std::function<void()>>& sides,
                const std::function<void()>& before, const std::function<void()>& after) {
  const RaceReport report = Race(options, sides, {.before = before, .after = [&] {
                                                    if (after) after();
                                                    return !testing::Test::HasFailure();
                                                  }});
  // For whoever reads the results.
  std::cout << report << std::endl;
  if (testing::Test::HasFailure()) return;
  EXPECT_TRUE(internal::MetOften(report, options));
}

std::ostream& operator<<(std::ostream& os, const RaceReport& report) {
  os << report.rounds << " rounds, " << report.overlapped << " of them overlapped, in "
     << std::chrono::duration_cast<std::chrono::milliseconds>(report.elapsed).count() << " ms"
     << (report.hit_limit ? " (time limit)" : "") << "; mean duration of the sides:";
  for (const std::chrono::nanoseconds mean : report.mean_duration)
    os << ' ' << mean.count() << " ns";
  return os;
}

}  // namespace revoke_test
