// SPDX-License-Identifier: GPL-2.0

#include "sleepers.h"

#include <fcntl.h>
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

// What the clone and a few system calls need.
constexpr long kStack = 1024;

}  // namespace

int ManyTasks::Main(void* start) {
  const auto* what = static_cast<const Start*>(start);
  what->body(what->argument);
  while (true) Call(SYS_exit, 0);
}

ManyTasks::ManyTasks(long count, void (*body)(void* argument), void* argument)
    : start_{body, argument}, size_(count * kStack) {
  void* memory = mmap(nullptr, static_cast<size_t>(size_), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw guest::ErrnoError("no memory for stacks");
  stacks_ = static_cast<char*>(memory);
  for (long i = 0; i < count; i++) {
    // No thread group, as CLONE_THREAD would make: exit and clone are then linear in it.
    const int task = clone(Main, stacks_ + (i + 1) * kStack,
                           CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND, &start_);
    if (task < 0) throw guest::ErrnoError("cannot clone");
    tasks_.push_back(task);
  }
}

ManyTasks::~ManyTasks() {
  for (const pid_t task : tasks_) waitpid(task, nullptr, __WCLONE);
  munmap(stacks_, static_cast<size_t>(size_));
}

void Sleepers::Sleep(void* futex) {
  while (*static_cast<volatile int*>(futex) == 0) Call(SYS_futex, futex, FUTEX_WAIT_PRIVATE, 0, 0);
}

Sleepers::Sleepers(long count) : tasks_(count, Sleep, &awake_) {}

Sleepers::~Sleepers() {
  awake_ = 1;
  Call(SYS_futex, &awake_, FUTEX_WAKE_PRIVATE, INT_MAX);
}

void Readers::Read(void* path) {
  const long fd = Call(SYS_open, static_cast<const char*>(path), O_RDONLY | O_CLOEXEC);
  int event = 0;
  while (fd >= 0 && Call(SYS_read, fd, &event, sizeof(event)) >= 0) continue;
  if (fd >= 0) Call(SYS_close, fd);
}

Readers::Readers(const std::string& path, long count)
    : path_(path), tasks_(count, Read, path_.data()) {}

}  // namespace bench
