// SPDX-License-Identifier: GPL-2.0
/*
 * revokeat(2): take open files away from whoever holds them.
 *
 * The right to use a device is not the right to take it away from others, and
 * owning an inode says little about the device whose number is in it: a FUSE
 * server, an NFS server or the image of a file system makes up owner and number
 * at will, and container managers give nodes of shared devices to users.  So
 * what affects other people's files needs CAP_SYS_ADMIN.  Without, one can only
 * revoke what one has opened, and, for kinds of devices that say so, what has
 * been opened through the very inode that one owns.
 */
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mnt_idmapping.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/path.h>
#include <linux/pid.h>
#include <linux/revoke_internal.h>
#include <linux/security.h>
#include <linux/stat.h>
#include <linux/syscalls.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include <uapi/linux/revoke.h>

#include "../internal.h"
#include "internal.h"

#define REVOKEAT_FLAGS	(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | REVOKE_FILE)

/* Stricter than inode_owner_or_capable(): CAP_FOWNER is about file systems. */
static bool owns_inode_of(const struct path *path)
{
	struct inode *inode = d_backing_inode(path->dentry);

	return vfsuid_eq_kuid(i_uid_into_vfsuid(mnt_idmap(path->mnt), inode),
			      current_fsuid());
}

static int revoke_object(struct revokable *r, const struct path *path)
{
	bool owner = (r->flags & REVOKABLE_OWNER_MAY_REVOKE) &&
		     owns_inode_of(path);
	bool all;
	int error;

	/* Being no more than the owner is not a denial to be audited. */
	if (owner)
		all = ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN);
	else
		all = capable(CAP_SYS_ADMIN);
	if (!all && !owner)
		return -EPERM;

	error = security_file_revoke(path, NULL);
	if (error)
		return error;

	if (all)
		return revoke_files(r);
	return revoke_files_of_inode(r, d_backing_inode(path->dentry));
}

static int revoke_device(const struct path *path)
{
	struct revokable *r;
	int error;

	/*
	 * As for open(2): where device numbers do not count, this one leads
	 * nowhere.  Among others that is so in every file system mounted by
	 * a user namespace, but for devpts, whose nodes the kernel makes.
	 */
	if (!may_open_dev(path))
		return -EACCES;
	error = path_permission(path, MAY_READ | MAY_WRITE);
	if (error)
		return error;

	r = chrdev_get_revokable(d_backing_inode(path->dentry)->i_rdev);
	if (IS_ERR(r))
		return PTR_ERR(r);
	error = revoke_object(r, path);
	revokable_put(r);
	return error;
}

/* A file of a file system that knows what has been opened through it */
static int revoke_inode(const struct path *path)
{
	struct inode *inode = d_backing_inode(path->dentry);
	int error;

	error = path_permission(path, MAY_READ | MAY_WRITE);
	if (error)
		return error;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	error = security_file_revoke(path, NULL);
	if (error)
		return error;

	return inode->i_sb->s_op->revoke(inode);
}

/* Every open of what is there */
static int revoke_path(int dfd, struct filename *name, unsigned int flags)
{
	struct path path __free(path_put) = {};
	struct inode *inode;
	int error;

	error = filename_lookup(dfd, name,
				flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW,
				&path, NULL);
	if (error)
		return error;

	inode = d_backing_inode(path.dentry);
	if (S_ISCHR(inode->i_mode))
		return revoke_device(&path);
	if (S_ISREG(inode->i_mode) && inode->i_sb->s_op->revoke)
		return revoke_inode(&path);
	return -EOPNOTSUPP;
}

/*
 * One open file.  Neither its inode nor the rights to it matter: the thread group
 * that opened it had them, and may have lost them since, and can still end what it
 * began.  Others who hold it, be it by fork(2) or over a socket, were given the use
 * of it, not the right to take it from the one who gave it.
 */
static int revoke_fd(int fd)
{
	struct file *file;
	int error;

	/* With O_PATH, nothing has been opened that could be revoked: EBADF. */
	CLASS(fd, f)(fd);
	if (fd_empty(f))
		return -EBADF;
	file = fd_file(f);
	audit_file(file);

	/* Where the core knows of mappings and pollers only, the rest would go on. */
	if (!file_is_revokable(file) ||
	    file->f_revoke->r->flags & REVOKABLE_OWN_USES)
		return -EOPNOTSUPP;
	if (file->f_revoke->opener != task_tgid(current)->ino &&
	    !capable(CAP_SYS_ADMIN))
		return -EPERM;

	error = security_file_revoke(&file->f_path, file);
	if (error)
		return error;

	return revoke_file(file);
}

SYSCALL_DEFINE3(revokeat, int, dfd, const char __user *, path,
		unsigned int, flags)
{
	int error;

	if (flags & ~REVOKEAT_FLAGS)
		return -EINVAL;
	if ((flags & REVOKE_FILE) && !(flags & AT_EMPTY_PATH))
		return -EINVAL;

	CLASS(filename_maybe_null, name)(path, flags);
	if (IS_ERR(name))
		return PTR_ERR(name);
	if (!(flags & REVOKE_FILE))
		error = revoke_path(dfd, name, flags);
	else if (name)
		error = -EINVAL;
	else
		error = revoke_fd(dfd);

	/*
	 * That is for callers inside a method of one of the files, who are not
	 * waited for.  Whoever makes a system call is not; and if they were,
	 * what they asked for has happened: access has ended.
	 */
	return error == -EINPROGRESS ? 0 : error;
}
