// SPDX-License-Identifier: GPL-2.0
//
// Files of sysfs that can be mapped, drivers that want to know of each VMA, and those who poll.

#include "sysfs.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "deadline.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "proc.h"
#include "process.h"
#include "sigbus_probe.h"
#include "test_check.h"

namespace revoke_test {
namespace {

// What somebody is told of at once takes less.
constexpr std::chrono::milliseconds kSoon{3'000};
constexpr std::uint32_t kWord = 0x12345678;

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

  // Whoever polls the file `name` when it goes is told.
  static void RemoveUnderAPoller(const char* name) {
    const FileDescriptor file = Open(kDirectory + "/" + name, O_RDONLY);
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
  static int Vmas() { return std::stoi(ReadSmallFile(kDirectory + "/vmas").value_or("-1")); }

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

}  // namespace
}  // namespace revoke_test
