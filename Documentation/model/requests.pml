/*
 * Requests under way: what a method has queued when it returns -EIOCBQUEUED
 * (call_rw(), revoke_async_begin(), revoke_async_end(), revoke_async_done(),
 * revoke_async_drained()).
 *
 * variants: ASYNC_ONE_KICK:deadlock NO_USERS_LEFT:deadlock
 * variants: COUNTED_AFTER_CALL:count NO_COUNT_OF_ITS_OWN:G1 NOT_COUNTED:G3
 * variants: COUNTED_OUTSIDE:count NO_REFERENCE:G4 ERROR_KEEPS_COUNT:deadlock
 * variants: DONE_TWICE:count
 * unreached: 3 (a request that ends in a use or in a kick is not the last one)
 *
 * caller()	two tasks that submit a request each
 *   call	call_rw(): revoke_async_begin(), ->read_iter, which queues the
 *		request or fails, and revoke_async_returns()
 * device()	completes a request that is queued, at any time, or never: a
 *		revoke must not rely on it
 *   complete	revoke_async_done(): ki_complete(), which drops a reference to
 *		the file, then revoke_async_end()
 * revoker()	revoke_mark(), revoke_barrier(), revoke_start() with ops->kick()
 * closer()	__fput() of the last reference
 * worker()	revoke_drained_work(): revoke_drained(), revoke_async_drained(),
 *		revoke_detach(), revoke_put_work()
 *   kick	ops->kick() completes all that is queued, as it has to
 *
 * The queue of the driver has a lock, so to add to it or to take from it is
 * one step.  The struct revoke can go with the last reference to it.
 *
 * Left out: break_using(), see stepping.pml; cancelling, which is a use.
 */
#include "model.h"

#define REQUESTS	2

byte state = LIVE;
byte pending;
bit work;
bit users_left;
#ifdef NO_COUNT_OF_ITS_OWN
byte nr_async;
#else
byte nr_async = 1;
#endif
bit complete;			/* rv->released */
byte refs = 1;			/* of the struct revoke */
byte file_refs = 1;		/* a descriptor, and each request */
bit closing;			/* the last one has gone */

/* Of each caller */
bit linked[REQUESTS];
bit drain[REQUESTS];
bit queued[REQUESTS];

/* For the properties only */
bit under_way[REQUESTS];	/* the driver has it */
bit released;
bit marked;
byte callers = REQUESTS;

#define alive	(refs > 0)

inline put()
{
	atomic { G4(alive); refs-- }
}

inline file_put()
{
	atomic {
		file_refs--;
		if
		:: file_refs == 0 -> closing = true
		:: else
		fi
	}
}

inline async_begin()
{
#if defined(NOT_COUNTED)
	skip
#elif defined(NO_REFERENCE)
	nr_async++
#else
	atomic { refs++; nr_async++ }
#endif
}

inline async_end()
{
#ifdef NOT_COUNTED
	skip
#else
	G4(alive);
	dec_and_queue(nr_async, work);
#ifdef DONE_TWICE
	dec_and_queue(nr_async, work);
#endif
#ifndef NO_REFERENCE
	put()
#endif
#endif
}

/* Until ki_complete() the request may be touched, and then no more. */
inline finish(i)
{
	G3(!released);
	under_way[i] = false;
	file_put();
	async_end()
}

proctype caller(byte i)
{
	bit ok;

	atomic { file_refs++ }	/* the request's */
	atomic {
		ok = state < REVOKED;
		if
		:: ok -> linked[i] = true
		:: else
		fi
	}
	if
	:: ok ->
#if !defined(COUNTED_AFTER_CALL) && !defined(COUNTED_OUTSIDE)
		async_begin();
#endif
		if
		:: true ->	/* -EIOCBQUEUED */
			G1(!released);
			atomic { queued[i] = true; under_way[i] = true };
#ifdef COUNTED_AFTER_CALL
			async_begin();
#endif
			ok = false
		:: true		/* an error */
#ifdef COUNTED_AFTER_CALL
			; async_begin()
#endif
		fi;
#ifndef COUNTED_OUTSIDE
		if
#ifdef ERROR_KEEPS_COUNT
		:: ok
#else
		:: ok -> async_end()
#endif
		:: else
		fi;
#endif
		linked[i] = false;
		if
		:: drain[i] -> dec_and_queue(pending, work)
		:: else
		fi;
#ifdef COUNTED_OUTSIDE
		async_begin();
		if
		:: ok -> async_end()
		:: else
		fi;
#endif
		if
		:: ok -> file_put()
		:: else
		fi
	:: else -> file_put()
	fi;
	atomic {
		callers--;
		if
		:: callers == 0 -> file_put()	/* the descriptor */
		:: else
		fi
	}
}

proctype device()
{
end:	atomic {
		if
		:: queued[0] -> queued[0] = false
		fi
	};
	finish(0)
}

inline kick(i)
{
	do
	:: i < REQUESTS ->
		if
		:: atomic { queued[i] -> queued[i] = false }
			finish(i)
		:: else
		fi;
		i++
	:: i == REQUESTS -> break
	od;
	i = 0
}

proctype revoker()
{
	byte i;

	atomic {
		if
		:: state == LIVE ->
			refs++;
			pending = 1;
			state = REVOKED;
			marked = true
		:: else -> goto out
		fi
	}
	do
	:: i < REQUESTS ->
		d_step {
			if
			:: linked[i] -> drain[i] = true; pending++
			:: else
			fi;
			i++
		}
	:: i == REQUESTS -> break
	od;
	i = 0;
	kick(i);
	dec_and_queue(pending, work);
out:
	skip
}

inline release()
{
	atomic {
		G3(!released);
		released = true;
		G1(!linked[0] && !linked[1]);
		G3(!under_way[0] && !under_way[1])
	}
}

proctype closer()
{
	bit claimed;

	closing;
	atomic {
		G4(alive);
		claimed = state == LIVE;
		if
		:: claimed -> state = CLOSED
		:: else
		fi
	}
	if
	:: claimed -> release(); state = RELEASED
	:: else -> complete
	fi;
	put()
}

proctype worker()
{
	byte i;
	bit last;

end:	do
	:: work ->
		work = false;
		if
		:: users_left -> last = true
		:: else ->
#ifndef NO_USERS_LEFT
			users_left = true;
#endif
#ifndef ASYNC_ONE_KICK
			if
			:: nr_async > 1 -> kick(i)
			:: else
			fi;
#endif
#ifdef NO_COUNT_OF_ITS_OWN
			last = nr_async == 0
#else
			/* atomic_dec_and_test() */
			atomic { nr_async--; last = nr_async == 0 }
#endif
		fi;
		if
		:: last -> break
		:: else
		fi
	od;
	release();
	state = RELEASED;
	complete = true;
	put()
}

init {
	atomic {
		run caller(0); run caller(1); run device();
		run revoker(); run closer(); run worker()
	}
}

ltl live { [] (marked -> <> (state == RELEASED)) }
