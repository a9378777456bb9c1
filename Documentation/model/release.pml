/*
 * Exactly one ->release: open, close, two revokes, a suspend, and who waits for
 * whom (fs/revoke/core.c, files_suspend(), do_dentry_open(), __fput()).
 *
 * variants: CLOSED_THEN_COUNT:count COUNT_THEN_CLOSED:G4 CLAIM_LOOKS_UNLOCKED:G4
 * variants: CLAIM_WITHOUT_WAIT:G4 MARK_COUNTS_CLOSING:G4 MARK_PASSES_CLOSING:G3
 * variants: SUSPEND_PASSES_CLOSING:suspend SUSPEND_NO_REFERENCE:G4
 * variants: UNCLAIM_UNCOUNTED:G4 GONE_AGAIN:count TICKET_OF_BEFORE:G3
 * variants: OPEN_NOT_A_USE:suspend OPENED_LATE:G3 FAILED_WITHOUT_WAIT:G4
 * variants: FAILED_IS_RELEASED:G3 ATTACHED_TO_THE_DEAD:G1
 * variants: SETTLED_WHILE_LEAVING:G4 NOT_SETTLED_BY_MARK:deadlock
 * variants: INODE_OF_CLOSING:G4
 * unreached: 10 (nobody is inside of file 1 when it is closed; who marks all passes
 *		none by; a callback is the remover's; a work does not end)
 *
 * holder()	has file 0 open, and closes it: revokable_release()
 *   claim	revoke_claim(): without the lock, by one cmpxchg(), unless the
 *		file is to be found elsewhere, too
 *   unclaim	revoke_unclaim(), or wait_for_gone()
 * fault()	a page fault in a mapping of file 0, whose use outlives the
 *		mapping: the last reference to the file may go meanwhile
 * opener()	opens file 1: revoke_try_attach(), and __revoke_open_done() or
 *		__revoke_open_again(); and closes it
 * remover()	revoke_it(), or revoke_it_async() and its callback; when it is
 *		through, the driver goes
 * revoker()	revoke_files(), or revoke_files_of_inode() of the inode of file 1.
 *		It gives up waiting when it is killed.
 *   mark	revoke_mark_files(), revoke_start_leaving(); between two files
 *		with r->lock dropped, as by cond_resched_lock()
 *   start	revoke_start(), with ops->kick(); revoke_last() or
 *		revoke_queue_last()
 *   wait	revoke_complete(), by ticket
 * suspender()	files_suspend(): next_file(), file_suspend(), and
 *		revoke_await_closing() for a file that is being closed;
 *		await_users(); then files_resume()
 * releaser()	for each file, revoke_last_work()
 *
 * claim, mark, suspend	Whichever is second sees the other, as each is one step on
 *		rv->state.  A file that is being closed has no count for the
 *		revoker, who does not touch it: it moves it to r->leaving, where
 *		all look who wait.  So does a suspend.
 *
 * Files of the object are in r->files or in r->leaving, which are here a place
 * for each file; r->leaving is in the order of the tickets.
 *
 * INODE_OF_CLOSING goes by the inode of rv->file alone, which is freed when the file
 * has been closed, though a fault has a count yet and the file is found.  The code
 * looks for CLOSED after that: opened_through().
 *
 * Left out: the reference counts of the object, its watch, children (group.pml),
 * requests (count.pml), and mappings.
 */
#include "model.h"

#define FILES		2

/* Where a file is */
#define NOWHERE		0
#define ON_FILES	1	/* r->files */
#define ON_LEAVING	2	/* r->leaving */

/* struct revokable */
bit dead, suspended_object;
bit ops = true;			/* r->ops != NULL */
byte ticket;
bit done_wanted;
bit done_work;
bit walk;			/* r->walk */

/* struct revoke: the state ... */
bit revoked[FILES], closed[FILES], fput[FILES], suspended[FILES];
bit opened[FILES], gone[FILES];
byte users[FILES];
/* ... and all else */
byte place[FILES];
byte ticket_of[FILES];
byte refs[FILES];
bit last_work[FILES];
bit pollers;			/* of file 0 */

bit vma;			/* has a reference to file 0 */

/* For the properties only */
bit inside;			/* in the fault */
bit opening;			/* in ->open of file 1 */
bit open_ok[FILES];		/* ->open has succeeded */
byte releases[FILES];
bit freed[FILES];		/* struct file */
bit driver_gone;
bit suspending;

#define driver_there		(!driver_gone)
#define empty(where)		(place[0] != where && place[1] != where)
#define released_once(f)	(!open_ok[f] || releases[f] == 1)

#define is_through(f, upto)	\
	(place[f] != ON_LEAVING || ticket_of[f] > upto)

inline put(f)
{
	atomic { G4(refs[f] > 0); refs[f]-- }
}

inline drop(f, last)
{
	atomic {
		G4(refs[f] > 0);
		COUNT(users[f] > 0);
		users[f]--;
		closed[f] = closed[f] || (revoked[f] && users[f] == 0);
		last = closed[f] && users[f] == 0
	}
}

inline drop_async(f, last)
{
	drop(f, last);
	if
	:: last -> last = false; queue_once(last_work[f])
	:: else
	fi
}

/* revokable_settle(), revokable_done(); under r->lock */
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

/* revoke_gone() */
inline go(f)
{
	atomic {
		G4(refs[f] > 0);
		COUNT(!gone[f]);
		place[f] = NOWHERE;
		settle();
		gone[f] = true;
		was_fput = fput[f]
	}
	if
	:: was_fput -> put(f)
	:: else
	fi
}

/* release_driver() */
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

/* revoke_last() */
inline finish(f)
{
	if
#ifdef FAILED_IS_RELEASED
	:: !fput[f] ->
#else
	:: !fput[f] && opened[f] ->
#endif
		release(f)
	:: else
	fi;
	go(f)
}

/* revoke_start_leaving(), under r->lock; mine: there is a count for the caller */
inline start_leaving(f, mine)
{
	suspended[f] = false;
#ifdef MARK_COUNTS_CLOSING
	mine = true;
#else
	mine = !closed[f];
#endif
	users[f] = users[f] + mine;
	ticket++;
	ticket_of[f] = ticket;
	place[f] = ON_LEAVING
}

inline claim(f, claimed)
{
#ifdef CLAIM_LOOKS_UNLOCKED
	claimed = !revoked[f];
#endif
	if
#ifdef CLOSED_THEN_COUNT
	:: atomic { !revoked[f] && !suspended[f] && !(f == 0 && pollers) ->
		closed[f] = true; fput[f] = true }
		users[f]++;
		claimed = true
#elif defined(COUNT_THEN_CLOSED)
	:: atomic { !revoked[f] && !suspended[f] && !(f == 0 && pollers) ->
		users[f]++ }
		atomic { closed[f] = true; fput[f] = true }
		claimed = true
#elif !defined(CLAIM_LOOKS_UNLOCKED)
	:: atomic { !revoked[f] && !suspended[f] && !(f == 0 && pollers) ->
		closed[f] = true; fput[f] = true; users[f]++; claimed = true }
#endif
	:: else ->
		atomic {
#ifndef CLAIM_LOOKS_UNLOCKED
			claimed = !revoked[f];
#endif
			if
			:: claimed ->
				start_leaving(f, mine);
				closed[f] = true;
				fput[f] = true
			:: else
			fi
		}
	fi
}

inline unclaim(f)
{
#ifdef UNCLAIM_UNCOUNTED
	last = true;
#else
	if
	:: users[f] == 1 -> last = true
	:: else -> drop(f, last)
	fi;
#endif
	if
	:: last -> last = false; go(f)
	:: else
	fi
}

inline await_gone(f)
{
#ifndef CLAIM_WITHOUT_WAIT
	gone[f];
#endif
	put(f)
}

/* revokable_release(), and then the rest of __fput() */
inline close(f)
{
	claim(f, claimed);
	if
	:: claimed ->
		release(f);
		unclaim(f)
	:: else ->
		await_gone(f)
	fi;
	freed[f] = true
}

proctype holder()
{
	bit claimed, mine, last, was_fput;

	!vma;
	close(0)
}

proctype fault()
{
	bit ok, last;

	atomic {
		ok = !revoked[0] && !suspended[0];
		if
		:: ok -> users[0]++; inside = true
		:: else
		fi
	}
	if
	:: ok ->
		G1(driver_there && !releases[0]);
		/* vma_end_read() in ->fault, and munmap(2) */
		atomic { vma = false; inside = false }
		drop_async(0, last)
	:: else -> vma = false
	fi
}

proctype opener()
{
	bit claimed, mine, last, was_fput;

	/* revoke_try_attach(), and the wait in revoke_attach_slowly() */
	atomic {
		if
#ifndef ATTACHED_TO_THE_DEAD
		:: dead -> goto out
		:: !dead && !suspended_object ->
#else
		:: !suspended_object ->
#endif
			refs[1] = 1;
#ifndef OPEN_NOT_A_USE
			users[1] = 1;
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
#ifndef OPENED_LATE
		opened[1] = true;
#endif
#ifndef OPEN_NOT_A_USE
		drop_async(1, last);
#endif
#ifdef OPENED_LATE
		opened[1] = true;
#endif
		close(1)
	:: true ->	/* it fails */
		opening = false;
		claim(1, claimed);
#ifndef OPEN_NOT_A_USE
		drop_async(1, last);
#endif
		if
		:: claimed -> unclaim(1)
		:: else ->
#ifdef FAILED_WITHOUT_WAIT
			put(1)
#else
			await_gone(1)
#endif
		fi;
		freed[1] = true
	fi;
out:
	skip
}

/* Where in r->files is the next one? */
#define next_is(f, last)							\
	(place[f] == ON_FILES && ticket_of[f] <= last &&		\
	 (place[!f] != ON_FILES || ticket_of[!f] > ticket_of[f]))

inline mark(kill, only_file_1)
{
	spin_lock(walk);
	atomic {
		dead = dead || kill;
		upto = ticket
	}
	do
	:: atomic {
		if
		:: next_is(0, upto) -> f = 0
		:: next_is(1, upto) -> f = 1
		:: else ->
#ifndef TICKET_OF_BEFORE
			upto = ticket;
#endif
#ifndef NOT_SETTLED_BY_MARK
			settle();
#endif
			break
		fi;
#ifdef INODE_OF_CLOSING
		G4(!only_file_1 || !freed[f]);
#endif
		if
#ifdef MARK_PASSES_CLOSING
		:: closed[f] || (only_file_1 && f == 0) ->
#else
		:: only_file_1 && f == 0 ->
#endif
			ticket++;
			ticket_of[f] = ticket
		:: else ->
			revoked[f] = true;
			start_leaving(f, mine);
			batch[f] = mine
		fi
	   }
	od;
	spin_unlock(walk)
}

inline start(f)
{
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
			drop(f, last);
			if
			:: last && async -> queue_once(last_work[f])
			:: last && !async -> finish(f)
			:: else
			fi;
			last = false
		:: else
		fi;
		f++
	:: f == FILES -> break
	od;
	f = 0
}

proctype remover()
{
	byte f, upto;
	bit batch[FILES], async, mine, last, was_fput;

	if
	:: atomic { true -> async = true; done_wanted = true }
	:: true
	fi;
	mark(true, false);
	start(f);
	if
	:: async -> done_work
	:: !async -> place[0] != ON_LEAVING && place[1] != ON_LEAVING
	fi;
	atomic {
		G1(!inside && !opening);
		G3(released_once(0) && released_once(1));
		driver_gone = true
	}
}

proctype revoker()
{
	byte f, upto;
	bit batch[FILES], async, mine, last, was_fput;
	bit was_open[FILES], only_file_1;

	if
	:: only_file_1 = true
	:: async = true		/* as if it were killed, or inside */
	:: true
	fi;
	/* Nobody calls this when the object has been given up. */
	atomic {
		if
		:: driver_gone -> goto out
		:: else
		fi;
		was_open[0] = opened[0] && !only_file_1;
		was_open[1] = opened[1]
	}
	mark(false, only_file_1);
	start(f);
	if
	:: is_through(0, upto) && is_through(1, upto) ->
		G3((!was_open[0] || releases[0] == 1) &&
		   (!was_open[1] || releases[1] == 1))
	:: async
	fi;
out:
	skip
}

proctype suspender()
{
	byte f, upto;
	bit closing[FILES], ref[FILES], mine, was_fput;

	atomic {
		if
		:: dead -> goto out
		:: else
		fi;
		suspended_object = true;
		closing[0] = closed[0] && !gone[0];
		closing[1] = closed[1] && !gone[1]
	}
	spin_lock(walk);
	upto = ticket;
	do
	:: atomic {
		if
		:: next_is(0, upto) -> f = 0
		:: next_is(1, upto) -> f = 1
		:: else -> break
		fi;
		ticket++;
		ticket_of[f] = ticket;
#ifndef SUSPEND_NO_REFERENCE
		refs[f]++
#endif
	   }
		/* file_suspend(), revoke_await_closing() */
		if
		:: atomic { !revoked[f] && !closed[f] ->
			G4(refs[f] > 0); suspended[f] = true }
#ifdef SUSPEND_PASSES_CLOSING
		:: else
#else
		:: else ->
			atomic {
				G4(refs[f] > 0);
				if
#ifdef GONE_AGAIN
				:: !revoked[f] ->
#else
				:: !revoked[f] && !gone[f] ->
#endif
					revoked[f] = true;
					start_leaving(f, mine);
					COUNT(!gone[f])
				:: else
				fi
			}
#endif
		fi;
#ifndef SUSPEND_NO_REFERENCE
		put(f)
#endif
	od;
	spin_unlock(walk);
	/* await_users() */
	!(suspended[0] && users[0]) && !(suspended[1] && users[1]);
	upto = ticket;
	is_through(0, upto) && is_through(1, upto);
	SUSPEND(!(closing[0] && !gone[0]) && !(closing[1] && !gone[1]));
	SUSPEND(!inside && !opening);
	/* give_back() */
	suspended_object = false;
	spin_lock(walk);
	suspended[0] = false;
	suspended[1] = false;
	spin_unlock(walk);
out:
	skip
}

proctype releaser(byte f)
{
	bit was_fput;

end:	do
	:: last_work[f] ->
		last_work[f] = false;
		finish(f)
	od
}

inline add_holder()
{
	opened[0] = true;
	open_ok[0] = true;
	refs[0] = 1;
	ticket = 1;
	ticket_of[0] = 1;
	place[0] = ON_FILES;
	if
	:: vma = true; run fault()
	:: skip
	fi;
	if
	:: pollers = true
	:: skip
	fi;
	run holder();
	run releaser(0)
}

inline add_opener()
{
	run opener();
	run releaser(1)
}

/* All at once is more than is needed: two of these beside a removal. */
init {
	atomic {
		run remover();
		if
		:: add_holder(); run revoker()
		:: add_opener(); run revoker()
		:: add_holder(); run suspender()
		:: add_opener(); run suspender()
		:: add_holder(); add_opener()
		fi
	}
}

ltl live { <> driver_gone }
