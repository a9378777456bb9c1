/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calling the methods of an open file.
 *
 * Every call of a file_operations method of an open file goes through the
 * file_call_*() helper of that method, whoever the caller is: a system call,
 * an io_uring worker, a stacking filesystem or a driver doing I/O to a backing
 * file.  What has to be decided per call, for whatever reason, is thereby
 * decided in one place per method instead of at every call site.
 *
 * A helper takes the arguments of its method in the order of the method.  Only
 * where the method cannot tell whose it is does the file come first.  The
 * helpers do not test whether the method exists; use file_has_op() for that.
 *
 * There are no helpers for ->open and ->release.  Nothing can use a file
 * before the one or after the other, and both are the business of whoever
 * creates and destroys it: do_dentry_open(), the drivers that multiplex a
 * character device major, and __fput().
 */
#ifndef _LINUX_FS_CALL_H
#define _LINUX_FS_CALL_H

#include <linux/fs.h>

/*
 * The same for files that can be revoked, with the revoke kept out: see
 * fs/revoke_fops.c.
 */
loff_t revokable_llseek(struct file *file, loff_t offset, int whence);
ssize_t revokable_read(struct file *file, char __user *buf, size_t len,
		       loff_t *pos);
ssize_t revokable_write(struct file *file, const char __user *buf, size_t len,
			loff_t *pos);
ssize_t revokable_read_iter(struct kiocb *kiocb, struct iov_iter *iter);
ssize_t revokable_write_iter(struct kiocb *kiocb, struct iov_iter *iter);
int revokable_iopoll(struct kiocb *kiocb, struct io_comp_batch *iob,
		     unsigned int flags);
int revokable_uring_cmd(struct file *file, struct io_uring_cmd *ioucmd,
			unsigned int issue_flags);
int revokable_uring_cmd_iopoll(struct file *file, struct io_uring_cmd *ioucmd,
			       struct io_comp_batch *iob, unsigned int flags);
__poll_t revokable_poll(struct file *file, struct poll_table_struct *pt);
long revokable_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long revokable_compat_ioctl(struct file *file, unsigned int cmd,
			    unsigned long arg);
int revokable_mmap(struct file *file, struct vm_area_struct *vma);
int revokable_mmap_prepare(struct file *file, struct vm_area_desc *desc);
unsigned long revokable_get_unmapped_area(struct file *file, unsigned long addr,
					  unsigned long len,
					  unsigned long pgoff,
					  unsigned long flags);
int revokable_flush(struct file *file, fl_owner_t id);
int revokable_fsync(struct file *file, loff_t start, loff_t end, int datasync);
int revokable_fasync(int fd, struct file *file, int on);
int revokable_check_flags(struct file *file, int flags);
ssize_t revokable_splice_read(struct file *in, loff_t *ppos,
			      struct pipe_inode_info *pipe, size_t len,
			      unsigned int flags);
ssize_t revokable_splice_write(struct pipe_inode_info *pipe, struct file *out,
			       loff_t *ppos, size_t len, unsigned int flags);
void revokable_splice_eof(struct file *file);
long revokable_fallocate(struct file *file, int mode, loff_t offset,
			 loff_t len);
int revokable_fadvise(struct file *file, loff_t offset, loff_t len, int advice);
void revokable_show_fdinfo(struct seq_file *m, struct file *file);

static inline loff_t file_call_llseek(struct file *file, loff_t offset,
				      int whence)
{
	if (file_is_revokable(file))
		return revokable_llseek(file, offset, whence);
	return file->f_op->llseek(file, offset, whence);
}

static inline ssize_t file_call_read(struct file *file, char __user *buf,
				     size_t len, loff_t *pos)
{
	if (file_is_revokable(file))
		return revokable_read(file, buf, len, pos);
	return file->f_op->read(file, buf, len, pos);
}

static inline ssize_t file_call_write(struct file *file,
				      const char __user *buf, size_t len,
				      loff_t *pos)
{
	if (file_is_revokable(file))
		return revokable_write(file, buf, len, pos);
	return file->f_op->write(file, buf, len, pos);
}

static inline ssize_t file_call_read_iter(struct kiocb *kiocb,
					  struct iov_iter *iter)
{
	if (file_is_revokable(kiocb->ki_filp))
		return revokable_read_iter(kiocb, iter);
	return kiocb->ki_filp->f_op->read_iter(kiocb, iter);
}

static inline ssize_t file_call_write_iter(struct kiocb *kiocb,
					   struct iov_iter *iter)
{
	if (file_is_revokable(kiocb->ki_filp))
		return revokable_write_iter(kiocb, iter);
	return kiocb->ki_filp->f_op->write_iter(kiocb, iter);
}

static inline int file_call_iopoll(struct kiocb *kiocb,
				   struct io_comp_batch *iob,
				   unsigned int flags)
{
	if (file_is_revokable(kiocb->ki_filp))
		return revokable_iopoll(kiocb, iob, flags);
	return kiocb->ki_filp->f_op->iopoll(kiocb, iob, flags);
}

static inline int file_call_uring_cmd(struct file *file,
				      struct io_uring_cmd *ioucmd,
				      unsigned int issue_flags)
{
	if (file_is_revokable(file))
		return revokable_uring_cmd(file, ioucmd, issue_flags);
	return file->f_op->uring_cmd(ioucmd, issue_flags);
}

static inline int file_call_uring_cmd_iopoll(struct file *file,
					     struct io_uring_cmd *ioucmd,
					     struct io_comp_batch *iob,
					     unsigned int poll_flags)
{
	if (file_is_revokable(file))
		return revokable_uring_cmd_iopoll(file, ioucmd, iob,
						  poll_flags);
	return file->f_op->uring_cmd_iopoll(ioucmd, iob, poll_flags);
}

static inline int file_call_iterate_shared(struct file *file,
					   struct dir_context *ctx)
{
	return file->f_op->iterate_shared(file, ctx);
}

/* Use vfs_poll(), which also serves files without ->poll. */
static inline __poll_t file_call_poll(struct file *file,
				      struct poll_table_struct *pt)
{
	if (file_is_revokable(file))
		return revokable_poll(file, pt);
	return file->f_op->poll(file, pt);
}

static inline long file_call_ioctl(struct file *file, unsigned int cmd,
				   unsigned long arg)
{
	if (file_is_revokable(file))
		return revokable_ioctl(file, cmd, arg);
	return file->f_op->unlocked_ioctl(file, cmd, arg);
}

static inline long file_call_compat_ioctl(struct file *file, unsigned int cmd,
					  unsigned long arg)
{
	if (file_is_revokable(file))
		return revokable_compat_ioctl(file, cmd, arg);
	return file->f_op->compat_ioctl(file, cmd, arg);
}

/* Use vfs_mmap(), which also serves files with ->mmap_prepare. */
static inline int file_call_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (file_is_revokable(file))
		return revokable_mmap(file, vma);
	return file->f_op->mmap(file, vma);
}

/* Use vfs_mmap_prepare(). */
static inline int file_call_mmap_prepare(struct file *file,
					 struct vm_area_desc *desc)
{
	if (file_is_revokable(file))
		return revokable_mmap_prepare(file, desc);
	return file->f_op->mmap_prepare(desc);
}

static inline int vfs_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (file_has_op(file, mmap_prepare))
		return compat_vma_mmap(file, vma);

	return file_call_mmap(file, vma);
}

static inline int vfs_mmap_prepare(struct file *file, struct vm_area_desc *desc)
{
	return file_call_mmap_prepare(file, desc);
}

static inline unsigned long
file_call_get_unmapped_area(struct file *file, unsigned long addr,
			    unsigned long len, unsigned long pgoff,
			    unsigned long flags)
{
	if (file_is_revokable(file))
		return revokable_get_unmapped_area(file, addr, len, pgoff,
						   flags);
	return file->f_op->get_unmapped_area(file, addr, len, pgoff, flags);
}

#ifndef CONFIG_MMU
static inline unsigned int file_call_mmap_capabilities(struct file *file)
{
	return file->f_op->mmap_capabilities(file);
}
#endif

static inline int file_call_flush(struct file *file, fl_owner_t id)
{
	if (file_is_revokable(file))
		return revokable_flush(file, id);
	return file->f_op->flush(file, id);
}

static inline int file_call_fsync(struct file *file, loff_t start, loff_t end,
				  int datasync)
{
	if (file_is_revokable(file))
		return revokable_fsync(file, start, end, datasync);
	return file->f_op->fsync(file, start, end, datasync);
}

static inline int file_call_fasync(int fd, struct file *file, int on)
{
	if (file_is_revokable(file))
		return revokable_fasync(fd, file, on);
	return file->f_op->fasync(fd, file, on);
}

static inline int file_call_lock(struct file *file, int cmd,
				 struct file_lock *fl)
{
	return file->f_op->lock(file, cmd, fl);
}

static inline int file_call_flock(struct file *file, int cmd,
				  struct file_lock *fl)
{
	return file->f_op->flock(file, cmd, fl);
}

static inline int file_call_setlease(struct file *file, int arg,
				     struct file_lease **lease, void **priv)
{
	return file->f_op->setlease(file, arg, lease, priv);
}

static inline int file_call_check_flags(struct file *file, int flags)
{
	if (file_is_revokable(file))
		return revokable_check_flags(file, flags);
	return file->f_op->check_flags(flags);
}

static inline ssize_t file_call_splice_read(struct file *in, loff_t *ppos,
					    struct pipe_inode_info *pipe,
					    size_t len, unsigned int flags)
{
	if (file_is_revokable(in))
		return revokable_splice_read(in, ppos, pipe, len, flags);
	return in->f_op->splice_read(in, ppos, pipe, len, flags);
}

static inline ssize_t file_call_splice_write(struct pipe_inode_info *pipe,
					     struct file *out, loff_t *ppos,
					     size_t len, unsigned int flags)
{
	if (file_is_revokable(out))
		return revokable_splice_write(pipe, out, ppos, len, flags);
	return out->f_op->splice_write(pipe, out, ppos, len, flags);
}

static inline void file_call_splice_eof(struct file *file)
{
	if (file_is_revokable(file)) {
		revokable_splice_eof(file);
		return;
	}
	file->f_op->splice_eof(file);
}

static inline long file_call_fallocate(struct file *file, int mode,
				       loff_t offset, loff_t len)
{
	if (file_is_revokable(file))
		return revokable_fallocate(file, mode, offset, len);
	return file->f_op->fallocate(file, mode, offset, len);
}

/* Calls the method of @file_out. */
static inline ssize_t file_call_copy_file_range(struct file *file_in,
						loff_t pos_in,
						struct file *file_out,
						loff_t pos_out, size_t len,
						unsigned int flags)
{
	return file_out->f_op->copy_file_range(file_in, pos_in, file_out,
					       pos_out, len, flags);
}

/*
 * @file says whose method: clone and copy use that of the source, dedupe that
 * of the destination.
 */
static inline loff_t file_call_remap_file_range(struct file *file,
						struct file *file_in,
						loff_t pos_in,
						struct file *file_out,
						loff_t pos_out, loff_t len,
						unsigned int remap_flags)
{
	return file->f_op->remap_file_range(file_in, pos_in, file_out, pos_out,
					    len, remap_flags);
}

static inline int file_call_fadvise(struct file *file, loff_t offset,
				    loff_t len, int advice)
{
	if (file_is_revokable(file))
		return revokable_fadvise(file, offset, len, advice);
	return file->f_op->fadvise(file, offset, len, advice);
}

static inline void file_call_show_fdinfo(struct seq_file *m, struct file *file)
{
	if (file_is_revokable(file)) {
		revokable_show_fdinfo(m, file);
		return;
	}
	file->f_op->show_fdinfo(m, file);
}

#endif /* _LINUX_FS_CALL_H */
