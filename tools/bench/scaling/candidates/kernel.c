// SPDX-License-Identifier: GPL-2.0
/*
 * start_using() and stop_using() of the series. The .inc files are extracted at build time from
 * include/linux/revoke.h and fs/revoke.c; CMakeLists.txt has the names.
 */
#include "../candidate.h"
#include "../kernel_shim.h"

/* As in fs/internal.h. */
enum { USE_BUCKET_BITS = 3 };
struct use_bucket {
  spinlock_t lock;
  struct hlist_head uses;
};

/* As without lockdep. */
#define use_acquire(use, rv) ((void)0)
#define use_release(use) ((void)0)

#include "kernel_types.inc"

/* The variables of fs/revoke.c that its functions use. */
static struct workqueue_struct *release_wq, *revoke_wq;
static atomic_long_t zap_epoch = ATOMIC_LONG_INIT(0);
static DEFINE_PER_CPU(struct use_buckets, use_buckets);

#include "kernel_use.inc"

struct opened {
  struct file file;
  struct revoke rv __attribute__((aligned(kCacheLine)));
};

static void* kernel_open(void) {
  struct opened* opened = aligned_alloc(kCacheLine, sizeof(*opened));

  if (!opened) abort();
  *opened = (struct opened){.rv.state = REVOKE_LIVE};
  opened->file = (struct file){.f_mode = FMODE_REVOKABLE, .f_revoke = &opened->rv};
  return opened;
}

static bool kernel_enter(void* file, void* use) { return start_using(file, use); }

static void kernel_leave(void* file, void* use) {
  (void)file;
  stop_using(use);
}

/* In the order of revoke_mark(), revoke_barrier_batch() and revoke_start(). */
static void kernel_revoke(void* file) {
  struct revoke* rv = ((struct file*)file)->f_revoke;
  bool self = false;

  atomic_set(&rv->drain.pending, 1);
  WRITE_ONCE(rv->state, REVOKE_REVOKED);
  revoke_barrier(rv, &self);
  if (atomic_dec_and_test(&rv->drain.pending)) queue_work(release_wq, &rv->drain.work);
}

static bool kernel_drained(void* file) {
  return __atomic_load_n(&((struct file*)file)->f_revoke->drain.pending.counter,
                         __ATOMIC_ACQUIRE) == 0;
}

_Static_assert(sizeof(struct file_use) <= kUseSize, "a use needs more room");

const struct Candidate kKernel = {
    .name = "the series",
    .open = kernel_open,
    .close = free,
    .enter = kernel_enter,
    .leave = kernel_leave,
    .revoke = kernel_revoke,
    .drained = kernel_drained,
};
