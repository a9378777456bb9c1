// SPDX-License-Identifier: GPL-2.0

#include "kmsg.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "errno_matchers.h"
#include "fd.h"
#include "skip.h"
#include "splat.h"

namespace revoke_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ParseKmsgRecord, SplitsFields) {
  const std::optional<KmsgRecord> record =
      ParseKmsgRecord("4,339,5140900,-,caller=T66;WARNING: here\n SUBSYSTEM=pci\n DEVICE=+pci:x\n");
  ASSERT_TRUE(record);
  EXPECT_TRUE(record->from_kernel);
  EXPECT_EQ(record->sequence, 339U);
  EXPECT_EQ(record->text, "WARNING: here");
}

TEST(ParseKmsgRecord, TellsProgramsFromKernel) {
  EXPECT_TRUE(ParseKmsgRecord("7,1,2,-;x")->from_kernel);
  EXPECT_FALSE(ParseKmsgRecord("8,1,2,-;x")->from_kernel);
  EXPECT_FALSE(ParseKmsgRecord("30,1,2,-;x")->from_kernel);
}

TEST(ParseKmsgRecord, Unescapes) {
  EXPECT_EQ(ParseKmsgRecord("6,1,2,-;a\\x0ab\\x5cc\\xzz\\x4\n")->text, "a\nb\\c\\xzz\\x4");
}

TEST(ParseKmsgRecord, RejectsOtherForms) {
  for (const char* bad : {"", "no semicolon", "x,1,2;text", "6;text", "6,x,2,-;text", "6,1;text"}) {
    EXPECT_FALSE(ParseKmsgRecord(bad)) << bad;
  }
}

TEST(NewTaint, NamesNewBadBits) {
  EXPECT_EQ(NewTaint(0, 0), "");
  EXPECT_EQ(NewTaint(0, 1U << 9), "WARN");
  EXPECT_EQ(NewTaint(1U << 9, 1U << 9 | 1U << 7), "DIE");
  EXPECT_EQ(NewTaint(0, 1U << 4 | 1U << 5 | 1U << 14), "MACHINE_CHECK BAD_PAGE SOFTLOCKUP");
}

TEST(NewTaint, LoadedModulesAreNoFault) {
  EXPECT_EQ(NewTaint(0, 1U << 0 | 1U << 12 | 1U << 13 | 1U << 18), "");
}

TEST(ReadTaint, ReadsThisKernel) { EXPECT_TRUE(ReadTaint()); }

// A socket that gives one record per read, as /dev/kmsg does.
class FakeKmsg : public testing::Test {
 protected:
  FakeKmsg() : ends_(SocketPair(SOCK_SEQPACKET | SOCK_NONBLOCK)) {}

  void Log(std::string_view record) const {
    ASSERT_THAT(write(ends_.first.get(), record.data(), record.size()), SyscallSucceeds());
  }
  KmsgWatch Watch() { return {allow_, std::move(ends_.second)}; }

  SocketEnds ends_;
  splat::AllowList allow_;
};

TEST_F(FakeKmsg, QuietLogIsClean) {
  KmsgWatch watch = Watch();
  Log("6,1,100,-;all is well\n");
  const KmsgWatch::Report report = watch.Take();
  EXPECT_TRUE(report.Clean());
  EXPECT_THAT(report.Lines(), IsEmpty());
}

TEST_F(FakeKmsg, SplatIsFound) {
  KmsgWatch watch = Watch();
  Log("6,1,100,-;all is well\n");
  Log("4,2,100,-;WARNING: CPU: 0 PID: 1 at fs/revoke.c:10\n SUBSYSTEM=x\n");
  const KmsgWatch::Report report = watch.Take();
  EXPECT_FALSE(report.Clean());
  EXPECT_THAT(report.Lines(),
              ElementsAre("kernel log: warning: WARNING: CPU: 0 PID: 1 at fs/revoke.c:10"));
}

TEST_F(FakeKmsg, EachReportBeginsAnew) {
  KmsgWatch watch = Watch();
  Log("4,2,100,-;WARNING: once\n");
  EXPECT_FALSE(watch.Take().Clean());
  EXPECT_TRUE(watch.Take().Clean());
}

TEST_F(FakeKmsg, EveryLineOfARecordIsJudged) {
  KmsgWatch watch = Watch();
  Log("4,2,100,-;fine\\x0aBUG: in the second line\n");
  EXPECT_FALSE(watch.Take().Clean());
}

TEST_F(FakeKmsg, ProgramsCannotSplat) {
  KmsgWatch watch = Watch();
  Log("12,2,100,-;WARNING: says a program\n");
  EXPECT_TRUE(watch.Take().Clean());
}

TEST_F(FakeKmsg, AllowedSplatIsToldButClean) {
  std::string error;
  allow_ = splat::AllowList::Parse("known thing\tits reason\n", "test", &error).value();
  KmsgWatch watch = Watch();
  Log("4,2,100,-;WARNING: the known thing\n");
  const KmsgWatch::Report report = watch.Take();
  EXPECT_TRUE(report.Clean());
  EXPECT_THAT(report.Lines(),
              ElementsAre("kernel log, excused (its reason): WARNING: the known thing"));
}

TEST_F(FakeKmsg, StrangeRecordIsNotClean) {
  KmsgWatch watch = Watch();
  Log("gibberish");
  const KmsgWatch::Report report = watch.Take();
  EXPECT_FALSE(report.Clean());
  EXPECT_THAT(report.trouble, HasSubstr("not of the form"));
}

TEST_F(FakeKmsg, ReadErrorIsNotClean) {
  KmsgWatch watch(allow_, Open("/", O_RDONLY | O_DIRECTORY));
  const KmsgWatch::Report report = watch.Take();
  EXPECT_FALSE(report.Clean());
  EXPECT_THAT(report.trouble, HasSubstr("EISDIR"));
}

TEST_F(FakeKmsg, WithoutLogTaintIsStillCompared) {
  errno = EPERM;
  KmsgWatch watch(allow_, FileDescriptor(-1));
  EXPECT_FALSE(watch.watching());
  EXPECT_TRUE(watch.Take().Clean());
}

TEST(KmsgWatch, WatchesThisKernel) {
  const splat::AllowList allow;
  KmsgWatch watch(allow);
  if (!watch.watching()) {
    // Told, never silent.
    EXPECT_THAT(watch.why_not(), HasSubstr("/dev/kmsg"));
    GTEST_SKIP() << watch.why_not();
  }
  EXPECT_EQ(watch.why_not(), "");
  // What a program writes is read, and passed over.
  const FileDescriptor log = Open("/dev/kmsg", O_WRONLY);
  REVOKE_SKIP_IF(!log.valid(), "/dev/kmsg cannot be written here");
  ASSERT_THAT(write(log.get(), "<4>WARNING: from a unit test", 28), SyscallSucceeds());
  EXPECT_EQ(watch.Take().trouble, "");
}

}  // namespace
}  // namespace revoke_test
