// SPDX-License-Identifier: GPL-2.0
//
// From what a suite printed to what became of each of its tests.

#ifndef REVOKE_TOOLS_MUTANTS_OUTCOME_H_
#define REVOKE_TOOLS_MUTANTS_OUTCOME_H_

#include <string_view>
#include <vector>

#include "steps.h"

namespace mutants {

// One outcome for each of `tests`, in their order. `ktap` is what a program of kselftests/ or the
// debugfs file of a KUnit suite has; of a test without a line, or with more than one, nothing is
// known: kMissing.
std::vector<Outcome> OutcomesOf(std::string_view ktap, const std::vector<std::string>& tests);

// Whether the suite has run these tests and no other.
bool RanAlone(std::string_view ktap, const std::vector<std::string>& tests);

}  // namespace mutants

#endif  // REVOKE_TOOLS_MUTANTS_OUTCOME_H_
