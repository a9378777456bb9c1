// SPDX-License-Identifier: GPL-2.0

#ifndef REVOKE_KSELFTESTS_UTIL_THREAD_H_
#define REVOKE_KSELFTESTS_UTIL_THREAD_H_

#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <concepts>
#include <thread>
#include <utility>

namespace revoke_test {

// A thread that is joined when the object goes.
class ScopedThread {
 public:
  // Starts `body`; returns once the thread's id is known.
  template <std::invocable F>
  explicit ScopedThread(F body)
      : thread_([this, body = std::move(body)]() mutable {
          tid_.store(gettid(), std::memory_order_release);
          tid_.notify_one();
          body();
        }) {
    tid_.wait(0, std::memory_order_acquire);
  }

  ScopedThread(const ScopedThread&) = delete;
  ScopedThread& operator=(const ScopedThread&) = delete;
  ~ScopedThread() { Join(); }

  // The kernel's id of the thread, for blocked.h and tgkill(2).
  pid_t tid() const { return tid_.load(std::memory_order_acquire); }

  // Waits for the thread to end. May be called again.
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::atomic<pid_t> tid_{0};  // before thread_: the thread writes it
  std::thread thread_;
};

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_THREAD_H_
