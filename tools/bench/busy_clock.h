// SPDX-License-Identifier: GPL-2.0
//
// Instructions that tasks execute. Removals sleep, and while the CPU is idle the clock jumps: see
// count.h. So they are counted as the CPU time of all tasks of the system, of which under icount a
// nanosecond is an instruction. What interrupts do while the CPU is idle is not in it.

#ifndef REVOKE_TOOLS_BENCH_BUSY_CLOCK_H_
#define REVOKE_TOOLS_BENCH_BUSY_CLOCK_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>

namespace bench {

// Instructions of all tasks together while `work` runs, and until those that it has left to kernel
// threads are done. Throws Error.
std::int64_t CountBusy(const std::function<void()>& work);

}  // namespace bench

#endif  // REVOKE_TOOLS_BENCH_BUSY_CLOCK_H_
