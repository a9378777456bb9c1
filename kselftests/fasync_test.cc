// SPDX-License-Identifier: GPL-2.0
//
// Lists of files that have asked for SIGIO: how long it takes to get a file out of one, and that it
// is the right one. remains_test has what a revoke does to the signals.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#include "baseline.h"
#include "deadline.h"
#include "errno_matchers.h"
#include "fd.h"
#include "revokeat.h"
#include "temp_dir.h"
#include "test_check.h"
#include "test_device.h"

namespace revoke_test {
namespace {

using testing::IsEmpty;
using testing::UnorderedElementsAre;

// ---- many of them ----

class FasyncMany : public TestDeviceTest {
 protected:
  // In a kernel that checks each access, only that it works is seen.
  const rlim_t files_ = SlowFactor() > 1 ? 1'000 : 20'000;

  void SetUp() override {
    TestDeviceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    const rlimit limit = {.rlim_cur = files_ + 100, .rlim_max = files_ + 100};
    ASSERT_THAT(setrlimit(RLIMIT_NOFILE, &limit), SyscallSucceeds());
  }

  // How long the revoke of many files takes at best.
  std::chrono::microseconds TimeARevoke(int flags) const {
    auto best = std::chrono::microseconds::max();
    for (int round = 0; round < 2; ++round) {
      std::vector<FileDescriptor> fds;
      for (rlim_t i = 0; i < files_; ++i) {
        fds.push_back(OpenDevice());
        EXPECT_THAT(fcntl(fds.back().get(), F_SETFL, flags), SyscallSucceeds());
      }
      const auto start = std::chrono::steady_clock::now();
      EXPECT_THAT(revoke(NodeOf(Dev::kDefault).c_str()), SyscallSucceedsWithValue(0));
      best = std::min(best, std::chrono::duration_cast<std::chrono::microseconds>(
                                std::chrono::steady_clock::now() - start));
    }
    return best;
  }
};

// It is the one who revokes that pays. With a walk of the list for each file this takes twenty
// times as long as without O_ASYNC, or more; with what there is to do for each file, one to three
// times.
REVOKE_TEST_F(FasyncMany, CostARevokeNoWalkOfTheListForEach, baseline::kEnosys) {
  const std::chrono::microseconds plain = TimeARevoke(0);
  const std::chrono::microseconds async = TimeARevoke(O_ASYNC);
  std::cout << files_ << " files: " << plain.count() << " us, with O_ASYNC: " << async.count()
            << " us" << std::endl;
  EXPECT_LT(async.count(), 9 * plain.count());
  EXPECT_EQ(control().Counters(Dev::kDefault).fasync_left, 0U);
}

// ---- the right one ----

// The two ends of a FIFO have a list each, and a file that is opened for both is in both of them.
class FasyncFifo : public testing::Test {
 protected:
  void SetUp() override {
    sigemptyset(&set_);
    sigaddset(&set_, kSignal);
    ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &set_, nullptr), 0);
    path_ = dir_.path() + "/fifo";
    ASSERT_THAT(mkfifo(path_.c_str(), 0600), SyscallSucceeds());
  }

  FileDescriptor OpenAsync() const {
    FileDescriptor fd = Open(path_, O_RDWR | O_NONBLOCK);
    EXPECT_THAT(fd, SyscallSucceeds());
    EXPECT_THAT(fcntl(fd.get(), F_SETOWN, getpid()), SyscallSucceeds());
    EXPECT_THAT(fcntl(fd.get(), F_SETSIG, kSignal), SyscallSucceeds());
    EXPECT_THAT(SetAsync(fd, true), SyscallSucceeds());
    return fd;
  }
  static int SetAsync(const FileDescriptor& fd, bool on) {
    return fcntl(fd.get(), F_SETFL, O_NONBLOCK | (on ? O_ASYNC : 0));
  }

  // The descriptors that signals come for, when there is something to read, and room again.
  std::vector<int> Notified(const FileDescriptor& fd, int events) const {
    char byte = 'x';
    EXPECT_THAT(write(fd.get(), &byte, 1), SyscallSucceedsWithValue(1));
    std::vector<int> notified = Take(POLL_IN);
    EXPECT_THAT(read(fd.get(), &byte, 1), SyscallSucceedsWithValue(1));
    if (events == POLL_OUT) notified = Take(POLL_OUT);
    Take(0);
    return notified;
  }

 private:
  static constexpr int kSignal = 40;  // a real-time signal, so that each file's is queued

  std::vector<int> Take(int code) const {
    std::vector<int> fds;
    siginfo_t info{};
    constexpr timespec kNow{};
    while (sigtimedwait(&set_, &info, &kNow) > 0) {
      if (info.si_code == code) fds.push_back(info.si_fd);
    }
    return fds;
  }

  TempDir dir_;
  std::string path_;
  sigset_t set_{};
};

REVOKE_TEST_F(FasyncFifo, WhoeverIsLeftIsNotified, baseline::kPasses) {
  const FileDescriptor plain = OpenAsync();
  ASSERT_THAT(SetAsync(plain, false), SyscallSucceeds());
  FileDescriptor first = OpenAsync();
  FileDescriptor second = OpenAsync();
  FileDescriptor third = OpenAsync();
  FileDescriptor fourth = OpenAsync();
  for (const int events : {POLL_IN, POLL_OUT}) {
    EXPECT_THAT(Notified(plain, events),
                UnorderedElementsAre(first.get(), second.get(), third.get(), fourth.get()));
  }
  // From the middle, by what turns it off; then from both ends of the list, by closing them.
  ASSERT_THAT(SetAsync(second, false), SyscallSucceeds());
  for (const int events : {POLL_IN, POLL_OUT}) {
    EXPECT_THAT(Notified(plain, events),
                UnorderedElementsAre(first.get(), third.get(), fourth.get()));
  }
  ASSERT_THAT(first.Close(), SyscallSucceeds());
  ASSERT_THAT(fourth.Close(), SyscallSucceeds());
  for (const int events : {POLL_IN, POLL_OUT}) {
    EXPECT_THAT(Notified(plain, events), UnorderedElementsAre(third.get()));
  }
  // And back again; once, however often that is asked for.
  ASSERT_THAT(SetAsync(second, true), SyscallSucceeds());
  ASSERT_THAT(SetAsync(second, true), SyscallSucceeds());
  for (const int events : {POLL_IN, POLL_OUT}) {
    EXPECT_THAT(Notified(plain, events), UnorderedElementsAre(second.get(), third.get()));
  }
  ASSERT_THAT(third.Close(), SyscallSucceeds());
  ASSERT_THAT(second.Close(), SyscallSucceeds());
  EXPECT_THAT(Notified(plain, POLL_IN), IsEmpty());
}

// The number is that of the last descriptor it was turned on with.
REVOKE_TEST_F(FasyncFifo, TurnedOnThroughAnotherDescriptor, baseline::kPasses) {
  const FileDescriptor first = OpenAsync();
  const FileDescriptor copy(dup(first.get()));
  ASSERT_THAT(copy, SyscallSucceeds());
  ASSERT_THAT(SetAsync(first, false), SyscallSucceeds());
  ASSERT_THAT(SetAsync(copy, true), SyscallSucceeds());
  EXPECT_THAT(Notified(first, POLL_IN), UnorderedElementsAre(copy.get()));
}

}  // namespace
}  // namespace revoke_test
