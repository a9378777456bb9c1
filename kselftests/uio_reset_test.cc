// SPDX-License-Identifier: GPL-2.0
//
// Devices that go away and come back: QEMU's "edu", mapped through /dev/uioN, is reset through
// sysfs and by the recovery from PCI Express errors. Whoever holds it keeps it, and is kept off
// meanwhile.
//
// What a read of a device in reset gives is up to the machine; here it is anything but what the
// register says. A reset is too short to look at, so where that is needed it is held up, by the
// driver that the last of two functions has: pci_holder, see kselftests/modules.

#include "uio_reset.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <optional>

#include "bar_client.h"
#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "checkpoint.h"
#include "edu_device.h"
#include "errno_matchers.h"
#include "error_recovery.h"
#include "fd.h"
#include "mapping.h"
#include "process.h"
#include "sigbus_probe.h"
#include "stuck_file.h"
#include "temp_dir.h"
#include "test_check.h"

namespace revoke_test {
namespace {

using Error = ErrorRecovery::Error;

// ---- one device behind a port ----

class UioResetTest : public SoleUioDevice {};

REVOKE_TEST_F(UioResetTest, NobodyReadsADeviceInReset, baseline::kFails) {
  Client client(bar());
  // A reset is short, and the client may be off its CPU meanwhile.
  for (int i = 0; i < 20 && client.strange() == 0; ++i) {
    ASSERT_THAT(device().Reset(), SyscallSucceeds());
  }
  baseline::FailsFromHere();
  ExpectReadNothingStrange(client);
}

REVOKE_TEST_F(UioResetTest, MappingComesBack, baseline::kPasses) {
  for (const std::uint32_t word : {0x1U, 0x2U, 0x3U}) {
    ASSERT_THAT(device().Reset(), SyscallSucceeds());
    ExpectDrives(bar(), word);
  }
}

REVOKE_TEST_F(UioResetTest, PartsOfASplitMappingComeBackInPlace, baseline::kPasses) {
  ASSERT_THAT(munmap(static_cast<char*>(bar().base()) + PageSize(), PageSize()), SyscallSucceeds());
  const volatile std::uint32_t* behind = bar().At(2 * PageSize() + edu::kIdentification);
  const ProbeResult<std::uint32_t> before = Probe::Read(behind);
  ASSERT_THAT(before, Survives());
  ASSERT_NE(before.value, edu::kIdentificationValue);
  ASSERT_THAT(device().Reset(), SyscallSucceeds());
  EXPECT_THAT(Probe::Read(behind), ReadsValue(before.value));
  ExpectDrives(bar(), 0x4);
}

REVOKE_TEST_F(UioResetTest, ReaderWaitsOn, baseline::kPasses) {
  ASSERT_THAT(device().EnableInterrupts(), SyscallSucceeds());
  CallInThread reader([&] { return ReadCount(uio()); });
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  // It is not reset, so there is nothing to tell. The unpatched kernel does not even try.
  ErrorRecovery recovery(device().port(), Error::kNonFatal);
  ASSERT_THAT(recovery, SyscallSucceeds());
  ASSERT_TRUE(recovery.Recovered().has_value()) << "the recovery does not end";
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  EXPECT_THAT(Probe::Write(bar().At(edu::kRaiseInterrupt), 1U), Survives());
  EXPECT_THAT(reader.Join(), SyscallSucceedsWithValue(sizeof(std::int32_t)));
  EXPECT_THAT(Probe::Write(bar().At(edu::kAcknowledge), 1U), Survives());
}

REVOKE_TEST_F(UioResetTest, BusMasterIsAsBefore, baseline::kPasses) {
  for (const bool enabled : {false, true}) {
    if (enabled) {
      ASSERT_THAT(device().EnableBusMaster(), SyscallSucceeds());
    }
    ASSERT_THAT(device().Reset(), SyscallSucceeds());
    EXPECT_EQ(device().BusMaster(), enabled);
  }
}

REVOKE_TEST_F(UioResetTest, RecoversFromANonFatalError, baseline::kFails) {
  ErrorRecovery recovery(device().port(), Error::kNonFatal);
  ASSERT_THAT(recovery, SyscallSucceeds());
  const std::optional<bool> recovered = recovery.Recovered();
  ASSERT_TRUE(recovered.has_value()) << "the recovery does not end";
  baseline::FailsFromHere();
  EXPECT_EQ(recovered, true) << "the driver has no say in it";
}

REVOKE_TEST_F(UioResetTest, NonFatalErrorChangesNothing, baseline::kPasses) {
  ASSERT_THAT(device().EnableBusMaster(), SyscallSucceeds());
  Client client(bar());
  ErrorRecovery recovery(device().port(), Error::kNonFatal);
  ASSERT_THAT(recovery, SyscallSucceeds());
  ASSERT_TRUE(recovery.Recovered().has_value()) << "the recovery does not end";
  ExpectReadNothingStrange(client);
  EXPECT_EQ(device().BusMaster(), true);
  ExpectDrives(bar(), 0x5);
}

REVOKE_TEST_F(UioResetTest, NobodyReadsADeviceThatRecovers, baseline::kFails) {
  Client client(bar());
  ErrorRecovery recovery(device().port(), Error::kFatal);
  ASSERT_THAT(recovery, SyscallSucceeds());
  const std::optional<bool> recovered = recovery.Recovered();
  ASSERT_TRUE(recovered.has_value()) << "the recovery does not end";
  baseline::FailsFromHere();
  ExpectReadNothingStrange(client);
  EXPECT_EQ(recovered, true);
  ExpectDrives(bar(), 0x6);
}

// What is restored is from the reset before. The unpatched kernel restores nothing at all.
REVOKE_TEST_F(UioResetTest, DmaIsOffAfterARecovery, baseline::kPasses) {
  ASSERT_THAT(device().EnableBusMaster(), SyscallSucceeds());
  ASSERT_THAT(device().Reset(), SyscallSucceeds());
  ErrorRecovery recovery(device().port(), Error::kFatal);
  ASSERT_THAT(recovery, SyscallSucceeds());
  ASSERT_TRUE(recovery.Recovered().has_value()) << "the recovery does not end";
  EXPECT_EQ(device().BusMaster(), false);
}

// It has been given memory that takes as long as user space likes.
REVOKE_TEST_F(UioResetTest, DoesNotWaitForAWriterThatFaults, baseline::kPasses) {
  const TempDir dir;
  std::optional<Child> writer;
  StuckFile stuck(dir.path(), StuckFile::Reads::kFail);
  ASSERT_THAT(stuck, SyscallSucceeds());
  const FileDescriptor file = Open(stuck.path(), O_RDONLY);
  ASSERT_THAT(file, SyscallSucceeds());
  writer.emplace([&] {
    const Mapping word(file.get(), PageSize(), PROT_READ, MAP_SHARED);
    TEST_CHECK(word.valid());
    TEST_PCHECK(madvise(word.base(), word.size(), MADV_RANDOM) == 0);
    TEST_PCHECK(write(uio().get(), word.base(), sizeof(std::int32_t)) == -1 && errno == EFAULT);
  });
  ASSERT_TRUE(stuck.WaitUntilAsked(2));
  EXPECT_THAT(device().Reset(), SyscallSucceeds());
  stuck.Answer();
  EXPECT_THAT(writer->Wait(), Exited(0));
}

// ---- two functions behind one port: `first` is dealt with first ----

class UioNeighboursTest : public NeighbourUioDevices {};

REVOKE_TEST_F(UioNeighboursTest, HolderWaitsInTheFault, baseline::kFails) {
  const FileDescriptor impatient = OpenUio(first(), O_RDWR | O_NONBLOCK);
  Client client(bar());
  CallInThread reset;
  CallInThread reader;
  Holder holder(second());
  ASSERT_THAT(holder, SyscallSucceeds());
  reset.Start([&] { return first().ResetPort(); });
  ASSERT_TRUE(holder.WaitUntilHeld()) << "there is no reset";
  baseline::FailsFromHere();
  ASSERT_EQ(client.WaitUntilKeptOff(), Client::State::kKeptOff) << "it reads a device in reset";
  reader.Start([&] { return ReadCount(uio()); });
  EXPECT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  EXPECT_THAT(ReadCount(impatient), SyscallFailsWithErrno(EAGAIN));
  pollfd polled = {.fd = uio().get(), .events = POLLIN | POLLOUT, .revents = 0};
  EXPECT_THAT(poll(&polled, 1, 0), SyscallSucceedsWithValue(0));

  EXPECT_THAT(holder.LetGo(), SyscallSucceeds());
  EXPECT_THAT(reset.Join(), SyscallSucceeds());
  ExpectReadNothingStrange(client);
  ExpectDrives(bar(), 0x7);
  ASSERT_THAT(first().EnableInterrupts(), SyscallSucceeds());
  EXPECT_THAT(Probe::Write(bar().At(edu::kRaiseInterrupt), 1U), Survives());
  EXPECT_THAT(reader.Join(), SyscallSucceedsWithValue(sizeof(std::int32_t)));
  EXPECT_THAT(Probe::Write(bar().At(edu::kAcknowledge), 1U), Survives());
}

// The owner leaves while nothing can be told to the device.
REVOKE_TEST_F(UioNeighboursTest, LastCloseInAResetEndsDma, baseline::kFails) {
  ASSERT_THAT(first().EnableBusMaster(), SyscallSucceeds());
  Client client(bar());
  CallInThread reset;
  Holder holder(second());
  ASSERT_THAT(holder, SyscallSucceeds());
  reset.Start([&] { return first().ResetPort(); });
  ASSERT_TRUE(holder.WaitUntilHeld()) << "there is no reset";
  // The mapping would keep the file.
  Mapping nothing = Mapping::Anonymous(bar().size(), PROT_READ);
  ASSERT_EQ(mremap(nothing.base(), nothing.size(), nothing.size(), MREMAP_MAYMOVE | MREMAP_FIXED,
                   bar().base()),
            bar().base());
  static_cast<void>(nothing.Release());
  ASSERT_THAT(uio().Close(), SyscallSucceeds());
  EXPECT_THAT(holder.LetGo(), SyscallSucceeds());
  EXPECT_THAT(reset.Join(), SyscallSucceeds());
  baseline::FailsFromHere();
  EXPECT_EQ(first().BusMaster(), false) << "a device that nobody has open may do DMA";

  uio() = OpenUio(first());
  ExpectDrives(MapBar(uio()), 0x8);
}

// A recovery does not hold the device between its steps.
REVOKE_TEST_F(UioNeighboursTest, UnbindInTheMiddleOfARecovery, baseline::kFails) {
  Client client(bar());
  Holder holder(second());
  ASSERT_THAT(holder, SyscallSucceeds());
  ErrorRecovery recovery(first().port(), Error::kNonFatal);
  ASSERT_THAT(recovery, SyscallSucceeds());
  ASSERT_TRUE(holder.WaitUntilHeld()) << "there is no recovery";
  const Client::State state = client.WaitUntilKeptOff();
  ASSERT_THAT(first().Unbind(), SyscallSucceeds());
  client.Stop();
  EXPECT_EQ(client.strange(), 0U);
  baseline::FailsFromHere();
  ExpectDied(client, bar());
  EXPECT_EQ(state, Client::State::kKeptOff);
  EXPECT_THAT(holder.LetGo(), SyscallSucceeds());
  EXPECT_EQ(recovery.Recovered(), true);
  ExpectDead(bar());
  ASSERT_THAT(first().Bind(), SyscallSucceeds());
  const FileDescriptor again = OpenUio(first());
  ExpectDrives(MapBar(again), 0x9);
}

// It may hold any lock, and be it the one that the recovery of another function needs.
REVOKE_TEST_F(UioNeighboursTest, SystemCallDoesNotWaitForTheEnd, baseline::kFails) {
  const PipeEnds pipe = Pipe();
  ASSERT_THAT(write(pipe.write.get(), "x", 1), SyscallSucceedsWithValue(1));
  CallInThread reset;
  CallInThread reader;
  Holder holder(second());
  ASSERT_THAT(holder, SyscallSucceeds());
  reset.Start([&] { return first().ResetPort(); });
  ASSERT_TRUE(holder.WaitUntilHeld()) << "there is no reset";
  reader.Start([&] { return read(pipe.read.get(), bar().base(), 1); });
  const long result = reader.Join();
  baseline::FailsFromHere();
  EXPECT_THAT(result, SyscallFailsWithErrno(EFAULT)) << "it writes to a device in reset";
}

// The other function has no driver that could say that it may be reset.
REVOKE_TEST_F(UioNeighboursTest, FailedRecoveryTakesTheDeviceAway, baseline::kFails) {
  ASSERT_THAT(first().EnableBusMaster(), SyscallSucceeds());
  Client client(bar());
  ErrorRecovery recovery(first().port(), Error::kNonFatal);
  ASSERT_THAT(recovery, SyscallSucceeds());
  EXPECT_EQ(recovery.Recovered(), false);
  baseline::FailsFromHere();
  ExpectDead(bar());
  client.Stop();
  EXPECT_EQ(client.strange(), 0U);
  ExpectDied(client, bar());
  pollfd polled = {.fd = uio().get(), .events = POLLIN, .revents = 0};
  EXPECT_THAT(poll(&polled, 1, 0), SyscallSucceedsWithValue(1));
  EXPECT_EQ(polled.revents & POLLHUP, POLLHUP);
  EXPECT_EQ(first().BusMaster(), false);
  EXPECT_THAT(OpenUio(first()), SyscallFailsWithErrno(ENODEV));

  ASSERT_THAT(first().Bind(), SyscallSucceeds());
  const FileDescriptor again = OpenUio(first());
  ExpectDrives(MapBar(again), 0xa);
}

// The first recovery fails as the other function has no driver; it gets one, and there is no reason
// for the next one to fail.
REVOKE_TEST_F(UioNeighboursTest, FailedDeviceDoesNotKeepTheOtherFromRecovery, baseline::kFails) {
  for (const bool has_driver : {false, true}) {
    if (has_driver) {
      ASSERT_THAT(second().Bind(), SyscallSucceeds());
    }
    ErrorRecovery recovery(first().port(), Error::kNonFatal);
    ASSERT_THAT(recovery, SyscallSucceeds());
    const std::optional<bool> recovered = recovery.Recovered();
    ASSERT_TRUE(recovered.has_value()) << "the recovery does not end";
    if (has_driver) baseline::FailsFromHere();
    ASSERT_EQ(recovered, has_driver);
  }
  const FileDescriptor other = OpenUio(second());
  ExpectDrives(MapBar(other), 0xb);
  EXPECT_THAT(OpenUio(first()), SyscallFailsWithErrno(ENODEV));
}

}  // namespace
}  // namespace revoke_test
