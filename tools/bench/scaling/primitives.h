/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fast paths of x86_64 kernels with full preemption are made of, with the same locked
 * instructions and as many stores. A thread stands for a CPU, for as long as it lives. For C, too.
 */
#ifndef REVOKE_TOOLS_SCALING_PRIMITIVES_H_
#define REVOKE_TOOLS_SCALING_PRIMITIVES_H_

#include <sched.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { kCpus = 8, kCacheLine = 64 };

// NOLINTBEGIN(modernize-redundant-void-arg): in C it is not
/* Of this thread: its number among those alive, -1 before it has one; and how often it does not
 * want to be preempted, which nobody looks at. */
extern __thread int scaling_cpu;
extern __thread int scaling_preempt_count;

/* Gives the thread a number that no other has. Aborts if more than kCpus threads want one. */
int scaling_claim_cpu(void);

static inline int ThisCpu(void) {
  return __builtin_expect(scaling_cpu < 0, 0) ? scaling_claim_cpu() : scaling_cpu;
}

static inline void CompilerBarrier(void) { __asm__ volatile("" ::: "memory"); }

static inline void PreemptDisable(void) {
  scaling_preempt_count++;
  CompilerBarrier();
}

static inline void PreemptEnable(void) {
  CompilerBarrier();
  if (__builtin_expect(--scaling_preempt_count < 0, 0)) __builtin_trap();
}

/* For loops that wait for another thread, which may need this CPU. */
static inline void Relax(int round) {
  if (round % 64 == 63)
    sched_yield();
  else
    __builtin_ia32_pause();
}

struct SpinLock {
  unsigned int locked;
};

static inline void Lock(struct SpinLock* lock) {
  PreemptDisable();
  for (int round = 0;; round++) {
    unsigned int unlocked = 0;
    if (__atomic_compare_exchange_n(&lock->locked, &unlocked, 1, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED))
      return;
    while (__atomic_load_n(&lock->locked, __ATOMIC_RELAXED)) Relax(round++);
  }
}

static inline void Unlock(struct SpinLock* lock) {
  __atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
  PreemptEnable();
}

// NOLINTEND(modernize-redundant-void-arg)

#ifdef __cplusplus
}

#include <atomic>

/* One value for each CPU, on a cache line of its own. */
template <class T>
struct PerCpu {
  struct alignas(kCacheLine) Line {
    T value;
  };
  Line lines[kCpus] = {};

  T& OfThisCpu() { return lines[ThisCpu()].value; }
};

/* As this_cpu_add(): no other CPU writes it, but any may read it. */
inline void AddOnThisCpu(std::atomic<long>& counter, long n) {
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

/* Fails to compile where a guard is made without a name. */
class [[nodiscard]] LockGuard {
 public:
  explicit LockGuard(SpinLock& lock) : lock_(lock) { Lock(&lock_); }
  ~LockGuard() { Unlock(&lock_); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  SpinLock& lock_;
};
#endif

#endif /* REVOKE_TOOLS_SCALING_PRIMITIVES_H_ */
