// SPDX-License-Identifier: GPL-2.0
/*
 * Files of debugfs.  They are in revoke_test_entries there, while "present" in
 * /sys/kernel/debugfs_entries is 1:
 *
 *   show, attribute, u32, blob, bool, str	by the helper of that name
 *   methods					has all that debugfs passes on
 *   itself					is removed by its own write method
 *
 * "releases" beside "present" counts those of "methods" since then.  A number written
 * to "many" is how many files there are in revoke_many_entries: "0" and so on.
 */
#include <linux/debugfs.h>
#include <linux/kobject.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>
#ifndef CONFIG_REVOKE
#include "internal.h"
#endif

static struct kobject *entry_control;
static DEFINE_MUTEX(entry_lock);	/* for these two */
static bool entry_present;
static struct dentry *entry_dir;
static atomic_t entry_releases;
static struct dentry *many_dir;

static int shown_show(struct seq_file *m, void *v)
{
	seq_puts(m, "shown\n");
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(shown);

static u64 attribute_value = 64;

static int attribute_get(void *data, u64 *value)
{
	*value = attribute_value;
	return 0;
}

static int attribute_set(void *data, u64 value)
{
	attribute_value = value;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(attribute_fops, attribute_get, attribute_set, "%llu\n");

static u32 u32_value = 32;
static bool bool_value = true;
static char *str_value;	/* a write replaces it */
static const char blob_data[] = "a blob\n";
static struct debugfs_blob_wrapper blob = {
	.data	= (void *)blob_data,
	.size	= sizeof(blob_data) - 1,
};

static ssize_t methods_read(struct file *file, char __user *buf, size_t count,
			    loff_t *ppos)
{
	static const char text[] = "methods\n";

	return simple_read_from_buffer(buf, count, ppos, text, sizeof(text) - 1);
}

static ssize_t methods_write(struct file *file, const char __user *buf,
			     size_t count, loff_t *ppos)
{
	return count;
}

static long methods_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return 0;
}

static __poll_t methods_poll(struct file *file, struct poll_table_struct *pt)
{
	return 0;
}

static int methods_release(struct inode *inode, struct file *file)
{
	atomic_inc(&entry_releases);
	return 0;
}

static const struct file_operations methods_fops = {
	.owner		= THIS_MODULE,
	.open		= simple_open,
	.read		= methods_read,
	.write		= methods_write,
	.llseek		= default_llseek,
	.unlocked_ioctl	= methods_ioctl,
	.poll		= methods_poll,
	.release	= methods_release,
};

#ifdef CONFIG_REVOKE
static int remove_from_inside(struct dentry *dentry)
{
	debugfs_remove(dentry);
	return 0;
}
#else
/*
 * The unpatched kernel waits for this very use to end, which nobody could end or
 * kill.  So it is ended here behind the back of the removal, when that has taken
 * longer than it could for any other reason, and the test is told.
 */
#define RESCUE_DELAY	(2 * HZ)

struct rescue {
	struct delayed_work	work;
	struct dentry		*dentry;
};

static void rescue(struct work_struct *work)
{
	struct rescue *r = container_of(to_delayed_work(work), struct rescue, work);

	debugfs_file_put(r->dentry);
}

static int remove_from_inside(struct dentry *dentry)
{
	struct rescue r = { .dentry = dentry };
	struct debugfs_fsdata *fsd = dentry->d_fsdata;
	bool stuck;

	INIT_DELAYED_WORK_ONSTACK(&r.work, rescue);
	schedule_delayed_work(&r.work, RESCUE_DELAY);
	debugfs_remove(dentry);
	stuck = !cancel_delayed_work_sync(&r.work);
	destroy_delayed_work_on_stack(&r.work);
	if (!stuck)
		return 0;
	/* debugfs ends the use again when the method returns. */
	refcount_set(&fsd->active_users, 1);
	return -EDEADLK;
}
#endif

static ssize_t itself_write(struct file *file, const char __user *buf,
			    size_t count, loff_t *ppos)
{
	return remove_from_inside(file->f_path.dentry) ?: count;
}

static const struct file_operations itself_fops = {
	.owner		= THIS_MODULE,
	.open		= simple_open,
	.write		= itself_write,
};

static int entries_create(void)
{
	struct dentry *dir = debugfs_create_dir("revoke_test_entries", NULL);

	if (IS_ERR(dir))
		return PTR_ERR(dir);
	atomic_set(&entry_releases, 0);
	entry_dir = dir;
	debugfs_create_file("show", 0400, dir, NULL, &shown_fops);
	debugfs_create_file_unsafe("attribute", 0600, dir, NULL, &attribute_fops);
	debugfs_create_u32("u32", 0600, dir, &u32_value);
	debugfs_create_blob("blob", 0400, dir, &blob);
	debugfs_create_bool("bool", 0600, dir, &bool_value);
	debugfs_create_str("str", 0600, dir, &str_value);
	debugfs_create_file("methods", 0600, dir, NULL, &methods_fops);
	debugfs_create_file("itself", 0200, dir, NULL, &itself_fops);
	return 0;
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
		debugfs_remove(entry_dir);
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

static ssize_t releases_show(struct kobject *kobj, struct kobj_attribute *attr,
			     char *buf)
{
	return sysfs_emit(buf, "%d\n", atomic_read(&entry_releases));
}

static struct kobj_attribute releases_attr = __ATTR_RO(releases);

static void many_create(unsigned int count)
{
	char name[16];
	unsigned int i;

	many_dir = debugfs_create_dir("revoke_many_entries", NULL);
	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%u", i);
		debugfs_create_file(name, 0400, many_dir, NULL, &shown_fops);
	}
}

static ssize_t many_store(struct kobject *kobj, struct kobj_attribute *attr,
			  const char *buf, size_t count)
{
	unsigned int many;
	int err = kstrtouint(buf, 0, &many);

	if (err)
		return err;
	guard(mutex)(&entry_lock);
	debugfs_remove(many_dir);
	many_dir = NULL;
	if (many)
		many_create(many);
	return count;
}

static struct kobj_attribute many_attr = __ATTR_WO(many);

static const struct attribute *entry_attrs[] = {
	&present_attr.attr,
	&many_attr.attr,
	&releases_attr.attr,
	NULL
};

static int __init entries_init(void)
{
	int err = -ENOMEM;

	str_value = kstrdup("a string", GFP_KERNEL);
	entry_control = kobject_create_and_add("debugfs_entries", kernel_kobj);
	if (str_value && entry_control)
		err = sysfs_create_files(entry_control, entry_attrs);
	if (!err)
		return 0;
	kobject_put(entry_control);
	kfree(str_value);
	return err;
}
module_init(entries_init);

static void __exit entries_exit(void)
{
	sysfs_remove_files(entry_control, entry_attrs);
	entries_set_present(false);
	debugfs_remove(many_dir);
	kobject_put(entry_control);
	kfree(str_value);
}
module_exit(entries_exit);

MODULE_DESCRIPTION("Files of debugfs, for the tests of revoke");
MODULE_LICENSE("GPL");
