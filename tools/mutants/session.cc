// SPDX-License-Identifier: GPL-2.0

#include "session.h"

#include <algorithm>

#include "files.h"

namespace mutants {
namespace {

bool Control(const std::string& mutant) { return mutant == kNone; }

Result Undecided(const Want& want) {
  return {.mutant = want.mutant, .kind = want.kind, .suite = want.suite, .test = want.test};
}

// Whether the mutant was turned on: the test had been green without it.
bool Begun(const Entry& entry) {
  if (Control(entry.step.mutant)) return true;
  return !entry.before.empty() &&
         std::all_of(entry.before.begin(), entry.before.end(),
                     [](const Result& result) { return result.outcome == Outcome::kPassed; });
}

}  // namespace

Session::Session(const std::vector<Want>& control, const std::vector<Want>& wants, Passes passes)
    : passes_(passes) {
  for (const std::vector<Want>* list : {&control, &wants}) {
    for (const Want& want : *list) items_.push_back({.result = Undecided(want)});
  }
}

std::vector<Step> Session::NextPlan() const {
  std::vector<Step> plan;
  const auto first =
      std::find_if(items_.begin(), items_.end(), [](const Item& item) { return !item.decided; });
  if (first == items_.end()) return plan;
  const bool control = Control(first->result.mutant);
  for (const Item& item : items_) {
    const Result& result = item.result;
    if (item.decided || Control(result.mutant) != control) continue;
    const bool same = control && !plan.empty() && plan.back().kind == result.kind &&
                      plan.back().suite == result.suite;
    if (!same)
      plan.push_back({.mutant = result.mutant, .kind = result.kind, .suite = result.suite});
    plan.back().tests.push_back(result.test);
  }
  return plan;
}

std::size_t Session::left() const {
  return static_cast<std::size_t>(
      std::count_if(items_.begin(), items_.end(), [](const Item& item) { return !item.decided; }));
}

std::vector<Result> Session::results() const {
  std::vector<Result> results;
  results.reserve(items_.size());
  for (const Item& item : items_) results.push_back(item.result);
  return results;
}

Session::Item& Session::Find(const Step& step, const std::string& test) {
  for (Item& item : items_) {
    const Result& result = item.result;
    if (result.mutant == step.mutant && result.kind == step.kind && result.suite == step.suite &&
        result.test == test) {
      return item;
    }
  }
  throw guest::Error("the journal tells of " + step.mutant + " " + step.suite + " " + test +
                     ", which was not asked for");
}

void Session::Decide(const Step& step, std::size_t test, Outcome outcome, double seconds,
                     std::vector<Result>* decided) {
  Item& item = Find(step, step.tests[test]);
  item.decided = true;
  item.result.outcome = outcome;
  item.result.seconds = seconds;
  decided->push_back(item.result);
}

// The results before the death are as good as any, the test after the last of them was being run,
// and of those behind it nothing is known. Death without a complaint is no result, and is tried
// once more, first in a guest.
void Session::TakeUnended(const Entry& entry, bool first, const Boot& boot,
                          std::vector<Result>* decided) {
  for (std::size_t i = 0; i < entry.step.tests.size(); i++) {
    Outcome outcome = Outcome::kMissing;
    if (Begun(entry) && i < boot.unended.size()) outcome = boot.unended[i];
    if (outcome != Outcome::kMissing) {
      Decide(entry.step, i, outcome, 0, decided);
      continue;
    }
    if (Begun(entry) && boot.splat) outcome = Outcome::kSplat;
    if (outcome != Outcome::kMissing || first) Decide(entry.step, i, outcome, 0, decided);
    return;
  }
}

std::vector<Result> Session::Take(const Boot& boot) {
  std::vector<Result> decided;
  for (const Entry& entry : boot.entries) {
    const bool first = &entry == &boot.entries.front();
    const bool last = &entry == &boot.entries.back();
    if (entry.results.size() == entry.step.tests.size() && Begun(entry)) {
      for (std::size_t i = 0; i < entry.results.size(); i++) {
        const Result& result = entry.results[i];
        // What an earlier mutant has left behind may have done what this one does not.
        if (passes_ == Passes::kDoubted && !first && !Control(result.mutant) &&
            result.outcome == Outcome::kPassed) {
          continue;
        }
        Decide(entry.step, i, result.outcome, result.seconds, &decided);
      }
    } else if (last && entry.results.empty()) {
      TakeUnended(entry, first, boot, &decided);
    } else {
      throw guest::Error("the journal has no results for " + entry.step.mutant + " " +
                         entry.step.suite + ", but goes on");
    }
  }
  return decided;
}

}  // namespace mutants
