// SPDX-License-Identifier: GPL-2.0
/*
 * Calling the methods of revokable files.
 *
 * The helpers of linux/fs_call.h come here for files that can be revoked.  A
 * method is called as a use, see fs/revoke.c; for a file that has been revoked
 * the object's policy says what it would have returned.
 */
#include <linux/fs.h>
#include <linux/fs_call.h>
#include <linux/revoke.h>
#include <linux/sched/mm.h>
#include <linux/splice.h>
#include <linux/uio.h>

#include "internal.h"

/*
 * A revoke ends the sleeps of methods as a signal would.  Only there was no
 * signal: what such a method returns is replaced by what it would have
 * returned had it been called a moment later.
 */
#define call_as_use(f, what, revoked, method, ...)			\
({									\
	struct file *__f = (f);						\
	struct file_use __use;						\
	typeof(__f->f_op->method(__VA_ARGS__)) __ret = 0;		\
	bool __called = start_using_as(__f, &__use, what);		\
									\
	if (__called)							\
		__ret = __f->f_op->method(__VA_ARGS__);			\
	if (!__called || (stop_using_revokable(&__use) &&		\
			  revoke_interrupted(__ret)))			\
		__ret = (revoked);					\
	__ret;								\
})

static const struct revokable_policy *policy_of(const struct file *file)
{
	return &file->f_revoke->r->policy;
}

static int read_result(const struct file *file)
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
	return call_as_use(file, "read", read_result(file),
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

/*
 * A request that the method does not finish would keep using the file after
 * the use has ended.  So the method gets a synchronous one, and the caller,
 * who must be prepared for that anyway, a result instead of -EIOCBQUEUED.
 */
static void make_synchronous(struct kiocb *sync, const struct kiocb *iocb)
{
	*sync = *iocb;
	sync->ki_complete = NULL;
	sync->private = NULL;
	sync->ki_waitq = NULL;
	sync->ki_flags &= ~(IOCB_AIO_RW | IOCB_ALLOC_CACHE | IOCB_HIPRI |
			    IOCB_WAITQ);
}

ssize_t revokable_read_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	struct file *file = iocb->ki_filp;
	struct kiocb sync;
	ssize_t ret;

	if (is_sync_kiocb(iocb))
		return call_as_use(file, "read", read_result(file),
				   read_iter, iocb, iter);

	make_synchronous(&sync, iocb);
	ret = call_as_use(file, "read", read_result(file),
			  read_iter, &sync, iter);
	iocb->ki_pos = sync.ki_pos;
	return ret;
}
EXPORT_SYMBOL_GPL(revokable_read_iter);

ssize_t revokable_write_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	struct file *file = iocb->ki_filp;
	struct kiocb sync;
	ssize_t ret;

	if (is_sync_kiocb(iocb))
		return call_as_use(file, "write", policy_of(file)->write_error,
				   write_iter, iocb, iter);

	make_synchronous(&sync, iocb);
	ret = call_as_use(file, "write", policy_of(file)->write_error,
			  write_iter, &sync, iter);
	iocb->ki_pos = sync.ki_pos;
	return ret;
}
EXPORT_SYMBOL_GPL(revokable_write_iter);

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

int revokable_mmap(struct file *file, struct vm_area_struct *vma)
{
	return call_as_use(file, "mmap", policy_of(file)->mmap_error,
			   mmap, file, vma);
}
EXPORT_SYMBOL_GPL(revokable_mmap);

int revokable_mmap_prepare(struct file *file, struct vm_area_desc *desc)
{
	return call_as_use(file, "mmap_prepare", policy_of(file)->mmap_error,
			   mmap_prepare, desc);
}
EXPORT_SYMBOL_GPL(revokable_mmap_prepare);

/*
 * Moving what is left of a mapping concerns the address space only, and has to
 * work.  A new mapping is refused later.
 */
unsigned long revokable_get_unmapped_area(struct file *file, unsigned long addr,
					  unsigned long len,
					  unsigned long pgoff,
					  unsigned long flags)
{
	return call_as_use(file, "get_unmapped_area",
			   mm_get_unmapped_area(file, addr, len, pgoff, flags),
			   get_unmapped_area, file, addr, len, pgoff, flags);
}
EXPORT_SYMBOL_GPL(revokable_get_unmapped_area);

/* close(2) succeeds. */
int revokable_flush(struct file *file, fl_owner_t id)
{
	return call_as_use(file, "flush", 0, flush, file, id);
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
	return call_as_use(file, "fasync", on ? policy_of(file)->error : 0,
			   fasync, fd, file, on);
}
EXPORT_SYMBOL_GPL(revokable_fasync);

int revokable_check_flags(struct file *file, int flags)
{
	return call_as_use(file, "check_flags", policy_of(file)->error,
			   check_flags, flags);
}

ssize_t revokable_splice_read(struct file *in, loff_t *ppos,
			      struct pipe_inode_info *pipe, size_t len,
			      unsigned int flags)
{
	return call_as_use(in, "splice_read", read_result(in),
			   splice_read, in, ppos, pipe, len, flags);
}
EXPORT_SYMBOL_GPL(revokable_splice_read);

ssize_t revokable_splice_write(struct pipe_inode_info *pipe, struct file *out,
			       loff_t *ppos, size_t len, unsigned int flags)
{
	return call_as_use(out, "splice_write", policy_of(out)->write_error,
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

/* Run by whoever reads the fdinfo; the VFS adds that the file is revoked. */
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
	return read_result(iocb->ki_filp);
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
	return read_result(in);
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
};
