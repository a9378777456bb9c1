// SPDX-License-Identifier: GPL-2.0
//
// The window between the page tables being filled and the mapping being there for all to see: a
// revoke that comes in between must not miss it. Nothing here is left to luck: the one who maps is
// held inside the driver. After it, no page of the new mapping gives anything. mapping_test has the
// plain cases; here are all shapes, and the ways to map that are not a plain mmap(2).

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <vector>

#include "baseline.h"
#include "call_in_thread.h"
#include "checkpoint.h"
#include "errno_matchers.h"
#include "fd.h"
#include "process.h"
#include "revokeat.h"
#include "shape_test.h"
#include "sigbus_probe.h"
#include "skip.h"
#include "test_check.h"
#include "test_device.h"
#include "vma_info.h"

namespace revoke_test {
namespace {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;
constexpr revoke_test_when kWhens[] = {REVOKE_TEST_ENTER, REVOKE_TEST_LEAVE};

// glibc would warn.
long RemapFilePages(void* base, std::size_t size, off_t offset) {
  return syscall(SYS_remap_file_pages, base, size, 0, offset / static_cast<off_t>(PageSize()), 0);
}

// ---- mmap(2), every way the memory gets in ----

class WindowShape : public ShapeParamTest {
 protected:
  // Maps in a process that is held in the driver until a revoke waits for it,
  // and in which `prepare` is called before.
  void MapAcrossARevoke(revoke_test_when when, int flags, void (*prepare)() = [] {}) {
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(GetParam().dev, GetParam().shape);
    Checkpoint revoked;
    std::optional<Child> mapper;
    ArmedPoint point(control(), dev(), REVOKE_TEST_MMAP, when, REVOKE_TEST_STUCK);
    mapper.emplace([&] {
      const std::size_t size = kShapePages * PageSize();
      const Mapping old = Mapping::Anonymous(size);
      void* at = (flags & MAP_FIXED) != 0 ? old.base() : nullptr;
      prepare();
      void* base = mmap(at, size, kReadWrite, MAP_SHARED | flags, fd().get(), Offset());
      // It was on its way before the revoke, so it is made, and dead.
      TEST_PCHECK(base != MAP_FAILED);
      TEST_CHECK(revoked.WaitFor(1));
      CheckAllDead(base);
      TEST_PCHECK(munmap(base, size) == 0);
      TEST_PCHECK(munlockall() == 0);
      TEST_CHECK(StatusKilobytes(getpid(), "VmLck") == 0);
    });
    RevokeAcross(point);
    revoked.Reach();
    EXPECT_THAT(mapper->Wait(), Exited(0));
  }
};

INSTANTIATE_TEST_SUITE_P(, WindowShape, testing::ValuesIn(AllShapes()), ShapeName);

REVOKE_TEST_P(WindowShape, Mmap, baseline::kEnosys) {
  for (const int flags : {0, MAP_FIXED, MAP_POPULATE, MAP_LOCKED}) {
    for (const revoke_test_when when : kWhens) {
      SCOPED_TRACE(testing::Message() << "flags " << flags << ", point " << when);
      MapAcrossARevoke(when, flags);
    }
  }
}

// After mlockall(2) each mmap(2) locks what it maps, and populates it when the
// window has closed.
REVOKE_TEST_P(WindowShape, MmapOfOneWhoLocksAll, baseline::kEnosys) {
  for (const revoke_test_when when : kWhens) {
    SCOPED_TRACE(when);
    MapAcrossARevoke(when, 0, [] { TEST_PCHECK(mlockall(MCL_FUTURE) == 0); });
    MapAcrossARevoke(when, 0, [] { TEST_PCHECK(mlockall(MCL_FUTURE | MCL_ONFAULT) == 0); });
  }
}

REVOKE_TEST_P(WindowShape, MmapOfWhatHasGone, baseline::kEnosys) {
  for (const revoke_test_when when : kWhens) {
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(GetParam().dev, GetParam().shape);
    Checkpoint revoked;
    std::optional<Child> mapper;
    CallInThread revoker;
    ArmedPoint point(control(), dev(), REVOKE_TEST_MMAP, when, REVOKE_TEST_STUCK);
    mapper.emplace([&] {
      const Mapping mapping(fd().get(), kShapePages * PageSize(), kReadWrite, MAP_SHARED, Offset());
      TEST_CHECK(mapping.valid());
      // From now on: whether it is before the revoke is complete or after, it must not arrive
      // later.
      for (std::size_t page = 0; page < kShapePages; ++page) {
        Probe::Write(PageWord(mapping, page), revoke_test_stamp(0, 0));
      }
      TEST_CHECK(revoked.WaitFor(1));
      CheckAllDead(mapping.base());
    });
    ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
    revoker.Start([&] { return control().RevokeIt(dev()); });
    point.Open();
    EXPECT_THAT(revoker.Join(), SyscallSucceeds());
    revoked.Reach();
    EXPECT_THAT(mapper->Wait(), Exited(0));
    ExpectMemoryUntouched();
  }
}

// ->mapped, by which the driver learns that the mapping is there, is called in the window as well.
class WindowMapped : public ShapeTest {};

REVOKE_TEST_F(WindowMapped, IsHeldUp, baseline::kEnosys) {
  for (const revoke_test_when when : kWhens) {
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(Dev::kPrepare, REVOKE_TEST_SHAPE_CLOSE);
    Checkpoint revoked;
    std::optional<Child> mapper;
    ArmedPoint point(control(), dev(), REVOKE_TEST_VM_MAPPED, when, REVOKE_TEST_STUCK);
    mapper.emplace([&] {
      const Mapping mapping(fd().get(), kShapePages * PageSize(), kReadWrite, MAP_SHARED, Offset());
      TEST_CHECK(mapping.valid());
      TEST_CHECK(revoked.WaitFor(1));
      CheckAllDead(mapping.base());
    });
    RevokeAcross(point);
    EXPECT_EQ(Vmas(), 0U);
    revoked.Reach();
    EXPECT_THAT(mapper->Wait(), Exited(0));
    EXPECT_EQ(Vmas(), 0U);
  }
}

// ---- new parts of a mapping that is there already ----

// These can be merged: no PFNs, no ->close.
class WindowMerge : public ShapeParamTest {
 protected:
  // Maps pages [from, to) of the shape where they belong in `room`.
  void* MapInto(const Mapping& room, std::size_t from, std::size_t to, int flags = 0) const {
    return mmap(Page(room, from), (to - from) * PageSize(), kReadWrite,
                MAP_SHARED | MAP_FIXED | flags, fd().get(), Offset(from));
  }
  static std::size_t VmasIn(const Mapping& room) {
    return VmasOf(getpid(), room.base(), room.size()).size();
  }
  // What is merged is not shown to ->mmap, but, as that may change anything, to ->mmap_prepare.
  std::uint64_t CallsFor(std::uint64_t pieces) const { return dev() == Dev::kPrepare ? pieces : 1; }
  std::uint64_t Calls() const { return control().Entered(dev(), REVOKE_TEST_MMAP); }
};

INSTANTIATE_TEST_SUITE_P(
    , WindowMerge,
    testing::Values(Shape{"FaultPage", Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE, true},
                    Shape{"PageMkwrite", Dev::kDefault, REVOKE_TEST_SHAPE_PAGE_MKWRITE, true},
                    Shape{"PrepareFaultPage", Dev::kPrepare, REVOKE_TEST_SHAPE_FAULT_PAGE, true}),
    ShapeName);

REVOKE_TEST_P(WindowMerge, AllPartsDie, baseline::kEnosys) {
  const Mapping room = Mapping::Anonymous(kShapePages * PageSize(), PROT_NONE);
  ASSERT_EQ(MapInto(room, 0, 4), Page(room, 0));
  ASSERT_EQ(MapInto(room, 4, 8), Page(room, 4));  // at the end of it
  ASSERT_EQ(Calls(), CallsFor(2)) << "->mmap has been skipped";
  ASSERT_EQ(MapInto(room, 12, 16), Page(room, 12));  // one more, and what is between the two
  ASSERT_EQ(MapInto(room, 8, 12), Page(room, 8));
  ASSERT_EQ(VmasIn(room), 1U);
  ExpectAlive(room);
  Revoke();
  ExpectAllDead(room);
}

REVOKE_TEST_P(WindowMerge, NothingIsMergedWithTheDead, baseline::kEnosys) {
  const Mapping room = Mapping::Anonymous(kShapePages * PageSize(), PROT_NONE);
  ASSERT_EQ(MapInto(room, 0, 8), Page(room, 0));
  Revoke();
  ASSERT_EQ(MapInto(room, 8, 16), MAP_FAILED);
  EXPECT_EQ(ErrnoValue(errno), ErrnoValue(RevokedErrnosOf(dev()).mmap));
  EXPECT_THAT(Probe::Read(PageWord(room, 8)), DiesOfSigsegvAt(PageWord(room, 8), SEGV_ACCERR))
      << "what was there has been taken away for nothing";
}

REVOKE_TEST_P(WindowMerge, PopulateInProgress, baseline::kEnosys) {
  for (const revoke_test_when when : kWhens) {
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(GetParam().dev, GetParam().shape);
    Checkpoint revoked;
    std::optional<Child> mapper;
    ArmedPoint point(control(), dev(), REVOKE_TEST_VM_FAULT, when, REVOKE_TEST_STUCK);
    mapper.emplace([&] {
      const Mapping room = Mapping::Anonymous(kShapePages * PageSize(), PROT_NONE);
      TEST_PCHECK(MapInto(room, 0, 8) == Page(room, 0));
      TEST_PCHECK(MapInto(room, 8, 16, MAP_POPULATE) == Page(room, 8));
      TEST_CHECK(revoked.WaitFor(1));
      CheckAllDead(room.base());
    });
    RevokeAcross(point);
    EXPECT_EQ(Calls(), CallsFor(2));
    revoked.Reach();
    EXPECT_THAT(mapper->Wait(), Exited(0));
  }
}

// ---- MAP_FIXED ----

class WindowFixed : public ShapeTest {};

REVOKE_TEST_F(WindowFixed, WhatIsThereStaysIfTheFileIsRevoked, baseline::kEnosys) {
  Open(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE);
  const Mapping there = Mapping::Anonymous(PageSize());
  *PageWord(there, 0) = 0x0ddU;
  Revoke();
  ASSERT_EQ(mmap(there.base(), PageSize(), PROT_READ, MAP_SHARED | MAP_FIXED, fd().get(), Offset()),
            MAP_FAILED);
  EXPECT_EQ(ErrnoValue(errno), ErrnoValue(ENODEV));
  EXPECT_THAT(Probe::Read(PageWord(there, 0)), ReadsValue(0x0ddU));
}

// MAP_FIXED takes away what was there, which may wait for its driver. A revoke of the file that is
// to be mapped there has nothing to do with that, and does not wait. The mmap comes too late then.
REVOKE_TEST_F(WindowFixed, TheDriverOfWhatWasThereHoldsNobodyUp, baseline::kEnosys) {
  Open(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE);
  const FileDescriptor old_fd = OpenDevice(Dev::kEof);
  std::optional<Child> mapper;
  ArmedPoint point(control(), Dev::kEof, REVOKE_TEST_VM_CLOSE, REVOKE_TEST_ENTER,
                   REVOKE_TEST_STUCK);
  mapper.emplace([&] {
    const Mapping old = MapShape(old_fd, REVOKE_TEST_SHAPE_CLOSE);
    TEST_CHECK(old.valid());
    TEST_CHECK(!Probe::Read(PageWord(old, 0)).fault);  // what that maps must not get into the gap
    void* base =
        mmap(old.base(), old.size(), kReadWrite, MAP_SHARED | MAP_FIXED, fd().get(), Offset());
    TEST_PCHECK(base == MAP_FAILED && errno == ENODEV);
    const std::optional<Fault> fault = Probe::Read(PageWord(old, 0)).fault;
    TEST_CHECK(fault && fault->signo == SIGSEGV);
  });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  Revoke();
  point.Open();
  EXPECT_THAT(mapper->Wait(), Exited(0));
  EXPECT_EQ(control().Entered(dev(), REVOKE_TEST_MMAP), 0U);
  EXPECT_EQ(control().Counters(Dev::kEof).vmas, 0U);
}

REVOKE_TEST_F(WindowFixed, OneRevokableMappingOverAnother, baseline::kEnosys) {
  Open(Dev::kDefault, REVOKE_TEST_SHAPE_CLOSE);
  const FileDescriptor other_fd = OpenDevice(Dev::kEof);
  const Mapping old = Map();
  ExpectAlive(old);
  void* middle = Page(old, 4);
  ASSERT_EQ(
      mmap(middle, 4 * PageSize(), kReadWrite, MAP_SHARED | MAP_FIXED, other_fd.get(), Offset(4)),
      middle);
  ASSERT_EQ(Vmas(), 2U);
  Revoke();
  for (const std::size_t page : {3, 8}) ExpectDead(PageWord(old, page));
  const auto generation = static_cast<std::uint32_t>(Generation(other_fd.get()));
  EXPECT_THAT(Probe::Read(PageWord(old, 4)), ReadsValue(revoke_test_stamp(generation, 4)));
  ASSERT_THAT(revoke(NodeOf(Dev::kEof).c_str()), SyscallSucceeds());
  ExpectAllDead(old);
}

// ---- remap_file_pages(2), which is an mmap of a file that need not be open ----

class WindowRemap : public ShapeParamTest {};

INSTANTIATE_TEST_SUITE_P(
    , WindowRemap,
    testing::Values(Shape{"FaultPage", Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE, true},
                    Shape{"RemapPfn", Dev::kDefault, REVOKE_TEST_SHAPE_REMAP_PFN, true},
                    Shape{"Close", Dev::kDefault, REVOKE_TEST_SHAPE_CLOSE, false},
                    Shape{"PrepareRemapPfn", Dev::kPrepare, REVOKE_TEST_SHAPE_REMAP_PFN, true}),
    ShapeName);

REVOKE_TEST_P(WindowRemap, RearrangedPagesDie, baseline::kEnosys) {
  const Mapping mapping = Map();
  ASSERT_THAT(fd().Close(), SyscallSucceeds());
  ASSERT_THAT(RemapFilePages(mapping.base(), PageSize(), Offset(5)), SyscallSucceeds());
  EXPECT_THAT(Probe::Read(PageWord(mapping, 0)), ReadsValue(Stamp(5)));
  EXPECT_THAT(Probe::Read(PageWord(mapping, 1)), ReadsValue(Stamp(1)));
  Revoke();
  ExpectAllDead(mapping);
  EXPECT_THAT(RemapFilePages(mapping.base(), PageSize(), Offset(7)),
              SyscallFailsWithErrno(RevokedErrnosOf(dev()).mmap));
  ExpectAllDead(mapping);
}

REVOKE_TEST_P(WindowRemap, InProgress, baseline::kEnosys) {
  for (const revoke_test_when when : kWhens) {
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(GetParam().dev, GetParam().shape);
    const Mapping mapping = Map();
    Checkpoint revoked;
    std::optional<Child> mapper;
    ArmedPoint point(control(), dev(), REVOKE_TEST_MMAP, when, REVOKE_TEST_STUCK);
    mapper.emplace([&] {
      TEST_PCHECK(RemapFilePages(mapping.base(), 4 * PageSize(), Offset(5)) == 0);
      TEST_CHECK(revoked.WaitFor(1));
      CheckAllDead(mapping.base());
    });
    RevokeAcross(point);
    revoked.Reach();
    EXPECT_THAT(mapper->Wait(), Exited(0));
    ExpectAllDead(mapping);
  }
}

// ---- mlock(2) ----

class WindowLock : public ShapeParamTest {};

INSTANTIATE_TEST_SUITE_P(
    , WindowLock,
    testing::Values(Shape{"FaultPage", Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE, true},
                    Shape{"PageMkwrite", Dev::kDefault, REVOKE_TEST_SHAPE_PAGE_MKWRITE, true},
                    Shape{"PrepareFaultPage", Dev::kPrepare, REVOKE_TEST_SHAPE_FAULT_PAGE, true}),
    ShapeName);

REVOKE_TEST_P(WindowLock, InProgress, baseline::kEnosys) {
  for (const revoke_test_when when : kWhens) {
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(GetParam().dev, GetParam().shape);
    const Mapping mapping = Map();
    Checkpoint revoked;
    std::optional<Child> locker;
    ArmedPoint point(control(), dev(), REVOKE_TEST_VM_FAULT, when, REVOKE_TEST_STUCK);
    locker.emplace([&] {
      // One page is not all of them.
      TEST_PCHECK(mlock(mapping.base(), mapping.size()) == -1 && errno == ENOMEM);
      TEST_CHECK(revoked.WaitFor(1));
      CheckAllDead(mapping.base());
    });
    RevokeAcross(point);
    revoked.Reach();
    EXPECT_THAT(locker->Wait(), Exited(0));
  }
}

// The mmap(2) itself is complete, and has given its mapping the lock: it is
// populating it.
REVOKE_TEST_P(WindowLock, LockingAllInProgress, baseline::kEnosys) {
  for (const revoke_test_when when : kWhens) {
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(GetParam().dev, GetParam().shape);
    Checkpoint revoked;
    std::optional<Child> mapper;
    ArmedPoint point(control(), dev(), REVOKE_TEST_VM_FAULT, when, REVOKE_TEST_STUCK);
    mapper.emplace([&] {
      TEST_PCHECK(mlockall(MCL_FUTURE) == 0);
      const Mapping mapping = Map();
      TEST_CHECK(mapping.valid());
      TEST_CHECK(revoked.WaitFor(1));
      CheckAllDead(mapping.base());
      const std::vector<Vma> vmas = VmasOf(getpid(), mapping.base(), mapping.size());
      TEST_CHECK(TotalKilobytes(vmas, "Locked") == 0 && TotalKilobytes(vmas, "Rss") == 0);
    });
    RevokeAcross(point);
    revoked.Reach();
    EXPECT_THAT(mapper->Wait(), Exited(0));
  }
}

REVOKE_TEST_P(WindowLock, LockedPagesGo, baseline::kEnosys) {
  const Mapping mapping = Map();
  ASSERT_THAT(mlock(mapping.base(), mapping.size()), SyscallSucceeds());
  const Mapping on_fault = Map();
  ASSERT_THAT(mlock2(on_fault.base(), on_fault.size(), MLOCK_ONFAULT), SyscallSucceeds());
  ExpectAlive(mapping);
  ExpectAlive(on_fault);
  Revoke();
  ExpectAllDead(mapping);
  ExpectAllDead(on_fault);
  EXPECT_THAT(mlock(mapping.base(), mapping.size()), SyscallFailsWithErrno(ENOMEM));
  EXPECT_THAT(munlock(mapping.base(), mapping.size()), SyscallSucceeds());
  EXPECT_THAT(InChild([] { TEST_PCHECK(mlockall(MCL_CURRENT) == 0); }), Exited(0));
  ExpectAllDead(mapping);
}

// ---- the window itself, on any kernel ----

// modules/window.c: a device that is removed as careful drivers do it, with a delay where the
// window is. With the series a revoke is all that it does.
class WindowOfADriver : public testing::Test {
 protected:
  void SetUp() override {
    control_ = revoke_test::Open("/dev/window_ctl", O_RDWR);
    REVOKE_SKIP_IF(!control_.valid() && errno == ENOENT, "the module window is not loaded");
    ASSERT_THAT(control_, SyscallSucceeds());
    ASSERT_THAT(Control(kReset), SyscallSucceeds());
  }

  enum Command { kWait, kRemove, kReset };
  int Control(Command command) const { return ioctl(control_.get(), _IO('w', command)); }

  static Mapping Map(const FileDescriptor& fd) { return {fd.get(), PageSize(), PROT_READ}; }

 private:
  FileDescriptor control_;
};

REVOKE_TEST_F(WindowOfADriver, WhatIsMappedBeforeTheRemovalGoes, baseline::kPasses) {
  const FileDescriptor fd = revoke_test::Open("/dev/window", O_RDWR);
  const Mapping mapping = Map(fd);
  ASSERT_THAT(Probe::Read(PageWord(mapping, 0)), ReadsValue(0U));
  ASSERT_THAT(Control(kRemove), SyscallSucceeds());
  EXPECT_THAT(Probe::Read(PageWord(mapping, 0)), DiesOfSigbusAt(PageWord(mapping, 0)));
  EXPECT_EQ(Map(fd).error(), ENODEV);
}

// unmap_mapping_range() does not see what is not linked yet.
REVOKE_TEST_F(WindowOfADriver, WhatIsBeingMappedGoes, baseline::kFails) {
  const FileDescriptor fd = revoke_test::Open("/dev/window", O_RDWR);
  Checkpoint removed;
  Child mapper([&] {
    const Mapping mapping = Map(fd);
    TEST_CHECK(mapping.valid() && removed.WaitFor(1));
    const std::optional<Fault> fault = Probe::Read(PageWord(mapping, 0)).fault;
    if (!fault) return baseline::HoleInChild();
    TEST_CHECK(IsSigbusAt(fault, PageWord(mapping, 0)));
    return 0;
  });
  ASSERT_THAT(Control(kWait), SyscallSucceeds());
  ASSERT_THAT(Control(kRemove), SyscallSucceeds());
  removed.Reach();
  EXPECT_THAT(mapper.Wait(), Exited(0)) << baseline::kHoleExit << ": the page is still mapped";
}

}  // namespace
}  // namespace revoke_test
