/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a task keeps of the methods of revokable files that it is inside of.
 *
 * For struct task_struct only, see fs/revoke/use.c.
 */
#ifndef _LINUX_REVOKE_TYPES_H
#define _LINUX_REVOKE_TYPES_H

#include <linux/spinlock_types_raw.h>
#include <linux/types.h>

struct revoke;
struct revoke_mmap;
struct use_kind;
struct zap_waiter;

#define REVOKE_NAMES	4

/*
 * One use: which file, and what of it.  With bit 0 set in @revoke the task has
 * stepped out of the use, and the rest is the module that it will return to.  With
 * bit 1 set it is a struct revoke_gate.
 */
struct revoke_name {
	unsigned long		revoke;
	const struct use_kind	*kind;
};

/**
 * struct task_uses - the uses of one task
 * @name: written by the task itself; read by others, under RCU
 * @unnamed: how many uses there were no names for: it may be inside of any file
 * @async: bit n: name n has a count for a request; for its own task only
 * @kicked: bit n: name n got a notification; REVOKE_NAMES: an unnamed use has
 * @awaited: likewise: @waiter waits for it
 * @attention: any of the two
 * @waiter: who
 * @mmap: while the task maps a revokable file
 * @lock: for @kicked, @awaited and @waiter; the task tests @attention without it
 */
struct task_uses {
	struct revoke_name	name[REVOKE_NAMES];
	unsigned int		unnamed;
	u8			async;
	union {
		struct {
			u8	kicked;
			u8	awaited;
		};
		u16		attention;
	};
	struct zap_waiter	*waiter;
	struct revoke_mmap	*mmap;
	raw_spinlock_t		lock;
};

#endif /* _LINUX_REVOKE_TYPES_H */
