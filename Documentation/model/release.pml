/*
 * Exactly one ->release: open, fput(), two revokes, and who waits for whom
 * (fs/revoke/core.c, do_dentry_open(), __fput()).
 *
 * variants: CLAIM_UNLOCKED:G4 CLAIM_WITHOUT_WAIT:G4 CLAIM_NOT_LEAVING:G3
 * variants: TICKET_OF_BEFORE:G3 OPEN_NOT_A_USE:G1 OPENED_LATE:G3
 * variants: FAILED_WITHOUT_WAIT:G4 FAILED_IS_RELEASED:G3
 * variants: ATTACHED_TO_THE_DEAD:G1 NO_REFERENCE_OF_ITS_OWN:G4
 * variants: DRAIN_READ_UNLOCKED:count
 * variants: SETTLED_WHILE_LEAVING:G4 NOT_SETTLED_BY_MARK:deadlock
 *
 * holder()	has file 0 open, calls a method of it, and closes it
 * opener()	opens file 1: ->open, make_revokable(), __revoke_open_done() or
 *		__revoke_open_failed(); and closes it
 *   fput	__revoke_fput_claim(), file_release_driver(),
 *		__revoke_fput_done()
 * remover()	revoke_it(), or revoke_it_async() and its callback; when it is
 *		through, the driver goes
 * revoker()	revoke_files(), which gives up waiting when it is killed
 *   mark	revoke_mark_files(), between two files with r->lock dropped, as
 *		cond_resched_lock() does
 *   start	revoke_start(), with ops->kick()
 *   wait	revoke_complete(), by ticket
 * worker()	one for each file: revoke_drained_work(), revoke_detach(),
 *		revoke_put_work(), revoke_gone()
 *
 * A section under r->lock is one step.  An RCU grace period is a step that can
 * take long.  Files of the object are in r->files or in r->leaving, which are
 * here a place for each file; r->leaving is in the order of the tickets.
 *
 * Left out: the reference counts of the object, its watch, and mappings.
 */
#include "model.h"

#define FILES		2

/* Where a file is */
#define NOWHERE		0
#define ON_FILES	1	/* r->files */
#define ON_LEAVING	2	/* r->leaving */

/* struct revokable */
bit dead;
bit ops = true;			/* r->ops != NULL */
byte ticket;
bit done_wanted;
bit done_work;

/* struct revoke */
byte state[FILES];
bit opened[FILES];
byte place[FILES];
byte ticket_of[FILES];
byte pending[FILES];
bit work[FILES];
bit complete[FILES];		/* rv->released */
byte refs[FILES];

/* struct file_use: the method's in file 0, and rv->open_use */
bit linked;
bit drain;
bit open_linked[FILES];
bit open_drain[FILES];

/* For the properties only */
bit inside;			/* in the method of file 0 */
bit opening;			/* in ->open of file 1 */
bit open_ok[FILES];		/* ->open has succeeded */
byte releases[FILES];
bit freed[FILES];		/* struct file */
bit driver_gone;

#define driver_there		(!driver_gone)
#define empty(where)		(place[0] != where && place[1] != where)
#define released_once(f)	(!open_ok[f] || releases[f] == 1)

inline put(f)
{
	atomic { G4(refs[f] > 0); refs[f]-- }
}

inline settle()
{
	if
#ifdef SETTLED_WHILE_LEAVING
	:: dead && empty(ON_FILES) ->
#else
	:: dead && empty(ON_FILES) && empty(ON_LEAVING) ->
#endif
		ops = false;
		if
		:: done_wanted -> done_wanted = false; done_work = true
		:: else
		fi
	:: else
	fi
}

inline gone(f)
{
	atomic {
		G4(refs[f] > 0);
		state[f] = RELEASED;
		place[f] = NOWHERE;
		settle()
	}
	complete[f] = true;
	/* complete_all() has still to drop its lock. */
	G4(refs[f] > 0)
}

inline release(f)
{
	atomic {
		G4(driver_there && !freed[f]);
		G3(releases[f] == 0 && open_ok[f]);
		G3(!(f == 0 && inside) && !(f == 1 && opening));
		releases[f]++
	}
	G4(driver_there && !freed[f])
}

/*
 * stop_using(&rv->open_use).  Once it is unlinked, and has not been counted,
 * release_begin() may be using it again.
 */
inline open_left(f, counted)
{
#ifdef DRAIN_READ_UNLOCKED
	open_linked[f] = false;
	counted = open_drain[f];
#else
	d_step { open_linked[f] = false; counted = open_drain[f] }
#endif
	if
	:: counted -> dec_and_queue(pending[f], work[f])
	:: else
	fi
}

inline fput(f, claimed)
{
#ifdef CLAIM_UNLOCKED
	claimed = state[f] == LIVE;
	atomic {
		if
		:: claimed ->
#else
	atomic {
		claimed = state[f] == LIVE;
		if
		:: claimed ->
#endif
			state[f] = CLOSED;
#ifdef CLAIM_NOT_LEAVING
			place[f] = NOWHERE
#else
			ticket++;
			ticket_of[f] = ticket;
			place[f] = ON_LEAVING
#endif
		:: else
		fi
	}
	if
	:: claimed ->
		/* release_begin(rv, NULL) */
		atomic { open_linked[f] = true; open_drain[f] = false }
		release(f);
		open_linked[f] = false;
		gone(f);
		put(f)
	:: else ->
#ifndef CLAIM_WITHOUT_WAIT
		complete[f];
#endif
		put(f)
	fi;
	freed[f] = true
}

proctype holder()
{
	bit ok, claimed;

	atomic {
		ok = state[0] < REVOKED;
		if
		:: ok -> linked = true; inside = true
		:: else
		fi
	}
	if
	:: ok ->
		G1(driver_there && !releases[0]);
		inside = false;
		linked = false;
		if
		:: drain -> dec_and_queue(pending[0], work[0])
		:: else
		fi
	:: else
	fi;
	fput(0, claimed)
}

proctype opener()
{
	bit found, claimed, counted;

	/* revoke_attach() */
	atomic {
		if
#ifndef ATTACHED_TO_THE_DEAD
		:: dead -> goto out
#endif
		:: else ->
			refs[1] = 1;
			state[1] = OPENING;
#ifndef OPEN_NOT_A_USE
			open_linked[1] = true;
#endif
			ticket++;
			ticket_of[1] = ticket;
			place[1] = ON_FILES;
			opening = true
		fi
	}
	G4(driver_there);
	if
	:: true ->	/* ->open succeeds */
		atomic { opening = false; open_ok[1] = true }
		atomic {
#ifndef OPENED_LATE
			opened[1] = true;
#endif
			if
			:: state[1] == OPENING -> state[1] = LIVE
			:: else
			fi
		}
		open_left(1, counted);
#ifdef OPENED_LATE
		opened[1] = true;
#endif
		fput(1, claimed)
	:: true ->	/* it fails */
		opening = false;
		atomic {
			found = state[1] != OPENING;
			if
			:: !found -> state[1] = RELEASED; place[1] = NOWHERE
			:: else
			fi
		}
		open_left(1, counted);
#ifndef FAILED_WITHOUT_WAIT
		if
		:: found -> complete[1]
		:: else
		fi;
#endif
		put(1);
		freed[1] = true
	fi;
out:
	skip
}

inline mark(kill, f, last, upto)
{
	atomic {
		dead = dead || kill;
		last = ticket
	}
	do
	:: atomic {
		if
		:: place[0] == ON_FILES && ticket_of[0] <= last -> f = 0
		:: place[1] == ON_FILES && ticket_of[1] <= last -> f = 1
		:: else ->
#ifdef TICKET_OF_BEFORE
			upto = last;
#else
			upto = ticket;
#endif
#ifndef NOT_SETTLED_BY_MARK
			settle();
#endif
			break
		fi;
		/* revoke_mark() */
#ifndef NO_REFERENCE_OF_ITS_OWN
		refs[f]++;
#endif
		pending[f] = 1;
		state[f] = REVOKED;
		ticket++;
		ticket_of[f] = ticket;
		place[f] = ON_LEAVING;
		batch[f] = true
	   }
	od;
	f = 0
}

inline barrier(f)
{
	atomic {
		if
		:: f == 0 && linked && !drain ->
			drain = true;
			pending[f]++
		:: else
		fi
	}
	atomic {
		if
		:: open_linked[f] && !open_drain[f] ->
			open_drain[f] = true;
			pending[f]++
		:: else
		fi
	}
}

inline start(f)
{
	do
	:: f < FILES ->
		if
		:: batch[f] -> barrier(f)
		:: else
		fi;
		f++
	:: f == FILES -> break
	od;
	f = 0;
	do
	:: f < FILES ->
		if
		:: batch[f] ->
			/* r->ops->kick(r, rv->file) */
			atomic {
				G4(ops && driver_there);
				G4(refs[f] > 0 && !freed[f])
			}
		:: else
		fi;
		f++
	:: f == FILES -> break
	od;
	f = 0;
	do
	:: f < FILES ->
		if
		:: batch[f] ->
			batch[f] = false;
			dec_and_queue(pending[f], work[f])
		:: else
		fi;
		f++
	:: f == FILES -> break
	od;
	f = 0
}

#define is_through(f, upto)	\
	(place[f] != ON_LEAVING || ticket_of[f] > upto)

proctype remover()
{
	byte f, last, upto;
	bit batch[FILES], async;

	if
	:: atomic { true -> async = true; done_wanted = true }
	:: true
	fi;
	mark(true, f, last, upto);
	start(f);
	if
	:: async -> done_work
	:: !async -> is_through(0, upto) && is_through(1, upto)
	fi;
	atomic {
		G1(!inside && !opening);
		G3(released_once(0) && released_once(1));
		driver_gone = true
	}
}

proctype revoker()
{
	byte f, last, upto;
	bit batch[FILES], was_open[FILES];

	/* Nobody calls this when the object has been given up. */
	atomic {
		if
		:: driver_gone -> goto out
		:: else
		fi;
		was_open[0] = opened[0];
		was_open[1] = opened[1]
	}
	mark(false, f, last, upto);
	start(f);
	if
	:: is_through(0, upto) && is_through(1, upto) ->
		G3((!was_open[0] || releases[0] == 1) &&
		   (!was_open[1] || releases[1] == 1))
	:: true		/* killed */
	fi;
out:
	skip
}

proctype worker(byte f)
{
end:	work[f];
	work[f] = false;
	if
#ifdef FAILED_IS_RELEASED
	:: true ->
#else
	:: opened[f] ->
#endif
		/* release_begin(rv, &rv->drain) */
		atomic {
			G4(!open_linked[f]);
			open_linked[f] = true;
			open_drain[f] = true
		}
		release(f);
		open_linked[f] = false
#ifndef FAILED_IS_RELEASED
	:: else
#endif
	fi;
	/* An RCU grace period later. */
	gone(f)
#ifndef NO_REFERENCE_OF_ITS_OWN
	; put(f)
#endif
}

inline add_holder()
{
	state[0] = LIVE;
	opened[0] = true;
	open_ok[0] = true;
	refs[0] = 1;
	ticket = 1;
	ticket_of[0] = 1;
	place[0] = ON_FILES;
	run holder();
	run worker(0)
}

inline add_opener()
{
	run opener();
	run worker(1)
}

/* All at once is more than is needed: any two of these three. */
init {
	atomic {
		run remover();
		if
		:: add_holder(); run revoker()
		:: add_opener(); run revoker()
		:: add_holder(); add_opener()
		fi
	}
}

ltl live { <> driver_gone }
