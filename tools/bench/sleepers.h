// SPDX-License-Identifier: GPL-2.0
//
// Many tasks that only sleep.

#ifndef REVOKE_TOOLS_BENCH_SLEEPERS_H_
#define REVOKE_TOOLS_BENCH_SLEEPERS_H_

#include <sys/types.h>

#include <vector>

namespace bench {

// They share memory and descriptors with this process, and fall asleep as soon as they may run.
class Sleepers {
 public:
  explicit Sleepers(long count);  // throws Error
  Sleepers(const Sleepers&) = delete;
  Sleepers& operator=(const Sleepers&) = delete;
  ~Sleepers();

 private:
  static int Sleep(void* futex);
  void End();

  int awake_ = 0;  // a futex: 1 wakes them
  char* stacks_ = nullptr;
  long size_ = 0;
  std::vector<pid_t> tasks_;
};

}  // namespace bench

#endif  // REVOKE_TOOLS_BENCH_SLEEPERS_H_
