// SPDX-License-Identifier: GPL-2.0
//
// Private copies go with the mapping, and the books are right afterwards: resident pages, locked
// memory, and what is committed, as /proc has them. What a revoke takes are pages. Address space
// stays until it is unmapped, and with it what is counted by address space.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "baseline.h"
#include "checkpoint.h"
#include "errno_matchers.h"
#include "fd.h"
#include "process.h"
#include "shape_test.h"
#include "sigbus_probe.h"
#include "test_check.h"
#include "test_device.h"
#include "vma_info.h"

namespace revoke_test {
namespace {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;

long Kilobytes(std::size_t pages) { return static_cast<long>(pages * PageSize() / 1024); }

void WriteAll(const Mapping& mapping) {
  for (std::size_t page = 0; page < mapping.size() / PageSize(); ++page) {
    TEST_CHECK(!Probe::Write(PageWord(mapping, page), 0xc0b1U).fault);
  }
}

class AccountingTest : public ShapeParamTest {
 protected:
  // In the smaps of `mapping`, with all its parts.
  static long Of(const Mapping& mapping, const char* key, pid_t pid = getpid()) {
    return TotalKilobytes(VmasOf(pid, mapping.base(), mapping.size()), key);
  }
  static long Status(const char* key) { return StatusKilobytes(getpid(), key); }
};

class AccountingPrivate : public AccountingTest {};

INSTANTIATE_TEST_SUITE_P(, AccountingTest, testing::ValuesIn(AllShapes()), ShapeName);
INSTANTIATE_TEST_SUITE_P(, AccountingPrivate, testing::ValuesIn(PrivateShapes()), ShapeName);

// ---- resident pages ----

REVOKE_TEST_P(AccountingTest, SharedPagesAreNotResidentAnyMore, baseline::kEnosys) {
  const Mapping mapping = Map();
  // What is not of the device is counted, too; so once again with nothing new.
  ExpectAlive(mapping);
  Revoke();
  ExpectAllDead(mapping);
  ASSERT_THAT(control().Reset(), SyscallSucceeds());
  Open(dev(), shape());
  const Mapping again = Map();
  Status("RssFile");
  Of(again, "Rss");
  const long before = Status("RssFile") - Of(again, "Rss");
  ExpectAlive(again);
  const long resident = Of(again, "Rss");
  EXPECT_EQ(Status("RssFile"), before + resident);
  Revoke();
  EXPECT_EQ(Of(again, "Rss"), 0);
  EXPECT_EQ(Of(again, "Pss"), 0);
  EXPECT_EQ(Status("RssFile"), before);
  EXPECT_EQ(Of(again, "Size"), Kilobytes(kShapePages));
}

REVOKE_TEST_P(AccountingPrivate, CopiesAreNotResidentAnyMore, baseline::kEnosys) {
  // Here, too, what is new of the test itself must not be counted.
  for (const bool counts : {false, true}) {
    const Mapping mapping = Map(kShapePages, kReadWrite, MAP_PRIVATE);
    ASSERT_THAT(mapping, SyscallSucceeds());
    const long before = Status("RssAnon");
    WriteAll(mapping);
    ASSERT_EQ(Of(mapping, "Anonymous"), Kilobytes(kShapePages));
    const long with = Status("RssAnon");
    Revoke();
    EXPECT_EQ(Of(mapping, "Anonymous"), 0);
    EXPECT_EQ(Of(mapping, "Rss"), 0);
    const long after = Status("RssAnon");
    ExpectAllDead(mapping);
    if (counts) {
      EXPECT_GE(with, before + Kilobytes(kShapePages));
      EXPECT_LE(after, with - Kilobytes(kShapePages));
    }
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(dev(), shape());
  }
}

// The kernel complains of a process whose counters are not zero in the end.
REVOKE_TEST_P(AccountingPrivate, OfProcessesThatEnd, baseline::kEnosys) {
  Checkpoint touched;
  Checkpoint revoked;
  const auto body = [&] {
    const Mapping shared = Map();
    const Mapping copies = Map(kShapePages, kReadWrite, MAP_PRIVATE);
    for (std::size_t page = 0; page < kShapePages; ++page) Probe::Read(PageWord(shared, page));
    WriteAll(copies);
    TEST_PCHECK(munmap(const_cast<std::uint64_t*>(PageWord(copies, 3)), 2 * PageSize()) == 0);
    touched.Reach();
    TEST_CHECK(revoked.WaitFor(1));
    CheckAllDead(shared.base());
  };
  Child first(body);
  Child second(body);
  ASSERT_TRUE(touched.WaitFor(2));
  Revoke();
  revoked.Reach();
  EXPECT_THAT(first.Wait(), Exited(0));
  EXPECT_THAT(second.Wait(), Exited(0));
}

// ---- private copies, wherever they have got to ----

REVOKE_TEST_P(AccountingPrivate, CopiesOfAChild, baseline::kEnosys) {
  const Mapping mapping = Map(kShapePages, kReadWrite, MAP_PRIVATE);
  WriteAll(mapping);
  Checkpoint copied;
  Checkpoint revoked;
  Child child([&] {
    TEST_CHECK(!Probe::Write(PageWord(mapping, 1), 0xc41dU).fault);  // its own, others shared
    copied.Reach();
    TEST_CHECK(revoked.WaitFor(1));
    CheckAllDead(mapping.base());
  });
  ASSERT_TRUE(copied.WaitFor(1));
  ASSERT_EQ(Of(mapping, "Anonymous", child.pid()), Kilobytes(kShapePages));
  Revoke();
  EXPECT_EQ(Of(mapping, "Anonymous", child.pid()), 0);
  EXPECT_EQ(Of(mapping, "Rss", child.pid()), 0);
  ExpectAllDead(mapping);
  revoked.Reach();
  EXPECT_THAT(child.Wait(), Exited(0));
}

REVOKE_TEST_P(AccountingPrivate, CopiesThatMoved, baseline::kEnosys) {
  Mapping mapping = Map(kShapePages, kReadWrite, MAP_PRIVATE);
  WriteAll(mapping);
  const Mapping room = Mapping::Anonymous(mapping.size(), PROT_NONE);
  ASSERT_EQ(mremap(mapping.base(), mapping.size(), mapping.size(), MREMAP_MAYMOVE | MREMAP_FIXED,
                   room.base()),
            room.base());
  static_cast<void>(mapping.Release());
  ASSERT_THAT(Probe::Read(PageWord(room, 3)), ReadsValue(0xc0b1U));
  Revoke();
  EXPECT_EQ(Of(room, "Anonymous"), 0);
  ExpectAllDead(room);
}

REVOKE_TEST_P(AccountingPrivate, CopiesThatAreOutOfReach, baseline::kEnosys) {
  const Mapping mapping = Map(kShapePages, kReadWrite, MAP_PRIVATE);
  WriteAll(mapping);
  ASSERT_THAT(mprotect(mapping.base(), mapping.size(), PROT_NONE), SyscallSucceeds());
  Revoke();
  EXPECT_EQ(Of(mapping, "Anonymous"), 0);
  ASSERT_THAT(mprotect(mapping.base(), mapping.size(), kReadWrite), SyscallSucceeds());
  ExpectAllDead(mapping);
}

REVOKE_TEST_P(AccountingPrivate, CopiesOfAnotherFileStay, baseline::kEnosys) {
  const FileDescriptor other = OpenDevice(Dev::kEof);
  const Mapping mine = Map(kShapePages, kReadWrite, MAP_PRIVATE);
  const Mapping others = MapShape(other, shape(), kShapePages, kReadWrite, MAP_PRIVATE);
  WriteAll(mine);
  WriteAll(others);
  Revoke();
  ExpectAllDead(mine);
  EXPECT_EQ(Of(others, "Anonymous"), Kilobytes(kShapePages));
  EXPECT_THAT(Probe::Read(PageWord(others, 7)), ReadsValue(0xc0b1U));
}

// ---- locked memory ----

// PFNs cannot be locked, nor what a driver has put into the page tables itself: that is not
// counted.
bool CanBeLocked(revoke_test_shape shape) {
  switch (shape) {
    case REVOKE_TEST_SHAPE_FAULT_PAGE:
    case REVOKE_TEST_SHAPE_PAGE_MKWRITE:
      return true;
    default:
      return false;
  }
}

// VmLck counts address space; Mlocked and Locked count pages.
REVOKE_TEST_P(AccountingPrivate, LockedMemory, baseline::kEnosys) {
  for (const int sharing : {MAP_SHARED, MAP_PRIVATE}) {
    SCOPED_TRACE(sharing);
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(GetParam().dev, GetParam().shape);
    const long locked_before = Status("VmLck");
    Mapping mapping = Map(kShapePages, kReadWrite, sharing);
    ASSERT_THAT(mlock(mapping.base(), mapping.size()), SyscallSucceeds());
    const long locked = CanBeLocked(shape()) ? Kilobytes(kShapePages) : 0;
    ASSERT_EQ(Status("VmLck"), locked_before + locked);
    ASSERT_EQ(Of(mapping, "Locked"), locked);
    ExpectAlive(mapping);
    Revoke();
    EXPECT_EQ(Status("VmLck"), locked_before + locked);
    EXPECT_EQ(Of(mapping, "Locked"), 0);
    EXPECT_EQ(Of(mapping, "Rss"), 0);
    ASSERT_THAT(munmap(const_cast<std::uint64_t*>(PageWord(mapping, 0)), 4 * PageSize()),
                SyscallSucceeds());
    EXPECT_EQ(Status("VmLck"), locked_before + locked * 3 / 4);
    ASSERT_THAT(mapping.Unmap(), SyscallSucceeds());
    EXPECT_EQ(Status("VmLck"), locked_before);
  }
}

REVOKE_TEST_P(AccountingPrivate, UnlockedAfterwards, baseline::kEnosys) {
  const long before = Status("VmLck");
  const Mapping mapping = Map(kShapePages, kReadWrite, MAP_PRIVATE);
  ASSERT_THAT(mlock(mapping.base(), mapping.size()), SyscallSucceeds());
  Revoke();
  EXPECT_THAT(munlock(mapping.base(), mapping.size()), SyscallSucceeds());
  EXPECT_EQ(Status("VmLck"), before);
  ExpectAllDead(mapping);
}

// An attempt to map that fails leaves nothing locked, or mapped, behind.
REVOKE_TEST_P(AccountingPrivate, MmapThatFails, baseline::kEnosys) {
  const Mapping warm = Map(kShapePages, kReadWrite, MAP_PRIVATE);
  Status("VmLck");
  Revoke();
  const long locked = Status("VmLck");
  const long size = Status("VmSize");
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(mmap(nullptr, kShapePages * PageSize(), kReadWrite, MAP_PRIVATE | MAP_LOCKED,
                   fd().get(), Offset()),
              MAP_FAILED);
    EXPECT_EQ(ErrnoValue(errno), ErrnoValue(RevokedErrnosOf(dev()).mmap));
  }
  EXPECT_EQ(Status("VmLck"), locked);
  EXPECT_EQ(Status("VmSize"), size);
}

// ---- committed memory: a number of the whole machine, which others change as well ----

class AccountingCommit : public ShapeParamTest {
 protected:
  static constexpr std::size_t kMappings = 256;  // 16 MB, by far more than anybody else does
  static constexpr std::size_t kMuch = kMappings * kShapePages;

  static long Committed() { return MeminfoKilobytes("Committed_AS"); }
  // Nothing of what might have been committed differs.
  static void ExpectSame(long committed) {
    EXPECT_NEAR(static_cast<double>(Committed()), static_cast<double>(committed),
                static_cast<double>(Kilobytes(kMuch)) / 8);
  }
};

INSTANTIATE_TEST_SUITE_P(, AccountingCommit, testing::ValuesIn(PrivateShapes()), ShapeName);

REVOKE_TEST_P(AccountingCommit, StaysUntilUnmapped, baseline::kEnosys) {
  const long before = Committed();
  std::vector<Mapping> mappings;
  for (std::size_t i = 0; i < kMappings; ++i) {
    mappings.push_back(Map(kShapePages, kReadWrite, MAP_PRIVATE));
    ASSERT_THAT(mappings.back(), SyscallSucceeds());
  }
  const long with = Committed();
  ASSERT_GE(with - before, Kilobytes(kMuch) * 7 / 8) << "it is not committed to begin with";
  Revoke();
  ExpectSame(with);
  mappings.clear();
  ExpectSame(before);
}

REVOKE_TEST_P(AccountingCommit, NothingForWhatCouldNotBeMapped, baseline::kEnosys) {
  const long before = Committed();
  const auto try_all = [&](int error) {
    for (std::size_t i = 0; i < kMappings; ++i) {
      EXPECT_EQ(
          mmap(nullptr, kShapePages * PageSize(), kReadWrite, MAP_PRIVATE, fd().get(), Offset()),
          MAP_FAILED);
      EXPECT_EQ(ErrnoValue(errno), ErrnoValue(error));
    }
  };
  {
    SCOPED_TRACE("the driver does not want to");
    const ArmedPoint point(control(), dev(), REVOKE_TEST_MMAP, REVOKE_TEST_LEAVE, REVOKE_TEST_FAIL,
                           EBUSY);
    try_all(EBUSY);
    ExpectSame(before);
  }
  Revoke();
  try_all(RevokedErrnosOf(dev()).mmap);
  ExpectSame(before);
}

// The file may be revoked while its MAP_FIXED takes away what was there. What the mmap has been
// charged with by then is given back.
class AccountingLate : public ShapeTest {};

REVOKE_TEST_F(AccountingLate, NothingIsCommitted, baseline::kEnosys) {
  constexpr int kTimes = 32;
  const long before = MeminfoKilobytes("Committed_AS");
  const FileDescriptor old_fd = OpenDevice(Dev::kEof);
  for (int i = 0; i < kTimes; ++i) {
    Open(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE);
    std::optional<Child> mapper;
    ArmedPoint point(control(), Dev::kEof, REVOKE_TEST_VM_CLOSE, REVOKE_TEST_ENTER,
                     REVOKE_TEST_STUCK);
    mapper.emplace([&] {
      const Mapping old = MapShape(old_fd, REVOKE_TEST_SHAPE_CLOSE);
      TEST_CHECK(old.valid());
      TEST_PCHECK(mmap(old.base(), old.size(), kReadWrite, MAP_PRIVATE | MAP_FIXED, fd().get(),
                       Offset()) == MAP_FAILED);
    });
    ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
    Revoke();
    point.Open();
    ASSERT_THAT(mapper->Wait(), Exited(0));
  }
  EXPECT_LT(MeminfoKilobytes("Committed_AS") - before, Kilobytes(kTimes * kShapePages) / 2);
}

}  // namespace
}  // namespace revoke_test
