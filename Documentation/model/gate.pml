/*
 * Gates (revoke_gate_enter(), revoke_gate_leave(), revoke_gate_shut(),
 * revoke_gate_release(), revoke_gate_close()).
 *
 * variants: CHECKS_APART:G1 STEPS_IN_UNCHECKED:G1 SHUTS_WITHOUT_WAIT:G1
 * variants: WAKES_FIRST:deadlock LOOKS_FIRST:deadlock LAST_IS_FIRST:deadlock
 * variants: WAITS_FOR_ITSELF:deadlock RELEASED_UNSAID:deadlock
 * variants: CLOSE_UNCOUNTED:G4 CLOSE_COUNTED_LATE:G4 LEAVES_UNAWAITED:G4
 * variants: STAYS_LISTED:G3 CLOSE_WAITS_FOR_NOBODY:G4 SAYS_EARLY:G4
 * unreached: 1 (the remover leaves before it shuts: it is never the last one)
 *
 * client()	opens a file, reads it and closes it.  ->open is a use, and so is a
 *		read, but not while it copies to user memory, see
 *		seq_read_iter_gated(); ->release is one, if the close is first
 * remover()	shuts the gate, from outside or from within a method, releases the
 *		files and frees the entry
 *
 * users is one word, and SHUT is its sign: so both are looked at and changed at
 * once. Those who wait for it are woken by address: a waiter is queued, looks, and
 * sleeps until it is taken off the queue.  The time-outs are left out, as they must
 * not be needed.
 *
 * Left out: names and kicks, see names.pml.
 */
#include "model.h"

#define CLIENTS		2

/* struct revoke_gate */
byte users;
bit shut;
bit lock;

/* struct gate_file of each client: on the list of the gate; done by the remover */
bit listed[CLIENTS], released[CLIENTS];

/* Queues of wait_var_event(): for users, and for released of each client */
bit queued, queued_release[CLIENTS];

/* For the properties only */
byte inside;			/* methods that run, but for the remover's own */
byte releases[CLIENTS];
bit freed[CLIENTS];		/* the file and its record */
bit emptied, through;

inline enter(ok)
{
#ifdef CHECKS_APART
	ok = !shut;
	if
	:: ok -> users++
	:: else
	fi
#else
	atomic {
		ok = !shut;
		if
		:: ok -> users++
		:: else
		fi
	}
#endif
}

inline leave()
{
#ifdef WAKES_FIRST
	last = shut && users == 1;
	if
	:: last -> queued = false
	:: else
	fi;
	users--
#else
	atomic {
		COUNT(users > 0);
		users--;
#ifdef LAST_IS_FIRST
		last = shut && users == 1
#else
		last = shut && users == 0
#endif
	}
	if
	:: last -> queued = false
	:: else
	fi
#endif
}

inline wait_until_empty()
{
	do
	:: shut && users == 0 -> break
	:: else ->
		queued = true;
#ifndef LOOKS_FIRST
		if
		:: users == 0 -> break
		:: else
		fi;
#endif
		!queued
	od
}

/* A method: its beginning and its end */
inline method()
{
	atomic { G1(!emptied); inside++ }
	inside--
}

inline release(file)
{
	atomic {
		G4(!through && !freed[file]);
		releases[file]++;
		G3(releases[file] == 1)
	}
	G4(!through && !freed[file])
}

proctype client(byte me)
{
	bit ok, last, first;

	/* ->open */
	enter(ok);
	if
	:: ok ->
		method();
		atomic { !lock; listed[me] = true }
		leave()
	:: else -> goto out
	fi;

	/* A read that copies in the middle */
	enter(ok);
	if
	:: ok ->
		method();
		leave();
#ifdef STEPS_IN_UNCHECKED
		users++;
#else
		enter(ok);
#endif
		if
		:: ok -> method(); leave()
		:: else
		fi
	:: else
	fi;

	/* The close */
	atomic {
		!lock;
		first = listed[me];
		if
		:: first ->
			listed[me] = false;
#if !defined(CLOSE_UNCOUNTED) && !defined(CLOSE_COUNTED_LATE)
			users++
#endif
		:: else
		fi
	}
#ifdef CLOSE_COUNTED_LATE
	if
	:: first -> users++
	:: else
	fi;
#endif
	if
	:: first ->
		release(me);
#ifndef CLOSE_UNCOUNTED
		leave()
#endif
	:: else ->
#ifndef CLOSE_WAITS_FOR_NOBODY
		do
		:: released[me] -> break
		:: else ->
			queued_release[me] = true;
			if
			:: released[me] -> break
			:: else
			fi;
			!queued_release[me]
		od
#endif
	fi;
	freed[me] = true;
out:	skip
}

proctype remover()
{
	bit own, last;
	byte file;

	if
	:: enter(own)
	:: skip
	fi;

	/* revoke_gate_shut() */
#ifndef WAITS_FOR_ITSELF
	if
	:: own -> leave()
	:: else
	fi;
#endif
	shut = true;
#ifndef SHUTS_WITHOUT_WAIT
	wait_until_empty();
#endif
	emptied = true;
	G1(inside == 0);

	/* revoke_gate_release() */
	do
	:: atomic {
		!lock;
		if
		:: listed[0] -> file = 0
		:: listed[1] -> file = 1
		:: else -> break
		fi;
#ifndef STAYS_LISTED
		listed[file] = false
#endif
	   }
#ifdef SAYS_EARLY
		released[file] = true;
		queued_release[file] = false;
#endif
		release(file);
#ifdef STAYS_LISTED
		listed[file] = false;
#endif
		/* Of the record only the address is used after this. */
		released[file] = true;
#ifndef RELEASED_UNSAID
		queued_release[file] = false
#endif
	od;
#ifndef LEAVES_UNAWAITED
	wait_until_empty();
#endif
	through = true
}

init {
	atomic { run client(0); run client(1); run remover() }
}

ltl live { <> through }
