// SPDX-License-Identifier: GPL-2.0
//
// From the results of a session to what is said of them.

#ifndef REVOKE_TOOLS_MUTANTS_REPORT_H_
#define REVOKE_TOOLS_MUTANTS_REPORT_H_

#include <string>
#include <vector>

#include "steps.h"

namespace mutants {

struct Report {
  int passed = 0;  // the control run, and mutants that all their tests have noticed
  int failed = 0;
  std::vector<std::string> failures;  // a line each
};

// The control run must be green and every other result red. All results of one mutant count as one.
Report Summarize(const std::vector<Result>& results);

// Those of the control run that did not pass.
std::vector<Result> ControlFailures(const std::vector<Result>& results);

// "3 min 05 s".
std::string Duration(double seconds);

}  // namespace mutants

#endif  // REVOKE_TOOLS_MUTANTS_REPORT_H_
