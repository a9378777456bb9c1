/*
 * A group goes with its parent (join_group(), revoke_mark_group(),
 * revokable_settle(), revokable_done()).
 *
 * variants: JOINS_UNLOCKED:G1 CHILDREN_FIRST:G1 JOINS_UNCOUNTED:G1
 * variants: CHILD_TELLS_NOBODY:deadlock PARENT_NOT_COUNTED:G1 DONE_UNLOCKED:count
 * variants: SETTLES_AGAIN:count
 * unreached: 2 (the child's removal is no callback's; the work does not end)
 *
 * creator()	revokable_alloc() of the child, whose group is the parent; then a
 *		file of it is opened, if it is alive
 * child_remover()	revoke_it() of the child alone, as when a minor goes first
 * remover()	revoke_it_async() of the parent, or revoke_it(): with DEAD in the
 *		parent first, nobody joins any more; then the members
 * leaver()	the end of each file: revoke_gone(), revokable_settle()
 * worker()	revokable_done_work()
 *
 * unsettled of the parent counts itself and each child.  Whoever brings it to
 * zero, or settles the parent after that, looks at done_wanted under the parent's
 * lock.  A section under r->lock is one step, but for the child's, which takes
 * the parent's in between.
 *
 * Left out: all that happens within one object, see release.pml.
 */
#include "model.h"

#define PARENT		0
#define CHILD		1

/* struct revokable */
bit dead[2];
bit ops[2] = true;
bit lock[2];
#ifdef PARENT_NOT_COUNTED
byte unsettled;
#else
byte unsettled = 1;		/* of the parent */
#endif
bit joined;			/* in parent->members */
bit done_wanted, done_work;

/* One file of each */
bit attached[2];		/* on r->files, or on r->leaving once it is revoked */
bit revoked[2];

/* For the properties only */
bit created, dying;
bit done, through;

#define all_gone	(!attached[PARENT] && !attached[CHILD])

/* revokable_done(PARENT), with its lock */
inline revokable_done()
{
	if
	:: done_wanted && unsettled == 0 ->
		done_wanted = false;
		queue_once(done_work)
	:: else
	fi
}

/* With the lock of the object */
inline settle(r)
{
	if
	:: dead[r] && !attached[r] ->
		if
#ifdef SETTLES_AGAIN
		:: true ->
#else
		:: ops[r] ->
#endif
			ops[r] = false;
			if
			:: r == PARENT ->
#ifndef PARENT_NOT_COUNTED
				atomic { COUNT(unsettled > 0); unsettled-- }
#endif
				skip
			:: r == CHILD && joined ->
#ifndef JOINS_UNCOUNTED
				atomic {
					COUNT(unsettled > 0);
					unsettled--;
					last = unsettled == 0
				}
#endif
#ifndef CHILD_TELLS_NOBODY
				if
				:: last ->
#ifndef DONE_UNLOCKED
					spin_lock(lock[PARENT]);
#endif
					revokable_done();
#ifndef DONE_UNLOCKED
					spin_unlock(lock[PARENT])
#endif
				:: else
				fi
#endif
			:: r == CHILD && !joined
			fi
		:: else
		fi;
		if
		:: r == PARENT -> revokable_done()
		:: else
		fi
	:: else
	fi
}

inline kill(r)
{
	spin_lock(lock[r]);
	dead[r] = true;
	revoked[r] = true;
	settle(r);
	spin_unlock(lock[r])
}

proctype creator()
{
	bit dying_parent;

	/* join_group(), with the parent's lock */
#ifdef JOINS_UNLOCKED
	dying_parent = dead[PARENT];
#endif
	atomic {
		!lock[PARENT];
#ifndef JOINS_UNLOCKED
		dying_parent = dead[PARENT];
#endif
		if
		:: dying_parent -> dead[CHILD] = true; ops[CHILD] = false
		:: else ->
			joined = true;
#ifndef JOINS_UNCOUNTED
			unsettled++
#endif
		fi
	}
	created = true;
	/* revoke_try_attach() */
	atomic {
		!lock[CHILD];
		if
		:: !dead[CHILD] -> G1(!done && !through); attached[CHILD] = true
		:: else
		fi
	}
}

proctype child_remover()
{
	bit last;

	created;
	kill(CHILD);
	!attached[CHILD]
}

proctype leaver(byte r)
{
	bit last;

end:	revoked[r] && attached[r];
	spin_lock(lock[r]);
	attached[r] = false;
	settle(r);
	spin_unlock(lock[r])
}

proctype remover()
{
	bit last, async;
	byte r = PARENT;

	if
	:: async = true;
		atomic { !lock[PARENT]; done_wanted = true }
	:: skip
	fi;
	dying = true;
	/* Whoever walks the members takes a lock that join_group() takes, too. */
#ifdef CHILDREN_FIRST
	if
	:: joined -> kill(CHILD)
	:: else
	fi;
	kill(PARENT);
#else
	do
	:: r == PARENT || (r == CHILD && joined) -> kill(r); r++
	:: else -> break
	od;
#endif
	if
	:: async -> done
	:: else ->
		atomic { !lock[PARENT]; !attached[PARENT] }
		if
		:: joined -> !attached[CHILD]
		:: else
		fi;
		G1(all_gone)
	fi;
	through = true
}

proctype worker()
{
end:	do
	:: done_work ->
		done_work = false;
		atomic { COUNT(!done); G1(all_gone); done = true }
	od
}

init {
	atomic {
		if
		:: attached[PARENT] = true
		:: skip
		fi;
		if
		:: run creator()
		:: joined = true; unsettled++; created = true;
			if
			:: attached[CHILD] = true
			:: skip
			fi
		fi;
		if
		:: run child_remover()
		:: skip
		fi;
		run leaver(PARENT); run leaver(CHILD);
		run remover(); run worker()
	}
}

ltl live { <> through }
