// SPDX-License-Identifier: GPL-2.0
//
// The evidence table: for each test, what it has been seen to catch. It is also the list of what
// each mutant must turn red. Lines of
//
//     SUITE <TAB> TEST <TAB> DECLARATION <TAB> EVIDENCE
//
// A parameterised test has one line. EVIDENCE is a list with commas: "unpatched" for a test that
// fails on the unpatched kernel (`make baseline` proves it), and MUTANT, MUTANT/INSTANCE for a
// parameterised test, MUTANT@debug/INSTANCE if the debug kernel is needed; or "nothing".
//
// KUnit tests have a table of the same form, with the tests that mutants are known for: "KUnit" or
// "UML" takes the place of the declaration.

#ifndef REVOKE_TOOLS_MUTANTS_TABLE_H_
#define REVOKE_TOOLS_MUTANTS_TABLE_H_

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "session.h"
#include "steps.h"

namespace mutants {

// A test as its program names it ("Suite.Test", "Suite.Test/Instance") and what it declares.
struct Declared {
  std::string suite;  // the program
  std::string test;
  std::string declaration;  // "fails", "sticks", "ENOSYS", "passes"; or the kind of a KUnit test
};

// "Suite.Test" and "Instance" of "Suite.Test/Instance"; no instance if it has none.
std::string BaseOf(const std::string& test);
std::string InstanceOf(const std::string& test);

struct Proof {
  std::string mutant;
  bool debug = false;
  std::string instance;

  auto operator<=>(const Proof&) const = default;
};

struct Row {
  std::string suite;
  std::string test;  // without instance
  std::string declaration;
  std::vector<Proof> proofs;  // sorted

  // Whether it has been seen red by anything.
  bool Proven() const;
  // Adds what is not there yet; true if it was not.
  bool Add(const Proof& proof);
};

class Table {
 public:
  // Nothing, and what is wrong in *error (never null), if the
  // text is not of it.
  static std::optional<Table> Parse(std::string_view text, std::string* error);
  std::string Serialize() const;

  const std::vector<Row>& rows() const { return rows_; }
  Row* Find(const std::string& suite, const std::string& test);
  // The row of a KUnit test, which need not be there; `kind` as the table has it.
  Row& FindOrAdd(const std::string& kind, const std::string& suite, const std::string& test);

  // Makes the rows those of `declared`, in its order, and keeps what is known of them. Returns a
  // line for each row that went away with something proven.
  std::vector<std::string> Follow(const std::vector<Declared>& declared);

  // All that must turn red: in the order of the mutants' names.
  std::vector<Want> Wants(bool debug) const;

 private:
  std::vector<Row> rows_;
};

// Enters tests that mutants have made red and that have nothing so far. Of several mutants the one
// that made the fewest tests red is taken: what breaks everything says little of a test. Those
// which make it fail at once are preferred to those for which it waits, and these to those which
// hang or crash it. Returns the lines that were added, "SUITE TEST MUTANT".
std::vector<std::string> EnterObserved(const std::vector<Result>& observed, Table* table);

// The last result of each mutant and test in a file of results, as ResultLine() makes them.
// Nothing, and what is wrong in *error (never null), if a line is none.
std::optional<std::vector<Result>> ParseObserved(std::string_view text, std::string* error);

// Enters lines "MUTANT KIND SUITE TEST [debug]", separated by tabs. False, and what is wrong in
// *error (never null), if one is malformed or names a test without a row.
bool Import(std::string_view text, Table* tests, Table* kunit, std::string* error);

// Rows of the table that the last run of their mutant contradicts: it did not turn the test red.
std::vector<std::string> Contradicted(const std::vector<Result>& observed, const Table& tests);

// What is wrong with the tables: a test without a row, a row without a test, an instance that is
// not there, a mutant that is not known, a row without a proof. `known` is sorted.
std::vector<std::string> Problems(const Table& table, const std::vector<Declared>& declared,
                                  const std::vector<std::string>& known);

// The same for the KUnit table; `tests` are the names of all KUnit tests.
std::vector<std::string> KunitProblems(const Table& table, const std::set<std::string>& tests,
                                       const std::vector<std::string>& known);

// Mutants that no table names, but for those `elsewhere`; and of these, those that a table names or
// that are not known.
std::vector<std::string> Unnoticed(const std::vector<std::string>& known,
                                   const std::vector<const Table*>& tables,
                                   const std::vector<std::string>& elsewhere);

}  // namespace mutants

#endif  // REVOKE_TOOLS_MUTANTS_TABLE_H_
