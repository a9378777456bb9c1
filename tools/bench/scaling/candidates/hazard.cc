// SPDX-License-Identifier: GPL-2.0
//
// The names of the files that a task is inside of, in slots of the task, as hazard pointers: the
// revoker looks at those of all tasks.

#include <cstdlib>

#include "../candidate.h"
#include "../primitives.h"

namespace {

class Hazard {
  using Slot = std::atomic<const void*>;

 public:
  using Use = Slot*;

  // A task that is inside of a fifth file aborts; none of the measurements comes to it.
  bool Enter(Use& use) {
    for (Slot& slot : slots.OfThisCpu()) {
      if (slot.load(std::memory_order_relaxed)) continue;
      slot.store(this);
      use = &slot;
      if (!revoked_.load()) [[likely]]
        return true;
      Leave(use);
      return false;
    }
    std::abort();
  }
  static void Leave(Use& slot) { slot->store(nullptr, std::memory_order_release); }
  void Revoke() { revoked_.store(true); }
  bool Drained() {
    for (auto& line : slots.lines)
      for (const Slot& slot : line.value)
        if (slot.load() == this) return false;
    return true;
  }

 private:
  using OfTask = Slot[4];
  inline static PerCpu<OfTask> slots;

  alignas(kCacheLine) std::atomic<bool> revoked_ = false;
};

}  // namespace

extern const Candidate kHazard = MakeCandidate<Hazard>("slots in the task");
