// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of fs/revoke*.c: taking open files away.
 *
 * The toy here is a driver whose methods block, count, and revoke on demand.
 * Whatever a test does, in the end each toy file that has been opened must
 * have been released once, no method may have run after that, and nothing may
 * refer to the object any more: see toy_exit().
 *
 * Nothing waits for ever.  What does not come in time is a failure; memory
 * that a stuck task may still use is then left alone.
 *
 * Mappings are tested by mm/tests/revoke_kunit.c.
 */
#include <kunit/resource.h>
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/bitfield.h>
#include <linux/cdev.h>
#include <linux/cred.h>
#include <linux/debug_locks.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/io_uring/cmd.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/poll.h>
#include <linux/pseudo_fs.h>
#include <linux/revoke_internal.h>
#include <linux/sched/signal.h>
#include <linux/sched/sysctl.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/workqueue.h>
#include <trace/events/kmem.h>

#include "../revoke/internal.h"

#define TIMEOUT		(10 * HZ)	/* for what has to happen */
#define A_WHILE		(HZ / 20 + 1)	/* for what must not happen */

enum toy_cmd {
	TOY_NOP,		/* returns TOY_DONE */
	TOY_BLOCK,		/* until the gate opens; deaf to signals */
	TOY_SLEEP,		/* until the file is revoked: -ERESTARTSYS */
	TOY_SLEEP_DEAF,		/* as a signal would: woken by one only */
	TOY_SPIN,		/* as TOY_SLEEP, but it needs no kick */
	TOY_SUSPENDED,		/* returns as if it had found it so */
	TOY_REVOKE_FILE,	/* returns what revoke_file() did */
	TOY_REVOKE_IT,
	TOY_REVOKE_OTHER,	/* once the gate is open */
	TOY_STEP_OUT,		/* until it is: TOY_DONE, or -ESTALE */
	TOY_STEP_OUT_LATE,	/* once it is; likewise */
	TOY_STEP_OUT_AND_REVOKE,	/* what revoke_it() returned */
	TOY_LOCK,		/* toy->mutex, and let it go */
	TOY_STEP_OUT_AND_LOCK,
	TOY_OOPS,		/* once the gate is open; does not return */
};

#define TOY_DONE	4711

struct toy {
	struct kunit			*test;
	struct revokable_ops		ops;
	struct revokable		*r;
	const struct file_operations	*fops;
	wait_queue_head_t		queue;	/* for the gate, and to poll */
	wait_queue_head_t		out_queue;	/* to poll as well */
	bool				gate;
	atomic_t			entered;
	struct completion		inside;	/* one for each who blocks */
	struct completion		kicked;	/* one for each ->kick */
	struct completion		*kick_awaits;
	struct completion		done;
	atomic_t			dones;
	unsigned int			released_at_done;
	bool				gone;	/* revoke_it_async() was used */
	struct file			*other;
	bool				queues;	/* what it is asked to read */
	bool				steps_out;	/* likewise */
	bool				polls_nothing;
	struct kiocb			*queued;
	struct mutex			*mutex;	/* methods take it on demand */
	spinlock_t			lock;	/* @files */
	struct list_head		files;
	/* what ->open does */
	bool				open_blocks;
	int				open_error;
	/* what ->release does */
	int				(*in_release)(struct revokable *r);
	int				released_with;
};

struct toy_file {
	struct toy			*toy;
	struct list_head		node;
	bool				opened;
	atomic_t			users;
	atomic_t			releases;
	bool				late;	/* a method after ->release */
	bool				sync;	/* the last read's kiocb was */
	unsigned int			fasync_off;
	/* as seen by ->release */
	u64				state;
	unsigned int			users_left;
	unsigned int			waiters_left;
	bool				fasync_left;
};

#define EXPECT_POLL_EQ(test, left, right)				\
	KUNIT_EXPECT_EQ(test, (__force u32)(left), (__force u32)(right))

/* What the file has got to */
static u64 flags_of(const struct file *file)
{
	return revoke_state(file->f_revoke) &
	       (REVOKE_SUSPENDED | REVOKE_REVOKED | REVOKE_CLOSED | REVOKE_GONE);
}

/* Requests, and uses that a suspend does not wait for */
static unsigned int late_uses(const struct file *file)
{
	return FIELD_GET(REVOKE_LATE_USERS, revoke_state(file->f_revoke));
}

static bool came(struct completion *c)
{
	return wait_for_completion_timeout(c, TIMEOUT);
}

static bool stays_away(struct completion *c)
{
	return !wait_for_completion_timeout(c, A_WHILE);
}

/*
 * The methods
 */

static void toy_enter(struct toy_file *tf)
{
	atomic_inc(&tf->users);
	if (atomic_read(&tf->releases))
		tf->late = true;
}

static long toy_leave(struct toy_file *tf, long ret)
{
	if (atomic_read(&tf->releases))
		tf->late = true;
	atomic_dec(&tf->users);
	return ret;
}

static struct toy_file *toy_file_alloc(struct toy *toy)
{
	struct toy_file *tf = kzalloc_obj(*tf);

	if (!tf)
		return NULL;
	tf->toy = toy;
	guard(spinlock)(&toy->lock);
	list_add_tail(&tf->node, &toy->files);
	return tf;
}

static long toy_pass_gate(struct toy *toy)
{
	complete(&toy->inside);
	return wait_event_timeout(toy->queue, READ_ONCE(toy->gate), TIMEOUT) ?
	       TOY_DONE : -ETIME;
}

static void toy_pass_mutex(struct toy *toy)
{
	mutex_lock(toy->mutex);
	mutex_unlock(toy->mutex);
}

static long toy_sleep(struct toy *toy, struct file *file, bool deaf)
{
	long ret;

	complete(&toy->inside);
	/* Nobody wakes the queue: it takes a kick to look again. */
	ret = wait_event_interruptible_timeout(toy->queue,
					       !deaf && file_revoked(file),
					       TIMEOUT);
	/* Also if it was right to look again, but nobody said so in time. */
	if (ret == 0 || ret == 1)
		return -ETIME;
	return ret < 0 ? ret : -ERESTARTSYS;
}

static long toy_spin(struct toy *toy, struct file *file)
{
	unsigned long end = jiffies + TIMEOUT;

	complete(&toy->inside);
	while (!file_revoked(file)) {
		if (time_after(jiffies, end))
			return -ETIME;
		cond_resched();
	}
	return -ERESTARTSYS;
}

/* As what is done for a file that has gone, it does not look at it again. */
static long toy_step_out(struct toy_file *tf, struct file *file,
			 unsigned int cmd)
{
	struct toy *toy = tf->toy;
	struct file_break brk;
	long ret = TOY_DONE;

	toy_leave(tf, 0);
	break_using(file, &brk);
	if (cmd == TOY_STEP_OUT)
		ret = toy_pass_gate(toy);
	else if (cmd == TOY_STEP_OUT_AND_REVOKE)
		ret = __revoke_it(toy->r);
	else if (cmd == TOY_STEP_OUT_AND_LOCK)
		toy_pass_mutex(toy);
	if (!unbreak_using(&brk))
		return cmd == TOY_STEP_OUT_AND_REVOKE ? ret : -ESTALE;
	toy_enter(tf);
	return toy_leave(tf, ret);
}

static int toy_open(struct inode *inode, struct file *file)
{
	struct toy *toy = inode->i_private;
	struct toy_file *tf = toy_file_alloc(toy);
	int ret;

	if (!tf)
		return -ENOMEM;
	file->private_data = tf;
	ret = make_revokable(file, toy->r);
	if (ret)
		return ret;
	toy_enter(tf);
	if (toy->open_blocks) {
		struct file_break brk;

		/* From here, this leads nowhere. */
		break_using(file, &brk);
		toy_pass_gate(toy);
		KUNIT_EXPECT_TRUE(toy->test, unbreak_using(&brk));
	}
	tf->opened = !toy->open_error;
	return toy_leave(tf, toy->open_error);
}

static int toy_release(struct inode *inode, struct file *file)
{
	struct toy_file *tf = file->private_data;
	wait_queue_entry_t *wait;

	if (file_is_revokable(file))
		tf->state = flags_of(file);
	tf->users_left = atomic_read(&tf->users);
	tf->fasync_left = (file->f_flags & FASYNC) && !tf->fasync_off;
	spin_lock_irq(&tf->toy->queue.lock);
	list_for_each_entry(wait, &tf->toy->queue.head, entry)
		tf->waiters_left++;
	spin_unlock_irq(&tf->toy->queue.lock);
	atomic_inc(&tf->releases);
	if (tf->toy->mutex)
		toy_pass_mutex(tf->toy);
	if (tf->toy->in_release)
		tf->toy->released_with = tf->toy->in_release(tf->toy->r);
	return 0;
}

struct toy_task;
static void __noreturn toy_oops(struct toy_task *t);

static long toy_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct toy_file *tf = file->private_data;
	struct toy *toy = tf->toy;
	long ret;

	toy_enter(tf);
	switch (cmd) {
	case TOY_NOP:
		atomic_inc(&toy->entered);
		ret = TOY_DONE;
		break;
	case TOY_BLOCK:
		ret = toy_pass_gate(toy);
		break;
	case TOY_SLEEP:
	case TOY_SLEEP_DEAF:
		ret = toy_sleep(toy, file, cmd == TOY_SLEEP_DEAF);
		break;
	case TOY_SPIN:
		ret = toy_spin(toy, file);
		break;
	case TOY_SUSPENDED:
		atomic64_or(REVOKE_SUSPENDED, &file->f_revoke->state);
		ret = -ERESTARTSYS;
		break;
	case TOY_REVOKE_FILE:
		ret = revoke_file(file);
		break;
	case TOY_REVOKE_IT:
		ret = __revoke_it(toy->r);
		break;
	case TOY_REVOKE_OTHER:
		ret = toy_pass_gate(toy);
		if (ret == TOY_DONE)
			ret = revoke_file((struct file *)arg);
		break;
	case TOY_LOCK:
		toy_pass_mutex(toy);
		ret = TOY_DONE;
		break;
	case TOY_STEP_OUT_LATE:
		ret = toy_pass_gate(toy);
		if (ret != TOY_DONE)
			break;
		fallthrough;
	case TOY_STEP_OUT:
	case TOY_STEP_OUT_AND_REVOKE:
	case TOY_STEP_OUT_AND_LOCK:
		return toy_step_out(tf, file, cmd);
	case TOY_OOPS:
		toy_pass_gate(toy);
		/* No ->release will come. */
		tf->opened = false;
		toy_oops((struct toy_task *)arg);
	default:
		ret = -ENOTTY;
	}
	return toy_leave(tf, ret);
}

static loff_t toy_llseek(struct file *file, loff_t offset, int whence)
{
	return TOY_DONE;
}

static ssize_t toy_read_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	struct toy_file *tf = iocb->ki_filp->private_data;

	tf->sync = is_sync_kiocb(iocb);
	if (!tf->sync && tf->toy->steps_out) {
		toy_enter(tf);
		return toy_step_out(tf, iocb->ki_filp, TOY_STEP_OUT);
	}
	if (!tf->sync && tf->toy->queues) {
		tf->toy->queued = iocb;
		return -EIOCBQUEUED;
	}
	iocb->ki_pos += iov_iter_count(iter);
	return iov_iter_zero(iov_iter_count(iter), iter);
}

static ssize_t toy_write_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	return iov_iter_count(iter);
}

static __poll_t toy_poll(struct file *file, poll_table *pt)
{
	struct toy_file *tf = file->private_data;

	if (tf->toy->polls_nothing)
		return EPOLLPRI;
	poll_wait(file, &tf->toy->queue, pt);
	poll_wait(file, &tf->toy->out_queue, pt);
	return EPOLLPRI;
}

static int toy_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	return 0;
}

static int toy_fasync(int fd, struct file *file, int on)
{
	struct toy_file *tf = file->private_data;

	if (!on)
		tf->fasync_off++;
	return 0;
}

static const struct file_operations toy_fops = {
	.llseek		= toy_llseek,
	.read_iter	= toy_read_iter,
	.write_iter	= toy_write_iter,
	.poll		= toy_poll,
	.unlocked_ioctl	= toy_ioctl,
	.open		= toy_open,
	.release	= toy_release,
	.fsync		= toy_fsync,
	.fasync		= toy_fasync,
};

static void toy_kick(struct revokable *r, struct file *file)
{
	struct toy *toy = revokable_data(r);

	complete(&toy->kicked);
	if (toy->kick_awaits && came(toy->kick_awaits))
		complete(toy->kick_awaits);
}

static long toy_completed;

static void toy_complete(struct kiocb *iocb, long ret)
{
	toy_completed = ret;
}

static unsigned int toy_releases(struct toy *toy)
{
	unsigned int n = 0;
	struct toy_file *tf;

	guard(spinlock)(&toy->lock);
	list_for_each_entry(tf, &toy->files, node)
		n += atomic_read(&tf->releases);
	return n;
}

static void toy_done(void *data)
{
	struct toy *toy = data;

	toy->released_at_done = toy_releases(toy);
	atomic_inc(&toy->dones);
	complete(&toy->done);
}

/*
 * Creating and destroying it
 */

static void toy_open_gate(struct toy *toy)
{
	WRITE_ONCE(toy->gate, true);
	wake_up_all(&toy->queue);
}

/* References are dropped a moment after completion, or when it is noticed. */
static bool toy_unreferenced(struct toy *toy)
{
	unsigned long end = jiffies + TIMEOUT;

	while (kref_read(&toy->r->ref) != 1) {
		flush_delayed_work(&toy->r->watch);
		if (time_after(jiffies, end))
			return false;
		schedule_timeout_uninterruptible(1);
	}
	return true;
}

/* What must hold at the end of each test, passed or failed. */
static void toy_exit(void *data)
{
	struct toy *toy = data;
	struct kunit *test = toy->test;
	struct toy_file *tf, *next;

	toy_open_gate(toy);
	if (!toy->gone)
		revoke_it_async(toy->r, toy_done);
	if (!toy->gone && !came(&toy->done)) {
		KUNIT_FAIL(test, "the object cannot be revoked");
		return;
	}
	if (!toy_unreferenced(toy)) {
		KUNIT_FAIL(test, "%u references to the object are left",
			   kref_read(&toy->r->ref) - 1);
		return;
	}
	KUNIT_EXPECT_TRUE(test, list_empty(&toy->r->files));
	KUNIT_EXPECT_TRUE(test, list_empty(&toy->r->leaving));
	KUNIT_EXPECT_NULL(test, toy->r->ops);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->dones), 1);
	revokable_put(toy->r);

	list_for_each_entry_safe(tf, next, &toy->files, node) {
		KUNIT_EXPECT_EQ(test, atomic_read(&tf->releases), tf->opened);
		KUNIT_EXPECT_EQ(test, tf->users_left, 0);
		KUNIT_EXPECT_FALSE(test, tf->late);
		kfree(tf);
	}
	kfree(toy);
}

static struct toy *__toy_new(struct kunit *test, struct toy *parent,
			     const struct revokable_ops *ops,
			     struct lock_class_key *key)
{
	struct toy *toy = kzalloc_obj(*toy);

	KUNIT_ASSERT_NOT_NULL(test, toy);
	toy->test = test;
	if (ops)
		toy->ops = *ops;
	toy->ops.kick = toy_kick;
	toy->fops = &toy_fops;
	init_waitqueue_head(&toy->queue);
	init_waitqueue_head(&toy->out_queue);
	init_completion(&toy->inside);
	init_completion(&toy->kicked);
	init_completion(&toy->done);
	spin_lock_init(&toy->lock);
	INIT_LIST_HEAD(&toy->files);
	toy->r = __revokable_alloc(parent ? parent->r : NULL, &toy->ops, toy,
				   "revokable:toy", key);
	if (!toy->r)
		kfree(toy);
	KUNIT_ASSERT_NOT_NULL(test, toy->r);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, toy_exit, toy));
	return toy;
}

/* With a lockdep class for each place that makes one, as revokable_alloc() */
#define toy_new_as(test, ops)						\
({									\
	static struct lock_class_key __key;				\
									\
	__toy_new(test, NULL, ops, &__key);				\
})

static struct toy *toy_new(struct kunit *test, const struct revokable_ops *ops)
{
	return toy_new_as(test, ops);
}

static struct toy *toy_child_new(struct kunit *test, struct toy *parent)
{
	static struct lock_class_key key;

	return __toy_new(test, parent, NULL, &key);
}

/* A kernel thread's fput() would leave it to a workqueue. */
KUNIT_DEFINE_ACTION_WRAPPER(toy_close_action, __fput_sync, struct file *);

static void toy_close(struct kunit *test, struct file *file)
{
	kunit_release_action(test, toy_close_action, file);
}

static struct file *toy_keep(struct kunit *test, struct file *file)
{
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, toy_close_action, file));
	return file;
}

static struct toy_file *toy_file(const struct file *file)
{
	return file->private_data;
}

/* As do_dentry_open() does for a file with an ->open */
static int toy_make_revokable(struct file *file, struct revokable *r)
{
	int ret;

	file->f_mode &= ~FMODE_OPENED;
	ret = make_revokable(file, r);
	file->f_mode |= FMODE_OPENED;
	if (!ret)
		revoke_open_done(file);
	return ret;
}

/* A file that is not opened but made. */
static struct file *toy_plain_file_new(struct kunit *test, struct toy *toy)
{
	struct toy_file *tf = toy_file_alloc(toy);
	struct file *file;

	KUNIT_ASSERT_NOT_NULL(test, tf);
	file = toy_keep(test, anon_inode_getfile("[toy]", toy->fops, tf,
						 O_RDWR));
	tf->opened = true;
	return file;
}

static struct file *toy_file_new(struct kunit *test, struct toy *toy)
{
	struct file *file = toy_plain_file_new(test, toy);

	KUNIT_ASSERT_EQ(test, 0, toy_make_revokable(file, toy->r));
	return file;
}

static struct vfsmount *toyfs_mnt;

static int toyfs_init_fs_context(struct fs_context *fc)
{
	return init_pseudo(fc, 0x746f79) ? 0 : -ENOMEM;
}

static struct file_system_type toyfs = {
	.name		 = "revoke_kunit",
	.init_fs_context = toyfs_init_fs_context,
	.kill_sb	 = kill_anon_super,
};

static const struct file_operations toy_path_fops = {
};

/* An inode through which the toy can be opened, held by a file of no use. */
static const struct path *toy_path(struct kunit *test, struct toy *toy,
				   umode_t mode, dev_t devt)
{
	struct inode *inode = new_inode_pseudo(toyfs_mnt->mnt_sb);
	struct file *file;

	KUNIT_ASSERT_NOT_NULL(test, inode);
	inode->i_ino = get_next_ino();
	inode->i_private = toy;
	if (S_ISREG(mode)) {
		inode->i_mode = mode;
		inode->i_fop = toy->fops;
	} else {
		init_special_inode(inode, mode, devt);
	}
	file = alloc_file_pseudo(inode, toyfs_mnt, "toy", O_RDWR,
				 &toy_path_fops);
	if (IS_ERR(file))
		iput(inode);
	return &toy_keep(test, file)->f_path;
}

static const struct path *toy_regular(struct kunit *test, struct toy *toy)
{
	return toy_path(test, toy, S_IFREG | 0600, 0);
}

static struct file *toy_try_open(const struct path *path, int flags)
{
	return dentry_open(path, O_RDWR | flags, current_cred());
}

static struct file *toy_open_path(struct kunit *test, const struct path *path)
{
	return toy_keep(test, toy_try_open(path, 0));
}

/*
 * Tasks
 */

struct toy_task {
	struct toy		*toy;
	struct file		*file;
	const struct path	*path;
	unsigned int		cmd;
	unsigned long		arg;
	long			(*fn)(struct toy_task *t);
	struct completion	*go;	/* for a start together with others */
	struct completion	done;
	struct task_struct	*task;	/* until @done */
	bool			pending;	/* a signal, after the method */
	long			ret;
};

static int toy_task_main(void *data)
{
	struct toy_task *t = data;

	if (t->go)
		wait_for_completion_timeout(t->go, TIMEOUT);
	t->task = current;
	t->ret = t->fn(t);
	t->pending = signal_pending(current);
	if (t->file)
		__fput_sync(t->file);
	complete(&t->done);
	return 0;
}

/* The end of a task that has oopsed, but for the splat */
static void __noreturn toy_oops(struct toy_task *t)
{
	fput(t->file);
	complete(&t->done);
	make_task_dead(SIGKILL);
}

static int toy_user_main(void *data)
{
	struct sighand_struct *sighand;

	/* Inherited from a kernel thread: all signals are ignored. */
	sighand = rcu_dereference_protected(current->sighand, true);
	spin_lock_irq(&sighand->siglock);
	flush_signal_handlers(current, 1);
	spin_unlock_irq(&sighand->siglock);
	toy_task_main(data);
	do_exit(0);
}

static void toy_task_exit(void *data)
{
	struct toy_task *t = data;

	if (t->toy)
		toy_open_gate(t->toy);
	if (came(&t->done))
		kfree(t);
}

static struct toy_task *toy_task_new(struct kunit *test, struct toy *toy,
				     struct file *file,
				     long (*fn)(struct toy_task *t))
{
	struct toy_task *t = kzalloc_obj(*t);

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->toy = toy;
	t->file = file ? get_file(file) : NULL;
	t->fn = fn;
	init_completion(&t->done);
	return t;
}

static struct toy_task *toy_task_run(struct kunit *test, struct toy_task *t)
{
	struct task_struct *task;

	task = kthread_run(toy_task_main, t, "revoke-kunit");
	if (IS_ERR(task)) {
		t->ret = PTR_ERR(task);
		complete(&t->done);
	}
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, toy_task_exit, t));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	return t;
}

/* As a process would: not a kernel thread, signals count. */
static struct toy_task *toy_user_run(struct kunit *test, struct toy_task *t)
{
	pid_t pid = user_mode_thread(toy_user_main, t, SIGCHLD);

	if (pid < 0) {
		t->ret = pid;
		complete(&t->done);
	}
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, toy_task_exit, t));
	KUNIT_ASSERT_GE(test, pid, 0);
	return t;
}

static long toy_result(struct kunit *test, struct toy_task *t)
{
	KUNIT_ASSERT_TRUE_MSG(test, came(&t->done), "%ps is stuck", t->fn);
	/* For those who wait again. */
	complete(&t->done);
	return t->ret;
}

static long toy_call_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	return file->f_op->unlocked_ioctl(file, cmd, arg);
}

static long do_oops(struct toy_task *t)
{
	return toy_call_ioctl(t->file, TOY_OOPS, (unsigned long)t);
}

static long do_ioctl(struct toy_task *t)
{
	return toy_call_ioctl(t->file, t->cmd, t->arg);
}

/* In a method of another file */
static long do_ioctl_within(struct toy_task *t)
{
	struct file *outer = (struct file *)t->arg;
	struct file_use use;
	long ret;

	if (!start_using(outer, &use))
		return -ENODEV;
	ret = toy_call_ioctl(t->file, t->cmd, 0);
	stop_using(&use);
	return ret;
}

/* In more methods than there are names: that of the file has none. */
static long do_ioctl_unnamed(struct toy_task *t)
{
	struct file *outer = (struct file *)t->arg;
	struct file_use uses[REVOKE_NAMES];
	unsigned int n = 0;
	long ret = -ENODEV;

	while (n < REVOKE_NAMES && start_using(outer, &uses[n]))
		n++;
	if (n == REVOKE_NAMES)
		ret = toy_call_ioctl(t->file, t->cmd, 0);
	while (n)
		stop_using(&uses[--n]);
	return ret;
}

static long do_nops(struct toy_task *t)
{
	unsigned long end = jiffies + TIMEOUT;
	long ret;

	do {
		ret = toy_call_ioctl(t->file, TOY_NOP, 0);
		cond_resched();
	} while (ret == TOY_DONE && time_before(jiffies, end));
	return ret;
}

static long do_open(struct toy_task *t)
{
	t->file = toy_try_open(t->path, t->arg);
	if (!IS_ERR(t->file)) {
		get_file(t->file);
		return 0;
	}
	t->ret = PTR_ERR(t->file);
	t->file = NULL;
	return t->ret;
}

static long do_close(struct toy_task *t)
{
	struct file *file = t->file;

	t->file = NULL;
	__fput_sync(file);
	return 0;
}

static long do_revoke_file(struct toy_task *t)
{
	return revoke_file(t->file);
}

static long do_revoke_files(struct toy_task *t)
{
	return revoke_files(t->toy->r);
}

static long do_revoke_it(struct toy_task *t)
{
	return __revoke_it(t->toy->r);
}

/* For tasks that start at once. */
static struct completion *toy_go(struct kunit *test)
{
	struct completion *go = kunit_kzalloc(test, sizeof(*go), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, go);
	init_completion(go);
	return go;
}

static struct toy_task *toy_run_ioctl(struct kunit *test, struct toy *toy,
				      struct file *file, enum toy_cmd cmd)
{
	struct toy_task *t = toy_task_new(test, toy, file, do_ioctl);

	t->cmd = cmd;
	return toy_task_run(test, t);
}

/* Returns with a task inside. */
static struct toy_task *toy_block(struct kunit *test, struct toy *toy,
				  struct file *file)
{
	struct toy_task *t = toy_run_ioctl(test, toy, file, TOY_BLOCK);

	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	return t;
}

/* Returns with a revoke waiting for whoever is inside. */
static struct toy_task *toy_revoke(struct kunit *test, struct toy *toy,
				   struct file *file,
				   long (*fn)(struct toy_task *t))
{
	struct toy_task *t;

	t = toy_task_run(test, toy_task_new(test, toy, file, fn));
	KUNIT_ASSERT_TRUE(test, came(&toy->kicked));
	return t;
}

static bool becomes_gone(struct file *file)
{
	struct revoke *rv = file->f_revoke;

	return wait_event_timeout(rv->r->wait, revoke_state(rv) & REVOKE_GONE,
				  TIMEOUT);
}

static void expect_released(struct kunit *test, const struct file *file,
			    int times)
{
	KUNIT_EXPECT_EQ(test, atomic_read(&toy_file(file)->releases), times);
}

/*
 * States
 */

/* G1, G3: REVOKED, CLOSED, GONE, with ->release between the latter */
static void revoke_states_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user, *revoker;

	KUNIT_EXPECT_EQ(test, flags_of(file), 0);
	KUNIT_EXPECT_FALSE(test, file_revoked(file));
	KUNIT_EXPECT_FALSE(test, list_empty(&toy->r->files));

	user = toy_block(test, toy, file);
	revoker = toy_revoke(test, toy, file, do_revoke_file);
	KUNIT_EXPECT_EQ(test, flags_of(file), REVOKE_REVOKED);
	KUNIT_EXPECT_TRUE(test, file_revoked(file));
	KUNIT_EXPECT_TRUE(test, list_empty(&toy->r->files));
	KUNIT_EXPECT_FALSE(test, list_empty(&toy->r->leaving));

	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	KUNIT_EXPECT_EQ(test, toy_file(file)->state, REVOKE_REVOKED | REVOKE_CLOSED);
	KUNIT_EXPECT_EQ(test, flags_of(file), REVOKE_REVOKED | REVOKE_CLOSED | REVOKE_GONE);
	KUNIT_EXPECT_TRUE(test, list_empty(&toy->r->leaving));
	expect_released(test, file, 1);
}

/* Without a revoke: as for any file, and the object forgets it. */
static void revoke_close_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_file *tf = toy_file(file);

	toy_close(test, file);
	KUNIT_EXPECT_EQ(test, atomic_read(&tf->releases), 1);
	KUNIT_EXPECT_EQ(test, tf->state, REVOKE_CLOSED);
	KUNIT_EXPECT_TRUE(test, list_empty(&toy->r->files));
	KUNIT_EXPECT_TRUE(test, list_empty(&toy->r->leaving));
	KUNIT_EXPECT_TRUE(test, toy_unreferenced(toy));
}

/* G4: close(2) of a revoked file succeeds and does not reach the driver. */
static void revoke_then_close_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_file *tf = toy_file(file);

	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	toy_close(test, file);
	KUNIT_EXPECT_EQ(test, atomic_read(&tf->releases), 1);
}

/* G6: what is not revokable has nothing to do with all this. */
static void revoke_not_revokable_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct toy_file *tf = toy_file_alloc(toy);
	struct file_use use;
	struct kiocb iocb;
	struct file *file;

	KUNIT_ASSERT_NOT_NULL(test, tf);
	file = toy_keep(test, anon_inode_getfile("[toy]", &toy_fops, tf,
						 O_RDWR));
	tf->opened = true;
	KUNIT_EXPECT_EQ(test, revoke_file(file), -EOPNOTSUPP);
	KUNIT_EXPECT_FALSE(test, file_revoked(file));
	KUNIT_EXPECT_TRUE(test, start_using(file, &use));
	revoke_it(toy->r);
	stop_using(&use);
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_NOP, 0), TOY_DONE);
	init_sync_kiocb(&iocb, file);
	iocb.ki_complete = toy_complete;
	revoke_async_done(&iocb, -ECONNRESET);
	KUNIT_EXPECT_EQ(test, toy_completed, -ECONNRESET);
	expect_released(test, file, 0);
}

/*
 * Those who are inside
 */

/* G1: a revoke waits for a method, and keeps others out meanwhile. */
static void revoke_drain_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user, *revoker;

	user = toy_block(test, toy, file);
	revoker = toy_revoke(test, toy, file, do_revoke_files);
	KUNIT_EXPECT_TRUE(test, stays_away(&revoker->done));
	expect_released(test, file, 0);

	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_NOP, 0), -ENODEV);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->entered), 0);

	toy_open_gate(toy);
	/* It ended by itself, with a result of its own. */
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	expect_released(test, file, 1);
}

/* G1: a sleeping kernel thread is woken; what it returns is the policy's. */
static void revoke_kick_kthread_test(struct kunit *test)
{
	static const struct revokable_ops ops = { .policy.ioctl_error = -EIDRM };
	struct toy *toy = toy_new(test, &ops);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user;

	user = toy_run_ioctl(test, toy, file, TOY_SLEEP);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), -EIDRM);
	KUNIT_EXPECT_FALSE(test, user->pending);
}

/*
 * G1: so is a process, even if it knows nothing of revoke and waits for
 * signals only; and the notification is not left for its next sleep.
 */
static void revoke_kick_process_test(struct kunit *test)
{
	static const struct revokable_ops ops = { .policy.ioctl_error = -EIDRM };
	struct toy *toy = toy_new(test, &ops);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user = toy_task_new(test, toy, file, do_ioctl);

	user->cmd = TOY_SLEEP_DEAF;
	toy_user_run(test, user);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), -EIDRM);
	KUNIT_EXPECT_FALSE(test, user->pending);
}

/* Longer than the report waits, in jiffies */
#define OVERDUE		(1000 * HZ)

static bool reported(const struct file *file)
{
	return revoke_state(file->f_revoke) & REVOKE_REPORTED;
}

/* As if it were being suspended since long ago; the test makes the reports. */
static void make_overdue(struct file *file)
{
	file->f_revoke->since = jiffies - OVERDUE;
	atomic64_or(REVOKE_SUSPENDED, &file->f_revoke->state);
}

static void make_usual(struct file *file)
{
	atomic64_andnot(REVOKE_SUSPENDED | REVOKE_REPORTED,
			&file->f_revoke->state);
}

/* A report names twelve tasks, and what is left comes with the next one. */
static void revoke_report_files_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct toy_task *user[13];
	struct file *file[13];
	unsigned int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(file); i++) {
		file[i] = toy_file_new(test, toy);
		user[i] = toy_block(test, toy, file[i]);
		make_overdue(file[i]);
	}
	revoke_report(toy->r);
	for (i = 0; i < ARRAY_SIZE(file); i++)
		n += reported(file[i]);
	KUNIT_EXPECT_EQ(test, n, 12);
	revoke_report(toy->r);
	for (i = 0; i < ARRAY_SIZE(file); i++) {
		KUNIT_EXPECT_TRUE(test, reported(file[i]));
		make_usual(file[i]);
	}
	toy_open_gate(toy);
	for (i = 0; i < ARRAY_SIZE(file); i++)
		KUNIT_EXPECT_EQ(test, toy_result(test, user[i]), TOY_DONE);
}

/* One file with many users leaves room for others. */
static void revoke_report_users_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *crowded = toy_file_new(test, toy);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user[13];
	unsigned int i;

	/* Threads are found in the order in which they have been made. */
	for (i = 0; i < ARRAY_SIZE(user) - 1; i++)
		user[i] = toy_block(test, toy, crowded);
	user[i] = toy_block(test, toy, file);
	make_overdue(crowded);
	make_overdue(file);
	revoke_report(toy->r);
	KUNIT_EXPECT_TRUE(test, reported(crowded));
	KUNIT_EXPECT_TRUE(test, reported(file));
	make_usual(crowded);
	make_usual(file);
	toy_open_gate(toy);
	for (i = 0; i < ARRAY_SIZE(user); i++)
		KUNIT_EXPECT_EQ(test, toy_result(test, user[i]), TOY_DONE);
}

/* Who is inside without a name cannot be told, and is no request, either. */
static void revoke_report_unnamed_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL), *other = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct file *outer = toy_file_new(test, other);
	struct toy_task *user = toy_task_new(test, toy, file, do_ioctl_unnamed);
	struct toy_task *revoker;

	user->cmd = TOY_BLOCK;
	user->arg = (unsigned long)outer;
	toy_task_run(test, user);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	revoker = toy_revoke(test, toy, file, do_revoke_file);
	file->f_revoke->since -= OVERDUE;
	revoke_report(toy->r);
	KUNIT_EXPECT_FALSE(test, reported(file));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
}

#ifdef CONFIG_DETECT_HUNG_TASK
/* As long as the hung task detector waits, or two minutes if it is off. */
static void revoke_report_after_test(struct kunit *test)
{
	const unsigned long secs = sysctl_hung_task_timeout_secs;

	WRITE_ONCE(sysctl_hung_task_timeout_secs, 0);
	KUNIT_EXPECT_EQ(test, report_after(), 120 * HZ);
	WRITE_ONCE(sysctl_hung_task_timeout_secs, 7777);
	KUNIT_EXPECT_EQ(test, report_after(), 7777 * HZ);
	WRITE_ONCE(sysctl_hung_task_timeout_secs, secs);
}
#endif

/*
 * Likewise in a method for which there was no name left: whoever has one of those
 * may be inside, and is told once.
 */
static void revoke_kick_unnamed_test(struct kunit *test)
{
	static const struct revokable_ops ops = { .policy.ioctl_error = -EIDRM };
	struct toy *toy = toy_new(test, &ops), *other = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct file *outer = toy_file_new(test, other);
	struct toy_task *user = toy_task_new(test, toy, file, do_ioctl_unnamed);

	user->cmd = TOY_SLEEP_DEAF;
	user->arg = (unsigned long)outer;
	toy_user_run(test, user);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), -EIDRM);
	KUNIT_EXPECT_FALSE(test, user->pending);
	expect_released(test, file, 1);
	KUNIT_EXPECT_EQ(test, revoke_file(outer), 0);
	expect_released(test, outer, 1);
}

static int never_main(void *data)
{
	return 0;
}

/* Threads are looked at some at a time, and the one that sleeps is not the first. */
static void revoke_kick_crowd_test(struct kunit *test)
{
	const unsigned int most = 300;
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user = toy_task_new(test, toy, file, do_ioctl);
	struct task_struct **crowd;
	unsigned int n;

	crowd = kunit_kcalloc(test, most, sizeof(*crowd), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, crowd);
	for (n = 0; n < most; n++) {
		crowd[n] = kthread_create(never_main, NULL, "revoke-crowd");
		if (IS_ERR(crowd[n]))
			break;
	}
	KUNIT_EXPECT_EQ(test, n, most);
	user->cmd = TOY_SLEEP_DEAF;
	toy_user_run(test, user);
	KUNIT_EXPECT_TRUE(test, came(&toy->inside));
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), -ENODEV);
	while (n)
		kthread_stop(crowd[--n]);
}

/*
 * revoke_mark()	a method sees file_revoked()
 *			and returns, as if by a signal
 * revoke_kick()	finds nobody
 *
 * The caller does not see that either.
 */
static void revoke_uncounted_test(struct kunit *test)
{
	static const struct revokable_ops ops = { .policy.ioctl_error = -EIDRM };
	struct toy *toy = toy_new(test, &ops);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user = toy_run_ioctl(test, toy, file, TOY_SPIN);

	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	/* The driver's kick comes before the other one. */
	toy->kick_awaits = &user->done;
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), -EIDRM);
	toy->kick_awaits = NULL;
}

/* Nobody but a revoke makes -ERESTARTSYS something else. */
static void revoke_no_kick_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user = toy_task_new(test, toy, file, do_ioctl);

	user->cmd = TOY_SLEEP_DEAF;
	toy_user_run(test, user);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	KUNIT_EXPECT_EQ(test, send_sig(SIGKILL, user->task, 1), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), -ERESTARTSYS);
	KUNIT_EXPECT_FALSE(test, file_revoked(file));
}

/*
 * A method that does not return, as its task has died: others do not wait for
 * it, and what it used is not freed.
 */
static void revoke_oops_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct file *other = toy_file_new(test, toy);
	struct toy_task *dies, *revoker;

	dies = toy_task_run(test, toy_task_new(test, toy, file, do_oops));
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	revoker = toy_revoke(test, toy, file, do_revoke_file);
	KUNIT_EXPECT_TRUE(test, stays_away(&revoker->done));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, dies), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	expect_released(test, file, 0);

	KUNIT_EXPECT_EQ(test, toy_call_ioctl(other, TOY_NOP, 0), TOY_DONE);
	KUNIT_EXPECT_EQ(test, revoke_files(toy->r), 0);
	expect_released(test, other, 1);
}

static long do_revoke_forked(struct toy_task *t)
{
	complete(&t->toy->inside);
	return revoke_file(t->file);
}

/* Forks inside of a use, which is the parent's. */
static long do_use_and_fork(struct toy_task *t)
{
	struct toy_task *child = (struct toy_task *)t->arg;
	struct file_use use;
	pid_t pid;

	if (!start_using(t->file, &use))
		return -ENODEV;
	pid = user_mode_thread(toy_user_main, child, SIGCHLD);
	if (pid < 0) {
		child->ret = pid;
		complete(&child->done);
	}
	wait_event_timeout(t->toy->queue, READ_ONCE(t->toy->gate), TIMEOUT);
	stop_using(&use);
	return pid < 0 ? pid : TOY_DONE;
}

/* G1: a child starts outside, so it can wait for its parent to leave. */
static void revoke_fork_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *child = toy_task_new(test, toy, file, do_revoke_forked);
	struct toy_task *parent = toy_task_new(test, toy, file, do_use_and_fork);

	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, toy_task_exit, child));
	parent->arg = (unsigned long)child;
	toy_user_run(test, parent);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	KUNIT_ASSERT_TRUE(test, came(&toy->kicked));
	expect_released(test, file, 0);
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, parent), TOY_DONE);
	KUNIT_EXPECT_EQ(test, toy_result(test, child), 0);
	expect_released(test, file, 1);
}

/* The driver need not have one. */
static void revoke_without_kick_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);

	toy->ops.kick = NULL;
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	expect_released(test, file, 1);
	KUNIT_EXPECT_FALSE(test, try_wait_for_completion(&toy->kicked));
}

/* Each file of the object is kicked, once. */
static void revoke_kick_ops_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	int i;

	for (i = 0; i < 3; i++)
		toy_file_new(test, toy);
	KUNIT_EXPECT_EQ(test, revoke_files(toy->r), 0);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_TRUE(test, try_wait_for_completion(&toy->kicked));
	KUNIT_EXPECT_FALSE(test, try_wait_for_completion(&toy->kicked));
}

static bool becomes(struct file *file, u64 flag)
{
	unsigned long end = jiffies + TIMEOUT;

	while (!(revoke_state(file->f_revoke) & flag)) {
		if (time_after(jiffies, end))
			return false;
		schedule_timeout_uninterruptible(1);
	}
	return true;
}

/*
 * vm_ops->close that begins when methods do not any more is waited for as well,
 * after the last method, and then there is no further one.
 */
static void revoke_second_barrier_test(struct kunit *test)
{
	const struct use_kind *vma_use = USE_KIND("close", USE_VMA);
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user, *revoker;
	struct file_use close, late;

	user = toy_block(test, toy, file);
	revoker = toy_revoke(test, toy, file, do_revoke_file);
	KUNIT_ASSERT_TRUE(test, revoke_enter(file->f_revoke, vma_use, &close));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	KUNIT_EXPECT_TRUE(test, becomes(file, REVOKE_CLOSED));
	KUNIT_EXPECT_FALSE(test, revoke_enter(file->f_revoke, vma_use, &late));
	KUNIT_EXPECT_TRUE(test, stays_away(&revoker->done));
	expect_released(test, file, 0);
	revoke_leave(&close);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	expect_released(test, file, 1);
}

/* A killed waiter gives up the waiting only. */
static void revoke_killed_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user, *revoker;

	user = toy_block(test, toy, file);
	revoker = toy_task_new(test, toy, NULL, do_revoke_files);
	toy_user_run(test, revoker);
	KUNIT_ASSERT_TRUE(test, came(&toy->kicked));
	KUNIT_EXPECT_EQ(test, send_sig(SIGKILL, revoker->task, 1), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), -EINTR);
	expect_released(test, file, 0);
	KUNIT_EXPECT_TRUE(test, file_revoked(file));

	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	KUNIT_EXPECT_TRUE(test, becomes_gone(file));
	expect_released(test, file, 1);
}

/* start_using(): as a method does, and it nests. */
static void revoke_start_using_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct file_use outer, inner, after;
	struct completion *go = toy_go(test);
	struct toy_task *revoker = toy_task_new(test, toy, file, do_revoke_file);

	revoker->go = go;
	toy_task_run(test, revoker);
	/* No assertions while records are on the stack */
	KUNIT_EXPECT_TRUE(test, start_using(file, &outer));
	KUNIT_EXPECT_TRUE(test, start_using(file, &inner));
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_NOP, 0), TOY_DONE);
	complete_all(go);
	KUNIT_EXPECT_TRUE(test, came(&toy->kicked));
	KUNIT_EXPECT_FALSE(test, start_using(file, &after));
	stop_using(&after);

	stop_using(&inner);
	KUNIT_EXPECT_TRUE(test, stays_away(&revoker->done));
	expect_released(test, file, 0);
	stop_using(&outer);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	expect_released(test, file, 1);
}

/* A use keeps its own file only, whichever bucket it may share. */
static void revoke_other_file_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *busy = toy_file_new(test, toy);
	struct toy_task *user = toy_block(test, toy, busy);
	int i;

	/* More than there are buckets. */
	for (i = 0; i < 64; i++) {
		struct file *file = toy_file_new(test, toy);

		KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
		expect_released(test, file, 1);
	}
	KUNIT_EXPECT_FALSE(test, file_revoked(busy));
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(busy, TOY_NOP, 0), TOY_DONE);
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
}

/* G1: revoking what one is inside of is deferred until one has left. */
static void revoke_self_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);

	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_REVOKE_FILE, 0),
			-EINPROGRESS);
	KUNIT_ASSERT_TRUE(test, becomes_gone(file));
	expect_released(test, file, 1);
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_NOP, 0), -ENODEV);
}

/* Who has no name for where it is may be inside: so it does not wait. */
static void revoke_self_unnamed_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL), *other = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user = toy_task_new(test, toy, file, do_ioctl_unnamed);

	user->cmd = TOY_REVOKE_FILE;
	user->arg = (unsigned long)toy_file_new(test, other);
	toy_task_run(test, user);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), -EINPROGRESS);
	KUNIT_ASSERT_TRUE(test, becomes_gone(file));
	expect_released(test, file, 1);
}

/* The same for the whole object, with somebody else inside as well. */
static void revoke_self_object_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct file *busy = toy_file_new(test, toy);
	struct file *idle = toy_file_new(test, toy);
	struct toy_task *user = toy_block(test, toy, busy);

	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_REVOKE_IT, 0),
			-EINPROGRESS);
	KUNIT_EXPECT_TRUE(test, becomes_gone(file));
	KUNIT_EXPECT_TRUE(test, becomes_gone(idle));
	expect_released(test, busy, 0);
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	/* Nobody is inside any more: this one waits. */
	revoke_it(toy->r);
	expect_released(test, busy, 1);
	expect_released(test, file, 1);
	expect_released(test, idle, 1);
}

/* Two tasks, each inside of what the other one revokes: both come back. */
static void revoke_mutual_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file[2] = {
		toy_file_new(test, toy), toy_file_new(test, toy)
	};
	struct toy_task *task[2];
	long ret[2];
	int i;

	for (i = 0; i < 2; i++) {
		task[i] = toy_task_new(test, toy, file[i], do_ioctl);
		task[i]->cmd = TOY_REVOKE_OTHER;
		task[i]->arg = (unsigned long)file[!i];
		toy_task_run(test, task[i]);
		KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	}
	toy_open_gate(toy);
	for (i = 0; i < 2; i++) {
		ret[i] = toy_result(test, task[i]);
		KUNIT_EXPECT_TRUE(test, !ret[i] || ret[i] == -EINPROGRESS);
	}
	/* At least one cannot have waited to the end. */
	KUNIT_EXPECT_TRUE(test, ret[0] || ret[1]);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_TRUE(test, becomes_gone(file[i]));
		expect_released(test, file[i], 1);
	}
}

/* A second revoke is not complete before the first one is. */
static void revoke_second_test(struct kunit *test)
{
	static long (* const fns[])(struct toy_task *t) = {
		do_revoke_file, do_revoke_files, do_revoke_it,
	};
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user, *revoker, *second[ARRAY_SIZE(fns)];
	int i;

	user = toy_block(test, toy, file);
	revoker = toy_revoke(test, toy, file, do_revoke_file);
	for (i = 0; i < ARRAY_SIZE(fns); i++)
		second[i] = toy_task_run(test, toy_task_new(test, toy, file,
							    fns[i]));
	for (i = 0; i < ARRAY_SIZE(fns); i++)
		KUNIT_EXPECT_TRUE(test, stays_away(&second[i]->done));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	for (i = 0; i < ARRAY_SIZE(fns); i++)
		KUNIT_EXPECT_EQ(test, toy_result(test, second[i]), 0);
	expect_released(test, file, 1);
}

/* G1: enter and revoke at once: either before, or not at all. */
static void revoke_enter_race_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct toy_task *user[3];
	int round, i;

	for (round = 0; round < 50; round++) {
		struct file *file = toy_file_new(test, toy);
		int before = atomic_read(&toy->entered);

		for (i = 0; i < ARRAY_SIZE(user); i++)
			user[i] = toy_task_run(test, toy_task_new(test, toy,
								  file,
								  do_nops));
		while (atomic_read(&toy->entered) < before + round)
			schedule_timeout_uninterruptible(1);
		KUNIT_ASSERT_EQ(test, revoke_file(file), 0);
		for (i = 0; i < ARRAY_SIZE(user); i++)
			KUNIT_ASSERT_EQ(test, toy_result(test, user[i]),
					-ENODEV);
		KUNIT_ASSERT_FALSE(test, toy_file(file)->late);
		KUNIT_ASSERT_EQ(test, toy_file(file)->users_left, 0);
		toy_close(test, file);
	}
}

/*
 * ->open
 */

static struct toy_task *toy_run_open(struct kunit *test, struct toy *toy,
				     const struct path *path)
{
	struct toy_task *t = toy_task_new(test, toy, NULL, do_open);

	t->path = path;
	toy_task_run(test, t);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	return t;
}

/* G5: an open file is one like any other, and later ones work. */
static void revoke_open_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	const struct path *path = toy_regular(test, toy);
	struct file *file = toy_open_path(test, path);

	KUNIT_EXPECT_EQ(test, flags_of(file), 0);
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_NOP, 0), TOY_DONE);
	KUNIT_EXPECT_EQ(test, revoke_files(toy->r), 0);
	expect_released(test, file, 1);

	file = toy_open_path(test, path);
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_NOP, 0), TOY_DONE);
	expect_released(test, file, 0);
}

/* Open race: a revoke waits for ->open, the result is a revoked file. */
static void revoke_open_race_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	const struct path *path = toy_regular(test, toy);
	struct toy_task *opener, *revoker;
	struct file *file;

	toy->open_blocks = true;
	opener = toy_run_open(test, toy, path);
	revoker = toy_revoke(test, toy, NULL, do_revoke_files);
	KUNIT_EXPECT_TRUE(test, stays_away(&revoker->done));
	toy_open_gate(toy);
	KUNIT_ASSERT_EQ(test, toy_result(test, opener), 0);
	file = toy_keep(test, opener->file);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	KUNIT_EXPECT_TRUE(test, file_revoked(file));
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_NOP, 0), -ENODEV);
	expect_released(test, file, 1);
}

/* Open race: what dies while it is opened fails the open's user, not it. */
static void revoke_open_race_dead_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	const struct path *path = toy_regular(test, toy);
	struct toy_task *opener, *revoker;
	struct file *file;

	toy->open_blocks = true;
	opener = toy_run_open(test, toy, path);
	revoker = toy_revoke(test, toy, NULL, do_revoke_it);
	file = toy_try_open(path, 0);
	KUNIT_EXPECT_PTR_EQ(test, file, ERR_PTR(-ENODEV));
	KUNIT_EXPECT_TRUE(test, stays_away(&revoker->done));
	toy_open_gate(toy);
	KUNIT_ASSERT_EQ(test, toy_result(test, opener), 0);
	file = toy_keep(test, opener->file);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	expect_released(test, file, 1);
}

/* A failed ->open is as if it had never been: no ->release. */
static void revoke_open_failed_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	const struct path *path = toy_regular(test, toy);

	toy->open_error = -EILSEQ;
	KUNIT_EXPECT_PTR_EQ(test, toy_try_open(path, 0), ERR_PTR(-EILSEQ));
	KUNIT_EXPECT_TRUE(test, list_empty(&toy->r->files));
	KUNIT_EXPECT_EQ(test, toy_releases(toy), 0);
	KUNIT_EXPECT_TRUE(test, toy_unreferenced(toy));
}

/* Nor with a revoke waiting for it, which is over with the ->open. */
static void revoke_open_race_failed_test(struct kunit *test)
{
	static const struct {
		int error, expected;
	} cases[] = {
		{ -EILSEQ, -EILSEQ },
		/* That was the kick. */
		{ -ERESTARTSYS, -ENODEV },
	};
	struct toy *toy = toy_new(test, NULL);
	const struct path *path = toy_regular(test, toy);
	struct toy_task *opener, *revoker;
	int i;

	toy->open_blocks = true;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		toy->gate = false;
		toy->open_error = cases[i].error;
		opener = toy_run_open(test, toy, path);
		revoker = toy_revoke(test, toy, NULL, do_revoke_files);
		toy_open_gate(toy);
		KUNIT_EXPECT_EQ(test, toy_result(test, opener),
				cases[i].expected);
		KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
		KUNIT_EXPECT_EQ(test, toy_releases(toy), 0);
		KUNIT_EXPECT_TRUE(test, list_empty(&toy->r->leaving));
	}
}

/* An open that fails after ->open has succeeded is undone by ->release. */
static void revoke_open_direct_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	const struct path *path = toy_regular(test, toy);

	KUNIT_EXPECT_PTR_EQ(test, toy_try_open(path, O_DIRECT),
			    ERR_PTR(-EINVAL));
	flush_delayed_fput();
	KUNIT_EXPECT_EQ(test, toy_releases(toy), 1);
	KUNIT_EXPECT_TRUE(test, list_empty(&toy->r->files));
}

/* G5: a dead object is not opened, by no way. */
static void revoke_open_dead_test(struct kunit *test)
{
	static const struct revokable_ops ops = { .policy.error = -EIDRM };
	struct toy *toy = toy_new(test, &ops);
	const struct path *path = toy_regular(test, toy);
	struct toy_file *tf = toy_file_alloc(toy);
	struct file *file;

	KUNIT_ASSERT_NOT_NULL(test, tf);
	revoke_it(toy->r);
	KUNIT_EXPECT_PTR_EQ(test, toy_try_open(path, 0), ERR_PTR(-EIDRM));
	KUNIT_EXPECT_EQ(test, toy_releases(toy), 0);

	file = toy_keep(test, anon_inode_getfile("[toy]", &toy_fops, tf,
						 O_RDWR));
	tf->opened = true;
	KUNIT_EXPECT_EQ(test, toy_make_revokable(file, toy->r), -EIDRM);
	KUNIT_EXPECT_FALSE(test, file_is_revokable(file));
	KUNIT_EXPECT_TRUE(test, toy_unreferenced(toy));
}

static int toy_lock(struct file *file, int cmd, struct file_lock *fl)
{
	return 0;
}

static int toy_setlease(struct file *file, int arg, struct file_lease **lease,
			void **priv)
{
	return 0;
}

static loff_t toy_remap(struct file *in, loff_t pos_in, struct file *out,
			loff_t pos_out, loff_t len, unsigned int flags)
{
	return 0;
}

static ssize_t toy_copy(struct file *file_in, loff_t pos_in,
			struct file *file_out, loff_t pos_out, size_t len,
			unsigned int flags)
{
	return len;
}

static int toy_iopoll(struct kiocb *iocb, struct io_comp_batch *iob,
		      unsigned int flags)
{
	return 0;
}

static int toy_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	return 0;
}

static void toy_splice_eof(struct file *file)
{
}

static long toy_fallocate(struct file *file, int mode, loff_t offset,
			  loff_t len)
{
	return 0;
}

static int toy_fadvise(struct file *file, loff_t offset, loff_t len, int advice)
{
	return 0;
}

/* What cannot be revoked is refused, with a warning. */
static void revoke_refused_test(struct kunit *test)
{
	static const struct file_operations fops[] = {
		{ .lock = toy_lock },
		{ .flock = toy_lock },
		{ .setlease = toy_setlease },
		{ .copy_file_range = toy_copy },
		{ .remap_file_range = toy_remap },
		{ .iopoll = toy_iopoll },
		{ .uring_cmd = toy_uring_cmd },
		{ .splice_eof = toy_splice_eof },
		{ .fallocate = toy_fallocate },
		{ .fadvise = toy_fadvise },
#ifdef CONFIG_HUGETLBFS
		{ .fop_flags = FOP_HUGE_PAGES },
#endif
	};
	static const umode_t modes[] = { S_IFDIR, S_IFBLK, S_IFIFO, S_IFSOCK };
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	int i;

	/*
	 * The warnings cannot be counted: most architectures give each but
	 * once, even if it is suppressed.
	 */
	kunit_warning_suppress(test) {
		/* It is already. */
		KUNIT_EXPECT_EQ(test, -EINVAL,
				toy_make_revokable(file, toy->r));
		/* It is not being opened. */
		KUNIT_EXPECT_EQ(test, -EINVAL, make_revokable(file, toy->r));
	}
	KUNIT_EXPECT_EQ(test, flags_of(file), 0);

	for (i = 0; i < ARRAY_SIZE(fops); i++) {
		file = toy_keep(test, anon_inode_getfile("[toy]", &fops[i],
							 NULL, O_RDWR));
		kunit_warning_suppress(test) {
			KUNIT_EXPECT_EQ(test, -EINVAL,
					toy_make_revokable(file, toy->r));
		}
		KUNIT_EXPECT_FALSE(test, file_is_revokable(file));
	}

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		umode_t mode;

		file = toy_keep(test, anon_inode_create_getfile("[toy]",
								&toy_path_fops,
								NULL, O_RDWR,
								NULL));
		mode = file_inode(file)->i_mode;
		file_inode(file)->i_mode = modes[i];
		kunit_warning_suppress(test) {
			KUNIT_EXPECT_EQ(test, -EINVAL,
					toy_make_revokable(file, toy->r));
		}
		file_inode(file)->i_mode = mode;
		KUNIT_EXPECT_FALSE(test, file_is_revokable(file));
	}
}

/*
 * ->release
 */

/* G3: whoever closes and revokes at once, it is released once. */
static void revoke_release_race_test(struct kunit *test)
{
	static long (* const fns[])(struct toy_task *t) = {
		do_close, do_revoke_file, do_revoke_files, do_nops, do_close,
	};
	struct toy *toy = toy_new(test, NULL);
	struct toy_task *task[ARRAY_SIZE(fns)];
	int round, i;

	for (round = 0; round < 100; round++) {
		struct completion *go = toy_go(test);
		struct file *file = toy_file_new(test, toy);
		struct toy_file *tf = toy_file(file);

		for (i = 0; i < ARRAY_SIZE(fns); i++) {
			/* Each round another subset of them, at times closers only */
			if (i && !((round + 1) & BIT(i - 1))) {
				task[i] = NULL;
				continue;
			}
			task[i] = toy_task_new(test, toy, file, fns[i]);
			task[i]->go = go;
			toy_task_run(test, task[i]);
		}
		/* The others' references are the last ones. */
		toy_close(test, file);
		complete_all(go);
		for (i = 0; i < ARRAY_SIZE(fns); i++) {
			if (task[i] && fns[i] == do_nops &&
			    !(task[1] || task[2]))
				revoke_files(toy->r);
			if (task[i])
				toy_result(test, task[i]);
		}
		KUNIT_ASSERT_EQ(test, atomic_read(&tf->releases), 1);
		KUNIT_ASSERT_EQ(test, tf->users_left, 0);
		KUNIT_ASSERT_FALSE(test, tf->late);
		KUNIT_ASSERT_TRUE(test, list_empty(&toy->r->files));
	}
}

/* G3: also if the object goes away meanwhile. */
static void revoke_release_race_it_test(struct kunit *test)
{
	int round, i;

	for (round = 0; round < 50; round++) {
		struct toy *toy = toy_new(test, NULL);
		struct completion *go = toy_go(test);
		struct toy_task *task[8];

		for (i = 0; i < ARRAY_SIZE(task); i++) {
			struct file *file = toy_file_new(test, toy);

			task[i] = toy_task_new(test, toy, file, i == 4 ?
					       do_revoke_it : do_close);
			task[i]->go = go;
			toy_task_run(test, task[i]);
			toy_close(test, file);
		}
		complete_all(go);
		for (i = 0; i < ARRAY_SIZE(task); i++)
			toy_result(test, task[i]);
		KUNIT_ASSERT_EQ(test, toy_releases(toy), ARRAY_SIZE(task));
		KUNIT_ASSERT_TRUE(test, list_empty(&toy->r->files));
		KUNIT_ASSERT_TRUE(test, list_empty(&toy->r->leaving));
	}
}

static int pass_gate_in_release(struct revokable *r)
{
	return toy_pass_gate(revokable_data(r));
}

/* A file that is being closed is waited for, though there is nothing to revoke. */
static void expect_awaits_closing(struct kunit *test, struct toy *toy,
				  long (*fn)(struct toy_task *t))
{
	struct file *file = toy_file_new(test, toy);
	struct toy_task *closer, *waiter;

	toy->in_release = pass_gate_in_release;
	closer = toy_task_new(test, toy, file, do_close);
	toy_close(test, file);
	toy_task_run(test, closer);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	waiter = toy_task_run(test, toy_task_new(test, toy, NULL, fn));
	KUNIT_EXPECT_TRUE(test, stays_away(&waiter->done));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, waiter), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, closer), 0);
	KUNIT_EXPECT_EQ(test, toy_releases(toy), 1);
}

static void revoke_closing_test(struct kunit *test)
{
	expect_awaits_closing(test, toy_new(test, NULL), do_revoke_files);
	expect_awaits_closing(test, toy_new(test, NULL), do_revoke_it);
}

/* A ->release that revokes what it is part of does not wait for itself. */
static void revoke_in_release_test(struct kunit *test)
{
	static int (* const fns[])(struct revokable *r) = {
		revoke_files, __revoke_it,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(fns); i++) {
		struct toy *toy = toy_new(test, NULL);
		struct file *closed = toy_file_new(test, toy);
		struct file *revoked = toy_file_new(test, toy);

		toy->in_release = fns[i];
		/* The other one is revoked by it, and then in its turn. */
		toy_close(test, closed);
		KUNIT_EXPECT_EQ(test, toy->released_with, -EINPROGRESS);
		KUNIT_ASSERT_TRUE(test, becomes_gone(revoked));
		KUNIT_EXPECT_EQ(test, toy->released_with, -EINPROGRESS);
		toy->in_release = NULL;
	}
}

/* G3: fasync and flock go as they would at close, before ->release, once. */
static void revoke_fasync_flock_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	const struct path *path = toy_regular(test, toy);
	struct file *file = toy_open_path(test, path);
	struct file *other = toy_open_path(test, path);
	struct toy_file *tf = toy_file(file);
	struct file_lock_context *ctx;
	struct file_lock *fl = locks_alloc_lock();
	int locked;

	KUNIT_ASSERT_NOT_NULL(test, fl);
	fl->c.flc_file = file;
	fl->c.flc_owner = file;
	fl->c.flc_pid = current->tgid;
	fl->c.flc_flags = FL_FLOCK;
	fl->c.flc_type = F_WRLCK;
	fl->fl_end = OFFSET_MAX;
	locked = locks_lock_file_wait(file, fl);
	locks_free_lock(fl);
	KUNIT_ASSERT_EQ(test, locked, 0);
	ctx = locks_inode_context(file_inode(file));
	KUNIT_EXPECT_FALSE(test, list_empty(&ctx->flc_flock));

	spin_lock(&file->f_lock);
	file->f_flags |= FASYNC;
	spin_unlock(&file->f_lock);

	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, tf->fasync_off, 1);
	KUNIT_EXPECT_FALSE(test, tf->fasync_left);
	KUNIT_EXPECT_TRUE(test, list_empty(&ctx->flc_flock));
	expect_released(test, file, 1);
	expect_released(test, other, 0);
	toy_close(test, file);
	KUNIT_EXPECT_EQ(test, tf->fasync_off, 1);
}

/* G4, G5: a stale file neither pins its cdev nor touches the next one. */
static void revoke_cdev_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	const struct path *path;
	struct file *file, *next;
	struct cdev *cdev[2];
	dev_t devt;
	int i;

	KUNIT_ASSERT_EQ(test, 0, alloc_chrdev_region(&devt, 0, 1, "toy"));
	path = toy_path(test, toy, S_IFCHR | 0600, devt);
	for (i = 0; i < 2; i++) {
		cdev[i] = cdev_alloc();
		KUNIT_ASSERT_NOT_NULL(test, cdev[i]);
		cdev[i]->ops = &toy_fops;
	}

	KUNIT_ASSERT_EQ(test, 0, cdev_add(cdev[0], devt, 1));
	file = toy_open_path(test, path);
	KUNIT_EXPECT_EQ(test, kref_read(&cdev[0]->kobj.kref), 2);
	KUNIT_EXPECT_EQ(test, revoke_files(toy->r), 0);
	KUNIT_EXPECT_EQ(test, kref_read(&cdev[0]->kobj.kref), 1);
	cdev_del(cdev[0]);

	KUNIT_ASSERT_EQ(test, 0, cdev_add(cdev[1], devt, 1));
	next = toy_open_path(test, path);
	KUNIT_EXPECT_EQ(test, kref_read(&cdev[1]->kobj.kref), 2);
	toy_close(test, file);
	KUNIT_EXPECT_EQ(test, kref_read(&cdev[1]->kobj.kref), 2);
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(next, TOY_NOP, 0), TOY_DONE);
	/* Without a revoke: once as well. */
	toy_close(test, next);
	KUNIT_EXPECT_EQ(test, kref_read(&cdev[1]->kobj.kref), 1);
	cdev_del(cdev[1]);
	unregister_chrdev_region(devt, 1);
}

#ifdef CONFIG_MODULE_UNLOAD
static struct module toy_module = {
	.name	= "toy",
	.state	= MODULE_STATE_LIVE,
	.refcnt	= ATOMIC_INIT(1),
};

static const struct file_operations toy_module_fops = {
	.owner		= &toy_module,
	.open		= toy_open,
	.release	= toy_release,
};

/* G4: a stale file does not pin the module. */
static void revoke_module_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	const struct path *path;
	struct file *file;

	toy->fops = &toy_module_fops;
	path = toy_regular(test, toy);
	file = toy_open_path(test, path);
	KUNIT_EXPECT_EQ(test, module_refcount(&toy_module), 1);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, module_refcount(&toy_module), 0);
	toy_close(test, file);
	KUNIT_EXPECT_EQ(test, module_refcount(&toy_module), 0);

	file = toy_open_path(test, path);
	toy_close(test, file);
	KUNIT_EXPECT_EQ(test, module_refcount(&toy_module), 0);
	toy->open_error = -EILSEQ;
	KUNIT_EXPECT_PTR_EQ(test, toy_try_open(path, 0), ERR_PTR(-EILSEQ));
	KUNIT_EXPECT_EQ(test, module_refcount(&toy_module), 0);
}
#endif

/*
 * Objects: what is revoked, and what is not
 */

/* G5: opens after the revoke has begun are none of its business. */
static void revoke_later_open_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user, *revoker;
	struct file *later;

	user = toy_block(test, toy, file);
	revoker = toy_revoke(test, toy, NULL, do_revoke_files);
	later = toy_file_new(test, toy);
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	expect_released(test, file, 1);
	expect_released(test, later, 0);
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(later, TOY_NOP, 0), TOY_DONE);
}

/* revoke_files_of_inode(): of this one only */
static void revoke_inode_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	const struct path *path[2] = {
		toy_regular(test, toy), toy_regular(test, toy)
	};
	struct file *file[4];
	int i;

	for (i = 0; i < 4; i++)
		file[i] = toy_open_path(test, path[i % 2]);
	KUNIT_EXPECT_EQ(test, 0,
			revoke_files_of_inode(toy->r, file_inode(file[0])));
	for (i = 0; i < 4; i++)
		expect_released(test, file[i], i % 2 ? 0 : 1);
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file[1], TOY_NOP, 0), TOY_DONE);
}

/* Hundreds of files, going in any order and way. */
static void revoke_many_test(struct kunit *test)
{
	enum { N = 500 };
	struct toy *toy = toy_new(test, NULL);
	struct file **file;
	unsigned int i, left;

	file = kunit_kcalloc(test, N, sizeof(*file), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, file);
	for (i = 0; i < N; i++)
		file[i] = toy_file_new(test, toy);
	/* 7 is prime to 500: each one's turn comes once */
	for (i = 0; i < N / 2; i++) {
		struct file **f = &file[i * 7 % N];

		if (i % 2) {
			KUNIT_EXPECT_EQ(test, revoke_file(*f), 0);
		} else {
			toy_close(test, *f);
			*f = NULL;
		}
	}
	KUNIT_EXPECT_EQ(test, toy_releases(toy), N / 2);
	for (i = left = 0; i < N; i++)
		left += file[i] && !file_revoked(file[i]);
	KUNIT_EXPECT_EQ(test, left, N / 2);
	KUNIT_EXPECT_EQ(test, list_count_nodes(&toy->r->files), N / 2);

	KUNIT_EXPECT_EQ(test, revoke_files(toy->r), 0);
	KUNIT_EXPECT_EQ(test, toy_releases(toy), N);
	KUNIT_EXPECT_TRUE(test, list_empty(&toy->r->files));
	KUNIT_EXPECT_TRUE(test, list_empty(&toy->r->leaving));
}

#ifdef CONFIG_TRACEPOINTS
struct allocations {
	struct task_struct *task;
	int slab, pages;
};

static void count_kmalloc(void *data, unsigned long call_site, const void *ptr,
			  size_t bytes_req, size_t bytes_alloc, gfp_t gfp,
			  int node)
{
	struct allocations *count = data;

	count->slab += count->task == current;
}

static void count_cache(void *data, unsigned long call_site, const void *ptr,
			struct kmem_cache *cache, gfp_t gfp, int node)
{
	struct allocations *count = data;

	count->slab += count->task == current;
}

static void count_pages(void *data, struct page *page, unsigned int order,
			gfp_t gfp, int migratetype)
{
	struct allocations *count = data;

	count->pages += count->task == current;
}

static void stop_counting(void *count)
{
	unregister_trace_kmalloc(count_kmalloc, count);
	unregister_trace_kmem_cache_alloc(count_cache, count);
	unregister_trace_mm_page_alloc(count_pages, count);
	tracepoint_synchronize_unregister();
}

static void start_counting(struct kunit *test, struct allocations *count)
{
	count->task = current;
	KUNIT_ASSERT_EQ(test, kunit_add_action(test, stop_counting, count), 0);
	KUNIT_ASSERT_EQ(test, register_trace_kmalloc(count_kmalloc, count), 0);
	KUNIT_ASSERT_EQ(test, register_trace_kmem_cache_alloc(count_cache,
							      count), 0);
	KUNIT_ASSERT_EQ(test, register_trace_mm_page_alloc(count_pages, count),
			0);
	count->slab = 0;
	count->pages = 0;
}

/* G6: to revoke what nobody has open takes no memory, */
static void revoke_nobody_memory_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct allocations *count;
	int slab, pages;
	void *memory;

	count = kunit_kzalloc(test, sizeof(*count), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, count);
	start_counting(test, count);
	KUNIT_EXPECT_EQ(test, revoke_files(toy->r), 0);
	revoke_it(toy->r);
	slab = count->slab;
	pages = count->pages;

	/* It does count. */
	memory = kzalloc_obj(*toy);
	kfree(memory);
	memory = alloc_page(GFP_KERNEL);
	if (memory)
		__free_page(memory);
	kunit_release_action(test, stop_counting, count);
	KUNIT_EXPECT_GE(test, count->slab, slab + 1);
	KUNIT_EXPECT_GE(test, count->pages, pages + 1);
	KUNIT_EXPECT_EQ(test, slab, 0);
	KUNIT_EXPECT_EQ(test, pages, 0);
}
#endif

/* touches nothing but the object, */
static void revoke_nobody_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);

	KUNIT_EXPECT_EQ(test, revoke_files(toy->r), 0);
	KUNIT_EXPECT_EQ(test, toy->r->state, REVOKABLE_LIVE);
	revoke_it(toy->r);
	KUNIT_EXPECT_EQ(test, toy->r->state, REVOKABLE_DEAD);
	KUNIT_EXPECT_NULL(test, toy->r->ops);
	KUNIT_EXPECT_EQ(test, kref_read(&toy->r->ref), 1);
	KUNIT_EXPECT_FALSE(test, try_wait_for_completion(&toy->kicked));
	revoke_it(toy->r);
}

#ifdef CONFIG_SMP
static long do_read_rcu(struct toy_task *t)
{
	unsigned long end = jiffies + TIMEOUT / 2;

	rcu_read_lock();
	complete(&t->toy->inside);
	while (!READ_ONCE(t->toy->gate) && time_before(jiffies, end))
		cpu_relax();
	rcu_read_unlock();
	return READ_ONCE(t->toy->gate);
}

/* and waits for no grace period. */
static void revoke_nobody_rcu_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct toy_task *reader;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs a second CPU");
	reader = toy_task_run(test, toy_task_new(test, toy, NULL, do_read_rcu));
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	revoke_it(toy->r);
	toy_open_gate(toy);
	KUNIT_EXPECT_TRUE(test, toy_result(test, reader));
}
#endif

static void toy_revoke_async(struct toy *toy)
{
	toy->gone = true;
	revoke_it_async(toy->r, toy_done);
}

/* done() comes once, also if there was nothing to do. */
static void revoke_async_nobody_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);

	toy_revoke_async(toy);
	KUNIT_EXPECT_TRUE(test, came(&toy->done));
	KUNIT_EXPECT_TRUE(test, stays_away(&toy->done));
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->dones), 1);
}

/* G1, G3: done() comes when all is done, and nobody has waited. */
static void revoke_async_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct file *idle = toy_file_new(test, toy);
	struct toy_task *user = toy_block(test, toy, file);

	toy_revoke_async(toy);
	KUNIT_EXPECT_TRUE(test, file_revoked(file));
	KUNIT_EXPECT_TRUE(test, file_revoked(idle));
	KUNIT_EXPECT_TRUE(test, becomes_gone(idle));
	KUNIT_EXPECT_TRUE(test, stays_away(&toy->done));
	expect_released(test, file, 0);

	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	KUNIT_EXPECT_TRUE(test, came(&toy->done));
	KUNIT_EXPECT_EQ(test, toy->released_at_done, 2);
	KUNIT_EXPECT_TRUE(test, stays_away(&toy->done));
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->dones), 1);
}

/* Nobody waits, and nobody wants to be told. */
static void revoke_async_unattended_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user = toy_block(test, toy, file);

	revoke_it_async(toy->r, NULL);
	KUNIT_EXPECT_TRUE(test, file_revoked(file));
	expect_released(test, file, 0);
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	KUNIT_EXPECT_TRUE(test, becomes_gone(file));
	expect_released(test, file, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->dones), 0);
}

/* With nobody inside, each file is left to a worker of its own. */
static void revoke_async_idle_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	int i;

	for (i = 0; i < 20; i++)
		toy_file_new(test, toy);
	toy_revoke_async(toy);
	KUNIT_EXPECT_TRUE(test, came(&toy->done));
	KUNIT_EXPECT_EQ(test, toy->released_at_done, 20);
}

/*
 * Groups
 */

struct toy_group {
	struct toy	*toy[3];	/* the parent, and its children */
	struct file	*file[3];
};

static void toy_group_new(struct kunit *test, struct toy_group *group)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(group->toy); i++) {
		group->toy[i] = i ? toy_child_new(test, group->toy[0]) :
				    toy_new(test, NULL);
		group->file[i] = toy_file_new(test, group->toy[i]);
	}
}

/* A parent takes its children with it, and gets no more of them. */
static void revoke_group_test(struct kunit *test)
{
	struct toy_group group;
	struct file *file;
	struct toy *late;
	int i;

	toy_group_new(test, &group);
	revoke_it(group.toy[0]->r);
	for (i = 0; i < ARRAY_SIZE(group.file); i++) {
		KUNIT_EXPECT_TRUE(test, file_revoked(group.file[i]));
		expect_released(test, group.file[i], 1);
	}

	late = toy_child_new(test, group.toy[0]);
	file = toy_plain_file_new(test, late);
	KUNIT_EXPECT_EQ(test, toy_make_revokable(file, group.toy[1]->r),
			-ENODEV);
	KUNIT_EXPECT_EQ(test, toy_make_revokable(file, late->r), -ENODEV);
}

/* Whatever else is done to one of them is nothing to the others. */
static void revoke_group_member_test(struct kunit *test)
{
	struct toy_group group;

	toy_group_new(test, &group);
	revoke_it(group.toy[1]->r);
	expect_released(test, group.file[1], 1);
	KUNIT_EXPECT_EQ(test, revoke_files(group.toy[0]->r), 0);
	expect_released(test, group.file[0], 1);
	KUNIT_EXPECT_FALSE(test, file_revoked(group.file[2]));
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(group.file[2], TOY_NOP, 0),
			TOY_DONE);
}

/* Those who sleep in methods of the children are kicked, and waited for. */
static void revoke_group_drain_test(struct kunit *test)
{
	struct toy_task *sleeper, *user, *revoker;
	struct toy_group group;

	toy_group_new(test, &group);
	sleeper = toy_run_ioctl(test, group.toy[1], group.file[1], TOY_SLEEP);
	KUNIT_ASSERT_TRUE(test, came(&group.toy[1]->inside));
	user = toy_block(test, group.toy[2], group.file[2]);

	revoker = toy_task_run(test, toy_task_new(test, group.toy[0], NULL,
						  do_revoke_it));
	KUNIT_EXPECT_EQ(test, toy_result(test, sleeper), -ENODEV);
	KUNIT_EXPECT_TRUE(test, becomes_gone(group.file[0]));
	KUNIT_EXPECT_TRUE(test, becomes_gone(group.file[1]));
	KUNIT_EXPECT_TRUE(test, stays_away(&revoker->done));
	expect_released(test, group.file[2], 0);
	toy_open_gate(group.toy[2]);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	expect_released(test, group.file[2], 1);
}

/* done() of the parent comes when the last child is through. */
static void revoke_group_async_test(struct kunit *test)
{
	struct toy_group group;
	struct toy_task *user;

	toy_group_new(test, &group);
	user = toy_block(test, group.toy[1], group.file[1]);
	toy_revoke_async(group.toy[0]);
	KUNIT_EXPECT_TRUE(test, becomes_gone(group.file[0]));
	KUNIT_EXPECT_TRUE(test, becomes_gone(group.file[2]));
	KUNIT_EXPECT_TRUE(test, stays_away(&group.toy[0]->done));
	toy_open_gate(group.toy[1]);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	KUNIT_EXPECT_TRUE(test, came(&group.toy[0]->done));
	expect_released(test, group.file[1], 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&group.toy[0]->dones), 1);
}

/* In a method of a child, the parent cannot be waited for. */
static void revoke_group_self_test(struct kunit *test)
{
	struct toy_group group;
	struct file_use use;

	toy_group_new(test, &group);
	/* No assertions while records are on the stack */
	KUNIT_EXPECT_TRUE(test, start_using(group.file[1], &use));
	KUNIT_EXPECT_EQ(test, __revoke_it(group.toy[0]->r), -EINPROGRESS);
	expect_released(test, group.file[1], 0);
	stop_using(&use);
	KUNIT_EXPECT_TRUE(test, becomes_gone(group.file[1]));
	expect_released(test, group.file[2], 1);
}

/*
 * What is left of a revoked file
 */

#define DEFAULT_MASK	(EPOLLHUP | EPOLLERR | DEFAULT_POLLMASK)

struct policy_case {
	const char			*name;
	struct revokable_policy		policy;
	unsigned int			flags;
	struct revokable_policy		expected;
	struct revokable_policy		removed;	/* if not as expected */
};

static const struct policy_case policy_cases[] = {
	{
		.name = "default",
		.expected = { -ENODEV, -ENODEV, -ENODEV, -ENODEV, -ENODEV,
			      DEFAULT_MASK },
	}, {
		.name = "error",
		.policy = { .error = -EIO },
		.expected = { -EIO, -EIO, -EIO, -EIO, -EIO, DEFAULT_MASK },
	}, {
		.name = "all",
		.policy = { -EIO, -EIDRM, -EPIPE, -ENOTTY, -ENXIO, EPOLLHUP },
		.expected = { -EIO, -EIDRM, -EPIPE, -ENOTTY, -ENXIO, EPOLLHUP },
	}, {
		.name = "one each",
		.policy = { .write_error = -EPIPE },
		.expected = { -ENODEV, -ENODEV, -EPIPE, -ENODEV, -ENODEV,
			      DEFAULT_MASK },
	}, {
		.name = "EOF",
		.policy = { .error = -EIO, .read_error = -EIDRM },
		.flags = REVOKABLE_READ_EOF,
		.expected = { -EIO, 0, -EIO, -EIO, -EIO, DEFAULT_MASK },
	}, {
		.name = "by cause",
		.policy = { .error = -EIO, .revoked_error = -EPERM },
		.expected = { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM,
			      DEFAULT_MASK },
		.removed = { -EIO, -EIO, -EIO, -EIO, -EIO, DEFAULT_MASK },
	},
};

KUNIT_ARRAY_PARAM_DESC(policy, policy_cases, name);

/* All of the methods that a policy is for */
static const struct file_operations policy_fops;

static void expect_policy(struct kunit *test, struct file *file,
			  const struct revokable_policy *p)
{
	char buf[4] = "toy";
	loff_t pos = 0;

	KUNIT_EXPECT_EQ(test, kernel_read(file, buf, 4, &pos), p->read_error);
	KUNIT_EXPECT_EQ(test, file->f_op->splice_read(file, &pos, NULL, 4, 0),
			p->read_error);
	KUNIT_EXPECT_EQ(test, kernel_write(file, buf, 4, &pos), p->write_error);
	KUNIT_EXPECT_EQ(test, file->f_op->splice_write(NULL, file, &pos, 4, 0),
			p->write_error);
	KUNIT_EXPECT_EQ(test, pos, 0);
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_NOP, 0),
			p->ioctl_error);
	KUNIT_EXPECT_EQ(test, file->f_op->compat_ioctl(file, TOY_NOP, 0),
			p->ioctl_error);
	KUNIT_EXPECT_EQ(test, file->f_op->mmap(file, NULL), p->mmap_error);
	KUNIT_EXPECT_EQ(test, vfs_llseek(file, 0, SEEK_CUR), p->error);
	KUNIT_EXPECT_EQ(test, vfs_fsync(file, 0), p->error);
	KUNIT_EXPECT_EQ(test, file->f_op->fasync(-1, file, 1), p->error);
	EXPECT_POLL_EQ(test, vfs_poll(file, NULL), p->poll_mask);
	KUNIT_EXPECT_EQ(test, revoked_error(file), p->error);
	/* What has been taken away can be given up. */
	KUNIT_EXPECT_EQ(test, file->f_op->fasync(-1, file, 0), 0);
	KUNIT_EXPECT_EQ(test, file->f_op->flush(file, NULL), 0);
}

/* The table of results: while the revoke waits, and after. */
static void revoke_policy_test(struct kunit *test)
{
	const struct policy_case *c = test->param_value;
	struct revokable_ops ops = { .policy = c->policy, .flags = c->flags };
	struct toy *toy = toy_new(test, &ops);
	struct file *file;
	struct toy_task *user, *revoker;
	char buf[4];
	loff_t pos = 0;

	toy->fops = &policy_fops;
	file = toy_file_new(test, toy);
	KUNIT_EXPECT_EQ(test, kernel_read(file, buf, 4, &pos), 4);
	KUNIT_EXPECT_EQ(test, kernel_write(file, buf, 4, &pos), 4);
	KUNIT_EXPECT_EQ(test, vfs_llseek(file, 0, SEEK_CUR), TOY_DONE);
	KUNIT_EXPECT_EQ(test, vfs_fsync(file, 0), 0);
	EXPECT_POLL_EQ(test, vfs_poll(file, NULL), EPOLLPRI);
	KUNIT_EXPECT_EQ(test, revoked_error(file), 0);

	user = toy_block(test, toy, file);
	revoker = toy_revoke(test, toy, file, do_revoke_file);
	expect_policy(test, file, &c->expected);
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	expect_policy(test, file, &c->expected);
	revoke_it(toy->r);
	expect_policy(test, file, c->removed.error ? &c->removed : &c->expected);
}

/*
 * The methods that the toy has no use for.  Not all of them are told whose they
 * are.
 */
static struct {
	struct toy_file *file;
	bool blocks;
	long ret;
} any;

static long any_method(void)
{
	toy_enter(any.file);
	if (any.blocks)
		toy_pass_gate(any.file->toy);
	return toy_leave(any.file, any.ret);
}

#define ANY_METHOD(ret_t, name, ...)					\
static ret_t any_##name(__VA_ARGS__)					\
{									\
	return any_method();						\
}

ANY_METHOD(ssize_t, read, struct file *f, char __user *b, size_t n, loff_t *p)
ANY_METHOD(ssize_t, write, struct file *f, const char __user *b, size_t n,
	   loff_t *p)
ANY_METHOD(long, compat_ioctl, struct file *f, unsigned int c, unsigned long a)
ANY_METHOD(int, mmap, struct file *f, struct vm_area_struct *v)
ANY_METHOD(int, mmap_prepare, struct vm_area_desc *d)
ANY_METHOD(int, flush, struct file *f, fl_owner_t o)
ANY_METHOD(int, fasync, int n, struct file *f, int on)
ANY_METHOD(ssize_t, splice_read, struct file *f, loff_t *p,
	   struct pipe_inode_info *i, size_t n, unsigned int fl)
ANY_METHOD(ssize_t, splice_write, struct pipe_inode_info *i, struct file *f,
	   loff_t *p, size_t n, unsigned int fl)

static void any_show_fdinfo(struct seq_file *m, struct file *file)
{
	any_method();
}

static const struct file_operations any_fops = {
	.read		  = any_read,
	.write		  = any_write,
	.compat_ioctl	  = any_compat_ioctl,
	.mmap		  = any_mmap,
	.mmap_prepare	  = any_mmap_prepare,
	.flush		  = any_flush,
	.fasync		  = any_fasync,
	.splice_read	  = any_splice_read,
	.splice_write	  = any_splice_write,
	.show_fdinfo	  = any_show_fdinfo,
	.release	  = toy_release,
};

static const struct file_operations policy_fops = {
	.llseek		= toy_llseek,
	.read_iter	= toy_read_iter,
	.write_iter	= toy_write_iter,
	.poll		= toy_poll,
	.unlocked_ioctl	= toy_ioctl,
	.compat_ioctl	= toy_ioctl,
	.mmap		= any_mmap,
	.flush		= any_flush,
	.release	= toy_release,
	.fsync		= toy_fsync,
	.fasync		= toy_fasync,
	.splice_read	= any_splice_read,
	.splice_write	= any_splice_write,
};

#define CALL_METHOD(name, ...)						\
static long call_##name(struct file *file)				\
{									\
	return file->f_op->name(__VA_ARGS__);				\
}

CALL_METHOD(read, file, NULL, 0, NULL)
CALL_METHOD(write, file, NULL, 0, NULL)
CALL_METHOD(compat_ioctl, file, 0, 0)
CALL_METHOD(flush, file, NULL)
CALL_METHOD(splice_read, file, NULL, NULL, 0, 0)
CALL_METHOD(splice_write, NULL, file, NULL, 0, 0)

#ifdef CONFIG_MMU
static const struct vm_operations_struct toy_vm_ops;

/* As do_mmap() */
#define CALL_IN_MMAP(name, ...)						\
static long call_##name(struct file *file)				\
{									\
	struct revoke_mmap in;						\
	long ret;							\
									\
	revoke_mmap_begin(&in, file);					\
	ret = file->f_op->name(__VA_ARGS__);				\
	revoke_mmap_end(&in);						\
	return ret;							\
}

/* If it fails, there is nothing to undo. */
CALL_IN_MMAP(mmap, file, (&(struct vm_area_struct) {
	.vm_mm		= &init_mm,
	.vm_end		= PAGE_SIZE,
	.vm_file	= file,
	.vm_ops		= &toy_vm_ops,
}))
CALL_IN_MMAP(mmap_prepare, (&(struct vm_area_desc) {
	.file		= file,
	.vm_file	= file,
	.vm_ops		= &toy_vm_ops,
}))
#endif

static long call_fasync_on(struct file *file)
{
	return file->f_op->fasync(0, file, 1);
}

static long call_fasync_off(struct file *file)
{
	return file->f_op->fasync(0, file, 0);
}

static long call_show_fdinfo(struct file *file)
{
	file->f_op->show_fdinfo(NULL, file);
	return 0;
}

static const struct revokable_ops any_ops = {
	.policy = {
		.error = -EIDRM,
		.read_error = -EIO,
		.write_error = -EPIPE,
		.ioctl_error = -ENOTTY,
		.mmap_error = -ENXIO,
	},
};

struct method_case {
	const char *name;
	long (*call)(struct file *file);
	int revoked;
	bool returns_nothing;
	bool waits;		/* for the resume; others return */
	int woken;		/* having been woken for a suspend */
	int suspended;		/* when called meanwhile */
};

static const struct method_case method_cases[] = {
	{ "read", call_read, -EIO, .waits = true },
	{ "write", call_write, -EPIPE, .waits = true },
	{ "compat_ioctl", call_compat_ioctl, -ENOTTY, .waits = true },
#ifdef CONFIG_MMU
	{ "mmap", call_mmap, -ENXIO, .woken = -EAGAIN,
	  .suspended = -EAGAIN },
	{ "mmap_prepare", call_mmap_prepare, -ENXIO, .woken = -EAGAIN,
	  .suspended = -EAGAIN },
#endif
	{ "flush", call_flush, 0, .woken = -ERESTARTSYS,
	  .suspended = TOY_DONE },
	{ "fasync on", call_fasync_on, -EIDRM, .woken = -ERESTARTSYS,
	  .suspended = TOY_DONE },
	{ "fasync off", call_fasync_off, 0, .woken = -ERESTARTSYS,
	  .suspended = TOY_DONE },
	{ "splice_read", call_splice_read, -EIO, .waits = true },
	{ "splice_write", call_splice_write, -EPIPE, .waits = true },
	{ "show_fdinfo", call_show_fdinfo, 0, true },
};

KUNIT_ARRAY_PARAM_DESC(method, method_cases, name);

static long do_method(struct toy_task *t)
{
	const struct method_case *c = (const void *)t->arg;

	return c->call(t->file);
}

/* Each is waited for, keeps its result unless that is EINTR, and then is none. */
static void revoke_method_test(struct kunit *test)
{
	const struct method_case *c = test->param_value;
	static const int results[] = { TOY_DONE, -ENOSPC, -ERESTARTSYS };
	struct toy *toy = toy_new(test, &any_ops);
	int i;

	toy->fops = &any_fops;
	for (i = 0; i < ARRAY_SIZE(results); i++) {
		struct file *file = toy_file_new(test, toy);
		struct toy_task *user, *revoker;
		long expected = results[i];

		any.file = toy_file(file);
		any.blocks = false;
		any.ret = results[i];
		if (c->returns_nothing)
			expected = 0;
		KUNIT_EXPECT_EQ(test, c->call(file), expected);

		any.blocks = true;
		toy->gate = false;
		user = toy_task_new(test, toy, file, do_method);
		user->arg = (unsigned long)c;
		toy_task_run(test, user);
		KUNIT_ASSERT_TRUE(test, came(&toy->inside));
		revoker = toy_revoke(test, toy, file, do_revoke_file);
		KUNIT_EXPECT_FALSE(test, completion_done(&revoker->done));
		toy_open_gate(toy);
		if (results[i] == -ERESTARTSYS)
			expected = c->revoked;
		KUNIT_EXPECT_EQ(test, toy_result(test, user), expected);
		KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
		KUNIT_EXPECT_EQ(test, c->call(file), c->revoked);
		expect_released(test, file, 1);
	}
}

static void expect_methods(struct kunit *test, const struct file *file,
			   const struct file_operations *fops)
{
#define EXPECT_METHOD(op)						\
({									\
	KUNIT_EXPECT_EQ(test, !!file->f_op->op, !!fops->op);		\
	KUNIT_EXPECT_TRUE(test, !fops->op || file->f_op->op != fops->op); \
})

	EXPECT_METHOD(llseek);
	EXPECT_METHOD(read);
	EXPECT_METHOD(write);
	EXPECT_METHOD(read_iter);
	EXPECT_METHOD(write_iter);
	EXPECT_METHOD(poll);
	EXPECT_METHOD(unlocked_ioctl);
	EXPECT_METHOD(compat_ioctl);
	EXPECT_METHOD(mmap);
	EXPECT_METHOD(mmap_prepare);
	EXPECT_METHOD(flush);
	EXPECT_METHOD(fsync);
	EXPECT_METHOD(fasync);
	EXPECT_METHOD(get_unmapped_area);
	EXPECT_METHOD(splice_read);
	EXPECT_METHOD(splice_write);
	EXPECT_METHOD(show_fdinfo);
	EXPECT_METHOD(release);
#undef EXPECT_METHOD
	KUNIT_EXPECT_NULL(test, file->f_op->owner);
	KUNIT_EXPECT_TRUE(test, file->f_op->fop_flags == fops->fop_flags);
}

/*
 * Tests for a method find what they would have found, before a revoke and after;
 * but none of the driver's is reached without a use.
 */
static void revoke_fops_test(struct kunit *test)
{
	const struct file_operations *fops[] = {
		&toy_fops, &any_fops, &policy_fops,
	};
	struct toy *toy = toy_new(test, NULL);
	struct file *file;
	int i;

	for (i = 0; i < ARRAY_SIZE(fops); i++) {
		toy->fops = fops[i];
		file = toy_file_new(test, toy);
		expect_methods(test, file, fops[i]);
		KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
		expect_methods(test, file, fops[i]);
	}
}

static ssize_t own_read(struct file *file, char __user *buf, size_t len,
			loff_t *pos)
{
	struct file_use use;

	if (!start_using(file, &use))
		return -ESTALE;
	stop_using(&use);
	return TOY_DONE;
}

static const struct file_operations own_fops = {
	.owner		= THIS_MODULE,
	.read		= own_read,
	.release	= toy_release,
};

/* Methods that begin their uses themselves are called before and after. */
static void revoke_own_uses_test(struct kunit *test)
{
	static const struct revokable_ops ops = { .flags = REVOKABLE_OWN_USES };
	struct toy *toy = toy_new(test, &ops);
	struct file_use use;
	struct file *file;

	toy->fops = &own_fops;
	file = toy_file_new(test, toy);
	KUNIT_EXPECT_PTR_EQ(test, file_real_fops(file), &own_fops);
	KUNIT_EXPECT_EQ(test, file->f_op->read(file, NULL, 0, NULL), TOY_DONE);

	/* No assertions while records are on the stack */
	KUNIT_EXPECT_TRUE(test, start_using(file, &use));
	toy_revoke_async(toy);
	KUNIT_EXPECT_EQ(test, file->f_op->read(file, NULL, 0, NULL), -ESTALE);
	stop_using(&use);
	KUNIT_EXPECT_TRUE(test, becomes_gone(file));
	KUNIT_EXPECT_EQ(test, file->f_op->read(file, NULL, 0, NULL), -ESTALE);
	/* What the methods need is theirs until the end. */
	expect_released(test, file, 0);
	toy_close(test, file);
	KUNIT_EXPECT_EQ(test, toy_releases(toy), 1);

	/* Nobody revokes it. */
	toy = toy_new(test, &ops);
	toy->fops = &own_fops;
	toy_close(test, toy_file_new(test, toy));
	KUNIT_EXPECT_EQ(test, toy_releases(toy), 1);
}

/* Files of an object share a table; not with those opened after a revoke. */
static void revoke_fops_shared_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct file *other = toy_file_new(test, toy);

	KUNIT_EXPECT_PTR_EQ(test, file->f_op, other->f_op);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_PTR_EQ(test, file->f_op, other->f_op);
	KUNIT_EXPECT_PTR_EQ(test, file->f_op, toy_file_new(test, toy)->f_op);
}

/* G1: no request is left behind: methods get synchronous ones only. */
static void revoke_async_request_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct kiocb iocb;
	struct iov_iter iter;
	char buf[4];
	struct kvec kvec = { .iov_base = buf, .iov_len = sizeof(buf) };

	init_sync_kiocb(&iocb, file);
	iocb.ki_complete = toy_complete;
	iov_iter_kvec(&iter, ITER_DEST, &kvec, 1, sizeof(buf));
	KUNIT_EXPECT_EQ(test, file->f_op->read_iter(&iocb, &iter), sizeof(buf));
	KUNIT_EXPECT_TRUE(test, toy_file(file)->sync);
	/* The request itself is as it would have been. */
	KUNIT_EXPECT_PTR_EQ(test, iocb.ki_complete, &toy_complete);
	KUNIT_EXPECT_EQ(test, iocb.ki_pos, sizeof(buf));
}

static const struct revokable_ops async_ops = {
	.policy = {
		.read_error = -EIO,
		.write_error = -EPIPE,
	},
	.flags = REVOKABLE_ASYNC,
};

/* A request, and the memory that it is about */
struct toy_request {
	struct kiocb	iocb;
	struct iov_iter	iter;
	struct kvec	kvec;
	char		buf[4];
};

static ssize_t toy_request(struct toy_request *rq, struct file *file)
{
	rq->kvec.iov_base = rq->buf;
	rq->kvec.iov_len = sizeof(rq->buf);
	init_sync_kiocb(&rq->iocb, file);
	rq->iocb.ki_complete = toy_complete;
	iov_iter_kvec(&rq->iter, ITER_DEST, &rq->kvec, 1, sizeof(rq->buf));
	toy_completed = 0;
	return file->f_op->read_iter(&rq->iocb, &rq->iter);
}

/* G1: a request that the method has left behind is waited for. */
static void revoke_async_queued_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, &async_ops);
	struct file *file = toy_file_new(test, toy);
	struct toy_request rq;
	struct toy_task *revoker;

	toy->queues = true;
	KUNIT_ASSERT_EQ(test, toy_request(&rq, file), -EIOCBQUEUED);
	KUNIT_EXPECT_PTR_EQ(test, toy->queued, &rq.iocb);
	KUNIT_EXPECT_EQ(test, late_uses(file), 1);

	/* The kick is for those inside, the second for what they have left. */
	revoker = toy_revoke(test, toy, file, do_revoke_file);
	KUNIT_EXPECT_TRUE(test, came(&toy->kicked));
	KUNIT_EXPECT_TRUE(test, stays_away(&revoker->done));
	expect_released(test, file, 0);

	revoke_async_done(&rq.iocb, -ECONNRESET);
	KUNIT_EXPECT_EQ(test, toy_completed, -EIO);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	expect_released(test, file, 1);
	/* There is no request any more to queue one for. */
	KUNIT_EXPECT_EQ(test, toy_request(&rq, file), -EIO);
}

/* What has been done has been done; and each direction has its error. */
static void revoke_async_result_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, &async_ops);
	struct file *file = toy_file_new(test, toy);
	struct toy_request rq[3];
	struct toy_task *revoker;
	int i;

	toy->queues = true;
	for (i = 0; i < ARRAY_SIZE(rq); i++)
		KUNIT_ASSERT_EQ(test, toy_request(&rq[i], file), -EIOCBQUEUED);
	rq[2].iocb.ki_flags |= IOCB_WRITE;
	/* Not yet revoked: as the driver says. */
	revoke_async_done(&rq[0].iocb, -ECONNRESET);
	KUNIT_EXPECT_EQ(test, toy_completed, -ECONNRESET);

	revoker = toy_revoke(test, toy, file, do_revoke_file);
	KUNIT_EXPECT_TRUE(test, came(&toy->kicked));
	revoke_async_done(&rq[1].iocb, 4);
	KUNIT_EXPECT_EQ(test, toy_completed, 4);
	KUNIT_EXPECT_TRUE(test, stays_away(&revoker->done));
	revoke_async_done(&rq[2].iocb, -ECONNRESET);
	KUNIT_EXPECT_EQ(test, toy_completed, -EPIPE);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
}

/*
 * A request that ops->kick does not end is reported when nobody is inside any
 * more, once, and not before the time is up.
 */
static void revoke_async_report_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, &async_ops);
	struct file *file = toy_file_new(test, toy);
	struct toy_request rq;
	struct toy_task *revoker;

	toy->queues = true;
	KUNIT_ASSERT_EQ(test, toy_request(&rq, file), -EIOCBQUEUED);
	revoker = toy_revoke(test, toy, file, do_revoke_file);
	/* The second kick is that of a file that is closed. */
	KUNIT_EXPECT_TRUE(test, came(&toy->kicked));
	revoke_report(toy->r);
	KUNIT_EXPECT_FALSE(test, reported(file));
	file->f_revoke->since -= OVERDUE;
	revoke_report(toy->r);
	KUNIT_EXPECT_TRUE(test, reported(file));
	revoke_report(toy->r);

	revoke_async_done(&rq.iocb, -ECONNRESET);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
}

/* One that is not queued after all does not stay counted. */
static void revoke_async_at_once_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, &async_ops);
	struct file *file = toy_file_new(test, toy);
	struct toy_request rq;

	KUNIT_EXPECT_EQ(test, toy_request(&rq, file), sizeof(rq.buf));
	KUNIT_EXPECT_FALSE(test, toy_file(file)->sync);
	KUNIT_EXPECT_EQ(test, late_uses(file), 0);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	expect_released(test, file, 1);
}

/*
 * Stepping out
 */

/* A revoke does not wait for a task that is out, which cannot get in again. */
static void revoke_step_out_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user = toy_task_new(test, toy, file, do_ioctl);

	user->cmd = TOY_STEP_OUT;
	toy_task_run(test, user);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	expect_released(test, file, 1);
	KUNIT_EXPECT_FALSE(test, completion_done(&user->done));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), -ESTALE);
}

/* When it is in again, it is waited for as ever. */
static void revoke_step_in_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);

	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_STEP_OUT, 0), TOY_DONE);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	expect_released(test, file, 1);
}

/* Stepping out is leaving for a revoke that waits already. */
static void revoke_step_out_drained_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user = toy_task_new(test, toy, file, do_ioctl);
	struct toy_task *revoker;

	user->cmd = TOY_STEP_OUT_LATE;
	toy_task_run(test, user);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	revoker = toy_revoke(test, toy, file, do_revoke_file);
	KUNIT_EXPECT_TRUE(test, stays_away(&revoker->done));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), -ESTALE);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	expect_released(test, file, 1);
}

/* Who is out can remove the object itself, and wait for that. */
static void revoke_step_out_self_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);

	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_STEP_OUT_AND_REVOKE, 0),
			0);
	expect_released(test, file, 1);
}

static long do_nested_step_out(struct toy_task *t)
{
	struct file_use use;
	long ret;

	if (!start_using(t->file, &use))
		return -ENODEV;
	ret = toy_call_ioctl(t->file, TOY_STEP_OUT, 0);
	stop_using(&use);
	return ret;
}

/* Out is out of all uses of the file: ->splice_read calls ->read_iter. */
static void revoke_step_out_nested_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user;

	user = toy_task_run(test, toy_task_new(test, toy, file,
					       do_nested_step_out));
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	expect_released(test, file, 1);
	KUNIT_EXPECT_FALSE(test, completion_done(&user->done));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), -ESTALE);
}

static long do_request(struct toy_task *t)
{
	struct toy_request rq;

	return toy_request(&rq, t->file);
}

/* ... and out of the request that the method has not queued yet. */
static void revoke_step_out_async_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, &async_ops);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user;

	toy->steps_out = true;
	user = toy_task_run(test, toy_task_new(test, toy, file, do_request));
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	KUNIT_EXPECT_EQ(test, late_uses(file), 0);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	expect_released(test, file, 1);
	KUNIT_EXPECT_FALSE(test, completion_done(&user->done));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), -ESTALE);
}

/* Back inside, it is counted again; here, until it returns without queueing. */
static void revoke_step_in_async_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, &async_ops);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user;

	toy->steps_out = true;
	user = toy_task_run(test, toy_task_new(test, toy, file, do_request));
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	KUNIT_EXPECT_EQ(test, late_uses(file), 0);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	expect_released(test, file, 1);
}

/* Those who are inside of the file, or of another one, stay there. */
static void revoke_step_out_alone_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user, *other_user, *leaver, *revoker;
	struct file *other = toy_file_new(test, toy);

	user = toy_block(test, toy, file);
	other_user = toy_block(test, toy, other);

	leaver = toy_run_ioctl(test, toy, file, TOY_STEP_OUT);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	revoker = toy_revoke(test, toy, file, do_revoke_file);
	KUNIT_EXPECT_TRUE(test, stays_away(&revoker->done));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	KUNIT_EXPECT_EQ(test, toy_result(test, leaver), -ESTALE);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, other_user), TOY_DONE);
	KUNIT_EXPECT_FALSE(test, file_revoked(other));
}

/*
 * Lockdep: what can deadlock is reported when both halves have been seen, though
 * they have not met; what cannot is not.
 *
 * A report switches lockdep off, and locks that others hold meanwhile would be
 * taken for held when it is switched on again: so not where there are others.
 */

#if defined(CONFIG_PROVE_LOCKING) && !defined(CONFIG_SMP)
#define TEST_LOCKDEP

/* Does fn() make lockdep complain? */
static long lockdep_complains(struct toy_task *t)
{
	void (*fn)(struct toy *toy, struct file *file) = (void *)t->arg;
	bool complained;

	if (!debug_locks)
		return -EAGAIN;
	debug_locks_silent = 1;
	fn(t->toy, t->file);
	complained = !debug_locks;
	/* It has gone off, and has not seen what this task held let go. */
	if (complained) {
		lockdep_init_task(current);
		debug_locks = 1;
	}
	debug_locks_silent = 0;
	return complained;
}

static void expect_lockdep(struct kunit *test, struct toy *toy,
			   void (*fn)(struct toy *toy, struct file *file),
			   bool complains)
{
	struct file *file = toy_file_new(test, toy);
	struct toy_task *t = toy_task_new(test, toy, file, lockdep_complains);

	t->arg = (unsigned long)fn;
	toy_task_run(test, t);
	KUNIT_EXPECT_EQ_MSG(test, toy_result(test, t), complains, "%ps", fn);
}

/* An object and a lock of their own, which no other test has nested */
#define toy_with_lock(test)						\
({									\
	static DEFINE_MUTEX(__mutex);					\
	struct toy *__toy = toy_new_as(test, NULL);			\
									\
	__toy->mutex = &__mutex;					\
	__toy;								\
})

static void lock_inside(struct toy *toy, struct file *file)
{
	toy_call_ioctl(file, TOY_LOCK, 0);
}

static void lock_outside(struct toy *toy, struct file *file)
{
	toy_call_ioctl(file, TOY_STEP_OUT_AND_LOCK, 0);
}

static void revoke_locked(struct toy *toy, struct file *file)
{
	struct mutex *mutex = toy->mutex;

	guard(mutex)(mutex);
	/* ->release would take it, too. */
	toy->mutex = NULL;
	if (revoke_file(file))
		pr_info("this is not inside of anything\n");
}

static void revoke_async_locked(struct toy *toy, struct file *file)
{
	guard(mutex)(toy->mutex);
	toy->gone = true;
	revoke_it_async(toy->r, toy_done);
}

static void lock_in_release(struct toy *toy, struct file *file)
{
	struct toy_file *tf = toy_file_alloc(toy);
	struct file *other;

	if (!tf)
		return;
	other = anon_inode_getfile("[toy]", &toy_fops, tf, O_RDWR);
	if (IS_ERR(other))
		return;
	tf->opened = true;
	if (!toy_make_revokable(other, toy->r))
		__fput_sync(other);
}

/* The remover holds a lock that a method takes. */
static void revoke_lockdep_method_test(struct kunit *test)
{
	struct toy *toy = toy_with_lock(test);

	expect_lockdep(test, toy, lock_inside, false);
	expect_lockdep(test, toy, revoke_locked, true);
}

/* ... or ->release */
static void revoke_lockdep_release_test(struct kunit *test)
{
	struct toy *toy = toy_with_lock(test);

	expect_lockdep(test, toy, lock_in_release, false);
	expect_lockdep(test, toy, revoke_locked, true);
}

/* Who steps out first does no harm ... */
static void revoke_lockdep_step_out_test(struct kunit *test)
{
	struct toy *toy = toy_with_lock(test);

	expect_lockdep(test, toy, lock_outside, false);
	expect_lockdep(test, toy, revoke_locked, false);
}

/* ... nor does a revoke that does not wait. */
static void revoke_lockdep_async_test(struct kunit *test)
{
	struct toy *toy = toy_with_lock(test);

	expect_lockdep(test, toy, lock_inside, false);
	expect_lockdep(test, toy, revoke_async_locked, false);
	KUNIT_EXPECT_TRUE(test, came(&toy->done));
}

static void revoke_inside(struct toy *toy, struct file *file)
{
	struct file_use use;

	if (!start_using(toy->other, &use))
		return;
	if (revoke_file(file))
		pr_info("there is nobody inside of this one\n");
	stop_using(&use);
}

/* From a method of one driver, files of another one can be revoked. */
static void revoke_lockdep_nested_test(struct kunit *test)
{
	struct toy *outer = toy_new_as(test, NULL);
	struct toy *toy = toy_new_as(test, NULL);

	toy->other = toy_file_new(test, outer);
	expect_lockdep(test, toy, revoke_inside, false);
}

/*
 * Of another object of the same driver, somebody else may be doing the same the
 * other way.  Within one object nobody waits then, see revoke_mutual_test().
 */
static void revoke_lockdep_mutual_test(struct kunit *test)
{
	struct toy *toy[2];
	int i;

	for (i = 0; i < ARRAY_SIZE(toy); i++)
		toy[i] = toy_new_as(test, NULL);
	toy[1]->other = toy_file_new(test, toy[0]);
	expect_lockdep(test, toy[1], revoke_inside, true);
	toy[1]->other = toy_file_new(test, toy[1]);
	expect_lockdep(test, toy[1], revoke_inside, false);
}
#endif /* TEST_LOCKDEP */

/*
 * Polling
 */

struct poller {
	poll_table		pt;
	wait_queue_entry_t	wait;
	wait_queue_head_t	*head;
	struct file		*file;
	unsigned int		queues;
	unsigned int		woken;
	__poll_t		events;
};

static int poller_wake(wait_queue_entry_t *wait, unsigned int mode, int sync,
		       void *key)
{
	struct poller *p = container_of(wait, struct poller, wait);

	p->woken++;
	p->events = key_to_poll(key);
	return 1;
}

static void poller_queue(struct file *file, wait_queue_head_t *head,
			 poll_table *pt)
{
	struct poller *p = container_of(pt, struct poller, pt);

	p->queues++;
	p->head = head;
	add_wait_queue(head, &p->wait);
}

static void poller_leave(void *data)
{
	struct poller *p = data;

	remove_wait_queue(p->head, &p->wait);
	revoke_poll_left(p->file);
}

/* Polls as poll(2) and epoll do; leaves the queue before the file goes. */
static struct poller *poller_new(struct kunit *test, struct file *file)
{
	struct poller *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	p->file = file;
	init_poll_funcptr(&p->pt, poller_queue);
	init_waitqueue_func_entry(&p->wait, poller_wake);
	EXPECT_POLL_EQ(test, vfs_poll(file, &p->pt), EPOLLPRI);
	KUNIT_ASSERT_EQ(test, p->queues, 1);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, poller_leave,
							   p));
	return p;
}

static unsigned int waiters(wait_queue_head_t *head)
{
	wait_queue_entry_t *wait;
	unsigned int n = 0;

	spin_lock_irq(&head->lock);
	list_for_each_entry(wait, &head->head, entry)
		n++;
	spin_unlock_irq(&head->lock);
	return n;
}

/* G3: pollers wait on the file's own queue; a relay passes the events on. */
static void revoke_poll_relay_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct poller *p = poller_new(test, file);
	poll_table again = { ._key = EPOLLIN };

	KUNIT_EXPECT_PTR_EQ(test, p->head, &file->f_revoke->pollers->wait);
	KUNIT_EXPECT_EQ(test, waiters(&toy->queue), 1);
	wake_up_poll(&toy->queue, EPOLLRDBAND);
	KUNIT_EXPECT_EQ(test, p->woken, 1);
	EXPECT_POLL_EQ(test, p->events, EPOLLRDBAND);
	wake_up_interruptible_poll(&toy->queue, EPOLLIN);
	KUNIT_EXPECT_EQ(test, p->woken, 2);
	/* Many drivers do not say what has happened. */
	wake_up(&toy->out_queue);
	KUNIT_EXPECT_EQ(test, p->woken, 3);
	EXPECT_POLL_EQ(test, p->events, 0);

	/* One relay per queue, however often and by whomever it is polled. */
	EXPECT_POLL_EQ(test, vfs_poll(file, &again), EPOLLPRI);
	poller_new(test, file);
	KUNIT_EXPECT_EQ(test, waiters(&toy->queue), 1);
	KUNIT_EXPECT_EQ(test, waiters(&toy->out_queue), 1);
	KUNIT_EXPECT_EQ(test, waiters(&file->f_revoke->pollers->wait), 2);

	/* Revoked: they are told, and stay on what is not the driver's. */
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, p->woken, 4);
	EXPECT_POLL_EQ(test, p->events, DEFAULT_MASK);
	KUNIT_EXPECT_EQ(test, waiters(&toy->queue), 0);
	KUNIT_EXPECT_EQ(test, waiters(&toy->out_queue), 0);
	KUNIT_EXPECT_EQ(test, toy_file(file)->waiters_left, 0);
	KUNIT_EXPECT_EQ(test, waiters(&file->f_revoke->pollers->wait), 2);
	wake_up_poll(&toy->queue, EPOLLIN);
	KUNIT_EXPECT_EQ(test, p->woken, 4);
}

/* With the last poller, the relays go: the queue is the driver's alone again. */
static void revoke_poll_left_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct poller *first = poller_new(test, file);
	struct poller *last = poller_new(test, file);

	kunit_release_action(test, poller_leave, first);
	KUNIT_EXPECT_EQ(test, waiters(&toy->queue), 1);
	KUNIT_EXPECT_EQ(test, waiters(&toy->out_queue), 1);
	kunit_release_action(test, poller_leave, last);
	KUNIT_EXPECT_EQ(test, waiters(&toy->queue), 0);
	KUNIT_EXPECT_EQ(test, waiters(&toy->out_queue), 0);

	/* And they come with the next one. */
	last = poller_new(test, file);
	KUNIT_EXPECT_EQ(test, waiters(&toy->queue), 1);
	wake_up_poll(&toy->queue, EPOLLIN);
	KUNIT_EXPECT_EQ(test, last->woken, 1);
}

/* Polling what is revoked already: the mask at once, and no relay. */
static void revoke_poll_late_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct poller *p = poller_new(test, file);

	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	kunit_release_action(test, poller_leave, p);
	EXPECT_POLL_EQ(test, vfs_poll(file, &p->pt), DEFAULT_MASK);
	/* Level-triggered for ever */
	EXPECT_POLL_EQ(test, vfs_poll(file, NULL), DEFAULT_MASK);
	KUNIT_EXPECT_EQ(test, waiters(&toy->queue), 0);
	KUNIT_EXPECT_PTR_EQ(test, p->head, &file->f_revoke->pollers->wait);
	poller_leave(p);
}

/* G5: other files that poll the same queue notice nothing. */
static void revoke_poll_shared_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct file *other = toy_file_new(test, toy);
	struct poller *p = poller_new(test, file);
	struct poller *o = poller_new(test, other);

	KUNIT_EXPECT_EQ(test, waiters(&toy->queue), 2);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, waiters(&toy->queue), 1);
	KUNIT_EXPECT_EQ(test, o->woken, 0);
	wake_up_poll(&toy->queue, EPOLLIN);
	KUNIT_EXPECT_EQ(test, p->woken, 1);
	KUNIT_EXPECT_EQ(test, o->woken, 1);
	EXPECT_POLL_EQ(test, o->events, EPOLLIN);
}

/* A close drops the relays before ->release, too. */
static void revoke_poll_close_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_file *tf = toy_file(file);
	struct poller *p = poller_new(test, file);

	/* As aio, which does not say when it leaves */
	kunit_remove_action(test, poller_leave, p);
	remove_wait_queue(p->head, &p->wait);
	KUNIT_EXPECT_EQ(test, waiters(&toy->queue), 1);
	toy_close(test, file);
	KUNIT_EXPECT_EQ(test, waiters(&toy->queue), 0);
	KUNIT_EXPECT_EQ(test, tf->waiters_left, 0);
}

/* A driver that frees its queue takes the relays off itself. */
static void revoke_poll_free_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct poller *p = poller_new(test, file);

	wake_up_pollfree(&toy->queue);
	KUNIT_EXPECT_EQ(test, waiters(&toy->queue), 0);
	KUNIT_EXPECT_EQ(test, p->woken, 1);
	EXPECT_POLL_EQ(test, p->events, EPOLLHUP | EPOLLERR);
	KUNIT_EXPECT_EQ(test, waiters(&file->f_revoke->pollers->wait), 1);
	/* From now on it may be anything. */
	memset(&toy->queue, 0xff, sizeof(toy->queue));
	revoke_drop_relays(file->f_revoke);
	init_waitqueue_head(&toy->queue);
	KUNIT_EXPECT_TRUE(test, hlist_empty(&file->f_revoke->pollers->relays));
}

/*
 * The suite
 */

static int toy_suite_init(struct kunit_suite *suite)
{
	toyfs_mnt = kern_mount(&toyfs);
	return PTR_ERR_OR_ZERO(toyfs_mnt);
}

static void toy_suite_exit(struct kunit_suite *suite)
{
	if (!IS_ERR(toyfs_mnt))
		kern_unmount(toyfs_mnt);
}

/*
 * Suspending
 */

static bool becomes_suspended(const struct file *file)
{
	unsigned long end = jiffies + TIMEOUT;

	while (!file_suspended(file)) {
		if (time_after(jiffies, end))
			return false;
		schedule_timeout_uninterruptible(1);
	}
	return true;
}

static long do_suspend(struct toy_task *t)
{
	return revokable_suspend(t->toy->r);
}

static long do_unbreak(struct toy_task *t)
{
	struct file_break brk;
	struct file_use use;
	bool in;

	if (!start_using(t->file, &use))
		return -ENODEV;
	break_using(t->file, &brk);
	complete(&t->toy->inside);
	wait_event_timeout(t->toy->queue, READ_ONCE(t->toy->gate), TIMEOUT);
	in = unbreak_using(&brk);
	stop_using(&use);
	return in;
}

/* Who is inside is waited for; others wait, and go on. */
static void revoke_suspend_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user, *suspender, *late;

	user = toy_block(test, toy, file);
	suspender = toy_task_run(test, toy_task_new(test, toy, NULL,
						    do_suspend));
	KUNIT_ASSERT_TRUE(test, becomes_suspended(file));
	KUNIT_EXPECT_TRUE(test, stays_away(&suspender->done));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, suspender), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	KUNIT_EXPECT_FALSE(test, file_revoked(file));

	late = toy_run_ioctl(test, toy, file, TOY_NOP);
	KUNIT_EXPECT_TRUE(test, stays_away(&late->done));
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->entered), 0);
	revokable_resume(toy->r);
	KUNIT_EXPECT_EQ(test, toy_result(test, late), TOY_DONE);
	KUNIT_EXPECT_EQ(test, flags_of(file), 0);
	expect_released(test, file, 0);
}

/* Each needs a resume of its own. */
static void revoke_suspend_nest_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);

	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
	revokable_resume(toy->r);
	KUNIT_EXPECT_TRUE(test, file_suspended(file));
	revokable_resume(toy->r);
	KUNIT_EXPECT_FALSE(test, file_suspended(file));
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_NOP, 0), TOY_DONE);
}

/* A sleeper is woken, gets no signal, and is called again. */
static void revoke_suspend_sleeper_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user = toy_task_new(test, toy, file, do_ioctl);

	user->cmd = TOY_SLEEP_DEAF;
	toy_user_run(test, user);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
	KUNIT_EXPECT_FALSE(test, try_wait_for_completion(&toy->kicked));
	KUNIT_EXPECT_TRUE(test, stays_away(&toy->inside));
	revokable_resume(toy->r);
	KUNIT_EXPECT_TRUE(test, came(&toy->inside));
	KUNIT_EXPECT_FALSE(test, completion_done(&user->done));
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), -ENODEV);
	KUNIT_EXPECT_FALSE(test, user->pending);
}

/*
 * suspend_begin()	a method sees file_suspended()
 *			and returns, as if by a signal
 * revoke_kick()	finds nobody
 *
 * The caller who may not wait sees whether it has been put off.
 */
static void revoke_suspend_uncounted_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);

	file->f_flags |= O_NONBLOCK;
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_SUSPENDED, 0), -EAGAIN);
	atomic64_andnot(REVOKE_SUSPENDED, &file->f_revoke->state);
}

/* Goes on a little, and is woken for a suspend before it is done. */
static ssize_t toy_read_iter_woken(struct kiocb *iocb, struct iov_iter *iter)
{
	struct toy_file *tf = iocb->ki_filp->private_data;
	loff_t pos = iocb->ki_pos;

	toy_enter(tf);
	iocb->ki_pos++;
	iov_iter_advance(iter, 1);
	if (READ_ONCE(tf->toy->gate))
		return toy_leave(tf, pos);
	complete(&tf->toy->inside);
	wait_event_interruptible_timeout(tf->toy->queue,
					 file_suspended(iocb->ki_filp),
					 TIMEOUT);
	return toy_leave(tf, -ERESTARTSYS);
}

static const struct file_operations woken_fops = {
	.read_iter	= toy_read_iter_woken,
	.release	= toy_release,
};

static long do_read_at(struct toy_task *t)
{
	loff_t pos = t->arg;
	char buf[4];

	return kernel_read(t->file, buf, sizeof(buf), &pos);
}

/* The second call begins where the first one has begun. */
static void revoke_suspend_again_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct toy_task *user;
	struct file *file;

	toy->fops = &woken_fops;
	file = toy_file_new(test, toy);
	user = toy_task_new(test, toy, file, do_read_at);
	user->arg = 100;
	toy_task_run(test, user);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
	WRITE_ONCE(toy->gate, true);
	KUNIT_EXPECT_TRUE(test, stays_away(&user->done));
	revokable_resume(toy->r);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), 100);
}

/* What a method returns for a suspend nobody sees, nor is it called meanwhile. */
static void revoke_suspend_method_test(struct kunit *test)
{
	const struct method_case *c = test->param_value;
	const long done = c->returns_nothing ? 0 : TOY_DONE;
	struct toy *toy = toy_new(test, &any_ops);
	struct toy_task *user, *suspender;
	struct file *file;

	toy->fops = &any_fops;
	file = toy_file_new(test, toy);
	any.file = toy_file(file);
	any.blocks = true;
	any.ret = -ERESTARTSYS;
	user = toy_task_new(test, toy, file, do_method);
	user->arg = (unsigned long)c;
	toy_task_run(test, user);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	suspender = toy_task_run(test, toy_task_new(test, toy, NULL,
						    do_suspend));
	KUNIT_ASSERT_TRUE(test, becomes_suspended(file));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, suspender), 0);

	if (c->waits)
		KUNIT_EXPECT_TRUE(test, stays_away(&user->done));
	else
		KUNIT_EXPECT_EQ(test, toy_result(test, user), c->woken);
	any.blocks = false;
	any.ret = TOY_DONE;
	file->f_flags |= O_NONBLOCK;
	KUNIT_EXPECT_EQ(test, c->call(file), c->waits ? -EAGAIN : c->suspended);

	revokable_resume(toy->r);
	if (c->waits)
		KUNIT_EXPECT_EQ(test, toy_result(test, user), done);
	KUNIT_EXPECT_EQ(test, c->call(file), done);
}

/* Those who do not want to wait, by the file or the request */
static void revoke_suspend_nowait_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct iov_iter iter;
	struct kiocb iocb;
	u8 byte;
	struct kvec vec = { .iov_base = &byte, .iov_len = 1 };

	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
	init_sync_kiocb(&iocb, file);
	iocb.ki_flags |= IOCB_NOWAIT;
	iov_iter_kvec(&iter, ITER_DEST, &vec, 1, 1);
	KUNIT_EXPECT_EQ(test, file->f_op->read_iter(&iocb, &iter), -EAGAIN);
	file->f_flags |= O_NONBLOCK;
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_NOP, 0), -EAGAIN);
	/* What cannot be put off */
	KUNIT_EXPECT_EQ(test, file->f_op->fasync(-1, file, 0), 0);
	KUNIT_EXPECT_EQ(test, toy_file(file)->fasync_off, 1);
	revokable_resume(toy->r);
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_NOP, 0), TOY_DONE);
}

/* What is called inside of a use that is waited for is let in. */
static void revoke_suspend_inside_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct completion *go = toy_go(test);
	struct toy_task *suspender = toy_task_new(test, toy, NULL, do_suspend);
	struct file_use outer, inner;

	suspender->go = go;
	toy_task_run(test, suspender);
	/* No assertions while records are on the stack */
	KUNIT_EXPECT_TRUE(test, start_using(file, &outer));
	complete_all(go);
	KUNIT_EXPECT_TRUE(test, becomes_suspended(file));
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_NOP, 0), TOY_DONE);
	KUNIT_EXPECT_TRUE(test, start_using(file, &inner));
	stop_using(&inner);
	/* Called again, it would be let in again, and woken again. */
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_SUSPENDED, 0),
			-ERESTARTSYS);
	KUNIT_EXPECT_TRUE(test, stays_away(&suspender->done));
	stop_using(&outer);
	KUNIT_EXPECT_EQ(test, toy_result(test, suspender), 0);
	KUNIT_EXPECT_FALSE(test, start_using(file, &outer));
	revokable_resume(toy->r);
}

/* Whoever resumes an object may be waiting for a method of another one. */
static void revoke_suspend_elsewhere_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL), *other = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user = toy_task_new(test, toy, file, do_ioctl_within);

	user->cmd = TOY_NOP;
	user->arg = (unsigned long)toy_file_new(test, other);
	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
	toy_user_run(test, user);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), -EAGAIN);
	revokable_resume(toy->r);
}

/* Undone while it still waits: then nobody is kept out when it has waited. */
static void revoke_suspend_undone_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user = toy_block(test, toy, file), *suspender;

	suspender = toy_task_run(test, toy_task_new(test, toy, NULL,
						    do_suspend));
	KUNIT_ASSERT_TRUE(test, becomes_suspended(file));
	revokable_resume(toy->r);
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	KUNIT_EXPECT_EQ(test, toy_result(test, suspender), 0);
	KUNIT_EXPECT_FALSE(test, file_suspended(file));
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_NOP, 0), TOY_DONE);
}

/* It would wait for itself; nor does it wait for the resume of another object. */
static void revoke_suspend_self_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL), *second = toy_new_as(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct file *other = toy_file_new(test, second);
	struct file_use outer;

	/* No assertions while records are on the stack */
	KUNIT_EXPECT_TRUE(test, start_using(file, &outer));
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), -EDEADLK);
	}
	KUNIT_EXPECT_FALSE(test, file_suspended(file));
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(file, TOY_NOP, 0), TOY_DONE);

	KUNIT_EXPECT_EQ(test, revokable_suspend(second->r), 0);
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(other, TOY_NOP, 0), -EAGAIN);
	revokable_resume(second->r);
	stop_using(&outer);
}

/* A revoke is the final answer for those who wait. */
static void revoke_suspend_revoked_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct file *other = toy_file_new(test, toy);
	struct toy_task *user, *opener;
	const struct path *path = toy_regular(test, toy);

	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
	user = toy_run_ioctl(test, toy, file, TOY_NOP);
	KUNIT_EXPECT_TRUE(test, stays_away(&user->done));
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), -ENODEV);
	KUNIT_EXPECT_TRUE(test, file_suspended(other));

	user = toy_run_ioctl(test, toy, other, TOY_NOP);
	opener = toy_task_new(test, toy, NULL, do_open);
	opener->path = path;
	toy_task_run(test, opener);
	KUNIT_EXPECT_TRUE(test, stays_away(&user->done));
	KUNIT_EXPECT_TRUE(test, stays_away(&opener->done));
	toy->gone = true;
	revoke_it_async(toy->r, toy_done);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), -ENODEV);
	KUNIT_EXPECT_EQ(test, toy_result(test, opener), -ENODEV);
	KUNIT_EXPECT_TRUE(test, came(&toy->done));
	revokable_resume(toy->r);
	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), -ENODEV);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->entered), 0);
}

/* A revoke counts whom a suspend is waiting for, and each of them returns. */
static void revoke_suspend_both_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user, *suspender, *revoker;

	user = toy_block(test, toy, file);
	suspender = toy_task_run(test, toy_task_new(test, toy, NULL,
						    do_suspend));
	KUNIT_ASSERT_TRUE(test, becomes_suspended(file));
	revoker = toy_revoke(test, toy, file, do_revoke_files);
	KUNIT_EXPECT_TRUE(test, stays_away(&suspender->done));
	KUNIT_EXPECT_TRUE(test, stays_away(&revoker->done));
	expect_released(test, file, 0);
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	KUNIT_EXPECT_EQ(test, toy_result(test, suspender), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	expect_released(test, file, 1);
	revokable_resume(toy->r);
}

/* Whom a revoke is waiting for a suspend has to wait for, too. */
static void revoke_suspend_leaving_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user, *suspender, *revoker;

	user = toy_block(test, toy, file);
	revoker = toy_revoke(test, toy, file, do_revoke_files);
	suspender = toy_task_run(test, toy_task_new(test, toy, NULL,
						    do_suspend));
	KUNIT_EXPECT_TRUE(test, stays_away(&suspender->done));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), TOY_DONE);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, suspender), 0);
	revokable_resume(toy->r);
}

/* ->open: one under way is waited for, the next one waits. */
static void revoke_suspend_open_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	const struct path *path = toy_regular(test, toy);
	struct toy_task *opener, *suspender, *late;

	toy->open_blocks = true;
	opener = toy_task_new(test, toy, NULL, do_open);
	opener->path = path;
	toy_task_run(test, opener);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	suspender = toy_task_run(test, toy_task_new(test, toy, NULL,
						    do_suspend));
	KUNIT_EXPECT_TRUE(test, stays_away(&suspender->done));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, suspender), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, opener), 0);
	toy_keep(test, opener->file);
	KUNIT_EXPECT_TRUE(test, file_suspended(opener->file));

	toy->open_blocks = false;
	late = toy_task_new(test, toy, NULL, do_open);
	late->path = path;
	toy_task_run(test, late);
	KUNIT_EXPECT_TRUE(test, stays_away(&late->done));
	KUNIT_EXPECT_PTR_EQ(test, toy_try_open(path, O_NONBLOCK),
			    ERR_PTR(-EAGAIN));
	revokable_resume(toy->r);
	KUNIT_EXPECT_EQ(test, toy_result(test, late), 0);
	toy_keep(test, late->file);
	KUNIT_EXPECT_FALSE(test, file_suspended(opener->file));
	KUNIT_EXPECT_EQ(test, toy_call_ioctl(opener->file, TOY_NOP, 0),
			TOY_DONE);
}

static struct toy_task *toy_opener(struct kunit *test, struct toy *toy,
				   const struct path *path, int flags)
{
	struct toy_task *t = toy_task_new(test, toy, NULL, do_open);

	t->path = path;
	t->arg = flags;
	return t;
}

/* If it was woken, it is called again, for whomever opens the file. */
static void revoke_suspend_open_woken_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	const struct path *path = toy_regular(test, toy);
	struct toy_task *process, *kthread, *nonblock, *fails, *suspender;
	unsigned int i;

	toy->open_blocks = true;
	toy->open_error = -ERESTARTSYS;
	process = toy_user_run(test, toy_opener(test, toy, path, 0));
	kthread = toy_task_run(test, toy_opener(test, toy, path, 0));
	nonblock = toy_task_run(test, toy_opener(test, toy, path, O_NONBLOCK));
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	suspender = toy_task_run(test, toy_task_new(test, toy, NULL,
						    do_suspend));
	KUNIT_EXPECT_TRUE(test, stays_away(&suspender->done));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, nonblock), -EAGAIN);
	KUNIT_EXPECT_EQ(test, toy_result(test, suspender), 0);
	KUNIT_EXPECT_TRUE(test, stays_away(&process->done));
	KUNIT_EXPECT_TRUE(test, stays_away(&kthread->done));
	toy->open_error = 0;
	revokable_resume(toy->r);
	KUNIT_EXPECT_EQ(test, toy_result(test, process), 0);
	toy_keep(test, process->file);
	KUNIT_EXPECT_FALSE(test, process->pending);
	KUNIT_EXPECT_EQ(test, toy_result(test, kthread), 0);
	toy_keep(test, kthread->file);
	for (i = 0; i < 2; i++)
		KUNIT_ASSERT_TRUE(test, came(&toy->inside));

	/* Any other error is one. */
	toy->open_error = -ENXIO;
	toy->gate = false;
	fails = toy_task_run(test, toy_opener(test, toy, path, 0));
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	suspender = toy_task_run(test, toy_task_new(test, toy, NULL,
						    do_suspend));
	KUNIT_EXPECT_TRUE(test, stays_away(&suspender->done));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, fails), -ENXIO);
	KUNIT_EXPECT_EQ(test, toy_result(test, suspender), 0);
	revokable_resume(toy->r);
}

/* Closing one does not wait, and nothing is left that a resume looks at. */
static void revoke_suspend_closing_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);

	expect_awaits_closing(test, toy, do_suspend);
	revokable_resume(toy->r);
}

static void revoke_suspend_close_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);

	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
	EXPECT_POLL_EQ(test, vfs_poll(file, NULL), 0);
	toy_close(test, file);
	KUNIT_EXPECT_EQ(test, toy_releases(toy), 1);
	KUNIT_EXPECT_TRUE(test, list_empty(&toy->r->poll_again));
	revokable_resume(toy->r);
}

/* Stepping in waits; a revoke ends that. */
static void revoke_suspend_step_in_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *user;

	user = toy_task_run(test, toy_task_new(test, toy, file, do_unbreak));
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
	toy_open_gate(toy);
	KUNIT_EXPECT_TRUE(test, stays_away(&user->done));
	revokable_resume(toy->r);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), true);

	toy->gate = false;
	user = toy_task_run(test, toy_task_new(test, toy, file, do_unbreak));
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
	toy_open_gate(toy);
	KUNIT_EXPECT_TRUE(test, stays_away(&user->done));
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), false);
	revokable_resume(toy->r);
}

/*
 * Nobody is let in while it is suspended, whenever that happens to be, and
 * nobody is left behind.
 */
static void revoke_suspend_race_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *users[4];
	int i, entered;

	for (i = 0; i < ARRAY_SIZE(users); i++)
		users[i] = toy_task_run(test, toy_task_new(test, toy, file,
							   do_nops));
	for (i = 0; i < 300; i++) {
		KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
		KUNIT_EXPECT_EQ(test, atomic_read(&toy_file(file)->users), 0);
		entered = atomic_read(&toy->entered);
		if (i % 8 == 0)
			schedule_timeout_uninterruptible(1);
		KUNIT_EXPECT_EQ(test, atomic_read(&toy->entered), entered);
		revokable_resume(toy->r);
		if (i % 4 == 0)
			schedule_timeout_uninterruptible(1);
	}
	KUNIT_EXPECT_EQ(test, revoke_files(toy->r), 0);
	for (i = 0; i < ARRAY_SIZE(users); i++)
		KUNIT_EXPECT_EQ(test, toy_result(test, users[i]), -ENODEV);
}

/* Nothing to be seen; then they are woken, and queued when they look again. */
static void revoke_suspend_poll_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, NULL);
	struct file *file = toy_file_new(test, toy);
	struct poller *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);
	poll_table again = { ._key = EPOLLIN };

	KUNIT_ASSERT_NOT_NULL(test, p);
	p->file = file;
	init_poll_funcptr(&p->pt, poller_queue);
	init_waitqueue_func_entry(&p->wait, poller_wake);
	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
	EXPECT_POLL_EQ(test, vfs_poll(file, &p->pt), 0);
	KUNIT_EXPECT_EQ(test, waiters(&toy->queue), 0);
	KUNIT_EXPECT_EQ(test, p->woken, 0);
	revokable_resume(toy->r);
	KUNIT_EXPECT_EQ(test, p->woken, 1);
	EXPECT_POLL_EQ(test, p->events, 0);

	/* The first one that looks again may be slow to get there. */
	toy->polls_nothing = true;
	EXPECT_POLL_EQ(test, vfs_poll(file, &again), EPOLLPRI);
	toy->polls_nothing = false;
	EXPECT_POLL_EQ(test, vfs_poll(file, &again), EPOLLPRI);
	KUNIT_EXPECT_EQ(test, waiters(&toy->queue), 1);
	wake_up_poll(&toy->queue, EPOLLIN);
	KUNIT_EXPECT_EQ(test, p->woken, 2);

	/* Those who have not polled need not be woken. */
	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
	revokable_resume(toy->r);
	KUNIT_EXPECT_EQ(test, p->woken, 2);
	poller_leave(p);
}

static struct kunit_case revoke_cases[] = {
	KUNIT_CASE(revoke_states_test),
	KUNIT_CASE(revoke_close_test),
	KUNIT_CASE(revoke_then_close_test),
	KUNIT_CASE(revoke_not_revokable_test),
	KUNIT_CASE(revoke_drain_test),
	KUNIT_CASE(revoke_kick_kthread_test),
	KUNIT_CASE(revoke_kick_process_test),
	KUNIT_CASE(revoke_kick_unnamed_test),
	KUNIT_CASE(revoke_kick_crowd_test),
	KUNIT_CASE(revoke_report_files_test),
	KUNIT_CASE(revoke_report_users_test),
	KUNIT_CASE(revoke_report_unnamed_test),
#ifdef CONFIG_DETECT_HUNG_TASK
	KUNIT_CASE(revoke_report_after_test),
#endif
	KUNIT_CASE(revoke_uncounted_test),
	KUNIT_CASE(revoke_no_kick_test),
	KUNIT_CASE(revoke_kick_ops_test),
	KUNIT_CASE(revoke_oops_test),
	KUNIT_CASE(revoke_fork_test),
	KUNIT_CASE(revoke_without_kick_test),
	KUNIT_CASE(revoke_second_barrier_test),
	KUNIT_CASE(revoke_killed_test),
	KUNIT_CASE(revoke_start_using_test),
	KUNIT_CASE(revoke_other_file_test),
	KUNIT_CASE(revoke_self_test),
	KUNIT_CASE(revoke_self_unnamed_test),
	KUNIT_CASE(revoke_self_object_test),
	KUNIT_CASE(revoke_mutual_test),
	KUNIT_CASE(revoke_second_test),
	KUNIT_CASE_SLOW(revoke_enter_race_test),
	KUNIT_CASE(revoke_open_test),
	KUNIT_CASE(revoke_open_race_test),
	KUNIT_CASE(revoke_open_race_dead_test),
	KUNIT_CASE(revoke_open_failed_test),
	KUNIT_CASE(revoke_open_race_failed_test),
	KUNIT_CASE(revoke_open_direct_test),
	KUNIT_CASE(revoke_open_dead_test),
	KUNIT_CASE(revoke_refused_test),
	KUNIT_CASE_SLOW(revoke_release_race_test),
	KUNIT_CASE_SLOW(revoke_release_race_it_test),
	KUNIT_CASE(revoke_closing_test),
	KUNIT_CASE(revoke_in_release_test),
	KUNIT_CASE(revoke_fasync_flock_test),
	KUNIT_CASE(revoke_cdev_test),
#ifdef CONFIG_MODULE_UNLOAD
	KUNIT_CASE(revoke_module_test),
#endif
	KUNIT_CASE(revoke_later_open_test),
	KUNIT_CASE(revoke_inode_test),
	KUNIT_CASE_SLOW(revoke_many_test),
#ifdef CONFIG_TRACEPOINTS
	KUNIT_CASE(revoke_nobody_memory_test),
#endif
	KUNIT_CASE(revoke_nobody_test),
#ifdef CONFIG_SMP
	KUNIT_CASE(revoke_nobody_rcu_test),
#endif
	KUNIT_CASE(revoke_async_nobody_test),
	KUNIT_CASE(revoke_async_test),
	KUNIT_CASE(revoke_async_unattended_test),
	KUNIT_CASE(revoke_async_idle_test),
	KUNIT_CASE(revoke_group_test),
	KUNIT_CASE(revoke_group_member_test),
	KUNIT_CASE(revoke_group_drain_test),
	KUNIT_CASE(revoke_group_async_test),
	KUNIT_CASE(revoke_group_self_test),
	KUNIT_CASE_PARAM(revoke_policy_test, policy_gen_params),
	KUNIT_CASE_PARAM(revoke_method_test, method_gen_params),
	KUNIT_CASE(revoke_fops_test),
	KUNIT_CASE(revoke_fops_shared_test),
	KUNIT_CASE(revoke_own_uses_test),
	KUNIT_CASE(revoke_async_request_test),
	KUNIT_CASE(revoke_async_queued_test),
	KUNIT_CASE(revoke_async_result_test),
	KUNIT_CASE(revoke_async_report_test),
	KUNIT_CASE(revoke_async_at_once_test),
	KUNIT_CASE(revoke_step_out_test),
	KUNIT_CASE(revoke_step_in_test),
	KUNIT_CASE(revoke_step_out_drained_test),
	KUNIT_CASE(revoke_step_out_self_test),
	KUNIT_CASE(revoke_step_out_nested_test),
	KUNIT_CASE(revoke_step_out_async_test),
	KUNIT_CASE(revoke_step_in_async_test),
	KUNIT_CASE(revoke_step_out_alone_test),
#ifdef TEST_LOCKDEP
	KUNIT_CASE(revoke_lockdep_method_test),
	KUNIT_CASE(revoke_lockdep_release_test),
	KUNIT_CASE(revoke_lockdep_step_out_test),
	KUNIT_CASE(revoke_lockdep_async_test),
	KUNIT_CASE(revoke_lockdep_nested_test),
	KUNIT_CASE(revoke_lockdep_mutual_test),
#endif
	KUNIT_CASE(revoke_poll_relay_test),
	KUNIT_CASE(revoke_poll_left_test),
	KUNIT_CASE(revoke_poll_late_test),
	KUNIT_CASE(revoke_poll_shared_test),
	KUNIT_CASE(revoke_poll_close_test),
	KUNIT_CASE(revoke_poll_free_test),
	KUNIT_CASE(revoke_suspend_test),
	KUNIT_CASE(revoke_suspend_nest_test),
	KUNIT_CASE(revoke_suspend_sleeper_test),
	KUNIT_CASE(revoke_suspend_uncounted_test),
	KUNIT_CASE(revoke_suspend_again_test),
	KUNIT_CASE_PARAM(revoke_suspend_method_test, method_gen_params),
	KUNIT_CASE(revoke_suspend_nowait_test),
	KUNIT_CASE(revoke_suspend_inside_test),
	KUNIT_CASE(revoke_suspend_elsewhere_test),
	KUNIT_CASE(revoke_suspend_undone_test),
	KUNIT_CASE(revoke_suspend_self_test),
	KUNIT_CASE(revoke_suspend_revoked_test),
	KUNIT_CASE(revoke_suspend_both_test),
	KUNIT_CASE(revoke_suspend_leaving_test),
	KUNIT_CASE(revoke_suspend_open_test),
	KUNIT_CASE(revoke_suspend_open_woken_test),
	KUNIT_CASE(revoke_suspend_close_test),
	KUNIT_CASE(revoke_suspend_closing_test),
	KUNIT_CASE(revoke_suspend_step_in_test),
	KUNIT_CASE_SLOW(revoke_suspend_race_test),
	KUNIT_CASE(revoke_suspend_poll_test),
	{}
};

static struct kunit_suite revoke_suite = {
	.name		= "revoke",
	.suite_init	= toy_suite_init,
	.suite_exit	= toy_suite_exit,
	.test_cases	= revoke_cases,
};

kunit_test_suite(revoke_suite);

MODULE_DESCRIPTION("KUnit tests of revoking open files");
MODULE_LICENSE("GPL");
