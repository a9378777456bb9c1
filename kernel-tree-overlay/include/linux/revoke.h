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

#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/lockdep.h>
#include <linux/poll.h>
#include <linux/types.h>
#include <linux/uaccess.h>

struct cdev;
struct kiocb;
struct revokable;
struct revoke;
struct task_struct;
struct use_kind;
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
/*
 * A mapping of a file that has been revoked shows a page of the file's own instead
 * of failing with SIGBUS: for objects whose users do not survive that.
 */
#define REVOKABLE_DEAD_PAGES		BIT(3)
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
 * The methods are called as they are, also for a file that has been revoked, and
 * ->release when the file is closed.  They keep the object by means of their own
 * where they get at it, start_using() for one, so that they can copy to and from
 * user memory before and after.  So they must not be in a module.  Faults, ->mmap and
 * ->poll are uses all the same.
 */
#define REVOKABLE_OWN_USES		BIT(6)

/**
 * struct revokable_policy - what system calls on a revoked file return
 * @error: a negative errno for everything not listed below; 0: -ENODEV
 * @read_error: for read and splice; 0: @error
 * @write_error: for write; 0: @error
 * @ioctl_error: for ioctl; 0: @error
 * @mmap_error: for mmap; 0: @error
 * @poll_mask: for poll; 0: EPOLLHUP, EPOLLERR and "readable and writable"
 * @revoked_error: instead of all these errors for a file that has been taken
 *	away while its object stays; 0: there is no difference
 */
struct revokable_policy {
	int		error;
	int		read_error;
	int		write_error;
	int		ioctl_error;
	int		mmap_error;
	__poll_t	poll_mask;
	int		revoked_error;
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
 * @fill_dead_page: with REVOKABLE_DEAD_PAGES, what a mapping shows when its file has
 *	been revoked, for each file and each vm_operations_struct of the driver's that
 *	->mmap gives a mapping of it.  Called once for each, from within ->mmap with
 *	the mmap_lock held, so long before; @page is the kernel's address of a page
 *	of zeroes, and not to be used later.  It is mapped like what the driver
 *	had mapped, for reading only or for writing, at each page of each mapping.
 *	Optional: they show zeroes.
 *
 * Nothing of this is touched after the revoke of the object is complete, so
 * it can be in the module that is about to go away.
 */
struct revokable_ops {
	struct revokable_policy	policy;
	unsigned int		flags;
	void (*kick)(struct revokable *r, struct file *file);
	void (*fill_dead_page)(const struct vm_operations_struct *vm_ops,
			       void *page);
};

/**
 * struct file_use - a task inside of a method of a revokable file
 * @revoke: whose use it is; NULL: of a file that is not revokable, there is
 *	nothing to stop
 * @kind: what of it
 * @slot: where the task has its name; negative: it has none
 *
 * On the stack of the task, for whoever ends the use.
 */
struct file_use {
	struct revoke		*revoke;
	const struct use_kind	*kind;
	int			slot;
};

/**
 * struct file_break - uses of a file that a task has stepped out of
 * @revoke: of which file; NULL: there were none
 * @slots: bit n: the use that had name n
 */
struct file_break {
	struct revoke		*revoke;
	unsigned int		slots;
};

#ifdef CONFIG_REVOKE

struct revokable *__revokable_alloc(struct revokable *parent,
				    const struct revokable_ops *ops, void *data,
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
	revokable_alloc_child(NULL, (ops), (data))

/**
 * revokable_alloc_child - create a part of an object
 * @parent: the object, which has no parent itself; NULL: there is none
 * @ops: as for revokable_alloc()
 * @data: likewise
 *
 * revoke_it() and revoke_it_async() of the parent take the files of all of its
 * children, in one pass, and whoever is told that it is done is told so for
 * all.  From then on, the parent's policy is that of all of these files.  A child
 * that is created later is dead from the start.  All the rest, so revokeat(2), is
 * about the files of the one object that it is called for.
 *
 * Context: may sleep.
 * Return: the object with one reference, or NULL.
 */
#define revokable_alloc_child(parent, ops, data)			\
({									\
	static struct lock_class_key __key;				\
									\
	__revokable_alloc((parent), (ops), (data), "revokable:" #data,	\
			  &__key);					\
})

struct revokable *revokable_get(struct revokable *r);
void revokable_put(struct revokable *r);
void *revokable_data(const struct revokable *r);

int make_revokable(struct file *file, struct revokable *r);

int __must_check __revoke_it(struct revokable *r);
void revoke_it_async(struct revokable *r, void (*done)(void *data));
int revoke_files(struct revokable *r);
int revoke_files_of_inode(struct revokable *r, const struct inode *inode);
int revoke_file(struct file *file);
void revokable_zap_range(struct revokable *r, pgoff_t start, pgoff_t nr);
void revokable_maps_iomem(const struct file *file, resource_size_t start,
			  resource_size_t size);
bool file_revoked(const struct file *file);
int __must_check revokable_suspend(struct revokable *r);
void revokable_resume(struct revokable *r);
bool file_suspended(const struct file *file);
vm_fault_t revokable_fault_pfn(struct vm_fault *vmf, unsigned long pfn,
			       pgoff_t pgoff, unsigned long nr);
void revoke_async_done(struct kiocb *iocb, long ret);

const struct file_operations *file_real_fops(const struct file *file);

bool __start_using(struct file *file, struct file_use *use);
void __stop_using(struct file_use *use);

void break_using(struct file *file, struct file_break *brk);
bool unbreak_using(struct file_break *brk);

int use_copy_to_user(struct file *file, void __user *to, const void *from,
		     size_t n);
int use_copy_from_user(struct file *file, void *to, const void __user *from,
		       size_t n);

/**
 * revoke_it - the object has gone: revoke its open files, and allow no more
 * @r: the object, with its children
 *
 * When this returns, no method runs or will run for any file opened on the
 * object, no page table entry maps its memory through one, each ->release has
 * run once, and no file or mapping pins the module.  After revoke_it_async(), its
 * callback has returned.
 *
 * Waits without limit for tasks inside methods: those that sleep on user
 * memory can take as long as user space likes, see use_copy_to_user().  Where
 * that is not acceptable, use revoke_it_async().
 *
 * Inside a method of one of the files, or its ->release, the caller would be
 * waiting for itself: this warns, and returns too early.  Whoever can get there
 * has to call break_using() first, or use revoke_it_async().
 *
 * Context: may sleep.  The caller must hold no lock that a method or ->release
 *	of the object takes, nor any that is taken inside of an mmap_lock.
 */
static inline void revoke_it(struct revokable *r)
{
	WARN_ON_ONCE(__revoke_it(r));
}

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
 * Context: process context, does not sleep.
 * Return: false if the file has been revoked, or is suspended.  Then there is
 *	nothing to stop.
 */
static inline bool start_using(struct file *file, struct file_use *use)
{
	if (likely(!file_is_revokable(file))) {
		use->revoke = NULL;
		return true;
	}
	return __start_using(file, use);
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
		__stop_using(use);
}

#else /* !CONFIG_REVOKE */

static inline const struct file_operations *
file_real_fops(const struct file *file)
{
	return file->f_op;
}

static inline bool start_using(struct file *file, struct file_use *use)
{
	return true;
}

static inline void stop_using(struct file_use *use)
{
}

static inline void break_using(struct file *file, struct file_break *brk)
{
}

static inline bool unbreak_using(struct file_break *brk)
{
	return true;
}

static inline int use_copy_to_user(struct file *file, void __user *to,
				   const void *from, size_t n)
{
	return copy_to_user(to, from, n) ? -EFAULT : 0;
}

static inline int use_copy_from_user(struct file *file, void *to,
				     const void __user *from, size_t n)
{
	return copy_from_user(to, from, n) ? -EFAULT : 0;
}

static inline void revokable_maps_iomem(const struct file *file,
					resource_size_t start,
					resource_size_t size)
{
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

#endif /* _LINUX_REVOKE_H */
