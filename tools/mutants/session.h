// SPDX-License-Identifier: GPL-2.0
//
// What is left to be run, and what is to be believed of what was. No I/O.
//
// What a mutant leaves behind may make a later test red. So each test is run without the mutant
// immediately before it is run with it, and must be green; if it is not, it is run again, first in
// a guest of its own. A guest that dies has seen the mutant if the kernel has complained since the
// mutant was turned on.

#ifndef REVOKE_TOOLS_MUTANTS_SESSION_H_
#define REVOKE_TOOLS_MUTANTS_SESSION_H_

#include <compare>
#include <cstddef>
#include <string>
#include <vector>

#include "steps.h"

namespace mutants {

// A test to be run under a mutant.
struct Want {
  std::string mutant;
  Kind kind = Kind::kTest;
  std::string suite;
  std::string test;

  auto operator<=>(const Want&) const = default;
};

// What a guest has left behind.
struct Boot {
  std::vector<Entry> entries;
  // Of the step in which it died: what became of each of its tests, as far as is known.
  std::vector<Outcome> unended;
  bool splat = false;  // the kernel has complained after the last step began
};

// Whether a test that passes with a mutant is run once more if others had been on in its guest.
enum class Passes { kCount, kDoubted };

class Session {
 public:
  // The control run comes first, in guests of its own: `control`, all without a mutant, a suite a
  // step; the tests of a suite are together, in its order. Then `wants`, a step each.
  Session(const std::vector<Want>& control, const std::vector<Want>& wants, Passes passes);

  // For the next guest; empty if nothing is left.
  std::vector<Step> NextPlan() const;

  // Takes in what came of a guest that had the last plan. Returns what is decided by it. Throws
  // guest::Error if that was not asked for, or is not the outcome of a plan.
  std::vector<Result> Take(const Boot& boot);

  std::size_t total() const { return items_.size(); }
  std::size_t left() const;
  // The control run first, then in the order of `wants`; kMissing if not decided yet.
  std::vector<Result> results() const;

 private:
  struct Item {
    Result result;
    bool decided = false;
  };

  Item& Find(const Step& step, const std::string& test);
  void Decide(const Step& step, std::size_t test, Outcome outcome, double seconds,
              std::vector<Result>* decided);
  void TakeUnended(const Entry& entry, bool first, const Boot& boot, std::vector<Result>* decided);

  Passes passes_;
  std::vector<Item> items_;
};

}  // namespace mutants

#endif  // REVOKE_TOOLS_MUTANTS_SESSION_H_
