// SPDX-License-Identifier: GPL-2.0
//
// The configuration space of a PCI device in /proc/bus/pci, which everybody may read: who does so
// to memory that does not come does not keep the device from being removed.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>

#include "baseline.h"
#include "call_in_thread.h"
#include "edu_device.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "stuck_call.h"

namespace revoke_test {
namespace {

// What everybody may read, in bytes.
constexpr std::size_t kStandard = 64;

class PciConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    device_ = EduDevice::Find();
    ASSERT_TRUE(device_.has_value()) << "no edu device here; start QEMU with -device edu";
  }
  void TearDown() override { EXPECT_THAT(EduDevice::RescanBus(), SyscallSucceeds()); }

  const EduDevice& device() const { return *device_; }
  FileDescriptor OpenProc() const { return Open(device().ProcFile(), O_RDWR); }
  FileDescriptor OpenSysfs() const { return Open(device().Attribute("config"), O_RDWR); }

  // Its first bytes.
  std::string Config() const {
    std::string config(kStandard, '\0');
    EXPECT_THAT(pread(OpenSysfs().get(), config.data(), config.size(), 0),
                SyscallSucceedsWithValue(kStandard));
    return config;
  }

 private:
  std::optional<EduDevice> device_;
};

REVOKE_TEST_F(PciConfigTest, ReaderThatIsStuckHoldsNobodyUp, baseline::kFails) {
  const FileDescriptor file = OpenProc();
  const std::string config = Config();
  CallInThread removal;
  StuckCall reader;
  ASSERT_TRUE(
      reader.Stick(SYS_read, [&](void* memory) { return read(file.get(), memory, kStandard); }));
  removal.Start([&] { return device().Remove(); });
  baseline::FailsFromHere();
  ASSERT_TRUE(removal.Returns(kAtOnce));
  EXPECT_THAT(removal.Join(), SyscallSucceeds());
  reader.Release();
  EXPECT_THAT(reader.Join(), SyscallSucceedsWithValue(kStandard)) << "which it had";
  EXPECT_EQ(reader.Memory(kStandard), config);
  char byte = 0;
  EXPECT_THAT(read(file.get(), &byte, 1), SyscallFailsWithErrno(EIO));
}

// The memory comes before anybody removes the device.
REVOKE_TEST_F(PciConfigTest, ReaderThatHasWaitedReads, baseline::kPasses) {
  const FileDescriptor file = OpenProc();
  StuckCall reader;
  ASSERT_TRUE(
      reader.Stick(SYS_read, [&](void* memory) { return read(file.get(), memory, kStandard); }));
  reader.Release();
  EXPECT_THAT(reader.Join(), SyscallSucceedsWithValue(kStandard));
  EXPECT_EQ(reader.Memory(kStandard), Config());
  EXPECT_THAT(lseek(file.get(), 0, SEEK_CUR), SyscallSucceedsWithValue(kStandard));
}

REVOKE_TEST_F(PciConfigTest, EachPartIsAsInSysfs, baseline::kPasses) {
  const FileDescriptor file = OpenProc();
  const FileDescriptor sysfs = OpenSysfs();
  std::array<char, 16> expected{};
  std::array<char, 16> got{};
  for (off_t from = 0; from < 8; ++from) {
    for (long size = 0; size <= 9; ++size) {
      ASSERT_THAT(pread(sysfs.get(), expected.data(), size, from), SyscallSucceedsWithValue(size));
      ASSERT_THAT(pread(file.get(), got.data(), size, from), SyscallSucceedsWithValue(size));
      EXPECT_EQ(got, expected) << size << " bytes from " << from;
    }
  }
}

// 7.3.4 says that it has read all of it.
REVOKE_TEST_F(PciConfigTest, MemoryThatIsNotThereIsAnError, baseline::kFails) {
  const FileDescriptor file = OpenProc();
  const Mapping hole(-1, PageSize(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
  ASSERT_THAT(hole, SyscallSucceeds());
  baseline::FailsFromHere();
  EXPECT_THAT(read(file.get(), hole.base(), kStandard), SyscallFailsWithErrno(EFAULT));
  EXPECT_THAT(lseek(file.get(), 0, SEEK_CUR), SyscallSucceedsWithValue(0));
}

}  // namespace
}  // namespace revoke_test
