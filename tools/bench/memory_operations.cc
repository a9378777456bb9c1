// SPDX-License-Identifier: GPL-2.0

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <csignal>

#include "call.h"
#include "files_under_test.h"
#include "operation.h"

namespace bench {
namespace {

constexpr unsigned kCount = 50;
constexpr unsigned kForks = 3;
constexpr long kPage = 4096;
constexpr long kFaultPages = 16;
constexpr unsigned kManyVmas = 1000;

bool IsAddress(long result) { return result >= 0 || result < -4095; }

char* ToPointer(long address) {
  return reinterpret_cast<char*>(address);  // NOLINT(performance-no-int-to-ptr)
}

void Touch(long address) { *static_cast<volatile char*>(ToPointer(address)); }
void Dirty(long address) { *static_cast<volatile char*>(ToPointer(address)) = 'x'; }

// How a page is mapped.
struct Kind {
  int prot;
  int flags;
  long offset = 0;
};
constexpr Kind kAnonymous{PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS};
constexpr Kind kShared{PROT_READ | PROT_WRITE, MAP_SHARED};
constexpr Kind kDevice{PROT_READ, MAP_SHARED};
// lib/test_revoke_abi.h: memory that ->fault inserts a PFN of.
constexpr Kind kFaultPfn{PROT_READ | PROT_WRITE, MAP_SHARED, 3 * 0x40000 * kPage};

long Map(const Kind& kind, int fd, long length) {
  return Call(SYS_mmap, 0, length, kind.prot, kind.flags, fd, kind.offset);
}

// `fd` may be null: anonymous.
Loop MapTouchUnmap(const SharedFd& fd, const Kind& kind, bool touch = true) {
  return Repeat([fd, kind, touch, raw = fd ? fd->get() : -1] {
    const long address = Map(kind, raw, kPage);
    if (!IsAddress(address)) return false;
    if (touch && (kind.prot & PROT_WRITE) != 0) Dirty(address);
    if (touch && (kind.prot & PROT_WRITE) == 0) Touch(address);
    return Call(SYS_munmap, address, kPage) == 0;
  });
}

struct Mapping {
  long address;
  long length;
  Mapping(const Kind& kind, int fd, long bytes) : address(Map(kind, fd, bytes)), length(bytes) {
    if (!IsAddress(address)) Must(address, "mmap");
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { Call(SYS_munmap, address, length); }
};

// The pages are given back by one madvise(), and faulted in one by one.
Loop Faults(const SharedFd& fd, const Kind& kind) {
  auto mapping = std::make_shared<Mapping>(kind, fd ? fd->get() : -1, kFaultPages * kPage);
  return Repeat([fd, mapping, address = mapping->address] {
    for (long page = 0; page < kFaultPages; page++) Dirty(address + page * kPage);
    return Call(SYS_madvise, address, kFaultPages * kPage, MADV_DONTNEED) == 0;
  });
}

bool ForkAndWait() {
  const long child = Call(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    while (true) Call(SYS_exit_group, 0);
  }
  return child > 0 && Call(SYS_wait4, child, 0, 0, 0) == child;
}

// VMAs that cannot be merged, as every second is read-only; their pages are not touched unless the
// driver maps them at once.
Loop ForkWith(unsigned vmas, const std::function<SharedFd()>& open, const Kind& kind) {
  const SharedFd fd = open ? open() : nullptr;
  auto mappings = std::make_shared<std::vector<std::unique_ptr<Mapping>>>();
  for (unsigned i = 0; i < vmas; i++) {
    mappings->push_back(std::make_unique<Mapping>(kind, fd ? fd->get() : -1, kPage));
    if (i % 2 == 0)
      Must(Call(SYS_mprotect, mappings->back()->address, kPage, PROT_READ), "mprotect");
  }
  return Repeat([fd, mappings] { return ForkAndWait(); });
}

}  // namespace

std::vector<Operation> MemoryOperations(const Devices& devices) {
  const auto uio = [path = devices.uio] { return Open(path, O_RDWR); };
  std::vector<Operation> operations = {
      {"mmap+touch+munmap", "anonymous", kCount, [] { return MapTouchUnmap(nullptr, kAnonymous); }},
      {"mmap+touch+munmap", "tmpfs", kCount, [] { return MapTouchUnmap(OpenTmpfs(), kShared); }},
      {"mmap+touch+munmap", "UIO", kCount, [uio] { return MapTouchUnmap(uio(), kDevice); }},
      {"mmap+munmap", "UIO", kCount, [uio] { return MapTouchUnmap(uio(), kDevice, false); }},
      {"16 faults", "anonymous", kCount / 5, [] { return Faults(nullptr, kAnonymous); }},
      {"16 faults", "tmpfs", kCount / 5, [] { return Faults(OpenTmpfs(), kShared); }},
      {"fork+exit+wait", "few VMAs", kForks, [] { return ForkWith(0, nullptr, kAnonymous); }},
      {"fork+exit+wait", "1,000 VMAs, anonymous", 1,
       [] { return ForkWith(kManyVmas, nullptr, kAnonymous); }},
      {"fork+exit+wait", "1,000 VMAs, UIO", 1, [uio] { return ForkWith(kManyVmas, uio, kDevice); }},
  };
  if (devices.revoke) {
    operations.push_back({"mmap+touch+munmap", "test device", kCount,
                          [] { return MapTouchUnmap(Open(kTest, O_RDWR), kFaultPfn); }});
  }
  return operations;
}

}  // namespace bench
