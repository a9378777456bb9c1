/* SPDX-License-Identifier: GPL-2.0 */
/* Between the files of fs/revoke/ */
#ifndef _FS_REVOKE_INTERNAL_H
#define _FS_REVOKE_INTERNAL_H

#include <linux/poll.h>
#include <linux/revoke_internal.h>
#include <linux/sched.h>

/* object.c */
struct revokable *revokable_next_member(struct revokable *r,
					struct revokable *member);

/* Not to be left before the end, which has no reference to be dropped. */
#define for_each_in_group(m, r)						\
	for ((m) = revokable_next_member((r), NULL); (m);		\
	     (m) = revokable_next_member((r), (m)))

/*
 * Is @rv a file of the object, or of one of its children?
 *
 * Under RCU, @rv may be about to become another file, see revoke_cache, and
 * have no object.  What it had is still there.
 */
static inline bool revoke_belongs_to(const struct revoke *rv,
				     const struct revokable *r)
{
	const struct revokable *owner = READ_ONCE(rv->r);

	return owner == r || (owner && owner->group == r);
}

/* core.c */
extern const struct use_kind *const revoke_open_kind;

void revoke_await_closing(struct revoke *rv);
void revoke_queue_last(struct revoke *rv);
void revoke_release_oopsed(struct revoke *rv);
int revokable_release(struct inode *inode, struct file *file);
int revoke_wait(struct revokable *r, u64 ticket, struct revoke *rv,
		bool killable);
void drain_acquire(struct revokable *r);
void drain_release(struct revokable *r);

/* use.c */
#define NAME_BROKEN	1UL	/* in revoke_name.revoke: stepped out */

/* What makes a leaver look twice */
#define REVOKE_ATTENTION	(REVOKE_SUSPENDED | REVOKE_REVOKED | REVOKE_CLOSED)

/*
 * Lockdep: a use is a read lock that is only ever tried, so it waits for
 * nothing, but a revoker waits for it with everything it holds.
 */
#ifdef CONFIG_DEBUG_LOCK_ALLOC
static inline void use_acquire(struct revoke *rv)
{
	rwsem_acquire_read(&rv->r->dep_map, 0, 1, _RET_IP_);
}

static inline void use_release(struct revoke *rv)
{
	rwsem_release(&rv->r->dep_map, _RET_IP_);
}
#else
static inline void use_acquire(struct revoke *rv) { }
static inline void use_release(struct revoke *rv) { }
#endif

/*
 * The use with this name, or NULL.  For another task, only to be compared, and
 * to be looked into under RCU.
 */
static inline struct revoke *name_read(struct task_struct *task, int slot,
				       const struct use_kind **kind)
{
	struct revoke_name *name = &task->uses.name[slot];
	unsigned long revoke;

	/* Pairs with name_take(). */
	revoke = smp_load_acquire(&name->revoke);
	if (!revoke || revoke & (NAME_BROKEN | NAME_GATE))
		return NULL;
	*kind = READ_ONCE(name->kind);
	return (struct revoke *)revoke;
}

int name_take(unsigned long revoke, const struct use_kind *kind);
void name_drop(int slot);
unsigned int name_kicked(int slot);
unsigned int leave_broken(struct revoke_name *name);
unsigned int leave_slowly(struct revoke *rv, u64 one, int slot);
bool revoke_drop(struct revoke *rv, u64 counts);
void revoke_release_begin(struct revoke *rv, struct file_use *use);
void revoke_release_end(struct file_use *use);

/*
 * revoke_enter() and revoke_leave() for the common case, to be inlined with
 * constants: a task that is in no other method, of a file that nobody revokes or
 * suspends.  Nothing has happened if use_begin() is false.
 */
static __always_inline bool use_begin(struct revoke *rv,
				      const struct use_kind *kind)
{
	struct revoke_name *name = &current->uses.name[0];
	u64 state;

	if (unlikely(name->revoke))
		return false;
	WRITE_ONCE(name->kind, kind);
	/* Pairs with name_read(). */
	smp_store_release(&name->revoke, (unsigned long)rv);
	state = revoke_state(rv);
	if (unlikely(state & kind->refused_by ||
		     !atomic64_try_cmpxchg(&rv->state, &state,
					   state + kind->one))) {
		name_undo(0);
		return false;
	}
	use_acquire(rv);
	return true;
}

static __always_inline unsigned int use_end(struct revoke *rv,
					    const struct use_kind *kind)
{
	struct task_uses *uses = &current->uses;
	u64 state;

	if (unlikely(uses->name[0].revoke != (unsigned long)rv))
		return leave_broken(&uses->name[0]);
	use_release(rv);
	WRITE_ONCE(uses->name[0].revoke, 0);
	state = revoke_state(rv);
	if (unlikely(state & REVOKE_ATTENTION ||
		     !atomic64_try_cmpxchg(&rv->state, &state,
					   state - kind->one)))
		return leave_slowly(rv, kind->one, 0);
	if (unlikely(READ_ONCE(uses->attention)))
		return name_kicked(0);
	return 0;
}

/* gate.c */
bool revoke_gate_oopsed(int slot);

/* Instead of the result of a method: 0 means none, negative ones are errors. */
#define USE_REVOKED	16	/* what the policy says */
#define USE_AGAIN	17	/* that of another call */

struct revoke_gate;

/* watch.c */
void revoke_kick(struct revokable *r);
void revoke_kick_gate(struct revoke_gate *gate);
unsigned int report_after(void);
void revoke_report(struct revokable *r);
bool revoke_unkick(unsigned int bit);
void revoke_start_watch(struct revokable *r);
void revokable_watch(struct work_struct *work);
bool revoke_cannot_wait(struct revokable *r, struct revoke *rv, bool killable);

/* Has a method ended as if by a signal? */
static inline bool revoke_interrupted(s64 ret)
{
	return ret == -EINTR ||
	       (ret >= -ERESTART_RESTARTBLOCK && ret <= -ERESTARTSYS &&
		ret != -ENOIOCTLCMD);
}

/* suspend.c */
int may_await_resume(const struct file *file, bool nowait);
int start_using_or_wait(struct file *file, struct file_use *use,
			const struct use_kind *kind, bool nowait);
int use_begin_slowly(struct file *file, const struct use_kind *kind,
		     bool nowait);
int use_end_slowly(struct file *file, const struct use_kind *kind, int slot,
		   s64 ret);
int use_interrupted(struct file *file, unsigned int left, s64 ret, bool repeats);
int stop_using_after(struct file *file, struct file_use *use, s64 ret,
		     bool repeats);
bool revoke_poll_later(struct revoke *rv, bool queued);

/* fops.c */

/* For the files of an object that have the same methods of a driver */
struct revokable_fops {
	struct list_head		node;	/* in r->fops */
	const struct file_operations	*real;
	struct file_operations		fops;
};

/* Of an open file.  Valid in a use: the driver cannot be unloaded before that. */
static inline const struct file_operations *real_fops(const struct file *file)
{
	return container_of_const(file->f_op, struct revokable_fops, fops)->real;
}

bool revokable_file_type(const struct file *file);
int revoked_read_result(const struct file *file);
/* Those of the object that lead to @real */
static inline struct revokable_fops *
revokable_find_fops(const struct revokable *r,
		    const struct file_operations *real)
{
	struct revokable_fops *table;

	list_for_each_entry_lockless(table, &r->fops, node) {
		if (likely(table->real == real))
			return table;
	}
	return NULL;
}

struct revokable_fops *revokable_add_fops(struct revokable *r,
					  const struct file_operations *real);
extern const struct file_operations revoke_released_fops;
void revokable_free_fops(struct revokable *r);

/* poll.c */
struct revoke_pollers {
	wait_queue_head_t	wait;		/* pollers wait here ... */
	spinlock_t		lock;
	struct hlist_head	relays;		/* ... woken by one per queue */
	struct list_head	again;		/* r->poll_again, its lock */
	bool			relays_due;	/* somebody waits without them */
	struct rcu_head		rcu;
};

__poll_t revokable_poll(struct file *file, poll_table *pt);
void revoke_drop_relays(struct revoke *rv);
void revoke_wake_pollers(struct revoke *rv);

#endif
