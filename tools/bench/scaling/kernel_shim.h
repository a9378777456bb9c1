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

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define READ_ONCE(x) (*(const volatile typeof(x)*)&(x))
#define WRITE_ONCE(x, value) (*(volatile typeof(x)*)&(x) = (value))
#define container_of(ptr, type, member) ((type*)((char*)(ptr) - offsetof(type, member)))
#define EXPORT_SYMBOL_GPL(name) _Static_assert(1, #name)

typedef struct {
  int counter;
} atomic_t;
typedef struct {
  long counter;
} atomic_long_t;
#define ATOMIC_LONG_INIT(n) {(n)}
#define atomic_set(v, n) __atomic_store_n(&(v)->counter, (n), __ATOMIC_RELAXED)
#define atomic_read(v) __atomic_load_n(&(v)->counter, __ATOMIC_RELAXED)
#define atomic_inc(v) ((void)__atomic_add_fetch(&(v)->counter, 1, __ATOMIC_SEQ_CST))
#define atomic_dec_and_test(v) (__atomic_sub_fetch(&(v)->counter, 1, __ATOMIC_SEQ_CST) == 0)
#define atomic_long_read_acquire(v) __atomic_load_n(&(v)->counter, __ATOMIC_ACQUIRE)

typedef struct SpinLock spinlock_t;
#define spin_lock Lock
#define spin_unlock Unlock
static inline void unlock_guard(spinlock_t** lock) { Unlock(*lock); }
static inline spinlock_t* lock_guard(spinlock_t* lock) {
  Lock(lock);
  return lock;
}
#define guard(kind) spinlock_t* guarded __attribute__((cleanup(unlock_guard), unused)) = lock_guard

struct hlist_node {
  struct hlist_node *next, **pprev;
};
struct hlist_head {
  struct hlist_node* first;
};
static inline void hlist_add_head(struct hlist_node* n, struct hlist_head* h) {
  struct hlist_node* first = h->first;

  WRITE_ONCE(n->next, first);
  if (first) WRITE_ONCE(first->pprev, &n->next);
  WRITE_ONCE(h->first, n);
  WRITE_ONCE(n->pprev, &h->first);
}
static inline void hlist_del(struct hlist_node* n) {
  struct hlist_node* next = n->next;
  struct hlist_node** pprev = n->pprev;

  WRITE_ONCE(*pprev, next);
  if (next) WRITE_ONCE(next->pprev, pprev);
  n->next = (void*)0x100; /* LIST_POISON1, 2 */
  n->pprev = (void*)0x122;
}
#define hlist_entry_safe(ptr, type, member) ((ptr) ? container_of(ptr, type, member) : NULL)
#define hlist_for_each_entry(pos, head, member)                            \
  for (pos = hlist_entry_safe((head)->first, typeof(*(pos)), member); pos; \
       pos = hlist_entry_safe((pos)->member.next, typeof(*(pos)), member))

#define DEFINE_PER_CPU(type, name) type name[kCpus] __attribute__((aligned(kCacheLine)))
#define per_cpu(name, cpu) ((name)[cpu])
#define raw_smp_processor_id() ThisCpu()
#define for_each_possible_cpu(cpu) for (cpu = 0; cpu < kCpus; cpu++)
static inline uint32_t hash_ptr(const void* ptr, unsigned int bits) {
  return ((uintptr_t)ptr * 0x61C8864680B583EBull) >> (64 - bits);
}

enum { PF_KTHREAD = 1, PF_USER_WORKER = 2 };
struct task_struct {
  unsigned int flags;
};
static __thread struct task_struct this_task;
#define current (&this_task)

struct list_head {
  struct list_head *next, *prev;
};
struct rcu_head {
  void* room[2];
};
struct work_struct {
  void* room[4];
};
struct rcu_work {
  void* room[7];
};
struct completion {
  void* room[4];
};
struct kref {
  atomic_t count;
};
typedef struct {
  void* room[3];
} wait_queue_head_t;
struct module;
struct workqueue_struct;
struct file {
  unsigned int f_mode;
  struct revoke* f_revoke;
};
#define FMODE_REVOKABLE 1u
#define file_is_revokable(file) unlikely((file)->f_mode& FMODE_REVOKABLE)

/* The release of a drained file: the count is looked at instead. */
static inline bool queue_work(struct workqueue_struct* wq, struct work_struct* work) {
  (void)wq, (void)work;
  return true;
}

/* Suspending, kicking, zapping of ranges and stepping out are not measured. */
#define unexpected(...) abort()
#define module_put unexpected
#define complete unexpected
#define wake_up_all unexpected
#define clear_notify_signal unexpected
#define set_notify_signal unexpected
#define task_work_pending(task) (abort(), (task)->flags)

// NOLINTEND(bugprone-macro-parentheses,bugprone-multi-level-implicit-pointer-conversion)

#endif /* REVOKE_TOOLS_SCALING_KERNEL_SHIM_H_ */
