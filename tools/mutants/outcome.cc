// SPDX-License-Identifier: GPL-2.0

#include "outcome.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>

namespace mutants {
namespace {

// What the diagnostics above the result of a test say of it: as isolated_runner.cc and kmsg.cc
// write them.
constexpr std::pair<std::string_view, Outcome> kSigns[] = {
    {"# deadline of ", Outcome::kHung},
    {"# SIGKILL did not end this one", Outcome::kHung},
    {"# the test's process ", Outcome::kCrashed},
    {"# kernel log: ", Outcome::kSplat},
    {"# kernel tainted during the test", Outcome::kSplat},
};

struct Line {
  std::string name;
  bool ok = false;
  bool skipped = false;
};

bool Take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// "ok 1 name", "not ok 1 - name # SKIP why".
std::optional<Line> ParseLine(std::string_view text) {
  Line line;
  line.ok = !Take(text, "not ");
  if (!Take(text, "ok ")) return std::nullopt;
  const size_t number = text.find_first_not_of("0123456789");
  if (number == 0 || number == std::string_view::npos || text[number] != ' ') return std::nullopt;
  text.remove_prefix(number + 1);
  Take(text, "- ");
  const size_t comment = text.find(" #");
  line.skipped = comment != std::string_view::npos && text.substr(comment).starts_with(" # SKIP");
  line.name = text.substr(0, comment);
  return line;
}

// Calls take(line) for each line of a result, and diagnostic(text) for each other one.
template <typename TakeResult, typename TakeOther>
void ForEach(std::string_view ktap, TakeResult take, TakeOther other) {
  for (const std::string& text : SplitLines(ktap)) {
    const std::string_view trimmed =
        std::string_view(text).substr(std::min(text.find_first_not_of(' '), text.size()));
    if (const std::optional<Line> line = ParseLine(trimmed)) {
      take(*line);
    } else {
      other(trimmed);
    }
  }
}

}  // namespace

std::vector<Outcome> OutcomesOf(std::string_view ktap, const std::vector<std::string>& tests) {
  std::multimap<std::string, Outcome> found;
  Outcome red = Outcome::kFailed;
  const auto result = [&](const Line& line) {
    const Outcome outcome = !line.ok ? red : line.skipped ? Outcome::kSkipped : Outcome::kPassed;
    found.emplace(line.name, outcome);
    red = Outcome::kFailed;
  };
  // The first sign tells most: one that hangs may be killed in a way that looks like a crash.
  const auto diagnostic = [&red](std::string_view text) {
    for (const auto& [sign, outcome] : kSigns) {
      if (red == Outcome::kFailed && text.starts_with(sign)) red = outcome;
    }
  };
  ForEach(ktap, result, diagnostic);
  std::vector<Outcome> outcomes;
  for (const std::string& test : tests) {
    const auto line = found.find(test);
    outcomes.push_back(found.count(test) == 1 ? line->second : Outcome::kMissing);
  }
  return outcomes;
}

bool RanAlone(std::string_view ktap, const std::vector<std::string>& tests) {
  bool alone = true;
  std::string suite;
  const auto result = [&](const Line& line) {
    if (line.skipped || line.name == suite) return;
    if (std::find(tests.begin(), tests.end(), line.name) == tests.end()) alone = false;
  };
  const auto other = [&suite](std::string_view text) {
    if (Take(text, "# Subtest: ") && suite.empty()) suite = text;
  };
  ForEach(ktap, result, other);
  return alone;
}

}  // namespace mutants
