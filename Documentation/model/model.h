/*
 * Shared by the models of the revoke facility, which tools/model checks.
 *
 * All of them are of sequentially consistent memory.  What the kernel relies on
 * instead: atomic operations that return a value, and queue_work(), are full
 * barriers, also when the work is queued already; entries are written and zapped
 * under the page table lock.  Where one task stores and then loads what another
 * one stores, the model says which barrier is in between, and has a variant
 * without it.  What READ_ONCE() and WRITE_ONCE() are there for is not checked
 * here.
 *
 * rv->state is one word, so an expression or an atomic step may use any of its
 * flags and counts at once.  A section under a spinlock is one step, where nobody
 * looks at what it changes without the lock.
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
bit violates_suspend;	/* nobody is inside while it is suspended */
bit violates_wake;	/* whoever waits is woken */

#define G1(cond)	assert((cond) || violates_G1)
#define G2(cond)	assert((cond) || violates_G2)
#define G3(cond)	assert((cond) || violates_G3)
#define G4(cond)	assert((cond) || violates_G4)
#define COUNT(cond)	assert((cond) || violates_count)
#define KICK(cond)	assert((cond) || violates_kick)
#define SUSPEND(cond)	assert((cond) || violates_suspend)
#define WAKE(cond)	assert((cond) || violates_wake)

#define spin_lock(l)	atomic { !l; l = true }
#define spin_unlock(l)	l = false

/* queue_work() of what must not be queued twice */
#define queue_once(work)	atomic { COUNT(!work); work = true }
