// SPDX-License-Identifier: GPL-2.0

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "bounded.h"
#include "files.h"

namespace guest {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Bounded, SaysHowItEnded) {
  EXPECT_EQ(RunBounded([] {}, seconds(60)), Bounded::kDone);
  EXPECT_EQ(RunBounded([] { throw Error("no"); }, seconds(60)), Bounded::kFailed);
  EXPECT_EQ(RunBounded([] { raise(SIGKILL); }, seconds(60)), Bounded::kFailed);
}

TEST(Bounded, StopsWhatTakesTooLong) {
  EXPECT_EQ(RunBounded(
                [] {
                  while (true) pause();
                },
                milliseconds(100)),
            Bounded::kStuck);
}

TEST(Bounded, LeavesNothingBehind) {
  RunBounded(
      [] {
        while (true) pause();
      },
      milliseconds(10));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace guest
