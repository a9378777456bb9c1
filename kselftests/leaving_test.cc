// SPDX-License-Identifier: GPL-2.0
//
// Whoever is about to leave when a file is suspended or revoked, or is turned away just then: who
// waits for him learns of it at once, he himself is not disturbed by it, and nothing is done twice.

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "async_requests.h"
#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "checkpoint.h"
#include "device_node.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "privilege.h"
#include "proc.h"
#include "process.h"
#include "revokeat.h"
#include "sigbus_probe.h"
#include "temp_dir.h"
#include "test_check.h"
#include "test_device.h"

namespace revoke_test {
namespace {

class LeavingTest : public TestDeviceTest {
 protected:
  // Suspends the default device in a thread, and returns when that waits for somebody to leave.
  void SuspendInThread(CallInThread& suspender) const {
    suspender.Start([this] { return control().Suspend(Dev::kDefault); });
    ASSERT_TRUE(WaitUntilBlocked(suspender.tid(), {.syscall = SYS_ioctl, .states = "D"}));
  }

  static bool IsSuspended(const FileDescriptor& fd) {
    const std::string path = "/proc/self/fdinfo/" + std::to_string(fd.get());
    return ReadSmallFile(path).value_or("").find("suspended:\t1\n") != std::string::npos;
  }
};

// ---- a suspend ----

// It has a look of its own each second, and does not depend on it.
REVOKE_TEST_F(LeavingTest, SuspendIsOverWhenTheLastOneHasLeft, baseline::kEnosys) {
  using std::chrono::milliseconds;
  using std::chrono::steady_clock;
  const FileDescriptor fd = OpenDevice();
  // On a busy machine, one round or the other takes longer.
  auto quickest = milliseconds::max();
  for (int round = 0; round < 5; ++round) {
    CallInThread caller;
    CallInThread suspender;
    ArmedPoint inside(control(), Dev::kDefault, REVOKE_TEST_IOCTL, REVOKE_TEST_ENTER,
                      REVOKE_TEST_STUCK);
    caller.Start([&] { return Generation(fd.get()); });
    ASSERT_THAT(inside.WaitBlocked(), SyscallSucceeds());
    ASSERT_NO_FATAL_FAILURE(SuspendInThread(suspender));
    const steady_clock::time_point left = steady_clock::now();
    inside.Open();
    EXPECT_THAT(suspender.Join(), SyscallSucceeds());
    quickest =
        std::min(quickest, std::chrono::duration_cast<milliseconds>(steady_clock::now() - left));
    EXPECT_THAT(control().Resume(Dev::kDefault), SyscallSucceeds());
    EXPECT_THAT(caller.Join(), SyscallSucceeds());
  }
  EXPECT_LT(quickest.count(), 500);
}

// Access to memory ends although a method is stuck.
REVOKE_TEST_F(LeavingTest, MappingIsSuspendedBeforeTheLastOneHasLeft, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const Mapping mapping = MapShape(fd, REVOKE_TEST_SHAPE_REMAP_PFN);
  const std::uint64_t stamp = revoke_test_stamp(control().Counters(Dev::kDefault).generation, 0);
  ASSERT_THAT(Probe::Read(PageWord(mapping, 0)), ReadsValue(stamp));
  CallInThread caller;
  CallInThread suspender;
  CallInThread toucher;
  ArmedPoint inside(control(), Dev::kDefault, REVOKE_TEST_IOCTL, REVOKE_TEST_ENTER,
                    REVOKE_TEST_STUCK);
  caller.Start([&] { return Generation(fd.get()); });
  ASSERT_THAT(inside.WaitBlocked(), SyscallSucceeds());
  ASSERT_NO_FATAL_FAILURE(SuspendInThread(suspender));
  toucher.Start([&] { return static_cast<long>(*PageWord(mapping, 0)); });
  EXPECT_TRUE(WaitUntilBlocked(toucher.tid(), {.syscall = BlockedIn::kNoSyscall}));
  inside.Open();
  EXPECT_THAT(suspender.Join(), SyscallSucceeds());
  EXPECT_THAT(control().Resume(Dev::kDefault), SyscallSucceeds());
  EXPECT_THAT(caller.Join(), SyscallSucceeds());
  EXPECT_EQ(toucher.Join(), static_cast<long>(stamp));
}

// The kick finds a task in ->poll, which leaves and goes to sleep before the task is notified.
// epoll_wait(2) is never restarted: if anything interrupts it, it fails.
REVOKE_TEST_F(LeavingTest, NextSleepIsNotInterrupted, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor epoll(epoll_create1(0));
  epoll_event added{};
  added.events = EPOLLIN;
  ASSERT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd.get(), &added), SyscallSucceeds());
  for (int round = 0; round < 4; ++round) {
    CallInThread waiter;
    CallInThread suspender;
    ArmedPoint leaving(control(), Dev::kDefault, REVOKE_TEST_POLL, REVOKE_TEST_LEAVE,
                       REVOKE_TEST_STUCK);
    waiter.Start([&] {
      epoll_event event{};
      return epoll_wait(epoll.get(), &event, 1, -1);
    });
    ASSERT_TRUE(WaitUntilBlocked(waiter.tid(), {.syscall = SYS_epoll_wait}));
    // It wakes up, and finds nothing.
    ASSERT_THAT(control().PutData(Dev::kDefault, 0), SyscallSucceeds());
    ASSERT_THAT(leaving.WaitBlocked(), SyscallSucceeds());
    suspender.Start([&] { return control().Suspend(Dev::kDefault); });
    ASSERT_TRUE(WaitUntil([&] { return IsSuspended(fd); }));
    // The kick is under way.  It leaves a little later each time.
    for (int look = 0; look < round * 8; ++look) EXPECT_TRUE(IsSuspended(fd));
    leaving.Open();
    EXPECT_THAT(suspender.Join(), SyscallSucceeds());
    EXPECT_TRUE(WaitUntilBlocked(waiter.tid(), {.syscall = SYS_epoll_wait}));
    EXPECT_THAT(control().Resume(Dev::kDefault), SyscallSucceeds());
    ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
    ASSERT_THAT(waiter.Join(), SyscallSucceedsWithValue(1));
    char byte = 0;
    ASSERT_THAT(read(fd.get(), &byte, 1), SyscallSucceedsWithValue(1));
  }
}

// The owner of a node revokes what was opened by it. That is a walk over the other files, too: a
// suspend must not miss them.
REVOKE_TEST_F(LeavingTest, FileThatARevokeHasPassedOverIsSuspended, baseline::kEnosys) {
  const TempDir dir(TempDir::Kind::kTmpfs);
  ASSERT_THAT(dir, SyscallSucceeds());
  const std::string alias = dir / "alias";
  const std::optional<dev_t> number = DeviceOf(NodeOf(Dev::kOwner));
  ASSERT_TRUE(number.has_value());
  ASSERT_THAT(MakeDeviceNode(alias, S_IFCHR, *number, 0600), SyscallSucceeds());
  ASSERT_THAT(chown(alias.c_str(), kNobody, kNobody), SyscallSucceeds());
  const FileDescriptor fd = OpenDevice(Dev::kOwner);
  const Shared<std::atomic<bool>> over;
  Checkpoint begun;
  Child owner([&] {
    TEST_PCHECK(BecomeUser() == 0);
    while (!*over) {
      TEST_PCHECK(revoke(alias.c_str()) == 0);
      begun.Reach();
    }
  });
  ASSERT_TRUE(begun.WaitFor(1));
  for (int round = 0; round < 20; ++round) {
    const Suspension suspension(control(), Dev::kOwner);
    ASSERT_TRUE(IsSuspended(fd)) << "in round " << round;
  }
  *over = true;
  EXPECT_THAT(owner.Wait(), Exited(0));
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

// ---- a range ----

// A task can be waited for by one who takes a range. Another one has to wait all the same.
REVOKE_TEST_F(LeavingTest, FaultIsWaitedForByTwoWhoTakeTheRange, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const Mapping mapping = MapShape(fd, REVOKE_TEST_SHAPE_FAULT_PFN);
  std::optional<Child> toucher;  // with locks of its own
  CallInThread first;
  CallInThread second;
  ArmedPoint inside(control(), Dev::kDefault, REVOKE_TEST_VM_FAULT, REVOKE_TEST_ENTER,
                    REVOKE_TEST_STUCK);
  const auto take = [&] {
    return control().TakeRange(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PFN, 0, 1);
  };
  toucher.emplace([&] { Probe::Read(PageWord(mapping, 0)); });
  ASSERT_THAT(inside.WaitBlocked(), SyscallSucceeds());
  first.Start(take);
  ASSERT_TRUE(WaitUntilBlocked(first.tid(), {.syscall = SYS_ioctl, .states = "D"}));
  second.Start(take);
  EXPECT_TRUE(WaitUntilBlocked(second.tid(), {.syscall = SYS_ioctl, .states = "D"}));
  inside.Open();
  EXPECT_THAT(first.Join(), SyscallSucceeds());
  EXPECT_THAT(second.Join(), SyscallSucceeds());
  EXPECT_THAT(toucher->Wait(), Exited(0));
  EXPECT_THAT(control().GiveBack(Dev::kDefault), SyscallSucceeds());
}

// ---- a revoke ----

// Who has stepped out has left. If he does not get in again, the end of his method is not the end
// of a use: another one is still inside.
REVOKE_TEST_F(LeavingTest, WhoDoesNotGetInAgainDoesNotLeaveTwice, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread stepper;
  CallInThread caller;
  CallInThread revoker;
  ArmedPoint outside(control(), Dev::kDefault, REVOKE_TEST_OUTSIDE, REVOKE_TEST_ENTER,
                     REVOKE_TEST_STUCK);
  ArmedPoint inside(control(), Dev::kDefault, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                    REVOKE_TEST_STUCK);
  stepper.Start([&] { return StepOut(fd.get()); });
  ASSERT_THAT(outside.WaitBlocked(), SyscallSucceeds());
  caller.Start([&] { return fsync(fd.get()); });
  ASSERT_THAT(inside.WaitBlocked(), SyscallSucceeds());
  revoker.Start([] { return Revoke(); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  outside.Open();
  EXPECT_THAT(stepper.Join(), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 0U);
  inside.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(caller.Join(), SyscallSucceeds());
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
}

// Nobody is counted any more, and who is turned away is not either.
REVOKE_TEST_F(LeavingTest, CallsDuringTheReleaseAreTurnedAway, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread revoker;
  ArmedPoint releasing(control(), Dev::kDefault, REVOKE_TEST_RELEASE, REVOKE_TEST_ENTER,
                       REVOKE_TEST_STUCK);
  revoker.Start([] { return Revoke(); });
  ASSERT_THAT(releasing.WaitBlocked(), SyscallSucceeds());
  for (int call = 0; call < 3; ++call)
    EXPECT_THAT(Generation(fd.get()), SyscallFailsWithErrno(ENODEV));
  releasing.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
}

}  // namespace
}  // namespace revoke_test
