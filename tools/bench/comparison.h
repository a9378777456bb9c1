// SPDX-License-Identifier: GPL-2.0
//
// Two kernels side by side, and with a reference.

#ifndef REVOKE_TOOLS_BENCH_COMPARISON_H_
#define REVOKE_TOOLS_BENCH_COMPARISON_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "results.h"

namespace bench {

// What repeats have in common: their median, and how far the least and the most are apart.
struct Figures {
  double median = 0;
  double spread = 0;
};

struct Row {
  Subject subject;
  std::optional<Figures> base;     // nothing: the unpatched kernel does not know it
  std::optional<Figures> patched;  // nothing: the patched one does not

  std::optional<double> Difference() const;
};

// In the order of the patched kernel's results; what only the base has comes last. Throws
// guest::Error if the repeats of a kernel are not about the same, or there are none of either.
std::vector<Row> Merge(const std::vector<std::vector<Result>>& base,
                       const std::vector<std::vector<Result>>& patched);

// By which power of the scale row `index` has grown since the row before, which is about the same
// at a smaller scale; nothing if there is none.
std::optional<double> Growth(const std::vector<Row>& rows, size_t index);

// ---- the reference ----

// A row of it may deviate by `tolerance`.
struct Expected {
  Subject subject;
  double value = 0;  // of the patched kernel
  double tolerance = 0;
};

// Single calls are the same each time as long as kernel and compiler are, so a tolerance of two
// instructions is for what the compiler does to a call when something near it changes. What
// allocates is given a share of its figure, and removals a large one: what else the system does in
// the meantime is in them, for those of a few most of all.
double DefaultTolerance(const Subject& subject, const Figures& figures);

// What is to be committed: the patched kernel's figures, with the default tolerances.
std::string SerializeReference(const std::vector<Row>& rows);

// Throws guest::Error that names `path` if it is malformed or has no rows.
std::vector<Expected> ParseReference(std::string_view text, const std::string& path);

// The reference with the values of `control`, another run of the same kernel. Throws guest::Error
// if that lacks a row.
std::vector<Expected> WithValuesOf(const std::vector<Result>& control,
                                   std::vector<Expected> reference);

// A line for each row that is not as expected: its value, that it is missing, that there is no
// reference of it. Empty: all is as expected.
std::vector<std::string> Check(const std::vector<Result>& results,
                               const std::vector<Expected>& reference);

}  // namespace bench

#endif  // REVOKE_TOOLS_BENCH_COMPARISON_H_
