// SPDX-License-Identifier: GPL-2.0

#include "sleepers.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <climits>

#include "call.h"
#include "files.h"

namespace bench {
namespace {

// What the clone and two system calls need.
constexpr long kStack = 1024;

}  // namespace

int Sleepers::Sleep(void* futex) {
  while (*static_cast<volatile int*>(futex) == 0) Call(SYS_futex, futex, FUTEX_WAIT_PRIVATE, 0, 0);
  while (true) Call(SYS_exit, 0);
}

Sleepers::Sleepers(long count) : size_(count * kStack) {
  void* memory = mmap(nullptr, static_cast<size_t>(size_), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw guest::ErrnoError("no memory for stacks");
  stacks_ = static_cast<char*>(memory);
  for (long i = 0; i < count; i++) {
    // No thread group, as CLONE_THREAD would make: exit and clone are then linear in it.
    const int task = clone(Sleep, stacks_ + (i + 1) * kStack,
                           CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND, &awake_);
    if (task < 0) {
      const guest::Error error = guest::ErrnoError("cannot clone");
      End();
      throw error;
    }
    tasks_.push_back(task);
  }
}

void Sleepers::End() {
  awake_ = 1;
  Call(SYS_futex, &awake_, FUTEX_WAKE_PRIVATE, INT_MAX);
  for (const pid_t task : tasks_) waitpid(task, nullptr, __WCLONE);
  munmap(stacks_, static_cast<size_t>(size_));
}

Sleepers::~Sleepers() { End(); }

}  // namespace bench
