// SPDX-License-Identifier: GPL-2.0
//
// Where things are, and what can be read without a guest.

#ifndef REVOKE_TOOLS_MUTANTS_PROJECT_H_
#define REVOKE_TOOLS_MUTANTS_PROJECT_H_

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "select.h"
#include "table.h"

namespace mutants {

struct Project {
  std::filesystem::path source;  // the checkout
  std::filesystem::path cache;   // where everything is that is made
  bool debug = false;            // profile debug
  std::string build;             // of the kernel, below cache/build

  std::filesystem::path TestsTable() const { return source / "kselftests/evidence.tsv"; }
  std::filesystem::path KunitTable() const { return source / "tools/mutants/kunit.tsv"; }
  std::filesystem::path SwitchesPatch() const { return source / "tools/mutants/switches.patch"; }
  std::filesystem::path Splats() const { return source / "kselftests/guest/allowed-splats"; }
  std::filesystem::path Programs() const { return cache / "tools/bin"; }
  std::filesystem::path Suites() const { return cache / "kselftests"; }
  std::filesystem::path Build() const { return cache / "build" / build; }
  std::filesystem::path Results() const { return cache / "results/mutants"; }
  // All that has ever been observed; results as ResultLine() makes them.
  std::filesystem::path Observed() const { return Results() / "observed"; }
};

// The contents of a file that must be there. Throws guest::Error.
std::string Require(const std::filesystem::path& path);

// One of the two tables; empty if there is no such file. Throws guest::Error if it is malformed.
Table LoadTable(const std::filesystem::path& path);

// Names of the suites: kselftests/NAME.cc.
std::vector<std::string> SuitesOf(const Project& project);

// All tests of the suites, as their programs list them. Throws guest::Error.
std::vector<Declared> ListTests(const Project& project);

// Names of all KUnit tests of the series.
std::set<std::string> ListKunit(const Project& project);

// Lines of a file without those which are empty or begin with '#'.
std::vector<std::string> EntriesOf(std::string_view text);

}  // namespace mutants

#endif  // REVOKE_TOOLS_MUTANTS_PROJECT_H_
