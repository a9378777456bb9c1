// SPDX-License-Identifier: GPL-2.0
//
// Counts instructions.
//
// The guest runs under QEMU's TCG with "-icount shift=0,sleep=off" and one CPU: its virtual clock
// goes on by one nanosecond with each instruction that its CPU executes, and by nothing else,
// unless the CPU is idle: then it jumps to the next timer. Its time stamp counter is that clock. So
// the difference of two readings is the number of instructions between them, in user space, in the
// kernel and in interrupt handlers, exactly, on any host under any load. CheckCounter() proves it
// on a loop of known length, and nothing is measured if it does not hold. As TCG has it, an
// iteration of a string instruction (rep movs) is an instruction.
//
// How the figure of an operation comes about: bench-guest lets the system settle, runs two
// batches of N operations to warm up, and then fifteen more between two readings each. The figure
// is the median of these, less a batch of none, divided by N. It includes the loop, which is three
// to ten instructions, and the stub of the system call, but not the timer tick, which comes once in
// four million instructions and so hits few batches.

#ifndef REVOKE_TOOLS_BENCH_COUNT_H_
#define REVOKE_TOOLS_BENCH_COUNT_H_

#include <cstdint>
#include <functional>
#include <vector>

namespace bench {

// Instructions since the machine was switched on.
inline std::uint64_t Instructions() {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  asm volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
  return (std::uint64_t{high} << 32) | low;
}

// Throws Error if a reading is not an instruction.
void CheckCounter();

// Runs an operation so many times and returns how many of them went wrong.
using Loop = std::function<unsigned(unsigned)>;

// The Loop of `body`, which runs once, and returns whether all was as expected.
template <typename Body>
Loop Repeat(Body body) {
  return [body](unsigned count) mutable {
    unsigned wrong = 0;
    for (; count != 0; count--) wrong += body() ? 0U : 1U;
    return wrong;
  };
}

// Of some measurements of the same.
struct Figure {
  double median = 0;
  double least = 0;
  double most = 0;
};
inline Figure Exactly(double value) { return {value, value, value}; }
// Of at least one.
Figure Summarize(std::vector<double> values);

// Sleeps to the middle of a second of the guest's time, one from now or some: what the system puts
// off to whole seconds is done then, and comes again at the same distance. Costs the host nothing.
void Settle(int seconds = 1);

// Runs batches of `count` operations. Throws Error if one went wrong.
Figure Measure(const Loop& loop, unsigned count);

}  // namespace bench

#endif  // REVOKE_TOOLS_BENCH_COUNT_H_
