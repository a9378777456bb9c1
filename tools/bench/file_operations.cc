// SPDX-License-Identifier: GPL-2.0

#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/ioctl.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <optional>

#include "call.h"
#include "files_under_test.h"
#include "operation.h"

namespace bench {
namespace {

constexpr unsigned kCount = 500;

// <sound/asound.h> is not on every build host, and these are part of the ABI.
constexpr unsigned long kSndCtlPversion = _IOR('U', 0x00, int);
constexpr long kSndNotSubscribed = -EBADFD;
// lib/test_revoke_abi.h: returns its argument.
constexpr unsigned long kTestReturn = _IO(0xe7, 0x01);

// One call on one file.
struct Row {
  const char* call;
  const char* file;
  std::function<SharedFd()> open;
  long number;
  long argument;              // the second: a command, an offset; 0: a buffer
  long length;                // the third
  std::optional<long> gives;  // nothing: it is enough that it is no error
  long offset = 0;            // the fourth
};

Operation ToOperation(const Row& row) {
  return {row.call, row.file, kCount, [row] {
            const SharedFd fd = row.open();
            auto buffer = std::make_shared<std::array<char, 4096>>();
            const long argument =
                row.argument != 0 ? row.argument : reinterpret_cast<long>(buffer->data());
            const long least = row.gives.value_or(0);
            const auto most = static_cast<unsigned long>(row.gives ? 0 : 1L << 20);
            return Repeat([=, number = row.number, length = row.length, offset = row.offset,
                           raw = fd->get(), keep = std::make_pair(fd, buffer)] {
              const long result = Call(number, raw, argument, length, offset);
              return static_cast<unsigned long>(result - least) <= most;
            });
          }};
}

std::function<SharedFd()> At(std::string path, int flags = O_RDONLY) {
  return [path = std::move(path), flags] { return Open(path, flags | O_NONBLOCK); };
}

SharedFd PipeEnd() { return MakePipe().read; }

std::vector<Row> Rows(const std::string& uio) {
  const auto null = At("/dev/null", O_RDWR);
  const auto zero = At("/dev/zero", O_RDWR);
  const auto device = At(uio, O_RDWR);
  const auto sound = At(kSound, O_RDWR);
  return {
      {"read", "/dev/null", null, SYS_read, 0, 64, 0},
      {"read", "/dev/zero", zero, SYS_read, 0, 64, 64},
      {"read", "tmpfs", OpenTmpfs, SYS_read, 0, 8, 8},
      {"read", "UIO", device, SYS_read, 0, 4, -EAGAIN},
      {"read", "ALSA control", sound, SYS_read, 0, 64, kSndNotSubscribed},
      {"pread", "/dev/null", null, SYS_pread64, 0, 64, 0},
      {"pread", "/dev/zero", zero, SYS_pread64, 0, 64, 64},
      {"pread", "tmpfs", OpenTmpfs, SYS_pread64, 0, 64, 64},
      {"pread", "sysfs attribute", At(kSysfs), SYS_pread64, 0, 64, std::nullopt},
      {"pread", "/proc/version", At("/proc/version"), SYS_pread64, 0, 512, std::nullopt},
      {"pread", "/proc/net/dev", At("/proc/net/dev"), SYS_pread64, 0, 4096, std::nullopt},
      {"pread", "/proc/self/status", At("/proc/self/status"), SYS_pread64, 0, 4096, std::nullopt},
      {"pread", "debugfs", At(kDebugfs), SYS_pread64, 0, 64, std::nullopt},
      {"write", "/dev/null", null, SYS_write, 0, 64, 64},
      {"write", "/dev/zero", zero, SYS_write, 0, 64, 64},
      {"write", "UIO", device, SYS_write, 0, 4, -ENOSYS},
      {"pwrite", "tmpfs", OpenTmpfs, SYS_pwrite64, 0, 64, 64},
      {"lseek", "/dev/null", null, SYS_lseek, 1, SEEK_SET, 0},
      {"lseek", "tmpfs", OpenTmpfs, SYS_lseek, 1, SEEK_SET, 1},
      {"lseek", "sysfs attribute", At(kSysfs), SYS_lseek, 1, SEEK_SET, 1},
      {"lseek", "/proc/version", At("/proc/version"), SYS_lseek, 1, SEEK_SET, 1},
      {"lseek", "UIO", device, SYS_lseek, 1, SEEK_SET, 0},
      {"fsync", "tmpfs", OpenTmpfs, SYS_fsync, 0, 0, 0},
      {"ioctl", "/dev/null", null, SYS_ioctl, TCGETS, 0, -ENOTTY},
      {"ioctl", "pipe", PipeEnd, SYS_ioctl, TCGETS, 0, -ENOTTY},
      {"ioctl", "tmpfs", OpenTmpfs, SYS_ioctl, TCGETS, 0, -ENOTTY},
      {"ioctl", "UIO", device, SYS_ioctl, TCGETS, 0, -ENOTTY},
  };
}

std::vector<Row> TestDeviceRows() {
  const auto device = At(kTest, O_RDWR);
  return {
      {"read", "test device", device, SYS_read, 0, 1, -EAGAIN},
      {"ioctl", "test device", device, SYS_ioctl, static_cast<long>(kTestReturn), 0, 0},
  };
}

// A byte goes in and comes out.
Loop ThereAndBack(const SharedFd& in, const SharedFd& out) {
  auto byte = std::make_shared<char>('x');
  return Repeat([in, out, byte, i = in->get(), o = out->get(), at = byte.get()] {
    return Call(SYS_write, i, at, 1) == 1 && Call(SYS_read, o, at, 1) == 1;
  });
}

// The command writes to where its argument points.
Loop SoundVersion() {
  const SharedFd fd = Open(kSound, O_RDWR);
  auto version = std::make_shared<int>(0);
  return Repeat([fd, version, raw = fd->get(), at = version.get()] {
    return Call(SYS_ioctl, raw, kSndCtlPversion, at) == 0;
  });
}

}  // namespace

std::vector<Operation> FileOperations(const Devices& devices) {
  std::vector<Operation> operations;
  for (const Row& row : Rows(devices.uio)) operations.push_back(ToOperation(row));
  operations.push_back({"write+read", "pipe", kCount, [] {
                          const Pipe pipe = MakePipe();
                          return ThereAndBack(pipe.write, pipe.read);
                        }});
  operations.push_back({"ioctl", "ALSA control", kCount, SoundVersion});
  if (!devices.revoke) return operations;
  for (const Row& row : TestDeviceRows()) operations.push_back(ToOperation(row));
  operations.push_back({"write+read", "test device", kCount, [] {
                          const SharedFd fd = Open(kTest, O_RDWR);
                          return ThereAndBack(fd, fd);
                        }});
  return operations;
}

}  // namespace bench
