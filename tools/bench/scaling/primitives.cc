// SPDX-License-Identifier: GPL-2.0

#include "primitives.h"

#include <array>
#include <cstdio>
#include <cstdlib>

__thread int scaling_cpu = -1;
__thread int scaling_preempt_count = 0;

namespace {

std::array<std::atomic<bool>, kCpus> taken;

// Gives the number back when the thread ends.
struct Claim {
  Claim() {
    for (int cpu = 0; cpu < kCpus; cpu++) {
      if (taken[cpu].exchange(true)) continue;
      scaling_cpu = cpu;
      return;
    }
    std::fprintf(stderr, "scaling: more than %d threads\n", kCpus);
    std::abort();
  }
  ~Claim() { taken[scaling_cpu] = false; }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
};

}  // namespace

int scaling_claim_cpu() {
  thread_local const Claim claim;
  return scaling_cpu;
}
