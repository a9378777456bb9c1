// SPDX-License-Identifier: GPL-2.0

#include "steps.h"

#include <charconv>
#include <cstdio>
#include <utility>

namespace mutants {
namespace {

constexpr std::pair<Outcome, const char*> kOutcomes[] = {
    {Outcome::kPassed, "passed"},   {Outcome::kFailed, "failed"}, {Outcome::kHung, "hung"},
    {Outcome::kCrashed, "crashed"}, {Outcome::kSplat, "splat"},   {Outcome::kSkipped, "skipped"},
    {Outcome::kMissing, "missing"},
};

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string Tests(const Step& step) {
  std::string text;
  for (const std::string& test : step.tests) text += (text.empty() ? "" : ":") + test;
  return text;
}

std::string StepFields(const Step& step) {
  return step.mutant + "\t" + Name(step.kind) + "\t" + step.suite + "\t" + Tests(step) + "\n";
}

// `fields` from `at` on.
std::optional<Step> ParseStep(const std::vector<std::string>& fields, size_t at) {
  if (fields.size() != at + 4) return std::nullopt;
  const std::optional<Kind> kind = ParseKind(fields[at + 1]);
  if (!kind || fields[at].empty() || fields[at + 2].empty()) return std::nullopt;
  Step step{.mutant = fields[at],
            .kind = *kind,
            .suite = fields[at + 2],
            .tests = Split(fields[at + 3], ':')};
  for (const std::string& test : step.tests) {
    if (test.empty()) return std::nullopt;
  }
  return step;
}

std::string ResultFields(const Result& result) {
  char seconds[32];
  std::snprintf(seconds, sizeof(seconds), "%.2f", result.seconds);
  return result.mutant + "\t" + Name(result.kind) + "\t" + result.suite + "\t" + result.test +
         "\t" + Name(result.outcome) + "\t" + seconds + "\n";
}

std::optional<Result> ParseResult(const std::vector<std::string>& fields) {
  if (fields.size() != 7) return std::nullopt;
  const std::optional<Kind> kind = ParseKind(fields[2]);
  const std::optional<Outcome> outcome = ParseOutcome(fields[5]);
  double seconds = 0;
  const char* end = fields[6].data() + fields[6].size();
  const bool number = std::from_chars(fields[6].data(), end, seconds).ptr == end;
  if (!kind || !outcome || !number || fields[6].empty()) return std::nullopt;
  return Result{.mutant = fields[1],
                .kind = *kind,
                .suite = fields[3],
                .test = fields[4],
                .outcome = *outcome,
                .seconds = seconds};
}

// False if the line is malformed, or not where it may stand.
bool TakeLine(const std::string& line, std::vector<Entry>& entries) {
  const std::vector<std::string> fields = SplitTabs(line);
  if (fields[0] == "begin") {
    std::optional<Step> step = ParseStep(fields, 1);
    if (!step) return false;
    entries.push_back({.step = *std::move(step)});
    return true;
  }
  if (entries.empty() || entries.back().ended) return false;
  Entry& entry = entries.back();
  if (fields[0] == "result" || fields[0] == "before") {
    std::optional<Result> result = ParseResult(fields);
    if (!result) return false;
    (fields[0] == "before" ? entry.before : entry.results).push_back(*std::move(result));
    return true;
  }
  if (fields[0] == "sick" && fields.size() == 2) {
    entry.sick = fields[1];
    return true;
  }
  entry.ended = line == "end";
  return entry.ended;
}

}  // namespace

const char* Name(Kind kind) {
  switch (kind) {
    case Kind::kTest:
      return "Test";
    case Kind::kKunit:
      return "KUnit";
    case Kind::kUml:
      return "UML";
  }
  return "?";
}

std::optional<Kind> ParseKind(std::string_view name) {
  for (const Kind kind : {Kind::kTest, Kind::kKunit, Kind::kUml}) {
    if (name == Name(kind)) return kind;
  }
  return std::nullopt;
}

const char* Name(Outcome outcome) {
  for (const auto& [value, name] : kOutcomes) {
    if (value == outcome) return name;
  }
  return "?";
}

std::optional<Outcome> ParseOutcome(std::string_view name) {
  for (const auto& [value, text] : kOutcomes) {
    if (name == text) return value;
  }
  return std::nullopt;
}

bool Red(Outcome outcome) {
  return outcome == Outcome::kFailed || outcome == Outcome::kHung || outcome == Outcome::kCrashed ||
         outcome == Outcome::kSplat;
}

std::vector<std::string> SplitTabs(std::string_view line) { return Split(line, '\t'); }

std::vector<std::string> SplitLines(std::string_view text) {
  std::vector<std::string> lines = Split(text, '\n');
  std::erase(lines, "");
  return lines;
}

std::string Serialize(const std::vector<Step>& plan) {
  std::string text;
  for (const Step& step : plan) text += StepFields(step);
  return text;
}

std::optional<std::vector<Step>> ParsePlan(std::string_view text, std::string* error) {
  std::vector<Step> plan;
  for (const std::string& line : SplitLines(text)) {
    std::optional<Step> step = ParseStep(SplitTabs(line), 0);
    if (!step) {
      *error = "not MUTANT<TAB>KIND<TAB>SUITE<TAB>TESTS: " + line;
      return std::nullopt;
    }
    plan.push_back(*std::move(step));
  }
  return plan;
}

std::string BeginLine(const Step& step) { return "begin\t" + StepFields(step); }
std::string ResultLine(const Result& result) { return "result\t" + ResultFields(result); }
std::string BeforeLine(const Result& result) { return "before\t" + ResultFields(result); }
std::string EndLine() { return "end\n"; }

std::string BeginNote(const Step& step) {
  return step.mutant + " " + step.suite + " " +
         (step.tests.size() == 1 ? step.tests[0] : std::to_string(step.tests.size()) + " tests") +
         " begins";
}

std::optional<Result> ParseResultLine(std::string_view line) {
  const std::vector<std::string> fields = SplitTabs(line);
  return fields[0] == "result" ? ParseResult(fields) : std::nullopt;
}

std::string SickLine(const std::string& reason) {
  std::string line = reason;
  for (char& c : line) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return "sick\t" + line + "\n";
}

std::optional<std::vector<Entry>> ParseJournal(std::string_view text, std::string* error) {
  const size_t end = text.rfind('\n');
  if (end == std::string_view::npos) return std::vector<Entry>{};
  std::vector<Entry> entries;
  for (const std::string& line : SplitLines(text.substr(0, end))) {
    if (!TakeLine(line, entries)) {
      *error = "not a line of a journal, or not in its place: " + line;
      return std::nullopt;
    }
  }
  return entries;
}

}  // namespace mutants
