// SPDX-License-Identifier: GPL-2.0
//
// A count and a flag in the file, under a spinlock in it.

#include "../candidate.h"
#include "../primitives.h"

namespace {

class ObjectLock {
 public:
  struct Use {};

  bool Enter(Use&) {
    const LockGuard guard(lock_);
    if (revoked_) [[unlikely]]
      return false;
    users_++;
    return true;
  }
  void Leave(Use&) {
    const LockGuard guard(lock_);
    users_--;
  }
  void Revoke() {
    const LockGuard guard(lock_);
    revoked_ = true;
  }
  bool Drained() {
    const LockGuard guard(lock_);
    return users_ == 0;
  }

 private:
  alignas(kCacheLine) SpinLock lock_ = {};
  bool revoked_ = false;
  long users_ = 0;
};

}  // namespace

extern const Candidate kObjectLock = MakeCandidate<ObjectLock>("per-object lock");
