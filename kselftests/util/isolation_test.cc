// SPDX-License-Identifier: GPL-2.0

// The real main(), run as a program on the tests of isolation_fixture.cc.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "errno_matchers.h"
#include "fd.h"
#include "process.h"
#include "revokeat.h"
#include "skip.h"
#include "temp_dir.h"

namespace revoke_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct RunResult {
  ExitStatus status = ExitStatus::StillRunning();
  std::string out;
  std::string err;
};

std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 4096> buffer;
  ssize_t got = 0;
  while ((got = RetryEintr([&] { return read(fd, buffer.data(), buffer.size()); })) > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return text;
}

class Isolation : public testing::Test {
 protected:
  // Starts the fixture with `arguments`; `environment` is added to ours, where nothing is set that
  // the fixture listens to.
  int Exec(const std::vector<std::string>& arguments,
           const std::map<std::string, std::string>& environment) {
    for (const char* name :
         {"REQUIRE_ALL", "REVOKE_ALLOWED_SKIPS", "REVOKE_SPLAT_ALLOW", "REVOKE_DEADLINE_PERCENT",
          "GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX", "GTEST_FILTER"}) {
      unsetenv(name);
    }
    setenv("FIXTURE_PID_FILE", (dir_ / "pid").c_str(), 1);
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    std::vector<char*> argv = {const_cast<char*>(ISOLATION_FIXTURE)};
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    return 126;
  }

  RunResult Run(const std::vector<std::string>& arguments,
                const std::map<std::string, std::string>& environment = {}) {
    PipeEnds out = Pipe();
    Child child([&] {
      const FileDescriptor err = Open(dir_ / "err", O_WRONLY | O_CREAT | O_TRUNC, 0600);
      dup2(out.write.get(), STDOUT_FILENO);
      dup2(err.get(), STDERR_FILENO);
      return Exec(arguments, environment);
    });
    out.write = FileDescriptor();
    RunResult result;
    result.out = ReadAll(out.read.get());
    result.status = child.Wait();
    result.err = ReadAll(Open(dir_ / "err", O_RDONLY).get());
    return result;
  }

  RunResult RunTests(const std::string& filter, std::vector<std::string> arguments = {},
                     const std::map<std::string, std::string>& environment = {}) {
    arguments.push_back("--gtest_filter=" + filter);
    return Run(arguments, environment);
  }

  std::string WriteFile(const std::string& name, const std::string& text) {
    std::ofstream(dir_ / name) << text;
    return dir_ / name;
  }

  // The process that Leaves.* left behind.
  pid_t Left() {
    pid_t pid = 0;
    std::ifstream(dir_ / "pid") >> pid;
    return pid;
  }

  TempDir dir_;
};

// `expected` but for the lines about a kernel log that cannot be watched on this host.
MATCHER_P(KtapIs, expected, "") {
  std::string text;
  std::size_t begin = 0;
  const std::string& whole = arg;
  while (begin < whole.size()) {
    const std::size_t end = whole.find('\n', begin);
    const std::string line = whole.substr(begin, end - begin + 1);
    if (line.find("the kernel log is not watched") == std::string::npos) text += line;
    begin += line.size();
  }
  return testing::ExplainMatchResult(std::string(expected), text, result_listener);
}

TEST_F(Isolation, PassIsZero) {
  const RunResult run = RunTests("Good.Passes:Good.SecondPasses");
  EXPECT_THAT(run.status, Exited(0));
  EXPECT_THAT(run.out, KtapIs("KTAP version 1\n"
                              "1..2\n"
                              "ok 1 Good.Passes\n"
                              "ok 2 Good.SecondPasses\n"
                              "# Totals: pass:2 fail:0 xfail:0 xpass:0 skip:0 error:0\n"));
  EXPECT_EQ(run.err, "");
}

TEST_F(Isolation, FailureIsOneAndTold) {
  const RunResult run = RunTests("Good.Passes:Bad.Fails");
  EXPECT_THAT(run.status, Exited(1));
  EXPECT_THAT(run.out, HasSubstr("ok 1 Good.Passes\n"));
  EXPECT_THAT(run.out, HasSubstr("# kselftests/util/isolation_fixture.cc:"));
  EXPECT_THAT(run.out, HasSubstr("# first\n# second line\nnot ok 2 Bad.Fails\n"));
}

TEST_F(Isolation, AllSkippedIsFour) {
  const RunResult run = RunTests("Skip.WithReason:Skip.Another");
  EXPECT_THAT(run.status, Exited(4));
  EXPECT_THAT(run.out, HasSubstr("ok 1 Skip.WithReason # SKIP lacks \\# something here\n"));
  EXPECT_THAT(run.out, HasSubstr("ok 2 Skip.Another # SKIP no reason given\n"));
  EXPECT_THAT(RunTests("Skip.WithReason:Good.Passes").status, Exited(0));
}

TEST_F(Isolation, NothingSelectedIsOne) {
  const RunResult run = RunTests("No.Such");
  EXPECT_THAT(run.status, Exited(1));
  EXPECT_THAT(run.out, HasSubstr("1..0\n# no test selected"));
}

TEST_F(Isolation, FilterMayExclude) {
  const RunResult run = RunTests("Good.*-Good.D*:Good.Second*:*Prints:*Input*:*Signals*");
  EXPECT_THAT(run.status, Exited(0));
  EXPECT_THAT(run.out, HasSubstr("1..1\n"));
  EXPECT_THAT(run.out, HasSubstr("ok 1 Good.Passes\n"));
}

TEST_F(Isolation, FailureWinsOverSkip) {
  const RunResult run = RunTests("Skip.AfterFailure");
  EXPECT_THAT(run.status, Exited(1));
  EXPECT_THAT(run.out, AllOf(HasSubstr("failed first"), HasSubstr("not ok 1 Skip.AfterFailure\n")));
}

TEST_F(Isolation, DisabledIsASkip) {
  EXPECT_THAT(RunTests("Skip.DISABLED_ByName").out,
              HasSubstr("ok 1 Skip.DISABLED_ByName # SKIP disabled by its name\n"));
  EXPECT_THAT(RunTests("Skip.DISABLED_ByName", {"--gtest_also_run_disabled_tests"}).out,
              HasSubstr("ok 1 Skip.DISABLED_ByName\n"));
}

TEST_F(Isolation, CrashCostsOneTest) {
  const RunResult run = RunTests("Bad.Crashes:Good.Passes");
  EXPECT_THAT(run.status, Exited(1));
  EXPECT_THAT(run.out, HasSubstr("the test's process killed by signal 11 (SIGSEGV) before the test "
                                 "had ended\nnot ok 2 Bad.Crashes\n"));
  EXPECT_THAT(run.out, HasSubstr("ok 1 Good.Passes\n"));
}

TEST_F(Isolation, LeavingEarlyIsNoPass) {
  const RunResult run = RunTests("Bad.Exits:Bad.CrashesOnExit");
  EXPECT_THAT(run.status, Exited(1));
  EXPECT_THAT(run.out,
              HasSubstr("exited with code 0 before the test had ended\nnot ok 1 Bad.Exits\n"));
  EXPECT_THAT(run.out, HasSubstr("(SIGABRT), which does not fit what the test reported\n"
                                 "not ok 2 Bad.CrashesOnExit\n"));
}

TEST_F(Isolation, FailureInChildIsTold) {
  const RunResult run = RunTests("Bad.ChildOfItFails");
  EXPECT_THAT(run.status, Exited(1));
  EXPECT_THAT(run.out, HasSubstr("check failed: false && \"in the child\"\n"));
  EXPECT_THAT(run.out, HasSubstr("(a check failed, see its output)"));
}

TEST_F(Isolation, ForkedCopyDoesNotSpeakForTheTest) {
  const RunResult run = RunTests("Bad.ForkedCopyGoesOn");
  EXPECT_THAT(run.out, HasSubstr("# in a forked child: kselftests/util/isolation_fixture.cc"));
  EXPECT_THAT(run.out, HasSubstr("\nok 1 Bad.ForkedCopyGoesOn\n"));
}

TEST_F(Isolation, HangEndsAtDeadlineAndIsDescribed) {
  const RunResult run = RunTests("Bad.Hangs:Good.Passes", {"--deadline=1"});
  EXPECT_THAT(run.status, Exited(1));
  EXPECT_THAT(run.out, HasSubstr(" ms passed; what its tasks are doing:\n# task "));
  EXPECT_THAT(run.out, HasSubstr("state S, in system call"));
  EXPECT_THAT(run.out, HasSubstr("\nnot ok 2 Bad.Hangs\n"));
  EXPECT_THAT(run.out, HasSubstr("ok 1 Good.Passes\n"));
}

TEST_F(Isolation, LimitsAreShortenedForRunsThatHangMuch) {
  const RunResult run =
      RunTests("Bad.Hangs", {"--deadline=100"}, {{"REVOKE_DEADLINE_PERCENT", "1"}});
  EXPECT_THAT(run.status, Exited(1));
  EXPECT_THAT(run.out, HasSubstr("not ok 1 Bad.Hangs\n"));
  EXPECT_THAT(RunTests("Good.Passes", {}, {{"REVOKE_DEADLINE_PERCENT", "half"}}).err,
              HasSubstr("REVOKE_DEADLINE_PERCENT='half'"));
}

TEST_F(Isolation, BaselinesAreListed) {
  const RunResult run = Run({"--list-baselines"});
  EXPECT_THAT(run.out, HasSubstr("Good.Passes\tpasses\n"));
  EXPECT_THAT(run.out, HasSubstr("Bad.Fails\tfails\n"));
  EXPECT_THAT(run.out, HasSubstr("Declared.RightEnosys\tENOSYS\n"));
  EXPECT_THAT(run.out, Not(HasSubstr("ok 1")));
}

TEST_F(Isolation, EndlessOutputIsCutAndEndsAtDeadline) {
  const RunResult run = RunTests("Bad.HangsWritingWithoutEnd", {"--deadline=2"});
  EXPECT_THAT(run.status, Exited(1));
  EXPECT_THAT(run.out, HasSubstr("the rest of the output is left out"));
  EXPECT_THAT(run.out, HasSubstr("not ok 1 Bad.HangsWritingWithoutEnd\n"));
  EXPECT_LT(run.out.size(), 1U << 20);
}

TEST_F(Isolation, OutputBecomesDiagnostics) {
  const RunResult run = RunTests("Good.Prints");
  EXPECT_THAT(run.status, Exited(0));
  EXPECT_THAT(run.out, HasSubstr("# to stdout\n"));
  EXPECT_THAT(run.out, HasSubstr("unfinished\n"));
  EXPECT_THAT(run.out, HasSubstr("# ok 99 forged\n"));
  EXPECT_THAT(run.out, HasSubstr("\nok 1 Good.Prints\n"));
}

TEST_F(Isolation, TestsHaveAUsualSurrounding) {
  const RunResult run = RunTests("Good.InputIsEmpty:Good.SignalsAreNotBlocked:Good.DeathTest");
  EXPECT_THAT(run.status, Exited(0)) << run.out;
}

TEST_F(Isolation, ParametersAndSuites) {
  const RunResult run = RunTests("*Values*:BadSetUp.*");
  EXPECT_THAT(run.status, Exited(1));
  EXPECT_THAT(run.out, HasSubstr("ok 2 Some/Values.Even/0\nok 3 Some/Values.Even/1\n"));
  EXPECT_THAT(run.out,
              AllOf(HasSubstr("suite not set up"), HasSubstr("not ok 1 BadSetUp.Innocent")));
}

TEST_F(Isolation, NothingIsLeftBehind) {
  for (const char* test : {"Leaves.InGroup", "Leaves.InSession"}) {
    const RunResult run = RunTests(test);
    EXPECT_THAT(run.status, Exited(0)) << run.out;
    ASSERT_GT(Left(), 0);
    EXPECT_THAT(kill(Left(), 0), SyscallFailsWithErrno(ESRCH)) << test;
  }
  EXPECT_THAT(RunTests("Leaves.InSessionAndHangs", {"--deadline=1"}).status, Exited(1));
  EXPECT_THAT(kill(Left(), 0), SyscallFailsWithErrno(ESRCH));
}

TEST_F(Isolation, StopsOnSignal) {
  PipeEnds out = Pipe();
  Child child([&] {
    dup2(out.write.get(), STDOUT_FILENO);
    return Exec({"--gtest_filter=Leaves.InSessionAndHangs:Good.Passes"}, {});
  });
  out.write = FileDescriptor();
  // It has reported the first test, so it runs the second, which never ends.
  std::string text;
  std::array<char, 256> buffer;
  while (text.find("ok 1 Good.Passes\n") == std::string::npos) {
    const ssize_t got = read(out.read.get(), buffer.data(), buffer.size());
    ASSERT_GT(got, 0);
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ASSERT_THAT(child.Signal(SIGTERM), SyscallSucceeds());
  text += ReadAll(out.read.get());
  EXPECT_THAT(child.Wait(), Exited(1));
  EXPECT_THAT(text, HasSubstr("Bail out! stopped by SIGTERM\n"));
  EXPECT_THAT(text, Not(HasSubstr("ok 2")));
}

TEST_F(Isolation, LostReaderIsAFailure) {
  Child child([&] {
    const FileDescriptor full = Open("/dev/full", O_WRONLY);
    dup2(full.get(), STDOUT_FILENO);
    return Exec({"--gtest_filter=Good.Passes"}, {});
  });
  EXPECT_THAT(child.Wait(), Exited(1));
}

TEST_F(Isolation, RepeatsAndShards) {
  const RunResult twice = RunTests("Good.Passes", {"--gtest_repeat=2"});
  EXPECT_THAT(twice.status, Exited(0));
  EXPECT_THAT(twice.out, HasSubstr("1..2\n"));
  EXPECT_THAT(twice.out, HasSubstr("ok 2 Good.Passes\n"));
  const RunResult shard = RunTests("Good.Passes:Good.SecondPasses", {},
                                   {{"GTEST_TOTAL_SHARDS", "2"}, {"GTEST_SHARD_INDEX", "1"}});
  EXPECT_THAT(shard.status, Exited(0));
  EXPECT_THAT(shard.out, AllOf(HasSubstr("1..1\n"), HasSubstr("ok 1 Good.SecondPasses\n")));
}

// ---- required tests ----

class RequireAll : public Isolation {
 protected:
  // REQUIRE_ALL demands the kernel log; a host may not give it.
  void SetUp() override {
    REVOKE_SKIP_IF(RunTests("Good.Passes").out.find("is not watched") != std::string::npos,
                   "the kernel log cannot be watched here");
  }
};

TEST_F(RequireAll, UnlistedSkipFails) {
  const RunResult run = RunTests("Skip.WithReason:Good.Passes", {}, {{"REQUIRE_ALL", "1"}});
  EXPECT_THAT(run.status, Exited(1));
  EXPECT_THAT(run.out, HasSubstr("but every test is required here"));
  EXPECT_THAT(run.out, HasSubstr("not ok 2 Skip.WithReason\n"));
  EXPECT_THAT(RunTests("Skip.WithReason", {"--require-all"}).status, Exited(1));
  EXPECT_THAT(RunTests("Skip.WithReason", {}, {{"REQUIRE_ALL", "0"}}).status, Exited(4));
  EXPECT_THAT(RunTests("Skip.DISABLED_ByName", {"--require-all"}).status, Exited(1));
}

TEST_F(RequireAll, ListedSkipIsASkip) {
  const std::string table = WriteFile("skips", "Skip.WithReason\tno such hardware\n");
  for (const RunResult& run :
       {RunTests("Skip.WithReason:Good.Passes", {"--require-all", "--allowed-skips=" + table}),
        RunTests("Skip.WithReason:Good.Passes", {},
                 {{"REQUIRE_ALL", "1"}, {"REVOKE_ALLOWED_SKIPS", table}})}) {
    EXPECT_THAT(run.status, Exited(0));
    EXPECT_THAT(run.out, HasSubstr("ok 2 Skip.WithReason # SKIP lacks \\# something here "
                                   "(allowed: no such hardware)\n"));
  }
}

// ---- baseline ----

TEST_F(Isolation, BaselineProvesDeclarations) {
  REVOKE_SKIP_IF(HaveRevokeat(), "this kernel has revokeat(2), so it is not the baseline");
  const RunResult run = RunTests("Declared.Right*:*Values.*:Bad.Fails", {"--baseline"});
  EXPECT_THAT(run.status, Exited(0)) << run.out;
  EXPECT_THAT(run.out, HasSubstr("# baseline Declared.RightFails declared=fails observed=fails\n"));
  EXPECT_THAT(run.out,
              HasSubstr("# baseline Declared.RightFailsInChild declared=fails observed=fails\n"));
  for (const char* test : {"RightEnosys", "RightEnosysSkip", "RightEnosysInChild"}) {
    EXPECT_THAT(run.out, HasSubstr("# baseline Declared." + std::string(test) +
                                   " declared=ENOSYS observed=ENOSYS\n"));
  }
  EXPECT_THAT(run.out,
              HasSubstr("# baseline Declared.RightPasses declared=passes observed=passes\n"));
  EXPECT_THAT(run.out,
              HasSubstr("# baseline Some/Values.Even/1 declared=passes observed=passes\n"));
}

TEST_F(Isolation, BaselineRefutesDeclarations) {
  REVOKE_SKIP_IF(HaveRevokeat(), "this kernel has revokeat(2), so it is not the baseline");
  const std::string wrong[][3] = {
      {"Declared.WrongFails", "fails", "passes"},
      {"Declared.WrongFailsEnosys", "fails", "ENOSYS"},
      {"Declared.WrongFailsInSetup", "fails", "setup-fails"},
      {"Declared.WrongFailsInACheck", "fails", "setup-fails"},
      {"NotSetUp.WrongFails", "fails", "setup-fails"},
      {"Declared.WrongEnosys", "ENOSYS", "setup-fails"},
      {"Declared.WrongEnosysInSetup", "ENOSYS", "setup-fails"},
      {"Declared.WrongEnosysPasses", "ENOSYS", "passes"},
      {"Declared.WrongPasses", "passes", "setup-fails"},
      {"Declared.WrongSkips", "fails", "skips"},
      {"Declared.Nothing", "nothing", "passes"},
      {"Bad.Crashes", "fails", "crashes"},
      {"Bad.Hangs", "fails", "hangs"},
  };
  for (const auto& [test, declared, observed] : wrong) {
    const std::string deadline = observed == "hangs" ? "--deadline=1" : "--deadline=30";
    const RunResult run = RunTests(test, {"--baseline", deadline});
    EXPECT_THAT(run.status, Exited(1)) << test;
    const std::string line =
        std::string("# baseline ").append(test).append(" declared=").append(declared);
    EXPECT_THAT(run.out, HasSubstr(line + " observed=" + observed + "\n"));
    EXPECT_THAT(run.out, HasSubstr("\nnot ok 1 " + test + "\n"));
  }
}

TEST_F(Isolation, NoteOfFirstRevokeIsPerTest) {
  REVOKE_SKIP_IF(HaveRevokeat(), "this kernel has revokeat(2), so it is not the baseline");
  // In the order of the file: the first gets ENOSYS, the other fails by itself.
  const RunResult run =
      RunTests("Declared.RightEnosysInChild:Declared.WrongEnosys", {"--baseline"});
  EXPECT_THAT(run.out,
              HasSubstr("# baseline Declared.WrongEnosys declared=ENOSYS observed=setup-fails\n"));
}

// ---- in one process ----

TEST_F(Isolation, NoIsolationPrintsTheSame) {
  const RunResult run = RunTests("Good.Passes:Bad.Fails:Skip.WithReason", {"--no-isolation"});
  EXPECT_THAT(run.status, Exited(1));
  EXPECT_THAT(run.out, StartsWith("KTAP version 1\n1..3\nok 1 Good.Passes\n# kselftests/util/"));
  EXPECT_THAT(run.out, HasSubstr("# second line\nnot ok 2 Bad.Fails\n"
                                 "ok 3 Skip.WithReason # SKIP lacks \\# something here\n"
                                 "# Totals: pass:1 fail:1 xfail:0 xpass:0 skip:1 error:0\n"));
}

TEST_F(Isolation, NoIsolationExitCodes) {
  EXPECT_THAT(RunTests("Good.Passes", {"--no-isolation"}).status, Exited(0));
  EXPECT_THAT(RunTests("Skip.Another", {"--no-isolation"}).status, Exited(4));
  EXPECT_THAT(RunTests("No.Such", {"--no-isolation"}).status, Exited(1));
  EXPECT_THAT(RunTests("Skip.Another", {"--no-isolation", "--require-all"}).status, Exited(1));
  EXPECT_THAT(RunTests("BadSetUp.Innocent", {"--no-isolation"}).status, Exited(1));
}

// ---- usage ----

TEST_F(Isolation, HelpIsZero) {
  const RunResult run = Run({"--help"});
  EXPECT_THAT(run.status, Exited(0));
  EXPECT_THAT(run.out, AllOf(HasSubstr("--baseline"), HasSubstr("--allowed-skips"),
                             HasSubstr("--gtest_filter"), HasSubstr("REVOKE_TEST_SLOW")));
}

TEST_F(Isolation, ListsTests) {
  const RunResult run = Run({"--gtest_list_tests"});
  EXPECT_THAT(run.status, Exited(0));
  EXPECT_THAT(run.out, HasSubstr("Good.\n  Passes\n"));
}

TEST_F(Isolation, BadUsageIsOne) {
  struct Case {
    std::vector<std::string> arguments;
    std::map<std::string, std::string> environment;
    const char* message;
  };
  const std::string bad_table = WriteFile("bad", "Skip.Another\n");
  const Case cases[] = {
      {{"--nonsense"}, {}, "unknown argument '--nonsense'"},
      {{"stray"}, {}, "unknown argument 'stray'"},
      {{"--deadline=0"}, {}, "--deadline"},
      {{"--deadline=x"}, {}, "--deadline"},
      {{"--allowed-skips=/nonexistent"}, {}, "/nonexistent: cannot be read: ENOENT"},
      {{"--allowed-skips=" + bad_table}, {}, "bad:1: entry without a reason"},
      {{"--splat-allow=" + bad_table}, {}, "bad:1: entry without a reason"},
      {{"--splat-allow=/nonexistent"}, {}, "/nonexistent: cannot be read"},
      {{"--gtest_shuffle"}, {}, "--gtest_shuffle has no effect"},
      {{"--gtest_output=xml"}, {}, "--gtest_output is not supported"},
      {{"--gtest_repeat=-1"}, {}, "--gtest_repeat must be"},
      {{"--baseline", "--no-isolation"}, {}, "--baseline needs isolation"},
      {{}, {{"REVOKE_TEST_SLOW", "fast"}}, "REVOKE_TEST_SLOW='fast'"},
      {{}, {{"REQUIRE_ALL", "perhaps"}}, "--require-all = perhaps"},
  };
  for (const Case& bad : cases) {
    std::vector<std::string> arguments = bad.arguments;
    const RunResult run = RunTests("Good.Passes", arguments, bad.environment);
    EXPECT_THAT(run.status, Exited(1)) << bad.message;
    EXPECT_THAT(run.out + run.err, HasSubstr(bad.message));
    EXPECT_THAT(run.out, Not(HasSubstr("ok 1")));
  }
}

TEST_F(Isolation, SlowFactorStretchesTheDeadline) {
  const RunResult run = RunTests("Bad.Hangs", {"--deadline=1"}, {{"REVOKE_TEST_SLOW", "2"}});
  EXPECT_THAT(run.out, HasSubstr("deadline of 2000 ms passed"));
}

}  // namespace
}  // namespace revoke_test
