// SPDX-License-Identifier: GPL-2.0

#include "busy_clock.h"

#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <memory>

#include "call.h"
#include "count.h"
#include "files.h"

namespace bench {
namespace {

constexpr std::int64_t kNanoseconds = 1000000000;

// Nothing is said about a process that has ended since.
std::int64_t CpuTimeOf(clockid_t clock) {
  timespec now{};
  if (clock_gettime(clock, &now) != 0) return 0;
  return now.tv_sec * kNanoseconds + now.tv_nsec;
}

std::int64_t OwnCpuTime() { return CpuTimeOf(CLOCK_PROCESS_CPUTIME_ID); }

// Of all processes and kernel threads but this one.
std::map<pid_t, std::int64_t> OthersCpuTime() {
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(opendir("/proc"), closedir);
  if (!proc) throw guest::ErrnoError("cannot open /proc");
  std::map<pid_t, std::int64_t> times;
  while (const dirent* entry = readdir(proc.get())) {
    const auto pid = static_cast<pid_t>(std::atoi(entry->d_name));
    clockid_t clock = 0;
    if (pid == 0 || pid == getpid() || clock_getcpuclockid(pid, &clock) != 0) continue;
    times[pid] = CpuTimeOf(clock);
  }
  return times;
}

// Work that was put off is done, and what RCU keeps is freed, after a few grace periods; membarrier
// waits for one.
void LetOthersFinish() {
  constexpr int kGlobal = 1;  // MEMBARRIER_CMD_GLOBAL
  Call(SYS_membarrier, kGlobal, 0, 0);
  Settle();
}

}  // namespace

std::int64_t CountBusy(const std::function<void()>& work) {
  LetOthersFinish();
  const std::map<pid_t, std::int64_t> others = OthersCpuTime();
  const std::int64_t own = OwnCpuTime();
  work();
  std::int64_t sum = OwnCpuTime() - own;
  LetOthersFinish();
  for (const auto& [pid, time] : OthersCpuTime()) {
    const auto before = others.find(pid);
    sum += time - (before == others.end() ? 0 : before->second);
  }
  return sum;
}

}  // namespace bench
