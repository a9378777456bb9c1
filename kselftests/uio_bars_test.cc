// SPDX-License-Identifier: GPL-2.0
//
// Which BARs uio_pci_generic maps. A modern virtio device has a BAR of 32 bits, and one of 64 bits
// that is prefetchable, which begins with two registers that can be written.

#include <fcntl.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "baseline.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "pci_device.h"
#include "proc.h"
#include "sigbus_probe.h"

namespace revoke_test {
namespace {

// BARs of the device
constexpr int kBar32 = 1;
constexpr const char* kBar64 = "resource4";
// Selects which word of the features is read: any value will do.
constexpr std::uint32_t kSelect = 0x12345678;

class UioBarsTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::vector<PciDevice> found = PciDevice::FindAll("0x1af4", "0x1044");
    ASSERT_FALSE(found.empty()) << "start QEMU with -device virtio-rng-pci,disable-legacy=on";
    device_ = found.front();
    ASSERT_THAT(device_->Bind(), SyscallSucceeds());
  }

  const PciDevice& device() const { return *device_; }
  FileDescriptor OpenUio() const { return Open(device().UioNode(), O_RDWR); }
  static Mapping Map(const FileDescriptor& uio, off_t number) {
    return {uio.get(), PageSize(), PROT_READ | PROT_WRITE, MAP_SHARED,
            number * static_cast<off_t>(PageSize())};
  }

 private:
  std::optional<PciDevice> device_;
};

// The numbers of maps are known to programs.
REVOKE_TEST_F(UioBarsTest, BarOf32BitsIsTheFirst, baseline::kPasses) {
  const std::string name = std::filesystem::path(device().UioNode()).filename();
  const std::string address =
      ReadSmallFile("/sys/class/uio/" + name + "/maps/map0/addr").value_or("");
  // A line for each BAR: its first and its last address, and flags.
  std::istringstream bars(ReadSmallFile(device().Attribute("resource")).value_or(""));
  std::string line;
  for (int bar = 0; bar <= kBar32; ++bar) ASSERT_TRUE(std::getline(bars, line));
  EXPECT_EQ(std::strtoull(address.c_str(), nullptr, 16), std::strtoull(line.c_str(), nullptr, 16));
}

REVOKE_TEST_F(UioBarsTest, BarOf64BitsComesNext, baseline::kFails) {
  const FileDescriptor uio = OpenUio();
  ASSERT_THAT(uio, SyscallSucceeds());
  const FileDescriptor bar = Open(device().Attribute(kBar64), O_RDWR);
  const Mapping same(bar.get(), PageSize());
  ASSERT_THAT(same, SyscallSucceeds());
  ASSERT_THAT(Probe::Write(same.At<std::uint32_t>(0), kSelect), Survives());
  baseline::FailsFromHere();
  const Mapping mapping = Map(uio, 1);
  ASSERT_THAT(mapping, SyscallSucceeds());
  EXPECT_THAT(Probe::Read(mapping.At<std::uint32_t>(0)), ReadsValue(kSelect));
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  EXPECT_THAT(Probe::Read(mapping.At<std::uint32_t>(0)),
              DiesOfSigbusAt(mapping.At<std::uint32_t>(0)));
}

}  // namespace
}  // namespace revoke_test
