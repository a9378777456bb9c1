// SPDX-License-Identifier: GPL-2.0
//
// Slots in the task alone, as hazard pointers: the revoker looks at those of all tasks.

#include "../candidate.h"
#include "slots.h"

namespace {

class Hazard {
 public:
  using Use = Slots::Slot*;

  bool Enter(Use& slot) {
    slot = Slots::Take(this, std::memory_order_seq_cst);
    if (!revoked_.load()) [[likely]]
      return true;
    Leave(slot);
    return false;
  }
  static void Leave(Use& slot) { slot->store(nullptr, std::memory_order_release); }
  void Revoke() { revoked_.store(true); }
  bool Drained() { return !Slots::Contain(this); }

 private:
  alignas(kCacheLine) std::atomic<bool> revoked_ = false;
};

}  // namespace

extern const Candidate kHazard = MakeCandidate<Hazard>("slots in the task");
