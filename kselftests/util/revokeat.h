// SPDX-License-Identifier: GPL-2.0
//
// revokeat(2), for build hosts whose headers do not know it yet.

#ifndef REVOKE_KSELFTESTS_UTIL_REVOKEAT_H_
#define REVOKE_KSELFTESTS_UTIL_REVOKEAT_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include "skip.h"

#if __has_include(<linux/revoke.h>)
#include <linux/revoke.h>
#endif

#ifndef __NR_revokeat
#define __NR_revokeat 473
#endif

#ifndef REVOKE_FILE
#define REVOKE_FILE 0x00000001
#endif

namespace revoke_test {

// revokeat(2) itself: 0, or -1 and errno. Async-signal-safe. What the first call of a test was
// answered is noted for the baseline (test_notes.h), also when it was made in a child.
int revokeat(int dfd, const char* path, unsigned int flags);

// revoke(path) as libc would have it: revokeat(AT_FDCWD, path, 0).
int revoke(const char* path);

// Revokes the open file of `fd` alone: revokeat() with REVOKE_FILE.
int RevokeFile(int fd);

// True if the running kernel has revokeat(2): anything but ENOSYS for a call that cannot succeed.
bool HaveRevokeat();

}  // namespace revoke_test

// For tests that need more than the system call to try anything, such as the test device which
// comes with it: skips when the kernel has no revokeat(2), which the baseline takes for ENOSYS.
#define REVOKE_NEED_REVOKEAT() \
  REVOKE_SKIP_IF(!::revoke_test::HaveRevokeat(), "this kernel has no revokeat(2)")

#endif  // REVOKE_KSELFTESTS_UTIL_REVOKEAT_H_
