// SPDX-License-Identifier: GPL-2.0
/*
 * revokeat(2), on the devices of CONFIG_TEST_REVOKE: what it accepts, and what
 * is left of an open file and a mapping.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/revoke.h>

#include "../kselftest_harness.h"

#ifndef __NR_revokeat
#ifdef __alpha__
#define __NR_revokeat 583
#else
#define __NR_revokeat 473
#endif
#endif

#define NODE	"/dev/revoke_test0"

static int revokeat(int dirfd, const char *path, unsigned int flags)
{
	return syscall(__NR_revokeat, dirfd, path, flags);
}

static int revoke_fd(int fd)
{
	return revokeat(fd, "", AT_EMPTY_PATH | REVOKE_FILE);
}

static bool have_revokeat(void)
{
	/* Bad flags are the first thing that it looks at. */
	revokeat(-1, NULL, ~0U);
	return errno == EINVAL;
}

#define EXPECT_FAILS(call, error)				\
do {								\
	errno = 0;						\
	EXPECT_EQ(-1, call);					\
	EXPECT_EQ(error, errno);				\
} while (0)

/* Returns the signal that a child is killed by when it reads from @p, or 0. */
static int touch(const char *p)
{
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		__atomic_load_n(p, __ATOMIC_SEQ_CST);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST(flags_and_paths)
{
	int fd;

	if (!have_revokeat())
		SKIP(return, "no revokeat(2)");

	EXPECT_FAILS(revokeat(AT_FDCWD, "/dev/null", ~0U), EINVAL);
	EXPECT_FAILS(revokeat(AT_FDCWD, "", REVOKE_FILE), EINVAL);
	EXPECT_FAILS(revokeat(AT_FDCWD, "/dev/null",
			      AT_EMPTY_PATH | REVOKE_FILE), EINVAL);
	EXPECT_FAILS(revokeat(AT_FDCWD, (const char *)-1L, 0), EFAULT);
	EXPECT_FAILS(revokeat(AT_FDCWD, "", 0), ENOENT);
	EXPECT_FAILS(revokeat(AT_FDCWD, "/dev/null/none", 0), ENOTDIR);
	EXPECT_FAILS(revokeat(-1, "none", 0), EBADF);
	EXPECT_FAILS(revoke_fd(-1), EBADF);

	/* Neither of these can be revoked. */
	EXPECT_FAILS(revokeat(AT_FDCWD, "/", 0), EOPNOTSUPP);
	fd = open("/dev/null", O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_FAILS(revoke_fd(fd), EOPNOTSUPP);
	close(fd);

	fd = open("/dev/null", O_PATH);
	ASSERT_LE(0, fd);
	EXPECT_FAILS(revoke_fd(fd), EBADF);
	close(fd);
}

FIXTURE(device)
{
	int fd;
	int other;
	char *mem;
	size_t size;
};

FIXTURE_SETUP(device)
{
	self->fd = -1;
	self->other = -1;
	self->mem = MAP_FAILED;
	self->size = sysconf(_SC_PAGESIZE);

	if (!have_revokeat())
		SKIP(return, "no revokeat(2)");
	if (access(NODE, F_OK))
		SKIP(return, "no " NODE ", needs CONFIG_TEST_REVOKE");

	self->fd = open(NODE, O_RDWR | O_NONBLOCK);
	ASSERT_LE(0, self->fd);
	self->other = open(NODE, O_RDWR | O_NONBLOCK);
	ASSERT_LE(0, self->other);
	self->mem = mmap(NULL, self->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->mem);
	ASSERT_EQ(0, touch(self->mem));
}

FIXTURE_TEARDOWN(device)
{
	if (self->mem != MAP_FAILED)
		EXPECT_EQ(0, munmap(self->mem, self->size));
	if (self->fd >= 0)
		EXPECT_EQ(0, close(self->fd));
	if (self->other >= 0)
		EXPECT_EQ(0, close(self->other));
}

static void expect_revoked(struct __test_metadata *_metadata, int fd,
			   const char *mem, size_t size)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN | POLLOUT };
	char c = 0;

	EXPECT_FAILS(read(fd, &c, 1), ENODEV);
	EXPECT_FAILS(write(fd, &c, 1), ENODEV);
	EXPECT_FAILS(lseek(fd, 0, SEEK_SET), ENODEV);
	EXPECT_FAILS(ioctl(fd, 0, 0), ENODEV);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(POLLIN | POLLOUT | POLLERR | POLLHUP, pfd.revents);
	EXPECT_EQ(SIGBUS, touch(mem));
}

static void expect_works(struct __test_metadata *_metadata, int fd)
{
	char c = 'x';

	EXPECT_EQ(1, write(fd, &c, 1));
	EXPECT_EQ(1, read(fd, &c, 1));
}

TEST_F(device, one_file)
{
	int copy = dup(self->fd);

	ASSERT_LE(0, copy);
	ASSERT_EQ(0, revoke_fd(self->fd));
	expect_revoked(_metadata, self->fd, self->mem, self->size);
	expect_revoked(_metadata, copy, self->mem, self->size);
	expect_works(_metadata, self->other);
	EXPECT_EQ(0, revoke_fd(copy));
	EXPECT_EQ(0, close(copy));
}

TEST_F(device, all_files)
{
	int fd;

	if (geteuid())
		SKIP(return, "needs root");

	ASSERT_EQ(0, revokeat(AT_FDCWD, NODE, 0));
	expect_revoked(_metadata, self->fd, self->mem, self->size);
	expect_revoked(_metadata, self->other, self->mem, self->size);

	fd = open(NODE, O_RDWR | O_NONBLOCK);
	ASSERT_LE(0, fd);
	expect_works(_metadata, fd);
	EXPECT_EQ(0, close(fd));
}

TEST(nobody_has_it_open)
{
	if (!have_revokeat())
		SKIP(return, "no revokeat(2)");
	if (access(NODE, F_OK))
		SKIP(return, "no " NODE ", needs CONFIG_TEST_REVOKE");
	if (geteuid())
		SKIP(return, "needs root");

	EXPECT_EQ(0, revokeat(AT_FDCWD, NODE, 0));
}

TEST_HARNESS_MAIN
