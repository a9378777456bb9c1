// SPDX-License-Identifier: GPL-2.0
//
// Who shares an open file, and what a revoke means to each: descriptors that were duplicated,
// inherited, passed, picked up, or are under way between processes; files opened in other
// namespaces; the broker that hands devices to the session that is on. ->release runs once whoever
// is last, and however many files there are.

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "checkpoint.h"
#include "deadline.h"
#include "device_node.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "privilege.h"
#include "process.h"
#include "race.h"
#include "revokeat.h"
#include "sigbus_probe.h"
#include "temp_dir.h"
#include "test_check.h"
#include "test_device.h"

namespace revoke_test {
namespace {

using testing::AnyOf;

const std::string kNode = NodeOf(Dev::kDefault);

// ---- the program that is executed with a descriptor ----

// This one, told what to do by its environment. It finds its descriptors at these numbers.
constexpr const char* kExecuted = "REVOKE_TEST_EXECUTED";
constexpr int kDeviceAt = 100;
constexpr int kReadyAt = 101;
constexpr int kGoAt = 102;

// Says that it runs, and goes on when told to.
bool MeetTheTest() {
  char byte = 0;
  return write(kReadyAt, "r", 1) == 1 && read(kGoAt, &byte, 1) == 1;
}

// Before main(), which would run the tests.
__attribute__((constructor)) void BeExecuted() {
  const char* role = std::getenv(kExecuted);
  if (role == nullptr) return;
  const std::string_view name = role;
  if (name == "leaves") _exit(0);
  if (name == "holds") {
    TEST_CHECK(Generation(kDeviceAt) > 0);
    TEST_CHECK(MeetTheTest());
    TEST_CHECK(IsRevoked(kDeviceAt));
  } else if (name == "holds a stale one") {
    TEST_CHECK(IsRevoked(kDeviceAt));
  } else {
    TEST_CHECK(name == "has none");
    TEST_CHECK(fcntl(kDeviceAt, F_GETFD) == -1 && errno == EBADF);
    TEST_CHECK(MeetTheTest());
  }
  _exit(0);
}

[[noreturn]] void Execute(const char* role) {
  char program[] = "sharing_test";
  std::string variable = std::string(kExecuted) + "=" + role;
  const std::array<char*, 2> argv = {program, nullptr};
  const std::array<char*, 2> environment = {variable.data(), nullptr};
  execve("/proc/self/exe", argv.data(), environment.data());
  TEST_PCHECK(false && "execve");
  std::abort();
}

class SharingTest : public TestDeviceTest {
 protected:
  std::uint64_t Released() const {
    return control().Counters(Dev::kDefault).finished[REVOKE_TEST_RELEASE];
  }
};

// ---- one open file, two descriptors ----

struct Way {
  const char* name;
  std::function<FileDescriptor(int fd)> share;
};

void PrintTo(const Way& way, std::ostream* os) { *os << way.name; }

FileDescriptor PassedToOneself(int fd) {
  const SocketEnds sockets = SocketPair(SOCK_STREAM);
  if (SendFd(sockets.first.get(), fd) != 0) return FileDescriptor(-1);
  return ReceiveFd(sockets.second.get());
}

FileDescriptor SentBackByAChild(int fd) {
  const SocketEnds sockets = SocketPair(SOCK_STREAM);
  const Child child([&] { TEST_PCHECK(SendFd(sockets.first.get(), fd) == 0); });
  return ReceiveFd(sockets.second.get());
}

FileDescriptor PickedUpFromAChild(int fd) {
  const Checkpoint never;
  const Child child([&] { static_cast<void>(never.WaitFor(1)); });
  const FileDescriptor process = PidFd(child.pid());
  return FileDescriptor(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
}

class SharedDescriptor : public SharingTest, public testing::WithParamInterface<Way> {};

INSTANTIATE_TEST_SUITE_P(, SharedDescriptor,
                         testing::Values(Way{"Dup", Duplicate},
                                         Way{"Dup2",
                                             [](int fd) {
                                               FileDescriptor other = EventFd();
                                               return FileDescriptor(dup2(fd, other.Release()));
                                             }},
                                         Way{"Passed", PassedToOneself},
                                         Way{"Inherited", SentBackByAChild},
                                         Way{"PidfdGetfd", PickedUpFromAChild}),
                         [](const testing::TestParamInfo<Way>& info) { return info.param.name; });

REVOKE_TEST_P(SharedDescriptor, GoesWithTheOpenFile, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  const FileDescriptor other = OpenDevice();
  FileDescriptor shared = GetParam().share(fd.get());
  ASSERT_THAT(shared, SyscallSucceeds());
  ASSERT_THAT(Generation(shared.get()), SyscallSucceeds());
  ASSERT_THAT(RevokeFile(shared.get()), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(IsRevoked(fd.get()));
  EXPECT_TRUE(IsRevoked(shared.get()));
  EXPECT_THAT(Generation(other.get()), SyscallSucceeds());
  EXPECT_EQ(Released(), 1U);
  EXPECT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_TRUE(IsRevoked(shared.get()));
  EXPECT_THAT(shared.Close(), SyscallSucceeds());
  EXPECT_EQ(Released(), 1U);
}

REVOKE_TEST_P(SharedDescriptor, OfAStaleFileIsStale, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  FileDescriptor shared = GetParam().share(fd.get());
  ASSERT_THAT(shared, SyscallSucceeds());
  EXPECT_TRUE(IsRevoked(shared.get()));
  EXPECT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_TRUE(IsRevoked(shared.get()));
  EXPECT_THAT(shared.Close(), SyscallSucceeds());
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_OPEN), 1U);
  EXPECT_EQ(Released(), 1U);
}

// ---- descriptors under way ----

// Has the kernel collect sockets that are nowhere but in each other's queues until nobody has the
// other end of the pipe `read_end`, which is in one of them.
bool CollectGarbage(int read_end) {
  const Deadline deadline(kDefaultWait);
  pollfd polled = {.fd = read_end, .events = POLLIN, .revents = 0};
  while (!deadline.Passed()) {
    // Closing a socket begins a collection. That of the last one in a cycle does not, as it is not
    // closed; and while one is under way, none begins.
    SocketPair(SOCK_STREAM);
    if (poll(&polled, 1, 1) == 1) return true;
  }
  return false;
}

// Returns when all that the kernel's garbage collection of sockets has let go of is closed.
void CloseGarbage() {
  // The work that closes files takes all there are, last come first closed: once this one has been
  // closed, a file that was let go of before it may be about to be, but not when the next one is.
  for (int again = 0; again < 2; ++again) {
    PipeEnds pipe = Pipe();
    {
      const SocketEnds sockets = SocketPair(SOCK_STREAM);
      ASSERT_THAT(SendFd(sockets.first.get(), pipe.write.get()), SyscallSucceeds());
      ASSERT_THAT(SendFd(sockets.first.get(), sockets.second.get()), SyscallSucceeds());
      ASSERT_THAT(pipe.write.Close(), SyscallSucceeds());
    }
    ASSERT_TRUE(CollectGarbage(pipe.read.get()));
  }
}

class InFlight : public SharingTest, public testing::WithParamInterface<int> {};

INSTANTIATE_TEST_SUITE_P(, InFlight, testing::Values(SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET),
                         [](const testing::TestParamInfo<int>& info) {
                           if (info.param == SOCK_STREAM) return "Stream";
                           return info.param == SOCK_DGRAM ? "Datagram" : "SeqPacket";
                         });

REVOKE_TEST_P(InFlight, NobodyElseHasIt, baseline::kEnosys) {
  const SocketEnds sockets = SocketPair(GetParam());
  constexpr std::uint64_t kQueued = 3;
  for (std::uint64_t i = 0; i < kQueued; ++i) {
    const FileDescriptor fd = OpenDevice();
    ASSERT_THAT(SendFd(sockets.first.get(), fd.get()), SyscallSucceeds());
  }
  EXPECT_EQ(Released(), 0U);
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), kQueued);
  // One that was opened later is not a bit older for being in the same queue.
  {
    const FileDescriptor fd = OpenDevice();
    ASSERT_THAT(SendFd(sockets.first.get(), fd.get()), SyscallSucceeds());
  }
  for (std::uint64_t i = 0; i < kQueued; ++i) {
    const FileDescriptor fd = ReceiveFd(sockets.second.get());
    ASSERT_THAT(fd, SyscallSucceeds());
    EXPECT_TRUE(IsRevoked(fd.get()));
  }
  EXPECT_EQ(Released(), kQueued);
  FileDescriptor fd = ReceiveFd(sockets.second.get());
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
  EXPECT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_EQ(Released(), kQueued + 1);
}

REVOKE_TEST_P(InFlight, InASocketThatIsInFlightItself, baseline::kEnosys) {
  const SocketEnds outer = SocketPair(GetParam());
  {
    const SocketEnds inner = SocketPair(GetParam());
    const FileDescriptor fd = OpenDevice();
    ASSERT_THAT(SendFd(inner.first.get(), fd.get()), SyscallSucceeds());
    ASSERT_THAT(SendFd(outer.first.get(), inner.second.get()), SyscallSucceeds());
  }
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), 1U);
  const FileDescriptor inner = ReceiveFd(outer.second.get());
  const FileDescriptor fd = ReceiveFd(inner.get());
  ASSERT_THAT(fd, SyscallSucceeds());
  EXPECT_TRUE(IsRevoked(fd.get()));
}

REVOKE_TEST_P(InFlight, NeverReceived, baseline::kEnosys) {
  {
    const SocketEnds sockets = SocketPair(GetParam());
    const FileDescriptor fd = OpenDevice();
    ASSERT_THAT(SendFd(sockets.first.get(), fd.get()), SyscallSucceeds());
    ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  }
  EXPECT_EQ(Released(), 1U);
}

REVOKE_TEST_P(InFlight, InGarbageBeforeItIsCollected, baseline::kEnosys) {
  SocketEnds sockets = SocketPair(GetParam());
  {
    const FileDescriptor fd = OpenDevice();
    ASSERT_THAT(SendFd(sockets.first.get(), fd.get()), SyscallSucceeds());
  }
  // In its own queue: closing it does not end it.
  ASSERT_THAT(SendFd(sockets.first.get(), sockets.second.get()), SyscallSucceeds());
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), 1U);
  sockets = SocketEnds();
  CloseGarbage();
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
}

REVOKE_TEST_P(InFlight, InGarbageThatHasBeenCollected, baseline::kEnosys) {
  {
    const SocketEnds sockets = SocketPair(GetParam());
    const FileDescriptor fd = OpenDevice();
    ASSERT_THAT(SendFd(sockets.first.get(), fd.get()), SyscallSucceeds());
    ASSERT_THAT(SendFd(sockets.first.get(), sockets.second.get()), SyscallSucceeds());
  }
  CloseGarbage();
  EXPECT_EQ(Released(), 1U);
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
}

// ---- opened again, or not opened at all ----

// What /proc/PID/fd shows is a way to the node, not to the open file.
REVOKE_TEST_F(SharingTest, ReopenedFromAnotherProcessIsAnOpenFileOfItsOwn, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const Checkpoint never;
  const Child holder([&] { static_cast<void>(never.WaitFor(1)); });
  const std::string path =
      "/proc/" + std::to_string(holder.pid()) + "/fd/" + std::to_string(fd.get());
  const FileDescriptor before = Open(path, O_RDWR);
  ASSERT_THAT(before, SyscallSucceeds());
  ASSERT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(IsRevoked(fd.get()));
  EXPECT_THAT(Generation(before.get()), SyscallSucceeds());
  const FileDescriptor after = Open(path, O_RDWR);
  EXPECT_THAT(Generation(after.get()), SyscallSucceeds());
  // As any open of the device, these can be taken, too.
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(IsRevoked(before.get()));
  EXPECT_TRUE(IsRevoked(after.get()));
  EXPECT_EQ(Released(), 3U);
}

REVOKE_TEST_F(SharingTest, PathHandleMadeFromAStaleFileLeadsToTheDevice, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  const FileDescriptor handle = Open("/proc/self/fd/" + std::to_string(fd.get()), O_PATH);
  ASSERT_THAT(handle, SyscallSucceeds());
  EXPECT_THAT(Generation(handle.get()), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(RevokeFile(handle.get()), SyscallFailsWithErrno(EBADF));
  // Passed on, it is still no open file.
  const FileDescriptor passed = PassedToOneself(handle.get());
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_OPEN), 1U);
  const FileDescriptor again = Open("/proc/self/fd/" + std::to_string(passed.get()), O_RDWR);
  EXPECT_THAT(Generation(again.get()), SyscallSucceeds());
  EXPECT_TRUE(IsRevoked(fd.get()));
}

// ---- executed programs ----

class SharingExec : public SharingTest {
 protected:
  // Has `fd` at kDeviceAt (without FD_CLOEXEC, unless `close`) and executes a program.
  void ExecuteWith(int fd, bool close, const char* role) const {
    TEST_PCHECK(dup3(fd, kDeviceAt, close ? O_CLOEXEC : 0) == kDeviceAt);
    TEST_PCHECK(dup2(ready_.write.get(), kReadyAt) == kReadyAt);
    TEST_PCHECK(dup2(go_.read.get(), kGoAt) == kGoAt);
    Execute(role);
  }

  void WaitUntilReady() const {
    char byte = 0;
    ASSERT_THAT(read(ready_.read.get(), &byte, 1), SyscallSucceedsWithValue(1));
  }
  void LetGo() const { ASSERT_THAT(write(go_.write.get(), "g", 1), SyscallSucceedsWithValue(1)); }

 private:
  PipeEnds ready_ = Pipe();
  PipeEnds go_ = Pipe();
};

REVOKE_TEST_F(SharingExec, LosesWhatItWasGiven, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  Child program([&] { ExecuteWith(fd.get(), false, "holds"); });
  ASSERT_NO_FATAL_FAILURE(WaitUntilReady());
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(Released(), 1U);
  LetGo();
  EXPECT_THAT(program.Wait(), Exited(0));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
}

REVOKE_TEST_F(SharingExec, IsGivenAStaleFile, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  Child program([&] { ExecuteWith(fd.get(), false, "holds a stale one"); });
  EXPECT_THAT(program.Wait(), Exited(0));
}

REVOKE_TEST_F(SharingExec, ClosesTheLastDescriptor, baseline::kEnosys) {
  for (const bool stale : {false, true}) {
    SCOPED_TRACE(stale ? "of a stale file" : "of a file");
    ASSERT_THAT(control().Reset(), SyscallSucceeds());
    FileDescriptor fd = OpenDevice();
    Checkpoint go;
    Child program([&] {
      TEST_CHECK(go.WaitFor(1));
      ExecuteWith(fd.get(), true, "has none");
    });
    ASSERT_THAT(fd.Close(), SyscallSucceeds());
    if (stale) {
      ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
    }
    EXPECT_EQ(Released(), stale ? 1U : 0U);
    go.Reach();
    ASSERT_NO_FATAL_FAILURE(WaitUntilReady());
    // The program runs, so its predecessor's descriptors are closed.
    EXPECT_THAT(control().WaitFinished(Dev::kDefault, REVOKE_TEST_RELEASE), SyscallSucceeds());
    EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
    LetGo();
    EXPECT_THAT(program.Wait(), Exited(0));
  }
}

// ---- namespaces ----

REVOKE_TEST_F(SharingTest, OpenedInAMountNamespaceThatIsGone, baseline::kEnosys) {
  const TempDir dir;
  const std::optional<dev_t> device = DeviceOf(kNode);
  ASSERT_TRUE(device);
  const SocketEnds sockets = SocketPair(SOCK_STREAM);
  ASSERT_THAT(InChild([&] {
                TEST_PCHECK(unshare(CLONE_NEWNS) == 0);
                TEST_PCHECK(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
                TEST_PCHECK(mount("revoke-test", dir.path().c_str(), "tmpfs", 0, nullptr) == 0);
                const std::string node = dir / "node";
                TEST_PCHECK(MakeDeviceNode(node, S_IFCHR, *device) == 0);
                const FileDescriptor fd = Open(node, O_RDWR);
                TEST_CHECK(Generation(fd.get()) > 0);
                TEST_PCHECK(SendFd(sockets.first.get(), fd.get()) == 0);
              }),
              Exited(0));
  const FileDescriptor fd = ReceiveFd(sockets.second.get());
  ASSERT_THAT(Generation(fd.get()), SyscallSucceeds());
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(IsRevoked(fd.get()));
  EXPECT_EQ(Released(), 1U);
}

REVOKE_TEST_F(SharingTest, OpenedInAnotherUserNamespace, baseline::kEnosys) {
  ASSERT_TRUE(UserNamespacesWork());
  const TempDir dir;
  ASSERT_THAT(chmod(dir.path().c_str(), 0777), SyscallSucceeds());
  const FileDescriptor ours = OpenDevice();
  const SocketEnds sockets = SocketPair(SOCK_STREAM);
  ASSERT_THAT(InChild([&] {
                TEST_PCHECK(BecomeUser() == 0);
                TEST_PCHECK(EnterUserNamespace() == 0);
                TEST_PCHECK(unshare(CLONE_NEWNS) == 0);
                const FileDescriptor theirs = Open(kNode, O_RDWR);
                const FileDescriptor kept = Open(kNode, O_RDWR);
                TEST_CHECK(Generation(theirs.get()) > 0);

                // All powers there are none here, not even by a mount of one's own.
                TEST_CHECK(HaveCapability(CAP_SYS_ADMIN));
                TEST_CHECK(revoke(kNode.c_str()) == -1 && errno == EPERM);
                const std::string node = dir / "node";
                TEST_CHECK(Open(node, O_CREAT | O_WRONLY, 0600).valid());
                TEST_PCHECK(mount(kNode.c_str(), node.c_str(), nullptr, MS_BIND, nullptr) == 0);
                TEST_CHECK(revoke(node.c_str()) == -1 && errno == EPERM);
                TEST_CHECK(RevokeFile(ours.get()) == -1 && errno == EPERM);
                TEST_CHECK(Generation(ours.get()) > 0);
                TEST_CHECK(Generation(theirs.get()) > 0);

                // What was opened here can be given up here.
                TEST_PCHECK(RevokeFile(theirs.get()) == 0);
                TEST_CHECK(IsRevoked(theirs.get()));
                TEST_PCHECK(SendFd(sockets.first.get(), kept.get()) == 0);
              }),
              Exited(0));
  const FileDescriptor theirs = ReceiveFd(sockets.second.get());
  EXPECT_THAT(Generation(theirs.get()), SyscallSucceeds());
  EXPECT_THAT(Generation(ours.get()), SyscallSucceeds());
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(IsRevoked(theirs.get()));
  EXPECT_TRUE(IsRevoked(ours.get()));
  EXPECT_EQ(Released(), 3U);
}

// ---- overlayfs: one device, another inode ----

class SharingOverlay : public SharingTest {
 protected:
  void SetUp() override {
    SharingTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_THAT(dir_, SyscallSucceeds());
    for (const char* name : {"below", "above", "work", "merged"}) {
      ASSERT_THAT(mkdir((dir_ / name).c_str(), 0755), SyscallSucceeds());
    }
    const std::optional<dev_t> device = DeviceOf(NodeOf(Dev::kOwner));
    ASSERT_TRUE(device);
    ASSERT_THAT(MakeDeviceNode(below(), S_IFCHR, *device, 0666), SyscallSucceeds());
    ASSERT_THAT(chown(below().c_str(), kNobody, kNobody), SyscallSucceeds());
    const std::string options = "lowerdir=" + (dir_ / "below") + ",upperdir=" + (dir_ / "above") +
                                ",workdir=" + (dir_ / "work");
    // Unmounted with the file system that it is on.
    ASSERT_THAT(mount("overlay", (dir_ / "merged").c_str(), "overlay", 0, options.c_str()),
                SyscallSucceeds());
    by_below_ = Open(below(), O_RDWR);
    by_merged_ = Open(merged(), O_RDWR);
    ASSERT_THAT(Generation(by_below_.get()), SyscallSucceeds());
    ASSERT_THAT(Generation(by_merged_.get()), SyscallSucceeds());
  }

  std::string below() const { return dir_ / "below/node"; }
  std::string merged() const { return dir_ / "merged/node"; }
  int by_below() const { return by_below_.get(); }
  int by_merged() const { return by_merged_.get(); }

 private:
  TempDir dir_{TempDir::Kind::kTmpfs};
  FileDescriptor by_below_;
  FileDescriptor by_merged_;
};

REVOKE_TEST_F(SharingOverlay, NodeBelowStandsForTheDevice, baseline::kEnosys) {
  ASSERT_THAT(revoke(below().c_str()), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(IsRevoked(by_below()));
  EXPECT_TRUE(IsRevoked(by_merged()));
}

REVOKE_TEST_F(SharingOverlay, NodeInTheMergedTreeStandsForTheDevice, baseline::kEnosys) {
  const FileDescriptor elsewhere = OpenDevice(Dev::kOwner);
  ASSERT_THAT(revoke(merged().c_str()), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(IsRevoked(by_below()));
  EXPECT_TRUE(IsRevoked(by_merged()));
  EXPECT_TRUE(IsRevoked(elsewhere.get()));
  const FileDescriptor fd = Open(merged(), O_RDWR);
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

REVOKE_TEST_F(SharingOverlay, FileOpenedThroughItIsRevokedAlone, baseline::kEnosys) {
  ASSERT_THAT(RevokeFile(by_merged()), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(IsRevoked(by_merged()));
  EXPECT_THAT(Generation(by_below()), SyscallSucceeds());
}

// Owners take what was opened by the very node they own.
REVOKE_TEST_F(SharingOverlay, OwnerOfTheNodeInTheMergedTree, baseline::kEnosys) {
  EXPECT_THAT(InChild([&] {
                TEST_PCHECK(BecomeUser() == 0);
                TEST_PCHECK(revoke(merged().c_str()) == 0);
              }),
              Exited(0));
  EXPECT_TRUE(IsRevoked(by_merged()));
  EXPECT_THAT(Generation(by_below()), SyscallSucceeds());
}

REVOKE_TEST_F(SharingOverlay, OwnerOfTheNodeBelow, baseline::kEnosys) {
  EXPECT_THAT(InChild([&] {
                TEST_PCHECK(BecomeUser() == 0);
                TEST_PCHECK(revoke(below().c_str()) == 0);
              }),
              Exited(0));
  EXPECT_TRUE(IsRevoked(by_below()));
  EXPECT_THAT(Generation(by_merged()), SyscallSucceeds());
}

// ---- a broker of devices, as logind is one ----

// What the client of a session can be told to do. Each gives what a system call would.
enum class Act : int {
  kTake,        // receive the device
  kOpen,        // try to open it oneself
  kIoctl,       // its generation
  kRead,        // one byte
  kPoll,        // the events there are
  kMap,         // map its memory
  kTouch,       // access that: 0, or the signal
  kRevokeFile,  // take it from everybody who shares it
  kRevokePath,  // take it from everybody
};

class Client {
 public:
  Client(uid_t user, std::string node) : user_(user), node_(std::move(node)) {
    process_.emplace([this] { Serve(); });
  }

  pid_t pid() const { return process_->pid(); }
  int Give(int fd) const {
    if (!Begin(Act::kTake)) return -1;
    if (SendFd(sockets_.first.get(), fd) != 0) return -1;
    return static_cast<int>(End());
  }
  long Do(Act act) const { return Begin(act) ? End() : -1; }

  // The same in two steps.
  bool Begin(Act act) const {
    return send(sockets_.first.get(), &act, sizeof(act), 0) == sizeof(act);
  }
  long End() const {
    Answer answer{};
    if (recv(sockets_.first.get(), &answer, sizeof(answer), 0) != sizeof(answer)) {
      errno = EBADMSG;
      return -1;
    }
    errno = answer.error;
    return answer.result;
  }

 private:
  struct Answer {
    long result;
    int error;
  };

  void Serve() {
    TEST_PCHECK(BecomeUser(user_) == 0);
    TEST_CHECK(!HaveCapability(CAP_SYS_ADMIN));
    const int socket = sockets_.second.get();
    Act act{};
    while (recv(socket, &act, sizeof(act), 0) == sizeof(act)) {
      Answer answer{};
      answer.result = Perform(act);
      answer.error = errno;
      TEST_PCHECK(send(socket, &answer, sizeof(answer), 0) == sizeof(answer));
    }
  }

  long Perform(Act act) {
    char byte = 0;
    pollfd polled = {.fd = device_.get(), .events = POLLIN, .revents = 0};
    switch (act) {
      case Act::kTake:
        device_ = ReceiveFd(sockets_.second.get());
        return device_.valid() ? 0 : -1;
      case Act::kOpen:
        return FileDescriptor(open(node_.c_str(), O_RDWR | O_CLOEXEC)).valid() ? 0 : -1;
      case Act::kIoctl:
        return Generation(device_.get());
      case Act::kRead:
        return read(device_.get(), &byte, 1);
      case Act::kPoll:
        return poll(&polled, 1, 0) < 0 ? -1 : polled.revents;
      case Act::kMap: {
        Mapping memory = MapShape(device_, REVOKE_TEST_SHAPE_FAULT_PFN);
        if (!memory.valid()) return -1;
        memory_ = std::move(memory);
        return 0;
      }
      case Act::kTouch: {
        const ProbeResult<std::uint64_t> touched = Probe::Read(PageWord(memory_, 0));
        return touched.fault ? touched.fault->signo : 0;
      }
      case Act::kRevokeFile:
        return RevokeFile(device_.get());
      case Act::kRevokePath:
        return revoke(node_.c_str());
    }
    errno = EINVAL;
    return -1;
  }

  uid_t user_;
  std::string node_;
  SocketEnds sockets_ = SocketPair(SOCK_SEQPACKET);
  FileDescriptor device_;
  Mapping memory_;
  std::optional<Child> process_;  // last: it uses the others
};

constexpr uid_t kAlice = 1000;
constexpr uid_t kBob = 1001;

class SharingSeat : public SharingTest {
 protected:
  void SetUp() override {
    SharingTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_THAT(dir_, SyscallSucceeds());
    const std::optional<dev_t> device = DeviceOf(kNode);
    ASSERT_TRUE(device);
    // Nobody but the broker can open it.
    ASSERT_THAT(MakeDeviceNode(node(), S_IFCHR, *device, 0600), SyscallSucceeds());
  }

  std::string node() const { return dir_ / "node"; }
  FileDescriptor OpenNode() const { return Open(node(), O_RDWR); }

  static void ExpectWorks(const Client& client) {
    EXPECT_THAT(client.Do(Act::kIoctl), SyscallSucceeds());
    EXPECT_THAT(client.Do(Act::kPoll), SyscallSucceedsWithValue(0));
    EXPECT_THAT(client.Do(Act::kTouch), SyscallSucceedsWithValue(0));
  }
  static void ExpectRevoked(const Client& client) {
    EXPECT_THAT(client.Do(Act::kRead), SyscallFailsWithErrno(ENODEV));
    EXPECT_THAT(client.Do(Act::kIoctl), SyscallFailsWithErrno(ENODEV));
    EXPECT_THAT(client.Do(Act::kMap), SyscallFailsWithErrno(ENODEV));
    EXPECT_THAT(client.Do(Act::kPoll), SyscallSucceedsWithValue(POLLIN | POLLERR | POLLHUP));
    EXPECT_THAT(client.Do(Act::kTouch), SyscallSucceedsWithValue(SIGBUS));
  }
  // Neither what it was given, nor what it has not.
  static void ExpectCannotRevoke(const Client& client) {
    EXPECT_THAT(client.Do(Act::kOpen), SyscallFailsWithErrno(EACCES));
    EXPECT_THAT(client.Do(Act::kRevokePath), SyscallFailsWithErrno(EACCES));
    EXPECT_THAT(client.Do(Act::kRevokeFile), SyscallFailsWithErrno(EPERM));
  }

 private:
  TempDir dir_{TempDir::Kind::kTmpfs};
};

REVOKE_TEST_F(SharingSeat, BrokerTakesTheDeviceFromOneSessionAndGivesItBack, baseline::kEnosys) {
  const Client alice(kAlice, node());
  const Client bob(kBob, node());
  const FileDescriptor for_alice = OpenNode();
  const FileDescriptor for_bob = OpenNode();
  ASSERT_THAT(alice.Give(for_alice.get()), SyscallSucceeds());
  ASSERT_THAT(bob.Give(for_bob.get()), SyscallSucceeds());
  for (const Client* client : {&alice, &bob}) {
    ASSERT_THAT(client->Do(Act::kMap), SyscallSucceeds());
    ExpectWorks(*client);
    ExpectCannotRevoke(*client);
  }
  ExpectWorks(alice);
  ExpectWorks(bob);

  // Alice's session is left while she waits for input.
  ASSERT_TRUE(alice.Begin(Act::kRead));
  ASSERT_TRUE(WaitUntilBlocked(alice.pid(), {.syscall = SYS_read}));
  ASSERT_THAT(RevokeFile(for_alice.get()), SyscallSucceedsWithValue(0));
  EXPECT_THAT(alice.End(), SyscallFailsWithErrno(ENODEV));
  EXPECT_EQ(Released(), 1U);
  ExpectRevoked(alice);
  ExpectCannotRevoke(alice);
  ExpectWorks(bob);
  ASSERT_THAT(control().PutData(Dev::kDefault, 1), SyscallSucceeds());
  EXPECT_THAT(alice.Do(Act::kRead), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(bob.Do(Act::kRead), SyscallSucceedsWithValue(1));

  // It is entered again.
  const FileDescriptor again = OpenNode();
  ASSERT_THAT(again, SyscallSucceeds());
  EXPECT_TRUE(IsRevoked(for_alice.get()));
  EXPECT_THAT(alice.Do(Act::kIoctl), SyscallFailsWithErrno(ENODEV));
  ASSERT_THAT(alice.Give(again.get()), SyscallSucceeds());
  // Her old mapping stays what it was.
  EXPECT_THAT(alice.Do(Act::kTouch), SyscallSucceedsWithValue(SIGBUS));
  ASSERT_THAT(alice.Do(Act::kMap), SyscallSucceeds());
  ExpectWorks(alice);
  ExpectWorks(bob);
  EXPECT_EQ(Released(), 1U);
}

// The broker has dropped its privileges after it has opened the node, and its user ID as well.
REVOKE_TEST_F(SharingSeat, BrokerNeedsNoCapabilityForWhatItHasOpened, baseline::kEnosys) {
  const Client alice(kAlice, node());
  EXPECT_THAT(InChild([&] {
                const FileDescriptor for_alice = OpenNode();
                TEST_PCHECK(alice.Give(for_alice.get()) == 0);
                TEST_PCHECK(DropCapability(CAP_SYS_ADMIN) == 0);
                TEST_CHECK(revoke(node().c_str()) == -1 && errno == EPERM);
                TEST_PCHECK(setresuid(kAlice, kAlice, kAlice) == 0);
                TEST_PCHECK(RevokeFile(for_alice.get()) == 0);
              }),
              Exited(0));
  EXPECT_THAT(alice.Do(Act::kIoctl), SyscallFailsWithErrno(ENODEV));
}

// A descriptor is given for use: neither a child nor a client, be it of the same user, can take the
// file from the broker.
REVOKE_TEST_F(SharingSeat, HolderHasNoRightToWhatTheBrokerHasOpened, baseline::kEnosys) {
  const FileDescriptor fd = OpenNode();
  EXPECT_THAT(InChild([&] {
                TEST_PCHECK(DropCapability(CAP_SYS_ADMIN) == 0);
                TEST_CHECK(RevokeFile(fd.get()) == -1 && errno == EPERM);
              }),
              Exited(0));
  EXPECT_FALSE(IsRevoked(fd.get()));
}

// ---- ->release, once, whoever is last ----

// The last reference to an open file, and a way to drop it.
class LastReference {
 public:
  virtual ~LastReference() = default;
  // Opens the device; in the test's thread.
  virtual void Take() = 0;
  // Drops it, and returns when that cannot be stopped any more; in any thread.
  virtual void Drop() = 0;
  // Tidies up; in the test's thread.
  virtual void After() {}
};

class LastDescriptor : public LastReference {
 public:
  explicit LastDescriptor(std::function<void(FileDescriptor*)> drop) : drop_(std::move(drop)) {}
  void Take() override {
    fd_ = Open(kNode, O_RDWR);
    TEST_CHECK(fd_.valid());
  }
  void Drop() override { drop_(&fd_); }

 private:
  std::function<void(FileDescriptor*)> drop_;
  FileDescriptor fd_;
};

class LastMapping : public LastReference {
 public:
  void Take() override {
    const FileDescriptor fd = Open(kNode, O_RDWR);
    mapping_ = MapShape(fd, REVOKE_TEST_SHAPE_CLOSE);
    TEST_CHECK(mapping_.valid());
    Probe::Read(PageWord(mapping_, 0));
  }
  void Drop() override { TEST_PCHECK(mapping_.Unmap() == 0); }

 private:
  Mapping mapping_;
};

// In a process that ends it.
class LastHolder : public LastReference {
 public:
  enum class End { kExits, kExecutes, kIsKilled };
  explicit LastHolder(End end) : end_(end) {}

  void Take() override {
    go_ = Pipe();
    const FileDescriptor fd = Open(kNode, O_RDWR);
    TEST_CHECK(fd.valid());
    holder_.emplace([this] {
      char byte = 0;
      TEST_CHECK(read(go_.read.get(), &byte, 1) == 1);
      if (end_ == End::kExecutes) Execute("leaves");
    });
  }
  void Drop() override {
    if (end_ == End::kIsKilled) {
      TEST_PCHECK(holder_->Signal(SIGKILL) == 0);
    } else {
      TEST_PCHECK(write(go_.write.get(), "g", 1) == 1);
    }
    status_ = holder_->Wait();
  }
  void After() override {
    if (end_ == End::kIsKilled) {
      EXPECT_THAT(status_, KilledBySignal(SIGKILL));
    } else {
      EXPECT_THAT(status_, Exited(0));
    }
    holder_.reset();
  }

 private:
  End end_;
  PipeEnds go_;
  std::optional<Child> holder_;
  ExitStatus status_ = ExitStatus::StillRunning();
};

// In a message, which goes with its socket.
class LastMessage : public LastReference {
 public:
  explicit LastMessage(bool garbage) : garbage_(garbage) {}

  void Take() override {
    sockets_ = SocketPair(SOCK_STREAM);
    pipe_ = Pipe();
    const FileDescriptor fd = Open(kNode, O_RDWR);
    TEST_CHECK(fd.valid());
    const int to = sockets_.first.get();
    TEST_PCHECK(SendFd(to, fd.get()) == 0);
    TEST_PCHECK(SendFd(to, pipe_.write.get()) == 0);
    if (garbage_) TEST_PCHECK(SendFd(to, sockets_.second.get()) == 0);
    pipe_.write = FileDescriptor();
  }
  void Drop() override {
    sockets_ = SocketEnds();
    TEST_CHECK(CollectGarbage(pipe_.read.get()));
  }

 private:
  bool garbage_;
  SocketEnds sockets_;
  PipeEnds pipe_;
};

struct Last {
  const char* name;
  std::function<std::unique_ptr<LastReference>()> make;
};

void PrintTo(const Last& last, std::ostream* os) { *os << last.name; }

std::function<std::unique_ptr<LastReference>()> Dropping(
    const std::function<void(FileDescriptor*)>& drop) {
  return [drop] { return std::make_unique<LastDescriptor>(drop); };
}

std::function<std::unique_ptr<LastReference>()> HolderThat(LastHolder::End end) {
  return [end] { return std::make_unique<LastHolder>(end); };
}

class ReleaseRace : public SharingTest {
 protected:
  // `sides` against each other, each round with a new `last`.
  void Run(LastReference* last, const std::vector<std::function<void()>>& sides) {
    std::uint64_t opened = 0;
    const auto before = [&] {
      last->Take();
      ++opened;
    };
    const auto after = [&] {
      last->After();
      ExpectReleased(opened);
    };
    RaceTwice(sides, before, after);
  }

  // Likewise. With more sides than CPUs, three short ones are hardly ever under way at once by
  // themselves: so ->release, which all of them wait for, goes on only when the last one has begun.
  void RunHeld(LastReference* last, const std::vector<std::function<void()>>& sides) {
    std::atomic<std::size_t> begun = 0;
    std::optional<ArmedPoint> release;
    std::vector<std::function<void()>> held;
    held.reserve(sides.size());
    for (const std::function<void()>& side : sides) {
      held.emplace_back([&] {
        if (++begun == sides.size()) release->Open();
        side();
      });
    }
    std::uint64_t opened = 0;
    const auto before = [&] {
      last->Take();
      ++opened;
      begun = 0;
      release.emplace(control(), Dev::kDefault, REVOKE_TEST_RELEASE, REVOKE_TEST_ENTER,
                      REVOKE_TEST_STUCK);
    };
    const auto after = [&] {
      release.reset();
      last->After();
      ExpectReleased(opened);
    };
    RaceTwice(held, before, after);
  }

  static void RaceTwice(const std::vector<std::function<void()>>& sides,
                        const std::function<void()>& before, const std::function<void()>& after) {
    // Most of the time each side waits for the other, but who is the one to release the file is
    // decided in its first microseconds. So half of the race with one side somewhere inside of the
    // other, and half of it with all of them beginning at the same time.
    const std::chrono::milliseconds time(750);
    const std::chrono::milliseconds limit(12'000);
    ExpectRace({.overlaps = 10, .time = time, .limit = limit}, sides, before, after);
    if (HasFailure()) return;
    ExpectRace({.overlaps = 10,
                .time = time,
                .limit = limit,
                .meet_within = std::chrono::microseconds(20)},
               sides, before, after);
  }

  static void RevokeByPath() {
    // Of an object that has gone as well.
    TEST_PCHECK(revoke(kNode.c_str()) == 0);
  }

 private:
  void ExpectReleased(std::uint64_t times) const {
    // Some of the last references are dropped for good only a moment later.
    EXPECT_THAT(control().WaitFinished(Dev::kDefault, REVOKE_TEST_RELEASE, times),
                SyscallSucceeds());
    const revoke_test_counters counters = control().Counters(Dev::kDefault);
    EXPECT_EQ(counters.entered[REVOKE_TEST_RELEASE], times);
    EXPECT_EQ(counters.released_twice, 0U);
    EXPECT_EQ(counters.files, 0U);
    if (counters.dead != 0) {
      EXPECT_THAT(control().Recreate(Dev::kDefault), SyscallSucceeds());
    }
  }
};

class ReleaseRaceOf : public ReleaseRace, public testing::WithParamInterface<Last> {};

INSTANTIATE_TEST_SUITE_P(
    , ReleaseRaceOf,
    testing::Values(Last{"Close",
                         Dropping([](FileDescriptor* fd) { TEST_PCHECK(fd->Close() == 0); })},
                    Last{"CloseRange", Dropping([](FileDescriptor* fd) {
                           const auto number = static_cast<unsigned int>(fd->Release());
                           TEST_PCHECK(close_range(number, number, 0) == 0);
                         })},
                    Last{"Dup2", Dropping([](FileDescriptor* fd) {
                           TEST_PCHECK(dup2(STDERR_FILENO, fd->get()) == fd->get());
                         })},
                    Last{"Munmap", [] { return std::make_unique<LastMapping>(); }},
                    Last{"Exec", HolderThat(LastHolder::End::kExecutes)},
                    Last{"Exit", HolderThat(LastHolder::End::kExits)},
                    Last{"Kill", HolderThat(LastHolder::End::kIsKilled)},
                    Last{"SocketClosed", [] { return std::make_unique<LastMessage>(false); }},
                    Last{"GarbageCollected", [] { return std::make_unique<LastMessage>(true); }}),
    [](const testing::TestParamInfo<Last>& info) { return info.param.name; });

REVOKE_TEST_P(ReleaseRaceOf, AgainstARevoke, baseline::kEnosys) {
  const std::unique_ptr<LastReference> last = GetParam().make();
  Run(last.get(), {[&] { last->Drop(); }, RevokeByPath});
}

REVOKE_TEST_P(ReleaseRaceOf, AgainstARevokeAndARemoval, baseline::kEnosys) {
  const std::unique_ptr<LastReference> last = GetParam().make();
  RunHeld(last.get(), {[&] { last->Drop(); }, RevokeByPath,
                       [&] { TEST_PCHECK(control().RevokeIt(Dev::kDefault) == 0); }});
}

// Nobody closes it: every kind of revoke at once.
REVOKE_TEST_F(ReleaseRace, RevokesOfEveryKind, baseline::kEnosys) {
  class Kept : public LastReference {
   public:
    void Take() override { fd = Open(kNode, O_RDWR); }
    void Drop() override { TEST_PCHECK(RevokeFile(fd.get()) == 0); }
    void After() override {
      EXPECT_TRUE(IsRevoked(fd.get()));
      fd = FileDescriptor();
    }
    FileDescriptor fd;
  };
  Kept kept;
  RunHeld(&kept, {[&] { kept.Drop(); }, RevokeByPath,
                  [&] { TEST_PCHECK(control().RevokeIt(Dev::kDefault) == 0); },
                  [&] { TEST_PCHECK(control().RevokeFile(kept.fd.get()) == 0); }});
}

// ---- many ----

// The waits of what takes long.
constexpr std::chrono::milliseconds kLong{25'000};

void RaiseFileLimit(rlim_t files) {
  const rlimit limit = {.rlim_cur = files, .rlim_max = files};
  TEST_PCHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

// Processes that each open the device some times, look at what they have opened, and do so again.
class Crowd {
 public:
  Crowd(std::uint32_t processes, std::vector<int> files_each)
      : processes_(processes), files_each_(std::move(files_each)) {
    leader_.emplace([this] { Lead(); });
  }

  // Each returns when all are done.
  bool OpenFiles() {
    ++round_;
    open_.Reach();
    return opened_.WaitFor(round_ * processes_, kLong);
  }
  bool SeeThemRevoked() {
    look_.Reach();
    return seen_.WaitFor(round_ * processes_, kLong);
  }
  ExitStatus Wait() { return leader_->Wait(kLong); }

 private:
  void Lead() {
    for (std::uint32_t i = 0; i < processes_; ++i) {
      const pid_t pid = fork();
      TEST_PCHECK(pid >= 0);
      if (pid == 0) {
        Hold();
        _exit(0);
      }
    }
    for (std::uint32_t i = 0; i < processes_; ++i) {
      int status = 0;
      TEST_PCHECK(wait(&status) > 0);
      TEST_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
  }

  void Hold() {
    std::vector<int> fds;
    std::uint32_t round = 0;
    for (const int files : files_each_) {
      ++round;
      TEST_CHECK(open_.WaitFor(round, kLong));
      fds.clear();  // they stay open
      for (int i = 0; i < files; ++i) {
        fds.push_back(open(kNode.c_str(), O_RDWR | O_CLOEXEC));
        TEST_PCHECK(fds.back() >= 0);
      }
      TEST_CHECK(Generation(fds.back()) > 0);
      opened_.Reach();
      TEST_CHECK(look_.WaitFor(round, kLong));
      // That all of them have been released is what the driver says.
      for (std::size_t i = 0; i < fds.size(); i += 10) TEST_CHECK(IsRevoked(fds[i]));
      seen_.Reach();
    }
  }

  std::uint32_t processes_;
  std::vector<int> files_each_;
  std::uint32_t round_ = 0;
  Checkpoint open_;
  Checkpoint opened_;
  Checkpoint look_;
  Checkpoint seen_;
  std::optional<Child> leader_;  // last: it uses the others
};

class ManyTest : public SharingTest {
 protected:
  // Revokes all, and returns how long it took.
  static std::chrono::microseconds TimeARevoke() {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_THAT(Revoke(), SyscallSucceedsWithValue(0));
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                                 start);
  }

  static std::vector<FileDescriptor> OpenMany(std::size_t files) {
    RaiseFileLimit(files + 100);
    std::vector<FileDescriptor> fds;
    for (std::size_t i = 0; i < files && !HasFailure(); ++i) {
      fds.push_back(OpenDevice());
      EXPECT_THAT(fds.back(), SyscallSucceeds());
    }
    return fds;
  }

  static std::size_t CountRevoked(const std::vector<FileDescriptor>& fds) {
    return static_cast<std::size_t>(std::count_if(
        fds.begin(), fds.end(), [](const FileDescriptor& fd) { return IsRevoked(fd.get()); }));
  }
};

// That no allocation fails meanwhile is seen in the kernel's log, which is read after each test.
REVOKE_TEST_F(ManyTest, HundredThousandFilesOfAThousandProcesses, baseline::kEnosys) {
  // A kernel that checks each access cannot run a thousand processes at once before RCU complains.
  const std::uint32_t processes = SlowFactor() > 1 ? 100 : 1000;
  constexpr int kFew = 10;
  constexpr int kTimes = 10;
  Crowd crowd(processes, {kFew, kFew, kTimes * kFew});
  std::uint64_t released = 0;
  std::chrono::microseconds few{};
  // Twice, as the first one may be slow or fast for reasons of its own.
  for (int again = 0; again < 2; ++again) {
    ASSERT_TRUE(crowd.OpenFiles());
    ASSERT_EQ(control().Counters(Dev::kDefault).files, kFew * processes);
    few = std::max(few, TimeARevoke());
    EXPECT_EQ(Released(), released += std::uint64_t{processes} * kFew);
    ASSERT_TRUE(crowd.SeeThemRevoked());
  }

  ASSERT_TRUE(crowd.OpenFiles());
  ASSERT_EQ(control().Counters(Dev::kDefault).files, kTimes * kFew * processes);
  const std::chrono::microseconds many = TimeARevoke();
  EXPECT_EQ(Released(), released += std::uint64_t{processes} * kTimes * kFew);
  ASSERT_TRUE(crowd.SeeThemRevoked());
  EXPECT_THAT(crowd.Wait(), Exited(0));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), released);

  // Linear would be kTimes as long, quadratic kTimes * kTimes. Between these is room for a host
  // that had less time for one of them than for the other.
  const double growth =
      std::log(static_cast<double>(many.count()) / few.count()) / std::log(kTimes);
  std::cout << kFew * processes << " files: " << few.count() << " us, " << kTimes * kFew * processes
            << " files: " << many.count() << " us, growth exponent " << growth << std::endl;
  // What RCU frees costs a kernel that checks each access more, the more of it there is.
  if (SlowFactor() == 1) {
    EXPECT_LT(growth, 1.5);
  }
}

// Whom the files belong to does not depend on how far the revoker got.
REVOKE_TEST_F(ManyTest, RevokerIsKilledWhileOneFileIsInUse, baseline::kEnosys) {
  constexpr std::size_t kFiles = 2000;
  CallInThread inside;
  CallInThread second;
  ArmedPoint point(control(), Dev::kDefault, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                   REVOKE_TEST_STUCK);
  std::vector<FileDescriptor> fds = OpenMany(kFiles);
  ASSERT_FALSE(HasFailure());
  inside.Start([fd = fds[kFiles / 2].get()] { return fsync(fd); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());

  Child revoker([&] { Revoke(); });
  // As far as it gets.
  ASSERT_THAT(control().WaitFinished(Dev::kDefault, REVOKE_TEST_RELEASE, kFiles - 1),
              SyscallSucceeds());
  ASSERT_TRUE(WaitUntilBlocked(revoker.pid(), {.syscall = __NR_revokeat}));
  ASSERT_THAT(revoker.Signal(SIGKILL), SyscallSucceeds());
  EXPECT_THAT(revoker.Wait(), KilledBySignal(SIGKILL));
  EXPECT_EQ(CountRevoked(fds), kFiles);
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), kFiles - 1);
  const FileDescriptor later = OpenDevice();
  EXPECT_THAT(Generation(later.get()), SyscallSucceeds());

  // The next revoke has the one left to wait for.
  second.Start([] { return Revoke(); });
  ASSERT_TRUE(WaitUntilBlocked(second.tid(), {.syscall = __NR_revokeat}));
  EXPECT_TRUE(IsRevoked(later.get()));
  point.Open();
  EXPECT_THAT(second.Join(), SyscallSucceedsWithValue(0));
  inside.Join();
  EXPECT_EQ(Released(), kFiles + 1);
  fds.clear();
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), kFiles + 1);
}

// Now at its beginning, now at its end. The beginning is soon over, so it is held up there.
REVOKE_TEST_F(ManyTest, RevokerIsKilledAtAnyMoment, baseline::kEnosys) {
  constexpr std::size_t kFiles = 300;
  std::vector<FileDescriptor> fds;
  std::optional<Checkpoint> go;
  std::optional<Child> revoker;
  FileDescriptor process;
  ExitStatus end = ExitStatus::StillRunning();
  std::uint64_t opened = 0;
  std::uint64_t released = 0;
  std::size_t aim = 0;  // how many are to be released before the signal is sent
  std::optional<ArmedPoint> beginning;
  int early = 0;
  int late = 0;
  ExpectRace(
      {.rounds = 60,
       .time = std::chrono::seconds(6),
       .seen = [&] { return early >= 3 && late >= 3; }},
      {[&] {
         go->Reach();
         end = revoker->Wait();
       },
       [&] {
         if (beginning) TEST_PCHECK(beginning->WaitBlocked() == 0);
         while (control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE) < opened - kFiles + aim) {
           sched_yield();
         }
         const long sent = syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
         TEST_PCHECK(sent == 0 || errno == ESRCH);
         released = control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE);
         beginning.reset();
       }},
      [&] {
        fds = OpenMany(kFiles);
        opened += kFiles;
        aim = (aim + kFiles / 3 + 1) % kFiles;
        if (aim < kFiles / 3) {
          aim = 0;
          beginning.emplace(control(), Dev::kDefault, REVOKE_TEST_RELEASE, REVOKE_TEST_ENTER,
                            REVOKE_TEST_STUCK);
        }
        go.emplace();
        revoker.emplace([&] {
          TEST_CHECK(go->WaitFor(1));
          Revoke();
        });
        process = PidFd(revoker->pid());
        ASSERT_THAT(process, SyscallSucceeds());
      },
      [&] {
        EXPECT_THAT(end, AnyOf(KilledBySignal(SIGKILL), Exited(0)));
        // It has not got to the call, or it has done for all what needs doing.
        const std::size_t revoked = CountRevoked(fds);
        EXPECT_THAT(revoked, AnyOf(0U, kFiles));
        // How far the revoke had got when the signal had been sent.
        const std::uint64_t left = opened - released;
        if (revoked > 0 && end.WasKilledBy(SIGKILL) && left > 0) {
          ++(left > kFiles / 2 ? early : late);
        }
        fds.clear();
        EXPECT_THAT(control().WaitFinished(Dev::kDefault, REVOKE_TEST_RELEASE, opened),
                    SyscallSucceeds());
        EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), opened);
        EXPECT_EQ(control().Counters(Dev::kDefault).files, 0U);
      });
  std::cout << "revokers killed on the way: " << early << " in the first half, " << late
            << " in the second" << std::endl;
}

}  // namespace
}  // namespace revoke_test
