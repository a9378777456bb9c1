// SPDX-License-Identifier: GPL-2.0

#include "splat.h"

#include <regex.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sstream>
#include <utility>

namespace splat {
namespace {

// A headline owns the frame lines of this many lines after it, unless "end trace" comes first.
constexpr std::size_t kFrameReach = 120;
// "cut here" waits this many lines for its headline.
constexpr std::size_t kOpenerReach = 8;

// What may stand before a keyword: it must not be the tail of a longer word. Text of other authors
// may precede it on a console, so keywords are not tied to the start of the line.
#define WORD_START "(^|[^[:alnum:]_])"

// The first row that matches gives the kind, so the particular ones stand before BUG and WARNING.
constexpr auto kPatterns = std::to_array<Pattern>({
    {"panic", Role::kHeadline, "Kernel panic - not syncing"},
    {"sanitizer", Role::kHeadline, "BUG: (KASAN|KMSAN|KCSAN|KFENCE): "},
    {"ubsan", Role::kHeadline, WORD_START "UBSAN: "},
    {"lockdep", Role::kHeadline,
     "possible (circular locking|recursive locking|irq lock inversion|deadlock)"},
    {"lockdep", Role::kHeadline, "inconsistent lock state"},
    {"lockdep", Role::kHeadline, "bad unlock balance detected"},
    {"lockdep", Role::kHeadline, "held lock freed!"},
    {"lockdep", Role::kHeadline, "lock held when returning to user space"},
    {"lockdep", Role::kHeadline, "INFO: (trying to register non-static key|lockdep is turned off)"},
    {"lockdep", Role::kHeadline, "DEBUG_LOCKS_WARN_ON"},
    {"lockdep", Role::kHeadline, "turning off the locking correctness validator"},
    {"rcu", Role::kHeadline, "suspicious RCU usage"},
    {"rcu-stall", Role::kHeadline, "detected (expedited )?stalls? on|self-detected stall on"},
    {"atomic-sleep", Role::kHeadline, "sleeping function called from invalid context"},
    {"atomic-sleep", Role::kHeadline, "scheduling while atomic|do not call blocking ops when"},
    {"hung-task", Role::kHeadline, "INFO: task .* blocked (for|on|in)"},
    {"lockup", Role::kHeadline, "soft lockup - CPU|[Hh]ard LOCKUP|workqueue lockup"},
    {"memory-leak", Role::kHeadline, "unreferenced object 0x"},
    {"memory-leak", Role::kHeadline, "kmemleak: [0-9]+ new suspected memory leak"},
    {"list", Role::kHeadline, "list_(add|del) corruption"},
    {"refcount", Role::kHeadline, WORD_START "refcount_t: "},
    {"odebug", Role::kHeadline, WORD_START "ODEBUG: "},
    {"slab", Role::kHeadline, "Objects remaining (in|on) "},
    {"slab", Role::kHeadline, WORD_START "BUG [^ ].*(: |\\()"},
    {"page-state", Role::kHeadline, "Bad (page (state|map)|rss-counter)"},
    // Of these two, plain messages are all that the kernel prints.
    {"page-table", Role::kHeadline, WORD_START "bad (pgd|p4d|pud|pmd|pte) "},
    {"memory-type", Role::kHeadline,
     "x86/PAT: .*(freeing invalid memtype|conflicting memory types) "},
    {"sysfs", Role::kHeadline, "sysfs: cannot create duplicate filename"},
    {"kobject", Role::kHeadline, "kobject.*(tried to|is not initialized)"},
    {"kobject", Role::kHeadline, "does not have a release\\(\\) function"},
    {"stack", Role::kHeadline, "stack-protector:|[Cc]orrupted stack end|Thread overran stack"},
    {"irq", Role::kHeadline, "irq [0-9]+: nobody cared"},
    {"oom", Role::kHeadline, "Out of memory: Kill|invoked oom-killer|page allocation failure: "},
    {"kernel-bug", Role::kHeadline, WORD_START "kernel BUG at "},
    {"bad-access", Role::kHeadline, "[Uu]nable to handle (kernel|page fault)"},
    {"bad-access", Role::kHeadline, "general protection fault[,:]"},
    {"bad-access", Role::kHeadline, WORD_START "double fault[,:]"},
    {"oops", Role::kHeadline, WORD_START "Oops(:| - |$)"},
    {"oops", Role::kHeadline, "Internal error: .*\\[#[0-9]+\\]"},
    {"bug", Role::kHeadline, WORD_START "BUG: "},
    {"warning", Role::kHeadline, WORD_START "WARNING: "},
    {"cut-here", Role::kOpener, "-{6,}\\[ cut here \\]-{6,}"},
    {"trace", Role::kFrame, "^ *Call [Tt]race:"},
    {"end-trace", Role::kCloser, "---\\[ end (trace|Kernel panic)"},
});

#undef WORD_START

const std::vector<Regex>& CompiledPatterns() {
  static const std::vector<Regex> compiled = [] {
    std::vector<Regex> out;
    for (const Pattern& pattern : kPatterns) {
      std::string error;
      // The unit test compiles the table, so value() cannot throw in a binary that passed it.
      out.push_back(Regex::Compile(pattern.regex, &error).value());
    }
    return out;
  }();
  return compiled;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Removes terminal escape sequences (ESC [ ... letter), which serial consoles are full of.
std::string WithoutEscapes(std::string_view line) {
  std::string out;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\x1b' && i + 1 < line.size() && line[i + 1] == '[') {
      i += 2;
      while (i < line.size() && (line[i] < '@' || line[i] > '~')) ++i;
      continue;
    }
    if (line[i] == '\r' || line[i] == '\n') continue;
    out.push_back(line[i] == '\0' ? ' ' : line[i]);
  }
  return out;
}

// Drops a leading "[...] " made only of `allowed` characters and digits; returns whether it did.
bool DropBracket(std::string_view* text, std::string_view allowed) {
  if (text->empty() || text->front() != '[') return false;
  const std::size_t end = text->find(']');
  if (end == std::string_view::npos || end < 2) return false;
  const std::string_view inside = text->substr(1, end - 1);
  const bool fits = std::all_of(inside.begin(), inside.end(), [&](char c) {
    return IsDigit(c) || allowed.find(c) != std::string_view::npos;
  });
  const bool has_digit = std::any_of(inside.begin(), inside.end(), IsDigit);
  if (!fits || !has_digit) return false;
  text->remove_prefix(end + 1);
  return true;
}

}  // namespace

struct Regex::Compiled {
  regex_t re{};
  bool valid = false;

  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() {
    if (valid) regfree(&re);
  }
};

std::optional<Regex> Regex::Compile(const std::string& pattern, std::string* error) {
  auto compiled = std::make_shared<Compiled>();
  const int rc = regcomp(&compiled->re, pattern.c_str(), REG_EXTENDED | REG_NOSUB);
  if (rc != 0) {
    std::array<char, 128> text{};
    regerror(rc, &compiled->re, text.data(), text.size());
    *error = text.data();
    return std::nullopt;
  }
  compiled->valid = true;
  return Regex(std::move(compiled));
}

bool Regex::Matches(const std::string& text) const {
  return regexec(&compiled_->re, text.c_str(), 0, nullptr, 0) == 0;
}

std::span<const Pattern> Patterns() { return kPatterns; }

std::optional<AllowList> AllowList::Parse(std::string_view text, std::string_view name,
                                          std::string* error) {
  AllowList list;
  std::istringstream in{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.find_first_not_of(" \t") == std::string::npos || line.front() == '#') continue;
    const auto fail = [&](const std::string& what) {
      *error = std::string(name) + ":" + std::to_string(number) + ": " + what;
      return std::nullopt;
    };

    const std::size_t tab = line.find('\t');
    AllowEntry entry{.regex = line.substr(0, tab), .reason = "", .line = number};
    if (tab != std::string::npos) {
      const std::size_t start = line.find_first_not_of(" \t", tab);
      if (start != std::string::npos) entry.reason = line.substr(start);
    }
    entry.regex.erase(entry.regex.find_last_not_of(' ') + 1);
    if (entry.reason.empty()) return fail("entry without a reason; write: regex<TAB>reason");
    if (entry.regex.empty()) return fail("entry without an expression; write: regex<TAB>reason");

    std::string why;
    std::optional<Regex> compiled = Regex::Compile(entry.regex, &why);
    if (!compiled) {
      return fail("bad POSIX extended regular expression '" + entry.regex + "': " + why);
    }
    if (compiled->Matches("")) {
      return fail("'" + entry.regex + "' matches every line; name the message to be excused");
    }
    list.entries_.push_back(std::move(entry));
    list.compiled_.push_back(*std::move(compiled));
  }
  return list;
}

std::optional<AllowList> AllowList::Load(const std::string& path, std::string* error) {
  // Not a stream: those take a directory for an empty file.
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"),
                                                             &std::fclose);
  std::string text;
  if (file) {
    std::array<char, 4096> buffer;
    while (std::feof(file.get()) == 0 && std::ferror(file.get()) == 0) {
      text.append(buffer.data(), std::fread(buffer.data(), 1, buffer.size(), file.get()));
    }
  }
  if (!file || std::ferror(file.get()) != 0) {
    *error =
        path + ": cannot be read (" + std::strerror(errno) + "); check the path of the allow list";
    return std::nullopt;
  }
  return Parse(text, path, error);
}

const AllowEntry* AllowList::Match(const std::string& message) const {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (compiled_[i].Matches(message)) return &entries_[i];
  }
  return nullptr;
}

std::string StripLogPrefix(std::string_view line) {
  const std::string clean = WithoutEscapes(line);
  std::string_view text = clean;
  if (text.size() > 2 && text[0] == '<' && IsDigit(text[1])) {
    const std::size_t end = text.find('>');
    if (end != std::string_view::npos && end <= 4) text.remove_prefix(end + 1);
  }
  if (DropBracket(&text, " .")) {
    DropBracket(&text, " TC");  // CONFIG_PRINTK_CALLER
    if (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  }
  return std::string(text);
}

void Scanner::FlushOpener() {
  if (opener_) findings_.push_back(*std::exchange(opener_, std::nullopt));
}

void Scanner::Feed(std::string_view line) {
  ++line_;
  if (opener_ && line_ - opener_->line > kOpenerReach) FlushOpener();
  if (inside_ && line_ - *inside_ > kFrameReach) inside_.reset();

  const std::string message = StripLogPrefix(line);
  if (message.empty()) return;
  const std::vector<Regex>& compiled = CompiledPatterns();
  const auto hit = std::find_if(compiled.begin(), compiled.end(),
                                [&](const Regex& regex) { return regex.Matches(message); });
  if (hit == compiled.end()) return;
  const Pattern& pattern = kPatterns[static_cast<std::size_t>(hit - compiled.begin())];
  Finding finding{.line = line_, .kind = pattern.kind, .text = message, .reason = std::nullopt};

  switch (pattern.role) {
    case Role::kHeadline:
      if (const AllowEntry* entry = allow_.Match(message)) finding.reason = entry->reason;
      opener_.reset();
      inside_ = line_;
      findings_.push_back(std::move(finding));
      break;
    case Role::kOpener:
      // A splat begins: whatever comes belongs to it, no longer to the one before.
      FlushOpener();
      inside_.reset();
      opener_ = std::move(finding);
      break;
    case Role::kFrame:
    case Role::kCloser:
      if (!inside_ && !opener_) findings_.push_back(std::move(finding));
      if (pattern.role == Role::kCloser) {
        FlushOpener();
        inside_.reset();
      }
      break;
  }
}

std::vector<Finding> Scanner::Finish() {
  FlushOpener();
  inside_.reset();
  line_ = 0;
  return std::exchange(findings_, {});
}

std::vector<Finding> Scan(std::string_view log, const AllowList& allow) {
  Scanner scanner(allow);
  while (!log.empty()) {
    const std::size_t end = log.find('\n');
    scanner.Feed(log.substr(0, end));
    log.remove_prefix(end == std::string_view::npos ? log.size() : end + 1);
  }
  return scanner.Finish();
}

std::size_t CountDenied(std::span<const Finding> findings) {
  return static_cast<std::size_t>(
      std::count_if(findings.begin(), findings.end(), [](const Finding& f) { return f.denied(); }));
}

}  // namespace splat
