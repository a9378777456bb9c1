// SPDX-License-Identifier: GPL-2.0
//
// Pages that somebody holds when their mapping is taken away: fixed buffers of io_uring, for as
// long as they are registered; pipes; and accesses to another process, which take them for a
// moment. A revoke takes entries of page tables, not pages. Who has a page keeps it, and it is not
// freed, nor given to others, before he lets it go. PFNs cannot be had like this at all.

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <optional>
#include <vector>

#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "checkpoint.h"
#include "errno_matchers.h"
#include "fd.h"
#include "process.h"
#include "revokeat.h"
#include "shape_test.h"
#include "sigbus_probe.h"
#include "test_check.h"
#include "test_device.h"
#include "uring.h"

namespace revoke_test {
namespace {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;

// Whether the pages of a shape can be held: they are pages to the core, and no file system wants to
// know who writes to them.
enum class Hold { kYes, kNo };

struct Holdable {
  Shape shape;
  Hold shared;
};

void PrintTo(const Holdable& holdable, std::ostream* os) { PrintTo(holdable.shape, os); }

std::vector<Holdable> Holdables() {
  std::vector<Holdable> all;
  for (const Shape& shape : AllShapes()) {
    const bool pages =
        shape.shape == REVOKE_TEST_SHAPE_FAULT_PAGE || shape.shape == REVOKE_TEST_SHAPE_INSERT_PAGE;
    all.push_back({shape, pages ? Hold::kYes : Hold::kNo});
  }
  return all;
}

class PinsTest : public ShapeTest {
 protected:
  // Fixed buffer 0 of `ring`, of a whole mapping.
  static int Register(Uring& ring, const Mapping& mapping) {
    const iovec part = {.iov_base = mapping.base(), .iov_len = mapping.size()};
    return Result(io_uring_register_buffers(ring.get(), &part, 1));
  }
  // What fixed buffer 0 has at the beginning of page `page`, and what to put there.
  static std::uint64_t ReadFixed(Uring& ring, const Mapping& mapping, std::size_t page) {
    const FileDescriptor file = MemFd("sink", 0);
    Transfer(ring, file, mapping, page, io_uring_prep_write_fixed);
    std::uint64_t word = 0;
    EXPECT_THAT(pread(file.get(), &word, sizeof(word), 0), SyscallSucceedsWithValue(8));
    return word;
  }
  static void WriteFixed(Uring& ring, const Mapping& mapping, std::size_t page,
                         std::uint64_t word) {
    const FileDescriptor file = MemFd("source", 0);
    ASSERT_THAT(pwrite(file.get(), &word, sizeof(word), 0), SyscallSucceedsWithValue(8));
    Transfer(ring, file, mapping, page, io_uring_prep_read_fixed);
  }
  // The object goes, and a new one takes its place, of other memory, nobody else's.
  void Replace() const {
    RevokeObject();
    ASSERT_THAT(control().Recreate(dev()), SyscallSucceeds());
  }
  void ExpectNewMemoryIntact() const {
    const auto generation = control().Counters(dev()).generation;
    for (std::uint32_t page = 0; page < kShapePages; ++page) {
      EXPECT_EQ(control().Peek(dev(), page), revoke_test_stamp(generation, page)) << page;
    }
  }

 private:
  static int Result(int result) {
    if (result >= 0) return result;
    errno = -result;
    return -1;
  }
  template <typename Buffer>
  static void Transfer(Uring& ring, const FileDescriptor& file, const Mapping& mapping,
                       std::size_t page,
                       void (*prepare)(io_uring_sqe*, int, Buffer, unsigned, __u64, int)) {
    ASSERT_THAT(ring.Submit([&](io_uring_sqe* sqe) {
      prepare(sqe, file.get(), const_cast<std::uint64_t*>(PageWord(mapping, page)), 8, 0, 0);
    }),
                SyscallSucceedsWithValue(1));
    EXPECT_THAT(ring.Wait(), SyscallSucceedsWithValue(8));
  }
};

// ---- held for long ----

class PinsFixed : public PinsTest, public testing::WithParamInterface<Holdable> {
 protected:
  void SetUp() override {
    PinsTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    Open(GetParam().shape.dev, GetParam().shape.shape);
  }
};

INSTANTIATE_TEST_SUITE_P(, PinsFixed, testing::ValuesIn(Holdables()),
                         [](const testing::TestParamInfo<Holdable>& info) {
                           return info.param.shape.name;
                         });

REVOKE_TEST_P(PinsFixed, BufferOfTheDevicesPages, baseline::kEnosys) {
  const Mapping mapping = Map();
  Uring ring;
  ASSERT_THAT(ring, SyscallSucceeds());
  if (GetParam().shared == Hold::kNo) {
    EXPECT_THAT(Register(ring, mapping), SyscallFailsWithErrno(EFAULT));
    Revoke();
    EXPECT_THAT(Register(ring, mapping), SyscallFailsWithErrno(EFAULT));
    return;
  }
  ASSERT_THAT(Register(ring, mapping), SyscallSucceeds());
  EXPECT_EQ(ReadFixed(ring, mapping, 3), Stamp(3));
  // Held pages hold nobody up.
  Revoke();
  ExpectAllDead(mapping);
  EXPECT_EQ(ReadFixed(ring, mapping, 3), Stamp(3));
  WriteFixed(ring, mapping, 3, 0x5747U);
  EXPECT_EQ(control().Peek(dev(), 3), 0x5747U) << "documented: it is the same page";
  ASSERT_THAT(io_uring_unregister_buffers(ring.get()), SyscallSucceeds());
  EXPECT_THAT(Register(ring, mapping), SyscallFailsWithErrno(EFAULT));
}

REVOKE_TEST_P(PinsFixed, MemoryIsNotFreedUnderIt, baseline::kEnosys) {
  if (GetParam().shared == Hold::kNo) {
    // Who cannot get hold of it cannot keep it.
    const Mapping mapping = Map();
    ExpectAlive(mapping);
    Replace();
    ExpectAllDead(mapping);
    ExpectNewMemoryIntact();
    return;
  }
  const Mapping mapping = Map();
  Uring ring;
  ASSERT_THAT(Register(ring, mapping), SyscallSucceeds());
  Replace();
  EXPECT_EQ(ReadFixed(ring, mapping, 3), REVOKE_TEST_POISON);
  // Whoever is given memory from now on is not given this.
  std::vector<Mapping> others;
  for (int i = 0; i < 64; ++i) {
    others.push_back(Mapping::Anonymous(kShapePages * PageSize()));
    for (std::size_t page = 0; page < kShapePages; ++page) *PageWord(others[i], page) = page;
  }
  for (std::size_t page = 0; page < kShapePages; ++page) {
    WriteFixed(ring, mapping, page, 0x5747U);
    EXPECT_EQ(ReadFixed(ring, mapping, page), 0x5747U);
  }
  for (const Mapping& other : others) {
    for (std::size_t page = 0; page < kShapePages; ++page) {
      ASSERT_EQ(*PageWord(other, page), page);
    }
  }
  ExpectNewMemoryIntact();
  ExpectAllDead(mapping);
}

// A copy is anonymous memory. The mapping loses it, who holds it does not.
REVOKE_TEST_P(PinsFixed, BufferOfCopies, baseline::kEnosys) {
  if (!GetParam().shape.can_be_private) {
    EXPECT_THAT(Map(kShapePages, kReadWrite, MAP_PRIVATE), SyscallFailsWithErrno(EINVAL));
    return;
  }
  const Mapping mapping = Map(kShapePages, kReadWrite, MAP_PRIVATE);
  Uring ring;
  if (Register(ring, mapping) != 0) {
    // PFNs: not even where they have been copied.
    EXPECT_EQ(ErrnoValue(errno), ErrnoValue(EFAULT));
    EXPECT_EQ(GetParam().shape.shape, REVOKE_TEST_SHAPE_REMAP_PFN);
    return;
  }
  Replace();
  ExpectAllDead(mapping);
  EXPECT_EQ(ReadFixed(ring, mapping, 3), Stamp(3));
  WriteFixed(ring, mapping, 3, 0x5747U);
  EXPECT_EQ(ReadFixed(ring, mapping, 3), 0x5747U);
  ExpectNewMemoryIntact();
}

// ---- on its way ----

REVOKE_TEST_F(PinsTest, PageInAPipe, baseline::kEnosys) {
  Open(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE);
  const Mapping mapping = Map();
  const PipeEnds pipe = Pipe();
  const iovec part = {.iov_base = const_cast<std::uint64_t*>(PageWord(mapping, 2)), .iov_len = 8};
  ASSERT_THAT(vmsplice(pipe.write.get(), &part, 1, 0), SyscallSucceedsWithValue(8));
  Replace();
  std::uint64_t word = 0;
  EXPECT_THAT(read(pipe.read.get(), &word, sizeof(word)), SyscallSucceedsWithValue(8));
  EXPECT_EQ(word, REVOKE_TEST_POISON) << "the page itself, with what the driver has put there";
  ExpectNewMemoryIntact();
  EXPECT_THAT(vmsplice(pipe.write.get(), &part, 1, 0), SyscallFailsWithErrno(EFAULT));
}

// ---- held for a moment ----

// Anonymous memory in which the first touch sleeps until Fill().
class SlowMemory {
 public:
  SlowMemory() : uffd_(static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC))) {
    uffdio_api api = {.api = UFFD_API, .features = 0, .ioctls = 0};
    TEST_PCHECK(ioctl(uffd_.get(), UFFDIO_API, &api) == 0);
    uffdio_register request = {.range = Range(), .mode = UFFDIO_REGISTER_MODE_MISSING, .ioctls = 0};
    TEST_PCHECK(ioctl(uffd_.get(), UFFDIO_REGISTER, &request) == 0);
  }
  SlowMemory(const SlowMemory&) = delete;
  SlowMemory& operator=(const SlowMemory&) = delete;
  ~SlowMemory() { Fill(); }

  std::uint64_t* word(std::size_t page) const {
    return const_cast<std::uint64_t*>(PageWord(memory_, page));
  }
  void Fill() {
    uffdio_zeropage request = {.range = Range(), .mode = 0, .zeropage = 0};
    static_cast<void>(ioctl(uffd_.get(), UFFDIO_ZEROPAGE, &request));  // EEXIST: it has been
  }

 private:
  uffdio_range Range() const {
    return {.start = reinterpret_cast<std::uint64_t>(memory_.base()), .len = memory_.size()};
  }
  Mapping memory_ = Mapping::Anonymous(2 * PageSize());
  FileDescriptor uffd_;
};

// process_vm_readv(2) holds the page while it copies, for as long as that takes. It is no use of
// the file: nobody waits for it, and it goes on with the page that it has.
REVOKE_TEST_F(PinsTest, ProcessVmReadvThatCopiesSlowly, baseline::kEnosys) {
  Open(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE);
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  Checkpoint end;
  Child owner([&] { TEST_CHECK(end.WaitFor(1)); });
  CallInThread reader;
  SlowMemory slow;
  reader.Start([&] {
    const iovec local = {.iov_base = slow.word(0), .iov_len = 2 * PageSize()};
    const iovec remote = {.iov_base = const_cast<std::uint64_t*>(PageWord(mapping, 3)),
                          .iov_len = 2 * PageSize()};
    return process_vm_readv(owner.pid(), &local, 1, &remote, 1, 0);
  });
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_process_vm_readv, .wchan = "userf"}));
  Replace();
  ExpectAllDead(mapping);
  slow.Fill();
  EXPECT_THAT(reader.Join(), SyscallSucceedsWithValue(static_cast<long>(2 * PageSize())));
  // Of the first page a part may have been in a register.
  EXPECT_EQ(*slow.word(1), REVOKE_TEST_POISON) << "the page itself";
  ExpectNewMemoryIntact();
  end.Reach();
  EXPECT_THAT(owner.Wait(), Exited(0));
}

// A method that copies to such memory is a use, and is waited for. The kick is for sleeps that a
// signal ends; this one is begun again until the memory is there, and has to be a sleep again.
REVOKE_TEST_F(PinsTest, MethodThatCopiesSlowlySleepsOn, baseline::kEnosys) {
  Open(Dev::kDefault, REVOKE_TEST_SHAPE_FAULT_PAGE);
  ASSERT_THAT(control().PutData(dev(), 8), SyscallSucceeds());
  CallInThread reader;
  CallInThread revoker;
  SlowMemory slow;
  reader.Start([&] { return read(fd().get(), slow.word(0), 8); });
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read, .wchan = "userf"}));
  revoker.Start([&] { return revoke(NodeOf(dev()).c_str()); });
  ASSERT_TRUE(WaitUntilBlocked(revoker.tid(), {.syscall = __NR_revokeat}));
  EXPECT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read, .wchan = "userf"}));
  slow.Fill();
  EXPECT_THAT(reader.Join(), SyscallSucceedsWithValue(8));
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
}

// ---- a debugger ----

class PinsTraced : public ShapeParamTest {};

INSTANTIATE_TEST_SUITE_P(, PinsTraced, testing::ValuesIn(AllShapes()), ShapeName);

REVOKE_TEST_P(PinsTraced, PeekAndPoke, baseline::kEnosys) {
  const Mapping mapping = Map();
  Checkpoint end;
  Child tracee([&] { TEST_CHECK(end.WaitFor(1)); });
  const pid_t pid = tracee.pid();
  ASSERT_THAT(ptrace(PTRACE_SEIZE, pid, nullptr, nullptr), SyscallSucceeds());
  ASSERT_THAT(ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr), SyscallSucceeds());
  int status = 0;
  ASSERT_THAT(RetryEintr([&] { return waitpid(pid, &status, 0); }), SyscallSucceedsWithValue(pid));
  auto* word = const_cast<std::uint64_t*>(PageWord(mapping, 1));
  errno = 0;
  const long value = ptrace(PTRACE_PEEKDATA, pid, word, nullptr);
  EXPECT_EQ(ErrnoValue(errno), ErrnoValue(0));
  EXPECT_EQ(static_cast<std::uint64_t>(value), Stamp(1));
  EXPECT_THAT(ptrace(PTRACE_POKEDATA, pid, word, Stamp(1)), SyscallSucceeds());
  Revoke();
  const revoke_test_counters before = control().Counters(dev());
  errno = 0;
  EXPECT_EQ(ptrace(PTRACE_PEEKDATA, pid, word, nullptr), -1);
  EXPECT_EQ(ErrnoValue(errno), ErrnoValue(EIO));
  EXPECT_THAT(ptrace(PTRACE_POKEDATA, pid, word, 0xbadUL), SyscallFailsWithErrno(EIO));
  EXPECT_EQ(control().Peek(dev(), 1), Stamp(1));
  EXPECT_EQ(control().Entered(dev(), REVOKE_TEST_VM_ACCESS), before.entered[REVOKE_TEST_VM_ACCESS]);
  ASSERT_THAT(ptrace(PTRACE_DETACH, pid, nullptr, nullptr), SyscallSucceeds());
  end.Reach();
  EXPECT_THAT(tracee.Wait(), Exited(0));
}

}  // namespace
}  // namespace revoke_test
