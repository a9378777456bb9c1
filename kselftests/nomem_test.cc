// SPDX-License-Identifier: GPL-2.0
//
// What happens when there is no memory: each allocation of a call fails in turn. An open, a mapping
// or a poller says so and leaves nothing behind; a revoke needs none.

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <ostream>
#include <string>

#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "errno_matchers.h"
#include "fail_nth.h"
#include "fd.h"
#include "mapping.h"
#include "proc.h"
#include "revokeat.h"
#include "shape_test.h"
#include "skip.h"
#include "test_check.h"
#include "test_device.h"

namespace revoke_test {
namespace {

class NoMemoryTest : public ShapeTest {
 protected:
  void SetUp() override {
    ShapeTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    REVOKE_SKIP_IF(!CanFailAllocations(), "the kernel cannot make allocations fail");
  }
  std::uint32_t OpenFiles(Dev dev) const { return control().Counters(dev).files; }
};

// ---- open ----

REVOKE_TEST_F(NoMemoryTest, OpensOrSaysSo, baseline::kEnosys) {
  const std::string node = NodeOf(Dev::kDefault);
  int fd = -1;
  int error = 0;
  const int failures =
      ForEachFailedAllocation([] {},
                              [&] {
                                fd = open(node.c_str(), O_RDWR);
                                error = errno;
                              },
                              [&](bool failed) {
                                if (fd == -1) {
                                  EXPECT_TRUE(failed);
                                  EXPECT_EQ(error, ENOMEM);
                                } else {
                                  EXPECT_THAT(revoke_test::Revoke(), SyscallSucceedsWithValue(0));
                                  EXPECT_TRUE(IsRevoked(fd));
                                  EXPECT_THAT(close(fd), SyscallSucceeds());
                                }
                                EXPECT_EQ(OpenFiles(Dev::kDefault), 0U);
                              });
  EXPECT_GT(failures, 0);
}

// ---- mmap ----

class NoMemoryShape : public NoMemoryTest, public testing::WithParamInterface<Shape> {};

INSTANTIATE_TEST_SUITE_P(, NoMemoryShape, testing::ValuesIn(AllShapes()), ShapeName);

REVOKE_TEST_P(NoMemoryShape, MapsOrSaysSo, baseline::kEnosys) {
  const std::size_t size = kShapePages * PageSize();
  void* base = nullptr;
  int error = 0;
  const int failures = ForEachFailedAllocation([&] { Open(GetParam().dev, GetParam().shape); },
                                               [&] {
                                                 base = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                                                             MAP_SHARED, fd().get(), Offset());
                                                 error = errno;
                                               },
                                               [&](bool failed) {
                                                 if (base == MAP_FAILED) {
                                                   EXPECT_TRUE(failed);
                                                   EXPECT_EQ(error, ENOMEM);
                                                   EXPECT_EQ(Vmas(), 0U);
                                                   // It has been for this once.
                                                   const Mapping mapping = Map();
                                                   EXPECT_THAT(mapping, SyscallSucceeds());
                                                   ExpectAlive(mapping);
                                                 }
                                                 ShapeTest::Revoke();
                                                 EXPECT_EQ(OpenFiles(dev()), 0U);
                                                 if (base == MAP_FAILED) return;
                                                 CheckAllDead(base);
                                                 EXPECT_THAT(munmap(base, size), SyscallSucceeds());
                                               });
  EXPECT_GT(failures, 0);
}

// ---- poll ----

REVOKE_TEST_F(NoMemoryTest, PollsOrSaysSo, baseline::kEnosys) {
  pollfd poller{};
  int ready = 0;
  int told = 0;
  ForEachFailedAllocation(
      [&] {
        Open(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE);
        poller = {.fd = fd().get(), .events = POLLIN, .revents = 0};
      },
      // Not for long: who is queued has been so when it looks.
      [&] { ready = poll(&poller, 1, 1); },
      [&](bool failed) {
        if (ready != 0) {
          ++told;
          EXPECT_TRUE(failed);
          EXPECT_TRUE(ready == -1 || poller.revents == POLLERR) << poller.revents;
        }
        CallInThread other;
        other.Start([&] {
          pollfd again = {.fd = fd().get(), .events = POLLIN, .revents = 0};
          return poll(&again, 1, -1) == 1 ? again.revents : -1;
        });
        EXPECT_TRUE(WaitUntilBlocked(other.tid(), {.syscall = SYS_poll}));
        EXPECT_THAT(control().PutData(dev(), 1), SyscallSucceeds());
        EXPECT_THAT(other.Join(), SyscallSucceedsWithValue(POLLIN));
        ShapeTest::Revoke();
        EXPECT_THAT(control().Reset(), SyscallSucceeds());
      });
  // There is one for the queue of the file, and one for the driver's.
  EXPECT_GE(told, 2);
}

REVOKE_TEST_F(NoMemoryTest, IsWatchedOrSaysSo, baseline::kEnosys) {
  FileDescriptor epoll;
  int added = 0;
  int error = 0;
  const int failures = ForEachFailedAllocation(
      [&] {
        Open(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE);
        epoll = Epoll();
      },
      [&] {
        epoll_event event{};
        event.events = EPOLLIN;
        added = epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd().get(), &event);
        error = errno;
      },
      [&](bool failed) {
        epoll_event event{};
        if (added == -1) {
          EXPECT_TRUE(failed);
          EXPECT_EQ(error, ENOMEM);
        } else {
          // With an error, it was told at once.
          EXPECT_THAT(control().PutData(dev(), 1), SyscallSucceeds());
          EXPECT_THAT(epoll_wait(epoll.get(), &event, 1, 5'000), SyscallSucceedsWithValue(1));
        }
        ShapeTest::Revoke();
        EXPECT_THAT(control().Reset(), SyscallSucceeds());
      });
  EXPECT_GT(failures, 0);
}

// ---- revoke ----

struct Way {
  const char* name;
  std::function<int(const TestControl&, int fd)> revoke;
};

void PrintTo(const Way& way, std::ostream* os) { *os << way.name; }

class NoMemoryRevoke : public NoMemoryTest, public testing::WithParamInterface<Way> {};

INSTANTIATE_TEST_SUITE_P(
    , NoMemoryRevoke,
    testing::Values(
        Way{"Descriptor", [](const TestControl&, int fd) { return RevokeFile(fd); }},
        Way{"Files", [](const TestControl& c, int) { return c.RevokeFiles(Dev::kDefault); }},
        Way{"Object", [](const TestControl& c, int) { return c.RevokeIt(Dev::kDefault); }},
        Way{"Async", [](const TestControl& c, int) { return c.RevokeItAsync(Dev::kDefault); }}),
    [](const testing::TestParamInfo<Way>& info) { return info.param.name; });

// The file is mapped, polled and has asked for SIGIO: all there is to take.
REVOKE_TEST_P(NoMemoryRevoke, NeedsNone, baseline::kEnosys) {
  Mapping mapping;
  FileDescriptor epoll;
  int result = 0;
  ForEachFailedAllocation(
      [&] {
        ASSERT_THAT(control().Reset(), SyscallSucceeds());
        Open(Dev::kDefault, REVOKE_TEST_SHAPE_CLOSE);
        mapping = Map();
        ASSERT_THAT(mapping, SyscallSucceeds());
        ExpectAlive(mapping);
        epoll = Epoll();
        epoll_event event{};
        event.events = EPOLLIN;
        ASSERT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd().get(), &event), SyscallSucceeds());
        ASSERT_THAT(fcntl(fd().get(), F_SETFL, O_ASYNC), SyscallSucceeds());
      },
      [&] { result = GetParam().revoke(control(), fd().get()); },
      [&](bool) {
        EXPECT_EQ(result, 0);
        if (GetParam().name == std::string("Async")) {
          EXPECT_THAT(control().WaitDone(dev()), SyscallSucceeds());
        }
        EXPECT_TRUE(IsRevoked(fd().get()));
        EXPECT_EQ(OpenFiles(dev()), 0U);
        ExpectAllDead(mapping);
        mapping = Mapping();
      });
}

}  // namespace
}  // namespace revoke_test
