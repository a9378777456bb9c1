// SPDX-License-Identifier: GPL-2.0
//
// Flags and a count in one word of the file: the increment is tried unless a flag is set, so no one
// is counted who is refused. Alone, and with the name of the file in a slot of the task, which is
// for whoever wants to know who is inside.

#include <type_traits>

#include "../candidate.h"
#include "slots.h"

namespace {

template <bool named>
class Word {
 public:
  struct Unnamed {};
  using Use = std::conditional_t<named, Slots::Slot*, Unnamed>;

  bool Enter(Use& use) {
    // The exchange that follows is the barrier.
    if constexpr (named) use = Slots::Take(this, std::memory_order_relaxed);
    unsigned long word = word_.load(std::memory_order_relaxed);
    do {
      if (word & kRevoked) [[unlikely]] {
        ClearName(use);
        return false;
      }
    } while (!word_.compare_exchange_weak(word, word + 1));
    return true;
  }
  void Leave(Use& use) {
    ClearName(use);
    word_.fetch_sub(1);
  }
  void Revoke() { word_.fetch_or(kRevoked); }
  bool Drained() { return word_.load() == kRevoked; }

 private:
  static constexpr unsigned long kRevoked = 1UL << 63;

  static void ClearName(Use& use) {
    if constexpr (named) use->store(nullptr, std::memory_order_release);
  }

  alignas(kCacheLine) std::atomic<unsigned long> word_ = 0;
};

}  // namespace

extern const Candidate kWord = MakeCandidate<Word<false>>("flags-and-count word");
extern const Candidate kNamedWord = MakeCandidate<Word<true>>("word and slot in the task");
