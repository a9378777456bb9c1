// SPDX-License-Identifier: GPL-2.0
/*
 * The methods of revokable files.
 *
 * A file that has been opened gets a table of methods that belongs to its object
 * instead of its driver, for as long as there is a struct file: the same members
 * are there, so tests for presence see what they would have seen, but all of them
 * lead here.  So whoever calls a method, be it a system call, an io_uring worker,
 * a stacking file system or a driver, calls it as a use, see fs/revoke/use.c; and
 * files that are not revokable pay nothing for those that are.
 *
 * For a file that has been revoked the policy of the object says what the method
 * would have returned.  For one that is suspended, the call waits; that is, unless
 * it cannot: because it is part of closing the file, holds an mmap_lock, or was
 * told not to.
 */
#include <linux/aio.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/sched/mm.h>
#include <linux/splice.h>
#include <linux/uio.h>

#include "internal.h"

/* What is left with a file that has been released; for __fput() */
const struct file_operations revoke_released_fops;

/* Can an open file with these methods be revoked? */
bool revokable_file_type(const struct file *file)
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
	/* Nobody says when such requests have ended. */
	if (fops->uring_cmd || fops->iopoll)
		return false;
	/* And these reach the private data of two files. */
	if (fops->copy_file_range || fops->remap_file_range)
		return false;
	/* No device has these. */
	if (fops->splice_eof || fops->fallocate || fops->fadvise)
		return false;
	/* These are not told which file, or are directories. */
	if (fops->check_flags || fops->iterate_shared)
		return false;
	return !fops->lock && !fops->flock && !fops->setlease;
}

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
	       revoke_state(file->f_revoke) & REVOKE_REVOKED;
}
EXPORT_SYMBOL_GPL(file_revoked);

/* For a file that has been revoked; @removed is for one whose object has gone. */
int revoked_result(const struct file *file, int removed)
{
	const struct revokable *r = file->f_revoke->r;

	/* An object is dead before its files are revoked for that. */
	if (READ_ONCE(r->state) == REVOKABLE_DEAD)
		return removed;
	return r->policy.revoked_error ?: removed;
}

/*
 * A revoke ends the sleeps of methods as a signal would.  Only there was no
 * signal: what such a method returns is replaced by what it would have
 * returned had it been called a moment later.  And so for a suspend, except
 * that it is called a moment later.
 */
#define call_or_wait(f, nowait, what, revoked, method, ...)		\
({									\
	const struct use_kind *__kind = USE_KIND(what, 0);		\
	struct file *__f = (f);						\
	typeof(real_fops(__f)->method(__VA_ARGS__)) __ret = 0;		\
	unsigned int __left;						\
	int __err = USE_AGAIN;						\
									\
	if (likely(use_begin(__f->f_revoke, __kind))) {			\
		__ret = real_fops(__f)->method(__VA_ARGS__);		\
		__left = use_end(__f->f_revoke, __kind);		\
		__err = used_result(__f, __left, __ret);		\
	}								\
	while (unlikely(__err == USE_AGAIN)) {				\
		__err = use_begin_slowly(__f, __kind, nowait);		\
		if (__err < 0 || __err == USE_REVOKED)			\
			break;						\
		__ret = real_fops(__f)->method(__VA_ARGS__);		\
		__err = use_end_slowly(__f, __kind, __err, __ret);	\
	}								\
	if (unlikely(__err))						\
		__ret = __err == USE_REVOKED ? (revoked) : __err;	\
	__ret;								\
})

#define call_as_use(f, ...)	call_or_wait(f, false, __VA_ARGS__)

/* For what has to be called even while the file is suspended. */
#define call_anyway(f, what, revoked, method, ...)			\
({									\
	struct file *__f = (f);						\
	struct file_use __use;						\
	typeof(real_fops(__f)->method(__VA_ARGS__)) __ret = (revoked);	\
									\
	if (revoke_enter(__f->f_revoke, USE_KIND(what, USE_LATE), &__use)) { \
		__ret = real_fops(__f)->method(__VA_ARGS__);		\
		if (stop_using_after(__f, &__use, __ret, false) == USE_REVOKED) \
			__ret = (revoked);				\
	}								\
	__ret;								\
})

/**
 * file_real_fops - the methods that a driver has given to a file
 * @file: any file
 *
 * For who wants to know whether a file is one of its own, as f_op of an open file
 * that is revokable is not the driver's.
 *
 * Context: a method of @file, or start_using(); else only to be compared.
 * Return: what @file was opened with.
 */
const struct file_operations *file_real_fops(const struct file *file)
{
	if (!file_is_revokable(file) || file->f_op->release != revokable_release)
		return file->f_op;
	return real_fops(file);
}
EXPORT_SYMBOL_GPL(file_real_fops);

#define policy_error(file, which)					\
	revoked_result((file), (file)->f_revoke->r->policy.which)

/* What read(2) of a revoked file returns */
int revoked_read_result(const struct file *file)
{
	if (file->f_revoke->r->flags & REVOKABLE_READ_EOF)
		return 0;
	return policy_error(file, read_error);
}

/* As stop_using_after(), when the use has been ended */
static __always_inline int used_result(struct file *file, unsigned int left,
				       s64 ret)
{
	if (likely(ret >= 0 || !revoke_interrupted(ret)))
		return 0;
	return use_interrupted(file, left, ret, true);
}

static loff_t revokable_llseek(struct file *file, loff_t offset, int whence)
{
	return call_as_use(file, "llseek", policy_error(file, error),
			   llseek, file, offset, whence);
}

static ssize_t revokable_read(struct file *file, char __user *buf, size_t len,
			      loff_t *pos)
{
	return call_as_use(file, "read", revoked_read_result(file),
			   read, file, buf, len, pos);
}

static ssize_t revokable_write(struct file *file, const char __user *buf,
			       size_t len, loff_t *pos)
{
	return call_as_use(file, "write", policy_error(file, write_error),
			   write, file, buf, len, pos);
}

/* A request that cannot be queued: the caller gets a result right away. */
static void make_synchronous(struct kiocb *sync, const struct kiocb *iocb)
{
	*sync = *iocb;
	sync->ki_complete = NULL;
	sync->private = NULL;
	sync->ki_waitq = NULL;
	sync->ki_flags &= ~(IOCB_AIO_RW | IOCB_ALLOC_CACHE | IOCB_HIPRI |
			    IOCB_WAITQ);
}

static bool may_queue(const struct file *file)
{
	return file->f_revoke->r->flags & REVOKABLE_ASYNC;
}

static __always_inline ssize_t call_iter(struct kiocb *iocb,
					 struct iov_iter *iter, bool write)
{
	const struct file_operations *fops = real_fops(iocb->ki_filp);

	return write ? fops->write_iter(iocb, iter) : fops->read_iter(iocb, iter);
}

/*
 * A request that the method does not finish keeps using the file when the use
 * has ended.  It is counted inside the use, so that there is no further one
 * when all users have left, and before the call, as it may be complete before
 * that returns.  From then on @iocb may be gone.
 */
static ssize_t call_async(struct kiocb *iocb, struct iov_iter *iter, bool write,
			  struct file_use *use)
{
	struct kiocb sync;
	ssize_t ret;

	if (!may_queue(iocb->ki_filp)) {
		make_synchronous(&sync, iocb);
		ret = call_iter(&sync, iter, write);
		iocb->ki_pos = sync.ki_pos;
		return ret;
	}
	revoke_async_begin(use);
	ret = call_iter(iocb, iter, write);
	/* A cancel function may have been set all the same. */
	if (ret != -EIOCBQUEUED)
		kiocb_clear_cancel_fn(iocb);
	revoke_async_returns(use, ret == -EIOCBQUEUED);
	return ret;
}

/* If it has been called before, it had got nowhere. */
static noinline ssize_t call_rw_slowly(struct kiocb *iocb, struct iov_iter *iter,
				       bool write, const struct use_kind *kind,
				       int err)
{
	struct file *file = iocb->ki_filp;
	size_t len = iov_iter_count(iter);
	loff_t pos = iocb->ki_pos;
	struct file_use use;
	ssize_t ret = 0;

	while (err == USE_AGAIN) {
		iov_iter_revert(iter, len - iov_iter_count(iter));
		iocb->ki_pos = pos;
		err = start_using_or_wait(file, &use, kind,
					  iocb->ki_flags & IOCB_NOWAIT);
		if (err)
			break;
		ret = is_sync_kiocb(iocb) ? call_iter(iocb, iter, write) :
					    call_async(iocb, iter, write, &use);
		err = stop_using_after(file, &use, ret, true);
	}
	if (!err)
		return ret;
	if (err != USE_REVOKED)
		return err;
	return write ? policy_error(file, write_error) : revoked_read_result(file);
}

static __always_inline ssize_t call_rw(struct kiocb *iocb, struct iov_iter *iter,
				       bool write, const struct use_kind *kind)
{
	struct file *file = iocb->ki_filp;
	size_t len = iov_iter_count(iter);
	loff_t pos = iocb->ki_pos;
	int err = USE_AGAIN;
	ssize_t ret;

	if (likely(is_sync_kiocb(iocb) && use_begin(file->f_revoke, kind))) {
		ret = call_iter(iocb, iter, write);
		err = used_result(file, use_end(file->f_revoke, kind), ret);
		if (likely(!err))
			return ret;
		iov_iter_revert(iter, len - iov_iter_count(iter));
		iocb->ki_pos = pos;
	}
	return call_rw_slowly(iocb, iter, write, kind, err);
}

static ssize_t revokable_read_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	return call_rw(iocb, iter, false, USE_KIND("read", 0));
}

static ssize_t revokable_write_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	return call_rw(iocb, iter, true, USE_KIND("write", 0));
}

static long revokable_unlocked_ioctl(struct file *file, unsigned int cmd,
				     unsigned long arg)
{
	return call_as_use(file, "ioctl", policy_error(file, ioctl_error),
			   unlocked_ioctl, file, cmd, arg);
}

static long revokable_compat_ioctl(struct file *file, unsigned int cmd,
				   unsigned long arg)
{
	return call_as_use(file, "compat_ioctl", policy_error(file, ioctl_error),
			   compat_ioctl, file, cmd, arg);
}

/*
 * Moving what is left of a mapping concerns the address space only, and has to
 * work.  A new mapping is refused later.  It cannot wait for a resume, either.
 * Without an MMU there is none.
 */
static unsigned long area_once_revoked(struct file *file, unsigned long addr,
				       unsigned long len, unsigned long pgoff,
				       unsigned long flags)
{
#ifdef CONFIG_MMU
	return mm_get_unmapped_area(file, addr, len, pgoff, flags);
#else
	return -ENODEV;
#endif
}

static unsigned long revokable_get_unmapped_area(struct file *file,
						 unsigned long addr,
						 unsigned long len,
						 unsigned long pgoff,
						 unsigned long flags)
{
	struct file_use use;
	unsigned long area;

	if (!revoke_enter_or_nested(file->f_revoke,
				    USE_KIND("get_unmapped_area", 0), &use))
		return area_once_revoked(file, addr, len, pgoff, flags);
	area = real_fops(file)->get_unmapped_area(file, addr, len, pgoff, flags);
	if (stop_using_after(file, &use, area, false))
		return area_once_revoked(file, addr, len, pgoff, flags);
	return area;
}

/* close(2) succeeds, and does not wait. */
static int revokable_flush(struct file *file, fl_owner_t id)
{
	return call_anyway(file, "flush", 0, flush, file, id);
}

static int revokable_fsync(struct file *file, loff_t start, loff_t end,
			   int datasync)
{
	return call_as_use(file, "fsync", policy_error(file, error),
			   fsync, file, start, end, datasync);
}

/* Switching it off succeeds: the revoke has done it. */
static int revokable_fasync(int fd, struct file *file, int on)
{
	if (on)
		WRITE_ONCE(file->f_revoke->fasync_fd, fd);
	return call_anyway(file, "fasync", on ? policy_error(file, error) : 0,
			   fasync, fd, file, on);
}

static ssize_t revokable_splice_read(struct file *in, loff_t *ppos,
				     struct pipe_inode_info *pipe, size_t len,
				     unsigned int flags)
{
	return call_or_wait(in, flags & SPLICE_F_NONBLOCK, "splice_read",
			    revoked_read_result(in),
			    splice_read, in, ppos, pipe, len, flags);
}

static ssize_t revokable_splice_write(struct pipe_inode_info *pipe,
				      struct file *out, loff_t *ppos,
				      size_t len, unsigned int flags)
{
	return call_or_wait(out, flags & SPLICE_F_NONBLOCK, "splice_write",
			    policy_error(out, write_error),
			    splice_write, pipe, out, ppos, len, flags);
}

/*
 * Run by whoever reads the fdinfo; the VFS adds that the file is revoked, or
 * suspended.
 */
static void revokable_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct file_use use;

	if (!revoke_enter_or_nested(file->f_revoke, USE_KIND("show_fdinfo", 0), &use))
		return;
	real_fops(file)->show_fdinfo(m, file);
	revoke_leave(&use);
}

/* Their presence is what tests for it see. */
static void init_fops(struct revokable_fops *table,
		      const struct file_operations *real, bool own_uses)
{
	table->real = real;
	if (own_uses) {
		table->fops = *real;
		/* Its reference is put with ->release. */
		table->fops.owner = NULL;
		table->fops.release = revokable_release;
		if (real->mmap)
			table->fops.mmap = revokable_mmap;
		if (real->mmap_prepare)
			table->fops.mmap_prepare = revokable_mmap_prepare;
		if (real->poll)
			table->fops.poll = revokable_poll;
		return;
	}

	/* A new member needs a wrapper, or a reason why not. */
	static_assert(sizeof(table->fops) ==
		      (34 + !IS_ENABLED(CONFIG_MMU)) * sizeof(void *));

#define wrap(op) (table->fops.op = real->op ? revokable_##op : NULL)
	wrap(llseek);
	wrap(read);
	wrap(write);
	wrap(read_iter);
	wrap(write_iter);
	wrap(poll);
	wrap(unlocked_ioctl);
	wrap(compat_ioctl);
	wrap(mmap);
	wrap(mmap_prepare);
	wrap(flush);
	wrap(fsync);
	wrap(fasync);
	wrap(get_unmapped_area);
	wrap(splice_read);
	wrap(splice_write);
	wrap(show_fdinfo);
#undef wrap
	table->fops.fop_flags = real->fop_flags;
	table->fops.release = revokable_release;
}

/*
 * There are few tables, so that one more of them never fails to be made, and they
 * stay for as long as the object does: so only who adds one takes the lock.
 */
struct revokable_fops *revokable_add_fops(struct revokable *r,
					  const struct file_operations *real)
{
	struct revokable_fops *table, *found;

	table = kzalloc_obj(*table, GFP_KERNEL | __GFP_NOFAIL);
	init_fops(table, real, r->flags & REVOKABLE_OWN_USES);
	scoped_guard(spinlock, &r->lock) {
		found = revokable_find_fops(r, real);
		if (!found)
			list_add_rcu(&table->node, &r->fops);
	}
	if (!found)
		return table;
	kfree(table);
	return found;
}

/* Each file with such a table has a reference to the object. */
void revokable_free_fops(struct revokable *r)
{
	struct revokable_fops *table, *next;

	list_for_each_entry_safe(table, next, &r->fops, node)
		kfree(table);
}
