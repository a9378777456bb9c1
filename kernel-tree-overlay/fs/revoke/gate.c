// SPDX-License-Identifier: GPL-2.0
/*
 * Gates: see include/linux/revoke_gate.h.
 *
 * Whoever removes an entry shuts its gate, and then releases its files, which may
 * be closed meanwhile.  Whoever takes a file off the list calls its ->release.
 *
 * The close is first	It begins a use before it drops the lock, so the removal waits
 *			for it: ->release needs the entry, and its module.
 * The removal is first	The close waits for @released: ->release needs the file.
 *
 * Either frees only what the other one does not touch any more: the record belongs
 * to the close, and of it the removal uses but the address after @released; likewise
 * the gate, which belongs to the removal, after the use has ended.
 */
#include <linux/file.h>
#include <linux/printk.h>
#include <linux/revoke_gate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "internal.h"

struct kmem_cache *gate_file_cache;

static bool is_empty(struct revoke_gate *gate)
{
	return atomic_read_acquire(&gate->users) == REVOKE_GATE_SHUT;
}

static void wait_until_empty(struct revoke_gate *gate)
{
	/* The caller may sleep only if there is somebody to wait for. */
	if (!is_empty(gate))
		wait_var_event(&gate->users, is_empty(gate));
}

static struct revoke_gate *gate_named(const struct revoke_name *name)
{
	if ((name->revoke & (NAME_GATE | NAME_BROKEN)) != NAME_GATE)
		return NULL;
	return (struct revoke_gate *)(name->revoke & ~NAME_GATE);
}

/* As gate_use_begin(), by a task that is in another method, too */
bool revoke_gate_enter_named(struct revoke_gate *gate, int *slot)
{
	*slot = name_take((unsigned long)gate | NAME_GATE, NULL);
	if (revoke_gate_enter(gate))
		return true;
	name_undo(*slot);
	return false;
}

/* The caller has left.  Has it been kicked, and goes by it? */
bool revoke_gate_kicked(int slot, long ret)
{
	return name_kicked(slot) && revoke_interrupted(ret);
}

/* As gate_use_end(), likewise, or by one that has shut the gate itself */
bool revoke_gate_leave_named(struct revoke_gate *gate, int slot, long ret)
{
	struct revoke_name *name;

	if (likely(slot >= 0)) {
		name = &current->uses.name[slot];
		if (unlikely(name->revoke & NAME_BROKEN)) {
			WRITE_ONCE(name->revoke, 0);
			return false;
		}
	}
	name_drop(slot);
	revoke_gate_leave(gate);
	return revoke_gate_kicked(slot, ret);
}

/* The caller removes what it is inside of: it is not to wait for itself. */
static void leave_own(struct revoke_gate *gate)
{
	struct revoke_name *name;
	int i;

	for (i = 0; i < REVOKE_NAMES; i++) {
		name = &current->uses.name[i];
		if (gate_named(name) != gate)
			continue;
		WRITE_ONCE(name->revoke, NAME_GATE | NAME_BROKEN);
		revoke_gate_leave(gate);
	}
}

/*
 * The oops of a task: if this is the name of a gate, its use is ended.
 *
 * Context: the task, which is about to exit.
 */
bool revoke_gate_oopsed(int slot)
{
	struct revoke_gate *gate = gate_named(&current->uses.name[slot]);

	if (!gate)
		return false;
	pr_alert("revoke: %s:%d does not return from an entry, which is left as it is\n",
		 current->comm, task_pid_nr(current));
	revoke_gate_leave_named(gate, slot, 0);
	return true;
}

/**
 * revoke_gate_shut - let nobody in any more, and wait for who is inside
 * @gate: the gate, for the first time
 * @kick: makes those leave who sleep in a way that no signal ends, as far as that
 *	can be done; or NULL.  It is called repeatedly.
 *
 * Without limit: those who copy to or from user memory inside can take as long as
 * user space likes.
 *
 * Context: sleeps, if somebody is inside.  The caller must hold no lock that is
 *	taken there; it may be inside itself, if that use has a name, and must not
 *	touch what goes with the entry after this.
 */
void revoke_gate_shut(struct revoke_gate *gate,
		      void (*kick)(struct revoke_gate *gate))
{
	const unsigned long soon = HZ / 50 + 1;
	unsigned long start = jiffies, next_walk = start, timeout = soon;
	bool reported = false;

	leave_own(gate);
	/* Pairs with the decrement in revoke_gate_leave(). */
	if (atomic_add_return(REVOKE_GATE_SHUT, &gate->users) ==
	    REVOKE_GATE_SHUT)
		return;
	for (;;) {
		if (kick)
			kick(gate);
		/* Most leave in no time. */
		if (wait_var_event_timeout(&gate->users, is_empty(gate),
					   timeout))
			return;
		/* Who sleeps for what @kick ends may hold up others, as the caller does. */
		timeout = kick ? soon : HZ;
		if (time_before(jiffies, next_walk))
			continue;
		revoke_kick_gate(gate);
		next_walk = jiffies + HZ;
		/* The hung task detector takes one that wakes up for alive. */
		if (!reported && time_after(jiffies, start + report_after())) {
			reported = true;
			pr_warn("revoke: %s:%d removes an entry that %u uses do not leave (%lu s)\n",
				current->comm, task_pid_nr(current),
				atomic_read(&gate->users) - REVOKE_GATE_SHUT,
				(jiffies - start) / HZ);
		}
	}
}

/**
 * revoke_gate_release - release all files that are open
 * @gate: the gate, which is shut
 * @release: calls ->release of a file
 *
 * Each ->release has returned when this returns.
 *
 * Context: sleeps, if files are open.  The caller must not hold a lock that
 *	a ->release takes.
 */
void revoke_gate_release(struct revoke_gate *gate,
			 void (*release)(struct file *file))
{
	struct gate_file *gf;

	for (;;) {
		scoped_guard(spinlock, &gate->lock) {
			gf = list_first_entry_or_null(&gate->files,
						      struct gate_file, node);
			if (gf)
				list_del_init(&gf->node);
		}
		if (!gf)
			break;
		release(gf->file);
		/* Pairs with revoke_gate_close(). */
		store_release_wake_up(&gf->released, true);
	}
	wait_until_empty(gate);
}

/**
 * revoke_gate_close - the file is closed: is it to be released, or has it been?
 * @gate: the gate
 * @file: a file that was given to revoke_gate_opened(), in its ->release
 *
 * Context: may sleep.
 * Return: true: the caller calls ->release, and then revoke_gate_leave().  false: a
 *	removal has called it.
 */
bool revoke_gate_close(struct revoke_gate *gate, struct file *file)
{
	struct gate_file *gf = *gate_file_of(file);
	bool first;

	scoped_guard(spinlock, &gate->lock) {
		first = !list_empty(&gf->node);
		if (first) {
			list_del(&gf->node);
			/* Also if the gate is shut: revoke_gate_release() waits. */
			atomic_inc(&gate->users);
		}
	}
	if (!first)
		/* Pairs with revoke_gate_release(). */
		wait_var_event(&gf->released, smp_load_acquire(&gf->released));
	gate_file_free(gf);
	return first;
}

static int __init revoke_gate_setup(void)
{
	gate_file_cache = KMEM_CACHE(gate_file, SLAB_ACCOUNT | SLAB_PANIC);
	return 0;
}
core_initcall(revoke_gate_setup);
