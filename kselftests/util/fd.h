// SPDX-License-Identifier: GPL-2.0
//
// Owned file descriptors and the calls that make them. Every descriptor made here is O_CLOEXEC.
// A failed call gives a FileDescriptor without descriptor but with the error:
//
//     const FileDescriptor fd = Open("/dev/uio0", O_RDWR);
//     ASSERT_THAT(fd, SyscallSucceeds());

#ifndef REVOKE_KSELFTESTS_UTIL_FD_H_
#define REVOKE_KSELFTESTS_UTIL_FD_H_

#include <sys/types.h>

#include <cerrno>
#include <ostream>
#include <string>

namespace revoke_test {

// Owns at most one descriptor and closes it in the destructor.
class FileDescriptor {
 public:
  FileDescriptor() = default;

  // Takes ownership of `fd`. If it is -1, the error is errno at this moment.
  explicit FileDescriptor(int fd);

  FileDescriptor(FileDescriptor&& other) noexcept;
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() { Reset(); }

  // The descriptor, or -1.
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

  // 0 if there is a descriptor, else the errno of the call that failed to make it (EBADF if there
  // was no call, or if it has been closed or released).
  int error() const { return error_; }

  // Gives the descriptor up without closing it; the caller closes it.
  [[nodiscard]] int Release();

  // Closes now. Returns what close(2) returned, for tests to which it matters: 0 or -1 and errno.
  // Without a descriptor: -1, EBADF.
  int Close();

 private:
  void Reset();

  int fd_ = -1;
  int error_ = EBADF;
};

std::ostream& operator<<(std::ostream& os, const FileDescriptor& fd);

// open(2), openat(2) with O_CLOEXEC added.
FileDescriptor Open(const std::string& path, int flags, mode_t mode = 0);
FileDescriptor OpenAt(int dirfd, const std::string& path, int flags, mode_t mode = 0);

// A second descriptor of the same open file description.
FileDescriptor Duplicate(int fd);

// Both ends are without descriptor if the call failed.
struct PipeEnds {
  FileDescriptor read;
  FileDescriptor write;
};
PipeEnds Pipe(int flags = 0);  // flags as pipe2(2)

struct SocketEnds {
  FileDescriptor first;
  FileDescriptor second;
};
SocketEnds SocketPair(int type);  // AF_UNIX; type is SOCK_STREAM, SOCK_SEQPACKET, ...

FileDescriptor Epoll();
FileDescriptor EventFd(unsigned int initial = 0, int flags = 0);  // flags as eventfd(2)
FileDescriptor MemFd(const std::string& name, off_t size);        // size in bytes
FileDescriptor PidFd(pid_t pid);

// Passes `fd` over the connected AF_UNIX socket `socket` (SCM_RIGHTS). The caller keeps its own
// descriptor. Returns 0, or -1 and errno.
int SendFd(int socket, int fd);

// Receives one descriptor sent by SendFd(); blocks until it comes. Error ENODATA: the other end was
// closed; EBADMSG: a message came without descriptor.
FileDescriptor ReceiveFd(int socket);

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_FD_H_
