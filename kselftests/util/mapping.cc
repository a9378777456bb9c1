// SPDX-License-Identifier: GPL-2.0

#include "mapping.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "errno_matchers.h"

namespace revoke_test {

std::size_t PageSize() {
  static const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

Mapping::Mapping(int fd, std::size_t size, int prot, int flags, off_t offset)
    : Mapping(Adopt(mmap(nullptr, size, prot, flags, fd, offset), size)) {}

Mapping Mapping::Anonymous(std::size_t size, int prot) {
  return {-1, size, prot, MAP_PRIVATE | MAP_ANONYMOUS};
}

Mapping Mapping::SharedAnonymous(std::size_t size, int prot) {
  return {-1, size, prot, MAP_SHARED | MAP_ANONYMOUS};
}

Mapping Mapping::Adopt(void* base, std::size_t size) {
  Mapping mapping;
  if (base == MAP_FAILED) {
    mapping.error_ = errno;
  } else {
    mapping.base_ = base;
    mapping.size_ = size;
    mapping.error_ = 0;
  }
  return mapping;
}

Mapping::Mapping(Mapping&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      error_(std::exchange(other.error_, EINVAL)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this != &other) {
    Reset();
    base_ = std::exchange(other.base_, nullptr);
    size_ = std::exchange(other.size_, 0);
    error_ = std::exchange(other.error_, EINVAL);
  }
  return *this;
}

int Mapping::Unmap() {
  const std::size_t size = size_;
  return munmap(Release(), size);
}

void* Mapping::Release() {
  size_ = 0;
  error_ = EINVAL;
  return std::exchange(base_, nullptr);
}

int Mapping::Remap(std::size_t size, int flags) {
  void* moved = mremap(base_, size_, size, flags);
  if (moved == MAP_FAILED) return -1;
  base_ = moved;
  size_ = size;
  return 0;
}

void Mapping::Reset() {
  const int saved = errno;  // a destructor must not disturb the error a test is about to look at
  if (valid()) Unmap();
  errno = saved;
}

std::ostream& operator<<(std::ostream& os, const Mapping& mapping) {
  if (!mapping.valid()) return os << "no mapping, " << ErrnoText(mapping.error());
  return os << mapping.size() << " bytes at " << mapping.base();
}

}  // namespace revoke_test
