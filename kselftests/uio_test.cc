// SPDX-License-Identifier: GPL-2.0
//
// A real device, as far as the kernel can tell: BAR 0 of QEMU's "edu", mapped through /dev/uioN. It
// is taken away from its holders by unbinding the driver, by pulling the device and by revokeat(2).

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>

#include "bar_client.h"
#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "checkpoint.h"
#include "edu_device.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "privilege.h"
#include "process.h"
#include "revokeat.h"
#include "sigbus_probe.h"
#include "test_check.h"
#include "thread.h"

namespace revoke_test {
namespace {

class UioTest : public testing::Test {
 protected:
  void SetUp() override {
    device_ = EduDevice::Find();
    ASSERT_TRUE(device_.has_value()) << "no edu device here; start QEMU with -device edu";
    ASSERT_THAT(device().Bind(), SyscallSucceeds());
    node_ = device().UioNode();
    ASSERT_NE(node_, "");
  }

  const EduDevice& device() const { return *device_; }
  const std::string& node() const { return node_; }

  FileDescriptor OpenUio() const { return Open(node_, O_RDWR); }

  // The device's driver leaves and comes back; a new owner may open it then.
  void Rebind() {
    ASSERT_THAT(device().Unbind(), SyscallSucceeds());
    ASSERT_THAT(device().Bind(), SyscallSucceeds());
    node_ = device().UioNode();
  }

 private:
  std::optional<EduDevice> device_;
  std::string node_;
};

volatile std::uint32_t* Liveness(const Mapping& bar) { return bar.At(edu::kLiveness); }

// ---- while nothing is taken away ----

REVOKE_TEST_F(UioTest, HolderDrivesTheDevice, baseline::kPasses) {
  const FileDescriptor uio = OpenUio();
  const Mapping bar = MapBar(uio);
  ASSERT_THAT(bar, SyscallSucceeds());
  ExpectDrives(bar, 0x12345678);
}

REVOKE_TEST_F(UioTest, InterruptWakesTheReader, baseline::kPasses) {
  const FileDescriptor uio = OpenUio();
  const Mapping bar = MapBar(uio);
  ASSERT_THAT(device().EnableInterrupts(), SyscallSucceeds());
  CallInThread reader([&] { return ReadCount(uio); });
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  *bar.At(edu::kRaiseInterrupt) = 1;
  EXPECT_THAT(reader.Join(), SyscallSucceedsWithValue(sizeof(std::int32_t)));
  EXPECT_EQ(*bar.At(edu::kInterruptStatus), 1U);
  *bar.At(edu::kAcknowledge) = 1;
  EXPECT_EQ(*bar.At(edu::kInterruptStatus), 0U);
}

// ---- the driver is unbound ----

REVOKE_TEST_F(UioTest, UnbindTakesTheMappingAway, baseline::kFails) {
  const FileDescriptor uio = OpenUio();
  const Mapping bar = MapBar(uio);
  ExpectDrives(bar, 0x1);
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  baseline::FailsFromHere();
  ExpectDead(bar);
}

REVOKE_TEST_F(UioTest, UnbindSendsOneSignal, baseline::kPasses) {
  const int number = SIGRTMIN;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &set, nullptr), 0);
  const FileDescriptor uio = OpenUio();
  ASSERT_THAT(fcntl(uio.get(), F_SETOWN, getpid()), SyscallSucceeds());
  ASSERT_THAT(fcntl(uio.get(), F_SETSIG, number), SyscallSucceeds());
  ASSERT_THAT(fcntl(uio.get(), F_SETFL, O_ASYNC), SyscallSucceeds());
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  siginfo_t info{};
  constexpr timespec kNow{};
  ASSERT_THAT(sigtimedwait(&set, &info, &kNow), SyscallSucceedsWithValue(number));
  EXPECT_EQ(info.si_code, POLL_HUP);
  EXPECT_EQ(info.si_fd, uio.get());
  EXPECT_THAT(sigtimedwait(&set, &info, &kNow), SyscallFailsWithErrno(EAGAIN));
}

REVOKE_TEST_F(UioTest, UnbindTakesTheMappingAwayThoughItsFileIsClosed, baseline::kFails) {
  FileDescriptor uio = OpenUio();
  const Mapping bar = MapBar(uio);
  ASSERT_THAT(uio.Close(), SyscallSucceeds());
  ExpectDrives(bar, 0x1);
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  baseline::FailsFromHere();
  ExpectDead(bar);
}

REVOKE_TEST_F(UioTest, StaleMappingCannotDriveBehindTheNewOwnersBack, baseline::kFails) {
  const FileDescriptor stale_uio = OpenUio();
  const Mapping stale = MapBar(stale_uio);
  Rebind();
  const FileDescriptor uio = OpenUio();
  const Mapping bar = MapBar(uio);
  ExpectDrives(bar, 0xaaaa5555);
  baseline::FailsFromHere();
  EXPECT_THAT(Probe::Write(Liveness(stale), 0xbad0bad0U), DiesOfSigbusAt(Liveness(stale)));
  EXPECT_THAT(Probe::Read(Liveness(bar)), ReadsValue(~0xaaaa5555U));
}

REVOKE_TEST_F(UioTest, UnbindTakesAForkedChildsMappingAway, baseline::kFails) {
  const FileDescriptor uio = OpenUio();
  const Mapping bar = MapBar(uio);
  Checkpoint touched;
  Checkpoint unbound;
  Child child([&] {
    TEST_CHECK(*bar.At(edu::kIdentification) == edu::kIdentificationValue);
    touched.Reach();
    TEST_CHECK(unbound.WaitFor(1));
    return DeadInChild(bar);
  });
  ASSERT_TRUE(touched.WaitFor(1));
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  unbound.Reach();
  EXPECT_THAT(child.Wait(), Exited(0)) << baseline::kHoleExit << ": it still reads the device";
}

REVOKE_TEST_F(UioTest, UnbindTakesAMovedMappingAway, baseline::kFails) {
  const FileDescriptor uio = OpenUio();
  Mapping bar = MapBar(uio);
  Mapping room = Mapping::Anonymous(bar.size(), PROT_NONE);
  void* moved =
      mremap(bar.base(), bar.size(), bar.size(), MREMAP_MAYMOVE | MREMAP_FIXED, room.base());
  ASSERT_EQ(moved, room.base());
  static_cast<void>(bar.Release());
  ExpectDrives(room, 0x2);
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  baseline::FailsFromHere();
  ExpectDead(room);
}

REVOKE_TEST_F(UioTest, UnbindTakesBothHalvesOfASplitMappingAway, baseline::kFails) {
  const FileDescriptor uio = OpenUio();
  const Mapping bar = MapBar(uio);
  ASSERT_THAT(munmap(static_cast<char*>(bar.base()) + PageSize(), PageSize()), SyscallSucceeds());
  ExpectDrives(bar, 0x3);
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  baseline::FailsFromHere();
  for (const std::size_t page : {std::size_t{0}, std::size_t{2}}) {
    const volatile std::uint32_t* word = bar.At(page * PageSize());
    EXPECT_THAT(Probe::Read(word), DiesOfSigbusAt(word));
  }
}

REVOKE_TEST_F(UioTest, UnbindTakesAwayWhatIsProtectedAtThatTime, baseline::kFails) {
  const FileDescriptor uio = OpenUio();
  const Mapping bar = MapBar(uio);
  ASSERT_THAT(mprotect(bar.base(), bar.size(), PROT_NONE), SyscallSucceeds());
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  ASSERT_THAT(mprotect(bar.base(), bar.size(), PROT_READ | PROT_WRITE), SyscallSucceeds());
  baseline::FailsFromHere();
  ExpectDead(bar);
}

REVOKE_TEST_F(UioTest, UnbindStopsAThreadThatKeepsDriving, baseline::kFails) {
  const FileDescriptor uio = OpenUio();
  const Mapping bar = MapBar(uio);
  Checkpoint driving;
  std::atomic<bool> unbound = false;
  std::optional<Fault> fault;
  ScopedThread driver([&] {
    driving.Reach();
    // Once more after the unbind is seen, then it is enough.
    for (bool last = false; !fault && !last;) {
      last = unbound.load(std::memory_order_acquire);
      fault = Probe::Read(Liveness(bar)).fault;
    }
  });
  ASSERT_TRUE(driving.WaitFor(1));
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  unbound.store(true, std::memory_order_release);
  driver.Join();
  baseline::FailsFromHere();
  ASSERT_TRUE(fault.has_value()) << "it still reads the device";
  EXPECT_TRUE(IsSigbusAt(fault, Liveness(bar))) << FaultText(*fault);
}

REVOKE_TEST_F(UioTest, UnbindKeepsTheKernelFromTheMappingToo, baseline::kFails) {
  const FileDescriptor uio = OpenUio();
  const Mapping bar = MapBar(uio);
  const FileDescriptor memory = Open("/proc/self/mem", O_RDWR);
  const FileDescriptor sink = MemFd("sink", 4096);
  const auto address = reinterpret_cast<off_t>(bar.base());
  std::uint32_t word = 0;
  ASSERT_THAT(pread(memory.get(), &word, sizeof(word), address),
              SyscallSucceedsWithValue(sizeof(word)));
  ASSERT_EQ(word, edu::kIdentificationValue);
  ASSERT_THAT(write(sink.get(), bar.base(), sizeof(word)), SyscallSucceedsWithValue(sizeof(word)));
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  baseline::FailsFromHere();
  EXPECT_THAT(pread(memory.get(), &word, sizeof(word), address), SyscallFailsWithErrno(EIO));
  EXPECT_THAT(pwrite(memory.get(), &word, sizeof(word), address), SyscallFailsWithErrno(EIO));
  EXPECT_THAT(write(sink.get(), bar.base(), sizeof(word)), SyscallFailsWithErrno(EFAULT));
  EXPECT_THAT(pread(sink.get(), bar.base(), sizeof(word), 0), SyscallFailsWithErrno(EFAULT));
}

REVOKE_TEST_F(UioTest, UnbindEndsABlockedRead, baseline::kPasses) {
  const FileDescriptor uio = OpenUio();
  CallInThread reader([&] { return ReadCount(uio); });
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  EXPECT_THAT(reader.Join(), SyscallFailsWithErrno(EIO));
}

REVOKE_TEST_F(UioTest, UnbindEndsABlockedPoll, baseline::kPasses) {
  const FileDescriptor uio = OpenUio();
  pollfd polled = {.fd = uio.get(), .events = POLLIN, .revents = 0};
  CallInThread poller([&] { return poll(&polled, 1, -1); });
  ASSERT_TRUE(WaitUntilBlocked(poller.tid(), {.syscall = SYS_poll}));
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  EXPECT_THAT(poller.Join(), SyscallSucceedsWithValue(1));
  EXPECT_EQ(polled.revents & POLLERR, POLLERR);
}

REVOKE_TEST_F(UioTest, PollSaysThatTheDeviceIsGone, baseline::kFails) {
  const FileDescriptor uio = OpenUio();
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  pollfd polled = {.fd = uio.get(), .events = POLLIN | POLLOUT, .revents = 0};
  ASSERT_THAT(poll(&polled, 1, -1), SyscallSucceedsWithValue(1));
  baseline::FailsFromHere();
  EXPECT_EQ(polled.revents, POLLIN | POLLOUT | POLLERR | POLLHUP);
}

REVOKE_TEST_F(UioTest, CallsOnTheStaleFileFailAndClosingItSucceeds, baseline::kPasses) {
  FileDescriptor uio = OpenUio();
  Mapping bar = MapBar(uio);
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  EXPECT_THAT(ReadCount(uio), SyscallFailsWithErrno(EIO));
  const std::int32_t on = 1;
  EXPECT_THAT(write(uio.get(), &on, sizeof(on)), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(MapBar(uio), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(bar.Unmap(), SyscallSucceeds());
  EXPECT_THAT(uio.Close(), SyscallSucceeds());
}

REVOKE_TEST_F(UioTest, NewOpenAfterABindDrives, baseline::kPasses) {
  const FileDescriptor stale = OpenUio();
  Rebind();
  const FileDescriptor uio = OpenUio();
  ASSERT_THAT(uio, SyscallSucceeds());
  const Mapping bar = MapBar(uio);
  ExpectDrives(bar, 0x87654321);
  ASSERT_THAT(device().EnableInterrupts(), SyscallSucceeds());
  CallInThread reader([&] { return ReadCount(uio); });
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  *bar.At(edu::kRaiseInterrupt) = 1;
  EXPECT_THAT(reader.Join(), SyscallSucceedsWithValue(sizeof(std::int32_t)));
  *bar.At(edu::kAcknowledge) = 1;
  EXPECT_THAT(ReadCount(stale), SyscallFailsWithErrno(EIO));
}

// Somebody without any privilege sits on the file, the mapping and a read.
REVOKE_TEST_F(UioTest, UnprivilegedHolderDelaysNothing, baseline::kPasses) {
  const FileDescriptor uio = OpenUio();
  const Mapping bar = MapBar(uio);
  Checkpoint again;
  Child holder([&] {
    TEST_PCHECK(BecomeUser() == 0);
    TEST_PCHECK(ReadCount(uio) == -1 && errno == EIO);
    TEST_CHECK(again.WaitFor(1));
  });
  ASSERT_TRUE(WaitUntilBlocked(holder.pid(), {.syscall = SYS_read}));
  // Each would not return, and the test's time run out.
  Rebind();
  {
    const FileDescriptor new_uio = OpenUio();
    ASSERT_THAT(new_uio, SyscallSucceeds());
    ExpectDrives(MapBar(new_uio), 0x5a5a5a5a);
  }
  Rebind();
  EXPECT_THAT(holder.Wait(std::chrono::milliseconds(0)), testing::Not(Exited(0)))
      << "the holder was not there to delay anything";
  again.Reach();
  EXPECT_THAT(holder.Wait(), Exited(0));
}

// ---- the device is pulled ----

REVOKE_TEST_F(UioTest, RemovalTakesTheMappingAway, baseline::kFails) {
  const FileDescriptor stale_uio = OpenUio();
  const Mapping stale = MapBar(stale_uio);
  CallInThread reader([&] { return ReadCount(stale_uio); });
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  ASSERT_THAT(device().Remove(), SyscallSucceeds());
  EXPECT_THAT(reader.Join(), SyscallFailsWithErrno(EIO));
  baseline::FailsFromHere();
  ExpectDead(stale);

  ASSERT_THAT(EduDevice::RescanBus(), SyscallSucceeds());
  const std::optional<EduDevice> back = EduDevice::Find();
  ASSERT_TRUE(back.has_value());
  ASSERT_THAT(back->Bind(), SyscallSucceeds());
  const FileDescriptor uio = Open(back->UioNode(), O_RDWR);
  const Mapping bar = MapBar(uio);
  ASSERT_THAT(bar, SyscallSucceeds());
  ExpectDrives(bar, 0x600dcafe);
  ExpectDead(stale);
}

// ---- revokeat(2), with the driver in place ----

REVOKE_TEST_F(UioTest, RevokeTakesAllAndLeavesTheDevice, baseline::kEnosys) {
  FileDescriptor uio = OpenUio();
  const Mapping bar = MapBar(uio);
  ASSERT_THAT(revoke(node().c_str()), SyscallSucceedsWithValue(0));
  ExpectDead(bar);
  EXPECT_THAT(ReadCount(uio), SyscallFailsWithErrno(EIO));
  EXPECT_THAT(MapBar(uio), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(uio.Close(), SyscallSucceeds());

  EXPECT_TRUE(device().bound());
  const FileDescriptor new_uio = OpenUio();
  ASSERT_THAT(new_uio, SyscallSucceeds());
  ExpectDrives(MapBar(new_uio), 0x11223344);
  ExpectDead(bar);
}

REVOKE_TEST_F(UioTest, RevokeEndsABlockedRead, baseline::kEnosys) {
  REVOKE_NEED_REVOKEAT();
  const FileDescriptor uio = OpenUio();
  CallInThread reader([&] { return ReadCount(uio); });
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  ASSERT_THAT(revoke(node().c_str()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(reader.Join(), SyscallFailsWithErrno(EIO));
}

REVOKE_TEST_F(UioTest, RevokeReachesAForkedChild, baseline::kEnosys) {
  REVOKE_NEED_REVOKEAT();
  const FileDescriptor uio = OpenUio();
  const Mapping bar = MapBar(uio);
  Checkpoint mapped;
  Checkpoint revoked;
  Child child([&] {
    TEST_CHECK(*bar.At(edu::kIdentification) == edu::kIdentificationValue);
    mapped.Reach();
    TEST_CHECK(revoked.WaitFor(1));
    TEST_PCHECK(ReadCount(uio) == -1 && errno == EIO);
    TEST_CHECK(DiesOfSigbus(Liveness(bar)));
  });
  ASSERT_TRUE(mapped.WaitFor(1));
  ASSERT_THAT(revoke(node().c_str()), SyscallSucceedsWithValue(0));
  revoked.Reach();
  EXPECT_THAT(child.Wait(), Exited(0));
}

REVOKE_TEST_F(UioTest, RevokeFileTakesOneHolderOnly, baseline::kEnosys) {
  const FileDescriptor uio = OpenUio();
  const Mapping bar = MapBar(uio);
  const FileDescriptor other_uio = OpenUio();
  const Mapping other = MapBar(other_uio);
  ASSERT_THAT(RevokeFile(uio.get()), SyscallSucceedsWithValue(0));
  ExpectDead(bar);
  ExpectDrives(other, 0x44332211);
}

// The driver stops the device's DMA when its file is released, while it stays bound.
REVOKE_TEST_F(UioTest, RevokeReleasesTheFile, baseline::kEnosys) {
  const FileDescriptor uio = OpenUio();
  ASSERT_THAT(device().EnableBusMaster(), SyscallSucceeds());
  ASSERT_EQ(device().BusMaster(), true);
  ASSERT_THAT(revoke(node().c_str()), SyscallSucceedsWithValue(0));
  EXPECT_EQ(device().BusMaster(), false);
}

REVOKE_TEST_F(UioTest, RevokeOfADeviceNobodyHasOpen, baseline::kEnosys) {
  EXPECT_THAT(revoke(node().c_str()), SyscallSucceedsWithValue(0));
}

REVOKE_TEST_F(UioTest, RevokeIsNotForTheUnprivileged, baseline::kEnosys) {
  const FileDescriptor uio = OpenUio();
  const Mapping bar = MapBar(uio);
  EXPECT_THAT(InChild([&] {
                TEST_PCHECK(BecomeUser() == 0);
                TEST_PCHECK(revoke(node().c_str()) == -1 && errno == EACCES);
                TEST_PCHECK(RevokeFile(uio.get()) == -1 && errno == EPERM);
              }),
              Exited(0));
  ExpectDrives(bar, 0x7);
}

REVOKE_TEST_F(UioTest, UnbindAfterRevoke, baseline::kEnosys) {
  const FileDescriptor uio = OpenUio();
  const Mapping bar = MapBar(uio);
  ASSERT_THAT(revoke(node().c_str()), SyscallSucceedsWithValue(0));
  Rebind();
  const FileDescriptor new_uio = OpenUio();
  ExpectDrives(MapBar(new_uio), 0x8);
  ExpectDead(bar);
}

}  // namespace
}  // namespace revoke_test
