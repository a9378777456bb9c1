// SPDX-License-Identifier: GPL-2.0
//
// Finds kernel splats (BUG, WARNING, Oops, lockdep, stalls, leaks, ...) in log text.
//
// Depends on nothing but the C and C++ libraries, so that the tests (per-test /dev/kmsg watch) and
// the guest runner (whole console log) judge by the very same table.
//
// A splat is made of one *headline* ("WARNING: ...", "BUG: ...") and *frame* lines around it
// ("cut here", "Call Trace:", "end trace"). One Finding is made per headline. Frame lines belong to
// the headline next to them; frame lines without any headline are a finding of their own. An allow
// list excuses headlines, and only those which it matches: a second headline in the middle of an
// excused splat is still found.

#ifndef REVOKE_KSELFTESTS_UTIL_SPLAT_H_
#define REVOKE_KSELFTESTS_UTIL_SPLAT_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace splat {

// A compiled POSIX extended regular expression.
class Regex {
 public:
  // Returns nothing and sets *error (never null) if `pattern` does not compile.
  static std::optional<Regex> Compile(const std::string& pattern, std::string* error);

  // True if the expression matches anywhere in `text` (anchor with ^ and $).
  bool Matches(const std::string& text) const;

 private:
  struct Compiled;
  explicit Regex(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
  std::shared_ptr<const Compiled> compiled_;
};

enum class Role {
  kHeadline,  // is a splat by itself
  kOpener,    // frame line printed before the headline
  kFrame,     // frame line printed after the headline
  kCloser,    // last frame line of a splat
};

// One row of the deny table.
struct Pattern {
  const char* kind;  // short stable name, printed in reports and used by tests
  Role role;
  const char* regex;  // POSIX ERE, matched against the message without timestamp
};

// The deny table.
std::span<const Pattern> Patterns();

struct AllowEntry {
  std::string regex;   // as written in the file
  std::string reason;  // never empty
  int line;            // 1-based line in the file
};

// Headlines that are known and excused. File format, one entry per line:
//
//     regex <TAB> reason
//
// Blank lines and lines beginning with '#' are ignored. An entry without reason, an expression that
// does not compile or one that matches the empty string is an error: nothing of the file is used.
class AllowList {
 public:
  // The empty list: excuses nothing.
  AllowList() = default;

  // `name` is used in messages only. On error returns nothing and sets *error (never null) to
  // "name:line: what is wrong and what to write instead".
  static std::optional<AllowList> Parse(std::string_view text, std::string_view name,
                                        std::string* error);

  // Same, from a file. A file that cannot be read is an error.
  static std::optional<AllowList> Load(const std::string& path, std::string* error);

  // The first entry that excuses `message`, or null.
  const AllowEntry* Match(const std::string& message) const;

  std::span<const AllowEntry> entries() const { return entries_; }

 private:
  std::vector<AllowEntry> entries_;
  std::vector<Regex> compiled_;
};

struct Finding {
  std::size_t line;                   // 1-based line of the log
  std::string kind;                   // Pattern::kind
  std::string text;                   // the message, without log prefix
  std::optional<std::string> reason;  // why it is excused; nothing: it is a splat

  bool denied() const { return !reason.has_value(); }
};

// Feeds on a log line by line, in order.
class Scanner {
 public:
  // `allow` must outlive the scanner.
  explicit Scanner(const AllowList& allow) : allow_(allow) {}

  // One line, with or without its end of line and its "<6>[   12.345678][  T123] " prefix.
  void Feed(std::string_view line);

  // Ends the log and hands the findings over, in log order. The scanner is as new afterwards.
  std::vector<Finding> Finish();

 private:
  void FlushOpener();

  const AllowList& allow_;
  std::vector<Finding> findings_;
  std::optional<Finding> opener_;      // frame line waiting for its headline
  std::size_t line_ = 0;               // lines fed so far
  std::optional<std::size_t> inside_;  // line of the headline whose frames we are in
};

// Scans a whole log.
std::vector<Finding> Scan(std::string_view log, const AllowList& allow);

// Number of findings nobody excused.
std::size_t CountDenied(std::span<const Finding> findings);

// The message of a log line: end of line, terminal escapes, level, timestamp and caller removed,
// NUL bytes made blanks.
std::string StripLogPrefix(std::string_view line);

}  // namespace splat

#endif  // REVOKE_KSELFTESTS_UTIL_SPLAT_H_
