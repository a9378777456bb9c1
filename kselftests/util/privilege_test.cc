// SPDX-License-Identifier: GPL-2.0

#include "privilege.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <unistd.h>

#include <cerrno>

#include "process.h"
#include "skip.h"

namespace revoke_test {
namespace {

class AsRoot : public testing::Test {
 protected:
  void SetUp() override { REVOKE_SKIP_IF(geteuid() != 0, "only root can give privileges up"); }
};

TEST_F(AsRoot, BecomeUserLeavesNothing) {
  EXPECT_THAT(InChild([] {
                TEST_PCHECK(BecomeUser() == 0);
                uid_t real = 0;
                uid_t effective = 0;
                uid_t saved = 0;
                TEST_PCHECK(getresuid(&real, &effective, &saved) == 0);
                TEST_CHECK(real == kNobody && effective == kNobody && saved == kNobody);
                TEST_CHECK(getgid() == kNobody && getegid() == kNobody);
                TEST_CHECK(getgroups(0, nullptr) == 0);
                for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
                  TEST_CHECK(!HaveCapability(capability));
                }
                TEST_CHECK(setuid(0) == -1 && errno == EPERM);
                // Its own files in /proc are still its own.
                TEST_CHECK(access("/proc/self/mem", R_OK) == 0);
              }),
              Exited(0));
}

TEST_F(AsRoot, DropCapabilityDropsThatOne) {
  REVOKE_SKIP_IF(!HaveCapability(CAP_MKNOD) || !HaveCapability(CAP_CHOWN), "lacks capabilities");
  EXPECT_THAT(InChild([] {
                TEST_PCHECK(DropCapability(CAP_MKNOD) == 0);
                TEST_CHECK(!HaveCapability(CAP_MKNOD));
                TEST_CHECK(HaveCapability(CAP_CHOWN));
                // Of the second word of the set.
                if (HaveCapability(CAP_SYSLOG)) TEST_PCHECK(DropCapability(CAP_SYSLOG) == 0);
                TEST_CHECK(!HaveCapability(CAP_SYSLOG));
              }),
              Exited(0));
  EXPECT_TRUE(HaveCapability(CAP_MKNOD));
}

TEST_F(AsRoot, BecomeUserFailsForOthers) {
  EXPECT_THAT(InChild([] {
                TEST_PCHECK(BecomeUser() == 0);
                TEST_CHECK(BecomeUser(0) == -1 && errno == EPERM);
              }),
              Exited(0));
}

TEST(UserNamespace, MakesRootOfItself) {
  REVOKE_SKIP_IF(!UserNamespacesWork(), "no user namespaces here");
  EXPECT_THAT(InChild([] {
                if (geteuid() == 0) TEST_PCHECK(BecomeUser() == 0);
                TEST_CHECK(!HaveCapability(CAP_SYS_ADMIN));
                TEST_PCHECK(EnterUserNamespace() == 0);
                TEST_CHECK(geteuid() == 0 && getegid() == 0);
                TEST_CHECK(HaveCapability(CAP_SYS_ADMIN));
              }),
              Exited(0));
}

}  // namespace
}  // namespace revoke_test
