// SPDX-License-Identifier: GPL-2.0
//
// PCI devices that are pulled, by sysfs or by the emulator, while processes use them through sysfs
// as user space drivers do.

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>

#include "bar_client.h"
#include "baseline.h"
#include "checkpoint.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "process.h"
#include "pullable_card.h"
#include "skip.h"
#include "test_check.h"

namespace revoke_test {
namespace {

constexpr std::uint32_t kWord = 0x12345678;

// A card, and what to look at
struct Target {
  const char* name;
  Card card;
  const char* bar;     // its file in sysfs
  std::size_t offset;  // there: a word that is not 0 ...
  bool writes;         // ... once it has been written
};

constexpr Card kEduCard{"Edu", "0x1234", "0x11e8", "edu", "edu,bus=alone"};
constexpr Card kNvmeCard{"Nvme", "0x1b36", "0x0010", "nvme",
                         "nvme,bus=drive,serial=1,cmb_size_mb=1,legacy-cmb=on"};

constexpr Target kEdu{"Edu", kEduCard, "resource0", 0, false};
// Its status
constexpr Target kE1000{"E1000", kE1000Card, "resource0", 8, false};
// Its capabilities, and its memory buffer
constexpr Target kNvme{"Nvme", kNvmeCard, "resource0", 0, false};
constexpr Target kNvmeBuffer{"NvmeBuffer", kNvmeCard, "resource2", 0, true};

using Pull = std::tuple<Target, Puller>;

class UnplugTest : public testing::TestWithParam<Pull> {
 protected:
  void SetUp() override {
    const char* why_not = WhyNot(std::get<Puller>(GetParam()));
    REVOKE_SKIP_IF(why_not != nullptr, why_not);
    ASSERT_TRUE(card_.Find());
    ASSERT_NO_FATAL_FAILURE(Enable());
  }

  static const Target& target() { return std::get<Target>(GetParam()); }
  PullableCard& card() { return card_; }

  void Enable() const { ASSERT_THAT(card_.device().EnableWithoutDriver(), SyscallSucceeds()); }

  // What a driver in user space does all the time, until there is nothing left of the device. 0, or
  // what baseline.h says of children, if there still is when it has been `pulled`.
  int Drive(Checkpoint& begun, const Checkpoint& pulled) const {
    const FileDescriptor config = Open(card_.device().Attribute("config"), O_RDONLY);
    const FileDescriptor bar_file = Open(card_.device().Attribute(target().bar), O_RDWR);
    const Mapping bar(bar_file.get(), PageSize());
    TEST_CHECK(config.valid() && bar.valid());
    FillWhenItGoes(bar);
    volatile std::uint32_t* word = bar.At(target().offset);
    if (target().writes) *word = kWord;
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
  PullableCard card_{target().card, std::get<Puller>(GetParam())};
};

INSTANTIATE_TEST_SUITE_P(, UnplugTest,
                         testing::Combine(testing::Values(kEdu, kE1000, kNvme, kNvmeBuffer),
                                          testing::Values(Puller::kSysfs, Puller::kEmulator)),
                         [](const testing::TestParamInfo<Pull>& info) {
                           return std::string(std::get<Target>(info.param).name) +
                                  Name(std::get<Puller>(info.param));
                         });

REVOKE_TEST_P(UnplugTest, DriversInUserSpaceLoseTheDevice, baseline::kFails) {
  Checkpoint begun;
  Checkpoint pulled;
  Child one([&] { return Drive(begun, pulled); });
  Child other([&] { return Drive(begun, pulled); });
  ASSERT_TRUE(begun.WaitFor(2));
  ASSERT_TRUE(card().Pull());
  pulled.Reach();
  EXPECT_THAT(one.Wait(), Exited(0));
  EXPECT_THAT(other.Wait(), Exited(0));
  ASSERT_TRUE(card().PlugIn());
  ASSERT_NO_FATAL_FAILURE(Enable());
  // Another one has it.
  Checkpoint again;
  Child next([&] { return Drive(again, pulled); });
  ASSERT_TRUE(again.WaitFor(1));
  EXPECT_EQ(next.Signal(SIGKILL), 0);
}

}  // namespace
}  // namespace revoke_test
