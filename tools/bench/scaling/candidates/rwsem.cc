// SPDX-License-Identifier: GPL-2.0
//
// As down_read() and up_read(): one count with a bit for the writer, and the owner beside it.

#include "../candidate.h"
#include "../primitives.h"

namespace {

class Rwsem {
 public:
  struct Use {};

  bool Enter(Use& use) {
    DownRead();
    if (!revoked_) [[likely]]
      return true;
    Leave(use);
    return false;
  }
  void Leave(Use&) {
    PreemptDisable();
    count_.fetch_sub(kReader, std::memory_order_release);
    PreemptEnable();
  }
  void Revoke() { revoked_ = true; }
  // down_write_trylock(), which fails as long as there are readers, and up_write().
  bool Drained() {
    long unlocked = 0;
    if (!count_.compare_exchange_strong(unlocked, kWriter)) return false;
    count_.fetch_sub(kWriter);
    return true;
  }

 private:
  static constexpr long kWriter = 1;
  static constexpr long kReader = 256;

  void DownRead() {
    PreemptDisable();
    for (int round = 0; count_.fetch_add(kReader, std::memory_order_acquire) & kWriter; round++) {
      count_.fetch_sub(kReader);
      Relax(round);
    }
    // The current task, as a hint for those who would spin.
    owner_.store(&scaling_cpu, std::memory_order_relaxed);
    PreemptEnable();
  }

  alignas(kCacheLine) std::atomic<long> count_ = 0;
  std::atomic<const void*> owner_ = nullptr;
  std::atomic<bool> revoked_ = false;
};

}  // namespace

extern const Candidate kRwsem = MakeCandidate<Rwsem>("rwsem");
