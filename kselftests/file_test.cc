// SPDX-License-Identifier: GPL-2.0
//
// What becomes of an open file when it is revoked: every system call on it, whoever is inside one,
// the moment of ->release, and what happens to other files of the same device.

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <functional>
#include <list>
#include <optional>
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
#include "revokeat.h"
#include "sigbus_probe.h"
#include "test_check.h"
#include "test_device.h"

namespace revoke_test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

constexpr short kAllEvents = POLLIN | POLLOUT | POLLERR | POLLHUP;

std::string FdInfo(int fd) {
  return ReadSmallFile("/proc/self/fdinfo/" + std::to_string(fd)).value_or("");
}

class FileTest : public TestDeviceTest {
 protected:
};

// ---- every call, with every policy ----

class FilePolicy : public FileTest, public testing::WithParamInterface<Dev> {
 protected:
  void SetUp() override {
    FileTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    fd_ = OpenDevice(GetParam());
    ASSERT_THAT(fd_, SyscallSucceeds());
  }

  int fd() const { return fd_.get(); }
  FileDescriptor& descriptor() { return fd_; }
  RevokedErrnos errnos() const { return RevokedErrnosOf(GetParam()); }
  // A file with ->read and ->write, but neither of the _iter methods, cannot be spliced, revoked
  // or not.
  static testing::Matcher<long> IfItCanBeSpliced(testing::Matcher<long> result) {
    return GetParam() == Dev::kOwner ? SyscallFailsWithErrno(EINVAL) : result;
  }
  void RevokeIt() { ASSERT_THAT(Revoke(GetParam()), SyscallSucceedsWithValue(0)); }
  void PutData(std::uint32_t bytes) {
    ASSERT_THAT(control().PutData(GetParam(), bytes), SyscallSucceeds());
  }

 private:
  FileDescriptor fd_;
};

INSTANTIATE_TEST_SUITE_P(, FilePolicy,
                         testing::Values(Dev::kDefault, Dev::kOwner, Dev::kEof, Dev::kPrepare,
                                         Dev::kAsync),
                         DevName);

REVOKE_TEST_P(FilePolicy, Read, baseline::kEnosys) {
  std::array<char, 4> buffer{};
  const iovec vector = {.iov_base = buffer.data(), .iov_len = buffer.size()};
  PutData(12);
  ASSERT_THAT(read(fd(), buffer.data(), 4), SyscallSucceedsWithValue(4));
  ASSERT_THAT(pread(fd(), buffer.data(), 2, 0), SyscallSucceedsWithValue(2));
  ASSERT_THAT(readv(fd(), &vector, 1), SyscallSucceedsWithValue(4));
  RevokeIt();
  // Two bytes are left, for nobody.
  EXPECT_THAT(read(fd(), buffer.data(), 4), Gives(errnos().read));
  EXPECT_THAT(pread(fd(), buffer.data(), 4, 0), Gives(errnos().read));
  EXPECT_THAT(readv(fd(), &vector, 1), Gives(errnos().read));
  EXPECT_THAT(preadv2(fd(), &vector, 1, -1, 0), Gives(errnos().read));
  EXPECT_EQ(control().Entered(GetParam(), REVOKE_TEST_READ), 3U);
}

REVOKE_TEST_P(FilePolicy, Write, baseline::kEnosys) {
  const iovec vector = {.iov_base = const_cast<char*>("data"), .iov_len = 4};
  ASSERT_THAT(write(fd(), "data", 4), SyscallSucceedsWithValue(4));
  ASSERT_THAT(writev(fd(), &vector, 1), SyscallSucceedsWithValue(4));
  RevokeIt();
  EXPECT_THAT(write(fd(), "data", 4), Gives(errnos().write));
  EXPECT_THAT(pwrite(fd(), "data", 4, 0), Gives(errnos().write));
  EXPECT_THAT(writev(fd(), &vector, 1), Gives(errnos().write));
  EXPECT_THAT(pwritev2(fd(), &vector, 1, -1, 0), Gives(errnos().write));
  EXPECT_EQ(control().Entered(GetParam(), REVOKE_TEST_WRITE), 2U);
}

REVOKE_TEST_P(FilePolicy, Ioctl, baseline::kEnosys) {
  ASSERT_THAT(Generation(fd()), SyscallSucceeds());
  ASSERT_THAT(ioctl(fd(), REVOKE_TEST_RETURN, -ENOSPC), SyscallFailsWithErrno(ENOSPC));
  RevokeIt();
  EXPECT_THAT(Generation(fd()), Gives(errnos().ioctl));
  EXPECT_THAT(ioctl(fd(), REVOKE_TEST_RETURN, -ENOSPC), Gives(errnos().ioctl));
  EXPECT_EQ(control().Entered(GetParam(), REVOKE_TEST_IOCTL), 2U);
}

REVOKE_TEST_P(FilePolicy, Seek, baseline::kEnosys) {
  ASSERT_THAT(lseek(fd(), 8, SEEK_SET), SyscallSucceedsWithValue(8));
  RevokeIt();
  EXPECT_THAT(lseek(fd(), 16, SEEK_SET), Gives(errnos().other));
  EXPECT_THAT(lseek(fd(), 0, SEEK_CUR), Gives(errnos().other));
}

REVOKE_TEST_P(FilePolicy, Sync, baseline::kEnosys) {
  ASSERT_THAT(fsync(fd()), SyscallSucceeds());
  RevokeIt();
  EXPECT_THAT(fsync(fd()), Gives(errnos().other));
  EXPECT_THAT(fdatasync(fd()), Gives(errnos().other));
}

REVOKE_TEST_P(FilePolicy, Mmap, baseline::kEnosys) {
  const FileDescriptor& descriptor = this->descriptor();
  ASSERT_THAT(MapShape(descriptor, REVOKE_TEST_SHAPE_FAULT_PAGE), SyscallSucceeds());
  RevokeIt();
  EXPECT_THAT(MapShape(descriptor, REVOKE_TEST_SHAPE_FAULT_PAGE),
              SyscallFailsWithErrno(errnos().mmap));
  EXPECT_THAT(MapShape(descriptor, REVOKE_TEST_SHAPE_FAULT_PAGE, 1, PROT_READ, MAP_PRIVATE),
              SyscallFailsWithErrno(errnos().mmap));
  EXPECT_EQ(control().Entered(GetParam(), REVOKE_TEST_MMAP), 1U);
}

REVOKE_TEST_P(FilePolicy, Splice, baseline::kEnosys) {
  const PipeEnds pipe = Pipe();
  PutData(8);
  ASSERT_THAT(splice(fd(), nullptr, pipe.write.get(), nullptr, 4, 0),
              IfItCanBeSpliced(SyscallSucceedsWithValue(4)));
  ASSERT_THAT(splice(pipe.read.get(), nullptr, fd(), nullptr, 2, 0),
              IfItCanBeSpliced(SyscallSucceedsWithValue(2)));
  RevokeIt();
  EXPECT_THAT(splice(fd(), nullptr, pipe.write.get(), nullptr, 4, 0),
              IfItCanBeSpliced(Gives(errnos().read)));
  // The two bytes left in the pipe have a writer's errno coming.
  EXPECT_THAT(splice(pipe.read.get(), nullptr, fd(), nullptr, 2, 0),
              IfItCanBeSpliced(Gives(errnos().write)));
}

REVOKE_TEST_P(FilePolicy, Sendfile, baseline::kEnosys) {
  const FileDescriptor source = MemFd("source", 64);
  off_t offset = 0;
  ASSERT_THAT(sendfile(fd(), source.get(), &offset, 4),
              IfItCanBeSpliced(SyscallSucceedsWithValue(4)));
  RevokeIt();
  EXPECT_THAT(sendfile(fd(), source.get(), &offset, 4), IfItCanBeSpliced(Gives(errnos().write)));
}

REVOKE_TEST_P(FilePolicy, PollAndSelect, baseline::kEnosys) {
  pollfd polled = {.fd = fd(), .events = POLLIN | POLLOUT, .revents = 0};
  ASSERT_THAT(poll(&polled, 1, 0), SyscallSucceedsWithValue(1));
  ASSERT_EQ(polled.revents, POLLOUT);
  RevokeIt();
  // For ever: nothing consumes it.
  for (int again = 0; again < 3; ++again) {
    EXPECT_THAT(poll(&polled, 1, -1), SyscallSucceedsWithValue(1));
    EXPECT_EQ(polled.revents, kAllEvents);
  }
  polled.events = 0;
  EXPECT_THAT(poll(&polled, 1, -1), SyscallSucceedsWithValue(1));
  EXPECT_EQ(polled.revents, POLLERR | POLLHUP);

  fd_set in;
  fd_set out;
  fd_set except;
  for (fd_set* set : {&in, &out, &except}) {
    FD_ZERO(set);
    FD_SET(fd(), set);
  }
  EXPECT_THAT(select(fd() + 1, &in, &out, &except, nullptr), SyscallSucceedsWithValue(2));
  EXPECT_TRUE(FD_ISSET(fd(), &in));
  EXPECT_TRUE(FD_ISSET(fd(), &out));
}

REVOKE_TEST_P(FilePolicy, Epoll, baseline::kEnosys) {
  const FileDescriptor epoll = Epoll();
  const FileDescriptor late_epoll = Epoll();
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = 7;
  ASSERT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd(), &event), SyscallSucceeds());
  ASSERT_THAT(epoll_wait(epoll.get(), &event, 1, 0), SyscallSucceedsWithValue(0));
  RevokeIt();
  for (int again = 0; again < 3; ++again) {
    ASSERT_THAT(epoll_wait(epoll.get(), &event, 1, -1), SyscallSucceedsWithValue(1));
    EXPECT_EQ(event.events, EPOLLIN | EPOLLERR | EPOLLHUP);
    EXPECT_EQ(event.data.u64, 7U);
  }
  event.events = EPOLLIN | EPOLLOUT;
  EXPECT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_MOD, fd(), &event), SyscallSucceeds());
  EXPECT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_DEL, fd(), nullptr), SyscallSucceeds());
  ASSERT_THAT(epoll_ctl(late_epoll.get(), EPOLL_CTL_ADD, fd(), &event), SyscallSucceeds());
  EXPECT_THAT(epoll_wait(late_epoll.get(), &event, 1, -1), SyscallSucceedsWithValue(1));
  EXPECT_EQ(event.events, EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP);
}

REVOKE_TEST_P(FilePolicy, EdgeTriggeredEpollHasOneEdge, baseline::kEnosys) {
  const FileDescriptor epoll = Epoll();
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  ASSERT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd(), &event), SyscallSucceeds());
  RevokeIt();
  ASSERT_THAT(epoll_wait(epoll.get(), &event, 1, -1), SyscallSucceedsWithValue(1));
  EXPECT_EQ(event.events, EPOLLIN | EPOLLERR | EPOLLHUP);
}

REVOKE_TEST_P(FilePolicy, DescriptorOperations, baseline::kEnosys) {
  RevokeIt();
  EXPECT_THAT(fcntl(fd(), F_GETFD), SyscallSucceedsWithValue(FD_CLOEXEC));
  EXPECT_THAT(fcntl(fd(), F_SETFD, 0), SyscallSucceeds());
  EXPECT_THAT(fcntl(fd(), F_GETFL), SyscallSucceeds());
  EXPECT_THAT(fcntl(fd(), F_SETFL, O_NONBLOCK), SyscallSucceeds());
  struct stat status{};
  EXPECT_THAT(fstat(fd(), &status), SyscallSucceeds());
  FileDescriptor dup = Duplicate(fd());
  EXPECT_THAT(dup, SyscallSucceeds());
  EXPECT_THAT(Generation(dup.get()), Gives(errnos().ioctl));
  EXPECT_THAT(dup.Close(), SyscallSucceeds());
  EXPECT_THAT(descriptor().Close(), SyscallSucceeds());
}

REVOKE_TEST_P(FilePolicy, Locks, baseline::kEnosys) {
  struct flock lock{};
  lock.l_whence = SEEK_SET;
  lock.l_type = F_WRLCK;
  ASSERT_THAT(fcntl(fd(), F_SETLK, &lock), SyscallSucceeds());
  ASSERT_THAT(flock(fd(), LOCK_SH), SyscallSucceeds());
  RevokeIt();
  EXPECT_THAT(fcntl(fd(), F_SETLK, &lock), Gives(errnos().other));
  EXPECT_THAT(fcntl(fd(), F_OFD_SETLK, &lock), Gives(errnos().other));
  EXPECT_THAT(flock(fd(), LOCK_EX), Gives(errnos().other));
  lock.l_type = F_UNLCK;
  EXPECT_THAT(fcntl(fd(), F_SETLK, &lock), SyscallSucceeds());
  EXPECT_THAT(flock(fd(), LOCK_UN), SyscallSucceeds());
}

REVOKE_TEST_P(FilePolicy, AsyncNotification, baseline::kEnosys) {
  ASSERT_NE(std::signal(SIGIO, SIG_IGN), SIG_ERR);
  const FileDescriptor other = OpenDevice(GetParam());
  for (const int number : {fd(), other.get()}) {
    ASSERT_THAT(fcntl(number, F_SETOWN, getpid()), SyscallSucceeds());
    ASSERT_THAT(fcntl(number, F_SETFL, O_ASYNC), SyscallSucceeds());
  }
  RevokeIt();
  // That nothing is left on the device is looked at after each test.
  EXPECT_THAT(fcntl(fd(), F_SETFL, 0), SyscallSucceeds());
  EXPECT_THAT(fcntl(fd(), F_SETFL, O_ASYNC), Gives(errnos().other));
}

REVOKE_TEST_P(FilePolicy, FdInfo, baseline::kEnosys) {
  EXPECT_THAT(FdInfo(fd()), HasSubstr("revoke-test-generation:"));
  EXPECT_THAT(FdInfo(fd()), Not(HasSubstr("revoked:")));
  RevokeIt();
  EXPECT_THAT(FdInfo(fd()), HasSubstr("\nrevoked:\t1\n"));
  EXPECT_THAT(FdInfo(fd()), Not(HasSubstr("revoke-test-generation:")));
}

REVOKE_TEST_P(FilePolicy, BlockedRead, baseline::kEnosys) {
  char byte = 0;
  CallInThread reader([&] { return read(fd(), &byte, 1); });
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  RevokeIt();
  EXPECT_THAT(reader.Join(), Gives(errnos().read));
}

REVOKE_TEST_P(FilePolicy, BlockedWrite, baseline::kEnosys) {
  const std::vector<char> much(REVOKE_TEST_FIFO_SIZE, 'w');
  ASSERT_THAT(write(fd(), much.data(), much.size()), SyscallSucceedsWithValue(much.size()));
  CallInThread writer([&] { return write(fd(), "more", 4); });
  ASSERT_TRUE(WaitUntilBlocked(writer.tid(), {.syscall = SYS_write}));
  RevokeIt();
  EXPECT_THAT(writer.Join(), Gives(errnos().write));
}

// ---- who is inside when it happens ----

struct BlockedMethod {
  const char* name;
  revoke_test_method method;
  std::function<long(int fd)> call;
};

void PrintTo(const BlockedMethod& method, std::ostream* os) { *os << method.name; }

// In a process of its own: one that is stopped in ->mmap holds the lock of its address space.
class FileBlocked : public FileTest, public testing::WithParamInterface<BlockedMethod> {};

INSTANTIATE_TEST_SUITE_P(
    , FileBlocked,
    testing::Values(
        BlockedMethod{"Read", REVOKE_TEST_READ,
                      [](int fd) {
                        char byte = 0;
                        return read(fd, &byte, 1);
                      }},
        BlockedMethod{"Write", REVOKE_TEST_WRITE, [](int fd) { return write(fd, "x", 1); }},
        BlockedMethod{"Ioctl", REVOKE_TEST_IOCTL, [](int fd) { return long{Generation(fd)}; }},
        BlockedMethod{"Sync", REVOKE_TEST_FSYNC, [](int fd) { return long{fsync(fd)}; }},
        BlockedMethod{"Seek", REVOKE_TEST_LLSEEK, [](int fd) { return lseek(fd, 0, SEEK_SET); }},
        BlockedMethod{"Splice", REVOKE_TEST_SPLICE_READ,
                      [](int fd) {
                        const PipeEnds pipe = Pipe();
                        return splice(fd, nullptr, pipe.write.get(), nullptr, 1, 0);
                      }},
        BlockedMethod{"Mmap", REVOKE_TEST_MMAP,
                      [](int fd) {
                        void* base = mmap(nullptr, PageSize(), PROT_READ, MAP_SHARED, fd, 0);
                        return base == MAP_FAILED ? -1L : 0L;
                      }}),
    [](const testing::TestParamInfo<BlockedMethod>& info) { return info.param.name; });

REVOKE_TEST_P(FileBlocked, GetsTheErrnoAndNotEintr, baseline::kEnosys) {
  for (const revoke_test_mode mode : {REVOKE_TEST_INTERRUPTIBLE, REVOKE_TEST_UNTIL_REVOKED}) {
    SCOPED_TRACE(mode == REVOKE_TEST_INTERRUPTIBLE ? "interruptible"
                                                   : "woken by the driver's kick");
    const FileDescriptor fd = OpenDevice();
    std::optional<Child> caller;
    ArmedPoint point(control(), Dev::kDefault, GetParam().method, REVOKE_TEST_ENTER, mode);
    caller.emplace([&] { TEST_PCHECK(GetParam().call(fd.get()) == -1 && errno == ENODEV); });
    ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
    ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
    EXPECT_THAT(caller->Wait(), Exited(0));
  }
}

// A driver that cannot be woken is waited for, and only then released.
REVOKE_TEST_P(FileBlocked, IsWaitedFor, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  std::optional<Child> caller;
  CallInThread revoker;
  ArmedPoint point(control(), Dev::kDefault, GetParam().method, REVOKE_TEST_ENTER,
                   REVOKE_TEST_STUCK);
  caller.emplace([&] { GetParam().call(fd.get()); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  revoker.Start([&] { return Revoke(); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 0U);
  // Nobody else gets in any more.
  EXPECT_THAT(fsync(fd.get()), SyscallFailsWithErrno(ENODEV));
  point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
  EXPECT_THAT(caller->Wait(), Exited(0));
}

REVOKE_TEST_F(FileTest, ReaderInAnotherProcess, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  Child reader([&] {
    char byte = 0;
    TEST_PCHECK(read(fd.get(), &byte, 1) == -1 && errno == ENODEV);
  });
  ASSERT_TRUE(WaitUntilBlocked(reader.pid(), {.syscall = SYS_read}));
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(reader.Wait(), Exited(0));
}

REVOKE_TEST_F(FileTest, ManyReadersOfOneFileAndOfMany, baseline::kEnosys) {
  constexpr int kReaders = 4;
  const FileDescriptor shared = OpenDevice();
  std::vector<FileDescriptor> own;
  for (int i = 0; i < kReaders; ++i) own.push_back(OpenDevice());
  std::vector<int> numbers(kReaders, shared.get());
  for (const FileDescriptor& fd : own) numbers.push_back(fd.get());
  std::vector<char> bytes(numbers.size());
  std::list<CallInThread> readers;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    readers.emplace_back([&, i] { return read(numbers[i], &bytes[i], 1); });
  }
  for (CallInThread& reader : readers) {
    ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  }
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  for (CallInThread& reader : readers) EXPECT_THAT(reader.Join(), SyscallFailsWithErrno(ENODEV));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U + kReaders);
}

// What woke the reader up must not end the next call of that thread.
REVOKE_TEST_F(FileTest, NextWaitIsNotInterrupted, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor event_fd = EventFd();
  const FileDescriptor epoll = Epoll();
  epoll_event event{};
  event.events = EPOLLIN;
  ASSERT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, event_fd.get(), &event), SyscallSucceeds());
  long read_result = 0;
  CallInThread call([&] {
    char byte = 0;
    read_result = read(fd.get(), &byte, 1);
    epoll_event occurred{};
    return epoll_wait(epoll.get(), &occurred, 1, -1);
  });
  ASSERT_TRUE(WaitUntilBlocked(call.tid(), {.syscall = SYS_read}));
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(WaitUntilBlocked(call.tid(), {.syscall = SYS_epoll_wait}));
  ASSERT_THAT(eventfd_write(event_fd.get(), 1), SyscallSucceeds());
  EXPECT_THAT(call.Join(), SyscallSucceedsWithValue(1));
  EXPECT_EQ(read_result, -1);
}

REVOKE_TEST_F(FileTest, KillingTheTaskInsideLetsTheRevokeComplete, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread revoker;
  ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                   REVOKE_TEST_KILLABLE);
  Child inside([&] { fsync(fd.get()); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  revoker.Start([&] { return Revoke(); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  ASSERT_THAT(inside.Signal(SIGKILL), SyscallSucceeds());
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(inside.Wait(), KilledBySignal(SIGKILL));
}

// Access to memory ends although a method is stuck (G2 does not wait for G1).
REVOKE_TEST_F(FileTest, MappingDiesWhileAMethodIsStuck, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const Mapping mapping = MapShape(fd, REVOKE_TEST_SHAPE_REMAP_PFN);
  CallInThread call;
  CallInThread revoker;
  ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                   REVOKE_TEST_STUCK);
  call.Start([&] { return fsync(fd.get()); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  revoker.Start([&] { return Revoke(); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  EXPECT_THAT(Probe::Read(PageWord(mapping, 0)), DiesOfSigbusAt(PageWord(mapping, 0)));
  point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
}

REVOKE_TEST_F(FileTest, RevokeFromInsideItsOwnMethod, baseline::kEnosys) {
  for (const unsigned int command :
       {REVOKE_TEST_REVOKE_SELF, REVOKE_TEST_REVOKE_ALL, REVOKE_TEST_REVOKE_DEV}) {
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    FileDescriptor fd = OpenDevice();
    // It would wait for itself, so it is told that somebody else does.
    EXPECT_THAT(ioctl(fd.get(), command, 0), SyscallFailsWithErrno(EINPROGRESS));
    EXPECT_THAT(control().WaitFinished(Dev::kDefault, REVOKE_TEST_RELEASE), SyscallSucceeds());
    EXPECT_THAT(Generation(fd.get()), SyscallFailsWithErrno(ENODEV));
    EXPECT_THAT(fd.Close(), SyscallSucceeds());
  }
}

REVOKE_TEST_F(FileTest, DriverReachesAnotherFile, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor other = OpenDevice(Dev::kEof);
  ASSERT_THAT(ioctl(fd.get(), REVOKE_TEST_USE_FD, other.get()),
              SyscallSucceedsWithValue(Generation(other.get())));
  ASSERT_THAT(Revoke(Dev::kEof), SyscallSucceedsWithValue(0));
  EXPECT_THAT(ioctl(fd.get(), REVOKE_TEST_USE_FD, other.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

REVOKE_TEST_F(FileTest, DriverThatReachesAnotherFileIsWaitedFor, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor other = OpenDevice(Dev::kEof);
  CallInThread call;
  CallInThread revoker;
  ArmedPoint point(control(), Dev::kEof, REVOKE_TEST_USE_OTHER, REVOKE_TEST_ENTER,
                   REVOKE_TEST_STUCK);
  call.Start([&] { return ioctl(fd.get(), REVOKE_TEST_USE_FD, other.get()); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  revoker.Start([&] { return Revoke(Dev::kEof); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  call.Join();
}

// ---- ->open ----

REVOKE_TEST_F(FileTest, OpenStoppedBeforeItIsRevokableIsNotTaken, baseline::kEnosys) {
  FileDescriptor fd;
  CallInThread opener;
  ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_OPEN, REVOKE_TEST_ENTER,
                   REVOKE_TEST_STUCK);
  opener.Start([&] {
    fd = OpenDevice();
    return 0;
  });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  point.Open();
  opener.Join();
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

REVOKE_TEST_F(FileTest, OpenOfAnObjectThatDiesMeanwhileFails, baseline::kEnosys) {
  FileDescriptor fd;
  CallInThread opener;
  ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_OPEN, REVOKE_TEST_ENTER,
                   REVOKE_TEST_STUCK);
  opener.Start([&] {
    fd = OpenDevice();
    return 0;
  });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(control().RevokeIt(Dev::kDefault), SyscallSucceeds());
  point.Open();
  opener.Join();
  EXPECT_THAT(fd, SyscallFailsWithErrno(ENODEV));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 0U);
}

REVOKE_TEST_F(FileTest, OpenStoppedWhenItIsRevokableIsWaitedForAndTaken, baseline::kEnosys) {
  FileDescriptor fd;
  CallInThread opener;
  CallInThread revoker;
  ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_OPEN, REVOKE_TEST_LEAVE,
                   REVOKE_TEST_STUCK);
  opener.Start([&] {
    fd = OpenDevice();
    return 0;
  });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  revoker.Start([&] { return Revoke(); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  opener.Join();
  // Opened, and taken at once.
  ASSERT_THAT(fd, SyscallSucceeds());
  EXPECT_THAT(Generation(fd.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
}

REVOKE_TEST_F(FileTest, OpenThatFailsIsNotReleased, baseline::kEnosys) {
  const ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_OPEN, REVOKE_TEST_LEAVE,
                         REVOKE_TEST_FAIL, ENOSPC);
  EXPECT_THAT(OpenDevice(), SyscallFailsWithErrno(ENOSPC));
  EXPECT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 0U);
}

// The VFS refuses O_DIRECT after ->open has succeeded.
REVOKE_TEST_F(FileTest, OpenThatFailsAfterTheDriversOpenIsReleased, baseline::kEnosys) {
  EXPECT_THAT(OpenDevice(Dev::kDefault, O_RDWR | O_DIRECT), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(control().WaitFinished(Dev::kDefault, REVOKE_TEST_RELEASE), SyscallSucceeds());
  EXPECT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
}

// ---- ->release, once ----

REVOKE_TEST_F(FileTest, ReleasedOnceHoweverManyDescriptors, baseline::kEnosys) {
  SocketEnds sockets = SocketPair(SOCK_STREAM);
  Checkpoint revoked;
  {
    const FileDescriptor fd = OpenDevice();
    const FileDescriptor dup = Duplicate(fd.get());
    // One in flight, which nobody receives before the revoke.
    ASSERT_THAT(SendFd(sockets.first.get(), fd.get()), SyscallSucceeds());
    Child child([&] {
      TEST_CHECK(revoked.WaitFor(1));
      TEST_PCHECK(close(fd.get()) == 0);
      TEST_PCHECK(Generation(dup.get()) == -1 && errno == ENODEV);
    });
    ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
    EXPECT_EQ(control().Counters(Dev::kDefault).finished[REVOKE_TEST_RELEASE], 1U);
    revoked.Reach();
    EXPECT_THAT(child.Wait(), Exited(0));
  }
  const FileDescriptor received = ReceiveFd(sockets.second.get());
  ASSERT_THAT(received, SyscallSucceeds());
  EXPECT_THAT(Generation(received.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
}

REVOKE_TEST_F(FileTest, ReleasedByCloseIsNotReleasedByRevoke, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  ASSERT_THAT(control().WaitFinished(Dev::kDefault, REVOKE_TEST_RELEASE), SyscallSucceeds());
  EXPECT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
}

REVOKE_TEST_F(FileTest, FileKeptByAMappingAloneIsTaken, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  Mapping mapping = MapShape(fd, REVOKE_TEST_SHAPE_FAULT_PAGE);
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_THAT(Probe::Read(PageWord(mapping, 0)), Survives());
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
  EXPECT_THAT(Probe::Read(PageWord(mapping, 0)), DiesOfSigbusAt(PageWord(mapping, 0)));
  EXPECT_THAT(mapping.Unmap(), SyscallSucceeds());
}

REVOKE_TEST_F(FileTest, FlushBelongsToCloseAndIsNotCalledAfterwards, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  FileDescriptor dup = Duplicate(fd.get());
  ASSERT_THAT(dup.Close(), SyscallSucceeds());
  ASSERT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_FLUSH), 1U);
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_FLUSH), 1U);
}

REVOKE_TEST_F(FileTest, LocksOfTheOpenFileGoWithIt, baseline::kEnosys) {
  struct flock lock{};
  lock.l_whence = SEEK_SET;
  lock.l_type = F_WRLCK;
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor other = OpenDevice();
  ASSERT_THAT(flock(fd.get(), LOCK_EX), SyscallSucceeds());
  ASSERT_THAT(fcntl(fd.get(), F_OFD_SETLK, &lock), SyscallSucceeds());
  ASSERT_THAT(flock(other.get(), LOCK_EX | LOCK_NB), SyscallFailsWithErrno(EWOULDBLOCK));
  ASSERT_THAT(fcntl(other.get(), F_OFD_SETLK, &lock), SyscallFailsWithErrno(AnyOf(EAGAIN, EACCES)));
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(flock(other.get(), LOCK_EX | LOCK_NB), SyscallSucceeds());
  EXPECT_THAT(fcntl(other.get(), F_OFD_SETLK, &lock), SyscallSucceeds());
}

// ---- what is not taken ----

REVOKE_TEST_F(FileTest, LaterOpenWorks, baseline::kEnosys) {
  const FileDescriptor stale = OpenDevice();
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  const FileDescriptor fd = OpenDevice();
  ASSERT_THAT(fd, SyscallSucceeds());
  char byte = 0;
  EXPECT_THAT(write(fd.get(), "x", 1), SyscallSucceedsWithValue(1));
  EXPECT_THAT(read(stale.get(), &byte, 1), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(read(fd.get(), &byte, 1), SyscallSucceedsWithValue(1));
  EXPECT_EQ(byte, 'x');
}

REVOKE_TEST_F(FileTest, StaleFileCanBeOpenedAnewThroughProc, baseline::kEnosys) {
  const FileDescriptor stale = OpenDevice();
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  const FileDescriptor fd = Open("/proc/self/fd/" + std::to_string(stale.get()), O_RDWR);
  ASSERT_THAT(fd, SyscallSucceeds());
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
  EXPECT_THAT(Generation(stale.get()), SyscallFailsWithErrno(ENODEV));
}

REVOKE_TEST_F(FileTest, OpensOfADeadObjectFailAndItsSuccessorIsNotReached, baseline::kEnosys) {
  const FileDescriptor stale = OpenDevice();
  const int generation = Generation(stale.get());
  ASSERT_THAT(control().RevokeIt(Dev::kDefault), SyscallSucceeds());
  EXPECT_THAT(Generation(stale.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(OpenDevice(), SyscallFailsWithErrno(ENODEV));
  ASSERT_THAT(control().Recreate(Dev::kDefault), SyscallSucceeds());
  const FileDescriptor fd = OpenDevice();
  ASSERT_THAT(fd, SyscallSucceeds());
  EXPECT_EQ(Generation(fd.get()), generation + 1);
  EXPECT_THAT(Generation(stale.get()), SyscallFailsWithErrno(ENODEV));
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  pollfd polled = {.fd = stale.get(), .events = POLLIN, .revents = 0};
  EXPECT_THAT(poll(&polled, 1, -1), SyscallSucceedsWithValue(1));
  EXPECT_EQ(polled.revents, POLLIN | POLLERR | POLLHUP);
  EXPECT_EQ(control().Counters(Dev::kDefault).files, 1U);
}

REVOKE_TEST_F(FileTest, AsynchronousRevokeOfTheObject, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread call;
  ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                   REVOKE_TEST_STUCK);
  call.Start([&] { return fsync(fd.get()); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(control().RevokeItAsync(Dev::kDefault), SyscallSucceeds());
  EXPECT_THAT(control().IsDone(Dev::kDefault), SyscallFailsWithErrno(ETIMEDOUT));
  EXPECT_THAT(Generation(fd.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(OpenDevice(), SyscallFailsWithErrno(ENODEV));
  point.Open();
  EXPECT_THAT(control().WaitDone(Dev::kDefault), SyscallSucceeds());
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
}

REVOKE_TEST_F(FileTest, OPathHandleIsNoOpenOfTheDevice, baseline::kEnosys) {
  const FileDescriptor handle = OpenDevice(Dev::kDefault, O_PATH);
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_OPEN), 0U);
  struct stat status{};
  EXPECT_THAT(fstat(handle.get(), &status), SyscallSucceeds());
  EXPECT_THAT(FdInfo(handle.get()), Not(HasSubstr("revoked:")));
  const FileDescriptor fd = Open("/proc/self/fd/" + std::to_string(handle.get()), O_RDWR);
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

}  // namespace
}  // namespace revoke_test
