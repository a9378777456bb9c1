/*
 * Shared by the models of the revoke facility, which tools/model checks.
 *
 * All of them are of sequentially consistent memory.  What the kernel relies on
 * instead: the state, once written, is seen by whoever takes the lock of a
 * bucket after the barrier has; entries are written and zapped under the page
 * table lock; atomic_dec_and_test() and queue_work() are full barriers.  What
 * READ_ONCE() and WRITE_ONCE() are there for is not checked here.
 *
 * A property is an assertion with a name, so that the runner can tell which
 * one a broken variant violates.  The names are never true; spin prints them.
 */
bit violates_G1;	/* no method runs once the revoke is complete */
bit violates_G2;	/* no page table entry is left then */
bit violates_G3;	/* ->release runs once, and after everything else */
bit violates_G4;	/* nothing of the driver is reached after that */
bit violates_count;	/* what a counter counts */
bit violates_kick;	/* no kick is lost, and none stays behind */

#define G1(cond)	assert((cond) || violates_G1)
#define G2(cond)	assert((cond) || violates_G2)
#define G3(cond)	assert((cond) || violates_G3)
#define G4(cond)	assert((cond) || violates_G4)
#define COUNT(cond)	assert((cond) || violates_count)
#define KICK(cond)	assert((cond) || violates_kick)

/* enum revoke_state */
#define OPENING		0
#define LIVE		1
#define REVOKED		2
#define CLOSED		3
#define RELEASED	4

#define spin_lock(l)	atomic { !l; l = true }
#define spin_unlock(l)	l = false

/* if (atomic_dec_and_test(&n)) queue_work(w) */
#define dec_and_queue(n, w)				\
	atomic {					\
		COUNT(n > 0);				\
		n--;						\
		if					\
		:: n == 0 -> COUNT(!w); w = true	\
		:: else					\
		fi					\
	}
