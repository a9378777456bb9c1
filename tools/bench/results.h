// SPDX-License-Identifier: GPL-2.0
//
// The results of a measurement, as bench-guest leaves them and bench-report reads them. Lines of
// fields between tabulators, a first line that says what it is, and a last one that says how many
// there are: what was cut short is no result.

#ifndef REVOKE_TOOLS_BENCH_RESULTS_H_
#define REVOKE_TOOLS_BENCH_RESULTS_H_

#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace bench {

enum class Group {
  kCall,     // instructions of one operation
  kRemoval,  // instructions of one removal, of `scale` files, mappings ...
  kSize,     // bytes
};

const char* Name(Group group);

// What a row is about; no two rows of a table are about the same.
struct Subject {
  Group group = Group::kCall;
  std::string call;
  std::string file;
  long scale = 0;  // kRemoval only: of how many

  bool operator==(const Subject&) const = default;
  auto operator<=>(const Subject&) const = default;
};

// For people: "unbind, UIO, 1000".
std::string Describe(const Subject& subject);

struct Result {
  Subject subject;
  double value = 0;

  bool operator==(const Result&) const = default;
};

// `value` is kept to a hundredth.
std::string Serialize(const std::vector<Result>& results);

// Throws guest::Error that names `path` if the text is not complete, has no results, or the same
// subject twice.
std::vector<Result> ParseResults(std::string_view text, const std::string& path);

// ---- for other files of the kind ----

std::vector<std::string> Split(std::string_view line, char separator);

// The whole word as a number; throws guest::Error.
double ToNumber(const std::string& word);

// The first four fields of a line; throws guest::Error.
Subject ParseSubject(const std::vector<std::string>& fields);
std::string Serialize(const Subject& subject);

}  // namespace bench

#endif  // REVOKE_TOOLS_BENCH_RESULTS_H_
