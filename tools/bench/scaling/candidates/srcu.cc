// SPDX-License-Identifier: GPL-2.0
//
// As srcu_read_lock(): per CPU, how many have entered and how many have left, with a full barrier
// each. One domain for each file, of which one half is enough, as a file is revoked once.

#include "../candidate.h"
#include "../primitives.h"

namespace {

void FullBarrier() { std::atomic_thread_fence(std::memory_order_seq_cst); }

class Srcu {
 public:
  struct Use {};

  bool Enter(Use& use) {
    AddOnThisCpu(counts_.OfThisCpu().entered, 1);
    FullBarrier();
    if (!revoked_.load(std::memory_order_relaxed)) [[likely]]
      return true;
    Leave(use);
    return false;
  }
  void Leave(Use&) {
    FullBarrier();
    AddOnThisCpu(counts_.OfThisCpu().left, 1);
  }
  void Revoke() {
    revoked_.store(true);
    FullBarrier();
  }
  // As readers_active: first those who left, or someone would be missed who enters meanwhile.
  bool Drained() {
    long left = 0;
    for (const auto& line : counts_.lines) left += line.value.left.load(std::memory_order_relaxed);
    FullBarrier();
    long entered = 0;
    for (const auto& line : counts_.lines)
      entered += line.value.entered.load(std::memory_order_relaxed);
    return left == entered;
  }

 private:
  struct Counts {
    std::atomic<long> entered;
    std::atomic<long> left;
  };

  PerCpu<Counts> counts_;
  alignas(kCacheLine) std::atomic<bool> revoked_ = false;
};

}  // namespace

extern const Candidate kSrcu = MakeCandidate<Srcu>("SRCU");
