/*
 * One open file: who is inside, and who goes on (fs/revoke/use.c, core.c).
 *
 * variants: UNDO:count LOOK_THEN_COUNT:count NO_COUNT_OF_ITS_OWN:G4
 * variants: LATE_NOT_WAITED_FOR:G3 HAND_OVER_AFTER:G2 NO_FIRST_ZAP:G2 ONE_TURN:G2
 * variants: NOT_TOLD:deadlock REQUEST_COUNTED_AFTER:count OOPSED_AFTER:G3
 * variants: OOPS_KEEPS_COUNT:deadlock
 * unreached: 2 (neither work ends)
 *
 * user()	two tasks that call methods of the file, which may map it and
 *		insert a page table entry.  One calls two, the other one only
 *		one, which may also leave a request behind, or oops.
 *   enter	revoke_enter(), count_enter(): refused with REVOKED
 *   request	revoke_async_begin(), revoke_async_returns()
 *   leave	revoke_leave(), count_leave(), hand_over(), revoke_drop_async()
 *   oops	revoke_oopsed(): the method does not return
 * opener()	revokable_vm_open(): counted late, refused with CLOSED only
 * request()	revoke_async_done(), by itself or when ops->kick() has ended it
 * revoker()	revoke_file(): revoke_mark(), revoke_start(), and revoke_last() or
 *		revoke_queue_last()
 * zapper()	revoke_zap_work(), for leavers of either turn
 * releaser()	revoke_last_work(), whether queued by the last one to leave, or
 *		by revoke_drop() to tell what is left of requests
 *
 * The revoker has a count from its mark on, so that there is one rule for who
 * goes on: the task whose decrement finds REVOKED and no user left sets CLOSED,
 * and the one whose decrement finds CLOSED and no count at all releases.  Nobody
 * increments a count with a flag that refuses it, so zero is reached once.
 *
 * Left out: names and kicks (names.pml), suspends (suspend.pml), where the page
 * table entries are (mapping.pml), and who closes the file (release.pml).
 */
#include "model.h"

/* rv->state */
bit revoked, closed, mapped, oopsed, gone;
byte users, late;

/* maps->handed[].users, r->zap_turn; r->zap_work and rv->work are queued */
byte handed[2];
bit turn;
bit zap_work, last_work;

bit pte;
bit queued, kicked;		/* the driver has a request; and is to end it */

/* For the properties only */
byte inside, inside_late;
bit starting;			/* revoke_start() touches the file */
bit released;

/* revoke_drop(): last means that the caller goes on */
inline drop(n, n_late, last)
{
	atomic {
		COUNT(users >= n && late >= n_late);
		users = users - n;
		late = late - n_late;
#if !defined(NOT_TOLD) && !defined(LATE_NOT_WAITED_FOR)
		tell = revoked && !closed && users == 0 && late > 0;
#endif
		closed = closed || (revoked && users == 0);
		late = late + tell;
#ifdef LATE_NOT_WAITED_FOR
		last = n > 0 && closed && users == 0
#else
		last = closed && users == 0 && late == 0
#endif
	}
	if
	:: tell -> tell = false; queue_once(last_work)
	:: else
	fi
}

inline drop_async(n, n_late, last)
{
	drop(n, n_late, last);
	if
	:: last -> last = false; queue_once(last_work)
	:: else
	fi
}

inline enter(ok)
{
#ifdef UNDO
	/* Increment, look, and take it back. */
	atomic { users++; ok = !revoked }
	if
	:: !ok -> drop_async(1, 0, last)
	:: else
	fi
#elif defined(LOOK_THEN_COUNT)
	ok = !revoked && !closed;
	users = users + ok
#else
	atomic {
		if
		:: !revoked && !closed -> users++; ok = true
		:: else -> ok = false
		fi
	}
#endif
}

inline leave()
{
	if
#ifndef HAND_OVER_AFTER
	/* With its count, what it has inserted cannot be released. */
	:: revoked && mapped ->
		/* revoke_zap_later(), under r->lock */
		atomic { handed[turn]++; zap_work = true }
#endif
	:: else -> drop_async(1, 0, last)
	fi
}

inline method()
{
	if
	:: skip
	:: mapped = true; atomic { G2(!released); pte = true }
	:: all -> async_method()
	:: all -> oops = true
	fi
}

inline async_method()
{
#ifdef REQUEST_COUNTED_AFTER
		queued = true;
	late++
#else
	late++;
	if
	:: queued = true
	:: drop_async(0, 1, last)	/* there is a result */
	fi
#endif
}

proctype user(byte calls; bit all)
{
	bit ok, oops, last, tell;

	do
	:: calls > 0 ->
		calls--;
		enter(ok);
		if
		:: ok ->
			ok = false;
			atomic { inside++; G1(!released) }
			method();
			if
			:: oops ->
				calls = 0;
#ifndef OOPSED_AFTER
				oopsed = true;
#endif
#ifndef OOPS_KEEPS_COUNT
				leave();
#endif
				oopsed = true
			:: else ->
				atomic { G1(!released); inside-- }
				leave()
			fi
		:: else
		fi
	:: calls == 0 -> break
	od
}

proctype opener()
{
	bit ok, last, tell;

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
		drop_async(0, 1, last)
	:: else
	fi
}

proctype request()
{
	bit last, tell;

end:	queued;
	if
	:: true			/* it ends by itself */
	:: true ->		/* only ops->kick() ends it */
endkick:	kicked
	fi;
	G3(!released);
	drop_async(0, 1, last)
}

/* A request that comes later is not ended by this. */
inline ops_kick()
{
	atomic {
		G4(!released);
		if
		:: queued -> kicked = true
		:: else
		fi
	}
}

/* revoke_last(): revoke_release(), revoke_gone() */
inline release()
{
	atomic {
		G4(!starting && !gone);
		G2(!pte);
		COUNT(users == 0 && handed[0] + handed[1] == 0);
		if
		:: !oopsed ->
			G3(!released && !inside && !inside_late);
			released = true
		:: else
		fi
	}
	gone = true
}

proctype revoker()
{
	bit last, tell;

	atomic {
		revoked = true;
		starting = true;
#ifndef NO_COUNT_OF_ITS_OWN
		users++
#else
		if
		:: users == 0 -> closed = true; last = late == 0
		:: else
		fi
#endif
	}
#ifdef NO_COUNT_OF_ITS_OWN
	if
	:: last -> last = false; queue_once(last_work)
	:: else
	fi;
#endif
#ifndef NO_FIRST_ZAP
	if
	:: mapped -> pte = false
	:: else
	fi;
#endif
	ops_kick();
	starting = false;
#ifndef NO_COUNT_OF_ITS_OWN
	drop(1, 0, last);
	if
	:: last -> release()
	:: last -> last = false; queue_once(last_work)
	:: else
	fi;
#endif
	gone
}

/* The work is not pending any more when its function is called. */
proctype zapper()
{
	bit mine, last, tell;
	byte n;

end:	do
	:: zap_work ->
		zap_work = false;
#ifdef ONE_TURN
		pte = false;
		atomic { n = handed[mine]; handed[mine] = 0 }
#else
		atomic { mine = turn; turn = !turn }
		if
		:: handed[mine] > 0 -> pte = false
		:: else
		fi;
		n = handed[mine];
		handed[mine] = 0;
#endif
		if
		:: n > 0 -> drop_async(n, 0, last); n = 0
		:: else
		fi
	od
}

proctype releaser()
{
	bit last, tell;

end:	do
	:: last_work ->
		last_work = false;
		if
		:: users + late > 0 ->
			ops_kick();
			drop(0, 1, last)
		:: else -> last = true
		fi;
		if
		:: last -> last = false; release()
		:: else
		fi
	od
}

init {
	atomic {
		if
		:: mapped = true
		:: mapped = true; pte = true
		:: skip
		fi;
		run user(2, false); run user(1, true); run opener(); run request();
		run zapper(); run releaser();
		if
		:: run revoker()
		:: skip
		fi
	}
}

ltl live { [] (revoked -> <> gone) }
