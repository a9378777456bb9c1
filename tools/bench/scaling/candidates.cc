// SPDX-License-Identifier: GPL-2.0

#include <array>

#include "candidate.h"

extern "C" const Candidate kKernel;
extern const Candidate kAtomicPair, kPercpuRef, kSrcu, kRwsem, kObjectLock, kBuckets, kWord,
    kHazard;

std::span<const Candidate* const> AllCandidates() {
  static constexpr std::array kAll = {&kKernel,     &kAtomicPair, &kPercpuRef, &kSrcu,  &kRwsem,
                                      &kObjectLock, &kBuckets,    &kWord,      &kHazard};
  return kAll;
}
