// SPDX-License-Identifier: GPL-2.0
//
// A revoke against everything else that is done to files and mappings, at the same time, again and
// again. How often the two truly met is measured, and a race in which they seldom did is a failure.
//
// What must hold after each round: once the revoke has returned, no access of any thread by what
// was open or mapped before gives data; ->release has run as often as ->open; and the driver has
// seen nobody after it (test_device.h).

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "baseline.h"
#include "deadline.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "process.h"
#include "race.h"
#include "revokeat.h"
#include "shape_test.h"
#include "sigbus_probe.h"
#include "test_check.h"
#include "test_device.h"

namespace revoke_test {
namespace {

// Of each race, so many rounds must be such in which both were under way.
constexpr int kOverlaps = 50;
// And where a race can end in two ways, each of them must have come about so often.
constexpr int kEachWay = 3;

class RaceTest : public TestDeviceTest {
 protected:
  // `seen`: see RaceOptions.
  static void Run(const std::vector<std::function<void()>>& sides,
                  const std::function<void()>& before, const std::function<void()>& after,
                  const std::function<bool()>& seen = {}) {
    ExpectRace({.overlaps = kOverlaps, .seen = seen}, sides, before, after);
  }

  // All that were opened are released, once nobody has them any more.
  void ExpectAllReleased() {
    const revoke_test_counters counters = control().Counters(dev());
    EXPECT_EQ(counters.files, 0U);
    EXPECT_EQ(counters.entered[REVOKE_TEST_RELEASE], opened_);
  }

  FileDescriptor OpenCounted() {
    FileDescriptor fd = OpenDevice(dev());
    if (fd.valid()) ++opened_;
    return fd;
  }
  // For a file that a side has opened.
  void CountIfOpen(const FileDescriptor& fd) {
    if (fd.valid()) ++opened_;
  }

  bool IsRevoked(const FileDescriptor& fd) const { return revoke_test::IsRevoked(fd.get(), dev()); }

  std::function<void()> RevokeByPath() const {
    return [dev = dev()] { TEST_PCHECK(Revoke(dev) == 0); };
  }

  virtual Dev dev() const { return Dev::kDefault; }

 private:
  std::uint64_t opened_ = 0;
};

REVOKE_TEST_F(RaceTest, Read, baseline::kEnosys) {
  FileDescriptor fd;
  bool data = false;
  ssize_t result = 0;
  int error = 0;
  int got = 0;
  int refused = 0;
  Run(
      {[&] {
         char byte = 0;
         result = read(fd.get(), &byte, 1);
         error = errno;
       },
       RevokeByPath()},
      [&] {
        fd = OpenCounted();
        // Data in every second round: both ways out of the read are tried.
        data = !data;
        if (data) {
          ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
        }
      },
      [&] {
        if (result == -1) {
          ++refused;
          EXPECT_EQ(ErrnoValue(error), ErrnoValue(ENODEV));
        } else {
          ++got;
          EXPECT_EQ(result, 1);
          EXPECT_TRUE(data) << "read something from an empty device";
        }
        EXPECT_TRUE(IsRevoked(fd));
        // What nobody read must not be left for the next round.
        if (data && result == -1) {
          const FileDescriptor drain = OpenCounted();
          char byte = 0;
          EXPECT_THAT(read(drain.get(), &byte, 1), SyscallSucceedsWithValue(1));
        }
      },
      [&] { return got >= kEachWay && refused >= kEachWay; });
  fd = FileDescriptor();
  ASSERT_THAT(control().RevokeFiles(Dev::kDefault), SyscallSucceeds());
  ExpectAllReleased();
}

REVOKE_TEST_F(RaceTest, Open, baseline::kEnosys) {
  FileDescriptor fd;
  FileDescriptor before_fd;
  int works = 0;
  int dead = 0;
  Run(
      {[&] { fd = OpenDevice(); }, RevokeByPath()}, [&] { before_fd = OpenCounted(); },
      [&] {
        CountIfOpen(fd);
        EXPECT_TRUE(IsRevoked(before_fd));
        // Before or after, but not in between: it works, or it is revoked.
        if (fd.valid() && Generation(fd.get()) > 0) {
          ++works;
        } else if (fd.valid()) {
          ++dead;
          EXPECT_TRUE(IsRevoked(fd));
        } else {
          ++dead;
          EXPECT_THAT(fd, SyscallFailsWithErrno(ENODEV));
        }
        fd = FileDescriptor();
      },
      [&] { return works >= kEachWay && dead >= kEachWay; });
  before_fd = FileDescriptor();
  ASSERT_THAT(control().RevokeFiles(Dev::kDefault), SyscallSucceeds());
  ExpectAllReleased();
}

REVOKE_TEST_F(RaceTest, Close, baseline::kEnosys) {
  FileDescriptor fd;
  FileDescriptor keeper;
  Run(
      {[&] { TEST_PCHECK(fd.Close() == 0); }, RevokeByPath()},
      [&] {
        fd = OpenCounted();
        keeper = OpenCounted();
      },
      [&] { EXPECT_TRUE(IsRevoked(keeper)); });
  keeper = FileDescriptor();
  ASSERT_THAT(control().RevokeFiles(Dev::kDefault), SyscallSucceeds());
  ExpectAllReleased();
}

REVOKE_TEST_F(RaceTest, Dup, baseline::kEnosys) {
  FileDescriptor fd;
  FileDescriptor dup;
  Run(
      {[&] { dup = Duplicate(fd.get()); }, RevokeByPath()}, [&] { fd = OpenCounted(); },
      [&] {
        EXPECT_THAT(dup, SyscallSucceeds());
        EXPECT_TRUE(IsRevoked(fd));
        EXPECT_TRUE(IsRevoked(dup));
      });
  fd = FileDescriptor();
  dup = FileDescriptor();
  ExpectAllReleased();
}

REVOKE_TEST_F(RaceTest, Poll, baseline::kEnosys) {
  FileDescriptor fd;
  pollfd polled{};
  // Without limit: a lost wake-up makes the test hang.
  Run(
      {[&] { TEST_PCHECK(poll(&polled, 1, -1) == 1); }, RevokeByPath()},
      [&] {
        fd = OpenCounted();
        polled = {.fd = fd.get(), .events = POLLIN, .revents = 0};
      },
      [&] { EXPECT_EQ(polled.revents, POLLIN | POLLERR | POLLHUP); });
  fd = FileDescriptor();
  ExpectAllReleased();
}

REVOKE_TEST_F(RaceTest, RevokeOfTheSame, baseline::kEnosys) {
  FileDescriptor fd;
  Run(
      {[&] { TEST_PCHECK(RevokeFile(fd.get()) == 0); }, RevokeByPath()},
      [&] { fd = OpenCounted(); },
      [&] {
        EXPECT_TRUE(IsRevoked(fd));
        // Whoever came second has waited for the first.
        EXPECT_EQ(control().Counters(Dev::kDefault).files, 0U);
      });
  fd = FileDescriptor();
  ExpectAllReleased();
}

REVOKE_TEST_F(RaceTest, RevokeOfTheObjectAndOpen, baseline::kEnosys) {
  FileDescriptor fd;
  FileDescriptor before_fd;
  Run(
      {[&] { fd = OpenDevice(); }, [&] { TEST_PCHECK(control().RevokeIt(Dev::kDefault) == 0); }},
      [&] { before_fd = OpenCounted(); },
      [&] {
        CountIfOpen(fd);
        EXPECT_TRUE(IsRevoked(before_fd));
        // The object is dead, so is whatever was opened of it.
        if (fd.valid()) {
          EXPECT_TRUE(IsRevoked(fd));
        } else {
          EXPECT_THAT(fd, SyscallFailsWithErrno(ENODEV));
        }
        EXPECT_EQ(control().Counters(Dev::kDefault).files, 0U);
        EXPECT_THAT(control().Recreate(Dev::kDefault), SyscallSucceeds());
      });
  ExpectAllReleased();
}

// ---- mappings: through each way of getting PTEs ----

class RaceMapping : public RaceTest, public testing::WithParamInterface<Shape> {
 protected:
  Dev dev() const override { return GetParam().dev; }
  revoke_test_shape shape() const { return GetParam().shape; }
};

INSTANTIATE_TEST_SUITE_P(
    , RaceMapping,
    testing::Values(Shape{"RemapPfn", Dev::kDefault, REVOKE_TEST_SHAPE_REMAP_PFN, true},
                    Shape{"FaultPage", Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE, true},
                    Shape{"FaultPfn", Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PFN, false},
                    Shape{"FaultVmaLock", Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_VMA_LOCK, false},
                    Shape{"Close", Dev::kDefault, REVOKE_TEST_SHAPE_CLOSE, false},
                    Shape{"PrepareRemapPfn", Dev::kPrepare, REVOKE_TEST_SHAPE_REMAP_PFN, true}),
    ShapeName);

REVOKE_TEST_P(RaceMapping, Mmap, baseline::kEnosys) {
  FileDescriptor fd;
  Mapping mapping;
  Run(
      {[&] { mapping = MapShape(fd, shape()); }, RevokeByPath()}, [&] { fd = OpenCounted(); },
      [&] {
        if (mapping.valid()) {
          EXPECT_THAT(Probe::Read(PageWord(mapping, 0)), DiesOfSigbusAt(PageWord(mapping, 0)));
          EXPECT_THAT(Probe::Read(PageWord(mapping, 15)), DiesOfSigbusAt(PageWord(mapping, 15)));
        } else {
          EXPECT_THAT(mapping, SyscallFailsWithErrno(RevokedErrnosOf(dev()).mmap));
        }
        mapping = Mapping();
      });
  fd = FileDescriptor();
  ExpectAllReleased();
}

REVOKE_TEST_P(RaceMapping, Touch, baseline::kEnosys) {
  FileDescriptor fd;
  Mapping mapping;
  Run(
      {[&] {
         for (std::size_t page = 0; page < kShapePages; ++page) {
           Probe::Read(PageWord(mapping, page));
           Probe::Write(PageWord(mapping, page), 0x5747U);
         }
       },
       RevokeByPath()},
      [&] {
        mapping = Mapping();
        fd = OpenCounted();
        mapping = MapShape(fd, shape());
      },
      [&] {
        for (std::size_t page = 0; page < kShapePages; ++page) {
          EXPECT_THAT(Probe::Read(PageWord(mapping, page)),
                      DiesOfSigbusAt(PageWord(mapping, page)));
        }
      });
  mapping = Mapping();
  fd = FileDescriptor();
  ExpectAllReleased();
}

REVOKE_TEST_P(RaceMapping, TouchOfAnObjectThatGoes, baseline::kEnosys) {
  FileDescriptor fd;
  Mapping mapping;
  Run(
      {[&] {
         for (std::size_t page = 0; page < kShapePages; ++page) {
           Probe::Write(PageWord(mapping, page), 0x5747U);
         }
       },
       [&] { TEST_PCHECK(control().RevokeIt(dev()) == 0); }},
      [&] {
        mapping = Mapping();
        fd = OpenCounted();
        mapping = MapShape(fd, shape());
      },
      [&] {
        // Nobody wrote to the memory after the revoke was complete.
        for (std::uint32_t page = 0; page < kShapePages; ++page) {
          EXPECT_EQ(control().Peek(dev(), page), REVOKE_TEST_POISON);
        }
        EXPECT_THAT(control().Recreate(dev()), SyscallSucceeds());
      });
  mapping = Mapping();
  fd = FileDescriptor();
  ExpectAllReleased();
}

REVOKE_TEST_P(RaceMapping, Munmap, baseline::kEnosys) {
  FileDescriptor fd;
  Mapping mapping;
  Run(
      {[&] { TEST_PCHECK(mapping.Unmap() == 0); }, RevokeByPath()},
      [&] {
        fd = OpenCounted();
        mapping = MapShape(fd, shape());
        Probe::Read(PageWord(mapping, 0));
      },
      [&] { EXPECT_TRUE(IsRevoked(fd)); });
  fd = FileDescriptor();
  ExpectAllReleased();
  EXPECT_EQ(control().Counters(dev()).vmas, 0U);
}

REVOKE_TEST_P(RaceMapping, Mremap, baseline::kEnosys) {
  FileDescriptor fd;
  Mapping mapping;
  const Mapping rooms = Mapping::Anonymous(2 * kShapePages * PageSize(), PROT_NONE);
  bool high = false;
  Run(
      {[&] {
         void* to = static_cast<char*>(rooms.base()) + (high ? kShapePages * PageSize() : 0);
         void* from = mapping.Release();
         mapping = Mapping::Adopt(mremap(from, kShapePages * PageSize(), kShapePages * PageSize(),
                                         MREMAP_MAYMOVE | MREMAP_FIXED, to),
                                  kShapePages * PageSize());
       },
       RevokeByPath()},
      [&] {
        fd = OpenCounted();
        mapping = MapShape(fd, shape());
        Probe::Read(PageWord(mapping, 0));
        high = !high;
      },
      [&] {
        ASSERT_THAT(mapping, SyscallSucceeds());
        for (std::size_t page = 0; page < kShapePages; ++page) {
          EXPECT_THAT(Probe::Read(PageWord(mapping, page)),
                      DiesOfSigbusAt(PageWord(mapping, page)));
        }
        // Room again, so that nothing else is put there.
        const std::size_t size = mapping.size();
        void* room = mapping.Release();
        ASSERT_EQ(mmap(room, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
                  room);
      });
  mapping = Mapping();
  fd = FileDescriptor();
  ExpectAllReleased();
}

REVOKE_TEST_P(RaceMapping, Fork, baseline::kEnosys) {
  FileDescriptor fd;
  Mapping mapping;
  PipeEnds go;
  pid_t child = -1;
  Run(
      {[&] {
         child = fork();
         TEST_PCHECK(child >= 0);
         if (child > 0) return;
         // Until the revoke has returned.
         char byte = 0;
         if (read(go.read.get(), &byte, 1) != 1) _exit(2);
         _exit(DiesOfSigbus(PageWord(mapping, 0)) && IsRevoked(fd) ? 0 : 1);
       },
       RevokeByPath()},
      [&] {
        fd = OpenCounted();
        mapping = MapShape(fd, shape());
        Probe::Read(PageWord(mapping, 0));
        go = Pipe();
      },
      [&] {
        EXPECT_THAT(Probe::Read(PageWord(mapping, 0)), DiesOfSigbusAt(PageWord(mapping, 0)));
        EXPECT_THAT(write(go.write.get(), "g", 1), SyscallSucceedsWithValue(1));
        int status = 0;
        EXPECT_THAT(RetryEintr([&] { return waitpid(child, &status, 0); }),
                    SyscallSucceedsWithValue(child));
        EXPECT_THAT(ExitStatus::FromWait(status), Exited(0)) << "1: the child still had access";
        mapping = Mapping();
      });
  fd = FileDescriptor();
  ExpectAllReleased();
  EXPECT_EQ(control().Counters(dev()).vmas, 0U);
}

}  // namespace
}  // namespace revoke_test
