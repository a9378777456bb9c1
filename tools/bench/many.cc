// SPDX-License-Identifier: GPL-2.0

#include "many.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "call.h"
#include "operation.h"

namespace bench {
namespace {

constexpr long kPage = 4096;

// Mappings without a file are told apart by what may be done to them.
int Protection(int fd, long index) {
  return fd < 0 && index % 2 == 1 ? PROT_READ : PROT_READ | PROT_WRITE;
}

}  // namespace

ManyFiles::ManyFiles(const std::string& path, long count) {
  for (long i = 0; i < count; i++) {
    last_ = Must(Call(SYS_open, path.c_str(), O_RDWR | O_CLOEXEC), "open " + path);
    if (i == 0) first_ = last_;
  }
}

ManyFiles::~ManyFiles() {
  if (last_ >= 0) Call(SYS_close_range, first_, last_, 0);
}

ManyMappings::ManyMappings(int fd, int flags, long count) {
  for (long i = 0; i < count; i++) {
    const long address = Call(SYS_mmap, 0, kPage, Protection(fd, i), flags, fd, 0);
    if (address < 0 && address > -kPage) {
      Unmap();
      Must(address, "mmap");
    }
    addresses_.push_back(address);
  }
}

ManyMappings::~ManyMappings() { Unmap(); }

void ManyMappings::Unmap() const {
  for (const long address : addresses_) Call(SYS_munmap, address, kPage);
}

ManyPieces::ManyPieces(const std::string& path, long size, long count) : size_(size) {
  for (long left = count; left > 0; left -= size / kPage) {
    const SharedFd file = Open(path, O_RDWR);
    addresses_.push_back(
        Must(Call(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED, file->get(), 0), "mmap"));
    for (long at = kPage; at < size; at += 2 * kPage)
      Must(Call(SYS_mprotect, addresses_.back() + at, kPage, PROT_READ), "mprotect");
  }
}

ManyPieces::~ManyPieces() {
  for (const long address : addresses_) Call(SYS_munmap, address, size_);
}

}  // namespace bench
