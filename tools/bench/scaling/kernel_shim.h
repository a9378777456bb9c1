/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the extracted definitions of the kernel need to compile for user space. What the fast path
 * executes costs what it costs in the kernel; what it must not come to aborts. Structures have the
 * size they have there, and only the members that are used.
 */
#ifndef REVOKE_TOOLS_SCALING_KERNEL_SHIM_H_
#define REVOKE_TOOLS_SCALING_KERNEL_SHIM_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "primitives.h"

// NOLINTBEGIN(bugprone-macro-parentheses,bugprone-multi-level-implicit-pointer-conversion): as
// there

typedef uint64_t u64;
typedef uint8_t u8;
typedef uint16_t u16;
typedef uintptr_t freeptr_t;

#define noinline __attribute__((noinline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define BIT(n) (1UL << (n))
#define BIT_ULL(n) (1ULL << (n))
#define GENMASK_ULL(high, low) (~0ULL << (low) & ~0ULL >> (63 - (high)))

#define READ_ONCE(x) (*(const volatile typeof(x)*)&(x))
#define WRITE_ONCE(x, value) (*(volatile typeof(x)*)&(x) = (value))
#define smp_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, value) __atomic_store_n((p), (value), __ATOMIC_RELEASE)

typedef struct {
  int counter;
} atomic_t;
#define atomic_dec(v) ((void)__atomic_sub_fetch(&(v)->counter, 1, __ATOMIC_SEQ_CST))

typedef struct {
  u64 counter;
} atomic64_t;
#define atomic64_read(v) __atomic_load_n(&(v)->counter, __ATOMIC_RELAXED)
#define atomic64_try_cmpxchg(v, old, new)                                           \
  __atomic_compare_exchange_n(&(v)->counter, (old), (new), false, __ATOMIC_SEQ_CST, \
                              __ATOMIC_SEQ_CST)

/* What RCU keeps there, is not freed here. */
static inline void guard_rcu(void) {}
#define guard(kind) guard_##kind

typedef struct SpinLock raw_spinlock_t;
struct list_head {
  struct list_head *next, *prev;
};
struct rcu_head {
  void* room[2];
};
struct work_struct {
  void* room[4];
};
struct kref {
  atomic_t count;
};
struct module;
struct file {
  unsigned int f_mode;
  struct revoke* f_revoke;
};
#define FMODE_REVOKABLE 1u
#define file_is_revokable(file) unlikely((file)->f_mode& FMODE_REVOKABLE)

/* Suspending, kicking, mapping and stepping out are not measured. */
#define unexpected(...) abort()
#define module_put unexpected
#define wake_up_all unexpected
#define revoke_zap_later unexpected
#define revoke_unkick(bit) (abort(), (bit))

// NOLINTEND(bugprone-macro-parentheses,bugprone-multi-level-implicit-pointer-conversion)

#endif /* REVOKE_TOOLS_SCALING_KERNEL_SHIM_H_ */
