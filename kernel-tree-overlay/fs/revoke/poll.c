// SPDX-License-Identifier: GPL-2.0
/*
 * Polling revokable files.
 *
 * A driver's wait queue usually belongs to the device and dies with it, while
 * epoll, io_uring and others keep their entries on it for as long as the file
 * exists.  Nor can a revoke empty the queue: other open files of the device
 * share it, and so do readers that sleep on it.
 *
 * So no poller of a revokable file gets to see a driver's queue.  Pollers wait
 * on a queue of the open file, and for each queue that the driver polls there
 * is one relay, an entry which passes the wake-ups on.  Relays go with the last
 * poller, or with a revoke.  After that the pollers stay where they are, on memory
 * that goes with the file.
 */
#include <linux/poll.h>
#include <linux/slab.h>

#include "internal.h"

struct relay {
	wait_queue_entry_t	wait;
	wait_queue_head_t	*head;	/* NULL: freed by the driver */
	struct revoke_pollers	*pollers;
	struct hlist_node	node;	/* in pollers->relays */
};

struct relay_table {
	poll_table		pt;
	struct revoke_pollers	*pollers;
	bool			failed;
};

static int relay_wake(wait_queue_entry_t *wait, unsigned int mode, int sync,
		      void *key)
{
	struct relay *relay = container_of(wait, struct relay, wait);
	struct wait_queue_head *pollers = &relay->pollers->wait;
	__poll_t events = key_to_poll(key);

	if (events & POLLFREE) {
		events = EPOLLHUP | EPOLLERR;
		key = poll_to_key(events);
		list_del_init(&wait->entry);
	}
	/*
	 * Not told how many are to be woken: for input and output, as many as
	 * wake_up_poll() does.  What ends the waiting is for all.
	 */
	if (!events || events & (EPOLLERR | EPOLLHUP))
		__wake_up(pollers, mode, 0, key);
	else if (sync)
		__wake_up_sync_key(pollers, mode, key);
	else
		__wake_up(pollers, mode, 1, key);

	/*
	 * Last, and only now: relay_remove() may be waiting to free the relay,
	 * and without a head it does not take the lock that is held here.
	 */
	if (list_empty(&wait->entry))
		/* Pairs with the load in relay_remove(). */
		smp_store_release(&relay->head, NULL);
	return 0;
}

static struct relay *relay_find(struct revoke_pollers *pollers,
				wait_queue_head_t *head)
{
	struct relay *relay;

	lockdep_assert_held(&pollers->lock);
	hlist_for_each_entry(relay, &pollers->relays, node) {
		if (READ_ONCE(relay->head) == head)
			return relay;
	}
	return NULL;
}

/* What poll_wait() calls for a queue that the driver polls. */
static void relay_queue(struct file *file, wait_queue_head_t *head,
			poll_table *pt)
{
	struct relay_table *table = container_of(pt, struct relay_table, pt);
	struct revoke_pollers *pollers = table->pollers;
	struct relay *relay;

	scoped_guard(spinlock, &pollers->lock) {
		if (relay_find(pollers, head))
			return;
	}

	relay = kzalloc_obj(*relay, GFP_KERNEL_ACCOUNT);
	if (!relay) {
		table->failed = true;
		return;
	}
	relay->pollers = pollers;
	relay->head = head;
	init_waitqueue_func_entry(&relay->wait, relay_wake);

	/*
	 * Both at once: whoever finds the relay relies on being woken for all
	 * that happens after the barrier in poll_wait().
	 */
	scoped_guard(spinlock, &pollers->lock) {
		if (!relay_find(pollers, head)) {
			add_wait_queue(head, &relay->wait);
			hlist_add_head(&relay->node, &pollers->relays);
			return;
		}
	}
	kfree(relay);
}

/* Those of the file, made when they are first needed; NULL: no memory */
static struct revoke_pollers *get_pollers(struct revoke *rv)
{
	struct revoke_pollers *pollers = READ_ONCE(rv->pollers), *other;

	if (likely(pollers))
		return pollers;
	pollers = kzalloc_obj(*pollers, GFP_KERNEL_ACCOUNT);
	if (!pollers)
		return NULL;
	init_waitqueue_head(&pollers->wait);
	spin_lock_init(&pollers->lock);
	INIT_LIST_HEAD(&pollers->again);
	/* Two tasks may poll for the first time. */
	other = cmpxchg(&rv->pollers, NULL, pollers);
	if (!other)
		return pollers;
	kfree(pollers);
	return other;
}

static bool relays_due(const struct revoke_pollers *pollers)
{
	return pollers && READ_ONCE(pollers->relays_due);
}

static noinline __poll_t poll_slowly(struct file *file, poll_table *pt)
{
	struct revoke *rv = file->f_revoke;
	struct revoke_pollers *pollers = READ_ONCE(rv->pollers);
	bool queue = pt && pt->_qproc;
	struct relay_table table = {
		.pt._key = poll_requested_events(pt),
	};
	struct file_use use;
	__poll_t mask;

	if (queue) {
		pollers = get_pollers(rv);
		/* As poll(2) has it: an error, which ends the waiting. */
		if (!pollers)
			return EPOLLERR;
		/*
		 * Queue first, look second.  A revoke changes the state first
		 * and wakes the queue second, so one of the two sees the other.
		 * So does a resume.
		 */
		poll_wait(file, &pollers->wait, pt);
	}

	while (!revoke_enter_or_nested(rv, USE_KIND("poll", 0), &use)) {
		if (file_revoked(file))
			return rv->r->policy.poll_mask;
		if (revoke_poll_later(rv, queue))
			return 0;
	}
	/*
	 * Somebody waits without a relay, as there was no memory, or it was not
	 * let in.  When it polls again, it does not ask to be queued.  All who
	 * poll from now on see to it: one alone may be late.
	 */
	if (relays_due(pollers)) {
		table.pt._key = ~(__poll_t)0;
		queue = true;
	}
	if (queue) {
		table.pollers = pollers;
		table.pt._qproc = relay_queue;
	}
	mask = real_fops(file)->poll(file, &table.pt);
	if (table.failed) {
		WRITE_ONCE(pollers->relays_due, true);
		mask |= EPOLLERR;
	}
	revoke_leave(&use);
	return mask;
}

__poll_t revokable_poll(struct file *file, poll_table *pt)
{
	const struct use_kind *kind = USE_KIND("poll", 0);
	struct revoke *rv = file->f_revoke;
	__poll_t mask;

	/* Whoever does not ask to be queued only looks. */
	if ((pt && pt->_qproc) || relays_due(READ_ONCE(rv->pollers)) ||
	    !use_begin(rv, kind))
		return poll_slowly(file, pt);
	mask = real_fops(file)->poll(file, pt);
	use_end(rv, kind);
	return mask;
}

/* Exclusive waiters, too: a revoke concerns each of them. */
void revoke_wake_pollers(struct revoke *rv)
{
	__wake_up(&rv->pollers->wait, TASK_NORMAL, 0,
		  poll_to_key(rv->r->policy.poll_mask));
}

static void relay_remove(struct relay *relay)
{
	wait_queue_head_t *head;

	/* A driver that frees a queue, see wake_up_pollfree(), uses RCU. */
	scoped_guard(rcu) {
		/* Pairs with the store in relay_wake(). */
		head = smp_load_acquire(&relay->head);
		if (head)
			remove_wait_queue(head, &relay->wait);
	}
	kfree(relay);
}

/* When the lock of its queue has been taken and dropped, a relay is not running. */
static void remove_relays(struct revoke_pollers *pollers)
{
	struct hlist_node *next;
	struct relay *relay;

	lockdep_assert_held(&pollers->lock);
	hlist_for_each_entry_safe(relay, next, &pollers->relays, node)
		relay_remove(relay);
	INIT_HLIST_HEAD(&pollers->relays);
}

/* With nobody inside ->poll, there will be no further relay. */
void revoke_drop_relays(struct revoke *rv)
{
	guard(spinlock)(&rv->pollers->lock);
	remove_relays(rv->pollers);
}

/*
 * With the last poller, its relays go: what a driver may do with a queue that
 * nobody polls stays as it is.  A poller queues itself first, and takes the lock
 * to look for its relays second: so either it is seen here, or it makes new ones.
 */
void __revoke_poll_left(struct file *file)
{
	struct revoke_pollers *pollers = READ_ONCE(file->f_revoke->pollers);

	/* The caller has left this queue, under its lock. */
	if (!pollers || waitqueue_active(&pollers->wait))
		return;
	guard(spinlock)(&pollers->lock);
	/* Nobody has come meanwhile: who comes later finds no relay. */
	if (!waitqueue_active(&pollers->wait))
		remove_relays(pollers);
}
