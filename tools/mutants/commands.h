// SPDX-License-Identifier: GPL-2.0
//
// The commands of `mutants`. Each returns the exit status: 0 if all is well, 1 if not. They throw
// guest::Error.

#ifndef REVOKE_TOOLS_MUTANTS_COMMANDS_H_
#define REVOKE_TOOLS_MUTANTS_COMMANDS_H_

#include <string>
#include <string_view>
#include <vector>

#include "boots.h"
#include "project.h"

namespace mutants {

struct Selection {
  std::vector<std::string> names;    // empty: all
  std::string tenth;                 // a date; empty: all
  std::vector<std::string> touched;  // changed files of this project, which add to the tenth
  int at_most = 0;                   // tests that these add; 0: all
};

// Runs the control run and the mutants, and requires each of their tests to be red.
int RunMutants(const Project& project, const GuestOptions& options, const Selection& selection);

// A mutant, and the suites that may notice it; none: all.
struct Target {
  std::string mutant;
  std::vector<std::string> suites;
};

// Lines "MUTANT TEXT SUITES", separated by tabs, SUITES with commas. Those with few suites first.
std::vector<Target> ParseTargets(std::string_view text);

struct Breadth {
  bool proven_too = false;     // tests that have been seen red as well
  bool all_instances = false;  // of parameterised tests, not the first alone
};

// Runs each mutant over the suites, and keeps what was observed.
int Discover(const Project& project, const GuestOptions& options,
             const std::vector<Target>& targets, const Breadth& breadth);

// Brings the table up to date with the tests that there are, with what was observed, and with lists
// of "MUTANT KIND SUITE TEST [debug]" in the files `imports`.
int UpdateEvidence(const Project& project, const std::vector<std::string>& imports);

// Whether tables, tests and mutants agree: each test has been seen red by something, and each
// mutant but those `elsewhere` turns a test red.
int CheckEvidence(const Project& project, const std::vector<std::string>& elsewhere);

}  // namespace mutants

#endif  // REVOKE_TOOLS_MUTANTS_COMMANDS_H_
