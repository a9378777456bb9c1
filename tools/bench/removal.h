// SPDX-License-Identifier: GPL-2.0
//
// What it costs to take a device away, by how much is to be taken.

#ifndef REVOKE_TOOLS_BENCH_REMOVAL_H_
#define REVOKE_TOOLS_BENCH_REMOVAL_H_

#include <functional>
#include <string>
#include <vector>

#include "machine.h"

namespace bench {

struct Removal {
  std::string call;
  std::string what;
  long scale;                               // of how many
  std::function<Figure(Machine&)> measure;  // instructions; throws Error
};

// `largest`: the largest scale
std::vector<Removal> Removals(const Devices& devices, long largest);

}  // namespace bench

#endif  // REVOKE_TOOLS_BENCH_REMOVAL_H_
