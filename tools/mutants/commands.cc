// SPDX-License-Identifier: GPL-2.0

#include "commands.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "files.h"
#include "process.h"
#include "report.h"

namespace mutants {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using guest::Error;

// Tests in one guest, if it lives so long. The guest that is last should not be last for long.
constexpr std::size_t kAtOnce = 60;

void Print(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) std::printf("mutants: %s\n", line.c_str());
  std::fflush(stdout);
}

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// What the tables want of the profile, KUnit last: a suite of theirs is quickest.
std::vector<Want> AllWants(const Project& project) {
  std::vector<Want> wants = LoadTable(project.TestsTable()).Wants(project.debug);
  const std::vector<Want> kunit = LoadTable(project.KunitTable()).Wants(project.debug);
  wants.insert(wants.end(), kunit.begin(), kunit.end());
  std::stable_sort(wants.begin(), wants.end(),
                   [](const Want& a, const Want& b) { return a.mutant < b.mutant; });
  return wants;
}

// The part of `wants` that changed files add, but for what has its turn on that day.
std::set<Want> ChosenByChange(const Project& project, const Selection& selection,
                              const std::vector<Want>& wants, int day) {
  std::map<std::string, std::string> patches;
  for (const std::string& path : selection.touched) {
    if (path.ends_with(".patch"))
      patches[path] = guest::ReadFile(project.source / path).value_or("");
  }
  std::set<Want> touched =
      Touched(selection.touched, ParseSwitches(Require(project.SwitchesPatch())), wants, patches);
  if (!selection.tenth.empty())
    std::erase_if(touched, [day](const Want& want) { return DaysToTurn(want, day) == 0; });
  const std::size_t most =
      selection.at_most > 0 ? static_cast<std::size_t>(selection.at_most) : touched.size();
  if (most < touched.size())
    Print({"of " + std::to_string(touched.size()) + " tests that the change may concern, " +
           std::to_string(most) + " are run"});
  return Soonest(touched, day, most);
}

std::vector<Want> Chosen(const Project& project, const Selection& selection,
                         const std::vector<Want>& wants) {
  if (selection.names.empty() && selection.tenth.empty() && selection.touched.empty()) return wants;
  const std::set<std::string> names(selection.names.begin(), selection.names.end());
  for (const std::string& name : names) {
    if (std::none_of(wants.begin(), wants.end(),
                     [&name](const Want& want) { return want.mutant == name; }))
      throw Error("no test is known for a mutant " + name + " in this profile");
  }
  const std::optional<int> day = DayOf(selection.tenth.empty() ? "1970-01-01" : selection.tenth);
  if (!day) throw Error("a date is YYYY-MM-DD, not " + selection.tenth);
  const std::set<Want> changed = ChosenByChange(project, selection, wants, *day);
  std::vector<Want> chosen;
  for (const Want& want : wants) {
    const bool turn = !selection.tenth.empty() && DaysToTurn(want, *day) == 0;
    if (turn || names.contains(want.mutant) || changed.contains(want)) chosen.push_back(want);
  }
  return chosen;
}

// What the control run has to show: each test of `wants` once, those of a suite in its order.
std::vector<Want> ControlOf(const std::vector<Want>& wants, const std::vector<Declared>& tests) {
  std::set<Want> wanted;
  for (Want want : wants) {
    want.mutant = kNone;
    wanted.insert(want);
  }
  std::vector<Want> control;
  for (const Declared& test : tests) {
    const Want want{.mutant = kNone, .kind = Kind::kTest, .suite = test.suite, .test = test.test};
    if (wanted.erase(want) > 0) control.push_back(want);
  }
  // KUnit, and what is not there, which will be missing.
  control.insert(control.end(), wanted.begin(), wanted.end());
  return control;
}

// Shows how far a session has come: a line for each result under a mutant, one for each suite of
// the control run.
class Progress {
 public:
  explicit Progress(std::size_t total) : total_(total) {}

  void Show(const Result& result) {
    done_ = std::min(done_ + 1, total_);
    if (result.mutant == kNone && !suites_.insert(result.suite).second &&
        result.outcome == Outcome::kPassed) {
      return;
    }
    std::printf("[%4zu/%zu] %s: %s %s %s (%.1f s)\n", done_, total_, result.mutant.c_str(),
                result.suite.c_str(), result.test.c_str(), Name(result.outcome), result.seconds);
    std::fflush(stdout);
  }

 private:
  const std::size_t total_;
  std::size_t done_ = 0;
  std::set<std::string> suites_;
};

void KeepObserved(const Project& project, const std::vector<Result>& results) {
  fs::create_directories(project.Results());
  std::ofstream file(project.Observed(), std::ios::app);
  for (const Result& result : results) {
    if (result.mutant != kNone) file << ResultLine(result);
  }
  if (!file.flush()) throw Error("cannot write " + project.Observed().string());
}

// Runs `wants` in guests of which there are several at a time; *boots goes up by their number.
// Keeps what was observed. A suite without a mutant is one step.
std::vector<Result> RunInGuests(const Project& project, const GuestOptions& options,
                                const std::vector<Want>& wants, Passes passes, Progress* progress,
                                int* boots) {
  const bool control = !wants.empty() && wants.front().mutant == kNone;
  // The control run needs no guest twice; with mutants, nobody knows who takes how long.
  const std::size_t jobs = static_cast<std::size_t>(options.jobs);
  const std::size_t most = control ? jobs : std::max(jobs, wants.size() / kAtOnce);
  std::vector<Session> sessions;
  for (const std::vector<Want>& list : Share(wants, most)) {
    sessions.push_back(control ? Session(list, {}, passes) : Session({}, list, passes));
  }
  *boots += RunSessions(
      project, options, &sessions,
      [&project](const std::vector<Result>& decided) {
        KeepObserved(project, decided);
        return ControlFailures(decided).empty();
      },
      [progress](const Result& result) { progress->Show(result); });
  std::vector<Result> results;
  for (const Session& session : sessions) {
    const std::vector<Result> part = session.results();
    results.insert(results.end(), part.begin(), part.end());
  }
  return results;
}

// One on User Mode Linux, which is built and booted by a script of its own.
Outcome RunUml(const Project& project, const Want& want) {
  const fs::path results = project.Results() / "uml" / want.mutant;
  fs::create_directories(results);
  const std::string name = want.suite + "." + want.test;
  const guest::ProcessSpec spec{
      .argv = {project.source / "kunit/run-uml", "-t", "mutant", "-m", want.mutant,
               project.debug ? "debug" : "normal", results / "run", name},
      .stdout_path = results / "out",
      .stderr_path = results / "err",
      .timeout = std::chrono::hours(1)};
  const guest::ProcessResult result = guest::RunProcess(spec);
  if (result.interrupted) throw Error("interrupted");
  const std::string console =
      guest::ReadFile(results / "run" / (name + ".console.log")).value_or("");
  return UmlOutcome(console, want.test, LoadSplats(project));
}

bool IsUml(const Want& want) { return want.kind == Kind::kUml; }

// The tests on User Mode Linux, without a mutant as well.
void RunAllUml(const Project& project, const std::vector<Want>& wants,
               std::vector<Result>* results) {
  std::vector<Want> all = ControlOf(wants, {});
  all.insert(all.end(), wants.begin(), wants.end());
  for (const Want& want : all) {
    const Clock::time_point begin = Clock::now();
    const Outcome outcome = RunUml(project, want);
    const double seconds = SecondsSince(begin);
    std::printf("UML: %s: %s %s (%.1f s)\n", want.mutant.c_str(), want.test.c_str(), Name(outcome),
                seconds);
    std::fflush(stdout);
    results->push_back({want.mutant, want.kind, want.suite, want.test, outcome, seconds});
  }
}

std::vector<std::string> Describe(const std::vector<Result>& failures) {
  return Summarize(failures).failures;
}

// Tests that some mutant has made red, as "SUITE TEST" without the instance.
std::set<std::string> SeenRed(const Project& project) {
  std::string error;
  const std::optional<std::vector<Result>> observed =
      ParseObserved(guest::ReadFile(project.Observed()).value_or(""), &error);
  if (!observed) throw Error(project.Observed().string() + ": " + error);
  std::set<std::string> red;
  for (const Result& result : *observed) {
    if (Red(result.outcome)) red.insert(result.suite + " " + BaseOf(result.test));
  }
  return red;
}

std::vector<Want> WantsOf(const Project& project, const Target& target, const Breadth& breadth,
                          const std::vector<Declared>& tests) {
  Table table = LoadTable(project.TestsTable());
  const std::set<std::string> red = SeenRed(project);
  std::vector<Want> wants;
  std::string last;
  for (const Declared& test : tests) {
    const std::string base = test.suite + " " + BaseOf(test.test);
    const bool other_instance = base == std::exchange(last, base);
    const Row* row = table.Find(test.suite, BaseOf(test.test));
    const bool proven = (row != nullptr && row->Proven()) || red.contains(base);
    const bool chosen =
        target.suites.empty() ||
        std::find(target.suites.begin(), target.suites.end(), test.suite) != target.suites.end();
    if (!chosen || (other_instance && !breadth.all_instances) || (proven && !breadth.proven_too))
      continue;
    wants.push_back(
        {.mutant = target.mutant, .kind = Kind::kTest, .suite = test.suite, .test = test.test});
  }
  return wants;
}

std::vector<std::string> SplitCommas(std::string text) {
  std::replace(text.begin(), text.end(), ',', '\n');
  return SplitLines(text);
}

}  // namespace

int RunMutants(const Project& project, const GuestOptions& options, const Selection& selection) {
  const Clock::time_point begin = Clock::now();
  std::vector<Want> wants = Chosen(project, selection, AllWants(project));
  if (wants.empty()) throw Error("no mutant is to be run");
  std::vector<Want> uml;
  std::copy_if(wants.begin(), wants.end(), std::back_inserter(uml), IsUml);
  std::erase_if(wants, IsUml);

  const std::vector<Want> without = ControlOf(wants, ListTests(project));
  Progress progress(without.size() + wants.size());
  int boots = 0;
  std::vector<Result> results =
      RunInGuests(project, options, without, Passes::kCount, &progress, &boots);
  const bool control = ControlFailures(results).empty();
  if (control) {
    const std::vector<Result> more =
        RunInGuests(project, options, wants, Passes::kDoubted, &progress, &boots);
    results.insert(results.end(), more.begin(), more.end());
    RunAllUml(project, uml, &results);
  }
  Print(control ? Summarize(results).failures : Describe(ControlFailures(results)));
  const Report report = control ? Summarize(results) : Report{.failed = 1};
  std::printf("mutants: %zu results, %d guests, %s\n", results.size(), boots,
              Duration(SecondsSince(begin)).c_str());
  std::printf("%d passed, %d failed\n", report.passed, report.failed);
  return report.failed == 0 && report.passed > 0 ? 0 : 1;
}

std::vector<Target> ParseTargets(std::string_view text) {
  std::vector<Target> targets;
  for (const std::string& line : EntriesOf(text)) {
    const std::vector<std::string> fields = SplitTabs(line);
    if (fields.size() != 3) throw Error("not MUTANT<TAB>TEXT<TAB>SUITES: " + line);
    targets.push_back({.mutant = fields[0], .suites = SplitCommas(fields[2])});
  }
  // What concerns few suites says more of a test than what concerns all.
  std::stable_sort(targets.begin(), targets.end(), [](const Target& a, const Target& b) {
    return a.suites.size() < b.suites.size();
  });
  return targets;
}

int Discover(const Project& project, const GuestOptions& options,
             const std::vector<Target>& targets, const Breadth& breadth) {
  const Clock::time_point begin = Clock::now();
  const std::vector<std::string> known = ParseSwitches(Require(project.SwitchesPatch())).Names();
  for (const Target& target : targets) {
    if (!std::binary_search(known.begin(), known.end(), target.mutant))
      throw Error("there is no mutant " + target.mutant);
  }
  const std::vector<Declared> tests = ListTests(project);
  for (const Target& target : targets) {
    const std::vector<Want> wants = WantsOf(project, target, breadth, tests);
    if (wants.empty()) continue;
    Progress progress(wants.size());
    int boots = 0;
    const std::vector<Result> results =
        RunInGuests(project, options, wants, Passes::kCount, &progress, &boots);
    const auto red = std::count_if(results.begin(), results.end(),
                                   [](const Result& result) { return Red(result.outcome); });
    std::printf("mutants: %s: %zd of %zu red, %d guests, %s so far\n", target.mutant.c_str(), red,
                results.size(), boots, Duration(SecondsSince(begin)).c_str());
    std::fflush(stdout);
  }
  return 0;
}

int UpdateEvidence(const Project& project, const std::vector<std::string>& imports) {
  Table tests = LoadTable(project.TestsTable());
  Table kunit = LoadTable(project.KunitTable());
  for (const std::string& row : tests.Follow(ListTests(project)))
    std::printf("mutants: there is no such test any more: %s\n", row.c_str());
  for (const std::string& path : imports) {
    std::string error;
    if (!Import(Require(path), &tests, &kunit, &error)) throw Error(error.insert(0, path + ": "));
  }
  std::string error;
  const std::optional<std::vector<Result>> observed =
      ParseObserved(guest::ReadFile(project.Observed()).value_or(""), &error);
  if (!observed) throw Error(project.Observed().string() + ": " + error);
  for (const std::string& line : EnterObserved(*observed, &tests))
    std::printf("mutants: new: %s\n", line.c_str());
  const std::vector<std::string> contradicted = Contradicted(*observed, tests);
  for (const std::string& line : contradicted)
    std::printf("mutants: was not red when last run: %s\n", line.c_str());
  guest::WriteFile(project.TestsTable(), tests.Serialize());
  guest::WriteFile(project.KunitTable(), kunit.Serialize());
  return contradicted.empty() ? 0 : 1;
}

int CheckEvidence(const Project& project, const std::vector<std::string>& elsewhere) {
  const std::string patch = Require(project.SwitchesPatch());
  const std::vector<std::string> known = ParseSwitches(patch).Names();
  const Table tests = LoadTable(project.TestsTable());
  const Table kunit = LoadTable(project.KunitTable());
  std::vector<std::string> problems = SwitchProblems(patch);
  for (const std::vector<std::string>& more :
       {Problems(tests, ListTests(project), known), KunitProblems(kunit, ListKunit(project), known),
        Unnoticed(known, {&tests, &kunit}, elsewhere)}) {
    problems.insert(problems.end(), more.begin(), more.end());
  }
  Print(problems);
  std::printf("mutants: %zu mutants, %zu tests, %zu problems\n", known.size(), tests.rows().size(),
              problems.size());
  return problems.empty() ? 0 : 1;
}

}  // namespace mutants
