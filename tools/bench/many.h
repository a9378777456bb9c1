// SPDX-License-Identifier: GPL-2.0
//
// Many open files, many mappings.

#ifndef REVOKE_TOOLS_BENCH_MANY_H_
#define REVOKE_TOOLS_BENCH_MANY_H_

#include <string>
#include <vector>

namespace bench {

// Opened one after the other, closed in one go.
class ManyFiles {
 public:
  ManyFiles(const std::string& path, long count);  // throws Error
  ManyFiles(const ManyFiles&) = delete;
  ManyFiles& operator=(const ManyFiles&) = delete;
  ~ManyFiles();

 private:
  long first_ = -1;
  long last_ = -1;
};

// A page each, none of which is merged with its neighbour.
class ManyMappings {
 public:
  // `fd`: of a driver that maps device memory, or -1. Throws Error.
  ManyMappings(int fd, int flags, long count);
  ManyMappings(const ManyMappings&) = delete;
  ManyMappings& operator=(const ManyMappings&) = delete;
  ~ManyMappings();

 private:
  void Unmap() const;

  std::vector<long> addresses_;
};

// A device's memory, mapped through as many open files as it takes: each page is a VMA of its own.
class ManyPieces {
 public:
  // `size` of the memory in bytes. Throws Error.
  ManyPieces(const std::string& path, long size, long count);
  ManyPieces(const ManyPieces&) = delete;
  ManyPieces& operator=(const ManyPieces&) = delete;
  ~ManyPieces();

 private:
  long size_;
  std::vector<long> addresses_;
};

}  // namespace bench

#endif  // REVOKE_TOOLS_BENCH_MANY_H_
