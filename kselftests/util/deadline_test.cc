// SPDX-License-Identifier: GPL-2.0

#include "deadline.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "deadline_percent.h"

namespace revoke_test {
namespace {

using std::chrono::milliseconds;

TEST(SlowFactor, IsOneByDefault) {
  std::string error;
  EXPECT_EQ(ParseSlowFactor(nullptr, nullptr, &error), 1);
  EXPECT_EQ(ParseSlowFactor("", "no", &error), 1);
}

TEST(SlowFactor, FollowsEnvironment) {
  std::string error;
  EXPECT_EQ(ParseSlowFactor("7", nullptr, &error), 7);
  EXPECT_EQ(ParseSlowFactor(nullptr, "yes", &error), kMachineSlowFactor);
  EXPECT_EQ(ParseSlowFactor("2", "yes", &error), 2);
}

TEST(SlowFactor, RejectsNonsense) {
  for (const char* bad : {"0", "-1", "x", "3x", "1.5", " 2", "1001", "99999999999999"}) {
    std::string error;
    EXPECT_FALSE(ParseSlowFactor(bad, nullptr, &error)) << bad;
    EXPECT_NE(error.find(bad), std::string::npos);
  }
}

TEST(SlowFactor, BadEnvironmentEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a process that has not read the factor yet
  EXPECT_EXIT(
      {
        setenv("REVOKE_TEST_SLOW", "fast", 1);
        _exit(SlowFactor() > 0 ? 0 : 2);
      },
      testing::ExitedWithCode(1), "REVOKE_TEST_SLOW='fast' is not");
}

TEST(DeadlinePercent, IsAllByDefault) {
  std::string error;
  EXPECT_EQ(ParseDeadlinePercent(nullptr, &error), 100);
  EXPECT_EQ(ParseDeadlinePercent("", &error), 100);
  EXPECT_EQ(ParseDeadlinePercent("30", &error), 30);
}

TEST(DeadlinePercent, CanGetLess) {
  const std::chrono::milliseconds all = Scaled(std::chrono::seconds(10));
  ShortenDeadlines(50);
  EXPECT_EQ(Scaled(std::chrono::seconds(10)), all / 2);
  ShortenDeadlines(100);
  EXPECT_EQ(Scaled(std::chrono::seconds(10)), all);
}

TEST(DeadlinePercent, RejectsNonsense) {
  for (const char* bad : {"0", "101", "-5", "x", "50%", "5.5"}) {
    std::string error;
    EXPECT_FALSE(ParseDeadlinePercent(bad, &error)) << bad;
    EXPECT_NE(error.find(bad), std::string::npos);
  }
}

TEST(Scaled, MultipliesByFactor) {
  EXPECT_EQ(Scaled(milliseconds(3)), SlowFactor() * milliseconds(3));
}

TEST(Deadline, CountsDown) {
  const Deadline deadline(milliseconds(60'000));
  EXPECT_FALSE(deadline.Passed());
  const milliseconds whole = Scaled(milliseconds(60'000));
  EXPECT_LE(deadline.Left(), whole);
  EXPECT_GT(deadline.Left(), whole / 2);
  const timespec left = deadline.LeftAsTimespec();
  EXPECT_NEAR(static_cast<double>(left.tv_sec), static_cast<double>(whole.count()) / 1000, 30);
  EXPECT_GE(left.tv_nsec, 0);
  EXPECT_LT(left.tv_nsec, 1'000'000'000);
  EXPECT_NEAR(deadline.LeftAsPollTimeout(), static_cast<double>(whole.count()), 30'000);
}

TEST(Deadline, FarAwayIsAsFarAsPollCanWait) {
  // Without the bound this would be negative: for ever.
  const Deadline deadline(milliseconds{std::int64_t{INT_MAX} + 60'000});
  EXPECT_EQ(deadline.LeftAsPollTimeout(), INT_MAX);
}

TEST(Deadline, Passes) {
  const Deadline deadline(milliseconds(0));
  EXPECT_TRUE(deadline.Passed());
  EXPECT_EQ(deadline.Left().count(), 0);
  EXPECT_EQ(deadline.LeftAsPollTimeout(), 0);
}

}  // namespace
}  // namespace revoke_test
