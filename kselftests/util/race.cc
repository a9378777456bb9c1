// SPDX-License-Identifier: GPL-2.0

#include "race.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <memory>
#include <optional>

#include "deadline.h"
#include "race_cpu.h"
#include "race_planner.h"
#include "test_check.h"
#include "thread.h"

namespace revoke_test {
namespace {

using internal::AllowedCpus;
using internal::Now;
using internal::PinTo;
using internal::SetPriority;
using internal::SleepUntil;
using internal::SpinOnCpuFor;

// Repeats `done` until it holds. With `yield`, gives the CPU away if that takes longer than a
// moment.
template <typename F>
void SpinUntil(bool yield, F done) {
  constexpr int kPatience = 2000;
  for (int spins = 0; !done(); ++spins) {
    if (yield && spins >= kPatience) sched_yield();
  }
}

// A word that one thread writes and others read again and again, alone on its cache line.
struct alignas(64) Word {
  std::atomic<int> value{0};
};

// One round's meeting point of the sides and the coordinator. Each word is written in one phase of
// the round only, and `round` separates the rounds.
struct Meeting {
  explicit Meeting(std::size_t sides) : echoes(sides) {}

  std::atomic<int> round{0};  // coordinator -> sides: go to the start line of this round; -1: leave
  std::atomic<int> at_line{0};  // sides that are up
  // The leader calls, the others repeat it: those that do so at once are on a CPU.
  Word call;
  std::vector<Word> echoes;
  std::atomic<bool> apart{false};         // not all of them do
  std::atomic<std::int64_t> released{0};  // time of release, 0 before it
  std::atomic<int> armed{0};              // sides that will interrupt others
  std::atomic<int> finished{0};           // sides through with the round

  // By the coordinator between rounds.
  bool interrupting = false;     // the sides share CPUs
  std::int64_t apart_delay = 0;  // ns, of the release if they are apart
};

class Side {
 public:
  Side(Meeting* meeting, int index, const std::function<void()>* body, int sides)
      : meeting_(meeting), index_(index), body_(body), sides_(sides), thread_([this] { Run(); }) {}

  pid_t tid() const { return thread_.tid(); }

  // To be used by the coordinator between rounds only.
  void set_delay(std::int64_t delay) { delay_ = delay; }
  void set_rank(int rank) { rank_ = rank; }
  const internal::Window& window() const { return window_; }

 private:
  void Run() {
    for (int round = 1;; ++round) {
      meeting_->round.wait(round - 1, std::memory_order_acquire);
      if (meeting_->round.load(std::memory_order_acquire) < 0) return;

      // Waking up takes long and varies; so all meet again, awake.
      meeting_->at_line.fetch_add(1, std::memory_order_acq_rel);
      SpinUntil(true, [&] { return meeting_->at_line.load(std::memory_order_acquire) == sides_; });
      if (meeting_->interrupting) {
        StartToInterrupt();
      } else {
        StartTogether();
      }

      window_.start = Now();
      (*body_)();
      window_.end = Now();
      if (meeting_->interrupting) SetPriority(0);
      meeting_->finished.fetch_add(1, std::memory_order_acq_rel);
      meeting_->finished.notify_one();
    }
  }

  bool Leads() const { return rank_ == 0; }

  // Where sides share a CPU, each but the leader takes it from another one when its time has come,
  // in whatever that is.
  void StartToInterrupt() {
    constexpr std::int64_t kMargin = 500'000;  // ns, until all are asleep
    if (Leads()) {
      const std::int64_t released = Now() + kMargin;
      meeting_->released.store(released, std::memory_order_release);
      while (meeting_->armed.load(std::memory_order_acquire) != sides_ - 1) sched_yield();
      SpinUntil(false, [&] { return Now() >= released + delay_; });
    } else {
      std::int64_t released = 0;
      while ((released = meeting_->released.load(std::memory_order_acquire)) == 0) sched_yield();
      SetPriority(rank_);
      meeting_->armed.fetch_add(1, std::memory_order_acq_rel);
      SleepUntil(released + delay_);
    }
  }

  void StartTogether() {
    const std::int64_t released = Leads() ? LetGo() : WaitForTheLeader();
    SpinUntil(false, [&] { return Now() >= released + delay_; });
  }

  // Both return the time of release.
  std::int64_t LetGo() {
    const bool apart = !AllAnswer();
    if (apart) SpinOnCpuFor(meeting_->apart_delay);
    meeting_->apart.store(apart, std::memory_order_relaxed);
    const std::int64_t released = Now();
    meeting_->released.store(released, std::memory_order_release);
    return released;
  }

  std::int64_t WaitForTheLeader() {
    std::int64_t released = 0;
    SpinUntil(false, [&] {
      meeting_->echoes[index_].value.store(meeting_->call.value.load(std::memory_order_relaxed),
                                           std::memory_order_relaxed);
      released = meeting_->released.load(std::memory_order_acquire);
      return released != 0;
    });
    return released;
  }

  // Some times in a row, so that it is no accident.
  bool AllAnswer() const {
    constexpr int kInARow = 3;
    constexpr int kTries = 8;
    for (int tries = 0; tries < kTries; ++tries) {
      int answered = 0;
      while (answered < kInARow && AllAnswerOnce()) ++answered;
      if (answered == kInARow) return true;
    }
    return false;
  }

  bool AllAnswerOnce() const {
    constexpr int kPatience = 1000;
    const int call = meeting_->call.value.load(std::memory_order_relaxed) + 1;
    meeting_->call.value.store(call, std::memory_order_relaxed);
    for (int spins = 0; spins < kPatience; ++spins) {
      if (EachHasEchoed(call)) return true;
    }
    return false;
  }

  bool EachHasEchoed(int call) const {
    for (int i = 0; i < sides_; ++i) {
      if (i == index_) continue;
      if (meeting_->echoes[i].value.load(std::memory_order_relaxed) != call) return false;
    }
    return true;
  }

  Meeting* meeting_;
  int index_;
  const std::function<void()>* body_;
  int sides_;
  std::int64_t delay_ = 0;
  int rank_ = 0;  // 0: the leader
  internal::Window window_;
  ScopedThread thread_;  // last: it uses the others
};

// The sides of a race, and their rounds.
class Runner {
 public:
  Runner(const RaceOptions& options, const std::vector<std::function<void()>>& sides)
      : meeting_(sides.size()),
        together_(sides.size(), options.seed, options.meet_within),
        interrupting_(sides.size(), options.seed, options.meet_within),
        random_(options.seed),
        total_(sides.size(), 0) {
    const auto count = static_cast<int>(sides.size());
    for (int i = 0; i < count; ++i) {
      sides_.push_back(std::make_unique<Side>(&meeting_, i, &sides[i], count));
    }
    SpreadOver(cpus_.size());
  }

  ~Runner() {
    meeting_.round.store(-1, std::memory_order_release);
    meeting_.round.notify_all();
  }

  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  void Round(RaceReport& report) {
    Prepare();
    const int count = static_cast<int>(sides_.size());
    meeting_.round.store(++round_, std::memory_order_release);
    meeting_.round.notify_all();
    for (int seen = 0; seen < count; seen = meeting_.finished.load(std::memory_order_acquire)) {
      meeting_.finished.wait(seen, std::memory_order_acquire);
    }
    Conclude(report);
  }

  std::vector<std::chrono::nanoseconds> MeanDurations() const {
    std::vector<std::chrono::nanoseconds> means;
    means.reserve(total_.size());
    for (const std::int64_t time : total_) means.emplace_back(round_ > 0 ? time / round_ : 0);
    return means;
  }

 private:
  internal::DelayPlanner& planner() { return meeting_.interrupting ? interrupting_ : together_; }

  // The first `cpus` of them.
  void SpreadOver(std::size_t cpus) {
    if (cpus == spread_over_) return;
    for (std::size_t i = 0; i < sides_.size(); ++i) PinTo(sides_[i]->tid(), cpus_[i % cpus]);
    spread_over_ = cpus;
  }

  // With a CPU for each side they run at the same time. When that has not come about, the next
  // round is on one CPU; with fewer CPUs than sides, every other one.
  void ChooseCpus() {
    const bool scarce = cpus_.size() < sides_.size();
    const bool were_apart = meeting_.apart.load(std::memory_order_relaxed);
    meeting_.interrupting = scarce || were_apart;
    SpreadOver(were_apart || (scarce && round_ % 2 == 0) ? 1 : cpus_.size());
    meeting_.apart.store(false, std::memory_order_relaxed);
  }

  // Those that start later interrupt those that start earlier. Else it is all the same who leads.
  void Rank(const std::vector<std::int64_t>& delays) {
    const auto count = static_cast<int>(sides_.size());
    std::vector<int> order;
    for (int i = 0; i < count; ++i) order.push_back((i + round_) % count);
    if (meeting_.interrupting) {
      std::stable_sort(order.begin(), order.end(),
                       [&](int a, int b) { return delays[a] < delays[b]; });
    }
    for (int rank = 0; rank < count; ++rank) sides_[order[rank]]->set_rank(rank);
  }

  void Prepare() {
    constexpr double kTimeSlice = 5'000'000;  // ns; a host's is hardly longer
    ChooseCpus();
    const std::vector<std::int64_t> delays = planner().Next();
    for (std::size_t i = 0; i < sides_.size(); ++i) sides_[i]->set_delay(delays[i]);
    Rank(delays);
    meeting_.apart_delay = static_cast<std::int64_t>(random_.Next() * kTimeSlice);
    meeting_.at_line.store(0, std::memory_order_relaxed);
    meeting_.released.store(0, std::memory_order_relaxed);
    meeting_.armed.store(0, std::memory_order_relaxed);
    meeting_.finished.store(0, std::memory_order_relaxed);
  }

  void Conclude(RaceReport& report) {
    std::vector<internal::Window> windows;
    for (std::size_t i = 0; i < sides_.size(); ++i) {
      windows.push_back(sides_[i]->window());
      total_[i] += windows[i].end - windows[i].start;
    }
    const bool apart = meeting_.apart.load(std::memory_order_relaxed);
    std::optional<std::int64_t> released;
    if (!apart) released = meeting_.released.load(std::memory_order_relaxed);
    planner().Learn(released, windows);
    ++report.rounds;
    if (internal::AllOverlap(windows)) ++report.overlapped;
    if (apart) ++report.apart;
  }

  const std::vector<int> cpus_ = AllowedCpus();
  std::size_t spread_over_ = 0;
  Meeting meeting_;
  internal::DelayPlanner together_;
  internal::DelayPlanner interrupting_;
  internal::RandomNumbers random_;
  int round_ = 0;
  std::vector<std::int64_t> total_;           // ns, per side
  std::vector<std::unique_ptr<Side>> sides_;  // last: they use the others
};

}  // namespace

namespace internal {

testing::AssertionResult MetOften(const RaceReport& report, const RaceOptions& options) {
  if (report.overlapped < options.overlaps) {
    return testing::AssertionFailure()
           << "less than " << options.overlaps << " rounds in which the sides met: " << report;
  }
  if (!report.seen) {
    return testing::AssertionFailure()
           << "the sides met, but what the test wants to see did not come about: " << report;
  }
  return testing::AssertionSuccess();
}

}  // namespace internal

RaceReport Race(const RaceOptions& options, const std::vector<std::function<void()>>& sides,
                const RaceHooks& hooks) {
  TEST_CHECK(sides.size() >= 2 && "a race has at least two sides");
  const std::int64_t began = Now();
  const Deadline time(options.time);
  const Deadline limit(options.limit);
  RaceReport report;
  Runner runner(options, sides);
  const auto enough = [&] {
    return report.seen && report.overlapped >= options.overlaps &&
           (report.rounds >= options.rounds || time.Passed());
  };
  bool go_on = true;
  while (go_on && !enough() && (report.rounds == 0 || !limit.Passed())) {
    if (hooks.before) hooks.before();
    runner.Round(report);
    go_on = !hooks.after || hooks.after();
    report.seen = !options.seen || options.seen();
  }
  report.mean_duration = runner.MeanDurations();
  report.elapsed = std::chrono::nanoseconds(Now() - began);
  return report;
}

void ExpectRace(const RaceOptions& options, const std::vector<std::function<void()>>& sides,
                const std::function<void()>& before, const std::function<void()>& after) {
  TEST_CHECK(options.overlaps > 0 && "a race has to say how often its sides must meet");
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
  os << report.rounds << " rounds, " << report.overlapped << " of them overlapped, " << report.apart
     << " without the sides being seen on CPUs together, in "
     << std::chrono::duration_cast<std::chrono::milliseconds>(report.elapsed).count()
     << " ms; mean duration of the sides:";
  for (const std::chrono::nanoseconds mean : report.mean_duration)
    os << ' ' << mean.count() << " ns";
  return os;
}

}  // namespace revoke_test
