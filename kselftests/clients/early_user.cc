// SPDX-License-Identifier: GPL-2.0
//
// A user of a PCI device that is pulled and plugged in while the kernel makes its late initcalls.
// The kernel starts this as its helper for uevents (guest-run --early), long before init, and finds
// it once. late_initcalls_test says whether all was well.

#include "early_user.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <optional>
#include <ostream>
#include <thread>

#include "bar_way.h"
#include "checkpoint.h"
#include "edu_device.h"
#include "fd.h"
#include "mapping.h"
#include "process.h"
#include "sigbus_probe.h"

namespace revoke_test {
namespace {

constexpr std::uint32_t kWord = 0x12345678;

// A file that one late initcall makes, and one of another that comes later:
// kernel_exit_sysfs_init() and pci_resource_alignment_sysfs_init().
constexpr const char* kEarlyOne = "/sys/kernel/oops_count";
constexpr const char* kLateOne = "/sys/bus/pci/resource_alignment";

bool Exists(const char* path) { return access(path, F_OK) == 0; }

bool PinTo(int cpu, pid_t pid) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return sched_setaffinity(pid, sizeof(set), &set) == 0;
}

// The thread that makes the initcalls, and will be init, comes to a halt, or nearly, when somebody
// spins on its CPU. It has all CPUs again when the object goes.
class Initcalls {
 public:
  Initcalls() { sched_getaffinity(kThread, sizeof(cpus_), &cpus_); }
  Initcalls(const Initcalls&) = delete;
  Initcalls& operator=(const Initcalls&) = delete;
  ~Initcalls() {
    spinner_.Signal(SIGKILL);
    const sched_param none = {};
    sched_setscheduler(kThread, SCHED_OTHER, &none);
    sched_setaffinity(kThread, sizeof(cpus_), &cpus_);
  }

  bool Slow() {
    const sched_param none = {};
    if (!PinTo(1, 0) || !PinTo(0, kThread) || sched_setscheduler(kThread, SCHED_IDLE, &none) != 0)
      return false;
    slow_.Reach();
    return true;
  }

 private:
  static constexpr pid_t kThread = 1;

  cpu_set_t cpus_ = {};
  Checkpoint slow_;
  Child spinner_{[this] {
    if (!PinTo(0, 0)) return;
    while (!slow_.WaitFor(1)) continue;
    for (volatile bool forever = true; forever;) continue;
  }};
};

bool Drives(const Mapping& bar) {
  return !Probe::Write(bar.At(edu::kLiveness), kWord).fault &&
         Probe::Read(bar.At(edu::kLiveness)).value == ~kWord;
}

void PullAndPlugIn(const EduDevice& device, std::ostream& log) {
  const auto say = [&log](const char* what, bool is_true) {
    if (is_true) log << what << '\n';
  };
  device.EnableWithoutDriver();
  const FileDescriptor file = OpenBar(BarWay::kSysfs, device);
  const Mapping bar = MapBar(BarWay::kSysfs, file, 0);
  if (!bar.valid()) return;
  say(early::kDrives, Drives(bar));
  device.Remove();
  const auto killed = Probe::Read(bar.At(edu::kLiveness)).fault;
  say(early::kDead, IsSigbusAt(killed, bar.At(edu::kLiveness)));

  EduDevice::RescanBus();
  device.EnableWithoutDriver();
  const FileDescriptor other = OpenBar(BarWay::kSysfs, device);
  const Mapping again = MapBar(BarWay::kSysfs, other, 0);
  if (!again.valid()) return;
  say(early::kDrivesAgain, Drives(again));
  // And one that is there when init comes.
  device.Remove();
  EduDevice::RescanBus();
}

int Main(const char* program) {
  // Once.
  if (unlink(program) != 0) return 0;
  std::ofstream log(early::kLog);
  // Init mounts its own.
  if (unshare(CLONE_NEWNS) != 0 || mount("sysfs", "/sys", "sysfs", 0, nullptr) != 0) return 1;
  Initcalls initcalls;
  std::optional<EduDevice> device = EduDevice::Find();
  while (!Exists(kEarlyOne)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  if (!device || !initcalls.Slow()) return 1;
  if (!Exists(kLateOne)) log << early::kBegun << '\n';
  PullAndPlugIn(*device, log);
  if (!Exists(kLateOne)) log << early::kEnded << '\n';
  return 0;
}

}  // namespace
}  // namespace revoke_test

int main(int /*argc*/, char** argv) { return revoke_test::Main(argv[0]); }
