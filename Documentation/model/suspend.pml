/*
 * Nobody uses an object for a while, and then goes on (fs/revoke/suspend.c).
 *
 * variants: LOOKS_FIRST:suspend PAUSING_LATER:deadlock WAKE_FIRST:deadlock
 * variants: NO_RCU:G4 NO_SECOND_ZAP:suspend ZAP_IF_SEEN:suspend
 * variants: NESTED_WAITS:deadlock NOT_NESTED:suspend RESUME_WHILE_CHANGING:suspend
 * variants: LEAVING_NOT_WAITED_FOR:suspend
 * variants: FAULT_LOOKS_FIRST:wake RESUME_WAKES_FIRST:wake MARK_DOES_NOT_WAKE:wake
 * variants: CLOSE_DOES_NOT_WAKE:wake NO_REFERENCE_TO_WAIT:G4
 * unreached: 8 (who has just suspended, or revoked, does not end a suspend by
 *		leaving; neither file 0 is mapped, nor does a work end)
 *
 * user()	a task that calls a method of file 0, and in that maps file 1, or
 *		has a page fault in it: revoke_enter_or_nested().  While file 0
 *		is suspended it waits: start_using_or_wait()
 * fault()	handle_mm_fault() in a mapping of file 1, whose use outlives the
 *		mapping: revokable_fault_begin(), revokable_fault_wait(),
 *		revoke_await_resume_fault()
 * closer()	munmap(2) and close(2) of file 1: revoke_claim(), revoke_unclaim()
 * suspender()	revokable_suspend(): suspend_begin(), files_suspend(),
 *		file_suspend(), revoke_await_closing(), revoke_zap(), await_users(),
 *		revoke_zap(), suspend_end(); perhaps two of them
 * resumer()	revokable_resume(), by whomever, and as soon as a suspend has begun:
 *		give_back(), files_resume(); or nobody does
 * revoker()	revoke_file() of one, or revoke_it(): revoke_mark(),
 *		wake_waiters(), revoke_start()
 * zapper()	revoke_zap_work(), see hand_over()
 * reaper()	frees the object when nobody has a reference any more
 * monitor()	whoever waits for a resume when nothing else happens has to wait
 *
 * enter, suspend	SUSPENDED and the count are in one word.  PAUSING is set in the
 *		step that finds users, and taken away in the one that finds none,
 *		or REVOKED; r->pausing is how many files have it.  It can be
 *		negative for a moment, before the suspender has counted its own.
 * leave, suspend	Who finds SUSPENDED in its decrement wakes the suspender, which
 *		looks once more when it is on the queue.  The count may have kept
 *		the object, so this is inside of RCU.
 * resume	SUSPENDED is taken away before the wake-up; who waits looks when it
 *		is on the queue.
 *
 * ZAP_IF_SEEN leaves the second zap out if no file that is suspended has been mapped,
 * or used, before.  A task in a file that was revoked just before may map another one
 * for the first time.
 *
 * The timeouts of the suspender are for kicks.  They are left out: no wake-up is
 * lost.  A suspend from within a method of the object is refused.
 *
 * Left out: kicks (names.pml), opens (release.pml), pollers.
 */
#include "model.h"

#define FILES		2

/* struct revokable */
bit dead;
byte suspends;			/* r->suspended */
bit changing;
short pausing;
bit walk;

/* struct revoke */
bit revoked[FILES], closed[FILES], fput[FILES], suspended[FILES], gone[FILES];
bit pausing_flag[FILES];
bit mapped[FILES];
byte users[FILES];
bit leaving[FILES];		/* is on r->leaving, not on r->files */

byte handed[FILES];
bit pte[FILES];
bit vma = true;			/* that of fault(), with a reference to file 1 */
bit vma_lock;

/* r->wait: only one suspender at a time gets there */
#define ON_WAIT		0
/* r->resumed */
#define USER		1
#define FAULT		2
#define SUSPENDER	3	/* and the next one */
#define WAITERS		5
bit queued[WAITERS];
bit woken[WAITERS];

byte holders;			/* of a reference to the object */
byte rcu;			/* readers */
bit freed;

/* For the properties only */
byte begun;			/* suspends that have not been undone */
byte credits;			/* resumes that are due */
byte inside;
bit quiet;			/* a suspend has returned 0 */

inline wake(w)
{
	atomic {
		G4(!freed);
		if
		:: queued[w] -> woken[w] = true
		:: else
		fi
	}
}

inline wake_resumed()
{
	atomic {
		G4(!freed);
		woken[USER] = queued[USER];
		woken[FAULT] = queued[FAULT];
		woken[SUSPENDER] = queued[SUSPENDER];
		woken[SUSPENDER + 1] = queued[SUSPENDER + 1]
	}
}

/* prepare_to_wait() */
inline queue_up(w)
{
	atomic { G4(!freed); queued[w] = true; woken[w] = false }
}

inline wait_event(w, condition)
{
	do
	:: queue_up(w);
		if
		:: condition -> break
		:: else -> woken[w]
		fi
	od;
	queued[w] = false
}

/* revoke_gone() */
inline go(f)
{
	rcu++;
	atomic { COUNT(!gone[f]); leaving[f] = false; gone[f] = true }
	wake(ON_WAIT);
	rcu--
}

/* revoke_drop(), and revoke_last() */
inline drop(f, n)
{
#ifdef WAKE_FIRST
	if
	:: suspended[f] -> wake(ON_WAIT)
	:: else
	fi;
#endif
	atomic {
		COUNT(users[f] >= n);
#ifndef NO_RCU
		rcu++;
#endif
		users[f] = users[f] - n;
		paused = pausing_flag[f] && users[f] == 0;
		pausing_flag[f] = pausing_flag[f] && !paused;
		closed[f] = closed[f] || (revoked[f] && users[f] == 0);
		saw = suspended[f];
		last = closed[f] && users[f] == 0
	}
	if
	:: paused -> atomic { G4(!freed); pausing--; paused = false }
	:: else
	fi;
#ifndef WAKE_FIRST
	if
	:: saw -> wake(ON_WAIT); saw = false
	:: else
	fi;
#endif
#ifndef NO_RCU
	rcu--;
#endif
	if
	:: last -> last = false; go(f)
	:: else
	fi
}

inline leave(f)
{
	if
	:: revoked[f] && mapped[f] -> handed[f]++
	:: else -> drop(f, 1)
	fi
}

inline enter(f, refused, ok)
{
	atomic {
		ok = !(refused) && !revoked[f] && !closed[f];
		users[f] = users[f] + ok
	}
}

proctype user(bit nested)
{
	bit ok, paused, saw, last;

	do
	:: enter(0, suspended[0], ok);
		if
		:: ok -> break
		:: else
		fi;
		if
		:: revoked[0] -> goto out
		:: else ->
			do
			:: queue_up(USER);
				if
				:: !suspended[0] -> break
				:: else ->
end:					woken[USER]
				fi
			od;
			queued[USER] = false
		fi
	od;
	atomic { inside++; SUSPEND(!quiet) }
	if
	:: nested ->
#ifdef NESTED_WAITS
		do
		:: enter(1, suspended[1], ok);
			if
			:: ok || revoked[1] -> break
			:: else -> wait_event(SUSPENDER + 1, !suspended[1])
			fi
		od;
#else
		enter(1, false, ok);
#endif
		if
		:: ok ->
			mapped[1] = true;
			atomic { pte[1] = true; SUSPEND(!quiet) }
			leave(1)
		:: else
		fi
	:: else
	fi;
	atomic { SUSPEND(!quiet); inside-- }
	leave(0);
out:
	holders--
}

/* munmap(2) by somebody else, if there is no closer() */
inline munmap()
{
	if
	:: alone && vma -> atomic { vma = false; holders-- }
	:: else
	fi
}

proctype fault(bit alone)
{
	bit ok, paused, saw, last;

	do
	:: spin_lock(vma_lock);
		if
		:: vma -> enter(1, suspended[1], ok)
		:: else -> break
		fi;
		if
		:: ok ->
			atomic { inside++; SUSPEND(!quiet) }
			if
			:: mapped[1] -> pte[1] = true
			:: else
			fi;
			atomic { SUSPEND(!quiet); inside-- }
			/* From here on, the mapping and the file may go. */
			spin_unlock(vma_lock);
			munmap();
			leave(1);
			goto out
		:: !ok && revoked[1] -> break
		:: !ok && !revoked[1] && !suspended[1] -> spin_unlock(vma_lock)
		:: !ok && !revoked[1] && suspended[1] ->
			/* kref_get() of the file's struct revoke */
#ifndef NO_REFERENCE_TO_WAIT
			holders++;
#endif
			spin_unlock(vma_lock);
			if
			:: true -> munmap()
			:: skip
			fi;
#ifdef FAULT_LOOKS_FIRST
			ok = suspended[1];
			queue_up(FAULT);
			if
			:: ok ->
				ok = false;
#else
			queue_up(FAULT);
			if
			:: suspended[1] ->
#endif
end:				woken[FAULT]
			:: else
			fi;
			atomic { G4(!freed); queued[FAULT] = false }
#ifndef NO_REFERENCE_TO_WAIT
			holders--
#endif
		fi
	od;
	spin_unlock(vma_lock);
	munmap();
out:
	skip
}

/* revoke_start_leaving(), under r->lock */
inline start_leaving(f)
{
	mine = !closed[f];
	users[f] = users[f] + mine;
	resume = suspended[f];
	suspended[f] = false;
	paused = pausing_flag[f];
	pausing_flag[f] = false;
	leaving[f] = true
}

inline unpause()
{
	if
	:: paused -> pausing--; paused = false
	:: else
	fi
}

/* The mapping need not have been there for who waits. */
proctype closer()
{
	bit mine, paused, saw, last, resume;

	atomic { !vma_lock; vma = false; pte[1] = false }
	if
	:: atomic { !revoked[1] && !suspended[1] ->
		closed[1] = true; users[1]++ }
	:: else ->
		atomic {
			start_leaving(1);
			closed[1] = true
		}
		unpause();
#ifndef CLOSE_DOES_NOT_WAKE
		if
		:: resume -> wake_resumed()
		:: else
		fi
#endif
	fi;
	drop(1, 1)
}

inline zap()
{
	d_step {
		pte[0] = pte[0] && !suspended[0] && !revoked[0];
		pte[1] = pte[1] && !suspended[1] && !revoked[1]
	}
}

inline files_suspend()
{
	spin_lock(walk);
	do
	:: f < FILES ->
		if
		:: !leaving[f] && !gone[f] ->
			/* file_suspend() */
			atomic {
				ok = !revoked[f] && !closed[f];
				if
				:: ok ->
					suspended[f] = true;
					was_mapped = was_mapped || mapped[f];
#ifdef ZAP_IF_SEEN
					was_used = was_used || users[f] > 0;
#endif
#ifndef PAUSING_LATER
					paused = users[f] > 0;
					pausing_flag[f] = pausing_flag[f] || paused
#else
					paused = users[f] > 0
#endif
				:: else
				fi
			}
#ifdef PAUSING_LATER
			if
			:: paused -> pausing_flag[f] = true
			:: else
			fi;
#endif
			if
			:: paused -> pausing++; paused = false
			:: else
			fi;
			if
			:: !ok ->
				/* revoke_await_closing() */
				atomic {
					if
					:: !revoked[f] && !gone[f] ->
						revoked[f] = true;
						start_leaving(f);
						COUNT(!mine && !paused)
					:: else
					fi
				}
			:: else
			fi
		:: else
		fi;
		f++
	:: else -> break
	od;
	f = 0;
	spin_unlock(walk)
}

inline files_resume()
{
	spin_lock(walk);
	do
	:: f < FILES ->
		atomic {
			if
			:: !leaving[f] && !gone[f] -> suspended[f] = false
			:: else
			fi
		}
		f++
	:: else -> break
	od;
	f = 0;
	spin_unlock(walk)
}

inline give_back()
{
#ifdef RESUME_WAKES_FIRST
	wake_resumed();
#endif
	files_resume();
	changing = false;
#ifndef RESUME_WAKES_FIRST
	wake_resumed()
#endif
}

proctype suspender(byte me)
{
	bit ok, busy, was_mapped, paused, mine, resume;
	bit leaves[FILES];
#ifdef ZAP_IF_SEEN
	bit was_used;
#endif
	byte f;

	/* suspend_begin() */
	do
	:: queue_up(me);
		atomic {
			busy = changing && !dead;
			if
			:: busy || dead
			:: else ->
				changing = true;
#ifdef NOT_NESTED
				suspends = 1;
#else
				suspends++;
#endif
				begun++;
				credits++
			fi;
			ok = !dead
		}
		if
		:: busy -> woken[me]
		:: else -> break
		fi
	od;
	queued[me] = false;
	if
	:: !ok -> goto out
	:: else
	fi;
#ifdef LOOKS_FIRST
	users[0] == 0 && users[1] == 0;
#endif
	files_suspend();
	if
	:: was_mapped -> zap()
	:: else
	fi;
	/* await_users() */
#ifndef LOOKS_FIRST
	wait_event(ON_WAIT, pausing == 0);
#endif
#ifndef LEAVING_NOT_WAITED_FOR
	d_step { leaves[0] = leaving[0]; leaves[1] = leaving[1] }
	wait_event(ON_WAIT, !(leaves[0] && leaving[0]) && !(leaves[1] && leaving[1]));
#endif
#ifdef ZAP_IF_SEEN
	if
	:: was_mapped || was_used -> zap()
	:: else
	fi;
#elif !defined(NO_SECOND_ZAP)
	zap();
#endif
	/* suspend_end() */
	atomic {
		ok = suspends > 0;
		if
		:: ok ->
			changing = false;
			quiet = begun > 0;
			SUSPEND(!inside && !pte[0] && !pte[1])
		:: else
		fi
	}
	if
	:: ok -> wake_resumed()
	:: else -> give_back()
	fi;
out:
	holders--
}

proctype resumer()
{
	bit ok;
	byte f;

end:	atomic {
		credits > 0;
		credits--;
		begun--;
		quiet = quiet && begun > 0;
#ifdef NOT_NESTED
		ok = suspends == 1;
		suspends = 0;
#else
		COUNT(suspends > 0);
		suspends--;
		ok = suspends == 0;
#endif
#ifndef RESUME_WHILE_CHANGING
		ok = ok && !changing;
#endif
		changing = changing || ok
	}
	if
	:: ok -> give_back()
	:: else
	fi;
	holders--
}

inline mark(f)
{
	atomic {
		if
		:: !revoked[f] && !leaving[f] && !gone[f] ->
			revoked[f] = true;
			start_leaving(f);
			batch[f] = mine
		:: else
		fi
	}
	unpause()
}

proctype revoker(byte file)
{
	bit mine, paused, saw, last, resume;
	bit batch[FILES];
	byte f;

	if
	:: true -> mark(file)
	:: true ->
		spin_lock(walk);
		dead = true;
		mark(0);
		mark(1);
		spin_unlock(walk)
	fi;
#ifndef MARK_DOES_NOT_WAKE
	wake_resumed();
	wake(ON_WAIT);
#endif
	do
	:: f < FILES ->
		if
		:: batch[f] ->
			if
			:: mapped[f] -> pte[f] = false
			:: else
			fi;
			drop(f, 1)
		:: else
		fi;
		f++
	:: else -> break
	od;
	holders--
}

proctype zapper()
{
	bit paused, saw, last;
	byte f, n;

end:	do
	:: handed[0] + handed[1] > 0 ->
		f = handed[0] == 0;
		atomic { n = handed[f]; handed[f] = 0; zap() }
		drop(f, n)
	od
}

proctype reaper()
{
end:	atomic { gone[0] && gone[1] && holders == 0 && rcu == 0; freed = true }
}

#define waits(w)	(queued[w] && !woken[w])

proctype monitor()
{
end:	timeout ->
	WAKE(!waits(USER) || suspended[0]);
	WAKE(!waits(FAULT) || suspended[1])
}

/* All at once is more than is needed. */
init {
	atomic {
		if
		:: mapped[1] = true; pte[1] = true
		:: skip
		fi;
		run zapper(); run monitor();
		run suspender(SUSPENDER);
		if
		:: holders = 3; run user(true); run revoker(0)
		:: holders = 3; run fault(true); run revoker(1); run reaper()
		:: holders = 1; run fault(false); run closer()
		:: holders = 2; run fault(false); run closer(); run resumer()
		:: holders = 5; run user(false); run suspender(SUSPENDER + 1);
			run resumer(); run resumer()
		fi
	}
}

ltl live { [] (changing -> <> !changing) }
