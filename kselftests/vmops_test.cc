// SPDX-License-Identifier: GPL-2.0
//
// The table of the core that stands in for the driver's vm_operations_struct. As long as nothing is
// revoked nobody can tell: the test device is compared with its twin that cannot be revoked. ->open
// and ->close are balanced whatever meets a revoke. And nobody's mmap_lock is ever needed for it.

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <optional>
#include <sstream>
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
#include "proc.h"
#include "process.h"
#include "revokeat.h"
#include "shape_test.h"
#include "sigbus_probe.h"
#include "skip.h"
#include "stuck_file.h"
#include "temp_dir.h"
#include "test_check.h"
#include "test_device.h"
#include "thread.h"
#include "uring.h"
#include "vma_info.h"

namespace revoke_test {
namespace {

using testing::HasSubstr;

// The build host's headers may not know these.
constexpr int kAdviseCollapse = 25;
constexpr std::uint64_t kWriteProtectAsync = 1U << 15;  // UFFD_FEATURE_WP_ASYNC

constexpr int kReadWrite = PROT_READ | PROT_WRITE;
constexpr revoke_test_when kWhens[] = {REVOKE_TEST_ENTER, REVOKE_TEST_LEAVE};

// ---- the twin ----

// What happened when a device was used in some way, as text, but for what tells devices apart.
class Story {
 public:
  Story(const TestControl& control, Dev dev) : control_(control), dev_(dev) {}

  template <typename V>
  Story& Tell(const std::string& what, const V& value) {
    text_ << what << ": " << value << '\n';
    return *this;
  }
  // The result of a system call. Addresses are of no interest.
  Story& TellCall(const std::string& what, long result) {
    const int error = errno;
    return result == -1 ? Tell(what, ErrnoName(error)) : Tell(what, "succeeds");
  }
  Story& TellCall(const std::string& what, const void* result) {
    return TellCall(what, result == MAP_FAILED ? -1L : 0L);
  }
  // The same of one that has to succeed: two devices that both fail are alike, too.
  template <typename R>
  Story& TellSuccess(const std::string& what, R result) {
    const int error = errno;
    EXPECT_FALSE(Failed(result)) << NodeOf(dev_) << ", " << what << ": " << ErrnoName(error);
    errno = error;
    return TellCall(what, result);
  }
  Story& TellFault(const std::string& what, const std::optional<Fault>& fault) {
    if (!fault) return Tell(what, "no fault");
    return Tell(what + ", signal", fault->signo).Tell(what + ", code", fault->code);
  }
  // How often each method of the driver's has been called.
  Story& TellCounters() {
    const revoke_test_counters counters = control_.Counters(dev_);
    for (int method = REVOKE_TEST_MMAP; method <= REVOKE_TEST_VM_ACCESS; ++method) {
      Tell("method " + std::to_string(method), counters.entered[method]);
    }
    return Tell("vmas", counters.vmas);
  }
  Story& TellVmas(const Mapping& room) {
    for (const Vma& vma : VmasOf(getpid(), room.base(), room.size())) {
      std::string flags = vma.flags;
      if (const std::size_t at = flags.find(" rv "); at != std::string::npos) flags.erase(at, 3);
      Tell("VMA at", vma.start - reinterpret_cast<std::uintptr_t>(room.base()));
      Tell("flags", flags);
      for (const auto& [key, value] : vma.kilobytes) Tell(key, value);
    }
    return *this;
  }

  std::string text() const { return text_.str(); }

 private:
  static bool Failed(long result) { return result == -1; }
  static bool Failed(const void* result) { return result == MAP_FAILED; }

  const TestControl& control_;
  Dev dev_;
  std::ostringstream text_;
};

class VmOpsTwin : public ShapeParamTest {
 protected:
  using Script = std::function<void(Story&, const FileDescriptor&)>;

  // The script, played on the device and on the twin, tells the same.
  void Compare(const Script& script) const {
    std::string told[2];
    const Dev devices[2] = {Dev::kDefault, Dev::kNever};
    for (int i = 0; i < 2; ++i) {
      ASSERT_THAT(control().Reset(), SyscallSucceeds());
      Story story(control(), devices[i]);
      const FileDescriptor fd = OpenDevice(devices[i]);
      script(story, fd);
      told[i] = story.TellCounters().text();
    }
    EXPECT_EQ(told[0], told[1]);
  }
  std::vector<int> Sharings() const {
    if (GetParam().can_be_private) return {MAP_SHARED, MAP_PRIVATE};
    return {MAP_SHARED};
  }
  void* MapInto(const FileDescriptor& fd, const Mapping& room, std::size_t from, std::size_t to,
                int sharing, int prot = kReadWrite) const {
    return mmap(Page(room, from), (to - from) * PageSize(), prot, sharing | MAP_FIXED, fd.get(),
                Offset(from));
  }
};

std::vector<Shape> TwinShapes() {
  std::vector<Shape> shapes;
  for (const Shape& shape : AllShapes()) {
    if (shape.dev == Dev::kDefault) shapes.push_back(shape);
  }
  return shapes;
}

INSTANTIATE_TEST_SUITE_P(, VmOpsTwin, testing::ValuesIn(TwinShapes()), ShapeName);

REVOKE_TEST_P(VmOpsTwin, MergesAlike, baseline::kEnosys) {
  for (const int sharing : Sharings()) {
    Compare([&](Story& story, const FileDescriptor& fd) {
      const Mapping room = Mapping::Anonymous(kShapePages * PageSize(), PROT_NONE);
      story.TellSuccess("first", MapInto(fd, room, 0, 4, sharing));
      story.TellSuccess("behind", MapInto(fd, room, 4, 8, sharing));
      story.TellSuccess("apart", MapInto(fd, room, 12, 16, sharing));
      story.TellVmas(room);
      story.TellSuccess("between", MapInto(fd, room, 8, 12, sharing));
      story.TellVmas(room);
      story.TellSuccess("other protection", mprotect(Page(room, 2), 2 * PageSize(), PROT_READ));
      story.TellVmas(room);
      story.TellSuccess("the same again", mprotect(Page(room, 2), 2 * PageSize(), kReadWrite));
      story.TellVmas(room);
      story.TellSuccess("hole", munmap(Page(room, 6), PageSize()));
      story.TellVmas(room);
    });
  }
}

REVOKE_TEST_P(VmOpsTwin, FaultsAlike, baseline::kEnosys) {
  for (const int sharing : Sharings()) {
    for (const int prot : {PROT_READ, kReadWrite}) {
      Compare([&](Story& story, const FileDescriptor& fd) {
        const Mapping mapping = MapShape(fd, GetParam().shape, kShapePages, prot, sharing);
        for (std::size_t page = 0; page < kShapePages; ++page) {
          // Some are read first, then written to, some the other way round.
          for (std::size_t turn = 0; turn < 2; ++turn) {
            const bool write = (page + turn) % 2 == 0;
            const std::optional<Fault> fault =
                write ? Probe::Write(PageWord(mapping, page), page).fault
                      : Probe::Read(PageWord(mapping, page)).fault;
            story.TellFault(write ? "write" : "read", fault);
            // Only what is not permitted fails.
            if (write && (prot & PROT_WRITE) == 0) {
              ASSERT_TRUE(fault);
              EXPECT_EQ(fault->signo, SIGSEGV);
            } else {
              EXPECT_FALSE(fault) << page;
            }
          }
          story.TellCounters();
        }
        story.TellVmas(mapping);
        // What has been written to is written to again after it has been made clean.
        story.TellSuccess("msync", msync(mapping.base(), mapping.size(), MS_SYNC));
        story.TellSuccess("protect", mprotect(mapping.base(), mapping.size(), PROT_READ));
        story.TellSuccess("unprotect", mprotect(mapping.base(), mapping.size(), prot));
        const std::optional<Fault> again = Probe::Write(PageWord(mapping, 0), 1).fault;
        story.TellFault("write again", again);
        EXPECT_EQ(again.has_value(), (prot & PROT_WRITE) == 0);
      });
    }
  }
}

long RegisterBuffer(const Mapping& mapping) {
  Uring ring;
  const iovec part = {.iov_base = mapping.base(), .iov_len = mapping.size()};
  const int result = io_uring_register_buffers(ring.get(), &part, 1);
  if (result >= 0) return 0;
  errno = -result;
  return -1;
}

long Register(const Mapping& mapping, std::uint64_t features, std::uint64_t mode) {
  const FileDescriptor uffd(static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC)));
  uffdio_api api = {.api = UFFD_API, .features = features, .ioctls = 0};
  if (ioctl(uffd.get(), UFFDIO_API, &api) != 0) return -1;
  uffdio_register request = {
      .range = {.start = reinterpret_cast<std::uint64_t>(mapping.base()), .len = mapping.size()},
      .mode = mode,
      .ioctls = 0};
  return ioctl(uffd.get(), UFFDIO_REGISTER, &request);
}

// What any memory of a device takes.
bool IsHarmless(int advice) {
  switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_DONTFORK:
    case MADV_DONTDUMP:
      return true;
    default:
      return false;
  }
}

// Whether there are pages behind the memory, which the kernel can get hold of.
bool HasPages(revoke_test_shape shape) {
  switch (shape) {
    case REVOKE_TEST_SHAPE_INSERT_PAGE:
    case REVOKE_TEST_SHAPE_FAULT_PAGE:
    case REVOKE_TEST_SHAPE_PAGE_MKWRITE:
      return true;
    default:
      return false;
  }
}

REVOKE_TEST_P(VmOpsTwin, AnswersToCallsAlike, baseline::kEnosys) {
  for (const int sharing : Sharings()) {
    Compare([&](Story& story, const FileDescriptor& fd) {
      const auto map = [&] {
        return MapShape(fd, GetParam().shape, kShapePages, kReadWrite, sharing);
      };
      for (int advice = 0; advice <= kAdviseCollapse; ++advice) {
        // See PrivateCopiesAreNotMerged.
        if (advice == MADV_MERGEABLE) continue;
        const Mapping mapping = map();
        const bool harmless = IsHarmless(advice);
        story.Tell("advice", advice);
        const int result = madvise(mapping.base(), mapping.size(), advice);
        harmless ? story.TellSuccess("madvise", result) : story.TellCall("madvise", result);
        const std::optional<Fault> fault = Probe::Read(PageWord(mapping, 0)).fault;
        story.TellFault("touch", fault);
        EXPECT_FALSE(harmless && fault) << advice;
        story.TellVmas(mapping);
      }
      const Mapping mapping = map();
      std::uint64_t copy = 0;
      const iovec local = {.iov_base = &copy, .iov_len = sizeof(copy)};
      const iovec remote = {.iov_base = mapping.base(), .iov_len = sizeof(copy)};
      const bool pages = HasPages(GetParam().shape);
      const auto tell = [&](const char* what, long result) {
        pages ? story.TellSuccess(what, result) : story.TellCall(what, result);
      };
      tell("process_vm_readv", process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
      tell("process_vm_writev", process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
      const FileDescriptor memory = revoke_test::Open("/proc/self/mem", O_RDWR);
      story.TellSuccess("/proc/self/mem", pread(memory.get(), &copy, sizeof(copy),
                                                reinterpret_cast<off_t>(mapping.base())));
      const PipeEnds pipe = Pipe();
      tell("vmsplice", vmsplice(pipe.write.get(), &remote, 1, 0));
      story.TellCall("fixed buffer", RegisterBuffer(mapping));
      story.TellCall("missing", Register(mapping, 0, UFFDIO_REGISTER_MODE_MISSING));
      story.TellCall("write-protect", Register(mapping, 0, UFFDIO_REGISTER_MODE_WP));
      story.TellCall("write-protect, async",
                     Register(mapping, kWriteProtectAsync, UFFDIO_REGISTER_MODE_WP));
      unsigned char present[kShapePages] = {};
      story.TellSuccess("mincore", mincore(mapping.base(), mapping.size(), present));
      for (const unsigned char page : present) story.Tell("in core", page & 1);
      story.TellSuccess("mlock", mlock(mapping.base(), mapping.size()));
      story.TellSuccess("munlock", munlock(mapping.base(), mapping.size()));
      story.TellCall("remap_file_pages", syscall(SYS_remap_file_pages, mapping.base(), PageSize(),
                                                 0, Offset(5) / 4096, 0));
      story.TellVmas(mapping);
      const std::size_t part = 4 * PageSize();
      for (const int flags : {0, MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP}) {
        for (const std::size_t old_size : {std::size_t{0}, part, 2 * part}) {
          Mapping victim = map();
          void* to = mremap(victim.base(), old_size, part, flags, nullptr);
          const bool stays = old_size > 0 && (flags & MREMAP_DONTUNMAP) == 0;
          stays ? story.TellSuccess("mremap", to) : story.TellCall("mremap", to);
          if (to != MAP_FAILED && to != victim.base()) munmap(to, part);
        }
      }
    });
  }
}

class VmOpsTest : public ShapeTest {};

REVOKE_TEST_F(VmOpsTest, HugeFaultsAlike, baseline::kEnosys) {
  std::string told[2];
  const Dev devices[2] = {Dev::kDefault, Dev::kNever};
  for (int i = 0; i < 2; ++i) {
    Story story(control(), devices[i]);
    Open(devices[i], REVOKE_TEST_SHAPE_HUGE);
    revoke_test_info info{};
    ASSERT_THAT(ioctl(fd().get(), REVOKE_TEST_INFO, &info), SyscallSucceeds());
    const Mapping mapping(fd().get(), info.huge_size, kReadWrite, MAP_SHARED, Offset());
    ASSERT_THAT(mapping, SyscallSucceeds());
    for (const std::size_t page : {0, 1, 100, 511}) {
      story.TellFault("touch", Probe::Write(PageWord(mapping, page), 1).fault);
    }
    told[i] = story.TellVmas(mapping).TellCounters().text();
    EXPECT_EQ(control().Entered(dev(), REVOKE_TEST_VM_HUGE_FAULT), 1U);
    EXPECT_EQ(control().Entered(dev(), REVOKE_TEST_VM_FAULT), 0U);
  }
  EXPECT_EQ(told[0], told[1]);
}

// KSM could not undo a merge while the file is suspended: a fault on the page may have to fail.
REVOKE_TEST_F(VmOpsTest, PrivateCopiesAreNotMerged, baseline::kEnosys) {
  for (const Dev of : {Dev::kDefault, Dev::kNever}) {
    Open(of, REVOKE_TEST_SHAPE_FAULT_PAGE);
    const Mapping mapping = Map(kShapePages, kReadWrite, MAP_PRIVATE);
    ASSERT_THAT(madvise(mapping.base(), mapping.size(), MADV_MERGEABLE), SyscallSucceeds());
    const std::vector<Vma> vmas = VmasOf(getpid(), mapping.base(), mapping.size());
    ASSERT_EQ(vmas.size(), 1U);
    EXPECT_EQ(vmas[0].flags.find(" mg ") != std::string::npos, of == Dev::kNever);
  }
}

// ---- locks of the address space ----

// A process that has threads: one that holds its mmap_lock for writing for as long as the test
// wants, inside ->mmap of another device, and one that touches memory meanwhile.
class VmOpsVmaLock : public ShapeTest, public testing::WithParamInterface<Dev> {};

INSTANTIATE_TEST_SUITE_P(, VmOpsVmaLock, testing::Values(Dev::kDefault, Dev::kNever),
                         [](const testing::TestParamInfo<Dev>& info) {
                           return info.param == Dev::kNever ? "Twin" : "Revokable";
                         });

REVOKE_TEST_P(VmOpsVmaLock, FaultsUnderTheLockOfTheVmaAlone, baseline::kEnosys) {
  for (const revoke_test_shape way :
       {REVOKE_TEST_SHAPE_FAULT_VMA_LOCK, REVOKE_TEST_SHAPE_FAULT_PFN}) {
    Open(GetParam(), way);
    const FileDescriptor other = OpenDevice(Dev::kEof);
    Checkpoint go;
    Checkpoint touched;
    std::optional<Child> process;
    ArmedPoint point(control(), Dev::kEof, REVOKE_TEST_MMAP, REVOKE_TEST_ENTER, REVOKE_TEST_STUCK);
    process.emplace([&] {
      const Mapping mapping = Map();
      std::uint64_t own = 0;
      // What a probe and a wait need is there, then: the vDSO is faulted in under the mmap_lock.
      Probe::Read(&own);
      const Deadline clock(kDefaultWait);
      ScopedThread holder([&] { MapShape(other, REVOKE_TEST_SHAPE_FAULT_PAGE); });
      TEST_CHECK(go.WaitFor(1));
      TEST_CHECK(!Probe::Read(PageWord(mapping, 0)).fault);
      touched.Reach();
    });
    ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
    go.Reach();
    if (way == REVOKE_TEST_SHAPE_FAULT_VMA_LOCK) {
      EXPECT_TRUE(touched.WaitFor(1)) << DescribeTask(process->pid());
    } else {
      // The other half of the comparison: the lock is indeed held.
      EXPECT_TRUE(WaitUntilBlocked(process->pid(), {.syscall = BlockedIn::kNoSyscall}));
      EXPECT_EQ(touched.count(), 0U);
    }
    point.Open();
    EXPECT_THAT(process->Wait(), Exited(0));
  }
}

class VmOpsMmapLock : public ShapeTest {};

// Whoever is to lose a mapping may hold its mmap_lock for ever, or for as long as a FUSE server
// likes. A revoke takes the mapping away all the same.
REVOKE_TEST_F(VmOpsMmapLock, HeldForWritingForEver, baseline::kEnosys) {
  for (const Shape& shape : AllShapes()) {
    SCOPED_TRACE(shape.name);
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    Open(shape.dev, shape.shape);
    const FileDescriptor other = OpenDevice(Dev::kEof);
    Checkpoint revoked;
    Checkpoint seen;
    std::optional<Child> process;
    ArmedPoint point(control(), Dev::kEof, REVOKE_TEST_MMAP, REVOKE_TEST_ENTER, REVOKE_TEST_STUCK);
    process.emplace([&] {
      const Mapping mapping = Map();
      TEST_CHECK(mapping.valid());
      Probe::Read(PageWord(mapping, 0));
      ScopedThread holder([&] { MapShape(other, REVOKE_TEST_SHAPE_FAULT_PAGE); });
      TEST_CHECK(revoked.WaitFor(1));
      holder.Join();
      CheckAllDead(mapping.base());
      seen.Reach();
    });
    ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
    RevokeObject();
    ExpectMemoryUntouched();
    revoked.Reach();
    EXPECT_EQ(seen.count(), 0U);
    point.Open();
    EXPECT_THAT(process->Wait(), Exited(0));
  }
}

REVOKE_TEST_F(VmOpsMmapLock, HeldByAFaultThatWaitsForFuse, baseline::kEnosys) {
  Open(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE);
  const TempDir dir;
  Checkpoint revoked;
  std::optional<Child> process;
  StuckFile stuck(dir.path(), StuckFile::Reads::kFail);
  ASSERT_THAT(stuck, SyscallSucceeds());
  const FileDescriptor file = revoke_test::Open(stuck.path(), O_RDONLY);
  ASSERT_THAT(file, SyscallSucceeds());
  Checkpoint held;
  Shared<std::atomic<pid_t>> mapper;
  process.emplace([&] {
    const Mapping mapping = Map();
    const Mapping fuse(file.get(), PageSize(), PROT_READ, MAP_SHARED);
    TEST_CHECK(mapping.valid() && fuse.valid());
    TEST_PCHECK(madvise(fuse.base(), fuse.size(), MADV_RANDOM) == 0);
    Probe::Read(PageWord(mapping, 0));
    // Made first: to make a thread takes the lock, too.
    ScopedThread mapping_thread([&] {
      TEST_CHECK(stuck.WaitUntilAsked(2));
      mapper->store(gettid());
      held.Reach();
      Mapping::Anonymous(PageSize());
    });
    ScopedThread faulting([&] { Probe::Read(fuse.At<std::uint64_t>()); });
    TEST_CHECK(revoked.WaitFor(1));
    faulting.Join();
    mapping_thread.Join();
    CheckAllDead(mapping.base());
  });
  ASSERT_TRUE(held.WaitFor(1));
  ASSERT_TRUE(WaitUntilBlocked(mapper->load(), {.syscall = SYS_mmap})) << "nobody holds mmap_lock";
  RevokeObject();
  ExpectMemoryUntouched();
  EXPECT_TRUE(WaitUntilBlocked(mapper->load(), {.syscall = SYS_mmap})) << "it has been let go";
  stuck.Answer();
  revoked.Reach();
  EXPECT_THAT(process->Wait(), Exited(0));
}

// ---- ->open and ->close, and what else is called for a mapping ----

// What makes a call of the driver, and how many VMAs there are of one afterwards.
struct Deed {
  const char* name;
  revoke_test_method method;  // called for it
  void (*commit)(const Mapping& mapping);
  std::uint64_t vmas;
};

void PrintTo(const Deed& deed, std::ostream* os) { *os << deed.name; }

void MakeHole(const Mapping& mapping) { TEST_PCHECK(munmap(Page(mapping, 4), PageSize()) == 0); }

void Protect(const Mapping& mapping) {
  TEST_PCHECK(mprotect(Page(mapping, 4), PageSize(), PROT_READ) == 0);
}

void Move(const Mapping& mapping) {
  const Mapping room = Mapping::Anonymous(PageSize(), PROT_NONE);
  void* to =
      mremap(Page(mapping, 15), PageSize(), PageSize(), MREMAP_MAYMOVE | MREMAP_FIXED, room.base());
  TEST_PCHECK(to == room.base());
}

void Fork(const Mapping& mapping) {
  const pid_t pid = fork();
  TEST_PCHECK(pid >= 0);
  if (pid == 0) _exit(mapping.valid() ? 0 : 1);
  int status = 0;
  TEST_PCHECK(RetryEintr([&] { return waitpid(pid, &status, 0); }) == pid);
}

void UnmapAll(const Mapping& mapping) { TEST_PCHECK(munmap(mapping.base(), mapping.size()) == 0); }

constexpr Deed kDeeds[] = {
    {"MakesAHole", REVOKE_TEST_VM_OPEN, MakeHole, 2}, {"Protects", REVOKE_TEST_VM_OPEN, Protect, 3},
    {"Moves", REVOKE_TEST_VM_OPEN, Move, 1},          {"Forks", REVOKE_TEST_VM_OPEN, Fork, 1},
    {"ForksAndExits", REVOKE_TEST_VM_CLOSE, Fork, 1}, {"Unmaps", REVOKE_TEST_VM_CLOSE, UnmapAll, 0},
};

class VmOpsBalance : public ShapeTest, public testing::WithParamInterface<std::tuple<Dev, Deed>> {
 protected:
  Deed deed() const { return std::get<1>(GetParam()); }
  void SetUp() override {
    ShapeTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    OpenAnew();
  }
  void OpenAnew() { Open(std::get<0>(GetParam()), REVOKE_TEST_SHAPE_CLOSE); }
  std::uint64_t Opened() const {
    const revoke_test_counters counters = control().Counters(dev());
    // One VMA comes from mmap(2) itself.
    return 1 + counters.entered[REVOKE_TEST_VM_OPEN] - counters.entered[REVOKE_TEST_VM_CLOSE];
  }
  // Runs in a process, so that its end is an exit_mmap(), and Move() can leave things behind.
  void CommitIn(std::optional<Child>& process, const std::function<void()>& then = [] {}) {
    process.emplace([this, then] {
      const Mapping mapping = Map();
      TEST_CHECK(mapping.valid());
      deed().commit(mapping);
      then();
    });
  }
};

INSTANTIATE_TEST_SUITE_P(, VmOpsBalance,
                         testing::Combine(testing::Values(Dev::kDefault, Dev::kPrepare),
                                          testing::ValuesIn(kDeeds)),
                         [](const testing::TestParamInfo<std::tuple<Dev, Deed>>& info) {
                           return (std::get<0>(info.param) == Dev::kDefault ? "Mmap" : "Prepare") +
                                  std::string(std::get<1>(info.param).name);
                         });

REVOKE_TEST_P(VmOpsBalance, BeforeARevoke, baseline::kEnosys) {
  Checkpoint done;
  Checkpoint revoked;
  std::optional<Child> process;
  CommitIn(process, [&] {
    done.Reach();
    TEST_CHECK(revoked.WaitFor(1));
  });
  ASSERT_TRUE(done.WaitFor(1));
  EXPECT_EQ(Vmas(), deed().vmas);
  EXPECT_EQ(Opened(), deed().vmas);
  Revoke();
  EXPECT_EQ(Vmas(), 0U) << "->release does what ->close would have done";
  const std::uint64_t closed = control().Entered(dev(), REVOKE_TEST_VM_CLOSE);
  revoked.Reach();
  EXPECT_THAT(process->Wait(), Exited(0));
  EXPECT_EQ(control().Entered(dev(), REVOKE_TEST_VM_CLOSE), closed);
  EXPECT_EQ(Vmas(), 0U);
}

// Inside the driver at that moment: the revoke waits for it, also for a ->close.
REVOKE_TEST_P(VmOpsBalance, AtTheMomentOfARevoke, baseline::kEnosys) {
  for (const revoke_test_when when : kWhens) {
    SCOPED_TRACE(when);
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    OpenAnew();
    std::optional<Child> process;
    ArmedPoint point(control(), dev(), deed().method, when, REVOKE_TEST_STUCK);
    CommitIn(process);
    RevokeAcross(point);
    EXPECT_EQ(Vmas(), 0U);
    EXPECT_THAT(process->Wait(), Exited(0));
    EXPECT_EQ(Vmas(), 0U);
  }
}

// Between the mark, from which on no method starts, and the ->release: these two still come.
REVOKE_TEST_P(VmOpsBalance, WhileARevokeWaits, baseline::kEnosys) {
  Checkpoint mapped;
  Checkpoint go;
  Checkpoint done;
  Checkpoint end;
  std::optional<Child> process;
  CallInThread user;
  CallInThread revoker;
  ArmedPoint point(control(), dev(), REVOKE_TEST_IOCTL, REVOKE_TEST_ENTER, REVOKE_TEST_STUCK);
  process.emplace([&] {
    const Mapping mapping = Map();
    mapped.Reach();
    TEST_CHECK(go.WaitFor(1));
    deed().commit(mapping);
    done.Reach();
    TEST_CHECK(end.WaitFor(1));
  });
  ASSERT_TRUE(mapped.WaitFor(1));
  user.Start([&] { return Generation(fd().get()); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  revoker.Start([&] { return revoke(NodeOf(dev()).c_str()); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  go.Reach();
  EXPECT_TRUE(done.WaitFor(1));
  EXPECT_EQ(Vmas(), deed().vmas);
  EXPECT_EQ(Opened(), deed().vmas);
  point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Vmas(), 0U);
  end.Reach();
  EXPECT_THAT(process->Wait(), Exited(0));
  EXPECT_EQ(Vmas(), 0U);
}

// Until `revoker`, which sleeps in revokeat(2), has been awake and sleeps there again. It looks at
// what it waits for once a second, if nobody wakes it.
testing::AssertionResult WaitUntilItSleepsAnew(pid_t revoker) {
  const std::optional<TaskState> before = ReadTask(revoker);
  if (!before) return testing::AssertionFailure() << "it has gone";
  const Deadline deadline(kDefaultWait);
  while (!deadline.Passed()) {
    const std::optional<TaskState> now = ReadTask(revoker);
    if (!now) return testing::AssertionFailure() << "it has not gone on waiting";
    if (now->voluntary_switches > before->voluntary_switches) {
      return WaitUntilBlocked(revoker, {.syscall = __NR_revokeat});
    }
    sched_yield();
  }
  return testing::AssertionFailure() << "nothing has woken it: " << DescribeTask(revoker);
}

// They are let in until the file is about to be released, which then waits for them.
REVOKE_TEST_F(VmOpsTest, ReleaseWaitsForAnOpenThatCameAfterTheMark, baseline::kEnosys) {
  Open(Dev::kDefault, REVOKE_TEST_SHAPE_CLOSE);
  std::vector<Mapping> others;
  Checkpoint mapped;
  Checkpoint go;
  std::optional<Child> process;
  CallInThread user;
  CallInThread revoker;
  ArmedPoint open_point(control(), dev(), REVOKE_TEST_VM_OPEN, REVOKE_TEST_ENTER,
                        REVOKE_TEST_STUCK);
  ArmedPoint ioctl_point(control(), dev(), REVOKE_TEST_IOCTL, REVOKE_TEST_ENTER, REVOKE_TEST_STUCK);
  process.emplace([&] {
    const Mapping mapping = Map();
    mapped.Reach();
    TEST_CHECK(go.WaitFor(1));
    MakeHole(mapping);
  });
  ASSERT_TRUE(mapped.WaitFor(1));
  // Not before the fork, which would open them, too.
  for (int i = 0; i < 4; ++i) others.push_back(Map());
  user.Start([&] { return Generation(fd().get()); });
  ASSERT_THAT(ioctl_point.WaitBlocked(), SyscallSucceeds());
  revoker.Start([&] { return revoke(NodeOf(dev()).c_str()); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  go.Reach();
  EXPECT_THAT(open_point.WaitBlocked(), SyscallSucceeds());
  ioctl_point.Open();
  user.Join();
  // When the release is next, the driver is not told of an unmapping any more.
  std::uint64_t told = 0;
  do {
    ASSERT_TRUE(WaitUntilItSleepsAnew(revoker.tid()));
    ASSERT_FALSE(others.empty()) << "the release is not next";
    told = control().Entered(dev(), REVOKE_TEST_VM_CLOSE);
    others.pop_back();
  } while (control().Entered(dev(), REVOKE_TEST_VM_CLOSE) > told);
  ASSERT_TRUE(WaitUntilItSleepsAnew(revoker.tid()));
  EXPECT_EQ(control().Entered(dev(), REVOKE_TEST_RELEASE), 0U);
  open_point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(process->Wait(), Exited(0));
  EXPECT_EQ(Vmas(), 0U);
}

// The table is there for as long as a mapping is, without descriptor, object, or driver's memory.
REVOKE_TEST_P(VmOpsBalance, LongAfterARevoke, baseline::kEnosys) {
  Checkpoint mapped;
  Checkpoint gone;
  std::optional<Child> process;
  process.emplace([&] {
    const Mapping mapping = Map();
    TEST_PCHECK(fd().Close() == 0);
    mapped.Reach();
    TEST_CHECK(gone.WaitFor(1));
    deed().commit(mapping);
  });
  ASSERT_TRUE(mapped.WaitFor(1));
  ASSERT_THAT(fd().Close(), SyscallSucceeds());
  RevokeObject();
  ASSERT_THAT(control().Recreate(dev()), SyscallSucceeds());
  const revoke_test_counters before = control().Counters(dev());
  gone.Reach();
  EXPECT_THAT(process->Wait(), Exited(0));
  const revoke_test_counters after = control().Counters(dev());
  for (int method = REVOKE_TEST_MMAP; method <= REVOKE_TEST_VM_ACCESS; ++method) {
    EXPECT_EQ(after.entered[method], before.entered[method]) << "method " << method;
  }
  EXPECT_EQ(after.vmas, 0U);
}

// ---- /proc ----

// PROCMAP_QUERY of linux/fs.h, which may be newer than the build host's.
struct ProcmapQuery {
  std::uint64_t size;
  std::uint64_t query_flags;
  std::uint64_t query_addr;
  std::uint64_t vma_start;
  std::uint64_t vma_end;
  std::uint64_t vma_flags;
  std::uint64_t vma_page_size;
  std::uint64_t vma_offset;
  std::uint64_t inode;
  std::uint32_t dev_major;
  std::uint32_t dev_minor;
  std::uint32_t vma_name_size;
  std::uint32_t build_id_size;
  std::uint64_t vma_name_addr;
  std::uint64_t build_id_addr;
};
constexpr unsigned long kProcmapQuery = _IOWR('f', 17, ProcmapQuery);

class VmOpsProc : public ShapeParamTest {
 protected:
  // The mapping of process `pid` can be seen in all that shows mappings.
  void ExpectSeen(pid_t pid, const Mapping& mapping) const {
    const std::string dir = "/proc/" + std::to_string(pid) + "/";
    const std::vector<Vma> vmas = VmasOf(pid, mapping.base(), mapping.size());
    ASSERT_EQ(vmas.size(), 1U);
    EXPECT_EQ(vmas[0].name, NodeOf(dev()));
    EXPECT_THAT(vmas[0].flags, HasSubstr(" rv "));
    EXPECT_EQ(vmas[0].end - vmas[0].start, mapping.size());
    for (const char* file : {"maps", "smaps_rollup", "status", "statm"}) {
      EXPECT_THAT(ReadSmallFile(dir + file).value_or(""), testing::Not("")) << file;
    }
    EXPECT_THAT(ReadSmallFile(dir + "maps").value_or(""), HasSubstr(NodeOf(dev())));
    // Kernels without NUMA have no such file.
    if (access((dir + "numa_maps").c_str(), F_OK) == 0) {
      EXPECT_THAT(ReadSmallFile(dir + "numa_maps").value_or(""), HasSubstr(NodeOf(dev())));
    }
    const FileDescriptor pagemap = revoke_test::Open(dir + "pagemap", O_RDONLY);
    std::uint64_t entries[kShapePages] = {};
    const auto offset = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(mapping.base()) /
                                           PageSize() * sizeof(entries[0]));
    EXPECT_THAT(pread(pagemap.get(), entries, sizeof(entries), offset),
                SyscallSucceedsWithValue(static_cast<long>(sizeof(entries))));

    const FileDescriptor maps = revoke_test::Open(dir + "maps", O_RDONLY);
    char name[256] = {};
    ProcmapQuery query{};
    query.size = sizeof(query);
    query.query_addr = reinterpret_cast<std::uint64_t>(mapping.base());
    query.vma_name_size = sizeof(name);
    query.vma_name_addr = reinterpret_cast<std::uint64_t>(name);
    ASSERT_THAT(ioctl(maps.get(), kProcmapQuery, &query), SyscallSucceeds());
    EXPECT_EQ(query.vma_start, query.query_addr);
    EXPECT_EQ(query.vma_page_size, PageSize());
    EXPECT_EQ(std::string(name), NodeOf(dev()));
  }
};

INSTANTIATE_TEST_SUITE_P(, VmOpsProc, testing::ValuesIn(AllShapes()), ShapeName);

REVOKE_TEST_P(VmOpsProc, IsReadable, baseline::kEnosys) {
  const Mapping mapping = Map();
  Checkpoint revoked;
  std::optional<Child> process;
  CallInThread user;
  CallInThread revoker;
  ArmedPoint point(control(), dev(), REVOKE_TEST_IOCTL, REVOKE_TEST_ENTER, REVOKE_TEST_STUCK);
  process.emplace([&] { TEST_CHECK(revoked.WaitFor(1)); });
  ExpectSeen(process->pid(), mapping);
  user.Start([&] { return Generation(fd().get()); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  revoker.Start([&] { return revoke(NodeOf(dev()).c_str()); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  ExpectSeen(process->pid(), mapping);
  ExpectSeen(getpid(), mapping);
  point.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  ExpectSeen(process->pid(), mapping);
  ExpectSeen(getpid(), mapping);
  revoked.Reach();
  EXPECT_THAT(process->Wait(), Exited(0));
}

// ---- perf ----

// A PERF_RECORD_MMAP2: what perf has been told of a mapping.
struct PerfMapping {
  std::uintptr_t start = 0;
  std::size_t size = 0;
  std::uint64_t offset = 0;
  std::uint32_t prot = 0;
  std::uint32_t flags = 0;
  std::string name;
};

// Listens to what the calling thread maps and protects.
class PerfListener {
 public:
  PerfListener() {
    perf_event_attr attributes{};
    attributes.type = PERF_TYPE_SOFTWARE;
    attributes.size = sizeof(attributes);
    attributes.config = PERF_COUNT_SW_DUMMY;
    attributes.mmap = 1;
    attributes.mmap_data = 1;  // not only what can be executed
    attributes.mmap2 = 1;
    fd_ = FileDescriptor(static_cast<int>(
        syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC)));
    TEST_PCHECK(fd_.valid());
    buffer_ = Mapping(fd_.get(), (1 + kPages) * PageSize());
    TEST_CHECK(buffer_.valid());
  }

  // Those that have to do with `of`, since the last call.
  std::vector<PerfMapping> Take(const Mapping& of) {
    auto* page = static_cast<perf_event_mmap_page*>(buffer_.base());
    const std::uint64_t head = std::atomic_ref(page->data_head).load(std::memory_order_acquire);
    std::vector<PerfMapping> taken;
    while (page->data_tail < head) {
      const std::uint64_t at = page->data_tail;
      const auto size = Get<std::uint16_t>(at + offsetof(perf_event_header, size));
      const PerfMapping mapping = Parse(at + sizeof(perf_event_header), at + size);
      if (Get<std::uint32_t>(at) == PERF_RECORD_MMAP2 &&
          mapping.start - reinterpret_cast<std::uintptr_t>(of.base()) < of.size()) {
        taken.push_back(mapping);
      }
      std::atomic_ref(page->data_tail).store(at + size, std::memory_order_release);
    }
    return taken;
  }

 private:
  static constexpr std::size_t kPages = 16;  // a power of two

  PerfMapping Parse(std::uint64_t at, std::uint64_t end) const {
    // pid and tid; device and inode between offset and protection
    PerfMapping mapping = {.start = Get<std::uint64_t>(at + 8),
                           .size = Get<std::uint64_t>(at + 16),
                           .offset = Get<std::uint64_t>(at + 24),
                           .prot = Get<std::uint32_t>(at + 56),
                           .flags = Get<std::uint32_t>(at + 60),
                           .name = {}};
    for (std::uint64_t i = at + 64; i < end && Get<char>(i) != 0; ++i) mapping.name += Get<char>(i);
    return mapping;
  }
  // Records are made of words of 8 bytes, so none of these is cut in two by the
  // end of the ring.
  template <typename T>
  T Get(std::uint64_t at) const {
    return *buffer_.At<T>(PageSize() + at % (kPages * PageSize()));
  }

  FileDescriptor fd_;
  Mapping buffer_;
};

class VmOpsPerf : public ShapeParamTest {
 protected:
  // perf has been told of `mapping` once, which is an ordinary mapping of the
  // device.
  void ExpectTold(PerfListener& perf, const Mapping& mapping, int prot) const {
    const std::vector<PerfMapping> told = perf.Take(mapping);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].start, reinterpret_cast<std::uintptr_t>(mapping.base()));
    EXPECT_EQ(told[0].size, mapping.size());
    EXPECT_EQ(told[0].offset, static_cast<std::uint64_t>(Offset()));
    EXPECT_EQ(told[0].prot, static_cast<std::uint32_t>(prot));
    EXPECT_EQ(told[0].flags, std::uint32_t{MAP_SHARED});
    EXPECT_EQ(told[0].name, NodeOf(dev()));
  }
};

INSTANTIATE_TEST_SUITE_P(, VmOpsPerf, testing::ValuesIn(AllShapes()), ShapeName);

// Of a change of protection it is told, too, and that works on what is dead.
REVOKE_TEST_P(VmOpsPerf, IsToldOfTheMapping, baseline::kEnosys) {
  PerfListener perf;
  const Mapping mapping = Map();
  ExpectTold(perf, mapping, kReadWrite);
  ASSERT_THAT(mprotect(mapping.base(), mapping.size(), PROT_READ), SyscallSucceeds());
  ExpectTold(perf, mapping, PROT_READ);
  Revoke();
  ASSERT_THAT(mprotect(mapping.base(), mapping.size(), kReadWrite), SyscallSucceeds());
  ExpectTold(perf, mapping, kReadWrite);
  RevokeObject();
  ASSERT_THAT(mprotect(mapping.base(), mapping.size(), PROT_READ), SyscallSucceeds());
  ExpectTold(perf, mapping, PROT_READ);
  EXPECT_THAT(InChild([&] {
                PerfListener own;
                TEST_PCHECK(mprotect(mapping.base(), mapping.size(), kReadWrite) == 0);
                TEST_CHECK(own.Take(mapping).size() == 1);
              }),
              Exited(0));
  ASSERT_THAT(mprotect(mapping.base(), mapping.size(), kReadWrite), SyscallSucceeds());
  ExpectAllDead(mapping);
}

// In the window of mmap(2), too: the revoke waits for a mapping of which perf
// is told afterwards.
REVOKE_TEST_P(VmOpsPerf, IsToldOfWhatIsDeadFromTheBeginning, baseline::kEnosys) {
  Checkpoint revoked;
  std::optional<Child> mapper;
  ArmedPoint point(control(), dev(), REVOKE_TEST_MMAP, REVOKE_TEST_LEAVE, REVOKE_TEST_STUCK);
  mapper.emplace([&] {
    PerfListener perf;
    const Mapping mapping(fd().get(), kShapePages * PageSize(), kReadWrite, MAP_SHARED, Offset());
    TEST_CHECK(mapping.valid());
    TEST_CHECK(revoked.WaitFor(1));
    const std::vector<PerfMapping> told = perf.Take(mapping);
    TEST_CHECK(told.size() == 1 && told[0].name == NodeOf(dev()));
    CheckAllDead(mapping.base());
  });
  RevokeAcross(point);
  revoked.Reach();
  EXPECT_THAT(mapper->Wait(), Exited(0));
}

}  // namespace
}  // namespace revoke_test
