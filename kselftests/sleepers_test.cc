// SPDX-License-Identifier: GPL-2.0
//
// Whoever sleeps inside a method when its file is revoked: woken up if anything can wake it, waited
// for if not, and in neither case told of a signal that there never was.

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "checkpoint.h"
#include "deadline.h"
#include "errno_matchers.h"
#include "fd.h"
#include "kernel_log.h"
#include "mapping.h"
#include "proc.h"
#include "process.h"
#include "revokeat.h"
#include "scoped_sysctl.h"
#include "sigbus_probe.h"
#include "stuck_file.h"
#include "temp_dir.h"
#include "test_check.h"
#include "test_device.h"
#include "thread.h"
#include "uring.h"

namespace revoke_test {
namespace {

constexpr short kReadableHangup = POLLIN | POLLERR | POLLHUP;

// ---- who sleeps ----

// A system call that sleeps in a method of the default test device, if that is stopped there.
struct Sleeper {
  const char* name;
  revoke_test_method method;
  revoke_test_when when;  // while the file can be revoked
  // Makes the call and says whether it gave what the policy says of a revoked file.
  std::function<bool(int fd)> is_refused;
};

void PrintTo(const Sleeper& sleeper, std::ostream* os) { *os << sleeper.name; }

bool FailsWithEnodev(long result) { return result == -1 && errno == ENODEV; }

const std::vector<Sleeper>& Sleepers() {
  static const std::vector<Sleeper> kSleepers = {
      {"Read", REVOKE_TEST_READ, REVOKE_TEST_ENTER,
       [](int fd) {
         char byte = 0;
         return FailsWithEnodev(read(fd, &byte, 1));
       }},
      {"Write", REVOKE_TEST_WRITE, REVOKE_TEST_ENTER,
       [](int fd) { return FailsWithEnodev(write(fd, "x", 1)); }},
      {"Ioctl", REVOKE_TEST_IOCTL, REVOKE_TEST_ENTER,
       [](int fd) { return FailsWithEnodev(Generation(fd)); }},
      {"Poll", REVOKE_TEST_POLL, REVOKE_TEST_ENTER,
       [](int fd) {
         pollfd polled = {.fd = fd, .events = POLLIN, .revents = 0};
         return poll(&polled, 1, -1) == 1 && polled.revents == kReadableHangup;
       }},
      {"Open", REVOKE_TEST_OPEN, REVOKE_TEST_LEAVE,
       [](int) { return FailsWithEnodev(open("/dev/" REVOKE_TEST_NAME "0", O_RDWR)); }},
      {"Fsync", REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
       [](int fd) { return FailsWithEnodev(fsync(fd)); }},
  };
  return kSleepers;
}

// ---- signals ----

volatile std::sig_atomic_t signals_handled = 0;

void CountSignal(int) { signals_handled = signals_handled + 1; }

// From here on SIGUSR1 is counted. Async-signal-safe.
void CountSigusr1(int flags = 0) {
  struct sigaction action{};
  action.sa_handler = CountSignal;
  action.sa_flags = flags;
  signals_handled = 0;
  TEST_PCHECK(sigaction(SIGUSR1, &action, nullptr) == 0);
}

sigset_t Sigusr1() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  return set;
}

void MaskSigusr1(int how) {
  const sigset_t set = Sigusr1();
  TEST_CHECK(pthread_sigmask(how, &set, nullptr) == 0);
}

// ---- the clock that ticks with each round of kicks ----

// A kernel thread in the read of a driver that has not heard of revoke: nothing but data gets it
// out. A kick wakes it up, and back to sleep it goes, so its switches count the kicks.
class DeafReader {
 public:
  DeafReader(const TestControl& control, Dev dev, const FileDescriptor& fd)
      : control_(control), dev_(dev) {
    const std::uint64_t before = control.Entered(dev, REVOKE_TEST_READ);
    pid_ = control.KthreadRead(fd.get());
    EXPECT_THAT(pid_, SyscallSucceeds());
    EXPECT_THAT(control.WaitEntered(dev, REVOKE_TEST_READ, before + 1), SyscallSucceeds());
    EXPECT_TRUE(IsAsleep());
  }
  DeafReader(const DeafReader&) = delete;
  DeafReader& operator=(const DeafReader&) = delete;
  // Else it would be waited for by all tests to come.
  ~DeafReader() {
    if (result_) return;
    EXPECT_THAT(control_.PutData(dev_, 1), SyscallSucceeds());
    EXPECT_THAT(Result(), SyscallSucceeds());
  }

  pid_t pid() const { return pid_; }
  testing::AssertionResult IsAsleep() const {
    // What /proc says of the system call of a kernel thread means nothing.
    return WaitUntilBlocked(pid_, {.states = "S", .use_syscall_file = false});
  }

  // Waits for it to return. 1, or -1 and errno.
  int Result() {
    if (!result_) {
      result_ = control_.KthreadResult();
      error_ = errno;
    }
    errno = error_;
    return *result_;
  }

  // Waits until it has been kicked `count` times more.
  testing::AssertionResult WaitForKicks(std::uint64_t count) const {
    const Deadline deadline(kDefaultWait);
    std::optional<std::uint64_t> start;
    while (true) {
      const std::optional<TaskState> task = ReadTask(pid_);
      if (!task) return testing::AssertionFailure() << "the kernel thread has left";
      if (!start) start = task->voluntary_switches;
      if (task->voluntary_switches >= *start + count) return testing::AssertionSuccess();
      if (deadline.Passed()) {
        return testing::AssertionFailure()
               << task->voluntary_switches - *start << " kicks, not " << count;
      }
      sched_yield();
    }
  }

 private:
  const TestControl& control_;
  Dev dev_;
  pid_t pid_ = -1;
  std::optional<int> result_;
  int error_ = 0;
};

// ---- the fixture ----

class SleepersTest : public TestDeviceTest {
 protected:
  void SetUp() override {
    TestDeviceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    event_ = EventFd();
    epoll_ = Epoll();
    epoll_event event{};
    event.events = EPOLLIN;
    ASSERT_THAT(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, event_.get(), &event), SyscallSucceeds());
  }

  // A sleep that the kernel never restarts: if anything at all interrupts it, it fails. Whoever is
  // in there is let go by EndWait(). Async-signal-safe.
  long Wait() const {
    epoll_event event{};
    return epoll_wait(epoll_.get(), &event, 1, -1);
  }
  void EndWait() const { ASSERT_THAT(eventfd_write(event_.get(), 1), SyscallSucceeds()); }
  static BlockedIn InWait() { return {.syscall = SYS_epoll_wait}; }

  void ExpectReleased(std::uint64_t files) {
    EXPECT_THAT(control().WaitFinished(Dev::kDefault, REVOKE_TEST_RELEASE, files),
                SyscallSucceeds());
    EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), files);
  }

 private:
  FileDescriptor event_;
  FileDescriptor epoll_;
};

// ---- the generic kick ----

enum class Signals { kDeliverable, kBlocked, kPending };

using KickedParam = std::tuple<Sleeper, bool, Signals>;

std::string KickedName(const testing::TestParamInfo<KickedParam>& info) {
  const auto& [sleeper, threaded, signals] = info.param;
  std::string name = sleeper.name;
  if (threaded) name += "InAThread";
  if (signals == Signals::kBlocked) name += "SignalsBlocked";
  if (signals == Signals::kPending) name += "SignalPending";
  return name;
}

class SleepersKicked : public SleepersTest, public testing::WithParamInterface<KickedParam> {};

INSTANTIATE_TEST_SUITE_P(, SleepersKicked,
                         testing::Combine(testing::ValuesIn(Sleepers()), testing::Bool(),
                                          testing::Values(Signals::kDeliverable, Signals::kBlocked,
                                                          Signals::kPending)),
                         KickedName);

REVOKE_TEST_P(SleepersKicked, GetsThePolicysResultAndIsNotInterruptedAfterwards,
              baseline::kEnosys) {
  const Sleeper& sleeper = std::get<0>(GetParam());
  const bool threaded = std::get<1>(GetParam());
  const Signals signals = std::get<2>(GetParam());
  const FileDescriptor fd = OpenDevice();
  const Shared<std::atomic<pid_t>> tid;
  std::optional<Child> child;
  const ArmedPoint point(control(), Dev::kDefault, sleeper.method, sleeper.when,
                         REVOKE_TEST_INTERRUPTIBLE);
  const auto body = [&] {
    CountSigusr1();
    if (signals != Signals::kDeliverable) MaskSigusr1(SIG_BLOCK);
    if (signals == Signals::kPending) TEST_PCHECK(tgkill(getpid(), gettid(), SIGUSR1) == 0);
    tid->store(gettid());
    TEST_PCHECK(sleeper.is_refused(fd.get()));
    TEST_PCHECK(Wait() == 1);
    TEST_CHECK(signals_handled == 0);
    MaskSigusr1(SIG_UNBLOCK);
    TEST_CHECK(signals_handled == (signals == Signals::kPending ? 1 : 0));
  };
  child.emplace([&] {
    if (threaded) {
      const ScopedThread thread(body);
    } else {
      body();
    }
  });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(WaitUntilBlocked(tid->load(), InWait()));
  EndWait();
  EXPECT_THAT(child->Wait(), Exited(0));
}

// ---- when the method is over but for its last instruction ----

struct Leaver {
  const char* name;
  revoke_test_method method;
  std::function<long(int fd)> call;
  long result;  // of a file that is not revoked, with a byte to be read
};

void PrintTo(const Leaver& leaver, std::ostream* os) { *os << leaver.name; }

class SleepersLeaving : public SleepersTest, public testing::WithParamInterface<Leaver> {
 protected:
  // Revokes the file while `GetParam()` is called and stopped on its way out. Then the caller has
  // to get to sleep, undisturbed.
  void RevokeMeanwhile(revoke_test_mode mode, const testing::Matcher<long>& gives) {
    const FileDescriptor fd = OpenDevice();
    ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
    long result = 0;
    int error = 0;
    CallInThread caller;
    CallInThread revoker;
    ArmedPoint point(control(), Dev::kDefault, GetParam().method, REVOKE_TEST_LEAVE, mode);
    caller.Start([&] {
      result = GetParam().call(fd.get());
      error = errno;
      return Wait();
    });
    ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
    revoker.Start([&] { return Revoke(); });
    if (mode == REVOKE_TEST_STUCK) {
      EXPECT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
    } else {
      EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
    }
    point.Open();
    EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
    EXPECT_TRUE(WaitUntilBlocked(caller.tid(), InWait()));
    EndWait();
    EXPECT_THAT(caller.Join(), SyscallSucceedsWithValue(1));
    errno = error;
    EXPECT_THAT(result, gives);
  }
};

INSTANTIATE_TEST_SUITE_P(
    , SleepersLeaving,
    testing::Values(Leaver{"Read", REVOKE_TEST_READ,
                           [](int fd) {
                             char byte = 0;
                             return read(fd, &byte, 1);
                           },
                           1},
                    Leaver{"Write", REVOKE_TEST_WRITE, [](int fd) { return write(fd, "x", 1); }, 1},
                    Leaver{"Ioctl", REVOKE_TEST_IOCTL,
                           [](int fd) {
                             revoke_test_info info{};
                             return long{ioctl(fd, REVOKE_TEST_INFO, &info)};
                           },
                           0},
                    Leaver{"Fsync", REVOKE_TEST_FSYNC, [](int fd) { return long{fsync(fd)}; }, 0}),
    [](const testing::TestParamInfo<Leaver>& info) { return info.param.name; });

// The kick came too late to change anything, and must not be remembered.
REVOKE_TEST_P(SleepersLeaving, KeepsTheResultOfWhatWasDone, baseline::kEnosys) {
  RevokeMeanwhile(REVOKE_TEST_STUCK, SyscallSucceedsWithValue(GetParam().result));
}

REVOKE_TEST_P(SleepersLeaving, GetsThePolicysResultIfItGivesUp, baseline::kEnosys) {
  RevokeMeanwhile(REVOKE_TEST_INTERRUPTIBLE, SyscallFailsWithErrno(ENODEV));
}

// ---- what is left of a kick, before the system call returns to user space ----

// epoll_wait(2) asks the driver, who is kicked in there; has nothing to give; and goes to sleep.
REVOKE_TEST_F(SleepersTest, KickInsidePollDoesNotInterruptTheEpollWait, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor other = OpenDevice();
  const FileDescriptor epoll = Epoll();
  epoll_event event{};
  event.events = EPOLLIN;
  ASSERT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd.get(), &event), SyscallSucceeds());
  epoll_event occurred{};
  CallInThread waiter;
  const ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_POLL, REVOKE_TEST_ENTER,
                         REVOKE_TEST_INTERRUPTIBLE);
  waiter.Start([&] { return epoll_wait(epoll.get(), &occurred, 1, -1); });
  ASSERT_TRUE(WaitUntilBlocked(waiter.tid(), InWait()));
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  char byte = 0;
  ASSERT_THAT(read(other.get(), &byte, 1), SyscallSucceedsWithValue(1));
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(waiter.Join(), SyscallSucceedsWithValue(1));
  EXPECT_EQ(occurred.events, EPOLLIN | EPOLLERR | EPOLLHUP);
}

// A driver that knows of no asynchronous requests is read within io_submit(2), so the second read
// begins where the first one was kicked.
REVOKE_TEST_F(SleepersTest, KickInsideOneRequestDoesNotInterruptTheNext, baseline::kEnosys) {
  const FileDescriptor first = OpenDevice();
  const FileDescriptor second = OpenDevice(Dev::kEof);
  aio_context_t context = 0;
  ASSERT_THAT(syscall(SYS_io_setup, 2, &context), SyscallSucceeds());
  std::array<char, 2> bytes{};
  std::array<iocb, 2> requests{};
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].aio_data = i;
    requests[i].aio_lio_opcode = IOCB_CMD_PREAD;
    requests[i].aio_fildes = static_cast<std::uint32_t>(i == 0 ? first.get() : second.get());
    requests[i].aio_buf = reinterpret_cast<std::uint64_t>(&bytes[i]);
    requests[i].aio_nbytes = 1;
  }
  std::array<iocb*, 2> list = {requests.data(), &requests[1]};
  CallInThread submitter([&] { return syscall(SYS_io_submit, context, 2, list.data()); });
  ASSERT_THAT(control().WaitEntered(Dev::kDefault, REVOKE_TEST_READ), SyscallSucceeds());
  ASSERT_TRUE(WaitUntilBlocked(submitter.tid(), {.syscall = SYS_io_submit}));
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  ASSERT_THAT(control().WaitEntered(Dev::kEof, REVOKE_TEST_READ), SyscallSucceeds());
  EXPECT_TRUE(WaitUntilBlocked(submitter.tid(), {.syscall = SYS_io_submit}));
  ASSERT_THAT(control().PutData(Dev::kEof, 1), SyscallSucceeds());
  ASSERT_THAT(submitter.Join(), SyscallSucceedsWithValue(2));
  std::array<io_event, 2> events{};
  ASSERT_THAT(syscall(SYS_io_getevents, context, 2, 2, events.data(), nullptr),
              SyscallSucceedsWithValue(2));
  for (const io_event& event : events) {
    EXPECT_EQ(event.res, event.data == 0 ? -ENODEV : 1) << "request " << event.data;
  }
  EXPECT_THAT(syscall(SYS_io_destroy, context), SyscallSucceeds());
}

// A kick uses what io_uring uses to tell a task of its work, and must leave that alone.
REVOKE_TEST_F(SleepersTest, WorkThatWasAnnouncedToTheTaskIsStillDone, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor event = EventFd();
  unsigned int completed = 0;
  CallInThread caller;
  CallInThread revoker;
  ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                   REVOKE_TEST_STUCK);
  caller.Start([&] {
    Uring ring;
    if (ring.Submit([&](io_uring_sqe* r) { io_uring_prep_poll_add(r, event.get(), POLLIN); }) != 1)
      return -1;
    const int result = fsync(fd.get());
    // Looks without asking the kernel, which would do what it has forgotten.
    completed = io_uring_cq_ready(ring.get());
    return result;
  });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(eventfd_write(event.get(), 1), SyscallSucceeds());
  revoker.Start([&] { return Revoke(); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  point.Open();
  EXPECT_THAT(caller.Join(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(completed, 1U);
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
}

// ---- the next call, while others are still being kicked ----

struct NextCall {
  // What there is to wait for, shared by who does and who ends it.
  struct Things {
    PipeEnds pipe = Pipe();
    FileDescriptor event = EventFd();
    FileDescriptor epoll = Epoll();
    std::uint32_t futex = 0;
  };

  const char* name;
  long syscall;
  std::function<long(Things& things)> call;
  std::function<void(Things& things, pid_t tid)> end;
  long result;
};

void PrintTo(const NextCall& call, std::ostream* os) { *os << call.name; }

class SleepersNextCall : public SleepersTest, public testing::WithParamInterface<NextCall> {};

INSTANTIATE_TEST_SUITE_P(
    , SleepersNextCall,
    testing::Values(
        NextCall{"EpollWait", SYS_epoll_wait,
                 [](NextCall::Things& things) {
                   epoll_event event{};
                   event.events = EPOLLIN;
                   epoll_ctl(things.epoll.get(), EPOLL_CTL_ADD, things.event.get(), &event);
                   return long{epoll_wait(things.epoll.get(), &event, 1, -1)};
                 },
                 [](NextCall::Things& things, pid_t) { eventfd_write(things.event.get(), 1); }, 1},
        // Ended by a signal; by a kick, it would go on as another system call, restart_syscall(2).
        NextCall{"Nanosleep", SYS_clock_nanosleep,
                 [](NextCall::Things&) {
                   const timespec time = {.tv_sec = 3600, .tv_nsec = 0};
                   // Returns the error, unlike all others.
                   const int error = clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr);
                   return error == EINTR ? long{signals_handled} : -1L;
                 },
                 [](NextCall::Things&, pid_t tid) { tgkill(getpid(), tid, SIGUSR1); }, 1},
        NextCall{"Pause", SYS_pause,
                 [](NextCall::Things&) {
                   const long result = pause();
                   return result == -1 && errno == EINTR ? long{signals_handled} : result;
                 },
                 [](NextCall::Things&, pid_t tid) { tgkill(getpid(), tid, SIGUSR1); }, 1},
        NextCall{"SigWait", SYS_rt_sigtimedwait,
                 [](NextCall::Things&) {
                   const sigset_t set = Sigusr1();
                   MaskSigusr1(SIG_BLOCK);
                   return long{sigwaitinfo(&set, nullptr)};
                 },
                 [](NextCall::Things&, pid_t tid) { tgkill(getpid(), tid, SIGUSR1); }, SIGUSR1},
        NextCall{"Futex", SYS_futex,
                 [](NextCall::Things& things) {
                   return syscall(SYS_futex, &things.futex, FUTEX_WAIT_PRIVATE, 0, nullptr);
                 },
                 [](NextCall::Things& things, pid_t) {
                   syscall(SYS_futex, &things.futex, FUTEX_WAKE_PRIVATE, 1);
                 },
                 0},
        NextCall{"ReadAPipe", SYS_read,
                 [](NextCall::Things& things) {
                   char byte = 0;
                   return read(things.pipe.read.get(), &byte, 1);
                 },
                 [](NextCall::Things& things, pid_t) {
                   EXPECT_THAT(write(things.pipe.write.get(), "x", 1), SyscallSucceeds());
                 },
                 1}),
    [](const testing::TestParamInfo<NextCall>& info) { return info.param.name; });

REVOKE_TEST_P(SleepersNextCall, IsNotInterrupted, baseline::kEnosys) {
  CountSigusr1();
  const FileDescriptor fd = OpenDevice();
  NextCall::Things things;
  long read_result = 0;
  int read_error = 0;
  CallInThread revoker;
  DeafReader deaf(control(), Dev::kDefault, fd);
  CallInThread caller([&] {
    char byte = 0;
    read_result = read(fd.get(), &byte, 1);
    read_error = errno;
    return GetParam().call(things);
  });
  ASSERT_THAT(control().WaitEntered(Dev::kDefault, REVOKE_TEST_READ, 2), SyscallSucceeds());
  ASSERT_TRUE(WaitUntilBlocked(caller.tid(), {.syscall = SYS_read}));
  revoker.Start([&] { return Revoke(); });
  // Both the deaf one and the caller were kicked, and one has left. Those that follow are not for
  // whoever has left.
  ASSERT_THAT(control().WaitFinished(Dev::kDefault, REVOKE_TEST_READ), SyscallSucceeds());
  EXPECT_TRUE(WaitUntilBlocked(caller.tid(), {.syscall = GetParam().syscall}));
  EXPECT_TRUE(deaf.WaitForKicks(2));
  EXPECT_TRUE(WaitUntilBlocked(caller.tid(), {.syscall = GetParam().syscall}));
  GetParam().end(things, caller.tid());
  EXPECT_THAT(caller.Join(), SyscallSucceedsWithValue(GetParam().result));
  errno = read_error;
  EXPECT_THAT(read_result, SyscallFailsWithErrno(ENODEV));
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  EXPECT_THAT(deaf.Result(), SyscallSucceedsWithValue(1));
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
}

// ---- real signals ----

REVOKE_TEST_F(SleepersTest, SignalWithoutARevokeStillInterrupts, baseline::kEnosys) {
  CountSigusr1();
  const FileDescriptor fd = OpenDevice();
  CallInThread reader([&] {
    char byte = 0;
    return read(fd.get(), &byte, 1);
  });
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  // Nor does the revoke of another file change that.
  ASSERT_THAT(OpenDevice(Dev::kEof), SyscallSucceeds());
  ASSERT_THAT(Revoke(Dev::kEof), SyscallSucceedsWithValue(0));
  ASSERT_THAT(tgkill(getpid(), reader.tid(), SIGUSR1), SyscallSucceeds());
  EXPECT_THAT(reader.Join(), SyscallFailsWithErrno(EINTR));
  EXPECT_EQ(signals_handled, 1);
}

REVOKE_TEST_F(SleepersTest, SignalThatComesWithTheKickIsDelivered, baseline::kEnosys) {
  for (const int flags : {0, SA_RESTART}) {
    SCOPED_TRACE(flags == 0 ? "system calls end" : "system calls are restarted");
    CountSigusr1(flags);
    const FileDescriptor fd = OpenDevice();
    CallInThread reader;
    CallInThread revoker;
    // Both are there when it gets to the wait for data.
    ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_READ, REVOKE_TEST_ENTER,
                     REVOKE_TEST_STUCK);
    reader.Start([&] {
      char byte = 0;
      return read(fd.get(), &byte, 1);
    });
    ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
    ASSERT_THAT(tgkill(getpid(), reader.tid(), SIGUSR1), SyscallSucceeds());
    revoker.Start([&] { return Revoke(); });
    ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
    EXPECT_EQ(signals_handled, 0);
    point.Open();
    EXPECT_THAT(reader.Join(), SyscallFailsWithErrno(ENODEV));
    EXPECT_EQ(signals_handled, 1);
    EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
  }
}

REVOKE_TEST_F(SleepersTest, SignalThatComesAfterTheKickInterruptsTheNextCall, baseline::kEnosys) {
  CountSigusr1();
  const FileDescriptor fd = OpenDevice();
  CallInThread reader([&] {
    char byte = 0;
    TEST_CHECK(FailsWithEnodev(read(fd.get(), &byte, 1)));
    return Wait();
  });
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), InWait()));
  ASSERT_THAT(tgkill(getpid(), reader.tid(), SIGUSR1), SyscallSucceeds());
  EXPECT_THAT(reader.Join(), SyscallFailsWithErrno(EINTR));
  EXPECT_EQ(signals_handled, 1);
}

// ---- the driver's kick, and those whom nothing wakes ----

class SleepersDeaf : public SleepersTest, public testing::WithParamInterface<Sleeper> {
 protected:
  // A file that is being opened is the only one.
  FileDescriptor OpenUnlessItIsOpened() const {
    return GetParam().method == REVOKE_TEST_OPEN ? FileDescriptor() : OpenDevice();
  }
};

INSTANTIATE_TEST_SUITE_P(, SleepersDeaf, testing::ValuesIn(Sleepers()),
                         [](const testing::TestParamInfo<Sleeper>& info) {
                           return info.param.name;
                         });

REVOKE_TEST_P(SleepersDeaf, AreWokenByTheDriver, baseline::kEnosys) {
  const FileDescriptor fd = OpenUnlessItIsOpened();
  std::optional<Child> child;
  const ArmedPoint point(control(), Dev::kDefault, GetParam().method, GetParam().when,
                         REVOKE_TEST_UNTIL_REVOKED);
  child.emplace([&] { TEST_PCHECK(GetParam().is_refused(fd.get())); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  ASSERT_EQ(control().Counters(Dev::kDefault).kicks, 0U);
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(child->Wait(), Exited(0));
  EXPECT_EQ(control().Counters(Dev::kDefault).kicks, 1U);
}

REVOKE_TEST_P(SleepersDeaf, AreWaitedForByWhoeverIsNotKilled, baseline::kEnosys) {
  for (const revoke_test_mode mode : {REVOKE_TEST_KILLABLE, REVOKE_TEST_STUCK}) {
    SCOPED_TRACE(mode == REVOKE_TEST_KILLABLE ? "killable" : "uninterruptible");
    const FileDescriptor fd = OpenUnlessItIsOpened();
    std::optional<Child> child;
    CallInThread second;
    ArmedPoint point(control(), Dev::kDefault, GetParam().method, GetParam().when, mode);
    child.emplace([&] { GetParam().is_refused(fd.get()); });
    ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
    Child revoker([&] { Revoke(); });
    ASSERT_TRUE(WaitUntilBlocked(revoker.pid(), {.syscall = __NR_revokeat}));
    ASSERT_THAT(revoker.Signal(SIGKILL), SyscallSucceeds());
    EXPECT_THAT(revoker.Wait(), KilledBySignal(SIGKILL));
    EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 0U);
    // Whoever asks again waits for the same.
    second.Start([&] { return Revoke(); });
    ASSERT_TRUE(WaitUntilBlocked(second.tid(), {.syscall = __NR_revokeat}));
    point.Open();
    EXPECT_THAT(second.Join(), SyscallSucceedsWithValue(0));
    ExpectReleased(1);
    EXPECT_THAT(child->Wait(), Exited(0));
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
  }
}

// With nobody left to ask, it is completed all the same.
REVOKE_TEST_F(SleepersTest, RevokeOfAKilledTaskIsCompletedWithoutIt, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread caller;
  ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                   REVOKE_TEST_KILLABLE);
  caller.Start([&] { return fsync(fd.get()); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  Child revoker([&] { Revoke(); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.pid(), {.syscall = __NR_revokeat}));
  ASSERT_THAT(revoker.Signal(SIGKILL), SyscallSucceeds());
  EXPECT_THAT(revoker.Wait(), KilledBySignal(SIGKILL));
  EXPECT_THAT(Generation(fd.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 0U);
  point.Open();
  EXPECT_THAT(caller.Join(), SyscallSucceedsWithValue(0));
  ExpectReleased(1);
}

// ---- kernel threads ----

REVOKE_TEST_F(SleepersTest, KernelThreadThatKnowsOfNoRevokeIsWaitedFor, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread second;
  DeafReader deaf(control(), Dev::kDefault, fd);
  Child revoker([&] { Revoke(); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.pid(), {.syscall = __NR_revokeat}));
  ASSERT_THAT(revoker.Signal(SIGKILL), SyscallSucceeds());
  EXPECT_THAT(revoker.Wait(), KilledBySignal(SIGKILL));
  second.Start([&] { return Revoke(); });
  ASSERT_TRUE(WaitUntilBlocked(second.tid(), {.syscall = __NR_revokeat}));
  EXPECT_TRUE(deaf.IsAsleep());
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 0U);
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  EXPECT_THAT(deaf.Result(), SyscallSucceedsWithValue(1));
  EXPECT_THAT(second.Join(), SyscallSucceedsWithValue(0));
  ExpectReleased(1);
}

REVOKE_TEST_F(SleepersTest, KernelThreadThatKnowsOfRevokeLeaves, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_READ, REVOKE_TEST_ENTER,
                         REVOKE_TEST_UNTIL_REVOKED);
  ASSERT_THAT(control().KthreadRead(fd.get()), SyscallSucceeds());
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  EXPECT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(control().KthreadResult(), SyscallFailsWithErrno(ENODEV));
}

// For those who miss one, as the flag it sets can be cleared by others.
REVOKE_TEST_F(SleepersTest, KicksAreRepeatedUntilTheLastOneHasLeft, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread revoker;
  DeafReader deaf(control(), Dev::kDefault, fd);
  revoker.Start([&] { return Revoke(); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  EXPECT_TRUE(deaf.WaitForKicks(3));
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
}

// ---- io_uring's workers ----

class SleepersUring : public SleepersTest {
 protected:
  void SetUp() override {
    SleepersTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_THAT(ring_, SyscallSucceeds());
  }

  // What is done by a worker from the first to the last instruction.
  void AddFsync(const FileDescriptor& fd, unsigned int flags = 0) {
    ring_.Add([&](io_uring_sqe* request) {
      io_uring_prep_fsync(request, fd.get(), 0);
      request->flags |= IOSQE_ASYNC | flags;
    });
  }

  Uring& ring() { return ring_; }

 private:
  Uring ring_;
};

REVOKE_TEST_F(SleepersUring, WorkerIsKicked, baseline::kEnosys) {
  for (const revoke_test_mode mode : {REVOKE_TEST_INTERRUPTIBLE, REVOKE_TEST_UNTIL_REVOKED}) {
    SCOPED_TRACE(mode == REVOKE_TEST_INTERRUPTIBLE ? "interruptible"
                                                   : "woken by the driver's kick");
    const FileDescriptor fd = OpenDevice();
    const ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER, mode);
    AddFsync(fd);
    ASSERT_THAT(ring().Submit(), SyscallSucceedsWithValue(1));
    ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
    ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
    EXPECT_THAT(ring().Wait(), SyscallFailsWithErrno(ENODEV));
  }
}

// A chain is worked off by one worker, which goes from the method where it was kicked into another.
REVOKE_TEST_F(SleepersUring, KickIsNotLeftForTheNextWorkOfTheWorker, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor other = OpenDevice(Dev::kEof);
  const ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                         REVOKE_TEST_INTERRUPTIBLE);
  ArmedPoint next(control(), Dev::kEof, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                  REVOKE_TEST_INTERRUPTIBLE);
  AddFsync(fd, IOSQE_IO_HARDLINK);
  AddFsync(other);
  ASSERT_THAT(ring().Submit(), SyscallSucceedsWithValue(2));
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(ring().Wait(), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(next.WaitBlocked(), SyscallSucceeds());
  next.Open();
  EXPECT_THAT(ring().Wait(), SyscallSucceedsWithValue(0));
}

REVOKE_TEST_F(SleepersUring, WorkerThatNothingWakesIsWaitedFor, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread revoker;
  ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                   REVOKE_TEST_KILLABLE);
  AddFsync(fd);
  ASSERT_THAT(ring().Submit(), SyscallSucceedsWithValue(1));
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  revoker.Start([&] { return Revoke(); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 0U);
  point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(ring().Wait(), SyscallSucceedsWithValue(0));
}

// ---- the report ----

class SleepersReport : public SleepersTest {
 protected:
  // A revoke that has to wait for two: a task in ->fsync and a kernel thread in ->read. Neither is
  // in a state that the hung task detector would complain of. `look` watches what is logged.
  void LogOfAStuckRevoke(const std::string& hung_task_timeout,
                         const std::function<void(KernelLog& log, const DeafReader& deaf,
                                                  const std::string& caller)>& look) {
    const FileDescriptor fd = OpenDevice();
    CallInThread caller;
    CallInThread revoker;
    DeafReader deaf(control(), Dev::kDefault, fd);
    ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                     REVOKE_TEST_KILLABLE);
    caller.Start([&] { return fsync(fd.get()); });
    ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
    KernelLog log;
    ASSERT_THAT(log, SyscallSucceeds());
    {
      const ScopedSysctl timeout("/proc/sys/kernel/hung_task_timeout_secs", hung_task_timeout);
      revoker.Start([&] { return Revoke(); });
      ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
      look(log, deaf, ReadTask(caller.tid())->comm + ":" + std::to_string(caller.tid()));
    }
    point.Open();
    EXPECT_THAT(caller.Join(), SyscallSucceedsWithValue(0));
    ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
    EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  }
};

REVOKE_TEST_F(SleepersReport, NamesEachTaskAndItsMethodOnce, baseline::kEnosys) {
  LogOfAStuckRevoke("1", [](KernelLog& log, const DeafReader& deaf, const std::string& caller) {
    const std::string fsync_report = "revoke: " + caller + " does not return from fsync";
    const std::string read_report =
        "revoke: revoke-read:" + std::to_string(deaf.pid()) + " does not return from read";
    EXPECT_TRUE(log.WaitFor(fsync_report));
    EXPECT_TRUE(log.WaitFor(read_report));
    // They are kicked again and again, and not reported again.
    EXPECT_TRUE(deaf.WaitForKicks(3));
    EXPECT_EQ(log.Count(fsync_report), 1);
    EXPECT_EQ(log.Count(read_report), 1);
    EXPECT_EQ(log.Count("revoke: "), 2);
  });
}

REVOKE_TEST_F(SleepersReport, IsNotMadeBeforeTheTimeIsUp, baseline::kEnosys) {
  LogOfAStuckRevoke("60", [](KernelLog& log, const DeafReader& deaf, const std::string&) {
    EXPECT_TRUE(deaf.WaitForKicks(3));
    EXPECT_EQ(log.Count("revoke: "), 0);
  });
}

// ---- user memory that does not come ----

enum class Transfer { kRead, kWrite };

class SleepersFuse : public SleepersTest, public testing::WithParamInterface<Transfer> {
 protected:
  void SetUp() override {
    SleepersTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
    fd_ = OpenDevice();
    mapping_ = MapShape(fd_, REVOKE_TEST_SHAPE_FAULT_PAGE);
    ASSERT_THAT(Probe::Write(PageWord(mapping_, 0), 1U), Survives());
  }

  // Returns with a task that reads from, or writes to, the device, stuck on its buffer; it ends
  // well if the call gives 1 or EFAULT. It cannot be killed before the server has let it go:
  // therefore first the task is to be declared and then the server.
  void Stick(std::optional<Child>& task, const StuckFile& fuse) {
    ASSERT_THAT(fuse, SyscallSucceeds());
    const FileDescriptor file = Open(fuse.path(), O_RDONLY);
    ASSERT_THAT(file, SyscallSucceeds());
    const Mapping buffer(file.get(), PageSize(), PROT_READ | PROT_WRITE, MAP_PRIVATE);
    ASSERT_THAT(buffer, SyscallSucceeds());
    task.emplace([&] {
      const ssize_t result = GetParam() == Transfer::kRead ? read(fd_.get(), buffer.base(), 1)
                                                           : write(fd_.get(), buffer.base(), 1);
      TEST_PCHECK(result == 1 || (result == -1 && errno == EFAULT));
    });
    ASSERT_TRUE(fuse.WaitUntilAsked(1));
    ASSERT_TRUE(WaitUntilBlocked(
        task->pid(), {.syscall = GetParam() == Transfer::kRead ? SYS_read : SYS_write}));
  }

  // Removes the device while a task is stuck, and lets that go in the end.
  void RemoveMeanwhile(const std::function<void(StuckFile& fuse)>& let_go) {
    const TempDir directory;
    std::optional<Child> stuck;
    StuckFile fuse(directory.path(), StuckFile::Reads::kSucceed);
    Stick(stuck, fuse);
    ASSERT_THAT(control().RevokeItAsync(Dev::kDefault), SyscallSucceeds());
    EXPECT_THAT(Probe::Read(PageWord(mapping(), 0)), DiesOfSigbusAt(PageWord(mapping(), 0)));
    EXPECT_THAT(Generation(fd_.get()), SyscallFailsWithErrno(ENODEV));
    EXPECT_THAT(OpenDevice(), SyscallFailsWithErrno(ENODEV));
    EXPECT_THAT(control().IsDone(Dev::kDefault), SyscallFailsWithErrno(ETIMEDOUT));
    let_go(fuse);
    EXPECT_THAT(control().WaitDone(Dev::kDefault), SyscallSucceeds());
    EXPECT_THAT(stuck->Wait(), Exited(0));
  }

  const Mapping& mapping() const { return mapping_; }

 private:
  FileDescriptor fd_;
  Mapping mapping_;
};

INSTANTIATE_TEST_SUITE_P(, SleepersFuse, testing::Values(Transfer::kRead, Transfer::kWrite),
                         [](const testing::TestParamInfo<Transfer>& info) {
                           return info.param == Transfer::kRead ? "Read" : "Write";
                         });

REVOKE_TEST_P(SleepersFuse, MappingsAreGoneAndTheRevokeCanBeKilled, baseline::kEnosys) {
  const TempDir directory;
  std::optional<Child> stuck;
  CallInThread second;
  StuckFile fuse(directory.path(), StuckFile::Reads::kSucceed);
  Stick(stuck, fuse);
  Child revoker([&] { Revoke(); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.pid(), {.syscall = __NR_revokeat}));
  EXPECT_THAT(Probe::Read(PageWord(mapping(), 0)), DiesOfSigbusAt(PageWord(mapping(), 0)));
  ASSERT_THAT(revoker.Signal(SIGKILL), SyscallSucceeds());
  EXPECT_THAT(revoker.Wait(), KilledBySignal(SIGKILL));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 0U);

  second.Start([&] { return Revoke(); });
  ASSERT_TRUE(WaitUntilBlocked(second.tid(), {.syscall = __NR_revokeat}));
  ASSERT_THAT(fuse.Die(), SyscallSucceeds());
  EXPECT_THAT(second.Join(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(stuck->Wait(), Exited(0));
  ExpectReleased(1);
}

REVOKE_TEST_P(SleepersFuse, AsynchronousRemovalReturnsAtOnceAndIsDoneWhenTheServerAnswers,
              baseline::kEnosys) {
  RemoveMeanwhile([](StuckFile& fuse) { fuse.Answer(); });
}

REVOKE_TEST_P(SleepersFuse, AsynchronousRemovalReturnsAtOnceAndIsDoneWhenTheServerDies,
              baseline::kEnosys) {
  RemoveMeanwhile([](StuckFile& fuse) { EXPECT_THAT(fuse.Die(), SyscallSucceeds()); });
}

// ---- tasks that others have brought to a halt ----

class SleepersHalted : public SleepersTest {
 protected:
  // A child in the driver's wait for data, which any signal ends.
  template <typename F>
  static void Interruptible(std::optional<Child>& child, const FileDescriptor& fd, F expects) {
    child.emplace([&] {
      char byte = 0;
      TEST_PCHECK(expects(read(fd.get(), &byte, 1)));
    });
    ASSERT_TRUE(WaitUntilBlocked(child->pid(), {.syscall = SYS_read}));
  }

  // Waits for the next change of the child, as its parent or its tracer.
  static int StatusOf(const Child& child) {
    int status = 0;
    EXPECT_THAT(waitpid(child.pid(), &status, WUNTRACED | __WALL),
                SyscallSucceedsWithValue(child.pid()));
    return status;
  }
  static void ExpectStopped(const Child& child) {
    const int status = StatusOf(child);
    EXPECT_TRUE(WIFSTOPPED(status)) << std::hex << status;
  }
};

// SIGSTOP ends the sleep as any signal does. The task is stopped on its way back to user space, and
// when it goes on, it calls the system call again.
REVOKE_TEST_F(SleepersHalted, StoppedTaskIsNotInside, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  std::optional<Child> child;
  Interruptible(child, fd, FailsWithEnodev);
  ASSERT_THAT(child->Signal(SIGSTOP), SyscallSucceeds());
  ExpectStopped(*child);
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  ExpectReleased(1);
  ASSERT_THAT(child->Signal(SIGCONT), SyscallSucceeds());
  EXPECT_THAT(child->Wait(), Exited(0));
}

// It is stopped when it has left, and not before.
REVOKE_TEST_F(SleepersHalted, TaskToBeStoppedIsWaitedForWhereItIsDeaf, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  std::optional<Child> child;
  CallInThread revoker;
  ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                   REVOKE_TEST_KILLABLE);
  child.emplace([&] { TEST_PCHECK(fsync(fd.get()) == 0); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(child->Signal(SIGSTOP), SyscallSucceeds());
  revoker.Start([&] { return Revoke(); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  ExpectStopped(*child);
  ASSERT_THAT(child->Signal(SIGCONT), SyscallSucceeds());
  EXPECT_THAT(child->Wait(), Exited(0));
}

// A cgroup, while the object lives; its members have to be gone by then.
class Cgroup {
 public:
  Cgroup() : path_(directory_ / "revoke-test") {
    EXPECT_THAT(mount("none", directory_.path().c_str(), "cgroup2", 0, nullptr), SyscallSucceeds());
    EXPECT_THAT(mkdir(path_.c_str(), 0700), SyscallSucceeds());
  }
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;
  ~Cgroup() {
    EXPECT_THAT(rmdir(path_.c_str()), SyscallSucceeds());
    EXPECT_THAT(umount(directory_.path().c_str()), SyscallSucceeds());
  }

  void Add(pid_t pid) const { Write("cgroup.procs", std::to_string(pid)); }
  void Freeze() const { Write("cgroup.freeze", "1"); }
  void Thaw() const { Write("cgroup.freeze", "0"); }

  bool IsFrozen() const {
    return ReadSmallFile(path_ + "/cgroup.events").value_or("").find("frozen 1") !=
           std::string::npos;
  }
  testing::AssertionResult WaitUntilFrozen() const {
    const Deadline deadline(kDefaultWait);
    while (!IsFrozen()) {
      if (deadline.Passed()) return testing::AssertionFailure() << "the cgroup does not freeze";
      sched_yield();
    }
    return testing::AssertionSuccess();
  }

 private:
  void Write(const char* file, const std::string& value) const {
    const FileDescriptor fd = Open(path_ + "/" + file, O_WRONLY);
    ASSERT_THAT(write(fd.get(), value.data(), value.size()), SyscallSucceeds());
  }

  TempDir directory_;
  std::string path_;
};

REVOKE_TEST_F(SleepersHalted, FrozenTaskIsNotInside, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const Cgroup cgroup;
  std::optional<Child> child;
  Interruptible(child, fd, FailsWithEnodev);
  cgroup.Add(child->pid());
  cgroup.Freeze();
  ASSERT_TRUE(cgroup.WaitUntilFrozen());
  EXPECT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  ExpectReleased(1);
  EXPECT_TRUE(cgroup.IsFrozen());
  cgroup.Thaw();
  EXPECT_THAT(child->Wait(), Exited(0));
}

REVOKE_TEST_F(SleepersHalted, TaskToBeFrozenIsWaitedForWhereItIsDeaf, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const Cgroup cgroup;
  std::optional<Child> child;
  CallInThread revoker;
  ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                   REVOKE_TEST_KILLABLE);
  child.emplace([&] { TEST_PCHECK(fsync(fd.get()) == 0); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  cgroup.Add(child->pid());
  cgroup.Freeze();
  revoker.Start([&] { return Revoke(); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  EXPECT_FALSE(cgroup.IsFrozen());
  point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(cgroup.WaitUntilFrozen());
  cgroup.Thaw();
  EXPECT_THAT(child->Wait(), Exited(0));
}

// A tracer stops a task at the same place as a signal does.
REVOKE_TEST_F(SleepersHalted, TaskStoppedByItsTracerIsNotInside, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  std::optional<Child> child;
  Interruptible(child, fd, FailsWithEnodev);
  ASSERT_THAT(ptrace(PTRACE_SEIZE, child->pid(), nullptr, nullptr), SyscallSucceeds());
  ASSERT_THAT(ptrace(PTRACE_INTERRUPT, child->pid(), nullptr, nullptr), SyscallSucceeds());
  ExpectStopped(*child);
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  ExpectReleased(1);
  ASSERT_THAT(ptrace(PTRACE_DETACH, child->pid(), nullptr, nullptr), SyscallSucceeds());
  EXPECT_THAT(child->Wait(), Exited(0));
}

// What a tracer sees is the policy's result, too, and no restart.
REVOKE_TEST_F(SleepersHalted, TracerSeesThePolicysResult, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  std::optional<Child> child;
  Interruptible(child, fd, FailsWithEnodev);
  const pid_t pid = child->pid();
  ASSERT_THAT(ptrace(PTRACE_SEIZE, pid, nullptr, PTRACE_O_TRACESYSGOOD), SyscallSucceeds());
  ASSERT_THAT(ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr), SyscallSucceeds());
  ExpectStopped(*child);
  // Into the system call again, this time with the tracer looking on.
  ASSERT_THAT(ptrace(PTRACE_SYSCALL, pid, nullptr, nullptr), SyscallSucceeds());
  ExpectStopped(*child);
  __ptrace_syscall_info info{};
  ASSERT_THAT(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info), SyscallSucceeds());
  ASSERT_EQ(info.op, PTRACE_SYSCALL_INFO_ENTRY);
  ASSERT_EQ(info.entry.nr, static_cast<std::uint64_t>(SYS_read));
  ASSERT_THAT(ptrace(PTRACE_SYSCALL, pid, nullptr, nullptr), SyscallSucceeds());
  ASSERT_TRUE(WaitUntilBlocked(pid, {.syscall = SYS_read}));
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  ExpectStopped(*child);
  ASSERT_THAT(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info), SyscallSucceeds());
  ASSERT_EQ(info.op, PTRACE_SYSCALL_INFO_EXIT);
  EXPECT_EQ(info.exit.rval, -ENODEV);
  ASSERT_THAT(ptrace(PTRACE_DETACH, pid, nullptr, nullptr), SyscallSucceeds());
  EXPECT_THAT(child->Wait(), Exited(0));
}

}  // namespace
}  // namespace revoke_test
