// SPDX-License-Identifier: GPL-2.0
//
// Writes KTAP version 1 (Documentation/dev-tools/ktap.rst): each line is written as soon as it is
// known and in one piece.

#ifndef REVOKE_KSELFTESTS_UTIL_KTAP_H_
#define REVOKE_KSELFTESTS_UTIL_KTAP_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "verdict.h"

namespace revoke_test {

class KtapWriter {
 public:
  // Writes to `fd`, which the caller owns and keeps open.
  explicit KtapWriter(int fd) : fd_(fd) {}

  // Version line and plan. Once, before any result.
  void Plan(std::size_t tests);

  // "# text", each line of `text` on its own.
  void Diagnostic(std::string_view text);

  // The result of the next test, its notes first. `name` is the full name of the test.
  void Result(std::string_view name, const Verdict& verdict);

  // Says that the run ends here, before the plan is fulfilled.
  void BailOut(std::string_view why);

  // Last line, in kselftest's form.
  void PrintTotals();

  const Totals& totals() const { return totals_; }

  // False once a line could not be written: then the reader has not seen the truth.
  bool complete() const { return complete_; }

 private:
  void Line(std::string_view text);

  int fd_;
  int number_ = 0;
  Totals totals_;
  bool complete_ = true;
};

// `text` without what would end its line or start a directive.
std::string KtapEscape(std::string_view text);

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_KTAP_H_
