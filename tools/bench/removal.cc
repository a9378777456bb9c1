// SPDX-License-Identifier: GPL-2.0

#include "removal.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "busy_clock.h"
#include "call.h"
#include "files.h"
#include "sleepers.h"

namespace bench {
namespace {

constexpr long kPage = 4096;

// Opened one after the other, closed in one go.
class Files {
 public:
  Files(const std::string& path, long count) {
    for (long i = 0; i < count; i++) {
      const long fd = Must(Call(SYS_open, path.c_str(), O_RDWR | O_CLOEXEC), "open " + path);
      if (i == 0) first_ = fd;
      last_ = fd;
    }
  }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;
  ~Files() {
    if (last_ >= 0) Call(SYS_close_range, first_, last_, 0);
  }

 private:
  long first_ = -1;
  long last_ = -1;
};

// A page each, none of which is merged with its neighbour: a driver has mapped device memory.
class Mappings {
 public:
  Mappings(int fd, long count) {
    for (long i = 0; i < count; i++) {
      const long address = Call(SYS_mmap, 0, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      if (address < 0 && address > -kPage) Must(address, "mmap");
      addresses_.push_back(address);
    }
  }
  Mappings(const Mappings&) = delete;
  Mappings& operator=(const Mappings&) = delete;
  ~Mappings() {
    for (const long address : addresses_) Call(SYS_munmap, address, kPage);
  }

 private:
  std::vector<long> addresses_;
};

double CountRevoke(const std::string& path) {
  return static_cast<double>(CountBusy([&path] { Must(Revoke(path), "revokeat " + path); }));
}

double UnbindFiles(Machine& machine, long count) {
  double instructions = 0;
  {
    const Files files(machine.devices().uio, count);
    instructions = static_cast<double>(CountBusy([&machine] { machine.Unbind(); }));
  }
  machine.Bind();
  return instructions;
}

double RevokeFiles(Machine& machine, long count) {
  const Files files(machine.devices().uio, count);
  return CountRevoke(machine.devices().uio);
}

double RevokeMappings(Machine& machine, long count) {
  const SharedFd file = Open(machine.devices().uio, O_RDWR);
  const Mappings mappings(file->get(), count);
  return CountRevoke(machine.devices().uio);
}

double RevokeAmongThreads(Machine& machine, long count) {
  const Sleepers sleepers(count);
  const SharedFd file = Open(machine.devices().uio, O_RDWR);
  return CountRevoke(machine.devices().uio);
}

struct Kind {
  const char* call;
  const char* what;
  double (*measure)(Machine&, long);
};

void AddScales(std::vector<Removal>& removals, const Kind& kind, long largest) {
  for (long scale = 1; scale <= largest; scale *= 10) {
    removals.push_back({kind.call, kind.what, scale,
                        [kind, scale](Machine& machine) { return kind.measure(machine, scale); }});
  }
}

}  // namespace

std::vector<Removal> Removals(const Devices& devices, long largest) {
  std::vector<Removal> removals;
  for (const long scale : {0L, 1L, 1000L}) {
    removals.push_back({"unbind", "UIO, open files", scale,
                        [scale](Machine& machine) { return UnbindFiles(machine, scale); }});
  }
  if (!devices.revoke) return removals;
  AddScales(removals, {"revokeat", "files", RevokeFiles}, largest);
  AddScales(removals, {"revokeat", "mappings of one file", RevokeMappings}, largest);
  AddScales(removals, {"revokeat", "one file, threads in the system", RevokeAmongThreads}, largest);
  return removals;
}

}  // namespace bench
