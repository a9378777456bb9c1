/*
 * Stepping out, and revoking from within (break_using(), unbreak_using(),
 * revoke_cannot_wait()).
 *
 * variants: NO_BREAK:deadlock BREAK_INNERMOST_ONLY:deadlock
 * variants: BREAK_KEEPS_REQUEST:deadlock BREAK_UNCOUNTED:deadlock
 * variants: UNBREAK_UNCHECKED:G1 NO_MODULE_REFERENCE:G4
 * variants: COUNTS_ITSELF:deadlock REQUEST_NOT_COUNTED_AGAIN:count
 * unreached: 3 (who is inside is not the last one to leave three times)
 *
 * task()	a task in a method that is called by another one (->splice_read
 *		calls ->read_iter), so with two uses, in buckets of different
 *		CPUs.  The inner one may queue a request.  It
 *   steps out	break_using(), takes the mutex that the remover holds,
 *		unbreak_using(); or
 *   revokes	revoke_file() of its own file, which must not wait; or
 *		neither
 *   returns	revoke_async_returns(), stop_using_revokable()
 * remover()	takes a mutex, revoke_it(), drops it, unloads the module
 * worker()	revoke_drained_work(): revoke_drained(), revoke_detach(),
 *		revoke_put_work()
 *
 * What the method may do after unbreak_using() has failed is to return, which
 * takes it through the text of its module.  A revoke of two tasks that are in
 * methods of each other's objects is not here: revoke_it() is not to be
 * called there, see the locking rules.
 */
#include "model.h"

#define OUTER		0
#define INNER		1
#define USES		2

byte state = LIVE;
byte pending;
bit work;
bit users_left;
byte nr_async = 1;
bit mutex;

/* struct file_use */
bit linked[USES];
bit drain[USES];
bit out[USES];			/* use->bucket == NULL */
byte owners;			/* use->owner */
bit async;			/* use->async of INNER */

/* For the properties only */
bit released;
bit in_method;			/* its data may be touched */
bit in_text;			/* the task will return to the method */
byte module = 1;		/* references; that of the file */
bit unloaded;

inline enter(u, ok)
{
	atomic {
		ok = state < REVOKED;
		if
		:: ok -> linked[u] = true; out[u] = false; drain[u] = false
		:: else
		fi
	}
}

/* hlist_del() is done. */
inline left(u)
{
	if
	:: drain[u] -> drain[u] = false; dec_and_queue(pending, work)
	:: else
	fi
}

inline async_end()
{
	async = false;
	dec_and_queue(nr_async, work)
}

inline unlink(u)
{
#ifndef NO_MODULE_REFERENCE
	atomic { G4(module > 0); module++; owners++; linked[u] = false }
#else
	linked[u] = false
#endif
}

inline module_put(u)
{
#ifdef NO_MODULE_REFERENCE
	skip
#else
	atomic { module--; owners-- }
#endif
}

inline break_using()
{
#ifndef BREAK_INNERMOST_ONLY
	unlink(OUTER);
#endif
	unlink(INNER);
#ifndef BREAK_INNERMOST_ONLY
#ifndef BREAK_UNCOUNTED
	left(OUTER);
#endif
	out[OUTER] = true;
#endif
#ifndef BREAK_KEEPS_REQUEST
	if
	:: async -> async_end()
	:: else
	fi;
#endif
#ifndef BREAK_UNCOUNTED
	left(INNER);
#endif
	out[INNER] = true
}

inline unbreak_using(again, ok)
{
	ok = true;
#ifndef BREAK_INNERMOST_ONLY
	enter(OUTER, ok);
	if
	:: ok -> module_put(OUTER)
	:: else
	fi;
#endif
	if
	:: ok ->
		enter(INNER, ok);
		if
		:: ok ->
			if
			:: again ->
#ifndef REQUEST_NOT_COUNTED_AGAIN
				nr_async++;
#endif
				async = true
			:: else
			fi;
			module_put(INNER)
		:: else
		fi
	:: else
	fi
}

inline stop(u)
{
	if
	:: out[u] -> module_put(u)
	:: else ->
		linked[u] = false;
		left(u)
	fi
}

/* revoke_mark(), revoke_barrier(), the end of revoke_start() */
inline revoke(u)
{
	atomic {
		if
		:: state < REVOKED -> pending = 1; state = REVOKED; u = 0
		:: else -> u = USES + 1
		fi
	}
	do
	:: u < USES ->
		d_step {
			if
			:: linked[u] -> drain[u] = true; pending++
			:: else
			fi;
			u++
		}
	:: u == USES ->
		dec_and_queue(pending, work);
		break
	:: u > USES -> break
	od;
	u = 0
}

proctype task()
{
	byte u;
	bit ok, again;

	enter(OUTER, ok);
	if
	:: ok
	:: else -> goto out_of_it
	fi;
	in_text = true;
	enter(INNER, ok);
	if
	:: !ok -> goto stop_outer
	:: ok
	:: ok -> async = true; nr_async++; again = true
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
		unbreak_using(again, ok);
#ifdef UNBREAK_UNCHECKED
		ok = true;
#endif
		in_method = ok;
#endif
		G1(!in_method || !released);
		G4(!unloaded)
	:: true ->
		revoke(u);
		/* Its own record has been counted, now or by another revoke. */
#ifdef COUNTS_ITSELF
		state == RELEASED
#endif
	:: true
	fi;
	G1(!in_method || !released);
	in_method = false;
	/* No request has been queued. */
	if
	:: async && !out[INNER] -> async_end()
	:: else
	fi;
	G4(!unloaded);
	stop(INNER);
stop_outer:
	G4(!unloaded);
	in_text = false;
	stop(OUTER);
out_of_it:
	skip
}

proctype remover()
{
	byte u;

	spin_lock(mutex);
	revoke(u);
	state == RELEASED;
	atomic { G1(!in_method); G3(released) }
	spin_unlock(mutex);
	atomic { module == 0; unloaded = true; G4(!in_text) }
}

proctype worker()
{
	bit last;

	do
	:: work ->
		work = false;
		if
		:: users_left -> last = true
		:: else ->
			users_left = true;
			atomic { COUNT(nr_async > 0); nr_async--; last = nr_async == 0 }
		fi;
		if
		:: last -> break
		:: else
		fi
	od;
	atomic {
		G3(!released);
		released = true;
		G1(!linked[OUTER] && !linked[INNER])
	}
	/* An RCU grace period later. */
	module--;
	state = RELEASED
}

init {
	atomic { run task(); run remover(); run worker() }
}

ltl live { <> unloaded }
