// SPDX-License-Identifier: GPL-2.0
/*
 * Devices to be revoked, for the tests of revoke
 *
 * Their methods do little but count who is inside, and stop where a test wants
 * them to: it is up to fs/revoke.c that nobody is inside, or comes in, when
 * ->release has run.  For the same reason nothing here protects the methods
 * from the object going away.  So that a kernel in which they need protection
 * can be caught without crashing, structures of closed files and the memory of
 * dead objects stay around for a while: see test_file_keep() and obj_dead().
 *
 * test_revoke_abi.h says what user space sees of this.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/aio.h>
#include <linux/cdev.h>
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kfifo.h>
#include <linux/kref.h>
#include <linux/kthread.h>
#include <linux/lockdep.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/poll.h>
#include <linux/revoke.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/splice.h>
#include <linux/string.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "test_revoke_abi.h"

#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
#define TEST_HUGE_SIZE		PMD_SIZE
#else
#define TEST_HUGE_SIZE		0UL
#endif

#define TEST_SIZE		(REVOKE_TEST_PAGES * PAGE_SIZE)
#define TEST_MAX_CLOSED		4096

/* A place where tasks can be made to stop; under test_lock */
struct test_point {
	enum revoke_test_mode	mode;
	int			error;
	unsigned int		epoch;		/* changes when it is opened */
	unsigned int		blocked;
};

enum test_async {
	TEST_ASYNC_NONE,
	TEST_ASYNC_PENDING,
	TEST_ASYNC_DONE,
};

/* What make_revokable() is about: a device, from its "probe" to its end */
struct test_obj {
	struct kref		ref;
	struct test_dev		*dev;
	struct revokable	*r;		/* NULL: cannot be revoked */
	u32			generation;
	bool			dying;
	atomic_t		async;		/* enum test_async */
	atomic_t		suspends;
	atomic_t		inside;		/* methods a suspend waits for */

	wait_queue_head_t	wait;
	spinlock_t		lock;		/* fifo, @files, @taken */
	DECLARE_KFIFO(fifo, u8, REVOKE_TEST_FIFO_SIZE);
	struct fasync_struct	*fasync;
	unsigned int		files;
	pgoff_t			taken;		/* ... of so many: */
	unsigned long		taken_pages;

	spinlock_t		req_lock;	/* @queued, @finished; irqs off */
	struct list_head	queued;
	struct list_head	finished;
	struct work_struct	finish;

	void			*mem;
	struct page		*pages[REVOKE_TEST_PAGES];
	struct mutex		huge_lock;	/* @huge, set once */
	void			*huge;
};

struct test_dev {
	u32			nr;
	spinlock_t		lock;		/* @obj, @generation */
	struct test_obj		*obj;
	u32			generation;
	struct mutex		recreate_lock;	/* one new @obj at a time */

	spinlock_t		closed_lock;	/* @closed, @nr_closed */
	struct list_head	closed;
	unsigned int		nr_closed;

	struct test_point	points[REVOKE_TEST_METHODS][REVOKE_TEST_WHENS];
	atomic64_t		entered[REVOKE_TEST_METHODS];
	atomic64_t		finished[REVOKE_TEST_METHODS];
	atomic64_t		kicks;
	atomic64_t		queued;
	atomic64_t		vmas;
	atomic64_t		released_inside;
	atomic64_t		after_release;
	atomic64_t		released_twice;
	atomic64_t		waiters_left;
	atomic64_t		fasync_left;
	atomic64_t		done_early;
	atomic64_t		queued_left;
	atomic64_t		suspended_inside;
	atomic64_t		victim_result;
};

/* What REVOKE_TEST_DEV_ASYNC has yet to complete */
struct test_req {
	struct list_head	node;
	struct file		*file;
	struct kiocb		*iocb;
	int			result;
};

/* One open file */
struct test_file {
	struct test_obj		*obj;
	struct file		*victim;
	enum revoke_test_method	victim_method;
	struct list_head	closed;
	atomic_t		inside;
	atomic_t		vmas;
	atomic_t		released;
};

static struct test_dev test_devs[REVOKE_TEST_DEVICES];
static struct lock_class_key test_keys[REVOKE_TEST_DEVICES];
static atomic_t test_ctl_opens = ATOMIC_INIT(0);
static struct workqueue_struct *test_wq;
/* As a lock of a subsystem that is held while devices are removed */
static DEFINE_MUTEX(test_subsystem_lock);

/* For points to be opened and reached, and counters to grow */
static DECLARE_WAIT_QUEUE_HEAD(test_wait);
static DEFINE_SPINLOCK(test_lock);

static void test_wake(void)
{
	if (wq_has_sleeper(&test_wait))
		wake_up_all(&test_wait);
}

/*
 * Points
 */

static bool point_opened(const struct test_point *p, unsigned int epoch)
{
	return READ_ONCE(p->epoch) != epoch;
}

static int point_sleep(const struct test_point *p, enum revoke_test_mode mode,
		       unsigned int epoch, const struct file *file)
{
	switch (mode) {
	case REVOKE_TEST_INTERRUPTIBLE:
	case REVOKE_TEST_INTERRUPTED:
		return wait_event_interruptible(test_wait,
						point_opened(p, epoch));
	case REVOKE_TEST_KILLABLE:
		return wait_event_killable(test_wait, point_opened(p, epoch));
	case REVOKE_TEST_UNTIL_REVOKED:
		wait_event(test_wait, point_opened(p, epoch) ||
			   file_revoked(file));
		return point_opened(p, epoch) ? 0 : -EINTR;
	default:
		wait_event(test_wait, point_opened(p, epoch));
		return 0;
	}
}

static int point_pass(struct test_dev *dev, const struct file *file,
		      enum revoke_test_method method,
		      enum revoke_test_when when)
{
	struct test_point *p = &dev->points[method][when];
	enum revoke_test_mode mode;
	unsigned int epoch;
	int ret;

	if (READ_ONCE(p->mode) == REVOKE_TEST_PASS)
		return 0;

	scoped_guard(spinlock, &test_lock) {
		mode = p->mode;
		if (mode == REVOKE_TEST_PASS)
			return 0;
		if (mode == REVOKE_TEST_FAIL)
			return -p->error;
		epoch = p->epoch;
		p->blocked++;
	}
	test_wake();

	ret = point_sleep(p, mode, epoch, file);

	scoped_guard(spinlock, &test_lock)
		p->blocked--;
	return ret && mode == REVOKE_TEST_INTERRUPTED ? -EINTR : ret;
}

static void point_set(struct test_dev *dev, u32 method, u32 when,
		      enum revoke_test_mode mode, int error)
{
	struct test_point *p = &dev->points[method][when];

	scoped_guard(spinlock, &test_lock) {
		/* Whoever sleeps there goes on, also when it is armed anew. */
		WRITE_ONCE(p->epoch, p->epoch + 1);
		WRITE_ONCE(p->mode, mode);
		p->error = error;
	}
	wake_up_all(&test_wait);
}

static void points_open_all(void)
{
	u32 i, method, when;

	for (i = 0; i < REVOKE_TEST_DEVICES; i++)
		for (method = 0; method < REVOKE_TEST_METHODS; method++)
			for (when = 0; when < REVOKE_TEST_WHENS; when++)
				point_set(&test_devs[i], method, when,
					  REVOKE_TEST_PASS, 0);
}

/*
 * Objects
 */

static void obj_put(struct test_obj *obj);

/*
 * Whoever ends requests leaves their completion to a work item: aio calls its
 * cancel function under a lock that the completion takes.
 */
static void reqs_end(struct test_obj *obj, const struct file *file,
		     const struct kiocb *iocb, int result)
{
	struct test_req *req, *next;

	guard(spinlock_irqsave)(&obj->req_lock);
	list_for_each_entry_safe(req, next, &obj->queued, node) {
		if ((file && req->file != file) || (iocb && req->iocb != iocb))
			continue;
		req->result = result;
		list_move_tail(&req->node, &obj->finished);
	}
	kref_get(&obj->ref);
	/* The caller has a reference, so this is not the last one. */
	if (!queue_work(test_wq, &obj->finish))
		obj_put(obj);
}

static void req_complete(struct test_obj *obj, struct test_req *req)
{
	struct test_file *tf = req->file->private_data;

	if (atomic_read(&tf->released))
		atomic64_inc(&obj->dev->after_release);
	atomic64_dec(&obj->dev->queued);
	revoke_async_done(req->iocb, min(req->result, 0));
	kfree(req);
}

static void reqs_finish(struct work_struct *work)
{
	struct test_obj *obj = container_of(work, struct test_obj, finish);
	struct test_req *req, *next;
	LIST_HEAD(finished);

	scoped_guard(spinlock_irqsave, &obj->req_lock)
		list_splice_init(&obj->finished, &finished);
	list_for_each_entry_safe(req, next, &finished, node)
		req_complete(obj, req);
	test_wake();
	obj_put(obj);
}

static int test_cancel(struct kiocb *iocb)
{
	struct test_file *tf = iocb->ki_filp->private_data;

	if (atomic_read(&tf->released))
		atomic64_inc(&tf->obj->dev->after_release);
	reqs_end(tf->obj, NULL, iocb, -ECANCELED);
	return 0;
}

static int req_add(struct test_obj *obj, struct file *file, struct kiocb *iocb)
{
	struct test_req *req;

	req = kzalloc_obj(*req);
	if (!req)
		return -ENOMEM;
	req->file = file;
	req->iocb = iocb;

	scoped_guard(spinlock_irqsave, &obj->req_lock) {
		list_add_tail(&req->node, &obj->queued);
		atomic64_inc(&obj->dev->queued);
	}
	test_wake();
	return -EIOCBQUEUED;
}

static bool has_reqs(struct test_obj *obj, const struct file *file)
{
	struct test_req *req;

	guard(spinlock_irqsave)(&obj->req_lock);
	list_for_each_entry(req, &obj->queued, node) {
		if (req->file == file)
			return true;
	}
	return false;
}

static void test_kick(struct revokable *r, struct file *file)
{
	struct test_obj *obj = revokable_data(r);

	atomic64_inc(&obj->dev->kicks);
	reqs_end(obj, file, NULL, -ESHUTDOWN);
	/* For REVOKE_TEST_UNTIL_REVOKED; signals do the rest. */
	wake_up_all(&test_wait);
}

static const struct revokable_ops test_ops[REVOKE_TEST_DEVICES] = {
	[REVOKE_TEST_DEV_DEFAULT] = {
		.flags		= REVOKABLE_CLOSE_AT_RELEASE,
		.kick		= test_kick,
	},
	[REVOKE_TEST_DEV_OWNER] = {
		.flags		= REVOKABLE_OWNER_MAY_REVOKE,
		.kick		= test_kick,
	},
	[REVOKE_TEST_DEV_EOF] = {
		.flags		= REVOKABLE_CLOSE_AT_RELEASE |
				  REVOKABLE_READ_EOF,
		.kick		= test_kick,
	},
	[REVOKE_TEST_DEV_PREPARE] = {
		.policy = {
			.error		= -REVOKE_TEST_ERRNO,
			.read_error	= -REVOKE_TEST_READ_ERRNO,
			.write_error	= -REVOKE_TEST_WRITE_ERRNO,
			.ioctl_error	= -REVOKE_TEST_IOCTL_ERRNO,
			.mmap_error	= -REVOKE_TEST_MMAP_ERRNO,
		},
		.flags		= REVOKABLE_CLOSE_AT_RELEASE,
		.kick		= test_kick,
	},
	[REVOKE_TEST_DEV_ASYNC] = {
		.flags		= REVOKABLE_CLOSE_AT_RELEASE | REVOKABLE_ASYNC,
		.kick		= test_kick,
	},
	[REVOKE_TEST_DEV_DONTCOPY] = {
		.flags		= REVOKABLE_CLOSE_AT_RELEASE |
				  REVOKABLE_DONTCOPY,
		.kick		= test_kick,
	},
};

static void obj_fill(void *mem, size_t size, u32 generation)
{
	u32 page;

	for (page = 0; page < size / PAGE_SIZE; page++)
		*(u64 *)(mem + page * PAGE_SIZE) =
			revoke_test_stamp(generation, page);
}

static void obj_free(struct kref *ref)
{
	struct test_obj *obj = container_of(ref, struct test_obj, ref);

	if (obj->huge)
		free_pages_exact(obj->huge, TEST_HUGE_SIZE);
	if (obj->mem)
		free_pages_exact(obj->mem, TEST_SIZE);
	revokable_put(obj->r);
	kfree(obj);
}

static void obj_put(struct test_obj *obj)
{
	if (obj)
		kref_put(&obj->ref, obj_free);
}

static struct test_obj *obj_alloc(struct test_dev *dev)
{
	struct test_obj *obj;
	unsigned int i;

	obj = kzalloc_obj(*obj);
	if (!obj)
		return NULL;
	kref_init(&obj->ref);
	obj->dev = dev;
	init_waitqueue_head(&obj->wait);
	spin_lock_init(&obj->lock);
	mutex_init(&obj->huge_lock);
	spin_lock_init(&obj->req_lock);
	INIT_LIST_HEAD(&obj->queued);
	INIT_LIST_HEAD(&obj->finished);
	INIT_WORK(&obj->finish, reqs_finish);
	INIT_KFIFO(obj->fifo);

	/* Physically contiguous, but each page has a reference count. */
	obj->mem = alloc_pages_exact(TEST_SIZE, GFP_KERNEL | __GFP_ZERO);
	if (!obj->mem)
		goto err;
	for (i = 0; i < REVOKE_TEST_PAGES; i++)
		obj->pages[i] = virt_to_page(obj->mem + i * PAGE_SIZE);

	if (dev->nr != REVOKE_TEST_DEV_NEVER) {
		obj->r = __revokable_alloc(NULL, &test_ops[dev->nr], obj,
					   "revokable:test",
					   &test_keys[dev->nr]);
		if (!obj->r)
			goto err;
	}
	return obj;

err:
	obj_put(obj);
	return NULL;
}

static struct test_obj *obj_get(struct test_dev *dev)
{
	guard(spinlock)(&dev->lock);
	kref_get(&dev->obj->ref);
	return dev->obj;
}

DEFINE_FREE(obj_put, struct test_obj *, obj_put(_T))

static int obj_alloc_huge(struct test_obj *obj)
{
	if (!TEST_HUGE_SIZE)
		return -EOPNOTSUPP;

	guard(mutex)(&obj->huge_lock);
	if (!obj->huge) {
		void *huge = alloc_pages_exact(TEST_HUGE_SIZE, GFP_KERNEL |
					       __GFP_ZERO | __GFP_NOWARN);

		if (!huge)
			return -ENOMEM;
		obj_fill(huge, TEST_HUGE_SIZE, obj->generation);
		obj->huge = huge;
	}
	return 0;
}

/*
 * The revoke is complete: nobody has any business with the memory.  It is
 * freed when the next object is made; until then, one can see who has.
 */
static void obj_dead(struct test_obj *obj)
{
	scoped_guard(spinlock, &obj->lock) {
		if (obj->files)
			atomic64_inc(&obj->dev->done_early);
	}
	memset64(obj->mem, REVOKE_TEST_POISON, TEST_SIZE / sizeof(u64));
	guard(mutex)(&obj->huge_lock);
	if (obj->huge)
		memset64(obj->huge, REVOKE_TEST_POISON,
			 TEST_HUGE_SIZE / sizeof(u64));
}

static int obj_revoke(struct test_obj *obj)
{
	int ret;

	if (!obj->r)
		return -EOPNOTSUPP;
	WRITE_ONCE(obj->dying, true);
	ret = __revoke_it(obj->r);
	if (!ret)
		obj_dead(obj);
	return ret;
}

static void obj_async_done(void *data)
{
	struct test_obj *obj = data;

	obj_dead(obj);
	atomic_set(&obj->async, TEST_ASYNC_DONE);
	wake_up_all(&test_wait);
	obj_put(obj);
}

static int obj_revoke_async(struct test_obj *obj)
{
	if (!obj->r)
		return -EOPNOTSUPP;
	if (atomic_cmpxchg(&obj->async, TEST_ASYNC_NONE, TEST_ASYNC_PENDING) !=
	    TEST_ASYNC_NONE)
		return -EBUSY;
	WRITE_ONCE(obj->dying, true);
	kref_get(&obj->ref);
	revoke_it_async(obj->r, obj_async_done);
	return 0;
}

static int obj_suspend(struct test_obj *obj)
{
	int ret;

	if (!obj->r)
		return -EOPNOTSUPP;
	ret = revokable_suspend(obj->r);
	if (ret)
		return ret;
	/* Fully ordered, for test_file_enter() */
	atomic_inc_return(&obj->suspends);
	if (atomic_read(&obj->inside))
		atomic64_inc(&obj->dev->suspended_inside);
	return 0;
}

static int obj_resume(struct test_obj *obj)
{
	if (atomic_dec_if_positive(&obj->suspends) < 0)
		return -EINVAL;
	revokable_resume(obj->r);
	return 0;
}

/*
 * Method calls
 */

struct test_call {
	struct test_file	*tf;
	const struct file	*file;
	enum revoke_test_method	method;
};

static void count_entered(struct test_dev *dev, enum revoke_test_method method)
{
	atomic64_inc(&dev->entered[method]);
	test_wake();
}

static void count_finished(struct test_dev *dev,
			   enum revoke_test_method method)
{
	/* Pairs with the smp_rmb() in ctl_counters(). */
	smp_mb__before_atomic();
	atomic64_inc(&dev->finished[method]);
	test_wake();
}

/* Nobody can be made to wait for these. */
static bool runs_suspended(enum revoke_test_method method)
{
	switch (method) {
	case REVOKE_TEST_FLUSH:
	case REVOKE_TEST_FASYNC:
	case REVOKE_TEST_VM_OPEN:
	case REVOKE_TEST_VM_CLOSE:
		return true;
	default:
		return false;
	}
}

static struct test_file *test_file_enter(const struct file *file,
					 enum revoke_test_method method)
{
	struct test_file *tf = file->private_data;

	atomic_inc(&tf->inside);
	if (!runs_suspended(method)) {
		atomic_inc(&tf->obj->inside);
		/* Pairs with the barrier in obj_suspend(). */
		smp_mb__after_atomic();
		if (atomic_read(&tf->obj->suspends))
			atomic64_inc(&tf->obj->dev->suspended_inside);
	}
	/* Pairs with the barrier in test_release(): one of us will notice. */
	smp_mb__after_atomic();
	if (atomic_read(&tf->released))
		atomic64_inc(&tf->obj->dev->after_release);
	count_entered(tf->obj->dev, method);
	return tf;
}

static void test_file_leave(struct test_file *tf,
			    enum revoke_test_method method)
{
	count_finished(tf->obj->dev, method);
	if (!runs_suspended(method))
		atomic_dec(&tf->obj->inside);
	atomic_dec(&tf->inside);
}

static void revoke_victim(struct test_file *tf, enum revoke_test_method method)
{
	struct file *victim;
	int ret;

	if (likely(!READ_ONCE(tf->victim)) || tf->victim_method != method)
		return;
	victim = xchg(&tf->victim, NULL);
	if (!victim)
		return;
	/*
	 * From a fault, or in two methods at once, this is the inversion that
	 * it looks like.  Lockdep would report it, and nothing afterwards.
	 */
	lockdep_off();
	ret = revoke_file(victim);
	lockdep_on();
	atomic64_set(&tf->obj->dev->victim_result, ret);
	fput(victim);
	test_wake();
}

static int call_begin(struct test_call *call, const struct file *file,
		      enum revoke_test_method method)
{
	call->tf = test_file_enter(file, method);
	call->file = file;
	call->method = method;
	revoke_victim(call->tf, method);
	return point_pass(call->tf->obj->dev, file, method, REVOKE_TEST_ENTER);
}

static long call_end(struct test_call *call, long ret)
{
	if (ret >= 0) {
		int err = point_pass(call->tf->obj->dev, call->file,
				     call->method, REVOKE_TEST_LEAVE);

		if (err)
			ret = err;
	}
	test_file_leave(call->tf, call->method);
	return ret;
}

/*
 * Closed files are kept until there are too many, so that a method called
 * after ->release finds out instead of crashing.
 */
static void test_files_free(struct test_dev *dev, unsigned int keep)
{
	struct test_file *tf, *next;
	LIST_HEAD(old);

	scoped_guard(spinlock, &dev->closed_lock) {
		list_for_each_entry_safe(tf, next, &dev->closed, closed) {
			if (dev->nr_closed <= keep)
				break;
			if (atomic_read(&tf->inside))
				continue;
			list_move(&tf->closed, &old);
			dev->nr_closed--;
		}
	}
	list_for_each_entry_safe(tf, next, &old, closed) {
		obj_put(tf->obj);
		kfree(tf);
	}
}

static void test_file_keep(struct test_file *tf)
{
	struct test_dev *dev = tf->obj->dev;

	scoped_guard(spinlock, &dev->closed_lock) {
		list_add_tail(&tf->closed, &dev->closed);
		dev->nr_closed++;
	}
	test_files_free(dev, TEST_MAX_CLOSED);
}

static int test_open_file(struct test_dev *dev, struct file *file)
{
	struct test_file *tf;
	int ret;

	ret = point_pass(dev, file, REVOKE_TEST_OPEN, REVOKE_TEST_ENTER);
	if (ret)
		return ret;

	tf = kzalloc_obj(*tf);
	if (!tf)
		return -ENOMEM;
	tf->obj = obj_get(dev);
	file->private_data = tf;
	/* Otherwise io_uring waits by polling until it need not be queued. */
	if (dev->nr == REVOKE_TEST_DEV_ASYNC)
		file->f_mode |= FMODE_NOWAIT;

	if (tf->obj->r)
		ret = make_revokable(file, tf->obj->r);
	if (!ret)
		ret = point_pass(dev, file, REVOKE_TEST_OPEN,
				 REVOKE_TEST_LEAVE);
	if (ret) {
		obj_put(tf->obj);
		kfree(tf);
		return ret;
	}

	guard(spinlock)(&tf->obj->lock);
	tf->obj->files++;
	return 0;
}

static int test_open(struct inode *inode, struct file *file)
{
	struct test_dev *dev = &test_devs[iminor(inode)];
	int ret;

	count_entered(dev, REVOKE_TEST_OPEN);
	ret = test_open_file(dev, file);
	count_finished(dev, REVOKE_TEST_OPEN);
	return ret;
}

static int test_release(struct inode *inode, struct file *file)
{
	struct test_file *tf = file->private_data;
	struct test_obj *obj = tf->obj;
	struct test_dev *dev = obj->dev;

	count_entered(dev, REVOKE_TEST_RELEASE);
	revoke_victim(tf, REVOKE_TEST_RELEASE);
	if (tf->victim)
		fput(tf->victim);
	tf->victim = NULL;
	point_pass(dev, file, REVOKE_TEST_RELEASE, REVOKE_TEST_ENTER);

	if (atomic_xchg(&tf->released, 1)) {
		atomic64_inc(&dev->released_twice);
		count_finished(dev, REVOKE_TEST_RELEASE);
		return 0;
	}
	/* atomic_xchg() is a full barrier, for test_file_enter() */
	if (atomic_read(&tf->inside))
		atomic64_inc(&dev->released_inside);

	if (has_reqs(obj, file))
		atomic64_inc(&dev->queued_left);

	/* What vm_ops->close would have done, had the mappings gone first */
	atomic64_sub(atomic_xchg(&tf->vmas, 0), &dev->vmas);

	scoped_guard(spinlock, &obj->lock) {
		if (!--obj->files) {
			/* No poll or read can have begun: no open file. */
			if (waitqueue_active(&obj->wait))
				atomic64_inc(&dev->waiters_left);
			if (obj->fasync)
				atomic64_inc(&dev->fasync_left);
		}
	}

	point_pass(dev, file, REVOKE_TEST_RELEASE, REVOKE_TEST_LEAVE);
	count_finished(dev, REVOKE_TEST_RELEASE);
	test_file_keep(tf);
	return 0;
}

static int test_flush(struct file *file, fl_owner_t id)
{
	struct test_call call;

	call_begin(&call, file, REVOKE_TEST_FLUSH);
	call_end(&call, 0);
	return 0;
}

static ssize_t fifo_read(struct test_obj *obj, struct iov_iter *to,
			 bool nonblock)
{
	ssize_t done = 0;
	u8 buf[128];

	while (iov_iter_count(to)) {
		size_t n = min(iov_iter_count(to), sizeof(buf));
		size_t copied;
		int ret;

		n = kfifo_out_spinlocked(&obj->fifo, buf, n, &obj->lock);
		if (n) {
			copied = copy_to_iter(buf, n, to);
			done += copied;
			if (copied < n)
				return done ?: -EFAULT;
			continue;
		}
		if (done)
			break;
		if (nonblock)
			return -EAGAIN;
		/*
		 * Like that of a driver that has not heard of revoke, this
		 * condition stays false: it takes a kick to get out.
		 */
		ret = wait_event_interruptible(obj->wait,
					       !kfifo_is_empty(&obj->fifo));
		if (ret)
			return ret;
	}
	if (done)
		wake_up_interruptible_poll(&obj->wait, EPOLLOUT | EPOLLWRNORM);
	return done;
}

static void fifo_filled(struct test_obj *obj)
{
	wake_up_interruptible_poll(&obj->wait, EPOLLIN | EPOLLRDNORM);
	kill_fasync(&obj->fasync, SIGIO, POLL_IN);
}

static ssize_t fifo_write(struct test_obj *obj, struct iov_iter *from,
			  bool nonblock)
{
	ssize_t done = 0;
	u8 buf[128];

	while (iov_iter_count(from)) {
		size_t n, put;
		int ret;

		if (!kfifo_is_full(&obj->fifo)) {
			n = copy_from_iter(buf, min(iov_iter_count(from),
						    sizeof(buf)), from);
			if (!n)
				return done ?: -EFAULT;
			put = kfifo_in_spinlocked(&obj->fifo, buf, n,
						  &obj->lock);
			iov_iter_revert(from, n - put);
			done += put;
			continue;
		}
		if (done)
			break;
		if (nonblock)
			return -EAGAIN;
		ret = wait_event_interruptible(obj->wait,
					       !kfifo_is_full(&obj->fifo));
		if (ret)
			return ret;
	}
	if (done)
		fifo_filled(obj);
	return done;
}

/*
 * @iocb: NULL, or to be queued if it would have to wait.  As some drivers do, it
 * is prepared for that before anything is known.
 */
static ssize_t test_do_read(struct file *file, struct iov_iter *to,
			    bool nonblock, struct kiocb *iocb)
{
	struct test_call call;
	ssize_t ret;

	if (iocb)
		kiocb_set_cancel_fn(iocb, test_cancel);
	ret = call_begin(&call, file, REVOKE_TEST_READ);
	if (!ret)
		ret = fifo_read(call.tf->obj, to, nonblock || iocb);
	if (ret == -EAGAIN && iocb)
		ret = req_add(call.tf->obj, file, iocb);
	return call_end(&call, ret);
}

static ssize_t test_do_write(struct file *file, struct iov_iter *from,
			     bool nonblock, struct kiocb *iocb)
{
	struct test_call call;
	ssize_t ret;

	if (iocb)
		kiocb_set_cancel_fn(iocb, test_cancel);
	ret = call_begin(&call, file, REVOKE_TEST_WRITE);
	if (!ret)
		ret = fifo_write(call.tf->obj, from, nonblock || iocb);
	if (ret == -EAGAIN && iocb)
		ret = req_add(call.tf->obj, file, iocb);
	return call_end(&call, ret);
}

static bool kiocb_nonblock(const struct kiocb *iocb)
{
	return iocb->ki_flags & IOCB_NOWAIT ||
	       iocb->ki_filp->f_flags & O_NONBLOCK;
}

static struct kiocb *kiocb_to_queue(struct kiocb *iocb)
{
	struct test_file *tf = iocb->ki_filp->private_data;

	return tf->obj->dev->nr == REVOKE_TEST_DEV_ASYNC &&
	       !is_sync_kiocb(iocb) ? iocb : NULL;
}

static ssize_t test_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	return test_do_read(iocb->ki_filp, to, kiocb_nonblock(iocb),
			    kiocb_to_queue(iocb));
}

static ssize_t test_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	return test_do_write(iocb->ki_filp, from, kiocb_nonblock(iocb),
			     kiocb_to_queue(iocb));
}

static ssize_t test_read(struct file *file, char __user *buf, size_t len,
			 loff_t *ppos)
{
	struct iov_iter iter;
	int ret;

	ret = import_ubuf(ITER_DEST, buf, len, &iter);
	if (ret)
		return ret;
	return test_do_read(file, &iter, file->f_flags & O_NONBLOCK, NULL);
}

static ssize_t test_write(struct file *file, const char __user *buf,
			  size_t len, loff_t *ppos)
{
	struct iov_iter iter;
	int ret;

	ret = import_ubuf(ITER_SOURCE, (char __user *)buf, len, &iter);
	if (ret)
		return ret;
	return test_do_write(file, &iter, file->f_flags & O_NONBLOCK, NULL);
}

static ssize_t test_splice_read(struct file *in, loff_t *ppos,
				struct pipe_inode_info *pipe, size_t len,
				unsigned int flags)
{
	struct test_call call;
	ssize_t ret;

	ret = call_begin(&call, in, REVOKE_TEST_SPLICE_READ);
	if (!ret)
		ret = copy_splice_read(in, ppos, pipe, len, flags);
	return call_end(&call, ret);
}

static ssize_t test_splice_write(struct pipe_inode_info *pipe,
				 struct file *out, loff_t *ppos, size_t len,
				 unsigned int flags)
{
	struct test_call call;
	ssize_t ret;

	ret = call_begin(&call, out, REVOKE_TEST_SPLICE_WRITE);
	if (!ret)
		ret = iter_file_splice_write(pipe, out, ppos, len, flags);
	return call_end(&call, ret);
}

static loff_t test_llseek(struct file *file, loff_t offset, int whence)
{
	struct test_call call;
	loff_t pos = 0;
	int ret;

	ret = call_begin(&call, file, REVOKE_TEST_LLSEEK);
	if (!ret) {
		pos = fixed_size_llseek(file, offset, whence, TEST_SIZE);
		ret = pos < 0 ? pos : 0;
	}
	ret = call_end(&call, ret);
	return ret ?: pos;
}

static __poll_t test_poll(struct file *file, poll_table *wait)
{
	struct test_call call;
	struct test_obj *obj;
	__poll_t mask = 0;

	call_begin(&call, file, REVOKE_TEST_POLL);
	obj = call.tf->obj;
	poll_wait(file, &obj->wait, wait);
	if (!kfifo_is_empty(&obj->fifo))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (!kfifo_is_full(&obj->fifo))
		mask |= EPOLLOUT | EPOLLWRNORM;
	call_end(&call, 0);
	return mask;
}

static int test_fsync(struct file *file, loff_t start, loff_t end,
		      int datasync)
{
	struct test_call call;

	return call_end(&call, call_begin(&call, file, REVOKE_TEST_FSYNC));
}

static int test_fasync(int fd, struct file *file, int on)
{
	struct test_call call;
	int ret;

	ret = call_begin(&call, file, REVOKE_TEST_FASYNC);
	/* Nothing keeps a file from leaving the list. */
	if (!ret || !on)
		ret = fasync_helper(fd, file, on, &call.tf->obj->fasync);
	return call_end(&call, ret);
}

static void test_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct test_call call;

	call_begin(&call, file, REVOKE_TEST_SHOW_FDINFO);
	seq_printf(m, "revoke-test-generation:\t%u\n",
		   call.tf->obj->generation);
	call_end(&call, 0);
}

/*
 * Memory
 */

static enum revoke_test_shape vma_shape(const struct vm_area_struct *vma)
{
	return vma->vm_pgoff / REVOKE_TEST_SHAPE_PAGES;
}

static struct page *obj_page(struct test_obj *obj, pgoff_t pgoff)
{
	pgoff_t index = pgoff % REVOKE_TEST_SHAPE_PAGES;

	if (pgoff / REVOKE_TEST_SHAPE_PAGES == REVOKE_TEST_SHAPE_HUGE)
		return virt_to_page(obj->huge + index * PAGE_SIZE);
	return obj->pages[index];
}

/* Whether a part of it has been taken out of all mappings, not to come back */
static bool obj_taken(struct test_obj *obj, pgoff_t pgoff, unsigned long pages)
{
	guard(spinlock_irqsave)(&obj->lock);
	return pgoff < obj->taken + obj->taken_pages &&
	       obj->taken < pgoff + pages;
}

/* Who is stopped in here has looked already. */
static int insert_begin(struct test_call *call, const struct file *file,
			enum revoke_test_method method, pgoff_t pgoff,
			unsigned long pages)
{
	struct test_file *tf = file->private_data;
	bool taken = obj_taken(tf->obj, pgoff, pages);
	int ret;

	ret = call_begin(call, file, method);
	return ret ?: taken ? -ENXIO : 0;
}

/* What ->fault makes of a point's error: try again, or give up */
static vm_fault_t fault_result(int err)
{
	if (err == -EINTR || err == -ERESTARTSYS)
		return VM_FAULT_NOPAGE;
	return VM_FAULT_SIGBUS;
}

static vm_fault_t fault_end(struct test_call *call, vm_fault_t ret)
{
	call_end(call, 0);
	return ret;
}

static vm_fault_t test_fault_page(struct vm_fault *vmf)
{
	struct test_call call;
	int err;

	err = insert_begin(&call, vmf->vma->vm_file, REVOKE_TEST_VM_FAULT,
			   vmf->pgoff, 1);
	if (err)
		return fault_end(&call, fault_result(err));

	vmf->page = obj_page(call.tf->obj, vmf->pgoff);
	get_page(vmf->page);
	return fault_end(&call, 0);
}

static vm_fault_t test_fault_pfn(struct vm_fault *vmf)
{
	struct test_call call;
	struct page *page;
	int err;

	err = insert_begin(&call, vmf->vma->vm_file, REVOKE_TEST_VM_FAULT,
			   vmf->pgoff, 1);
	if (err)
		return fault_end(&call, fault_result(err));

	page = obj_page(call.tf->obj, vmf->pgoff);
	return fault_end(&call, vmf_insert_pfn(vmf->vma, vmf->address,
					       page_to_pfn(page)));
}

static vm_fault_t test_fault_remap(struct vm_fault *vmf)
{
	const pgoff_t first = REVOKE_TEST_SHAPE_REMAP_PFN *
			      REVOKE_TEST_SHAPE_PAGES;
	struct file *file = vmf->vma->vm_file;
	struct test_file *tf = file->private_data;
	unsigned long pfn = page_to_pfn(obj_page(tf->obj, first));
	pgoff_t pgoff = vmf->pgoff;
	struct test_call call;
	int err;

	/* If private, it is the PFN, and not an offset. */
	if (vma_is_cow_mapping(vmf->vma))
		pgoff += first - pfn;
	err = insert_begin(&call, file, REVOKE_TEST_VM_FAULT, pgoff, 1);
	if (err)
		return fault_end(&call, fault_result(err));

	return fault_end(&call, revokable_fault_pfn(vmf, pfn, first,
						  REVOKE_TEST_PAGES));
}

static vm_fault_t test_fault_none(struct vm_fault *vmf)
{
	struct test_call call;

	call_begin(&call, vmf->vma->vm_file, REVOKE_TEST_VM_FAULT);
	return fault_end(&call, VM_FAULT_SIGBUS);
}

#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
static vm_fault_t test_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long addr = ALIGN_DOWN(vmf->address, PMD_SIZE);
	struct test_call call;
	struct page *page;
	int err;

	err = insert_begin(&call, vma->vm_file, REVOKE_TEST_VM_HUGE_FAULT,
			   linear_page_index(vma, addr), 1UL << order);
	/* Some of its pages can still be mapped one by one. */
	if (err == -ENXIO)
		return fault_end(&call, VM_FAULT_FALLBACK);
	if (err)
		return fault_end(&call, fault_result(err));

	if (order != PMD_ORDER || addr < vma->vm_start ||
	    addr + PMD_SIZE > vma->vm_end)
		return fault_end(&call, VM_FAULT_FALLBACK);
	page = obj_page(call.tf->obj, linear_page_index(vma, addr));
	if (!IS_ALIGNED(page_to_pfn(page), 1UL << order))
		return fault_end(&call, VM_FAULT_FALLBACK);
	return fault_end(&call, vmf_insert_pfn_pmd(vmf, page_to_pfn(page),
						   false));
}
#endif

/*
 * Has nothing to map, but having it is what makes the core call ->fault under
 * no more than the lock of the VMA.  Called under RCU.
 */
static vm_fault_t test_map_pages(struct vm_fault *vmf, pgoff_t start,
				 pgoff_t end)
{
	struct test_file *tf;

	tf = test_file_enter(vmf->vma->vm_file, REVOKE_TEST_VM_MAP_PAGES);
	test_file_leave(tf, REVOKE_TEST_VM_MAP_PAGES);
	return 0;
}

static vm_fault_t test_page_mkwrite(struct vm_fault *vmf)
{
	struct test_call call;
	int err;

	err = call_begin(&call, vmf->vma->vm_file,
			 REVOKE_TEST_VM_PAGE_MKWRITE);
	if (err)
		return fault_end(&call, fault_result(err));

	lock_page(vmf->page);
	return fault_end(&call, VM_FAULT_LOCKED);
}

static vm_fault_t test_pfn_mkwrite(struct vm_fault *vmf)
{
	struct test_call call;
	int err;

	err = call_begin(&call, vmf->vma->vm_file, REVOKE_TEST_VM_PFN_MKWRITE);
	return fault_end(&call, err ? fault_result(err) : 0);
}

static void vma_count(struct test_file *tf, int n)
{
	atomic_add(n, &tf->vmas);
	atomic64_add(n, &tf->obj->dev->vmas);
}

static int test_vm_mapped(unsigned long start, unsigned long end,
			  pgoff_t pgoff, const struct file *file, void **data)
{
	struct test_call call;
	int ret;

	ret = call_begin(&call, file, REVOKE_TEST_VM_MAPPED);
	if (!ret)
		vma_count(call.tf, 1);
	return call_end(&call, ret);
}

static void test_vm_open(struct vm_area_struct *vma)
{
	struct test_call call;

	call_begin(&call, vma->vm_file, REVOKE_TEST_VM_OPEN);
	vma_count(call.tf, 1);
	call_end(&call, 0);
}

static void test_vm_close(struct vm_area_struct *vma)
{
	struct test_call call;

	call_begin(&call, vma->vm_file, REVOKE_TEST_VM_CLOSE);
	vma_count(call.tf, -1);
	call_end(&call, 0);
}

/* Not counted: the core does not promise anything about it. */
static const char *test_vm_name(struct vm_area_struct *vma)
{
	return "[revoke_test]";
}

static int test_vm_access(struct vm_area_struct *vma, unsigned long addr,
			  void *buf, int len, int write)
{
	pgoff_t pgoff = linear_page_index(vma, addr);
	struct test_call call;
	struct page *page;
	void *mem;
	int ret;

	ret = call_begin(&call, vma->vm_file, REVOKE_TEST_VM_ACCESS);
	if (ret)
		return call_end(&call, ret);

	/* In private mappings of PFNs, vm_pgoff is the PFN. */
	if (vma_is_cow_mapping(vma))
		page = pfn_to_page(pgoff);
	else
		page = obj_page(call.tf->obj, pgoff);
	len = min_t(int, len, PAGE_SIZE - offset_in_page(addr));
	mem = page_address(page) + offset_in_page(addr);
	if (write)
		memcpy(mem, buf, len);
	else
		memcpy(buf, mem, len);
	ret = call_end(&call, 0);
	return ret ?: len;
}

static const struct vm_operations_struct remap_vm_ops = {
	.fault		= test_fault_remap,
	.access		= test_vm_access,
};

static const struct vm_operations_struct fault_page_vm_ops = {
	.fault		= test_fault_page,
};

static const struct vm_operations_struct fault_pfn_vm_ops = {
	.fault		= test_fault_pfn,
	.access		= test_vm_access,
};

static const struct vm_operations_struct fault_vma_lock_vm_ops = {
	.fault		= test_fault_pfn,
	.map_pages	= test_map_pages,
	.access		= test_vm_access,
};

static const struct vm_operations_struct page_mkwrite_vm_ops = {
	.fault		= test_fault_page,
	.page_mkwrite	= test_page_mkwrite,
};

static const struct vm_operations_struct pfn_mkwrite_vm_ops = {
	.fault		= test_fault_pfn,
	.pfn_mkwrite	= test_pfn_mkwrite,
	.access		= test_vm_access,
};

#define CLOSE_VM_OPS							\
	.open		= test_vm_open,					\
	.close		= test_vm_close,				\
	.fault		= test_fault_pfn,				\
	.access		= test_vm_access,				\
	.name		= test_vm_name,

static const struct vm_operations_struct close_vm_ops = {
	CLOSE_VM_OPS
};

/* ->mapped is for ->mmap_prepare only */
static const struct vm_operations_struct mapped_vm_ops = {
	.mapped		= test_vm_mapped,
	CLOSE_VM_OPS
};

static const struct vm_operations_struct ioctl_vm_ops = {
	.fault		= test_fault_none,
	.access		= test_vm_access,
};

static const struct vm_operations_struct huge_vm_ops = {
	.fault		= test_fault_pfn,
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	.huge_fault	= test_huge_fault,
#endif
	.access		= test_vm_access,
};

struct test_shape {
	const struct vm_operations_struct *vm_ops;
	bool	pfn;		/* of VMs that have no struct page, so shared */
};

static const struct test_shape test_shapes[REVOKE_TEST_SHAPES] = {
	[REVOKE_TEST_SHAPE_REMAP_PFN]		= { &remap_vm_ops },
	[REVOKE_TEST_SHAPE_INSERT_PAGE]		= { NULL },
	[REVOKE_TEST_SHAPE_FAULT_PAGE]		= { &fault_page_vm_ops },
	[REVOKE_TEST_SHAPE_FAULT_PFN]		= { &fault_pfn_vm_ops, true },
	[REVOKE_TEST_SHAPE_FAULT_VMA_LOCK]	= { &fault_vma_lock_vm_ops,
						    true },
	[REVOKE_TEST_SHAPE_PAGE_MKWRITE]	= { &page_mkwrite_vm_ops },
	[REVOKE_TEST_SHAPE_PFN_MKWRITE]		= { &pfn_mkwrite_vm_ops, true },
	[REVOKE_TEST_SHAPE_CLOSE]		= { &close_vm_ops, true },
	[REVOKE_TEST_SHAPE_IOCTL]		= { &ioctl_vm_ops, true },
	[REVOKE_TEST_SHAPE_HUGE]		= { &huge_vm_ops, true },
};

/* The shape asked for, or an error */
static int mmap_shape(struct test_obj *obj, pgoff_t pgoff, unsigned long pages,
		      bool cow)
{
	pgoff_t shape = pgoff / REVOKE_TEST_SHAPE_PAGES;
	pgoff_t first = pgoff % REVOKE_TEST_SHAPE_PAGES;
	unsigned long limit = REVOKE_TEST_PAGES;
	int ret;

	if (shape >= REVOKE_TEST_SHAPES || (test_shapes[shape].pfn && cow))
		return -EINVAL;
	if (shape == REVOKE_TEST_SHAPE_HUGE) {
		ret = obj_alloc_huge(obj);
		if (ret)
			return ret;
		limit = TEST_HUGE_SIZE / PAGE_SIZE;
	}
	if (first >= limit || pages > limit - first)
		return -EINVAL;
	return shape;
}

static int insert_pages(struct test_obj *obj, struct vm_area_struct *vma)
{
	unsigned long i;
	int ret;

	for (i = 0; i < vma_pages(vma); i++) {
		ret = vm_insert_page(vma, vma->vm_start + i * PAGE_SIZE,
				     obj_page(obj, vma->vm_pgoff + i));
		if (ret)
			return ret;
	}
	return 0;
}

static int do_mmap_vma(struct test_file *tf, struct vm_area_struct *vma)
{
	struct page *page;
	int shape;

	shape = mmap_shape(tf->obj, vma->vm_pgoff, vma_pages(vma),
			   vma_is_cow_mapping(vma));
	if (shape < 0)
		return shape;

	page = obj_page(tf->obj, vma->vm_pgoff);
	if (test_shapes[shape].vm_ops)
		vma->vm_ops = test_shapes[shape].vm_ops;

	switch (shape) {
	case REVOKE_TEST_SHAPE_REMAP_PFN:
		return remap_pfn_range(vma, vma->vm_start, page_to_pfn(page),
				       vma->vm_end - vma->vm_start,
				       vma->vm_page_prot);
	case REVOKE_TEST_SHAPE_INSERT_PAGE:
		return insert_pages(tf->obj, vma);
	case REVOKE_TEST_SHAPE_CLOSE:
		vma_count(tf, 1);
		break;
	}
	if (test_shapes[shape].pfn)
		vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND |
			     VM_DONTDUMP);
	return 0;
}

static int test_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct test_call call;
	int ret;

	ret = insert_begin(&call, file, REVOKE_TEST_MMAP, vma->vm_pgoff,
			   vma_pages(vma));
	if (!ret)
		ret = do_mmap_vma(call.tf, vma);
	return call_end(&call, ret);
}

static int do_mmap_prepare(struct test_file *tf, struct vm_area_desc *desc)
{
	struct page *page;
	int shape;

	shape = mmap_shape(tf->obj, desc->pgoff, vma_desc_pages(desc),
			   vma_desc_is_cow_mapping(desc));
	if (shape < 0)
		return shape;

	page = obj_page(tf->obj, desc->pgoff);
	if (test_shapes[shape].vm_ops)
		desc->vm_ops = test_shapes[shape].vm_ops;

	switch (shape) {
	case REVOKE_TEST_SHAPE_REMAP_PFN:
		mmap_action_remap_full(desc, page_to_pfn(page));
		return 0;
	case REVOKE_TEST_SHAPE_INSERT_PAGE:
		mmap_action_map_kernel_pages_full(desc, tf->obj->pages +
				desc->pgoff % REVOKE_TEST_SHAPE_PAGES);
		return 0;
	case REVOKE_TEST_SHAPE_CLOSE:
		desc->vm_ops = &mapped_vm_ops;
		break;
	}
	if (test_shapes[shape].pfn)
		vma_desc_set_flags(desc, VMA_IO_BIT, VMA_PFNMAP_BIT,
				   VMA_DONTEXPAND_BIT, VMA_DONTDUMP_BIT);
	return 0;
}

static int test_mmap_prepare(struct vm_area_desc *desc)
{
	struct test_call call;
	int ret;

	ret = insert_begin(&call, desc->file, REVOKE_TEST_MMAP, desc->pgoff,
			   vma_desc_pages(desc));
	if (!ret)
		ret = do_mmap_prepare(call.tf, desc);
	return call_end(&call, ret);
}

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
#define get_area	thp_get_unmapped_area
#else
#define get_area	mm_get_unmapped_area
#endif

static unsigned long test_get_unmapped_area(struct file *file,
					    unsigned long addr,
					    unsigned long len,
					    unsigned long pgoff,
					    unsigned long flags)
{
	struct test_call call;
	unsigned long ret;
	int err;

	err = call_begin(&call, file, REVOKE_TEST_GET_UNMAPPED_AREA);
	ret = err ?: get_area(file, addr, len, pgoff, flags);
	test_file_leave(call.tf, call.method);
	return ret;
}

/*
 * ioctls of the devices
 */

static long test_info(struct test_obj *obj, struct revoke_test_info __user *arg)
{
	struct revoke_test_info info = {
		.dev		= obj->dev->nr,
		.generation	= obj->generation,
		.page_size	= PAGE_SIZE,
		.huge_size	= TEST_HUGE_SIZE,
	};

	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static int insert_from_user(struct revoke_test_insert *insert,
			    struct revoke_test_insert __user *arg)
{
	if (copy_from_user(insert, arg, sizeof(*insert)))
		return -EFAULT;
	if (insert->pad || (unsigned long)insert->address != insert->address ||
	    !PAGE_ALIGNED((unsigned long)insert->address) ||
	    insert->pages > REVOKE_TEST_PAGES)
		return -EINVAL;
	return 0;
}

static bool can_insert(const struct vm_area_struct *vma,
		       const struct revoke_test_insert *insert)
{
	return vma_shape(vma) == REVOKE_TEST_SHAPE_IOCTL &&
	       (vma->vm_end - insert->address) >> PAGE_SHIFT >= insert->pages;
}

static long insert_pfns(struct test_obj *obj, struct vm_area_struct *vma,
			const struct revoke_test_insert *insert)
{
	unsigned long addr = insert->address;
	u32 i;

	for (i = 0; i < insert->pages; i++, addr += PAGE_SIZE) {
		struct page *page;

		page = obj_page(obj, linear_page_index(vma, addr));
		if (vmf_insert_pfn(vma, addr, page_to_pfn(page)) !=
		    VM_FAULT_NOPAGE)
			return -ENOMEM;
	}
	return 0;
}

/*
 * As those drivers do that fill a mapping in an ioctl.  A use of the file is
 * held, so the zap after the drain finds what this has inserted.
 */
static long test_insert(struct file *file, struct test_obj *obj,
			struct revoke_test_insert __user *arg)
{
	struct revoke_test_insert insert;
	struct vm_area_struct *vma;
	long ret;

	ret = insert_from_user(&insert, arg);
	if (ret)
		return ret;

	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, insert.address);
	if (!vma || vma->vm_file != file || !can_insert(vma, &insert))
		ret = -EFAULT;
	else if (obj_taken(obj, linear_page_index(vma, insert.address),
			   insert.pages))
		ret = -ENXIO;
	else
		ret = insert_pfns(obj, vma, &insert);
	mmap_read_unlock(current->mm);
	return ret;
}

static const struct file_operations test_fops;
static const struct file_operations test_plain_fops;
static const struct file_operations test_prepare_fops;

/* While it is in use: a revoke changes it. */
static bool is_test_fops(const struct file_operations *fops)
{
	return fops == &test_fops || fops == &test_plain_fops ||
	       fops == &test_prepare_fops;
}

/* The private data of another file, without one of its methods being called */
static long test_use_fd(int nr)
{
	struct test_file *other;
	struct file_use use;
	struct file *file;
	long ret;

	CLASS(fd_using, f)(nr, &use);

	file = fd_using_file(&f);
	if (IS_ERR(file))
		return PTR_ERR(file);
	if (!is_test_fops(file_real_fops(file)))
		return -EINVAL;
	other = test_file_enter(file, REVOKE_TEST_USE_OTHER);
	ret = point_pass(other->obj->dev, file, REVOKE_TEST_USE_OTHER,
			 REVOKE_TEST_ENTER);
	if (!ret)
		ret = point_pass(other->obj->dev, file, REVOKE_TEST_USE_OTHER,
				 REVOKE_TEST_LEAVE);
	if (!ret)
		ret = other->obj->generation;
	test_file_leave(other, REVOKE_TEST_USE_OTHER);
	return ret;
}

static long test_set_victim(struct file *file,
			    struct revoke_test_victim __user *arg)
{
	struct test_file *tf = file->private_data;
	struct revoke_test_victim victim;
	struct file *other;

	if (copy_from_user(&victim, arg, sizeof(victim)))
		return -EFAULT;
	if (victim.method >= REVOKE_TEST_METHODS)
		return -EINVAL;
	other = fget(victim.fd);
	if (!other)
		return -EBADF;
	if (READ_ONCE(tf->victim)) {
		fput(other);
		return -EBUSY;
	}
	atomic64_set(&tf->obj->dev->victim_result, 1);
	tf->victim_method = victim.method;
	WRITE_ONCE(tf->victim, other);
	return 0;
}

static int test_lock_killable(void)
{
	int ret = mutex_lock_killable(&test_subsystem_lock);

	if (!ret)
		mutex_unlock(&test_subsystem_lock);
	return ret;
}

/* Outside, nothing is touched that goes with the file. */
static long test_step_out(struct file *file, struct test_dev *dev, bool lock)
{
	struct file_break brk;
	int ret;

	break_using(file, &brk);
	count_entered(dev, REVOKE_TEST_OUTSIDE);
	ret = point_pass(dev, file, REVOKE_TEST_OUTSIDE, REVOKE_TEST_ENTER);
	if (!ret && lock)
		ret = test_lock_killable();
	count_finished(dev, REVOKE_TEST_OUTSIDE);
	return unbreak_using(&brk) ? ret ?: 1 : 0;
}

static long do_ioctl(struct file *file, struct test_obj *obj, unsigned int cmd,
		     unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case REVOKE_TEST_INFO:
		return test_info(obj, argp);
	case REVOKE_TEST_RETURN:
		return (int)arg;
	case REVOKE_TEST_REVOKE_SELF:
		return revoke_file(file);
	case REVOKE_TEST_REVOKE_ALL:
		return obj->r ? revoke_files(obj->r) : -EOPNOTSUPP;
	case REVOKE_TEST_REVOKE_DEV:
		return obj_revoke(obj);
	case REVOKE_TEST_INSERT:
		return test_insert(file, obj, argp);
	case REVOKE_TEST_USE_FD:
		return test_use_fd(arg);
	case REVOKE_TEST_SET_VICTIM:
		return test_set_victim(file, argp);
	case REVOKE_TEST_STEP_OUT:
	case REVOKE_TEST_STEP_OUT_AND_LOCK:
		return 0;	/* see test_ioctl() */
	case REVOKE_TEST_LOCK:
		return test_lock_killable();
	default:
		return -ENOTTY;
	}
}

static long test_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct test_call call;
	struct test_dev *dev;
	long ret;

	ret = call_begin(&call, file, REVOKE_TEST_IOCTL);
	dev = call.tf->obj->dev;
	if (!ret)
		ret = do_ioctl(file, call.tf->obj, cmd, arg);
	ret = call_end(&call, ret);

	/* From here on, nothing counts the caller as inside. */
	if (!ret && cmd == REVOKE_TEST_STEP_OUT)
		ret = test_step_out(file, dev, false);
	if (!ret && cmd == REVOKE_TEST_STEP_OUT_AND_LOCK)
		ret = test_step_out(file, dev, true);
	return ret;
}

#define TEST_FOPS							\
	.owner			= THIS_MODULE,				\
	.open			= test_open,				\
	.release		= test_release,				\
	.flush			= test_flush,				\
	.llseek			= test_llseek,				\
	.poll			= test_poll,				\
	.unlocked_ioctl		= test_ioctl,				\
	.compat_ioctl		= compat_ptr_ioctl,			\
	.fsync			= test_fsync,				\
	.fasync			= test_fasync,				\
	.show_fdinfo		= test_show_fdinfo,			\
	.get_unmapped_area	= test_get_unmapped_area

#define TEST_ITER_FOPS							\
	.read_iter		= test_read_iter,			\
	.write_iter		= test_write_iter,			\
	.splice_read		= test_splice_read,			\
	.splice_write		= test_splice_write

static const struct file_operations test_fops = {
	TEST_FOPS,
	TEST_ITER_FOPS,
	.mmap			= test_mmap,
};

static const struct file_operations test_plain_fops = {
	TEST_FOPS,
	.read			= test_read,
	.write			= test_write,
	.mmap			= test_mmap,
};

static const struct file_operations test_prepare_fops = {
	TEST_FOPS,
	TEST_ITER_FOPS,
	.mmap_prepare		= test_mmap_prepare,
};

/* A region has one cdev, so the difference is made when it is opened. */
static int test_open_any(struct inode *inode, struct file *file)
{
	switch (iminor(inode)) {
	case REVOKE_TEST_DEV_OWNER:
		replace_fops(file, fops_get(&test_plain_fops));
		break;
	case REVOKE_TEST_DEV_PREPARE:
		replace_fops(file, fops_get(&test_prepare_fops));
		break;
	default:
		replace_fops(file, fops_get(&test_fops));
		break;
	}
	return test_open(inode, file);
}

static const struct file_operations test_region_fops = {
	.owner			= THIS_MODULE,
	.open			= test_open_any,
};

/*
 * The control node
 */

static struct test_dev *dev_of(u32 nr)
{
	return nr < REVOKE_TEST_DEVICES ? &test_devs[nr] : ERR_PTR(-EINVAL);
}

static void counters_reset(struct test_dev *dev)
{
	unsigned int i;

	for (i = 0; i < REVOKE_TEST_METHODS; i++) {
		atomic64_set(&dev->entered[i], 0);
		atomic64_set(&dev->finished[i], 0);
	}
	atomic64_set(&dev->kicks, 0);
	atomic64_set(&dev->released_inside, 0);
	atomic64_set(&dev->after_release, 0);
	atomic64_set(&dev->released_twice, 0);
	atomic64_set(&dev->waiters_left, 0);
	atomic64_set(&dev->fasync_left, 0);
	atomic64_set(&dev->done_early, 0);
	atomic64_set(&dev->queued_left, 0);
	atomic64_set(&dev->suspended_inside, 0);
	atomic64_set(&dev->victim_result, 0);
}

/* The old object, if any, has been revoked completely or never will be. */
static int dev_renew(struct test_dev *dev)
{
	struct test_obj *obj, *old;

	obj = obj_alloc(dev);
	if (!obj)
		return -ENOMEM;

	scoped_guard(spinlock, &dev->lock) {
		obj->generation = ++dev->generation;
		obj_fill(obj->mem, TEST_SIZE, obj->generation);
		old = dev->obj;
		dev->obj = obj;
	}
	obj_put(old);
	test_files_free(dev, 0);
	return 0;
}

static int ctl_recreate(struct test_dev *dev)
{
	struct test_obj *obj __free(obj_put) = NULL;
	int ret;

	guard(mutex)(&dev->recreate_lock);
	obj = obj_get(dev);
	if (!READ_ONCE(obj->dying) ||
	    atomic_read(&obj->async) == TEST_ASYNC_PENDING)
		return -EBUSY;
	/* One that was done by a method of the device may be under way. */
	ret = obj_revoke(obj);
	return ret ?: dev_renew(dev);
}

static bool async_pending(struct test_obj *obj)
{
	return atomic_read(&obj->async) == TEST_ASYNC_PENDING;
}

static int ctl_reset_dev(struct test_dev *dev)
{
	struct test_obj *obj __free(obj_put) = NULL;
	int ret;

	guard(mutex)(&dev->recreate_lock);
	obj = obj_get(dev);
	if (obj->r) {
		ret = obj_revoke(obj);
		if (ret)
			return ret;
		ret = wait_event_interruptible(test_wait, !async_pending(obj));
		if (ret)
			return ret;
	}
	ret = dev_renew(dev);
	if (!ret)
		counters_reset(dev);
	return ret;
}

static int ctl_reset(void)
{
	unsigned int i;
	int ret;

	points_open_all();
	for (i = 0; i < REVOKE_TEST_DEVICES; i++) {
		ret = ctl_reset_dev(&test_devs[i]);
		if (ret)
			return ret;
	}
	return 0;
}

static long ctl_revoke_fd(int nr)
{
	CLASS(fd, f)(nr);

	if (fd_empty(f))
		return -EBADF;
	return revoke_file(fd_file(f));
}

static long ctl_dev(struct test_dev *dev, unsigned int cmd)
{
	struct test_obj *obj __free(obj_put) = NULL;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	if (cmd == REVOKE_TEST_CTL_RECREATE)
		return ctl_recreate(dev);

	obj = obj_get(dev);
	switch (cmd) {
	case REVOKE_TEST_CTL_REVOKE_IT:
		return obj_revoke(obj);
	case REVOKE_TEST_CTL_REVOKE_IT_ASYNC:
		return obj_revoke_async(obj);
	case REVOKE_TEST_CTL_REVOKE_FILES:
		return obj->r ? revoke_files(obj->r) : -EOPNOTSUPP;
	case REVOKE_TEST_CTL_SUSPEND:
		return obj_suspend(obj);
	case REVOKE_TEST_CTL_RESUME:
		return obj_resume(obj);
	case REVOKE_TEST_CTL_REVOKE_IT_LOCKED: {
		guard(mutex)(&test_subsystem_lock);
		return obj_revoke(obj);
	}
	case REVOKE_TEST_CTL_REVOKE_IT_ASYNC_LOCKED: {
		guard(mutex)(&test_subsystem_lock);
		return obj_revoke_async(obj);
	}
	default:
		counters_reset(dev);
		return 0;
	}
}

/* Evaluates to 0, -ETIMEDOUT or -ERESTARTSYS */
#define test_wait_for(cond, timeout_ms)					\
({									\
	long __left;							\
									\
	__left = wait_event_interruptible_timeout(test_wait, (cond),	\
					msecs_to_jiffies(timeout_ms));	\
	__left > 0 ? 0 : __left ?: -ETIMEDOUT;				\
})

static long ctl_wait_done(struct revoke_test_wait_done __user *arg)
{
	struct test_obj *obj __free(obj_put) = NULL;
	struct revoke_test_wait_done wait;
	struct test_dev *dev;

	if (copy_from_user(&wait, arg, sizeof(wait)))
		return -EFAULT;
	dev = dev_of(wait.dev);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	obj = obj_get(dev);
	if (atomic_read(&obj->async) == TEST_ASYNC_NONE)
		return -ENOENT;
	return test_wait_for(!async_pending(obj), wait.timeout_ms);
}

static long ctl_counters(struct revoke_test_counters __user *arg)
{
	struct test_obj *obj __free(obj_put) = NULL;
	struct test_dev *dev;
	unsigned int i;
	u32 nr;

	struct revoke_test_counters *c __free(kfree) = kzalloc_obj(*c);

	if (!c)
		return -ENOMEM;
	if (get_user(nr, &arg->dev))
		return -EFAULT;
	dev = dev_of(nr);
	if (IS_ERR(dev))
		return PTR_ERR(dev);

	obj = obj_get(dev);
	c->dev = nr;
	c->generation = obj->generation;
	c->dead = READ_ONCE(obj->dying);
	scoped_guard(spinlock, &obj->lock)
		c->files = obj->files;
	for (i = 0; i < REVOKE_TEST_METHODS; i++) {
		c->finished[i] = atomic64_read(&dev->finished[i]);
		/*
		 * Nobody is to be seen to leave without having entered: pairs
		 * with the barrier in count_finished().
		 */
		smp_rmb();
		c->entered[i] = atomic64_read(&dev->entered[i]);
	}
	c->kicks = atomic64_read(&dev->kicks);
	c->queued = atomic64_read(&dev->queued);
	c->victim_result = atomic64_read(&dev->victim_result);
	c->vmas = atomic64_read(&dev->vmas);
	c->released_inside = atomic64_read(&dev->released_inside);
	c->after_release = atomic64_read(&dev->after_release);
	c->released_twice = atomic64_read(&dev->released_twice);
	c->waiters_left = atomic64_read(&dev->waiters_left);
	c->fasync_left = atomic64_read(&dev->fasync_left);
	c->done_early = atomic64_read(&dev->done_early);
	c->queued_left = atomic64_read(&dev->queued_left);
	c->suspended_inside = atomic64_read(&dev->suspended_inside);
	return copy_to_user(arg, c, sizeof(*c)) ? -EFAULT : 0;
}

static bool point_exists(u32 method, u32 when)
{
	switch (method) {
	case REVOKE_TEST_VM_MAP_PAGES:
		return false;
	case REVOKE_TEST_GET_UNMAPPED_AREA:
		return when == REVOKE_TEST_ENTER;
	default:
		return true;
	}
}

static long ctl_set_point(struct revoke_test_point __user *arg)
{
	struct revoke_test_point point;
	struct test_dev *dev;

	if (copy_from_user(&point, arg, sizeof(point)))
		return -EFAULT;
	dev = dev_of(point.dev);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	if (point.method >= REVOKE_TEST_METHODS ||
	    point.when >= REVOKE_TEST_WHENS ||
	    point.mode >= REVOKE_TEST_MODES || point.pad)
		return -EINVAL;
	if (point.mode == REVOKE_TEST_FAIL ?
	    !point.error || point.error > MAX_ERRNO : point.error)
		return -EINVAL;
	if (!point_exists(point.method, point.when))
		return -EOPNOTSUPP;
	point_set(dev, point.method, point.when, point.mode, point.error);
	return 0;
}

static long ctl_wait(unsigned int cmd, struct revoke_test_wait __user *arg)
{
	struct revoke_test_wait wait;
	struct test_point *point;
	struct test_dev *dev;
	atomic64_t *counter;

	if (copy_from_user(&wait, arg, sizeof(wait)))
		return -EFAULT;
	dev = dev_of(wait.dev);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	if (wait.method >= REVOKE_TEST_METHODS ||
	    wait.when >= REVOKE_TEST_WHENS)
		return -EINVAL;

	if (cmd == REVOKE_TEST_CTL_WAIT_BLOCKED) {
		point = &dev->points[wait.method][wait.when];
		return test_wait_for(READ_ONCE(point->blocked) >= wait.count,
				     wait.timeout_ms);
	}
	counter = cmd == REVOKE_TEST_CTL_WAIT_ENTERED ?
		  &dev->entered[wait.method] : &dev->finished[wait.method];
	return test_wait_for((u64)atomic64_read(counter) >= wait.count,
			     wait.timeout_ms);
}

static long ctl_data(struct revoke_test_data __user *arg)
{
	struct test_obj *obj __free(obj_put) = NULL;
	struct revoke_test_data data;
	struct test_dev *dev;

	if (copy_from_user(&data, arg, sizeof(data)))
		return -EFAULT;
	dev = dev_of(data.dev);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	if (data.bytes > REVOKE_TEST_FIFO_SIZE)
		return -EINVAL;

	obj = obj_get(dev);
	if (READ_ONCE(obj->dying))
		return -ENODEV;
	scoped_guard(spinlock_irqsave, &obj->lock) {
		u32 i;

		if (kfifo_avail(&obj->fifo) < data.bytes)
			return -ENOSPC;
		for (i = 0; i < data.bytes; i++)
			kfifo_put(&obj->fifo, 'r');
	}
	fifo_filled(obj);
	reqs_end(obj, NULL, NULL, data.bytes);
	return 0;
}

static long ctl_take_range(struct revoke_test_range __user *arg)
{
	struct test_obj *obj __free(obj_put) = NULL;
	struct revoke_test_range range;
	struct test_dev *dev;
	pgoff_t start;

	if (copy_from_user(&range, arg, sizeof(range)))
		return -EFAULT;
	dev = dev_of(range.dev);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	if (range.shape >= REVOKE_TEST_SHAPES ||
	    range.first >= REVOKE_TEST_SHAPE_PAGES ||
	    range.pages > REVOKE_TEST_SHAPE_PAGES - range.first)
		return -EINVAL;

	obj = obj_get(dev);
	if (!obj->r)
		return -EOPNOTSUPP;
	start = (pgoff_t)range.shape * REVOKE_TEST_SHAPE_PAGES + range.first;
	/* Before the zap, which waits for those who do not see it. */
	scoped_guard(spinlock_irqsave, &obj->lock) {
		obj->taken = start;
		obj->taken_pages = range.pages;
	}
	if (range.pages)
		revokable_zap_range(obj->r, start, range.pages);
	return 0;
}

static long ctl_peek(struct revoke_test_peek __user *arg)
{
	struct test_obj *obj __free(obj_put) = NULL;
	struct revoke_test_peek peek;
	struct test_dev *dev;
	size_t size;
	void *mem;

	if (copy_from_user(&peek, arg, sizeof(peek)))
		return -EFAULT;
	dev = dev_of(peek.dev);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	if (peek.huge > 1)
		return -EINVAL;

	obj = obj_get(dev);
	/* ->mmap takes this lock inside of the mmap_lock. */
	scoped_guard(mutex, &obj->huge_lock) {
		mem = peek.huge ? obj->huge : obj->mem;
		size = peek.huge ? TEST_HUGE_SIZE : TEST_SIZE;
		if (!mem)
			return -ENOENT;
		if (peek.offset % sizeof(u64) || peek.offset >= size)
			return -EINVAL;
		peek.value = READ_ONCE(*(u64 *)(mem + peek.offset));
	}
	return copy_to_user(arg, &peek, sizeof(peek)) ? -EFAULT : 0;
}

/*
 * A reader that no signal reaches.  It can outlast the control node.
 */
struct test_reader {
	struct kref		ref;
	struct file		*file;
	ssize_t			result;
	struct completion	done;
};

/* A poller of the kernel: the entry is its own, and stays until it says so. */
struct test_poller {
	poll_table		pt;
	wait_queue_entry_t	wait;
	wait_queue_head_t	*head;
	struct file		*file;
	atomic_t		wakeups;
	__poll_t		events;
	unsigned int		queues;
};

struct test_ctl_file {
	struct mutex		lock;		/* @reader, @poller */
	struct test_reader	*reader;
	struct test_poller	*poller;
};

static void reader_free(struct kref *ref)
{
	struct test_reader *reader = container_of(ref, struct test_reader, ref);

	fput(reader->file);
	kfree(reader);
}

static int reader_run(void *data)
{
	struct test_reader *reader = data;
	loff_t pos = 0;
	u8 byte;

	reader->result = kernel_read(reader->file, &byte, 1, &pos);
	complete_all(&reader->done);
	kref_put(&reader->ref, reader_free);
	module_put_and_kthread_exit(0);
}

static long ctl_kthread_read(struct test_ctl_file *cf, int fd)
{
	struct task_struct *task;
	struct test_reader *reader;

	guard(mutex)(&cf->lock);
	if (cf->reader) {
		if (!completion_done(&cf->reader->done))
			return -EBUSY;
		kref_put(&cf->reader->ref, reader_free);
		cf->reader = NULL;
	}
	reader = kzalloc_obj(*reader);
	if (!reader)
		return -ENOMEM;
	reader->file = fget(fd);
	if (!reader->file) {
		kfree(reader);
		return -EBADF;
	}
	kref_init(&reader->ref);
	init_completion(&reader->done);

	kref_get(&reader->ref);
	__module_get(THIS_MODULE);
	task = kthread_run(reader_run, reader, "revoke-read");
	if (IS_ERR(task)) {
		module_put(THIS_MODULE);
		reader_free(&reader->ref);
		return PTR_ERR(task);
	}
	cf->reader = reader;
	return task_pid_vnr(task);
}

static long ctl_kthread_result(struct test_ctl_file *cf)
{
	struct test_reader *reader;
	long ret;

	scoped_guard(mutex, &cf->lock) {
		reader = cf->reader;
		if (!reader)
			return -ENOENT;
		kref_get(&reader->ref);
	}
	ret = wait_for_completion_killable(&reader->done) ?: reader->result;
	kref_put(&reader->ref, reader_free);
	return ret;
}

static int poller_wake(wait_queue_entry_t *wait, unsigned int mode, int sync,
		       void *key)
{
	struct test_poller *poller = container_of(wait, struct test_poller,
						  wait);

	WRITE_ONCE(poller->events, key_to_poll(key));
	atomic_inc(&poller->wakeups);
	return 0;
}

static void poller_queue(struct file *file, wait_queue_head_t *head,
			 poll_table *pt)
{
	struct test_poller *poller = container_of(pt, struct test_poller, pt);

	if (poller->queues++)
		return;
	poller->head = head;
	add_wait_queue(head, &poller->wait);
}

static long ctl_poll(struct test_ctl_file *cf, int fd)
{
	struct test_poller *poller;

	guard(mutex)(&cf->lock);
	if (cf->poller)
		return -EBUSY;
	poller = kzalloc_obj(*poller);
	if (!poller)
		return -ENOMEM;
	poller->file = fget(fd);
	if (!poller->file) {
		kfree(poller);
		return -EBADF;
	}
	init_poll_funcptr(&poller->pt, poller_queue);
	init_waitqueue_func_entry(&poller->wait, poller_wake);
	vfs_poll(poller->file, &poller->pt);
	cf->poller = poller;
	return 0;
}

static long ctl_poll_seen(struct test_ctl_file *cf,
			  struct revoke_test_poll __user *arg)
{
	struct revoke_test_poll seen = {};
	struct test_poller *poller;

	guard(mutex)(&cf->lock);
	poller = cf->poller;
	if (!poller)
		return -ENOENT;
	seen.wakeups = atomic_read(&poller->wakeups);
	seen.events = (__force u32)READ_ONCE(poller->events);
	seen.mask = (__force u32)vfs_poll(poller->file, NULL);
	seen.queues = poller->queues;
	return copy_to_user(arg, &seen, sizeof(seen)) ? -EFAULT : 0;
}

static long ctl_poll_end(struct test_ctl_file *cf)
{
	struct test_poller *poller;

	guard(mutex)(&cf->lock);
	poller = cf->poller;
	if (!poller)
		return -ENOENT;
	cf->poller = NULL;
	if (poller->head)
		remove_wait_queue(poller->head, &poller->wait);
	fput(poller->file);
	kfree(poller);
	return 0;
}

static long ctl_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case REVOKE_TEST_CTL_REVOKE_IT:
	case REVOKE_TEST_CTL_REVOKE_IT_ASYNC:
	case REVOKE_TEST_CTL_REVOKE_FILES:
	case REVOKE_TEST_CTL_REVOKE_IT_LOCKED:
	case REVOKE_TEST_CTL_REVOKE_IT_ASYNC_LOCKED:
	case REVOKE_TEST_CTL_SUSPEND:
	case REVOKE_TEST_CTL_RESUME:
	case REVOKE_TEST_CTL_RECREATE:
	case REVOKE_TEST_CTL_RESET_COUNTERS:
		return ctl_dev(dev_of(arg), cmd);
	case REVOKE_TEST_CTL_REVOKE_FILE:
		return ctl_revoke_fd(arg);
	case REVOKE_TEST_CTL_RESET:
		return ctl_reset();
	case REVOKE_TEST_CTL_WAIT_DONE:
		return ctl_wait_done(argp);
	case REVOKE_TEST_CTL_COUNTERS:
		return ctl_counters(argp);
	case REVOKE_TEST_CTL_SET_POINT:
		return ctl_set_point(argp);
	case REVOKE_TEST_CTL_WAIT_BLOCKED:
	case REVOKE_TEST_CTL_WAIT_ENTERED:
	case REVOKE_TEST_CTL_WAIT_FINISHED:
		return ctl_wait(cmd, argp);
	case REVOKE_TEST_CTL_DATA:
		return ctl_data(argp);
	case REVOKE_TEST_CTL_PEEK:
		return ctl_peek(argp);
	case REVOKE_TEST_CTL_TAKE_RANGE:
		return ctl_take_range(argp);
	case REVOKE_TEST_CTL_KTHREAD_READ:
		return ctl_kthread_read(file->private_data, arg);
	case REVOKE_TEST_CTL_KTHREAD_RESULT:
		return ctl_kthread_result(file->private_data);
	case REVOKE_TEST_CTL_POLL:
		return ctl_poll(file->private_data, arg);
	case REVOKE_TEST_CTL_POLL_SEEN:
		return ctl_poll_seen(file->private_data, argp);
	case REVOKE_TEST_CTL_POLL_END:
		return ctl_poll_end(file->private_data);
	default:
		return -ENOTTY;
	}
}

static int ctl_open(struct inode *inode, struct file *file)
{
	struct test_ctl_file *cf;

	cf = kzalloc_obj(*cf);
	if (!cf)
		return -ENOMEM;
	mutex_init(&cf->lock);
	file->private_data = cf;
	atomic_inc(&test_ctl_opens);
	return 0;
}

static void resume_all(void)
{
	unsigned int i;

	for (i = 0; i < REVOKE_TEST_DEVICES; i++) {
		struct test_obj *obj __free(obj_put) = obj_get(&test_devs[i]);

		while (!obj_resume(obj))
			;
	}
}

/* A test that has died must not leave anybody behind at a point. */
static int ctl_release(struct inode *inode, struct file *file)
{
	struct test_ctl_file *cf = file->private_data;

	if (atomic_dec_and_test(&test_ctl_opens)) {
		points_open_all();
		resume_all();
	}
	ctl_poll_end(cf);
	if (cf->reader)
		kref_put(&cf->reader->ref, reader_free);
	kfree(cf);
	return 0;
}

static const struct file_operations ctl_fops = {
	.owner		= THIS_MODULE,
	.open		= ctl_open,
	.release	= ctl_release,
	.unlocked_ioctl	= ctl_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice test_ctl = {
	.minor		= MISC_DYNAMIC_MINOR,
	.name		= REVOKE_TEST_CTL_NAME,
	.fops		= &ctl_fops,
	.mode		= 0600,
};

/*
 * Devices
 */

static char *test_devnode(const struct device *device, umode_t *mode)
{
	if (mode)
		*mode = 0666;
	return NULL;
}

static const struct class test_class = {
	.name		= REVOKE_TEST_NAME,
	.devnode	= test_devnode,
};

static dev_t test_region;
static struct cdev *test_cdev;		/* of those that can be revoked */
static struct cdev *test_never_cdev;

static struct revokable *test_get_revokable(struct cdev *cdev, dev_t devt)
{
	struct test_obj *obj __free(obj_put) = NULL;

	obj = obj_get(&test_devs[MINOR(devt)]);
	return revokable_get(obj->r);
}

static struct cdev *
add_cdev(u32 first, u32 count,
	 struct revokable *(*get)(struct cdev *cdev, dev_t devt))
{
	struct cdev *cdev;
	int ret;

	/* Inodes can keep it beyond the life of the module. */
	cdev = cdev_alloc();
	if (!cdev)
		return ERR_PTR(-ENOMEM);
	cdev->owner = THIS_MODULE;
	cdev->ops = &test_region_fops;
	cdev_set_revokable(cdev, get);
	ret = cdev_add(cdev, test_region + first, count);
	if (ret) {
		kobject_put(&cdev->kobj);
		return ERR_PTR(ret);
	}
	return cdev;
}

static int add_cdevs(void)
{
	int ret;

	ret = alloc_chrdev_region(&test_region, 0, REVOKE_TEST_DEVICES,
				  REVOKE_TEST_NAME);
	if (ret)
		return ret;
	test_cdev = add_cdev(0, REVOKE_TEST_DEV_NEVER, test_get_revokable);
	if (IS_ERR(test_cdev)) {
		ret = PTR_ERR(test_cdev);
		goto err_region;
	}
	test_never_cdev = add_cdev(REVOKE_TEST_DEV_NEVER, 1, NULL);
	if (IS_ERR(test_never_cdev)) {
		ret = PTR_ERR(test_never_cdev);
		goto err_cdev;
	}
	return 0;

err_cdev:
	cdev_del(test_cdev);
err_region:
	unregister_chrdev_region(test_region, REVOKE_TEST_DEVICES);
	return ret;
}

static void del_cdevs(void)
{
	cdev_del(test_never_cdev);
	cdev_del(test_cdev);
	unregister_chrdev_region(test_region, REVOKE_TEST_DEVICES);
}

static void del_nodes(void)
{
	unsigned int i;

	for (i = 0; i < REVOKE_TEST_DEVICES; i++)
		device_destroy(&test_class, test_region + i);
	class_unregister(&test_class);
}

static int add_nodes(void)
{
	struct device *device;
	unsigned int i;
	int ret;

	ret = class_register(&test_class);
	if (ret)
		return ret;
	for (i = 0; i < REVOKE_TEST_DEVICES; i++) {
		device = device_create(&test_class, NULL, test_region + i, NULL,
				       REVOKE_TEST_NAME "%u", i);
		if (IS_ERR(device)) {
			del_nodes();
			return PTR_ERR(device);
		}
	}
	return 0;
}

/* No file is open, except for those that have been revoked. */
static void del_devs(void)
{
	unsigned int i;

	for (i = 0; i < REVOKE_TEST_DEVICES; i++) {
		struct test_dev *dev = &test_devs[i];

		if (!dev->obj)
			continue;
		obj_revoke(dev->obj);
		wait_event(test_wait, !async_pending(dev->obj));
		/* Also for a callback to have returned. */
		if (dev->obj->r)
			revoke_it(dev->obj->r);
		test_files_free(dev, 0);
		obj_put(dev->obj);
	}
}

static int add_devs(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < REVOKE_TEST_DEVICES; i++) {
		struct test_dev *dev = &test_devs[i];

		dev->nr = i;
		spin_lock_init(&dev->lock);
		mutex_init(&dev->recreate_lock);
		spin_lock_init(&dev->closed_lock);
		INIT_LIST_HEAD(&dev->closed);
		ret = dev_renew(dev);
		if (ret) {
			del_devs();
			return ret;
		}
	}
	return 0;
}

static int __init test_revoke_init(void)
{
	int ret;

	test_wq = alloc_workqueue("test_revoke", WQ_UNBOUND, 0);
	if (!test_wq)
		return -ENOMEM;
	ret = add_devs();
	if (ret)
		goto err_wq;
	ret = add_cdevs();
	if (ret)
		goto err_devs;
	ret = add_nodes();
	if (ret)
		goto err_cdevs;
	ret = misc_register(&test_ctl);
	if (ret)
		goto err_nodes;
	return 0;

err_nodes:
	del_nodes();
err_cdevs:
	del_cdevs();
err_devs:
	del_devs();
err_wq:
	destroy_workqueue(test_wq);
	return ret;
}
module_init(test_revoke_init);

static void __exit test_revoke_exit(void)
{
	misc_deregister(&test_ctl);
	del_nodes();
	del_cdevs();
	del_devs();
	destroy_workqueue(test_wq);
}
module_exit(test_revoke_exit);

MODULE_DESCRIPTION("Devices to be revoked, for the tests of revoke");
MODULE_LICENSE("GPL");
