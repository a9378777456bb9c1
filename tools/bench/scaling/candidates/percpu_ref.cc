// SPDX-License-Identifier: GPL-2.0
//
// As percpu_ref: counts per CPU while the file is live, one atomic count afterwards. The switch
// waits for an RCU grace period, so revoking is what is expensive.

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "../candidate.h"
#include "../primitives.h"

namespace {

// Of preemptible RCU: a reader counts itself, with no barrier; membarrier(2) makes up for it.
PerCpu<std::atomic<long>> rcu_nesting;

class RcuGuard {
 public:
  RcuGuard() : nesting_(rcu_nesting.OfThisCpu()) {
    AddOnThisCpu(nesting_, 1);
    CompilerBarrier();
  }
  ~RcuGuard() {
    nesting_.store(nesting_.load(std::memory_order_relaxed) - 1, std::memory_order_release);
  }
  RcuGuard(const RcuGuard&) = delete;
  RcuGuard& operator=(const RcuGuard&) = delete;

 private:
  std::atomic<long>& nesting_;
};

void Membarrier(int command) {
  if (syscall(SYS_membarrier, command, 0, 0) == 0) return;
  std::perror("membarrier");
  std::abort();
}

// Not to be called by a reader.
void SynchronizeRcu() {
  Membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
  Membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  for (auto& line : rcu_nesting.lines)
    for (int round = 0; line.value.load(std::memory_order_acquire) != 0; round++) Relax(round);
}

class PercpuRef {
 public:
  struct Use {};

  bool Enter(Use&) {
    const RcuGuard rcu;
    if (dead_.load(std::memory_order_relaxed)) [[unlikely]]
      return false;
    AddOnThisCpu(counts_.OfThisCpu(), 1);
    return true;
  }
  void Leave(Use&) {
    const RcuGuard rcu;
    if (dead_.load(std::memory_order_relaxed)) [[unlikely]]
      count_.fetch_sub(1);
    else
      AddOnThisCpu(counts_.OfThisCpu(), -1);
  }
  void Revoke() {
    dead_.store(true);
    SynchronizeRcu();
    long sum = 0;
    for (const auto& line : counts_.lines) sum += line.value.load(std::memory_order_relaxed);
    count_.fetch_add(sum - kBias);
  }
  bool Drained() { return count_.load() == 0; }

 private:
  // So that the count is not zero before those per CPU are in it.
  static constexpr long kBias = 1L << 62;

  PerCpu<std::atomic<long>> counts_;
  alignas(kCacheLine) std::atomic<bool> dead_ = false;
  std::atomic<long> count_ = kBias;
};

}  // namespace

extern const Candidate kPercpuRef = MakeCandidate<PercpuRef>("percpu_ref");
