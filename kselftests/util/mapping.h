// SPDX-License-Identifier: GPL-2.0
//
// Owned memory mappings, made by the bare mmap(2).

#ifndef REVOKE_KSELFTESTS_UTIL_MAPPING_H_
#define REVOKE_KSELFTESTS_UTIL_MAPPING_H_

#include <sys/mman.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ostream>

namespace revoke_test {

// Size of a page in bytes.
std::size_t PageSize();

// Owns the address range [base, base + size) and unmaps it in the destructor. All lengths and
// offsets are in bytes.
class Mapping {
 public:
  Mapping() = default;

  // mmap(nullptr, size, prot, flags, fd, offset). Keeps no reference to `fd`. A failed call gives a
  // Mapping without memory but with the error.
  Mapping(int fd, std::size_t size, int prot = PROT_READ | PROT_WRITE, int flags = MAP_SHARED,
          off_t offset = 0);

  // Private anonymous memory, and memory shared with children forked later.
  static Mapping Anonymous(std::size_t size, int prot = PROT_READ | PROT_WRITE);
  static Mapping SharedAnonymous(std::size_t size, int prot = PROT_READ | PROT_WRITE);

  // Takes ownership of a range mapped elsewhere. If base is MAP_FAILED, the error is errno.
  static Mapping Adopt(void* base, std::size_t size);

  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { Reset(); }

  // First byte, or null if there is no mapping.
  void* base() const { return base_; }
  std::size_t size() const { return size_; }  // bytes
  bool valid() const { return base_ != nullptr; }

  // 0 if mapped, else the errno of mmap(2) (EINVAL if there was no call).
  int error() const { return error_; }

  // The object of type T at `offset` bytes from the base. Volatile: what is behind the mapping may
  // change, or go away, at any time.
  template <typename T = std::uint32_t>
  volatile T* At(std::size_t offset = 0) const {
    return reinterpret_cast<volatile T*>(static_cast<char*>(base_) + offset);
  }

  // munmap(2) of the whole range now. Returns 0, or -1 and errno. Without a mapping: -1, EINVAL.
  int Unmap();

  // Gives the range up without unmapping it.
  [[nodiscard]] void* Release();

  // mremap(2) of the whole range to `size` bytes, moved to another address if `flags` has
  // MREMAP_MAYMOVE. Returns 0, or -1 and errno with the range as it was.
  int Remap(std::size_t size, int flags);

 private:
  void Reset();

  void* base_ = nullptr;
  std::size_t size_ = 0;
  int error_ = EINVAL;
};

std::ostream& operator<<(std::ostream& os, const Mapping& mapping);

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_MAPPING_H_
