// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that claims physical memory when it is told to: "START SIZE", in bytes,
 * written to /sys/kernel/iomem_claim/claim; "0 0" gives it up.
 *
 * EBUSY: a driver has it, this one included.
 */
#include <linux/ioport.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sysfs.h>

static struct kobject *claim_dir;
static DEFINE_MUTEX(claim_lock);	/* for these two */
static u64 claim_start, claim_size;

static void claim_release(void)
{
	if (claim_size)
		release_mem_region(claim_start, claim_size);
	claim_size = 0;
}

static ssize_t claim_store(struct kobject *kobj, struct kobj_attribute *attr,
			   const char *buf, size_t count)
{
	u64 start, size;

	if (sscanf(buf, "%lli %lli", &start, &size) != 2)
		return -EINVAL;
	guard(mutex)(&claim_lock);
	if (!size) {
		claim_release();
		return count;
	}
	if (claim_size || !request_mem_region(start, size, "iomem_claim"))
		return -EBUSY;
	claim_start = start;
	claim_size = size;
	return count;
}

static struct kobj_attribute claim_attr = __ATTR_WO(claim);

static int __init claim_init(void)
{
	int err;

	claim_dir = kobject_create_and_add("iomem_claim", kernel_kobj);
	if (!claim_dir)
		return -ENOMEM;
	err = sysfs_create_file(claim_dir, &claim_attr.attr);
	if (err)
		kobject_put(claim_dir);
	return err;
}
module_init(claim_init);

static void __exit claim_exit(void)
{
	kobject_put(claim_dir);
	claim_release();
}
module_exit(claim_exit);

MODULE_DESCRIPTION("Claims physical memory for tests of taking it away");
MODULE_LICENSE("GPL");
