/*
 * Getting sleepers out: kick, repeat, forget (fs/revoke/watch.c).
 *
 * variants: KICK_ONCE:deadlock KICK_UNLOCKED:kick FORGET_NEVER:kick
 * variants: FORGET_OUTER:kick FORGET_TASK_WORK:kick CHECK_BEFORE_CLEAR:kick
 * unreached: 1 (a watch that wakes the user task: no kick of it is lost)
 *
 * user()	a user task in a method of file 0, and within that in one of
 *		file 1 (a fault on its mapping, say), that sleeps in either.
 *   sleep	set_current_state(TASK_INTERRUPTIBLE), schedule(): does not
 *		sleep with TIF_NOTIFY_SIGNAL set
 *   leave	stop_using_revokable(), use_left(), use_forget_kick(),
 *		current_is_kicked()
 * kthread()	a kernel thread in a method of file 0.  It has no notification,
 *		and tests nothing between being kicked and going to sleep.
 * adder()	task_work_add(user, TWA_SIGNAL) of somebody else
 * revoker()	one for each file: revoke_mark(), revoke_barrier(), use_kick(),
 *		the end of revoke_start()
 * watch()	revokable_watch(): use_kick() again while a file is leaving
 * worker()	revoke_drained_work(), as far as needed
 *
 * Left out: all the rest of entering and leaving, see count.pml.
 */
#include "model.h"

#define FILES		2
#define USES		3	/* user's in file 0, user's in file 1, kthread's */
#define KTHREAD		2
#define file_of(u)	(u == 1)

byte state[FILES] = LIVE;
byte pending[FILES];
bit work[FILES];

/* struct file_use, each in a bucket of its own */
bit bucket_lock[USES];
bit linked[USES];
bit drain[USES];
bit kicked[USES];

bit notify;			/* TIF_NOTIFY_SIGNAL of the user task */
bit asleep;			/* the user task ... */
bit kthread_asleep;		/* ... and the kernel thread */
bit task_work;			/* of the user task */
bit added;			/* task_work_add() has returned */
bit marked;

inline enter(u, ok)
{
	atomic {
		!bucket_lock[u];
		if
		:: state[file_of(u)] < REVOKED -> linked[u] = true; ok = true
		:: else -> ok = false
		fi
	}
}

inline set_notify_signal()
{
	atomic {
		if
		:: !notify -> notify = true; asleep = false
		:: else
		fi
	}
}

#define kick_lost(u)	(linked[u] && kicked[u] && !bucket_lock[u])

/* Nothing else wakes it.  Whoever has been kicked does not sleep at all. */
inline sleep()
{
	atomic {
		if
		:: notify
		:: !notify -> asleep = true;
			KICK(!kick_lost(0) && !kick_lost(1))
		fi
	}
	!asleep
}

inline forget_kick(u, again)
{
	if
	:: kicked[u] ->
		kicked[u] = false;
#if defined(FORGET_NEVER)
		skip
#elif defined(CHECK_BEFORE_CLEAR)
		again = task_work;
		atomic { !bucket_lock[0]; again = again || kicked[0] }
		notify = false;
		if
		:: again -> set_notify_signal()
		:: else
		fi;
		again = false
#else
		notify = false;
		again = false;
#ifndef FORGET_TASK_WORK
		again = task_work;
#endif
#ifndef FORGET_OUTER
		/* The inner use has been left, so there is only this one. */
		atomic { !bucket_lock[0]; again = again || kicked[0] }
#endif
		if
		:: again -> set_notify_signal()
		:: else
		fi;
		again = false
#endif
	:: else
	fi
}

inline unlink(u)
{
	atomic { !bucket_lock[u]; linked[u] = false }
}

inline left(u)
{
	if
	:: drain[u] -> dec_and_queue(pending[file_of(u)], work[file_of(u)])
	:: else
	fi
}

proctype user()
{
	bit ok, again;

	enter(0, ok);
	if
	:: ok ->
		enter(1, ok);
		if
		:: ok ->
			if
			:: sleep()
			:: skip
			fi;
			unlink(1);
			forget_kick(1, again);
			left(1)
		:: else
		fi;
		sleep();
		unlink(0);
		forget_kick(0, again);
		left(0)
	:: else
	fi;
	/* What is there now ends the next sleep.  Is there a reason? */
	atomic {
		KICK(!notify || task_work);
		KICK(notify || !added)
	}
}

proctype kthread()
{
	bit ok;

	enter(KTHREAD, ok);
	if
	:: ok ->
		kthread_asleep = true;
		!kthread_asleep;
		unlink(KTHREAD);
		left(KTHREAD)
	:: else
	fi
}

proctype adder()
{
	task_work = true;
	set_notify_signal();
	added = true
}

inline kick(f, u)
{
	u = 0;
	do
	:: u < USES && file_of(u) != f -> u++
	:: u < USES && file_of(u) == f ->
#ifndef KICK_UNLOCKED
		spin_lock(bucket_lock[u]);
#endif
		if
		:: linked[u] && drain[u] ->
			kicked[u] = true;
			if
			:: u == KTHREAD -> kthread_asleep = false
			:: else -> set_notify_signal()
			fi
		:: else
		fi;
#ifndef KICK_UNLOCKED
		spin_unlock(bucket_lock[u]);
#endif
		u++
	:: u == USES -> break
	od;
	u = 0
}

proctype revoker(byte f)
{
	byte u;

	atomic { pending[f] = 1; state[f] = REVOKED; marked = true }
	do
	:: u < USES && file_of(u) != f -> u++
	:: u < USES && file_of(u) == f ->
		atomic {
			!bucket_lock[u];
			if
			:: linked[u] ->
				drain[u] = true;
				pending[f]++
			:: else
			fi
		}
		u++
	:: u == USES -> break
	od;
	kick(f, u);
	dec_and_queue(pending[f], work[f])
}

/* One for each object: once at any time, and whenever nothing else happens. */
proctype watch(byte f)
{
	byte u;
	bit once;

#ifndef KICK_ONCE
	state[f] >= REVOKED;
	do
	:: state[f] == RELEASED -> break
	:: state[f] < RELEASED && !once -> once = true; kick(f, u)
	:: timeout -> kick(f, u)
	od
#endif
}

proctype worker(byte f)
{
	work[f];
	state[f] = RELEASED
}

/* The two kinds of sleepers have nothing to do with each other. */
init {
	atomic {
		if
		:: run user(); run adder(); run revoker(1); run worker(1)
		:: run kthread()
		fi;
		run revoker(0); run worker(0);
		run watch(0)
	}
}

/* Everybody can be woken, so the revokes end. */
ltl live { [] (marked -> <> (state[0] == RELEASED)) }
