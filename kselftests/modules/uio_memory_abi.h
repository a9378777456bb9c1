/* SPDX-License-Identifier: GPL-2.0 */
/* What the device uio_memory and its test agree on. */
#ifndef REVOKE_KSELFTESTS_MODULES_UIO_MEMORY_ABI_H_
#define REVOKE_KSELFTESTS_MODULES_UIO_MEMORY_ABI_H_

#define UIO_MEMORY_DEVICE "uio_memory_device"
#define UIO_MEMORY_DRIVER "uio_memory"

/* Names of the regions; mem[] of the device has all but the last, in this order */
#define UIO_MEMORY_PHYS "phys"
#define UIO_MEMORY_LOGICAL "logical"
#define UIO_MEMORY_VIRTUAL "virtual"
#define UIO_MEMORY_IOVA "iova"
#define UIO_MEMORY_COHERENT "coherent"
/* The dynamic region of a device of its own, with the driver uio_dmem_genirq */
#define UIO_MEMORY_DMEM "dmem"

/* The first word of region n, as its driver writes it, and as the next owner of its page does */
#define UIO_MEMORY_OF_DRIVER(n) (0xd0000000U + (n))
#define UIO_MEMORY_OF_NEXT_OWNER(n) (0xe0000000U + (n))

/* In debugfs, a line for each region: its name, one of these, and the first word in hex */
#define UIO_MEMORY_FILE "uio_memory"
#define UIO_MEMORY_NONE "none"     /* there is no memory */
#define UIO_MEMORY_HELD "held"     /* the driver has it */
#define UIO_MEMORY_REUSED "reused" /* it has been freed, and its page has a new owner */
#define UIO_MEMORY_LOST "lost"     /* the driver has given it up, but nobody can get the page */

#endif
