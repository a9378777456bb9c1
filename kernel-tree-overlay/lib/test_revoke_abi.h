/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What lib/test_revoke.c and its tests agree on.  Usable from C and C++.
 *
 * /dev/revoke_test0 ... /dev/revoke_test6 (mode 0666) are the devices,
 * /dev/revoke_test_ctl (mode 0600) is where tests look behind the scenes.
 *
 *   0  default errnos, ->read_iter, ->write_iter, ->mmap
 *   1  its owner may revoke it; ->read, ->write, ->mmap; has not promised
 *	that ->release does the work of vm_ops->close
 *   2  reads as empty once revoked; once resumed, brings back all of a
 *	REVOKE_TEST_SHAPE_REMAP_PFN mapping at once; otherwise as 0
 *   3  errnos of its own (REVOKE_TEST_*_ERRNO), also instead of waiting while
 *	it is suspended; ->mmap_prepare; otherwise as 0
 *   4  what it cannot do at once for io_uring and aio, it queues; otherwise as 0
 *   5  its mappings are not inherited; otherwise as 0
 *   6  cannot be revoked; otherwise as 0, with a char device of its own
 *
 * All opens of one device share a wait queue, a byte fifo of
 * REVOKE_TEST_FIFO_SIZE, and some memory to map.  A device is one object until
 * that is revoked, and a new one, of the next generation, after
 * REVOKE_TEST_CTL_RECREATE.
 */
#ifndef _LIB_TEST_REVOKE_ABI_H
#define _LIB_TEST_REVOKE_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define REVOKE_TEST_NAME		"revoke_test"	/* + a digit */
#define REVOKE_TEST_CTL_NAME		"revoke_test_ctl"

#define REVOKE_TEST_DEVICES		7
#define REVOKE_TEST_DEV_DEFAULT		0
#define REVOKE_TEST_DEV_OWNER		1
#define REVOKE_TEST_DEV_EOF		2
#define REVOKE_TEST_DEV_PREPARE		3
#define REVOKE_TEST_DEV_ASYNC		4
#define REVOKE_TEST_DEV_DONTCOPY	5
#define REVOKE_TEST_DEV_NEVER		6

#define REVOKE_TEST_FIFO_SIZE		4096

/* What system calls on a revoked REVOKE_TEST_DEV_PREPARE return, negated */
#define REVOKE_TEST_ERRNO		104	/* ECONNRESET: fsync, lseek ... */
#define REVOKE_TEST_READ_ERRNO		5	/* EIO */
#define REVOKE_TEST_WRITE_ERRNO		32	/* EPIPE */
#define REVOKE_TEST_IOCTL_ERRNO		25	/* ENOTTY */
#define REVOKE_TEST_MMAP_ERRNO		22	/* EINVAL */

/*
 * Mappings.  The offset given to mmap() chooses how the memory gets into the
 * page tables: REVOKE_TEST_MMAP_OFFSET(shape, page size), plus whole pages to
 * skip some.  Every shape shows the same REVOKE_TEST_PAGES pages, except
 * REVOKE_TEST_SHAPE_HUGE, which has one PMD's worth of memory of its own.
 *
 * An object's memory starts out with revoke_test_stamp() in the first eight
 * bytes of each page and zeroes behind.  When the object is revoked all of it
 * is filled with REVOKE_TEST_POISON; the memory is freed by
 * REVOKE_TEST_CTL_RECREATE and REVOKE_TEST_CTL_RESET.
 *
 * Those marked S can only be mapped shared (EINVAL).
 */
enum revoke_test_shape {
	/*
	 * remap_pfn_range() in ->mmap, a remap action of ->mmap_prepare; a
	 * ->fault that brings it back
	 */
	REVOKE_TEST_SHAPE_REMAP_PFN,
	/* vm_insert_page() in ->mmap, or the action for it; no vm_ops */
	REVOKE_TEST_SHAPE_INSERT_PAGE,
	/* ->fault gives a struct page */
	REVOKE_TEST_SHAPE_FAULT_PAGE,
	/* S ->fault inserts a PFN */
	REVOKE_TEST_SHAPE_FAULT_PFN,
	/* S likewise, under the VMA lock alone (has a ->map_pages) */
	REVOKE_TEST_SHAPE_FAULT_VMA_LOCK,
	/* FAULT_PAGE and ->page_mkwrite */
	REVOKE_TEST_SHAPE_PAGE_MKWRITE,
	/* S FAULT_PFN and ->pfn_mkwrite */
	REVOKE_TEST_SHAPE_PFN_MKWRITE,
	/*
	 * S FAULT_PFN with ->open, ->close and ->name; device 1 is refused it
	 * with EINVAL
	 */
	REVOKE_TEST_SHAPE_CLOSE,
	/* S PFNs inserted by REVOKE_TEST_INSERT; a fault is a SIGBUS */
	REVOKE_TEST_SHAPE_IOCTL,
	/*
	 * S ->huge_fault inserts a PMD, ->fault single PFNs of the same memory;
	 * needs an address aligned to REVOKE_TEST_INFO's huge_size to be huge;
	 * ENOMEM when no such memory can be found, EOPNOTSUPP if huge_size is 0
	 */
	REVOKE_TEST_SHAPE_HUGE,

	REVOKE_TEST_SHAPES
};

#define REVOKE_TEST_PAGES		16
#define REVOKE_TEST_SHAPE_PAGES		0x40000	/* distance between shapes */
#define REVOKE_TEST_MMAP_OFFSET(shape, page_size) \
	((__u64)(shape) * REVOKE_TEST_SHAPE_PAGES * (page_size))

#define REVOKE_TEST_POISON		0xdeadbeefdeadbeefULL

static inline __u64 revoke_test_stamp(__u32 generation, __u32 page)
{
	return ((__u64)generation << 32) | 0x52560000U | (page & 0xffff);
}

/*
 * Methods: what is counted, and where a task can be made to stop.  ENTER is
 * the first thing done, before make_revokable() in the case of ->open, before
 * anything is in the page tables in the case of ->mmap and ->fault; LEAVE is
 * the last.  The devices without ->read have ->read_iter and so on.
 */
enum revoke_test_method {
	REVOKE_TEST_OPEN,
	REVOKE_TEST_RELEASE,
	REVOKE_TEST_FLUSH,
	REVOKE_TEST_READ,		/* and ->read_iter */
	REVOKE_TEST_WRITE,		/* and ->write_iter */
	REVOKE_TEST_SPLICE_READ,	/* reads inside */
	REVOKE_TEST_SPLICE_WRITE,	/* writes inside */
	REVOKE_TEST_LLSEEK,
	REVOKE_TEST_POLL,
	REVOKE_TEST_IOCTL,		/* and ->compat_ioctl */
	REVOKE_TEST_FSYNC,
	REVOKE_TEST_FASYNC,
	REVOKE_TEST_SHOW_FDINFO,
	REVOKE_TEST_GET_UNMAPPED_AREA,	/* no LEAVE */
	REVOKE_TEST_MMAP,		/* and ->mmap_prepare */
	REVOKE_TEST_VM_MAPPED,		/* device 3, shape CLOSE */
	REVOKE_TEST_VM_OPEN,
	REVOKE_TEST_VM_CLOSE,
	REVOKE_TEST_VM_FAULT,
	REVOKE_TEST_VM_HUGE_FAULT,
	REVOKE_TEST_VM_MAP_PAGES,	/* counted only */
	REVOKE_TEST_VM_PAGE_MKWRITE,
	REVOKE_TEST_VM_PFN_MKWRITE,
	REVOKE_TEST_VM_ACCESS,		/* ptrace and /proc/PID/mem */
	REVOKE_TEST_USE_OTHER,		/* between start_ and stop_using() */
	REVOKE_TEST_OUTSIDE,		/* between break_ and unbreak_using() */

	REVOKE_TEST_METHODS
};

enum revoke_test_when {
	REVOKE_TEST_ENTER,
	REVOKE_TEST_LEAVE,

	REVOKE_TEST_WHENS
};

/* What happens to a task that gets to an armed point */
enum revoke_test_mode {
	/* nothing */
	REVOKE_TEST_PASS,
	/* it sleeps until the point is opened, or any signal: ERESTARTSYS */
	REVOKE_TEST_INTERRUPTIBLE,
	/* it sleeps until the point is opened, or a fatal signal: ERESTARTSYS */
	REVOKE_TEST_KILLABLE,
	/*
	 * it sleeps, deaf to signals, until the point is opened, or its file
	 * revoked, which ->kick() wakes it for: EINTR
	 */
	REVOKE_TEST_UNTIL_REVOKED,
	/* it sleeps, deaf to signals, until the point is opened */
	REVOKE_TEST_STUCK,
	/* it does not sleep; the method fails with the errno given */
	REVOKE_TEST_FAIL,
	/*
	 * as INTERRUPTIBLE, but as if something had happened already: EINTR
	 */
	REVOKE_TEST_INTERRUPTED,

	REVOKE_TEST_MODES
};

/*
 * Closing the last descriptor of the control node opens all points.
 *
 * Errors only ->open, ->read, ->write, splices, ->llseek, ->ioctl, ->fsync,
 * ->fasync and ->mmap can give.  Elsewhere the point is passed,
 * except that ->fault inserts nothing and is repeated, or, with FAIL, ends in
 * SIGBUS.
 */

/* ---- ioctls of /dev/revoke_test* ---- */

struct revoke_test_info {
	__u32	dev;
	__u32	generation;
	__u32	page_size;
	__u32	huge_size;	/* bytes; 0: this kernel cannot */
};

struct revoke_test_insert {
	__u64	address;	/* in a REVOKE_TEST_SHAPE_IOCTL mapping */
	__u32	pages;
	__u32	pad;		/* 0 */
};

struct revoke_test_victim {
	__s32	fd;
	__u32	method;		/* enum revoke_test_method */
};

#define REVOKE_TEST_IOC			0xe7

#define REVOKE_TEST_INFO	_IOR(REVOKE_TEST_IOC, 0x00, struct revoke_test_info)
/* Return the argument, an errno already negated, verbatim. */
#define REVOKE_TEST_RETURN	_IO(REVOKE_TEST_IOC, 0x01)
/* revoke_file(), revoke_files(), revoke_it() on this file, from its ioctl */
#define REVOKE_TEST_REVOKE_SELF	_IO(REVOKE_TEST_IOC, 0x02)
#define REVOKE_TEST_REVOKE_ALL	_IO(REVOKE_TEST_IOC, 0x03)
#define REVOKE_TEST_REVOKE_DEV	_IO(REVOKE_TEST_IOC, 0x04)
/* Put PFNs at the address given; EFAULT: not such a mapping of this file */
#define REVOKE_TEST_INSERT	_IOW(REVOKE_TEST_IOC, 0x05, struct revoke_test_insert)
/*
 * Reach the file named by the argument, a descriptor of any
 * /dev/revoke_test*, with start_using(); it passes the points USE_OTHER of
 * *its* device.  Returns its generation; ENODEV if it has been revoked.
 */
#define REVOKE_TEST_USE_FD	_IO(REVOKE_TEST_IOC, 0x06)
/*
 * The method, the next time that it is called for this file, begins with
 * revoke_file() on another one.  See victim_result.
 */
#define REVOKE_TEST_SET_VICTIM	_IOW(REVOKE_TEST_IOC, 0x07, struct revoke_test_victim)
/*
 * Step out of this file, pass the points OUTSIDE, step in.  Returns 1; 0 if the
 * file has been revoked by then.
 */
#define REVOKE_TEST_STEP_OUT	_IO(REVOKE_TEST_IOC, 0x08)
/* The same, but to wait, killably, for the lock of the _LOCKED commands */
#define REVOKE_TEST_STEP_OUT_AND_LOCK	_IO(REVOKE_TEST_IOC, 0x09)
/* That lock without stepping out.  Returns 0. */
#define REVOKE_TEST_LOCK	_IO(REVOKE_TEST_IOC, 0x0a)

/* ---- ioctls of /dev/revoke_test_ctl ---- */

/* timeout_ms: 0 means not to wait at all; then or later, ETIMEDOUT */
struct revoke_test_wait_done {
	__u32	dev;
	__u32	timeout_ms;
};

struct revoke_test_point {
	__u32	dev;
	__u32	method;		/* enum revoke_test_method */
	__u32	when;		/* enum revoke_test_when */
	__u32	mode;		/* enum revoke_test_mode; PASS opens it */
	__u32	error;		/* for FAIL, positive */
	__u32	pad;		/* 0 */
};

struct revoke_test_wait {
	__u32	dev;
	__u32	method;
	__u32	when;		/* of WAIT_BLOCKED */
	__u32	timeout_ms;
	__u64	count;		/* at least so many */
};

/* An empty range is given back: there is no more than one at a time. */
struct revoke_test_range {
	__u32	dev;
	__u32	shape;		/* enum revoke_test_shape */
	__u32	first;		/* page of that */
	__u32	pages;
};

struct revoke_test_data {
	__u32	dev;
	__u32	bytes;		/* put into the fifo, all of them 'r' */
};

struct revoke_test_poll {
	__u32	wakeups;	/* since it began */
	__u32	events;		/* EPOLL*, of the last wake-up */
	__u32	mask;		/* EPOLL*, polled now */
	__u32	queues;		/* on which the poller was put */
};

struct revoke_test_peek {
	__u32	dev;
	__u32	huge;		/* the memory of REVOKE_TEST_SHAPE_HUGE */
	__u64	offset;		/* bytes, a multiple of 8 */
	__u64	value;		/* out: what the driver sees there */
};

struct revoke_test_counters {
	__u32	dev;		/* in */
	__u32	generation;
	__u32	dead;		/* revoked and not yet RECREATEd */
	__u32	files;		/* opened successfully, ->release not finished */
	__u64	entered[REVOKE_TEST_METHODS];
	__u64	finished[REVOKE_TEST_METHODS];
	__u64	kicks;		/* calls of revokable_ops->kick() */
	__u64	queued;		/* requests that device 4 has yet to complete */
	__s64	victim_result;	/* of the last SET_VICTIM: 0, -errno; 1: not yet */
	__u64	vmas;		/* of SHAPE_CLOSE: mapped and opened less closed */
	/* Must stay 0 */
	__u64	released_inside;	/* ->release with a method running */
	__u64	after_release;		/* a method called after ->release */
	__u64	released_twice;
	__u64	waiters_left;		/* queue not empty after last ->release */
	__u64	fasync_left;		/* likewise the fasync list */
	__u64	done_early;		/* revoke done, but files still open */
	__u64	queued_left;		/* ->release with requests queued */
	__u64	suspended_inside;	/* a method running while suspended */
};

/* The argument of these is the number of the device */
#define REVOKE_TEST_CTL_REVOKE_IT	_IO(REVOKE_TEST_IOC, 0x20)
#define REVOKE_TEST_CTL_REVOKE_IT_ASYNC	_IO(REVOKE_TEST_IOC, 0x21)
#define REVOKE_TEST_CTL_REVOKE_FILES	_IO(REVOKE_TEST_IOC, 0x22)
/* The next generation.  EBUSY: the last one is not revoked, or not yet done */
#define REVOKE_TEST_CTL_RECREATE	_IO(REVOKE_TEST_IOC, 0x23)
/* revoke_file() on the descriptor given as argument, of any revokable file */
#define REVOKE_TEST_CTL_REVOKE_FILE	_IO(REVOKE_TEST_IOC, 0x24)
/*
 * All devices: every point opened, every object revoked and recreated, what is
 * in the fifo and the counters forgotten.  No argument.
 */
#define REVOKE_TEST_CTL_RESET		_IO(REVOKE_TEST_IOC, 0x25)
/* Counters of one device to 0 */
#define REVOKE_TEST_CTL_RESET_COUNTERS	_IO(REVOKE_TEST_IOC, 0x26)
/* Wait for the end of a REVOKE_IT_ASYNC; ENOENT: there was none */
#define REVOKE_TEST_CTL_WAIT_DONE \
	_IOW(REVOKE_TEST_IOC, 0x27, struct revoke_test_wait_done)
#define REVOKE_TEST_CTL_COUNTERS \
	_IOWR(REVOKE_TEST_IOC, 0x28, struct revoke_test_counters)
/* Arm or open a point; EOPNOTSUPP: one that nobody ever stops at */
#define REVOKE_TEST_CTL_SET_POINT \
	_IOW(REVOKE_TEST_IOC, 0x29, struct revoke_test_point)
/* Wait until at least count tasks are asleep at the point */
#define REVOKE_TEST_CTL_WAIT_BLOCKED \
	_IOW(REVOKE_TEST_IOC, 0x2a, struct revoke_test_wait)
/* Wait until the counter entered[method], finished[method] is at least count */
#define REVOKE_TEST_CTL_WAIT_ENTERED \
	_IOW(REVOKE_TEST_IOC, 0x2b, struct revoke_test_wait)
#define REVOKE_TEST_CTL_WAIT_FINISHED \
	_IOW(REVOKE_TEST_IOC, 0x2c, struct revoke_test_wait)
/*
 * Data arrives: wakes readers and pollers, SIGIO.  ENODEV: dead.  Device 4
 * completes all that it has queued, reads and writes with the result 0, commands
 * with the number of bytes.
 */
#define REVOKE_TEST_CTL_DATA \
	_IOW(REVOKE_TEST_IOC, 0x2d, struct revoke_test_data)
/*
 * As without _LOCKED, with a lock held that some ioctls take: an inversion
 * unless it is ASYNC, or they step out.
 */
#define REVOKE_TEST_CTL_REVOKE_IT_LOCKED	_IO(REVOKE_TEST_IOC, 0x2f)
#define REVOKE_TEST_CTL_REVOKE_IT_ASYNC_LOCKED	_IO(REVOKE_TEST_IOC, 0x30)
/*
 * A kernel thread reads one byte, with kernel_read(), from the descriptor given
 * as argument; one at a time per open control node, else EBUSY.  Its result is
 * waited for, killably, by the second: 1, 0, or an error; ENOENT: there is none.
 */
#define REVOKE_TEST_CTL_KTHREAD_READ		_IO(REVOKE_TEST_IOC, 0x31)
#define REVOKE_TEST_CTL_KTHREAD_RESULT		_IO(REVOKE_TEST_IOC, 0x32)
/*
 * As KVM, vhost and 9p do: poll the descriptor given as argument from the
 * kernel, with an entry of one's own on the queue, until it is given up.  One
 * at a time per open control node, else EBUSY; ENOENT: there is none.
 */
#define REVOKE_TEST_CTL_POLL			_IO(REVOKE_TEST_IOC, 0x33)
#define REVOKE_TEST_CTL_POLL_SEEN \
	_IOR(REVOKE_TEST_IOC, 0x34, struct revoke_test_poll)
#define REVOKE_TEST_CTL_POLL_END		_IO(REVOKE_TEST_IOC, 0x35)
/*
 * These pages shall not be mapped, whatever is open: ->mmap fails with ENXIO,
 * faults with SIGBUS, INSERT with ENXIO.  They look before they pass the point
 * ENTER of MMAP, VM_FAULT, VM_HUGE_FAULT; INSERT last.  What is there goes by
 * revokable_zap_range(), without which EOPNOTSUPP.
 */
#define REVOKE_TEST_CTL_TAKE_RANGE \
	_IOW(REVOKE_TEST_IOC, 0x37, struct revoke_test_range)
/*
 * revokable_suspend(), and its undoing; EINVAL: it is not suspended.  Closing
 * the last descriptor of the control node undoes them all.
 */
#define REVOKE_TEST_CTL_SUSPEND			_IO(REVOKE_TEST_IOC, 0x38)
#define REVOKE_TEST_CTL_RESUME			_IO(REVOKE_TEST_IOC, 0x39)
/* The driver's own view of the memory, of a dead object too until RECREATE */
#define REVOKE_TEST_CTL_PEEK \
	_IOWR(REVOKE_TEST_IOC, 0x2e, struct revoke_test_peek)

#endif /* _LIB_TEST_REVOKE_ABI_H */
