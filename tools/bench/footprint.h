// SPDX-License-Identifier: GPL-2.0
//
// What things take of the kernel's memory, by what is added to /proc/slabinfo by two thousand.

#ifndef REVOKE_TOOLS_BENCH_FOOTPRINT_H_
#define REVOKE_TOOLS_BENCH_FOOTPRINT_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "machine.h"

namespace bench {

struct Footprint {
  std::string call;
  std::string file;
  std::function<double(const Machine&)> measure;  // bytes of one; throws Error
};

std::vector<Footprint> Footprints(const Devices& devices);

// Bytes of one of `count`, of which there were none in the slabinfo `before`, and all in `after`. A
// cache counts if each has at least one object of it: a few more or less are on the lists of a CPU.
// Throws Error if neither is a slabinfo, or no cache counts.
double BytesOfOne(std::string_view before, std::string_view after, long count);

}  // namespace bench

#endif  // REVOKE_TOOLS_BENCH_FOOTPRINT_H_
