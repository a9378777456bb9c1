// SPDX-License-Identifier: GPL-2.0
//
// Whatever puts entries into page tables, at the moment of a revoke and after it: faults of all
// kinds, the kernel's own accesses, and what a process may do to its mappings. Who is under way is
// held inside the driver, so that the revoke truly meets it. mapping_test has ordinary faults.

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "checkpoint.h"
#include "deadline.h"
#include "errno_matchers.h"
#include "fd.h"
#include "proc.h"
#include "process.h"
#include "revokeat.h"
#include "shape_test.h"
#include "sigbus_probe.h"
#include "skip.h"
#include "temp_dir.h"
#include "test_check.h"
#include "test_device.h"
#include "thread.h"
#include "uring.h"

namespace revoke_test {
namespace {

// The build host's headers may not know these.
constexpr int kAdviseCollapse = 25;
constexpr int kAdviseGuardInstall = 102;
constexpr int kAdviseGuardRemove = 103;
constexpr std::uint64_t kWriteProtectAsync = 1U << 15;  // UFFD_FEATURE_WP_ASYNC

constexpr revoke_test_when kWhens[] = {REVOKE_TEST_ENTER, REVOKE_TEST_LEAVE};

// ---- faults under way ----

struct FaultKind {
  const char* name;
  Dev dev;
  revoke_test_shape shape;
  revoke_test_method method;
};

void PrintTo(const FaultKind& kind, std::ostream* os) { *os << kind.name; }

class RefillFault : public ShapeTest, public testing::WithParamInterface<FaultKind> {
 protected:
  // Not Map(): that inserts what only a fault should.
  Mapping MapEmpty() const {
    return {fd().get(), kShapePages * PageSize(), PROT_READ | PROT_WRITE, MAP_SHARED, Offset()};
  }
};

INSTANTIATE_TEST_SUITE_P(
    , RefillFault,
    testing::Values(
        FaultKind{"UnderTheVmaLock", Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_VMA_LOCK,
                  REVOKE_TEST_VM_FAULT},
        FaultKind{"PageMkwrite", Dev::kDefault, REVOKE_TEST_SHAPE_PAGE_MKWRITE,
                  REVOKE_TEST_VM_PAGE_MKWRITE},
        FaultKind{"PfnMkwrite", Dev::kDefault, REVOKE_TEST_SHAPE_PFN_MKWRITE,
                  REVOKE_TEST_VM_PFN_MKWRITE},
        FaultKind{"WithClose", Dev::kDefault, REVOKE_TEST_SHAPE_CLOSE, REVOKE_TEST_VM_FAULT},
        FaultKind{"NothingToInsert", Dev::kDefault, REVOKE_TEST_SHAPE_IOCTL, REVOKE_TEST_VM_FAULT},
        FaultKind{"Prepare", Dev::kPrepare, REVOKE_TEST_SHAPE_FAULT_PAGE, REVOKE_TEST_VM_FAULT}),
    [](const testing::TestParamInfo<FaultKind>& info) { return info.param.name; });

// What is stuck is in another process: it holds locks of its address space.
REVOKE_TEST_P(RefillFault, UnderWay, baseline::kEnosys) {
  for (const revoke_test_when when : kWhens) {
    SCOPED_TRACE(when);
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(GetParam().dev, GetParam().shape);
    Checkpoint revoked;
    std::optional<Child> toucher;
    ArmedPoint point(control(), dev(), GetParam().method, when, REVOKE_TEST_STUCK);
    toucher.emplace([&] {
      const Mapping mapping = MapEmpty();
      // It may be let through, for as long as the revoke is not complete.
      Probe::Read(PageWord(mapping, 0));
      Probe::Write(PageWord(mapping, 0), Stamp(0));
      TEST_CHECK(revoked.WaitFor(1));
      CheckAllDead(mapping.base());
    });
    RevokeAcross(point);
    const std::uint64_t calls = control().Entered(dev(), REVOKE_TEST_VM_FAULT);
    revoked.Reach();
    EXPECT_THAT(toucher->Wait(), Exited(0));
    EXPECT_EQ(control().Entered(dev(), REVOKE_TEST_VM_FAULT), calls) << "the driver was asked";
  }
}

// What is inserted for one while another one does not come out goes nevertheless.
REVOKE_TEST_P(RefillFault, UnderWayWhileAnotherIsStuck, baseline::kEnosys) {
  Open(GetParam().dev, GetParam().shape);
  Checkpoint dead;
  std::optional<Child> toucher;
  CallInThread stuck;
  CallInThread revoker;
  ArmedPoint ioctl_point(control(), dev(), REVOKE_TEST_IOCTL, REVOKE_TEST_ENTER, REVOKE_TEST_STUCK);
  ArmedPoint fault_point(control(), dev(), GetParam().method, REVOKE_TEST_LEAVE, REVOKE_TEST_STUCK);
  stuck.Start([&] { return Generation(fd().get()); });
  toucher.emplace([&] {
    const Mapping mapping = MapEmpty();
    Probe::Write(PageWord(mapping, 0), Stamp(0));
    // A work item takes the entry away. Nobody says when it has.
    std::optional<Fault> fault;
    while (!(fault = Probe::Read(PageWord(mapping, 0)).fault)) sched_yield();
    TEST_CHECK(IsSigbusAt(fault, PageWord(mapping, 0)));
    dead.Reach();
  });
  ASSERT_THAT(ioctl_point.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(fault_point.WaitBlocked(), SyscallSucceeds());
  revoker.Start([&] { return revoke(NodeOf(dev()).c_str()); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  fault_point.Open();
  EXPECT_TRUE(dead.WaitFor(1));
  EXPECT_EQ(control().Entered(dev(), REVOKE_TEST_RELEASE), 0U);
  ioctl_point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(toucher->Wait(), Exited(0));
}

class RefillTest : public ShapeTest {};

REVOKE_TEST_F(RefillTest, HugeFaultUnderWay, baseline::kEnosys) {
  for (const revoke_test_when when : kWhens) {
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(Dev::kDefault, REVOKE_TEST_SHAPE_HUGE);
    revoke_test_info info{};
    ASSERT_THAT(ioctl(fd().get(), REVOKE_TEST_INFO, &info), SyscallSucceeds());
    ASSERT_NE(info.huge_size, 0U) << "this kernel cannot map huge PFNs";
    Checkpoint revoked;
    std::optional<Child> toucher;
    ArmedPoint point(control(), dev(), REVOKE_TEST_VM_HUGE_FAULT, when, REVOKE_TEST_STUCK);
    toucher.emplace([&] {
      // The device's get_unmapped_area knows what fits.
      const Mapping mapping(fd().get(), info.huge_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                            Offset());
      TEST_CHECK(reinterpret_cast<std::uintptr_t>(mapping.base()) % info.huge_size == 0);
      Probe::Read(PageWord(mapping, 0));
      TEST_CHECK(revoked.WaitFor(1));
      CheckAllDead(mapping.base(), info.huge_size / PageSize());
    });
    RevokeAcross(point);
    revoked.Reach();
    EXPECT_THAT(toucher->Wait(), Exited(0));
  }
}

// ---- the kernel on behalf of a process, under way ----

// What is done with the memory at an address. Returns what the system call does.
struct Access {
  const char* name;
  long (*make)(std::uint64_t* word);
  int error;      // once the memory has gone
  int pfn_error;  // likewise where there never were pages
};

void PrintTo(const Access& access, std::ostream* os) { *os << access.name; }

long WriteOut(std::uint64_t* word) {
  const PipeEnds pipe = Pipe();
  return write(pipe.write.get(), word, sizeof(*word));
}

long ReadByProcessVm(std::uint64_t* word) {
  std::uint64_t copy = 0;
  const iovec local = {.iov_base = &copy, .iov_len = sizeof(copy)};
  const iovec remote = {.iov_base = word, .iov_len = sizeof(*word)};
  return process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
}

long WriteByProcMem(std::uint64_t* word) {
  const FileDescriptor memory = Open("/proc/self/mem", O_RDWR);
  const std::uint64_t value = 0x5747U;
  return pwrite(memory.get(), &value, sizeof(value), reinterpret_cast<off_t>(word));
}

long GiftToPipe(std::uint64_t* word) {
  const PipeEnds pipe = Pipe();
  const iovec part = {.iov_base = word, .iov_len = sizeof(*word)};
  return vmsplice(pipe.write.get(), &part, 1, 0);
}

long RegisterAsFixedBuffer(std::uint64_t* word) {
  Uring ring;
  const iovec part = {.iov_base = word, .iov_len = PageSize()};
  const int result = io_uring_register_buffers(ring.get(), &part, 1);
  if (result >= 0) return result;
  errno = -result;
  return -1;
}

long WakeFutex(std::uint64_t* word) {
  // Not private: the page has to be there.
  return syscall(SYS_futex, word, FUTEX_WAIT, 0, nullptr);
}

template <int kAdvice>
long Advise(std::uint64_t* word) {
  return madvise(word, PageSize(), kAdvice);
}

constexpr Access kAccesses[] = {
    {"WriteOut", WriteOut, EFAULT, EFAULT},
    {"ProcessVmReadv", ReadByProcessVm, EFAULT, EFAULT},
    {"ProcMem", WriteByProcMem, EIO, EIO},
    {"Vmsplice", GiftToPipe, EFAULT, EFAULT},
    {"FixedBuffer", RegisterAsFixedBuffer, EFAULT, EFAULT},
    {"Futex", WakeFutex, EFAULT, EFAULT},
    {"PopulateRead", Advise<MADV_POPULATE_READ>, EFAULT, EINVAL},
    {"PopulateWrite", Advise<MADV_POPULATE_WRITE>, EFAULT, EINVAL},
};

std::uint64_t* Word(const Mapping& mapping, std::size_t page) {
  return const_cast<std::uint64_t*>(PageWord(mapping, page));
}

class RefillAccess : public ShapeTest, public testing::WithParamInterface<Access> {};

INSTANTIATE_TEST_SUITE_P(, RefillAccess, testing::ValuesIn(kAccesses),
                         [](const testing::TestParamInfo<Access>& info) {
                           return info.param.name;
                         });

REVOKE_TEST_P(RefillAccess, UnderWay, baseline::kEnosys) {
  for (const revoke_test_when when : kWhens) {
    SCOPED_TRACE(when);
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE);
    const Mapping mapping = Map();
    Checkpoint revoked;
    std::optional<Child> user;
    ArmedPoint point(control(), dev(), REVOKE_TEST_VM_FAULT, when, REVOKE_TEST_STUCK);
    user.emplace([&] {
      // It may have got the page before that was gone. EAGAIN: from a futex of another value.
      TEST_PCHECK(GetParam().make(Word(mapping, 0)) >= 0 || errno == GetParam().error ||
                  errno == EAGAIN);
      TEST_CHECK(revoked.WaitFor(1));
      CheckAllDead(mapping.base());
    });
    RevokeAcross(point);
    revoked.Reach();
    EXPECT_THAT(user->Wait(), Exited(0));
  }
}

REVOKE_TEST_P(RefillAccess, AfterIt, baseline::kEnosys) {
  for (const Shape& shape : AllShapes()) {
    SCOPED_TRACE(shape.name);
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(shape.dev, shape.shape);
    const Mapping mapping = Map();
    ExpectAlive(mapping);
    Revoke();
    const revoke_test_counters before = control().Counters(dev());
    const bool pages = shape.can_be_private && shape.shape != REVOKE_TEST_SHAPE_REMAP_PFN;
    const int error = pages ? GetParam().error : GetParam().pfn_error;
    for (const std::size_t page : {0, 9}) {
      EXPECT_THAT(GetParam().make(Word(mapping, page)), SyscallFailsWithErrno(error));
    }
    const revoke_test_counters after = control().Counters(dev());
    EXPECT_EQ(after.entered[REVOKE_TEST_VM_FAULT], before.entered[REVOKE_TEST_VM_FAULT]);
    EXPECT_EQ(after.entered[REVOKE_TEST_VM_ACCESS], before.entered[REVOKE_TEST_VM_ACCESS]);
    ExpectAllDead(mapping);
  }
}

// PFNs are not reached by way of pages, but of ->access.
REVOKE_TEST_F(RefillTest, DriversAccessUnderWay, baseline::kEnosys) {
  for (const revoke_test_when when : kWhens) {
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PFN);
    const Mapping mapping = Map();
    std::optional<Child> user;
    ArmedPoint point(control(), dev(), REVOKE_TEST_VM_ACCESS, when, REVOKE_TEST_STUCK);
    user.emplace([&] {
      // It was inside before the revoke.
      TEST_PCHECK(WriteByProcMem(Word(mapping, 0)) == sizeof(std::uint64_t));
      TEST_PCHECK(WriteByProcMem(Word(mapping, 0)) == -1 && errno == EIO);
    });
    RevokeAcross(point);
    EXPECT_THAT(user->Wait(), Exited(0));
  }
}

// ---- what a process may do to its mappings ----

// What mremap(2) may do to a part of a mapping, each to pages of its own.
struct Remap {
  const char* name;
  std::size_t page;
  std::size_t old_pages;
  std::size_t new_pages;
  int flags;
  bool expands;  // not for what is marked as not to be expanded, as PFNs are
};

// No piece can grow in place: there are the next one's pages.
constexpr Remap kRemaps[] = {
    {"grow", 0, 2, 4, MREMAP_MAYMOVE, true},
    {"duplicate", 4, 0, 4, MREMAP_MAYMOVE, true},
    {"leave behind", 8, 4, 4, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, true},
    {"shrink", 12, 4, 2, 0, false},
};

class RefillShape : public ShapeParamTest {
 protected:
  bool Expands() const { return shape() == REVOKE_TEST_SHAPE_INSERT_PAGE || FaultsInPages(); }
  bool FaultsInPages() const {
    return shape() == REVOKE_TEST_SHAPE_FAULT_PAGE || shape() == REVOKE_TEST_SHAPE_PAGE_MKWRITE;
  }

  // Does all of it to `mapping`, and returns what that has made.
  std::vector<Mapping> RemapParts(const Mapping& mapping) const {
    std::vector<Mapping> made;
    for (const Remap& remap : kRemaps) {
      SCOPED_TRACE(remap.name);
      void* from = Word(mapping, remap.page);
      // The address is a hint, and not optional.
      void* to = mremap(from, remap.old_pages * PageSize(), remap.new_pages * PageSize(),
                        remap.flags, nullptr);
      if (remap.expands && !Expands()) {
        EXPECT_EQ(to, MAP_FAILED);
        continue;
      }
      EXPECT_NE(to, MAP_FAILED) << ErrnoText(errno);
      EXPECT_EQ(to == from, !remap.expands);
      if (to == MAP_FAILED || to == from) continue;
      made.push_back(Mapping::Adopt(to, remap.new_pages * PageSize()));
    }
    return made;
  }
  // All of it, to another place.
  static Mapping Move(Mapping mapping, const Mapping& room) {
    const std::size_t size = mapping.size();
    return Mapping::Adopt(
        mremap(mapping.Release(), size, size, MREMAP_MAYMOVE | MREMAP_FIXED, room.base()), size);
  }

  // After the revoke. Where something has been moved away or cut off, nothing is mapped at all.
  void ExpectPartsGone(const Mapping& mapping) const {
    for (std::size_t page = 0; page < kShapePages; ++page) {
      if ((page < 2 && Expands()) || page >= 14) {
        EXPECT_THAT(Probe::Read(PageWord(mapping, page)),
                    DiesOfSigsegvAt(PageWord(mapping, page), SEGV_MAPERR));
      } else {
        ExpectDead(PageWord(mapping, page));
      }
    }
  }
};

INSTANTIATE_TEST_SUITE_P(, RefillShape, testing::ValuesIn(AllShapes()), ShapeName);

REVOKE_TEST_P(RefillShape, Madvise, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  Revoke();
  std::vector<int> all = {kAdviseGuardInstall, kAdviseGuardRemove};
  for (int advice = 0; advice <= kAdviseCollapse; ++advice) all.push_back(advice);
  for (const int advice : all) {
    // Some of it is refused. What counts is what there is afterwards.
    static_cast<void>(madvise(mapping.base(), mapping.size(), advice));
    if (advice == kAdviseGuardInstall) continue;
    SCOPED_TRACE(advice);
    ExpectDead(PageWord(mapping, 0));
    ExpectDead(PageWord(mapping, 15));
  }
}

// Before, so that there is more than one piece, and after.
REVOKE_TEST_P(RefillShape, Mremap, baseline::kEnosys) {
  const std::size_t pieces = Expands() ? 3 : 0;
  const Mapping room = Mapping::Anonymous(kShapePages * PageSize(), PROT_NONE);
  const Mapping late_room = Mapping::Anonymous(kShapePages * PageSize(), PROT_NONE);
  const Mapping mapping = Map();
  const Mapping late = Map();
  Mapping late_whole = Map();
  ExpectAlive(mapping);
  ExpectAlive(late);
  ExpectAlive(late_whole);
  const Mapping moved = Move(Map(), room);
  const std::vector<Mapping> made = RemapParts(mapping);
  ASSERT_EQ(made.size(), pieces);
  ExpectAlive(moved);
  for (std::size_t i = 0; FaultsInPages() && i < pieces; ++i) {
    ExpectAlive(made[i], kRemaps[i].page);
  }

  Revoke();
  const Mapping late_moved = Move(std::move(late_whole), late_room);
  ASSERT_THAT(late_moved, SyscallSucceeds());
  const std::vector<Mapping> late_made = RemapParts(late);
  ASSERT_EQ(late_made.size(), pieces);
  ExpectPartsGone(mapping);
  ExpectPartsGone(late);
  ExpectAllDead(moved);
  ExpectAllDead(late_moved);
  for (std::size_t i = 0; i < pieces; ++i) {
    ExpectAllDead(made[i]);
    ExpectAllDead(late_made[i]);
  }
}

// The address space is another task's as well: nothing is inherited, everything is shared.
class RefillShared : public ShapeTest, public testing::WithParamInterface<int> {};

INSTANTIATE_TEST_SUITE_P(, RefillShared, testing::Values(CLONE_VM | CLONE_VFORK, CLONE_VM),
                         [](const testing::TestParamInfo<int>& info) {
                           return (info.param & CLONE_VFORK) != 0 ? "Vfork" : "CloneVm";
                         });

struct SharedTask {
  const ShapeTest* test;
  const Mapping* mapping;
  const Checkpoint* revoked;
  Checkpoint* touched;
};

// With the thread-local variables of its parent, which is therefore not to run meanwhile.
int TouchTwice(void* argument) {
  const auto* task = static_cast<const SharedTask*>(argument);
  Probe::Read(PageWord(*task->mapping, 0));
  task->touched->Reach();
  if (!task->revoked->WaitFor(1)) return 1;
  for (std::size_t page = 0; page < kShapePages; ++page) {
    if (!DiesOfSigbus(PageWord(*task->mapping, page))) return 2;
  }
  return 0;
}

REVOKE_TEST_P(RefillShared, ATaskWithoutTheDescriptor, baseline::kEnosys) {
  Open(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE);
  const Mapping mapping = Map();
  const Mapping stack = Mapping::Anonymous(256 * 1024);
  Checkpoint touched;
  Checkpoint revoked;
  SharedTask task = {.test = this, .mapping = &mapping, .revoked = &revoked, .touched = &touched};
  ASSERT_THAT(fd().Close(), SyscallSucceeds());
  int status = -1;
  ScopedThread parent([&] {
    Probe::Read(PageWord(mapping, 1));  // what a probe sets up is there, then
    const pid_t pid = clone(TouchTwice, static_cast<char*>(stack.base()) + stack.size(),
                            GetParam() | SIGCHLD, &task);
    TEST_PCHECK(pid > 0 && waitpid(pid, &status, __WALL) == pid);
  });
  EXPECT_TRUE(touched.WaitFor(1));
  Revoke();
  revoked.Reach();
  parent.Join();
  EXPECT_THAT(ExitStatus::FromWait(status), Exited(0));
  ExpectAllDead(mapping);
}

// Only that mode is there for memory of devices: pages are write-protected, nobody is told.
REVOKE_TEST_F(RefillTest, Userfaultfd, baseline::kEnosys) {
  Open(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE);
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  const FileDescriptor uffd(static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC)));
  ASSERT_THAT(uffd, SyscallSucceeds());
  uffdio_api api = {.api = UFFD_API, .features = kWriteProtectAsync, .ioctls = 0};
  ASSERT_THAT(ioctl(uffd.get(), UFFDIO_API, &api), SyscallSucceeds());
  const uffdio_range range = {.start = reinterpret_cast<std::uint64_t>(mapping.base()),
                              .len = mapping.size()};
  uffdio_register missing = {.range = range, .mode = UFFDIO_REGISTER_MODE_MISSING, .ioctls = 0};
  EXPECT_THAT(ioctl(uffd.get(), UFFDIO_REGISTER, &missing), SyscallFailsWithErrno(EINVAL));
  uffdio_register protect = {.range = range, .mode = UFFDIO_REGISTER_MODE_WP, .ioctls = 0};
  ASSERT_THAT(ioctl(uffd.get(), UFFDIO_REGISTER, &protect), SyscallSucceeds());
  uffdio_writeprotect on = {.range = range, .mode = UFFDIO_WRITEPROTECT_MODE_WP};
  ASSERT_THAT(ioctl(uffd.get(), UFFDIO_WRITEPROTECT, &on), SyscallSucceeds());
  ExpectAlive(mapping);
  Revoke();
  ExpectAllDead(mapping);
  EXPECT_THAT(ioctl(uffd.get(), UFFDIO_WRITEPROTECT, &on), SyscallSucceeds());
  uffdio_writeprotect off = {.range = range, .mode = 0};
  EXPECT_THAT(ioctl(uffd.get(), UFFDIO_WRITEPROTECT, &off), SyscallSucceeds());
  const Mapping source = Mapping::Anonymous(PageSize());
  uffdio_copy copy = {.dst = range.start,
                      .src = reinterpret_cast<std::uint64_t>(source.base()),
                      .len = PageSize(),
                      .mode = 0,
                      .copy = 0};
  EXPECT_NE(ioctl(uffd.get(), UFFDIO_COPY, &copy), 0);
  ExpectAllDead(mapping);
  auto unregistered = range;
  EXPECT_THAT(ioctl(uffd.get(), UFFDIO_UNREGISTER, &unregistered), SyscallSucceeds());
  ExpectAllDead(mapping);
}

// ---- NUMA balancing ----

// It makes entries fault, now and then, and puts them back when they are
// touched.
class RefillNuma : public ShapeTest {
 protected:
  static bool IsOn() {
    return ReadSmallFile("/proc/sys/kernel/numa_balancing").value_or("") == "1\n";
  }
  // How often that has happened, to anybody.
  static std::uint64_t Faults() {
    const std::string text = ReadSmallFile("/proc/vmstat").value_or("");
    const std::string key = "\nnuma_hint_faults ";
    const std::size_t at = text.find(key);
    return at == std::string::npos ? 0 : std::stoull(text.substr(at + key.size()));
  }
};

REVOKE_TEST_F(RefillNuma, BringsNothingBack, baseline::kEnosys) {
  REVOKE_SKIP_IF(!IsOn(), "the kernel has no NUMA balancing, or one node only");
  Open(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE);
  const std::uint64_t before = Faults();
  Checkpoint touching;
  Checkpoint revoked;
  Child toucher([&] {
    const Mapping mapping = Map();
    const Mapping copies = Map(kShapePages, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    TEST_CHECK(mapping.valid() && copies.valid());
    touching.Reach();
    for (bool alive = true; alive;) {
      for (std::size_t page = 0; page < kShapePages; ++page) {
        alive = alive && !Probe::Read(PageWord(mapping, page)).fault &&
                !Probe::Write(PageWord(copies, page), 1).fault;
      }
    }
    TEST_CHECK(revoked.WaitFor(1));
    CheckAllDead(mapping.base());
    CheckAllDead(copies.base());
  });
  ASSERT_TRUE(touching.WaitFor(1));
  const Deadline deadline(kDefaultWait);
  while (Faults() == before) {
    ASSERT_FALSE(deadline.Passed()) << "no entry is made to fault";
    sched_yield();
  }
  Revoke();
  revoked.Reach();
  EXPECT_THAT(toucher.Wait(), Exited(0));
}

// ---- the end of a process ----

// The OOM killer's reaper takes private pages of a process that does not get to its end: here as
// process_mrelease(2), which is the same.
REVOKE_TEST_F(RefillTest, ReapedWhileStuckInAFault, baseline::kEnosys) {
  Open(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE);
  std::optional<Child> victim;
  ArmedPoint point(control(), dev(), REVOKE_TEST_VM_FAULT, REVOKE_TEST_LEAVE, REVOKE_TEST_STUCK);
  victim.emplace([&] {
    const Mapping shared = Map();
    const Mapping copies = Map(kShapePages, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    Probe::Write(PageWord(copies, 0), 1);
  });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  const FileDescriptor process = PidFd(victim->pid());
  ASSERT_THAT(victim->Signal(SIGKILL), SyscallSucceeds());
  EXPECT_THAT(syscall(SYS_process_mrelease, process.get(), 0), SyscallSucceeds());
  RevokeAcross(point);
  EXPECT_THAT(victim->Wait(), KilledBySignal(SIGKILL));
}

// The dump reads the pages of the process, by faults.
REVOKE_TEST_F(RefillTest, DumpsCore, baseline::kEnosys) {
  for (const revoke_test_when when : kWhens) {
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE);
    const TempDir dir;
    std::optional<Child> dumper;
    ArmedPoint point(control(), dev(), REVOKE_TEST_VM_FAULT, when, REVOKE_TEST_STUCK);
    dumper.emplace([&] {
      const Mapping mapping = Map();
      const rlimit unlimited = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
      TEST_PCHECK(setrlimit(RLIMIT_CORE, &unlimited) == 0);
      TEST_PCHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
      TEST_PCHECK(chdir(dir.path().c_str()) == 0);
      const FileDescriptor filter = revoke_test::Open("/proc/self/coredump_filter", O_RDWR);
      TEST_PCHECK(write(filter.get(), "0x3f", 4) == 4);  // mappings of files, shared ones, too
      signal(SIGABRT, SIG_DFL);
      abort();
    });
    RevokeAcross(point);
    EXPECT_THAT(dumper->Wait(), KilledBySignal(SIGABRT));
    EXPECT_EQ(control().Counters(dev()).files, 0U);
  }
}

}  // namespace
}  // namespace revoke_test
