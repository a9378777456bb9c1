// SPDX-License-Identifier: GPL-2.0
//
// What the host asks of a guest that runs mutants, and what the guest answers: two files in the
// results directory, one line an item, fields separated by tabs.
//
//     plan     MUTANT KIND SUITE TESTS, a step each; TESTS are separated by colons
//     journal  written as it happens, so that the death of a guest can be traced to a step:
//              begin  MUTANT KIND SUITE TESTS
//              before MUTANT KIND SUITE TEST OUTCOME SECONDS   with the mutant still off
//              result the same, with the mutant on
//              sick   REASON    the guest is not as it was before the step, and ends
//              end
//
// Shared by the guest (run-mutants) and the host (mutants).

#ifndef REVOKE_TOOLS_MUTANTS_STEPS_H_
#define REVOKE_TOOLS_MUTANTS_STEPS_H_

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mutants {

inline constexpr char kPlanFile[] = "plan";
inline constexpr char kJournalFile[] = "journal";
// The mutant that breaks nothing.
inline constexpr char kNone[] = "none";
// Exit status of run-mutants when the rest of the plan needs a new guest.
inline constexpr int kWantsNewGuest = 3;

// A test of kselftests/; a KUnit test in a guest; one that is only built for User Mode Linux, which
// no guest runs.
enum class Kind { kTest, kKunit, kUml };

const char* Name(Kind kind);  // "Test", "KUnit", "UML"
std::optional<Kind> ParseKind(std::string_view name);

// One run of a suite, or of some tests of it, under one mutant.
struct Step {
  std::string mutant;
  Kind kind = Kind::kTest;
  std::string suite;
  std::vector<std::string> tests;  // in the order of the suite

  bool operator==(const Step&) const = default;
};

enum class Outcome {
  kPassed,
  kFailed,
  kHung,     // its deadline passed, or it left a task that cannot be killed
  kCrashed,  // its process died
  kSplat,    // the kernel complained
  kSkipped,
  kMissing,  // no result
};

const char* Name(Outcome outcome);  // "passed", ...
std::optional<Outcome> ParseOutcome(std::string_view name);

// Whether the test has noticed something.
bool Red(Outcome outcome);

struct Result {
  std::string mutant;
  Kind kind = Kind::kTest;
  std::string suite;
  std::string test;
  Outcome outcome = Outcome::kMissing;
  double seconds = 0;

  bool operator==(const Result&) const = default;
};

std::string Serialize(const std::vector<Step>& plan);
// Nothing, and what is wrong in *error (never null), if the text is no plan.
std::optional<std::vector<Step>> ParsePlan(std::string_view text, std::string* error);

// Lines of the journal, with their end.
std::string BeginLine(const Step& step);
std::string ResultLine(const Result& result);
std::string BeforeLine(const Result& result);
std::string SickLine(const std::string& reason);
std::string EndLine();

// What marks the begin of a step in the console log; short, as the log takes no long lines.
std::string BeginNote(const Step& step);

// A step as the journal tells of it.
struct Entry {
  Step step;
  std::vector<Result> results;
  std::vector<Result> before;
  std::optional<std::string> sick;
  bool ended = false;

  bool operator==(const Entry&) const = default;
};

// A last line without its end is left out: the guest died while it wrote it. Nothing, and what is
// wrong in *error (never null), if another line is malformed.
std::optional<std::vector<Entry>> ParseJournal(std::string_view text, std::string* error);

// A line "result ..." of the journal.
std::optional<Result> ParseResultLine(std::string_view line);

// The fields of a line that is separated by tabs; the lines of a text, without empty ones.
std::vector<std::string> SplitTabs(std::string_view line);
std::vector<std::string> SplitLines(std::string_view text);

}  // namespace mutants

#endif  // REVOKE_TOOLS_MUTANTS_STEPS_H_
