// SPDX-License-Identifier: GPL-2.0
/*
 * Looking at the names that tasks have for their uses: kicks and reports, and
 * the waiting of revokable_zap_range().
 *
 * The threads are walked by number: a number cannot go stale, so RCU need not
 * be held all the time.  A task that gets another number meanwhile is in
 * execve(2), and so not in a method.
 */
#include <linux/bitfield.h>
#include <linux/completion.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/sched/sysctl.h>
#include <linux/task_work.h>
#include <linux/wait_bit.h>

#include "internal.h"

#define THREADS_AT_ONCE	256

/* Call fn() for each thread but the caller, under RCU. */
static void walk_threads(void (*fn)(struct task_struct *task, void *arg),
			 void *arg)
{
	struct task_struct *task;
	unsigned int n = 0;
	struct pid *pid;
	int nr = 1;

	rcu_read_lock();
	while ((pid = find_ge_pid(nr, &init_pid_ns))) {
		nr = pid_nr(pid) + 1;
		task = pid_task(pid, PIDTYPE_PID);
		if (task && task != current)
			fn(task, arg);
		if (++n % THREADS_AT_ONCE == 0) {
			rcu_read_unlock();
			cond_resched();
			rcu_read_lock();
		}
	}
	rcu_read_unlock();
}

/*
 * Kicks
 *
 * A notification must not be left with a task that is not inside any more, as it
 * would end its next sleep.  So: set @kicked, then look whether the use is still
 * there.  The leaver clears the name and drops its count, and looks at @kicked
 * then.  What is between these two is fully ordered on either side.
 */

static bool still_inside(struct task_struct *task, int slot,
			 unsigned long revoke, const struct use_kind *kind)
{
	const struct revoke_name *name;

	if (slot == REVOKE_NAMES)
		return READ_ONCE(task->uses.unnamed);
	name = &task->uses.name[slot];
	return READ_ONCE(name->revoke) == revoke &&
	       READ_ONCE(name->kind) == kind;
}

static void notify(struct task_struct *task, int slot, unsigned long revoke,
		   const struct use_kind *kind)
{
	struct task_uses *uses = &task->uses;
	u8 kicked;

	guard(raw_spinlock)(&uses->lock);
	kicked = uses->kicked;
	WRITE_ONCE(uses->kicked, kicked | BIT(slot));
	/* Pairs with the decrement of the leaver, see above. */
	smp_mb();
	if (!still_inside(task, slot, revoke, kind))
		WRITE_ONCE(uses->kicked, kicked);
	else if (task->flags & PF_KTHREAD)
		/* Nobody would ever clear a kernel thread's notification. */
		wake_up_state(task, TASK_INTERRUPTIBLE);
	else
		set_notify_signal(task);
}

/* Is that a use that a revoke, or a suspend, of the object waits for? */
static bool waited_for(const struct revoke *rv, const struct use_kind *kind,
		       const struct revokable *r)
{
	u64 state;

	if (!revoke_belongs_to(rv, r) || kind->flags & USE_RELEASE)
		return false;
	state = revoke_state(rv);
	return state & REVOKE_REVOKED ||
	       (state & REVOKE_SUSPENDED && kind->one == REVOKE_USER);
}

static void kick(struct task_struct *task, void *r)
{
	const struct use_kind *kind;
	struct revoke *rv;
	int i;

	for (i = 0; i < REVOKE_NAMES; i++) {
		rv = name_read(task, i, &kind);
		if (rv && waited_for(rv, kind, r))
			notify(task, i, (unsigned long)rv, kind);
	}
	/* It may be inside of the object. */
	if (READ_ONCE(task->uses.unnamed))
		notify(task, REVOKE_NAMES, 0, NULL);
}

/* Wake those who sleep in methods of the object that are waited for. */
void revoke_kick(struct revokable *r)
{
	walk_threads(kick, r);
}

static void kick_gate(struct task_struct *task, void *gate)
{
	unsigned long revoke = (unsigned long)gate | NAME_GATE;
	struct revoke_name *name;
	int i;

	for (i = 0; i < REVOKE_NAMES; i++) {
		name = &task->uses.name[i];
		if (READ_ONCE(name->revoke) == revoke)
			notify(task, i, revoke, READ_ONCE(name->kind));
	}
	/* It may be inside. */
	if (READ_ONCE(task->uses.unnamed))
		notify(task, REVOKE_NAMES, 0, NULL);
}

/* Wake those who sleep inside of the gate, as far as they have names for it. */
void revoke_kick_gate(struct revoke_gate *gate)
{
	walk_threads(kick_gate, gate);
}

struct zap_waiter {
	const struct revokable	*r;
	atomic_t		pending;
	struct completion	left;
	bool			found;	/* somebody who may have to be zapped after */
	bool			busy;	/* somebody else waits for one of them */
};

/*
 * The caller has left what this bit stands for.  Returns whether it was kicked:
 * then there was no signal, and none is to be seen.
 */
bool revoke_unkick(unsigned int bit)
{
	struct task_uses *uses = &current->uses;
	bool kicked;

	guard(raw_spinlock)(&uses->lock);
	if (uses->awaited & bit) {
		struct zap_waiter *waiter = uses->waiter;

		uses->awaited &= ~bit;
		if (!uses->awaited)
			uses->waiter = NULL;
		/* It is on the stack of the one who waits, until complete(). */
		if (atomic_dec_and_test(&waiter->pending))
			complete(&waiter->left);
	}
	kicked = uses->kicked & bit;
	WRITE_ONCE(uses->kicked, uses->kicked & ~bit);
	/* User workers rely on theirs; kernel threads got none. */
	if (kicked && !uses->kicked &&
	    !(current->flags & (PF_KTHREAD | PF_USER_WORKER))) {
		clear_notify_signal();
		/* The barrier in there pairs with task_work_add()'s cmpxchg. */
		if (task_work_pending(current))
			set_notify_signal(current);
	}
	return kicked;
}

/*
 * Does the task sleep on, or is about to, in a method that has been kicked?  For
 * those who end a sleep for a signal, only to begin it again: there is none.
 */
bool revoke_kicked(const struct task_struct *task)
{
	return READ_ONCE(task->uses.kicked);
}

/*
 * Reports
 */

#define REPORTS_AT_ONCE		12
#define REPORTS_PER_FILE	3

struct report {
	const struct revoke	*rv;	/* to be compared */
	char			comm[TASK_COMM_LEN];
	pid_t			pid;
	const char		*what;
	unsigned int		secs;
};

struct reports {
	const struct revokable	*r;
	unsigned int		n;
	struct report		report[REPORTS_AT_ONCE];
};

/* In jiffies */
unsigned int report_after(void)
{
#ifdef CONFIG_DETECT_HUNG_TASK
	if (sysctl_hung_task_timeout_secs)
		return sysctl_hung_task_timeout_secs * HZ;
#endif
	return 120 * HZ;
}

static bool overdue(const struct revoke *rv)
{
	u64 state = revoke_state(rv);

	return !(state & (REVOKE_REPORTED | REVOKE_GONE)) &&
	       state & (REVOKE_REVOKED | REVOKE_SUSPENDED | REVOKE_CLOSED) &&
	       (int)((unsigned int)jiffies - rv->since) > (int)report_after();
}

static unsigned int reported(const struct reports *reports,
			     const struct revoke *rv)
{
	unsigned int i, n = 0;

	for (i = 0; i < reports->n; i++)
		n += reports->report[i].rv == rv;
	return n;
}

static void collect(struct task_struct *task, void *arg)
{
	struct reports *reports = arg;
	const struct use_kind *kind;
	struct report *report;
	struct revoke *rv;
	int i;

	for (i = 0; i < REVOKE_NAMES; i++) {
		rv = name_read(task, i, &kind);
		if (!rv || !revoke_belongs_to(rv, reports->r) || !overdue(rv) ||
		    reports->n == REPORTS_AT_ONCE ||
		    reported(reports, rv) == REPORTS_PER_FILE)
			continue;
		/* That was about another file if the name has gone: revoke_cache. */
		smp_rmb();
		if (!still_inside(task, i, (unsigned long)rv, kind))
			continue;
		report = &reports->report[reports->n++];
		report->rv = rv;
		report->pid = task_pid_nr(task);
		report->what = kind->name;
		report->secs = ((unsigned int)jiffies - rv->since) / HZ;
		get_task_comm(report->comm, task);
	}
}

/* The names have been taken, and are going to be printed. */
static void mark_reported(struct task_struct *task, void *arg)
{
	const struct use_kind *kind;
	struct revoke *rv;
	int i;

	for (i = 0; i < REVOKE_NAMES; i++) {
		rv = name_read(task, i, &kind);
		if (rv && reported(arg, rv))
			atomic64_or(REVOKE_REPORTED, &rv->state);
	}
}

/* Nobody is inside any more; what is left is for ops->kick to end. */
static unsigned int requests_overdue(struct revokable *r, unsigned int *secs)
{
	struct revoke *rv;
	u64 state;

	guard(spinlock)(&r->lock);
	rv = list_first_entry_or_null(&r->leaving, struct revoke, node);
	if (!rv || !overdue(rv))
		return 0;
	state = revoke_state(rv);
	if (!(state & REVOKE_CLOSED) || state & REVOKE_USERS ||
	    !(state & REVOKE_LATE_USERS))
		return 0;
	atomic64_or(REVOKE_REPORTED, &rv->state);
	*secs = ((unsigned int)jiffies - rv->since) / HZ;
	return FIELD_GET(REVOKE_LATE_USERS, state);
}

/* Say, once for each file, who has not left it for too long. */
void revoke_report(struct revokable *r)
{
	unsigned int i, requests, secs;
	struct revokable *member;
	struct reports *reports;

	reports = kmalloc_obj(*reports, GFP_KERNEL | __GFP_NOWARN);
	if (!reports)
		return;
	reports->r = r;
	reports->n = 0;
	walk_threads(collect, reports);
	if (reports->n)
		walk_threads(mark_reported, reports);
	for (i = 0; i < reports->n; i++)
		pr_warn("revoke: %s:%d does not return from %s (%u s)\n",
			reports->report[i].comm, reports->report[i].pid,
			reports->report[i].what, reports->report[i].secs);
	kfree(reports);

	for_each_in_group(member, r) {
		requests = requests_overdue(member, &secs);
		if (requests)
			pr_warn("revoke: %u requests do not complete (%u s)\n",
				requests, secs);
	}
}

/* While files are leaving: repeat the kicks, and report who does not go. */
void revokable_watch(struct work_struct *work)
{
	struct revokable *r = container_of(to_delayed_work(work),
					   struct revokable, watch);
	struct revokable *member;
	bool leaving = false;

	revoke_kick(r);
	revoke_report(r);
	for_each_in_group(member, r) {
		guard(spinlock)(&member->lock);
		leaving |= !list_empty(&member->leaving);
	}
	/* The reference goes with it, unless another revoke was faster. */
	if (!leaving || !queue_delayed_work(revoke_wq, &r->watch, HZ))
		revokable_put(r);
}

void revoke_start_watch(struct revokable *r)
{
	revokable_get(r);
	if (!queue_delayed_work(revoke_wq, &r->watch, HZ))
		revokable_put(r);
}

/*
 * Two tasks may each be inside of a method of the file that the other one
 * revokes.  Where giving up the waiting does no harm, whoever sees it does so.
 * But who removes an object is going to free it, and must wait unless it is for
 * itself.
 *
 * @rv: what the caller would wait for; NULL: all of @r, or its children
 */
bool revoke_cannot_wait(struct revokable *r, struct revoke *rv, bool killable)
{
	const struct use_kind *kind;
	struct revoke *mine;
	bool paused, left;
	u64 state;
	int i;

	for (i = 0; i < REVOKE_NAMES; i++) {
		mine = name_read(current, i, &kind);
		if (!mine)
			continue;
		state = revoke_state(mine);
		left = state & REVOKE_REVOKED && !(kind->flags & USE_RELEASE);
		/* Whoever suspends may be inside of what the caller waits for. */
		paused = killable && state & REVOKE_SUSPENDED &&
			 kind->one == REVOKE_USER;
		if (!left && !paused && !(kind->flags & USE_RELEASE))
			continue;
		if (rv ? mine == rv : revoke_belongs_to(mine, r))
			return true;
		if (killable && (left || paused ||
				 wq_has_sleeper(&mine->r->wait) ||
				 wq_has_sleeper(__var_waitqueue(&mine->state))))
			return true;
	}
	/* It may be; but nothing is to be freed that is in use. */
	return killable && current->uses.unnamed;
}

/*
 * Inserters of page table entries
 */

static bool await(struct task_struct *task, int slot, unsigned long revoke,
		  const struct use_kind *kind, struct zap_waiter *waiter)
{
	struct task_uses *uses = &task->uses;

	guard(raw_spinlock)(&uses->lock);
	if (uses->waiter && uses->waiter != waiter)
		return false;
	if (uses->awaited & BIT(slot))
		return true;
	WRITE_ONCE(uses->awaited, uses->awaited | BIT(slot));
	/* As notify() */
	smp_mb();
	if (still_inside(task, slot, revoke, kind)) {
		uses->waiter = waiter;
		waiter->found = true;
		atomic_inc(&waiter->pending);
	} else {
		WRITE_ONCE(uses->awaited, uses->awaited & ~BIT(slot));
	}
	return true;
}

static void await_inserters(struct task_struct *task, void *arg)
{
	struct zap_waiter *waiter = arg;
	const struct use_kind *kind;
	struct revoke *rv;
	int i;

	for (i = 0; i < REVOKE_NAMES; i++) {
		rv = name_read(task, i, &kind);
		if (rv && rv->r == waiter->r && kind->flags & USE_INSERTS &&
		    !await(task, i, (unsigned long)rv, kind, waiter))
			waiter->busy = true;
	}
	if (READ_ONCE(task->uses.unnamed) &&
	    !await(task, REVOKE_NAMES, 0, NULL, waiter))
		waiter->busy = true;
}

/* Is the caller one of those who insert? */
static bool caller_inserts(const struct revokable *r)
{
	const struct use_kind *kind;
	struct revoke *rv;
	int i;

	for (i = 0; i < REVOKE_NAMES; i++) {
		rv = name_read(current, i, &kind);
		if (rv && rv->r == r && kind->flags & USE_INSERTS)
			return true;
	}
	return current->uses.unnamed;
}

/**
 * revokable_zap_range - take a part of the object out of all mappings
 * @r: the object
 * @start: where the part begins, in pages, as in vm_pgoff
 * @nr: how many pages; 0: all that follow
 *
 * The files stay as they are: a fault may bring the pages back.  So the driver
 * first changes what its ->mmap and faults go by, under a lock of theirs or
 * without, and calls this then.  Who is in one of them may have looked before
 * that, and is waited for.  Whoever comes later sees the change.  So, on return,
 * no page table entry leads to the part, except for those that have been allowed
 * to after the change.  Private copies have been taken, too.
 *
 * A method other than those that inserts entries into mappings of its own file
 * is not waited for: it could be asleep for good.
 *
 * As for unmap_mapping_range(), private mappings made by remap_pfn_range() are
 * where their PFN is.  If that is not their offset, only shared ones should be
 * allowed.
 *
 * Context: may sleep.  Not in ->mmap or a fault of the same object, where two
 *	callers would wait for each other.  The caller must hold no lock that
 *	->mmap or a fault of the object takes, nor any that is taken inside of
 *	an mmap_lock.
 */
void revokable_zap_range(struct revokable *r, pgoff_t start, pgoff_t nr)
{
	pgoff_t last = nr ? start + nr - 1 : ULONG_MAX;
	struct zap_waiter waiter = { .r = r, .pending = ATOMIC_INIT(1) };
	bool inside = revoke_caller_inside(r);

	might_sleep();
	if (last < start)
		last = ULONG_MAX;

	init_completion(&waiter.left);
	/*
	 * Between what the driver has changed and the look at the names; on the
	 * other side is the increment after name_take().
	 */
	smp_mb();
	walk_threads(await_inserters, &waiter);
	/* Access ends now, also if the wait takes long. */
	revoke_zap_pages(r, start, last);
	while (waiter.busy) {
		waiter.found = true;
		schedule_timeout_uninterruptible(1);
		waiter.busy = false;
		walk_threads(await_inserters, &waiter);
	}

	WARN_ON_ONCE(caller_inserts(r));
	/* To lockdep, who is in another method would wait for that. */
	if (!inside)
		drain_acquire(r);
	if (!atomic_dec_and_test(&waiter.pending))
		wait_for_completion(&waiter.left);
	/*
	 * Those that the walk has not found had left before the first zap.  One
	 * that it has found may have left by now, but not before that zap.
	 */
	if (waiter.found)
		revoke_zap_pages(r, start, last);
	if (!inside)
		drain_release(r);
}
EXPORT_SYMBOL_GPL(revokable_zap_range);
