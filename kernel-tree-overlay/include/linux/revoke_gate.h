/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Gates: what entries of pseudo file systems have instead of a struct revokable.
 *
 * Files of procfs and debugfs are opened and read as often as any, and most of
 * their entries never go.  A record for each open file, a name for each use and
 * methods in between would be too much.  What is needed is to refuse who comes
 * late, to wait for who is inside, and a list of those files whose ->release is not
 * to wait for their close.
 *
 * A gate knows of no mappings and pollers.  An entry that can have them has a
 * struct revokable as well, with REVOKABLE_OWN_USES.
 *
 * A use can have a name: then whoever sleeps inside is woken when the gate is shut,
 * and whoever shuts it does not wait for itself.
 */
#ifndef _LINUX_REVOKE_GATE_H
#define _LINUX_REVOKE_GATE_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait_bit.h>

struct file;

/* Added to @users when the gate is shut */
#define REVOKE_GATE_SHUT	INT_MIN

/**
 * struct revoke_gate - who is inside of the methods of an entry
 * @users: how many; less than 0: nobody gets in any more
 * @lock: protects @files
 * @files: those that have been opened, and whose ->release has not begun
 */
struct revoke_gate {
	atomic_t		users;
	spinlock_t		lock;		/* of @files */
	struct list_head	files;
};

/**
 * struct gate_file - an open file whose ->release does not wait for its close
 * @node: in the gate's @files; empty: its ->release has begun
 * @file: the file
 * @released: the remover has called its ->release, which has returned
 */
struct gate_file {
	struct list_head	node;
	struct file		*file;
	bool			released;
};

static inline void revoke_gate_init(struct revoke_gate *gate)
{
	atomic_set(&gate->users, 0);
	spin_lock_init(&gate->lock);
	INIT_LIST_HEAD(&gate->files);
}

/**
 * revoke_gate_enter - begin a use
 * @gate: the gate
 *
 * Context: any.
 * Return: false if it is shut.  Then there is nothing to leave.
 */
static inline bool revoke_gate_enter(struct revoke_gate *gate)
{
	return likely(atomic_inc_unless_negative(&gate->users));
}

/**
 * revoke_gate_leave - end a use
 * @gate: the gate, which may be gone when this returns
 *
 * Context: any.
 */
static inline void revoke_gate_leave(struct revoke_gate *gate)
{
	/*
	 * Fully ordered, so whoever waits in wait_until_empty() sees the count, or is
	 * seen by this.  From here on, only the address of the gate is used.
	 */
	if (unlikely(atomic_dec_return(&gate->users) == REVOKE_GATE_SHUT))
		wake_up_var(&gate->users);
}

static inline bool revoke_gate_is_shut(const struct revoke_gate *gate)
{
	return atomic_read(&gate->users) < 0;
}

void revoke_gate_shut(struct revoke_gate *gate,
		      void (*kick)(struct revoke_gate *gate));
void revoke_gate_release(struct revoke_gate *gate,
			 void (*release)(struct file *file));

bool revoke_gate_close(struct revoke_gate *gate, struct file *file);

#endif /* _LINUX_REVOKE_GATE_H */
