// SPDX-License-Identifier: GPL-2.0
//
// Runs what sessions want, each in one guest after the other.

#ifndef REVOKE_TOOLS_MUTANTS_BOOTS_H_
#define REVOKE_TOOLS_MUTANTS_BOOTS_H_

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "backend.h"
#include "project.h"
#include "session.h"
#include "splat.h"

namespace mutants {

struct GuestOptions {
  std::string mutant_switch;          // a file for tests of this tool; empty: that of the kernel
  std::chrono::seconds deadline{60};  // for each test
  int deadline_percent = 13;          // of each time limit, while a mutant is on
  int jobs = 4;                       // guests at a time
};

// What to boot for `plan`. `results` is a directory.
guest::RunSpec MakeGuest(const Project& project, const GuestOptions& options,
                         const std::vector<Step>& plan, const std::filesystem::path& results);

// What a guest with these files in its results directory has left. Throws guest::Error if its
// journal is malformed.
Boot ReadBoot(const std::filesystem::path& results, const splat::AllowList& allow);

// Whether the kernel has complained after the last line of the log that marks the begin of a step.
bool SplatAfterBegin(std::string_view console, const splat::AllowList& allow);

// What became of a KUnit test that was run alone on User Mode Linux.
Outcome UmlOutcome(std::string_view console, const std::string& test,
                   const splat::AllowList& allow);

// The splats that are allowed. Throws guest::Error.
splat::AllowList LoadSplats(const Project& project);

// Cuts `wants` into lists that take about as long, at most so many; none of them is empty.
std::vector<std::vector<Want>> Share(const std::vector<Want>& wants, std::size_t most);

// Boots guests until nothing is left of any session, some sessions at a time, or `on` (called with
// what each guest has decided) returns false for each of them. `progress` gets results as they
// come, which need not be final; neither is called twice at a time. Returns how many guests it
// took. Throws guest::Error if a guest does not even begin.
int RunSessions(const Project& project, const GuestOptions& options, std::vector<Session>* sessions,
                const std::function<bool(const std::vector<Result>&)>& on,
                const std::function<void(const Result&)>& progress);

}  // namespace mutants

#endif  // REVOKE_TOOLS_MUTANTS_BOOTS_H_
