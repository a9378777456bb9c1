// SPDX-License-Identifier: GPL-2.0
//
// Many tasks that sleep.

#ifndef REVOKE_TOOLS_BENCH_SLEEPERS_H_
#define REVOKE_TOOLS_BENCH_SLEEPERS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace bench {

// Tasks with little stack that share memory and descriptors with this process.
class ManyTasks {
 public:
  // Each runs `body` on `argument`, which must not return before it may end. Throws Error.
  ManyTasks(long count, void (*body)(void* argument), void* argument);
  ManyTasks(const ManyTasks&) = delete;
  ManyTasks& operator=(const ManyTasks&) = delete;
  // Waits for them to end.
  ~ManyTasks();

 private:
  struct Start {
    void (*body)(void* argument);
    void* argument;
  };
  static int Main(void* start);

  Start start_;
  char* stacks_ = nullptr;
  long size_ = 0;
  std::vector<pid_t> tasks_;
};

// They fall asleep as soon as they may run, and do nothing else.
class Sleepers {
 public:
  explicit Sleepers(long count);  // throws Error
  Sleepers(const Sleepers&) = delete;
  Sleepers& operator=(const Sleepers&) = delete;
  ~Sleepers();

 private:
  static void Sleep(void* futex);

  int awake_ = 0;  // a futex: 1 wakes them
  ManyTasks tasks_;
};

// Each opens a device of its own and reads from it, until that ends with an error: as it does when
// the device has gone, which must be before this is destroyed.
class Readers {
 public:
  Readers(const std::string& path, long count);  // throws Error

 private:
  static void Read(void* path);

  std::string path_;
  ManyTasks tasks_;
};

}  // namespace bench

#endif  // REVOKE_TOOLS_BENCH_SLEEPERS_H_
