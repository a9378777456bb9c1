/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_REVOKE_H
#define _UAPI_LINUX_REVOKE_H

/*
 * Flags for revokeat(2), besides AT_EMPTY_PATH and AT_SYMLINK_NOFOLLOW
 */

/*
 * Only the open file that dirfd refers to, and thereby its duplicates.  Needs
 * AT_EMPTY_PATH and an empty path.
 */
#define REVOKE_FILE	0x00000001

#endif /* _UAPI_LINUX_REVOKE_H */
