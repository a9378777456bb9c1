// SPDX-License-Identifier: GPL-2.0
//
// An io_uring without a library, as small as it can be: one request at a time.

#ifndef REVOKE_TOOLS_BENCH_RING_H_
#define REVOKE_TOOLS_BENCH_RING_H_

#include <linux/io_uring.h>

#include <cstddef>

#include "fd.h"

namespace bench {

class Ring {
 public:
  Ring();  // throws Error
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring();

  // Makes `fd` fixed file 0. Throws Error.
  void Register(int fd);

  // Hands `request` in, waits for it, and returns its result; or a negated errno.
  long Do(const io_uring_sqe& request);

 private:
  template <typename T>
  T* At(unsigned offset) {
    return reinterpret_cast<T*>(rings_ + offset);
  }

  guest::Fd fd_;
  io_uring_params params_{};
  char* rings_ = nullptr;
  std::size_t rings_size_ = 0;
  io_uring_sqe* requests_ = nullptr;
};

}  // namespace bench

#endif  // REVOKE_TOOLS_BENCH_RING_H_
