// SPDX-License-Identifier: GPL-2.0
//
// A driver that owns requests after its method has returned: FunctionFS. What a program asks of an
// endpoint file by aio or io_uring stays in the USB controller until the host does its part, which
// here it does only when a test makes it.
//
// What must hold: a revoke of one file ends its requests, each once and with ENODEV, and no others;
// nobody waits for them afterwards, be it a ring, a context or a process that exits; the endpoint
// can be used through a new file. Removing the function revokes all; unbinding the gadget, which
// daemons survive, revokes nothing.

#include <fcntl.h>
#include <liburing.h>
#include <linux/usb/functionfs.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "aio.h"
#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "checkpoint.h"
#include "errno_matchers.h"
#include "fd.h"
#include "ffs_gadget.h"
#include "process.h"
#include "race.h"
#include "revokeat.h"
#include "test_check.h"
#include "uring.h"

namespace revoke_test {
namespace {

using testing::AnyOf;

// A full packet; and more than what the controller takes without the host.
constexpr std::size_t kBytes = 512;

using Packet = std::array<char, kBytes>;

// Until they have called the methods for all that was handed in, and have nothing left to do.
testing::AssertionResult WaitUntilWorkersAreIdle() {
  return WaitUntilWorkersSleepIn("io_wq_worker");
}

enum class By { kAio, kUring };
enum class Direction { kFromHost, kToHost };

// Asks for one packet at a time.
class Requests {
 public:
  Requests(By by, Direction direction) : by_(by), direction_(direction) {
    if (by == By::kAio) {
      aio_.emplace();
    } else {
      ring_.emplace();
    }
  }

  int error() const { return aio_ ? aio_->error() : ring_->error(); }

  // Returns 1. The request is under way when this has returned; by a ring, when its workers are
  // idle.
  int HandIn(int fd) {
    if (aio_) {
      return direction_ == Direction::kToHost ? aio_->Write(fd, data_.data(), kBytes)
                                              : aio_->Read(fd, data_.data(), kBytes);
    }
    return ring_->Submit([&](io_uring_sqe* request) {
      if (direction_ == Direction::kToHost) {
        io_uring_prep_write(request, fd, data_.data(), kBytes, 0);
      } else {
        io_uring_prep_read(request, fd, data_.data(), kBytes, 0);
      }
    });
  }

  testing::AssertionResult WaitUntilUnderWay() const {
    return by_ == By::kAio ? testing::AssertionSuccess() : WaitUntilWorkersAreIdle();
  }

  int Wait() { return aio_ ? aio_->Wait() : ring_->Wait(); }
  bool Idle() { return aio_ ? aio_->Idle() : ring_->Idle(); }

 private:
  By by_;
  Direction direction_;
  Packet data_{};
  std::optional<Aio> aio_;
  std::optional<Uring> ring_;
};

class FunctionFsTest : public testing::Test {
 protected:
  void SetUp() override {
    gadget_ = std::make_unique<FfsGadget>();
    ASSERT_THAT(*gadget_, SyscallSucceeds()) << "no gadget with FunctionFS on dummy_hcd here";
    control_ = OpenFile(FfsGadget::kControl);
    ASSERT_THAT(control_, SyscallSucceeds());
    ASSERT_THAT(FfsGadget::Describe(control_.get()), SyscallSucceeds());
    ASSERT_NO_FATAL_FAILURE(Bind());
  }

  void Bind() {
    ASSERT_THAT(gadget().Bind(), SyscallSucceeds());
    ASSERT_TRUE(WaitForEvent(control_.get(), FUNCTIONFS_ENABLE));
  }

  FfsGadget& gadget() { return *gadget_; }
  FileDescriptor& control() { return control_; }

  FileDescriptor OpenFile(const char* name) { return Open(gadget_->PathOf(name), O_RDWR); }

  // The host has something to say to the one who reads, and hears what is written.
  static void ExpectFromHost(int fd) {
    const FfsHost host;
    ASSERT_THAT(host, SyscallSucceeds());
    Packet sent{};
    sent.fill('h');
    Requests reads(By::kAio, Direction::kFromHost);
    ASSERT_THAT(reads.HandIn(fd), SyscallSucceedsWithValue(1));
    EXPECT_THAT(host.Send(sent.data(), kBytes), SyscallSucceedsWithValue(long{kBytes}));
    EXPECT_THAT(reads.Wait(), SyscallSucceedsWithValue(long{kBytes}));
    EXPECT_TRUE(reads.Idle());
  }

 private:
  std::unique_ptr<FfsGadget> gadget_;
  FileDescriptor control_;
};

// ---- requests ----

struct How {
  By by;
  Direction direction;
};

class FunctionFsRequests : public FunctionFsTest, public testing::WithParamInterface<How> {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(FunctionFsTest::SetUp());
    ASSERT_THAT(requests_, SyscallSucceeds());
  }

  Requests& requests() { return requests_; }

  FileDescriptor OpenEndpoint() {
    return OpenFile(GetParam().direction == Direction::kToHost ? FfsGadget::kToHost
                                                               : FfsGadget::kFromHost);
  }

  // The host does its part of one request.
  static int Serve() {
    const FfsHost host;
    if (host.error() != 0) {
      errno = host.error();
      return -1;
    }
    Packet data{};
    return GetParam().direction == Direction::kToHost ? host.Receive(data.data(), kBytes)
                                                      : host.Send(data.data(), kBytes);
  }

  // One request of this file, and none from before, is what the host sees.
  static void ExpectWorks(int fd) {
    Requests fresh(GetParam().by, GetParam().direction);
    ASSERT_THAT(fresh, SyscallSucceeds());
    ASSERT_THAT(fresh.HandIn(fd), SyscallSucceedsWithValue(1));
    EXPECT_THAT(Serve(), SyscallSucceedsWithValue(long{kBytes}));
    EXPECT_THAT(fresh.Wait(), SyscallSucceedsWithValue(long{kBytes}));
    EXPECT_TRUE(fresh.Idle());
  }

 private:
  Requests requests_{GetParam().by, GetParam().direction};
};

INSTANTIATE_TEST_SUITE_P(, FunctionFsRequests,
                         testing::Values(How{By::kAio, Direction::kFromHost},
                                         How{By::kAio, Direction::kToHost},
                                         How{By::kUring, Direction::kFromHost},
                                         How{By::kUring, Direction::kToHost}),
                         [](const testing::TestParamInfo<How>& info) {
                           return std::string(info.param.by == By::kAio ? "Aio" : "Uring") +
                                  (info.param.direction == Direction::kToHost ? "Write" : "Read");
                         });

REVOKE_TEST_P(FunctionFsRequests, ServedByTheHost, baseline::kPasses) {
  const FileDescriptor fd = OpenEndpoint();
  ASSERT_THAT(fd, SyscallSucceeds());
  ASSERT_THAT(requests().HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(requests().HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_TRUE(requests().WaitUntilUnderWay());
  EXPECT_TRUE(requests().Idle());
  EXPECT_THAT(Serve(), SyscallSucceedsWithValue(long{kBytes}));
  EXPECT_THAT(requests().Wait(), SyscallSucceedsWithValue(long{kBytes}));
  EXPECT_TRUE(requests().Idle());
  EXPECT_THAT(Serve(), SyscallSucceedsWithValue(long{kBytes}));
  EXPECT_THAT(requests().Wait(), SyscallSucceedsWithValue(long{kBytes}));
  EXPECT_TRUE(requests().Idle());
}

REVOKE_TEST_P(FunctionFsRequests, GetTheErrno, baseline::kEnosys) {
  FileDescriptor fd = OpenEndpoint();
  ASSERT_THAT(fd, SyscallSucceeds());
  ASSERT_THAT(requests().HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(requests().HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_TRUE(requests().WaitUntilUnderWay());
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(requests().Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(requests().Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_TRUE(requests().Idle());

  // Nor is there anything to be had any more.
  ASSERT_THAT(requests().HandIn(fd.get()), SyscallSucceedsWithValue(1));
  EXPECT_THAT(requests().Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(fd.Close(), SyscallSucceeds());

  const FileDescriptor next = OpenEndpoint();
  ASSERT_THAT(next, SyscallSucceeds());
  ExpectWorks(next.get());
}

REVOKE_TEST_P(FunctionFsRequests, OfOtherFilesStay, baseline::kEnosys) {
  const FileDescriptor fd = OpenEndpoint();
  const FileDescriptor other = OpenEndpoint();
  Requests others(GetParam().by, GetParam().direction);
  ASSERT_THAT(others, SyscallSucceeds());
  ASSERT_THAT(others.HandIn(other.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(requests().HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(others.HandIn(other.get()), SyscallSucceedsWithValue(1));
  ASSERT_TRUE(requests().WaitUntilUnderWay());
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(requests().Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_TRUE(requests().Idle());
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(others.Idle());
    EXPECT_THAT(Serve(), SyscallSucceedsWithValue(long{kBytes}));
    EXPECT_THAT(others.Wait(), SyscallSucceedsWithValue(long{kBytes}));
  }
  EXPECT_TRUE(others.Idle());
}

REVOKE_TEST_P(FunctionFsRequests, OutliveTheDescriptor, baseline::kEnosys) {
  FileDescriptor fd = OpenEndpoint();
  const FileDescriptor second = Duplicate(fd.get());
  ASSERT_THAT(requests().HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_TRUE(requests().WaitUntilUnderWay());
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  ASSERT_THAT(RevokeFile(second.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(requests().Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_TRUE(requests().Idle());
}

// Daemons keep their files when the gadget is taken from one controller and given to another.
REVOKE_TEST_P(FunctionFsRequests, UnbindingIsNoRevoke, baseline::kPasses) {
  const FileDescriptor fd = OpenEndpoint();
  ASSERT_THAT(requests().HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(requests().HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_TRUE(requests().WaitUntilUnderWay());
  ASSERT_THAT(gadget().Unbind(), SyscallSucceeds());
  EXPECT_THAT(requests().Wait(), SyscallFailsWithErrno(ESHUTDOWN));
  EXPECT_THAT(requests().Wait(), SyscallFailsWithErrno(ESHUTDOWN));
  EXPECT_TRUE(requests().Idle());
  ASSERT_NO_FATAL_FAILURE(Bind());
  ExpectWorks(fd.get());
}

REVOKE_TEST_P(FunctionFsRequests, UnbindingAndThenARevoke, baseline::kEnosys) {
  const FileDescriptor fd = OpenEndpoint();
  ASSERT_THAT(requests().HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_TRUE(requests().WaitUntilUnderWay());
  ASSERT_THAT(gadget().Unbind(), SyscallSucceeds());
  // The unbinding has ended it; there is nothing left for the revoke but the file.
  EXPECT_THAT(requests().Wait(), SyscallFailsWithErrno(ESHUTDOWN));
  EXPECT_TRUE(requests().Idle());
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(requests().Idle());
  ASSERT_THAT(requests().HandIn(fd.get()), SyscallSucceedsWithValue(1));
  EXPECT_THAT(requests().Wait(), SyscallFailsWithErrno(ENODEV));
  ASSERT_NO_FATAL_FAILURE(Bind());
  const FileDescriptor next = OpenEndpoint();
  ExpectWorks(next.get());
}

// Without a host, a worker waits for one in the method.
REVOKE_TEST_F(FunctionFsTest, WorkerThatWaitsForAHostGetsTheErrno, baseline::kEnosys) {
  ASSERT_THAT(gadget().Unbind(), SyscallSucceeds());
  const FileDescriptor fd = OpenFile(FfsGadget::kFromHost);
  Requests requests(By::kUring, Direction::kFromHost);
  ASSERT_THAT(requests, SyscallSucceeds());
  ASSERT_THAT(requests.HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_TRUE(WaitUntilWorkersSleepIn("ffs_epfile"));
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(requests.Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_TRUE(requests.Idle());
}

// ---- whose requests they were ----

REVOKE_TEST_F(FunctionFsTest, AioContextGoesAndThenTheFile, baseline::kEnosys) {
  const FileDescriptor fd = OpenFile(FfsGadget::kFromHost);
  Aio aio;
  ASSERT_THAT(aio, SyscallSucceeds());
  Packet data{};
  ASSERT_THAT(aio.Read(fd.get(), data.data(), kBytes), SyscallSucceedsWithValue(1));
  ASSERT_THAT(aio.Read(fd.get(), data.data(), kBytes), SyscallSucceedsWithValue(1));
  EXPECT_THAT(aio.Destroy(), SyscallSucceeds());
  EXPECT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  const FileDescriptor next = OpenFile(FfsGadget::kFromHost);
  ExpectFromHost(next.get());
}

REVOKE_TEST_F(FunctionFsTest, FileGoesAndThenTheAioContext, baseline::kEnosys) {
  const FileDescriptor fd = OpenFile(FfsGadget::kFromHost);
  Aio aio;
  ASSERT_THAT(aio, SyscallSucceeds());
  Packet data{};
  ASSERT_THAT(aio.Read(fd.get(), data.data(), kBytes), SyscallSucceedsWithValue(1));
  ASSERT_THAT(aio.Read(fd.get(), data.data(), kBytes), SyscallSucceedsWithValue(1));
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  // There is nothing to cancel any more.
  EXPECT_THAT(aio.CancelLast(), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(aio.Destroy(), SyscallSucceeds());
}

REVOKE_TEST_F(FunctionFsTest, CancelledRequestAndThenARevoke, baseline::kEnosys) {
  const FileDescriptor fd = OpenFile(FfsGadget::kFromHost);
  Aio aio;
  ASSERT_THAT(aio, SyscallSucceeds());
  Packet data{};
  ASSERT_THAT(aio.Read(fd.get(), data.data(), kBytes), SyscallSucceedsWithValue(1));
  EXPECT_THAT(aio.CancelLast(), SyscallFailsWithErrno(EINPROGRESS));
  EXPECT_THAT(aio.Wait(), SyscallFailsWithErrno(ECONNRESET));
  EXPECT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(aio.Idle());
}

// Nothing ends an io_uring request of FunctionFS but the host: a ring that goes leaves it behind.
REVOKE_TEST_F(FunctionFsTest, RingGoesAndThenTheFile, baseline::kEnosys) {
  const FileDescriptor fd = OpenFile(FfsGadget::kFromHost);
  Packet data{};
  {
    Uring ring;
    ASSERT_THAT(ring, SyscallSucceeds());
    ASSERT_THAT(ring.Submit([&](io_uring_sqe* request) {
      io_uring_prep_read(request, fd.get(), data.data(), kBytes, 0);
    }),
                SyscallSucceedsWithValue(1));
    ASSERT_TRUE(WaitUntilWorkersAreIdle());
  }
  EXPECT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  const FileDescriptor next = OpenFile(FfsGadget::kFromHost);
  ExpectFromHost(next.get());
}

REVOKE_TEST_F(FunctionFsTest, ProcessGoesAndThenTheFile, baseline::kEnosys) {
  const FileDescriptor fd = OpenFile(FfsGadget::kFromHost);
  Checkpoint queued;
  Child child([&] {
    Requests ring(By::kUring, Direction::kFromHost);
    Requests aio(By::kAio, Direction::kFromHost);
    TEST_CHECK(ring.error() == 0);
    TEST_CHECK(aio.error() == 0);
    TEST_PCHECK(ring.HandIn(fd.get()) == 1);
    TEST_CHECK(ring.WaitUntilUnderWay());
    TEST_PCHECK(aio.HandIn(fd.get()) == 1);
    queued.Reach();
    pause();
  });
  ASSERT_TRUE(queued.WaitFor(1));
  ASSERT_THAT(child.Signal(SIGKILL), SyscallSucceeds());
  ASSERT_THAT(child.Wait(), KilledBySignal(SIGKILL));
  EXPECT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  const FileDescriptor next = OpenFile(FfsGadget::kFromHost);
  ExpectFromHost(next.get());
}

// ---- sleepers ----

REVOKE_TEST_F(FunctionFsTest, SleepersGetTheErrno, baseline::kEnosys) {
  REVOKE_NEED_REVOKEAT();
  for (const bool bound : {true, false}) {
    SCOPED_TRACE(bound ? "with a host" : "without a host");
    if (!bound) {
      ASSERT_THAT(gadget().Unbind(), SyscallSucceeds());
    }
    const FileDescriptor from = OpenFile(FfsGadget::kFromHost);
    const FileDescriptor to = OpenFile(FfsGadget::kToHost);
    const FileDescriptor events = OpenFile(FfsGadget::kControl);
    SkipEvents(control().get());
    Packet in{};
    Packet out{};
    usb_functionfs_event event{};
    CallInThread reader([&] { return read(from.get(), in.data(), kBytes); });
    CallInThread writer([&] { return write(to.get(), out.data(), kBytes); });
    CallInThread listener([&] { return read(events.get(), &event, sizeof(event)); });
    ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
    ASSERT_TRUE(WaitUntilBlocked(writer.tid(), {.syscall = SYS_write}));
    ASSERT_TRUE(WaitUntilBlocked(listener.tid(), {.syscall = SYS_read}));
    for (const FileDescriptor* fd : {&from, &to, &events}) {
      ASSERT_THAT(RevokeFile(fd->get()), SyscallSucceedsWithValue(0));
    }
    EXPECT_THAT(reader.Join(), SyscallFailsWithErrno(ENODEV));
    EXPECT_THAT(writer.Join(), SyscallFailsWithErrno(ENODEV));
    EXPECT_THAT(listener.Join(), SyscallFailsWithErrno(ENODEV));
  }
}

REVOKE_TEST_F(FunctionFsTest, PollersOfEp0SeeAHangup, baseline::kEnosys) {
  REVOKE_NEED_REVOKEAT();
  const FileDescriptor events = OpenFile(FfsGadget::kControl);
  SkipEvents(control().get());
  pollfd waiting = {.fd = events.get(), .events = POLLIN, .revents = 0};
  CallInThread poller([&] { return poll(&waiting, 1, -1); });
  ASSERT_TRUE(WaitUntilBlocked(poller.tid(), {.syscall = SYS_poll}));
  ASSERT_THAT(RevokeFile(events.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(poller.Join(), SyscallSucceedsWithValue(1));
  EXPECT_EQ(waiting.revents & (POLLHUP | POLLERR), POLLHUP | POLLERR);
}

REVOKE_TEST_F(FunctionFsTest, RevokedFileAnswersENODEV, baseline::kEnosys) {
  const FileDescriptor fd = OpenFile(FfsGadget::kFromHost);
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  Packet data{};
  EXPECT_THAT(read(fd.get(), data.data(), kBytes), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(write(fd.get(), data.data(), kBytes), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(ioctl(fd.get(), FUNCTIONFS_ENDPOINT_REVMAP), SyscallFailsWithErrno(ENODEV));
}

// ---- a revoked file is closed to FunctionFS ----

REVOKE_TEST_F(FunctionFsTest, RevokeOfTheLastFileDisablesTheFunction, baseline::kEnosys) {
  const FileDescriptor fd = OpenFile(FfsGadget::kFromHost);
  Requests requests(By::kAio, Direction::kFromHost);
  ASSERT_THAT(requests.HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(RevokeFile(control().get()), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(gadget().bound());
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_FALSE(gadget().bound());
  EXPECT_THAT(requests.Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(OpenFile(FfsGadget::kFromHost), SyscallFailsWithErrno(ENOENT));

  // As after a last close, it starts again from the descriptors.
  control() = OpenFile(FfsGadget::kControl);
  ASSERT_THAT(control(), SyscallSucceeds());
  ASSERT_THAT(FfsGadget::Describe(control().get()), SyscallSucceeds());
  ASSERT_NO_FATAL_FAILURE(Bind());
  const FileDescriptor next = OpenFile(FfsGadget::kFromHost);
  ExpectFromHost(next.get());
}

REVOKE_TEST_F(FunctionFsTest, RevokedFileKeepsTheMount, baseline::kEnosys) {
  FileDescriptor fd = OpenFile(FfsGadget::kFromHost);
  Requests requests(By::kAio, Direction::kFromHost);
  ASSERT_THAT(requests.HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(RevokeFile(control().get()), SyscallSucceedsWithValue(0));
  ASSERT_THAT(control().Close(), SyscallSucceeds());
  ASSERT_THAT(umount(gadget().mount_point().c_str()), SyscallFailsWithErrno(EBUSY));
  ASSERT_THAT(umount2(gadget().mount_point().c_str(), MNT_DETACH), SyscallSucceeds());
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(requests.Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(gadget().Mount(), SyscallFailsWithErrno(EBUSY));
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_THAT(gadget().Mount(), SyscallSucceeds());
}

// ---- the function is removed ----

REVOKE_TEST_F(FunctionFsTest, RemovalOfTheFunctionEndsSleepers, baseline::kFails) {
  const FileDescriptor fd = OpenFile(FfsGadget::kFromHost);
  ASSERT_THAT(gadget().UnlinkFunction(), SyscallSucceeds());
  SkipEvents(control().get());
  // Not threads: on the unpatched kernel they would sleep for ever.
  Child listener([&] {
    usb_functionfs_event event{};
    TEST_PCHECK(read(control().get(), &event, sizeof(event)) == -1 && errno == ENODEV);
  });
  Child reader([&] {
    Packet data{};
    TEST_PCHECK(read(fd.get(), data.data(), kBytes) == -1 && errno == ENODEV);
  });
  ASSERT_TRUE(WaitUntilBlocked(listener.pid(), {.syscall = SYS_read}));
  ASSERT_TRUE(WaitUntilBlocked(reader.pid(), {.syscall = SYS_read}));
  ASSERT_THAT(gadget().RemoveFunction(), SyscallSucceeds());
  const ExitStatus listener_end = listener.Wait();
  const ExitStatus reader_end = reader.Wait();
  // The unpatched kernel leaves both, or one of them, asleep. Any other end is a mistake.
  if (listener_end.IsStillRunning() || reader_end.IsStillRunning()) baseline::FailsFromHere();
  EXPECT_THAT(listener_end, Exited(0));
  EXPECT_THAT(reader_end, Exited(0));
}

REVOKE_TEST_F(FunctionFsTest, RemovalOfTheFunctionRevokesAllFiles, baseline::kFails) {
  const FileDescriptor fd = OpenFile(FfsGadget::kFromHost);
  Requests requests(By::kAio, Direction::kFromHost);
  ASSERT_THAT(requests.HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(gadget().UnlinkFunction(), SyscallSucceeds());
  SkipEvents(control().get());
  pollfd waiting = {.fd = control().get(), .events = POLLIN, .revents = 0};
  ASSERT_THAT(poll(&waiting, 1, 0), SyscallSucceedsWithValue(0));
  ASSERT_THAT(gadget().RemoveFunction(), SyscallSucceeds());
  // That was the unbinding.
  EXPECT_THAT(requests.Wait(), SyscallFailsWithErrno(ESHUTDOWN));
  EXPECT_TRUE(requests.Idle());
  baseline::FailsFromHere();
  EXPECT_THAT(poll(&waiting, 1, 0), SyscallSucceedsWithValue(1));
  EXPECT_EQ(waiting.revents & (POLLHUP | POLLERR), POLLHUP | POLLERR);
  EXPECT_THAT(OpenFile(FfsGadget::kControl), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(ioctl(control().get(), FUNCTIONFS_INTERFACE_REVMAP, 0),
              SyscallFailsWithErrno(ENODEV));
}

REVOKE_TEST_F(FunctionFsTest, NewFunctionIsNotReachedThroughOldFiles, baseline::kPasses) {
  FileDescriptor fd = OpenFile(FfsGadget::kFromHost);
  ASSERT_THAT(gadget().UnlinkFunction(), SyscallSucceeds());
  ASSERT_THAT(gadget().RemoveFunction(), SyscallSucceeds());
  ASSERT_THAT(umount2(gadget().mount_point().c_str(), MNT_DETACH), SyscallSucceeds());
  ASSERT_THAT(gadget().AddFunction(), SyscallSucceeds());
  ASSERT_THAT(gadget().Mount(), SyscallSucceeds());
  const FileDescriptor old_control = std::move(control());
  control() = OpenFile(FfsGadget::kControl);
  ASSERT_THAT(control(), SyscallSucceeds());
  ASSERT_THAT(FfsGadget::Describe(control().get()), SyscallSucceeds());
  ASSERT_NO_FATAL_FAILURE(Bind());
  const FileDescriptor next = OpenFile(FfsGadget::kFromHost);
  ExpectFromHost(next.get());
  EXPECT_THAT(fd.Close(), SyscallSucceeds());
  ExpectFromHost(next.get());
}

// ---- races ----

// Some have two races.
constexpr std::chrono::milliseconds kLimit{10'000};

class FunctionFsRace : public FunctionFsTest {
 protected:
  void SetUp() override {
    REVOKE_NEED_REVOKEAT();
    FunctionFsTest::SetUp();
  }

  // In each round, the second side revokes a file that has just been opened.
  void Run(const std::function<void()>& side, const std::function<void()>& before,
           const std::function<void()>& after, int overlaps = 50,
           const std::function<bool()>& seen = {}) {
    ExpectRace(
        {.overlaps = overlaps, .limit = kLimit, .seen = seen},
        {side, [&] { TEST_PCHECK(RevokeFile(fd_.get()) == 0); }},
        [&] {
          fd_ = OpenFile(FfsGadget::kFromHost);
          ASSERT_THAT(fd_, SyscallSucceeds());
          before();
        },
        after);
  }

  // Nothing of all that is left in the controller.
  void ExpectStillWorks() {
    fd_ = OpenFile(FfsGadget::kFromHost);
    ExpectFromHost(fd_.get());
  }

  FileDescriptor& fd() { return fd_; }

 private:
  FileDescriptor fd_;
};

REVOKE_TEST_F(FunctionFsRace, HandingIn, baseline::kEnosys) {
  for (const By by : {By::kAio, By::kUring}) {
    SCOPED_TRACE(by == By::kAio ? "aio" : "io_uring");
    Requests requests(by, Direction::kFromHost);
    ASSERT_THAT(requests, SyscallSucceeds());
    Run([&] { TEST_PCHECK(requests.HandIn(fd().get()) == 1); }, [] {},
        [&] {
          EXPECT_THAT(requests.Wait(), SyscallFailsWithErrno(ENODEV));
          EXPECT_TRUE(requests.Idle());
        });
  }
  ExpectStillWorks();
}

REVOKE_TEST_F(FunctionFsRace, CompletionByTheHost, baseline::kEnosys) {
  std::optional<FfsHost> host(std::in_place);
  ASSERT_THAT(*host, SyscallSucceeds());
  Requests requests(By::kAio, Direction::kFromHost);
  ASSERT_THAT(requests, SyscallSucceeds());
  int sent = 0;
  int served = 0;
  int revoked = 0;
  Run(
      [&] {
        const Packet data{};
        sent = host->TrySend(data.data(), kBytes);
        TEST_PCHECK(sent == kBytes || errno == ETIMEDOUT);
      },
      [&] { ASSERT_THAT(requests.HandIn(fd().get()), SyscallSucceedsWithValue(1)); },
      [&] {
        if (sent == kBytes) {
          ++served;
          EXPECT_THAT(requests.Wait(), SyscallSucceedsWithValue(long{kBytes}));
        } else {
          ++revoked;
          EXPECT_THAT(requests.Wait(), SyscallFailsWithErrno(ENODEV));
        }
        EXPECT_TRUE(requests.Idle());
      },
      50, [&] { return served >= 3 && revoked >= 3; });
  host.reset();
  ExpectStillWorks();
}

REVOKE_TEST_F(FunctionFsRace, AioCancel, baseline::kEnosys) {
  Aio aio;
  ASSERT_THAT(aio, SyscallSucceeds());
  Packet data{};
  int error = 0;
  Run(
      [&] {
        TEST_CHECK(aio.CancelLast() == -1);
        error = errno;
      },
      [&] { ASSERT_THAT(aio.Read(fd().get(), data.data(), kBytes), SyscallSucceedsWithValue(1)); },
      [&] {
        EXPECT_THAT(ErrnoValue(error), AnyOf(ErrnoValue(EINPROGRESS), ErrnoValue(EINVAL)));
        EXPECT_THAT(aio.Wait(), SyscallFailsWithErrno(AnyOf(ECONNRESET, ENODEV)));
        EXPECT_TRUE(aio.Idle());
      });
  ExpectStillWorks();
}

REVOKE_TEST_F(FunctionFsRace, AioDestroy, baseline::kEnosys) {
  std::optional<Aio> aio;
  Packet data{};
  Run([&] { TEST_PCHECK(aio->Destroy() == 0); },
      [&] {
        aio.emplace();
        ASSERT_THAT(*aio, SyscallSucceeds());
        ASSERT_THAT(aio->Read(fd().get(), data.data(), kBytes), SyscallSucceedsWithValue(1));
        ASSERT_THAT(aio->Read(fd().get(), data.data(), kBytes), SyscallSucceedsWithValue(1));
      },
      [] {});
  ExpectStillWorks();
}

// Connecting to the host again takes its time, so there are few rounds.
REVOKE_TEST_F(FunctionFsRace, Unbind, baseline::kEnosys) {
  Requests requests(By::kAio, Direction::kFromHost);
  ASSERT_THAT(requests, SyscallSucceeds());
  Run([&] { TEST_PCHECK(gadget().Unbind() == 0); },
      [&] {
        ASSERT_THAT(requests.HandIn(fd().get()), SyscallSucceedsWithValue(1));
        ASSERT_THAT(requests.HandIn(fd().get()), SyscallSucceedsWithValue(1));
      },
      [&] {
        for (int i = 0; i < 2; ++i) {
          EXPECT_THAT(requests.Wait(), SyscallFailsWithErrno(AnyOf(ESHUTDOWN, ENODEV)));
        }
        EXPECT_TRUE(requests.Idle());
        ASSERT_NO_FATAL_FAILURE(Bind());
      },
      5);
  ExpectStillWorks();
}

}  // namespace
}  // namespace revoke_test
