// SPDX-License-Identifier: GPL-2.0

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "files.h"
#include "process.h"

namespace guest {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

class ProcessTest : public testing::Test {
 protected:
  ProcessTest() { std::filesystem::create_directory(directory_); }
  ~ProcessTest() override { std::filesystem::remove_all(directory_); }

  ProcessSpec Shell(const std::string& script) const {
    return {.argv = {"sh", "-c", script},
            .stdout_path = directory_ + "/out",
            .stderr_path = directory_ + "/err",
            .timeout = seconds(60)};
  }
  std::string Contents(const char* name) const {
    return ReadFile(directory_ + "/" + name).value_or("(no file)");
  }

  const std::string directory_ =
      testing::TempDir() + "guest_process_test." + std::to_string(getpid());
};

TEST_F(ProcessTest, KeepsBothStreamsApart) {
  const ProcessSpec spec = Shell("echo one; echo two >&2");
  const ProcessResult result = RunProcess(spec);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(Contents("out"), "one\n");
  EXPECT_EQ(Contents("err"), "two\n");
  EXPECT_FALSE(DescribeFailure(spec, result));
}

TEST_F(ProcessTest, KeepsMoreOutputThanAPipeHolds) {
  RunProcess(Shell("head -c 3000000 /dev/zero"));
  EXPECT_EQ(Contents("out").size(), 3000000u);
}

TEST_F(ProcessTest, StandardInputIsEmpty) {
  EXPECT_EQ(RunProcess(Shell("read line")).exit_code, 1);
}

TEST_F(ProcessTest, ReportsExitCodes) {
  const ProcessSpec spec = Shell("exit 3");
  const ProcessResult result = RunProcess(spec);
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(*DescribeFailure(spec, result), HasSubstr("exited with 3"));
}

TEST_F(ProcessTest, ReportsSignals) {
  const ProcessSpec spec = Shell("kill -SEGV $$");
  const ProcessResult result = RunProcess(spec);
  EXPECT_EQ(result.signal, SIGSEGV);
  EXPECT_THAT(*DescribeFailure(spec, result), HasSubstr("signal 11"));
}

TEST_F(ProcessTest, AMissingProgramIsAnErrorWithAdvice) {
  ProcessSpec spec = Shell("");
  spec.argv = {"no-such-emulator"};
  try {
    RunProcess(spec);
    FAIL() << "no exception";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no-such-emulator (is it installed?): ENOENT"));
  }
}

TEST_F(ProcessTest, TheTimeOutKillsTheWholeGroup) {
  // The grandchild would keep the fifo open for ever; the open of the other end tells.
  const std::string fifo = directory_ + "/fifo";
  ProcessSpec spec = Shell("mkfifo " + fifo + "; sleep 1000 3<>" + fifo + " & echo up; wait");
  spec.timeout = milliseconds(500);
  const ProcessResult result = RunProcess(spec);
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(Contents("out"), "up\n");
  EXPECT_FALSE(DescribeFailure(spec, result)) << "the time-out is reported elsewhere";
  const int fd = open(fifo.c_str(), O_WRONLY | O_NONBLOCK);
  EXPECT_EQ(fd, -1);
  EXPECT_EQ(errno, ENXIO) << "somebody still has the fifo open";
}

TEST_F(ProcessTest, OneThatIgnoresTermIsKilledAllTheSame) {
  ProcessSpec spec = Shell("trap '' TERM; while :; do sleep 1; done");
  spec.timeout = milliseconds(300);
  EXPECT_TRUE(RunProcess(spec).timed_out);
}

TEST_F(ProcessTest, AnInterruptStopsTheChild) {
  ProcessSpec spec = Shell("kill -INT $PPID; sleep 1000");
  const ProcessResult result = RunProcess(spec);
  EXPECT_TRUE(result.interrupted);
  EXPECT_EQ(DescribeFailure(spec, result), "interrupted");
}

TEST_F(ProcessTest, TicksAtLeastOnceAfterTheEnd) {
  ProcessSpec spec = Shell("echo x");
  std::string last;
  spec.tick = [&] { last = Contents("out"); };
  RunProcess(spec);
  EXPECT_EQ(last, "x\n");
}

}  // namespace
}  // namespace guest
