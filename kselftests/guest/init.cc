// SPDX-License-Identifier: GPL-2.0

#include "init.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "fd.h"
#include "files.h"
#include "job.h"

namespace guest {
namespace {

// No caching, so that both sides see what the other wrote; large messages, since each is an exit.
constexpr char k9pOptions[] = "trans=virtio,version=9p2000.L,access=any,cache=none,msize=524288";

constexpr char kUeventHelper[] = "/sys/kernel/uevent_helper";

struct MountPoint {
  const char* type;
  const char* path;
  const char* options;
  bool required;  // otherwise the kernel may have been built without
};

constexpr MountPoint kMounts[] = {
    {"proc", "/proc", "", true},
    {"sysfs", "/sys", "", true},
    {"devtmpfs", "/dev", "", true},
    {"tmpfs", "/dev/shm", "mode=1777", true},
    {"devpts", "/dev/pts", "ptmxmode=666", true},
    {"debugfs", "/sys/kernel/debug", "", false},
    {"tracefs", "/sys/kernel/tracing", "", false},
    {"securityfs", "/sys/kernel/security", "", false},
    {"configfs", "/sys/kernel/config", "", false},
    {"cgroup2", "/sys/fs/cgroup", "", false},
};

void Mount(const char* source, const char* path, const char* type, unsigned long flags,
           const char* options) {
  std::error_code ignored;  // on sysfs the directory exists or cannot be made; mount says which
  std::filesystem::create_directories(path, ignored);
  if (mount(source, path, type, flags, options) < 0)
    throw ErrnoError(std::string("cannot mount ") + type + " on " + path);
}

void LinkStandardStreams() {
  constexpr const char* kLinks[][2] = {{"/proc/self/fd", "/dev/fd"},
                                       {"/proc/self/fd/0", "/dev/stdin"},
                                       {"/proc/self/fd/1", "/dev/stdout"},
                                       {"/proc/self/fd/2", "/dev/stderr"}};
  for (const auto& [target, path] : kLinks) {
    if (symlink(target, path) < 0 && errno != EEXIST)
      throw ErrnoError(std::string("cannot make ") + path);
  }
}

}  // namespace

void SetUpMachine() {
  umask(022);
  // Everybody may write to that of an initramfs: programs that look at such things refuse to work.
  if (chmod("/", 0755) < 0) throw ErrnoError("cannot change the mode of /");
  for (const MountPoint& point : kMounts) {
    try {
      Mount(point.type, point.path, point.type, 0, point.options);
    } catch (const Error&) {
      if (point.required) throw;
    }
  }
  // The root is a tmpfs already, and the program may have been put anywhere in it.
  if (chmod("/tmp", 01777) < 0) throw ErrnoError("cannot open /tmp to everybody");
  // The kernel starts a program for each uevent while it boots, see guest-run --early: enough.
  if (access(kUeventHelper, F_OK) == 0)
    WriteAll(OpenForAppending(kUeventHelper).get(), "\n", kUeventHelper);
  LinkStandardStreams();
  Mount(kResultsTag, kResultsDir, "9p", 0, k9pOptions);
}

void MountShares(const std::string& results) {
  const std::string path = results + "/" + kJobFile;
  std::string error;
  const std::optional<Job> job = ParseJob(ReadFile(path).value_or(""), &error);
  if (!job) throw Error(path + ": " + error);
  for (const Share& share : job->shares)
    Mount(share.tag.c_str(), share.path.c_str(), "9p", MS_RDONLY, k9pOptions);
}

void PowerOff() {
  kill(-1, SIGKILL);
  sync();
  umount2(kResultsDir, MNT_DETACH);
  reboot(RB_POWER_OFF);
  // Reached only without power management; the emulator is told to end on a reboot.
  reboot(RB_AUTOBOOT);
  _exit(1);
}

}  // namespace guest
