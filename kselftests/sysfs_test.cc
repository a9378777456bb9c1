// SPDX-License-Identifier: GPL-2.0
//
// Files of sysfs that can be mapped: BAR 0 of QEMU's "edu" through resource0, as DPDK and SPDK map
// it. The device is pulled while it is mapped, and comes back.

#include "sysfs.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bar_client.h"
#include "baseline.h"
#include "checkpoint.h"
#include "edu_device.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "proc.h"
#include "process.h"
#include "race.h"
#include "sigbus_probe.h"
#include "test_check.h"

namespace revoke_test {
namespace {

constexpr std::uint32_t kWord = 0x12345678;

class SysfsBarTest : public testing::Test {
 protected:
  void SetUp() override {
    device_ = EduDevice::Find();
    ASSERT_TRUE(device_.has_value()) << "no edu device here; start QEMU with -device edu";
    ASSERT_NO_FATAL_FAILURE(Enable());
  }
  void TearDown() override { EXPECT_THAT(EduDevice::RescanBus(), SyscallSucceeds()); }

  const EduDevice& device() const { return *device_; }

  // Its memory answers without a driver.
  void Enable() const {
    ASSERT_THAT(WriteAttribute(device().Attribute("enable"), "1"), SyscallSucceeds());
  }
  FileDescriptor OpenResource() const { return Open(device().Attribute("resource0"), O_RDWR); }

  void Pull() const { ASSERT_THAT(device().Remove(), SyscallSucceeds()); }
  void Replug() const {
    ASSERT_NO_FATAL_FAILURE(Pull());
    ASSERT_THAT(EduDevice::RescanBus(), SyscallSucceeds());
    ASSERT_NO_FATAL_FAILURE(Enable());
  }

 private:
  std::optional<EduDevice> device_;
};

// ---- while nothing is taken away ----

REVOKE_TEST_F(SysfsBarTest, HolderDrivesTheDevice, baseline::kPasses) {
  const FileDescriptor resource = OpenResource();
  const Mapping bar = MapBar(resource);
  ASSERT_THAT(bar, SyscallSucceeds());
  ExpectDrives(bar, kWord);
}

REVOKE_TEST_F(SysfsBarTest, OtherDevicesStay, baseline::kPasses) {
  const std::vector<EduDevice> all = EduDevice::FindAll();
  ASSERT_GE(all.size(), 2U);
  const EduDevice& other = all.back();
  ASSERT_NE(other.Attribute(""), device().Attribute(""));
  ASSERT_THAT(WriteAttribute(other.Attribute("enable"), "1"), SyscallSucceeds());
  const FileDescriptor resource = Open(other.Attribute("resource0"), O_RDWR);
  const Mapping bar = MapBar(resource);
  ExpectDrives(bar, kWord);
  // They are all in one address_space.
  const FileDescriptor pulled = OpenResource();
  const Mapping pulled_bar = MapBar(pulled);
  ASSERT_NO_FATAL_FAILURE(Pull());
  ExpectDrives(bar, ~kWord);
}

// A driver's own business.
REVOKE_TEST_F(SysfsBarTest, OutlivesTheDriver, baseline::kPasses) {
  const FileDescriptor resource = OpenResource();
  const Mapping bar = MapBar(resource);
  ASSERT_THAT(device().Bind(), SyscallSucceeds());
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  ASSERT_NO_FATAL_FAILURE(Enable());
  ExpectDrives(bar, kWord);
}

// ---- the device is pulled ----

REVOKE_TEST_F(SysfsBarTest, PullTakesTheMappingAway, baseline::kFails) {
  const FileDescriptor resource = OpenResource();
  const Mapping bar = MapBar(resource);
  ExpectDrives(bar, kWord);
  ASSERT_NO_FATAL_FAILURE(Pull());
  baseline::FailsFromHere();
  ExpectDead(bar);
}

REVOKE_TEST_F(SysfsBarTest, PullTakesTheMappingAwayThoughItsFileIsClosed, baseline::kFails) {
  FileDescriptor resource = OpenResource();
  const Mapping bar = MapBar(resource);
  ASSERT_THAT(resource.Close(), SyscallSucceeds());
  ExpectDrives(bar, kWord);
  ASSERT_NO_FATAL_FAILURE(Pull());
  baseline::FailsFromHere();
  ExpectDead(bar);
}

REVOKE_TEST_F(SysfsBarTest, PullTakesAForkedChildsMappingAway, baseline::kFails) {
  const FileDescriptor resource = OpenResource();
  const Mapping bar = MapBar(resource);
  Checkpoint touched;
  Checkpoint pulled;
  Child child([&] {
    TEST_CHECK(*bar.At(edu::kIdentification) == edu::kIdentificationValue);
    touched.Reach();
    TEST_CHECK(pulled.WaitFor(1));
    const std::optional<Fault> fault = Probe::Read(bar.At(edu::kLiveness)).fault;
    if (!fault) return baseline::HoleInChild();
    TEST_CHECK(IsSigbusAt(fault, bar.At(edu::kLiveness)));
    return 0;
  });
  ASSERT_TRUE(touched.WaitFor(1));
  ASSERT_NO_FATAL_FAILURE(Pull());
  pulled.Reach();
  EXPECT_THAT(child.Wait(), Exited(0)) << baseline::kHoleExit << ": it still reads the device";
}

REVOKE_TEST_F(SysfsBarTest, PullTakesAMovedPartAway, baseline::kFails) {
  const FileDescriptor resource = OpenResource();
  const Mapping bar = MapBar(resource);
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
REVOKE_TEST_F(SysfsBarTest, StaleMappingCannotDriveBehindTheNewOwnersBack, baseline::kFails) {
  const FileDescriptor stale_resource = OpenResource();
  const Mapping stale = MapBar(stale_resource);
  ASSERT_NO_FATAL_FAILURE(Replug());
  const FileDescriptor resource = OpenResource();
  const Mapping bar = MapBar(resource);
  ExpectDrives(bar, kWord);
  baseline::FailsFromHere();
  EXPECT_THAT(Probe::Write(stale.At(edu::kLiveness), 0U), DiesOfSigbusAt(stale.At(edu::kLiveness)));
  EXPECT_THAT(Probe::Read(bar.At(edu::kLiveness)), ReadsValue(~kWord));
}

// What DPDK and SPDK do when the device has gone: the handler puts memory over the hole.
void* volatile hole = nullptr;
volatile std::size_t hole_size = 0;

void FillTheHole(int /*signal*/) {
  if (mmap(hole, hole_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
           0) == MAP_FAILED) {
    _exit(1);
  }
}

REVOKE_TEST_F(SysfsBarTest, HandlerMapsMemoryOverTheHole, baseline::kFails) {
  const FileDescriptor resource = OpenResource();
  const Mapping bar = MapBar(resource);
  Checkpoint touched;
  Checkpoint pulled;
  Child child([&] {
    hole = bar.base();
    hole_size = bar.size();
    TEST_CHECK(signal(SIGBUS, FillTheHole) != SIG_ERR);
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

REVOKE_TEST_F(SysfsBarTest, CallsOnTheStaleFileFailAndClosingItSucceeds, baseline::kPasses) {
  FileDescriptor resource = OpenResource();
  FileDescriptor config = Open(device().Attribute("config"), O_RDWR);
  Mapping bar = MapBar(resource);
  ASSERT_NO_FATAL_FAILURE(Replug());
  std::uint32_t word = 0;
  EXPECT_THAT(pread(config.get(), &word, sizeof(word), 0), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(pwrite(config.get(), &word, sizeof(word), 0), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(pread(resource.get(), &word, sizeof(word), 0), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(lseek(resource.get(), 0, SEEK_SET), SyscallFailsWithErrno(ENODEV));
  EXPECT_EQ(MapBar(resource).error(), ENODEV);
  EXPECT_THAT(fsync(resource.get()), SyscallSucceeds());
  EXPECT_THAT(bar.Unmap(), SyscallSucceeds());
  EXPECT_THAT(resource.Close(), SyscallSucceeds());
  EXPECT_THAT(config.Close(), SyscallSucceeds());
}

// ---- a driver that counts VMAs ----

// kselftests/modules/sysfs_memory.c.
class SysfsMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(access(kDirectory.c_str(), F_OK), SyscallSucceeds()) << "no module sysfs_memory";
    ASSERT_NO_FATAL_FAILURE(SetPresent(true));
  }
  void TearDown() override { SetPresent(false); }

  static void SetPresent(bool present) {
    ASSERT_THAT(WriteAttribute(kDirectory + "/present", present ? "1" : "0"), SyscallSucceeds());
  }
  static FileDescriptor OpenMemory() { return Open(kDirectory + "/memory", O_RDWR); }
  static Mapping Map(const FileDescriptor& memory) { return {memory.get(), PageSize()}; }
  static std::string Vmas() { return ReadSmallFile(kDirectory + "/vmas").value_or(""); }

 private:
  inline static const std::string kDirectory = "/sys/kernel/sysfs_memory";
};

REVOKE_TEST_F(SysfsMemoryTest, DriverIsToldOfEachVma, baseline::kFails) {
  const FileDescriptor memory = OpenMemory();
  baseline::FailsFromHere();
  Mapping mapping = Map(memory);
  ASSERT_THAT(mapping, SyscallSucceeds());
  EXPECT_EQ(Vmas(), "1");
  EXPECT_THAT(InChild([] { TEST_CHECK(Vmas() == "2"); }), Exited(0));
  EXPECT_EQ(Vmas(), "1");
  EXPECT_THAT(mapping.Unmap(), SyscallSucceeds());
  EXPECT_EQ(Vmas(), "0");
}

// It has given up on them, and may be gone.
REVOKE_TEST_F(SysfsMemoryTest, DriverIsNotToldWhenTheFileHasGone, baseline::kFails) {
  const FileDescriptor memory = OpenMemory();
  baseline::FailsFromHere();
  Mapping mapping = Map(memory);
  ASSERT_THAT(Probe::Write(mapping.At<std::uint32_t>(0), kWord), Survives());
  ASSERT_NO_FATAL_FAILURE(SetPresent(false));
  EXPECT_THAT(Probe::Read(mapping.At<std::uint32_t>(0)),
              DiesOfSigbusAt(mapping.At<std::uint32_t>(0)));
  EXPECT_THAT(InChild([] {}), Exited(0));
  EXPECT_THAT(mapping.Unmap(), SyscallSucceeds());
  EXPECT_EQ(Vmas(), "1");
}

REVOKE_TEST_F(SysfsMemoryTest, TheNextFileOfThatNameWorks, baseline::kFails) {
  const FileDescriptor stale_memory = OpenMemory();
  baseline::FailsFromHere();
  const Mapping stale = Map(stale_memory);
  ASSERT_THAT(Probe::Write(stale.At<std::uint32_t>(0), kWord), Survives());
  ASSERT_NO_FATAL_FAILURE(SetPresent(false));
  ASSERT_NO_FATAL_FAILURE(SetPresent(true));
  const FileDescriptor memory = OpenMemory();
  const Mapping mapping = Map(memory);
  EXPECT_THAT(Probe::Read(mapping.At<std::uint32_t>(0)), ReadsValue(kWord));
  EXPECT_THAT(Probe::Read(stale.At<std::uint32_t>(0)), DiesOfSigbusAt(stale.At<std::uint32_t>(0)));
}

// ---- at the same time ----

// Whether the pull finds the mapping or keeps it out, nothing is left.
REVOKE_TEST_F(SysfsBarTest, MmapRacesAPull, baseline::kFails) {
  FileDescriptor resource;
  std::optional<Mapping> bar;
  baseline::FailsFromHere();
  ExpectRace(
      {.overlaps = 10, .rounds = 20},
      {[&] { bar.emplace(MapBar(resource)); }, [&] { TEST_PCHECK(device().Remove() == 0); }},
      [&] {
        resource = OpenResource();
        ASSERT_TRUE(resource.valid());
      },
      [&] {
        if (bar->valid()) ExpectDead(*bar);
        bar.reset();
        resource = FileDescriptor();
        EXPECT_THAT(EduDevice::RescanBus(), SyscallSucceeds());
        Enable();
      });
}

}  // namespace
}  // namespace revoke_test
