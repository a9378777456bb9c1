// SPDX-License-Identifier: GPL-2.0

#include "tally.h"

#include <strings.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

#include "reason.h"

namespace guest {
namespace {

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

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// True at the end of a line and before a blank.
bool AtWordEnd(std::string_view text) { return text.empty() || IsBlank(text.front()); }

// Whether a description says "# SKIP", in any case and with or without the blanks.
bool HasSkipDirective(std::string_view text) {
  for (size_t at = 0; (at = text.find('#', at)) != std::string_view::npos;) {
    const bool is_word = at == 0 || IsBlank(text[at - 1]);
    at = text.find_first_not_of(" \t", at + 1);
    if (at == std::string_view::npos) return false;
    if (is_word && strncasecmp(std::string(text.substr(at)).c_str(), "skip", 4) == 0) return true;
  }
  return false;
}

size_t TakeBlanks(std::string_view& line) {
  const size_t blanks = std::min(line.find_first_not_of(' '), line.size());
  line.remove_prefix(blanks);
  return blanks;
}

bool IsVersion(std::string_view line) {
  return line.starts_with("KTAP version ") || line.starts_with("TAP version ");
}

// "1..5", with or without a directive.
struct Plan {
  int tests;
  bool skip = false;  // "1..0 # SKIP why"
};
std::optional<Plan> ParsePlan(std::string_view line) {
  if (!TakePrefix(line, "1..")) return std::nullopt;
  const std::optional<int> tests = TakeInt(line);
  if (!tests || !AtWordEnd(line)) return std::nullopt;
  return Plan{*tests, *tests == 0 && HasSkipDirective(line)};
}

// "# name: pass:5 fail:0 skip:0 total:5": KUnit announces no parameters, but counts them.
std::optional<Plan> ParseCount(std::string_view line) {
  constexpr std::string_view kTotal = " total:";
  const size_t total = line.rfind(kTotal);
  if (!line.starts_with("# ") || total == std::string_view::npos) return std::nullopt;
  if (line.find(": pass:") == std::string_view::npos) return std::nullopt;
  line.remove_prefix(total + kTotal.size());
  const std::optional<int> tests = TakeInt(line);
  if (!tests || !AtWordEnd(line)) return std::nullopt;
  return Plan{*tests};
}

// "ok 1 name # SKIP why", "not ok 2 - name".
struct Point {
  bool ok;
  int number;
  bool skip;
  std::string name;
};
std::optional<Point> ParsePoint(std::string_view line) {
  Point point{.ok = !TakePrefix(line, "not ")};
  if (!TakePrefix(line, "ok ")) return std::nullopt;
  const std::optional<int> number = TakeInt(line);
  if (!number || !AtWordEnd(line)) return std::nullopt;
  point.number = *number;
  point.skip = HasSkipDirective(line);
  while (!line.empty() && (IsBlank(line[0]) || line[0] == '-')) line.remove_prefix(1);
  point.name = line.substr(0, line.starts_with('#') ? 0 : line.find(" #"));
  return point;
}

// The blanks before a line say to which group it belongs: more than before begin the subtests of
// the result that follows them. KUnit indents by 4, ktap.rst by 2, and kselftest's runner by "# ",
// in which only the version line tells results from diagnostics.
class KtapCounter {
 public:
  void Line(std::string_view line) {
    size_t indent = TakeBlanks(line);
    bool quoted = false;
    while (line.starts_with(kQuote) &&
           (IsQuoted(indent) || IsVersion(line.substr(kQuote.size())))) {
      quoted = true;
      line.remove_prefix(kQuote.size());
      indent += kQuote.size() + TakeBlanks(line);
    }
    if (line.starts_with("Bail out!")) {
      tally_.Fail(std::string(line));
    } else if (IsVersion(line) || line.starts_with("# Subtest: ")) {
      At(indent, kUnfinished).quoted = quoted;
      printed_.clear();
    } else if (const std::optional<Plan> plan = ParsePlan(line)) {
      TakePlan(indent, *plan);
    } else if (const std::optional<Plan> count = ParseCount(line)) {
      if (levels_.back().indent > indent && !levels_.back().plan) levels_.back().plan = count;
    } else if (const std::optional<Point> point = ParsePoint(line)) {
      TakePoint(indent, *point);
      printed_.clear();
    } else {
      TakeDiagnostic(line);
    }
  }

  Tally Finish() {
    while (levels_.size() > 1) Close(kUnfinished);
    Close("the file");
    if (!unexplained_ || printed_.empty()) return std::move(tally_);
    tally_.reasons[*unexplained_] = FirstFailure(printed_);
    return std::move(tally_);
  }

 private:
  static constexpr char kUnfinished[] = "a group without a result of its own";
  static constexpr std::string_view kQuote = "# ";

  struct Level {
    size_t indent = 0;
    std::optional<Plan> plan;
    int seen = 0;
    int failed = 0;
    size_t first_skip = 0;
    bool in_order = true;
    bool quoted = false;
  };

  // Whether a quote is under way that begins at `indent`.
  bool IsQuoted(size_t indent) const {
    return std::any_of(levels_.begin(), levels_.end(), [&](const Level& level) {
      return level.quoted && level.indent == indent + kQuote.size();
    });
  }

  // The level of a line at `indent`, with deeper ones closed.
  Level& At(size_t indent, const std::string& name, bool* child_failed = nullptr) {
    while (levels_.back().indent > indent) {
      const bool failed = Close(name);
      if (child_failed != nullptr) *child_failed |= failed;
    }
    if (levels_.back().indent < indent)
      levels_.push_back({.indent = indent, .first_skip = tally_.skips.size()});
    return levels_.back();
  }

  void TakePlan(size_t indent, const Plan& plan) {
    Level& level = At(indent, kUnfinished);
    if (level.plan) tally_.Fail("a second plan, 1.." + std::to_string(plan.tests));
    if (!level.plan) level.plan = plan;
  }

  void TakeDiagnostic(std::string_view line) {
    if (!line.starts_with("# Totals: "))
      printed_.emplace_back(line.substr(line.starts_with(kQuote) ? kQuote.size() : 0));
  }

  // Fails with what was printed since the last result. What was printed before none is below.
  void FailFor(const std::string& what) {
    if (printed_.empty()) unexplained_ = tally_.failures.size();
    tally_.Fail(what, FirstFailure(printed_));
  }

  void TakePoint(size_t indent, const Point& point) {
    unexplained_.reset();
    const bool parent = levels_.back().indent > indent;
    bool child_failed = false;
    Level& level = At(indent, point.name, &child_failed);
    level.seen++;
    if (!point.ok) level.failed++;
    if (point.number != level.seen && std::exchange(level.in_order, false)) {
      tally_.Fail(point.name + ": is result " + std::to_string(point.number) + ", but " +
                  std::to_string(level.seen) + " is the next");
    }
    if (parent) {
      if (!point.ok && !child_failed) FailFor(point.name + " (as a whole)");
    } else if (!point.ok) {
      FailFor(point.name);
    } else if (point.skip) {
      tally_.Skip(point.name);
    } else {
      tally_.passed++;
    }
  }

  // Ends the innermost level; true if anything in it failed.
  bool Close(const std::string& name) {
    const Level level = levels_.back();
    levels_.pop_back();
    const int failed = tally_.failed;
    if (level.plan && level.plan->skip) tally_.Skip("all");
    if (!levels_.empty()) {
      for (size_t i = level.first_skip; i < tally_.skips.size(); i++) {
        std::string& skip = tally_.skips[i];
        if (skip.find('.') == std::string::npos) skip.insert(0, name + ".");
      }
    }
    if (!level.plan) {
      tally_.Fail(name + ": neither a plan nor a count: the results are missing or cut short");
      return true;
    }
    if (level.plan->tests == 0 && !level.plan->skip) tally_.Fail(name + ": nothing was run");
    for (int i = level.seen; i < level.plan->tests; i++) {
      tally_.Fail(name + ": announced result " + std::to_string(i + 1) + " of " +
                      std::to_string(level.plan->tests) + " is missing",
                  FirstFailure(std::exchange(printed_, {})));
    }
    if (level.seen > level.plan->tests) tally_.Fail(name + ": more results than announced");
    return level.failed > 0 || tally_.failed > failed;
  }

  std::vector<Level> levels_{1};
  std::vector<std::string> printed_;   // since the last result or group
  std::optional<size_t> unexplained_;  // the last result, if it failed without a word before it
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

// What CTest or kunit.py has kept of what a test case printed.
std::string_view Printed(std::string_view element) {
  for (const std::string_view tag : {"system-out", "failure", "error"}) {
    const size_t begin = element.find("<" + std::string(tag));
    if (begin == std::string_view::npos) continue;
    element.remove_prefix(begin);
    const size_t end = element.find("</" + std::string(tag));
    const size_t text = element.find('>') + 1;
    if (end != std::string_view::npos && text < end) return element.substr(text, end - text);
  }
  return "";
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
  const int skipped = number("skipped") + number("disabled");
  int cases = 0;
  for (size_t at = begin; (at = text.find("<testcase", at)) != std::string_view::npos; at++) {
    cases++;
    const std::string_view element = text.substr(at, text.find("<testcase", at + 1) - at);
    const std::string name(Attribute(element, "name").value_or("?"));
    const auto has = [&element](std::string_view tag) {
      return element.find(tag) != std::string_view::npos;
    };
    if (has("<failure") || has("<error")) {
      tally.Fail(name, FirstFailure(LinesOfXml(Printed(element))));
    } else if (has("<skipped") || Attribute(element, "status") == "disabled") {
      tally.Skip(name);
    }
  }
  while (tally.failed < failed) tally.Fail("a test case the file does not name");
  while (tally.skipped < skipped) tally.Skip("a test case the file does not name");
  tally.passed = number("tests") - tally.failed - tally.skipped;
  if (number("tests") == 0) tally.Fail("nothing was run");
  if (number("tests") != cases) {
    tally.Fail("has " + std::to_string(cases) + " test cases, but counts " +
               std::to_string(number("tests")));
  }
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
