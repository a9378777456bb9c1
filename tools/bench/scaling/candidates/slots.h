// SPDX-License-Identifier: GPL-2.0
//
// The names of the files that a task is inside of.

#ifndef REVOKE_TOOLS_SCALING_CANDIDATES_SLOTS_H_
#define REVOKE_TOOLS_SCALING_CANDIDATES_SLOTS_H_

#include <cstdlib>

#include "../primitives.h"

// A task has four. One that is inside of a fifth file aborts; none of the measurements comes to it.
class Slots {
 public:
  using Slot = std::atomic<const void*>;

  // The slot is stored before anything that follows is read, if the order says so.
  static Slot* Take(const void* file, std::memory_order order) {
    for (Slot& slot : slots.OfThisCpu()) {
      if (slot.load(std::memory_order_relaxed)) continue;
      slot.store(file, order);
      return &slot;
    }
    std::abort();
  }

  static bool Contain(const void* file) {
    for (auto& line : slots.lines)
      for (const Slot& slot : line.value)
        if (slot.load() == file) return true;
    return false;
  }

 private:
  using OfTask = Slot[4];
  inline static PerCpu<OfTask> slots;
};

#endif  // REVOKE_TOOLS_SCALING_CANDIDATES_SLOTS_H_
