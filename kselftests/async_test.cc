// SPDX-License-Identifier: GPL-2.0
//
// Requests that outlast the system call they were made by: io_uring's, and where it makes a
// difference aio's (aio_test), when the file they are for is revoked. Device 4 (Dev::kAsync) queues
// what it cannot do at once, as drivers of hardware do; what the other devices cannot do at once,
// io_uring retries when a poll says so.
//
// What must hold however a revoke meets them: each request completes once, with the errno of the
// policy unless it was done before; the driver has none left (TestDeviceTest); ->release comes
// after the last one; and the requests of other files are not touched.

#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "aio.h"
#include "async_requests.h"
#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "checkpoint.h"
#include "errno_matchers.h"
#include "fd.h"
#include "process.h"
#include "revokeat.h"
#include "test_check.h"
#include "test_device.h"
#include "uring.h"

namespace revoke_test {
namespace {

using testing::Pair;
using testing::UnorderedElementsAre;

// ---- every policy ----

class AsyncPolicy : public AsyncTest, public testing::WithParamInterface<Dev> {
 protected:
  static Dev dev() { return GetParam(); }
  static RevokedErrnos errnos() { return RevokedErrnosOf(dev()); }

  // Until the request handed in last, and no other, is under way.
  testing::AssertionResult WaitUnderWay(revoke_test_method method) const {
    const int result = dev() == Dev::kAsync ? control().WaitFinished(dev(), method)
                                            : control().WaitEntered(dev(), REVOKE_TEST_POLL);
    if (result == 0) return testing::AssertionSuccess();
    return testing::AssertionFailure() << ErrnoText(errno);
  }
};

INSTANTIATE_TEST_SUITE_P(, AsyncPolicy,
                         testing::Values(Dev::kDefault, Dev::kOwner, Dev::kEof, Dev::kPrepare,
                                         Dev::kAsync),
                         DevName);

// A file that can be polled is not read before it is ready, by a worker neither.
REVOKE_TEST_P(AsyncPolicy, UringReadUnderWay, baseline::kEnosys) {
  for (const unsigned int flags : {0U, unsigned{IOSQE_ASYNC}}) {
    SCOPED_TRACE(flags != 0 ? "by a worker" : "by the submitter");
    Uring ring;
    ASSERT_THAT(ring, SyscallSucceeds());
    const FileDescriptor fd = OpenDevice(dev());
    char byte = 0;
    ASSERT_THAT(ring.Submit([&](io_uring_sqe* request) {
      io_uring_prep_read(request, fd.get(), &byte, 1, 0);
      request->flags |= flags;
    }),
                SyscallSucceedsWithValue(1));
    ASSERT_TRUE(WaitUnderWay(REVOKE_TEST_READ));
    ASSERT_THAT(Revoke(dev()), SyscallSucceedsWithValue(0));
    EXPECT_EQ(Released(dev()), 1U);
    EXPECT_THAT(ring.Wait(), Gives(errnos().read));
    EXPECT_TRUE(ring.Idle());
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
  }
}

REVOKE_TEST_P(AsyncPolicy, UringWriteUnderWay, baseline::kEnosys) {
  for (const unsigned int flags : {0U, unsigned{IOSQE_ASYNC}}) {
    SCOPED_TRACE(flags != 0 ? "by a worker" : "by the submitter");
    ASSERT_THAT(control().PutData(dev(), REVOKE_TEST_FIFO_SIZE), SyscallSucceeds());
    Uring ring;
    ASSERT_THAT(ring, SyscallSucceeds());
    const FileDescriptor fd = OpenDevice(dev());
    ASSERT_THAT(ring.Submit([&](io_uring_sqe* request) {
      io_uring_prep_write(request, fd.get(), "w", 1, 0);
      request->flags |= flags;
    }),
                SyscallSucceedsWithValue(1));
    ASSERT_TRUE(WaitUnderWay(REVOKE_TEST_WRITE));
    ASSERT_THAT(Revoke(dev()), SyscallSucceedsWithValue(0));
    EXPECT_EQ(Released(dev()), 1U);
    EXPECT_THAT(ring.Wait(), Gives(errnos().write));
    EXPECT_TRUE(ring.Idle());
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
  }
}

REVOKE_TEST_P(AsyncPolicy, UringOnARevokedFile, baseline::kEnosys) {
  for (const unsigned int flags : {0U, unsigned{IOSQE_ASYNC}}) {
    SCOPED_TRACE(flags != 0 ? "by a worker" : "by the submitter");
    Uring ring;
    ASSERT_THAT(ring, SyscallSucceeds());
    const FileDescriptor fd = OpenDevice(dev());
    ASSERT_THAT(Revoke(dev()), SyscallSucceedsWithValue(0));
    char byte = 0;
    ring.Submit([&](io_uring_sqe* request) {
      io_uring_prep_read(request, fd.get(), &byte, 1, 0);
      request->flags |= flags;
    });
    EXPECT_THAT(ring.Wait(), Gives(errnos().read));
    ring.Submit([&](io_uring_sqe* request) {
      io_uring_prep_write(request, fd.get(), "w", 1, 0);
      request->flags |= flags;
    });
    EXPECT_THAT(ring.Wait(), Gives(errnos().write));
    ring.Submit([&](io_uring_sqe* request) {
      io_uring_prep_fsync(request, fd.get(), 0);
      request->flags |= flags;
    });
    EXPECT_THAT(ring.Wait(), Gives(errnos().other));
    ring.Submit([&](io_uring_sqe* request) {
      io_uring_prep_poll_add(request, fd.get(), POLLIN);
      request->flags |= flags;
    });
    EXPECT_THAT(ring.Wait(), SyscallSucceedsWithValue(POLLIN | POLLERR | POLLHUP));
    EXPECT_EQ(control().Entered(dev(), REVOKE_TEST_READ), 0U);
    EXPECT_EQ(control().Entered(dev(), REVOKE_TEST_WRITE), 0U);
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
  }
}

REVOKE_TEST_P(AsyncPolicy, AioOnARevokedFile, baseline::kEnosys) {
  Aio aio;
  ASSERT_THAT(aio, SyscallSucceeds());
  const FileDescriptor fd = OpenDevice(dev());
  ASSERT_THAT(Revoke(dev()), SyscallSucceedsWithValue(0));
  char byte = 0;
  // Without the _iter methods there is no aio, revoked or not.
  if (dev() == Dev::kOwner) {
    EXPECT_THAT(aio.Read(fd.get(), &byte, 1), SyscallFailsWithErrno(EINVAL));
    EXPECT_THAT(aio.Write(fd.get(), "w", 1), SyscallFailsWithErrno(EINVAL));
    return;
  }
  ASSERT_THAT(aio.Read(fd.get(), &byte, 1), SyscallSucceedsWithValue(1));
  EXPECT_THAT(aio.Wait(), Gives(errnos().read));
  ASSERT_THAT(aio.Write(fd.get(), "w", 1), SyscallSucceedsWithValue(1));
  EXPECT_THAT(aio.Wait(), Gives(errnos().write));
  EXPECT_TRUE(aio.Idle());
}

// What cannot be done without sleeping is done by a worker, or a kernel thread of aio's, which no
// signal reaches.
REVOKE_TEST_P(AsyncPolicy, SyncUnderWay, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(dev());
  {
    Uring ring;
    ASSERT_THAT(ring, SyscallSucceeds());
    const ArmedPoint point(control(), dev(), REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                           REVOKE_TEST_INTERRUPTIBLE);
    ring.Submit([&](io_uring_sqe* request) { io_uring_prep_fsync(request, fd.get(), 0); });
    ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
    ASSERT_THAT(Revoke(dev()), SyscallSucceedsWithValue(0));
    EXPECT_EQ(Released(dev()), 1U);
    EXPECT_THAT(ring.Wait(), Gives(errnos().other));
  }
  const FileDescriptor other = OpenDevice(dev());
  Aio aio;
  ASSERT_THAT(aio, SyscallSucceeds());
  const ArmedPoint point(control(), dev(), REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                         REVOKE_TEST_UNTIL_REVOKED);
  ASSERT_THAT(aio.Sync(other.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(Revoke(dev()), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(dev()), 2U);
  EXPECT_THAT(aio.Wait(), Gives(errnos().other));
}

// ---- io_uring, when the driver knows of no requests ----

// Data makes the file ready, so that a worker goes in, where it is stopped.
REVOKE_TEST_F(AsyncTest, UringWorkerInsideTheMethod, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  const FileDescriptor fd = OpenDevice();
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  char byte = 0;
  const ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_READ, REVOKE_TEST_ENTER,
                         REVOKE_TEST_INTERRUPTIBLE);
  ASSERT_THAT(ring.Submit([&](io_uring_sqe* request) {
    io_uring_prep_read(request, fd.get(), &byte, 1, 0);
    request->flags |= IOSQE_ASYNC;
  }),
              SyscallSucceedsWithValue(1));
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(ring.Wait(), SyscallFailsWithErrno(ENODEV));
}

// One that nothing gets out is waited for, and what it has done is not taken back.
REVOKE_TEST_F(AsyncTest, UringWorkerStuckInsideTheMethod, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  const FileDescriptor fd = OpenDevice();
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  char byte = 0;
  CallInThread revoker;
  ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_READ, REVOKE_TEST_ENTER,
                   REVOKE_TEST_STUCK);
  ASSERT_THAT(ring.Submit([&](io_uring_sqe* request) {
    io_uring_prep_read(request, fd.get(), &byte, 1, 0);
    request->flags |= IOSQE_ASYNC;
  }),
              SyscallSucceedsWithValue(1));
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  revoker.Start([&] { return Revoke(); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  EXPECT_EQ(Released(Dev::kDefault), 0U);
  point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(Dev::kDefault), 1U);
  EXPECT_THAT(ring.Wait(), SyscallSucceedsWithValue(1));
  EXPECT_EQ(byte, 'r');
}

REVOKE_TEST_F(AsyncTest, UringWorkerInsideASplice, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  const FileDescriptor fd = OpenDevice();
  const PipeEnds pipe = Pipe();
  const ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_SPLICE_READ, REVOKE_TEST_ENTER,
                         REVOKE_TEST_INTERRUPTIBLE);
  ASSERT_THAT(ring.Submit([&](io_uring_sqe* request) {
    io_uring_prep_splice(request, fd.get(), -1, pipe.write.get(), -1, 1, 0);
  }),
              SyscallSucceedsWithValue(1));
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(ring.Wait(), SyscallFailsWithErrno(ENODEV));
}

// ---- requests that the driver has queued ----

struct Request {
  const char* name;
  revoke_test_method method;
  std::function<void(io_uring_sqe* request, int fd, char* byte)> prepare;
};

void PrintTo(const Request& request, std::ostream* os) { *os << request.name; }

class AsyncRequest : public AsyncTest, public testing::WithParamInterface<Request> {
 protected:
  void SetUp() override {
    AsyncTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    MakeItHaveToWait();
  }

  static revoke_test_method method() { return GetParam().method; }

  // There is nothing to read, and now no room to write either.
  void MakeItHaveToWait() const {
    if (method() != REVOKE_TEST_WRITE) return;
    ASSERT_THAT(control().PutData(Dev::kAsync, REVOKE_TEST_FIFO_SIZE), SyscallSucceeds());
  }

  void Prepare(io_uring_sqe* request, int fd, std::uint64_t id = 0) {
    GetParam().prepare(request, fd, &byte_);
    request->user_data = id;
  }

  // Async-signal-safe. Returns whether it was taken.
  bool HandIn(Uring& ring, int fd) {
    return ring.Submit([&](io_uring_sqe* request) { Prepare(request, fd); }) == 1;
  }

  // Hands in requests, numbered from `first` on, and waits until they are queued.
  void Queue(Uring& ring, int fd, int count, std::uint64_t first = 1) {
    const std::uint64_t before = control().Counters(Dev::kAsync).finished[method()];
    for (int i = 0; i < count; ++i) {
      ring.Add([&](io_uring_sqe* request) {
        Prepare(request, fd, first + static_cast<std::uint64_t>(i));
      });
    }
    ASSERT_THAT(ring.Submit(), SyscallSucceedsWithValue(count));
    ASSERT_THAT(
        control().WaitFinished(Dev::kAsync, method(), before + static_cast<std::uint64_t>(count)),
        SyscallSucceeds());
  }

  // The requests of a ring that has gone: reads and writes cannot be cancelled.
  void ExpectLeftToTheDriver() const {
    EXPECT_EQ(Queued(), 1U);
    EXPECT_EQ(Released(), 0U);
    EXPECT_THAT(Revoke(Dev::kAsync), SyscallSucceedsWithValue(0));
    EXPECT_EQ(Queued(), 0U);
    EXPECT_EQ(Released(), 1U);
  }

 private:
  char byte_ = 0;
};

INSTANTIATE_TEST_SUITE_P(, AsyncRequest,
                         testing::Values(Request{"Read", REVOKE_TEST_READ,
                                                 [](io_uring_sqe* request, int fd, char* byte) {
                                                   io_uring_prep_read(request, fd, byte, 1, 0);
                                                 }},
                                         Request{"ReadByWorker", REVOKE_TEST_READ,
                                                 [](io_uring_sqe* request, int fd, char* byte) {
                                                   io_uring_prep_read(request, fd, byte, 1, 0);
                                                   request->flags |= IOSQE_ASYNC;
                                                 }},
                                         Request{"Write", REVOKE_TEST_WRITE,
                                                 [](io_uring_sqe* request, int fd, char* byte) {
                                                   io_uring_prep_write(request, fd, byte, 1, 0);
                                                 }}),
                         [](const testing::TestParamInfo<Request>& info) {
                           return info.param.name;
                         });

// What the others rely on: the device does queue, and a revoke finds nothing to wait for.
REVOKE_TEST_P(AsyncRequest, CompletedByTheDriver, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  ASSERT_NO_FATAL_FAILURE(Queue(ring, fd.get(), 3));
  EXPECT_EQ(Queued(), 3U);
  EXPECT_TRUE(ring.Idle());
  ASSERT_THAT(CompleteQueued(), SyscallSucceeds());
  EXPECT_THAT(Complete(ring, 3), UnorderedElementsAre(Pair(1, 0), Pair(2, 0), Pair(3, 0)));
  EXPECT_EQ(Queued(), 0U);
  EXPECT_THAT(Revoke(Dev::kAsync), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), 1U);
  EXPECT_TRUE(ring.Idle());
}

REVOKE_TEST_P(AsyncRequest, GetsTheErrno, baseline::kEnosys) {
  const std::vector<std::function<int(int fd)>> revokes = {
      [](int) { return Revoke(Dev::kAsync); },
      [](int fd) { return RevokeFile(fd); },
      [this](int) { return control().RevokeFiles(Dev::kAsync); },
      [this](int fd) { return control().RevokeFile(fd); },
      [this](int) { return control().RevokeIt(Dev::kAsync); },
      [this](int) {
        return control().RevokeItAsync(Dev::kAsync) != 0 ? -1 : control().WaitDone(Dev::kAsync);
      },
  };
  for (std::size_t i = 0; i < revokes.size(); ++i) {
    SCOPED_TRACE("form of the revoke: " + std::to_string(i));
    Uring ring;
    ASSERT_THAT(ring, SyscallSucceeds());
    const FileDescriptor fd = OpenDevice(Dev::kAsync);
    ASSERT_NO_FATAL_FAILURE(Queue(ring, fd.get(), 3));
    ASSERT_THAT(revokes[i](fd.get()), SyscallSucceedsWithValue(0));
    EXPECT_EQ(Queued(), 0U);
    EXPECT_EQ(Released(), 1U);
    EXPECT_THAT(Complete(ring, 3),
                UnorderedElementsAre(Pair(1, -ENODEV), Pair(2, -ENODEV), Pair(3, -ENODEV)));
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    MakeItHaveToWait();
  }
}

REVOKE_TEST_P(AsyncRequest, OfAnotherFileIsNotTouched, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  const FileDescriptor other = OpenDevice(Dev::kAsync);
  ASSERT_NO_FATAL_FAILURE(Queue(ring, fd.get(), 2, 1));
  ASSERT_NO_FATAL_FAILURE(Queue(ring, other.get(), 2, 11));
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), 1U);
  EXPECT_EQ(Queued(), 2U);
  EXPECT_THAT(Complete(ring, 2), UnorderedElementsAre(Pair(1, -ENODEV), Pair(2, -ENODEV)));
  ASSERT_THAT(CompleteQueued(), SyscallSucceeds());
  EXPECT_THAT(Complete(ring, 2), UnorderedElementsAre(Pair(11, 0), Pair(12, 0)));
}

// A task that is inside when the driver is told to end its requests queues one more.
REVOKE_TEST_P(AsyncRequest, QueuedBehindTheFirstKick, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  CallInThread requester;
  CallInThread revoker;
  ArmedPoint point(control(), Dev::kAsync, method(), REVOKE_TEST_ENTER, REVOKE_TEST_STUCK);
  requester.Start([&] { return HandIn(ring, fd.get()) ? ring.Wait() : -1; });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  revoker.Start([&] { return Revoke(Dev::kAsync); });
  ASSERT_TRUE(WaitUntilKicked(Dev::kAsync));
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  EXPECT_EQ(Released(), 0U);
  point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Queued(), 0U);
  EXPECT_EQ(Released(), 1U);
  EXPECT_THAT(requester.Join(), SyscallFailsWithErrno(ENODEV));
  EXPECT_EQ(control().Counters(Dev::kAsync).kicks, 2U);
  EXPECT_TRUE(ring.Idle());
}

REVOKE_TEST_P(AsyncRequest, QueuedBehindTheFirstKickOfAnAsynchronousRevoke, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  CallInThread requester;
  ArmedPoint point(control(), Dev::kAsync, method(), REVOKE_TEST_ENTER, REVOKE_TEST_STUCK);
  requester.Start([&] { return HandIn(ring, fd.get()) ? ring.Wait() : -1; });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(control().RevokeItAsync(Dev::kAsync), SyscallSucceeds());
  EXPECT_THAT(control().IsDone(Dev::kAsync), SyscallFailsWithErrno(ETIMEDOUT));
  point.Open();
  EXPECT_THAT(control().WaitDone(Dev::kAsync), SyscallSucceeds());
  EXPECT_EQ(Queued(), 0U);
  EXPECT_EQ(Released(), 1U);
  EXPECT_THAT(requester.Join(), SyscallFailsWithErrno(ENODEV));
}

// The same from within: the method revokes its own file, and queues the request all the same.
REVOKE_TEST_P(AsyncRequest, QueuedByAMethodThatRevokesItsOwnFile, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  ASSERT_THAT(SetVictim(fd.get(), method(), fd.get()), SyscallSucceeds());
  ASSERT_TRUE(HandIn(ring, fd.get()));
  EXPECT_THAT(ring.Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_EQ(control().Counters(Dev::kAsync).victim_result, -EINPROGRESS);
  EXPECT_THAT(control().WaitFinished(Dev::kAsync, REVOKE_TEST_RELEASE), SyscallSucceeds());
  EXPECT_EQ(Queued(), 0U);
  EXPECT_TRUE(ring.Idle());
}

REVOKE_TEST_P(AsyncRequest, WhoIsInsideIsKickedOut, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  CallInThread requester;
  const ArmedPoint point(control(), Dev::kAsync, method(), REVOKE_TEST_ENTER,
                         REVOKE_TEST_INTERRUPTIBLE);
  requester.Start([&] { return HandIn(ring, fd.get()) ? ring.Wait() : -1; });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(Revoke(Dev::kAsync), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), 1U);
  EXPECT_THAT(requester.Join(), SyscallFailsWithErrno(ENODEV));
}

// The request keeps the file, as ever.
REVOKE_TEST_P(AsyncRequest, OutlivesTheDescriptor, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  FileDescriptor fd = OpenDevice(Dev::kAsync);
  ASSERT_NO_FATAL_FAILURE(Queue(ring, fd.get(), 1));
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_EQ(Released(), 0U);
  EXPECT_TRUE(ring.Idle());
  ASSERT_THAT(CompleteQueued(), SyscallSucceeds());
  EXPECT_THAT(ring.Wait(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(control().WaitFinished(Dev::kAsync, REVOKE_TEST_RELEASE), SyscallSucceeds());
  EXPECT_THAT(Revoke(Dev::kAsync), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), 1U);
}

REVOKE_TEST_P(AsyncRequest, IsFoundWithoutADescriptor, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  FileDescriptor fd = OpenDevice(Dev::kAsync);
  ASSERT_NO_FATAL_FAILURE(Queue(ring, fd.get(), 1));
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  ASSERT_THAT(Revoke(Dev::kAsync), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), 1U);
  EXPECT_THAT(ring.Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_TRUE(ring.Idle());
}

REVOKE_TEST_P(AsyncRequest, OfARegisteredFile, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  FileDescriptor fd = OpenDevice(Dev::kAsync);
  ASSERT_THAT(ring.Register(fd.get()), SyscallSucceeds());
  // The ring has it now, and nobody else.
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  const auto prepare = [&](io_uring_sqe* request) {
    Prepare(request, 0);
    request->flags |= IOSQE_FIXED_FILE;
  };
  ASSERT_THAT(ring.Submit(prepare), SyscallSucceedsWithValue(1));
  ASSERT_THAT(control().WaitFinished(Dev::kAsync, method()), SyscallSucceeds());
  ASSERT_THAT(Revoke(Dev::kAsync), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), 1U);
  EXPECT_THAT(ring.Wait(), SyscallFailsWithErrno(ENODEV));
  ASSERT_THAT(ring.Submit(prepare), SyscallSucceedsWithValue(1));
  EXPECT_THAT(ring.Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_EQ(control().Entered(Dev::kAsync, method()), 1U);
  EXPECT_THAT(ring.Unregister(), SyscallSucceeds());
  EXPECT_EQ(Released(), 1U);
}

REVOKE_TEST_P(AsyncRequest, HandedInByAnSqThread, baseline::kEnosys) {
  Uring ring(IORING_SETUP_SQPOLL);
  ASSERT_THAT(ring, SyscallSucceeds());
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  ASSERT_NO_FATAL_FAILURE(Queue(ring, fd.get(), 3));
  ASSERT_THAT(Revoke(Dev::kAsync), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Queued(), 0U);
  EXPECT_EQ(Released(), 1U);
  EXPECT_THAT(Complete(ring, 3),
              UnorderedElementsAre(Pair(1, -ENODEV), Pair(2, -ENODEV), Pair(3, -ENODEV)));
  ASSERT_TRUE(HandIn(ring, fd.get()));
  EXPECT_THAT(ring.Wait(), SyscallFailsWithErrno(ENODEV));
}

// The thread that was kicked out of a method goes on with the next request.
REVOKE_TEST_P(AsyncRequest, SqThreadInsideIsKickedOut, baseline::kEnosys) {
  Uring ring(IORING_SETUP_SQPOLL);
  ASSERT_THAT(ring, SyscallSucceeds());
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  const ArmedPoint point(control(), Dev::kAsync, method(), REVOKE_TEST_ENTER,
                         REVOKE_TEST_INTERRUPTIBLE);
  ASSERT_TRUE(HandIn(ring, fd.get()));
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(Revoke(Dev::kAsync), SyscallSucceedsWithValue(0));
  EXPECT_THAT(ring.Wait(), SyscallFailsWithErrno(ENODEV));
  ASSERT_THAT(ring.Submit(io_uring_prep_nop), SyscallSucceedsWithValue(1));
  EXPECT_THAT(ring.Wait(), SyscallSucceedsWithValue(0));
}

// Such a ring is told of a completion when its owner comes to ask, and not by a signal.
REVOKE_TEST_P(AsyncRequest, OfARingThatDefers, baseline::kEnosys) {
  Uring ring(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
  ASSERT_THAT(ring, SyscallSucceeds());
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  ASSERT_NO_FATAL_FAILURE(Queue(ring, fd.get(), 2));
  // Nobody asks before the revoke has returned.
  ASSERT_THAT(Revoke(Dev::kAsync), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), 1U);
  EXPECT_THAT(Complete(ring, 2), UnorderedElementsAre(Pair(1, -ENODEV), Pair(2, -ENODEV)));
}

REVOKE_TEST_P(AsyncRequest, RingGoesAndThenTheFile, baseline::kEnosys) {
  std::optional<Uring> ring(std::in_place);
  ASSERT_THAT(*ring, SyscallSucceeds());
  FileDescriptor fd = OpenDevice(Dev::kAsync);
  ASSERT_NO_FATAL_FAILURE(Queue(*ring, fd.get(), 1));
  ring.reset();
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  ExpectLeftToTheDriver();
}

REVOKE_TEST_P(AsyncRequest, ProcessGoesAndThenTheFile, baseline::kEnosys) {
  for (const bool killed : {true, false}) {
    SCOPED_TRACE(killed ? "killed" : "by itself");
    FileDescriptor fd = OpenDevice(Dev::kAsync);
    Checkpoint leave;
    Child child([&] {
      Uring ring;
      TEST_CHECK(ring.error() == 0);
      TEST_CHECK(HandIn(ring, fd.get()));
      TEST_CHECK(leave.WaitFor(1));
      // As exit(2) does with all that is open.
      _exit(0);
    });
    ASSERT_THAT(fd.Close(), SyscallSucceeds());
    ASSERT_THAT(control().WaitFinished(Dev::kAsync, method()), SyscallSucceeds());
    if (killed) {
      ASSERT_THAT(child.Signal(SIGKILL), SyscallSucceeds());
      ASSERT_THAT(child.Wait(), KilledBySignal(SIGKILL));
    } else {
      leave.Reach();
      ASSERT_THAT(child.Wait(), Exited(0));
    }
    ExpectLeftToTheDriver();
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    MakeItHaveToWait();
  }
}

REVOKE_TEST_P(AsyncRequest, ProcessIsKilledDuringTheRevoke, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice(Dev::kAsync);
  std::optional<Child> child;
  CallInThread revoker;
  ArmedPoint point(control(), Dev::kAsync, method(), REVOKE_TEST_ENTER, REVOKE_TEST_STUCK);
  child.emplace([&] {
    Uring ring;
    TEST_CHECK(ring.error() == 0);
    HandIn(ring, fd.get());
    pause();
  });
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  revoker.Start([&] { return Revoke(Dev::kAsync); });
  ASSERT_TRUE(WaitUntilKicked(Dev::kAsync));
  ASSERT_THAT(child->Signal(SIGKILL), SyscallSucceeds());
  EXPECT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  EXPECT_EQ(Released(), 0U);
  point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Queued(), 0U);
  EXPECT_EQ(Released(), 1U);
  EXPECT_THAT(child->Wait(), KilledBySignal(SIGKILL));
}

// ---- linked requests ----

class AsyncLink : public AsyncTest, public testing::WithParamInterface<Dev> {
 protected:
  static Dev dev() { return GetParam(); }

  // A read of `fd`, which does not complete, and `next` behind it.
  void Start(Uring& ring, int fd, unsigned int link,
             const std::vector<std::function<void(io_uring_sqe*)>>& next) {
    ring.Add([&](io_uring_sqe* request) {
      io_uring_prep_read(request, fd, &byte_, 1, 0);
      request->flags |= link;
    });
    for (const auto& prepare : next) ring.Add(prepare);
    ASSERT_THAT(ring.Submit(), SyscallSucceedsWithValue(1 + next.size()));
    if (dev() == Dev::kAsync) {
      ASSERT_THAT(control().WaitFinished(dev(), REVOKE_TEST_READ), SyscallSucceeds());
    } else {
      ASSERT_THAT(control().WaitEntered(dev(), REVOKE_TEST_POLL), SyscallSucceeds());
    }
  }

 private:
  char byte_ = 0;
};

INSTANTIATE_TEST_SUITE_P(, AsyncLink, testing::Values(Dev::kDefault, Dev::kAsync),
                         [](const testing::TestParamInfo<Dev>& info) {
                           return info.param == Dev::kAsync ? "BehindAQueuedRequest"
                                                            : "BehindAPollArmedRequest";
                         });

REVOKE_TEST_P(AsyncLink, ChainIsCancelledUnlessTheLinkIsHard, baseline::kEnosys) {
  for (const unsigned int link : {unsigned{IOSQE_IO_LINK}, unsigned{IOSQE_IO_HARDLINK}}) {
    SCOPED_TRACE(link == IOSQE_IO_LINK ? "soft" : "hard");
    Uring ring;
    ASSERT_THAT(ring, SyscallSucceeds());
    const FileDescriptor fd = OpenDevice(dev());
    const auto nop = [](std::uint64_t id, unsigned int flags) {
      return [id, flags](io_uring_sqe* request) {
        io_uring_prep_nop(request);
        request->user_data = id;
        request->flags |= flags;
      };
    };
    ASSERT_NO_FATAL_FAILURE(Start(ring, fd.get(), link, {nop(1, link), nop(2, 0), nop(3, 0)}));
    // The last one is no part of the chain.
    EXPECT_THAT(Complete(ring, 1), UnorderedElementsAre(Pair(3, 0)));
    ASSERT_THAT(Revoke(dev()), SyscallSucceedsWithValue(0));
    const int then = link == IOSQE_IO_LINK ? -ECANCELED : 0;
    EXPECT_THAT(Complete(ring, 3),
                UnorderedElementsAre(Pair(0, -ENODEV), Pair(1, then), Pair(2, then)));
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
  }
}

// A hard chain goes on to a file that has been revoked as well.
REVOKE_TEST_P(AsyncLink, ChainOfRequestsOfTheSameFile, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  const FileDescriptor fd = OpenDevice(dev());
  char byte = 0;
  const auto read = [&](std::uint64_t id, unsigned int flags) {
    return [&fd, &byte, id, flags](io_uring_sqe* request) {
      io_uring_prep_read(request, fd.get(), &byte, 1, 0);
      request->user_data = id;
      request->flags |= flags;
    };
  };
  ASSERT_NO_FATAL_FAILURE(
      Start(ring, fd.get(), IOSQE_IO_HARDLINK, {read(1, IOSQE_IO_HARDLINK), read(2, 0)}));
  ASSERT_THAT(Revoke(dev()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(Complete(ring, 3),
              UnorderedElementsAre(Pair(0, -ENODEV), Pair(1, -ENODEV), Pair(2, -ENODEV)));
}

REVOKE_TEST_P(AsyncLink, TimeoutGoesWithItsRequest, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  const FileDescriptor fd = OpenDevice(dev());
  __kernel_timespec hour = {.tv_sec = 3600, .tv_nsec = 0};
  ASSERT_NO_FATAL_FAILURE(Start(ring, fd.get(), IOSQE_IO_LINK, {[&](io_uring_sqe* request) {
                                  io_uring_prep_link_timeout(request, &hour, 0);
                                  request->user_data = 1;
                                }}));
  ASSERT_THAT(Revoke(dev()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(Complete(ring, 2), UnorderedElementsAre(Pair(0, -ENODEV), Pair(1, -ECANCELED)));
}

// ---- registered files and buffers ----

REVOKE_TEST_F(AsyncTest, RegisteredFileIsReplacedByALaterOpen, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  FileDescriptor stale = OpenDevice();
  ASSERT_THAT(ring.Register(stale.get()), SyscallSucceeds());
  ASSERT_THAT(stale.Close(), SyscallSucceeds());
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  // Whatever keeps it, it is released already.
  EXPECT_EQ(Released(Dev::kDefault), 1U);

  const FileDescriptor fd = OpenDevice();
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  char byte = 0;
  const auto read = [&](io_uring_sqe* request) {
    io_uring_prep_read(request, 0, &byte, 1, 0);
    request->flags |= IOSQE_FIXED_FILE;
  };
  ASSERT_THAT(ring.Submit(read), SyscallSucceedsWithValue(1));
  EXPECT_THAT(ring.Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(ring.UpdateRegistered(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(ring.Submit(read), SyscallSucceedsWithValue(1));
  EXPECT_THAT(ring.Wait(), SyscallSucceedsWithValue(1));
  EXPECT_EQ(byte, 'r');
  EXPECT_EQ(Released(Dev::kDefault), 1U);
}

REVOKE_TEST_F(AsyncTest, RingWithARegisteredFileGoesAfterTheRevoke, baseline::kEnosys) {
  std::optional<Uring> ring(std::in_place);
  ASSERT_THAT(*ring, SyscallSucceeds());
  FileDescriptor stale = OpenDevice();
  ASSERT_THAT(ring->Register(stale.get()), SyscallSucceeds());
  ASSERT_THAT(stale.Close(), SyscallSucceeds());
  EXPECT_EQ(Released(Dev::kDefault), 0U);
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  ring.reset();
  EXPECT_EQ(Released(Dev::kDefault), 1U);
}

REVOKE_TEST_P(AsyncLink, ReadIntoARegisteredBuffer, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  const FileDescriptor fd = OpenDevice(dev());
  char byte = 0;
  const iovec buffer = {.iov_base = &byte, .iov_len = 1};
  ASSERT_THAT(-io_uring_register_buffers(ring.get(), &buffer, 1), SyscallSucceedsWithValue(0));
  const auto read = [&](io_uring_sqe* request) {
    io_uring_prep_read_fixed(request, fd.get(), &byte, 1, 0, 0);
  };
  ASSERT_THAT(control().PutData(dev(), 1), SyscallSucceeds());
  ASSERT_THAT(ring.Submit(read), SyscallSucceedsWithValue(1));
  ASSERT_THAT(ring.Wait(), SyscallSucceedsWithValue(1));
  ASSERT_EQ(byte, 'r');

  const revoke_test_counters before = control().Counters(dev());
  ASSERT_THAT(ring.Submit(read), SyscallSucceedsWithValue(1));
  if (dev() == Dev::kAsync) {
    ASSERT_THAT(
        control().WaitFinished(dev(), REVOKE_TEST_READ, before.finished[REVOKE_TEST_READ] + 1),
        SyscallSucceeds());
  } else {
    ASSERT_THAT(
        control().WaitEntered(dev(), REVOKE_TEST_POLL, before.entered[REVOKE_TEST_POLL] + 1),
        SyscallSucceeds());
  }
  // The request keeps the buffer, and the revoke ends the request.
  EXPECT_EQ(io_uring_unregister_buffers(ring.get()), 0);
  ASSERT_THAT(Revoke(dev()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(ring.Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_TRUE(ring.Idle());
}

// ---- cancellation ----

// Cancelling is not revoking: the errno of a live file stays what it is.
REVOKE_TEST_F(AsyncTest, CancelOfALiveFilesRequests, baseline::kEnosys) {
  const auto cancel = [](io_uring_sqe* request) {
    io_uring_prep_cancel64(request, 1, 0);
    request->user_data = 2;
  };
  char byte = 0;
  const auto read_of = [&](int fd, unsigned int flags) {
    return [&byte, fd, flags](io_uring_sqe* request) {
      io_uring_prep_read(request, fd, &byte, 1, 0);
      request->user_data = 1;
      request->flags |= flags;
    };
  };
  {
    SCOPED_TRACE("armed poll");
    Uring ring;
    const FileDescriptor fd = OpenDevice();
    ASSERT_THAT(ring.Submit(read_of(fd.get(), 0)), SyscallSucceedsWithValue(1));
    ASSERT_THAT(ring.Submit(cancel), SyscallSucceedsWithValue(1));
    EXPECT_THAT(Complete(ring, 2), UnorderedElementsAre(Pair(1, -ECANCELED), Pair(2, 0)));
    EXPECT_THAT(Revoke(), SyscallSucceedsWithValue(0));
    EXPECT_TRUE(ring.Idle());
  }
  {
    SCOPED_TRACE("inside the method");
    Uring ring;
    const FileDescriptor fd = OpenDevice(Dev::kAsync);
    const ArmedPoint point(control(), Dev::kAsync, REVOKE_TEST_READ, REVOKE_TEST_ENTER,
                           REVOKE_TEST_INTERRUPTIBLE);
    ASSERT_THAT(ring.Submit(read_of(fd.get(), IOSQE_ASYNC)), SyscallSucceedsWithValue(1));
    ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
    ASSERT_THAT(ring.Submit(cancel), SyscallSucceedsWithValue(1));
    EXPECT_THAT(Complete(ring, 2), UnorderedElementsAre(Pair(1, -EINTR), Pair(2, -EALREADY)));
    EXPECT_THAT(Revoke(Dev::kAsync), SyscallSucceedsWithValue(0));
    EXPECT_TRUE(ring.Idle());
  }
  {
    SCOPED_TRACE("the driver's");
    Uring ring;
    const FileDescriptor fd = OpenDevice(Dev::kAsync);
    ASSERT_THAT(ring.Submit(read_of(fd.get(), 0)), SyscallSucceedsWithValue(1));
    ASSERT_THAT(ring.Submit(cancel), SyscallSucceedsWithValue(1));
    EXPECT_THAT(Complete(ring, 1), UnorderedElementsAre(Pair(2, -ENOENT)));
    EXPECT_EQ(Queued(), 1U);
    EXPECT_THAT(Revoke(Dev::kAsync), SyscallSucceedsWithValue(0));
    EXPECT_THAT(Complete(ring, 1), UnorderedElementsAre(Pair(1, -ENODEV)));
  }
}

REVOKE_TEST_F(AsyncTest, CancelDuringTheRevoke, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  CallInThread revoker;
  char byte = 0;
  ArmedPoint point(control(), Dev::kAsync, REVOKE_TEST_READ, REVOKE_TEST_ENTER, REVOKE_TEST_STUCK);
  ASSERT_THAT(ring.Submit([&](io_uring_sqe* request) {
    io_uring_prep_read(request, fd.get(), &byte, 1, 0);
    request->user_data = 1;
    request->flags |= IOSQE_ASYNC;
  }),
              SyscallSucceedsWithValue(1));
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  revoker.Start([&] { return Revoke(Dev::kAsync); });
  ASSERT_TRUE(WaitUntilKicked(Dev::kAsync));
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  ASSERT_THAT(ring.Submit([](io_uring_sqe* request) {
    io_uring_prep_cancel64(request, 1, 0);
    request->user_data = 2;
  }),
              SyscallSucceedsWithValue(1));
  EXPECT_THAT(Complete(ring, 1), UnorderedElementsAre(Pair(2, -EALREADY)));
  point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(Complete(ring, 1), UnorderedElementsAre(Pair(1, -ENODEV)));
  EXPECT_EQ(Queued(), 0U);
}

}  // namespace
}  // namespace revoke_test
