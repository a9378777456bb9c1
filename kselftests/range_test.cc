// SPDX-License-Identifier: GPL-2.0
//
// A part of an object is taken out of all mappings while its files stay open
// (revokable_zap_range()): also out of those that are being made or filled at that moment, by
// somebody who has looked before whether it may be mapped.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "checkpoint.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "process.h"
#include "race.h"
#include "revokeat.h"
#include "sigbus_probe.h"
#include "test_check.h"
#include "test_device.h"

namespace revoke_test {
namespace {

// What is taken: pages 4 to 7.
constexpr std::uint32_t kFirst = 4;
constexpr std::uint32_t kPages = 4;

bool InRange(std::size_t page) { return page >= kFirst && page < kFirst + kPages; }

off_t OffsetOf(revoke_test_shape shape, std::size_t page = 0) {
  return static_cast<off_t>(REVOKE_TEST_MMAP_OFFSET(shape, PageSize()) + page * PageSize());
}

// For children and threads, where there are no GoogleTest assertions.
class RangeTest : public TestDeviceTest {
 protected:
  void Open(Dev dev, revoke_test_shape shape) {
    dev_ = dev;
    shape_ = shape;
    fd_ = OpenDevice(dev);
    ASSERT_THAT(fd_, SyscallSucceeds());
    generation_ = static_cast<std::uint32_t>(Generation(fd_.get()));
  }

  Mapping Map() const { return MapShape(fd_, shape_); }
  int Take() const { return control().TakeRange(dev_, shape_, kFirst, kPages); }
  void ExpectAlive(const Mapping& mapping) const {
    ASSERT_THAT(mapping, SyscallSucceeds());
    for (std::uint32_t page = 0; page < mapping.size() / PageSize(); ++page) {
      EXPECT_THAT(Probe::Read(PageWord(mapping, page)),
                  ReadsValue(revoke_test_stamp(generation_, page)));
    }
  }
  void ExpectRestIsThere(const Mapping& mapping) const {
    for (std::uint32_t page = 0; page < kShapePages; ++page) {
      if (InRange(page)) continue;
      EXPECT_THAT(Probe::Read(PageWord(mapping, page)),
                  ReadsValue(revoke_test_stamp(generation_, page)));
    }
  }
  // The range is not there any more, and the rest is as it was.
  void ExpectTaken(const Mapping& mapping) const {
    for (std::uint32_t page = 0; page < kShapePages; ++page) {
      volatile std::uint64_t* word = PageWord(mapping, page);
      if (!InRange(page)) continue;
      EXPECT_THAT(Probe::Read(word), DiesOfSigbusAt(word));
      EXPECT_THAT(Probe::Write(word, 0xbadU), DiesOfSigbusAt(word));
    }
    ExpectRestIsThere(mapping);
  }
  // The driver sees what it has put there: nothing was written.
  void ExpectUnharmed() const {
    for (std::uint32_t page = 0; page < kShapePages; ++page) {
      EXPECT_EQ(control().Peek(dev_, page), revoke_test_stamp(generation_, page));
    }
  }

  const FileDescriptor& fd() const { return fd_; }
  Dev dev() const { return dev_; }
  revoke_test_shape shape() const { return shape_; }

 private:
  Dev dev_ = Dev::kDefault;
  revoke_test_shape shape_ = REVOKE_TEST_SHAPE_FAULT_PAGE;
  FileDescriptor fd_;
  std::uint32_t generation_ = 0;
};

class RangeShape : public RangeTest, public testing::WithParamInterface<Shape> {
 protected:
  void SetUp() override {
    RangeTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    Open(GetParam().dev, GetParam().shape);
  }
  // Faults bring back what the driver lets them.
  bool HasFaults() const {
    return shape() != REVOKE_TEST_SHAPE_INSERT_PAGE && shape() != REVOKE_TEST_SHAPE_IOCTL;
  }
};

INSTANTIATE_TEST_SUITE_P(, RangeShape, testing::ValuesIn(AllShapes()),
                         [](const testing::TestParamInfo<Shape>& info) { return info.param.name; });

REVOKE_TEST_P(RangeShape, GoesAndTheRestStays, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  const std::uint64_t faults = control().Entered(dev(), REVOKE_TEST_VM_FAULT);
  ASSERT_THAT(Take(), SyscallSucceeds());
  ExpectRestIsThere(mapping);
  EXPECT_EQ(control().Entered(dev(), REVOKE_TEST_VM_FAULT), faults) << "it was away";
  ExpectTaken(mapping);
  ExpectUnharmed();
  EXPECT_THAT(Generation(fd().get()), SyscallSucceeds()) << "the file is not revoked";
  EXPECT_EQ(control().Counters(dev()).kicks, 0U) << "nobody is sent away";
}

REVOKE_TEST_P(RangeShape, GoesFromAllFilesAndProcesses, baseline::kEnosys) {
  const FileDescriptor other_fd = OpenDevice(dev());
  const Mapping mapping = Map();
  const Mapping other = MapShape(other_fd, shape());
  ExpectAlive(mapping);
  ExpectAlive(other);
  Checkpoint mapped;
  Checkpoint taken;
  Child child([&] {
    Probe::Read(PageWord(mapping, kFirst));
    const Mapping own = MapShape(fd(), shape());
    TEST_CHECK(own.valid() && !Probe::Read(PageWord(own, kFirst)).fault);
    mapped.Reach();
    TEST_CHECK(taken.WaitFor(1));
    TEST_CHECK(DiesOfSigbus(PageWord(mapping, kFirst)));
    TEST_CHECK(DiesOfSigbus(PageWord(own, kFirst)));
    TEST_CHECK(!Probe::Read(PageWord(own, 0)).fault);
  });
  ASSERT_TRUE(mapped.WaitFor(1));
  ASSERT_THAT(Take(), SyscallSucceeds());
  taken.Reach();
  EXPECT_THAT(child.Wait(), Exited(0));
  ExpectTaken(mapping);
  ExpectTaken(other);
}

REVOKE_TEST_P(RangeShape, IsGivenBack, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  ASSERT_THAT(Take(), SyscallSucceeds());
  ASSERT_THAT(control().GiveBack(dev()), SyscallSucceeds());
  if (HasFaults()) {
    ExpectAlive(mapping);
  } else {
    ExpectTaken(mapping);
  }
  ExpectAlive(Map());
}

REVOKE_TEST_P(RangeShape, ThenAllIsRevoked, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  ASSERT_THAT(Take(), SyscallSucceeds());
  ASSERT_THAT(revoke(NodeOf(dev()).c_str()), SyscallSucceedsWithValue(0));
  for (std::size_t page = 0; page < kShapePages; ++page) {
    EXPECT_THAT(Probe::Read(PageWord(mapping, page)), DiesOfSigbusAt(PageWord(mapping, page)));
  }
}

REVOKE_TEST_F(RangeTest, OfAStaleFileIsNothing, baseline::kEnosys) {
  Open(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE);
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  ASSERT_THAT(revoke(NodeOf(dev()).c_str()), SyscallSucceedsWithValue(0));
  const auto expect_dead = [&] {
    for (std::uint32_t page = 0; page < kShapePages; ++page)
      EXPECT_THAT(Probe::Read(PageWord(mapping, page)), DiesOfSigbusAt(PageWord(mapping, page)));
  };
  EXPECT_THAT(Take(), SyscallSucceeds());
  expect_dead();
  ASSERT_THAT(control().RevokeIt(dev()), SyscallSucceeds());
  EXPECT_THAT(Take(), SyscallSucceeds());
  expect_dead();
}

REVOKE_TEST_F(RangeTest, PrivateCopiesOfItGo, baseline::kEnosys) {
  Open(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE);
  const Mapping mapping = MapShape(fd(), shape(), kShapePages, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  ASSERT_THAT(mapping, SyscallSucceeds());
  ASSERT_THAT(Probe::Write(PageWord(mapping, 0), 0xc0b1U), Survives());
  ASSERT_THAT(Probe::Write(PageWord(mapping, kFirst), 0xc0b1U), Survives());
  ASSERT_THAT(Take(), SyscallSucceeds());
  EXPECT_THAT(Probe::Read(PageWord(mapping, 0)), ReadsValue(0xc0b1U));
  EXPECT_THAT(Probe::Read(PageWord(mapping, kFirst)), DiesOfSigbusAt(PageWord(mapping, kFirst)));
}

REVOKE_TEST_F(RangeTest, PartOfAHugePage, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  revoke_test_info info{};
  ASSERT_THAT(ioctl(fd.get(), REVOKE_TEST_INFO, &info), SyscallSucceeds());
  ASSERT_NE(info.huge_size, 0U) << "this kernel cannot map huge PFNs";
  const std::size_t huge = info.huge_size;
  const Mapping room = Mapping::Anonymous(2 * huge, PROT_NONE);
  const std::uintptr_t base =
      (reinterpret_cast<std::uintptr_t>(room.base()) + huge - 1) & ~(huge - 1);
  void* aligned = mmap(reinterpret_cast<void*>(base), huge, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_FIXED, fd.get(), OffsetOf(REVOKE_TEST_SHAPE_HUGE));
  ASSERT_NE(aligned, MAP_FAILED) << ErrnoText(errno);
  const auto word = [&](std::size_t page) {
    return static_cast<volatile std::uint64_t*>(aligned) +
           page * PageSize() / sizeof(std::uint64_t);
  };
  ASSERT_THAT(Probe::Read(word(kFirst)), ReadsValue(revoke_test_stamp(info.generation, kFirst)));
  ASSERT_GT(control().Entered(Dev::kDefault, REVOKE_TEST_VM_HUGE_FAULT), 0U);
  ASSERT_THAT(control().TakeRange(Dev::kDefault, REVOKE_TEST_SHAPE_HUGE, kFirst, kPages),
              SyscallSucceeds());
  EXPECT_THAT(Probe::Read(word(kFirst)), DiesOfSigbusAt(word(kFirst)));
  EXPECT_THAT(Probe::Read(word(0)), ReadsValue(revoke_test_stamp(info.generation, 0)));
  EXPECT_THAT(Probe::Read(word(kFirst + kPages)),
              ReadsValue(revoke_test_stamp(info.generation, kFirst + kPages)));
}

// ---- at the very moment ----

// What is stopped has looked whether the range may be mapped, and has inserted nothing yet. It is
// in another process, as it holds locks of its address space.

REVOKE_TEST_P(RangeShape, MmapInProgress, baseline::kEnosys) {
  Checkpoint taken;
  std::optional<Child> mapper;
  CallInThread taker;
  ArmedPoint point(control(), dev(), REVOKE_TEST_MMAP, REVOKE_TEST_ENTER, REVOKE_TEST_STUCK);
  mapper.emplace([&] {
    const Mapping mapping(fd().get(), kShapePages * PageSize(), PROT_READ | PROT_WRITE, MAP_SHARED,
                          OffsetOf(shape()));
    TEST_CHECK(mapping.valid());
    TEST_CHECK(taken.WaitFor(1));
    for (std::size_t page = kFirst; page < kFirst + kPages; ++page) {
      TEST_CHECK(DiesOfSigbus(PageWord(mapping, page)));
    }
  });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  taker.Start([&] { return Take(); });
  ASSERT_TRUE(WaitUntilBlocked(taker.tid(), {.syscall = __NR_ioctl}));
  point.Open();
  EXPECT_THAT(taker.Join(), SyscallSucceeds());
  taken.Reach();
  EXPECT_THAT(mapper->Wait(), Exited(0));
  ExpectUnharmed();
}

class RangeFault : public RangeTest, public testing::WithParamInterface<Shape> {};

std::vector<Shape> FaultShapes() {
  std::vector<Shape> shapes;
  for (const Shape& shape : AllShapes()) {
    switch (shape.shape) {
      case REVOKE_TEST_SHAPE_FAULT_PAGE:
      case REVOKE_TEST_SHAPE_FAULT_PFN:
      case REVOKE_TEST_SHAPE_FAULT_VMA_LOCK:
        shapes.push_back(shape);
        break;
      default:
        break;
    }
  }
  return shapes;
}

INSTANTIATE_TEST_SUITE_P(, RangeFault, testing::ValuesIn(FaultShapes()),
                         [](const testing::TestParamInfo<Shape>& info) { return info.param.name; });

REVOKE_TEST_P(RangeFault, InProgress, baseline::kEnosys) {
  Open(GetParam().dev, GetParam().shape);
  const Mapping mapping = Map();
  ASSERT_THAT(mapping, SyscallSucceeds());
  Checkpoint taken;
  std::optional<Child> toucher;
  CallInThread taker;
  ArmedPoint point(control(), dev(), REVOKE_TEST_VM_FAULT, REVOKE_TEST_ENTER, REVOKE_TEST_STUCK);
  toucher.emplace([&] {
    // It may get the page for a moment, which ends before the call does that takes it.
    Probe::Read(PageWord(mapping, kFirst));
    TEST_CHECK(taken.WaitFor(1));
    TEST_CHECK(DiesOfSigbus(PageWord(mapping, kFirst)));
  });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  taker.Start([&] { return Take(); });
  ASSERT_TRUE(WaitUntilBlocked(taker.tid(), {.syscall = __NR_ioctl}));
  point.Open();
  EXPECT_THAT(taker.Join(), SyscallSucceeds());
  taken.Reach();
  EXPECT_THAT(toucher->Wait(), Exited(0));
}

// Another one that comes in time sees that it must not.
REVOKE_TEST_P(RangeFault, ThatComesWhileAnotherIsWaitedForIsRefused, baseline::kEnosys) {
  Open(GetParam().dev, GetParam().shape);
  const Mapping mapping = Map();
  ASSERT_THAT(mapping, SyscallSucceeds());
  std::optional<Child> first;
  CallInThread taker;
  ArmedPoint point(control(), dev(), REVOKE_TEST_VM_FAULT, REVOKE_TEST_ENTER, REVOKE_TEST_STUCK);
  first.emplace([&] { Probe::Read(PageWord(mapping, kFirst)); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  taker.Start([&] { return Take(); });
  ASSERT_TRUE(WaitUntilBlocked(taker.tid(), {.syscall = __NR_ioctl}));

  Child second([&] { TEST_CHECK(DiesOfSigbus(PageWord(mapping, kFirst + 1))); });
  ASSERT_THAT(point.WaitBlocked(2), SyscallSucceeds());
  point.Open();
  EXPECT_THAT(second.Wait(), Exited(0));
  EXPECT_THAT(taker.Join(), SyscallSucceeds());
  EXPECT_THAT(first->Wait(), Exited(0));
}

// Who sleeps in a method that inserts nothing may do so for ever.
REVOKE_TEST_P(RangeFault, SleepingMethodIsNotWaitedFor, baseline::kEnosys) {
  Open(GetParam().dev, GetParam().shape);
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  CallInThread reader;
  ArmedPoint point(control(), dev(), REVOKE_TEST_READ, REVOKE_TEST_ENTER, REVOKE_TEST_INTERRUPTIBLE,
                   0);
  reader.Start([&] {
    std::array<char, 1> byte{};
    return read(fd().get(), byte.data(), byte.size());
  });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(Take(), SyscallSucceeds());
  ExpectTaken(mapping);
  EXPECT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = __NR_read})) << "nor woken";
  ASSERT_THAT(control().PutData(dev(), 1), SyscallSucceeds());
  point.Open();
  EXPECT_THAT(reader.Join(), SyscallSucceedsWithValue(1));
}

REVOKE_TEST_P(RangeFault, Race, baseline::kEnosys) {
  Open(GetParam().dev, GetParam().shape);
  const Mapping mapping = Map();
  ASSERT_THAT(mapping, SyscallSucceeds());
  std::atomic<int> taken{-1};
  ExpectRace(
      {.overlaps = 50},
      {[&] {
         // In whatever state, it is not left there by this.
         Probe::Read(PageWord(mapping, kFirst));
       },
       [&] { taken = Take(); }},
      [&] { TEST_PCHECK(control().GiveBack(dev()) == 0); },
      [&] {
        EXPECT_EQ(taken, 0);
        EXPECT_THAT(Probe::Read(PageWord(mapping, kFirst)),
                    DiesOfSigbusAt(PageWord(mapping, kFirst)));
      });
}

REVOKE_TEST_P(RangeShape, MmapRace, baseline::kEnosys) {
  std::optional<Mapping> mapping;
  std::atomic<int> taken{-1};
  ExpectRace(
      {.overlaps = 50},
      {[&] {
         mapping.emplace(fd().get(), kShapePages * PageSize(), PROT_READ, MAP_SHARED | MAP_POPULATE,
                         OffsetOf(shape()));
       },
       [&] { taken = Take(); }},
      [&] {
        mapping.reset();
        TEST_PCHECK(control().GiveBack(dev()) == 0);
      },
      [&] {
        EXPECT_EQ(taken, 0);
        if (!mapping->valid()) {
          EXPECT_EQ(mapping->error(), ENXIO);
        } else {
          EXPECT_THAT(Probe::Read(PageWord(*mapping, kFirst)),
                      DiesOfSigbusAt(PageWord(*mapping, kFirst)));
        }
      });
}

}  // namespace
}  // namespace revoke_test
