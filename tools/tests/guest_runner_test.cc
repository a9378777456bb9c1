// SPDX-License-Identifier: GPL-2.0
//
// The whole runner against scripts that play the emulator.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "agent.h"
#include "files.h"
#include "runner.h"

namespace guest {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class RunnerTest : public testing::Test {
 protected:
  RunnerTest() {
    fs::remove_all(directory_);
    fs::create_directories(directory_ + "/results");
    spec_ = {.kernel = "/k", .results = directory_ + "/results", .agent = GUEST_AGENT};
    spec_.qemu = directory_ + "/qemu";
    spec_.vng = spec_.qemu;
    spec_.backend = Backend::kInitramfs;
    spec_.accel = Accel::kTcg;
    spec_.timeout = std::chrono::seconds(60);
    spec_.program = {GUEST_AGENT, "-h"};
  }
  ~RunnerTest() override { fs::remove_all(directory_); }

  // Plays an emulator: the shell script sees the results directory as $R, the nonce as $N, and
  // prints the console.
  Judgement Play(const std::string& script) {
    WriteFile(spec_.qemu, "#!/bin/sh\nR='" + spec_.results +
                              "'\nN=$(sed -n 's/^nonce //p' \"$R/job\")\n" + script);
    chmod(spec_.qemu.c_str(), 0755);
    echoed_.clear();
    return RunGuest(spec_, splat::AllowList(), [this](std::string_view text) { echoed_ += text; })
        .judgement;
  }

  const std::string directory_ =
      testing::TempDir() + "guest_runner_test." + std::to_string(getpid());
  RunSpec spec_;
  std::string echoed_;
};

constexpr char kBoot[] = "echo '[    0.000000] Linux version 7.3.4'\n";
constexpr char kPass[] = "printf 'nonce %s\\nexited 0\\nend\\n' \"$N\" >\"$R/verdict\"\n";

TEST_F(RunnerTest, AGoodGuestIsGreen) {
  EXPECT_THAT(Play(std::string(kBoot) + kPass).red, IsEmpty());
}

TEST_F(RunnerTest, TheOutputOfTheProgramIsEchoed) {
  Play(std::string(kBoot) + "echo hello >\"$R/output\"\n" + kPass);
  EXPECT_EQ(echoed_, "hello\n");
}

TEST_F(RunnerTest, ASilentExitIsRed) {
  EXPECT_THAT(Play("exit 0\n").red,
              ElementsAre(HasSubstr("no verdict file"), HasSubstr("no kernel boot")));
}

TEST_F(RunnerTest, TheVerdictOfAnEarlierRunDoesNotCount) {
  EXPECT_THAT(Play(std::string(kBoot) + kPass).red, IsEmpty());
  EXPECT_THAT(Play(kBoot).red, ElementsAre(HasSubstr("no verdict file")));
}

TEST_F(RunnerTest, ResultsOfAnEarlierRunAreRemoved) {
  WriteFile(spec_.results + "/suite.ktap", "1..1\nok 1 a\n");
  WriteFile(spec_.results + "/kept.txt", "x");
  Play(kBoot);
  EXPECT_FALSE(fs::exists(spec_.results + "/suite.ktap"));
  EXPECT_TRUE(fs::exists(spec_.results + "/kept.txt"));
}

TEST_F(RunnerTest, APanicIsRedThoughTheEmulatorExitsWithZero) {
  EXPECT_THAT(Play(std::string(kBoot) + "echo 'Kernel panic - not syncing: x'\n").red,
              ElementsAre(HasSubstr("no verdict file"), HasSubstr("Kernel panic")));
}

TEST_F(RunnerTest, ASplatIsRedThoughTheProgramPassed) {
  EXPECT_THAT(
      Play(std::string(kBoot) + "echo 'BUG: KASAN: use-after-free in f+0x1/0x2'\n" + kPass).red,
      ElementsAre(HasSubstr("KASAN")));
}

TEST_F(RunnerTest, AHangIsStoppedAndRed) {
  spec_.timeout = std::chrono::seconds(1);
  EXPECT_THAT(Play(std::string(kBoot) + kPass + "sleep 1000\n").red,
              ElementsAre(HasSubstr("timed out")));
}

TEST_F(RunnerTest, AGuestThatFallsSilentIsStoppedAndRed) {
  spec_.silence = std::chrono::seconds(1);
  EXPECT_THAT(Play(std::string(kBoot) + kPass + "echo hello >\"$R/output\"\nsleep 1000\n").red,
              ElementsAre(HasSubstr("timed out")));
}

TEST_F(RunnerTest, AnEmulatorThatFailsIsRed) {
  EXPECT_THAT(Play(std::string(kBoot) + kPass + "exit 1\n").red,
              ElementsAre(HasSubstr("exited with 1")));
}

TEST_F(RunnerTest, VngPutsTheConsoleOnStandardError) {
  spec_.backend = Backend::kVng;
  EXPECT_THAT(Play("exec >&2\n" + std::string(kBoot) + kPass).red, IsEmpty());
}

TEST_F(RunnerTest, TheInitramfsIsThereForTheEmulatorAndGoneAfterwards) {
  EXPECT_THAT(Play("test -s \"$R/initramfs.cpio\" || exit 9\n" + std::string(kBoot) + kPass).red,
              IsEmpty());
  EXPECT_FALSE(fs::exists(spec_.results + "/initramfs.cpio"));
}

TEST_F(RunnerTest, TheProbeBelievesOnlyAVerdict) {
  WriteFile(spec_.qemu, "#!/bin/sh\n" + std::string(kBoot));
  chmod(spec_.qemu.c_str(), 0755);
  EXPECT_FALSE(ProbeKvm(spec_, directory_ + "/probe"));
}

// The agent's half, run on this machine.

Verdict Agent(Job job, const std::string& output) {
  job.nonce = "n";
  return RunJob(job, output);
}

TEST_F(RunnerTest, TheAgentPassesExitCodesOutputAndEnvironmentOn) {
  const std::string output = directory_ + "/output";
  const Verdict verdict =
      Agent({.argv = {"/bin/sh", "-c", "echo $A; echo err >&2; exit 5"}, .env = {"A=b"}}, output);
  EXPECT_EQ(verdict, (Verdict{.nonce = "n", .kind = Verdict::Kind::kExited, .value = 5}));
  EXPECT_EQ(ReadFile(output), "b\nerr\n");
}

TEST_F(RunnerTest, TheAgentReportsSignals) {
  EXPECT_EQ(Agent({.argv = {"/bin/sh", "-c", "kill -BUS $$"}}, directory_ + "/output"),
            (Verdict{.nonce = "n", .kind = Verdict::Kind::kKilled, .value = SIGBUS}));
}

TEST_F(RunnerTest, TheAgentSaysWhyItCouldNotRunTheProgram) {
  const Verdict verdict = Agent({.argv = {"/nonexistent"}}, directory_ + "/output");
  EXPECT_EQ(verdict.kind, Verdict::Kind::kError);
  EXPECT_THAT(verdict.text, HasSubstr("cannot execute /nonexistent: ENOENT"));
}

TEST_F(RunnerTest, AnUnknownSysctlStopsTheJob) {
  const Verdict verdict =
      Agent({.argv = {"/bin/true"}, .sysctls = {"no.such=1"}}, directory_ + "/output");
  EXPECT_EQ(verdict.kind, Verdict::Kind::kError);
  EXPECT_THAT(verdict.text, HasSubstr("/proc/sys/no/such"));
}

TEST_F(RunnerTest, AModuleThatDoesNotLoadStopsTheJob) {
  const Verdict verdict =
      Agent({.argv = {"/bin/true"}, .modules = {"/no/such.ko"}}, directory_ + "/output");
  EXPECT_EQ(verdict.kind, Verdict::Kind::kError);
  EXPECT_THAT(verdict.text, HasSubstr("/no/such.ko"));
}

TEST_F(RunnerTest, WithoutAJobTheAgentLeavesNoVerdict) {
  EXPECT_FALSE(ServeJob(directory_));
  EXPECT_FALSE(fs::exists(directory_ + "/verdict"));
}

}  // namespace
}  // namespace guest
