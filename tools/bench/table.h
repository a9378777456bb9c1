// SPDX-License-Identifier: GPL-2.0
//
// The comparison in three forms.

#ifndef REVOKE_TOOLS_BENCH_TABLE_H_
#define REVOKE_TOOLS_BENCH_TABLE_H_

#include <string>
#include <vector>

#include "comparison.h"

namespace bench {

// For people.
std::string ToText(const std::vector<Row>& rows);

// For programs: a header and all rows; an empty field is something that a kernel does not know.
std::string ToCsv(const std::vector<Row>& rows);

// For the eye: both kernels as dots on a logarithmic scale of instructions.
std::string ToSvg(const std::vector<Row>& rows);

}  // namespace bench

#endif  // REVOKE_TOOLS_BENCH_TABLE_H_
