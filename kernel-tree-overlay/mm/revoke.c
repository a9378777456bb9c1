// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings of revokable files.
 *
 * A VMA is revokable if and only if its vm_file is.
 *
 * Creation	mmap(2) holds a use of the file from before the driver's ->mmap
 *		until the VMA is in the trees and populated.  So a revoke either
 *		keeps the mmap out, or waits for it and then finds the VMA.
 *
 * Faults	handle_mm_fault() holds a use until the entry is in the page
 *		table.  So a revoke either keeps the fault out, or waits for it
 *		and then zaps what it has inserted.
 *
 * Others	who insert entries are in a method of the file.
 *
 * The driver's	vm_operations_struct is replaced, before the VMA can be seen, by
 *		one that belongs to the open file: the same members are there,
 *		but all of them lead here.  Like the file, that table lives as
 *		long as any VMA does, and does not refer to the driver once the
 *		file is revoked.  So there is no need to ever change vm_ops or
 *		flags of a VMA of another process, and thus for its mmap_lock.
 *
 * Where the object asks for it, a mapping of a revoked file does not fail but
 * shows a page of the file's own, see REVOKABLE_DEAD_PAGES.  Faults that find the
 * file revoked are no use, so nobody waits for them; nor do they get at anything
 * of the driver's: that page is the table's.  There is
 *
 *   - one for each of the driver's tables, made by the first mmap with it: so
 *     that there is no need for memory, or for the driver, when it is too late.
 *     All pages of such mappings show the same one, and all who have mapped the
 *     file share it.  What has no table of the driver's gets one for this.
 *   - in a shared mapping of PFNs, it is mapped by PFN, as those are.  It stays
 *     for as long as the file, so for as long as the VMA.
 *   - everywhere else, mixed maps included, it is mapped as a page; a private
 *     mapping shows it until it is written to, and copies it then.  Such a copy
 *     may get lost while the revoke is under way.
 *   - for reading only, if the mapping is.
 *
 * A suspend zaps at once, and again when nobody is inside any more, and leaves
 * private copies alone.  Faults of user space then wait, see
 * revokable_fault_wait(); and mmap(2) does before it takes the mmap_lock.
 *
 * ->open and ->close are gated together: both are delivered until the file is
 * about to be released, and neither is from then on: see REVOKE_CLOSED.
 *
 * Physical memory that a driver claims is taken away from whoever has mapped it,
 * through files of any object: see revoke_iomem().
 */
#include <linux/export.h>
#include <linux/interval_tree.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pfn.h>
#include <linux/revoke_internal.h>
#include <linux/slab.h>

#include <asm/tlb.h>

#include "internal.h"
#include "vma.h"

#ifdef CONFIG_MMU
/*
 * One address_space that files of the object are mapped from: those who opened
 * it through the same inode share one.  Changed under r->lock.
 */
struct revokable_mapping {
	struct list_head	node;		/* in r->mappings */
	struct address_space	*mapping;
	unsigned int		users;		/* files, and those who walk */
	struct revokable	*r;		/* that of the files */
	struct interval_tree_node iomem;	/* PFNs, under iomem_lock */
	u64			iomem_id;	/* 0: it is not in the tree */
};

/*
 * What is mapped of physical memory, or has been through files that are still
 * there.  The lock is inside of r->lock.
 */
static struct rb_root_cached iomem_tree = RB_ROOT_CACHED;
static DEFINE_SPINLOCK(iomem_lock);
static u64 iomem_last_id;
static unsigned int iomem_nodes;

/* Counts of those who have left, and which the zap gives back */
struct revoke_handed {
	struct list_head	node;		/* in r->zap_list */
	struct revoke		*rv;
	unsigned int		users;
};

/* The mappings of one open file */
struct revoke_maps {
	spinlock_t		lock;		/* for the list below */
	struct list_head	vm_ops;		/* struct revokable_vm_ops */
	struct revokable_mapping *mapping;	/* until REVOKE_GONE */
	struct revoke_handed	handed[2];	/* under r->lock, by r->zap_turn */
};

struct revokable_vm_ops {
	struct vm_operations_struct		ops;
	const struct vm_operations_struct	*real;
	struct list_head			node;	/* in revoke_maps.vm_ops */
	struct page				*dead_page;	/* REVOKABLE_DEAD_PAGES */
};

static const struct revokable_vm_ops *
table_of_vma(const struct vm_area_struct *vma)
{
	return container_of_const(vma->vm_ops, struct revokable_vm_ops, ops);
}

/* Valid while a use is held: the driver cannot be unloaded before that. */
static const struct vm_operations_struct *
real_vm_ops(const struct vm_area_struct *vma)
{
	return table_of_vma(vma)->real;
}

static void revokable_vm_open(struct vm_area_struct *vma)
{
	struct file_use use;

	if (!revoke_enter(vma->vm_file->f_revoke,
			  USE_KIND("vm_ops->open", USE_VMA), &use))
		return;
	real_vm_ops(vma)->open(vma);
	revoke_leave(&use);
}

static void revokable_vm_close(struct vm_area_struct *vma)
{
	struct file_use use;

	if (!revoke_enter(vma->vm_file->f_revoke,
			  USE_KIND("vm_ops->close", USE_VMA), &use))
		return;
	real_vm_ops(vma)->close(vma);
	revoke_leave(&use);
}

static bool has_dead_pages(const struct revoke *rv)
{
	return rv->r->flags & REVOKABLE_DEAD_PAGES;
}

/*
 * Is it the dead page that the mapping has to show?  If not, there is a use: the
 * file was not revoked when it began, and this is what refuses one.
 */
static bool vma_is_dead(const struct vm_area_struct *vma)
{
	return table_of_vma(vma)->dead_page && file_revoked(vma->vm_file);
}

static vm_fault_t dead_fault(struct vm_fault *vmf)
{
	struct page *page = table_of_vma(vmf->vma)->dead_page;
	struct vm_area_struct *vma = vmf->vma;

	/* Where there are no special entries, a page would not be told from a PFN. */
	if (vma->vm_flags & VM_PFNMAP && !vma_is_cow_mapping(vma))
		return vmf_insert_pfn(vma, vmf->address, page_to_pfn(page));
	get_page(page);
	vmf->page = page;
	return 0;
}

/*
 * These run under the use of handle_mm_fault(), or the file is revoked.
 *
 * An entry of the driver's that has been there before its file was revoked, or has
 * been inserted by somebody inside, may become writable yet: it will be zapped.
 */
static vm_fault_t revokable_vm_fault(struct vm_fault *vmf)
{
	if (vma_is_dead(vmf->vma))
		return dead_fault(vmf);
	/* Then it is there for dead pages. */
	if (!real_vm_ops(vmf->vma)->fault)
		return do_missing_fault(vmf);
	return real_vm_ops(vmf->vma)->fault(vmf);
}

static vm_fault_t revokable_vm_huge_fault(struct vm_fault *vmf,
					  unsigned int order)
{
	if (vma_is_dead(vmf->vma))
		return VM_FAULT_FALLBACK;
	return real_vm_ops(vmf->vma)->huge_fault(vmf, order);
}

static vm_fault_t revokable_vm_map_pages(struct vm_fault *vmf, pgoff_t start,
					 pgoff_t end)
{
	if (vma_is_dead(vmf->vma))
		return 0;
	return real_vm_ops(vmf->vma)->map_pages(vmf, start, end);
}

static vm_fault_t revokable_vm_page_mkwrite(struct vm_fault *vmf)
{
	if (vma_is_dead(vmf->vma)) {
		lock_page(vmf->page);
		return VM_FAULT_LOCKED;
	}
	return real_vm_ops(vmf->vma)->page_mkwrite(vmf);
}

static vm_fault_t revokable_vm_pfn_mkwrite(struct vm_fault *vmf)
{
	if (vma_is_dead(vmf->vma))
		return 0;
	return real_vm_ops(vmf->vma)->pfn_mkwrite(vmf);
}

/* Touches the memory, and whoever calls has an mmap_lock: it does not wait. */
static int revokable_vm_access(struct vm_area_struct *vma, unsigned long addr,
			       void *buf, int len, int write)
{
	struct file_use use;
	int ret;

	if (!revoke_enter_or_nested(vma->vm_file->f_revoke,
				    USE_KIND("vm_ops->access", 0), &use))
		return -EFAULT;
	ret = real_vm_ops(vma)->access(vma, addr, buf, len, write);
	revoke_leave(&use);
	return ret;
}

/*
 * What is said of the address space would have to be let in at any time, and no
 * device says it.  ->find_normal_page is called by the zap itself.
 */
static bool vm_ops_supported(const struct vm_operations_struct *ops)
{
#ifdef CONFIG_NUMA
	if (ops->set_policy || ops->get_policy)
		return false;
#endif
#ifdef CONFIG_FIND_NORMAL_PAGE
	if (ops->find_normal_page)
		return false;
#endif
	return !ops->may_split && !ops->mremap && !ops->mprotect &&
	       !ops->pagesize;
}

/*
 * Tests for presence see what they would have seen: whether VMAs merge, take
 * write notifications or are faulted in under the VMA lock depends on it.
 *
 * ->mapped is only called from within mmap, which is a use, and is not told
 * the VMA.  ->name is called without one and its result is used long after, and
 * uffd_ops is data of the driver's: these are left out.
 */
static void init_vm_ops(struct revokable_vm_ops *table,
			const struct vm_operations_struct *real)
{
	/* A new member needs a wrapper, or to be refused by vm_ops_supported(). */
	static_assert(sizeof(table->ops) ==
		      (14 + 2 * IS_ENABLED(CONFIG_NUMA) +
		       IS_ENABLED(CONFIG_FIND_NORMAL_PAGE) +
		       IS_ENABLED(CONFIG_USERFAULTFD)) * sizeof(void *));

#define wrap(op) (table->ops.op = real->op ? revokable_vm_##op : NULL)
	wrap(open);
	wrap(close);
	wrap(fault);
	wrap(huge_fault);
	wrap(map_pages);
	wrap(page_mkwrite);
	wrap(pfn_mkwrite);
	wrap(access);
#undef wrap
	table->ops.mapped = real->mapped;
	table->real = real;
	if (table->dead_page)
		table->ops.fault = revokable_vm_fault;
}

static void free_vm_ops(struct revokable_vm_ops *table)
{
	/* Who has pinned the page keeps it. */
	if (table->dead_page)
		put_page(table->dead_page);
	kfree(table);
}

static struct revokable_vm_ops *
alloc_vm_ops(struct revoke *rv, const struct vm_operations_struct *real)
{
	const struct revokable_ops *ops = rv->r->ops;
	struct revokable_vm_ops *table;

	table = kzalloc_obj(*table, GFP_KERNEL_ACCOUNT);
	if (!table)
		return NULL;
	if (has_dead_pages(rv)) {
		table->dead_page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!table->dead_page) {
			kfree(table);
			return NULL;
		}
		if (ops->fill_dead_page)
			ops->fill_dead_page(real, page_address(table->dead_page));
	}
	init_vm_ops(table, real);
	return table;
}

static struct revokable_vm_ops *
find_vm_ops(struct revoke_maps *maps, const struct vm_operations_struct *real)
{
	struct revokable_vm_ops *table;

	lockdep_assert_held(&maps->lock);
	list_for_each_entry(table, &maps->vm_ops, node) {
		if (table->real == real)
			return table;
	}
	return NULL;
}

/*
 * The table of an open file for one of the driver's.  Two tasks that map the
 * file at once get the same one: VMAs only merge if they agree on it.
 */
static struct revokable_vm_ops *
get_vm_ops(struct revoke *rv, const struct vm_operations_struct *real)
{
	struct revokable_vm_ops *table, *found;
	struct revoke_maps *maps = rv->maps;

	scoped_guard(spinlock, &maps->lock) {
		found = find_vm_ops(maps, real);
		if (found)
			return found;
	}

	table = alloc_vm_ops(rv, real);
	if (!table)
		return NULL;

	scoped_guard(spinlock, &maps->lock) {
		found = find_vm_ops(maps, real);
		if (!found)
			list_add(&table->node, &maps->vm_ops);
	}
	if (!found)
		return table;
	free_vm_ops(table);
	return found;
}

/* With the last reference to the file the last VMA has gone. */
void revoke_free_maps(struct revoke *rv)
{
	struct revoke_maps *maps = rv->maps;
	struct revokable_vm_ops *table, *next;

	list_for_each_entry_safe(table, next, &maps->vm_ops, node)
		free_vm_ops(table);
	kfree(maps);
}

static struct revokable_mapping *find_mapping(struct revokable *r,
					      struct address_space *mapping)
{
	struct revokable_mapping *m;

	lockdep_assert_held(&r->lock);
	list_for_each_entry(m, &r->mappings, node) {
		if (m->mapping == mapping)
			return m;
	}
	return NULL;
}

static void put_mapping(struct revokable_mapping *m)
{
	if (--m->users)
		return;
	if (m->iomem_id) {
		guard(spinlock)(&iomem_lock);
		interval_tree_remove(&m->iomem, &iomem_tree);
		WRITE_ONCE(iomem_nodes, iomem_nodes - 1);
	}
	list_del(&m->node);
	kfree(m);
}

static struct revoke_maps *alloc_maps(struct revoke *rv)
{
	struct revoke_maps *maps = kzalloc_obj(*maps, GFP_KERNEL_ACCOUNT);

	if (!maps)
		return NULL;
	spin_lock_init(&maps->lock);
	INIT_LIST_HEAD(&maps->vm_ops);
	maps->handed[0].rv = rv;
	maps->handed[1].rv = rv;
	return maps;
}

/* Before the first VMA is there, for whoever looks for it */
static int make_maps(struct revoke *rv)
{
	struct revokable_mapping *mapping, *found;
	struct revokable *r = rv->r;
	struct revoke_maps *maps;

	maps = alloc_maps(rv);
	mapping = kzalloc_obj(*mapping, GFP_KERNEL_ACCOUNT);
	if (!maps || !mapping) {
		kfree(maps);
		kfree(mapping);
		return -ENOMEM;
	}
	mapping->mapping = rv->file->f_mapping;
	mapping->r = r;

	scoped_guard(spinlock, &r->lock) {
		/* Two tasks may map the file for the first time. */
		if (rv->maps)
			break;
		found = find_mapping(r, mapping->mapping);
		if (!found) {
			/* At the head, so that a walk comes to its end. */
			list_add(&mapping->node, &r->mappings);
			swap(found, mapping);
		}
		found->users++;
		maps->mapping = found;
		WRITE_ONCE(rv->maps, maps);
		maps = NULL;
	}
	kfree(maps);
	kfree(mapping);
	/* After rv->maps, for hand_over(). */
	atomic64_fetch_or(REVOKE_MAPPED, &rv->state);
	return 0;
}

/* No VMA of the file leads to the object any more. */
void revoke_forget_maps(struct revoke *rv)
{
	guard(spinlock)(&rv->r->lock);
	put_mapping(rv->maps->mapping);
}

/*
 * A VMA is revokable if and only if its file is: let its flag say so.  And of
 * flags that MADV_DOFORK leaves alone, VM_DONTEXPAND is the one that says
 * nothing about the memory.
 */
static void set_vma_flags(const struct file *file, vma_flags_t *flags)
{
	vma_flags_set_mask(flags, VMA_REVOKABLE);
	if (file->f_revoke->r->flags & REVOKABLE_DONTCOPY)
		vma_flags_set(flags, VMA_DONTCOPY_BIT, VMA_DONTEXPAND_BIT);
}

/* Hugetlb takes a lock that is held here; see make_revokable(). */
static void revoke_zap_vma(struct vm_area_struct *vma, pgoff_t first,
			   pgoff_t last, bool private_copies)
{
	struct zap_details details = { .skip_cows = !private_copies };
	pgoff_t start = vma_start_pgoff(vma);
	struct mmu_gather tlb;

	first = max(first, start);
	last = min(last, vma_last_pgoff(vma));
	tlb_gather_mmu(&tlb, vma->vm_mm);
	zap_vma_range_batched(&tlb, vma,
			      vma->vm_start + ((first - start) << PAGE_SHIFT),
			      (last - first + 1) << PAGE_SHIFT, &details);
	tlb_finish_mmu(&tlb);
}

/* The answer to mmap(2) of a file that is not to be mapped, or 0 */
static int mmap_error(const struct file *file)
{
	if (file_revoked(file))
		return revoked_result(file, file->f_revoke->r->policy.mmap_error);
	return file_suspended(file) ? -EAGAIN : 0;
}

/*
 * mmap_region() for a revokable file.  The use that its ->mmap begins is ended
 * here, where the VMA is linked and populated.
 */
unsigned long revokable_mmap_region(struct file *file, unsigned long addr,
				    unsigned long len, vma_flags_t flags,
				    unsigned long pgoff, struct list_head *uf)
{
	/* Before MAP_FIXED unmaps something for nothing. */
	int error = mmap_error(file);
	struct revoke_mmap in;

	if (error)
		return error;
	/* VMAs merge only if they agree on it. */
	vma_flags_set_mask(&flags, VMA_REVOKABLE);
	revoke_mmap_begin(&in, file);
	addr = mmap_region(file, addr, len, flags, pgoff, uf);
	revoke_mmap_end(&in);
	return addr;
}

/*
 * Begin the use that revokable_mmap_region() ends.  If another file's ->mmap has
 * given the mapping to this one, nobody would.
 *
 * With the mmap_lock held for writing, and not before what had been there was
 * removed, which may wait for other drivers.  Returns 0, or an error for mmap(2).
 */
static int mmap_begin(struct file *file, struct file_use **use)
{
	struct revoke_mmap *in = current->uses.mmap;
	struct revoke *rv = file->f_revoke;

	if (!in || in->file != file || in->use.revoke)
		return mmap_error(file) ?: -EINVAL;
	while (!revoke_enter_or_nested(rv, USE_KIND("mmap", USE_INSERTS),
				       &in->use)) {
		int error = mmap_error(file);

		if (error)
			return error;
	}
	*use = &in->use;
	if (revoke_state(rv) & REVOKE_MAPPED || !make_maps(rv))
		return 0;
	return revoke_leave_mmap(file, &in->use, -ENOMEM);
}

/*
 * A driver may have given the mapping to another file, which then governs it.
 * As only the file given to mmap(2) is in use, the other one must not be
 * revokable itself.
 *
 * Returns 0, -ENOMEM, or -EINVAL if the file cannot be mapped like this.
 */
static int mmap_set_ops(struct file *file, struct file *vm_file,
			const struct vm_operations_struct **ops,
			vma_flags_t *flags)
{
	struct revokable_vm_ops *table;
	struct revoke *rv;

	if (!file_is_revokable(vm_file)) {
		vma_flags_clear_mask(flags, VMA_REVOKABLE);
		return 0;
	}
	/* It is a revoke of @file that is kept out: vma_set_file() was used. */
	if (vm_file != file)
		return -EINVAL;
	set_vma_flags(vm_file, flags);
	rv = vm_file->f_revoke;
	/* Nothing of the driver's.  No table would make it anonymous memory. */
	if (*ops == &vma_dummy_vm_ops && !has_dead_pages(rv))
		return 0;
	if (WARN_ON_ONCE(!*ops))
		return -EINVAL;

	/* ->close would be left out for VMAs that outlive the revoke. */
	if (!vm_ops_supported(*ops) ||
	    ((*ops)->close && !(rv->r->flags & REVOKABLE_CLOSE_AT_RELEASE)))
		return -EINVAL;

	table = get_vm_ops(rv, *ops);
	if (!table)
		return -ENOMEM;
	*ops = &table->ops;
	return 0;
}

int revokable_mmap(struct file *file, struct vm_area_struct *vma)
{
	void (*close)(struct vm_area_struct *vma) = NULL;
	struct file_use *use;
	int error = mmap_begin(file, &use);

	if (error)
		return error;
	error = file_real_fops(file)->mmap(file, vma);
	if (!error) {
		error = mmap_set_ops(file, vma->vm_file, &vma->vm_ops,
				     &vma->flags);
		if (!error)
			return 0;
		close = vma->vm_ops ? vma->vm_ops->close : NULL;
	}
	/*
	 * It has not been mapped, and no revoke will find it: what has been inserted
	 * has to be gone when this is no use any more.
	 */
	revoke_zap_vma(vma, 0, ULONG_MAX, true);
	if (close)
		close(vma);
	return revoke_leave_mmap(file, use, error);
}

int revokable_mmap_prepare(struct vm_area_desc *desc)
{
	struct file *file = (struct file *)desc->file;
	struct file_use *use;
	int error = mmap_begin(file, &use);

	if (error)
		return error;
	error = file_real_fops(file)->mmap_prepare(desc);
	if (error)
		return revoke_leave_mmap(file, use, error);
	error = mmap_set_ops(file, desc->vm_file, &desc->vm_ops,
			     &desc->vma_flags);
	if (!error)
		return 0;
	if (desc->vm_file != file)
		fput(desc->vm_file);
	return revoke_leave_mmap(file, use, error);
}

/*
 * A fault in a mapping of a suspended file.
 *
 * As for userfaultfd: wait if the fault can be repeated, and the waiting be
 * ended by a signal, with no lock held; else fail.
 *
 * Nor does a system call wait that touches the mapping: it may hold any lock, and
 * the resume need that.  FAULT_FLAG_SUSPENDABLE says that it does not.
 *
 * Return: VM_FAULT_RETRY, with the lock dropped; or VM_FAULT_SIGBUS.
 */
static vm_fault_t revokable_fault_wait(struct vm_area_struct *vma,
				       unsigned int flags)
{
	const unsigned int repeats = FAULT_FLAG_ALLOW_RETRY |
				     FAULT_FLAG_KILLABLE;
	struct revoke *rv = vma->vm_file->f_revoke;
	unsigned int state = TASK_KILLABLE;

	if ((flags & repeats) != repeats || flags & FAULT_FLAG_RETRY_NOWAIT ||
	    !(flags & (FAULT_FLAG_USER | FAULT_FLAG_SUSPENDABLE)))
		return VM_FAULT_SIGBUS;
	/* With a signal pending, a fault of the kernel would be repeated at once. */
	if (flags & FAULT_FLAG_USER)
		state = TASK_INTERRUPTIBLE | TASK_FREEZABLE;

	kref_get(&rv->ref);
	if (flags & FAULT_FLAG_VMA_LOCK)
		vma_end_read(vma);
	else
		mmap_read_unlock(vma->vm_mm);
	/* The VMA and its file may be gone from here on. */
	revoke_await_resume_fault(rv, state);
	return VM_FAULT_RETRY;
}

/**
 * revokable_fault_begin - keep a revoke out of a fault
 * @vma: the mapping, whose lock, or whose mmap_lock, is held
 * @flags: FAULT_FLAG_*
 * @use: a record, for revokable_fault_end()
 *
 * Whatever the fault inserts is there before the use ends, so that a revoke that
 * has waited for it can zap it; also if the lock has been dropped and the VMA and
 * its file are gone.
 *
 * If the file is revoked, a fault that leads to a dead page goes on without a use.
 *
 * Return: 0, or what the fault has ended with.
 */
vm_fault_t revokable_fault_begin(struct vm_area_struct *vma, unsigned int flags,
				 struct file_use *use)
{
	struct file *file = vma->vm_file;

	while (!revoke_enter_or_nested(file->f_revoke,
				       USE_KIND("fault", USE_INSERTS), use)) {
		if (file_revoked(file)) {
			use->revoke = NULL;
			return has_dead_pages(file->f_revoke) ?
				0 : VM_FAULT_SIGBUS;
		}
		if (file_suspended(file))
			return revokable_fault_wait(vma, flags);
	}
	return 0;
}

/**
 * revokable_fault_end - the fault is over
 * @file: that of the mapping; may be gone
 * @ret: what the fault has returned
 * @use: the record
 *
 * A ->fault that was woken for a suspend may have taken it for a signal, and has
 * to have another try.  But what has faulted may have been woken, too, and would
 * have to wait for the next kick.
 *
 * Return: whether the fault is to be repeated.
 */
bool revokable_fault_end(struct file *file, vm_fault_t ret,
			 struct file_use *use)
{
	if (!use->revoke || !revoke_leave(use) || !(ret & VM_FAULT_SIGBUS) ||
	    ret & (VM_FAULT_RETRY | VM_FAULT_COMPLETED))
		return false;
	/* The VMA is still locked, and keeps the file. */
	return !file_revoked(file) && !revoke_caller_inside(file->f_revoke->r);
}

/**
 * revokable_fault_pfn - ->fault for memory that ->mmap has mapped by PFN
 * @vmf: the fault
 * @pfn: the first page frame of the memory
 * @pgoff: the offset in the file, in pages, at which it is mapped
 * @nr: how many contiguous page frames there are: others are never mapped
 *
 * What remap_pfn_range() has mapped, in ->mmap or as an action of
 * ->mmap_prepare, is gone after revokable_suspend().  This brings it back page
 * by page when it is touched.
 *
 * For a private mapping, remap_pfn_range() has put the PFN into vm_pgoff, and
 * @pgoff is not looked at.
 *
 * What the driver does not let anybody have any more, see revokable_zap_range(),
 * it does not ask for.  The entry is made with vma->vm_page_prot.  If that is not
 * what ->mmap has mapped with, as io_remap_pfn_range() adds pgprot_decrypted(),
 * ->mmap has to store it there.
 *
 * Context: ->fault.
 * Return: VM_FAULT_NOPAGE, or an error.
 */
vm_fault_t revokable_fault_pfn(struct vm_fault *vmf, unsigned long pfn,
			       pgoff_t pgoff, unsigned long nr)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long page = linear_page_index(vma, vmf->address);

	if (WARN_ON_ONCE(!(vma->vm_flags & VM_PFNMAP)))
		return VM_FAULT_SIGBUS;
	/* Without remap_pfn_range() it is what user space has asked for. */
	page -= vma_is_cow_mapping(vma) ? pfn : pgoff;
	if (page >= nr)
		return VM_FAULT_SIGBUS;
	return vmf_insert_pfn(vma, vmf->address, pfn + page);
}
EXPORT_SYMBOL_GPL(revokable_fault_pfn);

struct zap {
	struct revokable	*r;
	pgoff_t			first;
	pgoff_t			last;
	u64			flags;		/* one of them; 0: all files */
	bool			private_copies;
};

static bool vma_to_be_zapped(const struct vm_area_struct *vma,
			     const struct zap *zap)
{
	struct revoke *rv;

	if (!file_is_revokable(vma->vm_file))
		return false;
	rv = vma->vm_file->f_revoke;
	return rv->r == zap->r &&
	       (!zap->flags || revoke_state(rv) & zap->flags);
}

static struct pfnmap_track_ctx *track_ctx(const struct vm_area_struct *vma)
{
#ifdef __HAVE_PFNMAP_TRACKING
	return vma->pfnmap_track_ctx;
#else
	return NULL;
#endif
}

/*
 * The memory types of what a revoked file had mapped are free for others, such
 * as the next driver, though there are VMAs left.  Whoever is inside may insert
 * entries yet, of memory that is the driver's until ->release.
 *
 * A VMA has to leave the i_mmap_rwsem, which is held here, before it lets go of
 * its context.
 */
static void untrack_mapping(struct address_space *mapping,
			    const struct zap *zap)
{
	struct vm_area_struct *vma;

	mapping_rmap_tree_foreach(vma, mapping, zap->first, zap->last) {
		if (vma_to_be_zapped(vma, zap) && track_ctx(vma))
			pfnmap_track_ctx_untrack(track_ctx(vma));
		cond_resched();
	}
}

/*
 * As with truncation, a fork puts the child after its parent in the tree, and
 * mremap takes the locks that make it wait: no entry escapes by moving.
 */
static void zap_mapping(struct address_space *mapping, const struct zap *zap)
{
	struct vm_area_struct *vma;
	bool tracked = false;

	i_mmap_lock_read(mapping);
	mapping_rmap_tree_foreach(vma, mapping, zap->first, zap->last) {
		if (vma_to_be_zapped(vma, zap)) {
			revoke_zap_vma(vma, zap->first, zap->last,
				       zap->private_copies);
			tracked |= !!track_ctx(vma);
		}
		cond_resched();
	}
	if (tracked && zap->flags == REVOKE_REVOKED)
		untrack_mapping(mapping, zap);
	i_mmap_unlock_read(mapping);
}

/*
 * VMAs are where their vm_file's f_mapping is, which for some devices is not the
 * inode's; private PFN mappings are in the tree under their PFN.
 */
static void zap_all(const struct zap *zap)
{
	struct inode *inode = NULL, *done;
	struct revokable_mapping *m, *next;
	struct revokable *r = zap->r;

	spin_lock(&r->lock);
	for (m = list_first_entry(&r->mappings, typeof(*m), node);
	     !list_entry_is_head(m, &r->mappings, node); m = next) {
		/* A file that has not been released keeps the inode ... */
		done = inode;
		inode = m->mapping->host;
		ihold(inode);
		m->users++;
		spin_unlock(&r->lock);

		iput(done);
		zap_mapping(m->mapping, zap);

		spin_lock(&r->lock);
		next = list_next_entry(m, node);
		/* ... or nobody finds it any more when we let it go. */
		put_mapping(m);
	}
	spin_unlock(&r->lock);
	iput(inode);
}

/*
 * Unmap all of the object: through its revoked files, private copies included;
 * or through the suspended ones, without private copies, and through those whose
 * revoke is under way, which may take longer.
 */
void revoke_zap(struct revokable *r, u64 flags)
{
	struct zap zap = {
		.r = r,
		.last = ULONG_MAX,
		.flags = flags | REVOKE_REVOKED,
		.private_copies = flags == REVOKE_REVOKED,
	};

	zap_all(&zap);
}

/* Unmap a part of the object from all its files. */
void revoke_zap_pages(struct revokable *r, pgoff_t first, pgoff_t last)
{
	struct zap zap = {
		.r = r,
		.first = first,
		.last = last,
		.private_copies = true,
	};

	zap_all(&zap);
}

/* A user leaves a revoked file, and may have inserted what had been zapped. */
void revoke_zap_later(struct revoke *rv)
{
	struct revoke_handed *handed;
	struct revokable *r = rv->r;

	guard(spinlock)(&r->lock);
	handed = &rv->maps->handed[r->zap_turn];
	if (!handed->users++)
		list_add_tail(&handed->node, &r->zap_list[r->zap_turn]);
	/* If it is running already, it runs once more. */
	revokable_get(r);
	if (!queue_work(revoke_wq, &r->zap_work))
		revokable_put(r);
}

/* One walk for all that have left before it. */
void revoke_zap_work(struct work_struct *work)
{
	struct revokable *r = container_of(work, struct revokable, zap_work);
	struct revoke_handed *handed, *next;
	unsigned int users;
	LIST_HEAD(left);

	/* Those who leave from now on take turns with these. */
	scoped_guard(spinlock, &r->lock) {
		list_splice_init(&r->zap_list[r->zap_turn], &left);
		r->zap_turn = !r->zap_turn;
	}
	if (!list_empty(&left))
		revoke_zap(r, REVOKE_REVOKED);
	list_for_each_entry_safe(handed, next, &left, node) {
		list_del(&handed->node);
		users = handed->users;
		handed->users = 0;
		revoke_drop_async(handed->rv, users * REVOKE_USER);
		cond_resched();
	}
	revokable_put(r);
}

/**
 * revokable_maps_iomem - a file is going to map physical memory
 * @file: the file; if it is not revokable, there is nothing to do
 * @start: the physical address
 * @size: in bytes
 *
 * From here on, drivers that claim a part of it find the file, for as long as it,
 * or a mapping of it, is there.  So whether a part is claimed already,
 * which is up to the caller, has to be looked at after this: a claim is either seen
 * then, or sees the file.
 *
 * vm_pgoff of the VMA has to be the page frame number.
 *
 * Context: ->mmap or ->mmap_prepare of the file.
 */
void revokable_maps_iomem(const struct file *file, resource_size_t start,
			  resource_size_t size)
{
	unsigned long first = PHYS_PFN(start);
	unsigned long last = PHYS_PFN(start + size - 1);
	struct revokable_mapping *m;

	if (!file_is_revokable(file))
		return;
	m = file->f_revoke->maps->mapping;

	guard(spinlock)(&iomem_lock);
	if (!m->iomem_id) {
		m->iomem_id = ++iomem_last_id;
		WRITE_ONCE(iomem_nodes, iomem_nodes + 1);
	} else {
		/* One node for all, at the price of what is between. */
		interval_tree_remove(&m->iomem, &iomem_tree);
		first = min(first, m->iomem.start);
		last = max(last, m->iomem.last);
	}
	m->iomem.start = first;
	m->iomem.last = last;
	interval_tree_insert(&m->iomem, &iomem_tree);
}

/*
 * For claims, which are many.  Whoever has looked at resource_lock's tree before the
 * claim was in it had been counted before that.
 */
bool iomem_is_mapped(void)
{
	return READ_ONCE(iomem_nodes);
}

/*
 * An object that has mapped a part of the range, with a reference: that with the
 * first number after *@id, as the nodes move in the tree while nobody looks.
 */
static struct revokable *next_iomem(unsigned long first, unsigned long last,
				    u64 *id)
{
	struct revokable_mapping *m, *next = NULL;
	struct interval_tree_node *node;

	guard(spinlock)(&iomem_lock);
	for (node = interval_tree_iter_first(&iomem_tree, first, last); node;
	     node = interval_tree_iter_next(node, first, last)) {
		m = container_of(node, struct revokable_mapping, iomem);
		if (m->iomem_id > *id && (!next || m->iomem_id < next->iomem_id))
			next = m;
	}
	if (!next)
		return NULL;
	*id = next->iomem_id;
	return revokable_get(next->r);
}

/**
 * revoke_iomem - take physical memory away from whoever has mapped it
 * @first: the first page frame number
 * @last: the last one
 *
 * It is claimed: whoever asks from now on is told that it cannot be mapped.  On
 * return, no page table entry that was made through a file of
 * revokable_maps_iomem() leads to it.  The files and the rest of the mappings stay.
 *
 * Context: may sleep.  It waits for those who are in an mmap(2) of it, so the caller
 *	must hold no lock that is taken inside of an mmap_lock or in ->mmap of such
 *	a file, and not be in ->mmap of one.
 */
void revoke_iomem(unsigned long first, unsigned long last)
{
	struct revokable *r;
	u64 id = 0;

	while ((r = next_iomem(first, last, &id))) {
		revokable_zap_range(r, first, last - first + 1);
		revokable_put(r);
	}
}

#else
/* Without an MMU there is nothing to zap, so nothing revokable is mapped. */
void revoke_zap(struct revokable *r, u64 flags)
{
}

void revoke_zap_pages(struct revokable *r, pgoff_t first, pgoff_t last)
{
}

void revoke_zap_later(struct revoke *rv)
{
}

void revoke_zap_work(struct work_struct *work)
{
}

void revoke_forget_maps(struct revoke *rv)
{
}

void revoke_free_maps(struct revoke *rv)
{
}

void revokable_maps_iomem(const struct file *file, resource_size_t start,
			  resource_size_t size)
{
}

bool iomem_is_mapped(void)
{
	return false;
}

void revoke_iomem(unsigned long first, unsigned long last)
{
}

int revokable_mmap(struct file *file, struct vm_area_struct *vma)
{
	return -ENODEV;
}

int revokable_mmap_prepare(struct vm_area_desc *desc)
{
	return -ENODEV;
}
#endif
