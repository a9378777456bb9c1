// SPDX-License-Identifier: GPL-2.0
//
// What run-suites and run-mutants share: how a suite is run, and how the console log is marked.

#ifndef REVOKE_KSELFTESTS_GUEST_SUITES_H_
#define REVOKE_KSELFTESTS_GUEST_SUITES_H_

#include <chrono>
#include <string>
#include <vector>

#include "process.h"

namespace guest {

// Prints "PROGRAM: TEXT", and puts it into the console log, where splats can then be traced to it.
void Note(const std::string& program, const std::string& text);

// Writes to a control file, which must not be replaced. Throws Error.
void WriteControl(const std::string& path, const std::string& text);

// Runs a KUnit suite through debugfs and returns its KTAP. KUnit leaves it there, not where the
// console would mix it with other text. `what` is written to the file that starts it. Throws Error.
std::string RunKunitSuite(const std::string& suite, const std::string& what);

// How a test binary is run: its KTAP goes to `stem`.ktap, its standard error to `stem`.log; what
// was there before is removed.
ProcessSpec SuiteProcess(const std::string& binary, const std::vector<std::string>& args,
                         const std::string& stem, std::chrono::milliseconds timeout);

}  // namespace guest

#endif  // REVOKE_KSELFTESTS_GUEST_SUITES_H_
