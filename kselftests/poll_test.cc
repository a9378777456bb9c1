// SPDX-License-Identifier: GPL-2.0
//
// Whoever polls a file that is revoked: how he polls, when he comes and when he leaves, what he is
// told, in which order, and that nobody else is. Wake-ups are compared with those of a device that
// cannot be revoked (Dev::kNever), whose pollers are on the driver's own queue.
//
// That no entry is left on the driver's queue once the last file is released is looked at after
// each test (test_device.h, waiters_left).

#include <fcntl.h>
#include <liburing.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "aio.h"
#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "errno_matchers.h"
#include "fd.h"
#include "proc.h"
#include "process.h"
#include "race.h"
#include "revokeat.h"
#include "temp_dir.h"
#include "test_check.h"
#include "test_device.h"
#include "uring.h"

namespace revoke_test {
namespace {

// What a poller for POLLIN is told of a revoked file. EPOLL* have the values of POLL*.
constexpr long kReadableHangup = POLLIN | POLLERR | POLLHUP;
// The same for all there is to be told, as the kernel's own pollers see it.
constexpr std::uint32_t kAllGone =
    EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM | EPOLLWRNORM;

// ---- ways of polling ----

// An epoll instance that watches `fd`. Usable in threads and children.
FileDescriptor Watch(int fd, std::uint32_t events = EPOLLIN) {
  FileDescriptor epoll = Epoll();
  epoll_event event{};
  event.events = events;
  TEST_PCHECK(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0);
  return epoll;
}

int Change(const FileDescriptor& epoll, int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  return epoll_ctl(epoll.get(), EPOLL_CTL_MOD, fd, &event);
}

// The next event of it, which is waited for; or -1.
long NextEvent(const FileDescriptor& epoll) {
  epoll_event event{};
  return epoll_wait(epoll.get(), &event, 1, -1) == 1 ? long{event.events} : -1;
}

// What it has to report now; 0: nothing.
long EventNow(const FileDescriptor& epoll) {
  epoll_event event{};
  const int count = epoll_wait(epoll.get(), &event, 1, 0);
  return count == 1 ? long{event.events} : count;
}

bool HasCompletion(Uring& ring) {
  io_uring_cqe* completion = nullptr;
  return io_uring_peek_cqe(ring.get(), &completion) == 0;
}

// Takes back the request with this user_data, which is still under way.
void ExpectCancelled(Uring& ring, std::uint64_t user_data) {
  ring.Submit([&](io_uring_sqe* request) {
    io_uring_prep_cancel64(request, user_data, 0);
    request->user_data = user_data + 1;
  });
  for (int i = 0; i < 2; ++i) {
    io_uring_cqe completion{};
    ASSERT_THAT(ring.Wait(completion), SyscallSucceeds());
    EXPECT_EQ(completion.res, completion.user_data == user_data ? -ECANCELED : 0);
    EXPECT_EQ(completion.flags & IORING_CQE_F_MORE, 0U);
  }
}

void PreparePoll(io_uring_sqe* request, int fd, unsigned int events) {
  io_uring_prep_poll_add(request, fd, events);
}

// One way to wait for input.
struct Waiter {
  const char* name;
  // Where it sleeps.
  long syscall;
  // Begins to poll, waits, and ends to poll. Returns POLL* (or what was read), or -1 and errno.
  std::function<long(int fd)> wait;
  // With data there: all others return POLLIN, those return how much they have read.
  bool reads = false;
};

void PrintTo(const Waiter& waiter, std::ostream* os) { *os << waiter.name; }

testing::Matcher<long> GoneFor(const Waiter& waiter) {
  if (waiter.reads) return SyscallFailsWithErrno(ENODEV);
  return SyscallSucceedsWithValue(kReadableHangup);
}

testing::Matcher<long> ReadyFor(const Waiter& waiter) {
  return SyscallSucceedsWithValue(waiter.reads ? 1L : long{POLLIN});
}

long WaitByPoll(int fd) {
  pollfd polled = {.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&polled, 1, -1) == 1 ? long{polled.revents} : -1;
}

// select(2) can only say that the file is readable; poll(2) says what it has in mind.
long WaitBySelect(int fd) {
  fd_set in;
  FD_ZERO(&in);
  FD_SET(fd, &in);
  if (pselect(fd + 1, &in, nullptr, nullptr, nullptr, nullptr) != 1) return -1;
  return WaitByPoll(fd);
}

long WaitByEpoll(int fd, std::uint32_t events) { return NextEvent(Watch(fd, events)); }

long WaitByNestedEpoll(int fd) {
  const FileDescriptor inner = Watch(fd);
  const FileDescriptor middle = Watch(inner.get());
  const FileDescriptor outer = Watch(middle.get());
  if (NextEvent(outer) != EPOLLIN || NextEvent(middle) != EPOLLIN) return -1;
  return NextEvent(inner);
}

long WaitByPollOfEpoll(int fd) {
  const FileDescriptor epoll = Watch(fd);
  return WaitByPoll(epoll.get()) == POLLIN ? NextEvent(epoll) : -1;
}

long WaitByAio(int fd) {
  Aio aio;
  if (aio.Poll(fd, POLLIN) != 1) return -1;
  // It passes on what the driver says, asked for or not.
  const int events = aio.Wait();
  return events < 0 ? -1 : events & kReadableHangup;
}

long WaitByUring(int fd) {
  Uring ring;
  if (ring.Submit([&](io_uring_sqe* r) { PreparePoll(r, fd, POLLIN); }) != 1) return -1;
  return ring.Wait();
}

long WaitByUringMultishot(int fd) {
  Uring ring;
  ring.Submit([&](io_uring_sqe* r) { io_uring_prep_poll_multishot(r, fd, POLLIN); });
  io_uring_cqe completion{};
  if (ring.Wait(completion) != 0 || (completion.flags & IORING_CQE_F_MORE) == 0) return -1;
  return completion.res;
}

// Two requests for one file in one ring.
long WaitByUringTwice(int fd) {
  Uring ring;
  ring.Add([&](io_uring_sqe* r) { PreparePoll(r, fd, POLLIN); });
  ring.Submit([&](io_uring_sqe* r) { PreparePoll(r, fd, POLLIN); });
  const int first = ring.Wait();
  return ring.Wait() == first ? first : -1;
}

// A request that cannot be done at once, for which the ring polls.
long WaitByUringRead(int fd) {
  Uring ring;
  char byte = 0;
  ring.Submit([&](io_uring_sqe* r) { io_uring_prep_read(r, fd, &byte, 1, 0); });
  return ring.Wait();
}

const std::vector<Waiter>& AllWaiters() {
  static const std::vector<Waiter> kWaiters = {
      {"Poll", SYS_poll, WaitByPoll},
      {"Select", SYS_pselect6, WaitBySelect},
      {"Epoll", SYS_epoll_wait, [](int fd) { return WaitByEpoll(fd, EPOLLIN); }},
      {"EpollEdge", SYS_epoll_wait, [](int fd) { return WaitByEpoll(fd, EPOLLIN | EPOLLET); }},
      {"EpollOnce", SYS_epoll_wait, [](int fd) { return WaitByEpoll(fd, EPOLLIN | EPOLLONESHOT); }},
      {"EpollExclusive", SYS_epoll_wait,
       [](int fd) { return WaitByEpoll(fd, EPOLLIN | EPOLLEXCLUSIVE); }},
      {"EpollNested", SYS_epoll_wait, WaitByNestedEpoll},
      {"PollOfEpoll", SYS_poll, WaitByPollOfEpoll},
      {"Aio", SYS_io_getevents, WaitByAio},
      {"Uring", SYS_io_uring_enter, WaitByUring},
      {"UringMultishot", SYS_io_uring_enter, WaitByUringMultishot},
      {"UringTwice", SYS_io_uring_enter, WaitByUringTwice},
      {.name = "UringRead", .syscall = SYS_io_uring_enter, .wait = WaitByUringRead, .reads = true},
  };
  return kWaiters;
}

// ---- those who wait ----

// A task in one particular sleep.
class Sleep {
 public:
  // Once it is known to be blocked.
  explicit Sleep(pid_t tid) : tid_(tid), switches_(SwitchesOf(tid)) {}

  // Whether that sleep goes on. A task that was woken up is seen to be, wherever it got to:
  // wake-ups are done when the call that makes them returns, so there is nothing to wait for.
  bool GoesOn() const {
    const std::optional<TaskState> task = ReadTask(tid_);
    return task && task->state == 'S' && task->voluntary_switches == switches_;
  }

 private:
  static std::uint64_t SwitchesOf(pid_t tid) {
    const std::optional<TaskState> task = ReadTask(tid);
    return task ? task->voluntary_switches : 0;
  }

  pid_t tid_;
  std::uint64_t switches_;
};

// A thread for each way of waiting, all for the same file.
class Crowd {
 public:
  explicit Crowd(int fd) {
    for (const Waiter& waiter : AllWaiters()) {
      threads_.emplace_back([fd, &waiter] { return waiter.wait(fd); });
    }
  }

  // Waits until all are blocked.
  void Settle() {
    auto thread = threads_.begin();
    for (const Waiter& waiter : AllWaiters()) {
      ASSERT_TRUE(WaitUntilBlocked(thread->tid(), {.syscall = waiter.syscall})) << waiter.name;
      sleeps_.emplace_back(thread->tid());
      ++thread;
    }
  }

  void ExpectGone() {
    auto thread = threads_.begin();
    for (const Waiter& waiter : AllWaiters()) {
      EXPECT_THAT((thread++)->Join(), GoneFor(waiter)) << waiter.name;
    }
  }

  void ExpectUndisturbed() const {
    auto sleep = sleeps_.begin();
    for (const Waiter& waiter : AllWaiters()) EXPECT_TRUE((sleep++)->GoesOn()) << waiter.name;
  }

  void ExpectReady() {
    auto thread = threads_.begin();
    for (const Waiter& waiter : AllWaiters()) {
      EXPECT_THAT((thread++)->Join(), ReadyFor(waiter)) << waiter.name;
    }
  }

 private:
  std::list<CallInThread> threads_;
  std::vector<Sleep> sleeps_;
};

class PollTest : public TestDeviceTest {
 protected:
  void PutData(std::uint32_t bytes = 1, Dev dev = Dev::kDefault) const {
    ASSERT_THAT(control().PutData(dev, bytes), SyscallSucceeds());
  }
  std::uint64_t Released() const { return control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE); }
};

// ---- each way of polling ----

class PollBy : public PollTest, public testing::WithParamInterface<Waiter> {
 protected:
  static long Wait(const FileDescriptor& fd) { return GetParam().wait(fd.get()); }
  static BlockedIn Asleep() { return {.syscall = GetParam().syscall}; }
};

INSTANTIATE_TEST_SUITE_P(, PollBy, testing::ValuesIn(AllWaiters()),
                         [](const testing::TestParamInfo<Waiter>& info) {
                           return info.param.name;
                         });

REVOKE_TEST_P(PollBy, ReturnsAndNeverWaitsAgain, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread waiter([&] { return Wait(fd); });
  ASSERT_TRUE(WaitUntilBlocked(waiter.tid(), Asleep()));
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(waiter.Join(), GoneFor(GetParam()));
  EXPECT_EQ(Released(), 1U);
  const std::uint64_t polls = control().Entered(Dev::kDefault, REVOKE_TEST_POLL);
  for (int again = 0; again < 3; ++again) EXPECT_THAT(Wait(fd), GoneFor(GetParam()));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_POLL), polls);
}

// Somebody else is inside and does not get out, so the file is not released yet.
REVOKE_TEST_P(PollBy, ReturnsBeforeTheRevokeIsComplete, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread waiter([&] { return Wait(fd); });
  CallInThread inside;
  CallInThread revoker;
  ASSERT_TRUE(WaitUntilBlocked(waiter.tid(), Asleep()));
  ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                   REVOKE_TEST_STUCK);
  inside.Start([&] { return fsync(fd.get()); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  revoker.Start([&] { return Revoke(); });
  EXPECT_THAT(waiter.Join(), GoneFor(GetParam()));
  EXPECT_THAT(Wait(fd), GoneFor(GetParam()));
  EXPECT_EQ(Released(), 0U);
  point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
}

// The only wake-up comes while the driver is being asked: it has said that there is nothing, but
// the poller has yet to hear it (LEAVE), or has not even put anybody on its queue (ENTER). The
// poller must not go to sleep on that.
REVOKE_TEST_P(PollBy, RevokeInTheMiddleOfIt, baseline::kEnosys) {
  for (const revoke_test_when when : {REVOKE_TEST_ENTER, REVOKE_TEST_LEAVE}) {
    SCOPED_TRACE(when == REVOKE_TEST_ENTER ? "before the driver looks" : "after it has looked");
    const FileDescriptor fd = OpenDevice();
    CallInThread waiter;
    CallInThread revoker;
    ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_POLL, when, REVOKE_TEST_STUCK);
    waiter.Start([&] { return Wait(fd); });
    ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
    revoker.Start([&] { return Revoke(); });
    ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
    point.Open();
    EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
    EXPECT_THAT(waiter.Join(), GoneFor(GetParam()));
  }
}

// The same for what the driver itself reports.
REVOKE_TEST_P(PollBy, DataInTheMiddleOfIt, baseline::kEnosys) {
  for (const revoke_test_when when : {REVOKE_TEST_ENTER, REVOKE_TEST_LEAVE}) {
    SCOPED_TRACE(when == REVOKE_TEST_ENTER ? "before the driver looks" : "after it has looked");
    const FileDescriptor fd = OpenDevice();
    CallInThread waiter;
    ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_POLL, when, REVOKE_TEST_STUCK);
    waiter.Start([&] { return Wait(fd); });
    ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
    PutData();
    point.Open();
    EXPECT_THAT(waiter.Join(), ReadyFor(GetParam()));
    if (GetParam().reads) continue;
    char byte = 0;
    EXPECT_THAT(read(fd.get(), &byte, 1), SyscallSucceedsWithValue(1));
  }
}

// Whoever dies while he waits takes his entry along, wherever that is.
REVOKE_TEST_P(PollBy, KilledBeforeTheRevoke, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  Child waiter([&] { Wait(fd); });
  ASSERT_TRUE(WaitUntilBlocked(waiter.pid(), Asleep()));
  ASSERT_THAT(waiter.Signal(SIGKILL), SyscallSucceeds());
  EXPECT_THAT(waiter.Wait(), KilledBySignal(SIGKILL));
  PutData();
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), 1U);
}

// ---- all at once ----

// Two opens of a device share its queue, as those of a hidraw device do.
REVOKE_TEST_F(PollTest, AllPollersOfOneFileReturnAndThoseOfAnotherSleepOn, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor other = OpenDevice();
  const TestControl other_control;
  ASSERT_THAT(other_control, SyscallSucceeds());
  Crowd crowd(fd.get());
  Crowd other_crowd(other.get());
  ASSERT_NO_FATAL_FAILURE(crowd.Settle());
  ASSERT_NO_FATAL_FAILURE(other_crowd.Settle());
  ASSERT_THAT(control().Poll(fd.get()), SyscallSucceeds());
  ASSERT_THAT(other_control.Poll(other.get()), SyscallSucceeds());

  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_EQ(control().PollSeen().wakeups, 1U);
  EXPECT_EQ(other_control.PollSeen().wakeups, 0U);
  other_crowd.ExpectUndisturbed();
  crowd.ExpectGone();

  PutData(64);
  other_crowd.ExpectReady();
  EXPECT_EQ(control().PollSeen().wakeups, 1U);
  EXPECT_GE(other_control.PollSeen().wakeups, 1U);
  EXPECT_EQ(other_control.PollSeen().mask & (EPOLLHUP | EPOLLERR), 0U);
  EXPECT_THAT(control().PollEnd(), SyscallSucceeds());
  EXPECT_THAT(other_control.PollEnd(), SyscallSucceeds());
}

REVOKE_TEST_F(PollTest, HoweverItIsRevoked, baseline::kEnosys) {
  struct Way {
    const char* name;
    std::function<int(const FileDescriptor&)> revoke;
  };
  const std::vector<Way> ways = {
      {"by path", [](const FileDescriptor&) { return Revoke(); }},
      {"by descriptor", [](const FileDescriptor& fd) { return RevokeFile(fd.get()); }},
      {"revoke_file()", [&](const FileDescriptor& fd) { return control().RevokeFile(fd.get()); }},
      {"revoke_files()",
       [&](const FileDescriptor&) { return control().RevokeFiles(Dev::kDefault); }},
      {"revoke_it()", [&](const FileDescriptor&) { return control().RevokeIt(Dev::kDefault); }},
      {"revoke_it_async()",
       [&](const FileDescriptor&) { return control().RevokeItAsync(Dev::kDefault); }},
  };
  for (const Way& way : ways) {
    SCOPED_TRACE(way.name);
    const FileDescriptor fd = OpenDevice();
    Crowd crowd(fd.get());
    ASSERT_NO_FATAL_FAILURE(crowd.Settle());
    ASSERT_THAT(way.revoke(fd), SyscallSucceeds());
    crowd.ExpectGone();
    EXPECT_THAT(control().WaitFinished(Dev::kDefault, REVOKE_TEST_RELEASE), SyscallSucceeds());
    EXPECT_EQ(control().Counters(Dev::kDefault).waiters_left, 0U);
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
  }
}

REVOKE_TEST_F(PollTest, OneCallForSeveralFiles, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor other = OpenDevice();
  std::vector<pollfd> polled = {{.fd = other.get(), .events = POLLIN, .revents = 0},
                                {.fd = fd.get(), .events = POLLIN, .revents = 0}};
  CallInThread poller([&] { return poll(polled.data(), polled.size(), -1); });
  ASSERT_TRUE(WaitUntilBlocked(poller.tid(), {.syscall = SYS_poll}));
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(poller.Join(), SyscallSucceedsWithValue(1));
  EXPECT_EQ(polled[0].revents, 0);
  EXPECT_EQ(polled[1].revents, kReadableHangup);
  PutData();
  EXPECT_THAT(poll(polled.data(), polled.size(), -1), SyscallSucceedsWithValue(2));
  EXPECT_EQ(polled[0].revents, POLLIN);
  EXPECT_EQ(polled[1].revents, kReadableHangup);
}

// ---- epoll ----

REVOKE_TEST_F(PollTest, EdgeTriggeredHasExactlyOneEdge, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor epoll = Watch(fd.get(), EPOLLIN | EPOLLET);
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(EventNow(epoll), kReadableHangup);
  EXPECT_EQ(EventNow(epoll), 0);
  // The device lives, and is of no concern to it any more.
  PutData();
  EXPECT_EQ(EventNow(epoll), 0);
  // As ever, MOD makes an edge out of what is there.
  EXPECT_THAT(Change(epoll, fd.get(), EPOLLOUT | EPOLLET), SyscallSucceeds());
  EXPECT_EQ(EventNow(epoll), EPOLLOUT | EPOLLERR | EPOLLHUP);
  EXPECT_EQ(EventNow(epoll), 0);
}

REVOKE_TEST_F(PollTest, OneShotIsToldOnceAndAgainWhenArmedAgain, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor armed = Watch(fd.get(), EPOLLIN | EPOLLONESHOT);
  const FileDescriptor spent = Watch(fd.get(), EPOLLOUT | EPOLLONESHOT);
  ASSERT_EQ(EventNow(spent), EPOLLOUT);
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(EventNow(armed), kReadableHangup);
  EXPECT_EQ(EventNow(armed), 0);
  EXPECT_EQ(EventNow(spent), 0);
  for (const FileDescriptor* epoll : {&armed, &spent}) {
    EXPECT_THAT(Change(*epoll, fd.get(), EPOLLIN | EPOLLONESHOT), SyscallSucceeds());
    EXPECT_EQ(EventNow(*epoll), kReadableHangup);
    EXPECT_EQ(EventNow(*epoll), 0);
  }
}

REVOKE_TEST_F(PollTest, EpollCtlOfARevokedFile, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  const FileDescriptor epoll = Watch(fd.get(), 0);
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  // Nobody has to ask for these two.
  EXPECT_EQ(EventNow(epoll), EPOLLERR | EPOLLHUP);
  EXPECT_THAT(Change(epoll, fd.get(), EPOLLIN), SyscallSucceeds());
  for (int again = 0; again < 3; ++again) EXPECT_EQ(EventNow(epoll), kReadableHangup);
  epoll_event event{};
  event.events = EPOLLIN;
  EXPECT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd.get(), &event),
              SyscallFailsWithErrno(EEXIST));
  EXPECT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_DEL, fd.get(), nullptr), SyscallSucceeds());
  EXPECT_EQ(EventNow(epoll), 0);
  EXPECT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_DEL, fd.get(), nullptr),
              SyscallFailsWithErrno(ENOENT));
  for (const std::uint32_t flags :
       {0U, std::uint32_t{EPOLLET}, std::uint32_t{EPOLLONESHOT}, std::uint32_t{EPOLLEXCLUSIVE}}) {
    SCOPED_TRACE(flags);
    event.events = EPOLLIN | flags;
    ASSERT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd.get(), &event), SyscallSucceeds());
    EXPECT_EQ(EventNow(epoll), kReadableHangup);
    EXPECT_EQ(EventNow(epoll), (flags & (EPOLLET | EPOLLONESHOT)) != 0 ? 0 : kReadableHangup);
    ASSERT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_DEL, fd.get(), nullptr), SyscallSucceeds());
  }
  // The last descriptor takes the file out of the set.
  ASSERT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd.get(), &event), SyscallSucceeds());
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_EQ(EventNow(epoll), 0);
}

REVOKE_TEST_F(PollTest, NestedEpollIsLevelTriggeredOnEachLevel, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor other = OpenDevice();
  const FileDescriptor inner = Watch(fd.get());
  const FileDescriptor outer = Watch(inner.get());
  const FileDescriptor edge = Watch(inner.get(), EPOLLIN | EPOLLET);
  const FileDescriptor other_inner = Watch(other.get());
  const FileDescriptor other_outer = Watch(other_inner.get());
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  for (int again = 0; again < 3; ++again) {
    EXPECT_EQ(EventNow(outer), EPOLLIN);
    EXPECT_EQ(EventNow(inner), kReadableHangup);
  }
  EXPECT_EQ(EventNow(edge), EPOLLIN);
  EXPECT_EQ(EventNow(edge), 0);
  EXPECT_EQ(EventNow(other_outer), 0);
  ASSERT_THAT(epoll_ctl(inner.get(), EPOLL_CTL_DEL, fd.get(), nullptr), SyscallSucceeds());
  EXPECT_EQ(EventNow(outer), 0);
  PutData();
  EXPECT_EQ(EventNow(other_outer), EPOLLIN);
  EXPECT_EQ(EventNow(outer), 0);
}

// ---- io_uring ----

REVOKE_TEST_F(PollTest, MultishotIsToldOnce, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  ASSERT_THAT(ring.Submit([&](io_uring_sqe* request) {
    io_uring_prep_poll_multishot(request, fd.get(), POLLIN);
    request->user_data = 1;
  }),
              SyscallSucceedsWithValue(1));
  io_uring_cqe completion{};
  PutData();
  ASSERT_THAT(ring.Wait(completion), SyscallSucceeds());
  EXPECT_EQ(completion.res, POLLIN);
  EXPECT_TRUE(completion.flags & IORING_CQE_F_MORE);
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  ASSERT_THAT(ring.Wait(completion), SyscallSucceeds());
  EXPECT_EQ(completion.res, kReadableHangup);
  EXPECT_TRUE(completion.flags & IORING_CQE_F_MORE);
  PutData();
  EXPECT_FALSE(HasCompletion(ring));
  ASSERT_NO_FATAL_FAILURE(ExpectCancelled(ring, 1));
}

// ---- pollers in the kernel ----

REVOKE_TEST_F(PollTest, KernelPollerStaysWhereItIs, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  ASSERT_THAT(control().Poll(fd.get()), SyscallSucceeds());
  EXPECT_EQ(control().PollSeen().mask, EPOLLOUT | EPOLLWRNORM);
  // To begin with, it hears of the device.
  PutData();
  revoke_test_poll seen = control().PollSeen();
  EXPECT_EQ(seen.wakeups, 1U);
  EXPECT_EQ(seen.queues, 1U);
  EXPECT_EQ(seen.mask, EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM);
  char byte = 0;
  ASSERT_THAT(read(fd.get(), &byte, 1), SyscallSucceedsWithValue(1));
  EXPECT_EQ(control().PollSeen().wakeups, 2U) << "there is room for more";
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  seen = control().PollSeen();
  EXPECT_EQ(seen.wakeups, 3U);
  EXPECT_EQ(seen.events, kAllGone);
  EXPECT_EQ(seen.mask, kAllGone);
  EXPECT_EQ(seen.queues, 1U);
  EXPECT_EQ(Released(), 1U);
  // It does not any more, when others do, nor does it matter who else has the file.
  const FileDescriptor next = OpenDevice();
  const FileDescriptor next_epoll = Watch(next.get());
  PutData();
  EXPECT_EQ(EventNow(next_epoll), EPOLLIN);
  EXPECT_THAT(fd.Close(), SyscallSucceeds());
  seen = control().PollSeen();
  EXPECT_EQ(seen.wakeups, 3U);
  EXPECT_EQ(seen.mask, kAllGone);
  EXPECT_THAT(control().PollEnd(), SyscallSucceeds());
}

REVOKE_TEST_F(PollTest, KernelPollerOfARevokedFile, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  ASSERT_THAT(control().Poll(fd.get()), SyscallSucceeds());
  // Some of these users take a file that gives them no queue for an error.
  const revoke_test_poll seen = control().PollSeen();
  EXPECT_EQ(seen.queues, 1U);
  EXPECT_EQ(seen.wakeups, 0U);
  EXPECT_EQ(seen.mask, kAllGone);
  EXPECT_THAT(control().PollEnd(), SyscallSucceeds());
}

// 9p over two descriptors is a poller that can be given any file, and that waits for no task. Its
// mount waits for an answer that does not come. (vhost and irqfd take nothing but eventfds.)
REVOKE_TEST_F(PollTest, NinePFileSystemIsToldAndGivesUp, baseline::kEnosys) {
  const TempDir dir;
  const FileDescriptor fd = OpenDevice();
  CallInThread mounter;
  const PipeEnds requests = Pipe();
  const std::string options = "trans=fd,rfdno=" + std::to_string(fd.get()) +
                              ",wfdno=" + std::to_string(requests.write.get());
  mounter.Start([&] { return mount("none", dir.path().c_str(), "9p", 0, options.c_str()); });
  // By the time it has sent something, it polls.
  char byte = 0;
  ASSERT_THAT(read(requests.read.get(), &byte, 1), SyscallSucceedsWithValue(1));
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(mounter.Join(), SyscallFailsWithErrno(ECONNRESET));
  EXPECT_EQ(Released(), 1U);
}

// ---- what wake-ups say, and how many there are ----

REVOKE_TEST_F(PollTest, WakeUpsSayWhatTheDriverSays, baseline::kEnosys) {
  for (const Dev dev : {Dev::kNever, Dev::kDefault}) {
    SCOPED_TRACE(NodeOf(dev));
    const FileDescriptor fd = OpenDevice(dev);
    char byte = 0;
    ASSERT_THAT(control().Poll(fd.get()), SyscallSucceeds());
    PutData(1, dev);
    EXPECT_EQ(control().PollSeen().events, EPOLLIN | EPOLLRDNORM);
    ASSERT_THAT(read(fd.get(), &byte, 1), SyscallSucceedsWithValue(1));
    EXPECT_EQ(control().PollSeen().events, EPOLLOUT | EPOLLWRNORM);
    EXPECT_EQ(control().PollSeen().wakeups, 2U);
    EXPECT_EQ(control().PollSeen().queues, 1U);
    EXPECT_THAT(control().PollEnd(), SyscallSucceeds());
  }
}

REVOKE_TEST_F(PollTest, NobodyIsWokenForWhatHeDoesNotWaitFor, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  pollfd polled = {.fd = fd.get(), .events = POLLPRI, .revents = 0};
  CallInThread poller([&] { return poll(&polled, 1, -1); });
  ASSERT_TRUE(WaitUntilBlocked(poller.tid(), {.syscall = SYS_poll}));
  const Sleep sleep(poller.tid());
  const FileDescriptor epoll = Watch(fd.get(), EPOLLPRI);
  PutData();
  EXPECT_TRUE(sleep.GoesOn());
  EXPECT_EQ(EventNow(epoll), 0);
  // This, everybody waits for.
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(poller.Join(), SyscallSucceedsWithValue(1));
  EXPECT_EQ(polled.revents, POLLERR | POLLHUP);
  EXPECT_EQ(EventNow(epoll), EPOLLERR | EPOLLHUP);
}

// However often a file is polled, and by whom, there is one wake-up for what happens once.
REVOKE_TEST_F(PollTest, ManyPollersOfAFileCostOneRelay, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor epoll = Watch(fd.get(), EPOLLPRI);
  ASSERT_THAT(control().Poll(fd.get()), SyscallSucceeds());
  for (int i = 0; i < 100; ++i) {
    const FileDescriptor one = Watch(fd.get(), EPOLLPRI);
    pollfd polled = {.fd = fd.get(), .events = POLLPRI, .revents = 0};
    ASSERT_THAT(poll(&polled, 1, 1), SyscallSucceedsWithValue(0));
  }
  PutData();
  EXPECT_EQ(control().PollSeen().wakeups, 1U);
  EXPECT_THAT(control().PollEnd(), SyscallSucceeds());
}

// ---- the order of wake-ups ----

struct Watched {
  std::size_t file;
  std::uint32_t flags = 0;
};

struct Order {
  const char* name;
  std::vector<Watched> watched;
  // Pollers of one file are woken together, whoever was there in between. Then the order can only
  // be that of the base for each file by itself.
  bool by_file = false;
};

void PrintTo(const Order& order, std::ostream* os) { *os << order.name; }

class PollOrder : public PollTest, public testing::WithParamInterface<Order> {
 protected:
  // In which order one wake-up reaches the watchers, by their number: an epoll set reports what is
  // ready in that order.
  std::vector<std::uint64_t> OrderOn(Dev dev) const {
    const std::vector<Watched>& watched = GetParam().watched;
    std::vector<FileDescriptor> files;
    std::vector<FileDescriptor> descriptors;
    const FileDescriptor epoll = Epoll();
    for (std::size_t i = 0; i < watched.size(); ++i) files.push_back(OpenDevice(dev));
    for (std::size_t i = 0; i < watched.size(); ++i) {
      descriptors.push_back(Duplicate(files[watched[i].file].get()));
      epoll_event event{};
      event.events = EPOLLIN | watched[i].flags;
      event.data.u64 = i;
      EXPECT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, descriptors.back().get(), &event),
                  SyscallSucceeds());
    }
    PutData(1, dev);
    std::vector<epoll_event> events(watched.size());
    EXPECT_THAT(epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()), 0),
                SyscallSucceedsWithValue(events.size()));
    std::vector<std::uint64_t> order;
    order.reserve(events.size());
    for (const epoll_event& event : events) order.push_back(event.data.u64);
    return order;
  }

  static std::vector<std::uint64_t> OfFile(std::size_t file,
                                           const std::vector<std::uint64_t>& order) {
    std::vector<std::uint64_t> of_file;
    for (const std::uint64_t number : order) {
      if (GetParam().watched.at(number).file == file) of_file.push_back(number);
    }
    return of_file;
  }
};

INSTANTIATE_TEST_SUITE_P(
    , PollOrder,
    testing::Values(
        Order{"OneFile", {{0}, {0}, {0}}}, Order{"SeveralFiles", {{0}, {1}, {2}}},
        Order{"OneFileExclusive", {{0, EPOLLEXCLUSIVE}, {0, EPOLLEXCLUSIVE}, {0, EPOLLEXCLUSIVE}}},
        Order{"ExclusiveAmongOthers", {{0, EPOLLEXCLUSIVE}, {0}, {0, EPOLLEXCLUSIVE}, {0}}},
        Order{"FilesInTurn", {{0}, {1}, {0}, {1}, {0, EPOLLEXCLUSIVE}, {1}}, true}),
    [](const testing::TestParamInfo<Order>& info) { return info.param.name; });

REVOKE_TEST_P(PollOrder, IsThatOfTheBase, baseline::kEnosys) {
  const std::vector<std::uint64_t> never = OrderOn(Dev::kNever);
  const std::vector<std::uint64_t> ours = OrderOn(Dev::kDefault);
  if (!GetParam().by_file) {
    EXPECT_EQ(ours, never);
    return;
  }
  EXPECT_EQ(OfFile(0, ours), OfFile(0, never));
  EXPECT_EQ(OfFile(1, ours), OfFile(1, never));
}

// ---- exclusive waits ----

class PollExclusive : public PollTest {
 protected:
  // How many of several epoll instances one arrival of data wakes up.
  void CountWoken(Dev dev, std::size_t& woken) const {
    constexpr std::size_t kInstances = 4;
    const FileDescriptor fd = OpenDevice(dev);
    std::vector<FileDescriptor> epolls;
    std::list<CallInThread> waiters;
    std::vector<Sleep> sleeps;
    for (std::size_t i = 0; i < kInstances; ++i) {
      epolls.push_back(Watch(fd.get(), EPOLLIN | EPOLLEXCLUSIVE));
    }
    for (const FileDescriptor& epoll : epolls) {
      waiters.emplace_back([&epoll] { return NextEvent(epoll); });
      ASSERT_TRUE(WaitUntilBlocked(waiters.back().tid(), {.syscall = SYS_epoll_wait}));
      sleeps.emplace_back(waiters.back().tid());
    }
    PutData(1, dev);
    woken = 0;
    for (const Sleep& sleep : sleeps) woken += sleep.GoesOn() ? 0 : 1;
    // For those who sleep on, one after the other.
    for (std::size_t i = 1; i < kInstances; ++i) PutData(1, dev);
    for (CallInThread& waiter : waiters) {
      EXPECT_THAT(waiter.Join(), SyscallSucceedsWithValue(long{EPOLLIN}));
    }
  }
};

REVOKE_TEST_F(PollExclusive, DataWakesAsManyAsOnTheBase, baseline::kEnosys) {
  std::size_t on_base = 0;
  std::size_t woken = 0;
  ASSERT_NO_FATAL_FAILURE(CountWoken(Dev::kNever, on_base));
  ASSERT_NO_FATAL_FAILURE(CountWoken(Dev::kDefault, woken));
  EXPECT_EQ(woken, on_base);
}

// One of them cannot pass it on: it concerns all.
REVOKE_TEST_F(PollExclusive, RevokeWakesAll, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  Uring first;
  Uring second;
  for (Uring* ring : {&first, &second}) {
    ASSERT_THAT(*ring, SyscallSucceeds());
    ASSERT_THAT(ring->Submit([&](io_uring_sqe* request) {
      PreparePoll(request, fd.get(), POLLIN | EPOLLEXCLUSIVE);
    }),
                SyscallSucceedsWithValue(1));
  }
  const FileDescriptor epoll = Watch(fd.get(), EPOLLIN | EPOLLEXCLUSIVE);
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(HasCompletion(first));
  EXPECT_TRUE(HasCompletion(second));
  EXPECT_EQ(EventNow(epoll), kReadableHangup);
}

// A wake-up for one must not be spent on somebody who waits for a file that has gone.
REVOKE_TEST_F(PollExclusive, StaleFilesSwallowNoWakeUps, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor other = OpenDevice();
  Uring stale;
  ASSERT_THAT(stale, SyscallSucceeds());
  stale.Submit([&](io_uring_sqe* request) {
    io_uring_prep_poll_multishot(request, fd.get(), POLLIN | EPOLLEXCLUSIVE);
  });
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  ring.Submit([&](io_uring_sqe* r) { PreparePoll(r, other.get(), POLLIN | EPOLLEXCLUSIVE); });
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(stale.Wait(), SyscallSucceedsWithValue(kReadableHangup));
  EXPECT_FALSE(HasCompletion(ring));
  PutData();
  EXPECT_TRUE(HasCompletion(ring));
  EXPECT_FALSE(HasCompletion(stale));
}

// ---- pollers that leave ----

REVOKE_TEST_F(PollTest, WhoHasLeftBeforeTheRevokeIsNotTold, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor epoll = Watch(fd.get());
  ASSERT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_DEL, fd.get(), nullptr), SyscallSucceeds());
  FileDescriptor closed = Watch(fd.get());
  ASSERT_THAT(closed.Close(), SyscallSucceeds());
  pollfd polled = {.fd = fd.get(), .events = POLLIN, .revents = 0};
  ASSERT_THAT(poll(&polled, 1, 1), SyscallSucceedsWithValue(0));
  Aio aio;
  ASSERT_THAT(aio, SyscallSucceeds());
  ASSERT_THAT(aio.Poll(fd.get(), POLLIN), SyscallSucceedsWithValue(1));
  ASSERT_THAT(aio.CancelLast(), SyscallFailsWithErrno(EINPROGRESS));
  ASSERT_THAT(aio.Wait(), SyscallSucceedsWithValue(0));
  Aio destroyed;
  ASSERT_THAT(destroyed.Poll(fd.get(), POLLIN), SyscallSucceedsWithValue(1));
  ASSERT_THAT(destroyed.Destroy(), SyscallSucceeds());
  {
    Uring ring;
    ASSERT_THAT(ring, SyscallSucceeds());
    ring.Submit([&](io_uring_sqe* r) { PreparePoll(r, fd.get(), POLLIN); });
  }
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  ring.Submit([&](io_uring_sqe* request) {
    PreparePoll(request, fd.get(), POLLIN);
    request->user_data = 1;
  });
  ASSERT_NO_FATAL_FAILURE(ExpectCancelled(ring, 1));
  ASSERT_THAT(control().Poll(fd.get()), SyscallSucceeds());
  ASSERT_THAT(control().PollEnd(), SyscallSucceeds());

  PutData();
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), 1U);
  EXPECT_EQ(EventNow(epoll), 0);
  EXPECT_FALSE(HasCompletion(ring));
}

// A close without any revoke takes off the device's queue what aio has left there; other pollers
// leave nothing.
REVOKE_TEST_F(PollTest, ClosedFileLeavesNothingOnTheQueue, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  Aio aio;
  ASSERT_THAT(aio, SyscallSucceeds());
  ASSERT_THAT(aio.Poll(fd.get(), POLLIN), SyscallSucceedsWithValue(1));
  PutData();
  EXPECT_THAT(aio.Wait(), SyscallSucceeds());
  char byte = 0;
  ASSERT_THAT(read(fd.get(), &byte, 1), SyscallSucceedsWithValue(1));
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  ASSERT_EQ(Released(), 1U);
  EXPECT_EQ(control().Counters(Dev::kDefault).waiters_left, 0U);
  const FileDescriptor next = OpenDevice();
  const FileDescriptor next_epoll = Watch(next.get());
  EXPECT_EQ(EventNow(next_epoll), 0);
  PutData();
  EXPECT_EQ(EventNow(next_epoll), EPOLLIN);
}

// CVE-2023-52707: what is polled is freed, by a new object taking the place of the old one, and
// the entries of those who still poll must be somewhere else by then.
REVOKE_TEST_F(PollTest, QueueIsFreedWhileItIsPolled, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  const FileDescriptor level = Watch(fd.get());
  const FileDescriptor edge = Watch(fd.get(), EPOLLIN | EPOLLET);
  FileDescriptor exclusive = Watch(fd.get(), EPOLLIN | EPOLLEXCLUSIVE);
  const FileDescriptor nested = Watch(level.get());
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  ring.Submit([&](io_uring_sqe* request) {
    io_uring_prep_poll_multishot(request, fd.get(), POLLIN);
    request->user_data = 1;
  });
  ASSERT_THAT(control().Poll(fd.get()), SyscallSucceeds());

  ASSERT_THAT(control().RevokeIt(Dev::kDefault), SyscallSucceeds());
  ASSERT_THAT(control().Recreate(Dev::kDefault), SyscallSucceeds());
  const FileDescriptor next = OpenDevice();
  const FileDescriptor next_level = Watch(next.get());
  EXPECT_EQ(EventNow(nested), EPOLLIN);
  for (const FileDescriptor& epoll : {std::cref(level), std::cref(edge), std::cref(exclusive)}) {
    EXPECT_EQ(EventNow(epoll), kReadableHangup);
  }
  EXPECT_THAT(ring.Wait(), SyscallSucceedsWithValue(kReadableHangup));
  EXPECT_EQ(control().PollSeen().wakeups, 1U);
  PutData();
  EXPECT_EQ(EventNow(next_level), EPOLLIN);
  EXPECT_EQ(EventNow(edge), 0);
  EXPECT_FALSE(HasCompletion(ring));
  EXPECT_EQ(control().PollSeen().wakeups, 1U);

  EXPECT_THAT(epoll_ctl(edge.get(), EPOLL_CTL_DEL, fd.get(), nullptr), SyscallSucceeds());
  EXPECT_THAT(exclusive.Close(), SyscallSucceeds());
  ASSERT_NO_FATAL_FAILURE(ExpectCancelled(ring, 1));
  EXPECT_THAT(control().PollEnd(), SyscallSucceeds());
  EXPECT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_EQ(EventNow(level), 0);
  EXPECT_EQ(EventNow(nested), 0);
  PutData();
  EXPECT_EQ(EventNow(next_level), EPOLLIN);
}

// The other way round: the device stays, and wakes up whoever is on its queue, when the files are
// long gone. There are many of them because the kernel frees such things by the hundred.
REVOKE_TEST_F(PollTest, NothingOnTheQueueOutlivesItsFile, baseline::kEnosys) {
  constexpr std::size_t kFiles = 800;
  const rlimit limit = {.rlim_cur = kFiles + 100, .rlim_max = kFiles + 100};
  ASSERT_THAT(setrlimit(RLIMIT_NOFILE, &limit), SyscallSucceeds());
  // All of them freed by one CPU, for the same reason.
  cpu_set_t cpu;
  CPU_ZERO(&cpu);
  CPU_SET(sched_getcpu(), &cpu);
  ASSERT_THAT(sched_setaffinity(0, sizeof(cpu), &cpu), SyscallSucceeds());
  const FileDescriptor epoll = Epoll();
  std::vector<FileDescriptor> files;
  for (std::size_t i = 0; i < kFiles; ++i) {
    files.push_back(OpenDevice());
    epoll_event event{};
    event.events = EPOLLIN;
    ASSERT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, files.back().get(), &event),
                SyscallSucceeds());
  }
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), kFiles);
  files.clear();
  EXPECT_EQ(EventNow(epoll), 0);
  const FileDescriptor next = OpenDevice();
  const FileDescriptor next_level = Watch(next.get());
  for (int i = 0; i < 20; ++i) {
    // Lets a grace period pass, so that what waits for one is freed.
    ASSERT_THAT(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0), SyscallSucceeds());
    PutData();
  }
  EXPECT_EQ(EventNow(next_level), EPOLLIN);
  EXPECT_EQ(EventNow(epoll), 0);
}

// ---- at the same time ----

class PollRace : public PollTest {
 protected:
  static void Run(const std::vector<std::function<void()>>& sides,
                  const std::function<void()>& before, const std::function<void()>& after) {
    ExpectRace({.overlaps = 50}, sides, before, after);
  }
};

REVOKE_TEST_F(PollRace, EpollLeaves, baseline::kEnosys) {
  FileDescriptor fd;
  FileDescriptor leaves;
  FileDescriptor closes;
  Run(
      {[&] {
         TEST_PCHECK(epoll_ctl(leaves.get(), EPOLL_CTL_DEL, fd.get(), nullptr) == 0);
         TEST_PCHECK(closes.Close() == 0);
       },
       [&] { TEST_PCHECK(RevokeFile(fd.get()) == 0); }},
      [&] {
        fd = OpenDevice();
        leaves = Watch(fd.get());
        closes = Watch(fd.get());
      },
      [&] {
        EXPECT_EQ(EventNow(leaves), 0);
        EXPECT_EQ(control().Counters(Dev::kDefault).files, 0U);
      });
}

// A relay is removed while it passes a wake-up on. Whoever is left gets it.
REVOKE_TEST_F(PollRace, DataArrives, baseline::kEnosys) {
  FileDescriptor fd;
  FileDescriptor epoll;
  const FileDescriptor other = OpenDevice();
  const FileDescriptor other_epoll = Watch(other.get(), EPOLLIN | EPOLLET);
  Run(
      {[&] { TEST_PCHECK(control().PutData(Dev::kDefault, 1) == 0); },
       [&] { TEST_PCHECK(RevokeFile(fd.get()) == 0); }},
      [&] {
        fd = OpenDevice();
        epoll = Watch(fd.get());
      },
      [&] {
        char byte = 0;
        EXPECT_EQ(EventNow(epoll), kReadableHangup);
        EXPECT_EQ(EventNow(other_epoll), EPOLLIN);
        EXPECT_THAT(read(other.get(), &byte, 1), SyscallSucceedsWithValue(1));
      });
}

}  // namespace
}  // namespace revoke_test
