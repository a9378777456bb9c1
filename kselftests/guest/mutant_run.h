// SPDX-License-Identifier: GPL-2.0
//
// One step of run-mutants: a mutant, and tests of one suite.

#ifndef REVOKE_KSELFTESTS_GUEST_MUTANT_RUN_H_
#define REVOKE_KSELFTESTS_GUEST_MUTANT_RUN_H_

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "fd.h"
#include "steps.h"

namespace guest {

class Health;

struct MutantRunOptions {
  std::string results;   // directory
  std::string binaries;  // directory of the test programs
  std::string mutant_switch = "/sys/kernel/debug/revoke_mutant";
  std::chrono::seconds deadline{30};  // for each test
  int percent = 100;                  // of each time limit is left while a mutant is on
};

class MutantRun {
 public:
  // Opens the journal. `health` must outlive this. Throws Error.
  MutantRun(MutantRunOptions options, Health* health);

  // Does the step and writes its part of the journal. False if the guest is not as it was before.
  // Throws Error.
  bool Do(const mutants::Step& step);

 private:
  struct Run {
    std::vector<mutants::Outcome> outcomes;  // one for each test
    double seconds = 0;
    bool alone = false;  // nothing but the tests was run
  };

  void Append(const std::string& line);
  Run RunTests(const mutants::Step& step, const std::string& stem, int percent);
  void RunProgram(const mutants::Step& step, const std::string& stem, int percent);
  bool RunKunit(const mutants::Step& step, const std::string& stem, int percent);
  // Runs the tests with the mutant off, and says what is wrong if they are not green. How long they
  // took goes to *seconds.
  std::optional<std::string> RunBefore(const mutants::Step& step, double* seconds);
  // Runs them with the mutant on, and says what is wrong with the guest afterwards.
  std::optional<std::string> RunStep(const mutants::Step& step, const std::string& stem,
                                     int percent);
  // What is left of time limits for tests that took so long without the mutant.
  [[nodiscard]] int PercentFor(const mutants::Step& step, double seconds) const;
  static std::vector<mutants::Result> ResultsOf(const mutants::Step& step, const Run& run);

  MutantRunOptions options_;
  Health* health_;
  std::string journal_path_;
  Fd journal_;
};

}  // namespace guest

#endif  // REVOKE_KSELFTESTS_GUEST_MUTANT_RUN_H_
