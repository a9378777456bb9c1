// SPDX-License-Identifier: GPL-2.0

#include "report.h"

#include <cstdio>
#include <map>

namespace mutants {

Report Summarize(const std::vector<Result>& results) {
  Report report;
  std::map<std::string, bool> well;
  for (const Result& result : results) {
    const bool control = result.mutant == kNone;
    const bool good = control ? result.outcome == Outcome::kPassed : Red(result.outcome);
    const auto entry = well.emplace(result.mutant, true).first;
    entry->second = entry->second && good;
    if (good) continue;
    report.failures.push_back(control ? "not green without a mutant: " + result.suite + " " +
                                            result.test + " (" + Name(result.outcome) + ")"
                                      : "NOT KILLED: " + result.mutant + ": " + result.suite + " " +
                                            result.test + " (" + Name(result.outcome) + ")");
  }
  for (const auto& [mutant, good] : well) (good ? report.passed : report.failed)++;
  return report;
}

std::vector<Result> ControlFailures(const std::vector<Result>& results) {
  std::vector<Result> failures;
  for (const Result& result : results) {
    if (result.mutant == kNone && result.outcome != Outcome::kPassed) failures.push_back(result);
  }
  return failures;
}

std::string Duration(double seconds) {
  const auto whole = static_cast<long>(seconds);
  char text[48];
  std::snprintf(text, sizeof(text), "%ld min %02ld s", whole / 60, whole % 60);
  return text;
}

}  // namespace mutants
