// SPDX-License-Identifier: GPL-2.0

#include "ktap.h"

#include <unistd.h>

#include "errno_matchers.h"

namespace revoke_test {

std::string KtapEscape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      out.push_back(' ');
    } else if (c == '#') {
      out += "\\#";
    } else {
      out.push_back(c);
    }
  }
  return out;
}

void KtapWriter::Plan(std::size_t tests) {
  Line("KTAP version 1");
  Line("1.." + std::to_string(tests));
}

void KtapWriter::Diagnostic(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    Line("# " + std::string(text.substr(0, end)));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

void KtapWriter::Result(std::string_view name, const Verdict& verdict) {
  for (const std::string& note : verdict.notes) Diagnostic(note);
  std::string line = verdict.outcome == Outcome::kFailed ? "not ok " : "ok ";
  line += std::to_string(++number_) + " " + KtapEscape(name);
  if (verdict.outcome == Outcome::kSkipped) {
    const std::string& reason = verdict.skip_reason;
    line += " # SKIP " + KtapEscape(reason.empty() ? "no reason given" : reason);
  }
  totals_.Add(verdict.outcome);
  Line(line);
}

void KtapWriter::BailOut(std::string_view why) { Line("Bail out! " + std::string(why)); }

void KtapWriter::PrintTotals() {
  Line("# Totals: pass:" + std::to_string(totals_.passed) +
       " fail:" + std::to_string(totals_.failed) +
       " xfail:0 xpass:0 skip:" + std::to_string(totals_.skipped) + " error:0");
}

void KtapWriter::Line(std::string_view text) {
  std::string line(text);
  line.push_back('\n');
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = RetryEintr([&] { return write(fd_, rest.data(), rest.size()); });
    if (written < 0) {
      complete_ = false;
      return;
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace revoke_test
