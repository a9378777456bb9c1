// SPDX-License-Identifier: GPL-2.0

#include "mutant_run.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>

#include "bounded.h"
#include "files.h"
#include "health.h"
#include "outcome.h"
#include "process.h"
#include "suites.h"

namespace guest {
namespace {

using Clock = std::chrono::steady_clock;
using mutants::Outcome;
using mutants::Result;
using mutants::Step;

constexpr char kProgram[] = "run-mutants";
// On top of the deadlines of the tests: to start, and to kill what is left.
constexpr std::chrono::seconds kSlack{30};
// How often a sign of life is given while a suite runs; the host waits for it.
constexpr std::chrono::seconds kSignOfLife{5};
// With the mutant on, a test has at least so many times as long as it took without.
constexpr int kLonger = 3;
// What the suites know it by.
constexpr char kPercent[] = "REVOKE_DEADLINE_PERCENT";

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ":") + word;
  return text;
}

// Prints a dot now and then.
class SignOfLife {
 public:
  void Tick() {
    if (Clock::now() < next_) return;
    std::fputs(".\n", stdout);
    std::fflush(stdout);
    next_ = Clock::now() + kSignOfLife;
  }

 private:
  Clock::time_point next_ = Clock::now() + kSignOfLife;
};

// A mutant is on as long as this lives.
class SwitchedOn {
 public:
  SwitchedOn(const std::string& file, const std::string& mutant) : file_(file) {
    WriteControl(file_, mutant);
  }
  SwitchedOn(const SwitchedOn&) = delete;
  SwitchedOn& operator=(const SwitchedOn&) = delete;
  ~SwitchedOn() {
    try {
      WriteControl(file_, mutants::kNone);
    } catch (const Error& error) {
      // With the mutant on, nothing that follows would mean anything.
      std::fprintf(stderr, "%s: %s\n", kProgram, error.what());
      std::exit(1);
    }
  }

 private:
  const std::string& file_;
};

}  // namespace

MutantRun::MutantRun(MutantRunOptions options, Health* health)
    : options_(std::move(options)),
      health_(health),
      journal_path_(options_.results + "/" + mutants::kJournalFile),
      journal_(OpenForAppending(journal_path_)) {}

void MutantRun::Append(const std::string& line) { WriteAll(journal_.get(), line, journal_path_); }

bool MutantRun::Do(const Step& step) {
  const bool control = step.mutant == mutants::kNone;
  const std::string stem = options_.results + (control ? "/control-" + step.suite : "/step");
  // Before the step begins: results of another must not be taken for its own.
  std::filesystem::remove(stem + ".ktap");
  Append(mutants::BeginLine(step));
  std::optional<std::string> sick;
  double seconds = 0;
  if (!control) sick = RunBefore(step, &seconds);
  if (!sick) sick = RunStep(step, stem, control ? 100 : PercentFor(step, seconds));
  if (sick) Append(mutants::SickLine(*sick));
  Append(mutants::EndLine());
  return !sick;
}

std::optional<std::string> MutantRun::RunBefore(const Step& step, double* seconds) {
  Note(kProgram, step.mutant + " " + step.suite + " is yet to come");
  const Run run = RunTests(step, options_.results + "/before", 100);
  *seconds = run.seconds;
  for (const Result& result : ResultsOf(step, run)) Append(mutants::BeforeLine(result));
  if (std::optional<std::string> splat = health_->Splat()) return splat;
  const bool green = std::all_of(run.outcomes.begin(), run.outcomes.end(),
                                 [](Outcome outcome) { return outcome == Outcome::kPassed; });
  if (!green) return "not green without the mutant";
  return std::nullopt;
}

std::optional<std::string> MutantRun::RunStep(const Step& step, const std::string& stem,
                                              int percent) {
  Note(kProgram, mutants::BeginNote(step));
  Run run;
  {
    const SwitchedOn on(options_.mutant_switch, step.mutant);
    run = RunTests(step, stem, percent);
  }
  std::optional<std::string> sick = health_->Splat();
  // A test of kselftests/ watches the log itself, one of KUnit does not.
  if (sick && step.kind == mutants::Kind::kKunit && step.tests.size() == 1 && run.alone &&
      run.outcomes[0] == Outcome::kPassed) {
    run.outcomes[0] = Outcome::kSplat;
  }
  for (const Result& result : ResultsOf(step, run)) {
    const std::string line = mutants::ResultLine(result);
    Append(line);
    std::fputs(line.c_str(), stdout);  // for the progress that the host shows
  }
  std::fflush(stdout);
  if (!sick) sick = Health::UnkillableTask();
  if (!sick && std::any_of(run.outcomes.begin(), run.outcomes.end(), mutants::Red))
    sick = health_->ModuleTrouble();
  return sick;
}

int MutantRun::PercentFor(const Step& step, double seconds) const {
  const double all = static_cast<double>(options_.deadline.count() * step.tests.size());
  const double needed = std::ceil(100 * kLonger * seconds / all);
  return std::clamp(static_cast<int>(std::min(needed, 100.0)), options_.percent, 100);
}

std::vector<Result> MutantRun::ResultsOf(const Step& step, const Run& run) {
  std::vector<Result> results;
  const double seconds = run.seconds / static_cast<double>(step.tests.size());
  for (size_t i = 0; i < step.tests.size(); i++)
    results.push_back(
        {step.mutant, step.kind, step.suite, step.tests[i], run.outcomes[i], seconds});
  return results;
}

MutantRun::Run MutantRun::RunTests(const Step& step, const std::string& stem, int percent) {
  const Clock::time_point begin = Clock::now();
  if (step.kind == mutants::Kind::kUml) throw Error("a guest does not run User Mode Linux");
  bool in_time = true;
  if (step.kind == mutants::Kind::kTest) {
    RunProgram(step, stem, percent);
  } else {
    in_time = RunKunit(step, stem, percent);
  }
  const std::string ktap = ReadFile(stem + ".ktap").value_or("");
  Run run{.outcomes = mutants::OutcomesOf(ktap, step.tests),
          .seconds = std::chrono::duration<double>(Clock::now() - begin).count(),
          .alone = mutants::RanAlone(ktap, step.tests)};
  if (!in_time && step.tests.size() == 1) run.outcomes = {Outcome::kHung};
  return run;
}

void MutantRun::RunProgram(const Step& step, const std::string& stem, int percent) {
  const std::vector<std::string> args = {"--deadline", std::to_string(options_.deadline.count()),
                                         "--gtest_filter=" + Join(step.tests)};
  ProcessSpec spec = SuiteProcess(options_.binaries + "/" + step.suite, args, stem,
                                  options_.deadline * step.tests.size() + kSlack);
  setenv(kPercent, std::to_string(percent).c_str(), 1);
  SignOfLife life;
  spec.tick = [&life] { life.Tick(); };
  const ProcessResult result = RunProcess(spec);
  if (result.interrupted) throw Error("interrupted");
}

bool MutantRun::RunKunit(const Step& step, const std::string& stem, int percent) {
  const std::string path = stem + ".ktap";
  std::filesystem::remove(path);
  const Bounded ended =
      RunBounded([&] { WriteFile(path, RunKunitSuite(step.suite, Join(step.tests))); },
                 (options_.deadline * step.tests.size() + kSlack) * percent / 100);
  return ended != Bounded::kStuck;
}

}  // namespace guest
