// SPDX-License-Identifier: GPL-2.0

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "device_node.h"
#include "errno_matchers.h"
#include "fd.h"
#include "privilege.h"
#include "process.h"
#include "skip.h"
#include "temp_dir.h"

namespace revoke_test {
namespace {

TEST(TempDir, IsRemovedWithContent) {
  std::string path;
  {
    const TempDir dir;
    ASSERT_THAT(dir, SyscallSucceeds());
    path = dir.path();
    std::ofstream(dir / "file") << "text";
    std::filesystem::create_directory(dir / "sub");
    EXPECT_EQ(dir / "file", path + "/file");
    EXPECT_TRUE(std::filesystem::exists(dir / "file"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(TempDir, EachIsNew) {
  const TempDir first;
  const TempDir second;
  EXPECT_NE(first.path(), second.path());
}

TEST(TempDir, TellsWhyNot) {
  EXPECT_THAT(InChild([] {
                setenv("TMPDIR", "/nonexistent", 1);
                return TempDir().error();
              }),
              Exited(ENOENT));
}

TEST(TempDir, TmpfsIsItsOwn) {
  std::string path;
  {
    const TempDir dir(TempDir::Kind::kTmpfs);
    REVOKE_SKIP_IF(dir.error() == EPERM, "no CAP_SYS_ADMIN");
    ASSERT_THAT(dir, SyscallSucceeds());
    path = dir.path();
    struct statfs status{};
    ASSERT_THAT(statfs(path.c_str(), &status), SyscallSucceeds());
    EXPECT_EQ(status.f_type, TMPFS_MAGIC);
    EXPECT_EQ(status.f_flags & static_cast<long>(ST_NODEV), 0);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(TempDir, TmpfsNeedsPrivilege) {
  EXPECT_THAT(InChild([] {
                if (geteuid() == 0 && BecomeUser() != 0) return -1;
                return TempDir(TempDir::Kind::kTmpfs).error();
              }),
              Exited(EPERM));
}

TEST(MakeDeviceNode, WorksOnOurTmpfs) {
  const TempDir dir(TempDir::Kind::kTmpfs);
  REVOKE_SKIP_IF(dir.error() == EPERM, "no CAP_SYS_ADMIN");
  const mode_t mask = umask(0777);
  const int made = MakeDeviceNode(dir / "null", S_IFCHR, makedev(1, 3), 0640);
  umask(mask);
  ASSERT_EQ(made, 0);
  EXPECT_EQ(DeviceOf(dir / "null"), makedev(1, 3));
  struct stat status{};
  ASSERT_THAT(stat((dir / "null").c_str(), &status), SyscallSucceeds());
  EXPECT_EQ(status.st_mode & 07777, 0640U);
  const FileDescriptor null = Open(dir / "null", O_RDWR);
  EXPECT_THAT(write(null.get(), "x", 1), SyscallSucceedsWithValue(1));
  EXPECT_THAT(MakeDeviceNode(dir / "null", S_IFCHR, makedev(1, 3)), SyscallFailsWithErrno(EEXIST));
}

TEST(DeviceOf, IsNothingForOtherFiles) {
  EXPECT_EQ(DeviceOf("/dev/null"), makedev(1, 3));
  EXPECT_FALSE(DeviceOf("/dev"));
  EXPECT_FALSE(DeviceOf("/nonexistent"));
}

TEST(DeviceFromSysfs, ReadsMajorAndMinor) {
  const TempDir dir;
  std::ofstream(dir / "dev") << "240:1025\n";
  EXPECT_EQ(DeviceFromSysfs(dir / "dev"), makedev(240, 1025));
  for (const char* bad : {"", "240", "240:", "240;1", ":1", "240:1x", "-1:3"}) {
    std::ofstream(dir / "dev") << bad;
    EXPECT_FALSE(DeviceFromSysfs(dir / "dev")) << bad;
  }
  EXPECT_FALSE(DeviceFromSysfs(dir / "other"));
  EXPECT_EQ(DeviceFromSysfs("/sys/class/mem/null/dev"), makedev(1, 3));
}

}  // namespace
}  // namespace revoke_test
