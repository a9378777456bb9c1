// SPDX-License-Identifier: GPL-2.0

#include <fcntl.h>
#include <sys/syscall.h>

#include "call.h"
#include "files_under_test.h"
#include "machine.h"
#include "operation.h"

namespace bench {
namespace {

constexpr unsigned kCount = 200;
constexpr long kPage = 4096;

Operation OpenAndClose(const char* name, const std::string& path) {
  return {"open+close", name, kCount, [path] {
            auto kept = std::make_shared<std::string>(path);
            return Repeat([kept, at = kept->c_str()] {
              const long fd = Call(SYS_open, at, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
              return fd >= 0 && Call(SYS_close, fd) == 0;
            });
          }};
}

// With "open+close", what a revoke of one file costs that nobody is inside of.
Operation OpenRevokeAndClose(const char* name, const std::string& path) {
  return {"open+revokeat+close", name, kCount, [path] {
            auto kept = std::make_shared<std::string>(path);
            return Repeat([kept, at = kept->c_str()] {
              const long fd = Call(SYS_open, at, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
              return fd >= 0 && RevokeFile(fd) == 0 && Call(SYS_close, fd) == 0;
            });
          }};
}

Loop MakeAndClosePipe() {
  return Repeat([] {
    int fds[2] = {-1, -1};
    return Call(SYS_pipe2, fds, O_CLOEXEC) == 0 && Call(SYS_close, fds[0]) == 0 &&
           Call(SYS_close, fds[1]) == 0;
  });
}

// A page of `in`, from its beginning if that is `seekable`, through a pipe to /dev/null.
Loop Splice(const SharedFd& in, bool seekable) {
  struct Files {
    SharedFd in;
    SharedFd out = Open("/dev/null", O_WRONLY);
    Pipe pipe = MakePipe();
  };
  const auto files = std::make_shared<Files>(Files{.in = in});
  return Repeat([files, seekable, from = in->get(), to = files->out->get(),
                 put = files->pipe.write->get(), take = files->pipe.read->get()] {
    long offset = 0;
    return Call(SYS_splice, from, seekable ? &offset : nullptr, put, 0, kPage, 0) == kPage &&
           Call(SYS_splice, take, 0, to, 0, kPage, 0) == kPage;
  });
}

constexpr char kTmpfs[] = "/dev/shm/bench";

}  // namespace

std::vector<Operation> OpenOperations(const Devices& devices) {
  std::vector<Operation> operations = {
      OpenAndClose("/dev/null", "/dev/null"),
      OpenAndClose("/dev/zero", "/dev/zero"),
      {"open+close", "tmpfs", kCount,
       [] {
         Open(kTmpfs, O_CREAT | O_RDWR);
         return OpenAndClose("tmpfs", kTmpfs).prepare();
       }},
      {"pipe2+close+close", "pipe", kCount, MakeAndClosePipe},
      OpenAndClose("sysfs attribute", kSysfs),
      OpenAndClose("/proc/version", "/proc/version"),
      OpenAndClose("/proc/net/dev", "/proc/net/dev"),
      OpenAndClose("/proc/self/status", "/proc/self/status"),
      OpenAndClose("debugfs", kDebugfs),
      OpenAndClose("UIO", devices.uio),
      OpenAndClose("ALSA control", kSound),
      {"splice", "tmpfs to pipe to /dev/null", kCount, [] { return Splice(OpenTmpfs(), true); }},
      {"splice", "/dev/zero to pipe to /dev/null", kCount,
       [] { return Splice(Open("/dev/zero", O_RDONLY), false); }},
  };
  if (devices.revoke) {
    operations.push_back(OpenAndClose("test device", kTest));
    operations.push_back(OpenRevokeAndClose("test device", kTest));
    operations.push_back(OpenRevokeAndClose("UIO", devices.uio));
  }
  return operations;
}

}  // namespace bench
