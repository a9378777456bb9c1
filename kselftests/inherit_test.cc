// SPDX-License-Identifier: GPL-2.0
//
// Mappings of objects that no child shall inherit (REVOKABLE_DONTCOPY): fork(2) leaves them out,
// whatever the owner of the address space did to them before, and nothing makes more of them.

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "baseline.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "process.h"
#include "revokeat.h"
#include "shape_test.h"
#include "sigbus_probe.h"
#include "test_check.h"
#include "test_device.h"

namespace revoke_test {
namespace {

// Nothing is mapped there. For children: no GoogleTest assertions.
bool IsNotMapped(const volatile std::uint64_t* word) {
  const std::optional<Fault> fault = Probe::Read(word).fault;
  return fault && fault->signo == SIGSEGV && fault->code == SEGV_MAPERR;
}

bool NothingInherited(const Mapping& mapping) {
  for (std::size_t page = 0; page < mapping.size() / PageSize(); ++page) {
    if (!IsNotMapped(PageWord(mapping, page))) return false;
  }
  return true;
}

std::vector<Shape> ShapesNotInherited(bool only_private) {
  std::vector<Shape> shapes;
  for (Shape shape : AllShapes()) {
    if (shape.dev != Dev::kDefault || (only_private && !shape.can_be_private)) continue;
    shape.dev = Dev::kDontCopy;
    shapes.push_back(shape);
  }
  return shapes;
}

class InheritTest : public TestDeviceTest, public testing::WithParamInterface<Shape> {
 protected:
  void SetUp() override {
    TestDeviceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    fd_ = OpenDevice(GetParam().dev);
    ASSERT_THAT(fd_, SyscallSucceeds());
    generation_ = static_cast<std::uint32_t>(Generation(fd_.get()));
  }

  Mapping Map(int flags = MAP_SHARED) const {
    return MapShape(fd_, GetParam().shape, kShapePages, PROT_READ | PROT_WRITE, flags);
  }
  std::uint64_t Stamp(std::uint32_t page) const { return revoke_test_stamp(generation_, page); }
  void ExpectAlive(const Mapping& mapping) const {
    ASSERT_THAT(mapping, SyscallSucceeds());
    for (std::uint32_t page = 0; page < mapping.size() / PageSize(); ++page) {
      EXPECT_THAT(Probe::Read(PageWord(mapping, page)), ReadsValue(Stamp(page)));
    }
  }
  const FileDescriptor& fd() const { return fd_; }

 private:
  FileDescriptor fd_;
  std::uint32_t generation_ = 0;
};

class InheritPrivate : public InheritTest {};

INSTANTIATE_TEST_SUITE_P(, InheritTest, testing::ValuesIn(ShapesNotInherited(false)), ShapeName);
INSTANTIATE_TEST_SUITE_P(, InheritPrivate, testing::ValuesIn(ShapesNotInherited(true)), ShapeName);

// ---- by whom ----

REVOKE_TEST_P(InheritTest, Fork, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  EXPECT_THAT(InChild([&] { TEST_CHECK(NothingInherited(mapping)); }), Exited(0));
  ExpectAlive(mapping);
}

REVOKE_TEST_P(InheritTest, CloneWithoutSharing, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  const long pid =
      syscall(SYS_clone, SIGCHLD | CLONE_FILES | CLONE_FS, nullptr, nullptr, nullptr, nullptr);
  ASSERT_THAT(pid, SyscallSucceeds());
  if (pid == 0) _exit(NothingInherited(mapping) ? 0 : 1);
  int status = 0;
  ASSERT_THAT(waitpid(static_cast<pid_t>(pid), &status, 0), SyscallSucceedsWithValue(pid));
  EXPECT_EQ(status, 0);
}

// These inherit nothing: they are in the address space that has made the mapping.
REVOKE_TEST_P(InheritTest, VforkAndCloneVmShareTheAddressSpace, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  struct Seen {
    const volatile std::uint64_t* word;
    std::uint64_t value;
  };
  for (const int flags : {CLONE_VM | CLONE_VFORK, CLONE_VM}) {
    Seen seen = {.word = PageWord(mapping, 3), .value = 0};
    const Mapping stack = Mapping::Anonymous(std::size_t{64} * 1024);
    ASSERT_THAT(stack, SyscallSucceeds());
    const pid_t pid = clone(
        [](void* context) {
          auto* seen = static_cast<Seen*>(context);
          seen->value = *seen->word;
          return 0;
        },
        static_cast<char*>(stack.base()) + stack.size(), flags | SIGCHLD, &seen);
    ASSERT_THAT(pid, SyscallSucceeds());
    ASSERT_THAT(waitpid(pid, nullptr, 0), SyscallSucceedsWithValue(pid));
    EXPECT_EQ(seen.value, Stamp(3));
  }
  ASSERT_THAT(revoke(NodeOf(Dev::kDontCopy).c_str()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(Probe::Read(PageWord(mapping, 3)), DiesOfSigbusAt(PageWord(mapping, 3)));
}

REVOKE_TEST_P(InheritTest, GrandchildNeither, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  EXPECT_THAT(InChild([&] {
                TEST_CHECK(InChild([&] { TEST_CHECK(NothingInherited(mapping)); }).HasExited(0));
              }),
              Exited(0));
}

// The descriptor is another matter: who has it, may map.
REVOKE_TEST_P(InheritTest, ChildMapsByItself, baseline::kEnosys) {
  const Mapping mapping = Map();
  EXPECT_THAT(InChild([&] {
                const Mapping own = Map();
                TEST_CHECK(own.valid());
                const ProbeResult<std::uint64_t> result = Probe::Read(PageWord(own, 2));
                TEST_CHECK(!result.fault && result.value == Stamp(2));
                TEST_CHECK(InChild([&] { TEST_CHECK(NothingInherited(own)); }).HasExited(0));
              }),
              Exited(0));
}

// ---- what does not change it ----

REVOKE_TEST_P(InheritTest, MadviseDoforkFails, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  EXPECT_THAT(madvise(mapping.base(), mapping.size(), MADV_DOFORK), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(madvise(const_cast<std::uint64_t*>(PageWord(mapping, 4)), PageSize(), MADV_DOFORK),
              SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(madvise(mapping.base(), mapping.size(), MADV_DONTFORK), SyscallSucceeds());
  EXPECT_THAT(madvise(mapping.base(), mapping.size(), MADV_DOFORK), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(InChild([&] { TEST_CHECK(NothingInherited(mapping)); }), Exited(0));
}

REVOKE_TEST_P(InheritTest, SplitAndProtected, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  auto* middle = const_cast<std::uint64_t*>(PageWord(mapping, 5));
  ASSERT_THAT(mprotect(middle, 2 * PageSize(), PROT_READ), SyscallSucceeds());
  EXPECT_THAT(madvise(middle, PageSize(), MADV_DOFORK), SyscallFailsWithErrno(EINVAL));
  ASSERT_THAT(mprotect(middle, 2 * PageSize(), PROT_READ | PROT_WRITE), SyscallSucceeds());
  EXPECT_THAT(InChild([&] { TEST_CHECK(NothingInherited(mapping)); }), Exited(0));
  ExpectAlive(mapping);
}

REVOKE_TEST_P(InheritTest, Moved, baseline::kEnosys) {
  Mapping mapping = Map();
  ExpectAlive(mapping);
  const Mapping room = Mapping::Anonymous(mapping.size(), PROT_NONE);
  ASSERT_EQ(mremap(mapping.base(), mapping.size(), mapping.size(), MREMAP_MAYMOVE | MREMAP_FIXED,
                   room.base()),
            room.base());
  static_cast<void>(mapping.Release());
  ExpectAlive(room);
  EXPECT_THAT(madvise(room.base(), room.size(), MADV_DOFORK), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(InChild([&] { TEST_CHECK(NothingInherited(room)); }), Exited(0));
}

REVOKE_TEST_P(InheritTest, NothingMakesMoreOfIt, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  // The half, so that there would be room for the rest.
  const std::size_t half = mapping.size() / 2;
  ASSERT_THAT(munmap(static_cast<char*>(mapping.base()) + half, half), SyscallSucceeds());
  for (const int flags : {0, MREMAP_MAYMOVE}) {
    EXPECT_EQ(mremap(mapping.base(), half, mapping.size(), flags), MAP_FAILED);
    EXPECT_EQ(errno, EFAULT);
  }
  // A second one of the same pages
  EXPECT_EQ(mremap(mapping.base(), 0, half, MREMAP_MAYMOVE), MAP_FAILED);
  EXPECT_EQ(errno, EFAULT);
  EXPECT_EQ(mremap(mapping.base(), half, half, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, nullptr),
            MAP_FAILED);
  EXPECT_EQ(errno, EINVAL);
  // Less of it is fine.
  EXPECT_EQ(mremap(mapping.base(), half, PageSize(), 0), mapping.base());
  EXPECT_THAT(Probe::Read(PageWord(mapping, 0)), ReadsValue(Stamp(0)));
}

REVOKE_TEST_P(InheritTest, MappedBesideEachOther, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  void* middle = const_cast<std::uint64_t*>(PageWord(mapping, 4));
  const auto offset = static_cast<off_t>(REVOKE_TEST_MMAP_OFFSET(GetParam().shape, PageSize())) +
                      static_cast<off_t>(4 * PageSize());
  ASSERT_EQ(
      mmap(middle, PageSize(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd().get(), offset),
      middle);
  EXPECT_THAT(madvise(mapping.base(), mapping.size(), MADV_DOFORK), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(InChild([&] { TEST_CHECK(NothingInherited(mapping)); }), Exited(0));
}

REVOKE_TEST_P(InheritPrivate, Copies, baseline::kEnosys) {
  const Mapping mapping = Map(MAP_PRIVATE);
  ASSERT_THAT(mapping, SyscallSucceeds());
  ASSERT_THAT(Probe::Write(PageWord(mapping, 1), 0xc0b1U), Survives());
  EXPECT_THAT(InChild([&] { TEST_CHECK(NothingInherited(mapping)); }), Exited(0));
  EXPECT_THAT(Probe::Read(PageWord(mapping, 1)), ReadsValue(0xc0b1U));
}

REVOKE_TEST_P(InheritTest, Revoked, baseline::kEnosys) {
  const Mapping mapping = Map();
  ExpectAlive(mapping);
  ASSERT_THAT(revoke(NodeOf(Dev::kDontCopy).c_str()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(madvise(mapping.base(), mapping.size(), MADV_DOFORK), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(InChild([&] { TEST_CHECK(NothingInherited(mapping)); }), Exited(0));
  EXPECT_THAT(Probe::Read(PageWord(mapping, 0)), DiesOfSigbusAt(PageWord(mapping, 0)));
}

// ---- where nothing was said ----

class InheritOther : public TestDeviceTest {};

REVOKE_TEST_F(InheritOther, OrdinaryObjectsAreInherited, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const auto stamp =
      revoke_test_stamp(static_cast<std::uint32_t>(Generation(fd.get())), std::uint32_t{2});
  const Mapping mapping = MapShape(fd, REVOKE_TEST_SHAPE_FAULT_PAGE);
  ASSERT_THAT(mapping, SyscallSucceeds());
  // Here first: what a probe needs must not be put where the child has a gap.
  ASSERT_THAT(Probe::Read(PageWord(mapping, 2)), ReadsValue(stamp));
  const auto child_reads = [&] {
    const ProbeResult<std::uint64_t> result = Probe::Read(PageWord(mapping, 2));
    TEST_CHECK(!result.fault && result.value == stamp);
  };
  EXPECT_THAT(InChild(child_reads), Exited(0));
  ASSERT_THAT(madvise(mapping.base(), mapping.size(), MADV_DONTFORK), SyscallSucceeds());
  EXPECT_THAT(InChild([&] { TEST_CHECK(NothingInherited(mapping)); }), Exited(0));
  ASSERT_THAT(madvise(mapping.base(), mapping.size(), MADV_DOFORK), SyscallSucceeds());
  EXPECT_THAT(InChild(child_reads), Exited(0));
}

}  // namespace
}  // namespace revoke_test
