// SPDX-License-Identifier: GPL-2.0
//
// A record on the stack, linked into a bucket of this CPU under the lock of the bucket; what the
// first edition of the series did, less suspends, kicks and reports.

#include "../candidate.h"
#include "../primitives.h"

namespace {

class Buckets {
 public:
  struct Bucket;
  struct Use {
    Use* next;
    Use** link;  // what points here
    Bucket* bucket;
    Buckets* file;
    std::atomic<long>* pending;  // of the revoke that waits for this use
  };
  struct Bucket {
    SpinLock lock;
    Use* first;
  };

  bool Enter(Use& use) {
    Bucket& bucket = BucketOf(ThisCpu());
    const LockGuard guard(bucket.lock);
    if (revoked_.load(std::memory_order_relaxed)) [[unlikely]]
      return false;
    use = {.next = bucket.first, .link = &bucket.first, .bucket = &bucket, .file = this};
    if (use.next) use.next->link = &use.next;
    bucket.first = &use;
    return true;
  }
  static void Leave(Use& use) {
    std::atomic<long>* pending = nullptr;
    {
      const LockGuard guard(use.bucket->lock);
      *use.link = use.next;
      if (use.next) use.next->link = use.link;
      pending = use.pending;
    }
    if (pending) [[unlikely]]
      pending->fetch_sub(1);
  }
  void Revoke() {
    revoked_.store(true);
    for (int cpu = 0; cpu < kCpus; cpu++) {
      Bucket& bucket = BucketOf(cpu);
      const LockGuard guard(bucket.lock);
      for (Use* use = bucket.first; use; use = use->next) {
        if (use->file != this) continue;
        use->pending = &pending_;
        pending_.fetch_add(1);
      }
    }
    pending_.fetch_sub(1);
  }
  bool Drained() { return pending_.load() == 0; }

 private:
  static constexpr int kBuckets = 8;
  static PerCpu<Bucket[kBuckets]> buckets;

  Bucket& BucketOf(int cpu) {
    const auto hash = reinterpret_cast<unsigned long>(this) * 0x61C8864680B583EBUL >> 61;
    return buckets.lines[cpu].value[hash];
  }

  alignas(kCacheLine) std::atomic<bool> revoked_ = false;
  std::atomic<long> pending_ = 1;  // uses found, and one until all have been looked at
};

PerCpu<Buckets::Bucket[Buckets::kBuckets]> Buckets::buckets;

}  // namespace

extern const Candidate kBuckets = MakeCandidate<Buckets>("per-CPU buckets");
