// SPDX-License-Identifier: GPL-2.0

#include "verdict.h"

namespace revoke_test {
namespace {

Verdict JudgeSkip(const TestResult& result, const Policy& policy) {
  Verdict verdict;
  const std::string* allowed = policy.allowed_skips.ReasonFor(result.name);
  if (allowed == nullptr && (policy.require_all || policy.baseline)) {
    verdict.notes.push_back("skipped (" + result.skip_reason +
                            "), but every test is required here; provide what it lacks, or list it "
                            "with a reason in the table of allowed skips");
    return verdict;
  }
  verdict.outcome = Outcome::kSkipped;
  verdict.skip_reason = result.skip_reason;
  if (allowed != nullptr) verdict.skip_reason += " (allowed: " + *allowed + ")";
  return verdict;
}

Verdict JudgeBaseline(const TestResult& result, const Policy& policy,
                      std::optional<baseline::Declared> declared) {
  const baseline::Observed observed = Observe(result);
  const std::string line = "baseline " + result.name +
                           " declared=" + (declared ? baseline::Name(*declared) : "nothing") +
                           " observed=" + baseline::Name(observed);
  Verdict verdict;
  if (!declared) {
    verdict.notes.emplace_back("no baseline declared; define the test with REVOKE_TEST()");
  } else if (observed == baseline::Observed::kSkips) {
    verdict = JudgeSkip(result, policy);
  } else if (baseline::Proves(*declared, observed)) {
    verdict.outcome = Outcome::kPassed;
  } else if (observed == baseline::Observed::kSetupFails) {
    verdict.notes.emplace_back(
        "what failed first proves nothing: it came before baseline::FailsFromHere(), or was a "
        "TEST_CHECK; make the setup work here, or move the mark to what this kernel does wrong");
  } else {
    verdict.notes.emplace_back(
        "does not do on this kernel what it declares; correct the declaration if the test is right, "
        "the test if the declaration is");
  }
  // An unkillable process spoils whatever runs next, here too.
  const bool sticks = declared == baseline::Declared::kSticks;
  if (result.unkillable != sticks) verdict.outcome = Outcome::kFailed;
  verdict.notes.insert(verdict.notes.begin(), line);
  return verdict;
}

}  // namespace

baseline::Observed Observe(const TestResult& result) {
  if (result.ending == TestResult::Ending::kHung) return baseline::Observed::kHangs;
  if (result.ending == TestResult::Ending::kCrashed) return baseline::Observed::kCrashes;
  if (result.splat) return baseline::Observed::kSplats;
  if (result.failed) {
    switch (result.notes.first_failure) {
      case FirstFailure::kAfterEnosys:
        return baseline::Observed::kEnosys;
      case FirstFailure::kAtTheHole:
        return baseline::Observed::kFails;
      case FirstFailure::kInSetup:
      case FirstFailure::kNone:
        return baseline::Observed::kSetupFails;
    }
  }
  if (!result.skipped) return baseline::Observed::kPasses;
  return result.notes.first_revoke == FirstRevoke::kEnosys ? baseline::Observed::kEnosys
                                                           : baseline::Observed::kSkips;
}

Verdict Judge(const TestResult& result, const Policy& policy,
              std::optional<baseline::Declared> declared) {
  if (policy.baseline) return JudgeBaseline(result, policy, declared);
  if (result.ending != TestResult::Ending::kEnded || result.failed || result.splat ||
      result.unkillable) {
    return {};
  }
  if (result.skipped) return JudgeSkip(result, policy);
  return {.outcome = Outcome::kPassed, .skip_reason = "", .notes = {}};
}

void Totals::Add(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPassed:
      ++passed;
      break;
    case Outcome::kFailed:
      ++failed;
      break;
    case Outcome::kSkipped:
      ++skipped;
      break;
  }
}

int ExitCode(const Totals& totals) {
  if (totals.failed > 0) return kExitFail;
  if (totals.passed > 0) return kExitPass;
  return totals.skipped > 0 ? kExitSkip : kExitFail;
}

}  // namespace revoke_test
