// SPDX-License-Identifier: GPL-2.0

#include "footprint.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "count.h"
#include "files.h"
#include "files_under_test.h"
#include "many.h"

namespace bench {
namespace {

constexpr long kCount = 2000;

std::string Slabinfo() {
  const std::optional<std::string> text = guest::ReadFile("/proc/slabinfo");
  if (!text) throw guest::Error("this kernel has no /proc/slabinfo");
  return *text;
}

// The first are not counted: tables grow with them that stay. What is freed later than at once is
// freed after five seconds.
template <typename Many>
double Count(const std::function<std::unique_ptr<Many>()>& make) {
  make();
  Settle(7);
  const std::string before = Slabinfo();
  const std::unique_ptr<Many> many = make();
  Settle(7);
  return BytesOfOne(before, Slabinfo(), kCount);
}

double OpenFile(const std::string& path) {
  return Count<ManyFiles>([&path] { return std::make_unique<ManyFiles>(path, kCount); });
}

double Vma(const SharedFd& fd, int flags) {
  return Count<ManyMappings>(
      [&] { return std::make_unique<ManyMappings>(fd ? fd->get() : -1, flags, kCount); });
}

}  // namespace

std::vector<Footprint> Footprints(const Devices& devices) {
  std::vector<Footprint> footprints = {
      {"open file", "/dev/null", [](const Machine&) { return OpenFile("/dev/null"); }},
      {"open file", "UIO", [](const Machine& machine) { return OpenFile(machine.devices().uio); }},
      {"VMA", "anonymous",
       [](const Machine&) { return Vma(nullptr, MAP_PRIVATE | MAP_ANONYMOUS); }},
      {"VMA", "UIO",
       [](const Machine& machine) { return Vma(Open(machine.devices().uio, O_RDWR), MAP_SHARED); }},
  };
  if (devices.revoke) {
    footprints.push_back(
        {"open file", "test device", [](const Machine&) { return OpenFile(kTest); }});
  }
  return footprints;
}

}  // namespace bench
