// SPDX-License-Identifier: GPL-2.0
//
// Requests of aio when the file they are for is revoked: those that the driver has queued, as
// async_test has it for io_uring, and those of drivers that do not.

#include "aio.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

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

namespace revoke_test {
namespace {

// The driver knows of no asynchronous requests: it is read in io_submit(2).
REVOKE_TEST_F(AsyncTest, IsSynchronousForOtherDrivers, baseline::kEnosys) {
  Aio aio;
  ASSERT_THAT(aio, SyscallSucceeds());
  const FileDescriptor fd = OpenDevice();
  char byte = 0;
  CallInThread submitter([&] { return aio.Read(fd.get(), &byte, 1); });
  ASSERT_TRUE(WaitUntilBlocked(submitter.tid(), {.syscall = SYS_io_submit}));
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(submitter.Join(), SyscallSucceedsWithValue(1));
  EXPECT_THAT(aio.Wait(), SyscallFailsWithErrno(ENODEV));
}

class AioTest : public AsyncTest, public testing::WithParamInterface<revoke_test_method> {
 protected:
  void SetUp() override {
    AsyncTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    MakeItHaveToWait();
    ASSERT_THAT(aio_, SyscallSucceeds());
  }

  static revoke_test_method method() { return GetParam(); }
  Aio& aio() { return aio_; }

  void MakeItHaveToWait() const {
    if (method() != REVOKE_TEST_WRITE) return;
    ASSERT_THAT(control().PutData(Dev::kAsync, REVOKE_TEST_FIFO_SIZE), SyscallSucceeds());
  }
  int HandIn(Aio& aio, int fd) {
    return method() == REVOKE_TEST_WRITE ? aio.Write(fd, &byte_, 1) : aio.Read(fd, &byte_, 1);
  }
  int HandIn(int fd) { return HandIn(aio_, fd); }

 private:
  Aio aio_;
  char byte_ = 0;
};

INSTANTIATE_TEST_SUITE_P(, AioTest, testing::Values(REVOKE_TEST_READ, REVOKE_TEST_WRITE),
                         [](const testing::TestParamInfo<revoke_test_method>& info) {
                           return info.param == REVOKE_TEST_WRITE ? "Write" : "Read";
                         });

REVOKE_TEST_P(AioTest, CompletedByTheDriver, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  ASSERT_THAT(HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(HandIn(fd.get()), SyscallSucceedsWithValue(1));
  EXPECT_EQ(Queued(), 2U);
  EXPECT_TRUE(aio().Idle());
  ASSERT_THAT(CompleteQueued(), SyscallSucceeds());
  EXPECT_THAT(aio().Wait(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(aio().Wait(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(Revoke(Dev::kAsync), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), 1U);
  EXPECT_TRUE(aio().Idle());
}

REVOKE_TEST_P(AioTest, GetsTheErrno, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  const FileDescriptor other = OpenDevice(Dev::kAsync);
  ASSERT_THAT(HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(HandIn(other.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), 1U);
  EXPECT_EQ(Queued(), 1U);
  EXPECT_THAT(aio().Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(aio().Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_TRUE(aio().Idle());
  ASSERT_THAT(control().RevokeItAsync(Dev::kAsync), SyscallSucceeds());
  EXPECT_THAT(control().WaitDone(Dev::kAsync), SyscallSucceeds());
  EXPECT_EQ(Queued(), 0U);
  EXPECT_THAT(aio().Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_TRUE(aio().Idle());
  EXPECT_THAT(aio().Destroy(), SyscallSucceeds());
}

REVOKE_TEST_P(AioTest, QueuedBehindTheFirstKick, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  CallInThread requester;
  CallInThread revoker;
  ArmedPoint point(control(), Dev::kAsync, method(), REVOKE_TEST_ENTER, REVOKE_TEST_STUCK);
  requester.Start([&] { return HandIn(fd.get()); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  revoker.Start([&] { return Revoke(Dev::kAsync); });
  ASSERT_TRUE(WaitUntilKicked(Dev::kAsync));
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  EXPECT_EQ(Released(), 0U);
  point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Queued(), 0U);
  EXPECT_EQ(Released(), 1U);
  EXPECT_THAT(requester.Join(), SyscallSucceedsWithValue(1));
  EXPECT_THAT(aio().Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_EQ(control().Counters(Dev::kAsync).kicks, 2U);
  EXPECT_TRUE(aio().Idle());
}

REVOKE_TEST_P(AioTest, OutlivesTheDescriptor, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice(Dev::kAsync);
  ASSERT_THAT(HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_EQ(Released(), 0U);
  ASSERT_THAT(CompleteQueued(), SyscallSucceeds());
  EXPECT_THAT(aio().Wait(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(control().WaitFinished(Dev::kAsync, REVOKE_TEST_RELEASE), SyscallSucceeds());

  fd = OpenDevice(Dev::kAsync);
  ASSERT_THAT(HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  ASSERT_THAT(Revoke(Dev::kAsync), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), 2U);
  EXPECT_THAT(aio().Wait(), SyscallFailsWithErrno(ENODEV));
}

REVOKE_TEST_P(AioTest, CancelledBeforeTheRevoke, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  ASSERT_THAT(HandIn(fd.get()), SyscallSucceedsWithValue(1));
  EXPECT_THAT(aio().CancelLast(), SyscallFailsWithErrno(EINPROGRESS));
  EXPECT_THAT(aio().Wait(), SyscallFailsWithErrno(ECANCELED));
  EXPECT_EQ(Queued(), 0U);
  EXPECT_THAT(Revoke(Dev::kAsync), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), 1U);
  EXPECT_TRUE(aio().Idle());
}

REVOKE_TEST_P(AioTest, CancelledAfterTheRevoke, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  ASSERT_THAT(HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(Revoke(Dev::kAsync), SyscallSucceedsWithValue(0));
  EXPECT_THAT(aio().CancelLast(), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(aio().Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_TRUE(aio().Idle());
}

// The driver has got ready to queue it, and then was woken: it is not queued, and will be asked for
// once more.
REVOKE_TEST_P(AioTest, CannotBeCancelledWhileItIsPutOff, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  CallInThread requester;
  ArmedPoint inside(control(), Dev::kAsync, method(), REVOKE_TEST_ENTER, REVOKE_TEST_INTERRUPTIBLE);
  requester.Start([&] { return HandIn(fd.get()); });
  ASSERT_THAT(inside.WaitBlocked(), SyscallSucceeds());
  Suspension suspension(control(), Dev::kAsync);
  inside.Open();
  ASSERT_TRUE(WaitUntilBlocked(requester.tid(), {.syscall = SYS_io_submit}));
  EXPECT_THAT(aio().CancelLast(), SyscallFailsWithErrno(EINVAL));
  suspension.Resume();
  EXPECT_THAT(requester.Join(), SyscallSucceedsWithValue(1));
  EXPECT_EQ(Queued(), 1U);
  EXPECT_THAT(aio().CancelLast(), SyscallFailsWithErrno(EINPROGRESS));
  EXPECT_THAT(aio().Wait(), SyscallFailsWithErrno(ECANCELED));
  EXPECT_TRUE(aio().Idle());
}

REVOKE_TEST_P(AioTest, ContextGoesAndThenTheFile, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kAsync);
  ASSERT_THAT(HandIn(fd.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(HandIn(fd.get()), SyscallSucceedsWithValue(1));
  EXPECT_THAT(aio().Destroy(), SyscallSucceeds());
  EXPECT_EQ(Queued(), 0U);
  EXPECT_EQ(Released(), 0U);
  EXPECT_THAT(Revoke(Dev::kAsync), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), 1U);
}

REVOKE_TEST_P(AioTest, ProcessGoesAndThenTheFile, baseline::kEnosys) {
  for (const bool killed : {true, false}) {
    SCOPED_TRACE(killed ? "killed" : "by itself");
    FileDescriptor fd = OpenDevice(Dev::kAsync);
    Checkpoint leave;
    Child child([&] {
      Aio own;
      TEST_CHECK(own.error() == 0);
      TEST_PCHECK(HandIn(own, fd.get()) == 1);
      TEST_PCHECK(HandIn(own, fd.get()) == 1);
      TEST_CHECK(leave.WaitFor(1));
      _exit(0);
    });
    ASSERT_THAT(fd.Close(), SyscallSucceeds());
    ASSERT_THAT(control().WaitFinished(Dev::kAsync, method(), 2), SyscallSucceeds());
    if (killed) {
      ASSERT_THAT(child.Signal(SIGKILL), SyscallSucceeds());
      ASSERT_THAT(child.Wait(), KilledBySignal(SIGKILL));
    } else {
      leave.Reach();
      ASSERT_THAT(child.Wait(), Exited(0));
    }
    EXPECT_EQ(Queued(), 0U);
    EXPECT_THAT(control().WaitFinished(Dev::kAsync, REVOKE_TEST_RELEASE), SyscallSucceeds());
    EXPECT_THAT(Revoke(Dev::kAsync), SyscallSucceedsWithValue(0));
    EXPECT_EQ(Released(), 1U);
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    MakeItHaveToWait();
  }
}

}  // namespace
}  // namespace revoke_test
