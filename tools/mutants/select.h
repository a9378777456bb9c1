// SPDX-License-Identifier: GPL-2.0
//
// Which mutants there are, and which of them are to be run.

#ifndef REVOKE_TOOLS_MUTANTS_SELECT_H_
#define REVOKE_TOOLS_MUTANTS_SELECT_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "session.h"

namespace mutants {

// The mutants that a patch of the kernel adds, and the files that have their switches. The list of
// names is in lines "M(NAME, ...", a switch is "revoke_mutant(NAME)".
struct Switches {
  std::map<std::string, std::set<std::string>> files;  // by mutant; without kNone

  std::vector<std::string> Names() const;  // sorted
};
Switches ParseSwitches(std::string_view patch);

// Names that no file uses, and uses of names that are not in the list: lines for the user.
std::vector<std::string> SwitchProblems(std::string_view patch);

// Days since 1970 of "2026-11-30"; nothing if it is no date.
std::optional<int> DayOf(std::string_view date);

// How many days from that day on the turn of a test under a mutant comes, which it does once in ten
// days: 0 to 9.
int DaysToTurn(const Want& want, int day);

// Those of `wants` that a change to `paths` of this project (as git names them) may concern: of
// mutants with a switch in a kernel file that is among them, in the overlay or in a patch (whose
// text is in `patches`), and of suites that are.
std::set<Want> Touched(const std::vector<std::string>& paths, const Switches& switches,
                       const std::vector<Want>& wants,
                       const std::map<std::string, std::string>& patches);

// As many of `wants` as `most`: those whose turn comes soonest.
std::set<Want> Soonest(const std::set<Want>& wants, int day, std::size_t most);

// The files that a patch changes.
std::set<std::string> FilesOf(std::string_view patch);

}  // namespace mutants

#endif  // REVOKE_TOOLS_MUTANTS_SELECT_H_
