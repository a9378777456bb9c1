// SPDX-License-Identifier: GPL-2.0
//
// What outlives a file: everything besides its methods by which an open file is known elsewhere.
// Signals that were asked for, locks and those who wait for them, watches, registrations with
// epoll, and the references to the device and its module. What is the driver's goes at the revoke,
// what belongs to the descriptor goes when that is closed, and each goes once.

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "checkpoint.h"
#include "deadline.h"
#include "device_node.h"
#include "errno_matchers.h"
#include "fd.h"
#include "proc.h"
#include "process.h"
#include "revokeat.h"
#include "temp_dir.h"
#include "test_check.h"
#include "test_device.h"
#include "test_module.h"

namespace revoke_test {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class RemainsTest : public TestDeviceTest {
 protected:
};

// ---- SIGIO ----

struct Signal {
  int number;
  int code;
  int fd;

  friend bool operator==(const Signal&, const Signal&) = default;
  friend std::ostream& operator<<(std::ostream& os, const Signal& signal) {
    return os << "signal " << signal.number << " code " << signal.code << " fd " << signal.fd;
  }
};

class RemainsSigio : public RemainsTest {
 protected:
  void SetUp() override {
    RemainsTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sigemptyset(&set_);
    for (const int number : {SIGIO, First(), Second()}) sigaddset(&set_, number);
    ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &set_, nullptr), 0);
  }

  static int First() { return SIGRTMIN + 1; }
  static int Second() { return SIGRTMIN + 2; }

  // Asks for signals to this thread; `number` is 0 for a plain SIGIO.
  static void AskFor(int number, const FileDescriptor& fd) {
    const f_owner_ex owner = {.type = F_OWNER_TID, .pid = gettid()};
    ASSERT_THAT(fcntl(fd.get(), F_SETOWN_EX, &owner), SyscallSucceeds());
    ASSERT_THAT(fcntl(fd.get(), F_SETSIG, number), SyscallSucceeds());
    ASSERT_THAT(fcntl(fd.get(), F_SETFL, O_ASYNC), SyscallSucceeds());
  }

  // The signals that are there; a revoke that has returned and data that has been put have sent
  // theirs.
  std::vector<Signal> Take() const {
    std::vector<Signal> signals;
    siginfo_t info{};
    constexpr timespec kNow{};
    while (sigtimedwait(&set_, &info, &kNow) > 0) {
      const bool from_a_file = info.si_code != SI_KERNEL && info.si_code != SI_USER;
      signals.push_back(
          {.number = info.si_signo, .code = info.si_code, .fd = from_a_file ? info.si_fd : -1});
    }
    return signals;
  }

 private:
  sigset_t set_{};
};

REVOKE_TEST_F(RemainsSigio, OwnerLearnsOfTheHangupOnce, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  const FileDescriptor other = OpenDevice();
  ASSERT_NO_FATAL_FAILURE(AskFor(First(), fd));
  ASSERT_NO_FATAL_FAILURE(AskFor(Second(), other));
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  ASSERT_THAT(Take(), testing::UnorderedElementsAre(Signal{First(), POLL_IN, fd.get()},
                                                    Signal{Second(), POLL_IN, other.get()}));

  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(Take(), ElementsAre(Signal{First(), POLL_HUP, fd.get()}));
  // Nothing of what the device does from now on concerns the owner of the one that is gone.
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  EXPECT_THAT(Take(), ElementsAre(Signal{Second(), POLL_IN, other.get()}));
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_THAT(Take(), IsEmpty());

  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(Take(), ElementsAre(Signal{Second(), POLL_HUP, other.get()}));
}

REVOKE_TEST_F(RemainsSigio, IsSentByEachKindOfRevoke, baseline::kEnosys) {
  const std::vector<std::function<int(int fd)>> kinds = {
      [](int /*fd*/) { return Revoke(); }, [this](int fd) { return control().RevokeFile(fd); },
      [this](int /*fd*/) { return control().RevokeFiles(Dev::kDefault); },
      [this](int /*fd*/) { return control().RevokeIt(Dev::kDefault); },
      [this](int /*fd*/) { return control().RevokeItAsync(Dev::kDefault); }};
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    SCOPED_TRACE("kind " + std::to_string(i));
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    const FileDescriptor fd = OpenDevice();
    ASSERT_NO_FATAL_FAILURE(AskFor(First(), fd));
    ASSERT_THAT(kinds[i](fd.get()), SyscallSucceeds());
    EXPECT_THAT(Take(), ElementsAre(Signal{First(), POLL_HUP, fd.get()}));
  }
}

REVOKE_TEST_F(RemainsSigio, PlainSignalCarriesNoDescriptor, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  ASSERT_NO_FATAL_FAILURE(AskFor(0, fd));
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(Take(), ElementsAre(Signal{SIGIO, SI_KERNEL, -1}));
}

// By the number that O_ASYNC was switched on with, as in the signals of the driver.
REVOKE_TEST_F(RemainsSigio, NamesTheDescriptorThatAskedForIt, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor dup = Duplicate(fd.get());
  ASSERT_NO_FATAL_FAILURE(AskFor(First(), dup));
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  ASSERT_THAT(Take(), ElementsAre(Signal{First(), POLL_IN, dup.get()}));
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(Take(), ElementsAre(Signal{First(), POLL_HUP, dup.get()}));
}

REVOKE_TEST_F(RemainsSigio, AskedForByIoctl, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const f_owner_ex owner = {.type = F_OWNER_TID, .pid = gettid()};
  ASSERT_THAT(fcntl(fd.get(), F_SETOWN_EX, &owner), SyscallSucceeds());
  ASSERT_THAT(fcntl(fd.get(), F_SETSIG, First()), SyscallSucceeds());
  int on = 1;
  ASSERT_THAT(ioctl(fd.get(), FIOASYNC, &on), SyscallSucceeds());
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(Take(), ElementsAre(Signal{First(), POLL_HUP, fd.get()}));
  EXPECT_THAT(ioctl(fd.get(), FIOASYNC, &on), SyscallFailsWithErrno(ENODEV));
  on = 0;
  EXPECT_THAT(ioctl(fd.get(), FIOASYNC, &on), SyscallSucceeds());
}

REVOKE_TEST_F(RemainsSigio, IsNotSentToWhoDoesNotWantItAnyMore, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor never = OpenDevice();
  ASSERT_NO_FATAL_FAILURE(AskFor(First(), fd));
  ASSERT_THAT(fcntl(fd.get(), F_SETFL, 0), SyscallSucceeds());
  // An owner alone has not asked for anything.
  ASSERT_THAT(fcntl(never.get(), F_SETOWN, getpid()), SyscallSucceeds());
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(Take(), IsEmpty());
}

// open(2) does not tell the driver, so nothing has ever come.
REVOKE_TEST_F(RemainsSigio, IsNotSentToWhoHasOnlyOpenedWithIt, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kDefault, O_RDWR | O_ASYNC);
  const f_owner_ex owner = {.type = F_OWNER_TID, .pid = gettid()};
  ASSERT_THAT(fcntl(fd.get(), F_SETOWN_EX, &owner), SyscallSucceeds());
  ASSERT_THAT(Revoke(), SyscallSucceeds());
  EXPECT_THAT(Take(), IsEmpty());
}

REVOKE_TEST_F(RemainsSigio, GoesToWhoeverIsTheOwner, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  Checkpoint owned;
  Child owner([&] {
    TEST_PCHECK(fcntl(fd.get(), F_SETOWN, getpid()) == 0);
    TEST_PCHECK(fcntl(fd.get(), F_SETSIG, First()) == 0);
    TEST_PCHECK(fcntl(fd.get(), F_SETFL, O_ASYNC) == 0);
    owned.Reach();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, First());
    siginfo_t info{};
    const timespec limit = Deadline(kDefaultWait).LeftAsTimespec();
    TEST_PCHECK(sigtimedwait(&set, &info, &limit) == First());
    TEST_CHECK(info.si_code == POLL_HUP && info.si_fd == fd.get());
    TEST_CHECK(info.si_band == (POLLHUP | POLLERR));
  });
  ASSERT_TRUE(owned.WaitFor(1));
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(owner.Wait(), Exited(0));
  EXPECT_THAT(Take(), IsEmpty());
}

REVOKE_TEST_F(RemainsSigio, OwnerOfAStaleFileIsKeptAndCanBeChanged, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  ASSERT_NO_FATAL_FAILURE(AskFor(First(), fd));
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  f_owner_ex owner{};
  EXPECT_THAT(fcntl(fd.get(), F_GETOWN_EX, &owner), SyscallSucceeds());
  EXPECT_EQ(owner.type, F_OWNER_TID);
  EXPECT_EQ(owner.pid, gettid());
  EXPECT_THAT(fcntl(fd.get(), F_GETSIG), SyscallSucceedsWithValue(First()));
  EXPECT_THAT(fcntl(fd.get(), F_SETOWN, getpid()), SyscallSucceeds());
  EXPECT_THAT(fcntl(fd.get(), F_GETOWN), SyscallSucceedsWithValue(getpid()));
  EXPECT_THAT(fcntl(fd.get(), F_SETSIG, Second()), SyscallSucceeds());
  EXPECT_THAT(fcntl(fd.get(), F_GETSIG), SyscallSucceedsWithValue(Second()));
  // The file is on nobody's list.
  EXPECT_THAT(
      fcntl(fd.get(), F_GETFL),
      SyscallSucceedsWithValue(testing::Truly([](long flags) { return (flags & O_ASYNC) == 0; })));
  EXPECT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_EQ(control().Counters(Dev::kDefault).fasync_left, 0U);
}

// ---- locks ----

// A lock of a file: the two that belong to the open file, and the one that belongs to the process.
struct LockKind {
  const char* name;
  std::function<int(int fd, short type, bool wait)> set;  // type as in struct flock
  long syscall;                                           // in which one waits for it
};

void PrintTo(const LockKind& kind, std::ostream* os) { *os << kind.name; }

struct flock WholeFile(short type) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

int Flock(int fd, short type, bool wait) {
  int operation = LOCK_UN;
  if (type == F_RDLCK) operation = LOCK_SH;
  if (type == F_WRLCK) operation = LOCK_EX;
  return flock(fd, operation | (wait ? 0 : LOCK_NB));
}

int OfdLock(int fd, short type, bool wait) {
  struct flock lock = WholeFile(type);
  return fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
}

int PosixLock(int fd, short type, bool wait) {
  struct flock lock = WholeFile(type);
  return fcntl(fd, wait ? F_SETLKW : F_SETLK, &lock);
}

const LockKind kFlock = {"Flock", Flock, SYS_flock};
const LockKind kOfd = {"Ofd", OfdLock, SYS_fcntl};

class RemainsLock : public RemainsTest, public testing::WithParamInterface<LockKind> {
 protected:
  static int Set(const FileDescriptor& fd, short type) {
    return GetParam().set(fd.get(), type, false);
  }
  static int SetAndWait(const FileDescriptor& fd, short type) {
    return GetParam().set(fd.get(), type, true);
  }
  static BlockedIn WhereOneWaits() { return {.syscall = GetParam().syscall}; }
  static testing::Matcher<long> IsHeldByAnother() {
    return SyscallFailsWithErrno(AnyOf(ErrnoValue(EAGAIN), ErrnoValue(EACCES)));
  }
};

INSTANTIATE_TEST_SUITE_P(, RemainsLock, testing::Values(kFlock, kOfd),
                         [](const testing::TestParamInfo<LockKind>& info) {
                           return info.param.name;
                         });

REVOKE_TEST_P(RemainsLock, GoesAtTheRevokeAndWaitersAreGrantedIt, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor other = OpenDevice();
  const FileDescriptor third = OpenDevice();
  CallInThread waiter;
  ASSERT_THAT(Set(fd, F_WRLCK), SyscallSucceeds());
  waiter.Start([&] { return SetAndWait(other, F_WRLCK); });
  ASSERT_TRUE(WaitUntilBlocked(waiter.tid(), WhereOneWaits()));
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(waiter.Join(), SyscallSucceeds());
  EXPECT_THAT(Set(third, F_RDLCK), IsHeldByAnother());
  // Closing what is stale drops nothing that is somebody else's.
  EXPECT_THAT(Set(fd, F_UNLCK), SyscallSucceeds());
  EXPECT_THAT(Set(third, F_RDLCK), IsHeldByAnother());
}

REVOKE_TEST_P(RemainsLock, AllWhoShareAreGrantedIt, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  std::array<FileDescriptor, 3> others;
  std::array<CallInThread, 3> waiters;
  ASSERT_THAT(Set(fd, F_WRLCK), SyscallSucceeds());
  for (std::size_t i = 0; i < others.size(); ++i) {
    others[i] = OpenDevice();
    waiters[i].Start([&, i] { return SetAndWait(others[i], F_RDLCK); });
    ASSERT_TRUE(WaitUntilBlocked(waiters[i].tid(), WhereOneWaits()));
  }
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  for (CallInThread& waiter : waiters) EXPECT_THAT(waiter.Join(), SyscallSucceeds());
}

// While somebody is inside a method the lock is the file's.
REVOKE_TEST_P(RemainsLock, StaysUntilTheLastMethodHasReturned, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor other = OpenDevice();
  CallInThread inside;
  CallInThread waiter;
  CallInThread revoker;
  ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                   REVOKE_TEST_STUCK);
  ASSERT_THAT(Set(fd, F_WRLCK), SyscallSucceeds());
  inside.Start([&] { return fsync(fd.get()); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  waiter.Start([&] { return SetAndWait(other, F_WRLCK); });
  ASSERT_TRUE(WaitUntilBlocked(waiter.tid(), WhereOneWaits()));
  revoker.Start([&] { return RevokeFile(fd.get()); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  EXPECT_TRUE(WaitUntilBlocked(waiter.tid(), WhereOneWaits()));
  point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(waiter.Join(), SyscallSucceeds());
  inside.Join();
}

// Who has waited for a lock of a file that has been revoked meanwhile does not get it.
REVOKE_TEST_P(RemainsLock, GrantedToAStaleFileIsGivenBack, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor other = OpenDevice();
  const FileDescriptor third = OpenDevice();
  CallInThread waiter;
  ASSERT_THAT(Set(other, F_WRLCK), SyscallSucceeds());
  waiter.Start([&] { return SetAndWait(fd, F_WRLCK); });
  ASSERT_TRUE(WaitUntilBlocked(waiter.tid(), WhereOneWaits()));
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  ASSERT_THAT(Set(other, F_UNLCK), SyscallSucceeds());
  EXPECT_THAT(waiter.Join(), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(Set(third, F_WRLCK), SyscallSucceeds());
}

// Locks of this process, seen from another.
class RemainsPosixLock : public RemainsTest {
 protected:
  static ExitStatus TryFromAnotherProcess() {
    return InChild([] {
      const FileDescriptor fd = OpenDevice();
      if (PosixLock(fd.get(), F_WRLCK, false) == 0) return 0;
      TEST_CHECK(errno == EAGAIN || errno == EACCES);
      return 1;
    });
  }
  static testing::Matcher<ExitStatus> Granted() { return Exited(0); }
  static testing::Matcher<ExitStatus> Refused() { return Exited(1); }
};

REVOKE_TEST_F(RemainsPosixLock, StaysUntilTheCloseAndIsThenGranted, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  ASSERT_THAT(PosixLock(fd.get(), F_WRLCK, false), SyscallSucceeds());
  Child waiter([] {
    const FileDescriptor own = OpenDevice();
    TEST_PCHECK(PosixLock(own.get(), F_WRLCK, true) == 0);
  });
  ASSERT_TRUE(WaitUntilBlocked(waiter.pid(), {.syscall = SYS_fcntl}));
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(TryFromAnotherProcess(), Refused());
  EXPECT_TRUE(WaitUntilBlocked(waiter.pid(), {.syscall = SYS_fcntl}));
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_THAT(waiter.Wait(), Exited(0));
  EXPECT_THAT(TryFromAnotherProcess(), Granted());
}

REVOKE_TEST_F(RemainsPosixLock, CanBeGivenBackThroughAStaleFile, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  ASSERT_THAT(PosixLock(fd.get(), F_WRLCK, false), SyscallSucceeds());
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  ASSERT_THAT(TryFromAnotherProcess(), Refused());
  EXPECT_THAT(PosixLock(fd.get(), F_UNLCK, false), SyscallSucceeds());
  EXPECT_THAT(TryFromAnotherProcess(), Granted());
}

REVOKE_TEST_F(RemainsPosixLock, GoesWithItsProcess, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  Checkpoint locked;
  const Checkpoint never;
  Child holder([&] {
    TEST_PCHECK(PosixLock(fd.get(), F_WRLCK, false) == 0);
    locked.Reach();
    static_cast<void>(never.WaitFor(1));
  });
  ASSERT_TRUE(locked.WaitFor(1));
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(TryFromAnotherProcess(), Refused());
  ASSERT_THAT(holder.Signal(SIGKILL), SyscallSucceeds());
  EXPECT_THAT(holder.Wait(), KilledBySignal(SIGKILL));
  EXPECT_THAT(TryFromAnotherProcess(), Granted());
}

// ---- watches of the file system ----

class RemainsWatch : public RemainsTest {
 protected:
  void SetUp() override {
    RemainsTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_THAT(dir_, SyscallSucceeds());
    const std::optional<dev_t> device = DeviceOf(NodeOf(Dev::kDefault));
    ASSERT_TRUE(device);
    ASSERT_THAT(MakeDeviceNode(node(), S_IFCHR, *device), SyscallSucceeds());
  }

  std::string node() const { return dir_ / "node"; }
  FileDescriptor OpenNode(int flags) const { return Open(node(), flags); }

  // What a watch has been told since it was asked last; close(2) has told it all it has to tell.
  static std::vector<std::uint32_t> TakeInotify(const FileDescriptor& watch) {
    alignas(inotify_event) std::array<char, 4096> buffer{};
    std::vector<std::uint32_t> masks;
    ssize_t got = 0;
    while ((got = read(watch.get(), buffer.data(), buffer.size())) > 0) {
      for (ssize_t at = 0; at < got;) {
        inotify_event event{};
        std::memcpy(&event, buffer.data() + at, sizeof(event));
        masks.push_back(event.mask);
        at += static_cast<ssize_t>(sizeof(event) + event.len);
      }
    }
    return masks;
  }
  static std::vector<std::uint64_t> TakeFanotify(const FileDescriptor& watch) {
    alignas(fanotify_event_metadata) std::array<char, 4096> buffer{};
    std::vector<std::uint64_t> masks;
    ssize_t got = 0;
    while ((got = read(watch.get(), buffer.data(), buffer.size())) > 0) {
      for (ssize_t at = 0; at < got;) {
        fanotify_event_metadata event{};
        std::memcpy(&event, buffer.data() + at, sizeof(event));
        masks.push_back(event.mask);
        at += event.event_len;
      }
    }
    return masks;
  }

 private:
  TempDir dir_{TempDir::Kind::kTmpfs};
};

REVOKE_TEST_F(RemainsWatch, InotifyTellsOfTheCloseOnceAndThen, baseline::kEnosys) {
  struct {
    int flags;
    std::uint32_t event;
  } constexpr kCases[] = {{O_RDWR, IN_CLOSE_WRITE}, {O_RDONLY, IN_CLOSE_NOWRITE}};
  for (const auto& [flags, event] : kCases) {
    SCOPED_TRACE(flags == O_RDWR ? "open for writing" : "open for reading");
    FileDescriptor fd = OpenNode(flags);
    FileDescriptor dup = Duplicate(fd.get());
    const FileDescriptor watch(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    ASSERT_THAT(inotify_add_watch(watch.get(), node().c_str(), IN_ALL_EVENTS), SyscallSucceeds());
    ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
    EXPECT_THAT(TakeInotify(watch), IsEmpty());
    ASSERT_THAT(fd.Close(), SyscallSucceeds());
    EXPECT_THAT(TakeInotify(watch), IsEmpty());
    ASSERT_THAT(dup.Close(), SyscallSucceeds());
    EXPECT_THAT(TakeInotify(watch), ElementsAre(event));
  }
}

// There is none, so nobody is told of one.
REVOKE_TEST_F(RemainsWatch, InotifyTellsOfNoAccessToAStaleFile, baseline::kEnosys) {
  const FileDescriptor fd = OpenNode(O_RDWR);
  const FileDescriptor watch(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  ASSERT_THAT(inotify_add_watch(watch.get(), node().c_str(), IN_ALL_EVENTS), SyscallSucceeds());
  ASSERT_THAT(write(fd.get(), "x", 1), SyscallSucceedsWithValue(1));
  ASSERT_THAT(TakeInotify(watch), ElementsAre(IN_MODIFY));
  char byte = 0;
  ASSERT_THAT(read(fd.get(), &byte, 1), SyscallSucceedsWithValue(1));
  ASSERT_THAT(TakeInotify(watch), ElementsAre(IN_ACCESS));
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(write(fd.get(), "x", 1), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(read(fd.get(), &byte, 1), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(TakeInotify(watch), IsEmpty());
}

REVOKE_TEST_F(RemainsWatch, FanotifyTellsOfTheCloseOnceAndThen, baseline::kEnosys) {
  FileDescriptor fd = OpenNode(O_RDWR);
  // With handles instead of descriptors, as to make those the device would be opened.
  const FileDescriptor watch(static_cast<int>(syscall(
      SYS_fanotify_init, FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY)));
  ASSERT_THAT(watch, SyscallSucceeds());
  ASSERT_THAT(fanotify_mark(watch.get(), FAN_MARK_ADD, FAN_CLOSE | FAN_OPEN | FAN_MODIFY, AT_FDCWD,
                            node().c_str()),
              SyscallSucceeds());
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(TakeFanotify(watch), IsEmpty());
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_THAT(TakeFanotify(watch), ElementsAre(FAN_CLOSE_WRITE));
}

// ---- epoll ----

class RemainsEpoll : public RemainsTest {
 protected:
  static std::string Registrations(const FileDescriptor& epoll) {
    return ReadSmallFile("/proc/self/fdinfo/" + std::to_string(epoll.get())).value_or("");
  }
};

REVOKE_TEST_F(RemainsEpoll, RegistrationStaysUntilTheClose, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  FileDescriptor dup = Duplicate(fd.get());
  const FileDescriptor epoll = Epoll();
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = 7;
  ASSERT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd.get(), &event), SyscallSucceeds());
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd.get(), &event),
              SyscallFailsWithErrno(EEXIST));
  // As ever it belongs to the open file, and not to the descriptor that it was made with.
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_THAT(Registrations(epoll), HasSubstr("tfd:"));
  ASSERT_THAT(epoll_wait(epoll.get(), &event, 1, -1), SyscallSucceedsWithValue(1));
  EXPECT_EQ(event.events, EPOLLIN | EPOLLERR | EPOLLHUP);
  EXPECT_EQ(event.data.u64, 7U);
  ASSERT_THAT(dup.Close(), SyscallSucceeds());
  EXPECT_THAT(Registrations(epoll), Not(HasSubstr("tfd:")));
  EXPECT_THAT(epoll_wait(epoll.get(), &event, 1, 0), SyscallSucceedsWithValue(0));
}

REVOKE_TEST_F(RemainsEpoll, DescriptorNumberCanBeRegisteredAgainAfterTheClose, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  const int number = fd.get();
  const FileDescriptor epoll = Epoll();
  epoll_event event{};
  event.events = EPOLLIN;
  ASSERT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, number, &event), SyscallSucceeds());
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  const FileDescriptor again = OpenDevice();
  ASSERT_THAT(dup2(again.get(), number), SyscallSucceedsWithValue(number));
  EXPECT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, number, &event), SyscallSucceeds());
  EXPECT_THAT(epoll_wait(epoll.get(), &event, 1, 0), SyscallSucceedsWithValue(0));
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  EXPECT_THAT(epoll_wait(epoll.get(), &event, 1, 0), SyscallSucceedsWithValue(1));
  EXPECT_EQ(event.events, EPOLLIN);
}

// ---- ->flush ----

class RemainsFlush : public RemainsTest {
 protected:
  std::uint64_t Flushed() const { return control().Entered(Dev::kDefault, REVOKE_TEST_FLUSH); }
};

// Once for each descriptor that is closed while the file is there, however that is done.
REVOKE_TEST_F(RemainsFlush, EachCloseBeforeTheRevokeAndNoneAfter, baseline::kEnosys) {
  const FileDescriptor keeper = OpenDevice();
  const std::vector<std::function<void(FileDescriptor)>> closes = {
      [](FileDescriptor fd) { EXPECT_THAT(fd.Close(), SyscallSucceeds()); },
      [](FileDescriptor fd) {
        const auto number = static_cast<unsigned int>(fd.Release());
        EXPECT_THAT(close_range(number, number, 0), SyscallSucceeds());
      },
      [](const FileDescriptor& fd) {
        EXPECT_THAT(dup2(STDERR_FILENO, fd.get()), SyscallSucceedsWithValue(fd.get()));
      },
  };
  std::uint64_t expected = 0;
  for (const auto& close : closes) {
    close(Duplicate(keeper.get()));
    EXPECT_EQ(Flushed(), ++expected);
  }
  // A child closes what it has inherited.
  EXPECT_THAT(InChild([] {}), Exited(0));
  EXPECT_EQ(Flushed(), ++expected);

  ASSERT_THAT(RevokeFile(keeper.get()), SyscallSucceedsWithValue(0));
  for (const auto& close : closes) close(Duplicate(keeper.get()));
  EXPECT_THAT(InChild([] {}), Exited(0));
  EXPECT_EQ(Flushed(), expected);
  // A revoke is no close: nobody's data is written back on its account.
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
}

REVOKE_TEST_F(RemainsFlush, OneThatIsUnderWayIsWaitedForAndTheCloseSucceeds, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  const FileDescriptor dup = Duplicate(fd.get());
  CallInThread closer;
  CallInThread revoker;
  ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_FLUSH, REVOKE_TEST_ENTER,
                   REVOKE_TEST_STUCK);
  closer.Start([&] { return fd.Close(); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  revoker.Start([&] { return RevokeFile(dup.get()); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 0U);
  point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(closer.Join(), SyscallSucceeds());
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
}

REVOKE_TEST_F(RemainsFlush, OneThatSleepsIsKickedAndTheCloseSucceeds, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  const FileDescriptor dup = Duplicate(fd.get());
  CallInThread closer;
  const ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_FLUSH, REVOKE_TEST_ENTER,
                         REVOKE_TEST_INTERRUPTIBLE);
  closer.Start([&] { return fd.Close(); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  EXPECT_THAT(RevokeFile(dup.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(closer.Join(), SyscallSucceeds());
}

// ---- the device and its module ----

class RemainsReferences : public RemainsWatch {
 protected:
  void SetUp() override {
    RemainsWatch::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    base_ = TestModuleReferences();
    ASSERT_GT(base_, 0);
    const FileDescriptor fd = OpenNode(O_RDWR);
    each_ = TestModuleReferences() - base_;
    ASSERT_GT(each_, 0);
  }

  // Of the test with `files` of the device open.
  int With(int files) const { return base_ + files * each_; }

 private:
  int base_ = 0;
  int each_ = 0;  // an open file holds the module and the device, which holds the module
};

REVOKE_TEST_F(RemainsReferences, ArePutOnceThoughTheDeviceIsThereAgain, baseline::kEnosys) {
  FileDescriptor stale = OpenNode(O_RDWR);
  FileDescriptor other_stale = OpenNode(O_RDWR);
  ASSERT_EQ(TestModuleReferences(), With(2));
  ASSERT_THAT(control().RevokeIt(Dev::kDefault), SyscallSucceeds());
  EXPECT_TRUE(TestModuleReferencesBecome(With(0)));
  ASSERT_THAT(control().Recreate(Dev::kDefault), SyscallSucceeds());
  FileDescriptor fd = OpenNode(O_RDWR);
  ASSERT_THAT(Generation(fd.get()), SyscallSucceeds());
  EXPECT_EQ(TestModuleReferences(), With(1));
  // The inode leads to the same device for all three, and two of them have put it.
  ASSERT_THAT(stale.Close(), SyscallSucceeds());
  EXPECT_EQ(TestModuleReferences(), With(1));
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_EQ(TestModuleReferences(), With(0));
  ASSERT_THAT(other_stale.Close(), SyscallSucceeds());
  EXPECT_EQ(TestModuleReferences(), With(0));
}

REVOKE_TEST_F(RemainsReferences, ArePutOnceHoweverTheFileGoes, baseline::kEnosys) {
  for (int round = 0; round < 20; ++round) {
    FileDescriptor closed = OpenNode(O_RDWR);
    FileDescriptor stale = OpenNode(O_RDWR);
    ASSERT_EQ(TestModuleReferences(), With(2));
    ASSERT_THAT(closed.Close(), SyscallSucceeds());
    ASSERT_EQ(TestModuleReferences(), With(1));
    ASSERT_THAT(RevokeFile(stale.get()), SyscallSucceedsWithValue(0));
    ASSERT_TRUE(TestModuleReferencesBecome(With(0)));
    ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
    ASSERT_THAT(stale.Close(), SyscallSucceeds());
    ASSERT_EQ(TestModuleReferences(), With(0));
  }
}

// The number stands for another cdev, to which the inode leads, before the stale file is closed.
class RemainsReprobe : public TestModuleTest {
 protected:
  void SetUp() override {
    TestModuleTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_THAT(dir_, SyscallSucceeds());
    const std::optional<dev_t> device = DeviceOf(NodeOf(Dev::kDefault));
    ASSERT_TRUE(device);
    device_ = *device;
    ASSERT_THAT(MakeDeviceNode(node(), S_IFCHR, device_), SyscallSucceeds());
  }

  std::string node() const { return dir_ / "node"; }

  void UnloadAndLoad() {
    ASSERT_NO_FATAL_FAILURE(UnloadModule());
    ASSERT_NO_FATAL_FAILURE(LoadModule());
    ASSERT_EQ(DeviceOf(NodeOf(Dev::kDefault)), device_) << "the node stands for another device";
  }

 private:
  TempDir dir_{TempDir::Kind::kTmpfs};
  dev_t device_ = 0;
};

REVOKE_TEST_F(RemainsReprobe, StaleFileDoesNotPutItsSuccessorsDevice, baseline::kEnosys) {
  FileDescriptor stale = Open(node(), O_RDWR);
  FileDescriptor other_stale = Open(node(), O_RDWR);
  ASSERT_THAT(other_stale, SyscallSucceeds());
  ASSERT_THAT(control().RevokeIt(Dev::kDefault), SyscallSucceeds());
  ASSERT_NO_FATAL_FAILURE(UnloadAndLoad());

  // Once before anybody has opened the new one by this inode, and once after.
  const int base = TestModuleReferences();
  ASSERT_THAT(other_stale.Close(), SyscallSucceeds());
  EXPECT_EQ(TestModuleReferences(), base);
  FileDescriptor fd = Open(node(), O_RDWR);
  ASSERT_THAT(Generation(fd.get()), SyscallSucceeds());
  const int with_one = TestModuleReferences();
  EXPECT_GT(with_one, base);
  EXPECT_TRUE(IsRevoked(stale.get()));
  ASSERT_THAT(stale.Close(), SyscallSucceeds());
  EXPECT_EQ(TestModuleReferences(), with_one);
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_EQ(TestModuleReferences(), base);

  // And it can be unloaded in its turn.
  ASSERT_NO_FATAL_FAILURE(UnloadAndLoad());
}

}  // namespace
}  // namespace revoke_test
