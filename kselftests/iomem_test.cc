// SPDX-License-Identifier: GPL-2.0
//
// Physical memory that a driver claims, and user space has mapped: through /dev/mem, and, as it is
// the BAR of a PCI device, through sysfs and /proc/bus/pci. kselftests/modules/iomem_claim.c is the
// driver.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
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
#include "revokeat.h"
#include "sigbus_probe.h"
#include "sysfs.h"
#include "test_check.h"

namespace revoke_test {
namespace {

constexpr const char* kClaim = "/sys/kernel/iomem_claim/claim";
constexpr std::uint32_t kWord = 0x12345678;

class IomemTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(access(kClaim, F_OK), SyscallSucceeds()) << "no module iomem_claim";
    device_ = EduDevice::Find();
    ASSERT_TRUE(device_.has_value()) << "no edu device here; start QEMU with -device edu";
    ASSERT_THAT(device_->EnableWithoutDriver(), SyscallSucceeds());
    address_ = device_->bar_address();
  }
  void TearDown() override { EXPECT_THAT(Unclaim(), SyscallSucceeds()); }

  const EduDevice& device() const { return *device_; }
  off_t address() const { return address_; }

  // `size` bytes of physical memory. 0, or -1 and errno.
  static int ClaimMemory(off_t start, std::size_t size) {
    return WriteAttribute(kClaim, (std::to_string(start) + " " + std::to_string(size)).c_str());
  }
  static int Unclaim() { return WriteAttribute(kClaim, "0 0"); }
  // Bytes of the BAR
  int Claim(std::size_t offset, std::size_t size) const {
    return ClaimMemory(address() + static_cast<off_t>(offset), size);
  }
  int ClaimPage(std::size_t page) const { return Claim(page * PageSize(), PageSize()); }

  static auto Page(const Mapping& bar, std::size_t page) { return bar.At(page * PageSize()); }
  static void ExpectAlive(const Mapping& bar, std::size_t page) {
    EXPECT_THAT(Probe::Read(Page(bar, page)), Survives()) << "page " << page;
  }
  static void ExpectGone(const Mapping& bar, std::size_t page) {
    EXPECT_THAT(Probe::Read(Page(bar, page)), DiesOfSigbusAt(Page(bar, page))) << "page " << page;
  }

 private:
  std::optional<EduDevice> device_;
  off_t address_ = 0;
};

// What holds for each way to map it
class IomemWayTest : public IomemTest, public testing::WithParamInterface<BarWay> {
 protected:
  FileDescriptor OpenBar() const { return revoke_test::OpenBar(GetParam(), device()); }
  Mapping Map(const FileDescriptor& file) const { return MapBar(GetParam(), file, address()); }
  Mapping MapPage(const FileDescriptor& file, std::size_t page) const {
    return MapBar(GetParam(), file, address(), PageSize(), static_cast<off_t>(page * PageSize()));
  }
};

INSTANTIATE_TEST_SUITE_P(, IomemWayTest,
                         testing::Values(BarWay::kSysfs, BarWay::kProcfs, BarWay::kDevMem),
                         [](const testing::TestParamInfo<BarWay>& info) {
                           return Name(info.param);
                         });

// The BARs alone, which have not looked at more than their first page
class IomemBarTest : public IomemWayTest {};

INSTANTIATE_TEST_SUITE_P(, IomemBarTest, testing::Values(BarWay::kSysfs, BarWay::kProcfs),
                         [](const testing::TestParamInfo<BarWay>& info) {
                           return Name(info.param);
                         });

// ---- what is mapped ----

REVOKE_TEST_P(IomemWayTest, ClaimTakesItsPagesAndLeavesTheRest, baseline::kPasses) {
  const FileDescriptor file = OpenBar();
  const Mapping bar = Map(file);
  ASSERT_THAT(bar, SyscallSucceeds());
  for (const std::size_t page : {0, 1, 2, 3, 4}) ExpectAlive(bar, page);
  ASSERT_THAT(Claim(2 * PageSize(), 2 * PageSize()), SyscallSucceeds());
  for (const std::size_t page : {2, 3}) ExpectGone(bar, page);
  for (const std::size_t page : {0, 1, 4}) ExpectAlive(bar, page);
  ExpectDrives(bar, kWord);
}

// Both pages that have a part of it go.
REVOKE_TEST_P(IomemWayTest, ClaimFromTheMiddleOfAPageTakesItsLastPage, baseline::kFails) {
  const FileDescriptor file = OpenBar();
  const Mapping bar = Map(file);
  ASSERT_THAT(Claim(PageSize() + PageSize() / 2, PageSize()), SyscallSucceeds());
  ExpectGone(bar, 1);
  baseline::FailsFromHere();
  ExpectGone(bar, 2);
  ExpectAlive(bar, 3);
}

REVOKE_TEST_P(IomemWayTest, ClaimTakesAMappingWhoseFileIsClosed, baseline::kPasses) {
  FileDescriptor file = OpenBar();
  const Mapping bar = Map(file);
  ASSERT_THAT(file.Close(), SyscallSucceeds());
  ASSERT_THAT(ClaimPage(0), SyscallSucceeds());
  ExpectGone(bar, 0);
  ExpectAlive(bar, 1);
}

REVOKE_TEST_P(IomemWayTest, ClaimTakesAForkedChildsMapping, baseline::kPasses) {
  const FileDescriptor file = OpenBar();
  const Mapping bar = Map(file);
  Checkpoint touched;
  Checkpoint claimed;
  Child child([&] {
    TEST_CHECK(*bar.At(edu::kIdentification) == edu::kIdentificationValue);
    touched.Reach();
    TEST_CHECK(claimed.WaitFor(1));
    return DeadInChild(bar);
  });
  ASSERT_TRUE(touched.WaitFor(1));
  ASSERT_THAT(ClaimPage(0), SyscallSucceeds());
  claimed.Reach();
  EXPECT_THAT(child.Wait(), Exited(0));
}

// Of each that one file has, in whatever order.
REVOKE_TEST_P(IomemWayTest, ClaimFindsEachMappingOfAFile, baseline::kPasses) {
  const FileDescriptor file = OpenBar();
  std::vector<Mapping> pages;
  for (const std::size_t page : {5, 9, 1}) pages.push_back(MapPage(file, page));
  for (const Mapping& page : pages) ExpectAlive(page, 0);
  ASSERT_THAT(ClaimPage(1), SyscallSucceeds());
  ExpectGone(pages[2], 0);
  ASSERT_THAT(Unclaim(), SyscallSucceeds());
  ASSERT_THAT(ClaimPage(9), SyscallSucceeds());
  ExpectGone(pages[1], 0);
  ExpectAlive(pages[0], 0);
}

REVOKE_TEST_P(IomemWayTest, OldMappingStaysDeadWhenTheClaimIsGivenUp, baseline::kPasses) {
  const FileDescriptor file = OpenBar();
  const Mapping stale = Map(file);
  ASSERT_THAT(ClaimPage(0), SyscallSucceeds());
  ASSERT_THAT(Unclaim(), SyscallSucceeds());
  ExpectGone(stale, 0);
  const Mapping bar = Map(file);
  ExpectDrives(bar, kWord);
}

REVOKE_TEST_F(IomemTest, ClaimTakesItFromAllAtOnce, baseline::kPasses) {
  std::vector<FileDescriptor> files;
  std::vector<Mapping> bars;
  for (const BarWay way : {BarWay::kSysfs, BarWay::kProcfs, BarWay::kDevMem}) {
    for (int i = 0; i < 3; ++i) {
      files.push_back(OpenBar(way, device()));
      bars.push_back(MapBar(way, files.back(), address()));
      ExpectAlive(bars.back(), 0);
    }
  }
  ASSERT_THAT(ClaimPage(0), SyscallSucceeds());
  for (const Mapping& bar : bars) {
    ExpectGone(bar, 0);
    ExpectAlive(bar, 1);
  }
}

REVOKE_TEST_F(IomemTest, ClaimLeavesOtherDevicesAlone, baseline::kPasses) {
  const std::vector<EduDevice> all = EduDevice::FindAll();
  ASSERT_GE(all.size(), 2U);
  const EduDevice& other = all.back();
  ASSERT_THAT(other.EnableWithoutDriver(), SyscallSucceeds());
  const FileDescriptor file = OpenBar(BarWay::kSysfs, other);
  const Mapping bar = MapBar(BarWay::kSysfs, file, other.bar_address());
  ASSERT_THAT(Claim(0, edu::kBarSize), SyscallSucceeds());
  ExpectDrives(bar, kWord);
}

// On x86, programs of old are used to it.
REVOKE_TEST_F(IomemTest, LowMegabyteIsForEverybody, baseline::kPasses) {
  constexpr off_t kTextScreen = 0xb8000;
  const FileDescriptor file = Open("/dev/mem", O_RDONLY);
  const Mapping screen(file.get(), PageSize(), PROT_READ, MAP_SHARED, kTextScreen);
  ASSERT_THAT(screen, SyscallSucceeds());
  ExpectAlive(screen, 0);
  ASSERT_THAT(ClaimMemory(kTextScreen, PageSize()), SyscallSucceeds());
  ExpectAlive(screen, 0);
}

// ---- what is to be mapped ----

REVOKE_TEST_P(IomemWayTest, ClaimedBarCannotBeMapped, baseline::kPasses) {
  const FileDescriptor file = OpenBar();
  ASSERT_THAT(Claim(0, edu::kBarSize), SyscallSucceeds());
  const int expected = GetParam() == BarWay::kDevMem ? EPERM : EINVAL;
  EXPECT_EQ(Map(file).error(), expected);
  EXPECT_EQ(MapPage(file, 3).error(), expected);
  ASSERT_THAT(Unclaim(), SyscallSucceeds());
  ExpectDrives(Map(file), kWord);
}

REVOKE_TEST_P(IomemBarTest, PageThatIsClaimedFurtherInCannotBeMapped, baseline::kFails) {
  const FileDescriptor file = OpenBar();
  ASSERT_THAT(ClaimPage(3), SyscallSucceeds());
  baseline::FailsFromHere();
  EXPECT_EQ(Map(file).error(), EINVAL);
  EXPECT_EQ(MapPage(file, 3).error(), EINVAL);
  EXPECT_THAT(MapPage(file, 2), SyscallSucceeds());
  EXPECT_THAT(MapPage(file, 4), SyscallSucceeds());
}

// As through /dev/mem.
REVOKE_TEST_P(IomemBarTest, PageBehindAClaimedOneCanBeMapped, baseline::kFails) {
  const FileDescriptor file = OpenBar();
  ASSERT_THAT(ClaimPage(0), SyscallSucceeds());
  EXPECT_EQ(MapPage(file, 0).error(), EINVAL);
  baseline::FailsFromHere();
  const Mapping page = MapPage(file, 1);
  ASSERT_THAT(page, SyscallSucceeds());
  ExpectAlive(page, 0);
}

// ---- the files ----

REVOKE_TEST_F(IomemTest, EndOfTheAttributeIsThatOfTheBar, baseline::kPasses) {
  const FileDescriptor file = OpenBar(BarWay::kSysfs, device());
  const off_t size = edu::kBarSize;
  EXPECT_THAT(lseek(file.get(), 0, SEEK_END), SyscallSucceedsWithValue(size));
  EXPECT_THAT(lseek(file.get(), -4, SEEK_CUR), SyscallSucceedsWithValue(size - 4));
  EXPECT_THAT(lseek(file.get(), -1, SEEK_SET), SyscallFailsWithErrno(EINVAL));
}

REVOKE_TEST_F(IomemTest, OneFileOfDevMemCanBeTakenAway, baseline::kEnosys) {
  const FileDescriptor file = OpenBar(BarWay::kDevMem, device());
  const FileDescriptor other = OpenBar(BarWay::kDevMem, device());
  const Mapping bar = MapBar(BarWay::kDevMem, file, address());
  const Mapping other_bar = MapBar(BarWay::kDevMem, other, address());
  ExpectDrives(bar, kWord);
  ASSERT_THAT(RevokeFile(file.get()), SyscallSucceeds());
  ExpectDead(bar);
  ExpectDrives(other_bar, ~kWord);
  constexpr off_t kBios = 0xffff0;
  std::uint32_t word = 0;
  EXPECT_THAT(pread(file.get(), &word, sizeof(word), kBios), SyscallFailsWithErrno(ENODEV));
  EXPECT_EQ(MapBar(BarWay::kDevMem, file, address()).error(), ENODEV);
  EXPECT_THAT(pread(other.get(), &word, sizeof(word), kBios), SyscallSucceedsWithValue(4));
  EXPECT_THAT(lseek(other.get(), kBios, SEEK_SET), SyscallSucceedsWithValue(kBios));
  EXPECT_THAT(lseek(other.get(), 0, SEEK_END), SyscallFailsWithErrno(EINVAL));
}

}  // namespace
}  // namespace revoke_test
