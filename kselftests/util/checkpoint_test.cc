// SPDX-License-Identifier: GPL-2.0

#include "checkpoint.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <atomic>
#include <chrono>
#include <cstdint>

#include "blocked.h"
#include "deadline.h"
#include "process.h"
#include "thread.h"

namespace revoke_test {
namespace {

using std::chrono::milliseconds;

TEST(Checkpoint, WaitsForOtherProcess) {
  Checkpoint go;
  Checkpoint done;
  const Shared<int> value;
  Child child([&] {
    TEST_CHECK(go.WaitFor(1));
    *value = 5;
    done.Reach();
  });
  // Asleep, so that the wake-up is tested too.
  ASSERT_TRUE(WaitUntilBlocked(child.pid(), {.syscall = SYS_futex}));
  EXPECT_EQ(*value, 0);
  go.Reach();
  ASSERT_TRUE(done.WaitFor(1));
  EXPECT_EQ(*value, 5);
  EXPECT_THAT(child.Wait(), Exited(0));
}

TEST(Checkpoint, CountsReaches) {
  Checkpoint checkpoint;
  EXPECT_TRUE(checkpoint.WaitFor(0));
  checkpoint.Reach();
  checkpoint.Reach();
  EXPECT_EQ(checkpoint.count(), 2U);
  EXPECT_TRUE(checkpoint.WaitFor(1));
  EXPECT_TRUE(checkpoint.WaitFor(2));
  EXPECT_FALSE(checkpoint.WaitFor(3, milliseconds(1)));
}

TEST(Checkpoint, WakesEveryWaiter) {
  Checkpoint go;
  Checkpoint done;
  const auto wait = [&] {
    if (go.WaitFor(1)) done.Reach();
  };
  const ScopedThread first(wait);
  const ScopedThread second(wait);
  ASSERT_TRUE(WaitUntilBlocked(first.tid(), {.syscall = SYS_futex}));
  ASSERT_TRUE(WaitUntilBlocked(second.tid(), {.syscall = SYS_futex}));
  go.Reach();
  EXPECT_TRUE(done.WaitFor(2));
}

TEST(Checkpoint, GivesUpAtDeadline) {
  const Checkpoint never;
  const Deadline deadline(milliseconds(20));
  EXPECT_FALSE(never.WaitFor(1, milliseconds(20)));
  EXPECT_TRUE(deadline.Passed());
}

TEST(Barrier, KeepsRoundsTogether) {
  constexpr int kRounds = 200;
  Barrier barrier(3);
  const Shared<std::atomic<int>> arrived;
  const auto party = [&] {
    for (int round = 1; round <= kRounds; ++round) {
      arrived->fetch_add(1);
      TEST_CHECK(barrier.ArriveAndWait());
      // Nobody may start the next round before all have looked.
      TEST_CHECK(arrived->load() == 3 * round);
      TEST_CHECK(barrier.ArriveAndWait());
    }
  };
  Child first(party);
  Child second(party);
  EXPECT_THAT(InChild(party), Exited(0));
  EXPECT_THAT(first.Wait(), Exited(0));
  EXPECT_THAT(second.Wait(), Exited(0));
}

TEST(Barrier, GivesUpAtDeadline) {
  Barrier barrier(2);
  EXPECT_FALSE(barrier.ArriveAndWait(milliseconds(1)));
}

TEST(Shared, IsSharedWithChildren) {
  struct Pair {
    int a = 1;
    std::uint64_t b = 2;
  };
  const Shared<Pair> pair;
  EXPECT_EQ(pair->a, 1);
  EXPECT_EQ(pair->b, 2U);
  EXPECT_THAT(InChild([&] { pair->a = 10; }), Exited(0));
  EXPECT_EQ((*pair).a, 10);
}

}  // namespace
}  // namespace revoke_test
