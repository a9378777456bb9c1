// SPDX-License-Identifier: GPL-2.0
/*
 * Revoke: taking open files away from whoever holds them.
 *
 *   (here)		open files, and the steps of a revoke
 *   object.c		objects, and groups of them
 *   use.c		who is inside of a method
 *   watch.c		waking those, and reporting who does not leave
 *   async.c		requests that methods have left behind
 *   suspend.c		letting nobody in for a while
 *   fops.c, poll.c	calling the methods of revokable files
 *   syscall.c		revokeat(2)
 *   mm/revoke.c	their mappings
 *
 * The steps of a revoke:
 *
 *   mark	REVOKED, and a count for the revoker: no method starts any more
 *   zap	no page table entry leads to the object
 *   wake	pollers, sleepers, and what only the driver can wake
 *   drop	the revoker's count; the last one to leave goes on
 *   close	CLOSED: no ->open and ->close of a VMA starts any more, either
 *   release	relays, locks and leases, and then ->release
 *   gone	the file has left its object, and is not touched any more
 *
 * Lock order: r->lock is inside of everything but wait queues, a child's outside
 * of its parent's.  A poller's lock, a driver's wait queue, the queue of the open
 * file (fs/revoke/poll.c).  None is held while calling out.
 */
#include <linux/cdev.h>
#include <linux/file.h>
#include <linux/filelock.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "internal.h"

/*
 * A ->release may take long, and must hold up neither zaps, kicks and reports
 * nor, as far as there are workers, others.  It may flush any work, so this is
 * not WQ_MEM_RECLAIM.
 */
static struct workqueue_struct *release_wq;
struct workqueue_struct *revoke_wq;

/*
 * Names lead to these without a reference.  What is looked at may have become
 * another open file, so the name is looked at once more before it counts.
 */
static struct kmem_cache *revoke_cache;

static const struct use_kind open_kind = {
	.name		= "open",
	.one		= use_one(0),
	.refused_by	= use_refused_by(0),
};

const struct use_kind *const revoke_open_kind = &open_kind;

/*
 * Open files
 */

static struct revoke *revoke_alloc(struct file *file, struct revokable *r)
{
	struct revoke *rv;

	rv = kmem_cache_alloc(revoke_cache, GFP_KERNEL);
	if (unlikely(!rv))
		return NULL;

	atomic64_set(&rv->state, REVOKE_OPENING);
	rv->file = file;
	kref_get(&r->ref);
	rv->r = r;
	kref_init(&rv->ref);
	rv->since = 0;
	rv->pollers = NULL;
	rv->maps = NULL;
	/* Unlike its number, never given to another one. */
	rv->opener = task_tgid(current)->ino;
	rv->cdev = NULL;
	rv->fasync_fd = -1;
	return rv;
}

static void revoke_free(struct kref *ref)
{
	struct revoke *rv = container_of(ref, struct revoke, ref);

	if (rv->maps)
		revoke_free_maps(rv);
	if (rv->pollers)
		/* epoll looks at the queue under RCU after the file has gone. */
		kfree_rcu(rv->pollers, rcu);
	revokable_put(rv->r);
	kmem_cache_free(revoke_cache, rv);
}

void revoke_put(struct revoke *rv)
{
	kref_put(&rv->ref, revoke_free);
}

static noinline void open_begin_slowly(struct revoke *rv)
{
	struct file_use use;

	revoke_enter(rv, &open_kind, &use);
}

/* Returns 0, an error, or USE_AGAIN if ->open has to wait. */
static __always_inline int revoke_try_attach(struct file *file,
					     struct revoke *rv)
{
	struct revokable *r = rv->r;

	guard(spinlock)(&r->lock);
	if (unlikely(r->state != REVOKABLE_LIVE))
		return r->state == REVOKABLE_DEAD ? r->policy.error : USE_AGAIN;
	/*
	 * Being inside comes before being found: a revoke waits for an ->open
	 * that it finds.
	 */
	if (unlikely(!use_begin(rv, &open_kind)))
		open_begin_slowly(rv);
	rv->ticket = ++r->ticket;
	list_add_tail(&rv->node, &r->files);
	file->f_revoke = rv;
	file->f_mode |= FMODE_REVOKABLE;
	return 0;
}

/* The object is suspended, or dead; with that, @rv is not needed any more. */
static noinline int revoke_attach_slowly(struct file *file, struct revoke *rv,
					 int ret)
{
	struct revokable *r = rv->r;

	while (ret == USE_AGAIN) {
		ret = may_await_resume(file, false) ?:
		      wait_event_interruptible(r->resumed,
					       READ_ONCE(r->state) !=
					       REVOKABLE_SUSPENDED);
		ret = ret ?: revoke_try_attach(file, rv);
	}
	if (ret)
		revoke_put(rv);
	return ret;
}

/**
 * make_revokable - let an object's revoke find a file that is being opened
 * @file: the file, in its ->open
 * @r: the object
 *
 * To be called as soon as ->open knows the object and before it uses it.  From
 * here to the return of ->open, successful or not, the object is in use: a
 * revoke waits, with file_revoked() being true.  If ->open fails there will
 * be no ->release, as for other files.
 *
 * Refused, with a warning, for what cannot be revoked: pipes, sockets,
 * directories, block devices, hugetlb files, and files with a ->lock, ->flock,
 * ->setlease, ->copy_file_range, ->remap_file_range, ->fallocate, ->fadvise,
 * ->splice_eof, ->check_flags, ->iterate_shared, ->uring_cmd or ->iopoll of their
 * own.  @file has the f_op then that it is going to have.
 *
 * If the object is suspended, this waits for it to be resumed, so the caller
 * must not hold a lock that is needed for that.
 *
 * Context: ->open; allocates memory.
 * Return: 0; the object's policy.error, by default -ENODEV, if the object is
 *	dead; -ENOMEM; -EINVAL; if it is suspended: -EAGAIN with O_NONBLOCK or
 *	from a method of a revokable file, -ERESTARTSYS.
 */
int make_revokable(struct file *file, struct revokable *r)
{
	struct revoke *rv;
	int ret;

	if (WARN_ON_ONCE(file->f_mode & (FMODE_REVOKABLE | FMODE_PATH |
					 FMODE_OPENED)))
		return -EINVAL;
	/* Its type is the same for all files that have these methods. */
	if (unlikely(!revokable_find_fops(r, file->f_op)) &&
	    WARN_ON_ONCE(!revokable_file_type(file)))
		return -EINVAL;
	rv = revoke_alloc(file, r);
	if (unlikely(!rv))
		return -ENOMEM;
	ret = revoke_try_attach(file, rv);
	return likely(!ret) ? 0 : revoke_attach_slowly(file, rv, ret);
}
EXPORT_SYMBOL_GPL(make_revokable);

/* The use that make_revokable() has begun */
static void open_use(struct revoke *rv, struct file_use *use)
{
	const struct use_kind *kind;

	use->revoke = rv;
	use->kind = &open_kind;
	for (use->slot = 0; use->slot < REVOKE_NAMES; use->slot++) {
		if (name_read(current, use->slot, &kind) == rv &&
		    kind == &open_kind)
			return;
	}
	use->slot = -1;
}

static noinline void open_end_slowly(struct revoke *rv)
{
	struct file_use use;

	open_use(rv, &use);
	revoke_leave(&use);
}

/*
 * ->open has succeeded, and do_dentry_open() is through with f_op: the file gets
 * the methods of its object.
 */
void __revoke_open_done(struct file *file)
{
	struct revoke *rv = file->f_revoke;
	struct revokable_fops *table;

	table = revokable_find_fops(rv->r, file->f_op);
	if (unlikely(!table))
		table = revokable_add_fops(rv->r, file->f_op);
	file->f_op = &table->fops;
	/* Before the count is dropped: whoever releases the file goes by it. */
	atomic64_xor(REVOKE_OPENING | REVOKE_OPENED, &rv->state);
	if (likely(current->uses.name[0].revoke == (unsigned long)rv))
		use_end(rv, &open_kind);
	else
		open_end_slowly(rv);
}

/*
 * With a count for the caller; unless the file is being closed: then it only has
 * to be found by those who wait for it to be gone.  Returns whether there is one.
 */
static bool revoke_start_leaving(struct revoke *rv, u64 flags)
{
	u64 left, state = revoke_state(rv);
	struct revokable *r = rv->r;

	lockdep_assert_held(&r->lock);
	do {
		left = (state | flags) &
		       ~(REVOKE_SUSPENDED | REVOKE_PAUSING | REVOKE_REPORTED);
		if (likely(!(state & REVOKE_CLOSED)))
			left += REVOKE_USER;
	} while (!atomic64_try_cmpxchg(&rv->state, &state, left));
	/* Who waits for that waits for the file to leave, too, and is woken then. */
	if (state & REVOKE_PAUSING)
		atomic_dec(&r->pausing);
	/* For faults that wait for a resume, and whose file is closed. */
	if (state & REVOKE_SUSPENDED && flags & REVOKE_CLOSED)
		wake_up_all(&r->resumed);
	rv->ticket = ++r->ticket;
	rv->since = jiffies;
	list_move_tail(&rv->node, &r->leaving);
	if (rv->pollers)
		list_del_init(&rv->pollers->again);
	return !(state & REVOKE_CLOSED);
}

/* The file could not be suspended: if it is being closed, it is waited for. */
void revoke_await_closing(struct revoke *rv)
{
	guard(spinlock)(&rv->r->lock);
	if (!(revoke_state(rv) & (REVOKE_REVOKED | REVOKE_GONE)))
		revoke_start_leaving(rv, REVOKE_REVOKED);
}

/*
 * The file is closed, by __fput() or as its ->open has failed, unless it is
 * being revoked.  With a count for the caller, as faults may be inside.
 *
 * Who waits for those on their way out looks for it, see revoke_mark(), unless
 * it is to be found elsewhere, too.
 */
static bool revoke_claim(struct revoke *rv)
{
	const u64 elsewhere = REVOKE_REVOKED | REVOKE_SUSPENDED;
	u64 state = revoke_state(rv);

	while (likely(!(state & elsewhere) && !rv->pollers)) {
		rv->since = jiffies;
		if (atomic64_try_cmpxchg(&rv->state, &state,
					 (state | REVOKE_CLOSED | REVOKE_FPUT) +
					 REVOKE_USER))
			return true;
	}

	guard(spinlock)(&rv->r->lock);
	if (revoke_state(rv) & REVOKE_REVOKED)
		return false;
	revoke_start_leaving(rv, REVOKE_CLOSED | REVOKE_FPUT);
	return true;
}

static void revoke_gone(struct revoke *rv);

/*
 * For those who close a file that is being revoked.  There can be as many as
 * there are files, so they do not wait where each that goes wakes all.
 */
static void wait_for_gone(struct revoke *rv)
{
	wait_var_event(&rv->state, revoke_is_gone(rv));
}

/* With the reference of the file, which is dropped when it is gone. */
static void revoke_unclaim(struct revoke *rv)
{
	u64 state;

	/* Whoever has left did so by a fully ordered decrement. */
	state = atomic64_read_acquire(&rv->state);
	/* CLOSED: nobody comes in.  So ours, if it is alone, can stay as it is. */
	if (likely((state & REVOKE_INSIDE) == REVOKE_USER) ||
	    revoke_drop(rv, REVOKE_USER))
		revoke_gone(rv);
}

/* Was ->open woken for a suspend, and by no signal? */
static bool open_was_suspended(const struct file *file, int *error)
{
	if (!revoke_interrupted(*error) || task_sigpending(current))
		return false;
	if (!(file->f_flags & O_NONBLOCK))
		return true;
	*error = -EAGAIN;
	return false;
}

/*
 * ->open has failed with *@error, which may change.  Nobody else has seen the
 * file, it becomes ordinary.  Returns whether it is to be called once more: it
 * waits for the resume in make_revokable().
 */
bool __revoke_open_again(struct file *file, int *error)
{
	struct revoke *rv = file->f_revoke;
	bool suspended, again = false;
	struct file_use use;

	open_use(rv, &use);
	/* The claim takes it away. */
	suspended = revoke_state(rv) & REVOKE_SUSPENDED;
	if (revoke_claim(rv)) {
		suspended |= !!revoke_leave(&use);
		revoke_unclaim(rv);
		again = suspended && open_was_suspended(file, error);
	} else {
		revoke_leave(&use);
		wait_for_gone(rv);
		if (revoke_interrupted(*error))
			*error = revoked_error(file);
		revoke_put(rv);
	}

	file->f_mode &= ~FMODE_REVOKABLE;
	file->f_revoke = NULL;
	return again;
}

static bool own_uses(const struct revoke *rv)
{
	return rv->r->flags & REVOKABLE_OWN_USES;
}

/* What the driver gets to see of the end of a file, once */
static void release_driver(struct revoke *rv)
{
	struct file *file = rv->file;
	const struct file_operations *fops = real_fops(file);
	u64 state = revoke_state(rv);
	struct file_use use;

	/* A method has not returned: what it uses stays as it is. */
	if (unlikely(state & REVOKE_OOPSED))
		return;
	revoke_release_begin(rv, &use);
	/* __fput() has come by that already. */
	if (!(state & REVOKE_FPUT) && file->f_flags & FASYNC && fops->fasync)
		fops->fasync(-1, file, 0);
	/* With uses of its own, what belongs to the file goes with the file. */
	if (fops->release && (state & REVOKE_FPUT || !own_uses(rv)))
		fops->release(file_inode(file), file);
	revoke_release_end(&use);
	if (!own_uses(rv))
		cdev_put(rv->cdev);
	module_put(fops->owner);
}

/*
 * The last reference has gone.  Either __fput() or a revoke gets to release
 * the file, and the other one waits for it.
 */
int revokable_release(struct inode *inode, struct file *file)
{
	struct revoke *rv = file->f_revoke;

	if (likely(revoke_claim(rv))) {
		/* Before ->release: tty waits for its queues to be empty. */
		if (rv->pollers)
			revoke_drop_relays(rv);
		if (rv->maps)
			revoke_forget_maps(rv);
		release_driver(rv);
		file->f_op = &revoke_released_fops;
		revoke_unclaim(rv);
	} else {
		wait_for_gone(rv);
		if (own_uses(rv) && real_fops(file)->release)
			real_fops(file)->release(inode, file);
		file->f_op = &revoke_released_fops;
		revoke_put(rv);
	}
	return 0;
}

/*
 * Leaving the object
 */

/* The last one of a group tells whoever waits for all. */
static void revokable_done(struct revokable *r)
{
	lockdep_assert_held(&r->lock);
	if (r->done_wanted && !atomic_read(&r->unsettled)) {
		r->done_wanted = false;
		queue_work(revoke_wq, &r->done_work);
	}
}

/* A dead object whose last file has left is not touched any more. */
static void revokable_settle(struct revokable *r)
{
	struct revokable *group = r->group;

	lockdep_assert_held(&r->lock);
	if (likely(r->state != REVOKABLE_DEAD) || !list_empty(&r->files) ||
	    !list_empty(&r->leaving))
		return;
	if (r->ops) {
		r->ops = NULL;
		atomic_dec(&r->unsettled);
		if (group != r && atomic_dec_and_test(&group->unsettled)) {
			spin_lock_nested(&group->lock, SINGLE_DEPTH_NESTING);
			revokable_done(group);
			spin_unlock(&group->lock);
		}
	}
	revokable_done(r);
}

/*
 * The file leaves the object; with the last one, a dead object is done.
 *
 * Whoever closes a file that is being revoked waits for that, and drops the
 * reference then: so @rv may be gone, and RCU is what keeps the object.
 */
static void revoke_gone(struct revoke *rv)
{
	bool closed = revoke_state(rv) & REVOKE_FPUT;
	struct revokable *r = rv->r;

	guard(rcu)();
	scoped_guard(spinlock, &r->lock) {
		list_del(&rv->node);
		revokable_settle(r);
		/* Pairs with revoke_is_gone(). */
		smp_mb__before_atomic();
		atomic64_or(REVOKE_GONE, &rv->state);
	}
	/* Its barrier is for wait_for_gone(), too. */
	if (wq_has_sleeper(&r->wait))
		wake_up_all(&r->wait);
	if (closed)
		revoke_put(rv);
	else
		wake_up_var(&rv->state);
}

/* Nobody is inside any more, and nobody gets in. */
static void revoke_release(struct revoke *rv)
{
	if (rv->pollers)
		revoke_drop_relays(rv);
	if (rv->maps)
		revoke_forget_maps(rv);
	if (revoke_state(rv) & REVOKE_OPENED) {
		locks_revoke_file(rv->file);
		release_driver(rv);
	}
}

/* For whoever has dropped the last count; see revoke_drop(). */
static void revoke_last(struct revoke *rv)
{
	if (!(revoke_state(rv) & REVOKE_FPUT)) {
		drain_acquire(rv->r);
		revoke_release(rv);
		/* Its key can be in the module that may go from here on. */
		drain_release(rv->r);
	}
	revoke_gone(rv);
}

static void revoke_last_work(struct work_struct *work)
{
	struct revoke *rv = container_of(work, struct revoke, work);

	/* With requests under way, the work has one of the counts. */
	if (revoke_state(rv) & REVOKE_INSIDE) {
		rv->r->ops->kick(rv->r, rv->file);
		if (!revoke_drop(rv, REVOKE_LATE_USER))
			return;
	}
	revoke_last(rv);
}

void revoke_queue_last(struct revoke *rv)
{
	INIT_WORK(&rv->work, revoke_last_work);
	queue_work(release_wq, &rv->work);
}

/* The task that ran ->release has died. */
void revoke_release_oopsed(struct revoke *rv)
{
	if (revoke_state(rv) & REVOKE_FPUT)
		revoke_unclaim(rv);
	else
		revoke_gone(rv);
}

/*
 * Revoking
 */

/* For those who wait for a resume, this is an answer, too. */
static void revoke_mark(struct revoke *rv, struct list_head *batch)
{
	if (revoke_start_leaving(rv, REVOKE_REVOKED))
		list_add_tail(&rv->batch, batch);
}

/* Something has been marked: who waits for the object has another look. */
static void wake_waiters(struct revokable *r)
{
	if (wq_has_sleeper(&r->resumed))
		wake_up_all(&r->resumed);
	if (wq_has_sleeper(&r->wait))
		wake_up_all(&r->wait);
}

/*
 * A file that is closed stays on the list while faults are inside, longer than its
 * struct file, which RCU keeps from being anything else.  If it is another file by
 * now, CLOSED is seen after it: then the old one is waited for, whatever it was.
 */
static bool opened_through(const struct revoke *rv, const struct inode *inode)
{
	bool same;

	guard(rcu)();
	same = READ_ONCE(rv->file->f_inode) == inode;
	/* Pairs with the cmpxchg in revoke_claim(). */
	smp_rmb();
	return same || revoke_state(rv) & REVOKE_CLOSED;
}

/*
 * Mark what is open now.  What is opened meanwhile has a later ticket than the one
 * that is returned.
 */
static u64 revoke_mark_files(struct revokable *r, const struct inode *inode,
			     bool dead, struct list_head *batch)
{
	struct revoke *rv;
	u64 last;

	guard(mutex)(&r->walk);
	spin_lock(&r->lock);
	if (dead)
		WRITE_ONCE(r->state, REVOKABLE_DEAD);
	last = r->ticket;
	while (!list_empty(&r->files)) {
		rv = list_first_entry(&r->files, struct revoke, node);
		if (rv->ticket > last)
			break;
		if (!inode || opened_through(rv, inode)) {
			revoke_mark(rv, batch);
		} else {
			/* Done with it. */
			rv->ticket = ++r->ticket;
			list_move_tail(&rv->node, &r->files);
		}
		cond_resched_lock(&r->lock);
	}
	last = r->ticket;
	revokable_settle(r);
	spin_unlock(&r->lock);
	wake_waiters(r);
	return last;
}

/* As the driver would on a hangup; it has the list, the file the owner. */
static void revoke_send_sigio(struct revoke *rv)
{
	struct file *file = rv->file;
	struct fown_struct *fown = file_f_owner(file);
	int fd = READ_ONCE(rv->fasync_fd);

	/* open(2) takes O_ASYNC, and does not tell the driver: so none comes. */
	if (READ_ONCE(file->f_flags) & FASYNC && fown && fd >= 0)
		send_sigio(fown, fd, POLL_HUP);
}

/*
 * Everything but the waiting.  Until its count is dropped, each entry keeps
 * its file: __fput() waits for it to be gone.
 *
 * Whoever waits anyway does what there is to do itself, unless @async.
 */
static void revoke_start(struct revokable *r, struct list_head *batch,
			 bool async)
{
	bool inside = false, left = false;
	struct revokable *zapped = NULL;
	struct revoke *rv, *next;

	/* The files of one object are next to each other: one zap for all. */
	list_for_each_entry(rv, batch, batch) {
		/* Whoever maps it is inside, and sees REVOKED when it leaves. */
		if (rv->r != zapped && revoke_state(rv) & REVOKE_MAPPED) {
			zapped = rv->r;
			revoke_zap(zapped, REVOKE_REVOKED);
		}
	}

	list_for_each_entry(rv, batch, batch) {
		if (rv->pollers)
			revoke_wake_pollers(rv);
		revoke_send_sigio(rv);
		if (rv->r->ops->kick)
			rv->r->ops->kick(rv->r, rv->file);
		inside |= (revoke_state(rv) & REVOKE_INSIDE) != REVOKE_USER;
		cond_resched();
	}
	if (inside)
		revoke_kick(r);

	list_for_each_entry_safe(rv, next, batch, batch) {
		list_del(&rv->batch);
		if (!revoke_drop(rv, REVOKE_USER))
			left = true;
		else if (async || fatal_signal_pending(current))
			revoke_queue_last(rv);
		else
			revoke_last(rv);
		cond_resched();
	}
	if (left)
		revoke_start_watch(r);
}

/* Either all that left no later than with this ticket, or one file. */
static bool revoke_complete(struct revokable *r, u64 ticket, struct revoke *rv)
{
	if (rv)
		return revoke_is_gone(rv);

	guard(spinlock)(&r->lock);
	return list_empty(&r->leaving) ||
	       list_first_entry(&r->leaving, struct revoke,
				node)->ticket > ticket;
}

/* Returns whether the revoke is complete; false also if killed. */
static bool revoke_wait_a_while(struct revokable *r, u64 ticket,
				struct revoke *rv, bool killable)
{
	if (killable)
		return wait_event_killable_timeout(r->wait,
						   revoke_complete(r, ticket,
								   rv),
						   HZ) > 0;
	return wait_event_timeout(r->wait, revoke_complete(r, ticket, rv),
				  HZ) > 0;
}

int revoke_wait(struct revokable *r, u64 ticket, struct revoke *rv,
		bool killable)
{
	while (!revoke_wait_a_while(r, ticket, rv, killable)) {
		if (killable && fatal_signal_pending(current))
			return -EINTR;
		if (revoke_cannot_wait(r, rv, killable))
			return -EINPROGRESS;
	}
	return 0;
}

/*
 * @rv: wait for this one only; NULL: for all up to @ticket
 * @inside: whether the caller is inside of what is being revoked
 */
static int revoke_await(struct revokable *r, u64 ticket, struct revoke *rv,
			bool killable, bool inside)
{
	int ret;

	/*
	 * There is no need to tell lockdep, whose key may have been unloaded
	 * along with the object's owner.
	 */
	if (revoke_complete(r, ticket, rv))
		return 0;
	if (revoke_cannot_wait(r, rv, killable))
		return -EINPROGRESS;
	if (!inside)
		drain_acquire(r);
	ret = revoke_wait(r, ticket, rv, killable);
	if (!inside)
		drain_release(r);
	return ret;
}

/* As revoke_await(), for what has been marked */
static int revoke_batch(struct revokable *r, struct list_head *batch,
			u64 ticket, struct revoke *rv)
{
	/* What the caller has to leave first, it cannot do itself, or wait for. */
	bool inside = revoke_caller_inside(r);

	might_sleep();
	revoke_start(r, batch, inside);
	return revoke_await(r, ticket, rv, true, inside);
}

/* Mark all that there is, and ever will be, of the object and its children. */
static void revoke_mark_group(struct revokable *r, struct list_head *batch)
{
	struct revokable *member;

	/* The parent first: so nobody joins any more. */
	for_each_in_group(member, r) {
		/* What has gone is the parent, whatever its parts say alone. */
		member->policy = r->policy;
		revoke_mark_files(member, NULL, true, batch);
	}
}

/**
 * __revoke_it - revoke_it() for those who can be inside
 * @r: the object
 *
 * Context: as revoke_it().
 * Return: 0; or -EINPROGRESS if the caller is inside a method of one of the
 *	files, or its ->release, and would be waiting for itself.  Then the
 *	revoke is completed when it has left, and nothing must be freed before.
 */
int __revoke_it(struct revokable *r)
{
	bool inside = revoke_caller_inside(r);
	struct revokable *member;
	LIST_HEAD(batch);
	int ret = 0;

	might_sleep();
	revoke_mark_group(r, &batch);
	revoke_start(r, &batch, inside);
	/* There are no later tickets. */
	for_each_in_group(member, r)
		ret = revoke_await(member, U64_MAX, NULL, false, inside) ?: ret;
	if (!ret && r->done)
		flush_work(&r->done_work);
	return ret;
}
EXPORT_SYMBOL_GPL(__revoke_it);

/**
 * revoke_it_async - revoke_it() without the waiting
 * @r: the object, with its children
 * @done: called from a workqueue, with the data given to revokable_alloc(),
 *	when the revoke is complete; NULL: the caller has no use for that
 *
 * When this returns, no method will start, and mapped memory is unreachable
 * except for tasks that are inside a method.  Until @done is called the driver
 * must keep whatever its methods and its ->release use; without @done, that has
 * to be kept by the open files.  May be called once.
 *
 * For a module that waits for @done in its exit, revoke_it() waits for it to have
 * returned.
 *
 * Context: may sleep, but waits for no user.  The caller must hold no lock
 *	that is taken inside of an mmap_lock.
 */
void revoke_it_async(struct revokable *r, void (*done)(void *data))
{
	LIST_HEAD(batch);

	might_sleep();
	if (done) {
		guard(spinlock)(&r->lock);
		r->done = done;
		r->done_wanted = true;
		revokable_get(r);
	}
	revoke_mark_group(r, &batch);
	revoke_start(r, &batch, true);
}
EXPORT_SYMBOL_GPL(revoke_it_async);

/**
 * revoke_files - revoke all files open now; later opens are not affected
 * @r: the object
 *
 * Context: as revoke_it().
 * Return: 0; -EINTR if the caller was killed, whereupon the revoke is completed
 *	without it; -EINPROGRESS as revoke_it().
 */
int revoke_files(struct revokable *r)
{
	return revoke_files_of_inode(r, NULL);
}
EXPORT_SYMBOL_GPL(revoke_files);

/**
 * revoke_files_of_inode - revoke_files() for what was opened through an inode
 * @r: the object
 * @inode: the inode; NULL: any
 *
 * Context: as revoke_it().
 * Return: as revoke_files().
 */
int revoke_files_of_inode(struct revokable *r, const struct inode *inode)
{
	LIST_HEAD(batch);
	u64 ticket = revoke_mark_files(r, inode, false, &batch);

	return revoke_batch(r, &batch, ticket, NULL);
}

/**
 * revoke_file - revoke one open file description
 * @file: the file, to which the caller has a reference
 *
 * Context: as revoke_it().
 * Return: as revoke_files(), or -EOPNOTSUPP if the file is not revokable.
 */
int revoke_file(struct file *file)
{
	LIST_HEAD(batch);
	struct revoke *rv;

	if (!file_is_revokable(file))
		return -EOPNOTSUPP;
	rv = file->f_revoke;
	scoped_guard(spinlock, &rv->r->lock) {
		if (!(revoke_state(rv) & REVOKE_REVOKED))
			revoke_mark(rv, &batch);
	}
	wake_waiters(rv->r);
	return revoke_batch(rv->r, &batch, 0, rv);
}
EXPORT_SYMBOL_GPL(revoke_file);

static int __init revoke_init(void)
{
	struct kmem_cache_args args = {
		.use_freeptr_offset	= true,
		.freeptr_offset		= offsetof(struct revoke, freeptr),
	};

	revoke_cache = kmem_cache_create("revoke", sizeof(struct revoke), &args,
					 SLAB_HWCACHE_ALIGN | SLAB_PANIC |
					 SLAB_ACCOUNT | SLAB_TYPESAFE_BY_RCU);
	release_wq = alloc_workqueue("revoke_release", WQ_UNBOUND,
				     WQ_MAX_ACTIVE);
	revoke_wq = alloc_workqueue("revoke", WQ_UNBOUND, 0);
	return release_wq && revoke_wq ? 0 : -ENOMEM;
}
core_initcall(revoke_init);
