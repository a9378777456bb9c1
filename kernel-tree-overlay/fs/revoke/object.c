// SPDX-License-Identifier: GPL-2.0
/*
 * Objects, and groups of them.
 *
 * A group is an object and its children: a sound card and its minors.  Each child
 * is an object of its own, but for two things: it goes with its parent, and who
 * waits for the parent waits for all.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "internal.h"

/*
 * For the lists of members.  An object may be freed in any context, and leaves
 * the list then: so whoever walks it needs a reference, if there still is one.
 */
static DEFINE_SPINLOCK(members_lock);

static void revokable_done_work(struct work_struct *work)
{
	struct revokable *r = container_of(work, struct revokable, done_work);

	r->done(r->data);
	revokable_put(r);
}

/* Returns false if the group takes no further member. */
static bool join_group(struct revokable *r, struct revokable *parent)
{
	guard(spinlock)(&parent->lock);
	if (parent->state == REVOKABLE_DEAD)
		return false;
	atomic_inc(&parent->unsettled);
	r->group = revokable_get(parent);
	guard(spinlock_irqsave)(&members_lock);
	list_add_tail(&r->member, &parent->members);
	return true;
}

struct revokable *__revokable_alloc(struct revokable *parent,
				    const struct revokable_ops *ops, void *data,
				    const char *name,
				    struct lock_class_key *key)
{
	struct revokable_policy *p;
	struct revokable *r;

	if (WARN_ON_ONCE((ops->flags & REVOKABLE_ASYNC && !ops->kick) ||
			 (parent && parent->group != parent)))
		return NULL;

	r = kzalloc_obj(*r);
	if (!r)
		return NULL;

	kref_init(&r->ref);
	spin_lock_init(&r->lock);
	INIT_LIST_HEAD(&r->files);
	INIT_LIST_HEAD(&r->leaving);
	INIT_LIST_HEAD(&r->poll_again);
	INIT_LIST_HEAD(&r->fops);
	INIT_LIST_HEAD(&r->mappings);
	INIT_LIST_HEAD(&r->zap_list[0]);
	INIT_LIST_HEAD(&r->zap_list[1]);
	INIT_LIST_HEAD(&r->members);
	INIT_LIST_HEAD(&r->member);
	atomic_set(&r->unsettled, 1);
	mutex_init(&r->walk);
	init_waitqueue_head(&r->wait);
	init_waitqueue_head(&r->resumed);
	INIT_WORK(&r->done_work, revokable_done_work);
	INIT_WORK(&r->zap_work, revoke_zap_work);
	INIT_DELAYED_WORK(&r->watch, revokable_watch);
#ifdef CONFIG_DEBUG_LOCK_ALLOC
	lockdep_init_map(&r->dep_map, name, key, 0);
#endif
	r->ops = ops;
	r->data = data;
	r->flags = ops->flags;

	p = &r->policy;
	*p = ops->policy;
	p->error = p->error ?: -ENODEV;
	p->read_error = p->read_error ?: p->error;
	p->write_error = p->write_error ?: p->error;
	p->ioctl_error = p->ioctl_error ?: p->error;
	p->mmap_error = p->mmap_error ?: p->error;
	p->poll_mask = p->poll_mask ?:
		       EPOLLHUP | EPOLLERR | DEFAULT_POLLMASK;

	r->group = r;
	if (parent && !join_group(r, parent)) {
		r->state = REVOKABLE_DEAD;
		r->ops = NULL;
		atomic_set(&r->unsettled, 0);
	}
	return r;
}
EXPORT_SYMBOL_GPL(__revokable_alloc);

/**
 * revokable_get - take a reference
 * @r: the object, or NULL
 *
 * Context: any.
 * Return: @r.
 */
struct revokable *revokable_get(struct revokable *r)
{
	if (r)
		kref_get(&r->ref);
	return r;
}
EXPORT_SYMBOL_GPL(revokable_get);

static void revokable_free(struct kref *ref)
{
	struct revokable *r = container_of(ref, struct revokable, ref);

	/*
	 * Its owner believes that nobody gets to what it frees; and a parent
	 * waits for all of its children to be done.
	 */
	WARN_ON_ONCE((r->ticket || r->group != r) &&
		     r->state != REVOKABLE_DEAD);
	if (r->group != r) {
		scoped_guard(spinlock_irqsave, &members_lock)
			list_del(&r->member);
		revokable_put(r->group);
	}
	revokable_free_fops(r);
	kfree_rcu(r, rcu);
}

/**
 * revokable_put - drop a reference
 * @r: the object, or NULL
 *
 * Whoever created the object must have revoked it for good, with revoke_it()
 * or revoke_it_async(), before dropping the first reference.
 *
 * Context: any.
 */
void revokable_put(struct revokable *r)
{
	if (r)
		kref_put(&r->ref, revokable_free);
}
EXPORT_SYMBOL_GPL(revokable_put);

/**
 * revokable_data - what the creator of the object gave to revokable_alloc()
 * @r: the object
 *
 * Context: any.
 * Return: the pointer; valid for as long as the creator keeps it so.
 */
void *revokable_data(const struct revokable *r)
{
	return r->data;
}
EXPORT_SYMBOL_GPL(revokable_data);

/**
 * revokable_next_member - go through an object and its children
 * @r: the object; of a child, there is nothing but itself
 * @member: where to go on, whose reference is dropped; NULL: at the beginning
 *
 * Return: the next one, with a reference; NULL: that was the last one.
 */
struct revokable *revokable_next_member(struct revokable *r,
					struct revokable *member)
{
	struct revokable *next = NULL, *m;

	if (!member)
		return revokable_get(r);
	scoped_guard(spinlock_irqsave, &members_lock) {
		m = member == r ? list_entry(&r->members, struct revokable,
					     member) : member;
		list_for_each_entry_continue(m, &r->members, member) {
			if (!kref_get_unless_zero(&m->ref))
				continue;
			next = m;
			break;
		}
	}
	revokable_put(member);
	return next;
}
