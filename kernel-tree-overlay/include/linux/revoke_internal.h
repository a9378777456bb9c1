/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Revoke: what fs/revoke/, mm/revoke.c and the VFS share.
 *
 * Drivers want <linux/revoke.h>.
 */
#ifndef _LINUX_REVOKE_INTERNAL_H
#define _LINUX_REVOKE_INTERNAL_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/revoke.h>
#include <linux/revoke_gate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct address_space;
struct cdev;
struct vm_area_desc;

enum revokable_state {
	REVOKABLE_LIVE,
	REVOKABLE_SUSPENDED,	/* or being so; back to LIVE, or DEAD */
	REVOKABLE_DEAD,
};

/*
 * An object whose open files can be taken away; created by revokable_alloc().
 */
struct revokable {
	struct kref			ref;
	spinlock_t			lock;	/* all down to @zap_list */
	enum revokable_state		state;
	unsigned int			suspended;	/* how many times */
	bool				changing;	/* by a suspend or a resume */
	/* those that a revoke has still to find, and those on their way out */
	struct list_head		files;
	struct list_head		leaving;
	u64				ticket;	/* the last one of both lists */
	void				(*done)(void *data);
	bool				done_wanted;
	struct list_head		poll_again;	/* when it is resumed */
	struct list_head		fops;		/* struct revokable_fops */
	struct list_head		mappings;	/* struct revokable_mapping */
	unsigned int			zap_turn;
	struct list_head		zap_list[2];	/* of @zap_work, and its next */

	struct mutex			walk;	/* to go through @files */
	atomic_t			pausing;	/* files with REVOKE_PAUSING */
	wait_queue_head_t		wait;	/* for uses and files to leave */
	wait_queue_head_t		resumed;	/* or not @changing */
	const struct revokable_ops	*ops;	/* NULL once dead and empty */
	struct revokable_policy		policy;
	unsigned int			flags;
	struct revokable		*group;		/* the parent, or itself */
	struct list_head		members;	/* the children ... */
	struct list_head		member;		/* ... by this */
	atomic_t			unsettled;	/* of the group, or itself */
	void				*data;
	struct work_struct		done_work;
	struct work_struct		zap_work;
	struct delayed_work		watch;	/* while @leaving has entries */
#ifdef CONFIG_DEBUG_LOCK_ALLOC
	struct lockdep_map		dep_map;
#endif
	struct rcu_head			rcu;
};

/*
 * revoke->state: two counts and some flags in one word, so that whoever changes
 * a count knows all of it.
 *
 * 2^26 uses are 16 for each of all tasks there can be; 2^27 requests of one file
 * need more memory than one user gets.
 */
#define REVOKE_USER		BIT_ULL(0)	/* one use that a suspend waits for */
#define REVOKE_USERS		GENMASK_ULL(25, 0)
#define REVOKE_LATE_USER	BIT_ULL(26)	/* one that it does not, or a request */
#define REVOKE_LATE_USERS	GENMASK_ULL(52, 26)
#define REVOKE_INSIDE		(REVOKE_USERS | REVOKE_LATE_USERS)
#define REVOKE_PAUSING		BIT_ULL(53)	/* a suspend waits for no user to be left */
#define REVOKE_OPENING		BIT_ULL(54)	/* ->open is running */
#define REVOKE_OPENED		BIT_ULL(55)	/* there will be a ->release */
#define REVOKE_MAPPED		BIT_ULL(56)	/* there may be, or was, a VMA */
#define REVOKE_SUSPENDED	BIT_ULL(57)	/* only late uses begin */
#define REVOKE_REVOKED		BIT_ULL(58)	/* no use begins, but of a VMA's */
#define REVOKE_CLOSED		BIT_ULL(59)	/* no use begins */
#define REVOKE_FPUT		BIT_ULL(60)	/* closed by __fput() */
#define REVOKE_OOPSED		BIT_ULL(61)	/* a method has not returned */
#define REVOKE_GONE		BIT_ULL(62)	/* ->release has returned */
#define REVOKE_REPORTED		BIT_ULL(63)	/* that it takes long */

/* What begins a use, and what it is refused by */
#define USE_LATE		BIT(0)	/* a suspend admits it, and does not wait */
#define USE_VMA			BIT(1)	/* and a revoke, until the file is closed */
#define USE_INSERTS		BIT(2)	/* it may make page table entries */
#define USE_RELEASE		BIT(3)	/* it is not counted, and not kicked */

#define use_one(flags) \
	((flags) & (USE_LATE | USE_VMA) ? REVOKE_LATE_USER : REVOKE_USER)
#define use_refused_by(flags)						\
	((flags) & USE_VMA ? REVOKE_CLOSED :				\
	 (flags) & USE_LATE ? REVOKE_REVOKED | REVOKE_CLOSED :		\
	 REVOKE_SUSPENDED | REVOKE_REVOKED | REVOKE_CLOSED)

struct use_kind {
	const char		*name;		/* for the report */
	unsigned int		flags;
	u64			one;		/* REVOKE_USER or REVOKE_LATE_USER */
	u64			refused_by;
};

/* A kind of use that is there for as long as the kernel: not for modules. */
#define USE_KIND(_name, _flags)						\
({									\
	static const struct use_kind __kind = {				\
		.name		= (_name),				\
		.flags		= (_flags),				\
		.one		= use_one(_flags),			\
		.refused_by	= use_refused_by(_flags),		\
	};								\
	&__kind;							\
})

/*
 * The revokable side of one open file.
 *
 * One reference is that of the file, which is dropped when that has been closed,
 * and REVOKE_GONE has come.  That comes when the counts are zero, so whoever is
 * counted needs none.
 */
struct revoke {
	atomic64_t		state;
	struct file		*file;		/* until REVOKE_GONE */
	struct revokable	*r;
	struct list_head	node;		/* r->files or r->leaving */
	u64			ticket;		/* its place there */
	struct kref		ref;
	unsigned int		since;		/* jiffies: when it began to leave */
	struct revoke_pollers	*pollers;	/* since the first ->poll */
	struct revoke_maps	*maps;		/* since the first ->mmap */
	u64			opener;		/* the thread group, as pid->ino */
	union {
		struct cdev	*cdev;		/* to be put after ->release */
		struct gate_file *gate_file;	/* with REVOKABLE_OWN_USES */
	};
	int			fasync_fd;	/* as fcntl(F_SETFL) was told */
	union {
		struct list_head	batch;	/* while a revoker has a count */
		struct work_struct	work;	/* from REVOKE_CLOSED on */
		freeptr_t		freeptr;	/* SLAB_TYPESAFE_BY_RCU */
	};
};

/* In revoke_name.revoke: of a gate, not of a file */
#define NAME_GATE		2UL

extern struct kmem_cache *gate_file_cache;

/**
 * gate_file_alloc - a record for revoke_gate_opened()
 * @file: a file, in its ->open
 *
 * Context: may sleep.
 * Return: the record, or NULL.
 */
static inline struct gate_file *gate_file_alloc(struct file *file)
{
	struct gate_file *gf = kmem_cache_alloc(gate_file_cache, GFP_KERNEL);

	if (likely(gf)) {
		gf->file = file;
		gf->released = false;
	}
	return gf;
}

/**
 * gate_file_free - the ->open that it was for has failed
 * @gf: the record
 *
 * Context: any.
 */
static inline void gate_file_free(struct gate_file *gf)
{
	kmem_cache_free(gate_file_cache, gf);
}

#ifdef CONFIG_REVOKE
/* Where the close finds the record */
static inline struct gate_file **gate_file_of(struct file *file)
{
	return file_is_revokable(file) ? &file->f_revoke->gate_file :
					 &file->f_gate;
}

/**
 * revoke_gate_opened - from here on, there has to be a ->release
 * @gate: the gate, with the caller inside
 * @gf: a record of the file
 *
 * Context: ->open, which does not fail after this.
 */
static inline void revoke_gate_opened(struct revoke_gate *gate,
				      struct gate_file *gf)
{
	*gate_file_of(gf->file) = gf;
	guard(spinlock)(&gate->lock);
	list_add(&gf->node, &gate->files);
}
#endif

/* mmap(2) of a revokable file, which its ->mmap makes a use of */
struct revoke_mmap {
	struct file		*file;
	struct file_use		use;
};

#ifdef CONFIG_REVOKE
static inline u64 revoke_state(const struct revoke *rv)
{
	return atomic64_read(&rv->state);
}

/* For those who wait for it: what ->release has done is visible. */
static inline bool revoke_is_gone(const struct revoke *rv)
{
	/* Pairs with revoke_gone(). */
	return atomic64_read_acquire(&rv->state) & REVOKE_GONE;
}

/* Uses of gates that have names, see fs/revoke/gate.c */
bool revoke_gate_enter_named(struct revoke_gate *gate, int *slot);
bool revoke_gate_leave_named(struct revoke_gate *gate, int slot, long ret);
bool revoke_gate_kicked(int slot, long ret);
void name_undo(int slot);

/**
 * gate_use_begin - begin a use of a gate, with a name for it
 * @gate: the gate
 * @slot: for gate_use_end()
 *
 * So whoever shuts the gate wakes the caller, if it sleeps until there is a signal,
 * and does not wait for it, if it is the caller itself.
 *
 * Context: process context.
 * Return: false if the gate is shut.  Then there is nothing to end.
 */
static __always_inline bool gate_use_begin(struct revoke_gate *gate, int *slot)
{
	struct revoke_name *name = &current->uses.name[0];

	if (unlikely(name->revoke))
		return revoke_gate_enter_named(gate, slot);
	*slot = 0;
	/* First: whoever kicks finds the names of all that are counted. */
	smp_store_release(&name->revoke, (unsigned long)gate | NAME_GATE);
	if (revoke_gate_enter(gate))
		return true;
	name_undo(0);
	return false;
}

/**
 * gate_use_end - end it
 * @gate: the gate, which may be gone when this returns
 * @slot: as gate_use_begin() has left it
 * @ret: what the method has returned
 *
 * Context: the task that has begun it, process context.
 * Return: true if the method has ended as if by a signal, and there was none, but
 *	a gate that is shut: then the entry has gone.
 */
static __always_inline bool gate_use_end(struct revoke_gate *gate, int slot,
					 long ret)
{
	struct task_uses *uses = &current->uses;

	if (unlikely(slot ||
		     uses->name[0].revoke != ((unsigned long)gate | NAME_GATE)))
		return revoke_gate_leave_named(gate, slot, ret);
	WRITE_ONCE(uses->name[0].revoke, 0);
	/* Fully ordered: as revoke_leave(), against a kick. */
	revoke_gate_leave(gate);
	return unlikely(READ_ONCE(uses->attention)) && revoke_gate_kicked(0, ret);
}

/* Uses, see fs/revoke/use.c */
bool revoke_enter(struct revoke *rv, const struct use_kind *kind,
		  struct file_use *use);
bool revoke_enter_or_nested(struct revoke *rv, const struct use_kind *kind,
			    struct file_use *use);

/* What revoke_leave() has seen, for whoever may have to repeat a call */
#define LEFT_SUSPENDED	BIT(0)
#define LEFT_KICKED	BIT(1)
unsigned int revoke_leave(struct file_use *use);
int revoke_leave_mmap(struct file *file, struct file_use *use, int error);

bool revoke_caller_inside(const struct revokable *r);
bool revoke_kicked(const struct task_struct *task);
void revoke_oopsed(void);

static inline void revoke_init_task(struct task_struct *task)
{
	memset(&task->uses, 0, sizeof(task->uses));
	raw_spin_lock_init(&task->uses.lock);
}

/* Between fs/ and mm/ */
void revoke_put(struct revoke *rv);
void revoke_drop_async(struct revoke *rv, u64 counts);
void revoke_await_resume_fault(struct revoke *rv, unsigned int state);
extern struct workqueue_struct *revoke_wq;

void revoke_zap(struct revokable *r, u64 flags);
void revoke_zap_pages(struct revokable *r, pgoff_t first, pgoff_t last);
bool iomem_is_mapped(void);
void revoke_iomem(unsigned long first, unsigned long last);
void revoke_zap_later(struct revoke *rv);
void revoke_zap_work(struct work_struct *work);
void revoke_forget_maps(struct revoke *rv);
void revoke_free_maps(struct revoke *rv);

/* The methods that are mm/'s */
int revokable_mmap(struct file *file, struct vm_area_struct *vma);
int revokable_mmap_prepare(struct vm_area_desc *desc);

/* For the VFS */
int revoked_result(const struct file *file, int removed);
struct revokable *chrdev_get_revokable(dev_t devt);
void __revoke_open_done(struct file *file);
void __revoke_poll_left(struct file *file);
bool __revoke_open_again(struct file *file, int *error);
void revoke_async_begin(struct file_use *use);
void revoke_async_returns(struct file_use *use, bool queued);

/*
 * A character device's file pins the cdev it was opened through.  By the time
 * it is released, the inode may lead to another one, of a re-probed device.
 */
static inline void revoke_set_cdev(struct file *file, struct cdev *cdev)
{
	if (file_is_revokable(file))
		file->f_revoke->cdev = cdev;
}

/* For what the VFS does with a file without calling a method: 0 or an errno */
static inline int revoked_error(const struct file *file)
{
	return file_revoked(file) ?
	       revoked_result(file, file->f_revoke->r->policy.error) : 0;
}

/* For mm/ */
int __revokable_mmap_wait(struct file *file);

/* With the mmap_lock held for writing, by the task itself. */
static inline void revoke_mmap_begin(struct revoke_mmap *in, struct file *file)
{
	*in = (struct revoke_mmap) { .file = file };
	current->uses.mmap = in;
}

static inline void revoke_mmap_end(struct revoke_mmap *in)
{
	current->uses.mmap = NULL;
	stop_using(&in->use);
}

static inline int revokable_mmap_wait(struct file *file)
{
	return file && file_is_revokable(file) ? __revokable_mmap_wait(file) : 0;
}

static inline void revoke_open_done(struct file *file)
{
	if (file_is_revokable(file))
		__revoke_open_done(file);
}

/*
 * A poller of the file has removed its wait entries.  The caller keeps the file
 * from being released, and is in process context.
 */
static inline void revoke_poll_left(struct file *file)
{
	if (file_is_revokable(file))
		__revoke_poll_left(file);
}

/* ->open has failed.  Returns whether to call it again, after a suspend. */
static inline bool revoke_open_again(struct file *file, int *error)
{
	return file_is_revokable(file) && __revoke_open_again(file, error);
}
#else
static inline bool revoke_kicked(const struct task_struct *task)
{
	return false;
}

static inline void revoke_oopsed(void)
{
}

static inline void revoke_init_task(struct task_struct *task)
{
}

static inline void revoke_set_cdev(struct file *file, struct cdev *cdev)
{
}

static inline int revoked_error(const struct file *file)
{
	return 0;
}

static inline int revokable_mmap_wait(struct file *file)
{
	return 0;
}

/* There is no gate: who has one selects REVOKE. */
static inline bool gate_use_begin(struct revoke_gate *gate, int *slot)
{
	return false;
}

static inline bool gate_use_end(struct revoke_gate *gate, int slot, long ret)
{
	return false;
}

static inline bool iomem_is_mapped(void)
{
	return false;
}

static inline void revoke_iomem(unsigned long first, unsigned long last)
{
}

static inline void revoke_open_done(struct file *file)
{
}

static inline void revoke_poll_left(struct file *file)
{
}

static inline bool revoke_open_again(struct file *file, int *error)
{
	return false;
}
#endif

#endif /* _LINUX_REVOKE_INTERNAL_H */
