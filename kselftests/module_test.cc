// SPDX-License-Identifier: GPL-2.0
//
// Nothing of a driver is reachable from a stale file or its mappings: its module can be unloaded
// while they exist, and loaded again, without either noticing.

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "baseline.h"
#include "checkpoint.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "proc.h"
#include "process.h"
#include "revokeat.h"
#include "sigbus_probe.h"
#include "test_check.h"
#include "test_device.h"
#include "test_module.h"

namespace revoke_test {
namespace {

class ModuleTest : public TestModuleTest {};

REVOKE_TEST_F(ModuleTest, UnloadedUnderStaleFilesAndMappings, baseline::kEnosys) {
  std::vector<FileDescriptor> files;
  std::vector<Mapping> mappings;
  for (const Shape& shape : AllShapes()) {
    files.push_back(Open(NodeOf(shape.dev), O_RDWR));
    mappings.push_back(MapShape(files.back(), shape.shape));
    ASSERT_THAT(mappings.back(), SyscallSucceeds()) << shape.name;
    ASSERT_THAT(Probe::Read(PageWord(mappings.back(), 0)), Survives()) << shape.name;
  }
  const FileDescriptor epoll = Epoll();
  epoll_event event{};
  event.events = EPOLLIN;
  ASSERT_THAT(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, files.front().get(), &event),
              SyscallSucceeds());
  Checkpoint forked;
  Checkpoint unloaded;
  Child child([&] {
    CloseControl();
    forked.Reach();
    TEST_CHECK(unloaded.WaitFor(1));
    for (const Mapping& mapping : mappings) {
      TEST_CHECK(DiesOfSigbus(PageWord(mapping, 0)));
      TEST_PCHECK(munmap(mapping.base(), mapping.size()) == 0);
    }
    for (const FileDescriptor& fd : files) TEST_PCHECK(close(fd.get()) == 0);
  });
  ASSERT_TRUE(forked.WaitFor(1));
  for (const Dev dev : {Dev::kDefault, Dev::kPrepare}) {
    ASSERT_THAT(control().RevokeIt(dev), SyscallSucceeds());
  }
  UnloadModule();
  unloaded.Reach();
  EXPECT_THAT(child.Wait(), Exited(0));

  EXPECT_THAT(epoll_wait(epoll.get(), &event, 1, -1), SyscallSucceedsWithValue(1));
  EXPECT_EQ(event.events, EPOLLIN | EPOLLERR | EPOLLHUP);
  EXPECT_TRUE(ReadSmallFile("/proc/self/smaps").has_value());
  for (std::size_t i = 0; i < files.size(); ++i) {
    SCOPED_TRACE(AllShapes()[i].name);
    char byte = 0;
    const int error = RevokedErrnosOf(AllShapes()[i].dev).read;
    EXPECT_THAT(read(files[i].get(), &byte, 1), SyscallFailsWithErrno(error));
    EXPECT_TRUE(ReadSmallFile("/proc/self/fdinfo/" + std::to_string(files[i].get())).has_value());
    EXPECT_THAT(Probe::Read(PageWord(mappings[i], 0)), DiesOfSigbusAt(PageWord(mappings[i], 0)));
    // Split, moved, protected, forked: what asks a driver elsewhere.
    EXPECT_THAT(mprotect(mappings[i].base(), PageSize(), PROT_NONE), SyscallSucceeds());
    EXPECT_THAT(InChild([] {}), Exited(0));
    EXPECT_THAT(mappings[i].Unmap(), SyscallSucceeds());
    EXPECT_THAT(files[i].Close(), SyscallSucceeds());
  }
}

REVOKE_TEST_F(ModuleTest, LoadedAgainIsNotReachedByStaleFiles, baseline::kEnosys) {
  const FileDescriptor stale = Open(NodeOf(Dev::kDefault), O_RDWR);
  const Mapping mapping = MapShape(stale, REVOKE_TEST_SHAPE_FAULT_PAGE);
  ASSERT_THAT(control().RevokeIt(Dev::kDefault), SyscallSucceeds());
  UnloadModule();
  EXPECT_THAT(Generation(stale.get()), SyscallFailsWithErrno(ENODEV));
  LoadModule();
  EXPECT_THAT(Generation(stale.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(Probe::Read(PageWord(mapping, 0)), DiesOfSigbusAt(PageWord(mapping, 0)));
  const FileDescriptor fd = Open(NodeOf(Dev::kDefault), O_RDWR);
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

REVOKE_TEST_F(ModuleTest, UnloadedWhenAFileIsClosed, baseline::kEnosys) {
  FileDescriptor fd = Open(NodeOf(Dev::kDefault), O_RDWR);
  ASSERT_THAT(fd, SyscallSucceeds());
  EXPECT_THAT(TryUnloadTestModule(), SyscallFailsWithErrno(EWOULDBLOCK));
  EXPECT_THAT(fd.Close(), SyscallSucceeds());
  UnloadModule();
}

// revokeat(2) alone, with the device in place, lets go of the module too.
REVOKE_TEST_F(ModuleTest, UnloadedUnderFilesRevokedByPath, baseline::kEnosys) {
  FileDescriptor stale = Open(NodeOf(Dev::kDefault), O_RDWR);
  Mapping mapping = MapShape(stale, REVOKE_TEST_SHAPE_CLOSE);
  ASSERT_THAT(mapping, SyscallSucceeds());
  EXPECT_THAT(TryUnloadTestModule(), SyscallFailsWithErrno(EWOULDBLOCK));
  ASSERT_THAT(revoke(NodeOf(Dev::kDefault).c_str()), SyscallSucceedsWithValue(0));
  UnloadModule();
  EXPECT_THAT(Generation(stale.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(Probe::Read(PageWord(mapping, 0)), DiesOfSigbusAt(PageWord(mapping, 0)));
  EXPECT_THAT(mapping.Unmap(), SyscallSucceeds());
  EXPECT_THAT(stale.Close(), SyscallSucceeds());
}

}  // namespace
}  // namespace revoke_test
