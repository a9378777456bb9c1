// SPDX-License-Identifier: GPL-2.0
//
// Revokes against requests of io_uring and aio that are handed in, completed, cancelled or left
// behind at the same time.

#include <fcntl.h>
#include <liburing.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <functional>
#include <iostream>
#include <list>
#include <optional>
#include <vector>

#include "aio.h"
#include "async_requests.h"
#include "baseline.h"
#include "checkpoint.h"
#include "deadline.h"
#include "errno_matchers.h"
#include "fd.h"
#include "process.h"
#include "race.h"
#include "revokeat.h"
#include "test_check.h"
#include "test_device.h"
#include "uring.h"

namespace revoke_test {
namespace {

using testing::AnyOf;
using testing::Each;
using testing::Pair;

// Of each race, so many rounds must be such in which both were under way.
constexpr int kOverlaps = 50;

class AsyncRace : public AsyncTest {
 protected:
  // In each round, the second side is a revoke.
  void Run(const std::function<void()>& side, const std::function<void()>& before,
           const std::function<void()>& after) {
    ExpectRace({.overlaps = kOverlaps}, {side, [] { TEST_PCHECK(Revoke(Dev::kAsync) == 0); }},
               before, [&] {
                 // The revoke has waited for all of them, whatever else has ended them.
                 EXPECT_EQ(control().Counters(Dev::kAsync).files, 0U);
                 EXPECT_EQ(Queued(), 0U);
                 after();
               });
  }

  // Three reads of `fd`, one of them by a worker, are queued.
  void Queue(Uring& ring, int fd) {
    const revoke_test_counters before = control().Counters(Dev::kAsync);
    AddAll(ring, fd);
    ASSERT_THAT(ring.Submit(), SyscallSucceedsWithValue(3));
    ExpectQueued(before, 3);
  }

  void AddAll(Uring& ring, int fd) {
    for (const std::uint64_t id : {1, 2, 3}) {
      ring.Add([&](io_uring_sqe* request) {
        io_uring_prep_read(request, fd, &byte_, 1, 0);
        request->user_data = id;
        if (id == 3) request->flags |= IOSQE_ASYNC;
      });
    }
  }

  void ExpectQueued(const revoke_test_counters& before, std::uint64_t reads) const {
    ASSERT_THAT(control().WaitFinished(Dev::kAsync, REVOKE_TEST_READ,
                                       before.finished[REVOKE_TEST_READ] + reads),
                SyscallSucceeds());
  }

  char* byte() { return &byte_; }

 private:
  char byte_ = 0;
};

REVOKE_TEST_F(AsyncRace, HandingIn, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  FileDescriptor fd;
  Results results;
  Run(
      [&] {
        AddAll(ring, fd.get());
        TEST_PCHECK(ring.Submit() == 3);
        results = Complete(ring, 3);
      },
      [&] { fd = OpenDevice(Dev::kAsync); },
      [&] { EXPECT_THAT(results, Each(Pair(testing::_, -ENODEV))); });
}

REVOKE_TEST_F(AsyncRace, CompletionByTheDriver, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  FileDescriptor fd;
  Run([&] { TEST_PCHECK(CompleteQueued() == 0); },
      [&] {
        fd = OpenDevice(Dev::kAsync);
        Queue(ring, fd.get());
      },
      [&] { EXPECT_THAT(Complete(ring, 3), Each(Pair(testing::_, AnyOf(0, -ENODEV)))); });
}

REVOKE_TEST_F(AsyncRace, Close, baseline::kEnosys) {
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  FileDescriptor fd;
  Run([&] { TEST_PCHECK(fd.Close() == 0); },
      [&] {
        fd = OpenDevice(Dev::kAsync);
        Queue(ring, fd.get());
      },
      [&] { EXPECT_THAT(Complete(ring, 3), Each(Pair(testing::_, -ENODEV))); });
}

REVOKE_TEST_F(AsyncRace, ExitOfTheRing, baseline::kEnosys) {
  std::optional<Uring> ring;
  FileDescriptor fd;
  Run([&] { ring.reset(); },
      [&] {
        ring.emplace();
        ASSERT_THAT(*ring, SyscallSucceeds());
        fd = OpenDevice(Dev::kAsync);
        Queue(*ring, fd.get());
      },
      [] {});
}

REVOKE_TEST_F(AsyncRace, KillOfTheProcess, baseline::kEnosys) {
  std::optional<Child> child;
  Run([&] { TEST_PCHECK(child->Signal(SIGKILL) == 0); },
      [&] {
        FileDescriptor fd = OpenDevice(Dev::kAsync);
        const revoke_test_counters before = control().Counters(Dev::kAsync);
        child.emplace([&] {
          Uring ring;
          Aio aio;
          TEST_CHECK(ring.error() == 0);
          TEST_CHECK(aio.error() == 0);
          AddAll(ring, fd.get());
          TEST_PCHECK(ring.Submit() == 3);
          TEST_PCHECK(aio.Read(fd.get(), byte(), 1) == 1);
          pause();
        });
        ExpectQueued(before, 4);
      },
      [&] { EXPECT_THAT(child->Wait(), KilledBySignal(SIGKILL)); });
}

REVOKE_TEST_F(AsyncRace, AioCancel, baseline::kEnosys) {
  Aio aio;
  ASSERT_THAT(aio, SyscallSucceeds());
  FileDescriptor fd;
  int error = 0;
  Run(
      [&] {
        TEST_CHECK(aio.CancelLast() == -1);
        error = errno;
      },
      [&] {
        fd = OpenDevice(Dev::kAsync);
        ASSERT_THAT(aio.Read(fd.get(), byte(), 1), SyscallSucceedsWithValue(1));
      },
      [&] {
        EXPECT_THAT(ErrnoValue(error), AnyOf(ErrnoValue(EINPROGRESS), ErrnoValue(EINVAL)));
        EXPECT_THAT(aio.Wait(), SyscallFailsWithErrno(AnyOf(ECANCELED, ENODEV)));
        EXPECT_TRUE(aio.Idle());
      });
}

REVOKE_TEST_F(AsyncRace, AioDestroy, baseline::kEnosys) {
  std::optional<Aio> aio;
  FileDescriptor fd;
  Run([&] { TEST_PCHECK(aio->Destroy() == 0); },
      [&] {
        aio.emplace();
        ASSERT_THAT(*aio, SyscallSucceeds());
        fd = OpenDevice(Dev::kAsync);
        ASSERT_THAT(aio->Read(fd.get(), byte(), 1), SyscallSucceedsWithValue(1));
        ASSERT_THAT(aio->Read(fd.get(), byte(), 1), SyscallSucceedsWithValue(1));
      },
      [] {});
}

// ---- many ----

constexpr unsigned int kAtATime = 100;

// For children. Each round's requests are handed in together, for a file of its own.
void RequestByUring(int rounds) {
  Uring ring(0, kAtATime);
  TEST_CHECK(ring.error() == 0);
  for (int round = 0; round < rounds; ++round) {
    const FileDescriptor fd = Open(NodeOf(Dev::kAsync), O_RDWR);
    TEST_CHECK(fd.valid());
    char byte = 0;
    for (unsigned int i = 0; i < kAtATime; ++i) {
      ring.Add([&](io_uring_sqe* request) {
        io_uring_prep_read(request, fd.get(), &byte, 1, 0);
        request->user_data = i;
      });
    }
    TEST_PCHECK(ring.Submit() == static_cast<int>(kAtATime));
    std::vector<bool> completed(kAtATime);
    for (unsigned int i = 0; i < kAtATime; ++i) {
      io_uring_cqe completion{};
      TEST_PCHECK(ring.Wait(completion) == 0);
      TEST_CHECK(completion.res == -ENODEV);
      TEST_CHECK(!completed.at(completion.user_data));
      completed.at(completion.user_data) = true;
    }
    TEST_CHECK(ring.Idle());
  }
}

void RequestByAio(int rounds) {
  Aio aio(kAtATime);
  TEST_CHECK(aio.error() == 0);
  for (int round = 0; round < rounds; ++round) {
    const FileDescriptor fd = Open(NodeOf(Dev::kAsync), O_RDWR);
    TEST_CHECK(fd.valid());
    char byte = 0;
    for (unsigned int i = 0; i < kAtATime; ++i) {
      TEST_PCHECK(aio.Read(fd.get(), &byte, 1) == 1);
    }
    for (unsigned int i = 0; i < kAtATime; ++i) {
      TEST_PCHECK(aio.Wait() == -1 && errno == ENODEV);
    }
    TEST_CHECK(aio.Idle());
  }
}

REVOKE_TEST_F(AsyncTest, HundredsOfSeveralProcessesInALoop, baseline::kEnosys) {
  constexpr int kRevokes = 20;
  constexpr std::uint64_t kUringProcesses = 3;
  Checkpoint ended;
  std::list<Child> children;
  for (std::uint64_t i = 0; i < kUringProcesses; ++i) {
    children.emplace_back([&] {
      RequestByUring(kRevokes);
      ended.Reach();
    });
  }
  children.emplace_back([&] {
    RequestByAio(kRevokes);
    ended.Reach();
  });

  // The first round finds them all at rest; the others come when they come.
  ASSERT_THAT(
      control().WaitFinished(Dev::kAsync, REVOKE_TEST_READ, (kUringProcesses + 1) * kAtATime),
      SyscallSucceeds());
  EXPECT_EQ(Queued(), (kUringProcesses + 1) * kAtATime);
  std::uint64_t busy = 0;
  std::uint64_t revokes = 0;
  const Deadline deadline(kDefaultWait);
  while (ended.count() < children.size() && !deadline.Passed()) {
    if (Queued() > 0) ++busy;
    ASSERT_THAT(Revoke(Dev::kAsync), SyscallSucceedsWithValue(0));
    ++revokes;
  }
  std::cout << revokes << " revokes, " << busy << " with requests queued" << std::endl;
  EXPECT_GT(busy, 1U);
  for (Child& child : children) EXPECT_THAT(child.Wait(), Exited(0));
  EXPECT_EQ(Queued(), 0U);
  EXPECT_EQ(control().Counters(Dev::kAsync).files, 0U);
}

}  // namespace
}  // namespace revoke_test
