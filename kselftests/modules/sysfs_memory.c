// SPDX-License-Identifier: GPL-2.0
/*
 * A file of sysfs that can be mapped, of a driver that wants to know of each VMA:
 * /sys/kernel/sysfs_memory/memory.
 *
 * It and "plain", which cannot be mapped, are there while "present" is 1.  "vmas" is
 * how many there are: mapped or opened, and not closed.
 *
 * A number written to "many" beside it is how many files there are in
 * /sys/kernel/sysfs_many: "0" and so on.
 */
#include <linux/gfp.h>
#include <linux/kobject.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

static struct kobject *memory_dir;
static struct page *memory_page;
static atomic_t memory_vmas;
static DEFINE_MUTEX(memory_lock);	/* for all of these */
static bool memory_present;
static struct kobject *many_dir;
static struct many_attr {
	struct kobj_attribute	attr;
	char			name[16];
} *many_attrs;

static void memory_open(struct vm_area_struct *vma)
{
	atomic_inc(&memory_vmas);
}

static void memory_close(struct vm_area_struct *vma)
{
	atomic_dec(&memory_vmas);
}

static vm_fault_t memory_fault(struct vm_fault *vmf)
{
	if (vmf->pgoff)
		return VM_FAULT_SIGBUS;
	get_page(memory_page);
	vmf->page = memory_page;
	return 0;
}

static const struct vm_operations_struct memory_vm_ops = {
	.open	= memory_open,
	.close	= memory_close,
	.fault	= memory_fault,
};

static int memory_mmap(struct file *file, struct kobject *kobj,
		       const struct bin_attribute *attr,
		       struct vm_area_struct *vma)
{
	vma->vm_ops = &memory_vm_ops;
	memory_open(vma);
	return 0;
}

static const struct bin_attribute memory_attr = {
	.attr	= { .name = "memory", .mode = 0600 },
	.size	= PAGE_SIZE,
	.mmap	= memory_mmap,
};

static ssize_t plain_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "plain\n");
}
static struct kobj_attribute plain_attr = __ATTR_RO(plain);

static int memory_add(void)
{
	int err = sysfs_create_bin_file(memory_dir, &memory_attr);

	if (err)
		return err;
	err = sysfs_create_file(memory_dir, &plain_attr.attr);
	if (err)
		sysfs_remove_bin_file(memory_dir, &memory_attr);
	return err;
}

static int memory_set_present(bool present)
{
	int err = 0;

	guard(mutex)(&memory_lock);
	if (present == memory_present)
		return 0;
	if (present) {
		atomic_set(&memory_vmas, 0);
		err = memory_add();
	} else {
		sysfs_remove_file(memory_dir, &plain_attr.attr);
		sysfs_remove_bin_file(memory_dir, &memory_attr);
	}
	if (!err)
		memory_present = present;
	return err;
}

static ssize_t present_store(struct kobject *kobj, struct kobj_attribute *attr,
			     const char *buf, size_t count)
{
	bool present;
	int err = kstrtobool(buf, &present);

	return err ?: memory_set_present(present) ?: count;
}
static struct kobj_attribute present_attr = __ATTR_WO(present);

static ssize_t vmas_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%d\n", atomic_read(&memory_vmas));
}
static struct kobj_attribute vmas_attr = __ATTR_RO(vmas);

static void many_remove(void)
{
	kobject_put(many_dir);
	many_dir = NULL;
	kvfree(many_attrs);
	many_attrs = NULL;
}

static int many_create(unsigned int count)
{
	struct many_attr *attr;
	unsigned int i;
	int err = 0;

	many_attrs = kvzalloc_objs(*many_attrs, count);
	many_dir = kobject_create_and_add("sysfs_many", kernel_kobj);
	if (!many_attrs || !many_dir)
		return -ENOMEM;
	for (i = 0; i < count && !err; i++) {
		attr = &many_attrs[i];
		snprintf(attr->name, sizeof(attr->name), "%u", i);
		sysfs_attr_init(&attr->attr.attr);
		attr->attr.attr.name = attr->name;
		attr->attr.attr.mode = 0400;
		attr->attr.show = plain_show;
		err = sysfs_create_file(many_dir, &attr->attr.attr);
	}
	return err;
}

static ssize_t many_store(struct kobject *kobj, struct kobj_attribute *attr,
			  const char *buf, size_t count)
{
	unsigned int many;
	int err = kstrtouint(buf, 0, &many);

	if (err)
		return err;
	guard(mutex)(&memory_lock);
	many_remove();
	return (many ? many_create(many) : 0) ?: count;
}
static struct kobj_attribute many_attr = __ATTR_WO(many);

static const struct attribute *memory_attrs[] = {
	&present_attr.attr,
	&many_attr.attr,
	&vmas_attr.attr,
	NULL
};

static int __init memory_init(void)
{
	int err = -ENOMEM;

	memory_page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	memory_dir = kobject_create_and_add("sysfs_memory", kernel_kobj);
	if (memory_page && memory_dir)
		err = sysfs_create_files(memory_dir, memory_attrs);
	if (!err)
		return 0;
	kobject_put(memory_dir);
	if (memory_page)
		__free_page(memory_page);
	return err;
}
module_init(memory_init);

static void __exit memory_exit(void)
{
	sysfs_remove_files(memory_dir, memory_attrs);
	memory_set_present(false);
	many_remove();
	kobject_put(memory_dir);
	__free_page(memory_page);
}
module_exit(memory_exit);

MODULE_DESCRIPTION("A mappable file in sysfs, for the tests of revoke");
MODULE_LICENSE("GPL");
