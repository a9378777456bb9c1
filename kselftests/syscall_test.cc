// SPDX-License-Identifier: GPL-2.0
//
// revokeat(2) as a system call: which calls are refused and why, which object a path, an alias, a
// symbolic link or a descriptor stands for, who may revoke it, and what the audit log says of it.

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "audit_log.h"
#include "baseline.h"
#include "checkpoint.h"
#include "device_node.h"
#include "errno_matchers.h"
#include "fd.h"
#include "fuse_node.h"
#include "mapping.h"
#include "privilege.h"
#include "process.h"
#include "revokeat.h"
#include "skip.h"
#include "temp_dir.h"
#include "test_device.h"

namespace revoke_test {
namespace {

// ---- what is refused, whatever the kernel has devices for ----

class SyscallErrno : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(dir_, SyscallSucceeds());
    ASSERT_THAT(Open(file(), O_CREAT | O_WRONLY, 0666), SyscallSucceeds());
  }

  std::string file() const { return dir_ / "file"; }
  std::string Symlink(const std::string& target, const std::string& name) const {
    EXPECT_THAT(symlink(target.c_str(), (dir_ / name).c_str()), SyscallSucceeds());
    return dir_ / name;
  }

  TempDir dir_{TempDir::Kind::kTmpfs};
};

REVOKE_TEST_F(SyscallErrno, PathNotReadable, baseline::kEnosys) {
  const Mapping page = Mapping::Anonymous(PageSize(), PROT_NONE);
  const auto* path = static_cast<const char*>(page.base());
  EXPECT_THAT(revokeat(AT_FDCWD, path, 0), SyscallFailsWithErrno(EFAULT));
}

REVOKE_TEST_F(SyscallErrno, PathEndsInMemoryNotReadable, baseline::kEnosys) {
  Mapping pages = Mapping::Anonymous(2 * PageSize());
  char* last = static_cast<char*>(pages.base()) + PageSize() - 1;
  *last = 'x';
  ASSERT_THAT(mprotect(last + 1, PageSize(), PROT_NONE), SyscallSucceeds());
  EXPECT_THAT(revokeat(AT_FDCWD, last, 0), SyscallFailsWithErrno(EFAULT));
}

REVOKE_TEST_F(SyscallErrno, DescriptorNotOpen, baseline::kEnosys) {
  EXPECT_THAT(revokeat(-1, "file", 0), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(revokeat(-1, "", AT_EMPTY_PATH), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(revokeat(-1, "", AT_EMPTY_PATH | REVOKE_FILE), SyscallFailsWithErrno(EBADF));
  const int closed = dup(STDERR_FILENO);
  ASSERT_THAT(close(closed), SyscallSucceeds());
  EXPECT_THAT(revokeat(closed, "", AT_EMPTY_PATH), SyscallFailsWithErrno(EBADF));
}

REVOKE_TEST_F(SyscallErrno, DescriptorIsNotLookedAtForAnAbsolutePath, baseline::kEnosys) {
  EXPECT_THAT(revokeat(-1, file().c_str(), 0), SyscallFailsWithErrno(EOPNOTSUPP));
}

REVOKE_TEST_F(SyscallErrno, FlagsUnknown, baseline::kEnosys) {
  constexpr unsigned int kKnown = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | REVOKE_FILE;
  for (unsigned int bit = 1; bit != 0; bit <<= 1) {
    if ((bit & kKnown) != 0) continue;
    EXPECT_THAT(revokeat(AT_FDCWD, file().c_str(), bit), SyscallFailsWithErrno(EINVAL))
        << "flag 0x" << std::hex << bit;
  }
}

REVOKE_TEST_F(SyscallErrno, RevokeFileNeedsADescriptorAlone, baseline::kEnosys) {
  const std::string path = file();
  EXPECT_THAT(revokeat(AT_FDCWD, path.c_str(), REVOKE_FILE), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(revokeat(AT_FDCWD, path.c_str(), REVOKE_FILE | AT_EMPTY_PATH),
              SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(revokeat(AT_FDCWD, "", REVOKE_FILE), SyscallFailsWithErrno(EINVAL));
}

REVOKE_TEST_F(SyscallErrno, RevokeFileOfTheWorkingDirectory, baseline::kEnosys) {
  EXPECT_THAT(revokeat(AT_FDCWD, "", REVOKE_FILE | AT_EMPTY_PATH), SyscallFailsWithErrno(EBADF));
}

REVOKE_TEST_F(SyscallErrno, RevokeFileOfAnOPathHandle, baseline::kEnosys) {
  const FileDescriptor handle = Open(file(), O_PATH);
  EXPECT_THAT(revokeat(handle.get(), "", REVOKE_FILE | AT_EMPTY_PATH),
              SyscallFailsWithErrno(EBADF));
}

REVOKE_TEST_F(SyscallErrno, NothingThere, baseline::kEnosys) {
  EXPECT_THAT(revoke((dir_ / "nothing").c_str()), SyscallFailsWithErrno(ENOENT));
  EXPECT_THAT(revoke((dir_ / "nothing/more").c_str()), SyscallFailsWithErrno(ENOENT));
  EXPECT_THAT(revoke(Symlink("nothing", "dangling").c_str()), SyscallFailsWithErrno(ENOENT));
}

REVOKE_TEST_F(SyscallErrno, EmptyPath, baseline::kEnosys) {
  EXPECT_THAT(revoke(""), SyscallFailsWithErrno(ENOENT));
  const FileDescriptor fd = Open(file(), O_RDWR);
  EXPECT_THAT(revokeat(fd.get(), "", 0), SyscallFailsWithErrno(ENOENT));
}

REVOKE_TEST_F(SyscallErrno, NotADirectory, baseline::kEnosys) {
  EXPECT_THAT(revoke((file() + "/more").c_str()), SyscallFailsWithErrno(ENOTDIR));
  const FileDescriptor fd = Open(file(), O_RDWR);
  EXPECT_THAT(revokeat(fd.get(), "more", 0), SyscallFailsWithErrno(ENOTDIR));
}

REVOKE_TEST_F(SyscallErrno, SymlinkLoop, baseline::kEnosys) {
  Symlink("b", "a");
  EXPECT_THAT(revoke(Symlink("a", "b").c_str()), SyscallFailsWithErrno(ELOOP));
}

REVOKE_TEST_F(SyscallErrno, NameTooLong, baseline::kEnosys) {
  EXPECT_THAT(revoke((dir_ / std::string(NAME_MAX + 1, 'x')).c_str()),
              SyscallFailsWithErrno(ENAMETOOLONG));
  EXPECT_THAT(revoke(std::string(PATH_MAX, 'x').c_str()), SyscallFailsWithErrno(ENAMETOOLONG));
}

REVOKE_TEST_F(SyscallErrno, DirectoryNotSearchable, baseline::kEnosys) {
  ASSERT_THAT(mkdir((dir_ / "closed").c_str(), 0700), SyscallSucceeds());
  const std::string path = dir_ / "closed/node";
  ASSERT_THAT(MakeDeviceNode(path, S_IFCHR, makedev(1, 3), 0666), SyscallSucceeds());
  EXPECT_THAT(InChild([&] {
                TEST_PCHECK(BecomeUser() == 0);
                TEST_PCHECK(revoke(path.c_str()) == -1 && errno == EACCES);
              }),
              Exited(0));
}

REVOKE_TEST_F(SyscallErrno, NumberNobodyRegistered, baseline::kEnosys) {
  // 4095 is the last major number; a driver could have it, but none of the kernel's does.
  const std::string path = dir_ / "node";
  ASSERT_THAT(MakeDeviceNode(path, S_IFCHR, makedev(4095, 7), 0600), SyscallSucceeds());
  EXPECT_THAT(revoke(path.c_str()), SyscallFailsWithErrno(ENXIO));
}

REVOKE_TEST_F(SyscallErrno, KindsOfFileWithoutSupport, baseline::kEnosys) {
  EXPECT_THAT(revoke(file().c_str()), SyscallFailsWithErrno(EOPNOTSUPP)) << "regular file";
  EXPECT_THAT(revoke(dir_.path().c_str()), SyscallFailsWithErrno(EOPNOTSUPP)) << "directory";
  EXPECT_THAT(revokeat(AT_FDCWD, "", AT_EMPTY_PATH), SyscallFailsWithErrno(EOPNOTSUPP))
      << "working directory";

  const std::string fifo = dir_ / "fifo";
  ASSERT_THAT(mkfifo(fifo.c_str(), 0600), SyscallSucceeds());
  EXPECT_THAT(revoke(fifo.c_str()), SyscallFailsWithErrno(EOPNOTSUPP)) << "fifo";

  const std::string block = dir_ / "block";
  ASSERT_THAT(MakeDeviceNode(block, S_IFBLK, makedev(7, 0)), SyscallSucceeds());
  EXPECT_THAT(revoke(block.c_str()), SyscallFailsWithErrno(EOPNOTSUPP)) << "block device";
}

REVOKE_TEST_F(SyscallErrno, BoundSocket, baseline::kEnosys) {
  const FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = dir_ / "socket";
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_THAT(bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              SyscallSucceeds());
  EXPECT_THAT(revoke(path.c_str()), SyscallFailsWithErrno(EOPNOTSUPP));
}

REVOKE_TEST_F(SyscallErrno, DescriptorsOfKindsWithoutSupport, baseline::kEnosys) {
  const PipeEnds pipe = Pipe();
  const SocketEnds sockets = SocketPair(SOCK_STREAM);
  const FileDescriptor event = EventFd();
  const FileDescriptor epoll = Epoll();
  const FileDescriptor memory = MemFd("memory", 4096);
  const FileDescriptor plain = Open(file(), O_RDWR);
  for (const unsigned int flags : {AT_EMPTY_PATH, AT_EMPTY_PATH | REVOKE_FILE}) {
    for (const FileDescriptor* fd :
         {&pipe.read, &pipe.write, &sockets.first, &event, &epoll, &memory, &plain}) {
      EXPECT_THAT(revokeat(fd->get(), "", flags), SyscallFailsWithErrno(EOPNOTSUPP))
          << "flags 0x" << std::hex << flags;
    }
  }
}

REVOKE_TEST_F(SyscallErrno, DriverThatDidNotOptIn, baseline::kEnosys) {
  const FileDescriptor null = Open("/dev/null", O_RDWR);
  EXPECT_THAT(revoke("/dev/null"), SyscallFailsWithErrno(EOPNOTSUPP));
  EXPECT_THAT(revokeat(null.get(), "", AT_EMPTY_PATH | REVOKE_FILE),
              SyscallFailsWithErrno(EOPNOTSUPP));
  EXPECT_THAT(write(null.get(), "x", 1), SyscallSucceedsWithValue(1));
}

REVOKE_TEST_F(SyscallErrno, SymlinkNotFollowedIsNoDevice, baseline::kEnosys) {
  const std::string link = Symlink("/dev/null", "link");
  EXPECT_THAT(revokeat(AT_FDCWD, link.c_str(), AT_SYMLINK_NOFOLLOW),
              SyscallFailsWithErrno(EOPNOTSUPP));
  const FileDescriptor handle = Open(link, O_PATH | O_NOFOLLOW);
  EXPECT_THAT(revokeat(handle.get(), "", AT_EMPTY_PATH), SyscallFailsWithErrno(EOPNOTSUPP));
}

// ---- which object, and what of it ----

class SyscallObject : public TestDeviceTest {
 protected:
  void SetUp() override {
    TestDeviceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_THAT(dir_, SyscallSucceeds());
  }

  // Another node for the same device.
  std::string Alias(Dev dev, mode_t permissions = 0600, uid_t owner = 0) const {
    const std::string path = dir_ / ("alias" + std::to_string(static_cast<int>(dev)));
    const std::optional<dev_t> number = DeviceOf(NodeOf(dev));
    EXPECT_TRUE(number.has_value());
    EXPECT_THAT(MakeDeviceNode(path, S_IFCHR, number.value_or(0), permissions), SyscallSucceeds());
    EXPECT_THAT(chown(path.c_str(), owner, owner), SyscallSucceeds());
    return path;
  }

  TempDir dir_{TempDir::Kind::kTmpfs};
};

REVOKE_TEST_F(SyscallObject, EveryOpenOfTheDeviceAndNoOther, baseline::kEnosys) {
  const FileDescriptor first = OpenDevice();
  const FileDescriptor second = OpenDevice(Dev::kDefault, O_RDONLY);
  const FileDescriptor other = OpenDevice(Dev::kOwner);
  ASSERT_THAT(Generation(first.get()), SyscallSucceeds());
  EXPECT_THAT(revoke(NodeOf(Dev::kDefault).c_str()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(Generation(first.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(Generation(second.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(Generation(other.get()), SyscallSucceeds());
}

REVOKE_TEST_F(SyscallObject, NobodyHasItOpen, baseline::kEnosys) {
  EXPECT_THAT(revoke(NodeOf(Dev::kDefault).c_str()), SyscallSucceedsWithValue(0));
}

REVOKE_TEST_F(SyscallObject, AgainAndAgain, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  EXPECT_THAT(revoke(NodeOf(Dev::kDefault).c_str()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(revoke(NodeOf(Dev::kDefault).c_str()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(revokeat(fd.get(), "", AT_EMPTY_PATH | REVOKE_FILE), SyscallSucceedsWithValue(0));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
}

REVOKE_TEST_F(SyscallObject, ByAnAliasNode, baseline::kEnosys) {
  const std::string alias = Alias(Dev::kDefault);
  const FileDescriptor by_node = OpenDevice();
  const FileDescriptor by_alias = Open(alias, O_RDWR);
  ASSERT_THAT(by_alias, SyscallSucceeds());
  EXPECT_THAT(revoke(alias.c_str()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(Generation(by_node.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(Generation(by_alias.get()), SyscallFailsWithErrno(ENODEV));
}

REVOKE_TEST_F(SyscallObject, ByTheNodeWhatWasOpenedByAnAlias, baseline::kEnosys) {
  const std::string alias = Alias(Dev::kDefault);
  const FileDescriptor by_alias = Open(alias, O_RDWR);
  ASSERT_THAT(unlink(alias.c_str()), SyscallSucceeds());
  EXPECT_THAT(revoke(NodeOf(Dev::kDefault).c_str()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(Generation(by_alias.get()), SyscallFailsWithErrno(ENODEV));
}

REVOKE_TEST_F(SyscallObject, BySymlink, baseline::kEnosys) {
  const std::string link = dir_ / "link";
  ASSERT_THAT(symlink(NodeOf(Dev::kDefault).c_str(), link.c_str()), SyscallSucceeds());
  const FileDescriptor fd = OpenDevice();
  EXPECT_THAT(revokeat(AT_FDCWD, link.c_str(), AT_SYMLINK_NOFOLLOW),
              SyscallFailsWithErrno(EOPNOTSUPP));
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
  EXPECT_THAT(revoke(link.c_str()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(Generation(fd.get()), SyscallFailsWithErrno(ENODEV));
}

REVOKE_TEST_F(SyscallObject, ByANameRelativeToADescriptor, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor dev = Open("/dev", O_PATH | O_DIRECTORY);
  EXPECT_THAT(revokeat(dev.get(), REVOKE_TEST_NAME "0", AT_SYMLINK_NOFOLLOW),
              SyscallSucceedsWithValue(0));
  EXPECT_THAT(Generation(fd.get()), SyscallFailsWithErrno(ENODEV));
}

REVOKE_TEST_F(SyscallObject, ByAnOPathHandleThoughItsNameIsGone, baseline::kEnosys) {
  const std::string alias = Alias(Dev::kDefault);
  const FileDescriptor handle = Open(alias, O_PATH);
  ASSERT_THAT(unlink(alias.c_str()), SyscallSucceeds());
  const FileDescriptor fd = OpenDevice();
  EXPECT_THAT(revokeat(handle.get(), "", AT_EMPTY_PATH), SyscallSucceedsWithValue(0));
  EXPECT_THAT(Generation(fd.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(revokeat(handle.get(), "", AT_EMPTY_PATH | REVOKE_FILE),
              SyscallFailsWithErrno(EBADF));
}

REVOKE_TEST_F(SyscallObject, ByAnOpenDescriptorTakesAllOpens, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor other = OpenDevice();
  EXPECT_THAT(revokeat(fd.get(), "", AT_EMPTY_PATH), SyscallSucceedsWithValue(0));
  EXPECT_THAT(Generation(fd.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(Generation(other.get()), SyscallFailsWithErrno(ENODEV));
}

REVOKE_TEST_F(SyscallObject, RevokeFileTakesThatDescriptionAndItsDups, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor dup = Duplicate(fd.get());
  const FileDescriptor other = OpenDevice();
  Checkpoint revoked;
  Child child([&] {
    TEST_CHECK(revoked.WaitFor(1));
    TEST_PCHECK(Generation(fd.get()) == -1 && errno == ENODEV);
    TEST_PCHECK(Generation(other.get()) > 0);
  });
  EXPECT_THAT(revokeat(dup.get(), "", AT_EMPTY_PATH | REVOKE_FILE), SyscallSucceedsWithValue(0));
  revoked.Reach();
  EXPECT_THAT(child.Wait(), Exited(0));
  EXPECT_THAT(Generation(fd.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(Generation(dup.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(Generation(other.get()), SyscallSucceeds());
}

REVOKE_TEST_F(SyscallObject, DeviceThatCannotBeRevoked, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kNever);
  EXPECT_THAT(revoke(NodeOf(Dev::kNever).c_str()), SyscallFailsWithErrno(EOPNOTSUPP));
  EXPECT_THAT(revokeat(fd.get(), "", AT_EMPTY_PATH | REVOKE_FILE),
              SyscallFailsWithErrno(EOPNOTSUPP));
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
  EXPECT_THAT(revoke("/dev/" REVOKE_TEST_CTL_NAME), SyscallFailsWithErrno(EOPNOTSUPP));
}

REVOKE_TEST_F(SyscallObject, DeviceThatIsGone, baseline::kEnosys) {
  ASSERT_THAT(control().RevokeIt(Dev::kDefault), SyscallSucceeds());
  EXPECT_THAT(revoke(NodeOf(Dev::kDefault).c_str()), SyscallSucceedsWithValue(0));
}

// ---- who may ----

class SyscallPermission : public SyscallObject {};

REVOKE_TEST_F(SyscallPermission, NodeOnFileSystemWithoutDevices, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const std::string alias = Alias(Dev::kDefault);
  ASSERT_THAT(
      mount(nullptr, dir_.path().c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_NODEV, nullptr),
      SyscallSucceeds());
  EXPECT_THAT(revoke(alias.c_str()), SyscallFailsWithErrno(EACCES));
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

REVOKE_TEST_F(SyscallPermission, NeitherReadNorWritePermissionAlone, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const std::string alias = Alias(Dev::kDefault);
  for (const mode_t mode : {0600, 0644, 0622}) {
    ASSERT_THAT(chmod(alias.c_str(), mode), SyscallSucceeds());
    EXPECT_THAT(InChild([&] {
                  TEST_PCHECK(BecomeUser() == 0);
                  TEST_PCHECK(revoke(alias.c_str()) == -1 && errno == EACCES);
                }),
                Exited(0))
        << "mode 0" << std::oct << mode;
  }
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

REVOKE_TEST_F(SyscallPermission, UserWhoMayOpenIt, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  EXPECT_THAT(InChild([&] {
                TEST_PCHECK(BecomeUser() == 0);
                TEST_PCHECK(revoke("/dev/" REVOKE_TEST_NAME "0") == -1 && errno == EPERM);
                TEST_PCHECK(revokeat(fd.get(), "", AT_EMPTY_PATH) == -1 && errno == EPERM);
              }),
              Exited(0));
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

REVOKE_TEST_F(SyscallPermission, RootWithoutTheCapability, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  EXPECT_THAT(InChild([&] {
                TEST_PCHECK(DropCapability(CAP_SYS_ADMIN) == 0);
                TEST_PCHECK(revoke("/dev/" REVOKE_TEST_NAME "0") == -1 && errno == EPERM);
              }),
              Exited(0));
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

REVOKE_TEST_F(SyscallPermission, RootOfAnotherUserNamespace, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  EXPECT_THAT(InChild([&] {
                TEST_PCHECK(EnterUserNamespace() == 0);
                TEST_CHECK(HaveCapability(CAP_SYS_ADMIN));
                TEST_PCHECK(revoke("/dev/" REVOKE_TEST_NAME "0") == -1 && errno == EPERM);
              }),
              Exited(0));
  EXPECT_THAT(InChild([&] {
                TEST_PCHECK(BecomeUser() == 0);
                TEST_PCHECK(EnterUserNamespace() == 0);
                TEST_PCHECK(revoke("/dev/" REVOKE_TEST_NAME "0") == -1 && errno == EPERM);
              }),
              Exited(0));
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

REVOKE_TEST_F(SyscallPermission, OwnerOfANodeOfADeviceThatDoesNotLetOwners, baseline::kEnosys) {
  const std::string alias = Alias(Dev::kDefault, 0600, kNobody);
  const FileDescriptor fd = Open(alias, O_RDWR);
  EXPECT_THAT(InChild([&] {
                TEST_PCHECK(BecomeUser() == 0);
                TEST_PCHECK(revoke(alias.c_str()) == -1 && errno == EPERM);
              }),
              Exited(0));
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

REVOKE_TEST_F(SyscallPermission, OwnerTakesOnlyWhatWasOpenedByHisNode, baseline::kEnosys) {
  const std::string alias = Alias(Dev::kOwner, 0600, kNobody);
  const FileDescriptor by_alias = Open(alias, O_RDWR);
  const FileDescriptor by_node = OpenDevice(Dev::kOwner);
  EXPECT_THAT(InChild([&] {
                TEST_PCHECK(BecomeUser() == 0);
                TEST_PCHECK(revoke(alias.c_str()) == 0);
              }),
              Exited(0));
  EXPECT_THAT(Generation(by_alias.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(Generation(by_node.get()), SyscallSucceeds());
}

REVOKE_TEST_F(SyscallPermission, UserWhoIsNotTheOwner, baseline::kEnosys) {
  const std::string alias = Alias(Dev::kOwner, 0666, kNobody - 1);
  const FileDescriptor fd = Open(alias, O_RDWR);
  EXPECT_THAT(InChild([&] {
                TEST_PCHECK(BecomeUser() == 0);
                TEST_PCHECK(revoke(alias.c_str()) == -1 && errno == EPERM);
              }),
              Exited(0));
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

REVOKE_TEST_F(SyscallPermission, RevokeFileOfOnesOwn, baseline::kEnosys) {
  const FileDescriptor of_root = OpenDevice();
  EXPECT_THAT(InChild([&] {
                TEST_PCHECK(BecomeUser() == 0);
                const FileDescriptor own = Open("/dev/" REVOKE_TEST_NAME "0", O_RDWR);
                TEST_CHECK(own.valid());
                TEST_PCHECK(revokeat(own.get(), "", AT_EMPTY_PATH | REVOKE_FILE) == 0);
                TEST_PCHECK(Generation(own.get()) == -1 && errno == ENODEV);
              }),
              Exited(0));
  EXPECT_THAT(Generation(of_root.get()), SyscallSucceeds());
}

REVOKE_TEST_F(SyscallPermission, RevokeFileOfWhatSomebodyElseOpened, baseline::kEnosys) {
  const FileDescriptor of_root = OpenDevice();
  EXPECT_THAT(InChild([&] {
                TEST_PCHECK(BecomeUser() == 0);
                TEST_PCHECK(revokeat(of_root.get(), "", AT_EMPTY_PATH | REVOKE_FILE) == -1 &&
                            errno == EPERM);
              }),
              Exited(0));
  EXPECT_THAT(Generation(of_root.get()), SyscallSucceeds());
}

REVOKE_TEST_F(SyscallPermission, RevokeFileByThePrivileged, baseline::kEnosys) {
  SocketEnds sockets = SocketPair(SOCK_STREAM);
  Checkpoint done;
  Child user([&] {
    TEST_PCHECK(BecomeUser() == 0);
    const FileDescriptor own = Open("/dev/" REVOKE_TEST_NAME "0", O_RDWR);
    TEST_CHECK(own.valid());
    TEST_PCHECK(SendFd(sockets.second.get(), own.get()) == 0);
    TEST_CHECK(done.WaitFor(1));
    TEST_PCHECK(Generation(own.get()) == -1 && errno == ENODEV);
  });
  const FileDescriptor theirs = ReceiveFd(sockets.first.get());
  EXPECT_THAT(revokeat(theirs.get(), "", AT_EMPTY_PATH | REVOKE_FILE), SyscallSucceedsWithValue(0));
  done.Reach();
  EXPECT_THAT(user.Wait(), Exited(0));
}

// A file system can claim whatever it likes: that a node is a device's, and that it is mine.

REVOKE_TEST_F(SyscallPermission, NodeServedByFuseInOnesOwnNamespace, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kOwner);
  const std::optional<dev_t> device = DeviceOf(NodeOf(Dev::kOwner));
  ASSERT_TRUE(device.has_value());
  const std::string mount_point = dir_ / "mine";
  ASSERT_THAT(mkdir(mount_point.c_str(), 0755), SyscallSucceeds());
  ASSERT_THAT(chown(mount_point.c_str(), kNobody, kNobody), SyscallSucceeds());
  // As distributions have it; who mounts must have opened it in his namespace.
  ASSERT_THAT(chmod("/dev/fuse", 0666), SyscallSucceeds());
  EXPECT_THAT(InChild([&] {
                TEST_PCHECK(BecomeUser() == 0);
                TEST_PCHECK(EnterUserNamespace() == 0);
                TEST_PCHECK(unshare(CLONE_NEWNS) == 0);
                const FuseNode node(mount_point, *device, 0, 0);
                TEST_CHECK(node.error() == 0);
                TEST_PCHECK(revoke(node.path().c_str()) == -1 && errno == EACCES);
              }),
              Exited(0));
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

REVOKE_TEST_F(SyscallPermission, NodeServedByFuseMountedWithoutDevices, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kOwner);
  const std::optional<dev_t> device = DeviceOf(NodeOf(Dev::kOwner));
  ASSERT_TRUE(device.has_value());
  const std::string mount_point = dir_ / "nodev";
  ASSERT_THAT(mkdir(mount_point.c_str(), 0755), SyscallSucceeds());
  const FuseNode node(mount_point, *device, kNobody, MS_NODEV | MS_NOSUID);
  ASSERT_THAT(node, SyscallSucceeds());
  EXPECT_THAT(InChild([&] {
                TEST_PCHECK(BecomeUser() == 0);
                TEST_PCHECK(revoke(node.path().c_str()) == -1 && errno == EACCES);
              }),
              Exited(0));
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

REVOKE_TEST_F(SyscallPermission, NodeServedByFuseIsNotTheNodeOthersOpened, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kOwner);
  const std::optional<dev_t> device = DeviceOf(NodeOf(Dev::kOwner));
  ASSERT_TRUE(device.has_value());
  const std::string mount_point = dir_ / "dev";
  ASSERT_THAT(mkdir(mount_point.c_str(), 0755), SyscallSucceeds());
  const FuseNode node(mount_point, *device, kNobody, 0);
  ASSERT_THAT(node, SyscallSucceeds());
  EXPECT_THAT(InChild([&] {
                TEST_PCHECK(BecomeUser() == 0);
                TEST_PCHECK(revoke(node.path().c_str()) == 0);
              }),
              Exited(0));
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

// ---- what the audit log says ----

// A way to revoke the first device, open as `fd`.
struct WayToRevoke {
  const char* name;
  int (*call)(int fd);
  const char* flags;  // in the log
  const char* path;   // in the log
};

void PrintTo(const WayToRevoke& way, std::ostream* os) { *os << way.name; }

constexpr WayToRevoke kWaysToRevoke[] = {
    {"Path", [](int) { return revoke("/dev/" REVOKE_TEST_NAME "0"); }, "0",
     "/dev/" REVOKE_TEST_NAME "0"},
    {"Descriptor", [](int fd) { return revokeat(fd, "", AT_EMPTY_PATH); }, "1000", "(null)"},
    {"File", [](int fd) { return revokeat(fd, "", AT_EMPTY_PATH | REVOKE_FILE); }, "1001",
     "(null)"},
};

class SyscallAudit : public SyscallObject, public testing::WithParamInterface<WayToRevoke> {
 protected:
  void SetUp() override {
    SyscallObject::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    log_.emplace();
    REVOKE_SKIP_IF(log_->error() == EEXIST, "an audit daemon is running here; stop it");
    ASSERT_THAT(*log_, SyscallSucceeds());
    fd_ = OpenDevice();
  }

  AuditLog& log() { return *log_; }
  int fd() const { return fd_.get(); }

  // The records of the only system call of a child that is in the log.
  template <typename F>
  std::vector<AuditRecord> RecordsOfTheCallIn(F body) {
    Child child(body);
    const std::string pid = std::to_string(child.pid());
    EXPECT_THAT(child.Wait(), Exited(0));
    const std::vector<AuditRecord> all = log().Take();
    std::vector<AuditRecord> found;
    for (const AuditRecord& call : all) {
      if (call.type != AUDIT_SYSCALL || call.Field("pid") != pid) continue;
      EXPECT_TRUE(found.empty()) << "another call is in the log: " << call;
      for (const AuditRecord& record : all) {
        if (record.event == call.event) found.push_back(record);
      }
    }
    EXPECT_FALSE(found.empty()) << "nothing is in the log of what the child did";
    return found;
  }

  static AuditRecord TheOne(const std::vector<AuditRecord>& records, int type) {
    std::vector<AuditRecord> found;
    for (const AuditRecord& record : records) {
      if (record.type == type) found.push_back(record);
    }
    EXPECT_EQ(found.size(), 1U) << "records of type " << type << ": "
                                << testing::PrintToString(found);
    return found.empty() ? AuditRecord() : found.front();
  }

  static void ExpectCall(const std::vector<AuditRecord>& records) {
    const AuditRecord call = TheOne(records, AUDIT_SYSCALL);
    EXPECT_EQ(call.Field("syscall"), std::to_string(__NR_revokeat)) << call;
    EXPECT_EQ(call.Field("a2"), GetParam().flags) << call;
  }

  // The log names the device, however it was given.
  static void ExpectObject(const std::vector<AuditRecord>& records) {
    struct stat node = {};
    ASSERT_THAT(stat(NodeOf(Dev::kDefault).c_str(), &node), SyscallSucceeds());
    char number[32];
    std::snprintf(number, sizeof(number), "%02x:%02x", major(node.st_rdev), minor(node.st_rdev));
    const AuditRecord path = TheOne(records, AUDIT_PATH);
    EXPECT_EQ(path.Field("name"), GetParam().path) << path;
    EXPECT_EQ(path.Field("inode"), std::to_string(node.st_ino)) << path;
    EXPECT_EQ(path.Field("rdev"), number) << path;
  }

 private:
  std::optional<AuditLog> log_;
  FileDescriptor fd_;
};

INSTANTIATE_TEST_SUITE_P(, SyscallAudit, testing::ValuesIn(kWaysToRevoke),
                         [](const auto& info) { return info.param.name; });

REVOKE_TEST_P(SyscallAudit, Success, baseline::kEnosys) {
  ASSERT_THAT(log().RecordCallsOf(__NR_revokeat, "revokes"), SyscallSucceeds());
  const std::vector<AuditRecord> records =
      RecordsOfTheCallIn([&] { TEST_PCHECK(GetParam().call(fd()) == 0); });
  ExpectCall(records);
  ExpectObject(records);
  const AuditRecord call = TheOne(records, AUDIT_SYSCALL);
  EXPECT_EQ(call.Field("success"), "yes") << call;
  EXPECT_EQ(call.Field("exit"), "0") << call;
  EXPECT_EQ(call.Field("uid"), "0") << call;
  EXPECT_EQ(call.Field("key"), "revokes") << call;
}

REVOKE_TEST_P(SyscallAudit, Refusal, baseline::kEnosys) {
  ASSERT_THAT(log().RecordCallsOf(__NR_revokeat, "revokes"), SyscallSucceeds());
  const std::vector<AuditRecord> records = RecordsOfTheCallIn([&] {
    TEST_PCHECK(BecomeUser() == 0);
    TEST_PCHECK(GetParam().call(fd()) == -1 && errno == EPERM);
  });
  ExpectCall(records);
  ExpectObject(records);
  const AuditRecord call = TheOne(records, AUDIT_SYSCALL);
  EXPECT_EQ(call.Field("success"), "no") << call;
  EXPECT_EQ(call.Field("exit"), std::to_string(-EPERM)) << call;
  EXPECT_EQ(call.Field("uid"), std::to_string(kNobody)) << call;
  EXPECT_THAT(Generation(fd()), SyscallSucceeds());
}

// Whoever has the log say who writes to a device learns who takes it from its users.
REVOKE_TEST_P(SyscallAudit, WatchForWriters, baseline::kEnosys) {
  ASSERT_THAT(log().Watch(NodeOf(Dev::kDefault), AUDIT_PERM_WRITE, "writers"), SyscallSucceeds());
  const std::vector<AuditRecord> records =
      RecordsOfTheCallIn([&] { TEST_PCHECK(GetParam().call(fd()) == 0); });
  ExpectCall(records);
  ExpectObject(records);
  EXPECT_EQ(TheOne(records, AUDIT_SYSCALL).Field("key"), "writers");
}

}  // namespace
}  // namespace revoke_test
