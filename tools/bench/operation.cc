// SPDX-License-Identifier: GPL-2.0

#include "operation.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "files.h"

namespace bench {

SharedFd Open(const std::string& path, int flags) {
  auto fd = std::make_shared<guest::Fd>(open(path.c_str(), flags | O_CLOEXEC, 0600));
  if (!fd->valid()) throw guest::ErrnoError("cannot open " + path);
  return fd;
}

namespace {

// The lists on which the CPU keeps pages whose age has changed: until it puts them where they
// belong, each access takes another way.
void DrainPageLists() {
  constexpr size_t kPage = 4096;
  void* page = mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) throw guest::ErrnoError("mmap");
  const int result = madvise(page, kPage, MADV_COLD);
  munmap(page, kPage);
  if (result != 0) throw guest::ErrnoError("MADV_COLD");
}

}  // namespace

SharedFd OpenTmpfs() {
  SharedFd file = Open("/dev/shm", O_TMPFILE | O_RDWR);
  std::string contents(128 << 10, 'x');
  guest::WriteAll(file->get(), contents, "a file in /dev/shm");
  // A page that was read twice is active, and stays so.
  for (int i = 0; i < 3; i++) {
    DrainPageLists();
    if (pread(file->get(), contents.data(), contents.size(), 0) < 0)
      throw guest::ErrnoError("pread");
  }
  DrainPageLists();
  if (lseek(file->get(), 0, SEEK_SET) != 0) throw guest::ErrnoError("lseek");
  return file;
}

Pipe MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) throw guest::ErrnoError("cannot create a pipe");
  return {std::make_shared<guest::Fd>(fds[0]), std::make_shared<guest::Fd>(fds[1])};
}

long Must(long result, const std::string& what) {
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  throw guest::ErrnoError(what);
}

}  // namespace bench
