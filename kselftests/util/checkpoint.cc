// SPDX-License-Identifier: GPL-2.0

#include "checkpoint.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

namespace revoke_test {
namespace internal {

static_assert(std::atomic<std::uint32_t>::is_always_lock_free &&
                  sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t),
              "a futex word is 32 bits and nothing else");

bool FutexWait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
               const Deadline& deadline) {
  const timespec left = deadline.LeftAsTimespec();
  const long rc = syscall(SYS_futex, &word, FUTEX_WAIT, expected, &left, nullptr, 0);
  return rc == 0 || errno != ETIMEDOUT;
}

void FutexWakeAll(std::atomic<std::uint32_t>& word) {
  TEST_PCHECK(syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0) >= 0);
}

}  // namespace internal

void Checkpoint::Reach() {
  word_->fetch_add(1, std::memory_order_release);
  internal::FutexWakeAll(*word_);
}

bool Checkpoint::WaitFor(std::uint32_t count, std::chrono::milliseconds limit) const {
  const Deadline deadline(limit);
  while (true) {
    const std::uint32_t now = word_->load(std::memory_order_acquire);
    if (now >= count) return true;
    if (deadline.Passed()) return false;
    internal::FutexWait(*word_, now, deadline);
  }
}

bool Barrier::ArriveAndWait(std::chrono::milliseconds limit) {
  const Deadline deadline(limit);
  const std::uint32_t generation = state_->generation.load(std::memory_order_acquire);
  if (state_->arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == parties_) {
    // Nobody arrives again before the generation changes, so the reset races with nothing.
    state_->arrived.store(0, std::memory_order_relaxed);
    state_->generation.fetch_add(1, std::memory_order_release);
    internal::FutexWakeAll(state_->generation);
    return true;
  }
  while (state_->generation.load(std::memory_order_acquire) == generation) {
    if (deadline.Passed()) return false;
    internal::FutexWait(state_->generation, generation, deadline);
  }
  return true;
}

}  // namespace revoke_test
