// SPDX-License-Identifier: GPL-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "files.h"
#include "report.h"
#include "session.h"

namespace mutants {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

Want WantOf(const std::string& mutant, const std::string& test) {
  return {.mutant = mutant, .kind = Kind::kTest, .suite = "s_test", .test = test};
}

Step StepOf(const std::string& mutant, std::vector<std::string> tests) {
  return {.mutant = mutant, .kind = Kind::kTest, .suite = "s_test", .tests = std::move(tests)};
}

// A step that ended with these outcomes. The test was green before.
Entry Ended(const Step& step, const std::vector<Outcome>& outcomes) {
  Entry entry{.step = step, .ended = true};
  for (size_t i = 0; i < outcomes.size(); i++)
    entry.results.push_back({step.mutant, step.kind, step.suite, step.tests[i], outcomes[i], 1});
  if (step.mutant != kNone)
    entry.before.push_back(
        {step.mutant, step.kind, step.suite, step.tests[0], Outcome::kPassed, 1});
  return entry;
}

// A step in which the test was not green before the mutant was turned on.
Entry NotGreen(const Step& step) {
  return {.step = step,
          .before = {{step.mutant, step.kind, step.suite, step.tests[0], Outcome::kFailed, 1}},
          .sick = "not green",
          .ended = true};
}

// A step in which the guest died, with the mutant on.
Entry Dead(const Step& step) {
  Entry entry = Ended(step, {});
  entry.ended = false;
  return entry;
}

MATCHER_P2(Decides, mutant, outcome, "") { return arg.mutant == mutant && arg.outcome == outcome; }

class SessionTest : public testing::Test {
 protected:
  SessionTest() { EXPECT_THAT(session_.NextPlan(), ElementsAre(control_)); }

  void PassControl() {
    session_.Take({.entries = {Ended(control_, {Outcome::kPassed, Outcome::kPassed})}});
  }

  const Step control_ = StepOf("none", {"A.B", "A.C"});
  const Step first_ = StepOf("m", {"A.B"});
  const Step second_ = StepOf("n", {"A.C"});
  Session session_{{WantOf("none", "A.B"), WantOf("none", "A.C")},
                   {WantOf("m", "A.B"), WantOf("n", "A.C")},
                   Passes::kDoubted};
};

TEST_F(SessionTest, ControlComesFirstAndAlone) {
  PassControl();
  EXPECT_THAT(session_.NextPlan(), ElementsAre(first_, second_));
  EXPECT_EQ(session_.left(), 2U);
}

TEST_F(SessionTest, EachResultCountsIfItWasGreenBefore) {
  PassControl();
  EXPECT_THAT(session_.Take({.entries = {Ended(first_, {Outcome::kPassed}),
                                         Ended(second_, {Outcome::kFailed})}}),
              ElementsAre(Decides("m", Outcome::kPassed), Decides("n", Outcome::kFailed)));
  EXPECT_THAT(session_.NextPlan(), IsEmpty());
}

TEST_F(SessionTest, PassInAGuestThatHasSeenMutantsIsTriedAgain) {
  PassControl();
  const std::vector<Outcome> passed = {Outcome::kPassed};
  EXPECT_THAT(session_.Take({.entries = {Ended(first_, passed), Ended(second_, passed)}}),
              ElementsAre(Decides("m", Outcome::kPassed)));
  EXPECT_THAT(session_.NextPlan(), ElementsAre(second_));
  EXPECT_THAT(session_.Take({.entries = {Ended(second_, passed)}}),
              ElementsAre(Decides("n", Outcome::kPassed)));
  EXPECT_THAT(session_.NextPlan(), IsEmpty());
}

TEST(SessionPasses, CountWhereTheyAreNotDoubted) {
  Session session({}, {WantOf("m", "A.B"), WantOf("n", "A.C")}, Passes::kCount);
  const std::vector<Outcome> passed = {Outcome::kPassed};
  session.Take(
      {.entries = {Ended(StepOf("m", {"A.B"}), passed), Ended(StepOf("n", {"A.C"}), passed)}});
  EXPECT_THAT(session.NextPlan(), IsEmpty());
}

TEST_F(SessionTest, WhatWasNotGreenBeforeIsRunFirstInAGuest) {
  PassControl();
  EXPECT_THAT(session_.Take({.entries = {Ended(first_, {Outcome::kFailed}), NotGreen(second_)}}),
              ElementsAre(Decides("m", Outcome::kFailed)));
  EXPECT_THAT(session_.NextPlan(), ElementsAre(second_));
  EXPECT_THAT(session_.Take({.entries = {NotGreen(second_)}}),
              ElementsAre(Decides("n", Outcome::kMissing)));
  EXPECT_EQ(session_.left(), 0U);
}

TEST_F(SessionTest, DeathCountsIfTheKernelHasComplained) {
  PassControl();
  EXPECT_THAT(session_.Take({.entries = {Ended(first_, {Outcome::kFailed}), Dead(second_)},
                             .unended = {Outcome::kMissing},
                             .splat = true}),
              ElementsAre(Decides("m", Outcome::kFailed), Decides("n", Outcome::kSplat)));
}

TEST_F(SessionTest, DeathWithoutAComplaintIsTriedAgainAndHasSeenNothing) {
  PassControl();
  EXPECT_THAT(session_.Take({.entries = {Ended(first_, {Outcome::kFailed}), Dead(second_)},
                             .unended = {Outcome::kMissing}}),
              ElementsAre(Decides("m", Outcome::kFailed)));
  EXPECT_THAT(session_.NextPlan(), ElementsAre(second_));
  EXPECT_THAT(session_.Take({.entries = {Dead(second_)}, .unended = {Outcome::kMissing}}),
              ElementsAre(Decides("n", Outcome::kMissing)));
}

TEST_F(SessionTest, DeathBeforeTheMutantIsOnHasSeenNothing) {
  PassControl();
  const Entry dead{.step = first_};
  EXPECT_THAT(session_.Take({.entries = {dead}, .unended = {Outcome::kFailed}, .splat = true}),
              ElementsAre(Decides("m", Outcome::kMissing)));
}

TEST_F(SessionTest, ResultBeforeTheDeathCounts) {
  PassControl();
  EXPECT_THAT(
      session_.Take({.entries = {Dead(first_)}, .unended = {Outcome::kFailed}, .splat = true}),
      ElementsAre(Decides("m", Outcome::kFailed)));
}

TEST_F(SessionTest, GuestThatDiesInTheControlRunIsAFailure) {
  const Entry dead{.step = control_};
  EXPECT_THAT(
      session_.Take(
          {.entries = {dead}, .unended = {Outcome::kPassed, Outcome::kMissing}, .splat = true}),
      ElementsAre(Decides("none", Outcome::kPassed), Decides("none", Outcome::kSplat)));
  EXPECT_THAT(ControlFailures(session_.results()), SizeIs(1));
}

TEST_F(SessionTest, GuestThatDidNothingDecidesNothing) {
  EXPECT_THAT(session_.Take({}), IsEmpty());
  EXPECT_THAT(session_.NextPlan(), ElementsAre(control_));
}

TEST_F(SessionTest, JournalOfSomethingElseIsRefused) {
  EXPECT_THROW(session_.Take({.entries = {Ended(StepOf("x", {"A.B"}), {Outcome::kFailed})}}),
               guest::Error);
  const Entry without{.step = control_, .ended = true};
  EXPECT_THROW(session_.Take({.entries = {without, Ended(first_, {Outcome::kFailed})}}),
               guest::Error);
}

TEST(Summarize, EachMutantCountsOnceAndNeedsAllItsTests) {
  const auto result = [](const char* mutant, const char* test, Outcome outcome) {
    return Result{mutant, Kind::kTest, "s_test", test, outcome, 0};
  };
  const Report report =
      Summarize({result("none", "A.B", Outcome::kPassed), result("none", "A.C", Outcome::kPassed),
                 result("m", "A.B", Outcome::kFailed), result("m", "A.C", Outcome::kPassed),
                 result("n", "A.C", Outcome::kSplat), result("o", "A.C", Outcome::kSkipped),
                 result("p", "A.C", Outcome::kMissing)});
  EXPECT_EQ(report.passed, 2);  // none, n
  EXPECT_EQ(report.failed, 3);
  EXPECT_THAT(report.failures, SizeIs(3));
}

TEST(Summarize, ControlRunMustPass) {
  for (const Outcome bad : {Outcome::kFailed, Outcome::kSkipped, Outcome::kMissing}) {
    const std::vector<Result> results = {{"none", Kind::kTest, "s_test", "A.B", bad, 0}};
    EXPECT_EQ(Summarize(results).failed, 1) << Name(bad);
    EXPECT_THAT(ControlFailures(results), SizeIs(1)) << Name(bad);
  }
}

TEST(Duration, IsInMinutesAndSeconds) { EXPECT_EQ(Duration(185.9), "3 min 05 s"); }

}  // namespace
}  // namespace mutants
