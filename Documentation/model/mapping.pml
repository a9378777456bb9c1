/*
 * Page table entries: fault, fork, mremap, mmap, and who zaps what they insert
 * (mm/revoke.c, handle_mm_fault(), do_mmap(), dup_mmap()).
 *
 * variants: ONE_ZAP:G2 NO_FIRST_ZAP:G2 ZAP_BEFORE_MARK:G2 ZAP_BY_LAST:G2
 * variants: COUNT_NOT_WITH_WORK:G2 PENDING_WHILE_RUNNING:G2 ONE_TURN:G2
 * variants: FAULT_USE_DROPPED_EARLY:G2 MMAP_USE_DROPPED_EARLY:G2
 * variants: MAPPED_SET_LATE:G2 FORK_CHILD_FIRST:G2 FORK_COPIES_UNLINKED:G2
 * variants: MREMAP_UNLOCKED:G2 ZAP_TAKES_MMAP_LOCK:deadlock
 * unreached: 1 (the work does not end)
 *
 * fault()	handle_revokable_fault(), of the parent under its mmap_lock, or
 *		of the child
 * mm_task()	one of
 *   fork	dup_mmap(): links the child's VMA, after the parent's in the
 *		order of the walk, then copy_page_range()
 *   mremap	copy_vma(), move_page_tables() to a VMA that is earlier in the
 *		order, so with the lock of the tree held (need_rmap_locks)
 *   mmap	revokable_mmap_region(), revokable_mmap(), make_maps(); entries
 *		inserted by ->mmap before the VMA is linked, or by an action after
 *		that
 *   hold	somebody who keeps the mmap_lock until the revoke is complete
 * reader()	a method that inserts nothing, and may stay inside for ever
 * revoker()	revoke_mark(), revoke_start()
 * zapper()	revoke_zap_work().  A work is not pending any more when its
 *		function is called, and does not run twice at a time.  Those who
 *		leave meanwhile take the other turn.
 * releaser()	whoever has dropped the last count, as far as needed; see count.pml
 * leave	revoke_leave(), count_leave(), hand_over(), revoke_zap_later()
 *
 * Each VMA has one entry, which stands for all of them.  To insert, copy, move
 * or zap it is one step: the page table lock.  Private copies of pages are
 * zapped as any other entry.  munmap only takes away and is left out.  What a
 * suspend zaps is in suspend.pml.
 */
#include "model.h"

/* In the order of mapping_rmap_tree_foreach() */
#define MOVED		0	/* where mremap moves PARENT */
#ifdef FORK_CHILD_FIRST
#define PARENT		2
#define CHILD		1
#else
#define PARENT		1
#define CHILD		2
#endif
#define NEW		3	/* what mmap creates */
#define VMAS		4

#define FAULTS		2

#define FAULT		0
#define MMAP		1
#define READ		2
#define USES		3

/* rv->state */
bit revoked, mapped, gone;
byte users;

bit last_work, zap_work;	/* are queued */
byte handed[2];			/* maps->handed[].users */
bit turn;			/* r->zap_turn */

bit vma[VMAS];			/* is linked into the tree */
bit pte[VMAS];			/* maps the driver's memory */
bit forked;

bit mmap_writer;		/* mmap_lock of the parent */
byte mmap_readers;
bit tree_writer;		/* i_mmap_rwsem */
byte tree_readers;

/* For the properties only */
bit busy[USES];			/* has entered and not yet left altogether */
bit zapping;
bit started;			/* revoke_start() is through */

#define any_pte		(pte[0] || pte[1] || pte[2] || pte[3])

inline read_lock(writer, readers)	{ atomic { !writer; readers++ } }
inline read_unlock(readers)		{ readers-- }
inline write_lock(writer, readers)
{
	atomic { !writer && readers == 0; writer = true }
}
inline write_unlock(writer)		{ writer = false }

inline enter(u, ok)
{
	atomic {
		ok = !revoked;
		if
		:: ok -> users++; busy[u] = true
		:: else
		fi
	}
}

inline drop(n)
{
	atomic {
		COUNT(users >= n);
		users = users - n;
		if
		:: revoked && users == 0 -> queue_once(last_work)
		:: else
		fi
	}
}

inline leave(u)
{
	if
#if defined(ONE_ZAP) || defined(ZAP_BY_LAST)
	:: false
#elif defined(COUNT_NOT_WITH_WORK)
	:: revoked && mapped ->
		zap_work = true;
		atomic { drop(1); busy[u] = false }
#else
	:: revoked && mapped ->
		atomic { handed[turn]++; zap_work = true; busy[u] = false }
#endif
	:: else -> atomic { drop(1); busy[u] = false }
	fi
}

inline zap(v)
{
#ifdef ZAP_TAKES_MMAP_LOCK
	write_lock(mmap_writer, mmap_readers);
#endif
	read_lock(tree_writer, tree_readers);
	do
	:: v < VMAS ->
		d_step {
			if
			:: vma[v] -> pte[v] = false
			:: else
			fi;
			v++
		}
	:: v == VMAS -> break
	od;
	v = 0;
	read_unlock(tree_readers);
#ifdef ZAP_TAKES_MMAP_LOCK
	write_unlock(mmap_writer)
#endif
}

proctype fault()
{
	byte v, faults;
	bit ok;

	do
	:: faults < FAULTS ->
		faults++;
		if
		:: read_lock(mmap_writer, mmap_readers);
			if
			:: vma[MOVED] -> v = MOVED
			:: vma[PARENT] -> v = PARENT
			:: vma[NEW] -> v = NEW
			:: else -> goto unlock
			fi
		:: forked -> v = CHILD
		fi;
		enter(FAULT, ok);
		if
		:: ok ->
#ifdef FAULT_USE_DROPPED_EARLY
			leave(FAULT);
			pte[v] = true
#else
			pte[v] = true;
			leave(FAULT)
#endif
		:: else
		fi;
unlock:
		if
		:: v != CHILD -> read_unlock(mmap_readers)
		:: else
		fi;
		v = 0
	:: faults == FAULTS -> break
	od
}

inline link(v)
{
	write_lock(tree_writer, tree_readers);
	vma[v] = true;
	write_unlock(tree_writer)
}

inline fork()
{
#ifdef FORK_COPIES_UNLINKED
	pte[CHILD] = pte[PARENT];
	link(CHILD);
#else
	link(CHILD);
	pte[CHILD] = pte[PARENT];
#endif
	forked = true
}

inline mremap()
{
	link(MOVED);
#ifdef MREMAP_UNLOCKED
	d_step { pte[MOVED] = pte[PARENT]; pte[PARENT] = false }
#else
	write_lock(tree_writer, tree_readers);
	d_step { pte[MOVED] = pte[PARENT]; pte[PARENT] = false }
	write_unlock(tree_writer);
#endif
	write_lock(tree_writer, tree_readers);
	vma[PARENT] = false;
	write_unlock(tree_writer)
}

inline mmap(ok)
{
	enter(MMAP, ok);
	if
	:: ok ->
#ifndef MAPPED_SET_LATE
		mapped = true;
#endif
		if
		:: true ->		/* ->mmap */
			pte[NEW] = true;
#ifdef MMAP_USE_DROPPED_EARLY
			leave(MMAP);
			link(NEW)
#else
			link(NEW)
#endif
		:: true ->		/* ->mmap_prepare */
#ifdef MMAP_USE_DROPPED_EARLY
			leave(MMAP);
#endif
			link(NEW);
			pte[NEW] = true
		fi;
#ifndef MMAP_USE_DROPPED_EARLY
		leave(MMAP);
#endif
#ifdef MAPPED_SET_LATE
		mapped = true
#endif
	:: else
	fi
}

proctype mm_task()
{
	bit ok;

	write_lock(mmap_writer, mmap_readers);
	if
	:: vma[PARENT] -> fork()
	:: vma[PARENT] -> mremap()
	:: mmap(ok)
	:: true -> gone
	fi;
	write_unlock(mmap_writer)
}

proctype reader()
{
	bit ok;

	enter(READ, ok);
	if
	:: ok -> leave(READ)
	:: else
	fi
}

proctype revoker()
{
	byte v;

#ifdef ZAP_BEFORE_MARK
	if
	:: mapped -> zap(v)
	:: else
	fi;
#endif
	atomic { revoked = true; users++ }
#if !defined(ZAP_BEFORE_MARK) && !defined(NO_FIRST_ZAP)
	if
	:: mapped -> zap(v)
	:: else
	fi;
#endif
	started = true;
	drop(1);
	gone;
	G2(!any_pte)
}

proctype zapper()
{
	byte v, n;
	bit mine;

end:	do
	:: atomic {
		zap_work;
#ifndef PENDING_WHILE_RUNNING
		zap_work = false;
#endif
		zapping = true }
#ifndef ONE_TURN
		atomic { mine = turn; turn = !turn }
#endif
#ifdef COUNT_NOT_WITH_WORK
		zap(v);
#else
		if
		:: handed[mine] -> zap(v)
		:: else
		fi;
		atomic { n = handed[mine]; handed[mine] = 0 }
		if
		:: n > 0 -> drop(n)
		:: else
		fi;
#endif
#ifdef PENDING_WHILE_RUNNING
		atomic { zap_work = false; zapping = false }
#else
		zapping = false
#endif
	od
}

proctype releaser()
{
#ifdef ZAP_BY_LAST
	byte v;
#endif

	last_work;
#ifdef ZAP_BY_LAST
	zap(v);
#endif
	gone = true
}

/*
 * When all that can have inserted something are out, nothing is there and
 * nothing comes back; also if others stay inside.
 */
proctype monitor()
{
end:	atomic {
		started && !busy[FAULT] && !busy[MMAP] &&
		!zap_work && !zapping && any_pte ->
		G2(false)
	}
}

init {
	atomic {
		if
		:: vma[PARENT] = true; mapped = true
		:: vma[PARENT] = true; mapped = true; pte[PARENT] = true
		:: true
		fi;
		run fault(); run mm_task(); run reader();
		run revoker(); run zapper(); run releaser(); run monitor()
	}
}

ltl live { [] (revoked -> <> gone) }
