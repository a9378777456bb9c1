// SPDX-License-Identifier: GPL-2.0

#include "kmsg.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

#include "errno_matchers.h"
#include "proc.h"

namespace revoke_test {
namespace {

// Longest record the kernel hands out (PRINTKRB_RECORD_MAX is 1 KiB of text, escaped fourfold).
constexpr std::size_t kRecordMax = 8192;

struct TaintFlag {
  int bit;
  const char* name;
};

// Bits of Documentation/admin-guide/tainted-kernels.rst that no correct test run may set. The
// others (proprietary, forced, out of tree, unsigned, staging, test module, ...) tell what was
// loaded.
constexpr auto kBadTaint = std::to_array<TaintFlag>({
    {4, "MACHINE_CHECK"},
    {5, "BAD_PAGE"},
    {7, "DIE"},
    {9, "WARN"},
    {14, "SOFTLOCKUP"},
});

// Undoes the escaping of /dev/kmsg: \x1b for a byte that is not printable.
std::string Unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && text[i + 1] == 'x') {
      unsigned int byte = 0;
      const char* digits = text.data() + i + 2;
      if (std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
        out.push_back(static_cast<char>(byte));
        i += 3;
        continue;
      }
    }
    out.push_back(text[i]);
  }
  return out;
}

}  // namespace

std::optional<KmsgRecord> ParseKmsgRecord(std::string_view record) {
  const std::size_t semicolon = record.find(';');
  if (semicolon == std::string_view::npos) return std::nullopt;
  const std::string_view head = record.substr(0, semicolon);
  unsigned int priority = 0;
  KmsgRecord out;
  const char* const end = head.data() + head.size();
  const auto first = std::from_chars(head.data(), end, priority);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ',') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, out.sequence);
  if (second.ec != std::errc() || second.ptr == end || *second.ptr != ',') return std::nullopt;
  // The facility is above the three bits of the level, and 0 for the kernel alone.
  out.from_kernel = priority >> 3 == 0;

  // The text ends at the first newline (newlines of the message are escaped); then the dictionary.
  const std::string_view text = record.substr(semicolon + 1);
  out.text = Unescape(text.substr(0, text.find('\n')));
  return out;
}

std::string NewTaint(std::uint64_t before, std::uint64_t after) {
  const std::uint64_t appeared = after & ~before;
  std::string names;
  for (const TaintFlag& flag : kBadTaint) {
    if ((appeared >> flag.bit & 1) == 0) continue;
    if (!names.empty()) names += ' ';
    names += flag.name;
  }
  return names;
}

std::optional<std::uint64_t> ReadTaint() {
  const std::optional<std::string> text = ReadSmallFile("/proc/sys/kernel/tainted");
  if (!text) return std::nullopt;
  std::uint64_t mask = 0;
  if (std::from_chars(text->data(), text->data() + text->size(), mask).ec != std::errc()) {
    return std::nullopt;
  }
  return mask;
}

KmsgWatch::KmsgWatch(const splat::AllowList& allow)
    : allow_(allow), records_(Open("/dev/kmsg", O_RDONLY | O_NONBLOCK)), taint_(ReadTaint()) {
  if (!records_.valid()) {
    why_not_ = "opening /dev/kmsg failed with " + ErrnoText(records_.error());
  } else if (lseek(records_.get(), 0, SEEK_END) != 0) {
    why_not_ = "seeking to the end of /dev/kmsg failed with " + ErrnoText(errno);
    records_ = FileDescriptor();
  }
}

KmsgWatch::KmsgWatch(const splat::AllowList& allow, FileDescriptor records)
    : allow_(allow), records_(std::move(records)), taint_(ReadTaint()) {}

KmsgWatch::Report KmsgWatch::Take() {
  Report report;
  splat::Scanner scanner(allow_);
  while (watching()) {
    std::array<char, kRecordMax> buffer;
    const ssize_t got =
        RetryEintr([&] { return read(records_.get(), buffer.data(), buffer.size()); });
    if (got < 0 && errno == EPIPE) {
      // The ring buffer overtook us; the next read goes on with the oldest record left.
      report.trouble =
          "kernel log records were overwritten before they were read; enlarge "
          "log_buf_len, or find out who logs so much";
      continue;
    }
    if (got < 0 && errno != EAGAIN)
      report.trouble = "reading the log failed with " + ErrnoText(errno);
    if (got <= 0) break;
    const std::optional<KmsgRecord> record =
        ParseKmsgRecord({buffer.data(), static_cast<std::size_t>(got)});
    if (!record) {
      report.trouble = "a log record is not of the form priority,sequence,time,flags;text";
      continue;
    }
    if (!record->from_kernel) continue;
    std::string_view text = record->text;
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      scanner.Feed(text.substr(0, end));
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
  }
  report.findings = scanner.Finish();
  const std::optional<std::uint64_t> now = ReadTaint();
  if (!now) {
    report.trouble = "/proc/sys/kernel/tainted cannot be read; is /proc mounted?";
  } else {
    report.new_taint = NewTaint(taint_.value_or(0), *now);
    taint_ = now;
  }
  return report;
}

bool KmsgWatch::Report::Clean() const {
  return splat::CountDenied(findings) == 0 && new_taint.empty() && trouble.empty();
}

std::vector<std::string> KmsgWatch::Report::Lines() const {
  std::vector<std::string> lines;
  for (const splat::Finding& finding : findings) {
    lines.push_back(finding.denied()
                        ? "kernel log: " + finding.kind + ": " + finding.text
                        : "kernel log, excused (" + *finding.reason + "): " + finding.text);
  }
  if (!new_taint.empty()) lines.push_back("kernel tainted during the test: " + new_taint);
  if (!trouble.empty()) lines.push_back("kernel log not fully judged: " + trouble);
  return lines;
}

}  // namespace revoke_test
