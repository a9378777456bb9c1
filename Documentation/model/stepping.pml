/*
 * Stepping out of a method, and revoking from within one (break_using(),
 * unbreak_using(), revoke_cannot_wait()).
 *
 * variants: NO_BREAK:deadlock BREAK_INNERMOST_ONLY:deadlock
 * variants: BREAK_KEEPS_REQUEST:deadlock REQUEST_NOT_COUNTED_AGAIN:count
 * variants: UNBREAK_UNCHECKED:G3 NO_MODULE_REFERENCE:G4 MODULE_REFERENCE_LATE:G4
 * variants: WAITS_FOR_ITSELF:deadlock LOOKS_FIRST:deadlock
 * unreached: 1 (the outer use has no request)
 *
 * task()	a task in a method that is called by another one of the same file
 *		(->splice_read calls ->read_iter), so with two uses.  The inner
 *		one may be about to queue a request.  The task
 *   steps out	break_using() of both, takes the mutex that the remover holds,
 *		unbreak_using(), use_reenter(); or
 *   revokes	revoke_file() of its own file, for which it must not wait; or
 *		neither
 *   returns	revoke_async_returns(), revoke_leave(), leave_broken()
 * remover()	takes a mutex, calls revoke_it(), drops it, unloads the module
 * releaser()	revoke_last_work()
 * mutual()	two tasks, each in a method of the file that the other one takes
 *		away by revoke_file(): revoke_wait(), revoke_cannot_wait()
 *
 * What a method may do after unbreak_using() has failed is to return, which
 * takes it through the text of its module.  break_using() looks at no name of
 * which it has dropped the count: all names are broken before the first decrement.
 *
 * revoke_it() of objects of each other does wait: something would be freed that is
 * in use.  Drivers must not call it there, see the locking rules.
 *
 * Left out: kicks, and names of another use meanwhile (names.pml); a suspended
 * object, for which unbreak_using() waits (suspend.pml has who waits).
 */
#include "model.h"

#define OUTER		0
#define INNER		1

/* task->uses.name[]: */
#define NAMED		1
#define BROKEN		2
byte name[2];
bit async;			/* uses.async, of INNER */

/* rv->state */
bit revoked, closed, gone;
byte users, late;
bit last_work;

bit mutex;
byte module = 1;		/* references; one is the file's, until ->release */

/* For the properties only */
bit released;
bit in_method;			/* its data may be touched */
bit in_text;			/* the task will return to the method */
bit unloaded;

inline drop(n, n_late, last)
{
	atomic {
		COUNT(users >= n && late >= n_late);
		users = users - n;
		late = late - n_late;
		closed = closed || (revoked && users == 0);
		last = closed && users == 0 && late == 0
	}
}

inline drop_async(n, n_late, last)
{
	drop(n, n_late, last);
	if
	:: last -> last = false; queue_once(last_work)
	:: else
	fi
}

inline enter(u, ok)
{
	name[u] = NAMED;
	atomic {
		if
		:: !revoked && !closed -> users++; ok = true
		:: else -> ok = false
		fi
	}
}

inline get_module()	{ atomic { G4(module > 0); module++ } }
inline put_module()	{ atomic { COUNT(module > 0); module-- } }

inline break_name(u)
{
#if !defined(NO_MODULE_REFERENCE) && !defined(MODULE_REFERENCE_LATE)
	get_module();
#endif
	name[u] = BROKEN
}

inline break_using()
{
#ifndef BREAK_INNERMOST_ONLY
	break_name(OUTER);
#endif
	break_name(INNER);
#ifndef BREAK_INNERMOST_ONLY
	drop_async(1, 0, last);
#endif
#ifndef BREAK_KEEPS_REQUEST
	if
	:: async -> drop_async(0, 1, last)
	:: else
	fi;
#endif
	drop_async(1, 0, last)
#ifdef MODULE_REFERENCE_LATE
	;
	get_module();
	get_module()
#endif
}

inline reenter(u, ok)
{
	enter(u, ok);
	if
	:: ok ->
#ifndef REQUEST_NOT_COUNTED_AGAIN
		if
		:: u == INNER && async -> late++
		:: else
		fi;
#endif
#ifndef NO_MODULE_REFERENCE
		put_module()
#endif
	:: else -> name[u] = BROKEN
	fi
}

inline unbreak_using(ok)
{
#ifdef BREAK_INNERMOST_ONLY
	ok = true;
#else
	reenter(OUTER, ok);
#endif
	if
	:: ok -> reenter(INNER, ok)
	:: else
	fi
}

inline leave(u)
{
	if
	:: name[u] == BROKEN ->
#ifndef NO_MODULE_REFERENCE
		put_module();
#endif
		name[u] = 0
	:: else ->
		name[u] = 0;
		drop_async(1, 0, last)
	fi
}

/* revoke_last(), with module_put() by release_driver() */
inline release()
{
	atomic {
		G3(!released && !in_method);
		released = true
	}
	put_module();
	gone = true
}

/* revoke_mark(), revoke_start(); who is inside itself does not release it. */
inline revoke()
{
	atomic {
		if
		:: !revoked && !closed -> revoked = true; users++; mine = true
		:: else
		fi
	}
	if
	:: mine -> mine = false; drop(1, 0, last)
	:: else
	fi
}

proctype task()
{
	bit ok, last, mine;

	enter(OUTER, ok);
	if
	:: ok
	:: else -> name[OUTER] = 0; goto out
	fi;
	in_text = true;
	enter(INNER, ok);
	if
	:: !ok -> name[INNER] = 0; goto outer
	:: ok
	:: ok -> late++; async = true
	fi;
	in_method = true;
	G1(!released);
	if
	:: true ->
#ifdef NO_BREAK
		spin_lock(mutex);
		spin_unlock(mutex);
#else
		in_method = false;
		break_using();
		spin_lock(mutex);
		spin_unlock(mutex);
		unbreak_using(ok);
#ifdef UNBREAK_UNCHECKED
		ok = true;
#endif
		in_method = ok;
#endif
		G1(!in_method || !released);
		G4(!unloaded)
	:: true ->
		revoke();
		if
		:: last -> last = false; queue_once(last_work)
		:: else
		fi;
		/* revoke_cannot_wait(): the name of it is its own. */
#ifdef WAITS_FOR_ITSELF
		gone
#endif
	:: true
	fi;
	G1(!in_method || !released);
	in_method = false;
	/* The method has not queued the request. */
	if
	:: async && name[INNER] != BROKEN -> async = false; drop_async(0, 1, last)
	:: else -> async = false
	fi;
	G4(!unloaded);
	leave(INNER);
outer:
	G4(!unloaded);
	in_text = false;
	leave(OUTER);
out:
	skip
}

proctype remover()
{
	bit last, mine;

	spin_lock(mutex);
	revoke();
	if
	:: last -> release()
	:: else
	fi;
	gone;
	atomic { G1(!in_method); G3(released) }
	spin_unlock(mutex);
	atomic { module == 0; unloaded = true; G4(!in_text) }
}

proctype releaser()
{
end:	last_work;
	last_work = false;
	release()
}

/*
 * Two tasks and two files
 */

bit marked[2];
byte counts[2] = 1;		/* each is in a method of its file */
bit done[2];

proctype mutual(byte me)
{
#ifdef LOOKS_FIRST
	bit give_up = marked[me];
#else
#define give_up		marked[me]
#endif

	atomic { marked[!me] = true; counts[!me]++ }
	counts[!me]--;
	/* revoke_wait() looks again, each second. */
	if
	:: counts[!me] == 0
	:: give_up
	fi;
	counts[me]--;
	done[me] = true
}

init {
	atomic {
		if
		:: run task(); run remover(); run releaser()
		:: run mutual(0); run mutual(1)
		fi
	}
}

ltl live { <> (unloaded || (done[0] && done[1])) }
