// SPDX-License-Identifier: GPL-2.0
//
// Devices that are suspended for a while, as for a reset: whoever uses one waits, or is told not
// to, and finds everything as it was when it is resumed; and nobody waits for anybody who waits for
// him.

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "checkpoint.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "proc.h"
#include "process.h"
#include "race.h"
#include "revokeat.h"
#include "shape_test.h"
#include "sigbus_probe.h"
#include "test_check.h"
#include "test_device.h"
#include "test_module.h"
#include "uring.h"

namespace revoke_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

constexpr long kFault = BlockedIn::kNoSyscall;

class SuspendTest : public TestDeviceTest {
 protected:
  // It sleeps there. The wait is interruptible, unlike that at REVOKE_TEST_STUCK points.
  static testing::AssertionResult Waits(const CallInThread& caller, long syscall) {
    return WaitUntilBlocked(caller.tid(), {.syscall = syscall, .states = "SD"});
  }

  std::uint64_t Stamp(std::size_t page, Dev dev = Dev::kDefault) const {
    return revoke_test_stamp(control().Counters(dev).generation, static_cast<std::uint32_t>(page));
  }
  std::uint64_t EnteredAny(Dev dev) const {
    const revoke_test_counters counters = control().Counters(dev);
    std::uint64_t sum = 0;
    for (const std::uint64_t entered : counters.entered) sum += entered;
    return sum - counters.entered[REVOKE_TEST_OPEN];
  }
};

// One byte of a pipe, written to where only a fault gets.
long ReadPipeInto(volatile void* where) {
  int ends[2];
  TEST_PCHECK(pipe(ends) == 0);
  const FileDescriptor reading(ends[0]);
  const FileDescriptor writing(ends[1]);
  TEST_PCHECK(write(writing.get(), "x", 1) == 1);
  return read(reading.get(), const_cast<void*>(where), 1);
}

long ReadByte(int fd) {
  char byte;
  return read(fd, &byte, 1);
}

// Of `node`, by a worker.
int SubmitOpen(Uring& ring, const std::string& node) {
  return ring.Submit([&](io_uring_sqe* sqe) {
    io_uring_prep_openat(sqe, AT_FDCWD, node.c_str(), O_RDWR, 0);
    sqe->flags |= IOSQE_ASYNC;
  });
}

// ---- calls ----

// A call of a device that has a byte to read and room for one, and is mapped.
struct Call {
  const char* name;
  long syscall;  // in which it waits
  std::function<long(const FileDescriptor& fd, const Mapping& mapping)> call;
};

void PrintTo(const Call& call, std::ostream* os) { *os << call.name; }

const std::vector<Call>& Calls() {
  static const std::vector<Call> kCalls = {
      {"Read", SYS_read,
       [](const FileDescriptor& fd, const Mapping&) { return ReadByte(fd.get()); }},
      {"Write", SYS_write,
       [](const FileDescriptor& fd, const Mapping&) { return long{write(fd.get(), "x", 1)}; }},
      {"Ioctl", SYS_ioctl,
       [](const FileDescriptor& fd, const Mapping&) { return long{Generation(fd.get())}; }},
      {"Fsync", SYS_fsync,
       [](const FileDescriptor& fd, const Mapping&) { return long{fsync(fd.get())}; }},
      {"Lseek", SYS_lseek,
       [](const FileDescriptor& fd, const Mapping&) { return long{lseek(fd.get(), 0, SEEK_SET)}; }},
      {"Mmap", SYS_mmap,
       [](const FileDescriptor& fd, const Mapping&) {
         const Mapping mapping = MapShape(fd, REVOKE_TEST_SHAPE_FAULT_PFN, 1);
         errno = mapping.error();
         return mapping.valid() ? 0L : -1L;
       }},
  };
  return kCalls;
}

class SuspendCall : public SuspendTest, public testing::WithParamInterface<Call> {
 protected:
  void Prepare(Dev dev, int flags = O_RDWR) {
    dev_ = dev;
    fd_ = OpenDevice(dev, flags);
    ASSERT_THAT(control().PutData(dev, 1), SyscallSucceeds());
  }
  long MakeCall() const { return GetParam().call(fd_, mapping_); }
  Dev dev() const { return dev_; }
  const FileDescriptor& fd() const { return fd_; }

 private:
  Dev dev_ = Dev::kDefault;
  FileDescriptor fd_;
  Mapping mapping_;
};

INSTANTIATE_TEST_SUITE_P(, SuspendCall, testing::ValuesIn(Calls()),
                         [](const auto& info) { return std::string(info.param.name); });

REVOKE_TEST_P(SuspendCall, Waits, baseline::kEnosys) {
  Prepare(Dev::kDefault);
  CallInThread caller;
  Suspension suspension(control(), dev());
  const std::uint64_t entered = EnteredAny(dev());
  caller.Start([&] { return MakeCall(); });
  ASSERT_TRUE(SuspendTest::Waits(caller, GetParam().syscall));
  EXPECT_EQ(EnteredAny(dev()), entered);
  suspension.Resume();
  EXPECT_THAT(caller.Join(), SyscallSucceeds());
}

REVOKE_TEST_P(SuspendCall, DoesNotWaitIfTheFileIsNonblocking, baseline::kEnosys) {
  Prepare(Dev::kDefault, O_RDWR | O_NONBLOCK);
  Suspension suspension(control(), dev());
  EXPECT_THAT(MakeCall(), SyscallFailsWithErrno(EAGAIN));
  suspension.Resume();
  EXPECT_THAT(MakeCall(), SyscallSucceeds());
}

REVOKE_TEST_P(SuspendCall, GetsTheFinalAnswerOfARevoke, baseline::kEnosys) {
  Prepare(Dev::kDefault);
  CallInThread caller;
  const Suspension suspension(control(), dev());
  caller.Start([&] { return MakeCall(); });
  ASSERT_TRUE(SuspendTest::Waits(caller, GetParam().syscall));
  EXPECT_THAT(revoke(NodeOf(dev()).c_str()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(caller.Join(), SyscallFailsWithErrno(ENODEV));
}

REVOKE_TEST_P(SuspendCall, GetsTheFinalAnswerWhenTheObjectGoes, baseline::kEnosys) {
  Prepare(Dev::kDefault);
  CallInThread caller;
  const Suspension suspension(control(), dev());
  caller.Start([&] { return MakeCall(); });
  ASSERT_TRUE(SuspendTest::Waits(caller, GetParam().syscall));
  EXPECT_THAT(control().RevokeIt(dev()), SyscallSucceeds());
  EXPECT_THAT(caller.Join(), SyscallFailsWithErrno(ENODEV));
}

REVOKE_TEST_P(SuspendCall, CanBeKilled, baseline::kEnosys) {
  Prepare(Dev::kDefault);
  std::optional<Child> caller;
  const Suspension suspension(control(), dev());
  caller.emplace([&] { MakeCall(); });
  ASSERT_TRUE(WaitUntilBlocked(caller->pid(), {.syscall = GetParam().syscall}));
  ASSERT_THAT(caller->Signal(SIGKILL), SyscallSucceeds());
  EXPECT_THAT(caller->Wait(), KilledBySignal(SIGKILL));
}

// ---- opening and closing ----

REVOKE_TEST_F(SuspendTest, OpenWaits, baseline::kEnosys) {
  CallInThread opener;
  Suspension suspension(control(), Dev::kDefault);
  opener.Start([] { return OpenDevice().valid() ? 0 : -1; });
  ASSERT_TRUE(Waits(opener, SYS_openat));
  EXPECT_THAT(OpenDevice(Dev::kDefault, O_RDWR | O_NONBLOCK), SyscallFailsWithErrno(EAGAIN));
  suspension.Resume();
  EXPECT_THAT(opener.Join(), SyscallSucceeds());
}

REVOKE_TEST_F(SuspendTest, OpenFailsWhenTheObjectGoes, baseline::kEnosys) {
  CallInThread opener;
  const Suspension suspension(control(), Dev::kDefault);
  opener.Start([] {
    const FileDescriptor fd = OpenDevice();
    errno = fd.error();
    return fd.valid() ? 0 : -1;
  });
  ASSERT_TRUE(Waits(opener, SYS_openat));
  EXPECT_THAT(control().RevokeIt(Dev::kDefault), SyscallSucceeds());
  EXPECT_THAT(opener.Join(), SyscallFailsWithErrno(ENODEV));
}

// It is inside, and so waited for; then the file is as suspended as the others.
REVOKE_TEST_F(SuspendTest, OpenUnderWayIsWaitedFor, baseline::kEnosys) {
  CallInThread opener;
  CallInThread suspender;
  CallInThread resumer;
  FileDescriptor fd;
  ArmedPoint opening(control(), Dev::kDefault, REVOKE_TEST_OPEN, REVOKE_TEST_LEAVE,
                     REVOKE_TEST_STUCK);
  opener.Start([&] {
    fd = OpenDevice();
    return fd.valid() ? Generation(fd.get()) : -1;
  });
  ASSERT_THAT(opening.WaitBlocked(), SyscallSucceeds());
  suspender.Start([&] { return control().Suspend(Dev::kDefault); });
  ASSERT_TRUE(Waits(suspender, SYS_ioctl));
  opening.Open();
  EXPECT_THAT(suspender.Join(), SyscallSucceeds());
  EXPECT_TRUE(Waits(opener, SYS_ioctl));
  EXPECT_THAT(control().Resume(Dev::kDefault), SyscallSucceeds());
  EXPECT_THAT(opener.Join(), SyscallSucceeds());
}

REVOKE_TEST_F(SuspendTest, UringOpenWaits, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  const std::string node = NodeOf(Dev::kDefault);
  Suspension suspension(control(), Dev::kDefault);
  ASSERT_THAT(SubmitOpen(ring, node), SyscallSucceedsWithValue(1));
  ASSERT_TRUE(WaitUntilWorkersSleepIn("revok"));
  suspension.Resume();
  const FileDescriptor fd(ring.Wait());
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

// A worker keeps its notification, and so does not wait for the resume.
REVOKE_TEST_F(SuspendTest, UringOpenThatIsWokenIsInterrupted, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  const std::string node = NodeOf(Dev::kDefault);
  ArmedPoint opening(control(), Dev::kDefault, REVOKE_TEST_OPEN, REVOKE_TEST_LEAVE,
                     REVOKE_TEST_INTERRUPTIBLE);
  ASSERT_THAT(SubmitOpen(ring, node), SyscallSucceedsWithValue(1));
  ASSERT_THAT(opening.WaitBlocked(), SyscallSucceeds());
  {
    const Suspension suspension(control(), Dev::kDefault);
    EXPECT_THAT(ring.Wait(), SyscallFailsWithErrno(EINTR));
  }
  opening.Open();
  ASSERT_THAT(SubmitOpen(ring, node), SyscallSucceedsWithValue(1));
  const FileDescriptor fd(ring.Wait());
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

REVOKE_TEST_F(SuspendTest, CloseDoesNotWait, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  Suspension suspension(control(), Dev::kDefault);
  EXPECT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_FLUSH), 1U);
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
  suspension.Resume();
  EXPECT_THAT(OpenDevice(), SyscallSucceeds());
}

REVOKE_TEST_F(SuspendTest, FasyncDoesNotWait, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const Suspension suspension(control(), Dev::kDefault);
  EXPECT_THAT(fcntl(fd.get(), F_SETFL, O_ASYNC), SyscallSucceeds());
  EXPECT_THAT(fcntl(fd.get(), F_SETFL, 0), SyscallSucceeds());
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_FASYNC), 2U);
}

REVOKE_TEST_F(SuspendTest, FdinfoSaysSo, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const std::string path = "/proc/self/fdinfo/" + std::to_string(fd.get());
  Suspension suspension(control(), Dev::kDefault);
  EXPECT_THAT(ReadSmallFile(path).value_or(""), HasSubstr("suspended:\t1\n"));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_SHOW_FDINFO), 0U);
  suspension.Resume();
  EXPECT_THAT(ReadSmallFile(path).value_or(""), Not(HasSubstr("suspended")));
}

// ---- those inside ----

REVOKE_TEST_F(SuspendTest, MethodIsWaitedFor, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread caller;
  CallInThread suspender;
  ArmedPoint inside(control(), Dev::kDefault, REVOKE_TEST_IOCTL, REVOKE_TEST_ENTER,
                    REVOKE_TEST_STUCK);
  caller.Start([&] { return Generation(fd.get()); });
  ASSERT_THAT(inside.WaitBlocked(), SyscallSucceeds());
  suspender.Start([&] { return control().Suspend(Dev::kDefault); });
  ASSERT_TRUE(WaitUntilBlocked(suspender.tid(), {.syscall = SYS_ioctl, .states = "D"}));
  inside.Open();
  EXPECT_THAT(suspender.Join(), SyscallSucceeds());
  EXPECT_THAT(caller.Join(), SyscallSucceeds());
}

// Woken, it comes back when it can, and nobody notices.
REVOKE_TEST_F(SuspendTest, SleeperIsPutOff, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread reader;
  reader.Start([&] { return ReadByte(fd.get()); });
  ASSERT_THAT(control().WaitEntered(Dev::kDefault, REVOKE_TEST_READ), SyscallSucceeds());
  ASSERT_TRUE(Waits(reader, SYS_read));
  {
    const Suspension suspension(control(), Dev::kDefault);
    EXPECT_TRUE(Waits(reader, SYS_read));
    EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_READ), 1U);
  }
  EXPECT_THAT(control().WaitEntered(Dev::kDefault, REVOKE_TEST_READ, 2), SyscallSucceeds());
  EXPECT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  EXPECT_THAT(reader.Join(), SyscallSucceedsWithValue(1));
}

// But not if the method says EINTR: something has happened already, which must not happen again.
REVOKE_TEST_F(SuspendTest, MethodThatSaysEintrIsNotCalledAgain, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread caller;
  const ArmedPoint inside(control(), Dev::kDefault, REVOKE_TEST_IOCTL, REVOKE_TEST_ENTER,
                          REVOKE_TEST_INTERRUPTED);
  caller.Start([&] { return Generation(fd.get()); });
  ASSERT_THAT(inside.WaitBlocked(), SyscallSucceeds());
  {
    const Suspension suspension(control(), Dev::kDefault);
    EXPECT_THAT(caller.Join(), SyscallFailsWithErrno(EINTR));
  }
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_IOCTL), 1U);
}

REVOKE_TEST_F(SuspendTest, KernelThreadWaits, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  {
    const Suspension suspension(control(), Dev::kDefault);
    const pid_t reader = control().KthreadRead(fd.get());
    ASSERT_GT(reader, 0);
    EXPECT_TRUE(WaitUntilBlocked(reader, {.use_syscall_file = false}));
    EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_READ), 0U);
  }
  EXPECT_THAT(control().KthreadResult(), SyscallSucceedsWithValue(1));
}

// A splice is inside, and calls ->read_iter: that is let in.
REVOKE_TEST_F(SuspendTest, MethodCalledByAMethodIsLetIn, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  int ends[2];
  ASSERT_THAT(pipe(ends), SyscallSucceeds());
  const FileDescriptor reading(ends[0]);
  const FileDescriptor writing(ends[1]);
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  CallInThread caller;
  CallInThread suspender;
  ArmedPoint inside(control(), Dev::kDefault, REVOKE_TEST_SPLICE_READ, REVOKE_TEST_ENTER,
                    REVOKE_TEST_STUCK);
  caller.Start([&] { return splice(fd.get(), nullptr, writing.get(), nullptr, 1, 0); });
  ASSERT_THAT(inside.WaitBlocked(), SyscallSucceeds());
  suspender.Start([&] { return control().Suspend(Dev::kDefault); });
  ASSERT_TRUE(WaitUntilBlocked(suspender.tid(), {.syscall = SYS_ioctl, .states = "D"}));
  inside.Open();
  EXPECT_THAT(suspender.Join(), SyscallSucceeds());
  EXPECT_THAT(caller.Join(), SyscallSucceedsWithValue(1));
}

REVOKE_TEST_F(SuspendTest, WhoIsOutsideStepsInWhenItIsResumed, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread caller;
  ArmedPoint outside(control(), Dev::kDefault, REVOKE_TEST_OUTSIDE, REVOKE_TEST_ENTER,
                     REVOKE_TEST_STUCK);
  caller.Start([&] { return StepOut(fd.get()); });
  ASSERT_THAT(outside.WaitBlocked(), SyscallSucceeds());
  Suspension suspension(control(), Dev::kDefault);
  outside.Open();
  ASSERT_THAT(control().WaitFinished(Dev::kDefault, REVOKE_TEST_OUTSIDE), SyscallSucceeds());
  EXPECT_TRUE(WaitUntilBlocked(caller.tid(), {.syscall = SYS_ioctl, .states = "D"}));
  suspension.Resume();
  EXPECT_THAT(caller.Join(), SyscallSucceedsWithValue(1));
}

REVOKE_TEST_F(SuspendTest, WhoIsOutsideLearnsOfARevoke, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread caller;
  ArmedPoint outside(control(), Dev::kDefault, REVOKE_TEST_OUTSIDE, REVOKE_TEST_ENTER,
                     REVOKE_TEST_STUCK);
  caller.Start([&] { return StepOut(fd.get()); });
  ASSERT_THAT(outside.WaitBlocked(), SyscallSucceeds());
  const Suspension suspension(control(), Dev::kDefault);
  outside.Open();
  ASSERT_THAT(control().WaitFinished(Dev::kDefault, REVOKE_TEST_OUTSIDE), SyscallSucceeds());
  ASSERT_TRUE(WaitUntilBlocked(caller.tid(), {.syscall = SYS_ioctl, .states = "D"}));
  EXPECT_THAT(revoke(NodeOf(Dev::kDefault).c_str()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(caller.Join(), SyscallSucceedsWithValue(0));
}

// ---- several ----

REVOKE_TEST_F(SuspendTest, Nests, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread caller;
  Suspension outer(control(), Dev::kDefault);
  Suspension inner(control(), Dev::kDefault);
  caller.Start([&] { return Generation(fd.get()); });
  ASSERT_TRUE(Waits(caller, SYS_ioctl));
  outer.Resume();
  EXPECT_TRUE(Waits(caller, SYS_ioctl));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_IOCTL), 0U);
  inner.Resume();
  EXPECT_THAT(caller.Join(), SyscallSucceeds());
}

REVOKE_TEST_F(SuspendTest, OtherDevicesGoOn, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kDefault, O_RDWR | O_NONBLOCK);
  const FileDescriptor other = OpenDevice(Dev::kEof);
  const Suspension suspension(control(), Dev::kDefault);
  EXPECT_THAT(Generation(fd.get()), SyscallFailsWithErrno(EAGAIN));
  EXPECT_THAT(Generation(other.get()), SyscallSucceeds());
  EXPECT_THAT(OpenDevice(Dev::kEof), SyscallSucceeds());
}

REVOKE_TEST_F(SuspendTest, RevokeOfOneFileIsNoResumeForAnother, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor other = OpenDevice();
  CallInThread caller;
  CallInThread other_caller;
  Suspension suspension(control(), Dev::kDefault);
  caller.Start([&] { return Generation(fd.get()); });
  other_caller.Start([&] { return Generation(other.get()); });
  ASSERT_TRUE(Waits(caller, SYS_ioctl));
  ASSERT_TRUE(Waits(other_caller, SYS_ioctl));
  EXPECT_THAT(control().RevokeFile(fd.get()), SyscallSucceeds());
  EXPECT_THAT(caller.Join(), SyscallFailsWithErrno(ENODEV));
  EXPECT_TRUE(Waits(other_caller, SYS_ioctl));
  suspension.Resume();
  EXPECT_THAT(other_caller.Join(), SyscallSucceeds());
}

REVOKE_TEST_F(SuspendTest, DeadObjectCannotBeSuspended, baseline::kEnosys) {
  ASSERT_THAT(control().RevokeIt(Dev::kDefault), SyscallSucceeds());
  EXPECT_THAT(control().Suspend(Dev::kDefault), SyscallFailsWithErrno(ENODEV));
}

// ---- polling ----

REVOKE_TEST_F(SuspendTest, PollFindsNothing, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  Suspension suspension(control(), Dev::kDefault);
  pollfd polled = {.fd = fd.get(), .events = POLLIN | POLLOUT, .revents = 0};
  EXPECT_THAT(poll(&polled, 1, 0), SyscallSucceedsWithValue(0));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_POLL), 0U);
  suspension.Resume();
  EXPECT_THAT(poll(&polled, 1, 0), SyscallSucceedsWithValue(1));
  EXPECT_EQ(polled.revents, POLLIN | POLLOUT);
}

long PollIn(int fd) {
  pollfd polled = {.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&polled, 1, -1) == 1 ? long{polled.revents} : -1;
}

REVOKE_TEST_F(SuspendTest, PollerIsWokenByTheResume, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  CallInThread poller;
  Suspension suspension(control(), Dev::kDefault);
  poller.Start([&] { return PollIn(fd.get()); });
  ASSERT_TRUE(Waits(poller, SYS_poll));
  suspension.Resume();
  EXPECT_THAT(poller.Join(), SyscallSucceedsWithValue(long{POLLIN}));
}

// It polls again without asking to be queued; and yet it has to be, on the driver's queue.
REVOKE_TEST_F(SuspendTest, PollerIsQueuedAfterTheResume, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread poller;
  {
    const Suspension suspension(control(), Dev::kDefault);
    poller.Start([&] { return PollIn(fd.get()); });
    ASSERT_TRUE(Waits(poller, SYS_poll));
  }
  ASSERT_THAT(control().WaitFinished(Dev::kDefault, REVOKE_TEST_POLL), SyscallSucceeds());
  EXPECT_TRUE(Waits(poller, SYS_poll));
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  EXPECT_THAT(poller.Join(), SyscallSucceedsWithValue(long{POLLIN}));
}

REVOKE_TEST_F(SuspendTest, EpollAddedWhileSuspended, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor epoll(epoll_create1(0));
  epoll_event event{};
  CallInThread waiter;
  {
    const Suspension suspension(control(), Dev::kDefault);
    event.events = EPOLLIN | EPOLLET;
    ASSERT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd.get(), &event), SyscallSucceeds());
    EXPECT_THAT(epoll_wait(epoll.get(), &event, 1, 0), SyscallSucceedsWithValue(0));
  }
  EXPECT_THAT(epoll_wait(epoll.get(), &event, 1, 0), SyscallSucceedsWithValue(0));
  waiter.Start([&] {
    epoll_event got{};
    return epoll_wait(epoll.get(), &got, 1, -1) == 1 ? long{got.events} : -1;
  });
  ASSERT_TRUE(Waits(waiter, SYS_epoll_wait));
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  EXPECT_THAT(waiter.Join(), SyscallSucceedsWithValue(long{EPOLLIN}));
}

// What arrives while it is suspended is there afterwards.
REVOKE_TEST_F(SuspendTest, PollerFromBeforeSeesWhatHasArrived, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread poller;
  poller.Start([&] { return PollIn(fd.get()); });
  ASSERT_TRUE(Waits(poller, SYS_poll));
  {
    const Suspension suspension(control(), Dev::kDefault);
    ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
    EXPECT_TRUE(Waits(poller, SYS_poll));
  }
  EXPECT_THAT(poller.Join(), SyscallSucceedsWithValue(long{POLLIN}));
}

REVOKE_TEST_F(SuspendTest, PollerSeesTheRevoke, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread poller;
  const Suspension suspension(control(), Dev::kDefault);
  poller.Start([&] { return PollIn(fd.get()); });
  ASSERT_TRUE(Waits(poller, SYS_poll));
  EXPECT_THAT(revoke(NodeOf(Dev::kDefault).c_str()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(poller.Join(), SyscallSucceedsWithValue(long{POLLIN | POLLHUP | POLLERR}));
}

// ---- told not to wait; io_uring ----

REVOKE_TEST_F(SuspendTest, NowaitDoesNot, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  ASSERT_THAT(control().PutData(Dev::kAsync, 1), SyscallSucceeds());
  const Suspension suspension(control(), Dev::kAsync);
  char byte;
  const iovec vec = {.iov_base = &byte, .iov_len = 1};
  EXPECT_THAT(preadv2(fd.get(), &vec, 1, -1, RWF_NOWAIT), SyscallFailsWithErrno(EAGAIN));
}

REVOKE_TEST_F(SuspendTest, UringReadWaits, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  char byte = 0;
  {
    const Suspension suspension(control(), Dev::kDefault);
    ASSERT_THAT(
        ring.Submit([&](io_uring_sqe* sqe) { io_uring_prep_read(sqe, fd.get(), &byte, 1, 0); }),
        SyscallSucceedsWithValue(1));
    EXPECT_TRUE(ring.Idle());
    EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_READ), 0U);
  }
  EXPECT_THAT(ring.Wait(), SyscallSucceedsWithValue(1));
}

// A worker waits for a command; the ring goes all the same.
REVOKE_TEST_F(SuspendTest, UringWorkerCanBeCancelled, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  const Suspension suspension(control(), Dev::kAsync);
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  ASSERT_THAT(ring.Submit([&](io_uring_sqe* sqe) {
    io_uring_prep_fsync(sqe, fd.get(), 0);
    sqe->flags |= IOSQE_ASYNC;
    sqe->user_data = 1;
  }),
              SyscallSucceedsWithValue(1));
  ASSERT_TRUE(WaitUntilWorkersSleepIn("await_resume"));
  ASSERT_THAT(ring.Submit([&](io_uring_sqe* sqe) {
    io_uring_prep_cancel64(sqe, 1, 0);
    sqe->user_data = 2;
  }),
              SyscallSucceedsWithValue(1));
  std::map<std::uint64_t, int> results;
  for (int i = 0; i < 2; ++i) {
    io_uring_cqe completion{};
    ASSERT_THAT(ring.Wait(completion), SyscallSucceeds());
    results[completion.user_data] = completion.res;
  }
  // Of what a worker is at, io_uring says that it is too late, and interrupts it.
  EXPECT_THAT(results, ElementsAre(Pair(1, -EINTR), Pair(2, -EALREADY)));
  EXPECT_TRUE(ring.Idle());
  EXPECT_EQ(control().Entered(Dev::kAsync, REVOKE_TEST_FSYNC), 0U);
}

// ---- mappings ----

class SuspendShape : public SuspendTest, public testing::WithParamInterface<Shape> {
 protected:
  void SetUp() override {
    SuspendTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    fd_ = OpenDevice(dev());
    ASSERT_THAT(fd_, SyscallSucceeds());
  }

  Dev dev() const { return GetParam().dev; }
  const FileDescriptor& fd() const { return fd_; }
  Mapping Map(int flags = MAP_SHARED) const {
    return MapShape(fd_, GetParam().shape, kShapePages, PROT_READ | PROT_WRITE, flags);
  }
  std::uint64_t StampOf(std::size_t page) const { return Stamp(page, dev()); }

 private:
  FileDescriptor fd_;
};

class SuspendPrivate : public SuspendShape {};

// Those with a ->fault that brings the memory back
std::vector<Shape> LastingShapes(bool only_private) {
  std::vector<Shape> shapes;
  for (const Shape& shape : AllShapes()) {
    if (shape.shape == REVOKE_TEST_SHAPE_INSERT_PAGE || shape.shape == REVOKE_TEST_SHAPE_IOCTL) {
      continue;
    }
    if (!only_private || shape.can_be_private) shapes.push_back(shape);
  }
  return shapes;
}

INSTANTIATE_TEST_SUITE_P(, SuspendShape, testing::ValuesIn(LastingShapes(false)), ShapeName);
INSTANTIATE_TEST_SUITE_P(, SuspendPrivate, testing::ValuesIn(LastingShapes(true)), ShapeName);

// What a touch has read, or that it has died: for CallInThread
long Touch(const volatile std::uint64_t* word) {
  const ProbeResult<std::uint64_t> result = Probe::Read(word);
  if (!result.fault) return static_cast<long>(result.value);
  errno = result.fault->signo;
  return -1;
}

REVOKE_TEST_P(SuspendShape, TouchWaits, baseline::kEnosys) {
  const Mapping mapping = Map();
  for (std::size_t page = 0; page < kShapePages; ++page) {
    ASSERT_THAT(Probe::Read(PageWord(mapping, page)), ReadsValue(StampOf(page)));
  }
  CallInThread first;
  CallInThread last;
  Suspension suspension(control(), dev());
  const std::uint64_t entered = EnteredAny(dev());
  first.Start([&] { return Touch(PageWord(mapping, 0)); });
  last.Start([&] { return Touch(PageWord(mapping, kShapePages - 1)); });
  ASSERT_TRUE(Waits(first, kFault));
  ASSERT_TRUE(Waits(last, kFault));
  EXPECT_EQ(EnteredAny(dev()), entered);
  suspension.Resume();
  EXPECT_THAT(first.Join(), SyscallSucceedsWithValue(static_cast<long>(StampOf(0))));
  EXPECT_THAT(last.Join(), SyscallSucceedsWithValue(static_cast<long>(StampOf(kShapePages - 1))));
}

REVOKE_TEST_P(SuspendShape, ComesBack, baseline::kEnosys) {
  const Mapping mapping = Map();
  *PageWord(mapping, 1) = 1;
  for (int round = 0; round < 3; ++round) {
    {
      const Suspension suspension(control(), dev());
    }
    EXPECT_THAT(Probe::Read(PageWord(mapping, 0)), ReadsValue(StampOf(0)));
    EXPECT_THAT(Probe::Write(PageWord(mapping, 1), *PageWord(mapping, 1) + 1), Survives());
    EXPECT_EQ(control().Peek(dev(), 1), static_cast<std::uint64_t>(round) + 2);
  }
}

// Parts of a mapping know what they are parts of.
REVOKE_TEST_P(SuspendShape, PartsComeBack, baseline::kEnosys) {
  const Mapping mapping = Map();
  auto* const base = static_cast<char*>(mapping.base());
  ASSERT_THAT(munmap(base + 2 * PageSize(), PageSize()), SyscallSucceeds());
  {
    const Suspension suspension(control(), dev());
  }
  EXPECT_THAT(Probe::Read(PageWord(mapping, 1)), ReadsValue(StampOf(1)));
  EXPECT_THAT(Probe::Read(PageWord(mapping, 3)), ReadsValue(StampOf(3)));
  // Also when they are moved.
  const Mapping moved = Mapping::Anonymous(PageSize());
  ASSERT_EQ(mremap(base + 4 * PageSize(), PageSize(), PageSize(), MREMAP_MAYMOVE | MREMAP_FIXED,
                   moved.base()),
            moved.base());
  {
    const Suspension suspension(control(), dev());
  }
  EXPECT_THAT(Probe::Read(PageWord(moved, 0)), ReadsValue(StampOf(4)));
}

REVOKE_TEST_P(SuspendShape, ForkedChildWaits, baseline::kEnosys) {
  const Mapping mapping = Map();
  ASSERT_THAT(Probe::Read(PageWord(mapping, 0)), ReadsValue(StampOf(0)));
  const std::uint64_t stamp = StampOf(0);
  std::optional<Child> child;
  Suspension suspension(control(), dev());
  child.emplace([&] { TEST_CHECK(*PageWord(mapping, 0) == stamp); });
  ASSERT_TRUE(WaitUntilBlocked(child->pid(), {.syscall = kFault}));
  suspension.Resume();
  EXPECT_THAT(child->Wait(), Exited(0));
}

REVOKE_TEST_P(SuspendShape, RevokeEndsTheWait, baseline::kEnosys) {
  const Mapping mapping = Map();
  CallInThread toucher;
  const Suspension suspension(control(), dev());
  toucher.Start([&] { return Touch(PageWord(mapping, 0)); });
  ASSERT_TRUE(Waits(toucher, kFault));
  EXPECT_THAT(control().RevokeIt(dev()), SyscallSucceeds());
  EXPECT_THAT(toucher.Join(), SyscallFailsWithErrno(SIGBUS));
}

REVOKE_TEST_P(SuspendShape, TouchCanBeKilled, baseline::kEnosys) {
  const Mapping mapping = Map();
  std::optional<Child> child;
  const Suspension suspension(control(), dev());
  child.emplace([&] { Touch(PageWord(mapping, 0)); });
  ASSERT_TRUE(WaitUntilBlocked(child->pid(), {.syscall = kFault}));
  ASSERT_THAT(child->Signal(SIGKILL), SyscallSucceeds());
  EXPECT_THAT(child->Wait(), KilledBySignal(SIGKILL));
}

REVOKE_TEST_P(SuspendPrivate, CopiesStay, baseline::kEnosys) {
  const Mapping mapping = Map(MAP_PRIVATE);
  *PageWord(mapping, 0) = 0x1234;
  ASSERT_THAT(Probe::Read(PageWord(mapping, 1)), ReadsValue(StampOf(1)));
  CallInThread toucher;
  Suspension suspension(control(), dev());
  EXPECT_THAT(Probe::Read(PageWord(mapping, 0)), ReadsValue(0x1234U));
  EXPECT_THAT(Probe::Write(PageWord(mapping, 0), 0x5678), Survives());
  toucher.Start([&] { return Touch(PageWord(mapping, 1)); });
  ASSERT_TRUE(Waits(toucher, kFault));
  suspension.Resume();
  EXPECT_THAT(toucher.Join(), SyscallSucceedsWithValue(static_cast<long>(StampOf(1))));
  EXPECT_THAT(Probe::Read(PageWord(mapping, 0)), ReadsValue(0x5678U));
  EXPECT_THAT(Probe::Write(PageWord(mapping, 2), 0x9abc), Survives());
  EXPECT_THAT(Probe::Read(PageWord(mapping, 2)), ReadsValue(0x9abcU));
  EXPECT_EQ(control().Peek(dev(), 2), StampOf(2));
}

// It takes what nobody can touch now; those who want to are neither waited for nor woken.
REVOKE_TEST_P(SuspendShape, PartIsTakenMeanwhile, baseline::kEnosys) {
  const Mapping mapping = Map();
  CallInThread first;
  CallInThread taken;
  Suspension suspension(control(), dev());
  first.Start([&] { return Touch(PageWord(mapping, 0)); });
  taken.Start([&] { return Touch(PageWord(mapping, 2)); });
  ASSERT_TRUE(Waits(first, kFault));
  ASSERT_TRUE(Waits(taken, kFault));
  ASSERT_THAT(control().TakeRange(dev(), GetParam().shape, 2, 1), SyscallSucceeds());
  EXPECT_TRUE(Waits(first, kFault));
  EXPECT_TRUE(Waits(taken, kFault));
  suspension.Resume();
  EXPECT_THAT(first.Join(), SyscallSucceedsWithValue(static_cast<long>(StampOf(0))));
  EXPECT_THAT(taken.Join(), SyscallFailsWithErrno(SIGBUS));
  EXPECT_THAT(control().GiveBack(dev()), SyscallSucceeds());
}

// Without a ->fault, or with one that brings nothing back.
REVOKE_TEST_F(SuspendTest, WhatNobodyBringsBackIsLost, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const Mapping inserted = MapShape(fd, REVOKE_TEST_SHAPE_INSERT_PAGE);
  const Mapping by_ioctl = MapShape(fd, REVOKE_TEST_SHAPE_IOCTL);
  {
    const Suspension suspension(control(), Dev::kDefault);
  }
  EXPECT_THAT(Probe::Read(PageWord(inserted, 0)), DiesOfSigbusAt(PageWord(inserted, 0)));
  EXPECT_THAT(Probe::Read(PageWord(by_ioctl, 0)), DiesOfSigbusAt(PageWord(by_ioctl, 0)));
  revoke_test_insert insert = {
      .address = reinterpret_cast<std::uint64_t>(by_ioctl.base()), .pages = 1, .pad = 0};
  ASSERT_THAT(ioctl(fd.get(), REVOKE_TEST_INSERT, &insert), SyscallSucceeds());
  EXPECT_THAT(Probe::Read(PageWord(by_ioctl, 0)), ReadsValue(Stamp(0)));
}

// With the lock of the VMA only, or no thread could be made.
REVOKE_TEST_F(SuspendTest, FaultUnderWayIsWaitedFor, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const Mapping mapping = MapShape(fd, REVOKE_TEST_SHAPE_FAULT_VMA_LOCK);
  CallInThread toucher;
  CallInThread again;
  CallInThread suspender;
  ArmedPoint inside(control(), Dev::kDefault, REVOKE_TEST_VM_FAULT, REVOKE_TEST_LEAVE,
                    REVOKE_TEST_STUCK);
  toucher.Start([&] { return Touch(PageWord(mapping, 0)); });
  ASSERT_THAT(inside.WaitBlocked(), SyscallSucceeds());
  suspender.Start([&] { return control().Suspend(Dev::kDefault); });
  ASSERT_TRUE(WaitUntilBlocked(suspender.tid(), {.syscall = SYS_ioctl, .states = "D"}));
  inside.Open();
  EXPECT_THAT(suspender.Join(), SyscallSucceeds());
  // Whether the touch came through before or not: it does not now.
  again.Start([&] { return Touch(PageWord(mapping, 0)); });
  EXPECT_TRUE(Waits(again, kFault));
  EXPECT_THAT(control().Resume(Dev::kDefault), SyscallSucceeds());
  EXPECT_THAT(again.Join(), SyscallSucceedsWithValue(static_cast<long>(Stamp(0))));
  EXPECT_THAT(toucher.Join(), SyscallSucceedsWithValue(static_cast<long>(Stamp(0))));
}

// A ->fault that gives up when it is woken.
REVOKE_TEST_F(SuspendTest, SleeperInAFaultIsPutOff, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const Mapping mapping = MapShape(fd, REVOKE_TEST_SHAPE_FAULT_VMA_LOCK);
  CallInThread toucher;
  ArmedPoint inside(control(), Dev::kDefault, REVOKE_TEST_VM_FAULT, REVOKE_TEST_ENTER,
                    REVOKE_TEST_INTERRUPTIBLE);
  toucher.Start([&] { return Touch(PageWord(mapping, 0)); });
  ASSERT_THAT(inside.WaitBlocked(), SyscallSucceeds());
  Suspension suspension(control(), Dev::kDefault);
  EXPECT_TRUE(Waits(toucher, kFault));
  inside.Open();
  suspension.Resume();
  EXPECT_THAT(toucher.Join(), SyscallSucceedsWithValue(static_cast<long>(Stamp(0))));
}

REVOKE_TEST_F(SuspendTest, MmapUnderWayIsWaitedFor, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const std::uint64_t stamp = Stamp(0);
  Checkpoint suspended;
  std::optional<Child> mapper;
  CallInThread suspender;
  ArmedPoint inside(control(), Dev::kDefault, REVOKE_TEST_MMAP, REVOKE_TEST_LEAVE,
                    REVOKE_TEST_STUCK);
  mapper.emplace([&] {
    const Mapping mapping = MapShape(fd, REVOKE_TEST_SHAPE_REMAP_PFN);
    TEST_CHECK(mapping.valid());
    TEST_CHECK(suspended.WaitFor(1));
    TEST_CHECK(*PageWord(mapping, 0) == stamp);
  });
  ASSERT_THAT(inside.WaitBlocked(), SyscallSucceeds());
  suspender.Start([&] { return control().Suspend(Dev::kDefault); });
  ASSERT_TRUE(WaitUntilBlocked(suspender.tid(), {.syscall = SYS_ioctl, .states = "D"}));
  inside.Open();
  EXPECT_THAT(suspender.Join(), SyscallSucceeds());
  suspended.Reach();
  EXPECT_TRUE(WaitUntilBlocked(mapper->pid(), {.syscall = kFault}));
  EXPECT_THAT(control().Resume(Dev::kDefault), SyscallSucceeds());
  EXPECT_THAT(mapper->Wait(), Exited(0));
}

// A ->mmap that gives up when it is woken: there was no signal, so there is no EINTR.
REVOKE_TEST_F(SuspendTest, SleeperInMmapFails, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  std::optional<Child> mapper;
  const ArmedPoint inside(control(), Dev::kDefault, REVOKE_TEST_MMAP, REVOKE_TEST_ENTER,
                          REVOKE_TEST_INTERRUPTIBLE);
  mapper.emplace([&] {
    const Mapping mapping = MapShape(fd, REVOKE_TEST_SHAPE_REMAP_PFN, 1);
    TEST_PCHECK(!mapping.valid() && errno == EAGAIN);
  });
  ASSERT_THAT(inside.WaitBlocked(), SyscallSucceeds());
  const Suspension suspension(control(), Dev::kDefault);
  EXPECT_THAT(mapper->Wait(), Exited(0));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_MMAP), 1U);
}

// ---- deadlocks ----

// The method writes to the memory of its device, which is being suspended, and has to wait for it.
REVOKE_TEST_F(SuspendTest, MethodTouchesItsOwnMapping, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const Mapping mapping = MapShape(fd, REVOKE_TEST_SHAPE_FAULT_PFN);
  CallInThread caller;
  CallInThread suspender;
  CallInThread toucher;
  ArmedPoint inside(control(), Dev::kDefault, REVOKE_TEST_IOCTL, REVOKE_TEST_ENTER,
                    REVOKE_TEST_STUCK);
  caller.Start([&] { return ioctl(fd.get(), REVOKE_TEST_INFO, mapping.base()); });
  ASSERT_THAT(inside.WaitBlocked(), SyscallSucceeds());
  suspender.Start([&] { return control().Suspend(Dev::kDefault); });
  ASSERT_TRUE(WaitUntilBlocked(suspender.tid(), {.syscall = SYS_ioctl, .states = "D"}));
  inside.Open();
  EXPECT_THAT(suspender.Join(), SyscallSucceeds());
  EXPECT_THAT(caller.Join(), SyscallSucceeds());
  // What it has faulted in has gone again.
  toucher.Start([&] { return Touch(PageWord(mapping, 0)); });
  EXPECT_TRUE(Waits(toucher, kFault));
  EXPECT_THAT(control().Resume(Dev::kDefault), SyscallSucceeds());
  EXPECT_THAT(toucher.Join(), SyscallSucceeds());
}

// The method of one device touches memory of another: a suspend of the former would wait for it.
REVOKE_TEST_F(SuspendTest, MethodTouchesAnotherMapping, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kEof);
  const FileDescriptor suspended = OpenDevice();
  const Mapping mapping = MapShape(suspended, REVOKE_TEST_SHAPE_FAULT_PFN);
  const Suspension suspension(control(), Dev::kDefault);
  EXPECT_THAT(ioctl(fd.get(), REVOKE_TEST_INFO, mapping.base()), SyscallFailsWithErrno(EFAULT));
}

// A system call may hold a lock that the resume needs, also one that uses no device.
REVOKE_TEST_F(SuspendTest, SystemCallTouchesAMapping, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const Mapping mapping = MapShape(fd, REVOKE_TEST_SHAPE_FAULT_PFN);
  CallInThread reader;
  Suspension suspension(control(), Dev::kDefault);
  reader.Start([&] { return ReadPipeInto(mapping.base()); });
  EXPECT_THAT(reader.Join(), SyscallFailsWithErrno(EFAULT));
  suspension.Resume();
  EXPECT_THAT(ReadPipeInto(mapping.base()), SyscallSucceedsWithValue(1));
}

void ExpectAddressSpaceIsFree() {
  Mapping mapping = Mapping::Anonymous(PageSize());
  ASSERT_THAT(mapping, SyscallSucceeds());
  EXPECT_THAT(mprotect(mapping.base(), PageSize(), PROT_READ), SyscallSucceeds());
  EXPECT_THAT(mapping.Unmap(), SyscallSucceeds());
  EXPECT_THAT(InChild([] {}), Exited(0));
}

REVOKE_TEST_F(SuspendTest, MmapWaitsWithoutTheLock, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread mapper;
  Suspension suspension(control(), Dev::kDefault);
  mapper.Start([&] { return MapShape(fd, REVOKE_TEST_SHAPE_REMAP_PFN, 1).valid() ? 0 : -1; });
  ASSERT_TRUE(Waits(mapper, SYS_mmap));
  ExpectAddressSpaceIsFree();
  suspension.Resume();
  EXPECT_THAT(mapper.Join(), SyscallSucceeds());
}

// MAP_FIXED finds what was there still there, when it is not to wait.
REVOKE_TEST_F(SuspendTest, MmapUnmapsNothingForNothing, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kDefault, O_RDWR | O_NONBLOCK);
  const Mapping old = Mapping::Anonymous(PageSize());
  *old.At<std::uint64_t>() = 7;
  const Suspension suspension(control(), Dev::kDefault);
  EXPECT_EQ(
      mmap(old.base(), PageSize(), PROT_READ, MAP_SHARED | MAP_FIXED, fd.get(),
           static_cast<off_t>(REVOKE_TEST_MMAP_OFFSET(REVOKE_TEST_SHAPE_FAULT_PFN, PageSize()))),
      MAP_FAILED);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_THAT(Probe::Read(old.At<std::uint64_t>()), ReadsValue(7U));
}

// Under the lock of the VMA (FaultVmaLock) or of the mm.
REVOKE_TEST_P(SuspendShape, TouchWaitsWithoutALock, baseline::kEnosys) {
  Mapping mapping = Map();
  volatile std::uint64_t* const word = PageWord(mapping, 0);
  CallInThread toucher;
  Suspension suspension(control(), dev());
  toucher.Start([&] {
    const ProbeResult<std::uint64_t> result = Probe::Read(word);
    errno = result.fault ? result.fault->code : 0;
    return result.fault && result.fault->signo == SIGSEGV ? -1 : 0;
  });
  ASSERT_TRUE(Waits(toucher, kFault));
  ExpectAddressSpaceIsFree();
  EXPECT_THAT(mprotect(mapping.base(), PageSize(), PROT_READ), SyscallSucceeds());
  EXPECT_THAT(mapping.Unmap(), SyscallSucceeds());
  suspension.Resume();
  EXPECT_THAT(toucher.Join(), SyscallFailsWithErrno(SEGV_MAPERR));
}

// ---- and all of it at once ----

REVOKE_TEST_F(SuspendTest, UnderLoad, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const int references = TestModuleReferences();
  const Mapping mapping = MapShape(fd, REVOKE_TEST_SHAPE_FAULT_VMA_LOCK);
  const Mapping remapped = MapShape(fd, REVOKE_TEST_SHAPE_REMAP_PFN);
  const std::uint64_t stamp = Stamp(0);
  // Three short sides on two CPUs: that all of them are under way at once takes a preemption.
  ExpectRace({.overlaps = 5, .rounds = 1000, .time = std::chrono::seconds(3)},
             {[&] {
                TEST_PCHECK(control().Suspend(Dev::kDefault) == 0);
                TEST_PCHECK(control().Resume(Dev::kDefault) == 0);
              },
              [&] {
                TEST_CHECK(*PageWord(mapping, 0) == stamp);
                TEST_CHECK(*PageWord(remapped, 0) == stamp);
                TEST_PCHECK(Generation(fd.get()) > 0);
              },
              [&] {
                FileDescriptor other = OpenDevice();
                TEST_CHECK(other.valid());
                const Mapping own = MapShape(other, REVOKE_TEST_SHAPE_FAULT_PAGE, 1);
                // Suspended while it waited for the mmap_lock.
                if (!own.valid()) {
                  TEST_PCHECK(errno == EAGAIN);
                  return;
                }
                TEST_PCHECK(other.Close() == 0);
                TEST_CHECK(*PageWord(own, 0) == stamp);
              }},
             nullptr, nullptr);
  EXPECT_EQ(control().Counters(Dev::kDefault).files, 1U);
  EXPECT_TRUE(TestModuleReferencesBecome(references));
}

// A revoke at any point of a suspend, and the other way round.
REVOKE_TEST_F(SuspendTest, AgainstARevoke, baseline::kEnosys) {
  FileDescriptor fd;
  Mapping mapping;
  ExpectRace(
      {.overlaps = 20, .rounds = 1000, .time = std::chrono::seconds(3)},
      {[&] {
         TEST_PCHECK(control().Suspend(Dev::kDefault) == 0);
         TEST_PCHECK(control().Resume(Dev::kDefault) == 0);
       },
       [] { TEST_PCHECK(revoke("/dev/" REVOKE_TEST_NAME "0") == 0); },
       [&] {
         Touch(PageWord(mapping, 0));
         Generation(fd.get());
       }},
      [&] {
        fd = OpenDevice();
        mapping = MapShape(fd, REVOKE_TEST_SHAPE_FAULT_PFN, 1);
        TEST_CHECK(mapping.valid());
      },
      [&] {
        EXPECT_THAT(Generation(fd.get()), SyscallFailsWithErrno(ENODEV));
        EXPECT_THAT(Probe::Read(PageWord(mapping, 0)), DiesOfSigbusAt(PageWord(mapping, 0)));
        EXPECT_EQ(control().Counters(Dev::kDefault).files, 0U);
      });
}

}  // namespace
}  // namespace revoke_test
