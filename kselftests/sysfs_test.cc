// SPDX-License-Identifier: GPL-2.0
//
// Files of sysfs that can be mapped, drivers that want to know of each VMA, and those who poll.

#include "sysfs.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <string>

#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "deadline.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "privilege.h"
#include "proc.h"
#include "process.h"
#include "revokeat.h"
#include "sigbus_probe.h"
#include "temp_dir.h"
#include "test_check.h"

namespace revoke_test {
namespace {

// What somebody is told of at once takes less.
constexpr std::chrono::milliseconds kSoon{3'000};
constexpr std::uint32_t kWord = 0x12345678;

// What there is of POLLPRI
short PollNow(const FileDescriptor& file) {
  pollfd polled = {.fd = file.get(), .events = POLLPRI, .revents = 0};
  EXPECT_THAT(poll(&polled, 1, 0), SyscallSucceeds());
  return polled.revents;
}

// kselftests/modules/sysfs_memory.c.
class SysfsMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(access(kDirectory.c_str(), F_OK), SyscallSucceeds()) << "no module sysfs_memory";
    ASSERT_NO_FATAL_FAILURE(SetPresent(true));
  }
  void TearDown() override { SetPresent(false); }

  static void SetPresent(bool present) {
    ASSERT_THAT(WriteAttribute(Path("present"), present ? "1" : "0"), SyscallSucceeds());
  }
  static std::string Path(const char* name) { return kDirectory + "/" + name; }
  static FileDescriptor OpenMemory() { return Open(Path("memory"), O_RDWR); }

  // Whoever polls the file `name` when it goes is told.
  static void RemoveUnderAPoller(const char* name) {
    const FileDescriptor file = Open(Path(name), O_RDONLY);
    // What it polls for is a change since its last read, even if that has failed.
    char byte = 0;
    static_cast<void>(!read(file.get(), &byte, 1));
    pollfd polled = {.fd = file.get(), .events = POLLPRI, .revents = 0};
    // Not without end, as nobody could end it; and then it would see that the file has gone.
    CallInThread poller(
        [&] { return poll(&polled, 1, static_cast<int>(Scaled(2 * kSoon).count())); });
    ASSERT_TRUE(WaitUntilBlocked(poller.tid(), {.syscall = SYS_poll}));
    ASSERT_NO_FATAL_FAILURE(SetPresent(false));
    baseline::FailsFromHere();
    ASSERT_TRUE(poller.Returns(kSoon));
    EXPECT_THAT(poller.Join(), SyscallSucceedsWithValue(1));
    EXPECT_EQ(polled.revents, POLLERR | POLLPRI);
  }

  static Mapping Map(const FileDescriptor& memory) { return {memory.get(), PageSize()}; }
  static int Vmas() { return std::stoi(ReadSmallFile(Path("vmas")).value_or("-1")); }

 private:
  inline static const std::string kDirectory = "/sys/kernel/sysfs_memory";
};

REVOKE_TEST_F(SysfsMemoryTest, DriverIsToldOfEachVma, baseline::kFails) {
  const FileDescriptor memory = OpenMemory();
  baseline::FailsFromHere();
  Mapping mapping = Map(memory);
  ASSERT_THAT(mapping, SyscallSucceeds());
  EXPECT_EQ(Vmas(), 1);
  EXPECT_THAT(InChild([] { TEST_CHECK(Vmas() == 2); }), Exited(0));
  EXPECT_EQ(Vmas(), 1);
  EXPECT_THAT(mapping.Unmap(), SyscallSucceeds());
  EXPECT_EQ(Vmas(), 0);
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
  EXPECT_EQ(Vmas(), 1);
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

REVOKE_TEST_F(SysfsMemoryTest, PollerOfAFileThatCanBeMappedIsTold, baseline::kFails) {
  RemoveUnderAPoller("memory");
}

REVOKE_TEST_F(SysfsMemoryTest, PollerOfAPlainFileIsTold, baseline::kFails) {
  RemoveUnderAPoller("plain");
}

// ---- revokeat(2) ----

REVOKE_TEST_F(SysfsMemoryTest, RevokeTakesTheOpenFilesAndLeavesTheAttribute, baseline::kEnosys) {
  const FileDescriptor stale = Open(Path("plain"), O_RDONLY);
  const FileDescriptor stale_writer = Open(Path("present"), O_WRONLY);
  for (const char* name : {"plain", "present"}) {
    ASSERT_THAT(revoke(Path(name).c_str()), SyscallSucceedsWithValue(0));
  }
  char byte = 0;
  EXPECT_THAT(pread(stale.get(), &byte, 1, 0), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(pwrite(stale_writer.get(), "1", 1, 0), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(lseek(stale.get(), 0, SEEK_SET), SyscallFailsWithErrno(ENODEV));
  EXPECT_EQ(PollNow(stale), POLLERR | POLLPRI);
  EXPECT_EQ(ReadSmallFile(Path("plain")), "plain\n");
  ASSERT_NO_FATAL_FAILURE(SetPresent(true));
}

// Of those who want to be the only one that is woken, each is.
REVOKE_TEST_F(SysfsMemoryTest, ExclusivePollersAreTold, baseline::kFails) {
  const FileDescriptor file = Open(Path("plain"), O_RDONLY);
  char byte = 0;
  ASSERT_THAT(read(file.get(), &byte, 1), SyscallSucceedsWithValue(1));
  std::array<FileDescriptor, 2> sets;
  std::array<CallInThread, 2> pollers;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    sets[i] = FileDescriptor(epoll_create1(EPOLL_CLOEXEC));
    epoll_event event = {.events = EPOLLERR | EPOLLEXCLUSIVE, .data = {}};
    ASSERT_THAT(epoll_ctl(sets[i].get(), EPOLL_CTL_ADD, file.get(), &event), SyscallSucceeds());
    pollers[i].Start([set = sets[i].get()] {
      epoll_event got{};
      return epoll_wait(set, &got, 1, static_cast<int>(Scaled(2 * kSoon).count()));
    });
    ASSERT_TRUE(WaitUntilBlocked(pollers[i].tid(), {.syscall = SYS_epoll_wait}));
  }
  ASSERT_NO_FATAL_FAILURE(SetPresent(false));
  baseline::FailsFromHere();
  for (CallInThread& poller : pollers) EXPECT_THAT(poller.Join(), SyscallSucceedsWithValue(1));
}

REVOKE_TEST_F(SysfsMemoryTest, RevokeTakesMappingsOfAllButOtherFiles, baseline::kEnosys) {
  REVOKE_NEED_REVOKEAT();
  const FileDescriptor memory = OpenMemory();
  const FileDescriptor plain = Open(Path("plain"), O_RDONLY);
  const Mapping mapping = Map(memory);
  ASSERT_THAT(Probe::Write(mapping.At<std::uint32_t>(0), kWord), Survives());
  ASSERT_THAT(revoke(Path("memory").c_str()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(Probe::Read(mapping.At<std::uint32_t>(0)),
              DiesOfSigbusAt(mapping.At<std::uint32_t>(0)));
  EXPECT_EQ(Map(memory).error(), ENODEV);
  char byte = 0;
  EXPECT_THAT(pread(plain.get(), &byte, 1, 0), SyscallSucceedsWithValue(1));
  const FileDescriptor again = OpenMemory();
  const Mapping fresh = Map(again);
  EXPECT_THAT(Probe::Read(fresh.At<std::uint32_t>(0)), ReadsValue(kWord));
}

// Its mappings could be taken away, and its reads and writes would go on.
REVOKE_TEST_F(SysfsMemoryTest, OneFileCannotBeTakenAway, baseline::kEnosys) {
  REVOKE_NEED_REVOKEAT();
  const FileDescriptor memory = OpenMemory();
  const Mapping mapping = Map(memory);
  EXPECT_THAT(RevokeFile(memory.get()), SyscallFailsWithErrno(EOPNOTSUPP));
  EXPECT_THAT(Probe::Write(mapping.At<std::uint32_t>(0), kWord), Survives());
}

REVOKE_TEST_F(SysfsMemoryTest, PollerOfARevokedFileIsTold, baseline::kEnosys) {
  const FileDescriptor file = Open(Path("plain"), O_RDONLY);
  char byte = 0;
  ASSERT_THAT(read(file.get(), &byte, 1), SyscallSucceedsWithValue(1));
  pollfd polled = {.fd = file.get(), .events = POLLPRI, .revents = 0};
  CallInThread poller(
      [&] { return poll(&polled, 1, static_cast<int>(Scaled(2 * kSoon).count())); });
  ASSERT_TRUE(WaitUntilBlocked(poller.tid(), {.syscall = SYS_poll}));
  ASSERT_THAT(revoke(Path("plain").c_str()), SyscallSucceedsWithValue(0));
  ASSERT_TRUE(poller.Returns(kSoon));
  EXPECT_EQ(polled.revents, POLLERR | POLLPRI);
}

// It has begun before, so it ends before.
REVOKE_TEST(SysfsRevokeTest, ReaderThatIsInsideIsWaitedFor, baseline::kEnosys) {
  REVOKE_NEED_REVOKEAT();
  const std::string held = "/sys/bus/pci/drivers/pci_holder/held";
  const FileDescriptor file = Open(held, O_RDONLY);
  ASSERT_THAT(file, SyscallSucceeds()) << "no module pci_holder";
  // It sleeps until it is killed.
  Child reader([&] {
    char byte = 0;
    return read(file.get(), &byte, 1) == 1 ? 0 : 1;
  });
  ASSERT_TRUE(WaitUntilBlocked(reader.pid(), {.syscall = SYS_read}));

  // Whoever waits can be killed; it has happened all the same.
  Child killed([&] { return revoke(held.c_str()); });
  const bool waits = WaitUntilBlocked(killed.pid(), {.syscall = __NR_revokeat});
  EXPECT_TRUE(waits);
  EXPECT_EQ(killed.Signal(SIGKILL), 0);
  EXPECT_THAT(killed.Wait(), KilledBySignal(SIGKILL));

  CallInThread revoker([&] { return revoke(held.c_str()); });
  EXPECT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  EXPECT_EQ(reader.Signal(SIGKILL), 0);
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  char byte = 0;
  EXPECT_THAT(pread(file.get(), &byte, 1, 0), SyscallFailsWithErrno(ENODEV));
}

REVOKE_TEST(SysfsRevokeTest, WhatNobodyHasOpenIsRevokedAtOnce, baseline::kEnosys) {
  EXPECT_THAT(revoke("/sys/kernel/sysfs_memory/vmas"), SyscallSucceedsWithValue(0));
}

REVOKE_TEST(SysfsRevokeTest, NeedsTheCapabilityAndAFile, baseline::kEnosys) {
  EXPECT_THAT(revoke("/sys/kernel/sysfs_memory"), SyscallFailsWithErrno(EOPNOTSUPP));
  EXPECT_THAT(InChild([] {
                TEST_PCHECK(DropCapability(CAP_SYS_ADMIN) == 0);
                TEST_PCHECK(revoke("/sys/kernel/sysfs_memory/vmas") == -1 && errno == EPERM);
              }),
              Exited(0));
}

// Its files have a ->release, which comes with the close as before.
REVOKE_TEST(SysfsRevokeTest, FilesOfCgroupsLikewise, baseline::kEnosys) {
  const TempDir root;
  ASSERT_THAT(mount("none", root.path().c_str(), "cgroup2", 0, nullptr), SyscallSucceeds());
  const std::string group = root.path() + "/revoked";
  ASSERT_THAT(mkdir(group.c_str(), 0700), SyscallSucceeds());
  const std::string freeze = group + "/cgroup.freeze";
  const std::string events = group + "/cgroup.events";
  {
    const FileDescriptor stale = Open(freeze, O_RDWR);
    const FileDescriptor stale_events = Open(events, O_RDONLY);
    char byte = 0;
    EXPECT_THAT(read(stale_events.get(), &byte, 1), SyscallSucceedsWithValue(1));
    EXPECT_EQ(PollNow(stale_events), 0);
    EXPECT_THAT(revoke(freeze.c_str()), SyscallSucceedsWithValue(0));
    EXPECT_THAT(revoke(events.c_str()), SyscallSucceedsWithValue(0));
    EXPECT_THAT(write(stale.get(), "0", 1), SyscallFailsWithErrno(ENODEV));
    EXPECT_EQ(PollNow(stale_events), POLLERR | POLLPRI);
    EXPECT_THAT(WriteAttribute(freeze, "0"), SyscallSucceeds());
    EXPECT_THAT(rmdir(group.c_str()), SyscallSucceeds());
  }
  EXPECT_THAT(umount(root.path().c_str()), SyscallSucceeds());
}

}  // namespace
}  // namespace revoke_test
