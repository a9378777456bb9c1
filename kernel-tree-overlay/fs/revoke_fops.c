// SPDX-License-Identifier: GPL-2.0
/*
 * Calling the methods of revokable files.
 *
 * The helpers of linux/fs_call.h come here for files that can be revoked.  A
 * method is called as a use, see fs/revoke.c; for a file that has been revoked
 * the object's policy says what it would have returned.  For one that is
 * suspended, the call waits; that is, unless it cannot: because it is part of
 * closing the file, holds an mmap_lock, or was told not to.
 */
#include <linux/aio.h>
#include <linux/fs.h>
#include <linux/fs_call.h>
#include <linux/io_uring/cmd.h>
#include <linux/revoke.h>
#include <linux/sched/mm.h>
#include <linux/splice.h>
#include <linux/uio.h>

#include "internal.h"

/*
 * A revoke ends the sleeps of methods as a signal would.  Only there was no
 * signal: what such a method returns is replaced by what it would have
 * returned had it been called a moment later.  And so for a suspend, except
 * that it is called a moment later.
 */
#define call_or_wait(f, nowait, what, revoked, method, ...)		\
({									\
	struct file *__f = (f);						\
	struct file_use __use;						\
	typeof(__f->f_op->method(__VA_ARGS__)) __ret = 0;		\
	int __err;							\
									\
	do {								\
		__err = start_using_or_wait(__f, &__use, what, nowait);	\
		if (__err)						\
			break;						\
		__ret = __f->f_op->method(__VA_ARGS__);			\
		__err = stop_using_after(__f, &__use, __ret, true);	\
	} while (__err == USE_AGAIN);					\
	if (__err)							\
		__ret = __err == USE_REVOKED ? (revoked) : __err;	\
	__ret;								\
})

#define call_as_use(f, ...)	call_or_wait(f, false, __VA_ARGS__)

/* For what holds an mmap_lock, in a use of mmap(2), or is not to wait. */
#define call_without_waiting(f, what, again, revoked, method, ...)	\
({									\
	struct file *__f = (f);						\
	struct file_use __use;						\
	typeof(__f->f_op->method(__VA_ARGS__)) __ret = 0;		\
	int __err;							\
									\
	if (start_using_as(__f, &__use, what)) {			\
		__ret = __f->f_op->method(__VA_ARGS__);			\
		__err = stop_using_after(__f, &__use, __ret, false);	\
	} else {							\
		__err = file_revoked(__f) ? USE_REVOKED : USE_AGAIN;	\
	}								\
	if (__err)							\
		__ret = __err == USE_REVOKED ? (revoked) : (again);	\
	__ret;								\
})

/*
 * For what has to be called even while the file is suspended.  If the suspend
 * comes later and wakes it, it is called once more at once.
 */
#define call_anyway(f, what, revoked, method, ...)			\
({									\
	struct file *__f = (f);						\
	struct file_use __use;						\
	typeof(__f->f_op->method(__VA_ARGS__)) __ret = 0;		\
	bool __late;							\
	int __err;							\
									\
	do {								\
		__late = file_suspended(__f);				\
		__err = USE_REVOKED;					\
		if (!start_using_anyway(__f, &__use, what))		\
			break;						\
		__ret = __f->f_op->method(__VA_ARGS__);			\
		__err = stop_using_after(__f, &__use, __ret, true);	\
	} while (__err == USE_AGAIN && !__late);			\
	if (__err)							\
		__ret = __err == USE_REVOKED ? (revoked) : -EAGAIN;	\
	__ret;								\
})

static const struct revokable_policy *policy_of(const struct file *file)
{
	return &file->f_revoke->r->policy;
}

/* What read(2) of a revoked file returns */
int revoked_read_result(const struct file *file)
{
	if (file->f_revoke->r->flags & REVOKABLE_READ_EOF)
		return 0;
	return policy_of(file)->read_error;
}

loff_t revokable_llseek(struct file *file, loff_t offset, int whence)
{
	return call_as_use(file, "llseek", policy_of(file)->error,
			   llseek, file, offset, whence);
}
EXPORT_SYMBOL_GPL(revokable_llseek);

ssize_t revokable_read(struct file *file, char __user *buf, size_t len,
		       loff_t *pos)
{
	return call_as_use(file, "read", revoked_read_result(file),
			   read, file, buf, len, pos);
}
EXPORT_SYMBOL_GPL(revokable_read);

ssize_t revokable_write(struct file *file, const char __user *buf, size_t len,
			loff_t *pos)
{
	return call_as_use(file, "write", policy_of(file)->write_error,
			   write, file, buf, len, pos);
}
EXPORT_SYMBOL_GPL(revokable_write);

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

/*
 * A request that the method does not finish keeps using the file when the use
 * has ended.  It is counted inside the use, so that there is no further one
 * when all users have left, and before the call, as it may be complete before
 * that returns.  From then on @iocb may be gone.
 */
static ssize_t call_rw(struct kiocb *iocb, struct iov_iter *iter, bool write,
		       ssize_t revoked)
{
	struct kiocb sync, *req = iocb;
	struct file *file = iocb->ki_filp;
	size_t len = iov_iter_count(iter);
	bool may_be_queued = false;
	struct file_use use;
	ssize_t ret;
	int err;

again:
	err = start_using_or_wait(file, &use, write ? "write" : "read",
				  iocb->ki_flags & IOCB_NOWAIT);
	if (err)
		return err == USE_REVOKED ? revoked : err;

	if (!is_sync_kiocb(iocb)) {
		may_be_queued = may_queue(file);
		if (may_be_queued) {
			revoke_async_begin(&use);
		} else {
			make_synchronous(&sync, iocb);
			req = &sync;
		}
	}
	ret = write ? file->f_op->write_iter(req, iter) :
		      file->f_op->read_iter(req, iter);
	if (req == &sync)
		iocb->ki_pos = sync.ki_pos;
	if (may_be_queued) {
		/* A cancel function may have been set all the same. */
		if (ret != -EIOCBQUEUED)
			kiocb_clear_cancel_fn(iocb);
		revoke_async_returns(&use, ret == -EIOCBQUEUED);
	}

	err = stop_using_after(file, &use, ret, true);
	if (err == USE_AGAIN) {
		iov_iter_revert(iter, len - iov_iter_count(iter));
		goto again;
	}
	if (err)
		return err == USE_REVOKED ? revoked : err;
	return ret;
}

ssize_t revokable_read_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	return call_rw(iocb, iter, false, revoked_read_result(iocb->ki_filp));
}
EXPORT_SYMBOL_GPL(revokable_read_iter);

ssize_t revokable_write_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	return call_rw(iocb, iter, true,
		       policy_of(iocb->ki_filp)->write_error);
}
EXPORT_SYMBOL_GPL(revokable_write_iter);

/* What is still queued after a revoke is completed by ops->kick(). */
int revokable_iopoll(struct kiocb *iocb, struct io_comp_batch *iob,
		     unsigned int flags)
{
	return call_without_waiting(iocb->ki_filp, "iopoll",
				    0, 0, iopoll, iocb, iob, flags);
}

int revokable_uring_cmd(struct file *file, struct io_uring_cmd *cmd,
			unsigned int issue_flags)
{
	int revoked = policy_of(file)->ioctl_error;
	struct file_use use;
	int ret, err;

	if (!may_queue(file))
		return -EOPNOTSUPP;
	/*
	 * It has its count already, and may be complete, by this call or by
	 * others, before the method returns.  Once the file has been revoked,
	 * ops->kick() ends it.
	 */
	if (issue_flags & IO_URING_F_CANCEL) {
		if (!start_using_anyway(file, &use, "uring_cmd"))
			return revoked;
		ret = file->f_op->uring_cmd(cmd, issue_flags);
		stop_using_revokable(&use);
		return ret;
	}
	do {
		err = start_using_or_wait(file, &use, "uring_cmd",
					  issue_flags & IO_URING_F_NONBLOCK);
		if (err)
			break;
		revoke_async_begin(&use);
		ret = file->f_op->uring_cmd(cmd, issue_flags);
		revoke_async_returns(&use, ret == -EIOCBQUEUED);
		err = stop_using_after(file, &use, ret, true);
	} while (err == USE_AGAIN);
	if (err)
		return err == USE_REVOKED ? revoked : err;
	return ret;
}

int revokable_uring_cmd_iopoll(struct file *file, struct io_uring_cmd *cmd,
			       struct io_comp_batch *iob, unsigned int flags)
{
	return call_without_waiting(file, "uring_cmd_iopoll",
				    0, 0, uring_cmd_iopoll, cmd, iob, flags);
}

long revokable_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return call_as_use(file, "ioctl", policy_of(file)->ioctl_error,
			   unlocked_ioctl, file, cmd, arg);
}
EXPORT_SYMBOL_GPL(revokable_ioctl);

long revokable_compat_ioctl(struct file *file, unsigned int cmd,
			    unsigned long arg)
{
	return call_as_use(file, "compat_ioctl", policy_of(file)->ioctl_error,
			   compat_ioctl, file, cmd, arg);
}
EXPORT_SYMBOL_GPL(revokable_compat_ioctl);

/* With the mmap_lock held.  mmap(2) has waited before it was taken. */
int revokable_mmap(struct file *file, struct vm_area_struct *vma)
{
	return call_without_waiting(file, "mmap", -EAGAIN,
				    policy_of(file)->mmap_error,
				    mmap, file, vma);
}
EXPORT_SYMBOL_GPL(revokable_mmap);

int revokable_mmap_prepare(struct file *file, struct vm_area_desc *desc)
{
	return call_without_waiting(file, "mmap_prepare",
				    -EAGAIN, policy_of(file)->mmap_error,
				    mmap_prepare, desc);
}
EXPORT_SYMBOL_GPL(revokable_mmap_prepare);

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

unsigned long revokable_get_unmapped_area(struct file *file, unsigned long addr,
					  unsigned long len,
					  unsigned long pgoff,
					  unsigned long flags)
{
	return call_without_waiting(file, "get_unmapped_area",
				    area_once_revoked(file, addr, len, pgoff,
						      flags),
				    area_once_revoked(file, addr, len, pgoff,
						      flags),
				    get_unmapped_area, file, addr, len, pgoff,
				    flags);
}
EXPORT_SYMBOL_GPL(revokable_get_unmapped_area);

/* close(2) succeeds, and does not wait. */
int revokable_flush(struct file *file, fl_owner_t id)
{
	return call_anyway(file, "flush", 0, flush, file, id);
}
EXPORT_SYMBOL_GPL(revokable_flush);

int revokable_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	return call_as_use(file, "fsync", policy_of(file)->error,
			   fsync, file, start, end, datasync);
}
EXPORT_SYMBOL_GPL(revokable_fsync);

/* Switching it off succeeds: the revoke has done it. */
int revokable_fasync(int fd, struct file *file, int on)
{
	if (on)
		WRITE_ONCE(file->f_revoke->fasync_fd, fd);
	return call_anyway(file, "fasync", on ? policy_of(file)->error : 0,
			   fasync, fd, file, on);
}
EXPORT_SYMBOL_GPL(revokable_fasync);

int revokable_check_flags(struct file *file, int flags)
{
	return call_as_use(file, "check_flags", policy_of(file)->error,
			   check_flags, flags);
}
EXPORT_SYMBOL_GPL(revokable_check_flags);

ssize_t revokable_splice_read(struct file *in, loff_t *ppos,
			      struct pipe_inode_info *pipe, size_t len,
			      unsigned int flags)
{
	return call_or_wait(in, flags & SPLICE_F_NONBLOCK, "splice_read",
			    revoked_read_result(in),
			    splice_read, in, ppos, pipe, len, flags);
}
EXPORT_SYMBOL_GPL(revokable_splice_read);

ssize_t revokable_splice_write(struct pipe_inode_info *pipe, struct file *out,
			       loff_t *ppos, size_t len, unsigned int flags)
{
	return call_or_wait(out, flags & SPLICE_F_NONBLOCK, "splice_write",
			    policy_of(out)->write_error,
			    splice_write, pipe, out, ppos, len, flags);
}
EXPORT_SYMBOL_GPL(revokable_splice_write);

void revokable_splice_eof(struct file *file)
{
	struct file_use use;

	if (!start_using_as(file, &use, "splice_eof"))
		return;
	file->f_op->splice_eof(file);
	stop_using(&use);
}

long revokable_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	return call_as_use(file, "fallocate", policy_of(file)->error,
			   fallocate, file, mode, offset, len);
}
EXPORT_SYMBOL_GPL(revokable_fallocate);

int revokable_fadvise(struct file *file, loff_t offset, loff_t len, int advice)
{
	return call_as_use(file, "fadvise", policy_of(file)->error,
			   fadvise, file, offset, len, advice);
}

/*
 * Run by whoever reads the fdinfo; the VFS adds that the file is revoked, or
 * suspended.
 */
void revokable_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct file_use use;

	if (!start_using_as(file, &use, "show_fdinfo"))
		return;
	file->f_op->show_fdinfo(m, file);
	stop_using(&use);
}

/*
 * What a file is left with when its methods have gone.  Nobody gets to call
 * these, as a use of the file is refused before.  They are there for those who
 * test for a method before they call it: whatever they find, old or new, they
 * end up above.  There is no ->read and ->write besides ->read_iter, as
 * kernel_read() refuses that; and nothing that runs when the file is closed.
 */
static loff_t revoked_llseek(struct file *file, loff_t offset, int whence)
{
	return policy_of(file)->error;
}

static ssize_t revoked_read_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	return revoked_read_result(iocb->ki_filp);
}

static ssize_t revoked_write_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	return policy_of(iocb->ki_filp)->write_error;
}

static __poll_t revoked_poll(struct file *file, poll_table *pt)
{
	return policy_of(file)->poll_mask;
}

static long revoked_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	return policy_of(file)->ioctl_error;
}

static int revoked_mmap(struct file *file, struct vm_area_struct *vma)
{
	return policy_of(file)->mmap_error;
}

static int revoked_fsync(struct file *file, loff_t start, loff_t end,
			 int datasync)
{
	return policy_of(file)->error;
}

static int revoked_fasync(int fd, struct file *file, int on)
{
	return on ? policy_of(file)->error : 0;
}

static ssize_t revoked_splice_read(struct file *in, loff_t *ppos,
				   struct pipe_inode_info *pipe, size_t len,
				   unsigned int flags)
{
	return revoked_read_result(in);
}

static ssize_t revoked_splice_write(struct pipe_inode_info *pipe,
				    struct file *out, loff_t *ppos, size_t len,
				    unsigned int flags)
{
	return policy_of(out)->write_error;
}

static long revoked_fallocate(struct file *file, int mode, loff_t offset,
			      loff_t len)
{
	return policy_of(file)->error;
}

static int revoked_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	return policy_of(cmd->file)->ioctl_error;
}

const struct file_operations revoked_fops = {
	.llseek		= revoked_llseek,
	.read_iter	= revoked_read_iter,
	.write_iter	= revoked_write_iter,
	.poll		= revoked_poll,
	.unlocked_ioctl	= revoked_ioctl,
	.compat_ioctl	= revoked_ioctl,
	.mmap		= revoked_mmap,
	.fsync		= revoked_fsync,
	.fasync		= revoked_fasync,
	.splice_read	= revoked_splice_read,
	.splice_write	= revoked_splice_write,
	.fallocate	= revoked_fallocate,
	.uring_cmd	= revoked_uring_cmd,
};
