// SPDX-License-Identifier: GPL-2.0
//
// Skips say why. A skip is never a pass: REQUIRE_ALL=1 makes it a failure unless it is listed.

#ifndef REVOKE_KSELFTESTS_UTIL_SKIP_H_
#define REVOKE_KSELFTESTS_UTIL_SKIP_H_

#include <gtest/gtest.h>

// Skips the running test if `condition` holds. To be used in a test body or in SetUp(). One
// statement: an else behind it is not its own.
#define REVOKE_SKIP_IF(condition, reason)    \
  do {                                       \
    if (condition) GTEST_SKIP() << (reason); \
  } while (false)

#endif  // REVOKE_KSELFTESTS_UTIL_SKIP_H_
