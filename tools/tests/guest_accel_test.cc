// SPDX-License-Identifier: GPL-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "accel.h"

namespace guest {
namespace {

using testing::HasSubstr;

class ChooseAccelTest : public testing::Test {
 protected:
  ChooseAccelTest() { std::filesystem::remove(cache_); }
  ~ChooseAccelTest() override { std::filesystem::remove(cache_); }

  AccelAnswer Choose(const char* device, const char* boot, bool works) {
    return ChooseAccel(device, boot, cache_, [&] {
      probes_++;
      return works;
    });
  }

  const std::string cache_ = testing::TempDir() + "guest_accel_test." + std::to_string(getpid());
  int probes_ = 0;
};

TEST_F(ChooseAccelTest, WithoutTheDeviceNothingIsProbed) {
  const AccelAnswer answer = Choose("/nonexistent", "b1", true);
  EXPECT_EQ(answer.accel, Accel::kTcg);
  EXPECT_THAT(answer.why, HasSubstr("ENOENT"));
  EXPECT_EQ(probes_, 0);
}

TEST_F(ChooseAccelTest, ADeviceThatOpensIsNotBelieved) {
  EXPECT_EQ(Choose("/dev/null", "b1", false).accel, Accel::kTcg);
  EXPECT_EQ(probes_, 1);
}

TEST_F(ChooseAccelTest, TheAnswerIsKeptForOneBoot) {
  EXPECT_EQ(Choose("/dev/null", "b1", true).accel, Accel::kKvm);
  EXPECT_EQ(Choose("/dev/null", "b1", false).accel, Accel::kKvm);
  EXPECT_EQ(probes_, 1);
  EXPECT_EQ(Choose("/dev/null", "b2", false).accel, Accel::kTcg);
  EXPECT_EQ(probes_, 2);
}

}  // namespace
}  // namespace guest
