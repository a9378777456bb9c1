// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of mm/revoke.c: taking the mappings of open files away.
 *
 * The toy here is a driver with four pages of memory, which it maps in each
 * way there is.  A test maps them into an address space of its own, touches
 * them, revokes, and looks at both what a touch does and what is left in the
 * page tables.
 *
 * Nothing waits for ever.  What does not come in time is a failure; memory
 * that a stuck task may still use is then left alone.
 *
 * The files themselves are tested by fs/tests/revoke_kunit.c.
 */
#include <kunit/resource.h>
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/pagewalk.h>
#include <linux/revoke_internal.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#ifdef __HAVE_PFNMAP_TRACKING
#include <asm/memtype.h>
#endif

#include "../internal.h"

#define TIMEOUT		(10 * HZ)	/* for what has to happen */
#define A_WHILE		(HZ / 20 + 1)	/* for what must not happen */

#define EXPECT_FAULT_EQ(test, left, right)				\
	KUNIT_EXPECT_EQ(test, (__force u32)(left), (__force u32)(right))

#define NR_PAGES	4
#define SIZE		(NR_PAGES * PAGE_SIZE)

/* How the memory gets into the page tables. */
enum toy_shape {
	TOY_FAULT_PAGE,		/* ->fault returns a page */
	TOY_FAULT_PFN,		/* ->fault inserts a PFN */
	TOY_INSERT_PAGE,	/* ->mmap inserts pages */
	TOY_REMAP_PFN,		/* ->mmap remaps PFNs */
	TOY_PREPARE_FAULT,	/* ->mmap_prepare, then as TOY_FAULT_PAGE */
	TOY_PREPARE_REMAP,	/* ->mmap_prepare asks for TOY_REMAP_PFN */
};

struct toy_case {
	const char	*name;
	enum toy_shape	shape;
};

static const struct toy_case toy_cases[] = {
	{ "fault page", TOY_FAULT_PAGE },
	{ "fault pfn", TOY_FAULT_PFN },
	{ "vm_insert_page", TOY_INSERT_PAGE },
	{ "remap_pfn_range", TOY_REMAP_PFN },
	{ "mmap_prepare fault", TOY_PREPARE_FAULT },
	{ "mmap_prepare remap", TOY_PREPARE_REMAP },
};

KUNIT_ARRAY_PARAM_DESC(toy, toy_cases, name);

/* Inserting PFNs one by one is for shared mappings only. */
static const struct toy_case private_cases[] = {
	{ "fault page", TOY_FAULT_PAGE },
	{ "vm_insert_page", TOY_INSERT_PAGE },
	{ "remap_pfn_range", TOY_REMAP_PFN },
	{ "mmap_prepare fault", TOY_PREPARE_FAULT },
	{ "mmap_prepare remap", TOY_PREPARE_REMAP },
};

KUNIT_ARRAY_PARAM_DESC(private, private_cases, name);

struct toy {
	struct kunit				*test;
	struct revokable_ops			ops;
	struct revokable			*r;
	enum toy_shape				shape;
	const struct vm_operations_struct	*vm_ops;
	struct page				*pages;
	unsigned long				pfn;	/* 0: of @pages */
	struct mm_struct			*mm;	/* of the test */
	wait_queue_head_t			queue;
	bool					gate;
	bool					let_go;
	struct completion			inside;
	struct completion			kicked;
	struct completion			done;
	bool					mmap_blocks;
	bool					mmap_waits;	/* at the gate */
	atomic_t				mmaps;
	struct file				*gives_to;	/* the mapping */
	bool					nests;	/* and calls its ->mmap */
	long					fault_blocks;	/* at this page */
	bool					fault_held;	/* until let go */
	bool					fault_unlocks;
	atomic_t				files;
	atomic_t				releases;
	atomic_t				faults;
	atomic_t				opens;
	atomic_t				closes;
	bool					close_waits;	/* at the gate */
	int					closes_at_release;
	bool					taken[NR_PAGES];
	bool					late;	/* vm_ops after release */
	bool					iomem;	/* it says what it maps */
};

static bool came(struct completion *c)
{
	return wait_for_completion_timeout(c, TIMEOUT);
}

static bool stays_away(struct completion *c)
{
	return !wait_for_completion_timeout(c, A_WHILE);
}

/*
 * The driver
 */

static void toy_vm_called(struct toy *toy, atomic_t *count)
{
	atomic_inc(count);
	if (atomic_read(&toy->releases) == atomic_read(&toy->files))
		toy->late = true;
}

static void toy_vm_open(struct vm_area_struct *vma)
{
	struct toy *toy = vma->vm_private_data;

	toy_vm_called(toy, &toy->opens);
}

static void toy_vm_close(struct vm_area_struct *vma)
{
	struct toy *toy = vma->vm_private_data;

	toy_vm_called(toy, &toy->closes);
	if (toy->close_waits) {
		complete(&toy->inside);
		wait_event_timeout(toy->queue, READ_ONCE(toy->gate), TIMEOUT);
	}
}

static vm_fault_t toy_vm_fault(struct vm_fault *vmf)
{
	struct toy *toy = vmf->vma->vm_private_data;
	bool remaps = toy->shape == TOY_REMAP_PFN ||
		      toy->shape == TOY_PREPARE_REMAP;
	pgoff_t pgoff = vmf->pgoff;
	struct page *page;

	toy_vm_called(toy, &toy->faults);
	/* If private, it is the PFN, and not an offset. */
	if (remaps && vma_is_cow_mapping(vmf->vma))
		pgoff -= page_to_pfn(toy->pages);
	if (pgoff >= NR_PAGES || READ_ONCE(toy->taken[pgoff]))
		return VM_FAULT_SIGBUS;
	if (toy->fault_blocks == pgoff) {
		if (toy->fault_unlocks)
			mmap_read_unlock(vmf->vma->vm_mm);
		complete(&toy->inside);
		wait_event_timeout(toy->queue,
				   READ_ONCE(toy->gate) &&
				   (!toy->fault_held || READ_ONCE(toy->let_go)),
				   TIMEOUT);
		if (toy->fault_unlocks)
			return VM_FAULT_RETRY;
	}
	if (remaps)
		return revokable_fault_pfn(vmf, page_to_pfn(toy->pages), 0,
					   NR_PAGES);
	page = toy->pages + pgoff;
	if (toy->shape == TOY_FAULT_PFN)
		return vmf_insert_pfn(vmf->vma, vmf->address,
				      page_to_pfn(page));
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct toy_vm_ops = {
	.fault	= toy_vm_fault,
};

/* Leaves it to revokable_fault_pfn() what is mapped. */
static vm_fault_t toy_vm_fault_any(struct vm_fault *vmf)
{
	struct toy *toy = vmf->vma->vm_private_data;

	return revokable_fault_pfn(vmf, page_to_pfn(toy->pages), 0, NR_PAGES);
}

static const struct vm_operations_struct toy_vm_ops_any = {
	.fault	= toy_vm_fault_any,
};

static const struct vm_operations_struct toy_vm_ops_close = {
	.open	= toy_vm_open,
	.close	= toy_vm_close,
	.fault	= toy_vm_fault,
};

/* The file is about to be mapped: let somebody revoke it before it is. */
static void toy_await_revoke(struct toy *toy, struct file *file)
{
	unsigned long end = jiffies + TIMEOUT;

	if (!toy->mmap_blocks)
		return;
	complete(&toy->inside);
	while (!file_revoked(file) && time_before(jiffies, end))
		schedule_timeout_uninterruptible(1);
}

/* Looks at what the range zap is to be about, and may then take its time. */
static int toy_mmap_begin(struct toy *toy, struct file *file, pgoff_t pgoff,
			  unsigned long pages)
{
	atomic_inc(&toy->mmaps);
	if (toy->iomem)
		revokable_maps_iomem(file, PFN_PHYS(pgoff), pages << PAGE_SHIFT);
	for (; pages--; pgoff++) {
		if (pgoff < NR_PAGES && READ_ONCE(toy->taken[pgoff]))
			return -ENXIO;
	}
	if (toy->mmap_waits) {
		complete(&toy->inside);
		wait_event_timeout(toy->queue, READ_ONCE(toy->gate), TIMEOUT);
	}
	toy_await_revoke(toy, file);
	return 0;
}

/* As do_mmap() */
static int call_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct revoke_mmap in;
	int ret;

	revoke_mmap_begin(&in, file);
	ret = vfs_mmap(file, vma);
	revoke_mmap_end(&in);
	return ret;
}

static int toy_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct toy *toy = file->private_data;
	unsigned long addr;
	int ret;

	ret = toy_mmap_begin(toy, file, vma->vm_pgoff, vma_pages(vma));
	if (ret)
		return ret;
	if (toy->gives_to)
		vma_set_file(vma, toy->gives_to);
	if (toy->nests)
		return vfs_mmap(vma->vm_file, vma);
	vma->vm_private_data = toy;
	vma->vm_ops = toy->vm_ops;
	switch (toy->shape) {
	case TOY_FAULT_PFN:
		vm_flags_set(vma, VM_PFNMAP);
		break;
	case TOY_INSERT_PAGE:
		for (addr = vma->vm_start; addr < vma->vm_end && !ret;
		     addr += PAGE_SIZE)
			ret = vm_insert_page(vma, addr, toy->pages +
					     linear_page_index(vma, addr));
		break;
	case TOY_REMAP_PFN:
		if (toy->pfn)
			vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
		ret = remap_pfn_range(vma, vma->vm_start,
				      (toy->pfn ?: page_to_pfn(toy->pages)) +
				      vma->vm_pgoff,
				      vma->vm_end - vma->vm_start,
				      vma->vm_page_prot);
		break;
	default:
		break;
	}
	return ret;
}

static int toy_mmap_prepare(struct vm_area_desc *desc)
{
	struct toy *toy = desc->file->private_data;
	int ret;

	ret = toy_mmap_begin(toy, desc->file, desc->pgoff,
			     vma_desc_pages(desc));
	if (ret)
		return ret;
	if (toy->gives_to)
		desc->vm_file = get_file(toy->gives_to);
	desc->private_data = toy;
	desc->vm_ops = toy->vm_ops;
	if (toy->shape == TOY_PREPARE_REMAP)
		mmap_action_remap_full(desc, page_to_pfn(toy->pages) +
				       desc->pgoff);
	return 0;
}

static int toy_release(struct inode *inode, struct file *file)
{
	struct toy *toy = file->private_data;

	toy->closes_at_release = atomic_read(&toy->closes);
	atomic_inc(&toy->releases);
	return 0;
}

static const struct file_operations toy_fops = {
	.mmap		= toy_mmap,
	.release	= toy_release,
};

static const struct file_operations toy_prepare_fops = {
	.mmap_prepare	= toy_mmap_prepare,
	.release	= toy_release,
};

static void toy_kick(struct revokable *r, struct file *file)
{
	struct toy *toy = revokable_data(r);

	complete(&toy->kicked);
}

static void toy_done(void *data)
{
	struct toy *toy = data;

	complete(&toy->done);
}

/*
 * Creating and destroying it
 */

static void toy_open_gate(struct toy *toy)
{
	WRITE_ONCE(toy->gate, true);
	wake_up_all(&toy->queue);
}

static void toy_let_go(struct toy *toy)
{
	WRITE_ONCE(toy->let_go, true);
	wake_up_all(&toy->queue);
}

/* References are dropped a moment after completion, or when it is noticed. */
static bool toy_unreferenced(struct toy *toy)
{
	unsigned long end = jiffies + TIMEOUT;

	while (kref_read(&toy->r->ref) != 1) {
		if (time_after(jiffies, end))
			return false;
		flush_delayed_fput();
		flush_delayed_work(&toy->r->watch);
		schedule_timeout_uninterruptible(1);
	}
	return true;
}

static void toy_free(struct toy *toy)
{
	int i;

	for (i = 0; toy->pages && i < NR_PAGES; i++)
		__free_page(toy->pages + i);
	kfree(toy);
}

/* What must hold at the end of each test, passed or failed. */
static void toy_exit(void *data)
{
	struct toy *toy = data;
	struct kunit *test = toy->test;
	int i;

	toy_open_gate(toy);
	revoke_it_async(toy->r, toy_done);
	if (!came(&toy->done)) {
		KUNIT_FAIL(test, "the object cannot be revoked");
		return;
	}
	if (!toy_unreferenced(toy)) {
		KUNIT_FAIL(test, "%u references to the object are left",
			   kref_read(&toy->r->ref) - 1);
		return;
	}
	revokable_put(toy->r);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->releases),
			atomic_read(&toy->files));
	KUNIT_EXPECT_FALSE(test, toy->late);
	for (i = 0; i < NR_PAGES; i++)
		KUNIT_EXPECT_EQ(test, page_count(toy->pages + i), 1);
	toy_free(toy);
}

static struct toy *toy_new_flags(struct kunit *test, enum toy_shape shape,
				 unsigned int flags)
{
	struct toy *toy;
	int i;

	KUNIT_ASSERT_EQ(test, 0, kunit_attach_mm());
	toy = kzalloc_obj(*toy);
	KUNIT_ASSERT_NOT_NULL(test, toy);
	toy->test = test;
	toy->mm = current->mm;
	toy->shape = shape;
	toy->vm_ops = &toy_vm_ops;
	toy->fault_blocks = -1;
	toy->ops.flags = flags;
	toy->ops.policy.mmap_error = -EIDRM;
	toy->ops.kick = toy_kick;
	init_waitqueue_head(&toy->queue);
	init_completion(&toy->inside);
	init_completion(&toy->kicked);
	init_completion(&toy->done);
	toy->pages = alloc_pages(GFP_KERNEL, get_order(SIZE));
	if (toy->pages) {
		split_page(toy->pages, get_order(SIZE));
		for (i = 0; i < NR_PAGES; i++)
			memset(page_address(toy->pages + i), 'A' + i,
			       PAGE_SIZE);
		toy->r = revokable_alloc(&toy->ops, toy);
	}
	if (!toy->r)
		toy_free(toy);
	KUNIT_ASSERT_NOT_NULL(test, toy->r);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, toy_exit, toy));
	return toy;
}

static struct toy *toy_new(struct kunit *test, enum toy_shape shape)
{
	return toy_new_flags(test, shape, REVOKABLE_CLOSE_AT_RELEASE);
}

/* Lockdep knows objects by where they are created. */
static struct toy *toy_new_of_another_class(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PAGE);
	struct revokable *r = revokable_alloc(&toy->ops, toy);

	KUNIT_ASSERT_NOT_NULL(test, r);
	revokable_put(toy->r);
	toy->r = r;
	return toy;
}

/* A kernel thread's fput() would leave it to a workqueue. */
KUNIT_DEFINE_ACTION_WRAPPER(toy_close_action, __fput_sync, struct file *);

static void toy_free_page(void *page)
{
	free_page((unsigned long)page);
}

static struct file *toy_plain_file(struct kunit *test, struct toy *toy)
{
	const struct file_operations *fops = &toy_fops;
	struct file *file;

	if (toy->shape >= TOY_PREPARE_FAULT)
		fops = &toy_prepare_fops;
	file = anon_inode_getfile("[toy]", fops, toy, O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	atomic_inc(&toy->files);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, toy_close_action, file));
	return file;
}

static struct file *toy_file_new(struct kunit *test, struct toy *toy)
{
	struct file *file = toy_plain_file(test, toy);

	/* As do_dentry_open() does for a file with an ->open */
	file->f_mode &= ~FMODE_OPENED;
	KUNIT_ASSERT_EQ(test, 0, make_revokable(file, toy->r));
	file->f_mode |= FMODE_OPENED;
	revoke_open_done(file);
	return file;
}

/*
 * Mapping and touching
 */

static unsigned long try_map(struct file *file, unsigned long addr,
			     unsigned long pgoff, unsigned long pages,
			     unsigned long flags)
{
	return vm_mmap(file, addr, pages << PAGE_SHIFT, PROT_READ | PROT_WRITE,
		       flags | (addr ? MAP_FIXED : 0), pgoff << PAGE_SHIFT);
}

static unsigned long map_toy(struct kunit *test, struct file *file,
			     unsigned long flags)
{
	unsigned long addr = try_map(file, 0, 0, NR_PAGES, flags);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_VALUE(addr), "mmap: %ld",
			       (long)addr);
	return addr;
}

static int count_pte(pte_t *pte, unsigned long addr, unsigned long next,
		     struct mm_walk *walk)
{
	unsigned int *present = walk->private;

	*present += pte_present(ptep_get(pte));
	return 0;
}

static int walk_any_vma(unsigned long addr, unsigned long next,
			struct mm_walk *walk)
{
	return 0;
}

/* G2 is about these, whether or not a touch would lead to them. */
static unsigned int present_within(unsigned long addr, unsigned long size)
{
	static const struct mm_walk_ops ops = {
		.pte_entry	= count_pte,
		.test_walk	= walk_any_vma,
		.walk_lock	= PGWALK_RDLOCK,
	};
	unsigned int present = 0;

	mmap_read_lock(current->mm);
	walk_page_range(current->mm, addr, addr + size, &ops, &present);
	mmap_read_unlock(current->mm);
	return present;
}

static unsigned int present_ptes(unsigned long addr)
{
	return present_within(addr, SIZE);
}

/*
 * User Mode Linux takes what the kernel touches for a fault of user space, which
 * would wait for a resume.  This is one of the kernel.
 */
static int fault_in(unsigned long addr, unsigned int flags)
{
	bool unlocked;
	int ret;

	if (!IS_ENABLED(CONFIG_UML) || present_within(addr, PAGE_SIZE))
		return 0;
	mmap_read_lock(current->mm);
	ret = fixup_user_fault(current->mm, addr, flags, &unlocked);
	mmap_read_unlock(current->mm);
	return ret;
}

/* What is there, or a negative errno. */
static int touch(unsigned long addr)
{
	u8 byte;

	return fault_in(addr, 0) ?: get_user(byte, (u8 __user *)addr) ?: byte;
}

static int touch_page(unsigned long addr, int page)
{
	return touch(addr + page * PAGE_SIZE);
}

static int scribble(unsigned long addr, u8 byte)
{
	return fault_in(addr, FAULT_FLAG_WRITE) ?:
	       put_user(byte, (u8 __user *)addr);
}

static bool become_gone(unsigned long addr)
{
	unsigned long end = jiffies + TIMEOUT;

	while (present_ptes(addr)) {
		if (time_after(jiffies, end))
			return false;
		schedule_timeout_uninterruptible(1);
	}
	return true;
}

static unsigned int count_vmas(unsigned long addr)
{
	struct vm_area_struct *vma;
	unsigned int n = 0;

	VMA_ITERATOR(vmi, current->mm, addr);
	mmap_read_lock(current->mm);
	for_each_vma_range(vmi, vma, addr + SIZE)
		n++;
	mmap_read_unlock(current->mm);
	return n;
}

static void expect_mapped(struct kunit *test, unsigned long addr)
{
	int i;

	for (i = 0; i < NR_PAGES; i++)
		KUNIT_EXPECT_EQ(test, touch_page(addr, i), 'A' + i);
	KUNIT_EXPECT_EQ(test, present_ptes(addr), NR_PAGES);
}

static void expect_gone(struct kunit *test, unsigned long addr)
{
	int i;

	KUNIT_EXPECT_EQ(test, present_ptes(addr), 0);
	for (i = 0; i < NR_PAGES; i++)
		KUNIT_EXPECT_EQ(test, touch_page(addr, i), -EFAULT);
	KUNIT_EXPECT_EQ(test, scribble(addr, 'x'), -EFAULT);
	/* Nor have the faults put anything there. */
	KUNIT_EXPECT_EQ(test, present_ptes(addr), 0);
}

static void unmap(struct kunit *test, unsigned long addr)
{
	KUNIT_EXPECT_EQ(test, vm_munmap(addr, SIZE), 0);
	flush_delayed_fput();
}

/*
 * Tasks
 */

struct toy_task {
	struct toy		*toy;
	struct file		*file;
	unsigned long		addr;
	long			(*fn)(struct toy_task *t);
	struct completion	mapped;
	struct completion	done;
	long			ret;
};

static int toy_task_main(void *data)
{
	struct toy_task *t = data;

	t->ret = t->fn(t);
	__fput_sync(t->file);
	complete(&t->done);
	return 0;
}

static void toy_task_exit(void *data)
{
	struct toy_task *t = data;

	toy_open_gate(t->toy);
	toy_let_go(t->toy);
	if (came(&t->done))
		kfree(t);
}

static struct toy_task *toy_run(struct kunit *test, struct toy *toy,
				struct file *file, unsigned long addr,
				long (*fn)(struct toy_task *t))
{
	struct toy_task *t = kzalloc_obj(*t);
	struct task_struct *task;

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->toy = toy;
	t->file = get_file(file);
	t->addr = addr;
	t->fn = fn;
	init_completion(&t->mapped);
	init_completion(&t->done);
	task = kthread_run(toy_task_main, t, "revoke-mm-kunit");
	if (IS_ERR(task))
		complete(&t->done);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, toy_task_exit, t));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	return t;
}

static long toy_result(struct kunit *test, struct toy_task *t)
{
	KUNIT_ASSERT_TRUE_MSG(test, came(&t->done), "%ps is stuck", t->fn);
	complete(&t->done);
	return t->ret;
}

static long do_revoke(struct toy_task *t)
{
	return revoke_file(t->file);
}

static long do_suspend(struct toy_task *t)
{
	return revokable_suspend(t->toy->r);
}

/* When somebody is inside of ->mmap. */
static long do_revoke_inside(struct toy_task *t)
{
	return came(&t->toy->inside) ? revoke_file(t->file) : -ETIME;
}

/* Inside until the test lets go of it. */
static long do_use(struct toy_task *t)
{
	struct file_use use;

	if (!start_using(t->file, &use))
		return -EAGAIN;
	complete(&t->toy->inside);
	wait_event_timeout(t->toy->queue, READ_ONCE(t->toy->let_go), TIMEOUT);
	stop_using(&use);
	return 0;
}

/* As a method that inserts an entry, when the test lets go of it. */
static long do_insert(struct toy_task *t)
{
	struct vm_area_struct *vma;
	struct file_use use;
	long ret = -EFAULT;

	if (!start_using(t->file, &use))
		return -ENODEV;
	complete(&t->toy->inside);
	wait_event_timeout(t->toy->queue, READ_ONCE(t->toy->let_go), TIMEOUT);
	mmap_read_lock(t->toy->mm);
	vma = vma_lookup(t->toy->mm, t->addr);
	if (vma && vmf_insert_pfn(vma, t->addr, page_to_pfn(t->toy->pages)) ==
		   VM_FAULT_NOPAGE)
		ret = 0;
	mmap_read_unlock(t->toy->mm);
	stop_using(&use);
	return ret;
}

/* The pages in the middle, once the driver does not map them any more. */
static void toy_take(struct toy *toy)
{
	WRITE_ONCE(toy->taken[1], true);
	WRITE_ONCE(toy->taken[2], true);
}

static long do_zap_range(struct toy_task *t)
{
	revokable_zap_range(t->toy->r, 1, 2);
	return 0;
}

static long do_claim(struct toy_task *t)
{
	revoke_iomem(1, 2);
	return 0;
}

static long do_zap_range_inside(struct toy_task *t)
{
	struct file_use use;

	if (!start_using(t->file, &use))
		return -EAGAIN;
	revokable_zap_range(t->toy->r, 1, 2);
	stop_using(&use);
	return 0;
}

/* Map, and when the test says so, count: in an address space of its own. */
static long do_map_and_count(struct toy_task *t)
{
	unsigned long addr;
	long ret;

	ret = kunit_attach_mm();
	if (ret)
		return ret;
	addr = try_map(t->file, 0, 0, NR_PAGES, MAP_SHARED);
	if (IS_ERR_VALUE(addr))
		return addr;
	complete(&t->mapped);
	wait_event_timeout(t->toy->queue, READ_ONCE(t->toy->let_go), TIMEOUT);
	ret = present_ptes(addr);
	if (touch_page(addr, 1) != -EFAULT || touch_page(addr, 2) != -EFAULT)
		ret = -EEXIST;
	vm_munmap(addr, SIZE);
	flush_delayed_fput();
	return ret;
}

static long do_remove(struct toy_task *t)
{
	return __revoke_it(t->toy->r);
}

static long do_touch(struct toy_task *t)
{
	long ret;

	kthread_use_mm(t->toy->mm);
	ret = touch(t->addr);
	kthread_unuse_mm(t->toy->mm);
	return ret;
}

/* With so many other uses, of its own file, that there is no name left. */
static long do_touch_unnamed(struct toy_task *t)
{
	struct file_use uses[REVOKE_NAMES];
	unsigned int n = 0;
	long ret = -ENODEV;

	while (n < REVOKE_NAMES && start_using(t->file, &uses[n]))
		n++;
	if (n == REVOKE_NAMES)
		ret = do_touch(t);
	while (n)
		stop_using(&uses[--n]);
	return ret;
}

/* As KVM, which holds nothing but the mmap_lock. */
static long do_fixup(struct toy_task *t)
{
	struct mm_struct *mm = t->toy->mm;
	bool unlocked = false;
	long ret;

	mmap_read_lock(mm);
	ret = fixup_user_fault(mm, t->addr, FAULT_FLAG_SUSPENDABLE, &unlocked);
	mmap_read_unlock(mm);
	return ret;
}

/* Map, wait for the revoke, touch: in an address space of its own. */
static long do_map_elsewhere(struct toy_task *t)
{
	unsigned long addr;
	long ret;

	ret = kunit_attach_mm();
	if (ret)
		return ret;
	addr = try_map(t->file, 0, 0, NR_PAGES, MAP_SHARED);
	if (IS_ERR_VALUE(addr))
		return addr;
	ret = touch(addr);
	complete(&t->mapped);
	wait_event_timeout(t->toy->queue, READ_ONCE(t->toy->gate), TIMEOUT);
	if (ret == 'A')
		ret = touch(addr) == -EFAULT ? present_ptes(addr) : -EEXIST;
	vm_munmap(addr, SIZE);
	flush_delayed_fput();
	return ret;
}

static void toy_use(struct kunit *test, struct toy *toy, struct file *file)
{
	toy_run(test, toy, file, 0, do_use);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
}

/*
 * Tests
 */

/* G2: whichever way it was mapped, it is gone, stays gone, and munmap works. */
static void revoke_mm_shared_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_SHARED);
	int faults;

	expect_mapped(test, addr);
	KUNIT_EXPECT_EQ(test, scribble(addr, 'A'), 0);
	faults = atomic_read(&toy->faults);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	expect_gone(test, addr);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->faults), faults);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->releases), 1);
	unmap(test, addr);
}

/* G2: what had not been touched before is not reached either. */
static void revoke_mm_untouched_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_SHARED);

	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	expect_gone(test, addr);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->faults), 0);
	unmap(test, addr);
}

/* G2: private mappings too, with the copies that have been made. */
static void revoke_mm_private_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_PRIVATE);

	expect_mapped(test, addr);
	KUNIT_EXPECT_EQ(test, scribble(addr, 'z'), 0);
	KUNIT_EXPECT_EQ(test, touch(addr), 'z');
	/* A copy indeed */
	KUNIT_EXPECT_EQ(test, *(u8 *)page_address(toy->pages), 'A');
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	expect_gone(test, addr);
	unmap(test, addr);
}

/* G2: in every address space. */
static void revoke_mm_elsewhere_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_SHARED);
	struct toy_task *task;

	task = toy_run(test, toy, file, 0, do_map_elsewhere);
	KUNIT_ASSERT_TRUE(test, came(&task->mapped));
	expect_mapped(test, addr);
	revoke_it(toy->r);
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, task), 0);
	expect_gone(test, addr);
	unmap(test, addr);
}

/* G2: all parts of what has been split; munmap of a part works after it. */
static void revoke_mm_split_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_SHARED);

	expect_mapped(test, addr);
	KUNIT_EXPECT_EQ(test, vm_munmap(addr + PAGE_SIZE, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, present_ptes(addr), NR_PAGES - 1);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	expect_gone(test, addr);
	KUNIT_EXPECT_EQ(test, vm_munmap(addr + 2 * PAGE_SIZE, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, count_vmas(addr), 2);
	unmap(test, addr);
}

/* G5: mappings of other files stay, of the same object, of another, of none. */
static void revoke_mm_others_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	struct toy *another = toy_new(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr[4];
	int i;

	addr[0] = map_toy(test, toy_file_new(test, toy), MAP_SHARED);
	addr[1] = map_toy(test, toy_file_new(test, another), MAP_SHARED);
	addr[2] = map_toy(test, toy_plain_file(test, toy), MAP_SHARED);
	addr[3] = map_toy(test, file, MAP_SHARED);
	for (i = 0; i < 4; i++)
		expect_mapped(test, addr[i]);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	for (i = 0; i < 3; i++)
		expect_mapped(test, addr[i]);
	expect_gone(test, addr[3]);
	revoke_it(toy->r);
	expect_gone(test, addr[0]);
	expect_mapped(test, addr[1]);
	expect_mapped(test, addr[2]);
	for (i = 0; i < 4; i++)
		unmap(test, addr[i]);
}

/* G2: a revoke during mmap(2) finds what that has mapped. */
static void revoke_mm_window_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *revoker;
	unsigned long addr;

	toy->mmap_blocks = true;
	revoker = toy_run(test, toy, file, 0, do_revoke_inside);
	addr = map_toy(test, file, MAP_SHARED | MAP_POPULATE);
	KUNIT_EXPECT_TRUE(test, file_revoked(file));
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	expect_gone(test, addr);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->releases), 1);
	unmap(test, addr);
}

/*
 * G2: access ends at once, even with a fault stuck in the driver, and what
 * that fault inserts goes when it comes out, whoever else is still inside.
 */
static void revoke_mm_busy_test(struct kunit *test)
{
	enum toy_shape shapes[] = { TOY_FAULT_PAGE, TOY_FAULT_PFN };
	int i;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		struct toy *toy = toy_new(test, shapes[i]);
		struct file *file = toy_file_new(test, toy);
		unsigned long addr = map_toy(test, file, MAP_SHARED);
		struct toy_task *user, *revoker;

		toy_use(test, toy, file);
		KUNIT_EXPECT_EQ(test, touch_page(addr, 0), 'A');
		KUNIT_EXPECT_EQ(test, touch_page(addr, 2), 'C');
		toy->fault_blocks = 1;
		user = toy_run(test, toy, file, addr + PAGE_SIZE, do_touch);
		KUNIT_ASSERT_TRUE(test, came(&toy->inside));
		revoker = toy_run(test, toy, file, 0, do_revoke);
		KUNIT_ASSERT_TRUE(test, came(&toy->kicked));
		expect_gone(test, addr);
		KUNIT_EXPECT_TRUE(test, stays_away(&revoker->done));
		KUNIT_EXPECT_EQ(test, atomic_read(&toy->releases), 0);

		toy_open_gate(toy);
		/* It may have been quick enough to see what it had inserted. */
		toy_result(test, user);
		if (user->ret != -EFAULT)
			KUNIT_EXPECT_EQ(test, user->ret, 'B');
		KUNIT_EXPECT_TRUE(test, become_gone(addr));
		KUNIT_EXPECT_FALSE(test, completion_done(&revoker->done));
		toy_let_go(toy);
		KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
		expect_gone(test, addr);
		unmap(test, addr);
	}
}

/*
 * A fault that has dropped its lock is in the driver when its mapping has been
 * unmapped and its file closed.  Returns what faults.
 */
static struct toy_task *toy_orphan(struct kunit *test, struct toy *toy)
{
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_SHARED);
	struct toy_task *toucher;

	toy->fault_blocks = 0;
	toy->fault_unlocks = true;
	toucher = toy_run(test, toy, toy_plain_file(test, toy), addr, do_touch);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	unmap(test, addr);
	kunit_release_action(test, toy_close_action, file);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->releases), 1);
	return toucher;
}

/* G1: no method of the object runs, not even for a file that is closed. */
static void revoke_mm_orphan_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PAGE);
	struct toy_task *toucher = toy_orphan(test, toy);
	struct toy_task *remover;

	remover = toy_run(test, toy, toucher->file, 0, do_remove);
	KUNIT_EXPECT_TRUE(test, stays_away(&remover->done));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, remover), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, toucher), -EFAULT);
}

static void revoke_mm_orphan_async_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PAGE);
	struct toy_task *toucher = toy_orphan(test, toy);

	revoke_it_async(toy->r, toy_done);
	KUNIT_EXPECT_TRUE(test, stays_away(&toy->done));
	toy_open_gate(toy);
	KUNIT_EXPECT_TRUE(test, came(&toy->done));
	KUNIT_EXPECT_EQ(test, toy_result(test, toucher), -EFAULT);
}

static long do_revoke_inode(struct toy_task *t)
{
	return revoke_files_of_inode(t->toy->r, file_inode(t->file));
}

static const struct file_operations no_fops;

/* Its struct file has gone, and is another one. */
static void revoke_mm_orphan_inode_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PAGE);
	struct toy_task *toucher = toy_orphan(test, toy);
	struct toy_task *revoker;
	struct file *file;
	int i;

	for (i = 0; i < 64; i++) {
		file = anon_inode_create_getfile("[toy]", &no_fops, NULL, O_RDWR,
						 NULL);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
		KUNIT_ASSERT_EQ(test, 0,
				kunit_add_action_or_reset(test,
							  toy_close_action,
							  file));
	}
	revoker = toy_run(test, toy, toucher->file, 0, do_revoke_inode);
	KUNIT_EXPECT_TRUE(test, stays_away(&revoker->done));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, toucher), -EFAULT);
}

/* mmap(2) of what is revoked fails, and unmaps nothing for it. */
static void revoke_mm_mmap_revoked_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr;

	addr = map_toy(test, toy_plain_file(test, toy), MAP_SHARED);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, (long)try_map(file, 0, 0, NR_PAGES, MAP_SHARED),
			-EIDRM);
	KUNIT_EXPECT_EQ(test, (long)try_map(file, 0, 0, 1, MAP_PRIVATE),
			-EIDRM);
	KUNIT_EXPECT_EQ(test, (long)try_map(file, addr, 0, 1, MAP_SHARED),
			-EIDRM);
	/* It has been revoked just before. */
	KUNIT_EXPECT_EQ(test, call_mmap(file, &(struct vm_area_struct) {
		.vm_file = file,
	}), -EIDRM);
	expect_mapped(test, addr);
	unmap(test, addr);
}

/* Also between the first step of the revoke and the last. */
static void revoke_mm_mmap_busy_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PAGE);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *revoker;

	toy_use(test, toy, file);
	revoker = toy_run(test, toy, file, 0, do_revoke);
	KUNIT_EXPECT_TRUE(test, came(&toy->kicked));
	KUNIT_EXPECT_EQ(test, (long)try_map(file, 0, 0, 1, MAP_SHARED),
			-EIDRM);
	toy_let_go(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
}

/* ->open and ->close are balanced, for a driver that is not revoked. */
static void revoke_mm_close_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PAGE);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr;

	toy->vm_ops = &toy_vm_ops_close;
	addr = map_toy(test, file, MAP_SHARED);
	expect_mapped(test, addr);
	KUNIT_EXPECT_EQ(test, vm_munmap(addr + PAGE_SIZE, PAGE_SIZE), 0);
	/* One for each VMA, but the first has had no ->open. */
	KUNIT_EXPECT_EQ(test, count_vmas(addr), 2);
	KUNIT_EXPECT_EQ(test, 1 + atomic_read(&toy->opens) -
			atomic_read(&toy->closes), 2);
	KUNIT_EXPECT_GT(test, atomic_read(&toy->opens), 0);
	unmap(test, addr);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->closes),
			atomic_read(&toy->opens) + 1);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
}

/* Neither of them is delivered once the file is revoked. */
static void revoke_mm_close_revoked_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PAGE);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr;

	toy->vm_ops = &toy_vm_ops_close;
	addr = map_toy(test, file, MAP_SHARED);
	expect_mapped(test, addr);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->releases), 1);
	KUNIT_EXPECT_EQ(test, vm_munmap(addr + PAGE_SIZE, PAGE_SIZE), 0);
	unmap(test, addr);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->opens), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->closes), 0);
}

/* Both are, while the revoke is waiting for whoever is inside. */
static void revoke_mm_close_busy_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PAGE);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *revoker;
	unsigned long addr;

	toy->vm_ops = &toy_vm_ops_close;
	addr = map_toy(test, file, MAP_SHARED);
	toy_use(test, toy, file);
	revoker = toy_run(test, toy, file, 0, do_revoke);
	KUNIT_EXPECT_TRUE(test, came(&toy->kicked));
	KUNIT_EXPECT_EQ(test, vm_munmap(addr + PAGE_SIZE, PAGE_SIZE), 0);
	unmap(test, addr);
	KUNIT_EXPECT_GT(test, atomic_read(&toy->opens), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->closes),
			atomic_read(&toy->opens) + 1);
	toy_let_go(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	KUNIT_EXPECT_EQ(test, toy->closes_at_release,
			atomic_read(&toy->closes));
}

/* A driver whose ->close would be left out has to have said it may be. */
static void revoke_mm_close_refused_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PAGE);
	struct file *file = toy_file_new(test, toy);

	toy->r->flags &= ~REVOKABLE_CLOSE_AT_RELEASE;
	toy->vm_ops = &toy_vm_ops_close;
	KUNIT_EXPECT_EQ(test, (long)try_map(file, 0, 0, 1, MAP_SHARED),
			-EINVAL);
	/* It has been told that there is no mapping. */
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->closes), 1);

	toy->vm_ops = &toy_vm_ops;
	unmap(test, map_toy(test, file, MAP_SHARED));
}

/*
 * The tables.  Every member there is, with a result of its own.
 */

static vm_fault_t full_fault(struct vm_fault *vmf)
{
	return VM_FAULT_NOPAGE;
}

static vm_fault_t full_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	return VM_FAULT_FALLBACK;
}

static vm_fault_t full_map_pages(struct vm_fault *vmf, pgoff_t start,
				 pgoff_t end)
{
	return VM_FAULT_RETRY;
}

static vm_fault_t full_page_mkwrite(struct vm_fault *vmf)
{
	return VM_FAULT_LOCKED;
}

static vm_fault_t full_pfn_mkwrite(struct vm_fault *vmf)
{
	return VM_FAULT_OOM;
}

static int full_access(struct vm_area_struct *vma, unsigned long addr,
		       void *buf, int len, int write)
{
	return 4;
}

static int full_mapped(unsigned long start, unsigned long end, pgoff_t pgoff,
		       const struct file *file, void **vm_private_data)
{
	return 0;
}

static const char *full_name(struct vm_area_struct *vma)
{
	return "toy";
}

static const struct vm_operations_struct full_vm_ops = {
	.open		= toy_vm_open,
	.close		= toy_vm_close,
	.mapped		= full_mapped,
	.fault		= full_fault,
	.huge_fault	= full_huge_fault,
	.map_pages	= full_map_pages,
	.page_mkwrite	= full_page_mkwrite,
	.pfn_mkwrite	= full_pfn_mkwrite,
	.access		= full_access,
	.name		= full_name,
};

static int no_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	return 0;
}

static int no_mremap(struct vm_area_struct *vma)
{
	return 0;
}

static int no_mprotect(struct vm_area_struct *vma, unsigned long start,
		       unsigned long end, unsigned long newflags)
{
	return 0;
}

static unsigned long no_pagesize(struct vm_area_struct *vma)
{
	return PAGE_SIZE;
}

#ifdef CONFIG_NUMA
static int no_set_policy(struct vm_area_struct *vma, struct mempolicy *new)
{
	return 0;
}

static struct mempolicy *no_get_policy(struct vm_area_struct *vma,
				       unsigned long addr, pgoff_t *ilx)
{
	return NULL;
}
#endif

#ifdef CONFIG_FIND_NORMAL_PAGE
static struct page *no_normal_page(struct vm_area_struct *vma,
				   unsigned long addr)
{
	return NULL;
}
#endif

static const struct vm_operations_struct refused_vm_ops[] = {
	{ .may_split = no_may_split },
	{ .mremap = no_mremap },
	{ .mprotect = no_mprotect },
	{ .pagesize = no_pagesize },
#ifdef CONFIG_NUMA
	{ .set_policy = no_set_policy },
	{ .get_policy = no_get_policy },
#endif
#ifdef CONFIG_FIND_NORMAL_PAGE
	{ .find_normal_page = no_normal_page },
#endif
};

static const struct vm_operations_struct empty_vm_ops = {
};

static const struct vm_operations_struct *
table_of(struct kunit *test, struct file *file,
	 const struct vm_operations_struct *real)
{
	struct vm_area_struct vma = { .vm_file = file };
	struct toy *toy = file->private_data;

	toy->vm_ops = real;
	KUNIT_EXPECT_EQ(test, call_mmap(file, &vma), 0);
	return vma.vm_ops;
}

/* One table for each file and driver's table: VMAs merge only if it is. */
static void revoke_mm_tables_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PAGE);
	struct file *file = toy_file_new(test, toy);
	struct file *other = toy_file_new(test, toy);
	struct file *plain = toy_plain_file(test, toy);
	const struct vm_operations_struct *table;

	table = table_of(test, file, &toy_vm_ops);
	KUNIT_EXPECT_PTR_NE(test, table, &toy_vm_ops);
	KUNIT_EXPECT_PTR_EQ(test, table_of(test, file, &toy_vm_ops), table);
	KUNIT_EXPECT_PTR_NE(test, table_of(test, file, &full_vm_ops), table);
	KUNIT_EXPECT_PTR_NE(test, table_of(test, other, &toy_vm_ops), table);
	KUNIT_EXPECT_PTR_EQ(test, table_of(test, file, &toy_vm_ops), table);

	KUNIT_EXPECT_PTR_EQ(test, table_of(test, plain, &toy_vm_ops),
			    &toy_vm_ops);
	KUNIT_EXPECT_PTR_EQ(test, table_of(test, file, &vma_dummy_vm_ops),
			    &vma_dummy_vm_ops);
	KUNIT_EXPECT_FALSE(test, vma_is_anonymous(&(struct vm_area_struct) {
		.vm_ops = table_of(test, file, &empty_vm_ops),
	}));
}

/* No table would be anonymous memory, another revokable file not in use. */
static void revoke_mm_tables_refused_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PAGE);
	struct file *file = toy_file_new(test, toy);
	struct file *other = toy_file_new(test, toy);
	struct vm_area_struct vma = {
		.vm_mm	 = &init_mm,
		.vm_end	 = PAGE_SIZE,
		.vm_file = get_file(file),
	};
	int i;

	kunit_warning_suppress(test) {
		toy->vm_ops = NULL;
		KUNIT_EXPECT_EQ(test, call_mmap(file, &vma), -EINVAL);
	}
	for (i = 0; i < ARRAY_SIZE(refused_vm_ops); i++) {
		toy->vm_ops = &refused_vm_ops[i];
		KUNIT_EXPECT_EQ(test, call_mmap(file, &vma), -EINVAL);
	}
	toy->vm_ops = &toy_vm_ops;
	toy->gives_to = other;
	KUNIT_EXPECT_EQ(test, call_mmap(file, &vma), -EINVAL);
	KUNIT_EXPECT_PTR_EQ(test, vma.vm_ops, &toy_vm_ops);
	fput(vma.vm_file);
}

static void expect_wrapped(struct kunit *test, const void *full,
			   const void *real, const void *empty)
{
	KUNIT_EXPECT_NOT_NULL(test, full);
	KUNIT_EXPECT_PTR_NE(test, full, real);
	KUNIT_EXPECT_NULL(test, empty);
}

/* G4: the members are those of the driver's, the functions are not. */
static void revoke_mm_presence_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PAGE);
	struct file *file = toy_file_new(test, toy);
	const struct vm_operations_struct *full, *empty;

	full = table_of(test, file, &full_vm_ops);
	empty = table_of(test, file, &empty_vm_ops);
	expect_wrapped(test, full->open, full_vm_ops.open, empty->open);
	expect_wrapped(test, full->close, full_vm_ops.close, empty->close);
	expect_wrapped(test, full->fault, full_vm_ops.fault, empty->fault);
	expect_wrapped(test, full->huge_fault, full_vm_ops.huge_fault,
		       empty->huge_fault);
	expect_wrapped(test, full->map_pages, full_vm_ops.map_pages,
		       empty->map_pages);
	expect_wrapped(test, full->page_mkwrite, full_vm_ops.page_mkwrite,
		       empty->page_mkwrite);
	expect_wrapped(test, full->pfn_mkwrite, full_vm_ops.pfn_mkwrite,
		       empty->pfn_mkwrite);
	expect_wrapped(test, full->access, full_vm_ops.access, empty->access);
	/* Called during mmap only */
	KUNIT_EXPECT_PTR_EQ(test, full->mapped, &full_mapped);
	KUNIT_EXPECT_NULL(test, empty->mapped);
	/* Would be used without a use */
	KUNIT_EXPECT_NULL(test, full->name);
#ifdef CONFIG_USERFAULTFD
	KUNIT_EXPECT_NULL(test, full->uffd_ops);
#endif
}

/* They pass everything on; after a revoke nothing reaches the driver. */
static void revoke_mm_members_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PAGE);
	struct file *file = toy_file_new(test, toy);
	const struct vm_operations_struct *ops;
	struct vm_area_struct vma = {
		.vm_file = file,
		.vm_private_data = toy,
	};
	struct vm_fault vmf = { .vma = &vma };

	ops = table_of(test, file, &full_vm_ops);
	vma.vm_ops = ops;
	EXPECT_FAULT_EQ(test, ops->fault(&vmf), VM_FAULT_NOPAGE);
	EXPECT_FAULT_EQ(test, ops->huge_fault(&vmf, 0), VM_FAULT_FALLBACK);
	EXPECT_FAULT_EQ(test, ops->map_pages(&vmf, 0, 0), VM_FAULT_RETRY);
	EXPECT_FAULT_EQ(test, ops->page_mkwrite(&vmf), VM_FAULT_LOCKED);
	EXPECT_FAULT_EQ(test, ops->pfn_mkwrite(&vmf), VM_FAULT_OOM);
	KUNIT_EXPECT_EQ(test, ops->access(&vma, 0, NULL, 4, 0), 4);
	ops->open(&vma);
	ops->close(&vma);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->opens), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->closes), 1);

	KUNIT_ASSERT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, ops->access(&vma, 0, NULL, 4, 0), -EFAULT);
	ops->open(&vma);
	ops->close(&vma);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->opens), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->closes), 1);
}

/* G2: a method that inserts entries is waited for, or kept out. */
static void revoke_mm_insert_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PFN);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_SHARED);
	struct toy_task *inserter, *revoker;

	inserter = toy_run(test, toy, file, addr, do_insert);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	revoker = toy_run(test, toy, file, 0, do_revoke);
	KUNIT_ASSERT_TRUE(test, came(&toy->kicked));
	KUNIT_EXPECT_TRUE(test, stays_away(&revoker->done));
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->releases), 0);

	toy_let_go(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, inserter), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	expect_gone(test, addr);

	inserter = toy_run(test, toy, file, addr, do_insert);
	KUNIT_EXPECT_EQ(test, toy_result(test, inserter), -ENODEV);
	expect_gone(test, addr);
	unmap(test, addr);
}

/* Also where methods begin their uses themselves. */
static void revoke_mm_own_uses_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new_flags(test, c->shape, REVOKABLE_OWN_USES |
						REVOKABLE_CLOSE_AT_RELEASE);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_SHARED);

	expect_mapped(test, addr);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	expect_gone(test, addr);
	KUNIT_EXPECT_EQ(test, try_map(file, 0, 0, NR_PAGES, MAP_SHARED),
			-EIDRM);
	unmap(test, addr);
}

static bool toy_populates(const struct toy *toy)
{
	return toy->shape == TOY_INSERT_PAGE || toy->shape == TOY_REMAP_PFN ||
	       toy->shape == TOY_PREPARE_REMAP;
}

static void expect_middle_gone(struct kunit *test, unsigned long addr)
{
	KUNIT_EXPECT_EQ(test, present_ptes(addr), NR_PAGES - 2);
	KUNIT_EXPECT_EQ(test, touch_page(addr, 0), 'A');
	KUNIT_EXPECT_EQ(test, touch_page(addr, 1), -EFAULT);
	KUNIT_EXPECT_EQ(test, touch_page(addr, 2), -EFAULT);
	KUNIT_EXPECT_EQ(test, touch_page(addr, 3), 'A' + 3);
}

/* A part goes, in all mappings; the rest stays, and so does the file. */
static void revoke_mm_range_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	struct toy *other = toy_new(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr[4];
	int i;

	addr[0] = map_toy(test, file, MAP_SHARED);
	addr[1] = map_toy(test, toy_file_new(test, toy), MAP_SHARED);
	/* All have the same address_space. */
	addr[2] = map_toy(test, toy_file_new(test, other), MAP_SHARED);
	addr[3] = map_toy(test, toy_plain_file(test, toy), MAP_SHARED);
	for (i = 0; i < ARRAY_SIZE(addr); i++)
		expect_mapped(test, addr[i]);

	toy_take(toy);
	revokable_zap_range(toy->r, 1, 2);
	expect_middle_gone(test, addr[0]);
	expect_middle_gone(test, addr[1]);
	KUNIT_EXPECT_EQ(test, present_ptes(addr[2]), NR_PAGES);
	KUNIT_EXPECT_EQ(test, present_ptes(addr[3]), NR_PAGES);
	KUNIT_EXPECT_FALSE(test, file_revoked(file));
	KUNIT_EXPECT_EQ(test, try_map(file, 0, 0, NR_PAGES, MAP_SHARED),
			(unsigned long)-ENXIO);

	/* What the driver gives back is there again, if there are faults. */
	memset(toy->taken, 0, sizeof(toy->taken));
	if (!toy_populates(toy))
		KUNIT_EXPECT_EQ(test, touch_page(addr[0], 1), 'B');
	for (i = 0; i < ARRAY_SIZE(addr); i++)
		unmap(test, addr[i]);
}

/* To be inside of another object is no reason to wait, or to complain. */
static void revoke_mm_range_elsewhere_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PAGE);
	struct toy *other = toy_new_of_another_class(test);
	struct file *file = toy_file_new(test, other);
	unsigned long addr = map_toy(test, toy_file_new(test, toy), MAP_SHARED);
	struct file_use use;

	expect_mapped(test, addr);
	toy_take(toy);
	KUNIT_EXPECT_TRUE(test, start_using(file, &use));
	revokable_zap_range(toy->r, 1, 2);
	stop_using(&use);
	expect_middle_gone(test, addr);
	unmap(test, addr);
}

/* The ends of the range, and mappings of a part. */
static void revoke_mm_range_ends_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PAGE);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr, part;

	addr = map_toy(test, file, MAP_SHARED);
	part = try_map(file, 0, 2, 2, MAP_SHARED);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(part));
	expect_mapped(test, addr);
	KUNIT_EXPECT_EQ(test, touch_page(part, 0), 'C');
	KUNIT_EXPECT_EQ(test, touch_page(part, 1), 'D');

	toy->taken[0] = true;
	revokable_zap_range(toy->r, 0, 1);
	KUNIT_EXPECT_EQ(test, present_ptes(addr), 3);
	toy->taken[3] = true;
	revokable_zap_range(toy->r, 3, 0);
	KUNIT_EXPECT_EQ(test, present_ptes(addr), 2);
	KUNIT_EXPECT_EQ(test, touch_page(part, 0), 'C');
	KUNIT_EXPECT_EQ(test, touch_page(part, 1), -EFAULT);
	/* Nothing is there, and it does not wrap around. */
	revokable_zap_range(toy->r, NR_PAGES, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, present_ptes(addr), 2);
	revokable_zap_range(toy->r, 0, 0);
	KUNIT_EXPECT_EQ(test, present_ptes(addr), 0);
	KUNIT_EXPECT_EQ(test, vm_munmap(part, 2 * PAGE_SIZE), 0);
	unmap(test, addr);
}

/* Private copies of the part go with it, those of the rest stay. */
static void revoke_mm_range_private_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PAGE);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_PRIVATE);

	expect_mapped(test, addr);
	KUNIT_EXPECT_EQ(test, scribble(addr, 'y'), 0);
	KUNIT_EXPECT_EQ(test, scribble(addr + PAGE_SIZE, 'z'), 0);
	revokable_zap_range(toy->r, 1, 2);
	KUNIT_EXPECT_EQ(test, present_ptes(addr), NR_PAGES - 2);
	KUNIT_EXPECT_EQ(test, touch_page(addr, 0), 'y');
	KUNIT_EXPECT_EQ(test, touch_page(addr, 1), 'B');
	unmap(test, addr);
}

static const struct toy_case given_cases[] = {
	{ "mmap", TOY_FAULT_PAGE },
	{ "mmap_prepare", TOY_PREPARE_FAULT },
};

KUNIT_ARRAY_PARAM_DESC(given, given_cases, name);

static const struct toy_case fault_cases[] = {
	{ "fault page", TOY_FAULT_PAGE },
	{ "fault pfn", TOY_FAULT_PFN },
	{ "mmap_prepare fault", TOY_PREPARE_FAULT },
};

KUNIT_ARRAY_PARAM_DESC(fault, fault_cases, name);

/* A fault that has looked before the driver's change, and inserts after it. */
static void expect_awaits_fault(struct kunit *test, struct toy *toy,
				struct file *file, struct file *used,
				long (*touches)(struct toy_task *t))
{
	unsigned long addr = map_toy(test, file, MAP_SHARED);
	struct toy_task *toucher, *zapper;
	int ret;

	KUNIT_EXPECT_EQ(test, touch_page(addr, 2), 'C');
	toy->fault_blocks = 1;
	toucher = toy_run(test, toy, used, addr + PAGE_SIZE, touches);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	toy_take(toy);
	zapper = toy_run(test, toy, file, 0, do_zap_range);
	KUNIT_EXPECT_TRUE(test, stays_away(&zapper->done));
	/* What had been there before does not last that long. */
	KUNIT_EXPECT_EQ(test, present_ptes(addr), 0);

	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, zapper), 0);
	/* It may have been there for a moment. */
	ret = toy_result(test, toucher);
	if (ret != -EFAULT)
		KUNIT_EXPECT_EQ(test, ret, 'B');
	KUNIT_EXPECT_EQ(test, present_ptes(addr), 0);
	KUNIT_EXPECT_EQ(test, touch_page(addr, 1), -EFAULT);
	unmap(test, addr);
}

static void revoke_mm_range_fault_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	struct file *file = toy_file_new(test, toy);

	expect_awaits_fault(test, toy, file, file, do_touch);
}

/* Likewise of whom nobody knows what it is in. */
static void revoke_mm_range_unnamed_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PFN);
	struct toy *other = toy_new(test, TOY_FAULT_PFN);

	expect_awaits_fault(test, toy, toy_file_new(test, toy),
			    toy_file_new(test, other), do_touch_unnamed);
}

/* Likewise an mmap, whose VMA the first of the two walks cannot find. */
static void revoke_mm_range_mmap_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *mapper, *zapper;

	toy->mmap_waits = true;
	mapper = toy_run(test, toy, file, 0, do_map_and_count);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	toy_take(toy);
	zapper = toy_run(test, toy, file, 0, do_zap_range);
	KUNIT_EXPECT_TRUE(test, stays_away(&zapper->done));

	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, zapper), 0);
	KUNIT_EXPECT_TRUE(test, came(&mapper->mapped));
	toy_let_go(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, mapper),
			toy_populates(toy) ? NR_PAGES - 2 : 0);
}

/* Who comes while it waits is not waited for. */
static void revoke_mm_range_newcomer_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PFN);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_SHARED);
	struct toy_task *mapper, *zapper, *toucher;

	toy->mmap_waits = true;
	mapper = toy_run(test, toy, file, 0, do_map_and_count);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	toy_take(toy);
	zapper = toy_run(test, toy, file, 0, do_zap_range);
	KUNIT_EXPECT_TRUE(test, stays_away(&zapper->done));
	toy->fault_blocks = 3;
	toy->fault_held = true;
	toucher = toy_run(test, toy, file, addr + 3 * PAGE_SIZE, do_touch);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));

	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, zapper), 0);
	KUNIT_EXPECT_FALSE(test, completion_done(&toucher->done));
	toy_let_go(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, toucher), 'D');
	KUNIT_EXPECT_EQ(test, toy_result(test, mapper), 0);
	unmap(test, addr);
}

/*
 * Claims of physical memory.  It is the toys' own, as they say: nothing is really
 * mapped that low.
 */

/* Of all objects that have it, and of nobody else, the part goes. */
static void revoke_mm_claim_test(struct kunit *test)
{
	struct toy *toy[3];
	struct file *file[3];
	unsigned long addr[3];
	int i;

	for (i = 0; i < ARRAY_SIZE(toy); i++) {
		toy[i] = toy_new(test, TOY_INSERT_PAGE);
		toy[i]->iomem = i < 2;
		file[i] = toy_file_new(test, toy[i]);
		addr[i] = map_toy(test, file[i], MAP_SHARED);
	}
	KUNIT_EXPECT_TRUE(test, iomem_is_mapped());
	revoke_iomem(NR_PAGES, NR_PAGES + 1);
	for (i = 0; i < ARRAY_SIZE(toy); i++)
		KUNIT_EXPECT_EQ(test, present_ptes(addr[i]), NR_PAGES);

	toy_take(toy[0]);
	toy_take(toy[1]);
	revoke_iomem(1, 2);
	expect_middle_gone(test, addr[0]);
	expect_middle_gone(test, addr[1]);
	KUNIT_EXPECT_EQ(test, present_ptes(addr[2]), NR_PAGES);
	revoke_iomem(0, NR_PAGES);
	KUNIT_EXPECT_EQ(test, present_ptes(addr[0]), 0);
	KUNIT_EXPECT_EQ(test, present_ptes(addr[1]), 0);
	KUNIT_EXPECT_FALSE(test, file_revoked(file[0]));
	for (i = 0; i < ARRAY_SIZE(toy); i++)
		unmap(test, addr[i]);
}

/* What is found is all that a file has mapped, in whatever order. */
static void revoke_mm_claim_grows_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_INSERT_PAGE);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr[NR_PAGES];
	static const int order[NR_PAGES] = { 2, 3, 0, 1 };
	int i;

	toy->iomem = true;
	for (i = 0; i < NR_PAGES; i++) {
		addr[i] = try_map(file, 0, order[i], 1, MAP_SHARED);
		KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr[i]));
	}
	for (i = 0; i < NR_PAGES; i++) {
		toy->taken[order[i]] = true;
		revoke_iomem(order[i], order[i]);
		KUNIT_EXPECT_EQ(test, touch_page(addr[i], 0), -EFAULT);
		if (i + 1 < NR_PAGES)
			KUNIT_EXPECT_EQ(test, touch_page(addr[i + 1], 0),
					'A' + order[i + 1]);
	}
	for (i = 0; i < NR_PAGES; i++)
		KUNIT_EXPECT_EQ(test, vm_munmap(addr[i], PAGE_SIZE), 0);
}

/*
 *	mmap(2)				a claim
 *	tells what it maps
 *	sees that it is free
 *					it is claimed
 *					zaps what there is: nothing
 *	makes page table entries
 *					waits for the use, and zaps again
 */
static void revoke_mm_claim_mmap_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_REMAP_PFN);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *mapper, *claimer;

	toy->iomem = true;
	toy->mmap_waits = true;
	mapper = toy_run(test, toy, file, 0, do_map_and_count);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	toy_take(toy);
	claimer = toy_run(test, toy, file, 0, do_claim);
	KUNIT_ASSERT_TRUE(test, stays_away(&claimer->done));

	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, claimer), 0);
	KUNIT_EXPECT_TRUE(test, came(&mapper->mapped));
	toy_let_go(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, mapper), NR_PAGES - 2);
}

/* With the last file that has mapped it, a claim costs nothing again. */
static void revoke_mm_claim_unmapped_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_INSERT_PAGE);
	struct file *file = toy_file_new(test, toy);
	bool before = iomem_is_mapped();
	unsigned long addr;

	toy->iomem = true;
	addr = map_toy(test, file, MAP_SHARED);
	KUNIT_EXPECT_TRUE(test, iomem_is_mapped());
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, iomem_is_mapped(), before);
	unmap(test, addr);
}

/* Who is in another method is not waited for, the caller included. */
static void revoke_mm_range_method_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PAGE);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_SHARED);
	struct toy_task *zapper;

	expect_mapped(test, addr);
	toy_use(test, toy, file);
	toy_take(toy);
	zapper = toy_run(test, toy, file, 0, do_zap_range_inside);
	KUNIT_EXPECT_EQ(test, toy_result(test, zapper), 0);
	expect_middle_gone(test, addr);
	toy_let_go(toy);
	unmap(test, addr);
}

#ifdef __HAVE_PFNMAP_TRACKING
/* What a new user gets who asks for this; it depends on who is there. */
static enum page_cache_mode memtype(unsigned long pfn, pgprot_t prot)
{
	if (pfnmap_track(pfn, SIZE, &prot))
		return _PAGE_CACHE_MODE_NUM;
	pfnmap_untrack(pfn, SIZE);
	return pgprot2cachemode(prot);
}

/* G4: stale mappings do not keep the memory type; and do not free another's. */
static void revoke_mm_memtype_test(struct kunit *test)
{
	/* Where nothing is, and nothing is touched. */
	const unsigned long pfn = (1UL << (boot_cpu_data.x86_phys_bits - 1)) >>
				  PAGE_SHIFT;
	const pgprot_t wc = pgprot_writecombine(PAGE_KERNEL);
	const pgprot_t uc = pgprot_noncached(PAGE_KERNEL);
	struct toy *toy = toy_new(test, TOY_REMAP_PFN);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr;
	pgprot_t prot = wc;

	KUNIT_ASSERT_EQ(test, memtype(pfn, wc), _PAGE_CACHE_MODE_WC);
	toy->pfn = pfn;
	addr = map_toy(test, file, MAP_SHARED);
	if (memtype(pfn, wc) == _PAGE_CACHE_MODE_WC) {
		unmap(test, addr);
		kunit_skip(test, "memory types are not tracked");
	}
	KUNIT_EXPECT_EQ(test, memtype(pfn, wc), _PAGE_CACHE_MODE_UC_MINUS);
	/* A part that goes leaves the rest, and the tracking of all of it. */
	KUNIT_EXPECT_EQ(test, vm_munmap(addr + PAGE_SIZE, PAGE_SIZE), 0);
	revokable_zap_range(toy->r, 0, 0);
	KUNIT_EXPECT_EQ(test, memtype(pfn, wc), _PAGE_CACHE_MODE_UC_MINUS);

	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, memtype(pfn, wc), _PAGE_CACHE_MODE_WC);

	KUNIT_ASSERT_EQ(test, pfnmap_track(pfn, SIZE, &prot), 0);
	unmap(test, addr);
	KUNIT_EXPECT_EQ(test, memtype(pfn, uc), _PAGE_CACHE_MODE_WC);
	pfnmap_untrack(pfn, SIZE);
	KUNIT_EXPECT_EQ(test, memtype(pfn, uc), _PAGE_CACHE_MODE_UC_MINUS);
}

/* Without a revoke, the last VMA does it. */
static void revoke_mm_memtype_unmapped_test(struct kunit *test)
{
	const unsigned long pfn = (1UL << (boot_cpu_data.x86_phys_bits - 1)) >>
				  PAGE_SHIFT;
	const pgprot_t wc = pgprot_writecombine(PAGE_KERNEL);
	struct toy *toy = toy_new(test, TOY_REMAP_PFN);
	unsigned long addr;

	toy->pfn = pfn;
	addr = map_toy(test, toy_file_new(test, toy), MAP_SHARED);
	unmap(test, addr);
	KUNIT_EXPECT_EQ(test, memtype(pfn, wc), _PAGE_CACHE_MODE_WC);
}
#endif

/* A VMA is revokable iff its file is, which is how 32-bit finds out. */
static void revoke_mm_flag_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	unsigned long addr[3];
	struct vm_area_struct *vma;
	int i;

	addr[0] = map_toy(test, toy_file_new(test, toy), MAP_SHARED);
	addr[1] = map_toy(test, toy_plain_file(test, toy), MAP_SHARED);
	addr[2] = map_toy(test, NULL, MAP_PRIVATE | MAP_ANONYMOUS);
	mmap_read_lock(current->mm);
	for (i = 0; i < ARRAY_SIZE(addr); i++) {
		vma = vma_lookup(current->mm, addr[i]);
		KUNIT_EXPECT_NOT_NULL(test, vma);
		if (!vma)
			continue;
		KUNIT_EXPECT_EQ(test, vma_is_revokable(vma), i == 0);
		KUNIT_EXPECT_EQ(test, vma->vm_file &&
				file_is_revokable(vma->vm_file), i == 0);
		if (IS_ENABLED(CONFIG_64BIT))
			KUNIT_EXPECT_EQ(test, !!(vma->vm_flags & VM_REVOKABLE),
					i == 0);
		if (i < 2)
			KUNIT_EXPECT_EQ(test, vma->vm_ops == toy->vm_ops,
					i == 1);
	}
	mmap_read_unlock(current->mm);
	for (i = 0; i < ARRAY_SIZE(addr); i++)
		unmap(test, addr[i]);
}

/* The driver, or who does not set the flag, is not asked; and none undoes it. */
static void revoke_mm_dontcopy_test(struct kunit *test)
{
	const vm_flags_t dontcopy = VM_DONTCOPY | VM_DONTEXPAND;
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new_flags(test, c->shape, REVOKABLE_DONTCOPY);
	struct toy *other = toy_new(test, c->shape);
	struct vm_area_struct *vma;
	unsigned long addr[3];
	int i;

	addr[0] = map_toy(test, toy_file_new(test, toy), MAP_SHARED);
	addr[1] = map_toy(test, toy_plain_file(test, toy), MAP_SHARED);
	addr[2] = map_toy(test, toy_file_new(test, other), MAP_SHARED);
	KUNIT_EXPECT_EQ(test, -EINVAL, do_madvise(current->mm, addr[0], SIZE,
						  MADV_DOFORK));
	mmap_read_lock(current->mm);
	for (i = 0; i < ARRAY_SIZE(addr); i++) {
		vma = vma_lookup(current->mm, addr[i]);
		KUNIT_EXPECT_NOT_NULL(test, vma);
		if (!vma)
			continue;
		KUNIT_EXPECT_EQ(test, (vma->vm_flags & dontcopy) == dontcopy,
				i == 0);
		KUNIT_EXPECT_EQ(test, !!(vma->vm_flags & VM_DONTCOPY), i == 0);
	}
	mmap_read_unlock(current->mm);
	expect_mapped(test, addr[0]);
	for (i = 0; i < ARRAY_SIZE(addr); i++)
		unmap(test, addr[i]);
}

/* It is the new file that governs a mapping which has been given to it. */
static void revoke_mm_given_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new_flags(test, c->shape, REVOKABLE_DONTCOPY);
	struct file *file = toy_file_new(test, toy);
	struct vm_area_struct *vma;
	unsigned long addr;

	toy->gives_to = toy_plain_file(test, toy);
	addr = map_toy(test, file, MAP_SHARED);
	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, addr);
	KUNIT_EXPECT_NOT_NULL(test, vma);
	if (vma) {
		KUNIT_EXPECT_PTR_EQ(test, vma->vm_file, toy->gives_to);
		KUNIT_EXPECT_FALSE(test, vma_is_revokable(vma));
		KUNIT_EXPECT_EQ(test, vma->vm_flags &
				(VM_DONTCOPY | VM_DONTEXPAND), 0);
	}
	mmap_read_unlock(current->mm);
	unmap(test, addr);
}

/*
 * A file whose ->mmap hands the mapping on to a revokable one: nothing is to
 * be mapped in a use that ends before the VMA can be found.
 */
static void revoke_mm_nested_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	struct toy *outer = toy_new(test, TOY_FAULT_PAGE);
	struct file *file = toy_file_new(test, toy);
	struct file *outers[2] = {
		toy_plain_file(test, outer), toy_file_new(test, outer)
	};
	unsigned long addr;
	int i;

	outer->gives_to = file;
	outer->nests = true;
	for (i = 0; i < ARRAY_SIZE(outers); i++) {
		KUNIT_EXPECT_EQ(test, try_map(outers[i], 0, 0, NR_PAGES,
					      MAP_SHARED),
				(unsigned long)-EINVAL);
		KUNIT_EXPECT_EQ(test, atomic_read(&toy->mmaps), 0);
	}
	addr = map_toy(test, file, MAP_SHARED);
	expect_mapped(test, addr);
	for (i = 0; i < ARRAY_SIZE(outers); i++) {
		KUNIT_EXPECT_EQ(test, try_map(outers[i], 0, 0, NR_PAGES,
					      MAP_SHARED),
				(unsigned long)-EINVAL);
		KUNIT_EXPECT_EQ(test, atomic_read(&toy->mmaps), 1);
	}
	unmap(test, addr);
}

/* Mappings side by side become one if those of any other file would. */
static void revoke_mm_merge_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	struct file *file[2] = {
		toy_plain_file(test, toy), toy_file_new(test, toy)
	};
	unsigned int vmas[2];
	unsigned long addr;
	int i, page;

	for (i = 0; i < 2; i++) {
		addr = map_toy(test, file[i], MAP_SHARED);
		KUNIT_EXPECT_EQ(test, vm_munmap(addr + PAGE_SIZE,
						SIZE - PAGE_SIZE), 0);
		for (page = 1; page < NR_PAGES; page++)
			KUNIT_EXPECT_EQ(test, addr + page * PAGE_SIZE,
					try_map(file[i],
						addr + page * PAGE_SIZE, page,
						1, MAP_SHARED));
		vmas[i] = count_vmas(addr);
		expect_mapped(test, addr);
		if (i) {
			KUNIT_EXPECT_EQ(test, revoke_file(file[i]), 0);
			expect_gone(test, addr);
		}
		unmap(test, addr);
	}
	KUNIT_EXPECT_EQ(test, vmas[0], vmas[1]);
	if (c->shape == TOY_FAULT_PAGE)
		KUNIT_EXPECT_EQ(test, vmas[1], 1);
}

/* G2: fault and revoke at once: nothing is left behind. */
static void revoke_mm_race_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	int round;

	for (round = 0; round < 25; round++) {
		struct file *file = toy_file_new(test, toy);
		unsigned long addr = map_toy(test, file, MAP_SHARED);
		struct toy_task *user[2], *revoker;
		int i;

		for (i = 0; i < 2; i++)
			user[i] = toy_run(test, toy, file,
					  addr + i * PAGE_SIZE, do_touch);
		revoker = toy_run(test, toy, file, 0, do_revoke);
		touch_page(addr, 2);
		for (i = 0; i < 2; i++) {
			toy_result(test, user[i]);
			if (user[i]->ret != -EFAULT)
				KUNIT_ASSERT_EQ(test, user[i]->ret, 'A' + i);
		}
		KUNIT_ASSERT_EQ(test, toy_result(test, revoker), 0);
		expect_gone(test, addr);
		unmap(test, addr);
	}
}

/* Suspended: what was mapped is gone, and comes back. */
static void revoke_mm_suspend_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_SHARED);
	int round;

	for (round = 0; round < 3; round++) {
		expect_mapped(test, addr);
		KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
		/* What the kernel does for a task does not wait. */
		expect_gone(test, addr);
		revokable_resume(toy->r);
	}
	expect_mapped(test, addr);
	KUNIT_EXPECT_EQ(test, scribble(addr, 'A'), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->releases), 0);
	unmap(test, addr);
}

/* Who holds nothing waits, without the lock; others do not, see touch(). */
static void revoke_mm_suspend_fixup_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_SHARED);
	bool locked, unlocked = false;
	struct toy_task *user;

	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
	mmap_read_lock(toy->mm);
	KUNIT_EXPECT_EQ(test, fixup_user_fault(toy->mm, addr, 0, &unlocked),
			-EFAULT);
	mmap_read_unlock(toy->mm);
	KUNIT_EXPECT_FALSE(test, unlocked);

	user = toy_run(test, toy, file, addr, do_fixup);
	KUNIT_EXPECT_TRUE(test, stays_away(&user->done));
	locked = down_write_trylock(&toy->mm->mmap_lock);
	KUNIT_EXPECT_TRUE(test, locked);
	if (locked)
		up_write(&toy->mm->mmap_lock);
	revokable_resume(toy->r);
	KUNIT_EXPECT_EQ(test, toy_result(test, user), 0);
	KUNIT_EXPECT_EQ(test, present_ptes(addr), 1);
	unmap(test, addr);
}

/* Private copies stay, reachable or not; a revoke takes them. */
static void revoke_mm_suspend_private_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_PRIVATE);

	KUNIT_EXPECT_EQ(test, scribble(addr, 'x'), 0);
	KUNIT_EXPECT_EQ(test, touch_page(addr, 1), 'B');
	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
	KUNIT_EXPECT_EQ(test, present_ptes(addr), 1);
	KUNIT_EXPECT_EQ(test, touch(addr), 'x');
	KUNIT_EXPECT_EQ(test, touch_page(addr, 1), -EFAULT);
	revokable_resume(toy->r);
	KUNIT_EXPECT_EQ(test, touch(addr), 'x');
	KUNIT_EXPECT_EQ(test, touch_page(addr, 1), 'B');
	KUNIT_EXPECT_EQ(test, scribble(addr + PAGE_SIZE, 'y'), 0);
	KUNIT_EXPECT_EQ(test, touch_page(addr, 1), 'y');
	KUNIT_EXPECT_EQ(test, *(u8 *)page_address(toy->pages + 1), 'B');

	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	revokable_resume(toy->r);
	expect_gone(test, addr);
	unmap(test, addr);
}

/*
 * revokable_fault_pfn() maps nothing but the driver's memory, whatever offset
 * user space asks for.  In private mappings, that is a PFN.
 */
static void revoke_mm_fault_pfn_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PFN);
	struct file *file = toy_file_new(test, toy);
	unsigned long pfn = page_to_pfn(toy->pages);
	unsigned long addr, secret = get_zeroed_page(GFP_KERNEL);

	KUNIT_ASSERT_NE(test, secret, 0);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, toy_free_page,
						  (void *)secret));
	toy->vm_ops = &toy_vm_ops_any;

	addr = try_map(file, 0, PHYS_PFN(__pa(secret)), 1, MAP_PRIVATE);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	KUNIT_EXPECT_EQ(test, touch(addr), -EFAULT);
	KUNIT_EXPECT_EQ(test, vm_munmap(addr, PAGE_SIZE), 0);

	addr = try_map(file, 0, pfn + 1, NR_PAGES, MAP_PRIVATE);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	KUNIT_EXPECT_EQ(test, touch(addr), 'B');
	KUNIT_EXPECT_EQ(test, touch_page(addr, NR_PAGES - 1), -EFAULT);
	unmap(test, addr);

	addr = try_map(file, 0, 1, NR_PAGES, MAP_SHARED);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	KUNIT_EXPECT_EQ(test, touch(addr), 'B');
	KUNIT_EXPECT_EQ(test, touch_page(addr, NR_PAGES - 1), -EFAULT);
	unmap(test, addr);
}

/* A fault inside of a use that is waited for is let in, and zapped. */
static void revoke_mm_suspend_inside_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PFN);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_SHARED);
	struct toy_task *suspender;
	struct file_use use;

	/* No assertions while records are on the stack */
	KUNIT_EXPECT_TRUE(test, start_using(file, &use));
	suspender = toy_run(test, toy, file, 0, do_suspend);
	while (!file_suspended(file))
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_EQ(test, touch(addr), 'A');
	KUNIT_EXPECT_EQ(test, present_ptes(addr), 1);
	stop_using(&use);
	KUNIT_EXPECT_EQ(test, toy_result(test, suspender), 0);
	expect_gone(test, addr);
	revokable_resume(toy->r);
	unmap(test, addr);
}

/* A fault whose file has been closed keeps a suspend waiting, too. */
static void revoke_mm_suspend_orphan_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PAGE);
	struct toy_task *toucher = toy_orphan(test, toy);
	struct toy_task *suspender;

	suspender = toy_run(test, toy, toucher->file, 0, do_suspend);
	KUNIT_EXPECT_TRUE(test, stays_away(&suspender->done));
	toy_open_gate(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, suspender), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, toucher), -EFAULT);
	revokable_resume(toy->r);
}

/* When what is mapped already, of another object, is being unmapped. */
static long do_suspend_inside(struct toy_task *t)
{
	struct toy *other = (struct toy *)t->addr;
	long ret = -ETIME;

	if (came(&other->inside))
		ret = revokable_suspend(t->toy->r);
	return ret;
}

static long do_open_gate_suspended(struct toy_task *t)
{
	struct toy *other = (struct toy *)t->addr;
	unsigned long end = jiffies + TIMEOUT;

	while (!file_suspended(t->file) && time_before(jiffies, end))
		schedule_timeout_uninterruptible(1);
	toy_open_gate(other);
	return 0;
}

/*
 * A method of a file that is being revoked maps another one, which is suspended
 * after it has looked: nobody was seen inside, and nothing mapped.
 */
static void revoke_mm_suspend_mmap_inside_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_INSERT_PAGE);
	struct toy *other = toy_new(test, TOY_FAULT_PAGE);
	struct file *outer = toy_file_new(test, toy);
	struct file *file = toy_file_new(test, toy);
	struct toy_task *revoker, *suspender;
	struct file_use use;
	unsigned long addr;

	other->vm_ops = &toy_vm_ops_close;
	other->close_waits = true;
	addr = map_toy(test, toy_plain_file(test, other), MAP_SHARED);
	/* No assertions while records are on the stack */
	KUNIT_EXPECT_TRUE(test, start_using(outer, &use));
	revoker = toy_run(test, toy, outer, 0, do_revoke);
	while (!file_revoked(outer))
		schedule_timeout_uninterruptible(1);
	suspender = toy_run(test, toy, file, (unsigned long)other,
			    do_suspend_inside);
	toy_run(test, toy, file, (unsigned long)other, do_open_gate_suspended);
	KUNIT_EXPECT_EQ(test, try_map(file, addr, 0, NR_PAGES, MAP_SHARED),
			addr);
	KUNIT_EXPECT_EQ(test, present_ptes(addr), NR_PAGES);
	stop_using(&use);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, suspender), 0);
	KUNIT_EXPECT_EQ(test, present_ptes(addr), 0);
	revokable_resume(toy->r);
	unmap(test, addr);
}

/* A method that inserts is waited for, and refused from then on. */
static void revoke_mm_suspend_insert_test(struct kunit *test)
{
	struct toy *toy = toy_new(test, TOY_FAULT_PFN);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_SHARED);
	struct toy_task *inserter, *suspender;

	inserter = toy_run(test, toy, file, addr, do_insert);
	KUNIT_ASSERT_TRUE(test, came(&toy->inside));
	suspender = toy_run(test, toy, file, 0, do_suspend);
	KUNIT_EXPECT_TRUE(test, stays_away(&suspender->done));
	toy_let_go(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, inserter), 0);
	KUNIT_EXPECT_EQ(test, toy_result(test, suspender), 0);
	KUNIT_EXPECT_EQ(test, present_ptes(addr), 0);

	inserter = toy_run(test, toy, file, addr, do_insert);
	KUNIT_EXPECT_EQ(test, toy_result(test, inserter), -ENODEV);
	KUNIT_EXPECT_EQ(test, present_ptes(addr), 0);
	revokable_resume(toy->r);
	inserter = toy_run(test, toy, file, addr, do_insert);
	KUNIT_EXPECT_EQ(test, toy_result(test, inserter), 0);
	KUNIT_EXPECT_EQ(test, present_ptes(addr), 1);
	unmap(test, addr);
}

/* A part that goes while suspended does not come back with the rest. */
static void revoke_mm_suspend_range_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_SHARED);
	struct toy_task *zapper;

	expect_mapped(test, addr);
	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
	toy_take(toy);
	zapper = toy_run(test, toy, file, 0, do_zap_range);
	KUNIT_EXPECT_EQ(test, toy_result(test, zapper), 0);
	expect_gone(test, addr);
	KUNIT_EXPECT_TRUE(test, file_suspended(file));
	revokable_resume(toy->r);
	KUNIT_EXPECT_EQ(test, touch_page(addr, 0), 'A');
	KUNIT_EXPECT_EQ(test, touch_page(addr, 3), 'A' + 3);
	expect_middle_gone(test, addr);
	unmap(test, addr);
}

#ifdef __HAVE_PFNMAP_TRACKING
/* It is going to be mapped again, so nobody else gets to choose. */
static void revoke_mm_suspend_memtype_test(struct kunit *test)
{
	const unsigned long pfn = (1UL << (boot_cpu_data.x86_phys_bits - 1)) >>
				  PAGE_SHIFT;
	const pgprot_t wc = pgprot_writecombine(PAGE_KERNEL);
	struct toy *toy = toy_new(test, TOY_REMAP_PFN);
	enum page_cache_mode mode;
	unsigned long addr;

	toy->pfn = pfn;
	addr = map_toy(test, toy_file_new(test, toy), MAP_SHARED);
	mode = memtype(pfn, wc);
	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
	KUNIT_EXPECT_EQ(test, memtype(pfn, wc), mode);
	revokable_resume(toy->r);
	KUNIT_EXPECT_EQ(test, memtype(pfn, wc), mode);
	unmap(test, addr);
}
#endif

/* Who cannot wait is told so, and has nothing unmapped. */
static void revoke_mm_suspend_mmap_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_SHARED);

	file->f_flags |= O_NONBLOCK;
	KUNIT_EXPECT_EQ(test, revokable_suspend(toy->r), 0);
	KUNIT_EXPECT_EQ(test, try_map(file, 0, 0, NR_PAGES, MAP_SHARED),
			(unsigned long)-EAGAIN);
	KUNIT_EXPECT_EQ(test, try_map(file, addr, 0, NR_PAGES, MAP_SHARED),
			(unsigned long)-EAGAIN);
	KUNIT_EXPECT_EQ(test, count_vmas(addr), 1);
	revokable_resume(toy->r);
	expect_mapped(test, addr);
	unmap(test, addr);
}

/*
 * Dead pages
 */

static void toy_fill_dead_page(const struct vm_operations_struct *vm_ops,
			       void *page)
{
	if (vm_ops == &toy_vm_ops)
		memset(page, 'd', PAGE_SIZE);
}

static struct toy *toy_new_dead(struct kunit *test, enum toy_shape shape)
{
	struct toy *toy = toy_new_flags(test, shape,
					REVOKABLE_CLOSE_AT_RELEASE |
					REVOKABLE_DEAD_PAGES);

	toy->ops.fill_dead_page = toy_fill_dead_page;
	return toy;
}

static int note_pfn(pte_t *pte, unsigned long addr, unsigned long next,
		    struct mm_walk *walk)
{
	unsigned long *pfn = walk->private;

	if (pte_present(ptep_get(pte)))
		*pfn = pte_pfn(ptep_get(pte));
	return 0;
}

/* The page frame that is mapped there; 0: none. */
static unsigned long mapped_pfn(unsigned long addr)
{
	static const struct mm_walk_ops ops = {
		.pte_entry	= note_pfn,
		.test_walk	= walk_any_vma,
		.walk_lock	= PGWALK_RDLOCK,
	};
	unsigned long pfn = 0;

	mmap_read_lock(current->mm);
	walk_page_range(current->mm, addr, addr + PAGE_SIZE, &ops, &pfn);
	mmap_read_unlock(current->mm);
	return pfn;
}

static void expect_toy_untouched(struct kunit *test, struct toy *toy)
{
	int i;

	for (i = 0; i < NR_PAGES; i++)
		KUNIT_EXPECT_EQ(test, *(u8 *)page_address(toy->pages + i),
				'A' + i);
}

/* Each page shows the same one, which is none of the driver's. */
static void expect_dead(struct kunit *test, struct toy *toy,
			unsigned long addr, u8 byte)
{
	unsigned long pfn, first = page_to_pfn(toy->pages);
	int i;

	for (i = 0; i < NR_PAGES; i++) {
		KUNIT_EXPECT_EQ(test, touch_page(addr, i), byte);
		pfn = mapped_pfn(addr + i * PAGE_SIZE);
		KUNIT_EXPECT_NE(test, pfn, 0UL);
		KUNIT_EXPECT_FALSE(test, pfn >= first && pfn < first + NR_PAGES);
	}
}

/* It is there at once, can be written to, and the driver is not asked. */
static void revoke_mm_dead_shared_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new_dead(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_SHARED);
	int faults;

	expect_mapped(test, addr);
	faults = atomic_read(&toy->faults);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, present_ptes(addr), 0);
	expect_dead(test, toy, addr, 'd');
	KUNIT_EXPECT_EQ(test, scribble(addr, 'w'), 0);
	expect_dead(test, toy, addr, 'w');
	KUNIT_EXPECT_EQ(test, mapped_pfn(addr), mapped_pfn(addr + PAGE_SIZE));
	expect_toy_untouched(test, toy);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->faults), faults);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->releases), 1);
	unmap(test, addr);
}

/* What is written to it is there as well if nothing had been touched before. */
static void revoke_mm_dead_untouched_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new_dead(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_SHARED);

	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, scribble(addr, 'w'), 0);
	expect_dead(test, toy, addr, 'w');
	expect_toy_untouched(test, toy);
	unmap(test, addr);
}

/* A private mapping copies it, page by page. */
static void revoke_mm_dead_private_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new_dead(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_PRIVATE);

	KUNIT_EXPECT_EQ(test, scribble(addr, 'z'), 0);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	expect_dead(test, toy, addr, 'd');
	KUNIT_EXPECT_EQ(test, scribble(addr, 'w'), 0);
	KUNIT_EXPECT_EQ(test, touch(addr), 'w');
	KUNIT_EXPECT_EQ(test, touch_page(addr, 1), 'd');
	expect_toy_untouched(test, toy);
	unmap(test, addr);
}

/* It cannot be written to where the memory could not. */
static void revoke_mm_dead_readonly_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new_dead(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = vm_mmap(file, 0, SIZE, PROT_READ, MAP_SHARED, 0);

	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, scribble(addr, 'w'), -EFAULT);
	expect_dead(test, toy, addr, 'd');
	KUNIT_EXPECT_EQ(test, scribble(addr, 'w'), -EFAULT);
	unmap(test, addr);
}

/* Access ends before the last user leaves, and there is no SIGBUS meanwhile. */
static void revoke_mm_dead_busy_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new_dead(test, c->shape);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr = map_toy(test, file, MAP_SHARED);
	struct toy_task *revoker;

	expect_mapped(test, addr);
	toy_use(test, toy, file);
	revoker = toy_run(test, toy, file, 0, do_revoke);
	KUNIT_ASSERT_TRUE(test, came(&toy->kicked));
	expect_dead(test, toy, addr, 'd');
	KUNIT_EXPECT_EQ(test, scribble(addr, 'w'), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&toy->releases), 0);

	toy_let_go(toy);
	KUNIT_EXPECT_EQ(test, toy_result(test, revoker), 0);
	expect_dead(test, toy, addr, 'w');
	expect_toy_untouched(test, toy);
	unmap(test, addr);
}

/* A file does not show what another one does, and live ones stay as they are. */
static void revoke_mm_dead_others_test(struct kunit *test)
{
	const struct toy_case *c = test->param_value;
	struct toy *toy = toy_new_dead(test, c->shape);
	struct file *files[2] = {
		toy_file_new(test, toy), toy_file_new(test, toy),
	};
	unsigned long addr[2] = {
		map_toy(test, files[0], MAP_SHARED),
		map_toy(test, files[1], MAP_SHARED),
	};

	KUNIT_EXPECT_EQ(test, revoke_file(files[0]), 0);
	KUNIT_EXPECT_EQ(test, scribble(addr[0], 'w'), 0);
	expect_mapped(test, addr[1]);
	KUNIT_EXPECT_EQ(test, revoke_file(files[1]), 0);
	expect_dead(test, toy, addr[0], 'w');
	expect_dead(test, toy, addr[1], 'd');
	unmap(test, addr[0]);
	unmap(test, addr[1]);
}

static const struct vm_operations_struct no_vm_ops;

/*
 * Each of the driver's tables has a page of its own, of zeroes if the driver has
 * nothing to say; also one that has no ->fault, or if there is no table.
 */
static void revoke_mm_dead_tables_test(struct kunit *test)
{
	struct toy *toy = toy_new_dead(test, TOY_REMAP_PFN);
	const struct vm_operations_struct *const tables[] = {
		&toy_vm_ops, &no_vm_ops, NULL,
	};
	struct file *file = toy_file_new(test, toy);
	unsigned long addr[ARRAY_SIZE(tables)];
	int i;

	for (i = 0; i < ARRAY_SIZE(tables); i++) {
		toy->vm_ops = tables[i] ?: &vma_dummy_vm_ops;
		addr[i] = map_toy(test, file, MAP_SHARED);
		expect_mapped(test, addr[i]);
	}
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	KUNIT_EXPECT_EQ(test, scribble(addr[1], '1'), 0);
	expect_dead(test, toy, addr[0], 'd');
	expect_dead(test, toy, addr[1], '1');
	expect_dead(test, toy, addr[2], 0);
	for (i = 0; i < ARRAY_SIZE(tables); i++)
		unmap(test, addr[i]);
}

/* Without a revoke, that the driver has no ->fault means what it always has. */
static void revoke_mm_dead_unpopulated_test(struct kunit *test)
{
	struct toy *toy = toy_new_dead(test, TOY_FAULT_PAGE);
	struct file *file = toy_file_new(test, toy);
	unsigned long addr;

	toy->vm_ops = &no_vm_ops;
	addr = map_toy(test, file, MAP_SHARED);
	KUNIT_EXPECT_EQ(test, touch(addr), -EFAULT);
	KUNIT_EXPECT_EQ(test, revoke_file(file), 0);
	expect_dead(test, toy, addr, 0);
	unmap(test, addr);
}

/* Whoever asks for the page to become writable is not led to the driver. */
static void revoke_mm_dead_members_test(struct kunit *test)
{
	struct toy *toy = toy_new_dead(test, TOY_FAULT_PAGE);
	struct file *file = toy_file_new(test, toy);
	const struct vm_operations_struct *ops;
	struct vm_area_struct vma = {
		.vm_file = file,
		.vm_private_data = toy,
	};
	struct vm_fault vmf = { .vma = &vma };

	ops = table_of(test, file, &full_vm_ops);
	vma.vm_ops = ops;
	EXPECT_FAULT_EQ(test, ops->fault(&vmf), VM_FAULT_NOPAGE);
	KUNIT_ASSERT_EQ(test, revoke_file(file), 0);
	EXPECT_FAULT_EQ(test, ops->huge_fault(&vmf, 0), VM_FAULT_FALLBACK);
	EXPECT_FAULT_EQ(test, ops->map_pages(&vmf, 0, 0), 0);
	EXPECT_FAULT_EQ(test, ops->pfn_mkwrite(&vmf), 0);
	EXPECT_FAULT_EQ(test, ops->fault(&vmf), 0);
	KUNIT_ASSERT_NOT_NULL(test, vmf.page);
	EXPECT_FAULT_EQ(test, ops->page_mkwrite(&vmf), VM_FAULT_LOCKED);
	KUNIT_EXPECT_TRUE(test, PageLocked(vmf.page));
	unlock_page(vmf.page);
	put_page(vmf.page);
}

static struct kunit_case revoke_mm_cases[] = {
	KUNIT_CASE_PARAM(revoke_mm_shared_test, toy_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_untouched_test, toy_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_private_test, private_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_elsewhere_test, toy_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_split_test, toy_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_others_test, toy_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_window_test, toy_gen_params),
	KUNIT_CASE(revoke_mm_busy_test),
	KUNIT_CASE(revoke_mm_orphan_test),
	KUNIT_CASE(revoke_mm_orphan_async_test),
	KUNIT_CASE(revoke_mm_orphan_inode_test),
	KUNIT_CASE_PARAM(revoke_mm_mmap_revoked_test, toy_gen_params),
	KUNIT_CASE(revoke_mm_mmap_busy_test),
	KUNIT_CASE(revoke_mm_close_test),
	KUNIT_CASE(revoke_mm_close_revoked_test),
	KUNIT_CASE(revoke_mm_close_busy_test),
	KUNIT_CASE(revoke_mm_close_refused_test),
	KUNIT_CASE(revoke_mm_tables_test),
	KUNIT_CASE(revoke_mm_tables_refused_test),
	KUNIT_CASE(revoke_mm_presence_test),
	KUNIT_CASE(revoke_mm_members_test),
	KUNIT_CASE(revoke_mm_insert_test),
	KUNIT_CASE_PARAM(revoke_mm_own_uses_test, toy_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_range_test, toy_gen_params),
	KUNIT_CASE(revoke_mm_range_elsewhere_test),
	KUNIT_CASE(revoke_mm_range_ends_test),
	KUNIT_CASE(revoke_mm_range_private_test),
	KUNIT_CASE_PARAM(revoke_mm_range_fault_test, fault_gen_params),
	KUNIT_CASE(revoke_mm_range_unnamed_test),
	KUNIT_CASE_PARAM(revoke_mm_range_mmap_test, toy_gen_params),
	KUNIT_CASE(revoke_mm_range_newcomer_test),
	KUNIT_CASE(revoke_mm_range_method_test),
	KUNIT_CASE(revoke_mm_claim_test),
	KUNIT_CASE(revoke_mm_claim_grows_test),
	KUNIT_CASE(revoke_mm_claim_mmap_test),
	KUNIT_CASE(revoke_mm_claim_unmapped_test),
#ifdef __HAVE_PFNMAP_TRACKING
	KUNIT_CASE(revoke_mm_memtype_test),
	KUNIT_CASE(revoke_mm_memtype_unmapped_test),
#endif
	KUNIT_CASE_PARAM(revoke_mm_flag_test, toy_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_dontcopy_test, toy_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_given_test, given_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_nested_test, toy_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_merge_test, toy_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_suspend_test, toy_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_suspend_fixup_test, fault_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_suspend_private_test,
			 private_gen_params),
	KUNIT_CASE(revoke_mm_fault_pfn_test),
	KUNIT_CASE(revoke_mm_suspend_inside_test),
	KUNIT_CASE(revoke_mm_suspend_orphan_test),
	KUNIT_CASE(revoke_mm_suspend_mmap_inside_test),
	KUNIT_CASE(revoke_mm_suspend_insert_test),
	KUNIT_CASE_PARAM(revoke_mm_suspend_range_test, toy_gen_params),
#ifdef __HAVE_PFNMAP_TRACKING
	KUNIT_CASE(revoke_mm_suspend_memtype_test),
#endif
	KUNIT_CASE_PARAM(revoke_mm_suspend_mmap_test, toy_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_dead_shared_test, toy_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_dead_untouched_test, toy_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_dead_private_test, private_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_dead_readonly_test, toy_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_dead_busy_test, toy_gen_params),
	KUNIT_CASE_PARAM(revoke_mm_dead_others_test, toy_gen_params),
	KUNIT_CASE(revoke_mm_dead_tables_test),
	KUNIT_CASE(revoke_mm_dead_unpopulated_test),
	KUNIT_CASE(revoke_mm_dead_members_test),
	KUNIT_CASE_PARAM_ATTR(revoke_mm_race_test, toy_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	{}
};

static struct kunit_suite revoke_mm_suite = {
	.name		= "revoke_mm",
	.test_cases	= revoke_mm_cases,
};

kunit_test_suite(revoke_mm_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of revoking mappings");
MODULE_LICENSE("GPL");
