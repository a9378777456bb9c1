/*
 * The names in the task (fs/revoke/use.c, watch.c): kick, leave, fork, step out.
 *
 * variants: KICK_NO_REREAD:kick KICK_NO_BARRIER:kick KICK_UNLOCKED:kick
 * variants: FORGET_OUTER:deadlock FORGET_TASK_WORK:kick FORK_COPIES:kick
 * variants: NO_TOMBSTONE:count NAME_LATE:G2 SCAN_FIRST:G2
 * unreached: 10 (the outer leave: no use is left to kick; the child of a task is unnamed)
 *
 * user()	a user task in a method of file 0, and within that in one of
 *		file 1, that may sleep in both, or step out of file 0 in between
 *   enter	stores the name in a slot of the task, then increments the count
 *   leave	clears the slot, then decrements, then looks at kicked
 *   step_out	break_using(): leaves a tombstone, so that the outer leave finds
 *		its slot as it was
 * child()	what fork(2) in a method makes of the task: its slots are zero
 * kicker()	one for each file, once it has been marked: takes the lock of
 *		the task, sets kicked, reads the slots again, then notifies
 * adder()	task_work_add(user, TWA_SIGNAL) of somebody else
 * inserter()	a fault of another file that stays live
 * zapper()	revokable_zap_range(): change, barrier, note names, zap, wait, zap
 *
 * A store and a later load in one task are in this order because of a full
 * barrier between them: in enter the cmpxchg() of the count, which pairs with
 * the zapper's; in leave the decrement, which pairs with the kicker's.
 *
 * One kick is enough here: a user task does not sleep with a notification.  It
 * is repeated for kernel threads, which have none (kick.pml).
 *
 * Left out: the counts as such (count.pml).
 */
#include "model.h"

#define SLOTS		2
#define TOMB		9

/* In task_struct: 1 + the file, for the user and for the child */
byte slot[SLOTS];
byte child_slot[SLOTS];
bit kicked, child_kicked;
bit task_lock;

byte users[2];
bit revoked[2];

bit notify, child_notify;	/* TIF_NOTIFY_SIGNAL */
bit asleep;
bit task_work, added;
bit forked;
bit marked;

inline set_notify_signal()
{
	atomic {
		if
		:: !notify -> notify = true; asleep = false
		:: else
		fi
	}
}

/* Finds a slot, and puts the name there before the count. */
inline enter(f, s, ok)
{
	if
	:: slot[0] == 0 -> s = 0
	:: else -> s = 1
	fi;
	COUNT(slot[s] == 0);
	slot[s] = f + 1;
	atomic {
		if
		:: !revoked[f] -> users[f]++; ok = true
		:: else -> ok = false
		fi
	}
	if
	:: !ok -> slot[s] = 0
	:: else
	fi
}

inline forget_kick()
{
	if
	:: kicked ->
#ifndef KICK_UNLOCKED
		spin_lock(task_lock);
#endif
		if
		:: kicked ->
			kicked = false;
			notify = false;
#ifndef FORGET_OUTER
			/* The outer use may be one that is to leave, too. */
			if
			:: (slot[0] == 1 && revoked[0]) || (slot[1] == 1 && revoked[0]) ->
				kicked = true;
				set_notify_signal()
			:: else
			fi;
#endif
#ifndef FORGET_TASK_WORK
			if
			:: task_work -> set_notify_signal()
			:: else
			fi
#endif
		:: else
		fi;
#ifndef KICK_UNLOCKED
		spin_unlock(task_lock)
#endif
	:: else
	fi
}

inline leave(s, f)
{
	if
	:: slot[s] == TOMB -> slot[s] = 0
	:: else ->
		slot[s] = 0;
		atomic { COUNT(users[f] > 0); users[f]-- }
		forget_kick()
	fi
}

inline step_out(s, f)
{
#ifdef NO_TOMBSTONE
	slot[s] = 0;
#else
	slot[s] = TOMB;
#endif
	atomic { COUNT(users[f] > 0); users[f]-- }
	forget_kick()
}

/* Does not sleep with a notification; nothing else wakes it. */
inline sleep(f)
{
	atomic {
		if
		:: notify
		:: !notify -> asleep = true
		fi
	}
	!asleep
}

proctype child()
{
#ifdef FORK_COPIES
	child_slot[0] = slot[0];
#endif
	forked = true
}

proctype user()
{
	bit ok;
	byte s0, s1;

	enter(0, s0, ok);
	if
	:: ok ->
		ok = false;
		if
		:: run child()
		:: skip
		fi;
		if
		:: step_out(s0, 0)
		:: skip
		fi;
		enter(1, s1, ok);
		if
		:: ok ->
			ok = false;
			if
			:: sleep(1)
			:: skip
			fi;
			leave(s1, 1)
		:: else
		fi;
		if
		:: slot[s0] == 1 -> sleep(0)
		:: else
		fi;
		leave(s0, 0)
	:: else
	fi;
	/* What is there now ends the next sleep.  Is there a reason? */
	atomic {
		KICK(!notify || task_work);
		KICK(notify || !added)
	}
}

proctype adder()
{
	task_work = true;
	set_notify_signal();
	added = true
}

#define named(f)	(slot[0] == f + 1 || slot[1] == f + 1)
#define child_named(f)	(child_slot[0] == f + 1 || child_slot[1] == f + 1)

inline kick(f, found)
{
#if defined(KICK_NO_REREAD) || defined(KICK_NO_BARRIER)
	found = named(f);
#else
	found = true;
#endif
#ifndef KICK_UNLOCKED
	spin_lock(task_lock);
#endif
	/* On top of a kick for the other file, nothing is to be undone. */
	if
	:: kicked ->
		if
		:: named(f) -> set_notify_signal()
		:: else
		fi
	:: else ->
#ifdef KICK_NO_BARRIER
		/* The load of the slot was before the store. */
		kicked = true;
#else
		kicked = true;
#ifndef KICK_NO_REREAD
		found = named(f);
#endif
#endif
		if
		:: found -> set_notify_signal()
		:: else -> kicked = false
		fi
	fi;
#ifndef KICK_UNLOCKED
	spin_unlock(task_lock);
#endif
	found = false
}

proctype kicker(byte f)
{
	bit found;

	atomic { revoked[f] = true; marked = true }
	if
	:: users[f] == 0
	:: users[f] > 0 -> kick(f, found); users[f] == 0
	fi;
	/* The walk also comes to the child, which is inside of nothing. */
	if
	:: forked && child_named(f) -> child_notify = true; KICK(!child_notify)
	:: else
	fi
}

/* A range, in another world of its own */
byte name;		/* the inserter's slot */
byte moved;		/* its sequence */
bit changed;		/* what ->fault looks at */
bit pte;

proctype inserter()
{
	bit sees;

#ifdef NAME_LATE
	sees = changed;
	name = 1;
#else
	name = 1;
	sees = changed;
#endif
	if
	:: !sees -> pte = true
	:: else
	fi;
	atomic { name = 0; moved++ }
}

proctype zapper()
{
	byte noted;
	bit busy;

#ifdef SCAN_FIRST
	atomic { busy = name; noted = moved }
	changed = true;
#else
	changed = true;
	atomic { busy = name; noted = moved }
#endif
	pte = false;
	if
	:: busy -> moved != noted; pte = false
	:: else
	fi;
	G2(!pte)
}

init {
	atomic {
		if
		:: run user(); run kicker(0); run kicker(1);
			if
			:: run adder()
			:: skip
			fi
		:: run inserter(); run zapper()
		fi
	}
}

ltl live { [] (marked -> <> (users[0] == 0)) }
