// SPDX-License-Identifier: GPL-2.0
//
// Rendezvous between threads and between processes (through memory shared by fork), by futex. Make
// the objects before forking. All waits are bounded (deadline.h) and say so by returning false:
//
//     ASSERT_TRUE(ready.WaitFor(1));     in the test
//     TEST_CHECK(ready.WaitFor(1));      in a child

#ifndef REVOKE_KSELFTESTS_UTIL_CHECKPOINT_H_
#define REVOKE_KSELFTESTS_UTIL_CHECKPOINT_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <new>
#include <type_traits>

#include "deadline.h"
#include "mapping.h"
#include "test_check.h"

namespace revoke_test {

// One object of type T in memory that children forked later share.
template <typename T>
class Shared {
  static_assert(std::is_trivially_destructible_v<T>,
                "shared memory is not destroyed, only unmapped");

 public:
  Shared() : memory_(Mapping::SharedAnonymous(sizeof(T))) {
    TEST_CHECK(memory_.valid());
    object_ = new (memory_.base()) T();
  }

  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }

 private:
  Mapping memory_;
  T* object_ = nullptr;
};

// A counter that only grows, and that others can wait for.
class Checkpoint {
 public:
  // Adds one and wakes all waiters. What was written before is visible to whoever waited for it.
  void Reach();

  // Waits until Reach() was called `count` times in all. False if `limit` (scaled) passed first.
  [[nodiscard]] bool WaitFor(std::uint32_t count,
                             std::chrono::milliseconds limit = kDefaultWait) const;

  std::uint32_t count() const { return word_->load(std::memory_order_acquire); }

 private:
  Shared<std::atomic<std::uint32_t>> word_;
};

// Lets `parties` go on together, again and again.
class Barrier {
 public:
  explicit Barrier(std::uint32_t parties) : parties_(parties) {}

  // Waits until all parties have arrived. False if `limit` (scaled) passed first; the barrier is of
  // no use after that.
  [[nodiscard]] bool ArriveAndWait(std::chrono::milliseconds limit = kDefaultWait);

 private:
  struct State {
    std::atomic<std::uint32_t> arrived{0};
    std::atomic<std::uint32_t> generation{0};
  };
  std::uint32_t parties_;
  Shared<State> state_;
};

namespace internal {

// futex(2) on a word that several processes may share. Waiting ends with true when `word` may no
// longer be `expected`, with false at the deadline.
bool FutexWait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
               const Deadline& deadline);
void FutexWakeAll(std::atomic<std::uint32_t>& word);

}  // namespace internal
}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_CHECKPOINT_H_
