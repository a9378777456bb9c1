// SPDX-License-Identifier: GPL-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "outcome.h"
#include "steps.h"

namespace mutants {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const Step kStep{
    .mutant = "kick_nobody", .kind = Kind::kTest, .suite = "file_test", .tests = {"A.B/C", "A.D"}};

Result ResultOf(const std::string& test, Outcome outcome) {
  return {"kick_nobody", Kind::kTest, "file_test", test, outcome, 1.5};
}

TEST(Plan, IsReadAsItWasWritten) {
  const std::vector<Step> plan = {
      kStep,
      {.mutant = "none", .kind = Kind::kKunit, .suite = "revoke", .tests = {"revoke_open_test"}}};
  std::string error;
  EXPECT_EQ(ParsePlan(Serialize(plan), &error), plan);
}

TEST(Plan, IsRefusedIfALineIsNoStep) {
  for (const char* bad : {"m\tTest\ts", "m\tTest\ts\t", "m\tTest\ts\ta:", "\tTest\ts\ta",
                          "m\tKTest\ts\ta", "m\tTest\t\ta", "m\tTest\ts\ta\tb"}) {
    std::string error;
    EXPECT_FALSE(ParsePlan(bad, &error)) << bad;
    EXPECT_THAT(error, HasSubstr(bad));
  }
}

TEST(Journal, IsReadAsItWasWritten) {
  std::string error;
  const Result red = ResultOf("A.B/C", Outcome::kHung);
  const Result green = ResultOf("A.D", Outcome::kPassed);
  const Result before = ResultOf("A.B/C", Outcome::kPassed);
  const auto entries = ParseJournal(BeginLine(kStep) + ResultLine(red) + ResultLine(green) +
                                        BeforeLine(before) + SickLine("a\nb\tc") + EndLine(),
                                    &error);
  ASSERT_TRUE(entries) << error;
  EXPECT_THAT(*entries, ElementsAre(Entry{.step = kStep,
                                          .results = {red, green},
                                          .before = {before},
                                          .sick = "a b c",
                                          .ended = true}));
}

TEST(Journal, EndsWithTheGuestWhereverThatDied) {
  std::string error;
  const std::string text = BeginLine(kStep) + ResultLine(ResultOf("A.B/C", Outcome::kFailed));
  for (size_t size = 0; size < text.size(); size++) {
    const auto entries = ParseJournal(text.substr(0, size), &error);
    ASSERT_TRUE(entries) << error;
    EXPECT_THAT(*entries, SizeIs(size < BeginLine(kStep).size() ? 0 : 1));
    for (const Entry& entry : *entries) {
      EXPECT_FALSE(entry.ended);
      EXPECT_THAT(entry.results, IsEmpty());
    }
  }
}

TEST(Journal, IsRefusedIfALineIsNotInItsPlace) {
  const std::string result = ResultLine(ResultOf("A.D", Outcome::kFailed));
  for (const std::string& bad :
       {result, EndLine(), BeginLine(kStep) + EndLine() + result, BeginLine(kStep) + "result\tx\n",
        BeginLine(kStep) + "ended\n", std::string("begin\tm\n"),
        BeginLine(kStep) + "result\tm\tTest\ts\tt\tred\t1.0\n",
        BeginLine(kStep) + "result\tm\tTest\ts\tt\tfailed\t\n"}) {
    std::string error;
    EXPECT_FALSE(ParseJournal(bad, &error)) << bad;
    EXPECT_FALSE(error.empty());
  }
}

TEST(BeginNote, IsShort) {
  Step step = kStep;
  EXPECT_EQ(BeginNote(step), "kick_nobody file_test 2 tests begins");
  step.tests.pop_back();
  EXPECT_EQ(BeginNote(step), "kick_nobody file_test A.B/C begins");
}

TEST(Red, IsWhatHasNoticedSomething) {
  for (const Outcome red : {Outcome::kFailed, Outcome::kHung, Outcome::kCrashed, Outcome::kSplat})
    EXPECT_TRUE(Red(red)) << Name(red);
  for (const Outcome other : {Outcome::kPassed, Outcome::kSkipped, Outcome::kMissing})
    EXPECT_FALSE(Red(other)) << Name(other);
}

TEST(OutcomesOf, ProgramsOfKselftests) {
  const char* ktap =
      "KTAP version 1\n"
      "1..7\n"
      "ok 1 A.Passes\n"
      "# file.cc:1: no\n"
      "not ok 2 A.Fails\n"
      "# deadline of 15000 ms passed; what its tasks are doing:\n"
      "# the test's process was killed\n"
      "not ok 3 A.Hangs\n"
      "# the test's process exited with 3 before the test had ended\n"
      "not ok 4 A.Crashes\n"
      "# kernel log: warning: WARNING: at fs/revoke.c\n"
      "not ok 5 A.Splats/0\n"
      "ok 6 A.Skips # SKIP no device\n"
      "not ok 7 A.FailsToo\n";
  EXPECT_THAT(OutcomesOf(ktap, {"A.Passes", "A.Fails", "A.Hangs", "A.Crashes", "A.Splats/0",
                                "A.Skips", "A.FailsToo", "A.Splats"}),
              ElementsAre(Outcome::kPassed, Outcome::kFailed, Outcome::kHung, Outcome::kCrashed,
                          Outcome::kSplat, Outcome::kSkipped, Outcome::kFailed, Outcome::kMissing));
}

TEST(OutcomesOf, Kunit) {
  const char* ktap =
      "KTAP version 1\n1..1\n"
      "    KTAP version 1\n    # Subtest: toy\n    1..3\n"
      "    ok 1 a_test\n"
      "    # b_test: EXPECTATION FAILED\n"
      "    not ok 2 b_test\n"
      "    ok 3 c_test # SKIP\n"
      "not ok 1 toy\n";
  EXPECT_THAT(
      OutcomesOf(ktap, {"a_test", "b_test", "c_test", "d_test"}),
      ElementsAre(Outcome::kPassed, Outcome::kFailed, Outcome::kSkipped, Outcome::kMissing));
  EXPECT_TRUE(RanAlone(ktap, {"a_test", "b_test"}));
  EXPECT_FALSE(RanAlone(ktap, {"b_test"}));
}

TEST(OutcomesOf, NothingIsKnownOfWhatIsThereTwiceOrNotAtAll) {
  EXPECT_THAT(OutcomesOf("1..2\nok 1 A.B\nok 2 A.B\n", {"A.B"}), ElementsAre(Outcome::kMissing));
  EXPECT_THAT(OutcomesOf("", {"A.B"}), ElementsAre(Outcome::kMissing));
  EXPECT_THAT(OutcomesOf("okay 1 A.B\nok A.B\nok 1\n", {"A.B"}), ElementsAre(Outcome::kMissing));
}

}  // namespace
}  // namespace mutants
