// SPDX-License-Identifier: GPL-2.0
//
// Flags and a count in one word of the file: the increment is tried unless a flag is set, so no one
// is counted who is refused. What the series does, less the name in the task.

#include "../candidate.h"
#include "../primitives.h"

namespace {

class Word {
 public:
  struct Use {};

  bool Enter(Use&) {
    unsigned long word = word_.load(std::memory_order_relaxed);
    do {
      if (word & kRevoked) [[unlikely]]
        return false;
    } while (!word_.compare_exchange_weak(word, word + 1));
    return true;
  }
  void Leave(Use&) { word_.fetch_sub(1); }
  void Revoke() { word_.fetch_or(kRevoked); }
  bool Drained() { return word_.load() == kRevoked; }

 private:
  static constexpr unsigned long kRevoked = 1UL << 63;

  alignas(kCacheLine) std::atomic<unsigned long> word_ = 0;
};

}  // namespace

extern const Candidate kWord = MakeCandidate<Word>("flags-and-count word");
