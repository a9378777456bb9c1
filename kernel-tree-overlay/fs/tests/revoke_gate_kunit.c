// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of fs/revoke/gate.c: entries of pseudo file systems that go.
 *
 * Files here have a ->release that counts, and blocks on demand.  Nothing waits for
 * ever: what does not come in time is a failure.
 */
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/completion.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/revoke_gate.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/uio.h>
#include <linux/wait.h>

#include "../revoke/internal.h"

#define TIMEOUT		(10 * HZ)	/* for what has to happen */
#define A_WHILE		(HZ / 20 + 1)	/* for what must not happen */

struct entry {
	struct revoke_gate	gate;
	struct revoke_gate	other;
	atomic_t		releases;
	bool			release_blocks;
	struct completion	releasing;
	struct completion	go;
	atomic_t		kicks;
	struct completion	inside;
	bool			was_kicked;
	struct completion	done;		/* for each task */
	struct task_struct	*task[2];
	unsigned int		tasks;
	struct file		*file;		/* the last one opened */
};

static bool came(struct completion *c)
{
	return wait_for_completion_timeout(c, TIMEOUT);
}

static bool stays_away(struct completion *c)
{
	return !wait_for_completion_timeout(c, A_WHILE);
}

static void entry_release(struct file *file)
{
	struct entry *entry = file->private_data;

	atomic_inc(&entry->releases);
	complete(&entry->releasing);
	if (READ_ONCE(entry->release_blocks))
		wait_for_completion_timeout(&entry->go, TIMEOUT);
}

static int entry_close(struct inode *inode, struct file *file)
{
	struct entry *entry = file->private_data;

	if (revoke_gate_close(&entry->gate, file)) {
		entry_release(file);
		revoke_gate_leave(&entry->gate);
	}
	return 0;
}

static const struct file_operations entry_fops = {
	.release	= entry_close,
};

static struct file *entry_open(struct kunit *test, struct entry *entry)
{
	struct gate_file *gf;
	struct file *file;

	file = anon_inode_getfile("revoke-gate-kunit", &entry_fops, entry,
				  O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	gf = gate_file_alloc(file);
	KUNIT_ASSERT_NOT_NULL(test, gf);
	revoke_gate_opened(&entry->gate, gf);
	entry->file = file;
	return file;
}

static void entry_kick(struct revoke_gate *gate)
{
	atomic_inc(&container_of(gate, struct entry, gate)->kicks);
}

static void entry_remove(struct entry *entry)
{
	revoke_gate_shut(&entry->gate, entry_kick);
	revoke_gate_release(&entry->gate, entry_release);
}

static int remove_main(void *data)
{
	struct entry *entry = data;

	entry_remove(entry);
	complete(&entry->done);
	return 0;
}

static int release_main(void *data)
{
	struct entry *entry = data;

	revoke_gate_release(&entry->gate, entry_release);
	complete(&entry->done);
	return 0;
}

static int close_main(void *data)
{
	struct entry *entry = data;

	__fput_sync(entry->file);
	complete(&entry->done);
	return 0;
}

/* Nobody but a kick wakes it, which is no signal for a kernel thread. */
static int sleep_main(void *data)
{
	DECLARE_WAIT_QUEUE_HEAD_ONSTACK(queue);
	struct entry *entry = data;
	bool woken;
	int slot;

	if (gate_use_begin(&entry->gate, &slot)) {
		complete(&entry->inside);
		/* 1: not by that, but in the end */
		woken = wait_event_interruptible_timeout(queue,
							 revoke_kicked(current),
							 TIMEOUT) > 1;
		entry->was_kicked = gate_use_end(&entry->gate, slot,
						 -ERESTARTSYS) && woken;
	}
	complete(&entry->done);
	return 0;
}

/* Inside of so many others that there is no name left. */
static int sleep_unnamed_main(void *data)
{
	struct entry *entry = data;
	int slot[REVOKE_NAMES], i;

	for (i = 0; i < REVOKE_NAMES; i++)
		gate_use_begin(&entry->other, &slot[i]);
	sleep_main(entry);
	while (i--)
		gate_use_end(&entry->other, slot[i], 0);
	return 0;
}

static void entry_run(struct kunit *test, struct entry *entry,
		      int (*fn)(void *data))
{
	struct task_struct *task;

	task = kthread_create(fn, entry, "revoke-gate-kunit");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	entry->task[entry->tasks++] = get_task_struct(task);
	wake_up_process(task);
}

static void gate_refuses_test(struct kunit *test)
{
	struct entry *entry = test->priv;
	int slot;

	KUNIT_EXPECT_TRUE(test, revoke_gate_enter(&entry->gate));
	revoke_gate_leave(&entry->gate);
	KUNIT_EXPECT_FALSE(test, revoke_gate_is_shut(&entry->gate));
	entry_remove(entry);
	KUNIT_EXPECT_TRUE(test, revoke_gate_is_shut(&entry->gate));
	KUNIT_EXPECT_FALSE(test, revoke_gate_enter(&entry->gate));
	KUNIT_EXPECT_FALSE(test, gate_use_begin(&entry->gate, &slot));
	KUNIT_EXPECT_EQ(test, atomic_read(&entry->gate.users), REVOKE_GATE_SHUT);
}

static void gate_waits_test(struct kunit *test)
{
	struct entry *entry = test->priv;
	int i;

	KUNIT_ASSERT_TRUE(test, revoke_gate_enter(&entry->gate));
	KUNIT_ASSERT_TRUE(test, revoke_gate_enter(&entry->gate));
	entry_run(test, entry, remove_main);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_TRUE(test, stays_away(&entry->done));
		revoke_gate_leave(&entry->gate);
	}
	KUNIT_EXPECT_TRUE(test, came(&entry->done));
	/* For who is told a little later what makes it leave */
	KUNIT_EXPECT_GE(test, atomic_read(&entry->kicks), 2);
}

static void gate_kick_test(struct kunit *test)
{
	struct entry *entry = test->priv;

	entry_run(test, entry, sleep_main);
	KUNIT_ASSERT_TRUE(test, came(&entry->inside));
	entry_remove(entry);
	KUNIT_EXPECT_TRUE(test, came(&entry->done));
	KUNIT_EXPECT_TRUE(test, entry->was_kicked);
}

static void gate_kick_unnamed_test(struct kunit *test)
{
	struct entry *entry = test->priv;

	entry_run(test, entry, sleep_unnamed_main);
	KUNIT_ASSERT_TRUE(test, came(&entry->inside));
	entry_remove(entry);
	KUNIT_EXPECT_TRUE(test, came(&entry->done));
	KUNIT_EXPECT_TRUE(test, entry->was_kicked);
}

static void gate_not_kicked_test(struct kunit *test)
{
	struct entry *entry = test->priv;
	int slot;

	KUNIT_ASSERT_TRUE(test, gate_use_begin(&entry->gate, &slot));
	KUNIT_EXPECT_FALSE(test, gate_use_end(&entry->gate, slot,
					      -ERESTARTSYS));
	KUNIT_EXPECT_EQ(test, atomic_read(&entry->gate.users), 0);
}

/* Twice inside, and without a name for it to be waited for */
static void gate_self_test(struct kunit *test)
{
	struct entry *entry = test->priv;
	int outer, inner;

	KUNIT_ASSERT_TRUE(test, gate_use_begin(&entry->gate, &outer));
	KUNIT_ASSERT_TRUE(test, gate_use_begin(&entry->gate, &inner));
	entry_remove(entry);
	KUNIT_EXPECT_FALSE(test, gate_use_end(&entry->gate, inner, 0));
	KUNIT_EXPECT_FALSE(test, gate_use_end(&entry->gate, outer, 0));
	KUNIT_EXPECT_EQ(test, atomic_read(&entry->gate.users), REVOKE_GATE_SHUT);
	KUNIT_EXPECT_FALSE(test, revoke_caller_inside(NULL));
	KUNIT_EXPECT_EQ(test, current->uses.name[outer].revoke, 0);
	KUNIT_EXPECT_EQ(test, current->uses.name[inner].revoke, 0);
}

static void gate_oops_test(struct kunit *test)
{
	struct entry *entry = test->priv;
	int slot;

	KUNIT_ASSERT_TRUE(test, gate_use_begin(&entry->gate, &slot));
	revoke_oopsed();
	KUNIT_EXPECT_EQ(test, atomic_read(&entry->gate.users), 0);
	KUNIT_EXPECT_EQ(test, current->uses.name[slot].revoke, 0);
}

static void gate_release_test(struct kunit *test)
{
	struct entry *entry = test->priv;
	struct file *open = entry_open(test, entry);
	struct file *closed = entry_open(test, entry);

	__fput_sync(closed);
	KUNIT_EXPECT_EQ(test, atomic_read(&entry->releases), 1);
	entry_remove(entry);
	KUNIT_EXPECT_EQ(test, atomic_read(&entry->releases), 2);
	__fput_sync(open);
	KUNIT_EXPECT_EQ(test, atomic_read(&entry->releases), 2);
}

/*
 *	close				removal
 *					revoke_gate_shut()
 *	takes the file off
 *	->release begins
 *					revoke_gate_release(): no file is left
 *	->release ends
 */
static void gate_close_first_test(struct kunit *test)
{
	struct entry *entry = test->priv;

	entry_open(test, entry);
	entry->release_blocks = true;
	revoke_gate_shut(&entry->gate, NULL);
	entry_run(test, entry, close_main);
	KUNIT_ASSERT_TRUE(test, came(&entry->releasing));
	entry_run(test, entry, release_main);
	KUNIT_EXPECT_TRUE(test, stays_away(&entry->done));
	complete_all(&entry->go);
	/* Both */
	KUNIT_EXPECT_TRUE(test, came(&entry->done));
	KUNIT_EXPECT_TRUE(test, came(&entry->done));
	KUNIT_EXPECT_EQ(test, atomic_read(&entry->releases), 1);
}

/* The close has begun, and the gate is not shut yet: it waits there. */
static void gate_close_before_shut_test(struct kunit *test)
{
	struct entry *entry = test->priv;

	entry_open(test, entry);
	entry->release_blocks = true;
	entry_run(test, entry, close_main);
	KUNIT_ASSERT_TRUE(test, came(&entry->releasing));
	entry_run(test, entry, remove_main);
	KUNIT_EXPECT_TRUE(test, stays_away(&entry->done));
	complete_all(&entry->go);
	KUNIT_EXPECT_TRUE(test, came(&entry->done));
	KUNIT_EXPECT_TRUE(test, came(&entry->done));
	KUNIT_EXPECT_EQ(test, atomic_read(&entry->releases), 1);
}

/* The removal has taken the file off: the close waits, as ->release needs the file. */
static void gate_removal_first_test(struct kunit *test)
{
	struct entry *entry = test->priv;

	entry_open(test, entry);
	entry->release_blocks = true;
	entry_run(test, entry, remove_main);
	KUNIT_ASSERT_TRUE(test, came(&entry->releasing));
	entry_run(test, entry, close_main);
	KUNIT_EXPECT_TRUE(test, stays_away(&entry->done));
	complete_all(&entry->go);
	KUNIT_EXPECT_TRUE(test, came(&entry->done));
	KUNIT_EXPECT_TRUE(test, came(&entry->done));
	KUNIT_EXPECT_EQ(test, atomic_read(&entry->releases), 1);
}

static int line_show(struct seq_file *m, void *v)
{
	struct entry *entry = m->private;

	atomic_set(&entry->kicks, atomic_read(&entry->gate.users));
	seq_puts(m, "0123456789");
	return 0;
}

static ssize_t line_read(struct file *file, struct revoke_gate *gate, char *buf,
			 size_t size, loff_t pos)
{
	struct kvec vec = { .iov_base = buf, .iov_len = size };
	struct iov_iter iter;
	struct kiocb kiocb;

	init_sync_kiocb(&kiocb, file);
	kiocb.ki_pos = pos;
	iov_iter_kvec(&iter, ITER_DEST, &vec, 1, size);
	kiocb.private = gate;
	return seq_read_iter_gated(&kiocb, &iter);
}

static int line_release(struct inode *inode, struct file *file)
{
	return 0;
}

static const struct file_operations line_fops = {
	.release	= line_release,
};

static void gate_seq_test(struct kunit *test)
{
	struct entry *entry = test->priv;
	struct file *file;
	char buf[16];

	file = anon_inode_getfile("revoke-gate-kunit", &line_fops, NULL, O_RDONLY);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_ASSERT_EQ(test, single_open(file, line_show, entry), 0);

	/* In two parts, with the gate left after each. */
	KUNIT_EXPECT_EQ(test, line_read(file, &entry->gate, buf, 4, 0), 4);
	KUNIT_EXPECT_EQ(test, atomic_read(&entry->kicks), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&entry->gate.users), 0);
	KUNIT_EXPECT_EQ(test, line_read(file, &entry->gate, buf, 16, 4), 6);
	KUNIT_EXPECT_MEMEQ(test, buf, "456789", 6);
	KUNIT_EXPECT_EQ(test, line_read(file, &entry->gate, buf, 16, 10), 0);
	KUNIT_EXPECT_EQ(test, seq_lseek_gated(file, 2, SEEK_SET, &entry->gate), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&entry->gate.users), 0);

	revoke_gate_shut(&entry->gate, NULL);
	KUNIT_EXPECT_EQ(test, line_read(file, &entry->gate, buf, 16, 0), -EIO);
	KUNIT_EXPECT_EQ(test, line_read(file, &entry->gate, buf, 0, 0), -EIO);
	KUNIT_EXPECT_EQ(test, seq_lseek_gated(file, 0, SEEK_SET, &entry->gate),
			-EIO);

	/* Released before its close, as it is by a removal. */
	seq_keep(file);
	single_release(NULL, file);
	KUNIT_EXPECT_EQ(test, line_read(file, &entry->gate, buf, 16, 0), -EIO);
	seq_free_kept(file);
	__fput_sync(file);
}

static int gate_init(struct kunit *test)
{
	struct entry *entry = kunit_kzalloc(test, sizeof(*entry), GFP_KERNEL);

	if (!entry)
		return -ENOMEM;
	revoke_gate_init(&entry->gate);
	revoke_gate_init(&entry->other);
	init_completion(&entry->releasing);
	init_completion(&entry->go);
	init_completion(&entry->inside);
	init_completion(&entry->done);
	test->priv = entry;
	return 0;
}

static void gate_exit(struct kunit *test)
{
	struct entry *entry = test->priv;

	KUNIT_EXPECT_TRUE(test, list_empty(&entry->gate.files));
	while (entry->tasks)
		kthread_stop_put(entry->task[--entry->tasks]);
}

static struct kunit_case gate_cases[] = {
	KUNIT_CASE(gate_refuses_test),
	KUNIT_CASE(gate_waits_test),
	KUNIT_CASE(gate_kick_test),
	KUNIT_CASE(gate_kick_unnamed_test),
	KUNIT_CASE(gate_not_kicked_test),
	KUNIT_CASE(gate_self_test),
	KUNIT_CASE(gate_oops_test),
	KUNIT_CASE(gate_release_test),
	KUNIT_CASE(gate_close_first_test),
	KUNIT_CASE(gate_close_before_shut_test),
	KUNIT_CASE(gate_removal_first_test),
	KUNIT_CASE(gate_seq_test),
	{}
};

static struct kunit_suite gate_suite = {
	.name		= "revoke_gate",
	.init		= gate_init,
	.exit		= gate_exit,
	.test_cases	= gate_cases,
};

kunit_test_suite(gate_suite);

MODULE_DESCRIPTION("KUnit tests of gates");
MODULE_LICENSE("GPL");
