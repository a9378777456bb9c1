// SPDX-License-Identifier: GPL-2.0

#include "fd.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "errno_matchers.h"

namespace revoke_test {
namespace {

FileDescriptor Failed(int error) {
  errno = error;
  return FileDescriptor(-1);
}

}  // namespace

FileDescriptor::FileDescriptor(int fd) : fd_(fd), error_(fd >= 0 ? 0 : errno) {}

FileDescriptor::FileDescriptor(FileDescriptor&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), error_(std::exchange(other.error_, EBADF)) {}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    Reset();
    fd_ = std::exchange(other.fd_, -1);
    error_ = std::exchange(other.error_, EBADF);
  }
  return *this;
}

int FileDescriptor::Release() {
  error_ = EBADF;
  return std::exchange(fd_, -1);
}

int FileDescriptor::Close() { return close(Release()); }

void FileDescriptor::Reset() {
  const int saved = errno;  // a destructor must not disturb the error a test is about to look at
  if (valid()) Close();
  errno = saved;
}

std::ostream& operator<<(std::ostream& os, const FileDescriptor& fd) {
  if (fd.valid()) return os << "descriptor " << fd.get();
  return os << "no descriptor, " << ErrnoText(fd.error());
}

FileDescriptor Open(const std::string& path, int flags, mode_t mode) {
  return OpenAt(AT_FDCWD, path, flags, mode);
}

FileDescriptor OpenAt(int dirfd, const std::string& path, int flags, mode_t mode) {
  return FileDescriptor(
      RetryEintr([&] { return openat(dirfd, path.c_str(), flags | O_CLOEXEC, mode); }));
}

FileDescriptor Duplicate(int fd) { return FileDescriptor(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

PipeEnds Pipe(int flags) {
  std::array<int, 2> fds = {-1, -1};
  if (pipe2(fds.data(), flags | O_CLOEXEC) != 0) return {Failed(errno), Failed(errno)};
  return {FileDescriptor(fds[0]), FileDescriptor(fds[1])};
}

SocketEnds SocketPair(int type) {
  std::array<int, 2> fds = {-1, -1};
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds.data()) != 0) {
    return {Failed(errno), Failed(errno)};
  }
  return {FileDescriptor(fds[0]), FileDescriptor(fds[1])};
}

FileDescriptor Epoll() { return FileDescriptor(epoll_create1(EPOLL_CLOEXEC)); }

FileDescriptor EventFd(unsigned int initial, int flags) {
  return FileDescriptor(eventfd(initial, flags | EFD_CLOEXEC));
}

FileDescriptor MemFd(const std::string& name, off_t size) {
  FileDescriptor fd(memfd_create(name.c_str(), MFD_CLOEXEC));
  if (fd.valid() && ftruncate(fd.get(), size) != 0) return Failed(errno);
  return fd;
}

FileDescriptor PidFd(pid_t pid) {
  return FileDescriptor(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

int SendFd(int socket, int fd) {
  char byte = 0;
  iovec data = {.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof(int));
  return RetryEintr([&] { return sendmsg(socket, &message, MSG_NOSIGNAL); }) < 0 ? -1 : 0;
}

FileDescriptor ReceiveFd(int socket) {
  char byte = 0;
  iovec data = {.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = RetryEintr([&] { return recvmsg(socket, &message, MSG_CMSG_CLOEXEC); });
  if (got < 0) return FileDescriptor(-1);
  if (got == 0) return Failed(ENODATA);
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
    return Failed(EBADMSG);
  }
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof(int));
  return FileDescriptor(fd);
}

}  // namespace revoke_test
