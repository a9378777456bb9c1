// SPDX-License-Identifier: GPL-2.0

#include "race_cpu.h"

#include <sched.h>
#include <time.h>

#include <cerrno>
#include <chrono>

#include "test_check.h"

namespace revoke_test::internal {

std::int64_t Now() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void SpinOnCpuFor(std::int64_t time) {
  constexpr std::int64_t kJump = 200'000;
  std::int64_t last = Now();
  for (std::int64_t spent = 0; spent < time;) {
    const std::int64_t now = Now();
    if (now - last < kJump) spent += now - last;
    last = now;
  }
}

std::vector<int> AllowedCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  TEST_PCHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

void PinTo(pid_t tid, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  static_cast<void>(sched_setaffinity(tid, sizeof(set), &set));
}

void SetPriority(int priority) {
  const sched_param parameter = {.sched_priority = priority};
  const int policy = priority == 0 ? SCHED_OTHER : SCHED_FIFO | SCHED_RESET_ON_FORK;
  static_cast<void>(sched_setscheduler(0, policy, &parameter));
}

void SleepUntil(std::int64_t time) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const timespec until = {.tv_sec = time / kSecond, .tv_nsec = time % kSecond};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

}  // namespace revoke_test::internal
