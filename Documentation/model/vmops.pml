/*
 * vm_ops->open and ->close: both delivered until CLOSED, none afterwards
 * (revokable_vm_open(), revokable_vm_close(), revoke_drained()).
 *
 * variants: CLOSED_WITHOUT_SECOND_BARRIER:G3 CLOSED_AFTER_SECOND_BARRIER:G3
 * variants: NO_SECOND_COUNT_OF_ITS_OWN:count STOP_AT_REVOKED:count
 * variants: OPEN_STOPS_FIRST:count NEVER_CLOSED:G3
 * unreached: 1 (the end of zapper())
 *
 * parent()	has the file mapped, forks (dup_mmap(): ->open for the child's
 *		VMA) and unmaps (->close)
 * child()	exits (exit_mmap(): ->close)
 * reader()	a method that looks at what ->open and ->close count
 * revoker()	revoke_mark(), revoke_barrier(), the end of revoke_start()
 * worker()	revoke_drained_work(): revoke_drained(), revoke_detach()
 * zapper()	revoke_zap_work(), for the counts that pass through it
 * enter	start_using_as(), start_using_vma_ops()
 * leave	stop_using_revokable(), use_left()
 *
 * ->release undoes what undelivered ->close would have undone, as
 * REVOKABLE_CLOSE_AT_RELEASE demands.
 *
 * Left out: entries, see mapping.pml.
 */
#include "model.h"

#define PARENT		0
#define CHILD		1
#define READER		2
#define USES		3

byte state = LIVE;
byte pending;
bit work;
bit zap_work;
byte users_of_memory = 1;	/* the driver's own count */
byte vmas = 1;			/* those that it has to reflect */
bit released;
bit forked;

/* struct file_use */
bit linked[USES];
bit drain[USES];

inline enter(u, until, ok)
{
	atomic {
		ok = state < until;
		if
		:: ok -> linked[u] = true
		:: else
		fi
	}
}

inline leave(u)
{
	linked[u] = false;
	if
	:: drain[u] ->
		drain[u] = false;
		if
		:: atomic { !zap_work -> zap_work = true }
		:: atomic { zap_work -> skip }
			dec_and_queue(pending, work)
		fi
	:: else
	fi
}

#if defined(STOP_AT_REVOKED)
#define OPEN_UNTIL	REVOKED
#define CLOSE_UNTIL	REVOKED
#elif defined(OPEN_STOPS_FIRST)
#define OPEN_UNTIL	REVOKED
#define CLOSE_UNTIL	CLOSED
#elif defined(NEVER_CLOSED)
#define OPEN_UNTIL	RELEASED
#define CLOSE_UNTIL	RELEASED
#else
#define OPEN_UNTIL	CLOSED
#define CLOSE_UNTIL	CLOSED
#endif

/*
 * The change in the number of VMAs comes with the call, so that there is
 * something that the count can be compared with.
 */
inline vm_open(u, ok)
{
	enter(u, OPEN_UNTIL, ok);
	if
	:: ok ->
		atomic { G3(!released); users_of_memory++; vmas++ }
		G3(!released);
		leave(u)
	:: else ->
		vmas++
	fi
}

inline vm_close(u, ok)
{
	enter(u, CLOSE_UNTIL, ok);
	if
	:: ok ->
		atomic {
			G3(!released);
			COUNT(users_of_memory > 0);
			users_of_memory--;
			vmas--
		}
		G3(!released);
		leave(u)
	:: else ->
		vmas--
	fi
}

proctype parent()
{
	bit ok;

	if
	:: true -> vm_open(PARENT, ok); forked = true
	:: true
	fi;
	vm_close(PARENT, ok)
}

proctype child()
{
	bit ok;

end:	forked;
	vm_close(CHILD, ok)
}

proctype reader()
{
	bit ok;

	enter(READER, REVOKED, ok);
	if
	:: ok ->
		G1(!released);
		COUNT(users_of_memory == vmas);
		COUNT(users_of_memory == vmas);
		leave(READER)
	:: else
	fi
}

inline barrier(u)
{
	do
	:: u < USES ->
		d_step {
			if
			:: linked[u] && !drain[u] ->
				drain[u] = true;
				pending++
			:: else
			fi;
			u++
		}
	:: u == USES -> break
	od;
	u = 0
}

proctype revoker()
{
	byte u;

	pending = 1;
	state = REVOKED;
	barrier(u);
	dec_and_queue(pending, work)
}

inline close_file(u, last)
{
#ifdef NO_SECOND_COUNT_OF_ITS_OWN
	pending = 0;
#else
	pending = 1;
#endif
#ifdef CLOSED_AFTER_SECOND_BARRIER
	barrier(u);
	state = CLOSED;
#else
	state = CLOSED;
#ifndef CLOSED_WITHOUT_SECOND_BARRIER
	barrier(u);
#endif
#endif
#ifdef NO_SECOND_COUNT_OF_ITS_OWN
	last = pending == 0
#else
	/* atomic_dec_and_test() */
	atomic { pending--; last = pending == 0 }
#endif
}

proctype worker()
{
	byte u;
	bit last;

	do
	:: work ->
		work = false;
		if
		:: state == REVOKED -> close_file(u, last)
		:: else -> last = true
		fi;
		if
		:: last -> break
		:: else
		fi
	od;
	atomic {
		G3(!released);
		released = true;
		G1(!linked[READER]);
		G3(!linked[PARENT] && !linked[CHILD])
	}
	state = RELEASED
}

proctype zapper()
{
end:	do
	:: zap_work ->
		zap_work = false;
		dec_and_queue(pending, work)
	od
}

init {
	atomic {
		run parent(); run child(); run reader();
		run revoker(); run worker(); run zapper()
	}
}

ltl live { [] ((state == REVOKED) -> <> (state == RELEASED)) }
