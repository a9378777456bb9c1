// SPDX-License-Identifier: GPL-2.0
//
// The skips that are allowed when every test is required (REQUIRE_ALL=1) and on the baseline.
//
// Depends on nothing but the C and C++ libraries: the tools read the table, too.

#ifndef REVOKE_KSELFTESTS_UTIL_SKIP_TABLE_H_
#define REVOKE_KSELFTESTS_UTIL_SKIP_TABLE_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace revoke_test {

// File format, one entry per line:
//
//     Suite.Test <TAB> reason
//
// Blank lines and lines beginning with '#' are ignored. An entry without reason, a name without dot
// or a name given twice is an error. "Suite.Test" stands for all instances of a parameterised test
// ("Suite.Test/3"), "Suite.Test/3" for that one.
class SkipTable {
 public:
  // The empty table.
  SkipTable() = default;

  // `name` is used in messages only. On error returns nothing and sets *error (never null).
  static std::optional<SkipTable> Parse(std::string_view text, std::string_view name,
                                        std::string* error);
  static std::optional<SkipTable> Load(const std::string& path, std::string* error);

  // The reason why `test` may be skipped, or null.
  const std::string* ReasonFor(std::string_view test) const;

 private:
  std::map<std::string, std::string, std::less<>> reasons_;
};

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_SKIP_TABLE_H_
