// SPDX-License-Identifier: GPL-2.0

#include "mutant_run.h"

#include <algorithm>
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
  Note(kProgram, mutants::BeginNote(step));
  Run run;
  {
    const SwitchedOn on(options_.mutant_switch, step.mutant);
    run = RunTests(step, stem);
  }
  std::optional<std::string> sick = health_->Splat();
  // A test of kselftests/ watches the log itself, one of KUnit does not.
  if (sick && step.kind == mutants::Kind::kKunit && step.tests.size() == 1 && run.alone &&
      run.outcomes[0] == Outcome::kPassed) {
    run.outcomes[0] = Outcome::kSplat;
  }
  for (size_t i = 0; i < step.tests.size(); i++) {
    const std::string line =
        mutants::ResultLine({step.mutant, step.kind, step.suite, step.tests[i], run.outcomes[i],
                             run.seconds / static_cast<double>(step.tests.size())});
    Append(line);
    std::fputs(line.c_str(), stdout);  // for the progress that the host shows
  }
  std::fflush(stdout);
  const std::optional<std::string> trouble = Trouble(step, run.outcomes);
  if (!sick) sick = trouble;
  if (sick) Append(mutants::SickLine(*sick));
  Append(mutants::EndLine());
  return !sick;
}

std::optional<std::string> MutantRun::Trouble(const Step& step,
                                              const std::vector<Outcome>& outcomes) {
  if (std::optional<std::string> task = Health::UnkillableTask()) return task;
  if (std::none_of(outcomes.begin(), outcomes.end(), mutants::Red)) return std::nullopt;
  const bool green = step.mutant == mutants::kNone || RunAgain(step, outcomes);
  if (std::optional<std::string> splat = health_->Splat()) return splat;
  if (!green) return "red without the mutant, too";
  if (std::optional<std::string> task = Health::UnkillableTask()) return task;
  return health_->ModuleTrouble();
}

MutantRun::Run MutantRun::RunTests(const Step& step, const std::string& stem) {
  const Clock::time_point begin = Clock::now();
  if (step.kind == mutants::Kind::kUml) throw Error("a guest does not run User Mode Linux");
  bool in_time = true;
  if (step.kind == mutants::Kind::kTest) {
    RunProgram(step, stem);
  } else {
    in_time = RunKunit(step, stem);
  }
  const std::string ktap = ReadFile(stem + ".ktap").value_or("");
  Run run{.outcomes = mutants::OutcomesOf(ktap, step.tests),
          .seconds = std::chrono::duration<double>(Clock::now() - begin).count(),
          .alone = mutants::RanAlone(ktap, step.tests)};
  if (!in_time && step.tests.size() == 1) run.outcomes = {Outcome::kHung};
  return run;
}

void MutantRun::RunProgram(const Step& step, const std::string& stem) {
  const std::vector<std::string> args = {"--deadline", std::to_string(options_.deadline.count()),
                                         "--gtest_filter=" + Join(step.tests)};
  ProcessSpec spec = SuiteProcess(options_.binaries + "/" + step.suite, args, stem,
                                  options_.deadline * step.tests.size() + kSlack);
  SignOfLife life;
  spec.tick = [&life] { life.Tick(); };
  const ProcessResult result = RunProcess(spec);
  if (result.interrupted) throw Error("interrupted");
}

bool MutantRun::RunKunit(const Step& step, const std::string& stem) {
  const std::string path = stem + ".ktap";
  std::filesystem::remove(path);
  const Bounded ended =
      RunBounded([&] { WriteFile(path, RunKunitSuite(step.suite, Join(step.tests))); },
                 options_.deadline * step.tests.size() + kSlack);
  return ended != Bounded::kStuck;
}

bool MutantRun::RunAgain(const Step& step, const std::vector<Outcome>& outcomes) {
  Step again = step;
  again.tests.clear();
  for (size_t i = 0; i < step.tests.size(); i++) {
    if (mutants::Red(outcomes[i])) again.tests.push_back(step.tests[i]);
  }
  Note(kProgram, step.mutant + " " + step.suite + " again, without it");
  const Run run = RunTests(again, options_.results + "/again");
  for (size_t i = 0; i < again.tests.size(); i++) {
    Append(mutants::AgainLine({step.mutant, step.kind, step.suite, again.tests[i], run.outcomes[i],
                               run.seconds / static_cast<double>(again.tests.size())}));
  }
  return std::all_of(run.outcomes.begin(), run.outcomes.end(),
                     [](Outcome outcome) { return outcome == Outcome::kPassed; });
}

}  // namespace guest
