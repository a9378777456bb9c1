// SPDX-License-Identifier: GPL-2.0

#include "mapping.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cerrno>
#include <sstream>
#include <utility>

#include "errno_matchers.h"
#include "fd.h"
#include "process.h"

namespace revoke_test {
namespace {

// mincore(2) fails with ENOMEM where nothing is mapped.
bool IsMapped(const void* at) {
  unsigned char resident = 0;
  return mincore(const_cast<void*>(at), 1, &resident) == 0;
}

TEST(Mapping, UnmapsInDestructor) {
  const void* base = nullptr;
  {
    const Mapping mapping = Mapping::Anonymous(PageSize());
    ASSERT_THAT(mapping, SyscallSucceeds());
    base = mapping.base();
    EXPECT_EQ(mapping.size(), PageSize());
    EXPECT_TRUE(IsMapped(base));
  }
  EXPECT_FALSE(IsMapped(base));
}

TEST(Mapping, MapsFileAtOffset) {
  const FileDescriptor fd = MemFd("test", static_cast<off_t>(2 * PageSize()));
  const Mapping whole(fd.get(), 2 * PageSize());
  const Mapping second(fd.get(), PageSize(), PROT_READ, MAP_SHARED, static_cast<off_t>(PageSize()));
  ASSERT_THAT(whole, SyscallSucceeds());
  ASSERT_THAT(second, SyscallSucceeds());
  *whole.At<std::uint32_t>(PageSize() + 8) = 1234;
  EXPECT_EQ(*second.At<std::uint32_t>(8), 1234U);
}

TEST(Mapping, KeepsErrno) {
  const FileDescriptor fd = Open("/dev/null", O_WRONLY);
  const Mapping mapping(fd.get(), PageSize());
  errno = 0;
  EXPECT_THAT(mapping, SyscallFailsWithErrno(EACCES));
  EXPECT_FALSE(mapping.valid());
  EXPECT_EQ(mapping.base(), nullptr);
  std::ostringstream out;
  out << mapping;
  EXPECT_EQ(out.str(), "no mapping, EACCES (Permission denied)");
}

TEST(Mapping, DestructorKeepsErrno) {
  {
    const Mapping mapping = Mapping::Adopt(reinterpret_cast<void*>(1), 1);  // unmapping will fail
    errno = ENODEV;
  }
  EXPECT_EQ(errno, ENODEV);
}

TEST(Mapping, UnmapsOnce) {
  Mapping mapping = Mapping::Anonymous(PageSize());
  EXPECT_THAT(mapping.Unmap(), SyscallSucceeds());
  EXPECT_FALSE(mapping.valid());
  EXPECT_THAT(mapping.Unmap(), SyscallFailsWithErrno(EINVAL));
}

TEST(Mapping, MovesOwnership) {
  Mapping first = Mapping::Anonymous(PageSize());
  void* const base = first.base();
  Mapping second = Mapping::Anonymous(PageSize());
  const void* const replaced = second.base();
  second = std::move(first);
  EXPECT_EQ(second.base(), base);
  EXPECT_TRUE(IsMapped(base));
  EXPECT_FALSE(IsMapped(replaced));
  EXPECT_FALSE(first.valid());  // NOLINT(bugprone-use-after-move): that is what is tested
}

TEST(Mapping, ReleaseLeavesMapped) {
  Mapping mapping = Mapping::Anonymous(PageSize());
  void* const base = mapping.Release();
  EXPECT_FALSE(mapping.valid());
  EXPECT_TRUE(IsMapped(base));
  EXPECT_THAT(Mapping::Adopt(base, PageSize()).Unmap(), SyscallSucceeds());
}

TEST(Mapping, SharedIsSharedWithChildren) {
  const Mapping shared = Mapping::SharedAnonymous(PageSize());
  const Mapping own = Mapping::Anonymous(PageSize());
  EXPECT_THAT(InChild([&] {
                *shared.At<int>() = 1;
                *own.At<int>() = 1;
              }),
              Exited(0));
  EXPECT_EQ(*shared.At<int>(), 1);
  EXPECT_EQ(*own.At<int>(), 0);
}

TEST(Mapping, Remaps) {
  Mapping mapping = Mapping::Anonymous(PageSize());
  *mapping.At<int>() = 42;
  ASSERT_THAT(mapping.Remap(64 * PageSize(), MREMAP_MAYMOVE), SyscallSucceeds());
  EXPECT_EQ(mapping.size(), 64 * PageSize());
  EXPECT_EQ(*mapping.At<int>(), 42);
  EXPECT_THAT(mapping.Remap(PageSize(), -1), SyscallFailsWithErrno(EINVAL));
  EXPECT_EQ(mapping.size(), 64 * PageSize());
}

}  // namespace
}  // namespace revoke_test
