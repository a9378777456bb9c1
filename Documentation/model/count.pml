/*
 * Who is inside: two counts and the flags that refuse them (fs/revoke/use.c).
 *
 * variants: UNDO:count NO_COUNT_OF_ITS_OWN:G4 LATE_NOT_WAITED_FOR:G3
 * variants: HAND_OVER_AFTER:G2 NO_FIRST_ZAP:G2 WAKE_FIRST:deadlock NO_RCU:G4
 * variants: SUSPEND_LOOKS_FIRST:suspend
 * unreached: 1 (the worker does not end)
 *
 * user()	two tasks that call methods of one file, one of them twice; a method
 *		may insert a page table entry.
 *   enter	try_cmpxchg() of users: refused with SUSPENDED or REVOKED in it
 *   leave	hands its count to the zap if it sees REVOKED; else decrements,
 *		and looks at what the decrement has returned
 * opener()	vm_ops->open of somebody: counted in the other word, late
 * revoker()	revokes the file or does not, and waits for the end
 * suspender()	suspends it, sees nobody inside, and resumes it
 * worker()	the zap that leavers share, and the closing by the last one
 *
 * The kernel has both counts in one word, so that it has fewer interleavings than
 * this: here a step is on one of them.  A step on a word is atomic: fetch_or(), cmpxchg() and dec_return() order all
 * that is before them against all that is after.  The revoker has a count of
 * its own from its mark on, so that there is one rule for who goes on: the task
 * whose decrement finds REVOKED and zero.  Nobody increments a word with a flag
 * that refuses, so zero is reached once.
 *
 * Left out: names and kicks (names.pml).
 */
#include "model.h"

bit violates_suspend;	/* nobody is inside while it is suspended */
#define SUSPEND(cond)	assert((cond) || violates_suspend)

/* rv->users: two flags and a count; rv->late: one flag and a count */
bit suspended, revoked;
byte users;
bit closed;
byte late;

byte handed;		/* counts that the zap has to give back */
bit zap_work, close_work, release_work;
bit pte;

byte inside, inside_late;
bit quiet;		/* the suspender says so */
bit woken, waiting;
byte rcu;		/* readers */
bit released, freed;
bit zapping;		/* the revoker touches the file */

/* The word has lost a count: who goes on? */
#define last_user	(revoked && users == 0)
#define last_late	(closed && late == 0)

inline enter(ok)
{
#ifdef UNDO
	/* Increment, look, and take it back. */
	atomic { users++; ok = !suspended && !revoked }
	if
	:: !ok -> drop_user()
	:: else
	fi
#else
	atomic {
		if
		:: !suspended && !revoked -> users++; ok = true
		:: else -> ok = false
		fi
	}
#endif
}

inline drop_user()
{
	atomic {
		COUNT(users > 0);
		users--;
		if
		:: last_user -> COUNT(!close_work && !closed); close_work = true
		:: else
		fi
	}
}

/* Whoever sleeps in the suspend is to look again. */
inline wake()
{
	G4(!freed);
	atomic {
		if
		:: waiting -> woken = true
		:: else
		fi
	}
}

inline hand_over()
{
	atomic { handed++; zap_work = true }
}

inline leave(saw)
{
	if
#ifdef HAND_OVER_AFTER
	:: false
#else
	/* With its count, what it has inserted cannot be released. */
	:: revoked -> hand_over()
#endif
	:: else ->
#ifndef NO_RCU
		rcu++;
#endif
#ifdef WAKE_FIRST
		wake();
		drop_user();
#else
		atomic {
			COUNT(users > 0);
			users--;
			saw = suspended;
			if
			:: last_user ->
				COUNT(!close_work && !closed);
				close_work = true
			:: else
			fi
		}
		if
		:: saw -> wake(); saw = false
		:: else
		fi;
#endif
#ifndef NO_RCU
		rcu--
#endif
	fi
}

proctype user(byte calls)
{
	bit ok, saw;

	do
	:: calls > 0 ->
		calls--;
		enter(ok);
		if
		:: ok ->
			ok = false;
			atomic { inside++; G1(!released); SUSPEND(!quiet) }
			if
			:: atomic { G2(!released); pte = true }
			:: skip
			fi;
			atomic { G1(!released); SUSPEND(!quiet); inside-- }
			leave(saw)
		:: else
		fi
	:: calls == 0 -> break
	od
}

proctype opener()
{
	bit ok;

	atomic {
		if
		:: !closed -> late++; ok = true
		:: else
		fi
	}
	if
	:: ok ->
		atomic { inside_late++; G3(!released) }
		atomic { G3(!released); inside_late-- }
		atomic {
			late--;
			if
			:: last_late -> COUNT(!release_work); release_work = true
			:: else
			fi
		}
	:: else
	fi
}

proctype revoker()
{
	atomic {
		revoked = true;
		zapping = true;
#ifndef NO_COUNT_OF_ITS_OWN
		users++
#else
		if
		:: users == 0 -> close_work = true
		:: else
		fi
#endif
	}
#ifndef NO_FIRST_ZAP
	pte = false;
#endif
	G4(!released);
	zapping = false;
#ifndef NO_COUNT_OF_ITS_OWN
	drop_user();
#endif
	released
}

proctype suspender()
{
	/* Once the object has gone there is nothing to suspend. */
	atomic {
		if
		:: !freed -> rcu++
		:: else -> goto out
		fi
	}
#ifdef SUSPEND_LOOKS_FIRST
	users == 0;
	suspended = true;
#else
	suspended = true;
	do
	:: atomic { waiting = true; woken = false }
		if
		:: users == 0 -> break
		:: else -> woken || revoked
		fi;
		/* A revoke gives the answer. */
		if
		:: revoked -> break
		:: else
		fi
	od;
	waiting = false;
#endif
	atomic {
		if
		:: !revoked -> quiet = true; SUSPEND(!inside)
		:: else
		fi
	}
	quiet = false;
	suspended = false;
	rcu--;
out:
	skip
}

/* Three works; each runs once it is queued. */
proctype worker()
{
	byte n;

end:
	do
	:: atomic { zap_work -> zap_work = false; n = handed; handed = 0 }
		pte = false;
		do
		:: n > 0 -> drop_user(); n--
		:: n == 0 -> break
		od
	:: close_work ->
		close_work = false;
		/* From here on, nobody is let in; the flag and a count at once. */
		atomic { closed = true; late++ }
#ifdef LATE_NOT_WAITED_FOR
		release_work = true;
		late--
#else
		atomic {
			late--;
			if
			:: last_late -> COUNT(!release_work); release_work = true
			:: else
			fi
		}
#endif
	:: release_work ->
		release_work = false;
		atomic {
			G3(!released && !inside && !inside_late);
			G4(!zapping);
			G2(!pte);
			COUNT(users == 0 && handed == 0);
			released = true
		}
		/* The owner frees it, after a grace period. */
		atomic { rcu == 0 -> freed = true }
	od
}

init {
	atomic {
		run user(2); run user(1); run opener();
		run suspender(); run worker();
		if
		:: run revoker()
		:: skip
		fi
	}
}

ltl live { [] (revoked -> <> released) }
