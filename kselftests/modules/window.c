// SPDX-License-Identifier: GPL-2.0
/*
 * A device for window_test, on patched and unpatched kernels.
 *
 * /dev/window has one page to map, and is removed through /dev/window_ctl.  On
 * the unpatched kernel it does what careful drivers do: under a lock it marks
 * itself as gone, so that ->mmap fails, and then it calls unmap_mapping_range().
 * With the series it calls revoke_it() instead.
 *
 * Between the page table being filled and the VMA being linked there is a delay,
 * until the removal is complete, or WINDOW_DELAY has passed: who waits for the
 * mmap cannot complete meanwhile.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#ifdef CONFIG_REVOKE
#include <linux/revoke.h>
#endif

/* Wait until somebody is in the delay; remove the device; a new one */
#define WINDOW_WAIT	_IO('w', 0)
#define WINDOW_REMOVE	_IO('w', 1)
#define WINDOW_RESET	_IO('w', 2)

#define WINDOW_DELAY	(2 * HZ)

static DEFINE_MUTEX(window_lock);
static DECLARE_WAIT_QUEUE_HEAD(window_wait);
static struct page *window_page;
static struct address_space *window_mapping;
static bool window_gone, window_entered, window_removed;

#ifdef CONFIG_REVOKE
static const struct revokable_ops window_revokable_ops = {};
static struct revokable *window_revokable;

static int window_make(void)
{
	window_revokable = revokable_alloc(&window_revokable_ops, NULL);
	return window_revokable ? 0 : -ENOMEM;
}

static void window_unmake(void)
{
	revoke_it(window_revokable);
	revokable_put(window_revokable);
}

static int window_opened(struct file *file)
{
	return make_revokable(file, window_revokable);
}

static int window_unmap(void)
{
	revoke_it(window_revokable);
	return 0;
}
#else
static int window_make(void)
{
	return 0;
}

static void window_unmake(void)
{
}

static int window_opened(struct file *file)
{
	return 0;
}

static int window_unmap(void)
{
	if (window_mapping)
		unmap_mapping_range(window_mapping, 0, 0, 1);
	return 0;
}
#endif

static int window_open(struct inode *inode, struct file *file)
{
	guard(mutex)(&window_lock);
	if (window_gone)
		return -ENODEV;
	window_mapping = file->f_mapping;
	return window_opened(file);
}

static int window_mmap(struct file *file, struct vm_area_struct *vma)
{
	int ret;

	scoped_guard(mutex, &window_lock) {
		if (window_gone)
			return -ENODEV;
		if (vma_pages(vma) != 1)
			return -EINVAL;
		ret = remap_pfn_range(vma, vma->vm_start,
				      page_to_pfn(window_page), PAGE_SIZE,
				      vma->vm_page_prot);
	}
	if (ret)
		return ret;
	WRITE_ONCE(window_entered, true);
	wake_up_all(&window_wait);
	wait_event_timeout(window_wait, READ_ONCE(window_removed),
			   WINDOW_DELAY);
	return 0;
}

static const struct file_operations window_fops = {
	.owner = THIS_MODULE,
	.open = window_open,
	.mmap = window_mmap,
};

static int window_remove(void)
{
	int ret;

	scoped_guard(mutex, &window_lock)
		window_gone = true;
	ret = window_unmap();
	WRITE_ONCE(window_removed, true);
	wake_up_all(&window_wait);
	return ret;
}

static int window_reset(void)
{
	window_remove();
	window_unmake();
	window_gone = false;
	window_entered = false;
	window_removed = false;
	return window_make();
}

static long window_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case WINDOW_WAIT:
		return wait_event_interruptible(window_wait,
						READ_ONCE(window_entered));
	case WINDOW_REMOVE:
		return window_remove();
	case WINDOW_RESET:
		return window_reset();
	}
	return -ENOTTY;
}

static const struct file_operations window_ctl_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = window_ioctl,
};

static struct miscdevice window_devs[] = {
	{ .minor = MISC_DYNAMIC_MINOR, .name = "window", .fops = &window_fops },
	{ .minor = MISC_DYNAMIC_MINOR, .name = "window_ctl", .fops = &window_ctl_fops },
};

static int __init window_init(void)
{
	int ret;

	window_page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!window_page)
		return -ENOMEM;
	ret = window_make();
	if (ret)
		goto free_page;
	ret = misc_register(&window_devs[0]);
	if (ret)
		goto unmake;
	ret = misc_register(&window_devs[1]);
	if (!ret)
		return 0;
	misc_deregister(&window_devs[0]);
unmake:
	window_unmake();
free_page:
	__free_page(window_page);
	return ret;
}
module_init(window_init);

static void __exit window_exit(void)
{
	misc_deregister(&window_devs[1]);
	misc_deregister(&window_devs[0]);
	window_unmake();
	__free_page(window_page);
}
module_exit(window_exit);

MODULE_DESCRIPTION("A device with a wide window between populating and linking a mapping");
MODULE_LICENSE("GPL");
