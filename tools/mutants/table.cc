// SPDX-License-Identifier: GPL-2.0

#include "table.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace mutants {
namespace {

constexpr char kHeader[] =
    "# SPDX-License-Identifier: GPL-2.0\n"
    "# What each test has been seen to catch, and so what each mutant must turn red.\n"
    "# Made by \"make evidence\"; Documentation/testing.rst says what it means.\n";
constexpr char kUnpatched[] = "unpatched";
constexpr char kNothing[] = "nothing";
constexpr char kDebug[] = "@debug";

std::string ToText(const Proof& proof) {
  return proof.mutant + (proof.debug ? kDebug : "") +
         (proof.instance.empty() ? "" : "/" + proof.instance);
}

std::optional<Proof> ParseProof(std::string_view text) {
  Proof proof;
  const size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    proof.instance = text.substr(slash + 1);
    if (proof.instance.empty()) return std::nullopt;
  }
  proof.mutant = text.substr(0, slash);
  if (proof.mutant.ends_with(kDebug)) {
    proof.debug = true;
    proof.mutant.resize(proof.mutant.size() - std::string_view(kDebug).size());
  }
  if (proof.mutant.empty()) return std::nullopt;
  return proof;
}

// "unpatched" belongs to those which fail there, "nothing" stands alone.
// The unpatched kernel turns it red.
bool FailsUnpatched(const Row& row) {
  return row.declaration == "fails" || row.declaration == "sticks";
}

bool ParseEvidence(std::string_view text, Row* row) {
  bool unpatched = false;
  if (text != kNothing) {
    for (;;) {
      const size_t comma = text.find(',');
      const std::string_view word = text.substr(0, comma);
      if (word == kUnpatched) {
        unpatched = true;
      } else if (const std::optional<Proof> proof = ParseProof(word); !proof || !row->Add(*proof)) {
        return false;
      }
      if (comma == std::string_view::npos) break;
      text.remove_prefix(comma + 1);
    }
  }
  return unpatched == FailsUnpatched(*row);
}

std::string Evidence(const Row& row) {
  std::string text = FailsUnpatched(row) ? kUnpatched : "";
  for (const Proof& proof : row.proofs) text += (text.empty() ? "" : ",") + ToText(proof);
  return text.empty() ? kNothing : text;
}

std::optional<Row> ParseRow(const std::vector<std::string>& fields) {
  constexpr std::array kKnown = {"fails", "sticks", "ENOSYS", "passes", "KUnit", "UML"};
  if (fields.size() != 4 || fields[0].empty() || fields[1].empty()) return std::nullopt;
  Row row{.suite = fields[0], .test = fields[1], .declaration = fields[2]};
  const bool known = std::find(kKnown.begin(), kKnown.end(), row.declaration) != kKnown.end();
  if (!known || !ParseEvidence(fields[3], &row)) return std::nullopt;
  return row;
}

Kind KindOf(const Row& row) { return ParseKind(row.declaration).value_or(Kind::kTest); }

// A test that takes longer than this to turn red has waited for something.
constexpr double kSlow = 4;

// The lower, the better a mutant is for a test.
using Rank = std::tuple<int, size_t, std::string>;

// What it costs to see the test red.
int CostOf(const Result& result) {
  if (result.outcome != Outcome::kFailed) return 2;
  return result.seconds > kSlow ? 1 : 0;
}

}  // namespace

bool Row::Proven() const { return FailsUnpatched(*this) || !proofs.empty(); }

std::string BaseOf(const std::string& test) {
  return test.substr(0, test.find('/', std::min(test.find('.'), test.size())));
}

std::string InstanceOf(const std::string& test) {
  const std::string base = BaseOf(test);
  return base.size() == test.size() ? "" : test.substr(base.size() + 1);
}

bool Row::Add(const Proof& proof) {
  const auto at = std::lower_bound(proofs.begin(), proofs.end(), proof);
  if (at != proofs.end() && *at == proof) return false;
  proofs.insert(at, proof);
  return true;
}

std::optional<Table> Table::Parse(std::string_view text, std::string* error) {
  Table table;
  std::set<std::array<std::string, 3>> seen;
  for (const std::string& line : SplitLines(text)) {
    if (line.starts_with('#')) continue;
    std::optional<Row> row = ParseRow(SplitTabs(line));
    if (!row || !seen.insert({row->suite, row->test, Name(KindOf(*row))}).second) {
      *error = (row ? "the second line for this test: " : "not a line of this table: ") + line;
      return std::nullopt;
    }
    table.rows_.push_back(*std::move(row));
  }
  return table;
}

std::string Table::Serialize() const {
  std::string text = kHeader;
  for (const Row& row : rows_) {
    text += row.suite + "\t" + row.test + "\t" + row.declaration + "\t" + Evidence(row) + "\n";
  }
  return text;
}

Row* Table::Find(const std::string& suite, const std::string& test) {
  const auto row = std::find_if(rows_.begin(), rows_.end(), [&](const Row& candidate) {
    return candidate.suite == suite && candidate.test == test;
  });
  return row == rows_.end() ? nullptr : &*row;
}

Row& Table::FindOrAdd(const std::string& kind, const std::string& suite, const std::string& test) {
  const auto key = [](const Row& row) { return std::tie(row.declaration, row.suite, row.test); };
  const Row wanted{.suite = suite, .test = test, .declaration = kind};
  const auto at = std::find_if(rows_.begin(), rows_.end(),
                               [&](const Row& row) { return key(row) >= key(wanted); });
  return at != rows_.end() && key(*at) == key(wanted) ? *at : *rows_.insert(at, wanted);
}

std::vector<std::string> Table::Follow(const std::vector<Declared>& declared) {
  std::vector<Row> rows;
  for (const Declared& test : declared) {
    const std::string base = BaseOf(test.test);
    if (!rows.empty() && rows.back().suite == test.suite && rows.back().test == base) continue;
    Row row{.suite = test.suite, .test = base, .declaration = test.declaration};
    if (Row* old = Find(test.suite, base)) row.proofs = std::move(old->proofs);
    rows.push_back(std::move(row));
  }
  rows_.swap(rows);
  std::vector<std::string> gone;
  for (const Row& old : rows) {
    if (!Find(old.suite, old.test) && old.Proven())
      gone.push_back(old.suite + " " + old.test + " " + Evidence(old));
  }
  return gone;
}

std::vector<Want> Table::Wants(bool debug) const {
  std::vector<Want> wants;
  for (const Row& row : rows_) {
    for (const Proof& proof : row.proofs) {
      if (proof.debug != debug) continue;
      wants.push_back({.mutant = proof.mutant,
                       .kind = KindOf(row),
                       .suite = row.suite,
                       .test = row.test + (proof.instance.empty() ? "" : "/" + proof.instance)});
    }
  }
  std::stable_sort(wants.begin(), wants.end(),
                   [](const Want& a, const Want& b) { return a.mutant < b.mutant; });
  return wants;
}

std::vector<std::string> EnterObserved(const std::vector<Result>& observed, Table* table) {
  std::map<std::string, size_t> reach;
  for (const Result& result : observed) {
    if (Red(result.outcome)) reach[result.mutant]++;
  }
  std::map<Row*, std::pair<Rank, Proof>> best;
  for (const Result& result : observed) {
    if (result.kind != Kind::kTest || result.mutant == kNone || !Red(result.outcome)) continue;
    Row* row = table->Find(result.suite, BaseOf(result.test));
    if (row == nullptr || row->Proven()) continue;
    const Rank rank{CostOf(result), reach[result.mutant], result.mutant};
    const Proof proof{.mutant = result.mutant, .instance = InstanceOf(result.test)};
    const auto [entry, inserted] = best.emplace(row, std::pair(rank, proof));
    if (!inserted && rank < entry->second.first) entry->second = {rank, proof};
  }
  std::vector<std::string> added;
  for (auto& [row, choice] : best) {
    row->Add(choice.second);
    added.push_back(row->suite + " " + row->test + " " + ToText(choice.second));
  }
  std::sort(added.begin(), added.end());
  return added;
}

std::optional<std::vector<Result>> ParseObserved(std::string_view text, std::string* error) {
  std::map<Want, Result> last;
  for (const std::string& line : SplitLines(text)) {
    const std::optional<Result> result = ParseResultLine(line);
    if (!result) {
      *error = "not a line of results: " + line;
      return std::nullopt;
    }
    last.insert_or_assign({result->mutant, result->kind, result->suite, result->test}, *result);
  }
  std::vector<Result> results;
  results.reserve(last.size());
  for (const auto& [want, result] : last) results.push_back(result);
  return results;
}

std::vector<std::string> Problems(const Table& table, const std::vector<Declared>& declared,
                                  const std::vector<std::string>& known) {
  std::vector<std::string> problems;
  std::set<std::pair<std::string, std::string>> tests;
  std::map<std::pair<std::string, std::string>, std::string> declarations;
  for (const Declared& test : declared) {
    tests.emplace(test.suite, test.test);
    declarations.emplace(std::pair(test.suite, BaseOf(test.test)), test.declaration);
  }
  for (const Row& row : table.rows()) {
    const std::string name = row.suite + " " + row.test;
    const auto declaration = declarations.find({row.suite, row.test});
    if (declaration == declarations.end()) {
      problems.push_back(name + ": there is no such test");
      continue;
    }
    if (declaration->second != row.declaration)
      problems.push_back(name + ": declares " + declaration->second + ", not " + row.declaration);
    declarations.erase(declaration);
    if (!row.Proven()) problems.push_back(name + ": nothing has made it red");
    for (const Proof& proof : row.proofs) {
      if (!std::binary_search(known.begin(), known.end(), proof.mutant))
        problems.push_back(name + ": there is no mutant " + proof.mutant);
      const std::string full = row.test + (proof.instance.empty() ? "" : "/" + proof.instance);
      if (!tests.contains({row.suite, full}))
        problems.emplace_back(name).append(": there is no test ").append(full);
    }
  }
  for (const auto& [test, declaration] : declarations)
    problems.push_back(test.first + " " + test.second + ": is not in the table");
  return problems;
}

bool Import(std::string_view text, Table* tests, Table* kunit, std::string* error) {
  for (const std::string& line : SplitLines(text)) {
    if (line.starts_with('#')) continue;
    const std::vector<std::string> fields = SplitTabs(line);
    const bool debug = fields.size() == 5 && fields[4] == "debug";
    const std::optional<Kind> kind =
        fields.size() == 4 || debug ? ParseKind(fields[1]) : std::nullopt;
    if (!kind) {
      *error = "not MUTANT<TAB>KIND<TAB>SUITE<TAB>TEST[<TAB>debug]: " + line;
      return false;
    }
    if (*kind != Kind::kTest) {
      kunit->FindOrAdd(fields[1], fields[2], fields[3]).Add({.mutant = fields[0], .debug = debug});
      continue;
    }
    Row* row = tests->Find(fields[2], BaseOf(fields[3]));
    if (row == nullptr) {
      *error = "there is no such test: " + line;
      return false;
    }
    row->Add({.mutant = fields[0], .debug = debug, .instance = InstanceOf(fields[3])});
  }
  return true;
}

std::vector<std::string> Contradicted(const std::vector<Result>& observed, const Table& tests) {
  std::map<Want, Outcome> outcomes;
  for (const Result& result : observed)
    outcomes[{result.mutant, result.kind, result.suite, result.test}] = result.outcome;
  std::vector<std::string> lines;
  for (const bool debug : {false, true}) {
    for (const Want& want : tests.Wants(debug)) {
      const auto found = outcomes.find(want);
      if (found == outcomes.end() || Red(found->second)) continue;
      lines.push_back(want.suite + " " + want.test + " by " + want.mutant + ": " +
                      Name(found->second));
    }
  }
  return lines;
}

std::vector<std::string> KunitProblems(const Table& table, const std::set<std::string>& tests,
                                       const std::vector<std::string>& known) {
  std::vector<std::string> problems;
  for (const Row& row : table.rows()) {
    if (!tests.contains(row.test))
      problems.push_back(row.suite + " " + row.test + ": there is no such KUnit test");
    for (const Proof& proof : row.proofs) {
      if (!std::binary_search(known.begin(), known.end(), proof.mutant))
        problems.push_back(row.suite + " " + row.test + ": there is no mutant " + proof.mutant);
    }
  }
  return problems;
}

std::vector<std::string> Unnoticed(const std::vector<std::string>& known,
                                   const std::vector<const Table*>& tables,
                                   const std::vector<std::string>& elsewhere) {
  std::set<std::string> unnoticed(known.begin(), known.end());
  for (const Table* table : tables) {
    for (const Row& row : table->rows()) {
      for (const Proof& proof : row.proofs) unnoticed.erase(proof.mutant);
    }
  }
  std::vector<std::string> problems;
  for (const std::string& name : elsewhere) {
    if (!std::binary_search(known.begin(), known.end(), name)) {
      problems.push_back("there is no mutant " + name + " to be noticed elsewhere");
    } else if (unnoticed.erase(name) == 0) {
      problems.push_back(name + ": is said to be noticed elsewhere, but a test is known for it");
    }
  }
  for (const std::string& name : unnoticed)
    problems.push_back(name + ": no test is known to notice it");
  return problems;
}

}  // namespace mutants
