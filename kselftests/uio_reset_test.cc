// SPDX-License-Identifier: GPL-2.0
//
// Devices that go away and come back: QEMU's "edu", mapped through /dev/uioN, is reset through
// sysfs and by the recovery from PCI Express errors. Whoever holds it keeps it, and is kept off
// meanwhile.
//
// What a read of a device in reset gives is up to the machine; here it is anything but what the
// register says. A reset is too short to look at, so where that is needed it is held up, by the
// driver that the last of two functions has: pci_holder, see kselftests/modules.

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bar_client.h"
#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "checkpoint.h"
#include "deadline.h"
#include "edu_device.h"
#include "errno_matchers.h"
#include "error_recovery.h"
#include "fd.h"
#include "mapping.h"
#include "process.h"
#include "sigbus_probe.h"
#include "stuck_file.h"
#include "sysfs.h"
#include "temp_dir.h"
#include "test_check.h"
#include "thread.h"

namespace revoke_test {
namespace {

using Error = ErrorRecovery::Error;

FileDescriptor OpenUio(const EduDevice& device, int flags = O_RDWR) {
  return Open(device.UioNode(), flags);
}

// A user space driver that reads a register all the time.
class Client {
 public:
  explicit Client(const Mapping& bar)
      : thread_([this, identification = bar.At(edu::kIdentification)] {
          // Once more after it is told to stop.
          for (bool last = false; !fault_ && !last;) {
            last = stop_.load(std::memory_order_acquire);
            const ProbeResult<std::uint32_t> got = Probe::Read(identification);
            fault_ = got.fault;
            if (!got.fault && got.value != edu::kIdentificationValue) strange_.fetch_add(1);
            if (reads_.fetch_add(1) == 0) reads_.notify_one();
          }
        }) {
    reads_.wait(0);
  }
  ~Client() { Stop(); }

  // What has become of it while the device is not to be used.
  enum class State {
    kKeptOff,   // it waits in the fault
    kStrange,   // it has read what the register does not have
    kUnharmed,  // it has read on as if nothing were
  };
  State WaitUntilKeptOff() const {
    const Deadline deadline(kDefaultWait);
    while (strange_.load() == 0) {
      constexpr std::chrono::milliseconds kMoment{20};
      if (WaitUntilBlocked(thread_.tid(), {.syscall = BlockedIn::kNoSyscall}, kMoment)) {
        return State::kKeptOff;
      }
      if (deadline.Passed()) return State::kUnharmed;
    }
    return State::kStrange;
  }

  void Stop() {
    stop_.store(true, std::memory_order_release);
    thread_.Join();
  }

  // Values so far that the register does not have.
  std::uint64_t strange() const { return strange_.load(); }
  // After Stop(): what ended it.
  const std::optional<Fault>& fault() const { return fault_; }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<std::uint32_t> reads_ = 0;
  std::atomic<std::uint64_t> strange_ = 0;
  std::optional<Fault> fault_;
  ScopedThread thread_;  // last: it uses the others
};

void ExpectReadNothingStrange(Client& client) {
  client.Stop();
  EXPECT_EQ(client.strange(), 0U) << "reads of a device in reset";
  EXPECT_FALSE(client.fault().has_value()) << FaultText(*client.fault());
}

// After Stop()
void ExpectDied(const Client& client, const Mapping& bar) {
  ASSERT_TRUE(client.fault().has_value()) << "it still reads the device";
  EXPECT_TRUE(IsSigbusAt(client.fault(), bar.At(edu::kIdentification)))
      << FaultText(*client.fault());
}

// Holds up what is done to `device` and to the functions before it, from when these have been told
// until LetGo(). It takes the device from its driver.
class Holder {
 public:
  explicit Holder(const EduDevice& device)
      : error_(device.Bind("pci_holder") == 0 && WriteAttribute(Attribute("hold"), "1") == 0
                   ? 0
                   : errno) {}
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  ~Holder() { LetGo(); }

  // 0, or why the device cannot be held.
  int error() const { return error_; }

  // Waits for a reset or a recovery to get there.
  [[nodiscard]] bool WaitUntilHeld() const { return ReadSmallFile(Attribute("held")) == "1\n"; }

  int LetGo() { return WriteAttribute(Attribute("hold"), "0"); }

 private:
  static std::string Attribute(const char* name) {
    return std::string("/sys/bus/pci/drivers/pci_holder/") + name;
  }

  int error_;
};

// ---- one device behind a port ----

class UioResetTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::vector<EduDevice> all = EduDevice::FindAll();
    for (const EduDevice& device : all) {
      const std::string port = device.port();
      if (port.empty() || std::count_if(all.begin(), all.end(), [&](const EduDevice& other) {
                            return other.port() == port;
                          }) != 1) {
        continue;
      }
      device_ = device;
    }
    ASSERT_TRUE(device_.has_value()) << "no edu device behind a port of its own";
    ASSERT_THAT(device().Bind(), SyscallSucceeds());
    uio_ = OpenUio(device());
    ASSERT_THAT(uio_, SyscallSucceeds());
    bar_ = MapBar(uio_);
    ASSERT_THAT(bar_, SyscallSucceeds());
    ExpectDrives(bar_, 0x12345678);
  }

  // What a recovery has reset that failed, nobody has configured again.
  void TearDown() override {
    if (!bar_.valid() ||
        Probe::Read(bar_.At(edu::kIdentification)).value == edu::kIdentificationValue) {
      return;
    }
    EXPECT_THAT(device().Remove(), SyscallSucceeds());
    EXPECT_THAT(EduDevice::RescanBus(), SyscallSucceeds());
  }

  const EduDevice& device() const { return *device_; }
  const FileDescriptor& uio() const { return uio_; }
  const Mapping& bar() const { return bar_; }

 private:
  std::optional<EduDevice> device_;
  FileDescriptor uio_;
  Mapping bar_;
};

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
  ASSERT_THAT(device().Reset(), SyscallSucceeds());
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

class UioNeighboursTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::vector<EduDevice> all = EduDevice::FindAll();
    for (std::size_t i = 1; i < all.size(); ++i) {
      if (all[i].port().empty() || all[i].port() != all[i - 1].port()) continue;
      first_ = all[i - 1];
      second_ = all[i];
    }
    ASSERT_TRUE(first_.has_value()) << "no two edu functions behind one port";
    ASSERT_THAT(first().Bind(), SyscallSucceeds());
    if (second().bound()) {
      ASSERT_THAT(second().Unbind(), SyscallSucceeds());
    }
    uio_ = OpenUio(first());
    ASSERT_THAT(uio_, SyscallSucceeds());
    bar_ = MapBar(uio_);
    ASSERT_THAT(bar_, SyscallSucceeds());
    ExpectDrives(bar_, 0x87654321);
  }

  const EduDevice& first() const { return *first_; }
  const EduDevice& second() const { return *second_; }
  FileDescriptor& uio() { return uio_; }
  Mapping& bar() { return bar_; }

 private:
  std::optional<EduDevice> first_;
  std::optional<EduDevice> second_;
  FileDescriptor uio_;
  Mapping bar_;
};

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

}  // namespace
}  // namespace revoke_test
