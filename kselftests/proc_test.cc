// SPDX-License-Identifier: GPL-2.0
//
// Entries of procfs and sysctls that are removed while they are in use. What user space makes last
// as long as it likes, a copy to or from its memory or a poll, holds nobody up.

#include "proc.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "deadline.h"
#include "entries_test.h"
#include "errno_matchers.h"
#include "fd.h"
#include "kernel_log.h"
#include "mapping.h"
#include "privilege.h"
#include "process.h"
#include "revokeat.h"
#include "scoped_sysctl.h"
#include "stuck_call.h"
#include "sysfs.h"
#include "test_check.h"

namespace revoke_test {
namespace {

// What there is to read.
constexpr std::string_view kText = "an entry\n";
constexpr long kTextSize = kText.size();

// A command of an ioctl that is none of the VFS: it waits.
constexpr unsigned int kWait = 0x7700;

// What poll(2) tells of a file that has no ->poll.
constexpr short kInAndOut = POLLIN | POLLOUT;

// kselftests/modules/proc_entries.c.
class ProcTest : public EntriesTest {
 protected:
  ProcTest() : EntriesTest("proc_entries") {}

  static std::string PathOf(const std::string& entry) {
    return "/proc/revoke_test_entries/" + entry;
  }

  int Releases() const { return Read("releases"); }
  // Calls of write methods.
  int Writes() const { return Read("writes"); }
  // Whether the last removal has left somebody on the wait queue.
  int PollersLeft() const { return Read("pollers_left"); }

  // While this lives, no ->proc_release returns.
  class HeldRelease {
   public:
    explicit HeldRelease(const ProcTest& test) : test_(test) {
      EXPECT_THAT(test_.Write("hold", "1"), SyscallSucceeds());
    }
    HeldRelease(const HeldRelease&) = delete;
    HeldRelease& operator=(const HeldRelease&) = delete;
    ~HeldRelease() { LetGo(); }

    void LetGo() const { EXPECT_THAT(test_.Write("hold", "0"), SyscallSucceeds()); }

   private:
    const ProcTest& test_;
  };
};

// A seq_file by either method, and one that can be polled and mapped, too.
class ProcEntry : public ProcTest, public testing::WithParamInterface<const char*> {
 protected:
  static std::string path() { return PathOf(GetParam()); }
  static FileDescriptor OpenEntry() { return Open(path(), O_RDWR); }
  static bool CanBeMapped() { return std::string_view(GetParam()) == "poll"; }

  static void ExpectAlive(const FileDescriptor& file) {
    std::string text(PageSize(), '\0');
    ASSERT_THAT(pread(file.get(), text.data(), text.size(), 0),
                SyscallSucceedsWithValue(kTextSize));
    EXPECT_EQ(text.substr(0, kText.size()), kText);
    EXPECT_THAT(write(file.get(), "x", 1), SyscallSucceedsWithValue(1));
    EXPECT_THAT(ioctl(file.get(), 0), SyscallSucceedsWithValue(0));
    EXPECT_THAT(lseek(file.get(), 0, SEEK_SET), SyscallSucceedsWithValue(0));
    EXPECT_EQ(Mapping(file.get(), PageSize(), PROT_READ).valid(), CanBeMapped());
  }

  static void ExpectDead(const FileDescriptor& file) {
    char byte = 0;
    EXPECT_THAT(read(file.get(), &byte, 1), SyscallFailsWithErrno(EIO));
    EXPECT_THAT(pread(file.get(), &byte, 1, 0), SyscallFailsWithErrno(EIO));
    EXPECT_THAT(write(file.get(), "x", 1), SyscallFailsWithErrno(EIO));
    EXPECT_THAT(ioctl(file.get(), 0), SyscallFailsWithErrno(ENOTTY));
    EXPECT_THAT(lseek(file.get(), 0, SEEK_SET), SyscallFailsWithErrno(EINVAL));
    EXPECT_EQ(Mapping(file.get(), PageSize(), PROT_READ).error(), EIO);
    pollfd polled = {.fd = file.get(), .events = kInAndOut, .revents = 0};
    EXPECT_THAT(poll(&polled, 1, 0), SyscallSucceedsWithValue(1));
    EXPECT_EQ(polled.revents, kInAndOut);
  }
};

INSTANTIATE_TEST_SUITE_P(, ProcEntry, testing::Values("read_iter", "read", "poll"),
                         [](const testing::TestParamInfo<const char*>& info) {
                           return std::string(info.param);
                         });

// ---- user memory that does not come ----

REVOKE_TEST_P(ProcEntry, ReaderThatIsStuckHoldsNobodyUp, baseline::kFails) {
  FileDescriptor file = OpenEntry();
  CallInThread removal;
  StuckCall reader;
  ASSERT_TRUE(
      reader.Stick(SYS_read, [&](void* memory) { return read(file.get(), memory, PageSize()); }));
  removal.Start([&] { return Remove(); });
  baseline::FailsFromHere();
  ASSERT_TRUE(removal.Returns(kAtOnce));
  EXPECT_THAT(removal.Join(), SyscallSucceeds());
  EXPECT_EQ(Releases(), 1) << "though it is open, and the reader inside";
  reader.Release();
  EXPECT_THAT(reader.Join(), SyscallSucceedsWithValue(kTextSize)) << "which it had";
  EXPECT_EQ(reader.Memory(kText.size()), kText);
  ExpectDead(file);
  EXPECT_THAT(file.Close(), SyscallSucceeds());
  EXPECT_EQ(Releases(), 1);
}

// The position and the buffer of a seq_file have a lock, which the reader holds.
REVOKE_TEST_P(ProcEntry, ThoseWhoWaitForTheReaderComeTooLate, baseline::kFails) {
  const FileDescriptor file = OpenEntry();
  std::array<char, 16> buffer{};
  CallInThread removal;
  CallInThread second;
  CallInThread third;
  StuckCall first;
  // Not read(2), for which lseek(2) would wait before it gets there.
  ASSERT_TRUE(first.Stick(SYS_pread64,
                          [&](void* memory) { return pread(file.get(), memory, PageSize(), 0); }));
  second.Start([&] { return pread(file.get(), buffer.data(), buffer.size(), 0); });
  ASSERT_TRUE(WaitUntilBlocked(second.tid(), {.syscall = SYS_pread64}));
  third.Start([&] { return lseek(file.get(), 0, SEEK_SET); });
  ASSERT_TRUE(WaitUntilBlocked(third.tid(), {.syscall = SYS_lseek}));
  removal.Start([&] { return Remove(); });
  baseline::FailsFromHere();
  ASSERT_TRUE(removal.Returns(kAtOnce));
  EXPECT_THAT(removal.Join(), SyscallSucceeds());
  EXPECT_EQ(Releases(), 1);
  first.Release();
  EXPECT_THAT(first.Join(), SyscallSucceedsWithValue(kTextSize));
  EXPECT_THAT(second.Join(), SyscallFailsWithErrno(EIO));
  EXPECT_THAT(third.Join(), SyscallFailsWithErrno(EINVAL));
}

// Its method gets a copy.
REVOKE_TEST_F(ProcTest, WriterThatIsStuckHoldsNobodyUp, baseline::kFails) {
  const FileDescriptor file = Open("/proc/net/revoke_test_entries/value", O_WRONLY);
  ASSERT_THAT(write(file.get(), "x", 1), SyscallSucceedsWithValue(1));
  ASSERT_EQ(Writes(), 1);
  CallInThread removal;
  StuckCall writer;
  ASSERT_TRUE(writer.Stick(SYS_write, [&](void* memory) { return write(file.get(), memory, 1); }));
  removal.Start([&] { return Remove(); });
  baseline::FailsFromHere();
  ASSERT_TRUE(removal.Returns(kAtOnce));
  EXPECT_THAT(removal.Join(), SyscallSucceeds());
  writer.Release();
  EXPECT_THAT(writer.Join(), SyscallFailsWithErrno(EIO));
  EXPECT_EQ(Writes(), 1) << "the method has been called after the removal";
}

// ---- pollers, and their wait queue, which goes with the entry ----

REVOKE_TEST_F(ProcTest, PollerIsTold, baseline::kFails) {
  const FileDescriptor file = Open(PathOf("poll"), O_RDONLY);
  Child poller([&] {
    pollfd polled = {.fd = file.get(), .events = kInAndOut, .revents = 0};
    TEST_PCHECK(poll(&polled, 1, -1) == 1);
    TEST_CHECK((polled.revents & kInAndOut) == kInAndOut);
  });
  ASSERT_TRUE(WaitUntilBlocked(poller.pid(), {.syscall = SYS_poll}));
  ASSERT_THAT(Remove(), SyscallSucceeds());
  baseline::FailsFromHere();
  EXPECT_EQ(PollersLeft(), 0);
  EXPECT_THAT(poller.Wait(), Exited(0));
}

REVOKE_TEST_F(ProcTest, EpollDoesWithoutTheQueue, baseline::kFails) {
  FileDescriptor file = Open(PathOf("poll"), O_RDONLY);
  FileDescriptor epoll = Epoll();
  epoll_event event{};
  event.events = EPOLLIN;
  ASSERT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, file.get(), &event), SyscallSucceeds());
  ASSERT_THAT(epoll_wait(epoll.get(), &event, 1, 0), SyscallSucceedsWithValue(0));
  ASSERT_THAT(Remove(), SyscallSucceeds());
  baseline::FailsFromHere();
  EXPECT_EQ(PollersLeft(), 0);
  const Deadline deadline(kDefaultWait);
  EXPECT_THAT(epoll_wait(epoll.get(), &event, 1, deadline.LeftAsPollTimeout()),
              SyscallSucceedsWithValue(1));
  EXPECT_EQ(event.events, EPOLLIN);
  EXPECT_THAT(file.Close(), SyscallSucceeds());
  EXPECT_THAT(epoll_wait(epoll.get(), &event, 1, 0), SyscallSucceedsWithValue(0));
  EXPECT_THAT(epoll.Close(), SyscallSucceeds());
}

// ---- open files, and nobody inside ----

REVOKE_TEST_P(ProcEntry, OpenFileIsReleasedByTheRemoval, baseline::kPasses) {
  FileDescriptor file = OpenEntry();
  ASSERT_NO_FATAL_FAILURE(ExpectAlive(file));
  EXPECT_EQ(Releases(), 0);
  ASSERT_THAT(Remove(), SyscallSucceeds());
  EXPECT_EQ(Releases(), 1);
  ExpectDead(file);
  EXPECT_THAT(OpenEntry(), SyscallFailsWithErrno(ENOENT));
  EXPECT_EQ(Writes(), 1) << "the one of before";
  EXPECT_THAT(file.Close(), SyscallSucceeds());
  EXPECT_EQ(Releases(), 1);
}

REVOKE_TEST_P(ProcEntry, TheNextOneOfThatNameWorks, baseline::kPasses) {
  FileDescriptor stale = OpenEntry();
  ASSERT_NO_FATAL_FAILURE(ExpectAlive(stale));
  ASSERT_THAT(Remove(), SyscallSucceeds());
  ASSERT_THAT(Create(), SyscallSucceeds());
  FileDescriptor file = OpenEntry();
  ASSERT_NO_FATAL_FAILURE(ExpectAlive(file));
  ExpectDead(stale);
  EXPECT_THAT(stale.Close(), SyscallSucceeds());
  EXPECT_EQ(Releases(), 0);
  ExpectAlive(file);
  EXPECT_THAT(file.Close(), SyscallSucceeds());
  EXPECT_EQ(Releases(), 1);
}

REVOKE_TEST_P(ProcEntry, EachOfManyFilesIsReleasedOnce, baseline::kPasses) {
  constexpr int kFiles = 10'000;
  constexpr rlim_t kOthers = 100;
  const rlimit limit = {.rlim_cur = kFiles + kOthers, .rlim_max = kFiles + kOthers};
  ASSERT_THAT(setrlimit(RLIMIT_NOFILE, &limit), SyscallSucceeds());
  std::vector<FileDescriptor> files(kFiles);
  for (FileDescriptor& file : files) {
    file = OpenEntry();
    ASSERT_THAT(file, SyscallSucceeds());
  }
  ASSERT_THAT(Remove(), SyscallSucceeds());
  EXPECT_EQ(Releases(), kFiles);
  files.clear();
  EXPECT_EQ(Releases(), kFiles);
}

// ---- a close meets the removal ----

REVOKE_TEST_P(ProcEntry, CloseWaitsForTheReleaseThatTheRemovalHasBegun, baseline::kPasses) {
  FileDescriptor file = OpenEntry();
  CallInThread removal;
  CallInThread closer;
  const HeldRelease held(*this);
  removal.Start([&] { return Remove(); });
  ASSERT_TRUE(WaitUntilBlocked(removal.tid(), {.syscall = SYS_write, .wchan = "entry_release"}));
  closer.Start([&] { return file.Close(); });
  ASSERT_TRUE(WaitUntilBlocked(closer.tid(), {.syscall = SYS_close}));
  EXPECT_EQ(Releases(), 1);
  held.LetGo();
  EXPECT_THAT(removal.Join(), SyscallSucceeds());
  EXPECT_THAT(closer.Join(), SyscallSucceeds());
  EXPECT_EQ(Releases(), 1);
}

REVOKE_TEST_P(ProcEntry, RemovalWaitsForTheReleaseThatTheCloseHasBegun, baseline::kPasses) {
  FileDescriptor file = OpenEntry();
  CallInThread removal;
  CallInThread closer;
  const HeldRelease held(*this);
  closer.Start([&] { return file.Close(); });
  ASSERT_TRUE(WaitUntilBlocked(closer.tid(), {.syscall = SYS_close, .wchan = "entry_release"}));
  removal.Start([&] { return Remove(); });
  ASSERT_TRUE(WaitUntilBlocked(removal.tid(), {.syscall = SYS_write}));
  EXPECT_EQ(Releases(), 1);
  held.LetGo();
  EXPECT_THAT(removal.Join(), SyscallSucceeds());
  EXPECT_THAT(closer.Join(), SyscallSucceeds());
  EXPECT_EQ(Releases(), 1);
}

// ---- methods that do not return ----

// No signal ends what the caller waits for. It is in a state that the hung task detector does not
// mind; the removal is not, but wakes up every second. That of 7.3.4 would be the end of the guest.
REVOKE_TEST_F(ProcTest, RemovalThatIsHeldUpIsReported, baseline::kEnosys) {
  REVOKE_NEED_REVOKEAT();
  const FileDescriptor file = Open(PathOf("poll"), O_RDWR);
  KernelLog log;
  ASSERT_THAT(log, SyscallSucceeds());
  CallInThread inside;
  CallInThread removal;
  const HeldRelease held(*this);
  inside.Start([&] { return ioctl(file.get(), kWait); });
  ASSERT_TRUE(WaitUntilBlocked(inside.tid(), {.syscall = SYS_ioctl}));
  {
    const ScopedSysctl timeout("/proc/sys/kernel/hung_task_timeout_secs", "1");
    removal.Start([&] { return Remove(); });
    ASSERT_TRUE(WaitUntilBlocked(removal.tid(), {.syscall = SYS_write}));
    const std::string report = "revoke: " + ReadTask(removal.tid())->comm + ":" +
                               std::to_string(removal.tid()) +
                               " removes an entry that 1 uses do not leave";
    EXPECT_TRUE(log.WaitFor(report));
  }
  held.LetGo();
  EXPECT_THAT(inside.Join(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(removal.Join(), SyscallSucceeds());
  EXPECT_EQ(log.Count("revoke: "), 1);
}

// ---- sysctls ----

class ProcSysctl : public ProcTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(ProcTest::SetUp());
    ASSERT_THAT(WriteAttribute(kPath, "42"), SyscallSucceeds());
  }

  static FileDescriptor OpenSysctl() { return Open(kPath, O_RDWR); }
  // It outlives the sysctl.
  static std::string Value() { return ReadSmallFile(kPath).value_or(""); }

  // Nobody can read it or write it.
  const void* bad_memory() const { return bad_memory_.base(); }

 private:
  inline static const std::string kPath = "/proc/sys/revoke_test_entries/value";
  Mapping bad_memory_ = Mapping::Anonymous(PageSize(), PROT_NONE);
};

REVOKE_TEST_F(ProcSysctl, ReaderThatIsStuckHoldsNobodyUp, baseline::kFails) {
  const FileDescriptor file = OpenSysctl();
  CallInThread removal;
  StuckCall reader;
  ASSERT_TRUE(
      reader.Stick(SYS_read, [&](void* memory) { return read(file.get(), memory, PageSize()); }));
  removal.Start([&] { return Remove(); });
  baseline::FailsFromHere();
  ASSERT_TRUE(removal.Returns(kAtOnce));
  EXPECT_THAT(removal.Join(), SyscallSucceeds());
  reader.Release();
  EXPECT_THAT(reader.Join(), SyscallSucceedsWithValue(3));
  EXPECT_EQ(reader.Memory(3), "42\n");
  char byte = 0;
  EXPECT_THAT(read(file.get(), &byte, 1), SyscallFailsWithErrno(ENOENT));
}

REVOKE_TEST_F(ProcSysctl, WriterThatIsStuckHoldsNobodyUp, baseline::kFails) {
  const FileDescriptor file = OpenSysctl();
  CallInThread removal;
  StuckCall writer("7\n");
  ASSERT_TRUE(writer.Stick(SYS_write, [&](void* memory) { return write(file.get(), memory, 2); }));
  removal.Start([&] { return Remove(); });
  baseline::FailsFromHere();
  ASSERT_TRUE(removal.Returns(kAtOnce));
  EXPECT_THAT(removal.Join(), SyscallSucceeds());
  writer.Release();
  EXPECT_THAT(writer.Join(), SyscallFailsWithErrno(ENOENT));
  ASSERT_THAT(Create(), SyscallSucceeds());
  EXPECT_EQ(Value(), "42\n");
}

REVOKE_TEST_F(ProcSysctl, OpenFileIsDead, baseline::kPasses) {
  const FileDescriptor file = OpenSysctl();
  ASSERT_THAT(Remove(), SyscallSucceeds());
  char byte = 0;
  EXPECT_THAT(read(file.get(), &byte, 1), SyscallFailsWithErrno(ENOENT));
  EXPECT_THAT(write(file.get(), "7", 1), SyscallFailsWithErrno(ENOENT));
  EXPECT_THAT(write(file.get(), bad_memory(), 1), SyscallFailsWithErrno(ENOENT));
  pollfd polled = {.fd = file.get(), .events = kInAndOut, .revents = 0};
  EXPECT_THAT(poll(&polled, 1, 0), SyscallSucceedsWithValue(1));
  EXPECT_EQ(polled.revents, POLLERR | POLLHUP);
  EXPECT_THAT(OpenSysctl(), SyscallFailsWithErrno(ENOENT));
  ASSERT_THAT(Create(), SyscallSucceeds());
  EXPECT_EQ(Value(), "42\n");
  EXPECT_THAT(read(file.get(), &byte, 1), SyscallFailsWithErrno(ENOENT));
}

// Who may write is looked at with each write, and first.
REVOKE_TEST_F(ProcSysctl, WriterWithoutPermissionIsToldOfThat, baseline::kPasses) {
  const FileDescriptor file = OpenSysctl();
  EXPECT_THAT(write(file.get(), bad_memory(), 1), SyscallFailsWithErrno(EFAULT));
  EXPECT_THAT(InChild([&] {
                TEST_PCHECK(BecomeUser() == 0);
                TEST_PCHECK(write(file.get(), "7", 1) == -1 && errno == EPERM);
                TEST_PCHECK(write(file.get(), bad_memory(), 1) == -1 && errno == EPERM);
              }),
              Exited(0));
  EXPECT_EQ(Value(), "42\n");
}

}  // namespace
}  // namespace revoke_test
