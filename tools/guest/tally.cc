// SPDX-License-Identifier: GPL-2.0

#include "tally.h"

#include <cctype>
#include <charconv>

namespace guest {
namespace {

constexpr std::string_view kIndent = "    ";

std::optional<int> TakeInt(std::string_view& text) {
  int value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

bool TakePrefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// "1..5", with or without a directive.
struct Plan {
  int tests;
  bool skip;  // "1..0 # SKIP why"
};
std::optional<Plan> ParsePlan(std::string_view line) {
  if (!TakePrefix(line, "1..")) return std::nullopt;
  const std::optional<int> tests = TakeInt(line);
  if (!tests) return std::nullopt;
  return Plan{*tests, line.find("# SKIP") != std::string_view::npos};
}

// "ok 1 name # SKIP why", "not ok 2 - name".
struct Point {
  bool ok;
  bool skip;
  std::string name;
};
std::optional<Point> ParsePoint(std::string_view line) {
  Point point{.ok = !TakePrefix(line, "not ")};
  if (!TakePrefix(line, "ok ") || !TakeInt(line)) return std::nullopt;
  while (!line.empty() && (line[0] == ' ' || line[0] == '-')) line.remove_prefix(1);
  const size_t directive = line.find(" # ");
  point.skip = directive != std::string_view::npos && line.substr(directive).starts_with(" # SKIP");
  point.name = line.substr(0, directive);
  return point;
}

class KtapCounter {
 public:
  void Line(std::string_view line) {
    size_t depth = 0;
    while (TakePrefix(line, kIndent)) depth++;
    if (const std::optional<Plan> plan = ParsePlan(line)) {
      At(depth).plan = plan;
    } else if (const std::optional<Point> point = ParsePoint(line)) {
      Add(depth, *point);
    }
  }

  Tally Finish() {
    while (levels_.size() > 1) Close("the last group");
    if (levels_.empty() || !levels_[0].plan) {
      tally_.Fail("no test plan: the results are missing or cut short at the start");
    }
    if (!levels_.empty()) Close("the file");
    if (tally_.passed + tally_.failed + tally_.skipped == 0) tally_.Fail("nothing was run");
    return std::move(tally_);
  }

 private:
  struct Level {
    std::optional<Plan> plan;
    int seen = 0;
    int failed = 0;
  };

  Level& At(size_t depth) {
    while (levels_.size() <= depth) levels_.emplace_back();
    return levels_[depth];
  }

  void Add(size_t depth, const Point& point) {
    const bool parent = levels_.size() > depth + 1;
    bool child_failed = false;
    while (levels_.size() > depth + 1) child_failed |= Close(point.name);
    Level& level = At(depth);
    level.seen++;
    if (!point.ok) level.failed++;
    if (parent) {
      if (!point.ok && !child_failed) tally_.Fail(point.name + " (as a whole)");
    } else if (!point.ok) {
      tally_.Fail(point.name);
    } else if (point.skip) {
      tally_.skipped++;
    } else {
      tally_.passed++;
    }
  }

  // Ends the innermost level; true if anything in it failed.
  bool Close(const std::string& name) {
    const Level level = levels_.back();
    levels_.pop_back();
    if (!level.plan) return level.failed > 0;
    if (level.plan->skip) tally_.skipped++;
    const int missing = level.plan->tests - level.seen;
    for (int i = 0; i < missing; i++)
      tally_.Fail(name + ": announced result " + std::to_string(level.seen + i + 1) + " of " +
                  std::to_string(level.plan->tests) + " is missing");
    if (missing < 0) tally_.Fail(name + ": more results than announced");
    return level.failed > 0 || missing != 0;
  }

  std::vector<Level> levels_;
  Tally tally_;
};

// The value of an attribute inside one tag.
std::optional<std::string_view> Attribute(std::string_view tag, std::string_view name) {
  const std::string key = " " + std::string(name) + "=\"";
  // Attributes may stand on lines of their own.
  for (size_t at = 0; (at = tag.find(key.substr(1), at)) != std::string_view::npos; at++) {
    if (at == 0 || std::isspace(static_cast<unsigned char>(tag[at - 1])) == 0) continue;
    const size_t begin = at + key.size() - 1;
    const size_t end = tag.find('"', begin);
    if (end != std::string_view::npos) return tag.substr(begin, end - begin);
  }
  return std::nullopt;
}

}  // namespace

Tally CountKtap(std::string_view text) {
  KtapCounter counter;
  while (!text.empty()) {
    const size_t eol = text.find('\n');
    counter.Line(text.substr(0, eol));
    if (eol == std::string_view::npos) break;
    text.remove_prefix(eol + 1);
  }
  return counter.Finish();
}

Tally CountJunit(std::string_view text) {
  Tally tally;
  const size_t begin = text.find("<testsuite");
  const std::string_view root =
      begin == std::string_view::npos ? "" : text.substr(begin, text.find('>', begin) - begin);
  const auto number = [&root](std::string_view name) {
    std::string_view value = Attribute(root, name).value_or("0");
    return TakeInt(value).value_or(0);
  };
  if (!Attribute(root, "tests") || text.find("</testsuite") == std::string_view::npos) {
    tally.Fail("no results: the file is not JUnit or cut short");
    return tally;
  }
  const int failed = number("failures") + number("errors");
  tally.skipped = number("skipped") + number("disabled");
  tally.passed = number("tests") - failed - tally.skipped;
  for (size_t at = begin; (at = text.find("<testcase", at)) != std::string_view::npos; at++) {
    const std::string_view element = text.substr(at, text.find("<testcase", at + 1) - at);
    if (element.find("<failure") == std::string_view::npos &&
        element.find("<error") == std::string_view::npos)
      continue;
    tally.Fail(std::string(Attribute(element, "name").value_or("?")));
  }
  if (number("tests") == 0) tally.Fail("nothing was run");
  while (tally.failed < failed) tally.Fail("a test case the file does not name");
  return tally;
}

Tally Count(const std::optional<std::string>& contents) {
  if (!contents) {
    Tally tally;
    tally.Fail("no results file: the stage did not run or did not end");
    return tally;
  }
  return contents->starts_with("<?xml") ? CountJunit(*contents) : CountKtap(*contents);
}

}  // namespace guest
