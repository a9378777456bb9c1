// SPDX-License-Identifier: GPL-2.0
//
// PCI BARs, mapped without a driver: through resourceN of sysfs, as DPDK and SPDK do, and through
// /proc/bus/pci. QEMU's "edu" is pulled while its BAR 0 is mapped, and comes back.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bar_client.h"
#include "bar_way.h"
#include "baseline.h"
#include "checkpoint.h"
#include "edu_device.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "process.h"
#include "race.h"
#include "sigbus_probe.h"
#include "test_check.h"

namespace revoke_test {
namespace {

constexpr std::uint32_t kWord = 0x12345678;

class PciBarTest : public testing::TestWithParam<BarWay> {
 protected:
  void SetUp() override {
    device_ = EduDevice::Find();
    ASSERT_TRUE(device_.has_value()) << "no edu device here; start QEMU with -device edu";
    ASSERT_NO_FATAL_FAILURE(Enable());
  }
  void TearDown() override { EXPECT_THAT(EduDevice::RescanBus(), SyscallSucceeds()); }

  const EduDevice& device() const { return *device_; }

  // Its memory answers without a driver.
  void Enable() {
    ASSERT_THAT(device().EnableWithoutDriver(), SyscallSucceeds());
    address_ = device().bar_address();
  }
  FileDescriptor OpenBar() const { return revoke_test::OpenBar(GetParam(), device()); }
  Mapping Map(const FileDescriptor& file) const { return MapBar(GetParam(), file, address_); }
  // What calls fail with when the device has gone.
  static int Gone() { return GetParam() == BarWay::kProcfs ? EIO : ENODEV; }

  void Pull() const { ASSERT_THAT(device().Remove(), SyscallSucceeds()); }
  void Replug() {
    ASSERT_NO_FATAL_FAILURE(Pull());
    ASSERT_THAT(EduDevice::RescanBus(), SyscallSucceeds());
    ASSERT_NO_FATAL_FAILURE(Enable());
  }

 private:
  std::optional<EduDevice> device_;
  off_t address_ = 0;
};

INSTANTIATE_TEST_SUITE_P(, PciBarTest, testing::Values(BarWay::kSysfs, BarWay::kProcfs),
                         [](const testing::TestParamInfo<BarWay>& info) {
                           return Name(info.param);
                         });

// ---- while nothing is taken away ----

REVOKE_TEST_P(PciBarTest, HolderDrivesTheDevice, baseline::kPasses) {
  const FileDescriptor file = OpenBar();
  const Mapping bar = Map(file);
  ASSERT_THAT(bar, SyscallSucceeds());
  ExpectDrives(bar, kWord);
}

REVOKE_TEST_P(PciBarTest, OtherDevicesStay, baseline::kPasses) {
  const std::vector<EduDevice> all = EduDevice::FindAll();
  ASSERT_GE(all.size(), 2U);
  const EduDevice& other = all.back();
  ASSERT_NE(other.Attribute(""), device().Attribute(""));
  ASSERT_THAT(other.EnableWithoutDriver(), SyscallSucceeds());
  const FileDescriptor file = revoke_test::OpenBar(GetParam(), other);
  const Mapping bar = MapBar(GetParam(), file, other.bar_address());
  ExpectDrives(bar, kWord);
  const FileDescriptor pulled = OpenBar();
  const Mapping pulled_bar = Map(pulled);
  ASSERT_NO_FATAL_FAILURE(Pull());
  ExpectDrives(bar, ~kWord);
}

// A driver's own business.
REVOKE_TEST_P(PciBarTest, OutlivesTheDriver, baseline::kPasses) {
  const FileDescriptor file = OpenBar();
  const Mapping bar = Map(file);
  ASSERT_THAT(device().Bind(), SyscallSucceeds());
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  ASSERT_NO_FATAL_FAILURE(Enable());
  ExpectDrives(bar, kWord);
}

// ---- the device is pulled ----

REVOKE_TEST_P(PciBarTest, PullTakesTheMappingAway, baseline::kFails) {
  const FileDescriptor file = OpenBar();
  const Mapping bar = Map(file);
  ExpectDrives(bar, kWord);
  ASSERT_NO_FATAL_FAILURE(Pull());
  baseline::FailsFromHere();
  ExpectDead(bar);
}

REVOKE_TEST_P(PciBarTest, PullTakesTheMappingAwayThoughItsFileIsClosed, baseline::kFails) {
  FileDescriptor file = OpenBar();
  const Mapping bar = Map(file);
  ASSERT_THAT(file.Close(), SyscallSucceeds());
  ExpectDrives(bar, kWord);
  ASSERT_NO_FATAL_FAILURE(Pull());
  baseline::FailsFromHere();
  ExpectDead(bar);
}

REVOKE_TEST_P(PciBarTest, PullTakesAForkedChildsMappingAway, baseline::kFails) {
  const FileDescriptor file = OpenBar();
  const Mapping bar = Map(file);
  Checkpoint touched;
  Checkpoint pulled;
  Child child([&] {
    TEST_CHECK(*bar.At(edu::kIdentification) == edu::kIdentificationValue);
    touched.Reach();
    TEST_CHECK(pulled.WaitFor(1));
    return DeadInChild(bar);
  });
  ASSERT_TRUE(touched.WaitFor(1));
  ASSERT_NO_FATAL_FAILURE(Pull());
  pulled.Reach();
  EXPECT_THAT(child.Wait(), Exited(0)) << baseline::kHoleExit << ": it still reads the device";
}

REVOKE_TEST_P(PciBarTest, PullTakesAMovedPartAway, baseline::kFails) {
  const FileDescriptor file = OpenBar();
  const Mapping bar = Map(file);
  const Mapping room = Mapping::Anonymous(PageSize(), PROT_NONE);
  void* moved =
      mremap(bar.base(), PageSize(), PageSize(), MREMAP_MAYMOVE | MREMAP_FIXED, room.base());
  ASSERT_EQ(moved, room.base());
  ASSERT_THAT(Probe::Read(room.At(edu::kIdentification)), ReadsValue(edu::kIdentificationValue));
  ASSERT_NO_FATAL_FAILURE(Pull());
  baseline::FailsFromHere();
  EXPECT_THAT(Probe::Read(room.At(edu::kLiveness)), DiesOfSigbusAt(room.At(edu::kLiveness)));
}

// The device that comes back has the same address, and another owner.
REVOKE_TEST_P(PciBarTest, StaleMappingCannotDriveBehindTheNewOwnersBack, baseline::kFails) {
  const FileDescriptor stale_file = OpenBar();
  const Mapping stale = Map(stale_file);
  ASSERT_NO_FATAL_FAILURE(Replug());
  const FileDescriptor file = OpenBar();
  const Mapping bar = Map(file);
  ExpectDrives(bar, kWord);
  baseline::FailsFromHere();
  EXPECT_THAT(Probe::Write(stale.At(edu::kLiveness), 0U), DiesOfSigbusAt(stale.At(edu::kLiveness)));
  EXPECT_THAT(Probe::Read(bar.At(edu::kLiveness)), ReadsValue(~kWord));
}

REVOKE_TEST_P(PciBarTest, HandlerMapsMemoryOverTheHole, baseline::kFails) {
  const FileDescriptor file = OpenBar();
  const Mapping bar = Map(file);
  Checkpoint touched;
  Checkpoint pulled;
  Child child([&] {
    FillWhenItGoes(bar);
    TEST_CHECK(*bar.At(edu::kIdentification) == edu::kIdentificationValue);
    touched.Reach();
    TEST_CHECK(pulled.WaitFor(1));
    // The access that has faulted is repeated.
    return *bar.At(edu::kIdentification) == 0 ? 0 : baseline::HoleInChild();
  });
  ASSERT_TRUE(touched.WaitFor(1));
  ASSERT_NO_FATAL_FAILURE(Pull());
  pulled.Reach();
  EXPECT_THAT(child.Wait(), Exited(0));
}

REVOKE_TEST_P(PciBarTest, CallsOnTheStaleFileFailAndClosingItSucceeds, baseline::kPasses) {
  FileDescriptor file = OpenBar();
  Mapping bar = Map(file);
  ASSERT_NO_FATAL_FAILURE(Replug());
  std::uint32_t word = 0;
  EXPECT_THAT(pread(file.get(), &word, sizeof(word), 0), SyscallFailsWithErrno(Gone()));
  EXPECT_EQ(Map(file).error(), Gone());
  EXPECT_THAT(bar.Unmap(), SyscallSucceeds());
  EXPECT_THAT(file.Close(), SyscallSucceeds());
}

// What else there is of the device.
REVOKE_TEST_P(PciBarTest, StaleConfigurationIsOutOfReach, baseline::kPasses) {
  const FileDescriptor config = Open(device().Attribute("config"), O_RDWR);
  ASSERT_NO_FATAL_FAILURE(Replug());
  std::uint32_t word = 0;
  EXPECT_THAT(pread(config.get(), &word, sizeof(word), 0), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(pwrite(config.get(), &word, sizeof(word), 0), SyscallFailsWithErrno(ENODEV));
}

// ---- at the same time ----

// Whether the pull finds the mapping or keeps it out, nothing is left.
REVOKE_TEST_P(PciBarTest, MmapRacesAPull, baseline::kFails) {
  FileDescriptor file;
  std::optional<Mapping> bar;
  baseline::FailsFromHere();
  ExpectRace(
      {.overlaps = 10, .rounds = 20},
      {[&] { bar.emplace(Map(file)); }, [&] { TEST_PCHECK(device().Remove() == 0); }},
      [&] {
        file = OpenBar();
        ASSERT_TRUE(file.valid());
      },
      [&] {
        if (bar->valid()) ExpectDead(*bar);
        bar.reset();
        file = FileDescriptor();
        EXPECT_THAT(EduDevice::RescanBus(), SyscallSucceeds());
        Enable();
      });
}

}  // namespace
}  // namespace revoke_test
