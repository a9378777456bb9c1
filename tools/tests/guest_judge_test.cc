// SPDX-License-Identifier: GPL-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "judge.h"

namespace guest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kBoot[] = "[    0.000000] Linux version 7.3.4 (build@guest)\n";

std::string Exited(int code, const std::string& nonce = "n") {
  return Serialize(Verdict{.nonce = nonce, .kind = Verdict::Kind::kExited, .value = code});
}

Evidence Good() { return {.nonce = "n", .verdict = Exited(0), .console = kBoot}; }

std::vector<std::string> Red(const Evidence& evidence) {
  return Judge(evidence, splat::AllowList()).red;
}

TEST(Judge, AllPresentAndWellIsGreen) { EXPECT_THAT(Red(Good()), IsEmpty()); }

TEST(Judge, NothingAtAllIsRedForEveryReason) {
  EXPECT_THAT(Red(Evidence{}), ElementsAre(HasSubstr("no verdict file"), HasSubstr("no console")));
}

TEST(Judge, NoVerdictIsRed) {
  Evidence evidence = Good();
  evidence.verdict.reset();
  EXPECT_THAT(Red(evidence), ElementsAre(HasSubstr("no verdict file")));
}

TEST(Judge, HalfAVerdictIsRed) {
  Evidence evidence = Good();
  evidence.verdict->pop_back();
  EXPECT_THAT(Red(evidence), ElementsAre(HasSubstr("cut short")));
}

TEST(Judge, TheVerdictOfAnotherRunIsRed) {
  Evidence evidence = Good();
  evidence.verdict = Exited(0, "m");
  EXPECT_THAT(Red(evidence), ElementsAre(HasSubstr("another run")));
}

TEST(Judge, AnExitCodeIsRed) {
  Evidence evidence = Good();
  evidence.verdict = Exited(4);
  EXPECT_THAT(Red(evidence), ElementsAre("the program exited with 4"));
}

TEST(Judge, ASignalIsRedAndNamed) {
  Evidence evidence = Good();
  evidence.verdict = Serialize(Verdict{.nonce = "n", .kind = Verdict::Kind::kKilled, .value = 7});
  EXPECT_THAT(Red(evidence), ElementsAre("the program was killed by SIGBUS (7)"));
}

TEST(Judge, AnAgentErrorIsRedAndQuoted) {
  Evidence evidence = Good();
  evidence.verdict =
      Serialize(Verdict{.nonce = "n", .kind = Verdict::Kind::kError, .text = "ENOENT"});
  EXPECT_THAT(Red(evidence), ElementsAre(HasSubstr("could not run the program: ENOENT")));
}

TEST(Judge, TheTimeOutIsRedEvenWithAGoodVerdict) {
  Evidence evidence = Good();
  evidence.timed_out = std::chrono::seconds(9);
  EXPECT_THAT(Red(evidence), ElementsAre(HasSubstr("timed out: the guest was stopped after 9 s")));
}

TEST(Judge, AnEmulatorFailureIsRedEvenWithAGoodVerdict) {
  Evidence evidence = Good();
  evidence.emulator_failure = "qemu exited with 1";
  EXPECT_THAT(Red(evidence), ElementsAre("qemu exited with 1"));
}

TEST(Judge, AnEmptyOrAlienConsoleIsRed) {
  for (const char* console : {"", "SeaBIOS\n"}) {
    Evidence evidence = Good();
    evidence.console = console;
    EXPECT_THAT(Red(evidence), ElementsAre(HasSubstr("no kernel boot"))) << console;
  }
}

TEST(Judge, AMissingConsoleIsRed) {
  Evidence evidence = Good();
  evidence.console.reset();
  EXPECT_THAT(Red(evidence), ElementsAre(HasSubstr("no console log")));
}

class SplatIsRed : public testing::TestWithParam<const char*> {};

TEST_P(SplatIsRed, WithAGoodVerdict) {
  Evidence evidence = Good();
  *evidence.console += std::string("[    1.000000] ") + GetParam() + "\n";
  EXPECT_THAT(Red(evidence), ElementsAre(HasSubstr(GetParam())));
}

// One of each family as the kernel words it; the table has its own, larger, tests.
INSTANTIATE_TEST_SUITE_P(
    Families, SplatIsRed,
    testing::Values("BUG: kernel NULL pointer dereference, address: 0000000000000000",
                    "WARNING: CPU: 1 PID: 72 at fs/revoke.c:99 revoke_it+0x1c/0x40",
                    "BUG: KASAN: slab-use-after-free in uio_mmap+0x1c/0x40",
                    "UBSAN: array-index-out-of-bounds in fs/revoke.c:12:3",
                    "WARNING: possible circular locking dependency detected",
                    "WARNING: suspicious RCU usage",
                    "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
                    "INFO: task uio_test:72 blocked for more than 120 seconds.",
                    "unreferenced object 0xffff888003a2f000 (size 64):",
                    "Oops: general protection fault, probably for non-canonical address: 0000 [#1]",
                    "BUG: sleeping function called from invalid context at mm/slub.c:1",
                    "Kernel panic - not syncing: Attempted to kill init!"));

TEST(Judge, AnAllowedSplatIsGreenAndItsReasonShown) {
  std::string error;
  const auto allow = splat::AllowList::Parse("at fs/old\\.c:7\tknown since 7.1\n", "list", &error);
  ASSERT_TRUE(allow) << error;
  Evidence evidence = Good();
  *evidence.console += "[    1.000000] WARNING: CPU: 0 PID: 1 at fs/old.c:7 f+0x1/0x2\n";
  const Judgement judgement = Judge(evidence, *allow);
  EXPECT_TRUE(judgement.green());
  EXPECT_THAT(judgement.excused, ElementsAre(HasSubstr("known since 7.1")));
}

TEST(Judge, TheReportBeginsAtTheFirstSplatAndHasAnEnd) {
  Evidence evidence = Good();
  EXPECT_THAT(Judge(evidence, splat::AllowList()).report, IsEmpty());
  *evidence.console +=
      "[    1.000000] before\n[    1.000001] BUG: KASAN: wild-memory-access in f\n";
  for (int i = 0; i < 100; ++i) *evidence.console += "[    1.000002][  T123]  frame\n";
  const std::vector<std::string> report = Judge(evidence, splat::AllowList()).report;
  ASSERT_EQ(report.size(), 40);
  EXPECT_EQ(report.front(), "BUG: KASAN: wild-memory-access in f");
  EXPECT_EQ(report.back(), " frame");
}

TEST(Judge, TheResultsFileSaysWhy) {
  EXPECT_EQ(ToKtap({}), "KTAP version 1\n1..1\nok 1 guest\n");
  EXPECT_EQ(ToKtap({.red = {"why"}}), "KTAP version 1\n1..1\nnot ok 1 guest\n# why\n");
}

TEST(Judge, AnAllowListEntryNeedsAReason) {
  std::string error;
  EXPECT_FALSE(splat::AllowList::Parse("at fs/old\\.c:7\n", "list", &error));
  EXPECT_NE(error, "");
}

}  // namespace
}  // namespace guest
