/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Taking open files away from whoever holds them.
 *
 * See Documentation/filesystems/revoke.rst for the model, the guarantees and
 * the locking rules.  In short:
 *
 *   struct revokable	an object that can go away: a device, a proc entry
 *   struct revoke	one open file of it, file->f_revoke
 *   struct file_use	one task inside one method of one such file
 */
#ifndef _LINUX_REVOKE_H
#define _LINUX_REVOKE_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct cdev;
struct kiocb;
struct revokable;
struct revoke;
struct task_struct;
struct use_bucket;
struct vm_area_struct;
struct vm_fault;
struct vm_operations_struct;

/* After a revoke, read(2) returns 0 instead of an error, as on a hung-up tty */
#define REVOKABLE_READ_EOF		BIT(0)
/*
 * ->release undoes, without touching a VMA, whatever vm_ops->close would have
 * undone.  Without this flag, mappings with vm_ops->close are refused.
 */
#define REVOKABLE_CLOSE_AT_RELEASE	BIT(1)
/* The owner of the inode may revoke the opens made through that inode */
#define REVOKABLE_OWNER_MAY_REVOKE	BIT(2)
/* The lock order of this object is beyond lockdep's understanding */
#define REVOKABLE_IGNORE_LOCKDEP	BIT(3)
/*
 * The methods may return -EIOCBQUEUED.  @kick makes the requests that are under
 * way complete, and revoke_async_done() is what completes them.  Without this
 * flag, ->read_iter and ->write_iter get synchronous requests only.
 */
#define REVOKABLE_ASYNC			BIT(4)
/*
 * Mappings are for the address space that has made them: fork(2) leaves them
 * out, mremap(2) does not make them grow, madvise(MADV_DOFORK) fails.
 */
#define REVOKABLE_DONTCOPY		BIT(5)
/*
 * While suspended, system calls that touch a mapping fail with EFAULT.  For
 * objects whose resume depends on others: a system call may hold any lock of
 * theirs.  Without this flag they wait, as user space does.
 */
#define REVOKABLE_KERNEL_FAULTS_FAIL	BIT(6)

/**
 * struct revokable_policy - what system calls on a revoked file return
 * @error: a negative errno for everything not listed below; 0: -ENODEV
 * @read_error: for read, splice and readdir; 0: @error
 * @write_error: for write; 0: @error
 * @ioctl_error: for ioctl; 0: @error
 * @mmap_error: for mmap; 0: @error
 * @poll_mask: for poll; 0: EPOLLHUP, EPOLLERR and "readable and writable"
 * @suspended_error: what calls that would wait for revokable_resume() return
 *	instead; 0: they wait
 */
struct revokable_policy {
	int		error;
	int		read_error;
	int		write_error;
	int		ioctl_error;
	int		mmap_error;
	__poll_t	poll_mask;
	int		suspended_error;
};

/**
 * struct revokable_ops - how the owner of an object wants it to be revoked
 * @policy: copied when the object is created
 * @flags: REVOKABLE_*; likewise
 * @kick: wake whoever sleeps inside a method of @file in a way that no signal
 *	ends.  Called in process context after file_revoked() has become true
 *	for @file and before its users are waited for; and again when they have
 *	left if there are requests under way.  At first, its ->open may still
 *	be running, or failing, and its last reference be gone, so nothing that
 *	hangs off the file may be used: what is needed beyond the object is
 *	found under a lock that ->open and ->release take.  Optional, except
 *	for REVOKABLE_ASYNC.
 *
 * Nothing of this is touched after the revoke of the object is complete, so
 * it can be in the module that is about to go away.
 */
struct revokable_ops {
	struct revokable_policy	policy;
	unsigned int		flags;
	void (*kick)(struct revokable *r, struct file *file);
};

enum revokable_state {
	REVOKABLE_LIVE,
	REVOKABLE_SUSPENDED,	/* or being so; back to LIVE, or DEAD */
	REVOKABLE_DEAD,
};

/*
 * An object whose open files can be taken away.  Private to fs/revoke.c;
 * created with revokable_alloc().
 */
struct revokable {
	struct kref			ref;
	spinlock_t			lock;	/* all down to @ticket, @done */
	enum revokable_state		state;
	/* those that a revoke has still to find, and those on their way out */
	struct list_head		files;
	struct list_head		leaving;
	u64				ticket;	/* of the last entry of @leaving */
	wait_queue_head_t		wait;	/* for entries to leave @leaving */
	unsigned int			suspended;	/* how many times */
	unsigned long			suspends;	/* so far */
	bool				suspending;	/* by somebody who waits */
	struct list_head		poll_again;	/* when it is resumed */
	wait_queue_head_t		resumed;	/* or not @suspending */
	const struct revokable_ops	*ops;	/* NULL once dead and empty */
	struct revokable_policy		policy;
	unsigned int			flags;
	bool				mapped;		/* ever */
	void				*data;
	void				(*done)(void *data);
	bool				done_wanted;
	struct work_struct		done_work;
	struct delayed_work		watch;	/* while @leaving has entries */
#ifdef CONFIG_DEBUG_LOCK_ALLOC
	struct lockdep_map		dep_map;
#endif
	struct rcu_head			rcu;
};

/*
 * In this order; each state is entered once and never left backwards, except
 * for REVOKE_SUSPENDED, which goes back to what it was before.
 */
enum revoke_state {
	REVOKE_OPENING,		/* ->open is running */
	REVOKE_LIVE,
	REVOKE_SUSPENDED,	/* only methods start that cannot be put off */
	REVOKE_REVOKED,		/* no method starts; vm_ops->open, ->close do */
	REVOKE_CLOSED,		/* nothing starts */
	REVOKE_RELEASED,	/* ->release has returned */
};

/* Counts the tasks that a revoke found inside, plus one for the revoker. */
struct revoke_drain {
	atomic_t		pending;
	struct work_struct	work;	/* for when it is zero */
	struct work_struct	zap;	/* has one of the counts while queued */
};

/* Counts the tasks that a suspend found inside, plus one for itself. */
struct revoke_pause {
	atomic_t		pending;
	struct completion	left;	/* when it is zero */
};

/**
 * struct file_use - a task inside a method of a revokable file
 * @node: in the bucket, or in a struct file_break
 * @bucket: where @node is; NULL: the task has stepped out
 * @revoke: whose use it is, for comparison; NULL: of a file that is not
 *	revokable, there is nothing to stop
 * @task: who
 * @what: the method, for the report
 * @drain: set, under the bucket lock, by the revoke that waits for this use
 * @pause: likewise, by the suspend that waits for this use
 * @kicked: likewise, that a notification has been left with the task
 * @aside: for its own task only: it may have begun while suspended, and lets
 *	nothing in that it calls
 * @suspends: likewise, its task has suspended the object, and is not waited for
 * @owner: the module to which the task will return, while it has stepped out
 * @async: the call may queue a request, which has been counted; it is until
 *	@bucket is NULL
 * @inserts: the object, for comparison, if entries may be put into page tables
 *	in here; else NULL
 * @epoch: then, how many revokable_zap_range() had begun before
 * @awaited: set, under the bucket lock, by one that waits for this use
 * @r: lockdep's view of the use
 *
 * On the stack of the task.  Whoever leaves touches this record and, if they
 * are set, @drain and @pause, but neither the file nor its revoke: both may be
 * gone by then.
 */
struct file_use {
	struct hlist_node	node;
	struct use_bucket	*bucket;
	struct revoke		*revoke;
	struct task_struct	*task;
	const char		*what;
	struct revoke_drain	*drain;
	struct revoke_pause	*pause;
	bool			kicked;
	bool			aside;
	bool			suspends;
	struct module		*owner;
	struct revoke		*async;
	const struct revokable	*inserts;
	unsigned long		epoch;
	bool			awaited;
#ifdef CONFIG_DEBUG_LOCK_ALLOC
	struct revokable	*r;
#endif
};

/**
 * struct file_break - uses of a file that a task has stepped out of
 * @uses: their records
 * @rv: of which file; NULL: there were none
 */
struct file_break {
	struct hlist_head	uses;
	struct revoke		*rv;
};

/*
 * The revokable side of one open file.  Private to fs/revoke*.c and
 * mm/revoke.c.
 */
struct revoke {
	struct file		*file;		/* until @released */
	struct revokable	*r;
	enum revoke_state	state;		/* until REVOKED under r->lock */
	bool			opened;		/* there will be a ->release */
	bool			mapped;		/* there may be, or was, a VMA */
	bool			tracked;	/* likewise, with a memory type */
	bool			zapped;		/* scratch of one revoke_start() */
	struct kref		ref;
	struct list_head	node;		/* r->files or r->leaving */
	struct list_head	batch;		/* of one revoke_start() */
	struct list_head	paused;		/* of one revokable_suspend() */
	u64			ticket;		/* place in r->leaving ... */
	unsigned long		since;		/* ... and when it got there */
	bool			reported;	/* that it is there for long */
	struct file_use		open_use;
	struct revoke_drain	drain;
	/* requests under way, and one more until all users have left */
	atomic_t		nr_async;
	bool			users_left;
	struct completion	released;
	int			fasync_fd;	/* as fcntl(F_SETFL) was told */

	const struct file_operations *fops;	/* what to put, once */
	struct cdev		*cdev;

	wait_queue_head_t	poll_wq;	/* pollers wait here ... */
	spinlock_t		relay_lock;
	struct hlist_head	relays;		/* ... woken by one per queue */
	struct list_head	poll_again;	/* r->poll_again, its lock */
	bool			relays_due;	/* somebody waits without them */

	struct list_head	vm_ops;		/* under vm_ops_lock */
	spinlock_t		vm_ops_lock;

	struct rcu_work		put_work;
	struct rcu_head		rcu;
};

#ifdef CONFIG_REVOKE

struct revokable *__revokable_alloc(const struct revokable_ops *ops, void *data,
				    const char *name,
				    struct lock_class_key *key);

/**
 * revokable_alloc - create a revokable object
 * @ops: policy and callbacks, valid until the object has been revoked
 * @data: for the caller, see revokable_data()
 *
 * Each place that calls this has a lockdep class of its own.
 *
 * Context: may sleep.
 * Return: the object with one reference, or NULL.
 */
#define revokable_alloc(ops, data)					\
({									\
	static struct lock_class_key __key;				\
									\
	__revokable_alloc((ops), (data), "revokable:" #data, &__key);	\
})

struct revokable *revokable_get(struct revokable *r);
void revokable_put(struct revokable *r);

/**
 * revokable_data - what the creator of the object gave to revokable_alloc()
 * @r: the object
 *
 * Return: the pointer; valid for as long as the creator keeps it so.
 */
static inline void *revokable_data(const struct revokable *r)
{
	return r->data;
}

int make_revokable(struct file *file, struct revokable *r);
int make_revokable_anon(struct file *file, struct revokable *r);

int __must_check revoke_it(struct revokable *r);
void revoke_it_async(struct revokable *r, void (*done)(void *data));
void revokable_flush_done(struct revokable *r);
int revoke_files(struct revokable *r);
int revoke_files_of_inode(struct revokable *r, const struct inode *inode);
int revoke_file(struct file *file);
void revokable_zap_range(struct revokable *r, pgoff_t start, pgoff_t nr);
bool file_revoked(const struct file *file);
int __must_check revokable_suspend(struct revokable *r);
void revokable_resume(struct revokable *r);
bool file_suspended(const struct file *file);
vm_fault_t revokable_fault_pfn(struct vm_fault *vmf, unsigned long pfn,
			       pgoff_t pgoff);
vm_fault_t revokable_fault_pfn_all(struct vm_fault *vmf, unsigned long pfn,
				   pgoff_t pgoff);
void revoke_async_done(struct kiocb *iocb, long ret);

bool start_using_as(struct file *file, struct file_use *use, const char *what);
bool start_inserting(struct file *file, struct file_use *use, const char *what);
bool start_using_anyway(struct file *file, struct file_use *use,
			const char *what);
bool start_using_vma_ops(struct file *file, struct file_use *use,
			 const char *what);
void stop_using_revokable(struct file_use *use);

void break_using(struct file *file, struct file_break *brk);
bool unbreak_using(struct file_break *brk);

bool start_using_vma(struct vm_area_struct *vma, struct file_use *use);

/**
 * start_using - keep a file from being taken away
 * @file: the file, to which the caller has a reference
 * @use: a record on the caller's stack
 *
 * Methods of @file are called with this done already.  It is for reaching the
 * private data of a file in any other way.  Between success and stop_using()
 * the file is not released; its revoke waits, so the caller must not wait for
 * a revoke of the same object meanwhile, nor for a lock held by one.
 *
 * Context: process context; takes a spinlock, does not sleep.
 * Return: false if the file has been revoked, or is suspended.  Then there is
 *	nothing to stop.
 */
static inline bool start_using(struct file *file, struct file_use *use)
{
	if (likely(!file_is_revokable(file))) {
		use->revoke = NULL;
		return true;
	}
	return start_using_as(file, use, "start_using");
}

/**
 * stop_using - end what start_using() began
 * @use: the record given to start_using()
 *
 * Touches @use only; the file may be gone.
 *
 * Context: the task that called start_using(), process context.
 */
static inline void stop_using(struct file_use *use)
{
	if (unlikely(use->revoke))
		stop_using_revokable(use);
}

#else /* !CONFIG_REVOKE */

static inline bool start_using(struct file *file, struct file_use *use)
{
	return true;
}

static inline void stop_using(struct file_use *use)
{
}

static inline bool start_using_vma(struct vm_area_struct *vma,
				   struct file_use *use)
{
	return true;
}

static inline void break_using(struct file *file, struct file_break *brk)
{
}

static inline bool unbreak_using(struct file_break *brk)
{
	return true;
}

static inline bool start_inserting(struct file *file, struct file_use *use,
				   const char *what)
{
	return true;
}

static inline bool file_revoked(const struct file *file)
{
	return false;
}

static inline bool file_suspended(const struct file *file)
{
	return false;
}

static inline void revoke_async_done(struct kiocb *iocb, long ret)
{
	iocb->ki_complete(iocb, ret);
}

#endif /* CONFIG_REVOKE */

/**
 * stop_using_vma - end what start_using_vma() began
 * @use: the record given to start_using_vma()
 *
 * Touches @use only; VMA and file may be gone.
 *
 * Context: the task that called start_using_vma(), process context.
 */
static inline void stop_using_vma(struct file_use *use)
{
	stop_using(use);
}

/**
 * struct fd_using - a descriptor's file, kept from being taken away
 * @fd: the file
 * @use: the use of it; NULL: there is none
 */
struct fd_using {
	struct fd		fd;
	struct file_use		*use;
};

static inline struct fd_using fd_using_begin(int n, struct file_use *use)
{
	struct fd_using f = { .fd = fdget(n) };

	if (!fd_empty(f.fd) && start_using(fd_file(f.fd), use))
		f.use = use;
	return f;
}

static inline void fd_using_end(struct fd_using *f)
{
	if (f->use)
		stop_using(f->use);
	fdput(f->fd);
}

/*
 * CLASS(fd_using, f)(n, &use), with a struct file_use of the caller: for a
 * method that reaches the private data of the file behind another descriptor.
 */
DEFINE_CLASS(fd_using, struct fd_using, fd_using_end(&_T),
	     fd_using_begin(n, use), int n, struct file_use *use)

/**
 * fd_using_file - the file of a CLASS(fd_using)
 * @f: the instance
 *
 * Return: the file, to be used until the end of the scope; or an error:
 *	-EBADF: there is no such descriptor; -ENODEV: it has been revoked;
 *	-EAGAIN: it is suspended.
 */
static inline struct file *fd_using_file(const struct fd_using *f)
{
	if (fd_empty(f->fd))
		return ERR_PTR(-EBADF);
	if (f->use)
		return fd_file(f->fd);
	return ERR_PTR(file_revoked(fd_file(f->fd)) ? -ENODEV : -EAGAIN);
}

/*
 * For the VFS
 */
void __revoke_open_done(struct file *file);
int __revoke_open_failed(struct file *file, int error);
bool __revoke_fput_claim(struct file *file);
void __revoke_fput_done(struct file *file);
void revoke_async_begin(struct file_use *use);
void revoke_async_returns(struct file_use *use, bool queued);
void revoke_async_end(struct revoke *rv);
struct revoke *__revoke_cmd_done(struct file *file, s32 *ret);

#ifdef CONFIG_REVOKE
/* Between fs/ and mm/ */
bool revoke_caller_inside(const struct revokable *r);
void revoke_await_resume_fault(struct revoke *rv, unsigned int state);
void revoke_zap(struct file *file);
void revoke_zap_suspended(struct file *file);
void revoke_zap_pages(struct file *file, pgoff_t first, pgoff_t last);
void revoke_untrack(struct file *file);
void revoke_free_vm_ops(struct revoke *rv);

/*
 * A character device's file pins the cdev it was opened through.  By the time
 * it is released, the inode may lead to another one, of a re-probed device.
 */
static inline void revoke_set_cdev(struct file *file, struct cdev *cdev)
{
	if (file_is_revokable(file))
		file->f_revoke->cdev = cdev;
}

static inline struct cdev *revoke_cdev(const struct file *file)
{
	return file->f_revoke->cdev;
}

static inline struct revoke *file_revoke(const struct file *file)
{
	return file_is_revokable(file) ? file->f_revoke : NULL;
}

/* For what the VFS does with a file without calling a method: 0 or an errno */
static inline int revoked_error(const struct file *file)
{
	return file_revoked(file) ? file->f_revoke->r->policy.error : 0;
}

/* For mm/ */
static inline int revoked_mmap_error(const struct file *file)
{
	return file->f_revoke->r->policy.mmap_error;
}

/* A use of the file is held, as that is where PFNs are remapped. */
static inline void revokable_pfnmap_tracked(const struct file *file)
{
	if (file && file_is_revokable(file))
		WRITE_ONCE(file->f_revoke->tracked, true);
}

static inline bool revokable_dontcopy(const struct file *file)
{
	return file_is_revokable(file) &&
	       file->f_revoke->r->flags & REVOKABLE_DONTCOPY;
}

int revokable_mmap_begin(struct file *file, struct file_use *use);
int revokable_mmap_ops(struct file *file, struct file *vm_file,
		       const struct vm_operations_struct **ops);

int __revokable_mmap_wait(struct file *file, unsigned long *seen);
bool __revokable_mmap_again(struct file *file, unsigned long seen);

static inline int revokable_mmap_wait(struct file *file, unsigned long *seen)
{
	return file && file_is_revokable(file) ?
		       __revokable_mmap_wait(file, seen) : 0;
}

static inline bool revokable_mmap_again(struct file *file, unsigned long seen)
{
	return file && file_is_revokable(file) &&
	       __revokable_mmap_again(file, seen);
}
#else
static inline void revoke_set_cdev(struct file *file, struct cdev *cdev)
{
}

static inline struct cdev *revoke_cdev(const struct file *file)
{
	return NULL;
}

static inline struct revoke *file_revoke(const struct file *file)
{
	return NULL;
}

static inline int revoked_error(const struct file *file)
{
	return 0;
}

static inline int revoked_mmap_error(const struct file *file)
{
	return 0;
}

static inline void revokable_pfnmap_tracked(const struct file *file)
{
}

static inline bool revokable_dontcopy(const struct file *file)
{
	return false;
}

static inline int revokable_mmap_begin(struct file *file, struct file_use *use)
{
	return 0;
}

static inline int revokable_mmap_ops(struct file *file, struct file *vm_file,
				     const struct vm_operations_struct **ops)
{
	return 0;
}

static inline int revokable_mmap_wait(struct file *file, unsigned long *seen)
{
	return 0;
}

static inline bool revokable_mmap_again(struct file *file, unsigned long seen)
{
	return false;
}
#endif

static inline void revoke_open_done(struct file *file)
{
	if (file_is_revokable(file))
		__revoke_open_done(file);
}

static inline int revoke_open_failed(struct file *file, int error)
{
	return file_is_revokable(file) ? __revoke_open_failed(file, error) :
					 error;
}

/* Returns whether the caller, __fput(), is the one to release the file. */
static inline bool revoke_fput_claim(struct file *file)
{
	return !file_is_revokable(file) || __revoke_fput_claim(file);
}

/*
 * An io_uring command is about to be completed with *@ret, which may change.
 * If the result is not NULL, it is for revoke_async_end() afterwards.
 */
static inline struct revoke *revoke_cmd_done(struct file *file, s32 *ret)
{
	return file_is_revokable(file) ? __revoke_cmd_done(file, ret) : NULL;
}

static inline void revoke_fput_done(struct file *file)
{
	if (file_is_revokable(file))
		__revoke_fput_done(file);
}

#endif /* _LINUX_REVOKE_H */
