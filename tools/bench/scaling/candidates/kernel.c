// SPDX-License-Identifier: GPL-2.0
/*
 * start_using() and stop_using() of the series. The .inc files are extracted at build time from
 * fs/revoke/use.c and the headers of the series; CMakeLists.txt has the names.
 */
#include "../candidate.h"
#include "../kernel_shim.h"
#include "kernel_types.inc"

/* As without lockdep. */
#define use_acquire(rv) ((void)0)
#define use_release(rv) ((void)0)

struct task_struct {
  struct task_uses uses;
};
static __thread struct task_struct this_task;
#define current (&this_task)

/* Those members that a file which is not suspended needs. */
struct revokable {
  unsigned int flags;
  atomic_t pausing;
  const struct task_struct* suspender;
};

/* The release of a drained file: the count is looked at instead. */
static void revoke_queue_last(struct revoke* rv) {}

#include "kernel_use.inc"

struct opened {
  struct file file;
  struct revoke rv __attribute__((aligned(kCacheLine)));
};

static void* kernel_open(void) {
  static struct revokable object;
  struct opened* opened = aligned_alloc(kCacheLine, sizeof(*opened));

  if (!opened) abort();
  *opened = (struct opened){.rv.r = &object};
  opened->file = (struct file){.f_mode = FMODE_REVOKABLE, .f_revoke = &opened->rv};
  return opened;
}

static bool kernel_enter(void* file, void* use) { return start_using(file, use); }

static void kernel_leave(void* file, void* use) {
  (void)file;
  stop_using(use);
}

/* In the order of revoke_start_leaving() and revoke_start(). */
static void kernel_revoke(void* file) {
  struct revoke* rv = ((struct file*)file)->f_revoke;
  u64 state = revoke_state(rv);

  while (!atomic64_try_cmpxchg(&rv->state, &state, (state | REVOKE_REVOKED) + REVOKE_USER));
  revoke_drop_async(rv, REVOKE_USER);
}

static bool kernel_drained(void* file) {
  u64 state = smp_load_acquire(&((struct file*)file)->f_revoke->state.counter);

  return state & REVOKE_CLOSED && !(state & REVOKE_INSIDE);
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
