// SPDX-License-Identifier: GPL-2.0
/*
 * Suspending: nobody uses an object for a while.
 *
 * A suspend sets SUSPENDED in each file, which refuses new uses, zaps, kicks, and
 * waits until no file has PAUSING any more: the last user takes that away.  What
 * is let in meanwhile is called by a use that is still counted.  Then it zaps once
 * more, what those who were inside have inserted.
 *
 * A revoke takes SUSPENDED away, and counts the same uses: none of the two has
 * to know of the other.
 */
#include <linux/file.h>
#include <linux/sched/signal.h>

#include "internal.h"

/**
 * file_suspended - is this file suspended?
 * @file: the file
 *
 * True from the moment on at which methods are put off.  For the wait
 * conditions of drivers: a method that sees this should return -ERESTARTSYS,
 * and is called again.  Who is not a kernel thread, and sleeps interruptibly,
 * need not look.
 *
 * Context: any, with a reference to @file or from one of its methods.
 * Return: true if it is.
 */
bool file_suspended(const struct file *file)
{
	return file_is_revokable(file) &&
	       revoke_state(file->f_revoke) & REVOKE_SUSPENDED;
}
EXPORT_SYMBOL_GPL(file_suspended);

/*
 * Those who are put off
 */

/* Until resumed, or revoked: with an error, it is not to be waited for. */
int may_await_resume(const struct file *file, bool nowait)
{
	if (nowait || file->f_flags & O_NONBLOCK)
		return -EAGAIN;
	/* Whoever resumes this object may be waiting for the caller to leave another. */
	if (current->flags & PF_EXITING || revoke_caller_inside(NULL))
		return -EAGAIN;
	/* Nor for the lock that faults and munmap(2) have to wait for. */
	if (current->mm)
		lockdep_assert_not_held(&current->mm->mmap_lock);
	return 0;
}

/* 0: it is not suspended any more; else an error for the caller */
static int revoke_await_resume(struct file *file, bool nowait)
{
	struct revoke *rv = file->f_revoke;

	return may_await_resume(file, nowait) ?:
	       wait_event_interruptible(rv->r->resumed, !file_suspended(file));
}

/* 0: the use has started; USE_REVOKED; or an error. */
int start_using_or_wait(struct file *file, struct file_use *use,
			const struct use_kind *kind, bool nowait)
{
	while (unlikely(!revoke_enter_or_nested(file->f_revoke, kind, use))) {
		int ret;

		if (file_revoked(file))
			return USE_REVOKED;
		ret = revoke_await_resume(file, nowait);
		if (ret)
			return ret;
	}
	return 0;
}

/*
 * The same without a record.  A value that is neither an error nor USE_REVOKED
 * is for use_end_slowly().
 */
int use_begin_slowly(struct file *file, const struct use_kind *kind, bool nowait)
{
	struct file_use use;
	int ret = start_using_or_wait(file, &use, kind, nowait);

	BUILD_BUG_ON(REVOKE_NAMES + 1 > USE_REVOKED);
	return ret ?: use.slot + 1;
}

/*
 * Has a method been woken for a revoke or a suspend?  There was no signal, so
 * none is to be seen.  It is called again only if it says that it can be: -EINTR
 * means that something has happened already.
 */
int use_interrupted(struct file *file, unsigned int left, s64 ret, bool repeats)
{
	if (file_revoked(file))
		return USE_REVOKED;
	if (!left || ret == -EINTR)
		return 0;
	/*
	 * It was a signal as well; or what has called this method has been told
	 * to leave, too, and would have to wait for the next call to be woken.
	 */
	if (task_sigpending(current) ||
	    (repeats && revoke_caller_inside(file->f_revoke->r)))
		return 0;
	return USE_AGAIN;
}

/*
 * After a method that has returned @ret.  Again: when it is resumed, by the
 * caller if that @repeats the call, else by somebody further up.
 */
int stop_using_after(struct file *file, struct file_use *use, s64 ret,
		     bool repeats)
{
	unsigned int left = revoke_leave(use);

	if (likely(!revoke_interrupted(ret)))
		return 0;
	return use_interrupted(file, left, ret, repeats);
}

int use_end_slowly(struct file *file, const struct use_kind *kind, int slot,
		   s64 ret)
{
	struct file_use use = {
		.revoke	= file->f_revoke,
		.kind	= kind,
		.slot	= slot - 1,
	};

	return stop_using_after(file, &use, ret, true);
}

/* ->mmap has failed.  With the mmap_lock held, it does not wait to be repeated. */
int revoke_leave_mmap(struct file *file, struct file_use *use, int error)
{
	int ret = stop_using_after(file, use, error, false);

	use->revoke = NULL;
	if (ret == USE_REVOKED)
		return revoked_result(file, file->f_revoke->r->policy.mmap_error);
	return ret == USE_AGAIN ? -EAGAIN : error;
}

/* mmap(2), before it takes the mmap_lock.  If a suspend comes later, it fails. */
int __revokable_mmap_wait(struct file *file)
{
	return file_suspended(file) ? revoke_await_resume(file, false) : 0;
}

/*
 * For a page fault that has dropped its lock, with a reference to its revoke.
 * It is repeated, whatever was the reason to wake up.
 */
void revoke_await_resume_fault(struct revoke *rv, unsigned int state)
{
	DEFINE_WAIT(wait);

	prepare_to_wait(&rv->r->resumed, &wait, state);
	if (revoke_state(rv) & REVOKE_SUSPENDED)
		schedule();
	finish_wait(&rv->r->resumed, &wait);
	revoke_put(rv);
}

/*
 * Somebody has polled, and was not let in.  Returns whether there will be a
 * wake-up; if not, have another look.
 */
bool revoke_poll_later(struct revoke *rv, bool queued)
{
	struct revoke_pollers *pollers = READ_ONCE(rv->pollers);
	struct revokable *r = rv->r;

	guard(spinlock)(&r->lock);
	if (!(revoke_state(rv) & REVOKE_SUSPENDED))
		return false;
	/* Nobody has ever waited. */
	if (!pollers)
		return true;
	if (queued)
		WRITE_ONCE(pollers->relays_due, true);
	if (list_empty(&pollers->again))
		list_add_tail(&pollers->again, &r->poll_again);
	return true;
}

/*
 * Suspend and resume
 */

#define SUSPEND_BUSY	1

static int suspend_begin(struct revokable *r)
{
	guard(spinlock)(&r->lock);
	if (r->state == REVOKABLE_DEAD)
		return r->policy.error;
	if (r->changing)
		return SUSPEND_BUSY;
	r->changing = true;
	r->suspended++;
	/* What is opened from now on has to wait. */
	WRITE_ONCE(r->state, REVOKABLE_SUSPENDED);
	return 0;
}

/* With r->walk, so that nobody else gives files another one */
static u64 last_ticket(struct revokable *r)
{
	lockdep_assert_held(&r->walk);
	guard(spinlock)(&r->lock);
	return r->ticket;
}

/*
 * The next file that is open since before @ticket.  With a reference; it is not
 * found again.
 */
static struct revoke *next_file(struct revokable *r, u64 ticket)
{
	struct revoke *rv;

	lockdep_assert_held(&r->walk);
	guard(spinlock)(&r->lock);
	rv = list_first_entry_or_null(&r->files, struct revoke, node);
	if (!rv || rv->ticket > ticket)
		return NULL;
	rv->ticket = ++r->ticket;
	list_move_tail(&rv->node, &r->files);
	kref_get(&rv->ref);
	return rv;
}

/* Returns what it was before; nothing if somebody else has got it. */
static u64 file_suspend(struct revoke *rv)
{
	u64 suspended, state = revoke_state(rv);

	/* Before it can be looked at, which is for the report. */
	rv->since = jiffies;
	do {
		if (state & (REVOKE_REVOKED | REVOKE_CLOSED)) {
			revoke_await_closing(rv);
			return 0;
		}
		suspended = state | REVOKE_SUSPENDED;
		if (state & REVOKE_USERS)
			suspended |= REVOKE_PAUSING;
	} while (!atomic64_try_cmpxchg(&rv->state, &state, suspended));
	if ((suspended ^ state) & REVOKE_PAUSING)
		atomic_inc(&rv->r->pausing);
	return state;
}

/* Returns whether somebody is inside. */
static bool files_suspend(struct revokable *r)
{
	struct revoke *rv;
	bool used = false;
	u64 ticket;

	guard(mutex)(&r->walk);
	ticket = last_ticket(r);
	while ((rv = next_file(r, ticket))) {
		used |= !!(file_suspend(rv) & REVOKE_USERS);
		revoke_put(rv);
		cond_resched();
	}
	return used;
}

static void files_resume(struct revokable *r)
{
	struct revoke *rv;
	u64 ticket;

	guard(mutex)(&r->walk);
	ticket = last_ticket(r);
	while ((rv = next_file(r, ticket))) {
		atomic64_andnot(REVOKE_SUSPENDED | REVOKE_REPORTED, &rv->state);
		revoke_put(rv);
		cond_resched();
	}
}

/* A task may go to sleep after the kick, so it is repeated. */
static void await_users(struct revokable *r)
{
	u64 ticket;

	while (!wait_event_timeout(r->wait, !atomic_read(&r->pausing), HZ)) {
		revoke_kick(r);
		revoke_report(r);
	}
	/* And those that are on their way out. */
	scoped_guard(spinlock, &r->lock)
		ticket = r->ticket;
	revoke_wait(r, ticket, NULL, false);
}

/* Pollers look again; with no events given, all of them. */
static void revokable_poll_again(struct revokable *r)
{
	struct revoke_pollers *pollers;
	LIST_HEAD(again);

	scoped_guard(spinlock, &r->lock)
		list_splice_init(&r->poll_again, &again);
	for (;;) {
		guard(rcu)();
		scoped_guard(spinlock, &r->lock) {
			pollers = list_first_entry_or_null(&again,
							   struct revoke_pollers,
							   again);
			if (!pollers)
				return;
			list_del_init(&pollers->again);
		}
		/* Off the list, RCU keeps it. */
		wake_up_all(&pollers->wait);
	}
}

/* The object is not suspended any more; the caller has r->changing. */
static void give_back(struct revokable *r)
{
	scoped_guard(spinlock, &r->lock) {
		if (r->state == REVOKABLE_SUSPENDED)
			WRITE_ONCE(r->state, REVOKABLE_LIVE);
	}
	/*
	 * Whoever finds a file without the flag also finds what the caller has
	 * done until now.
	 */
	files_resume(r);
	scoped_guard(spinlock, &r->lock)
		r->changing = false;
	wake_up_all(&r->resumed);
	revokable_poll_again(r);
}

/* Somebody may have resumed it meanwhile. */
static void suspend_end(struct revokable *r)
{
	bool suspended;

	scoped_guard(spinlock, &r->lock) {
		suspended = r->suspended;
		if (suspended)
			r->changing = false;
	}
	if (suspended)
		wake_up_all(&r->resumed);
	else
		give_back(r);
}

/**
 * revokable_suspend - let nobody use an object for a while
 * @r: the object
 *
 * When this returns 0, and until revokable_resume(), no method runs for any
 * file of the object, except for those that cannot be put off: ->flush,
 * ->release, ->fasync, and ->open and ->close of vm_ops.  These the driver keeps
 * from the hardware itself.  Requests that methods have left behind are its own
 * business, too.
 *
 * Other calls wait, or fail, see struct revokable_policy.  Who sleeps in a
 * method is woken as by a revoke, and called again after the resume if the
 * method returns -ERESTARTSYS; ops->kick is not called.  Access through
 * mappings ends at once.  Waits without limit for tasks inside of methods, as
 * revoke_it() does.
 *
 * Suspends nest; each has to be undone by a revokable_resume(), by whomever.
 * revokable_suspend() of an object that is being suspended waits for that.
 *
 * Context: may sleep.  The caller must hold no lock that a method or ->release
 *	of the object takes, nor any that is taken inside of an mmap_lock.
 * Return: 0; policy.error if the object is dead; -EDEADLK, with a warning, if the
 *	caller is inside of one of its methods, and would be waiting for itself.
 */
int revokable_suspend(struct revokable *r)
{
	bool used;
	int ret;

	might_sleep();
	if (WARN_ON_ONCE(revoke_caller_inside(r)))
		return -EDEADLK;
	wait_event(r->resumed, (ret = suspend_begin(r)) != SUSPEND_BUSY);
	if (ret)
		return ret;

	used = files_suspend(r);
	revoke_zap(r, REVOKE_SUSPENDED);
	if (used)
		revoke_kick(r);

	drain_acquire(r);
	await_users(r);
	drain_release(r);

	/* Those who were inside may have mapped a file, be it for the first time. */
	revoke_zap(r, REVOKE_SUSPENDED);
	suspend_end(r);
	return 0;
}
EXPORT_SYMBOL_GPL(revokable_suspend);

/**
 * revokable_resume - undo a revokable_suspend()
 * @r: the object; it may have been revoked meanwhile
 *
 * With the last one, calls that have been waiting go on.  What was mapped is
 * not: it is up to ->fault to bring it back.
 *
 * Context: may sleep; may be called from inside of a method.
 */
void revokable_resume(struct revokable *r)
{
	might_sleep();
	scoped_guard(spinlock, &r->lock) {
		if (WARN_ON_ONCE(!r->suspended) || --r->suspended)
			return;
		/* Whoever is suspending, or resuming, it sees that it is zero. */
		if (r->changing)
			return;
		r->changing = true;
	}
	give_back(r);
}
EXPORT_SYMBOL_GPL(revokable_resume);
