// SPDX-License-Identifier: GPL-2.0
/*
 * Entries of procfs, and a sysctl.  They are there while "present" in
 * /sys/kernel/proc_entries is 1:
 *
 *   /proc/revoke_test_entries/read_iter	a seq_file
 *   /proc/revoke_test_entries/read		the same, by the older method
 *   /proc/revoke_test_entries/poll		can be polled and mapped, too
 *   /proc/net/revoke_test_entries/value	a write copies the whole buffer first
 *   /proc/sys/revoke_test_entries/value
 *
 * A number written to "many" beside "present" is how many entries there are in
 * /proc/revoke_many_entries: "0" and so on.
 *
 * Beside "present" there are "releases" and "writes", which count calls since then,
 * "hold", which keeps ->proc_release, and an ioctl that has a command, from returning
 * while it is 1, and "pollers_left": the last removal has left somebody on the wait
 * queue.
 */
#include <linux/kobject.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sysctl.h>
#include <linux/sysfs.h>
#include <linux/wait.h>
#include <net/net_namespace.h>

#define ENTRY_DIR	"revoke_test_entries"
#define MANY_DIR	"revoke_many_entries"

static struct kobject *entry_control;
static DEFINE_MUTEX(entry_lock);	/* for all of these */
static bool entry_present;
static bool entry_pollers_left;
static struct {
	struct proc_dir_entry	*dir, *read_iter, *read, *poll, *net_dir, *net;
	struct ctl_table_header	*sysctl;
	wait_queue_head_t	*queue;	/* goes with the entry, as sunrpc's do */
} entry_here;

static atomic_t entry_releases, entry_writes;
static struct proc_dir_entry *many_dir;

static bool entry_hold;
static DECLARE_WAIT_QUEUE_HEAD(entry_held);
static struct page *entry_page;

static int entry_show(struct seq_file *m, void *v)
{
	seq_puts(m, "an entry\n");
	return 0;
}

static int entry_open(struct inode *inode, struct file *file)
{
	return single_open(file, entry_show, NULL);
}

static int entry_release(struct inode *inode, struct file *file)
{
	atomic_inc(&entry_releases);
	/* A test that is killed lets nobody go. */
	wait_event_killable(entry_held, !READ_ONCE(entry_hold));
	return single_release(inode, file);
}

static ssize_t entry_write(struct file *file, const char __user *buf,
			   size_t count, loff_t *ppos)
{
	atomic_inc(&entry_writes);
	return count;
}

/* With a command, it waits, and minds no signal but a deadly one. */
static long entry_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (cmd)
		wait_event_killable(entry_held, !READ_ONCE(entry_hold));
	return 0;
}

static __poll_t entry_poll(struct file *file, struct poll_table_struct *pt)
{
	poll_wait(file, entry_here.queue, pt);
	return 0;
}

static int entry_mmap(struct file *file, struct vm_area_struct *vma)
{
	return vm_insert_page(vma, vma->vm_start, entry_page);
}

static const struct proc_ops read_iter_ops = {
	.proc_open	= entry_open,
	.proc_read_iter	= seq_read_iter,
	.proc_write	= entry_write,
	.proc_lseek	= seq_lseek,
	.proc_ioctl	= entry_ioctl,
	.proc_release	= entry_release,
};

static const struct proc_ops read_ops = {
	.proc_open	= entry_open,
	.proc_read	= seq_read,
	.proc_write	= entry_write,
	.proc_lseek	= seq_lseek,
	.proc_ioctl	= entry_ioctl,
	.proc_release	= entry_release,
};

static const struct proc_ops poll_ops = {
	.proc_open	= entry_open,
	.proc_read_iter	= seq_read_iter,
	.proc_write	= entry_write,
	.proc_lseek	= seq_lseek,
	.proc_ioctl	= entry_ioctl,
	.proc_poll	= entry_poll,
	.proc_mmap	= entry_mmap,
	.proc_release	= entry_release,
};

static int net_write(struct file *file, char *buf, size_t size)
{
	atomic_inc(&entry_writes);
	return 0;
}

static int sysctl_value;

static const struct ctl_table sysctl_entries[] = {
	{
		.procname	= "value",
		.data		= &sysctl_value,
		.maxlen		= sizeof(sysctl_value),
		.mode		= 0644,
		.proc_handler	= proc_dointvec,
	},
};

static void entries_remove(void)
{
	proc_remove(entry_here.read_iter);
	proc_remove(entry_here.read);
	proc_remove(entry_here.poll);
	proc_remove(entry_here.dir);
	proc_remove(entry_here.net);
	proc_remove(entry_here.net_dir);
	unregister_sysctl_table(entry_here.sysctl);
	/* Whoever is still there would use it after the free: it is his. */
	entry_pollers_left = entry_here.queue && wq_has_sleeper(entry_here.queue);
	if (!entry_pollers_left)
		kfree(entry_here.queue);
	memset(&entry_here, 0, sizeof(entry_here));
}

static int entries_create(void)
{
	struct proc_dir_entry *dir, *net_dir;

	atomic_set(&entry_releases, 0);
	atomic_set(&entry_writes, 0);
	entry_here.queue = kmalloc_obj(*entry_here.queue);
	dir = proc_mkdir(ENTRY_DIR, NULL);
	entry_here.dir = dir;
	net_dir = proc_net_mkdir(&init_net, ENTRY_DIR, init_net.proc_net);
	entry_here.net_dir = net_dir;
	if (!entry_here.queue || !dir || !net_dir)
		goto err;
	init_waitqueue_head(entry_here.queue);
	entry_here.read_iter = proc_create("read_iter", 0600, dir, &read_iter_ops);
	entry_here.read = proc_create("read", 0600, dir, &read_ops);
	entry_here.poll = proc_create("poll", 0600, dir, &poll_ops);
	entry_here.net = proc_create_net_single_write("value", 0600, net_dir,
						      entry_show, net_write,
						      NULL);
	entry_here.sysctl = register_sysctl(ENTRY_DIR, sysctl_entries);
	if (entry_here.read_iter && entry_here.read && entry_here.poll &&
	    entry_here.net && entry_here.sysctl)
		return 0;
err:
	entries_remove();
	return -ENOMEM;
}

static int entries_set_present(bool present)
{
	int err = 0;

	guard(mutex)(&entry_lock);
	if (present == entry_present)
		return 0;
	if (present)
		err = entries_create();
	else
		entries_remove();
	if (!err)
		entry_present = present;
	return err;
}

static ssize_t present_store(struct kobject *kobj, struct kobj_attribute *attr,
			     const char *buf, size_t count)
{
	bool present;
	int err = kstrtobool(buf, &present);

	return err ?: entries_set_present(present) ?: count;
}

static struct kobj_attribute present_attr = __ATTR_WO(present);

static ssize_t hold_store(struct kobject *kobj, struct kobj_attribute *attr,
			  const char *buf, size_t count)
{
	bool hold;
	int err = kstrtobool(buf, &hold);

	if (err)
		return err;
	WRITE_ONCE(entry_hold, hold);
	wake_up_all(&entry_held);
	return count;
}

static struct kobj_attribute hold_attr = __ATTR_WO(hold);

static ssize_t releases_show(struct kobject *kobj, struct kobj_attribute *attr,
			     char *buf)
{
	return sysfs_emit(buf, "%d\n", atomic_read(&entry_releases));
}

static struct kobj_attribute releases_attr = __ATTR_RO(releases);

static ssize_t writes_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *buf)
{
	return sysfs_emit(buf, "%d\n", atomic_read(&entry_writes));
}

static struct kobj_attribute writes_attr = __ATTR_RO(writes);

static ssize_t pollers_left_show(struct kobject *kobj,
				 struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", entry_pollers_left);
}

static struct kobj_attribute pollers_left_attr = __ATTR_RO(pollers_left);

static int many_create(unsigned int count)
{
	char name[16];
	unsigned int i;

	many_dir = proc_mkdir(MANY_DIR, NULL);
	if (!many_dir)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%u", i);
		if (!proc_create(name, 0400, many_dir, &read_iter_ops))
			return -ENOMEM;
	}
	return 0;
}

static ssize_t many_store(struct kobject *kobj, struct kobj_attribute *attr,
			  const char *buf, size_t count)
{
	unsigned int many;
	int err = kstrtouint(buf, 0, &many);

	if (err)
		return err;
	guard(mutex)(&entry_lock);
	proc_remove(many_dir);
	many_dir = NULL;
	return (many ? many_create(many) : 0) ?: count;
}

static struct kobj_attribute many_attr = __ATTR_WO(many);

static const struct attribute *entry_attrs[] = {
	&present_attr.attr,
	&many_attr.attr,
	&hold_attr.attr,
	&releases_attr.attr,
	&writes_attr.attr,
	&pollers_left_attr.attr,
	NULL
};

static int __init entries_init(void)
{
	int err = -ENOMEM;

	entry_page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	entry_control = kobject_create_and_add("proc_entries", kernel_kobj);
	if (entry_page && entry_control)
		err = sysfs_create_files(entry_control, entry_attrs);
	if (!err)
		return 0;
	kobject_put(entry_control);
	if (entry_page)
		__free_page(entry_page);
	return err;
}
module_init(entries_init);

static void __exit entries_exit(void)
{
	sysfs_remove_files(entry_control, entry_attrs);
	entries_set_present(false);
	proc_remove(many_dir);
	kobject_put(entry_control);
	__free_page(entry_page);
}
module_exit(entries_exit);

MODULE_DESCRIPTION("Entries of procfs and a sysctl, for the tests of revoke");
MODULE_LICENSE("GPL");
