// SPDX-License-Identifier: GPL-2.0
//
// How much larger a kernel is, by the sizes of its symbols: as the kernel's bloat-o-meter counts.

#ifndef REVOKE_TOOLS_BENCH_SIZES_H_
#define REVOKE_TOOLS_BENCH_SIZES_H_

#include <string>
#include <string_view>
#include <vector>

#include "comparison.h"

namespace bench {

struct SizeReport {
  std::vector<Row> rows;  // code and data of the whole kernel, in bytes
  std::string text;       // the functions that have grown most
};

// Each is the output of `nm -S`. Those of `tests`, objects that are linked into the patched
// kernel, do not count. Throws
// guest::Error if there are no symbols with a size.
SizeReport CompareSizes(std::string_view base, std::string_view patched,
                        const std::vector<std::string>& tests);

}  // namespace bench

#endif  // REVOKE_TOOLS_BENCH_SIZES_H_
