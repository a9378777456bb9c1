// SPDX-License-Identifier: GPL-2.0
//
// Devices come and go, and are mapped, before the kernel has made all of its initcalls: what takes
// mappings away must not depend on one of these. early_user has done it.

#include <gmock/gmock.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "baseline.h"
#include "clients/early_user.h"
#include "errno_matchers.h"
#include "proc.h"
#include "skip.h"

namespace revoke_test {
namespace {

using testing::HasSubstr;

REVOKE_TEST(LateInitcallsTest, MappingsDieWithTheDevice, baseline::kFails) {
  REVOKE_SKIP_IF(access(early::kLog, F_OK) != 0, "no early_user, see guest-run --early");
  const std::string log = ReadSmallFile(early::kLog).value_or("");
  ASSERT_THAT(log, HasSubstr(early::kBegun));
  ASSERT_THAT(log, HasSubstr(early::kDrives));
  ASSERT_THAT(log, HasSubstr(early::kDrivesAgain));
  ASSERT_THAT(log, HasSubstr(early::kEnded));
  baseline::FailsFromHere();
  EXPECT_THAT(log, HasSubstr(early::kDead));
}

}  // namespace
}  // namespace revoke_test
