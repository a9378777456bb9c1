// SPDX-License-Identifier: GPL-2.0
//
// One count in the file, incremented and decremented whatever the flag beside it says. Someone who
// is refused is counted for a moment, so that the count can reach zero more than once.

#include "../candidate.h"
#include "../primitives.h"

namespace {

class AtomicPair {
 public:
  struct Use {};

  bool Enter(Use& use) {
    users_.fetch_add(1);
    if (!revoked_.load()) [[likely]]
      return true;
    Leave(use);
    return false;
  }
  void Leave(Use&) { users_.fetch_sub(1); }
  void Revoke() { revoked_.store(true); }
  bool Drained() { return users_.load() == 0; }

 private:
  alignas(kCacheLine) std::atomic<long> users_ = 0;
  std::atomic<bool> revoked_ = false;
};

}  // namespace

extern const Candidate kAtomicPair = MakeCandidate<AtomicPair>("atomic pair");
