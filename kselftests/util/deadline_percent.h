// SPDX-License-Identifier: GPL-2.0
//
// Shorter bounds for runs in which much is expected to hang: with REVOKE_DEADLINE_PERCENT=N in the
// environment Scaled() (deadline.h) leaves N % of each.

#ifndef REVOKE_KSELFTESTS_UTIL_DEADLINE_PERCENT_H_
#define REVOKE_KSELFTESTS_UTIL_DEADLINE_PERCENT_H_

#include <optional>
#include <string>

namespace revoke_test {

// What the variable's value (null: not set) means; 100 if it is not set. Returns nothing and sets
// *error if it is not a whole number from 1 to 100.
std::optional<int> ParseDeadlinePercent(const char* value, std::string* error);

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_DEADLINE_PERCENT_H_
