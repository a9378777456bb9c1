/*
 * The names in the task: who is kicked, and who is waited for by a zap of a range
 * (fs/revoke/use.c, watch.c).
 *
 * variants: KICK_NO_REREAD:kick KICK_NO_BARRIER:kick KICK_UNLOCKED:kick
 * variants: KICK_ONCE:deadlock LEAVE_NO_BARRIER:kick UNKICK_NEVER:kick
 * variants: UNKICK_ALL:kick FORGET_OUTER:deadlock FORGET_TASK_WORK:kick
 * variants: CHECK_BEFORE_CLEAR:kick WORKER_CLEARS:kick NAME_AFTER_COUNT:deadlock
 * variants: UNNAMED_IGNORED:deadlock UNNAMED_FORGETS:deadlock FORK_COPIES:kick
 * variants: NO_TOMBSTONE:count
 * variants: LOOK_BEFORE_NAME:G2 SCAN_FIRST:G2 AWAIT_NO_REREAD:deadlock
 * variants: BUSY_IGNORED:G2 ONE_RANGE_ZAP:G2
 * unreached: 4 (the first use has no second name; a user task needs no watch)
 *
 * task()	a task in a method of file 0, and within that in one of file 1,
 *		that may sleep in both, or be outside of file 0 in between.
 *		It is a user task, a worker of io_uring, or a kernel thread.
 *   enter	name_take(): stores the name in the first slot that is free, else
 *		counts it as unnamed; count_enter(), name_undo()
 *   leave	name_drop(), the decrement, name_kicked(), revoke_unkick()
 *   out, in	break_using() leaves NAME_BROKEN in the slot, which stays taken;
 *		unbreak_using(), use_reenter()
 * child()	what fork(2) in a method makes of the task: revoke_init_task()
 * kicker()	one for each file, once it has been marked: revoke_kick(), kick(),
 *		notify(), under the lock of the task
 * watch()	revokable_watch(): revoke_kick() again
 * adder()	of a user task, task_work_add(TWA_SIGNAL) of somebody else; of a
 *		worker, io_wq_worker_cancel(), which only sets the notification
 * inserter()	two tasks in a fault of a file that stays live, one without a name
 * zapper()	two of revokable_zap_range(): await_inserters(), await()
 *
 * kick, leave	A store and a later load in one task are in this order because of
 *		a full barrier between them.  In the leaver that is the decrement,
 *		or queue_work() if the count is handed over, or smp_mb(); in who
 *		kicks or awaits, smp_mb() after it has set the bit.
 * zap, enter	Likewise, by smp_mb() in revokable_zap_range(), and the increment.
 * fork		A child starts with no name, so no kick comes to it.
 * exec, exit	These cannot go wrong: both are done outside of methods, by a task
 *		that has no names then.  That execve(2) changes the number of a
 *		task does not matter for the same reason.  A method that exit(2)
 *		calls, such as ->flush, is called as any other.
 * workers	of io_uring keep their notifications, which tell them to exit, too.
 * kthreads	have no notification, and test nothing between being kicked and
 *		going to sleep.  So kicks are repeated for them.  For all others
 *		one kick is enough: they do not sleep with a notification.
 *
 * Left out: who goes on (count.pml), what a task does outside (stepping.pml).
 */
#include "model.h"

#define NAMES		2	/* REVOKE_NAMES */
#define UNNAMED		NAMES
#define BROKEN		9	/* NAME_BROKEN */
#ifdef NO_TOMBSTONE
#define TOMBSTONE	0
#else
#define TOMBSTONE	BROKEN
#endif

#define USER_TASK	0
#define WORKER		1	/* PF_USER_WORKER */
#define KTHREAD		2	/* PF_KTHREAD */
byte kind;

/* task->uses: a name is 1 + the file */
byte name[NAMES];
byte unnamed;
bit kicked[NAMES + 1];
bit task_lock;
byte child_name;

byte names = NAMES;		/* how many slots this task has */
byte users[2];
bit revoked[2];

bit notified;			/* TIF_NOTIFY_SIGNAL */
bit asleep;
bit task_work, added;
bit forked;
bit marked;

#define any_kicked	(kicked[0] || kicked[1] || kicked[UNNAMED])

inline set_notify_signal()
{
	atomic {
		if
		:: !notified -> notified = true; asleep = false
		:: else
		fi
	}
}

inline count_enter(f, ok)
{
	atomic {
		if
		:: !revoked[f] -> users[f]++; ok = true
		:: else -> ok = false
		fi
	}
}

inline name_take(f, s)
{
	atomic {
		if
		:: names > 0 && name[0] == 0 -> s = 0; name[0] = f + 1
		:: else ->
			if
			:: names == NAMES && name[1] == 0 -> s = 1; name[1] = f + 1
			:: else -> s = UNNAMED; unnamed++
			fi
		fi
	}
}

inline name_drop(s)
{
	if
	:: s < UNNAMED -> name[s] = 0
	:: else -> unnamed--
	fi
}

inline enter(f, s, ok)
{
#ifdef NAME_AFTER_COUNT
	count_enter(f, ok);
	if
	:: ok -> name_take(f, s)
	:: else
	fi
#else
	name_take(f, s);
	count_enter(f, ok);
	if
	:: !ok -> name_drop(s); name_kicked(s)
	:: else
	fi
#endif
}

inline unkick(s)
{
#ifdef CHECK_BEFORE_CLEAR
	tw = task_work;
#endif
	was_kicked = kicked[s];
#ifdef UNKICK_ALL
	d_step { kicked[0] = false; kicked[1] = false; kicked[UNNAMED] = false }
#else
	kicked[s] = false;
#endif
	if
#ifdef WORKER_CLEARS
	:: was_kicked && kind != KTHREAD ->
#elif defined(FORGET_OUTER)
	:: was_kicked && kind == USER_TASK ->
#else
	:: was_kicked && !any_kicked && kind == USER_TASK ->
#endif
		notified = false;
#ifndef FORGET_TASK_WORK
#ifndef CHECK_BEFORE_CLEAR
		tw = task_work;
#endif
		if
		:: tw -> set_notify_signal()
		:: else
		fi
#endif
	:: else
	fi
}

inline name_kicked(s)
{
	if
#ifdef UNKICK_NEVER
	:: false ->
#elif defined(UNNAMED_FORGETS)
	:: any_kicked ->
#elif defined(LEAVE_NO_BARRIER)
	:: attention && !(s == UNNAMED && unnamed) ->
#else
	:: any_kicked && !(s == UNNAMED && unnamed) ->
#endif
#ifndef KICK_UNLOCKED
		spin_lock(task_lock);
#endif
		unkick(s);
#ifndef KICK_UNLOCKED
		spin_unlock(task_lock)
#endif
	:: else
	fi
}

inline decrement(f)
{
	atomic { COUNT(users[f] > 0); users[f]-- }
}

inline leave(s, f)
{
	if
	:: s < UNNAMED && name[s] == BROKEN -> name[s] = 0
	:: else ->
#ifdef LEAVE_NO_BARRIER
		attention = any_kicked;
#endif
		name_drop(s);
		decrement(f);
		name_kicked(s)
	fi
}

inline step_out(s, f)
{
	name[s] = TOMBSTONE;
	decrement(f);
	name_kicked(s)
}

inline step_in(s, f, ok)
{
	name[s] = f + 1;
	count_enter(f, ok);
	if
	:: !ok -> name[s] = TOMBSTONE; name_kicked(s)
	:: else
	fi
}

/* Nothing else wakes it. */
inline sleep()
{
	if
	:: kind == KTHREAD -> asleep = true
	:: else ->
		atomic {
			if
			:: notified
			:: !notified -> asleep = true
			fi
		}
	fi;
	!asleep
}

proctype child()
{
#ifdef FORK_COPIES
	child_name = name[0];
#endif
	forked = true
}

proctype task()
{
	bit ok, was_kicked, tw, is_out;
#ifdef LEAVE_NO_BARRIER
	bit attention;
#endif
	byte s0, s1;

	enter(0, s0, ok);
	if
	:: ok ->
		if
		:: run child()
		:: s0 < UNNAMED -> step_out(s0, 0); is_out = true
		:: skip
		fi;
		enter(1, s1, ok);
		if
		:: ok ->
			if
			:: sleep()
			:: skip
			fi;
			leave(s1, 1)
		:: else
		fi;
		if
		:: is_out -> step_in(s0, 0, ok)
		:: else -> ok = true
		fi;
		if
		:: ok -> sleep()
		:: else
		fi;
		leave(s0, 0)
	:: else
	fi;
	/* What is there now ends the next sleep.  Is there a reason? */
	atomic {
		KICK(!any_kicked || task_lock);
		KICK(!notified || task_work || kind != USER_TASK);
		KICK(notified || !added)
	}
}

proctype adder()
{
	if
	:: kind == USER_TASK -> task_work = true
	:: else
	fi;
	set_notify_signal();
	added = true
}

#define still_inside(s, f)	(s < UNNAMED && name[s] == f + 1 || s == UNNAMED && unnamed)

inline notify(s, f)
{
#ifdef KICK_NO_BARRIER
	/* The load was before the store. */
	found = still_inside(s, f);
#endif
#ifndef KICK_UNLOCKED
	spin_lock(task_lock);
#endif
	before = kicked[s];
	kicked[s] = true;
#if defined(KICK_NO_REREAD)
	found = true;
#elif !defined(KICK_NO_BARRIER)
	found = still_inside(s, f);
#endif
	if
	:: !found -> kicked[s] = before
	:: found && kind == KTHREAD -> asleep = false
	:: found && kind != KTHREAD -> set_notify_signal()
	fi;
#ifndef KICK_UNLOCKED
	spin_unlock(task_lock);
#endif
	d_step { found = false; before = false }
}

/* An unnamed use may be one of any file. */
inline kick(f)
{
	do
#ifdef UNNAMED_IGNORED
	:: s < UNNAMED && still_inside(s, f) -> notify(s, f); s++
	:: s < UNNAMED && !still_inside(s, f) -> s++
	:: s == UNNAMED -> break
#else
	:: s <= UNNAMED && still_inside(s, f) -> notify(s, f); s++
	:: s <= UNNAMED && !still_inside(s, f) -> s++
	:: s > UNNAMED -> break
#endif
	od;
	s = 0
}

proctype kicker(byte f)
{
	bit found, before;
	byte s;

	atomic { revoked[f] = true; marked = true }
	if
	:: users[f] == 0
	:: true -> kick(f)	/* perhaps for another task */
	fi;
	/* The walk also comes to the child, which is inside of nothing. */
	KICK(!forked || child_name == 0);
	users[f] == 0
}

/* Whenever nothing else happens. */
proctype watch()
{
	bit found, before;
	byte s, f;

#ifndef KICK_ONCE
end:	do
	:: timeout ->
		if
		:: users[0] > 0 -> f = 0
		:: users[1] > 0 -> f = 1
		:: else -> break
		fi;
		kick(f)
	od
#endif
}

/*
 * A range
 */

bit changed;			/* what ->fault goes by */
bit pte;
bit fault_name;			/* of inserter 0 */
byte fault_unnamed;		/* of inserter 1 */
bit awaited[2];			/* by inserter ... */
byte waiter[2];			/* ... 1 + who waits */
bit waiter_lock[2];
byte pending[2];		/* zap_waiter.pending, by zapper */

#define still_inserts(i)	(i == 0 && fault_name || i == 1 && fault_unnamed > 0)

proctype inserter(byte i)
{
	bit sees;

#ifdef LOOK_BEFORE_NAME
	sees = changed;
#endif
	atomic {
		if
		:: i == 0 -> fault_name = true
		:: else -> fault_unnamed++
		fi
	}
#ifndef LOOK_BEFORE_NAME
	sees = changed;
#endif
	if
	:: !sees -> pte = true
	:: else
	fi;
	atomic { fault_name = fault_name && i != 0; fault_unnamed = fault_unnamed - i }
	/* name_kicked(), revoke_unkick() */
	if
	:: awaited[i] ->
		spin_lock(waiter_lock[i]);
		if
		:: awaited[i] ->
			awaited[i] = false;
			atomic { COUNT(pending[waiter[i] - 1] > 0); pending[waiter[i] - 1]-- }
			waiter[i] = 0
		:: else
		fi;
		spin_unlock(waiter_lock[i])
	:: else
	fi
}

/* As await(), for each of the two. */
inline await(me, i)
{
	if
	:: still_inserts(i) ->
		spin_lock(waiter_lock[i]);
		if
		:: waiter[i] && waiter[i] != me + 1 ->
#ifndef BUSY_IGNORED
			busy = true
#endif
		:: awaited[i] && waiter[i] == me + 1
		:: else ->
			awaited[i] = true;
#ifdef AWAIT_NO_REREAD
			if
			:: true ->
#else
			if
			:: still_inserts(i) ->
#endif
				d_step { waiter[i] = me + 1; found = true; pending[me]++ }
			:: else -> awaited[i] = false
			fi
		fi;
		spin_unlock(waiter_lock[i])
	:: else
	fi
}

inline await_inserters(me)
{
	await(me, 0);
	await(me, 1)
}

proctype zapper(byte me)
{
	bit busy, found;

	pending[me] = 1;
#ifdef SCAN_FIRST
	await_inserters(me);
	changed = true;
#else
	changed = true;
	await_inserters(me);
#endif
	pte = false;
	do
	:: busy ->
		found = true;
		busy = false;
		await_inserters(me)
	:: else -> break
	od;
	pending[me]--;
	pending[me] == 0;
#ifndef ONE_RANGE_ZAP
	if
	:: found -> pte = false
	:: else
	fi;
#endif
	G2(!pte)
}

init {
	atomic {
		if
		:: kind = USER_TASK
		:: kind = WORKER
		:: kind = KTHREAD
		:: goto range
		fi;
		if
		:: names = NAMES
		:: names = 1
		:: names = 0
		fi;
		run task();
		run kicker(0); run kicker(1);
		if
		:: kind != KTHREAD -> run adder()
		:: kind != KTHREAD
		:: kind == KTHREAD -> run watch()
		fi;
		goto started;
range:
		run inserter(0); run inserter(1); run zapper(0); run zapper(1);
started:
		skip
	}
}

ltl live { [] (marked -> <> (users[0] == 0)) }
