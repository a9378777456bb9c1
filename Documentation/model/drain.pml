/*
 * Who is inside: mark, barrier, enter, leave, drain (fs/revoke.c).
 *
 * variants: NO_BARRIER:G1 ONE_CPU_BARRIER:G1 MARK_AFTER_BARRIER:G1
 * variants: CHECK_UNLOCKED:G1 COUNT_UNLOCKED:G1 LEAVER_LOOKS_FIRST:deadlock
 * variants: NO_COUNT_OF_ITS_OWN:G1 MARKED_TWICE:G1
 *
 * user()	a task that calls methods of one file, each time on any CPU, with
 *		the lock of the bucket in single steps.
 *   enter	use_start()
 *   leave	stop_using_revokable(), use_left()
 * revoker()	two tasks that revoke the file.
 *   mark	revoke_file(), revoke_mark()
 *   barrier	revoke_barrier()
 *   start	the end of revoke_start()
 *   wait	revoke_wait()
 * worker()	revoke_drained_work(): revoke_drained(), revoke_detach(),
 *		revoke_put_work(), revoke_gone()
 *
 * This is the one model with the steps inside of a bucket's lock.  In it, what
 * other tasks can see changes in one step at most (the state is read, or the
 * count rises); everything else there is protected by the lock.  So the other
 * models have such a section as one atomic step.
 *
 * Left out: sleeping inside (kick.pml), mappings (mapping.pml, vmops.pml),
 * opening and closing (release.pml), requests (requests.pml).
 */
#include "model.h"

#define USERS		2
#define CALLS		2
#define CPUS		2

byte state = LIVE;		/* rv->state */
byte pending;			/* rv->drain.pending */
bit work;			/* rv->drain.work is queued */
bit r_lock;
bit bucket_lock[CPUS];

/* struct file_use of each user */
byte bucket[USERS];		/* 1 + where it is linked; 0: nowhere */
bit drain[USERS];

bit inside[USERS];
bit released;			/* ->release has been called */
byte returned;			/* revokes that have returned */
bit marked;

#define all_out		(!inside[0] && !inside[1])

inline enter(me, cpu, ok)
{
#ifdef CHECK_UNLOCKED
	ok = state < REVOKED;
	spin_lock(bucket_lock[cpu]);
#else
	spin_lock(bucket_lock[cpu]);
	ok = state < REVOKED;
#endif
	if
	:: ok -> bucket[me] = cpu + 1
	:: else
	fi;
	spin_unlock(bucket_lock[cpu])
}

inline leave(me, cpu, counted)
{
#ifdef LEAVER_LOOKS_FIRST
	counted = drain[me];
#endif
	spin_lock(bucket_lock[cpu]);
	bucket[me] = 0;
	spin_unlock(bucket_lock[cpu]);
#ifndef LEAVER_LOOKS_FIRST
	counted = drain[me];
#endif
	drain[me] = false;
	if
	:: counted -> dec_and_queue(pending, work)
	:: else
	fi;
	counted = false
}

proctype user(byte me)
{
	byte calls, cpu;
	bit ok, counted;

	do
	:: calls < CALLS ->
		calls++;
		if
		:: cpu = 0
		:: cpu = 1
		fi;
		enter(me, cpu, ok);
		if
		:: ok ->
			ok = false;
			inside[me] = true;
			G1(!released && !returned);
			/* ... the method ... */
			G1(!released && !returned);
			inside[me] = false;
			leave(me, cpu, counted)
		:: else -> break
		fi
	:: calls == CALLS -> break
	od
}

inline mark(found)
{
	spin_lock(r_lock);
	if
#ifdef MARKED_TWICE
	:: state < RELEASED ->
#else
	:: state < REVOKED ->
#endif
#ifdef NO_COUNT_OF_ITS_OWN
		pending = 0;
#else
		pending = 1;
#endif
		state = REVOKED;
		found = true;
		marked = true
	:: else
	fi;
	spin_unlock(r_lock)
}

/* Of one bucket.  What is linked there stays: the lock is held. */
inline count(cpu, u)
{
	u = 0;
	do
	:: u < USERS ->
		if
		:: bucket[u] == cpu + 1 && !drain[u] ->
			drain[u] = true;
			pending++
		:: else
		fi;
		u++
	:: u == USERS -> break
	od;
	u = 0
}

inline barrier(cpu, u)
{
	do
	:: cpu < CPUS ->
#ifdef COUNT_UNLOCKED
		count(cpu, u);
#else
		spin_lock(bucket_lock[cpu]);
		d_step { count(cpu, u) }
		spin_unlock(bucket_lock[cpu]);
#endif
#ifdef ONE_CPU_BARRIER
		break;
#endif
		cpu++
	:: cpu == CPUS -> break
	od;
	cpu = 0
}

proctype revoker()
{
	byte cpu, u;
	bit found;

#ifdef MARK_AFTER_BARRIER
	pending = 1;
	barrier(cpu, u);
	mark(found);
#else
	mark(found);
#endif
	if
	:: found ->
#if !defined(NO_BARRIER) && !defined(MARK_AFTER_BARRIER)
		barrier(cpu, u);
#endif
#ifdef NO_COUNT_OF_ITS_OWN
		atomic {
			if
			:: pending == 0 && !released && !work -> work = true
			:: else
			fi
		}
#else
		dec_and_queue(pending, work)
#endif
	:: else
	fi;

	state == RELEASED;
	atomic {
		returned++;
		G1(all_out);
		G3(released)
	}
}

proctype worker()
{
end:	work;
	work = false;
	atomic {
		G3(!released);
		released = true;
		G1(all_out)
	}
	/* An RCU grace period later. */
	spin_lock(r_lock);
	state = RELEASED;
	spin_unlock(r_lock)
}

init {
	atomic {
		run user(0); run user(1);
		run revoker(); run revoker(); run worker()
	}
}

/* Nobody sleeps inside, so a revoke ends. */
ltl live { [] (marked -> <> (returned == 2)) }
