// SPDX-License-Identifier: GPL-2.0
/*
 * Revoke: taking an open file away from whoever holds it.
 *
 * A method call on a revokable file is a *use*.  It links a record on the
 * caller's stack into a bucket, [this CPU][hash of the file's struct revoke],
 * under the lock of the bucket and after checking, under that lock, that the
 * file is still live.  Leaving unlinks the record there.
 *
 * The revoker first changes the state of the file and then takes the lock of
 * the file's bucket on each possible CPU once (revoke_barrier()).  For each
 * bucket, a user has either taken the lock before the revoker, whereupon the
 * revoker finds its record, or takes it after the revoker, whereupon the lock
 * orders the user's load of the state after the revoker's store and the use
 * is refused.  So, when the barrier is through, every task inside is known.
 * The revoker counts it, leaves a pointer to the count in the record, and the
 * last one to leave completes the revoke.
 *
 * This costs a user two uncontended lock operations on its own CPU.  There is
 * no per-object per-CPU memory, no cache line shared by the tasks that use one
 * file, and no grace period to wait for.  And the tasks are known by name:
 * sleepers can be kicked, and whoever does not leave can be reported.
 *
 * A suspend finds those inside in the same way, and waits until they have left.
 * Others are put off until the object is resumed: see revokable_suspend().
 *
 * Lock order: r->lock -> bucket lock -> task wakeup.  relay_lock -> a driver's
 * wait queue -> poll_wq (fs/revoke_poll.c).  None of the locks here is held
 * while calling out.
 */
#include <linux/cdev.h>
#include <linux/file.h>
#include <linux/filelock.h>
#include <linux/hash.h>
#include <linux/hugetlb.h>
#include <linux/percpu.h>
#include <linux/revoke.h>
#include <linux/sched/signal.h>
#include <linux/sched/sysctl.h>
#include <linux/slab.h>
#include <linux/task_work.h>

#include "internal.h"

struct use_buckets {
	struct use_bucket	bucket[1 << USE_BUCKET_BITS];
};

static DEFINE_PER_CPU(struct use_buckets, use_buckets);

/* A ->release may take long, and must not hold up zaps, kicks and reports. */
static struct workqueue_struct *release_wq;
static struct workqueue_struct *revoke_wq;

/* How many revokable_zap_range() have begun, and where they wait for users. */
static atomic_long_t zap_epoch = ATOMIC_LONG_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(zap_wait);

/* file_use.what of ->release, which is told by its address */
static const char in_release[] = "release";

static struct use_bucket *use_bucket_of(const struct revoke *rv, int cpu)
{
	return &per_cpu(use_buckets, cpu).bucket[hash_ptr(rv, USE_BUCKET_BITS)];
}

/*
 * Lockdep: a use is a read lock that is only ever tried, so it waits for
 * nothing, but a revoker waits for it with everything it holds.  A record
 * must not touch the object at its end, except for this: so that the map is
 * still there, debug kernels hold a reference to it.
 */
#ifdef CONFIG_DEBUG_LOCK_ALLOC
static void use_acquire(struct file_use *use, struct revoke *rv)
{
	use->r = NULL;
	if (rv->r->flags & REVOKABLE_IGNORE_LOCKDEP)
		return;
	use->r = revokable_get(rv->r);
	rwsem_acquire_read(&use->r->dep_map, 0, 1, _RET_IP_);
}

static void use_release(struct file_use *use)
{
	if (!use->r)
		return;
	rwsem_release(&use->r->dep_map, _RET_IP_);
	revokable_put(use->r);
}

static void drain_acquire(struct revokable *r)
{
	if (!(r->flags & REVOKABLE_IGNORE_LOCKDEP))
		rwsem_acquire(&r->dep_map, 0, 0, _RET_IP_);
}

static void drain_release(struct revokable *r)
{
	if (!(r->flags & REVOKABLE_IGNORE_LOCKDEP))
		rwsem_release(&r->dep_map, _RET_IP_);
}
#else
static void use_acquire(struct file_use *use, struct revoke *rv) { }
static void use_release(struct file_use *use) { }
static void drain_acquire(struct revokable *r) { }
static void drain_release(struct revokable *r) { }
#endif

/*
 * Uses: who is inside
 */

static bool use_start(struct revoke *rv, struct file_use *use,
		      const char *what, enum revoke_state until,
		      const struct revokable *inserts)
{
	struct use_bucket *b = use_bucket_of(rv, raw_smp_processor_id());

	use->bucket = b;
	use->revoke = rv;
	use->task = current;
	use->what = what;
	use->drain = NULL;
	use->pause = NULL;
	use->kicked = false;
	use->aside = until > REVOKE_SUSPENDED;
	use->suspends = false;
	use->owner = NULL;
	use->async = NULL;
	use->inserts = inserts;
	use->awaited = false;

	/* Any bucket of this hash will do, should we have migrated. */
	spin_lock(&b->lock);
	/* Pairs with the store of the state before revoke_barrier(). */
	if (unlikely(READ_ONCE(rv->state) >= until)) {
		spin_unlock(&b->lock);
		use->revoke = NULL;
		return false;
	}
	/*
	 * Pairs with the increment by revokable_zap_range(): who sees it, sees
	 * what the driver has done before; who does not, is found.
	 */
	if (inserts)
		use->epoch = atomic_long_read_acquire(&zap_epoch);
	hlist_add_head(&use->node, &b->uses);
	spin_unlock(&b->lock);

	use_acquire(use, rv);
	return true;
}

/* Call fn() for the records of all buckets, with their locks held. */
static void visit_uses(void (*fn)(struct file_use *use, void *arg), void *arg)
{
	struct file_use *use;
	int cpu, i;

	for_each_possible_cpu(cpu) {
		for (i = 0; i < 1 << USE_BUCKET_BITS; i++) {
			struct use_bucket *b;

			b = &per_cpu(use_buckets, cpu).bucket[i];
			guard(spinlock)(&b->lock);
			hlist_for_each_entry(use, &b->uses, node)
				fn(use, arg);
		}
	}
}

/* For comparison.  A fault can outlive its file, other methods cannot. */
static const struct revokable *use_object(const struct file_use *use)
{
	return use->inserts ?: use->revoke->r;
}

struct own_uses {
	const struct revokable *r;	/* of this object; NULL: of any */
	bool any;
	bool waited_for;		/* there is one that a suspend waits for */
};

static void find_own_uses(struct file_use *use, void *arg)
{
	struct own_uses *own = arg;

	if (use->task != current || (own->r && use_object(use) != own->r))
		return;
	own->any = true;
	own->waited_for |= !use->aside && !use->suspends;
}

/* Is the caller inside of a method of the object, or, if it is NULL, of any? */
bool revoke_caller_inside(const struct revokable *r)
{
	struct own_uses own = { .r = r };

	visit_uses(find_own_uses, &own);
	return own.any;
}

/*
 * A suspend waits for who is inside of a method, so what that calls in turn, be
 * it another method or a fault, has to be let in.  It cannot outlast the use
 * that is waited for, or is going to be found; whatever it inserts is zapped
 * after that.
 */
static bool use_start_nested(struct revoke *rv, struct file_use *use,
			     const char *what, const struct revokable *inserts)
{
	struct own_uses own = { .r = rv->r };

	visit_uses(find_own_uses, &own);
	if (!own.waited_for ||
	    !use_start(rv, use, what, REVOKE_REVOKED, inserts))
		return false;
	use->aside = false;
	return true;
}

static bool use_start_or_nested(struct revoke *rv, struct file_use *use,
				const char *what,
				const struct revokable *inserts)
{
	return use_start(rv, use, what, REVOKE_SUSPENDED, inserts) ||
	       (READ_ONCE(rv->state) == REVOKE_SUSPENDED &&
		use_start_nested(rv, use, what, inserts));
}

/**
 * start_using_as - start_using() for a file known to be revokable
 * @file: the file
 * @use: a record on the caller's stack
 * @what: name of the method, a string constant of built-in code
 *
 * Context: process context; takes a spinlock, does not sleep.
 * Return: false if the file has been revoked, or is suspended.  Then there is
 *	nothing to stop.
 */
bool start_using_as(struct file *file, struct file_use *use, const char *what)
{
	return use_start_or_nested(file->f_revoke, use, what, NULL);
}
EXPORT_SYMBOL_GPL(start_using_as);

/**
 * start_inserting - start_using_as() for who puts entries into page tables
 * @file: the file
 * @use: a record on the caller's stack
 * @what: name of the method, a string constant of built-in code
 *
 * These are the uses that revokable_zap_range() waits for.
 *
 * Context: process context; takes a spinlock, does not sleep.
 * Return: false if the file has been revoked, or is suspended.  Then there is
 *	nothing to stop.
 */
bool start_inserting(struct file *file, struct file_use *use, const char *what)
{
	return use_start_or_nested(file->f_revoke, use, what,
				   file->f_revoke->r);
}

/**
 * start_using_anyway - start_using_as() for what cannot be put off
 * @file: the file
 * @use: a record on the caller's stack
 * @what: name of the method, a string constant of built-in code
 *
 * For methods that the driver must not miss, and that nobody can be made to
 * wait for: they run while the file is suspended.
 *
 * Context: process context; takes a spinlock, does not sleep.
 * Return: false if the file has been revoked.  Then there is nothing to stop.
 */
bool start_using_anyway(struct file *file, struct file_use *use,
			const char *what)
{
	return use_start(file->f_revoke, use, what, REVOKE_REVOKED, NULL);
}

/* Until resumed, or revoked: with an error, it is not to be waited for. */
static int may_await_resume(const struct file *file, const struct revokable *r,
			    bool nowait)
{
	if (nowait || file->f_flags & O_NONBLOCK)
		return -EAGAIN;
	if (r->policy.suspended_error)
		return r->policy.suspended_error;
	/*
	 * Whoever resumes this object may be waiting for the caller to leave
	 * another one; or this one, which it has suspended itself.
	 */
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

	return may_await_resume(file, rv->r, nowait) ?:
	       wait_event_interruptible(rv->r->resumed, !file_suspended(file));
}

/* 0: the use has started; USE_REVOKED; or an error. */
int start_using_or_wait(struct file *file, struct file_use *use,
			const char *what, bool nowait)
{
	while (!start_using_as(file, use, what)) {
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
 * Has the method of @use been woken for a revoke or a suspend?  There was no
 * signal, so none is to be seen.  Whether the record has been counted does not
 * matter for a revoke: who tests file_revoked() can leave before that looks for
 * it.  A suspend can be over by now, but not without having found the record,
 * unless it was already @suspended before that was unlinked.
 */
static int use_interrupted(struct file *file, struct file_use *use,
			   bool suspended, s64 ret, bool repeats)
{
	if (!revoke_interrupted(ret))
		return 0;
	if (file_revoked(file))
		return USE_REVOKED;
	if (!suspended && !use->pause)
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
	bool suspended = file_suspended(file);

	stop_using_revokable(use);
	return use_interrupted(file, use, suspended, ret, repeats);
}

/**
 * start_using_vma_ops - start_using() for vm_ops->open and ->close
 * @file: the file
 * @use: a record on the caller's stack
 * @what: name of the operation
 *
 * These two have to be balanced, so that both are delivered until the file is
 * about to be released, and neither is from then on.
 *
 * Context: process context; takes a spinlock, does not sleep.
 * Return: false if the operation is not to be delivered any more.
 */
bool start_using_vma_ops(struct file *file, struct file_use *use,
			 const char *what)
{
	return use_start(file->f_revoke, use, what, REVOKE_CLOSED, NULL);
}

static void test_kicked(struct file_use *use, void *arg)
{
	if (use->task == current && use->kicked)
		*(bool *)arg = true;
}

static bool current_is_kicked(void)
{
	bool kicked = false;

	visit_uses(test_kicked, &kicked);
	return kicked;
}

/* A kick that nobody has noticed would fail the next interruptible sleep. */
static void use_forget_kick(bool kicked)
{
	/* Kernel threads got no notification; user workers rely on theirs. */
	if (!kicked || (current->flags & (PF_KTHREAD | PF_USER_WORKER)))
		return;
	clear_notify_signal();
	/*
	 * The barrier in there pairs with task_work_add()'s cmpxchg.  And the
	 * use that this one was nested in may have been kicked as well; if it
	 * is from now on, it gets a notification of its own.
	 */
	if (task_work_pending(current) || current_is_kicked())
		set_notify_signal(current);
}

/*
 * After @use has been unlinked, with what it had then.  Nothing of that may be
 * read any more if it is an open_use, see release_begin().
 */
static void use_left(struct file_use *use, struct revoke_drain *drain,
		     struct revoke_pause *pause, bool kicked)
{
	if (unlikely(use->awaited)) {
		wake_up_all(&zap_wait);
		use_forget_kick(kicked);
	}
	if (likely(!drain && !pause))
		return;

	use_forget_kick(kicked);
	/* It is on the stack of the one who waits for it, until complete(). */
	if (pause && atomic_dec_and_test(&pause->pending))
		complete(&pause->left);
	if (!drain)
		return;
	/*
	 * What has been inserted in here must not stay until the last one
	 * leaves, which may be never.  The count goes with the work; if that
	 * is pending already, it has yet to look.
	 */
	if (READ_ONCE(container_of(drain, struct revoke, drain)->mapped) &&
	    queue_work(revoke_wq, &drain->zap))
		return;
	/* Unless it is the last, the count may be gone as soon as it drops. */
	if (atomic_dec_and_test(&drain->pending))
		queue_work(release_wq, &drain->work);
}

/**
 * stop_using_revokable - stop_using() for a use that is known to be one
 * @use: the record
 *
 * Context: the task that started the use, process context.
 */
void stop_using_revokable(struct file_use *use)
{
	struct use_bucket *b = use->bucket;
	struct revoke_drain *drain;
	struct revoke_pause *pause;
	bool kicked;

	if (unlikely(!b)) {
		/* It has stepped out and not got in again. */
		module_put(use->owner);
		return;
	}
	use_release(use);
	spin_lock(&b->lock);
	hlist_del(&use->node);
	/* As for those of ->open, release_begin() may be about to set them. */
	drain = use->drain;
	pause = use->pause;
	kicked = use->kicked;
	spin_unlock(&b->lock);
	use_left(use, drain, pause, kicked);
}
EXPORT_SYMBOL_GPL(stop_using_revokable);

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
	struct revoke *rv = file_is_revokable(file) ? file->f_revoke : NULL;
	struct hlist_node *next;
	struct file_use *use;
	int cpu;

	INIT_HLIST_HEAD(&brk->uses);
	brk->rv = rv;
	if (!rv)
		return;

	for_each_possible_cpu(cpu) {
		struct use_bucket *b = use_bucket_of(rv, cpu);

		guard(spinlock)(&b->lock);
		hlist_for_each_entry_safe(use, next, &b->uses, node) {
			if (use->revoke != rv || use->task != current ||
			    use == &rv->open_use)
				continue;
			/* Only while it is linked, f_op is the driver's. */
			use->owner = file->f_op->owner;
			__module_get(use->owner);
			hlist_del(&use->node);
			hlist_add_head(&use->node, &brk->uses);
		}
	}

	/* From the last one on, the file can be released. */
	hlist_for_each_entry(use, &brk->uses, node) {
		use_release(use);
		/* A request that is not queued yet, and will not be from outside */
		if (use->async)
			revoke_async_end(use->async);
		use_left(use, use->drain, use->pause, use->kicked);
		use->bucket = NULL;
	}
}
EXPORT_SYMBOL_GPL(break_using);

/* While suspended the file cannot be used, but it is still there. */
static bool use_restart(struct revoke *rv, struct file_use *use)
{
	const struct revokable *inserts = use->inserts;
	bool aside = use->aside, suspends = use->suspends;

	/* Not put off in the first place; or it would wait for its own resume. */
	if (aside || suspends) {
		if (!use_start(rv, use, use->what, REVOKE_REVOKED, inserts))
			return false;
		use->aside = aside;
		use->suspends = suspends;
		return true;
	}
	while (!use_start_or_nested(rv, use, use->what, inserts)) {
		/* With @inserts, an mmap_lock may be held. */
		if (READ_ONCE(rv->state) >= REVOKE_REVOKED || inserts ||
		    wait_event_killable(rv->r->resumed, READ_ONCE(rv->state) !=
							REVOKE_SUSPENDED))
			return false;
	}
	return true;
}

/**
 * unbreak_using - step back in
 * @brk: as break_using() has left it
 *
 * If the file is suspended, this waits for it to be resumed, so the caller must
 * not hold a lock that is needed for that.
 *
 * ->mmap and ->fault, which hold one, do not wait but fail; nor does who has
 * suspended the object itself wait, but is let in.
 *
 * Context: the task that called break_using(); process context, may sleep.
 * Return: whether the file is still there, and the caller not killed.  If not,
 *	the method has to fail, without touching what ->release frees: what it
 *	has set up, say a page table entry, nobody will take away.
 */
bool unbreak_using(struct file_break *brk)
{
	struct revoke *rv = brk->rv;
	struct hlist_node *next;
	struct file_use *use;

	hlist_for_each_entry_safe(use, next, &brk->uses, node) {
		struct revoke *async = use->async;
		struct module *owner = use->owner;

		if (!use_restart(rv, use)) {
			/* Its end still has to be told from no use. */
			use->revoke = rv;
			use->bucket = NULL;
			use->owner = owner;
			return false;
		}
		if (async)
			revoke_async_begin(use);
		module_put(owner);
	}
	return true;
}
EXPORT_SYMBOL_GPL(unbreak_using);

/**
 * file_revoked - has this file been taken away?
 * @file: the file
 *
 * True from the moment on at which no further method is called.  For the
 * wait conditions of drivers: a method that sees this should return, the
 * error does not matter.
 *
 * Context: any, with a reference to @file or from one of its methods.
 * Return: true if it has.
 */
bool file_revoked(const struct file *file)
{
	return file_is_revokable(file) &&
	       READ_ONCE(file->f_revoke->state) >= REVOKE_REVOKED;
}
EXPORT_SYMBOL_GPL(file_revoked);

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
	       READ_ONCE(file->f_revoke->state) == REVOKE_SUSPENDED;
}
EXPORT_SYMBOL_GPL(file_suspended);

/*
 * Objects
 */

static void revokable_watch(struct work_struct *work);
static int await_orphans(struct revokable *r);

static void revokable_done_work(struct work_struct *work)
{
	struct revokable *r = container_of(work, struct revokable, done_work);

	await_orphans(r);
	r->done(r->data);
	revokable_put(r);
}

struct revokable *__revokable_alloc(const struct revokable_ops *ops, void *data,
				    const char *name,
				    struct lock_class_key *key)
{
	struct revokable_policy *p;
	struct revokable *r;

	if (WARN_ON_ONCE(ops->flags & REVOKABLE_ASYNC && !ops->kick))
		return NULL;

	r = kzalloc_obj(*r);
	if (!r)
		return NULL;

	kref_init(&r->ref);
	spin_lock_init(&r->lock);
	INIT_LIST_HEAD(&r->files);
	INIT_LIST_HEAD(&r->leaving);
	init_waitqueue_head(&r->wait);
	INIT_LIST_HEAD(&r->poll_again);
	init_waitqueue_head(&r->resumed);
	INIT_WORK(&r->done_work, revokable_done_work);
	INIT_DELAYED_WORK(&r->watch, revokable_watch);
#ifdef CONFIG_DEBUG_LOCK_ALLOC
	lockdep_init_map(&r->dep_map, name, key, 0);
#endif
	r->ops = ops;
	r->data = data;
	r->flags = ops->flags;

	p = &r->policy;
	*p = ops->policy;
	p->error = p->error ?: -ENODEV;
	p->read_error = p->read_error ?: p->error;
	p->write_error = p->write_error ?: p->error;
	p->ioctl_error = p->ioctl_error ?: p->error;
	p->mmap_error = p->mmap_error ?: p->error;
	p->poll_mask = p->poll_mask ?:
		       EPOLLHUP | EPOLLERR | DEFAULT_POLLMASK;
	return r;
}
EXPORT_SYMBOL_GPL(__revokable_alloc);

/**
 * revokable_get - take a reference
 * @r: the object
 *
 * Context: any.
 * Return: @r.
 */
struct revokable *revokable_get(struct revokable *r)
{
	kref_get(&r->ref);
	return r;
}
EXPORT_SYMBOL_GPL(revokable_get);

static void revokable_free(struct kref *ref)
{
	struct revokable *r = container_of(ref, struct revokable, ref);

	kfree_rcu(r, rcu);
}

/**
 * revokable_put - drop a reference
 * @r: the object
 *
 * Whoever created the object must have revoked it for good, with revoke_it()
 * or revoke_it_async(), before dropping the first reference.
 *
 * Context: any.
 */
void revokable_put(struct revokable *r)
{
	kref_put(&r->ref, revokable_free);
}
EXPORT_SYMBOL_GPL(revokable_put);

/*
 * Open files
 */

static void revoke_drained_work(struct work_struct *work);
static void revoke_zap_work(struct work_struct *work);
static void revoke_put_work(struct work_struct *work);

static bool revokable_file_type(const struct file *file)
{
	const struct file_operations *fops = file->f_op;
	umode_t mode = file_inode(file)->i_mode;

	/*
	 * The data of these is reached without going through a method, or
	 * methods of theirs run when the last reference is dropped.
	 */
	if (S_ISDIR(mode) || S_ISBLK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode))
		return false;
	/* Zapping hugetlb mappings takes locks that a zap of a file holds. */
	if (is_file_hugepages(file))
		return false;
#ifndef CONFIG_MMU
	/* It is called under a lock of the mmap, and nothing is mapped. */
	if (fops->mmap_capabilities)
		return false;
#endif
	/* And these reach the private data of two files. */
	return !fops->lock && !fops->flock && !fops->setlease &&
	       !fops->copy_file_range && !fops->remap_file_range;
}

static struct revoke *revoke_alloc(struct file *file, struct revokable *r)
{
	struct revoke *rv;

	if (WARN_ON_ONCE(file_is_revokable(file) ||
			 (file->f_mode & FMODE_PATH) ||
			 !revokable_file_type(file)))
		return ERR_PTR(-EINVAL);

	rv = kzalloc_obj(*rv, GFP_KERNEL_ACCOUNT);
	if (!rv)
		return ERR_PTR(-ENOMEM);

	kref_init(&rv->ref);
	rv->file = file;
	rv->r = revokable_get(r);
	INIT_LIST_HEAD(&rv->batch);
	INIT_LIST_HEAD(&rv->poll_again);
	INIT_WORK(&rv->drain.work, revoke_drained_work);
	INIT_WORK(&rv->drain.zap, revoke_zap_work);
	rv->fasync_fd = -1;
	atomic_set(&rv->nr_async, 1);
	init_completion(&rv->released);
	init_waitqueue_head(&rv->poll_wq);
	spin_lock_init(&rv->relay_lock);
	INIT_LIST_HEAD(&rv->vm_ops);
	spin_lock_init(&rv->vm_ops_lock);
	INIT_RCU_WORK(&rv->put_work, revoke_put_work);
	return rv;
}

static void revoke_free(struct kref *ref)
{
	struct revoke *rv = container_of(ref, struct revoke, ref);

	revoke_free_vm_ops(rv);
	revokable_put(rv->r);
	/* epoll looks at poll_wq under RCU after the file has gone. */
	kfree_rcu(rv, rcu);
}

/* Returns false if ->open has to wait, else with *@ret set. */
static bool revoke_try_attach(struct file *file, struct revoke *rv, int *ret)
{
	struct revokable *r = rv->r;

	guard(spinlock)(&r->lock);
	*ret = r->policy.error;
	if (r->state == REVOKABLE_DEAD)
		return true;
	*ret = 0;
	if (r->state == REVOKABLE_SUSPENDED) {
		if (rv->state == REVOKE_OPENING)
			return false;
		rv->state = REVOKE_SUSPENDED;
	}
	/*
	 * Being inside comes before being found: a revoke waits for an ->open
	 * that it finds.
	 */
	if (rv->state == REVOKE_OPENING)
		use_start(rv, &rv->open_use, "open", REVOKE_SUSPENDED,
			  NULL);
	rv->ticket = ++r->ticket;
	list_add_tail(&rv->node, &r->files);
	file->f_revoke = rv;
	file->f_mode |= FMODE_REVOKABLE;
	return true;
}

static int revoke_attach(struct file *file, struct revoke *rv)
{
	struct revokable *r = rv->r;
	int ret;

	while (!revoke_try_attach(file, rv, &ret)) {
		ret = may_await_resume(file, r, false) ?:
		      wait_event_interruptible(r->resumed,
					       READ_ONCE(r->state) !=
					       REVOKABLE_SUSPENDED);
		if (ret)
			break;
	}
	if (ret)
		kref_put(&rv->ref, revoke_free);
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
 * be no ->release, as ever.
 *
 * Refused, with a warning, for what cannot be revoked: pipes, sockets,
 * directories, block devices, hugetlb files, and files with a ->lock, ->flock,
 * ->setlease, ->copy_file_range or ->remap_file_range of their own.
 *
 * If the object is suspended, this waits for it to be resumed, so the caller
 * must not hold a lock that is needed for that.
 *
 * Context: ->open; allocates memory.
 * Return: 0; the object's policy.error, by default -ENODEV, if the object is
 *	dead; -ENOMEM; -EINVAL; if it is suspended: -EAGAIN with O_NONBLOCK or
 *	from a method of a revokable file, its policy.suspended_error,
 *	-ERESTARTSYS.
 */
int make_revokable(struct file *file, struct revokable *r)
{
	struct revoke *rv;

	if (WARN_ON_ONCE(file->f_mode & FMODE_OPENED))
		return -EINVAL;
	rv = revoke_alloc(file, r);
	if (IS_ERR(rv))
		return PTR_ERR(rv);
	rv->state = REVOKE_OPENING;
	return revoke_attach(file, rv);
}
EXPORT_SYMBOL_GPL(make_revokable);

/**
 * make_revokable_anon - make_revokable() for files that are never opened
 * @file: a file from anon_inode_getfile() or the like, not yet in a file table
 * @r: the object
 *
 * To be called last before fd_install(): by the time this returns, the file may
 * have been revoked, and its ->release have run.
 *
 * Context: process context; allocates memory.
 * Return: as make_revokable().
 */
int make_revokable_anon(struct file *file, struct revokable *r)
{
	struct revoke *rv;

	if (WARN_ON_ONCE(!(file->f_mode & FMODE_OPENED)))
		return -EINVAL;
	rv = revoke_alloc(file, r);
	if (IS_ERR(rv))
		return PTR_ERR(rv);
	rv->opened = true;
	rv->state = REVOKE_LIVE;
	return revoke_attach(file, rv);
}
EXPORT_SYMBOL_GPL(make_revokable_anon);

/*
 * ->open has succeeded, and do_dentry_open() is through with f_op: a revoke
 * that has been waiting replaces it as soon as the use ends.
 */
void __revoke_open_done(struct file *file)
{
	struct revoke *rv = file->f_revoke;

	scoped_guard(spinlock, &rv->r->lock) {
		rv->opened = true;
		if (rv->state == REVOKE_OPENING)
			rv->state = REVOKE_LIVE;
	}
	stop_using(&rv->open_use);
}

/*
 * If ->open was woken for a suspend, only user space can have it called again:
 * as after a signal.
 */
static int open_put_off(const struct file *file, int error)
{
	if (!revoke_interrupted(error) || task_sigpending(current))
		return error;
	if (file->f_flags & O_NONBLOCK)
		return -EAGAIN;
	/* Who makes no system calls takes it as it is. */
	if (current->flags & (PF_KTHREAD | PF_USER_WORKER))
		return error;
	set_notify_signal(current);
	return -ERESTARTNOINTR;
}

/* ->open has failed: nobody else has seen the file, it becomes ordinary. */
int __revoke_open_failed(struct file *file, int error)
{
	struct revoke *rv = file->f_revoke;
	bool found, suspended;

	scoped_guard(spinlock, &rv->r->lock) {
		found = rv->state >= REVOKE_REVOKED;
		/* If it was, but is not any more, it has waited for the use. */
		suspended = rv->state == REVOKE_SUSPENDED;
		if (!found) {
			rv->state = REVOKE_RELEASED;
			list_del_init(&rv->node);
		}
	}
	stop_using(&rv->open_use);
	if (found) {
		wait_for_completion(&rv->released);
		if (revoke_interrupted(error))
			error = rv->r->policy.error;
	} else if (suspended || rv->open_use.pause) {
		error = open_put_off(file, error);
	}

	file->f_mode &= ~FMODE_REVOKABLE;
	file->f_revoke = NULL;
	kref_put(&rv->ref, revoke_free);
	return error;
}

/*
 * Revoking
 */

struct revoke_batch {
	struct list_head	revokes;
	u64			ticket;	/* wait for those up to this one */
	bool			self;	/* the caller is inside of one of them */
};

static void revoke_batch_init(struct revoke_batch *batch)
{
	INIT_LIST_HEAD(&batch->revokes);
	batch->ticket = 0;
	batch->self = false;
}

/* A dead object whose last file has left is not touched any more. */
static void revokable_settle(struct revokable *r)
{
	lockdep_assert_held(&r->lock);
	if (r->state != REVOKABLE_DEAD || !list_empty(&r->files) ||
	    !list_empty(&r->leaving))
		return;
	r->ops = NULL;
	if (r->done_wanted) {
		r->done_wanted = false;
		queue_work(revoke_wq, &r->done_work);
	}
}

/*
 * From here on, whoever gets the drain count to zero completes the revoke; no
 * matter whether it is still wanted.
 */
static void revoke_mark(struct revoke *rv, struct revoke_batch *batch)
{
	struct revokable *r = rv->r;

	lockdep_assert_held(&r->lock);
	kref_get(&rv->ref);
	atomic_set(&rv->drain.pending, 1);
	/* Pairs with the check in use_start(), through revoke_barrier(). */
	WRITE_ONCE(rv->state, REVOKE_REVOKED);
	rv->ticket = ++r->ticket;
	rv->since = jiffies;
	list_move_tail(&rv->node, &r->leaving);
	list_del_init(&rv->poll_again);
	list_add_tail(&rv->batch, &batch->revokes);
}

/* Mark what is open now.  What is opened meanwhile has a later ticket. */
static void revoke_mark_files(struct revokable *r, const struct inode *inode,
			      bool dead, struct revoke_batch *batch)
{
	struct revoke *rv, *next;
	u64 last;

	spin_lock(&r->lock);
	if (dead)
		WRITE_ONCE(r->state, REVOKABLE_DEAD);
	last = r->ticket;
	if (inode) {
		list_for_each_entry_safe(rv, next, &r->files, node) {
			if (file_inode(rv->file) == inode)
				revoke_mark(rv, batch);
		}
	} else {
		while (!list_empty(&r->files)) {
			rv = list_first_entry(&r->files, struct revoke, node);
			if (rv->ticket > last)
				break;
			revoke_mark(rv, batch);
			cond_resched_lock(&r->lock);
		}
	}
	batch->ticket = r->ticket;
	revokable_settle(r);
	spin_unlock(&r->lock);
	/* For those who wait for a resume, this is the answer. */
	wake_up_all(&r->resumed);
}

/*
 * After this, nobody enters whom the state written before keeps out, and each
 * use left has been counted.
 */
static void revoke_barrier(struct revoke *rv, bool *self)
{
	struct file_use *use;
	int cpu;

	for_each_possible_cpu(cpu) {
		struct use_bucket *b = use_bucket_of(rv, cpu);

		guard(spinlock)(&b->lock);
		hlist_for_each_entry(use, &b->uses, node) {
			if (use->revoke != rv || use->drain)
				continue;
			use->drain = &rv->drain;
			atomic_inc(&rv->drain.pending);
			*self |= use->task == current;
		}
	}
}

/* The bucket lock keeps the task: it cannot leave before it has unlinked. */
static void use_notify(struct file_use *use)
{
	use->kicked = true;
	/* Nobody would ever clear a kernel thread's notification. */
	if (use->task->flags & PF_KTHREAD)
		wake_up_state(use->task, TASK_INTERRUPTIBLE);
	else
		set_notify_signal(use->task);
}

static void use_kick(struct file_use *use, void *r)
{
	/* A counted record keeps its revoke. */
	if (use->drain && use->revoke->r == r && use->task != current &&
	    use->what != in_release)
		use_notify(use);
}

static unsigned long revoke_report_after(void)
{
#ifdef CONFIG_DETECT_HUNG_TASK
	if (sysctl_hung_task_timeout_secs)
		return sysctl_hung_task_timeout_secs * HZ;
#endif
	return 120 * HZ;
}

static bool revoke_overdue(const struct revoke *rv)
{
	return !rv->reported &&
	       time_after(jiffies, rv->since + revoke_report_after());
}

static void use_report(struct file_use *use, void *r)
{
	struct revoke *rv = use->revoke;

	if ((use->drain || use->what == in_release) && rv->r == r &&
	    revoke_overdue(rv))
		pr_warn("revoke: %s:%d does not return from %s (%lu s)\n",
			use->task->comm, task_pid_nr(use->task), use->what,
			(jiffies - rv->since) / HZ);
}

/* Say, once for each file, who has not left it for too long. */
static void revokable_report(struct revokable *r)
{
	struct revoke *rv;
	int requests;

	visit_uses(use_report, r);

	guard(spinlock)(&r->lock);
	list_for_each_entry(rv, &r->leaving, node) {
		if (!revoke_overdue(rv))
			continue;
		requests = atomic_read(&rv->nr_async);
		if (READ_ONCE(rv->users_left) && requests)
			pr_warn("revoke: %d requests do not complete (%lu s)\n",
				requests, (jiffies - rv->since) / HZ);
		rv->reported = true;
	}
}

/* While files are leaving: repeat the kicks, and report who does not go. */
static void revokable_watch(struct work_struct *work)
{
	struct revokable *r = container_of(to_delayed_work(work),
					   struct revokable, watch);
	bool leaving;

	visit_uses(use_kick, r);
	revokable_report(r);
	scoped_guard(spinlock, &r->lock)
		leaving = !list_empty(&r->leaving);
	/* The reference goes with it, unless another revoke was faster. */
	if (!leaving || !queue_delayed_work(revoke_wq, &r->watch, HZ))
		revokable_put(r);
}

static void revokable_start_watch(struct revokable *r)
{
	revokable_get(r);
	if (!queue_delayed_work(revoke_wq, &r->watch, HZ))
		revokable_put(r);
}

struct inside {
	const struct revokable *r;	/* what the caller would wait for: */
	const struct revoke *rv;	/* this one; or, if NULL, all of them */
	bool killable;
	bool found;
};

static void test_inside(struct file_use *use, void *arg)
{
	struct inside *inside = arg;
	/* Whoever suspends may be inside of what the caller would wait for. */
	bool paused = use->pause && inside->killable;
	bool own;

	/* A fault outlives its file if that is unmapped, unless it is counted. */
	if (use->task != current ||
	    (!use->drain && !paused && use->what != in_release))
		return;
	own = inside->rv ? use->revoke == inside->rv :
			   use->revoke->r == inside->r;
	inside->found |= own || (inside->killable &&
				 (use->drain || paused ||
				  wq_has_sleeper(&use->revoke->r->wait)));
}

/*
 * Two tasks may each be inside a method of the file that the other one revokes.
 * Where giving up the waiting does no harm, whoever sees it does so.  But who
 * removes an object is going to free it, and must wait unless it is for itself.
 */
static bool revoke_cannot_wait(struct revokable *r, struct revoke *rv,
			       bool killable)
{
	struct inside inside = { .r = r, .rv = rv, .killable = killable };

	visit_uses(test_inside, &inside);
	return inside.found;
}

/*
 * Whoever runs ->release is inside as well: for those who wait for it, for the
 * report, for lockdep, and should it come here itself.  It is not counted, and
 * not kicked, as what it does has to be done.  With @drain, a revoke waits.
 */
static void release_begin(struct revoke *rv, struct revoke_drain *drain)
{
	struct file_use *use = &rv->open_use;

	use->bucket = use_bucket_of(rv, raw_smp_processor_id());
	use->revoke = rv;
	use->task = current;
	use->what = in_release;
	use->drain = drain;
	use->pause = NULL;
	use->kicked = false;
	use->aside = true;
	use->suspends = false;
	use->inserts = NULL;
	scoped_guard(spinlock, &use->bucket->lock)
		hlist_add_head(&use->node, &use->bucket->uses);
	use_acquire(use, rv);
}

static void release_end(struct revoke *rv)
{
	struct file_use *use = &rv->open_use;

	use_release(use);
	scoped_guard(spinlock, &use->bucket->lock)
		hlist_del(&use->node);
}

/* Nobody is inside any more, and nobody gets in. */
static void revoke_detach(struct revoke *rv)
{
	struct file *file = rv->file;

	/* Before ->release, after which the memory may be somebody else's. */
	if (rv->tracked)
		revoke_untrack(file);
	revoke_drop_relays(rv);
	if (rv->opened) {
		locks_revoke_file(file);
		release_begin(rv, &rv->drain);
		file_release_driver(file);
		release_end(rv);
		rv->fops = file->f_op;
		/* Tests for methods look at the old one under RCU. */
		WRITE_ONCE(file->f_op, &revoked_fops);
	}
	queue_rcu_work(revoke_wq, &rv->put_work);
}

/*
 * The count of a request under way belongs to whoever completes it.  From the
 * last one on the file may be gone, so the request has a reference, too.
 */
void revoke_async_begin(struct file_use *use)
{
	struct revoke *rv = use->revoke;

	kref_get(&rv->ref);
	atomic_inc(&rv->nr_async);
	use->async = rv;
}

/* Before the end of the use, as there must be no last one before. */
void revoke_async_returns(struct file_use *use, bool queued)
{
	/* Who has stepped out, and not got in again, has given it back. */
	if (!use->async || !use->bucket) {
		WARN_ON_ONCE(use->async && queued);
		return;
	}
	if (!queued)
		revoke_async_end(use->async);
}

void revoke_async_end(struct revoke *rv)
{
	/* There can be no last one before revoke_drained() says so. */
	if (atomic_dec_and_test(&rv->nr_async))
		queue_work(release_wq, &rv->drain.work);
	kref_put(&rv->ref, revoke_free);
}

/**
 * revoke_async_done - complete a request for which -EIOCBQUEUED was returned
 * @iocb: the request, of any file
 * @ret: its result; once the file has been revoked, an error becomes what the
 *	object's policy says
 *
 * Calls iocb->ki_complete(), after which a revoke of the file that has waited
 * for the request goes on.  What may be done afterwards is what may be done
 * after ki_complete() if that was the last reference to the file: ->release is
 * possibly running.
 *
 * Context: as for ki_complete(), any.
 */
void revoke_async_done(struct kiocb *iocb, long ret)
{
	struct file *file = iocb->ki_filp;
	struct revoke *rv;

	if (!file_is_revokable(file)) {
		iocb->ki_complete(iocb, ret);
		return;
	}
	rv = file->f_revoke;
	if (ret < 0 && file_revoked(file))
		ret = iocb->ki_flags & IOCB_WRITE ? rv->r->policy.write_error :
						    revoked_read_result(file);
	iocb->ki_complete(iocb, ret);
	revoke_async_end(rv);
}
EXPORT_SYMBOL_GPL(revoke_async_done);

struct revoke *__revoke_cmd_done(struct file *file, s32 *ret)
{
	struct revoke *rv = file->f_revoke;

	if (*ret < 0 && file_revoked(file))
		*ret = rv->r->policy.ioctl_error;
	return rv;
}

/*
 * Nobody starts a request any more, but the kick may have come before the last
 * ones were started.  True if there are none; otherwise the last one to
 * complete goes on.
 */
static bool revoke_async_drained(struct revoke *rv)
{
	WRITE_ONCE(rv->users_left, true);
	if (atomic_read(&rv->nr_async) > 1 && rv->r->ops->kick)
		rv->r->ops->kick(rv->r, rv->file);
	return atomic_dec_and_test(&rv->nr_async);
}

/*
 * Everybody whom the last barrier had found is out.  With mappings there is a
 * second round for vm_ops->open and ->close: they were let in until now.
 */
static void revoke_drained(struct revoke *rv)
{
	bool self = false;

	if (!rv->users_left && !revoke_async_drained(rv))
		return;

	if (rv->state == REVOKE_REVOKED) {
		atomic_set(&rv->drain.pending, 1);
		/* Pairs with the check in use_start(), as REVOKE_REVOKED. */
		WRITE_ONCE(rv->state, REVOKE_CLOSED);
		if (rv->mapped)
			revoke_barrier(rv, &self);
		if (!atomic_dec_and_test(&rv->drain.pending))
			return;
	}
	revoke_detach(rv);
}

/* Somebody has left who may have inserted what had been zapped. */
static void revoke_zap_work(struct work_struct *work)
{
	struct revoke *rv = container_of(work, struct revoke, drain.zap);

	/* The count that came with the work keeps the file. */
	revoke_zap(rv->file);
	if (atomic_dec_and_test(&rv->drain.pending))
		queue_work(release_wq, &rv->drain.work);
}

static void revoke_drained_work(struct work_struct *work)
{
	struct revoke *rv = container_of(work, struct revoke, drain.work);
	struct revokable *r = revokable_get(rv->r);

	drain_acquire(r);
	revoke_drained(rv);
	drain_release(r);
	revokable_put(r);
}

/* The entry leaves the object; with the last one, a dead object is done. */
static void revoke_gone(struct revoke *rv)
{
	struct revokable *r = rv->r;

	spin_lock(&r->lock);
	WRITE_ONCE(rv->state, REVOKE_RELEASED);
	list_del_init(&rv->node);
	revokable_settle(r);
	spin_unlock(&r->lock);
	complete_all(&rv->released);
	wake_up_all(&r->wait);
}

/* No reader of the old f_op is left. */
static void revoke_put_work(struct work_struct *work)
{
	struct revoke *rv = container_of(to_rcu_work(work), struct revoke,
					 put_work);
	struct revokable *r = revokable_get(rv->r);

	cdev_put(rv->cdev);
	fops_put(rv->fops);
	revoke_gone(rv);
	kref_put(&rv->ref, revoke_free);
	revokable_put(r);
}

static void revoke_barrier_batch(struct revoke_batch *batch)
{
	struct revoke *rv;

	list_for_each_entry(rv, &batch->revokes, batch) {
		revoke_barrier(rv, &batch->self);
		cond_resched();
	}
}

/* Returns with access through mappings gone, but for those who are inside. */
static void revoke_zap_batch(struct revoke_batch *batch)
{
	struct revoke *rv, *other;

	list_for_each_entry(rv, &batch->revokes, batch) {
		if (!rv->mapped || rv->zapped)
			continue;
		revoke_zap(rv->file);
		/* One walk per mapping serves all that share it. */
		other = rv;
		list_for_each_entry_continue(other, &batch->revokes, batch) {
			if (other->file->f_mapping == rv->file->f_mapping)
				other->zapped = true;
		}
		cond_resched();
	}
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
 * its file: __fput() waits for the revoke to be complete.
 */
static void revoke_start(struct revokable *r, struct revoke_batch *batch)
{
	struct revoke *rv, *next;

	if (list_empty(&batch->revokes))
		return;

	revoke_zap_batch(batch);

	list_for_each_entry(rv, &batch->revokes, batch) {
		/* Exclusive waiters, too: each of them is concerned. */
		__wake_up(&rv->poll_wq, TASK_NORMAL, 0,
			  poll_to_key(r->policy.poll_mask));
		revoke_send_sigio(rv);
		if (r->ops->kick)
			r->ops->kick(r, rv->file);
		cond_resched();
	}
	visit_uses(use_kick, r);
	revokable_start_watch(r);

	list_for_each_entry_safe(rv, next, &batch->revokes, batch) {
		list_del_init(&rv->batch);
		if (atomic_dec_and_test(&rv->drain.pending))
			queue_work(release_wq, &rv->drain.work);
		cond_resched();
	}
}

/* Either all that left no later than with this ticket, or one file. */
static bool revoke_complete(struct revokable *r, u64 ticket, struct revoke *rv)
{
	if (rv)
		return completion_done(&rv->released);

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

static int revoke_wait(struct revokable *r, u64 ticket, struct revoke *rv,
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

/* @rv: wait for this one only; NULL: for all up to the batch's ticket */
static int revoke_batch(struct revokable *r, struct revoke_batch *batch,
			struct revoke *rv, bool killable)
{
	int ret;

	might_sleep();
	revoke_barrier_batch(batch);
	/*
	 * Nothing to do, and no need to tell lockdep: its key may have been
	 * unloaded along with the object's owner.
	 */
	if (list_empty(&batch->revokes) &&
	    revoke_complete(r, batch->ticket, rv))
		return 0;

	revoke_start(r, batch);
	/* Nor does a caller who is inside, and cannot wait for itself, wait. */
	if (batch->self || revoke_cannot_wait(r, rv, killable))
		return -EINPROGRESS;
	drain_acquire(r);
	ret = revoke_wait(r, batch->ticket, rv, killable);
	drain_release(r);
	return ret;
}

/**
 * revoke_it - the object has gone: revoke its open files, and allow no more
 * @r: the object
 *
 * When this returns 0, no method runs or will run for any file opened on the
 * object, no page table entry maps its memory through one, each ->release has
 * run once, and no file or mapping pins the module.
 *
 * Waits without limit for tasks inside methods: those that sleep on user
 * memory can take as long as user space likes.  Where that is not acceptable,
 * use revoke_it_async().
 *
 * Context: may sleep.  The caller must hold no lock that a method or ->release
 *	of the object takes, nor any that is taken inside of an mmap_lock.
 * Return: 0; or -EINPROGRESS if the caller is inside a method of one of the
 *	files, or its ->release, and would be waiting for itself.  Then the
 *	revoke is completed when it has left, and nothing must be freed before.
 *	Who can get there has to use revoke_it_async() instead.
 */
int revoke_it(struct revokable *r)
{
	struct revoke_batch batch;

	revoke_batch_init(&batch);
	revoke_mark_files(r, NULL, true, &batch);
	return revoke_batch(r, &batch, NULL, false) ?: await_orphans(r);
}
EXPORT_SYMBOL_GPL(revoke_it);

/**
 * revoke_it_async - revoke_it() without the waiting
 * @r: the object
 * @done: called from a workqueue, with the data given to revokable_alloc(),
 *	when the revoke is complete; NULL: the caller has no use for that
 *
 * When this returns, no method will start, and mapped memory is unreachable
 * except for tasks that are inside a method.  Until @done is called the driver
 * must keep whatever its methods and its ->release use; without @done, that has
 * to be kept by the open files.  May be called once.
 *
 * Context: may sleep, but waits for no user.  The caller must hold no lock
 *	that is taken inside of an mmap_lock.
 */
void revoke_it_async(struct revokable *r, void (*done)(void *data))
{
	struct revoke_batch batch;

	might_sleep();
	revoke_batch_init(&batch);
	if (done) {
		guard(spinlock)(&r->lock);
		r->done = done;
		r->done_wanted = true;
		revokable_get(r);
	}
	revoke_mark_files(r, NULL, true, &batch);
	revoke_barrier_batch(&batch);
	revoke_start(r, &batch);
}
EXPORT_SYMBOL_GPL(revoke_it_async);

/**
 * revokable_flush_done - wait for the callback of revoke_it_async() to return
 * @r: the object
 *
 * For the exit of a module that has learned of the completion from @done, which
 * may still be running its last instructions.
 *
 * Context: may sleep.
 */
void revokable_flush_done(struct revokable *r)
{
	flush_work(&r->done_work);
}
EXPORT_SYMBOL_GPL(revokable_flush_done);

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
	struct revoke_batch batch;

	revoke_batch_init(&batch);
	revoke_mark_files(r, inode, false, &batch);
	return revoke_batch(r, &batch, NULL, true);
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
	struct revoke_batch batch;
	struct revoke *rv;

	if (!file_is_revokable(file))
		return -EOPNOTSUPP;
	revoke_batch_init(&batch);
	rv = file->f_revoke;
	scoped_guard(spinlock, &rv->r->lock) {
		if (rv->state < REVOKE_REVOKED)
			revoke_mark(rv, &batch);
	}
	wake_up_all(&rv->r->resumed);
	return revoke_batch(rv->r, &batch, rv, true);
}
EXPORT_SYMBOL_GPL(revoke_file);

struct inserting {
	const struct revokable	*r;
	unsigned long		epoch;
	bool			found;	/* somebody who began before that */
	bool			inside;	/* the caller, in whatever method ... */
	bool			self;	/* ... and if that inserts */
	bool			kick;	/* wake them */
};

static void test_inserting(struct file_use *use, void *arg)
{
	struct inserting *in = arg;

	if (use->task == current) {
		in->self |= use->inserts == in->r;
		/* A fault can outlive its file, other methods cannot. */
		in->inside |= in->self ||
			      (!use->inserts && use->revoke->r == in->r);
	} else if (use->inserts == in->r && (long)(use->epoch - in->epoch) < 0) {
		use->awaited = true;
		in->found = true;
		if (in->kick)
			use_notify(use);
	}
}

static bool still_inserting(struct inserting *in)
{
	in->found = false;
	visit_uses(test_inserting, in);
	return in->found;
}

/*
 * A ->fault that has dropped its lock, to be repeated, can find on its return
 * that the mapping has been unmapped and the file closed.  Then it is not in
 * anybody's count, but still in the driver.  For an object that lets nobody in
 * any more: wait for those that it has let in.
 */
static int await_orphans(struct revokable *r)
{
	struct inserting in = { .r = r, .kick = true };

	if (!READ_ONCE(r->mapped))
		return 0;
	in.epoch = atomic_long_inc_return(&zap_epoch);
	if (still_inserting(&in)) {
		if (!in.inside)
			drain_acquire(r);
		while (!wait_event_timeout(zap_wait, !still_inserting(&in), HZ))
			;
		if (!in.inside)
			drain_release(r);
	}
	return in.self ? -EINPROGRESS : 0;
}

/*
 * All VMAs of the files on one of the lists.  Both are in the order of their
 * tickets; those of @list are done with up to @ticket.  A file that is revoked
 * meanwhile goes from one list to the other, and may be found on both.
 */
static void zap_files(struct revokable *r, const struct list_head *list,
		      pgoff_t first, pgoff_t last)
{
	struct file *done = NULL, *file;
	u64 ticket = 0, until;
	struct revoke *rv;

	spin_lock(&r->lock);
	until = r->ticket;
again:
	list_for_each_entry(rv, list, node) {
		if (rv->ticket <= ticket)
			continue;
		if (rv->ticket > until)
			break;
		ticket = rv->ticket;
		file = rv->file;
		/* Most files of a device share one, which takes one walk. */
		if (!READ_ONCE(rv->mapped) ||
		    (done && file->f_mapping == done->f_mapping))
			continue;
		/* VMAs have references, so there are none without. */
		if (!file_ref_get(&file->f_ref))
			continue;
		spin_unlock(&r->lock);
		if (done)
			fput(done);
		done = file;
		revoke_zap_pages(file, first, last);
		spin_lock(&r->lock);
		goto again;
	}
	spin_unlock(&r->lock);
	if (done)
		fput(done);
}

static void zap_all_files(struct revokable *r, pgoff_t first, pgoff_t last)
{
	zap_files(r, &r->files, first, last);
	zap_files(r, &r->leaving, first, last);
}

/**
 * revokable_zap_range - take a part of the object out of all mappings
 * @r: the object
 * @start: where the part begins, in pages, as in vm_pgoff
 * @nr: how many pages; 0: all that follow
 *
 * The files stay as they are: a fault may bring the pages back.  So the driver
 * first changes what its ->mmap and faults go by, under a lock of theirs or
 * without, and calls this then.  Who is in one of them, or in
 * start_using_vma(), may have looked before that, and is waited for.  Whoever
 * comes later sees the change.  So, on return, no page table entry leads to the
 * part, except for those that have been allowed to after the change.  Private
 * copies have been taken, too.
 *
 * A method other than those that inserts entries into mappings of its own file
 * is not waited for, unless it has called start_using_vma(), too: it could be
 * asleep for good.
 *
 * As for unmap_mapping_range(), private mappings made by remap_pfn_range() are
 * where their PFN is.  If that is not their offset, only shared ones should be
 * allowed.
 *
 * Context: may sleep.  Not in ->mmap, a fault, or start_using_vma() of the same
 *	object, where two callers would wait for each other.  The caller must
 *	hold no lock that ->mmap or a fault of the object takes, nor any that is
 *	taken inside of an mmap_lock.  If a file is closed meanwhile, its
 *	->release may follow later in the caller's task.
 */
void revokable_zap_range(struct revokable *r, pgoff_t start, pgoff_t nr)
{
	pgoff_t last = nr ? start + nr - 1 : ULONG_MAX;
	struct inserting in = { .r = r };
	bool wait;

	might_sleep();
	if (last < start)
		last = ULONG_MAX;

	/* After what the driver has changed; pairs with use_start(). */
	in.epoch = atomic_long_inc_return(&zap_epoch);
	wait = still_inserting(&in);
	/* Access ends now, also if the wait takes long. */
	zap_all_files(r, start, last);
	if (WARN_ON_ONCE(in.self))
		return;

	/* To lockdep, who is in another method would wait for that. */
	if (!in.inside)
		drain_acquire(r);
	if (wait) {
		wait_event(zap_wait, !still_inserting(&in));
		zap_all_files(r, start, last);
	}
	if (!in.inside)
		drain_release(r);
}
EXPORT_SYMBOL_GPL(revokable_zap_range);

/*
 * Suspending
 *
 * A suspend marks the files, goes through the buckets, which tells it who is
 * inside, kicks these, and waits for them on its own behalf: its count is on
 * its stack, so a revoke that comes meanwhile counts the same uses once more,
 * and none of the two has to know of the other.
 */

#define SUSPEND_BUSY	1

static int suspend_begin(struct revokable *r, struct list_head *files,
			 u64 *ticket)
{
	struct revoke *rv;

	guard(spinlock)(&r->lock);
	if (r->state == REVOKABLE_DEAD)
		return r->policy.error;
	if (r->suspending)
		return SUSPEND_BUSY;
	r->suspending = true;
	r->suspended++;
	r->suspends++;
	WRITE_ONCE(r->state, REVOKABLE_SUSPENDED);
	*ticket = r->ticket;

	list_for_each_entry(rv, &r->files, node) {
		/* Pairs with the check in use_start(), through pause_barrier(). */
		WRITE_ONCE(rv->state, REVOKE_SUSPENDED);
		/* Of those that drop the last one, only faults may be inside. */
		if (file_ref_get(&rv->file->f_ref)) {
			kref_get(&rv->ref);
			list_add_tail(&rv->paused, files);
		}
	}
	return 0;
}

/* What the caller calls from now on is not let in, as it is not waited for. */
static void use_set_suspends(struct file_use *use, void *r)
{
	if (use->task == current && use_object(use) == r)
		use->suspends = true;
}

/* As revoke_barrier().  ->release is not put off, so it is not waited for. */
static void pause_barrier(struct revoke *rv, struct revoke_pause *pause)
{
	struct file_use *use;
	int cpu;

	for_each_possible_cpu(cpu) {
		struct use_bucket *b = use_bucket_of(rv, cpu);

		guard(spinlock)(&b->lock);
		hlist_for_each_entry(use, &b->uses, node) {
			if (use->revoke != rv || use->task == current ||
			    use->what == in_release)
				continue;
			use->pause = pause;
			atomic_inc(&pause->pending);
		}
	}
}

static void pause_kick(struct file_use *use, void *pause)
{
	if (use->pause == pause)
		use_notify(use);
}

static void pause_report(struct file_use *use, void *pause)
{
	if (use->pause == pause)
		pr_warn("revoke: %s:%d does not return from %s to be suspended\n",
			use->task->comm, task_pid_nr(use->task), use->what);
}

/* A task may go to sleep after the kick, so it is repeated. */
static void pause_wait(struct revoke_pause *pause)
{
	unsigned long report = jiffies + revoke_report_after();
	bool reported = false;

	if (atomic_dec_and_test(&pause->pending))
		return;
	do {
		visit_uses(pause_kick, pause);
		if (!reported && time_after(jiffies, report)) {
			visit_uses(pause_report, pause);
			reported = true;
		}
	} while (!wait_for_completion_timeout(&pause->left, HZ));
}

/**
 * revokable_suspend - let nobody use an object for a while
 * @r: the object
 *
 * When this returns 0, and until revokable_resume(), no method runs for any
 * file of the object, except for those that cannot be put off: ->flush,
 * ->release, ->fasync, the cancelling of io_uring commands, and what vm_ops
 * have to say about the address space: ->open, ->close, ->may_split, ->mremap,
 * ->mprotect, ->pagesize, ->set_policy and ->get_policy.  These the driver
 * keeps from the hardware itself.  Requests that methods have left behind are
 * its own business, too.
 *
 * Other calls wait, or fail, see struct revokable_policy.  Who sleeps in a
 * method is woken as by a revoke, and called again after the resume if the
 * method returns -ERESTARTSYS; ops->kick is not called.  Waits without limit
 * for tasks inside of methods, as revoke_it() does, but not for the caller's
 * own uses: an ioctl may suspend its object.
 *
 * Suspends nest; each has to be undone by a revokable_resume(), by whomever.
 * revokable_suspend() of an object that is being suspended waits for that.
 *
 * Context: may sleep.  The caller must hold no lock that a method or ->release
 *	of the object takes, nor any that is taken inside of an mmap_lock.
 * Return: 0; policy.error if the object is dead; -EBUSY if the caller is inside
 *	of a method, and somebody else, who may be waiting for it to leave, is
 *	suspending the object.
 */
int revokable_suspend(struct revokable *r)
{
	bool inside = revoke_caller_inside(r);
	struct address_space *zapped = NULL;
	struct revoke_pause pause;
	struct revoke *rv, *next;
	LIST_HEAD(files);
	u64 ticket;
	int ret;

	might_sleep();
	atomic_set(&pause.pending, 1);
	init_completion(&pause.left);

	ret = suspend_begin(r, &files, &ticket);
	if (ret == SUSPEND_BUSY) {
		if (inside)
			return -EBUSY;
		wait_event(r->resumed, (ret = suspend_begin(r, &files, &ticket))
				       != SUSPEND_BUSY);
	}
	if (ret)
		return ret;
	visit_uses(use_set_suspends, r);
	list_for_each_entry(rv, &files, paused) {
		pause_barrier(rv, &pause);
		cond_resched();
	}

	if (!inside)
		drain_acquire(r);
	pause_wait(&pause);
	/* And those that are on their way out. */
	revoke_wait(r, ticket, NULL, false);
	if (!inside)
		drain_release(r);
	await_orphans(r);

	/* With nobody inside, no more page table entries are inserted. */
	list_for_each_entry(rv, &files, paused) {
		if (READ_ONCE(rv->mapped) && rv->file->f_mapping != zapped) {
			zapped = rv->file->f_mapping;
			revoke_zap_suspended(rv->file);
		}
		cond_resched();
	}
	list_for_each_entry_safe(rv, next, &files, paused) {
		fput(rv->file);
		kref_put(&rv->ref, revoke_free);
		cond_resched();
	}
	scoped_guard(spinlock, &r->lock)
		r->suspending = false;
	wake_up_all(&r->resumed);
	return 0;
}
EXPORT_SYMBOL_GPL(revokable_suspend);

static unsigned long revokable_suspends(struct revokable *r)
{
	guard(spinlock)(&r->lock);
	return r->suspends;
}

/*
 * mmap(2) of a file, before it takes the mmap_lock.  Of the suspends that are
 * counted in @seen none makes it fail then: they have been waited for.
 */
int __revokable_mmap_wait(struct file *file, unsigned long *seen)
{
	*seen = revokable_suspends(file->f_revoke->r);
	return file_suspended(file) ? revoke_await_resume(file, false) : 0;
}

/* With the lock, it has got -EAGAIN: from a suspend that came later? */
bool __revokable_mmap_again(struct file *file, unsigned long seen)
{
	return revokable_suspends(file->f_revoke->r) != seen;
}

/*
 * For a page fault that has dropped its lock, with a reference to its revoke.
 * It is repeated, whatever was the reason to wake up.
 */
void revoke_await_resume_fault(struct revoke *rv, unsigned int state)
{
	DEFINE_WAIT(wait);

	prepare_to_wait(&rv->r->resumed, &wait, state);
	if (READ_ONCE(rv->state) == REVOKE_SUSPENDED)
		schedule();
	finish_wait(&rv->r->resumed, &wait);
	kref_put(&rv->ref, revoke_free);
}

/*
 * Somebody has polled, and was not let in.  Returns whether there will be a
 * wake-up; if not, have another look.
 */
bool revoke_poll_later(struct revoke *rv, bool queued)
{
	struct revokable *r = rv->r;

	guard(spinlock)(&r->lock);
	if (rv->state != REVOKE_SUSPENDED)
		return false;
	if (queued)
		WRITE_ONCE(rv->relays_due, true);
	if (list_empty(&rv->poll_again))
		list_add_tail(&rv->poll_again, &r->poll_again);
	return true;
}

/* Pollers look again; with no events given, all of them. */
static void revokable_poll_again(struct revokable *r, struct list_head *again)
{
	struct revoke *rv;

	for (;;) {
		scoped_guard(spinlock, &r->lock) {
			rv = list_first_entry_or_null(again, struct revoke,
						      poll_again);
			if (!rv)
				return;
			list_del_init(&rv->poll_again);
			kref_get(&rv->ref);
		}
		wake_up_all(&rv->poll_wq);
		kref_put(&rv->ref, revoke_free);
		cond_resched();
	}
}

static void use_rejoin(struct file_use *use, void *r)
{
	if (use_object(use) == r)
		use->suspends = false;
}

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
	struct revoke *rv;
	LIST_HEAD(again);

	might_sleep();
	scoped_guard(spinlock, &r->lock) {
		if (WARN_ON_ONCE(!r->suspended) || --r->suspended)
			return;
		/*
		 * With the lock held, so that the next suspend comes later.
		 * Whoever takes the lock of a bucket after this, and so whoever
		 * finds a file live in there, also finds what the caller has
		 * done until now.
		 */
		visit_uses(use_rejoin, r);
		if (r->state == REVOKABLE_SUSPENDED)
			WRITE_ONCE(r->state, REVOKABLE_LIVE);
		list_for_each_entry(rv, &r->files, node)
			WRITE_ONCE(rv->state, rv->opened ? REVOKE_LIVE :
							   REVOKE_OPENING);
		list_splice_init(&r->poll_again, &again);
	}
	wake_up_all(&r->resumed);
	revokable_poll_again(r, &again);
}
EXPORT_SYMBOL_GPL(revokable_resume);

/*
 * The last reference has gone.  Either __fput() or a revoke gets to release
 * the file, and the other one waits for it.
 */
bool __revoke_fput_claim(struct file *file)
{
	struct revoke *rv = file->f_revoke;
	struct revokable *r = rv->r;
	bool claimed;

	scoped_guard(spinlock, &r->lock) {
		claimed = rv->state < REVOKE_REVOKED;
		if (claimed) {
			WRITE_ONCE(rv->state, REVOKE_CLOSED);
			rv->ticket = ++r->ticket;
			rv->since = jiffies;
			list_move_tail(&rv->node, &r->leaving);
			list_del_init(&rv->poll_again);
		}
	}
	if (claimed) {
		/* Before ->release: tty waits for its queues to be empty. */
		revoke_drop_relays(rv);
		release_begin(rv, NULL);
		return true;
	}
	wait_for_completion(&rv->released);
	kref_put(&rv->ref, revoke_free);
	return false;
}

/* The claim has been made good. */
void __revoke_fput_done(struct file *file)
{
	struct revoke *rv = file->f_revoke;

	release_end(rv);
	revoke_gone(rv);
	kref_put(&rv->ref, revoke_free);
}

static int __init revoke_init(void)
{
	int cpu, i;

	for_each_possible_cpu(cpu) {
		for (i = 0; i < 1 << USE_BUCKET_BITS; i++)
			spin_lock_init(&per_cpu(use_buckets, cpu).bucket[i].lock);
	}
	release_wq = alloc_workqueue("revoke_release", WQ_UNBOUND, 0);
	revoke_wq = alloc_workqueue("revoke", WQ_UNBOUND, 0);
	return release_wq && revoke_wq ? 0 : -ENOMEM;
}
core_initcall(revoke_init);
