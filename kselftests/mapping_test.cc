// SPDX-License-Identifier: GPL-2.0
//
// What becomes of mappings when their file is revoked: in every process that has one, whatever was
// done to it, and however the driver filled it; for the CPU and for the kernel acting on behalf of
// a process. Pages carry stamps of the object they belong to, so that a survivor is seen.

#include "mapping.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "checkpoint.h"
#include "device_node.h"
#include "errno_matchers.h"
#include "fd.h"
#include "process.h"
#include "revokeat.h"
#include "shape_test.h"
#include "sigbus_probe.h"
#include "temp_dir.h"
#include "test_check.h"
#include "test_device.h"
#include "vma_info.h"

namespace revoke_test {
namespace {

using testing::HasSubstr;

std::string VmFlags(const Mapping& mapping) {
  const std::vector<Vma> vmas = VmasOf(getpid(), mapping.base(), mapping.size());
  return vmas.empty() ? "no such mapping" : vmas.front().flags;
}

class MappingTest : public ShapeTest {};

class MappingShape : public ShapeParamTest {};

class MappingPrivate : public MappingShape {};

INSTANTIATE_TEST_SUITE_P(, MappingShape, testing::ValuesIn(AllShapes()), ShapeName);
INSTANTIATE_TEST_SUITE_P(, MappingPrivate, testing::ValuesIn(PrivateShapes()), ShapeName);

// ---- the CPU ----

REVOKE_TEST_P(MappingShape, Touched, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  EXPECT_THAT(Probe::Write(PageWord(mapping, 1), Stamp(1)), Survives());
  Revoke();
  ExpectAllDead(mapping);
  for (std::uint32_t page = 0; page < kShapePages; ++page) {
    EXPECT_EQ(control().Peek(dev(), page), Stamp(page)) << "a stale write arrived";
  }
}

REVOKE_TEST_P(MappingShape, NotTouchedBefore, baseline::kEnosys) {
  const Mapping mapping = Map();
  ASSERT_THAT(mapping, SyscallSucceeds());
  Revoke();
  ExpectAllDead(mapping);
}

REVOKE_TEST_P(MappingShape, ObjectGoneAndItsMemoryPutToOtherUse, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  RevokeObject();
  ExpectAllDead(mapping);
  ExpectMemoryUntouched();
  ASSERT_THAT(control().Recreate(dev()), SyscallSucceeds());
  ExpectAllDead(mapping);
}

REVOKE_TEST_P(MappingShape, ForkedChild, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  Checkpoint touched;
  Checkpoint revoked;
  Child child([&] {
    // By inherited PTEs or by faults, all of the memory is there.
    for (std::size_t page = 0; page < kShapePages; ++page) {
      const ProbeResult<std::uint64_t> read = Probe::Read(PageWord(mapping, page));
      TEST_CHECK(!read.fault && read.value == Stamp(page));
      TEST_CHECK(!Probe::Write(PageWord(mapping, page), Stamp(page)).fault);
    }
    touched.Reach();
    TEST_CHECK(revoked.WaitFor(1));
    for (std::size_t page = 0; page < kShapePages; ++page) {
      TEST_CHECK(DiesOfSigbus(PageWord(mapping, page)));
      TEST_CHECK(
          IsSigbusAt(Probe::Write(PageWord(mapping, page), 0xbad).fault, PageWord(mapping, page)));
    }
    TEST_PCHECK(munmap(mapping.base(), mapping.size()) == 0);
  });
  ASSERT_TRUE(touched.WaitFor(1));
  Revoke();
  revoked.Reach();
  EXPECT_THAT(child.Wait(), Exited(0));
  ExpectAllDead(mapping);
}

REVOKE_TEST_P(MappingShape, ChildForkedAfterwards, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  Revoke();
  EXPECT_THAT(InChild([&] { TEST_CHECK(DiesOfSigbus(PageWord(mapping, 0))); }), Exited(0));
}

REVOKE_TEST_P(MappingShape, Moved, baseline::kEnosys) {
  Mapping mapping = Map();
  ExpectAlive(mapping);
  const Mapping room = Mapping::Anonymous(mapping.size(), PROT_NONE);
  ASSERT_EQ(mremap(mapping.base(), mapping.size(), mapping.size(), MREMAP_MAYMOVE | MREMAP_FIXED,
                   room.base()),
            room.base());
  static_cast<void>(mapping.Release());
  ExpectAlive(room);
  Revoke();
  ExpectAllDead(room);
}

REVOKE_TEST_P(MappingShape, SplitByUnmapping, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  ASSERT_THAT(munmap(const_cast<std::uint64_t*>(PageWord(mapping, 4)), 2 * PageSize()),
              SyscallSucceeds());
  Revoke();
  for (const std::size_t page : {0, 3, 6, 15}) ExpectDead(PageWord(mapping, page));
  EXPECT_THAT(Probe::Read(PageWord(mapping, 4)),
              DiesOfSigsegvAt(PageWord(mapping, 4), SEGV_MAPERR));
}

REVOKE_TEST_P(MappingShape, SplitByProtection, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  auto* middle = const_cast<std::uint64_t*>(PageWord(mapping, 5));
  ASSERT_THAT(mprotect(middle, 3 * PageSize(), PROT_READ), SyscallSucceeds());
  Revoke();
  for (const std::size_t page : {0, 4, 8, 15}) ExpectDead(PageWord(mapping, page));
  EXPECT_THAT(Probe::Read(PageWord(mapping, 5)), DiesOfSigbusAt(PageWord(mapping, 5)));
  EXPECT_THAT(Probe::Write(PageWord(mapping, 5), 0xbad),
              DiesOfSigsegvAt(PageWord(mapping, 5), SEGV_ACCERR));
}

REVOKE_TEST_P(MappingShape, ProtectedThenOpenedUp, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  ASSERT_THAT(mprotect(mapping.base(), mapping.size(), PROT_NONE), SyscallSucceeds());
  Revoke();
  ASSERT_THAT(mprotect(mapping.base(), mapping.size(), PROT_READ | PROT_WRITE), SyscallSucceeds());
  ExpectAllDead(mapping);
}

REVOKE_TEST_P(MappingShape, ManyMappingsOfOneFile, baseline::kEnosys) {
  const Mapping whole = Map();
  const Mapping part = Map(3);
  const Mapping read_only = Map(kShapePages, PROT_READ);
  ExpectAlive(whole);
  ExpectAlive(part);
  ExpectAlive(read_only);
  Revoke();
  ExpectAllDead(whole);
  ExpectAllDead(part);
  EXPECT_THAT(Probe::Read(PageWord(read_only, 0)), DiesOfSigbusAt(PageWord(read_only, 0)));
}

REVOKE_TEST_P(MappingPrivate, UntouchedAndCopiedPagesAlike, baseline::kEnosys) {
  const Mapping mapping = Map(kShapePages, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  ExpectAlive(mapping);
  EXPECT_THAT(Probe::Write(PageWord(mapping, 0), 0xc0b1U), Survives());
  EXPECT_EQ(control().Peek(dev(), 0), Stamp(0));
  Revoke();
  // The copy too: whoever is to lose the device loses what was read from it.
  ExpectAllDead(mapping);
}

// ---- the kernel on behalf of a process ----

REVOKE_TEST_P(MappingShape, ReadIntoIt, baseline::kEnosys) {
  const Mapping mapping = Map();
  const FileDescriptor source = MemFd("source", 4096);
  ASSERT_THAT(pread(source.get(), const_cast<std::uint64_t*>(PageWord(mapping, 2)) + 1, 8, 0),
              SyscallSucceedsWithValue(8));
  Revoke();
  for (const std::size_t page : {2, 9}) {
    EXPECT_THAT(pread(source.get(), const_cast<std::uint64_t*>(PageWord(mapping, page)), 8, 0),
                SyscallFailsWithErrno(EFAULT));
  }
}

REVOKE_TEST_P(MappingShape, WriteOutOfIt, baseline::kEnosys) {
  const Mapping mapping = Map();
  const FileDescriptor sink = MemFd("sink", 0);
  ASSERT_THAT(write(sink.get(), const_cast<std::uint64_t*>(PageWord(mapping, 2)), 8),
              SyscallSucceedsWithValue(8));
  Revoke();
  for (const std::size_t page : {2, 9}) {
    EXPECT_THAT(write(sink.get(), const_cast<std::uint64_t*>(PageWord(mapping, page)), 8),
                SyscallFailsWithErrno(EFAULT));
  }
}

REVOKE_TEST_P(MappingShape, ProcMem, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  const FileDescriptor memory = revoke_test::Open("/proc/self/mem", O_RDWR);
  Revoke();
  std::uint64_t word = 0;
  const auto address = reinterpret_cast<off_t>(PageWord(mapping, 1));
  EXPECT_THAT(pread(memory.get(), &word, sizeof(word), address), SyscallFailsWithErrno(EIO));
  EXPECT_THAT(pwrite(memory.get(), &word, sizeof(word), address), SyscallFailsWithErrno(EIO));
}

REVOKE_TEST_P(MappingShape, ProcessVm, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  Revoke();
  std::uint64_t word = 0;
  const iovec local = {.iov_base = &word, .iov_len = sizeof(word)};
  const iovec remote = {.iov_base = const_cast<std::uint64_t*>(PageWord(mapping, 1)),
                        .iov_len = sizeof(word)};
  EXPECT_THAT(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), SyscallFailsWithErrno(EFAULT));
  EXPECT_THAT(process_vm_writev(getpid(), &local, 1, &remote, 1, 0), SyscallFailsWithErrno(EFAULT));
}

REVOKE_TEST_P(MappingShape, Futex, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  Revoke();
  EXPECT_THAT(syscall(SYS_futex, PageWord(mapping, 0), FUTEX_WAIT_PRIVATE, 0, nullptr),
              SyscallFailsWithErrno(EFAULT));
}

// ---- getting rid of it ----

REVOKE_TEST_P(MappingShape, Unmap, baseline::kEnosys) {
  Mapping mapping = Map();
  ExpectAlive(mapping);
  Revoke();
  EXPECT_THAT(munmap(const_cast<std::uint64_t*>(PageWord(mapping, 7)), PageSize()),
              SyscallSucceeds());
  ExpectDead(PageWord(mapping, 8));
  EXPECT_THAT(mapping.Unmap(), SyscallSucceeds());
  EXPECT_THAT(fd().Close(), SyscallSucceeds());
}

REVOKE_TEST_P(MappingShape, MapSomethingElseOverIt, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  Revoke();
  void* middle = const_cast<std::uint64_t*>(PageWord(mapping, 3));
  ASSERT_EQ(mmap(middle, PageSize(), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
            middle);
  EXPECT_THAT(Probe::Read(PageWord(mapping, 3)), ReadsValue(0U));
  EXPECT_THAT(Probe::Write(PageWord(mapping, 3), 1U), Survives());
  ExpectDead(PageWord(mapping, 2));
  ExpectDead(PageWord(mapping, 4));
}

REVOKE_TEST_P(MappingShape, OtherCallsOnIt, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  Revoke();
  EXPECT_THAT(mprotect(mapping.base(), PageSize(), PROT_NONE), SyscallSucceeds());
  EXPECT_THAT(mprotect(mapping.base(), PageSize(), PROT_READ | PROT_WRITE), SyscallSucceeds());
  const Mapping room = Mapping::Anonymous(PageSize(), PROT_NONE);
  void* last = const_cast<std::uint64_t*>(PageWord(mapping, 15));
  EXPECT_EQ(mremap(last, PageSize(), PageSize(), MREMAP_MAYMOVE | MREMAP_FIXED, room.base()),
            room.base());
  EXPECT_THAT(Probe::Read(PageWord(room, 0)), DiesOfSigbusAt(PageWord(room, 0)));
  ExpectDead(PageWord(mapping, 0));
}

REVOKE_TEST_P(MappingShape, NewMmapOfTheStaleFile, baseline::kEnosys) {
  const Mapping mapping = Map();
  Revoke();
  EXPECT_THAT(Map(), SyscallFailsWithErrno(RevokedErrnosOf(dev()).mmap));
  // What is there stays there when the attempt is made on top of it.
  const auto offset = static_cast<off_t>(REVOKE_TEST_MMAP_OFFSET(GetParam().shape, PageSize()));
  EXPECT_EQ(mmap(mapping.base(), PageSize(), PROT_READ, MAP_SHARED | MAP_FIXED, fd().get(), offset),
            MAP_FAILED);
  EXPECT_THAT(fd().Close(), SyscallSucceeds());
}

// ---- what is not taken ----

REVOKE_TEST_P(MappingShape, OtherFileOfTheSameObject, baseline::kEnosys) {
  const Mapping mapping = Map();
  const FileDescriptor other_fd = OpenDevice(dev());
  const Mapping other = MapShape(other_fd, GetParam().shape);
  ExpectAlive(mapping);
  ExpectAlive(other);
  ASSERT_THAT(RevokeFile(fd().get()), SyscallSucceedsWithValue(0));
  ExpectAllDead(mapping);
  ExpectAlive(other);
  EXPECT_THAT(Probe::Write(PageWord(other, 0), Stamp(0)), Survives());
}

REVOKE_TEST_P(MappingShape, NewFileOfTheSameDevice, baseline::kEnosys) {
  const Mapping stale = Map();
  Revoke();
  const FileDescriptor new_fd = OpenDevice(dev());
  const Mapping mapping = MapShape(new_fd, GetParam().shape);
  ExpectAlive(mapping);
  ExpectAllDead(stale);
}

// Each node has an address space of its own, with the mappings made through it.
REVOKE_TEST_P(MappingShape, MadeThroughTwoNodes, baseline::kEnosys) {
  const TempDir dir(TempDir::Kind::kTmpfs);
  ASSERT_THAT(dir.error(), SyscallSucceeds());
  const std::optional<dev_t> device = DeviceOf(NodeOf(dev()));
  ASSERT_TRUE(device);
  ASSERT_THAT(MakeDeviceNode(dir / "alias", S_IFCHR, *device), SyscallSucceeds());
  const FileDescriptor alias = revoke_test::Open(dir / "alias", O_RDWR);
  const Mapping mapping = Map();
  const Mapping through_alias = MapShape(alias, GetParam().shape);
  ExpectAlive(mapping);
  ExpectAlive(through_alias);
  Revoke();
  ExpectAllDead(mapping);
  ExpectAllDead(through_alias);
}

// What is left of the mappings of an object that has gone, while those of the next one go.
REVOKE_TEST_P(MappingShape, RevokedWithThatOfAPredecessorStillThere, baseline::kEnosys) {
  const Mapping stale = Map();
  RevokeObject();
  ASSERT_THAT(control().Recreate(dev()), SyscallSucceeds());
  const FileDescriptor new_fd = OpenDevice(dev());
  const Mapping mapping = MapShape(new_fd, GetParam().shape);
  ASSERT_THAT(mapping, SyscallSucceeds());
  ASSERT_THAT(Probe::Write(PageWord(mapping, 0), Stamp(1)), Survives());
  Revoke();
  ExpectAllDead(mapping);
  ExpectAllDead(stale);
}

REVOKE_TEST_P(MappingShape, SmapsShowThatItIsRevokable, baseline::kEnosys) {
  const Mapping mapping = Map();
  EXPECT_THAT(VmFlags(mapping), HasSubstr(" rv "));
  Revoke();
  EXPECT_THAT(VmFlags(mapping), HasSubstr(" rv "));
}

REVOKE_TEST_F(MappingTest, SmapsOfWhatIsNotRevokable, baseline::kEnosys) {
  const FileDescriptor never = OpenDevice(Dev::kNever);
  const Mapping mapping = MapShape(never, REVOKE_TEST_SHAPE_FAULT_PAGE);
  ASSERT_THAT(mapping, SyscallSucceeds());
  EXPECT_THAT(VmFlags(mapping), HasSubstr(" rd "));
  EXPECT_THAT(VmFlags(mapping), testing::Not(HasSubstr(" rv ")));
}

// ---- huge pages ----

bool HasPreemptRt() {
  utsname name{};
  EXPECT_THAT(uname(&name), SyscallSucceeds());
  return std::string_view(name.version).find("PREEMPT_RT") != std::string_view::npos;
}

REVOKE_TEST_F(MappingTest, HugePage, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  revoke_test_info info{};
  ASSERT_THAT(ioctl(fd.get(), REVOKE_TEST_INFO, &info), SyscallSucceeds());
  if (HasPreemptRt()) GTEST_SKIP() << "there are none with PREEMPT_RT";
  ASSERT_NE(info.huge_size, 0U) << "this kernel cannot map huge PFNs";
  const std::size_t huge = info.huge_size;
  // Twice as much room has an aligned address in it.
  const Mapping room = Mapping::Anonymous(2 * huge, PROT_NONE);
  const std::uintptr_t base =
      (reinterpret_cast<std::uintptr_t>(room.base()) + huge - 1) & ~(huge - 1);
  void* aligned = mmap(
      reinterpret_cast<void*>(base), huge, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd.get(),
      static_cast<off_t>(REVOKE_TEST_MMAP_OFFSET(REVOKE_TEST_SHAPE_HUGE, PageSize())));
  ASSERT_NE(aligned, MAP_FAILED) << ErrnoText(errno);
  auto* first = static_cast<volatile std::uint64_t*>(aligned);
  auto* last = first + (huge - PageSize()) / sizeof(*first);
  const auto pages = static_cast<std::uint32_t>(huge / PageSize());
  ASSERT_THAT(Probe::Read(first), ReadsValue(revoke_test_stamp(info.generation, 0)));
  ASSERT_THAT(Probe::Read(last), ReadsValue(revoke_test_stamp(info.generation, pages - 1)));
  ASSERT_GT(control().Entered(Dev::kDefault, REVOKE_TEST_VM_HUGE_FAULT), 0U);
  ASSERT_THAT(revoke(NodeOf(Dev::kDefault).c_str()), SyscallSucceedsWithValue(0));
  ExpectDead(first);
  ExpectDead(last);
}

// ---- ->open and ->close of mappings ----

// Without a promise that ->release does the work of ->close, such mappings are not made.
REVOKE_TEST_F(MappingTest, CloseIsRefusedToADriverThatDidNotPromise, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kOwner);
  EXPECT_THAT(MapShape(fd, REVOKE_TEST_SHAPE_CLOSE), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(MapShape(fd, REVOKE_TEST_SHAPE_FAULT_PFN), SyscallSucceeds());
}

class MappingClose : public MappingTest, public testing::WithParamInterface<Dev> {
 protected:
  void SetUp() override {
    MappingTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    Open(GetParam(), REVOKE_TEST_SHAPE_CLOSE);
  }
};

INSTANTIATE_TEST_SUITE_P(, MappingClose, testing::Values(Dev::kDefault, Dev::kPrepare),
                         [](const testing::TestParamInfo<Dev>& info) {
                           return info.param == Dev::kDefault ? "Mmap" : "MmapPrepare";
                         });

REVOKE_TEST_P(MappingClose, CountsAreRightWithoutRevoke, baseline::kEnosys) {
  Mapping mapping = Map();
  ASSERT_EQ(Vmas(), 1U);
  ASSERT_THAT(munmap(const_cast<std::uint64_t*>(PageWord(mapping, 4)), PageSize()),
              SyscallSucceeds());
  EXPECT_EQ(Vmas(), 2U);
  EXPECT_THAT(mapping.Unmap(), SyscallSucceeds());
  EXPECT_EQ(Vmas(), 0U);
}

REVOKE_TEST_P(MappingClose, NeitherOpenNorCloseAfterwards, baseline::kEnosys) {
  Mapping mapping = Map();
  ExpectAlive(mapping);
  Revoke();
  EXPECT_EQ(Vmas(), 0U) << "->release does what ->close would have done";
  const revoke_test_counters before = control().Counters(dev());
  ASSERT_THAT(munmap(const_cast<std::uint64_t*>(PageWord(mapping, 4)), PageSize()),
              SyscallSucceeds());
  EXPECT_THAT(InChild([&] { TEST_PCHECK(munmap(mapping.base(), mapping.size()) == 0); }),
              Exited(0));
  EXPECT_THAT(mapping.Unmap(), SyscallSucceeds());
  const revoke_test_counters after = control().Counters(dev());
  for (const revoke_test_method method :
       {REVOKE_TEST_VM_OPEN, REVOKE_TEST_VM_CLOSE, REVOKE_TEST_VM_FAULT, REVOKE_TEST_VM_ACCESS}) {
    EXPECT_EQ(after.entered[method], before.entered[method]) << "method " << method;
  }
}

REVOKE_TEST_P(MappingClose, ChildrenAreCountedToo, baseline::kEnosys) {
  const Mapping mapping = Map();
  Checkpoint forked;
  Checkpoint revoked;
  Child child([&] {
    forked.Reach();
    TEST_CHECK(revoked.WaitFor(1));
  });
  ASSERT_TRUE(forked.WaitFor(1));
  ASSERT_EQ(Vmas(), 2U);
  Revoke();
  EXPECT_EQ(Vmas(), 0U);
  revoked.Reach();
  EXPECT_THAT(child.Wait(), Exited(0));
  EXPECT_EQ(Vmas(), 0U);
}

// ---- at the very moment ----

// Both of mmap(2) and the fault are stopped in another process: they hold locks of its address
// space.

struct Moment {
  const char* name;
  Dev dev;
  revoke_test_when when;
};

void PrintTo(const Moment& moment, std::ostream* os) { *os << moment.name; }

class MappingMoment : public MappingTest, public testing::WithParamInterface<Moment> {};

INSTANTIATE_TEST_SUITE_P(
    , MappingMoment,
    testing::Values(Moment{"BeforeItDidAnything", Dev::kDefault, REVOKE_TEST_ENTER},
                    Moment{"WhenItIsAboutToReturn", Dev::kDefault, REVOKE_TEST_LEAVE},
                    Moment{"PrepareBeforeItDidAnything", Dev::kPrepare, REVOKE_TEST_ENTER},
                    Moment{"PrepareWhenItIsAboutToReturn", Dev::kPrepare, REVOKE_TEST_LEAVE}),
    [](const testing::TestParamInfo<Moment>& info) { return info.param.name; });

REVOKE_TEST_P(MappingMoment, MmapInProgress, baseline::kEnosys) {
  for (const revoke_test_shape shape :
       {REVOKE_TEST_SHAPE_REMAP_PFN, REVOKE_TEST_SHAPE_FAULT_PAGE}) {
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(GetParam().dev, shape);
    Checkpoint revoked;
    std::optional<Child> mapper;
    CallInThread revoker;
    ArmedPoint point(control(), dev(), REVOKE_TEST_MMAP, GetParam().when, REVOKE_TEST_STUCK);
    mapper.emplace([&] {
      const auto offset = static_cast<off_t>(REVOKE_TEST_MMAP_OFFSET(shape, PageSize()));
      const Mapping mapping(fd().get(), PageSize(), PROT_READ | PROT_WRITE, MAP_SHARED, offset);
      // It was on its way before the revoke, so it is made, and dead.
      TEST_CHECK(mapping.valid());
      TEST_CHECK(revoked.WaitFor(1));
      TEST_CHECK(DiesOfSigbus(PageWord(mapping, 0)));
    });
    ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
    revoker.Start([&] { return revoke(NodeOf(dev()).c_str()); });
    ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
    point.Open();
    EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
    revoked.Reach();
    EXPECT_THAT(mapper->Wait(), Exited(0));
  }
}

REVOKE_TEST_P(MappingMoment, FaultInProgress, baseline::kEnosys) {
  for (const revoke_test_shape shape :
       {REVOKE_TEST_SHAPE_FAULT_PAGE, REVOKE_TEST_SHAPE_FAULT_PFN}) {
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(GetParam().dev, shape);
    const Mapping mapping = Map();
    Checkpoint revoked;
    std::optional<Child> toucher;
    CallInThread revoker;
    ArmedPoint point(control(), dev(), REVOKE_TEST_VM_FAULT, GetParam().when, REVOKE_TEST_STUCK);
    toucher.emplace([&] {
      // It may get the page for a moment, which ends before the revoke does.
      Probe::Read(PageWord(mapping, 0));
      TEST_CHECK(revoked.WaitFor(1));
      TEST_CHECK(DiesOfSigbus(PageWord(mapping, 0)));
    });
    ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
    revoker.Start([&] { return revoke(NodeOf(dev()).c_str()); });
    ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
    point.Open();
    EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
    revoked.Reach();
    EXPECT_THAT(toucher->Wait(), Exited(0));
  }
}

// PTEs that a method puts in while the revoke waits for it.
REVOKE_TEST_F(MappingTest, InsertedByAnIoctlInProgress, baseline::kEnosys) {
  for (const revoke_test_when when : {REVOKE_TEST_ENTER, REVOKE_TEST_LEAVE}) {
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(Dev::kDefault, REVOKE_TEST_SHAPE_IOCTL);
    // Not by Map(), which would insert them.
    const auto offset =
        static_cast<off_t>(REVOKE_TEST_MMAP_OFFSET(REVOKE_TEST_SHAPE_IOCTL, PageSize()));
    const Mapping mapping(fd().get(), kShapePages * PageSize(), PROT_READ | PROT_WRITE, MAP_SHARED,
                          offset);
    ASSERT_THAT(mapping, SyscallSucceeds());
    CallInThread call;
    CallInThread revoker;
    ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_IOCTL, when, REVOKE_TEST_STUCK);
    call.Start([&] {
      revoke_test_insert insert = {.address = reinterpret_cast<std::uint64_t>(mapping.base()),
                                   .pages = kShapePages,
                                   .pad = 0};
      return ioctl(fd().get(), REVOKE_TEST_INSERT, &insert);
    });
    ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
    revoker.Start([&] { return revoke(NodeOf(Dev::kDefault).c_str()); });
    ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
    point.Open();
    EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
    EXPECT_THAT(call.Join(), SyscallSucceeds());
    ExpectAllDead(mapping);
  }
}

}  // namespace
}  // namespace revoke_test
