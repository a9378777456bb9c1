// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that methods of revokable files have left behind.
 *
 * Each has a count of the late kind: a suspend does not wait for it, a revoke
 * does.  See revoke_async_begin().
 */
#include <linux/fs.h>

#include "internal.h"

/**
 * revoke_async_done - complete a request for which -EIOCBQUEUED was returned
 * @iocb: the request, of any file
 * @ret: its result; once the file has been revoked, an error becomes what the
 *	object's policy says
 *
 * Calls iocb->ki_complete(), after which a revoke of the file that has waited
 * for the request goes on.  What may be done afterwards is what may be done
 * after ki_complete() if that was the last reference to the file: ->release is
 * possibly running.
 *
 * Context: as for ki_complete(), any.
 */
void revoke_async_done(struct kiocb *iocb, long ret)
{
	struct file *file = iocb->ki_filp;
	struct revoke *rv;

	if (!file_is_revokable(file)) {
		iocb->ki_complete(iocb, ret);
		return;
	}
	rv = file->f_revoke;
	if (ret < 0 && file_revoked(file))
		ret = iocb->ki_flags & IOCB_WRITE ?
			revoked_result(file, rv->r->policy.write_error) :
			revoked_read_result(file);
	iocb->ki_complete(iocb, ret);
	/* The file may be gone, the count has kept the rest. */
	revoke_drop_async(rv, REVOKE_LATE_USER);
}
EXPORT_SYMBOL_GPL(revoke_async_done);
