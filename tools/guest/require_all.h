// SPDX-License-Identifier: GPL-2.0
//
// With REQUIRE_ALL=1 a skip is a failure, whoever skips, unless a table says why it is not.

#ifndef REVOKE_TOOLS_GUEST_REQUIRE_ALL_H_
#define REVOKE_TOOLS_GUEST_REQUIRE_ALL_H_

#include <string>

#include "skip_table.h"
#include "tally.h"

namespace guest {

// How the table calls a skip of the result `label`: by its name if that has its group,
// "Suite.Test", and otherwise as "label.name"; without blanks, which the table cannot have.
std::string SkipName(const std::string& label, const std::string& name);

// Turns the skips of `tally` that `allowed` does not list into failures.
void RequireAll(const std::string& label, const revoke_test::SkipTable& allowed, Tally* tally);

}  // namespace guest

#endif  // REVOKE_TOOLS_GUEST_REQUIRE_ALL_H_
