// SPDX-License-Identifier: GPL-2.0

#include "baseline.h"

#include <gtest/gtest.h>

#include <string>

namespace revoke_test {
namespace {

using baseline::DeclarationOf;
using baseline::Declare;
using baseline::Declared;
using baseline::Observed;
using baseline::Proves;

TEST(Baseline, EachDeclarationIsProvenByOneThingOnly) {
  for (const Observed observed :
       {Observed::kFails, Observed::kSetupFails, Observed::kEnosys, Observed::kPasses,
        Observed::kSkips, Observed::kSplats, Observed::kCrashes, Observed::kHangs}) {
    EXPECT_EQ(Proves(Declared::kFails, observed), observed == Observed::kFails);
    EXPECT_EQ(Proves(Declared::kSticks, observed), observed == Observed::kFails);
    EXPECT_EQ(Proves(Declared::kEnosys, observed), observed == Observed::kEnosys);
    EXPECT_EQ(Proves(Declared::kPasses, observed), observed == Observed::kPasses);
  }
}

TEST(Baseline, HasNames) {
  EXPECT_STREQ(Name(Declared::kFails), "fails");
  EXPECT_STREQ(Name(Declared::kSticks), "sticks");
  EXPECT_STREQ(Name(Declared::kEnosys), "ENOSYS");
  EXPECT_STREQ(Name(Declared::kPasses), "passes");
  EXPECT_STREQ(Name(Observed::kFails), "fails");
  EXPECT_STREQ(Name(Observed::kSetupFails), "setup-fails");
  EXPECT_STREQ(Name(Observed::kEnosys), "ENOSYS");
  EXPECT_STREQ(Name(Observed::kPasses), "passes");
  EXPECT_STREQ(Name(Observed::kSkips), "skips");
  EXPECT_STREQ(Name(Observed::kSplats), "splats");
  EXPECT_STREQ(Name(Observed::kCrashes), "crashes");
  EXPECT_STREQ(Name(Observed::kHangs), "hangs");
}

REVOKE_TEST(BaselineMacro, Declares, baseline::kEnosys) {
  EXPECT_EQ(DeclarationOf("BaselineMacro.Declares"), Declared::kEnosys);
  EXPECT_FALSE(DeclarationOf("BaselineMacro.Other"));
  EXPECT_FALSE(DeclarationOf("Other.Declares"));
  EXPECT_FALSE(DeclarationOf("BaselineMacro"));
  EXPECT_FALSE(DeclarationOf(""));
}

class BaselineFixture : public testing::Test {};
REVOKE_TEST_F(BaselineFixture, Declares, baseline::kFails) {
  EXPECT_EQ(DeclarationOf("BaselineFixture.Declares"), Declared::kFails);
}

class BaselineParam : public testing::TestWithParam<int> {};
REVOKE_TEST_P(BaselineParam, Declares, baseline::kPasses) {
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  EXPECT_EQ(DeclarationOf(std::string(test->test_suite_name()) + "." + test->name()),
            Declared::kPasses);
}
INSTANTIATE_TEST_SUITE_P(Some, BaselineParam, testing::Values(1));

TEST(Baseline, InstancesHaveTheDeclarationOfTheirTest) {
  ASSERT_TRUE(Declare("Typed", "Test", Declared::kFails));
  EXPECT_EQ(DeclarationOf("Typed.Test"), Declared::kFails);
  EXPECT_EQ(DeclarationOf("Typed/0.Test"), Declared::kFails);
  EXPECT_EQ(DeclarationOf("Prefix/Typed.Test/12"), Declared::kFails);
  EXPECT_EQ(DeclarationOf("Prefix/Typed/3.Test"), Declared::kFails);
  EXPECT_FALSE(DeclarationOf("Typed.Tes"));
  EXPECT_FALSE(DeclarationOf("PrefixTyped.Test"));
}

TEST(Baseline, SecondDeclarationMustAgree) {
  EXPECT_TRUE(Declare("Twice", "Test", Declared::kFails));
  EXPECT_TRUE(Declare("Twice", "Test", Declared::kFails));
  EXPECT_EXIT(Declare("Twice", "Test", Declared::kPasses), testing::ExitedWithCode(1),
              "Twice.Test declares two baselines");
}

}  // namespace
}  // namespace revoke_test
