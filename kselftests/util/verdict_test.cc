// SPDX-License-Identifier: GPL-2.0

#include "verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace revoke_test {
namespace {

using baseline::Declared;
using baseline::Observed;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Ending = TestResult::Ending;

TestResult Passed() {
  TestResult result;
  result.name = "Suite.Test";
  return result;
}
TestResult Failed() {
  TestResult result = Passed();
  result.failed = true;
  return result;
}
TestResult Skipped() {
  TestResult result = Passed();
  result.skipped = true;
  result.skip_reason = "no device";
  return result;
}
TestResult Ended(Ending ending) {
  TestResult result = Passed();
  result.ending = ending;
  return result;
}
TestResult FailedAt(FirstFailure when) {
  TestResult result = Failed();
  result.notes.first_failure = when;
  return result;
}
TestResult Splat(TestResult result) {
  result.splat = true;
  return result;
}
TestResult After(FirstRevoke first, TestResult result) {
  result.notes.first_revoke = first;
  return result;
}

Policy Listed() {
  std::string error;
  Policy policy;
  policy.allowed_skips = SkipTable::Parse("Suite.Test\tnot in CI\n", "t", &error).value();
  return policy;
}

Outcome Judged(const TestResult& result, const Policy& policy = {}) {
  return Judge(result, policy, std::nullopt).outcome;
}

TEST(Judge, Passes) {
  EXPECT_EQ(Judged(Passed()), Outcome::kPassed);
  EXPECT_EQ(Judged(After(FirstRevoke::kEnosys, Passed())), Outcome::kPassed);
}

TEST(Judge, EveryTroubleFails) {
  EXPECT_EQ(Judged(Failed()), Outcome::kFailed);
  EXPECT_EQ(Judged(Ended(Ending::kCrashed)), Outcome::kFailed);
  EXPECT_EQ(Judged(Ended(Ending::kHung)), Outcome::kFailed);
  EXPECT_EQ(Judged(Splat(Passed())), Outcome::kFailed);
  TestResult unkillable = Passed();
  unkillable.unkillable = true;
  EXPECT_EQ(Judged(unkillable), Outcome::kFailed);
}

TEST(Judge, NoTroubleHidesBehindASkip) {
  TestResult result = Skipped();
  result.failed = true;
  EXPECT_EQ(Judged(result), Outcome::kFailed);
  result = Skipped();
  result.splat = true;
  EXPECT_EQ(Judged(result), Outcome::kFailed);
  result = Skipped();
  result.ending = Ending::kCrashed;
  EXPECT_EQ(Judged(result), Outcome::kFailed);
}

TEST(Judge, SkipHasReason) {
  const Verdict verdict = Judge(Skipped(), {}, std::nullopt);
  EXPECT_EQ(verdict.outcome, Outcome::kSkipped);
  EXPECT_EQ(verdict.skip_reason, "no device");
  EXPECT_THAT(verdict.notes, IsEmpty());
}

TEST(Judge, RequiredSkipFailsUnlessListed) {
  Policy policy;
  policy.require_all = true;
  const Verdict unlisted = Judge(Skipped(), policy, std::nullopt);
  EXPECT_EQ(unlisted.outcome, Outcome::kFailed);
  EXPECT_THAT(unlisted.notes, ElementsAre(HasSubstr("skipped (no device), but every test")));
  EXPECT_EQ(Judged(Passed(), policy), Outcome::kPassed);

  policy = Listed();
  policy.require_all = true;
  const Verdict listed = Judge(Skipped(), policy, std::nullopt);
  EXPECT_EQ(listed.outcome, Outcome::kSkipped);
  EXPECT_EQ(listed.skip_reason, "no device (allowed: not in CI)");
  // The table excuses skips, nothing else.
  EXPECT_EQ(Judged(Failed(), policy), Outcome::kFailed);
}

TEST(Observe, Classifies) {
  EXPECT_EQ(Observe(Passed()), Observed::kPasses);
  EXPECT_EQ(Observe(FailedAt(FirstFailure::kAtTheHole)), Observed::kFails);
  EXPECT_EQ(Observe(FailedAt(FirstFailure::kInSetup)), Observed::kSetupFails);
  EXPECT_EQ(Observe(FailedAt(FirstFailure::kNone)), Observed::kSetupFails) << "nobody knows when";
  EXPECT_EQ(Observe(FailedAt(FirstFailure::kAfterEnosys)), Observed::kEnosys);
  EXPECT_EQ(Observe(Skipped()), Observed::kSkips);
  EXPECT_EQ(Observe(Ended(Ending::kCrashed)), Observed::kCrashes);
  EXPECT_EQ(Observe(Ended(Ending::kHung)), Observed::kHangs);
}

// It may have come before the hole, and where it is the hole, something else sees it as well.
TEST(Observe, SplatIsNeverTheHole) {
  EXPECT_EQ(Observe(Splat(Passed())), Observed::kSplats);
  EXPECT_EQ(Observe(Splat(Skipped())), Observed::kSplats);
  EXPECT_EQ(Observe(Splat(FailedAt(FirstFailure::kAtTheHole))), Observed::kSplats);
  EXPECT_EQ(Observe(Splat(FailedAt(FirstFailure::kAfterEnosys))), Observed::kSplats);
}

TEST(Observe, EnosysNeedsTheAnswerAndTheEffect) {
  EXPECT_EQ(Observe(After(FirstRevoke::kEnosys, Skipped())), Observed::kEnosys);
  EXPECT_EQ(Observe(After(FirstRevoke::kEnosys, Passed())), Observed::kPasses);
  EXPECT_EQ(Observe(After(FirstRevoke::kOther, Skipped())), Observed::kSkips);
  // It had gone wrong before.
  EXPECT_EQ(Observe(After(FirstRevoke::kEnosys, FailedAt(FirstFailure::kInSetup))),
            Observed::kSetupFails);
  // A crash or a hang is never taken for a missing system call.
  EXPECT_EQ(Observe(After(FirstRevoke::kEnosys, Ended(Ending::kCrashed))), Observed::kCrashes);
  EXPECT_EQ(Observe(After(FirstRevoke::kEnosys, Ended(Ending::kHung))), Observed::kHangs);
}

Verdict OnBaseline(const TestResult& result, std::optional<Declared> declared, Policy policy = {}) {
  policy.baseline = true;
  return Judge(result, policy, declared);
}

TEST(JudgeBaseline, RightDeclarationPasses) {
  const Verdict verdict = OnBaseline(FailedAt(FirstFailure::kAtTheHole), Declared::kFails);
  EXPECT_EQ(verdict.outcome, Outcome::kPassed);
  EXPECT_THAT(verdict.notes, ElementsAre("baseline Suite.Test declared=fails observed=fails"));
  EXPECT_EQ(OnBaseline(Passed(), Declared::kPasses).outcome, Outcome::kPassed);
  EXPECT_EQ(OnBaseline(FailedAt(FirstFailure::kAfterEnosys), Declared::kEnosys).outcome,
            Outcome::kPassed);
}

TEST(JudgeBaseline, FailureBeforeTheHoleProvesNothing) {
  for (const Declared declared : {Declared::kFails, Declared::kEnosys, Declared::kPasses}) {
    const Verdict verdict = OnBaseline(FailedAt(FirstFailure::kInSetup), declared);
    EXPECT_EQ(verdict.outcome, Outcome::kFailed);
    EXPECT_THAT(verdict.notes, Contains(HasSubstr("observed=setup-fails")));
    EXPECT_THAT(verdict.notes, Contains(HasSubstr("baseline::FailsFromHere()")));
  }
}

TEST(JudgeBaseline, SplatProvesNothing) {
  for (const Declared declared : {Declared::kFails, Declared::kEnosys, Declared::kPasses}) {
    EXPECT_EQ(OnBaseline(Splat(FailedAt(FirstFailure::kAtTheHole)), declared).outcome,
              Outcome::kFailed);
  }
}

TEST(JudgeBaseline, WrongDeclarationFails) {
  const Verdict verdict = OnBaseline(Passed(), Declared::kFails);
  EXPECT_EQ(verdict.outcome, Outcome::kFailed);
  EXPECT_THAT(verdict.notes, Contains("baseline Suite.Test declared=fails observed=passes"));
  EXPECT_THAT(verdict.notes, Contains(HasSubstr("correct the declaration")));
  const TestResult at_the_hole = FailedAt(FirstFailure::kAtTheHole);
  EXPECT_EQ(OnBaseline(at_the_hole, Declared::kPasses).outcome, Outcome::kFailed);
  EXPECT_EQ(OnBaseline(at_the_hole, Declared::kEnosys).outcome, Outcome::kFailed);
  EXPECT_EQ(OnBaseline(Ended(Ending::kCrashed), Declared::kFails).outcome, Outcome::kFailed);
  EXPECT_EQ(OnBaseline(Ended(Ending::kHung), Declared::kFails).outcome, Outcome::kFailed);
}

TEST(JudgeBaseline, UndeclaredFails) {
  const Verdict verdict = OnBaseline(Passed(), std::nullopt);
  EXPECT_EQ(verdict.outcome, Outcome::kFailed);
  EXPECT_THAT(verdict.notes, Contains("baseline Suite.Test declared=nothing observed=passes"));
  EXPECT_THAT(verdict.notes, Contains(HasSubstr("REVOKE_TEST")));
}

TEST(JudgeBaseline, SkipProvesNothing) {
  for (const Declared declared : {Declared::kFails, Declared::kEnosys, Declared::kPasses}) {
    EXPECT_EQ(OnBaseline(Skipped(), declared).outcome, Outcome::kFailed);
    EXPECT_EQ(OnBaseline(Skipped(), declared, Listed()).outcome, Outcome::kSkipped);
  }
}

TEST(JudgeBaseline, UnkillableFails) {
  TestResult result = FailedAt(FirstFailure::kAtTheHole);
  result.unkillable = true;
  EXPECT_EQ(OnBaseline(result, Declared::kFails).outcome, Outcome::kFailed);
}

TEST(JudgeBaseline, WhatSticksLeavesAProcess) {
  TestResult result = FailedAt(FirstFailure::kAtTheHole);
  EXPECT_EQ(OnBaseline(result, Declared::kSticks).outcome, Outcome::kFailed);
  result.unkillable = true;
  EXPECT_EQ(OnBaseline(result, Declared::kSticks).outcome, Outcome::kPassed);
  result = FailedAt(FirstFailure::kInSetup);
  result.unkillable = true;
  EXPECT_EQ(OnBaseline(result, Declared::kSticks).outcome, Outcome::kFailed);
}

TEST(ExitCode, IsKselftests) {
  EXPECT_EQ(ExitCode({.passed = 1, .failed = 0, .skipped = 0}), 0);
  EXPECT_EQ(ExitCode({.passed = 1, .failed = 0, .skipped = 1}), 0);
  EXPECT_EQ(ExitCode({.passed = 1, .failed = 1, .skipped = 1}), 1);
  EXPECT_EQ(ExitCode({.passed = 0, .failed = 0, .skipped = 1}), 4);
  EXPECT_EQ(ExitCode({.passed = 0, .failed = 1, .skipped = 1}), 1);
  EXPECT_EQ(ExitCode({}), 1);
}

TEST(Totals, Counts) {
  Totals totals;
  totals.Add(Outcome::kPassed);
  totals.Add(Outcome::kFailed);
  totals.Add(Outcome::kFailed);
  totals.Add(Outcome::kSkipped);
  EXPECT_EQ(totals.passed, 1);
  EXPECT_EQ(totals.failed, 2);
  EXPECT_EQ(totals.skipped, 1);
}

}  // namespace
}  // namespace revoke_test
