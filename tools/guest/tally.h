// SPDX-License-Identifier: GPL-2.0
//
// Counts test results in the two forms the tools leave: KTAP (kselftests, KUnit, the guest run)
// and JUnit (CTest). Fails closed: a result that was announced and is not there is a failure, and
// so is a file without results.

#ifndef REVOKE_TOOLS_GUEST_TALLY_H_
#define REVOKE_TOOLS_GUEST_TALLY_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace guest {

struct Tally {
  int passed = 0;
  int failed = 0;
  int skipped = 0;                    // neither passed nor failed
  std::vector<std::string> failures;  // one line for each thing that failed
  std::vector<std::string> skips;     // the name of each that was skipped
  // For each of `failures`, in the same order: the lines that say why, if any do.
  std::vector<std::vector<std::string>> reasons;

  void Fail(std::string what, std::vector<std::string> why = {}) {
    failed++;
    failures.push_back(std::move(what));
    reasons.push_back(std::move(why));
  }
  void Skip(std::string name) {
    skipped++;
    skips.push_back(std::move(name));
  }
};

// Only leaves are counted. A parent counts when it failed though all its children passed. Lines
// that are not KTAP are diagnostics: those before a failed result, or those at the end after the
// last one, are its reason. Skips are named with their group: "group.name".
// Format: Documentation/dev-tools/ktap.rst of the kernel.
Tally CountKtap(std::string_view text);

// Reads the counts of the outermost element, and the names of failed test cases.
Tally CountJunit(std::string_view text);

// Chooses by the contents; nothing means the file is missing.
Tally Count(const std::optional<std::string>& contents);

}  // namespace guest

#endif  // REVOKE_TOOLS_GUEST_TALLY_H_
