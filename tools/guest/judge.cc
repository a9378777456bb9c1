// SPDX-License-Identifier: GPL-2.0

#include "judge.h"

#include <cstring>
#include <sstream>

namespace guest {
namespace {

void JudgeVerdict(const Evidence& evidence, std::vector<std::string>& red) {
  if (!evidence.verdict) {
    red.emplace_back("no verdict file: the guest did not get to the end of the program");
    return;
  }
  std::string error;
  const std::optional<Verdict> verdict = ParseVerdict(*evidence.verdict, &error);
  if (!verdict) {
    red.push_back("the verdict file cannot be used: " + error);
    return;
  }
  if (verdict->nonce != evidence.nonce) {
    red.emplace_back("the verdict file belongs to another run");
    return;
  }
  switch (verdict->kind) {
    case Verdict::Kind::kExited:
      if (verdict->value != 0)
        red.push_back("the program exited with " + std::to_string(verdict->value));
      break;
    case Verdict::Kind::kKilled:
      red.push_back("the program was killed by SIG" +
                    std::string(sigabbrev_np(verdict->value) ?: "?") + " (" +
                    std::to_string(verdict->value) + ")");
      break;
    case Verdict::Kind::kError:
      red.push_back("the guest agent could not run the program: " + verdict->text);
      break;
  }
}

// Enough for what happened and who called; the rest is in the log.
constexpr std::size_t kReportLines = 40;

// Up to kReportLines lines of the console from `line` on (1-based), as the kernel worded them.
std::vector<std::string> ReportAt(const std::string& console, std::size_t line) {
  std::istringstream in(console);
  std::vector<std::string> report;
  std::string text;
  for (std::size_t number = 1; report.size() < kReportLines && std::getline(in, text); ++number) {
    if (number >= line) report.push_back(splat::StripLogPrefix(text));
  }
  return report;
}

}  // namespace

Judgement JudgeConsole(const std::optional<std::string>& console, const splat::AllowList& allow) {
  if (!console) return {.red = {"no console log: it cannot be searched for splats"}};
  if (console->find("Linux version ") == std::string::npos)
    return {.red = {"the console log shows no kernel boot"}};
  Judgement judgement;
  for (const splat::Finding& finding : splat::Scan(*console, allow)) {
    const std::string text =
        "console line " + std::to_string(finding.line) + ": " + finding.kind + ": " + finding.text;
    if (finding.denied()) {
      if (judgement.report.empty()) judgement.report = ReportAt(*console, finding.line);
      judgement.red.push_back(text);
    } else {
      judgement.excused.push_back(text + " (excused: " + finding.reason.value_or("") + ")");
    }
  }
  return judgement;
}

Judgement Judge(const Evidence& evidence, const splat::AllowList& allow) {
  std::vector<std::string> red;
  if (evidence.timed_out) {
    red.push_back("timed out: the guest was stopped after " +
                  std::to_string(evidence.timed_out->count()) + " s");
  }
  if (evidence.emulator_failure) red.push_back(*evidence.emulator_failure);
  JudgeVerdict(evidence, red);
  Judgement judgement = JudgeConsole(evidence.console, allow);
  judgement.red.insert(judgement.red.begin(), red.begin(), red.end());
  return judgement;
}

std::string ToKtap(const Judgement& judgement) {
  std::string text = "KTAP version 1\n1..1\n";
  text += judgement.green() ? "ok 1 guest\n" : "not ok 1 guest\n";
  for (const std::string& line : judgement.red) text += "# " + line + "\n";
  for (const std::string& line : judgement.excused) text += "# " + line + "\n";
  return text;
}

}  // namespace guest
