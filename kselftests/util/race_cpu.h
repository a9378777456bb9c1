// SPDX-License-Identifier: GPL-2.0
//
// How the sides of a race (race.h) get a CPU, and when. Times are ns on CLOCK_MONOTONIC.

#ifndef REVOKE_KSELFTESTS_UTIL_RACE_CPU_H_
#define REVOKE_KSELFTESTS_UTIL_RACE_CPU_H_

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace revoke_test::internal {

std::int64_t Now();

// The CPUs this thread may run on.
std::vector<int> AllowedCpus();

// A CPU that went offline in between costs overlap, which is reported, and nothing else.
void PinTo(pid_t tid, int cpu);

// Of this thread, not of those that it starts: 0 is that of anybody, and each other one takes the
// CPU from all below. Without the privilege for that it is up to the scheduler who does.
void SetPriority(int priority);

// Uses the CPU for `time` ns. What passes while somebody else has it does not count: that is where
// the clock jumps.
void SpinOnCpuFor(std::int64_t time);

void SleepUntil(std::int64_t time);

}  // namespace revoke_test::internal

#endif  // REVOKE_KSELFTESTS_UTIL_RACE_CPU_H_
