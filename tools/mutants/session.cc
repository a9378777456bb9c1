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

}  // namespace

Session::Session(const std::vector<Want>& control, const std::vector<Want>& wants) {
  for (const std::vector<Want>* list : {&control, &wants}) {
    for (const Want& want : *list) items_.push_back({.result = Undecided(want)});
  }
}

std::vector<Step> Session::NextPlan() const {
  std::vector<Step> plan;
  const auto add = [&plan](const Result& result) {
    const bool same = !plan.empty() && Control(result.mutant) && Control(plan.back().mutant) &&
                      plan.back().kind == result.kind && plan.back().suite == result.suite;
    if (!same)
      plan.push_back({.mutant = result.mutant, .kind = result.kind, .suite = result.suite});
    plan.back().tests.push_back(result.test);
  };
  const auto undecided = [](const Item& item) { return !item.decided; };
  const auto first = std::find_if(items_.begin(), items_.end(), undecided);
  if (first == items_.end()) return plan;
  const bool control = Control(first->result.mutant);
  const auto alone = std::find_if(items_.begin(), items_.end(),
                                  [](const Item& item) { return item.alone && !item.decided; });
  if (alone != items_.end() && !control) add(alone->result);
  for (const Item& item : items_) {
    if (!item.decided && !item.alone && Control(item.result.mutant) == control) add(item.result);
  }
  return plan;
}

std::size_t Session::left() const {
  return static_cast<std::size_t>(
      std::count_if(items_.begin(), items_.end(), [](const Item& item) { return !item.decided; }));
}

std::vector<Result> Session::results() const {
  std::vector<Result> results;
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

void Session::Judge(const Step& step, std::size_t test, bool first, Outcome outcome, double seconds,
                    bool green_again, std::vector<Result>* decided) {
  Item& item = Find(step, step.tests[test]);
  // What says that a mutant was noticed needs to be sure; what says that it was not does not.
  const bool doubtful = Red(outcome) || outcome == Outcome::kMissing;
  const bool sure = green_again || (first && test == 0) || Control(step.mutant);
  if (doubtful && !sure) {
    item.alone = true;
    return;
  }
  item.decided = true;
  item.result.outcome = outcome;
  item.result.seconds = seconds;
  decided->push_back(item.result);
}

void Session::TakeEnded(const Entry& entry, bool first, std::vector<Result>* decided) {
  for (std::size_t i = 0; i < entry.results.size(); i++) {
    const Result& result = entry.results[i];
    const auto again =
        std::find_if(entry.again.begin(), entry.again.end(),
                     [&result](const Result& other) { return other.test == result.test; });
    const bool green = again != entry.again.end() && again->outcome == Outcome::kPassed;
    Judge(entry.step, i, first, result.outcome, result.seconds, green, decided);
  }
}

// The results before the death are as good as any, the test after the last of them was being run,
// and of those behind it nothing is known.
void Session::TakeUnended(const Entry& entry, bool first, const Boot& boot,
                          std::vector<Result>* decided) {
  for (std::size_t i = 0; i < entry.step.tests.size(); i++) {
    const Outcome outcome = i < boot.unended.size() ? boot.unended[i] : Outcome::kMissing;
    if (outcome != Outcome::kMissing) {
      Judge(entry.step, i, first, outcome, 0, false, decided);
      continue;
    }
    const Outcome dead = boot.splat ? Outcome::kSplat : Outcome::kMissing;
    Judge(entry.step, i, first, dead, 0, false, decided);
    return;
  }
}

std::vector<Result> Session::Take(const Boot& boot) {
  std::vector<Result> decided;
  for (const Entry& entry : boot.entries) {
    const bool first = &entry == &boot.entries.front();
    if (entry.results.size() == entry.step.tests.size()) {
      TakeEnded(entry, first, &decided);
    } else if (&entry == &boot.entries.back()) {
      TakeUnended(entry, first, boot, &decided);
    } else {
      throw guest::Error("the journal has no results for " + entry.step.mutant + " " +
                         entry.step.suite + ", but goes on");
    }
  }
  return decided;
}

}  // namespace mutants
