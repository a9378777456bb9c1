// SPDX-License-Identifier: GPL-2.0
//
// Methods that have to do with revoking themselves: those that step out of their own file, to wait
// for whoever revokes it, and those that revoke another file, or their own, or each other's.

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <tuple>

#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "checkpoint.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "process.h"
#include "race.h"
#include "revokeat.h"
#include "sigbus_probe.h"
#include "test_check.h"
#include "test_device.h"
#include "test_module.h"

namespace revoke_test {
namespace {

using testing::AnyOf;

class SteppingTest : public TestDeviceTest {
 protected:
  static testing::AssertionResult WaitsInIoctl(pid_t tid) {
    return WaitUntilBlocked(tid, {.syscall = SYS_ioctl});
  }
  static testing::AssertionResult WaitsInRevoke(pid_t tid) {
    return WaitUntilBlocked(tid, {.syscall = __NR_revokeat});
  }

  bool IsReleased(Dev dev) const { return control().Counters(dev).files == 0; }

  // What the last method of `dev` that was told to by SetVictim() got: 0, -errno; 1: not yet.
  std::int64_t VictimResult(Dev dev) const { return control().Counters(dev).victim_result; }
};

// ---- stepping out ----

REVOKE_TEST_F(SteppingTest, OutAndInAgain, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  EXPECT_THAT(StepOut(fd.get()), SyscallSucceedsWithValue(1));
  EXPECT_THAT(StepOut(fd.get()), SyscallSucceedsWithValue(1));
  EXPECT_THAT(StepOutAndLock(fd.get()), SyscallSucceedsWithValue(1));
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
  EXPECT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(StepOut(fd.get()), SyscallFailsWithErrno(ENODEV));
}

// To step out of a file that nobody can revoke is no more than to go on.
REVOKE_TEST_F(SteppingTest, OutOfAFileThatCannotBeRevoked, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kNever);
  EXPECT_THAT(StepOut(fd.get()), SyscallSucceedsWithValue(1));
  EXPECT_THAT(StepOutAndLock(fd.get()), SyscallSucceedsWithValue(1));
}

REVOKE_TEST_F(SteppingTest, WhoIsOutsideIsNotWaitedFor, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread caller;
  ArmedPoint outside(control(), Dev::kDefault, REVOKE_TEST_OUTSIDE, REVOKE_TEST_ENTER,
                     REVOKE_TEST_STUCK);
  caller.Start([&] { return StepOut(fd.get()); });
  ASSERT_THAT(outside.WaitBlocked(), SyscallSucceeds());
  EXPECT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(IsReleased(Dev::kDefault));
  outside.Open();
  EXPECT_THAT(caller.Join(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
}

// Two that are outside of one file, and one of another file of the device.
REVOKE_TEST_F(SteppingTest, SeveralOutsideAtOnce, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor other = OpenDevice();
  CallInThread first;
  CallInThread second;
  CallInThread third;
  ArmedPoint outside(control(), Dev::kDefault, REVOKE_TEST_OUTSIDE, REVOKE_TEST_ENTER,
                     REVOKE_TEST_STUCK);
  first.Start([&] { return StepOut(fd.get()); });
  second.Start([&] { return StepOut(fd.get()); });
  third.Start([&] { return StepOut(other.get()); });
  ASSERT_THAT(outside.WaitBlocked(3), SyscallSucceeds());
  EXPECT_THAT(RevokeFile(fd.get()), SyscallSucceedsWithValue(0));
  outside.Open();
  EXPECT_THAT(first.Join(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(second.Join(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(third.Join(), SyscallSucceedsWithValue(1));
  EXPECT_THAT(Generation(other.get()), SyscallSucceeds());
}

// Whom nobody waits for, nobody kicks: the wait outside is the method's own business.
REVOKE_TEST_F(SteppingTest, WhoIsOutsideIsNotKicked, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread caller;
  ArmedPoint outside(control(), Dev::kDefault, REVOKE_TEST_OUTSIDE, REVOKE_TEST_ENTER,
                     REVOKE_TEST_INTERRUPTIBLE);
  caller.Start([&] { return StepOut(fd.get()); });
  ASSERT_THAT(outside.WaitBlocked(), SyscallSucceeds());
  EXPECT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(outside.WaitBlocked(), SyscallSucceeds());
  EXPECT_TRUE(WaitsInIoctl(caller.tid()));
  outside.Open();
  EXPECT_THAT(caller.Join(), SyscallSucceedsWithValue(0));
}

// It takes its count out of the revoke that has been waiting for it, and leaves the kick behind.
REVOKE_TEST_F(SteppingTest, OutOfARevokeUnderWay, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread caller;
  CallInThread revoker;
  ArmedPoint inside(control(), Dev::kDefault, REVOKE_TEST_IOCTL, REVOKE_TEST_LEAVE,
                    REVOKE_TEST_STUCK);
  ArmedPoint outside(control(), Dev::kDefault, REVOKE_TEST_OUTSIDE, REVOKE_TEST_ENTER,
                     REVOKE_TEST_INTERRUPTIBLE);
  caller.Start([&] { return StepOut(fd.get()); });
  ASSERT_THAT(inside.WaitBlocked(), SyscallSucceeds());
  revoker.Start([&] { return Revoke(); });
  ASSERT_TRUE(WaitsInRevoke(revoker.tid()));
  inside.Open();
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(outside.WaitBlocked(), SyscallSucceeds());
  EXPECT_TRUE(WaitsInIoctl(caller.tid()));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
  outside.Open();
  EXPECT_THAT(caller.Join(), SyscallSucceedsWithValue(0));
}

REVOKE_TEST_F(SteppingTest, KilledOutside, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  std::optional<Child> caller;
  const ArmedPoint outside(control(), Dev::kDefault, REVOKE_TEST_OUTSIDE, REVOKE_TEST_ENTER,
                           REVOKE_TEST_KILLABLE);
  caller.emplace([&] { StepOut(fd.get()); });
  ASSERT_THAT(outside.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  ASSERT_THAT(caller->Signal(SIGKILL), SyscallSucceeds());
  EXPECT_THAT(caller->Wait(), KilledBySignal(SIGKILL));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
}

// The last descriptor is closed by another thread, or goes with a revoke: the caller has its own
// reference to the file, and that is all it has.
REVOKE_TEST_F(SteppingTest, ClosedAndRevokedWhileOutside, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  CallInThread caller;
  ArmedPoint outside(control(), Dev::kDefault, REVOKE_TEST_OUTSIDE, REVOKE_TEST_ENTER,
                     REVOKE_TEST_STUCK);
  caller.Start([&] { return StepOut(fd.get()); });
  ASSERT_THAT(outside.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(fd.Close(), SyscallSucceeds());
  EXPECT_FALSE(IsReleased(Dev::kDefault));
  EXPECT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(IsReleased(Dev::kDefault));
  outside.Open();
  EXPECT_THAT(caller.Join(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
}

// ---- the module that the caller will return to ----

class SteppingModule : public SteppingTest {};

REVOKE_TEST_F(SteppingModule, StaysWhileSomebodyIsOutside, baseline::kEnosys) {
  const int before = TestModuleReferences();
  ASSERT_GT(before, 0) << "the control node is open";
  const FileDescriptor fd = OpenDevice();
  CallInThread caller;
  ArmedPoint outside(control(), Dev::kDefault, REVOKE_TEST_OUTSIDE, REVOKE_TEST_ENTER,
                     REVOKE_TEST_STUCK);
  caller.Start([&] { return StepOut(fd.get()); });
  ASSERT_THAT(outside.WaitBlocked(), SyscallSucceeds());
  // What the file had is given back by the revoke; this is the caller's.
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(TestModuleReferences(), before + 1);
  outside.Open();
  EXPECT_THAT(caller.Join(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(TestModuleReferences(), before);
}

REVOKE_TEST_F(SteppingModule, IsNotHeldByWhoHasSteppedInAgain, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  const int before = TestModuleReferences();
  EXPECT_THAT(StepOut(fd.get()), SyscallSucceedsWithValue(1));
  EXPECT_EQ(TestModuleReferences(), before);
  ASSERT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  EXPECT_LT(TestModuleReferences(), before);
}

// ---- the lock that a remover holds ----
//
// Those who wait for it inside and those who revoke with it held must not be of one device, not
// even one after the other: lockdep would be right to complain.

// As a cgroup's file does whose write(2) takes the lock under which the cgroup is removed.
REVOKE_TEST_F(SteppingTest, OutsideForTheLockOfTheRemover, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  CallInThread caller;
  CallInThread third;
  CallInThread remover;
  ArmedPoint inside(control(), Dev::kDefault, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                    REVOKE_TEST_STUCK);
  ArmedPoint outside(control(), Dev::kDefault, REVOKE_TEST_OUTSIDE, REVOKE_TEST_ENTER,
                     REVOKE_TEST_INTERRUPTIBLE);
  caller.Start([&] { return StepOutAndLock(fd.get()); });
  ASSERT_THAT(outside.WaitBlocked(), SyscallSucceeds());
  // Somebody else keeps the remover waiting until the caller waits for the remover.
  third.Start([&] { return fsync(fd.get()); });
  ASSERT_THAT(inside.WaitBlocked(), SyscallSucceeds());
  remover.Start([&] { return control().RevokeItLocked(Dev::kDefault); });
  ASSERT_TRUE(WaitsInIoctl(remover.tid()));
  outside.Open();
  // At the point it sleeps, for the lock it sleeps in another state.
  EXPECT_TRUE(WaitUntilBlocked(caller.tid(), {.syscall = SYS_ioctl, .states = "D"}));
  inside.Open();
  EXPECT_THAT(remover.Join(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(caller.Join(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(third.Join(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
}

// As input_mutex: who takes the lock inside a method, without stepping out, is safe from a remover
// who does not wait with it held.
REVOKE_TEST_F(SteppingTest, InsideForTheLockOfAnAsynchronousRemover, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice(Dev::kEof);
  CallInThread caller;
  ArmedPoint inside(control(), Dev::kEof, REVOKE_TEST_IOCTL, REVOKE_TEST_ENTER, REVOKE_TEST_STUCK);
  caller.Start([&] { return Lock(fd.get()); });
  ASSERT_THAT(inside.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(control().RevokeItAsyncLocked(Dev::kEof), SyscallSucceeds());
  EXPECT_THAT(control().IsDone(Dev::kEof), SyscallFailsWithErrno(ETIMEDOUT));
  inside.Open();
  EXPECT_THAT(caller.Join(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(control().WaitDone(Dev::kEof), SyscallSucceeds());
  EXPECT_EQ(control().Entered(Dev::kEof, REVOKE_TEST_RELEASE), 1U);
}

// Again and again, with a thread that does nothing but step out and in.
REVOKE_TEST_F(SteppingTest, OutAndInAgainstARevoke, baseline::kEnosys) {
  FileDescriptor fd;
  int result = 0;
  int error = 0;
  std::uint64_t rounds = 0;
  ExpectRace(
      {.overlaps = 50},
      {[&] {
         result = StepOut(fd.get());
         error = errno;
       },
       [] { TEST_PCHECK(revoke("/dev/" REVOKE_TEST_NAME "0") == 0); }},
      [&] {
        fd = OpenDevice();
        ++rounds;
      },
      [&] {
        errno = error;
        EXPECT_THAT(result,
                    AnyOf(SyscallSucceedsWithValue(AnyOf(0, 1)), SyscallFailsWithErrno(ENODEV)));
        EXPECT_THAT(Generation(fd.get()), SyscallFailsWithErrno(ENODEV));
        EXPECT_TRUE(IsReleased(Dev::kDefault));
      });
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), rounds);
}

// ---- revoking a file from inside a method of another one ----

// A call of a method of a file of the default test device.
struct Caller {
  const char* name;
  revoke_test_method method;
  std::function<void(FileDescriptor& fd, const Mapping& mapping)> call;
};

void PrintTo(const Caller& caller, std::ostream* os) { *os << caller.name; }

const std::vector<Caller>& Callers() {
  static const std::vector<Caller> kCallers = {
      {"Ioctl", REVOKE_TEST_IOCTL,
       [](FileDescriptor& fd, const Mapping&) { Generation(fd.get()); }},
      {"Write", REVOKE_TEST_WRITE,
       [](FileDescriptor& fd, const Mapping&) {
         if (write(fd.get(), "x", 1) < 0) return;
       }},
      {"Mmap", REVOKE_TEST_MMAP,
       [](FileDescriptor& fd, const Mapping&) { MapShape(fd, REVOKE_TEST_SHAPE_REMAP_PFN, 1); }},
      {"Fault", REVOKE_TEST_VM_FAULT,
       [](FileDescriptor&, const Mapping& mapping) { Probe::Read(PageWord(mapping, 0)); }},
      {"Release", REVOKE_TEST_RELEASE, [](FileDescriptor& fd, const Mapping&) { fd.Close(); }},
  };
  return kCallers;
}

enum class Victim { kOfTheSameDevice, kOfAnotherDevice };

using RevokingParam = std::tuple<Caller, Victim>;

std::string RevokingName(const testing::TestParamInfo<RevokingParam>& info) {
  const auto& [caller, victim] = info.param;
  return std::string(caller.name) +
         (victim == Victim::kOfTheSameDevice ? "SameDevice" : "AnotherDevice");
}

class SteppingRevoking : public SteppingTest, public testing::WithParamInterface<RevokingParam> {
 protected:
  void SetUp() override {
    SteppingTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    fd_ = OpenDevice();
    ASSERT_THAT(fd_, SyscallSucceeds());
    // A mapping would keep the file from being released by close(2).
    if (caller().method == REVOKE_TEST_VM_FAULT) {
      mapping_ = MapShape(fd_, REVOKE_TEST_SHAPE_FAULT_PAGE);
      ASSERT_THAT(mapping_, SyscallSucceeds());
    }
    victim_ = OpenDevice(victim_dev());
    ASSERT_THAT(victim_, SyscallSucceeds());
    ASSERT_THAT(SetVictim(fd_.get(), caller().method, victim_.get()), SyscallSucceeds());
  }

  static const Caller& caller() { return std::get<0>(GetParam()); }
  static Dev victim_dev() {
    return std::get<1>(GetParam()) == Victim::kOfTheSameDevice ? Dev::kDefault : Dev::kEof;
  }

  FileDescriptor& fd() { return fd_; }
  const Mapping& mapping() const { return mapping_; }
  const FileDescriptor& victim() const { return victim_; }
  void Call() { caller().call(fd_, mapping_); }

 private:
  FileDescriptor fd_;
  Mapping mapping_;
  FileDescriptor victim_;
};

INSTANTIATE_TEST_SUITE_P(, SteppingRevoking,
                         testing::Combine(testing::ValuesIn(Callers()),
                                          testing::Values(Victim::kOfTheSameDevice,
                                                          Victim::kOfAnotherDevice)),
                         RevokingName);

REVOKE_TEST_P(SteppingRevoking, TakesTheOtherFileAndNotItsOwn, baseline::kEnosys) {
  Call();
  ASSERT_THAT(control().WaitFinished(Dev::kDefault, caller().method), SyscallSucceeds());
  EXPECT_EQ(VictimResult(Dev::kDefault), 0);
  EXPECT_THAT(Generation(victim().get()), SyscallFailsWithErrno(ENODEV));
  if (caller().method == REVOKE_TEST_RELEASE) {
    EXPECT_EQ(fd().get(), -1);
  } else {
    EXPECT_THAT(Generation(fd().get()), SyscallSucceeds());
  }
  if (mapping().valid()) {
    EXPECT_THAT(Probe::Read(PageWord(mapping(), 0)), Survives());
  }
}

// It waits for who is inside of the other file, as anybody does. In a process of its own: ->mmap
// has the lock of its address space meanwhile.
REVOKE_TEST_P(SteppingRevoking, WaitsForWhoIsInsideOfTheOtherFile, baseline::kEnosys) {
  Checkpoint ready;
  CallInThread inside;
  std::optional<Child> revoker;
  ArmedPoint point(control(), victim_dev(), REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER,
                   REVOKE_TEST_STUCK);
  revoker.emplace([&] {
    TEST_CHECK(ready.WaitFor(1));
    Call();
  });
  inside.Start([&] { return fsync(victim().get()); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  if (caller().method == REVOKE_TEST_RELEASE) {
    ASSERT_THAT(fd().Close(), SyscallSucceeds());
  }
  const std::uint64_t before = control().Entered(Dev::kDefault, caller().method);
  ready.Reach();
  ASSERT_THAT(control().WaitEntered(Dev::kDefault, caller().method, before + 1), SyscallSucceeds());
  EXPECT_TRUE(WaitUntilBlocked(revoker->pid(), {.states = "SD", .use_syscall_file = false}));
  EXPECT_EQ(VictimResult(Dev::kDefault), 1);
  point.Open();
  EXPECT_THAT(revoker->Wait(), Exited(0));
  EXPECT_THAT(inside.Join(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(VictimResult(Dev::kDefault), 0);
  EXPECT_THAT(Generation(victim().get()), SyscallFailsWithErrno(ENODEV));
}

// ---- revoking its own file ----

class SteppingSelf : public SteppingTest, public testing::WithParamInterface<Caller> {};

INSTANTIATE_TEST_SUITE_P(, SteppingSelf, testing::ValuesIn(Callers()),
                         [](const testing::TestParamInfo<Caller>& info) {
                           return info.param.name;
                         });

// It does not wait for itself; the revoke is complete when it has left.
REVOKE_TEST_P(SteppingSelf, DoesNotWaitForItself, baseline::kEnosys) {
  FileDescriptor fd = OpenDevice();
  Mapping mapping;
  if (GetParam().method == REVOKE_TEST_VM_FAULT) {
    mapping = MapShape(fd, REVOKE_TEST_SHAPE_FAULT_PAGE);
    ASSERT_THAT(mapping, SyscallSucceeds());
  }
  ASSERT_THAT(SetVictim(fd.get(), GetParam().method, fd.get()), SyscallSucceeds());
  if (GetParam().method == REVOKE_TEST_RELEASE) {
    // A file that keeps itself is not released by close(2).
    EXPECT_THAT(Revoke(), SyscallSucceedsWithValue(0));
  } else {
    GetParam().call(fd, mapping);
  }
  EXPECT_THAT(control().WaitFinished(Dev::kDefault, REVOKE_TEST_RELEASE), SyscallSucceeds());
  EXPECT_EQ(VictimResult(Dev::kDefault), -EINPROGRESS);
  EXPECT_THAT(Generation(fd.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_EQ(control().Entered(Dev::kDefault, REVOKE_TEST_RELEASE), 1U);
  if (mapping.valid()) {
    EXPECT_THAT(Probe::Read(PageWord(mapping, 0)), DiesOfSigbusAt(PageWord(mapping, 0)));
  }
}

// ---- nested ----

// A call within a call: who writes what is mapped, but not yet there, from another file, is inside
// both when the other one's ->fault revokes `victim`.
class WriterOfAMapping {
 public:
  // `through` must be of a device that no other writer uses: that is where the result is kept.
  WriterOfAMapping(Dev through, int to, int victim)
      : through_(Open(NodeOf(through), O_RDWR)),
        mapping_(MapShape(through_, REVOKE_TEST_SHAPE_FAULT_PAGE)),
        to_(to) {
    EXPECT_THAT(mapping_, SyscallSucceeds());
    EXPECT_THAT(SetVictim(through_.get(), REVOKE_TEST_VM_FAULT, victim), SyscallSucceeds());
  }

  ssize_t operator()() const { return write(to_, mapping_.base(), 1); }

 private:
  FileDescriptor through_;
  Mapping mapping_;
  int to_;
};

// The file written to is another one: nobody is in anybody's way.
REVOKE_TEST_F(SteppingTest, FromAFaultInsideAWrite, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor victim = OpenDevice(Dev::kEof);
  const WriterOfAMapping writer(Dev::kPrepare, fd.get(), victim.get());
  EXPECT_THAT(writer(), SyscallSucceedsWithValue(1));
  EXPECT_EQ(VictimResult(Dev::kPrepare), 0);
  EXPECT_THAT(Generation(victim.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

// It is the file written to, two calls further out.
REVOKE_TEST_F(SteppingTest, ItselfFromAFaultInsideAWrite, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const WriterOfAMapping writer(Dev::kPrepare, fd.get(), fd.get());
  EXPECT_THAT(writer(), SyscallSucceedsWithValue(1));
  EXPECT_EQ(VictimResult(Dev::kPrepare), -EINPROGRESS);
  EXPECT_THAT(control().WaitFinished(Dev::kDefault, REVOKE_TEST_RELEASE), SyscallSucceeds());
  EXPECT_THAT(Generation(fd.get()), SyscallFailsWithErrno(ENODEV));
}

// Each is inside the file that the other one revokes. One of them, at least, has to see it. Both
// are processes: in a fault they have the lock of their address space meanwhile.
REVOKE_TEST_F(SteppingTest, EachOther, baseline::kEnosys) {
  const FileDescriptor first_fd = OpenDevice();
  const FileDescriptor second_fd = OpenDevice(Dev::kEof);
  const WriterOfAMapping first_writer(Dev::kPrepare, first_fd.get(), second_fd.get());
  const WriterOfAMapping second_writer(Dev::kOwner, second_fd.get(), first_fd.get());
  std::optional<Child> first;
  std::optional<Child> second;
  ArmedPoint first_point(control(), Dev::kDefault, REVOKE_TEST_WRITE, REVOKE_TEST_ENTER,
                         REVOKE_TEST_STUCK);
  ArmedPoint second_point(control(), Dev::kEof, REVOKE_TEST_WRITE, REVOKE_TEST_ENTER,
                          REVOKE_TEST_STUCK);
  ArmedPoint second_leaves(control(), Dev::kEof, REVOKE_TEST_WRITE, REVOKE_TEST_LEAVE,
                           REVOKE_TEST_STUCK);
  first.emplace([&] {
    TEST_PCHECK(first_writer() == 1);
    // Either it did not wait for the second one to the end, or that was the end of its file.
    const long result = VictimResult(Dev::kPrepare);
    TEST_CHECK(result == -EINPROGRESS || (result == 0 && IsReleased(Dev::kEof)));
  });
  second.emplace([&] { TEST_PCHECK(second_writer() == 1); });
  ASSERT_THAT(first_point.WaitBlocked(), SyscallSucceeds());
  ASSERT_THAT(second_point.WaitBlocked(), SyscallSucceeds());
  // The first one waits for the second one, who is inside, before that begins.
  first_point.Open();
  ASSERT_THAT(control().WaitEntered(Dev::kPrepare, REVOKE_TEST_VM_FAULT), SyscallSucceeds());
  EXPECT_TRUE(WaitUntilBlocked(first->pid(), {.syscall = SYS_write}));
  EXPECT_EQ(VictimResult(Dev::kPrepare), 1);
  second_point.Open();
  // The second one comes to a revoke that waits for it, and sees that while it is still inside.
  ASSERT_THAT(second_leaves.WaitBlocked(), SyscallSucceeds());
  EXPECT_EQ(VictimResult(Dev::kOwner), -EINPROGRESS);
  EXPECT_THAT(Generation(first_fd.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_EQ(control().Entered(Dev::kEof, REVOKE_TEST_RELEASE), 0U);
  // The first one may have seen it as well, in the moment in which the second one waited.
  EXPECT_THAT(VictimResult(Dev::kPrepare), AnyOf(1, -EINPROGRESS));
  second_leaves.Open();
  EXPECT_THAT(first->Wait(), Exited(0));
  EXPECT_THAT(second->Wait(), Exited(0));
  for (const Dev dev : {Dev::kDefault, Dev::kEof}) {
    EXPECT_THAT(control().WaitFinished(dev, REVOKE_TEST_RELEASE), SyscallSucceeds());
    EXPECT_EQ(control().Entered(dev, REVOKE_TEST_RELEASE), 1U);
  }
  EXPECT_THAT(Generation(first_fd.get()), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(Generation(second_fd.get()), SyscallFailsWithErrno(ENODEV));
}

// The one that waits already is the one that has to see it: somebody else, who is stuck, keeps what
// it waits for from being complete.
REVOKE_TEST_F(SteppingTest, WaiterThatBecomesTheOneWaitedFor, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor victim = OpenDevice(Dev::kEof);
  const WriterOfAMapping writer(Dev::kPrepare, fd.get(), victim.get());
  CallInThread stuck;
  std::optional<Child> first;
  CallInThread revoker;
  ArmedPoint point(control(), Dev::kEof, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER, REVOKE_TEST_STUCK);
  stuck.Start([&] { return fsync(victim.get()); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  first.emplace([&] { TEST_PCHECK(writer() == 1); });
  ASSERT_THAT(control().WaitEntered(Dev::kPrepare, REVOKE_TEST_VM_FAULT), SyscallSucceeds());
  ASSERT_TRUE(WaitUntilBlocked(first->pid(), {.syscall = SYS_write}));
  ASSERT_EQ(VictimResult(Dev::kPrepare), 1);
  // From here on it might be waiting for somebody who waits for it.
  revoker.Start([] { return Revoke(); });
  EXPECT_THAT(first->Wait(), Exited(0));
  EXPECT_EQ(VictimResult(Dev::kPrepare), -EINPROGRESS);
  EXPECT_THAT(revoker.Join(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(control().Entered(Dev::kEof, REVOKE_TEST_RELEASE), 0U);
  point.Open();
  EXPECT_THAT(stuck.Join(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(control().WaitFinished(Dev::kEof, REVOKE_TEST_RELEASE), SyscallSucceeds());
}

// Killed inside of one file, while it waits for another: the one that it has begun is completed
// without it.
REVOKE_TEST_F(SteppingTest, KilledWhileItWaits, baseline::kEnosys) {
  const FileDescriptor fd = OpenDevice();
  const FileDescriptor victim = OpenDevice(Dev::kEof);
  ASSERT_THAT(SetVictim(fd.get(), REVOKE_TEST_IOCTL, victim.get()), SyscallSucceeds());
  CallInThread inside;
  ArmedPoint point(control(), Dev::kEof, REVOKE_TEST_FSYNC, REVOKE_TEST_ENTER, REVOKE_TEST_STUCK);
  inside.Start([&] { return fsync(victim.get()); });
  ASSERT_THAT(point.WaitBlocked(), SyscallSucceeds());
  Child revoker([&] { Generation(fd.get()); });
  ASSERT_TRUE(WaitsInIoctl(revoker.pid()));
  ASSERT_THAT(revoker.Signal(SIGKILL), SyscallSucceeds());
  EXPECT_THAT(revoker.Wait(), KilledBySignal(SIGKILL));
  EXPECT_EQ(VictimResult(Dev::kDefault), -EINTR);
  EXPECT_THAT(Generation(victim.get()), SyscallFailsWithErrno(ENODEV));
  point.Open();
  EXPECT_THAT(inside.Join(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(control().WaitFinished(Dev::kEof, REVOKE_TEST_RELEASE), SyscallSucceeds());
  EXPECT_THAT(Generation(fd.get()), SyscallSucceeds());
}

}  // namespace
}  // namespace revoke_test
