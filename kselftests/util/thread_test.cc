// SPDX-License-Identifier: GPL-2.0

#include "thread.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>

#include "checkpoint.h"

namespace revoke_test {
namespace {

TEST(ScopedThread, JoinsInDestructor) {
  std::atomic<bool> finished{false};
  Checkpoint go;
  {
    const ScopedThread thread([&] { finished = go.WaitFor(1); });
    EXPECT_FALSE(finished);
    go.Reach();
  }
  EXPECT_TRUE(finished);
}

TEST(ScopedThread, KnowsItsId) {
  pid_t inside = 0;
  ScopedThread thread([&] { inside = gettid(); });
  EXPECT_NE(thread.tid(), gettid());
  thread.Join();
  EXPECT_EQ(thread.tid(), inside);
  thread.Join();  // harmless
}

}  // namespace
}  // namespace revoke_test
