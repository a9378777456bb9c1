// SPDX-License-Identifier: GPL-2.0
/*
 * Uses: who is inside of a method of a revokable file.
 *
 * A use is a count in the file and a name in the task.  Correctness hangs on
 * the count alone, which shares a word with the flags that refuse it.  Names are
 * for kicks and reports (fs/revoke/watch.c), and tell a task where it is itself.
 *
 * Enter	Store the name, then increment by cmpxchg, unless a flag refuses.
 *		Nobody increments and takes it back: zero would come twice.
 * Leave	Clear the name, then decrement.
 * Revoke	Set REVOKED and take a count, in one step: revoke_mark().  Drop it
 *		when page tables have been zapped and sleepers been kicked.
 *
 * So there is one rule for who goes on: the decrement that finds REVOKED, and no
 * user left, sets CLOSED in the same step.  And then the one that finds CLOSED
 * and no count at all goes on to ->release.  Either happens once, as both flags
 * refuse whoever could increment again.
 *
 * All of these are fully ordered atomic operations on one word.  The pairs:
 *
 * enter, revoke	Whichever is second sees the other: the user is refused, or
 *			the revoke does not get to zero without it.
 * leave, revoke	What a user has done, say a page table entry that it has
 *			inserted, is before its decrement.  If REVOKED was not in
 *			the word then, the zap, which comes after REVOKED, finds it.
 *			Otherwise its count goes to the zap work instead: see
 *			hand_over().
 * leave, suspend	Who finds SUSPENDED wakes the suspender, which looks at the
 *			count after it has begun to wait.  The count may have kept
 *			the object, so this is inside of RCU.
 * leave, kick		The name is cleared, and the count dropped, or handed over
 *			by queue_work(), before @kicked is tested.  Who kicks sets
 *			that before it looks at the name once more.  So either the
 *			kick is taken back, or the notification is cleared by the
 *			leaver: none remains.
 * fork			A child starts with no name, and is not counted.
 * exec, exit		Neither is done inside of a method.
 * oops			The dying task leaves: revoke_oopsed().
 * workers		Those of io_uring, and kernel threads, are tasks like others.
 */
#include <linux/file.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "internal.h"

#ifdef CONFIG_DEBUG_LOCK_ALLOC
void drain_acquire(struct revokable *r)
{
	rwsem_acquire(&r->dep_map, 0, 0, _RET_IP_);
}

void drain_release(struct revokable *r)
{
	rwsem_release(&r->dep_map, _RET_IP_);
}
#else
void drain_acquire(struct revokable *r) { }
void drain_release(struct revokable *r) { }
#endif

/*
 * Names
 */

/* The name's place, or -1: there are too many. */
int name_take(unsigned long revoke, const struct use_kind *kind)
{
	struct task_uses *uses = &current->uses;
	int i;

	for (i = 0; i < REVOKE_NAMES; i++) {
		struct revoke_name *name = &uses->name[i];

		if (name->revoke)
			continue;
		WRITE_ONCE(name->kind, kind);
		/* Pairs with name_read(), and kick_gate(). */
		smp_store_release(&name->revoke, revoke);
		return i;
	}
	WRITE_ONCE(uses->unnamed, uses->unnamed + 1);
	return -1;
}

void name_drop(int slot)
{
	struct task_uses *uses = &current->uses;

	if (slot >= 0)
		WRITE_ONCE(uses->name[slot].revoke, 0);
	else
		WRITE_ONCE(uses->unnamed, uses->unnamed - 1);
}

/* The caller has left: was it told to?  Then there was no signal. */
unsigned int name_kicked(int slot)
{
	struct task_uses *uses = &current->uses;
	unsigned int bit;

	if (likely(!READ_ONCE(uses->attention)))
		return 0;
	/* There may be more unnamed ones to come. */
	if (slot < 0 && uses->unnamed)
		return 0;
	bit = BIT(slot < 0 ? REVOKE_NAMES : slot);
	return revoke_unkick(bit) ? LEFT_KICKED : 0;
}

/* The caller was not let in. */
void name_undo(int slot)
{
	name_drop(slot);
	/* As the decrement in revoke_leave(), against a kick. */
	smp_mb();
	name_kicked(slot);
}

/*
 * Is the caller inside of a method of the object, or, if it is NULL, of any?
 * Without a name for it, it may be.
 */
bool revoke_caller_inside(const struct revokable *r)
{
	const struct use_kind *kind;
	struct revoke *rv;
	int i;

	for (i = 0; i < REVOKE_NAMES; i++) {
		rv = name_read(current, i, &kind);
		if (rv && (!r || revoke_belongs_to(rv, r)))
			return true;
	}
	return current->uses.unnamed;
}

/* Would a suspend of the object wait for the caller to leave? */
static bool suspend_waits_for_caller(const struct revokable *r)
{
	const struct use_kind *kind;
	struct revoke *rv;
	int i;

	for (i = 0; i < REVOKE_NAMES; i++) {
		rv = name_read(current, i, &kind);
		if (rv && rv->r == r && !(kind->flags & USE_RELEASE) &&
		    kind->one == REVOKE_USER)
			return true;
	}
	return false;
}

/*
 * Counts
 */

static bool count_enter(struct revoke *rv, u64 one, u64 refused_by)
{
	u64 state = revoke_state(rv);

	do {
		if (unlikely(state & refused_by))
			return false;
	} while (!atomic64_try_cmpxchg(&rv->state, &state, state + one));
	return true;
}

/*
 * The counts are @counts less.  True if those were the last: then the caller
 * goes on, now or by revoke_queue_last().  Else the file may be gone already.
 *
 * Requests may have been started after the kick, so with the last user gone
 * they are told once more: by a work, which takes a count.
 *
 * Context: any.
 */
bool revoke_drop(struct revoke *rv, u64 counts)
{
	struct revokable *r = rv->r;
	u64 state, old = revoke_state(rv);
	bool told;

	guard(rcu)();
	do {
		state = old - counts;
		told = false;
		if (!(state & REVOKE_USERS))
			state &= ~REVOKE_PAUSING;
		if ((state & (REVOKE_REVOKED | REVOKE_CLOSED)) ==
		    REVOKE_REVOKED && !(state & REVOKE_USERS)) {
			state |= REVOKE_CLOSED;
			told = state & REVOKE_LATE_USERS &&
			       r->flags & REVOKABLE_ASYNC;
			if (told)
				state += REVOKE_LATE_USER;
		}
	} while (!atomic64_try_cmpxchg(&rv->state, &old, state));

	if (told)
		revoke_queue_last(rv);
	if (old & REVOKE_PAUSING && !(state & REVOKE_PAUSING))
		atomic_dec(&r->pausing);
	if (state & REVOKE_SUSPENDED)
		wake_up_all(&r->wait);
	return state & REVOKE_CLOSED && !(state & REVOKE_INSIDE);
}

/* As revoke_drop(), for those who cannot go on themselves. */
void revoke_drop_async(struct revoke *rv, u64 counts)
{
	if (revoke_drop(rv, counts))
		revoke_queue_last(rv);
}

/*
 * What has been inserted in here must not stay until the last one leaves, which
 * may be never.  All those who leave meanwhile share one zap, which gives their
 * counts back.
 */
static bool hand_over(struct revoke *rv, u64 one)
{
	u64 mapped = REVOKE_REVOKED | REVOKE_MAPPED;

	/* REVOKED after this: then the zap is, too. */
	if (one != REVOKE_USER || (revoke_state(rv) & mapped) != mapped)
		return false;
	revoke_zap_later(rv);
	return true;
}

/* The decrement is not the same for all. */
static noinline unsigned int count_leave(struct revoke *rv, u64 one)
{
	unsigned int left;

	left = revoke_state(rv) & REVOKE_SUSPENDED ? LEFT_SUSPENDED : 0;
	if (!hand_over(rv, one))
		revoke_drop_async(rv, one);
	return left;
}

/*
 * Entering and leaving
 */

static bool use_enter(struct revoke *rv, const struct use_kind *kind,
		      struct file_use *use, u64 refused_by)
{
	int slot = name_take((unsigned long)rv, kind);

	if (unlikely(!count_enter(rv, kind->one, refused_by))) {
		name_undo(slot);
		use->revoke = NULL;
		return false;
	}
	use->revoke = rv;
	use->kind = kind;
	use->slot = slot;
	use_acquire(rv);
	return true;
}

/*
 * Begin a use.  The caller has a reference to the file.
 *
 * Context: process context, does not sleep.
 */
bool revoke_enter(struct revoke *rv, const struct use_kind *kind,
		  struct file_use *use)
{
	return use_enter(rv, kind, use, kind->refused_by);
}

/*
 * A suspend waits for who is inside of a method, so what that calls in turn, be
 * it another method or a fault, has to be let in.  It cannot outlast the use
 * that is waited for; whatever it inserts is zapped after that.
 */
bool revoke_enter_or_nested(struct revoke *rv, const struct use_kind *kind,
			    struct file_use *use)
{
	if (likely(revoke_enter(rv, kind, use)))
		return true;
	return revoke_state(rv) & REVOKE_SUSPENDED &&
	       suspend_waits_for_caller(rv->r) &&
	       use_enter(rv, kind, use, REVOKE_REVOKED | REVOKE_CLOSED);
}

/* It has stepped out, and not got in again. */
unsigned int leave_broken(struct revoke_name *name)
{
	module_put((struct module *)(name->revoke & ~NAME_BROKEN));
	WRITE_ONCE(name->revoke, 0);
	return 0;
}

/* The name has been cleared. */
unsigned int leave_slowly(struct revoke *rv, u64 one, int slot)
{
	u64 state = revoke_state(rv);
	unsigned int left = 0;

	do {
		if (unlikely(state & REVOKE_ATTENTION)) {
			left = count_leave(rv, one);
			break;
		}
	} while (!atomic64_try_cmpxchg(&rv->state, &state, state - one));
	return left | name_kicked(slot);
}

/*
 * End a use.  The file may be gone when this returns.
 *
 * Context: the task that has begun it, process context; does not sleep.
 */
unsigned int revoke_leave(struct file_use *use)
{
	struct revoke_name *name;

	if (likely(use->slot >= 0)) {
		name = &current->uses.name[use->slot];
		if (unlikely(name->revoke & NAME_BROKEN))
			return leave_broken(name);
	}
	use_release(use->revoke);
	name_drop(use->slot);
	return leave_slowly(use->revoke, use->kind->one, use->slot);
}

/*
 * Whoever runs ->release is inside as well: for those who wait for it, for the
 * report, for lockdep, and should it come here itself.  It is not counted, and
 * not kicked, as what it does has to be done.
 */
void revoke_release_begin(struct revoke *rv, struct file_use *use)
{
	use->revoke = rv;
	use->kind = USE_KIND("release", USE_RELEASE);
	use->slot = name_take((unsigned long)rv, use->kind);
	use_acquire(rv);
}

void revoke_release_end(struct file_use *use)
{
	use_release(use->revoke);
	name_undo(use->slot);
}

/*
 * A request under way has a count of its own, from before the call of the
 * method to its end by whomever.  @use may be ended before.
 */
void revoke_async_begin(struct file_use *use)
{
	atomic64_add(REVOKE_LATE_USER, &use->revoke->state);
	if (use->slot >= 0)
		current->uses.async |= BIT(use->slot);
}

/* Who has stepped out, and not got in again, has given the count back. */
void revoke_async_returns(struct file_use *use, bool queued)
{
	struct task_uses *uses = &current->uses;

	if (use->slot >= 0) {
		uses->async &= ~BIT(use->slot);
		if (uses->name[use->slot].revoke & NAME_BROKEN) {
			WARN_ON_ONCE(queued);
			return;
		}
	}
	if (!queued)
		revoke_drop_async(use->revoke, REVOKE_LATE_USER);
}

/*
 * The oops of a task that is inside of methods.  It does not return from them,
 * so what they hold, they hold for ever: nothing is to be freed under it.  But
 * others must not wait for it.
 *
 * Context: the task, which is about to exit.
 */
void revoke_oopsed(void)
{
	struct task_uses *uses = &current->uses;
	const struct use_kind *kind;
	struct revoke *rv;
	int i;

	for (i = REVOKE_NAMES - 1; i >= 0; i--) {
		if (revoke_gate_oopsed(i))
			continue;
		rv = name_read(current, i, &kind);
		if (!rv)
			continue;
		pr_alert("revoke: %s:%d does not return from %s, which is left as it is\n",
			 current->comm, task_pid_nr(current), kind->name);
		atomic64_or(REVOKE_OOPSED, &rv->state);
		use_release(rv);
		name_drop(i);
		if (uses->async & BIT(i))
			revoke_drop_async(rv, REVOKE_LATE_USER);
		if (kind->flags & USE_RELEASE)
			revoke_release_oopsed(rv);
		else
			count_leave(rv, kind->one);
		/* As the decrement in revoke_leave(). */
		smp_mb();
		name_kicked(i);
	}
}

/**
 * __start_using - start_using() for a file that is known to be revokable
 * @file: the file
 * @use: a record on the caller's stack
 *
 * Context: process context, does not sleep.
 * Return: false if the file has been revoked, or is suspended.  Then there is
 *	nothing to stop.
 */
bool __start_using(struct file *file, struct file_use *use)
{
	return revoke_enter_or_nested(file->f_revoke,
				      USE_KIND("start_using", 0), use);
}
EXPORT_SYMBOL_GPL(__start_using);

/**
 * __stop_using - stop_using() for a use that is known to be one
 * @use: the record
 *
 * Context: the task that started the use, process context.
 */
void __stop_using(struct file_use *use)
{
	revoke_leave(use);
}
EXPORT_SYMBOL_GPL(__stop_using);

/**
 * break_using - step out of the file whose method is running
 * @file: the file
 * @brk: on the caller's stack, for unbreak_using()
 *
 * For a method that has to wait for somebody who revokes its file: it removes
 * the object itself, or takes a lock that is held by who does.  Until
 * unbreak_using() the caller is not inside, of none of its uses of @file, and
 * must not touch what ->release frees.  Its module stays.
 *
 * Context: a method of @file other than ->open and ->release, where this does
 *	nothing, or start_using(); process context, does not sleep.
 */
void break_using(struct file *file, struct file_break *brk)
{
	struct task_uses *uses = &current->uses;
	struct revoke *rv = file_is_revokable(file) ? file->f_revoke : NULL;
	const struct use_kind *kind;
	struct module *owner;
	int i;

	brk->revoke = rv;
	brk->slots = 0;
	if (!rv)
		return;

	/* Only while it is in use can they be looked at. */
	owner = file_real_fops(file)->owner;
	for (i = 0; i < REVOKE_NAMES; i++) {
		if (name_read(current, i, &kind) != rv ||
		    kind->flags & USE_RELEASE || kind == revoke_open_kind)
			continue;
		/*
		 * The name's place stays taken: the end of this use has to be
		 * told from that of another one.
		 */
		__module_get(owner);
		WRITE_ONCE(uses->name[i].revoke,
			   (unsigned long)owner | NAME_BROKEN);
		brk->slots |= BIT(i);
	}
	/* From the last one on, the file can be released. */
	for (i = 0; i < REVOKE_NAMES; i++) {
		if (!(brk->slots & BIT(i)))
			continue;
		use_release(rv);
		/* A request that is not queued yet, and will not be from outside */
		if (uses->async & BIT(i))
			revoke_drop_async(rv, REVOKE_LATE_USER);
		count_leave(rv, uses->name[i].kind->one);
		name_kicked(i);
	}
}
EXPORT_SYMBOL_GPL(break_using);

static bool use_reenter(struct revoke *rv, int slot)
{
	struct revoke_name *name = &current->uses.name[slot];
	const struct use_kind *kind = name->kind;
	unsigned long broken = name->revoke;
	u64 refused_by = kind->refused_by;

	if (suspend_waits_for_caller(rv->r))
		refused_by &= ~REVOKE_SUSPENDED;

	/* Pairs with name_read(). */
	smp_store_release(&name->revoke, (unsigned long)rv);
	if (count_enter(rv, kind->one, refused_by)) {
		use_acquire(rv);
		if (current->uses.async & BIT(slot))
			atomic64_add(REVOKE_LATE_USER, &rv->state);
		module_put((struct module *)(broken & ~NAME_BROKEN));
		return true;
	}
	WRITE_ONCE(name->revoke, broken);
	/* As the decrement in revoke_leave(). */
	smp_mb();
	name_kicked(slot);
	return false;
}

/**
 * unbreak_using - step back in
 * @brk: as break_using() has left it
 *
 * If the file is suspended, this waits for it to be resumed, so the caller must
 * not hold a lock that is needed for that.
 *
 * ->mmap and ->fault, which hold one, do not wait but fail.
 *
 * Context: the task that called break_using(); process context, may sleep.
 * Return: whether the file is still there, and the caller not killed.  If not,
 *	the method has to fail, without touching what ->release frees: what it
 *	has set up, say a page table entry, nobody will take away.
 */
bool unbreak_using(struct file_break *brk)
{
	struct revoke *rv = brk->revoke;
	int i;

	for (i = 0; i < REVOKE_NAMES; i++) {
		if (!(brk->slots & BIT(i)))
			continue;
		while (!use_reenter(rv, i)) {
			/* With USE_INSERTS, an mmap_lock may be held. */
			if (revoke_state(rv) & (REVOKE_REVOKED | REVOKE_CLOSED) ||
			    current->uses.name[i].kind->flags & USE_INSERTS ||
			    wait_event_killable(rv->r->resumed,
						!(revoke_state(rv) &
						  REVOKE_SUSPENDED)))
				return false;
		}
	}
	return true;
}
EXPORT_SYMBOL_GPL(unbreak_using);

/*
 * What a copy was worth: if the caller did not get in again, it is as if the
 * method had been woken, and what that returns is replaced.
 */
static int use_copied(struct file_break *brk, unsigned long left)
{
	if (!unbreak_using(brk))
		return -ERESTARTSYS;
	return left ? -EFAULT : 0;
}

/**
 * use_copy_to_user - copy_to_user() that holds up no revoke
 * @file: the file whose method is running
 * @to: where, in user space
 * @from: what; not to be freed by ->release, as on the caller's stack
 * @n: how many bytes
 *
 * User space decides how long a page fault takes: a server of FUSE or userfaultfd
 * may never answer.  So if there is one, it is taken outside of the use of the
 * file, see break_using().
 *
 * Context: as break_using(); may sleep.  The caller must hold no lock.
 * Return: 0; -EFAULT; or another error, with which the method has to return at
 *	once: the file may be gone, and must not be touched.
 */
int use_copy_to_user(struct file *file, void __user *to, const void *from,
		     size_t n)
{
	struct file_break brk;

	if (!copy_to_user_nofault(to, from, n))
		return 0;
	break_using(file, &brk);
	return use_copied(&brk, copy_to_user(to, from, n));
}
EXPORT_SYMBOL_GPL(use_copy_to_user);

/**
 * use_copy_from_user - copy_from_user() that holds up no revoke
 * @file: the file whose method is running
 * @to: where to; not to be freed by ->release
 * @from: what, in user space
 * @n: how many bytes
 *
 * See use_copy_to_user().
 *
 * Context: as break_using(); may sleep.  The caller must hold no lock.
 * Return: as use_copy_to_user().
 */
int use_copy_from_user(struct file *file, void *to, const void __user *from,
		       size_t n)
{
	struct file_break brk;

	if (!copy_from_user_nofault(to, from, n))
		return 0;
	break_using(file, &brk);
	return use_copied(&brk, copy_from_user(to, from, n));
}
EXPORT_SYMBOL_GPL(use_copy_from_user);
