// SPDX-License-Identifier: GPL-2.0

#include "machine.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "call.h"
#include "files.h"

namespace bench {
namespace {

namespace fs = std::filesystem;
using guest::Error;

constexpr char kBus[] = "/sys/bus/pci";
constexpr char kDriver[] = "uio_pci_generic";
constexpr long kRevokeat = 473;  // the build host's headers do not know it

void WriteAttribute(const std::string& path, const std::string& value) {
  const guest::Fd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) throw guest::ErrnoError("cannot open " + path);
  guest::WriteAll(fd.get(), value, path);
}

std::string FindEdu() {
  for (const auto& entry : fs::directory_iterator(std::string(kBus) + "/devices")) {
    const std::string directory = entry.path();
    if (guest::ReadFile(directory + "/vendor") == "0x1234\n" &&
        guest::ReadFile(directory + "/device") == "0x11e8\n") {
      return directory;
    }
  }
  throw Error("this machine has no edu device: guest-run --device edu");
}

}  // namespace

long Revoke(const std::string& path) { return Call(kRevokeat, AT_FDCWD, path.c_str(), 0); }

long RevokeFile(long fd) {
  constexpr long kRevokeFile = 1;  // REVOKE_FILE of <linux/revoke.h>
  return Call(kRevokeat, fd, "", AT_EMPTY_PATH | kRevokeFile);
}

void SwitchOnMutant(const std::string& name) {
  WriteAttribute("/sys/kernel/debug/revoke_mutant", name);
}

void RaiseLimits() {
  constexpr rlim_t kFiles = 200000;
  const rlimit files{kFiles, kFiles};
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) throw guest::ErrnoError("RLIMIT_NOFILE");
  const rlimit tasks{RLIM_INFINITY, RLIM_INFINITY};
  if (setrlimit(RLIMIT_NPROC, &tasks) != 0) throw guest::ErrnoError("RLIMIT_NPROC");
  for (const char* limit :
       {"fs/file-max", "vm/max_map_count", "kernel/pid_max", "kernel/threads-max"})
    WriteAttribute(std::string("/proc/sys/") + limit, "400000");
}

Machine::Machine() : directory_(FindEdu()) {
  // Nothing can be revoked by an empty name.
  devices_.revoke = Revoke("") != -ENOSYS;
  WriteAttribute(directory_ + "/driver_override", kDriver);
  Bind();
}

void Machine::Unbind() const {
  WriteAttribute(directory_ + "/driver/unbind", fs::path(directory_).filename());
}

void Machine::Bind() {
  WriteAttribute(std::string(kBus) + "/drivers/" + kDriver + "/bind",
                 fs::path(directory_).filename());
  for (const auto& entry : fs::directory_iterator(directory_ + "/uio"))
    devices_.uio = "/dev/" + entry.path().filename().string();
  if (access(devices_.uio.c_str(), R_OK) != 0) throw guest::ErrnoError("no UIO node");
}

}  // namespace bench
