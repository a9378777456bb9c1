// SPDX-License-Identifier: GPL-2.0
//
// What it costs to know who is inside: a call of a method that does nothing, unprotected and with
// each of the candidates around it; alone, and on two CPUs with a file each or with one file.

#include <benchmark/benchmark.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "candidate.h"
#include "table.h"

namespace scaling {
namespace {

// Between two looks at the clock.
constexpr int kBatch = 256;

// Not inlined, as a driver's is not; the call is in all rows.
[[gnu::noinline]] void Method(void* file) { asm volatile("" : : "r"(file) : "memory"); }

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The n-th thread on the n-th CPU that this program may use, again from the first if there are
// fewer: then the threads do not run side by side, and the table says so.
void Pin(int n) {
  static const cpu_set_t allowed = [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof(set), &set);
    return set;
  }();
  n %= std::max(1, CPU_COUNT(&allowed));
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &allowed) || n-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
    return;
  }
}

// Runs call() in each thread of a benchmark; the first one reports how long all of them did.
template <class Call>
void Loop(benchmark::State& state, const Call& call) {
  static std::vector<Window> windows;
  if (state.thread_index() == 0) windows.assign(state.threads(), {});
  Window window;
  // All threads wait for each other before the first batch and after the last.
  while (state.KeepRunningBatch(kBatch)) {
    if (window.begin == 0) window.begin = Now();
    for (int i = 0; i < kBatch; i++) call();
    window.end = Now();
    windows[state.thread_index()] = window;
  }
  if (state.thread_index() == 0) state.counters["overlap"] = Overlap(windows);
}

// The files that a candidate is measured on.
class Subject {
 public:
  explicit Subject(const Candidate& candidate)
      : candidate_(candidate), files_{candidate.open(), candidate.open()} {}
  ~Subject() {
    for (void* file : files_) candidate_.close(file);
  }
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  void Measure(benchmark::State& state, bool shared) const {
    void* file = files_[shared ? 0 : state.thread_index()];
    alignas(16) std::byte use[kUseSize];
    Pin(state.thread_index());
    Loop(state, [this, file, &use] {
      if (!candidate_.enter(file, use)) std::abort();
      Method(file);
      candidate_.leave(file, use);
    });
  }

 private:
  const Candidate& candidate_;
  std::array<void*, 2> files_;
};

struct Column {
  const char* name;
  int threads;
  bool shared;
};
constexpr std::array kColumns = {Column{"alone", 1, false}, Column{"own file", 2, false},
                                 Column{"shared file", 2, true}};

template <class Measure>  // void(benchmark::State&, bool shared)
void RegisterRow(const std::string& row, const Measure& measure) {
  for (const Column& column : kColumns)
    benchmark::RegisterBenchmark((row + "/" + column.name).c_str(), [measure,
                                                                     shared = column.shared](
                                                                        benchmark::State& state) {
      measure(state, shared);
    })->Threads(column.threads);
}

std::vector<std::string> ColumnNames() {
  std::vector<std::string> names;
  names.reserve(kColumns.size());
  for (const Column& column : kColumns) names.emplace_back(column.name);
  return names;
}

class TableReporter : public benchmark::BenchmarkReporter {
 public:
  explicit TableReporter(std::vector<std::string> rows) : table_(std::move(rows), ColumnNames()) {}

  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      const std::string& name = run.run_name.function_name;
      const size_t slash = name.rfind('/');
      table_.Add(name.substr(0, slash), name.substr(slash + 1), SampleOf(run));
    }
  }
  bool Print() const { return table_.Print(std::cout); }

 private:
  static Sample SampleOf(const Run& run) {
    const double ns = run.cpu_accumulated_time / static_cast<double>(run.iterations) * 1e9;
    const double cpus = run.cpu_accumulated_time / run.real_accumulated_time;
    const double share = std::min(1.0, cpus / static_cast<double>(run.threads));
    return {.ns = ns, .together = share * run.counters.at("overlap").value};
  }

  Table table_;
};

int Run(std::vector<char*> argv) {
  int argc = static_cast<int>(argv.size());
  benchmark::Initialize(&argc, argv.data());
  if (benchmark::ReportUnrecognizedArguments(argc, argv.data())) return 2;

  std::vector<std::string> rows = {"unprotected"};
  rows.reserve(1 + AllCandidates().size());
  for (const Candidate* candidate : AllCandidates()) rows.emplace_back(candidate->name);
  std::deque<Subject> subjects;
  RegisterRow(rows[0], [](benchmark::State& state, bool) {
    Pin(state.thread_index());
    Loop(state, [] { Method(nullptr); });
  });
  for (const Candidate* candidate : AllCandidates()) {
    const Subject& subject = subjects.emplace_back(*candidate);
    RegisterRow(candidate->name, [&subject](benchmark::State& state, bool shared) {
      subject.Measure(state, shared);
    });
  }

  // Where others want the CPUs, too, two threads seldom run side by side. May be refused.
  (void)setpriority(PRIO_PROCESS, 0, -20);
  TableReporter reporter(std::move(rows));
  benchmark::RunSpecifiedBenchmarks(&reporter);
  if (reporter.Print()) return 0;
  std::cerr
      << "scaling: where it says \"?\" no repetition had its CPUs to itself; try a quiet machine\n";
  return 1;
}

}  // namespace
}  // namespace scaling

int main(int argc, char** argv) {
  // Many short repetitions: most are not disturbed, and a slow drift is in all rows alike.
  std::vector<std::string> defaults = {"--benchmark_repetitions=15", "--benchmark_min_time=0.01",
                                       "--benchmark_enable_random_interleaving=true"};
  std::vector<char*> args = {argv[0]};
  for (std::string& option : defaults) args.push_back(option.data());
  args.insert(args.end(), argv + 1, argv + argc);
  return scaling::Run(std::move(args));
}
