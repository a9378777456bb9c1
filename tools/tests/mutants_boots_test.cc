// SPDX-License-Identifier: GPL-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "boots.h"
#include "files.h"

namespace mutants {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kBoot[] = "[    0.0] Linux version 7\n";
constexpr char kBegins[] = "[    1.0] run-mutants: m s_test A.B begins\n";
constexpr char kAgain[] = "[    2.0] run-mutants: m s_test again, without it\n";
constexpr char kPanic[] = "[    9.1] Kernel panic - not syncing: x\n";

bool Splat(const std::string& console) { return SplatAfterBegin(console, splat::AllowList()); }

TEST(SplatAfterBegin, IsWhatComesAfterTheLastBegin) {
  EXPECT_TRUE(Splat(std::string(kBoot) + kBegins + kPanic));
  EXPECT_TRUE(Splat(std::string(kBoot) + kBegins + kAgain + kPanic));
  EXPECT_FALSE(Splat(std::string(kBoot) + kBegins));
  EXPECT_FALSE(Splat(std::string(kBoot) + kPanic));
  EXPECT_FALSE(Splat(std::string(kBoot) + kBegins + kPanic + kBegins));
  EXPECT_FALSE(Splat(""));
}

TEST(UmlOutcome, KernelThatComplainsHasSeenIt) {
  const auto outcome = [](const std::string& console) {
    return UmlOutcome(console, "a_test", splat::AllowList());
  };
  const std::string plan = std::string(kBoot) + "1..1\n    1..1\n";
  EXPECT_EQ(outcome(plan + "    ok 1 a_test\n"), Outcome::kPassed);
  EXPECT_EQ(outcome(plan + "    not ok 1 a_test\n"), Outcome::kFailed);
  EXPECT_EQ(outcome(plan + kPanic), Outcome::kSplat);
  EXPECT_EQ(outcome(plan + kPanic + "    ok 1 a_test\n"), Outcome::kSplat);
  EXPECT_EQ(outcome(plan + kPanic + "    ok 1 a_test # SKIP\n"), Outcome::kSkipped);
  EXPECT_EQ(outcome(std::string(kBoot) + "1..1\n" + kPanic), Outcome::kMissing);
  EXPECT_EQ(outcome(plan), Outcome::kMissing);
}

TEST(Share, EveryTestIsInOneList) {
  std::vector<Want> wants;
  for (int i = 0; i < 5; i++)
    wants.push_back({"m", Kind::kTest, "s_test", "A.B" + std::to_string(i)});
  EXPECT_THAT(Share(wants, 2), ElementsAre(ElementsAre(wants[0], wants[2], wants[4]),
                                           ElementsAre(wants[1], wants[3])));
  EXPECT_THAT(Share({wants[0]}, 2), ElementsAre(ElementsAre(wants[0])));
  EXPECT_THAT(Share({}, 2), IsEmpty());
}

class ReadBootTest : public testing::Test {
 protected:
  ReadBootTest() {
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }
  ~ReadBootTest() override { fs::remove_all(directory_); }

  void Leave(const std::string& file, const std::string& text) const {
    guest::WriteFile(directory_ / file, text);
  }
  Boot Read() const { return ReadBoot(directory_, splat::AllowList()); }

  const fs::path directory_ = testing::TempDir() + "mutants_boots_test." + std::to_string(getpid());
  const Step step_{.mutant = "m", .kind = Kind::kTest, .suite = "s_test", .tests = {"A.B", "A.C"}};
};

TEST_F(ReadBootTest, GuestThatDidNothing) {
  EXPECT_THAT(Read().entries, IsEmpty());
  EXPECT_FALSE(Read().splat);
}

TEST_F(ReadBootTest, GuestThatDiedInAStep) {
  Leave("journal", BeginLine(step_));
  Leave("step.ktap", "1..2\nnot ok 1 A.B\n");
  Leave("console.log", std::string(kBoot) + kBegins + kPanic);
  const Boot boot = Read();
  EXPECT_THAT(boot.unended, ElementsAre(Outcome::kFailed, Outcome::kMissing));
  EXPECT_TRUE(boot.splat);
}

TEST_F(ReadBootTest, WhatComesAfterTheLastStepIsOfNoStep) {
  Leave("journal", BeginLine(step_) + EndLine());
  Leave("console.log", std::string(kBoot) + kBegins + kPanic);
  EXPECT_FALSE(Read().splat);
}

TEST_F(ReadBootTest, JournalThatIsNoneIsRefused) {
  Leave("journal", "result\n");
  EXPECT_THROW(Read(), guest::Error);
}

}  // namespace
}  // namespace mutants
