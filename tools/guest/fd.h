// SPDX-License-Identifier: GPL-2.0

#ifndef REVOKE_TOOLS_GUEST_FD_H_
#define REVOKE_TOOLS_GUEST_FD_H_

#include <unistd.h>

#include <utility>

namespace guest {

// Owns a file descriptor; -1 owns none.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { Reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  void Reset() {
    if (valid()) close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

}  // namespace guest

#endif  // REVOKE_TOOLS_GUEST_FD_H_
