/* SPDX-License-Identifier: GPL-2.0 */
/* Between the files of fs/revoke/ */
#ifndef _FS_REVOKE_INTERNAL_H
#define _FS_REVOKE_INTERNAL_H

#include <linux/poll.h>
#include <linux/revoke_internal.h>
#include <linux/sched.h>

/* core.c */
extern const struct use_kind *const revoke_open_kind;

void revoke_queue_last(struct revoke *rv);
void revoke_release_oopsed(struct revoke *rv);
int revokable_release(struct inode *inode, struct file *file);
int revoke_wait(struct revokable *r, u64 ticket, struct revoke *rv,
		bool killable);
void drain_acquire(struct revokable *r);
void drain_release(struct revokable *r);

/* use.c */
#define NAME_BROKEN	1UL	/* in revoke_name.revoke: stepped out */

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
	if (!revoke || revoke & NAME_BROKEN)
		return NULL;
	*kind = READ_ONCE(name->kind);
	return (struct revoke *)revoke;
}

unsigned int revoke_own_uses(const struct revoke *rv);
bool revoke_drop(struct revoke *rv, u64 counts);
void revoke_release_begin(struct revoke *rv, struct file_use *use);
void revoke_release_end(struct file_use *use);

/* Instead of the result of a method: 0 means none, negative ones are errors. */
#define USE_REVOKED	1	/* what the policy says */
#define USE_AGAIN	2	/* that of another call */

/* watch.c */
void revoke_kick(struct revokable *r);
void revoke_report(struct revokable *r);
bool revoke_unkick(unsigned int bit);
void revoke_start_watch(struct revokable *r);
void revokable_watch(struct work_struct *work);
bool revoke_cannot_wait(struct revokable *r, struct revoke *rv, bool killable);

/* Has a method ended as if by a signal? */
static inline bool revoke_interrupted(s64 ret)
{
	return ret == -EINTR || ret == -ERESTARTSYS ||
	       ret == -ERESTARTNOINTR || ret == -ERESTARTNOHAND ||
	       ret == -ERESTART_RESTARTBLOCK;
}

/* suspend.c */
int may_await_resume(const struct file *file, const struct revokable *r,
		     bool nowait);
int start_using_or_wait(struct file *file, struct file_use *use,
			const struct use_kind *kind, bool nowait);
int stop_using_after(struct file *file, struct file_use *use, s64 ret,
		     bool repeats);
bool revoke_poll_later(struct revoke *rv, bool queued);

/* fops.c */

int revoked_read_result(const struct file *file);
void revoke_set_fops(struct revoke *rv);
void revoke_retire_fops(struct revoke *rv);
void revoke_put_fops(struct revoke *rv);

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
