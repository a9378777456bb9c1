// SPDX-License-Identifier: GPL-2.0
//
// PCI devices that are pulled, by sysfs or by the emulator, while processes use them through sysfs
// as user space drivers do.

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "bar_client.h"
#include "baseline.h"
#include "checkpoint.h"
#include "deadline.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "pci_device.h"
#include "process.h"
#include "qemu_monitor.h"
#include "skip.h"
#include "test_check.h"

namespace revoke_test {
namespace {

constexpr std::uint32_t kWord = 0x12345678;

// A device of this machine, and what to look at
struct Card {
  const char* name;
  const char* vendor;
  const char* device;
  const char* id;      // to the emulator
  const char* add;     // likewise: how it comes back
  const char* bar;     // its file in sysfs
  std::size_t offset;  // there: a word that is not 0 ...
  bool writes;         // ... once it has been written
};

constexpr Card kEdu{"Edu", "0x1234", "0x11e8", "edu", "edu,bus=alone", "resource0", 0, false};
// Its status
constexpr Card kE1000{
    "E1000", "0x8086", "0x100e", "e1000", "e1000,bus=network,romfile=", "resource0", 8, false};
// Its capabilities, and its memory buffer
constexpr const char* kAddNvme = "nvme,bus=drive,serial=1,cmb_size_mb=1,legacy-cmb=on";
constexpr Card kNvme{"Nvme", "0x1b36", "0x0010", "nvme", kAddNvme, "resource0", 0, false};
constexpr Card kNvmeBuffer{"NvmeBuffer", "0x1b36",    "0x0010", "nvme",
                           kAddNvme,     "resource2", 0,        true};

enum class Puller { kSysfs, kEmulator };

using Pull = std::tuple<Card, Puller>;

class UnplugTest : public testing::TestWithParam<Pull> {
 protected:
  void SetUp() override {
    // Slots take their own lock outside and inside of that of PCI, on the unpatched kernel as well,
    // and lockdep looks at nothing after its first complaint.
    REVOKE_SKIP_IF(
        std::get<Puller>(GetParam()) == Puller::kEmulator && access("/proc/lockdep", F_OK) == 0,
        "lockdep complains about pciehp");
    ASSERT_NO_FATAL_FAILURE(Find());
  }

  static const Card& card() { return std::get<Card>(GetParam()); }
  const PciDevice& device() const { return *device_; }

  void PullIt() const {
    if (std::get<Puller>(GetParam()) == Puller::kSysfs) {
      ASSERT_THAT(device().Remove(), SyscallSucceeds());
    } else {
      ASSERT_TRUE(QemuCommand(std::string("device_del ") + card().id));
    }
    ASSERT_TRUE(IsThere(false));
  }
  void PlugItIn() {
    if (std::get<Puller>(GetParam()) == Puller::kSysfs) {
      ASSERT_THAT(PciDevice::RescanBus(), SyscallSucceeds());
    } else {
      ASSERT_TRUE(Add());
    }
    ASSERT_TRUE(IsThere(true));
    ASSERT_NO_FATAL_FAILURE(Find());
  }

  // What a driver in user space does all the time, until there is nothing left of the device. 0, or
  // what baseline.h says of children, if there still is when it has been `pulled`.
  int Drive(Checkpoint& begun, const Checkpoint& pulled) const {
    const FileDescriptor config = Open(device().Attribute("config"), O_RDONLY);
    const FileDescriptor bar_file = Open(device().Attribute(card().bar), O_RDWR);
    const Mapping bar(bar_file.get(), PageSize());
    TEST_CHECK(config.valid() && bar.valid());
    FillWhenItGoes(bar);
    volatile std::uint32_t* word = bar.At(card().offset);
    if (card().writes) *word = kWord;
    TEST_CHECK(*word != 0);
    begun.Reach();
    for (;;) {
      const bool last = pulled.count() > 0;
      pollfd polled = {.fd = config.get(), .events = POLLPRI, .revents = 0};
      TEST_CHECK(poll(&polled, 1, 0) >= 0);
      std::uint32_t id = 0;
      const bool answers = pread(config.get(), &id, sizeof(id), 0) == sizeof(id);
      TEST_CHECK(answers || errno == ENODEV);
      static_cast<void>(*word);
      const bool mapped = !ItIsFilled();
      if (!answers && !mapped) return 0;
      if (last) return mapped ? baseline::HoleInChild() : 1;
    }
  }

 private:
  void Find() {
    const std::vector<PciDevice> found = PciDevice::FindAll(card().vendor, card().device);
    ASSERT_FALSE(found.empty()) << "no " << card().name << "; see kselftests/guest/devices";
    device_ = found.front();
    directory_ = std::filesystem::canonical(device().Attribute(""));
    ASSERT_THAT(device().EnableWithoutDriver(), SyscallSucceeds());
  }
  // The emulator has the old one until the slot has been switched off.
  static testing::AssertionResult Add() {
    const Deadline deadline(kDefaultWait);
    for (;;) {
      testing::AssertionResult added =
          QemuCommand(std::string("device_add ") + card().add + ",id=" + card().id);
      if (added || deadline.Passed()) return added;
    }
  }
  // Slots take seconds to make up their mind. The directory goes last, unlike the link to it.
  testing::AssertionResult IsThere(bool expected) const {
    const Deadline deadline(kDefaultWait);
    while ((access(directory_.c_str(), F_OK) == 0) != expected) {
      if (deadline.Passed()) {
        return testing::AssertionFailure()
               << card().name << (expected ? " does not come" : " stays");
      }
      sched_yield();
    }
    return testing::AssertionSuccess();
  }

  std::optional<PciDevice> device_;
  std::string directory_;
};

INSTANTIATE_TEST_SUITE_P(, UnplugTest,
                         testing::Combine(testing::Values(kEdu, kE1000, kNvme, kNvmeBuffer),
                                          testing::Values(Puller::kSysfs, Puller::kEmulator)),
                         [](const testing::TestParamInfo<Pull>& info) {
                           return std::string(std::get<Card>(info.param).name) +
                                  (std::get<Puller>(info.param) == Puller::kSysfs ? "BySysfs"
                                                                                  : "ByEmulator");
                         });

REVOKE_TEST_P(UnplugTest, DriversInUserSpaceLoseTheDevice, baseline::kFails) {
  Checkpoint begun;
  Checkpoint pulled;
  Child one([&] { return Drive(begun, pulled); });
  Child other([&] { return Drive(begun, pulled); });
  ASSERT_TRUE(begun.WaitFor(2));
  ASSERT_NO_FATAL_FAILURE(PullIt());
  pulled.Reach();
  EXPECT_THAT(one.Wait(), Exited(0));
  EXPECT_THAT(other.Wait(), Exited(0));
  ASSERT_NO_FATAL_FAILURE(PlugItIn());
  // Another one has it.
  Checkpoint again;
  Child next([&] { return Drive(again, pulled); });
  ASSERT_TRUE(again.WaitFor(1));
  EXPECT_EQ(next.Signal(SIGKILL), 0);
}

}  // namespace
}  // namespace revoke_test
