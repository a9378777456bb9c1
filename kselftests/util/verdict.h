// SPDX-License-Identifier: GPL-2.0
//
// From what happened in a test to what is reported of it. No I/O, no state.

#ifndef REVOKE_KSELFTESTS_UTIL_VERDICT_H_
#define REVOKE_KSELFTESTS_UTIL_VERDICT_H_

#include <optional>
#include <string>
#include <vector>

#include "baseline.h"
#include "skip_table.h"
#include "test_notes.h"

namespace revoke_test {

// What is known of a test that was run.
struct TestResult {
  enum class Ending {
    kEnded,    // ran to its end
    kCrashed,  // its process died or left early
    kHung,     // the deadline passed
  };

  std::string name;  // "Suite.Test"
  Ending ending = Ending::kEnded;
  bool failed = false;   // an assertion failed
  bool skipped = false;  // skipped itself
  std::string skip_reason;
  bool splat = false;       // the kernel log or the taint flags complain
  bool unkillable = false;  // left a process that SIGKILL does not end
  TestNotes notes;
};

struct Policy {
  bool require_all = false;  // skips that are not in the table are failures
  bool baseline = false;     // on the unpatched kernel: declarations are what is tested
  SkipTable allowed_skips;
};

enum class Outcome { kPassed, kFailed, kSkipped };

struct Verdict {
  Outcome outcome = Outcome::kFailed;
  std::string skip_reason;         // with kSkipped
  std::vector<std::string> notes;  // lines that explain the outcome
};

// What the test did, in the terms of baseline.h.
baseline::Observed Observe(const TestResult& result);

// `declared` is the test's declaration, if it has one; it counts on the baseline only.
Verdict Judge(const TestResult& result, const Policy& policy,
              std::optional<baseline::Declared> declared);

struct Totals {
  int passed = 0;
  int failed = 0;
  int skipped = 0;

  void Add(Outcome outcome);
};

// Exit codes as kselftest has them.
inline constexpr int kExitPass = 0;
inline constexpr int kExitFail = 1;  // a failure, nothing selected, wrong usage
inline constexpr int kExitSkip = 4;  // tests were selected and all were skipped

int ExitCode(const Totals& totals);

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_VERDICT_H_
