// SPDX-License-Identifier: GPL-2.0
//
// What a reset is to those who have a device of uio_pci_generic open: they keep it and are told, or
// they lose it, as the file "on_reset" of the device says.

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <optional>

#include "bar_client.h"
#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "edu_device.h"
#include "errno_matchers.h"
#include "error_recovery.h"
#include "fd.h"
#include "mapping.h"
#include "proc.h"
#include "sigbus_probe.h"
#include "sysfs.h"
#include "uio_reset.h"

namespace revoke_test {
namespace {

using Error = ErrorRecovery::Error;

constexpr const char* kOnReset = "on_reset";

class Choice {
 public:
  Choice(const EduDevice& device, const char* choice)
      : error_(WriteAttribute(device.Attribute(kOnReset), choice) == 0 ? 0 : errno) {}

  // 0, or why it cannot be made: the unpatched kernel has no such file.
  int error() const { return error_; }

 private:
  int error_;
};

// What poll(2) has to say of `uio` now.
short Polled(const FileDescriptor& uio) {
  pollfd polled = {.fd = uio.get(), .events = POLLIN, .revents = 0};
  EXPECT_NE(poll(&polled, 1, 0), -1);
  return polled.revents;
}

void Recover(const EduDevice& device, Error error) {
  ErrorRecovery recovery(device.port(), error);
  ASSERT_THAT(recovery, SyscallSucceeds());
  ASSERT_TRUE(recovery.Recovered().has_value()) << "the recovery does not end";
}

class UioResetChoice : public SoleUioDevice {
 protected:
  // Those who have it open have lost it, and others can have it.
  void ExpectLost() {
    ExpectDead(bar());
    // Else the read would wait.
    ASSERT_EQ(Polled(uio()) & POLLHUP, POLLHUP) << "it has not been taken away";
    EXPECT_THAT(ReadCount(uio()), SyscallFailsWithErrno(EIO));
    const FileDescriptor again = OpenUio(device());
    ASSERT_THAT(again, SyscallSucceeds());
    ExpectDrives(MapBar(again), 0x1);
    EXPECT_EQ(Polled(again), 0);
  }

  void Interrupt() { EXPECT_THAT(Probe::Write(bar().At(edu::kRaiseInterrupt), 1U), Survives()); }
  void EndInterrupt() { EXPECT_THAT(Probe::Write(bar().At(edu::kAcknowledge), 1U), Survives()); }

  // They have it as before, and there is nothing to be told.
  void ExpectNothingHappened() {
    ExpectDrives(bar(), 0x2);
    EXPECT_EQ(Polled(uio()), 0);
  }
};

REVOKE_TEST_F(UioResetChoice, IsOneOfTwo, baseline::kFails) {
  baseline::FailsFromHere();
  EXPECT_EQ(ReadSmallFile(device().Attribute(kOnReset)), "suspend\n");
  EXPECT_THAT(Choice(device(), "revoke\n"), SyscallSucceeds());
  EXPECT_EQ(ReadSmallFile(device().Attribute(kOnReset)), "revoke\n");
  EXPECT_THAT(Choice(device(), "neither"), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(Choice(device(), "suspend"), SyscallSucceeds());
  EXPECT_EQ(ReadSmallFile(device().Attribute(kOnReset)), "suspend\n");
}

// ---- suspend ----

REVOKE_TEST_F(UioResetChoice, ResetWakesTheReader, baseline::kFails) {
  ASSERT_THAT(device().EnableInterrupts(), SyscallSucceeds());
  const FileDescriptor watch = OpenUio(device());
  CallInThread reader([&] { return ReadCount(uio()); });
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  ASSERT_THAT(device().Reset(), SyscallSucceeds());
  const short told = Polled(watch);
  // It would wait on.
  if (told == 0) Interrupt();
  EXPECT_THAT(reader.Join(), SyscallSucceedsWithValue(sizeof(std::int32_t)));
  EndInterrupt();
  baseline::FailsFromHere();
  EXPECT_EQ(told & POLLIN, POLLIN) << "nobody is told";
}

REVOKE_TEST_F(UioResetChoice, ResetWakesThePoller, baseline::kFails) {
  ASSERT_THAT(device().EnableInterrupts(), SyscallSucceeds());
  pollfd polled = {.fd = uio().get(), .events = POLLIN, .revents = 0};
  CallInThread poller([&] { return poll(&polled, 1, -1); });
  ASSERT_TRUE(WaitUntilBlocked(poller.tid(), {.syscall = SYS_poll}));
  ASSERT_THAT(device().Reset(), SyscallSucceeds());
  const short told = Polled(uio());
  if (told == 0) Interrupt();
  EXPECT_THAT(poller.Join(), SyscallSucceedsWithValue(1));
  EndInterrupt();
  baseline::FailsFromHere();
  EXPECT_EQ(told & POLLIN, POLLIN) << "nobody is told";
}

REVOKE_TEST_F(UioResetChoice, EachResetIsOneEvent, baseline::kFails) {
  const FileDescriptor impatient = OpenUio(device(), O_RDWR | O_NONBLOCK);
  ASSERT_THAT(impatient, SyscallSucceeds());
  std::optional<std::int32_t> before;
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(device().Reset(), SyscallSucceeds());
    std::int32_t count = 0;
    const ssize_t result = read(impatient.get(), &count, sizeof(count));
    baseline::FailsFromHere();
    ASSERT_THAT(result, SyscallSucceedsWithValue(sizeof(count))) << "nobody is told";
    if (before) {
      EXPECT_EQ(count, *before + 1);
    }
    before = count;
    EXPECT_THAT(ReadCount(impatient), SyscallFailsWithErrno(EAGAIN));
    ExpectDrives(bar(), 0x3);
  }
}

REVOKE_TEST_F(UioResetChoice, RecoveryWithAResetIsOneEvent, baseline::kFails) {
  const FileDescriptor impatient = OpenUio(device(), O_RDWR | O_NONBLOCK);
  ASSERT_THAT(impatient, SyscallSucceeds());
  Recover(device(), Error::kFatal);
  const ssize_t result = ReadCount(impatient);
  baseline::FailsFromHere();
  EXPECT_THAT(result, SyscallSucceedsWithValue(sizeof(std::int32_t))) << "nobody is told";
  EXPECT_THAT(ReadCount(impatient), SyscallFailsWithErrno(EAGAIN));
  ExpectDrives(bar(), 0x4);
}

REVOKE_TEST_F(UioResetChoice, RecoveryWithoutAResetIsNone, baseline::kPasses) {
  Recover(device(), Error::kNonFatal);
  ExpectNothingHappened();
}

// ---- revoke ----

REVOKE_TEST_F(UioResetChoice, ResetTakesItAway, baseline::kFails) {
  ASSERT_THAT(device().EnableInterrupts(), SyscallSucceeds());
  Client client(bar());
  const Choice choice(device(), "revoke");
  ASSERT_THAT(device().Reset(), SyscallSucceeds());
  client.Stop();
  baseline::FailsFromHere();
  EXPECT_EQ(client.strange(), 0U) << "reads of a device in reset";
  ExpectDied(client, bar());
  ExpectLost();
  EXPECT_THAT(choice, SyscallSucceeds());
}

REVOKE_TEST_F(UioResetChoice, ResetEndsABlockedRead, baseline::kFails) {
  CallInThread reader;
  const Choice choice(device(), "revoke");
  baseline::FailsFromHere();
  ASSERT_THAT(choice, SyscallSucceeds());
  reader.Start([&] { return ReadCount(uio()); });
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  ASSERT_THAT(device().Reset(), SyscallSucceeds());
  EXPECT_THAT(reader.Join(), SyscallFailsWithErrno(EIO));
}

REVOKE_TEST_F(UioResetChoice, RecoveryWithAResetTakesItAway, baseline::kFails) {
  const Choice choice(device(), "revoke");
  Recover(device(), Error::kFatal);
  baseline::FailsFromHere();
  ExpectLost();
  EXPECT_THAT(choice, SyscallSucceeds());
}

REVOKE_TEST_F(UioResetChoice, RecoveryWithoutAResetTakesNothing, baseline::kFails) {
  const Choice choice(device(), "revoke");
  Recover(device(), Error::kNonFatal);
  ExpectNothingHappened();
  baseline::FailsFromHere();
  EXPECT_THAT(choice, SyscallSucceeds());
}

// The PCI core brings bus mastering back, for nobody.
REVOKE_TEST_F(UioResetChoice, DmaIsOffWhenItIsTakenAway, baseline::kFails) {
  ASSERT_THAT(device().EnableBusMaster(), SyscallSucceeds());
  const Choice choice(device(), "revoke");
  ASSERT_THAT(device().Reset(), SyscallSucceeds());
  baseline::FailsFromHere();
  EXPECT_EQ(device().BusMaster(), false) << "a device that nobody has open may do DMA";
  EXPECT_THAT(choice, SyscallSucceeds());
}

class UioResetChoiceInAReset : public NeighbourUioDevices {};

// Who opens it during the reset gets it afterwards.
REVOKE_TEST_F(UioResetChoiceInAReset, NextOwnerGetsTheDevice, baseline::kFails) {
  const Choice choice(first(), "revoke");
  FileDescriptor next;
  CallInThread reset;
  CallInThread opener;
  Holder holder(second());
  ASSERT_THAT(holder, SyscallSucceeds());
  reset.Start([&] { return first().ResetPort(); });
  ASSERT_TRUE(holder.WaitUntilHeld()) << "there is no reset";
  baseline::FailsFromHere();
  ASSERT_THAT(choice, SyscallSucceeds());
  opener.Start([&] {
    next = OpenUio(first());
    return next.get();
  });
  EXPECT_TRUE(WaitUntilBlocked(opener.tid(), {.syscall = SYS_openat}));
  EXPECT_THAT(holder.LetGo(), SyscallSucceeds());
  EXPECT_THAT(reset.Join(), SyscallSucceeds());
  EXPECT_THAT(opener.Join(), SyscallSucceeds());
  ExpectDead(bar());
  ExpectDrives(MapBar(next), 0x5);
}

}  // namespace
}  // namespace revoke_test
