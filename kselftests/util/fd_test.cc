// SPDX-License-Identifier: GPL-2.0

#include "fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <sstream>
#include <utility>

#include "errno_matchers.h"

namespace revoke_test {
namespace {

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) != -1; }
bool IsCloexec(const FileDescriptor& fd) { return (fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0; }

TEST(FileDescriptor, ClosesInDestructor) {
  int number = -1;
  {
    const FileDescriptor fd = Open("/dev/null", O_RDONLY);
    ASSERT_THAT(fd, SyscallSucceeds());
    number = fd.get();
    EXPECT_TRUE(IsOpen(number));
  }
  EXPECT_FALSE(IsOpen(number));
}

TEST(FileDescriptor, DestructorKeepsErrno) {
  {
    const FileDescriptor fd = Open("/dev/null", O_RDONLY);
    close(fd.get());  // so that the destructor's close fails
    errno = ENODEV;
  }
  EXPECT_EQ(errno, ENODEV);
}

TEST(FileDescriptor, MovesOwnership) {
  FileDescriptor first = Open("/dev/null", O_RDONLY);
  const int number = first.get();
  FileDescriptor second(std::move(first));
  EXPECT_EQ(second.get(), number);
  EXPECT_TRUE(IsOpen(number));
  FileDescriptor third = Open("/dev/null", O_RDONLY);
  const int replaced = third.get();
  third = std::move(second);
  EXPECT_EQ(third.get(), number);
  EXPECT_FALSE(IsOpen(replaced));
  EXPECT_TRUE(IsOpen(number));
}

TEST(FileDescriptor, MovedFromIsEmpty) {
  FileDescriptor first = Open("/dev/null", O_RDONLY);
  const FileDescriptor second(std::move(first));
  EXPECT_FALSE(first.valid());  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(first.error(), EBADF);
}

TEST(FileDescriptor, ReleaseLeavesOpen) {
  FileDescriptor fd = Open("/dev/null", O_RDONLY);
  const int number = fd.Release();
  EXPECT_FALSE(fd.valid());
  EXPECT_TRUE(IsOpen(number));
  EXPECT_EQ(close(number), 0);
}

TEST(FileDescriptor, CloseReportsOnce) {
  FileDescriptor fd = Open("/dev/null", O_RDONLY);
  EXPECT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_THAT(fd.Close(), SyscallFailsWithErrno(EBADF));
}

TEST(FileDescriptor, PrintsErrorByName) {
  std::ostringstream out;
  out << Open("/nonexistent", O_RDONLY);
  EXPECT_EQ(out.str(), "no descriptor, ENOENT (No such file or directory)");
}

TEST(Open, KeepsErrno) {
  EXPECT_THAT(Open("/nonexistent", O_RDONLY), SyscallFailsWithErrno(ENOENT));
  EXPECT_THAT(Open("/dev/null", O_RDONLY | O_DIRECTORY), SyscallFailsWithErrno(ENOTDIR));
}

TEST(Open, IsCloexec) { EXPECT_TRUE(IsCloexec(Open("/dev/null", O_RDONLY))); }

TEST(OpenAt, IsRelativeToDirectory) {
  const FileDescriptor dev = Open("/dev", O_PATH | O_DIRECTORY);
  EXPECT_THAT(OpenAt(dev.get(), "null", O_RDONLY), SyscallSucceeds());
  EXPECT_THAT(OpenAt(-1, "null", O_RDONLY), SyscallFailsWithErrno(EBADF));
}

TEST(Duplicate, SharesDescription) {
  const FileDescriptor fd = MemFd("test", 10);
  const FileDescriptor copy = Duplicate(fd.get());
  ASSERT_THAT(copy, SyscallSucceeds());
  EXPECT_NE(copy.get(), fd.get());
  EXPECT_TRUE(IsCloexec(copy));
  EXPECT_EQ(lseek(fd.get(), 4, SEEK_SET), 4);
  EXPECT_EQ(lseek(copy.get(), 0, SEEK_CUR), 4);
  EXPECT_THAT(Duplicate(-1), SyscallFailsWithErrno(EBADF));
}

TEST(Pipe, Connects) {
  const PipeEnds pipe = Pipe(O_NONBLOCK);
  ASSERT_THAT(pipe.read, SyscallSucceeds());
  EXPECT_TRUE(IsCloexec(pipe.read) && IsCloexec(pipe.write));
  char byte = 0;
  EXPECT_THAT(read(pipe.read.get(), &byte, 1), SyscallFailsWithErrno(EAGAIN));
  EXPECT_THAT(write(pipe.write.get(), "x", 1), SyscallSucceedsWithValue(1));
  EXPECT_THAT(read(pipe.read.get(), &byte, 1), SyscallSucceedsWithValue(1));
  EXPECT_EQ(byte, 'x');
}

TEST(Pipe, FailsOnBadFlags) {
  const PipeEnds pipe = Pipe(-1);
  EXPECT_THAT(pipe.read, SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(pipe.write, SyscallFailsWithErrno(EINVAL));
}

TEST(SocketPair, FailsOnBadType) {
  const SocketEnds ends = SocketPair(12345);
  EXPECT_THAT(ends.first, testing::Not(SyscallSucceeds()));
  EXPECT_EQ(ends.first.error(), ends.second.error());
}

TEST(Epoll, ReportsEventFd) {
  const FileDescriptor epoll = Epoll();
  const FileDescriptor event = EventFd(1, EFD_NONBLOCK);
  ASSERT_THAT(epoll, SyscallSucceeds());
  ASSERT_THAT(event, SyscallSucceeds());
  epoll_event wanted = {.events = EPOLLIN, .data = {}};
  ASSERT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, event.get(), &wanted), SyscallSucceeds());
  epoll_event got{};
  EXPECT_THAT(epoll_wait(epoll.get(), &got, 1, 0), SyscallSucceedsWithValue(1));
  std::uint64_t count = 0;
  EXPECT_THAT(read(event.get(), &count, sizeof(count)), SyscallSucceedsWithValue(8));
  EXPECT_EQ(count, 1U);
  EXPECT_THAT(epoll_wait(epoll.get(), &got, 1, 0), SyscallSucceedsWithValue(0));
}

TEST(MemFd, HasSize) {
  const FileDescriptor fd = MemFd("test", 4096);
  struct stat status{};
  ASSERT_THAT(fstat(fd.get(), &status), SyscallSucceeds());
  EXPECT_EQ(status.st_size, 4096);
}

TEST(PidFd, NeedsProcess) {
  EXPECT_THAT(PidFd(getpid()), SyscallSucceeds());
  EXPECT_THAT(PidFd(-1), SyscallFailsWithErrno(EINVAL));
}

TEST(SendFd, PassesDescription) {
  const SocketEnds ends = SocketPair(SOCK_STREAM);
  const FileDescriptor sent = MemFd("test", 10);
  ASSERT_EQ(lseek(sent.get(), 7, SEEK_SET), 7);
  ASSERT_THAT(SendFd(ends.first.get(), sent.get()), SyscallSucceeds());
  const FileDescriptor received = ReceiveFd(ends.second.get());
  ASSERT_THAT(received, SyscallSucceeds());
  EXPECT_NE(received.get(), sent.get());
  EXPECT_TRUE(IsCloexec(received));
  EXPECT_EQ(lseek(received.get(), 0, SEEK_CUR), 7);
  EXPECT_TRUE(IsOpen(sent.get()));
}

TEST(SendFd, Fails) {
  SocketEnds ends = SocketPair(SOCK_STREAM);
  EXPECT_THAT(SendFd(ends.first.get(), -1), SyscallFailsWithErrno(EBADF));
  ends.second = FileDescriptor();
  EXPECT_THAT(SendFd(ends.first.get(), 0), SyscallFailsWithErrno(EPIPE));
}

TEST(ReceiveFd, TellsWhatIsWrong) {
  SocketEnds ends = SocketPair(SOCK_STREAM);
  ASSERT_EQ(write(ends.first.get(), "x", 1), 1);
  EXPECT_THAT(ReceiveFd(ends.second.get()), SyscallFailsWithErrno(EBADMSG));
  ends.first = FileDescriptor();
  EXPECT_THAT(ReceiveFd(ends.second.get()), SyscallFailsWithErrno(ENODATA));
  EXPECT_THAT(ReceiveFd(-1), SyscallFailsWithErrno(EBADF));
}

}  // namespace
}  // namespace revoke_test
