// SPDX-License-Identifier: GPL-2.0

#include "isolated_runner.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deadline.h"
#include "errno_matchers.h"
#include "fd.h"
#include "kmsg.h"
#include "ktap_listener.h"
#include "proc.h"
#include "process.h"
#include "test_check.h"
#include "test_notes.h"

namespace revoke_test {
namespace {

// A test that floods its output is cut off here, in bytes.
constexpr std::size_t kOutputMax = std::size_t{256} * 1024;
// Longest message from the test's process, in bytes; a longer failure text is cut off.
constexpr std::size_t kMessageMax = std::size_t{48} * 1024;

// What the test's process tells the runner: one packet each, the kind first, then text.
enum class Message : char { kFailure = 'F', kSkip = 'S', kEnd = 'E' };

struct SelectedTest {
  std::string name;
  bool disabled = false;
};

// ---- in the test's process ----

// Sends what happens to the runner. A child that the test forks and that uses GoogleTest against
// the rules must not speak for the test: its failures go to its standard error.
class ChannelListener : public testing::EmptyTestEventListener {
 public:
  explicit ChannelListener(int channel) : channel_(channel), owner_(getpid()) {}

  void OnTestPartResult(const testing::TestPartResult& part) override {
    if (part.failed()) {
      NoteFailedAssertion();
      Send(Message::kFailure, FailureText(part));
    } else if (part.skipped()) {
      Send(Message::kSkip, part.message());
    }
  }
  void OnTestEnd(const testing::TestInfo& /*test*/) override { Send(Message::kEnd, ""); }

 private:
  void Send(Message kind, std::string_view text) const {
    if (getpid() != owner_) {
      if (!text.empty()) {
        std::fprintf(stderr, "in a forked child: %.*s\n", static_cast<int>(text.size()),
                     text.data());
      }
      return;
    }
    const std::string packet =
        std::string(1, static_cast<char>(kind)) + std::string(text.substr(0, kMessageMax));
    // Without its messages the test counts as crashed, so there is nothing to handle here.
    static_cast<void>(
        RetryEintr([&] { return send(channel_, packet.data(), packet.size(), MSG_NOSIGNAL); }));
  }

  int channel_;
  pid_t owner_;
};

// Replaces GoogleTest's printer by `listener`, which GoogleTest owns from now on.
void SetListener(testing::TestEventListener* listener) {
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  delete listeners.Release(listeners.default_result_printer());
  listeners.Append(listener);
}

[[noreturn]] void RunOneTest(const std::string& name, int channel) {
  SetListener(new ChannelListener(channel));
  GTEST_FLAG_SET(filter, name);
  GTEST_FLAG_SET(repeat, 1);
  // Sharding has been applied to the selection; here it would leave nothing to run.
  unsetenv("GTEST_TOTAL_SHARDS");
  unsetenv("GTEST_SHARD_INDEX");
  const int rc = RUN_ALL_TESTS();
  std::exit(rc);
}

// ---- selection ----

// Writes the selection to a pipe and ends the process before any test runs.
class SelectionListener : public testing::EmptyTestEventListener {
 public:
  explicit SelectionListener(int to) : to_(to) {}

  void OnTestProgramStart(const testing::UnitTest& unit_test) override {
    std::string names;
    for (int s = 0; s < unit_test.total_test_suite_count(); ++s) {
      const testing::TestSuite* suite = unit_test.GetTestSuite(s);
      for (int t = 0; t < suite->total_test_count(); ++t) {
        const testing::TestInfo* test = suite->GetTestInfo(t);
        if (!test->is_reportable()) continue;
        names += test->should_run() ? '+' : '-';
        names += std::string(suite->name()) + "." + test->name() + "\n";
      }
    }
    std::string_view rest = names;
    while (!rest.empty()) {
      const ssize_t written = RetryEintr([&] { return write(to_, rest.data(), rest.size()); });
      TEST_PCHECK(written > 0);
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
    _exit(0);
  }

 private:
  int to_;
};

// The tests that the flags select. GoogleTest decides on that only when it starts to run them, so
// a child lets it start.
std::vector<SelectedTest> SelectTests() {
  PipeEnds pipe = Pipe();
  TEST_CHECK(pipe.read.valid());
  Child child([&] {
    SetListener(new SelectionListener(pipe.write.get()));
    const int rc = RUN_ALL_TESTS();  // does not come back
    return rc != 0 ? rc : kExitFail;
  });
  pipe.write = FileDescriptor();
  std::vector<SelectedTest> tests;
  std::string line;
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t got =
        RetryEintr([&] { return read(pipe.read.get(), buffer.data(), buffer.size()); });
    TEST_PCHECK(got >= 0);
    if (got == 0) break;
    for (const char c : std::string_view(buffer.data(), static_cast<std::size_t>(got))) {
      if (c != '\n') {
        line.push_back(c);
        continue;
      }
      tests.push_back({.name = line.substr(1), .disabled = line.front() == '-'});
      line.clear();
    }
  }
  // Half a list would be tests left out without a word.
  TEST_CHECK(child.Wait().HasExited(0));
  return tests;
}

// ---- the runner ----

// Prints what a test writes, line by line, as diagnostics.
class OutputPrinter {
 public:
  explicit OutputPrinter(KtapWriter* ktap) : ktap_(ktap) {}

  void Add(std::string_view text) {
    if (seen_ > kOutputMax) return;
    seen_ += text.size();
    for (const char c : text) {
      if (c == '\n') {
        Flush();
      } else if (c != '\r') {
        line_.push_back(c);
      }
    }
    if (seen_ > kOutputMax) {
      Flush();
      ktap_->Diagnostic("the rest of the output is left out: more than " +
                        std::to_string(kOutputMax) + " bytes");
    }
  }

  // Prints an unfinished last line.
  void Flush() {
    ktap_->Diagnostic(line_);
    line_.clear();
  }

 private:
  KtapWriter* ktap_;
  std::string line_;
  std::size_t seen_ = 0;
};

void SetNonBlocking(const FileDescriptor& fd) {
  TEST_PCHECK(fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK) == 0);
}

class Runner {
 public:
  Runner(const RunnerOptions& options, KtapWriter* ktap)
      : options_(options), ktap_(ktap), kernel_log_(options.allowed_splats) {
    TEST_PCHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    // Children of the program that became this one by exec are none of our business.
    for (const pid_t pid : ChildrenOf(getpid())) not_ours_.insert(pid);
    sigemptyset(&stop_signals_);
    for (const int signo : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&stop_signals_, signo);
    TEST_PCHECK(sigprocmask(SIG_BLOCK, &stop_signals_, &old_mask_) == 0);
    stop_ = FileDescriptor(signalfd(-1, &stop_signals_, SFD_CLOEXEC | SFD_NONBLOCK));
    TEST_CHECK(stop_.valid());
    ShareTestNotes();
  }

  int Run() {
    std::vector<SelectedTest> tests = SelectTests();
    const std::vector<SelectedTest> once = tests;
    for (int i = 1; i < GTEST_FLAG_GET(repeat); ++i) {
      tests.insert(tests.end(), once.begin(), once.end());
    }
    ktap_->Plan(tests.size());
    if (tests.empty()) {
      ktap_->Diagnostic("no test selected; see --gtest_list_tests for the names");
      return kExitFail;
    }
    if (!kernel_log_.watching()) {
      const std::string why = "the kernel log is not watched: " + kernel_log_.why_not();
      if (options_.policy.require_all) {
        ktap_->BailOut(why + "; run as root, or without REQUIRE_ALL");
        return kExitFail;
      }
      ktap_->Diagnostic(why);
    }
    for (const SelectedTest& test : tests) {
      RunTest(test);
      if (stop_signal_ != 0) {
        ktap_->BailOut("stopped by SIG" + std::string(sigabbrev_np(stop_signal_)));
        return kExitFail;
      }
    }
    ktap_->PrintTotals();
    return ktap_->complete() ? ExitCode(ktap_->totals()) : kExitFail;
  }

 private:
  void RunTest(const SelectedTest& test) {
    TestResult result;
    result.name = test.name;
    if (test.disabled) {
      result.skipped = true;
      result.skip_reason = "disabled by its name";
    } else {
      const auto began = std::chrono::steady_clock::now();
      ResetTestNotes();
      RunInChild(&result);
      if (stop_signal_ != 0) return;
      result.notes = ReadTestNotes();
      CheckKernel(&result);
      NoteIfSlow(std::chrono::steady_clock::now() - began);
    }
    ktap_->Result(test.name, Judge(result, options_.policy, baseline::DeclarationOf(test.name)));
  }

  void RunInChild(TestResult* result) {
    PipeEnds output = Pipe();
    SocketEnds channel = SocketPair(SOCK_SEQPACKET);
    TEST_CHECK(output.read.valid() && channel.first.valid());
    const pid_t runner = getpid();
    std::fflush(nullptr);
    const pid_t pid = fork();
    TEST_PCHECK(pid >= 0);
    if (pid == 0) {
      BecomeTestProcess(runner, output.write.get());
      RunOneTest(result->name, channel.second.get());
    }
    setpgid(pid, pid);  // as the child does itself; it must be true for both before they go on
    output.write = FileDescriptor();
    channel.second = FileDescriptor();
    SetNonBlocking(output.read);
    SetNonBlocking(channel.first);

    const FileDescriptor process = PidFd(pid);
    TEST_CHECK(process.valid());
    OutputPrinter printer(ktap_);
    ended_ = false;
    const bool in_time = Follow(process, output.read, channel.first, &printer, result);
    if (!in_time && stop_signal_ == 0) {
      result->ending = TestResult::Ending::kHung;
      DescribeHang(pid);
    }
    const std::optional<int> status = KillAll(pid, process, result);
    // What was written before the end but not read yet.
    Drain(output.read, channel.first, &printer, result);
    printer.Flush();
    if (in_time && status) JudgeEnd(*status, result);
  }

  void BecomeTestProcess(pid_t runner, int output) {
    TEST_PCHECK(setpgid(0, 0) == 0);
    TEST_PCHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    if (getppid() != runner) _exit(kExitFail);  // it died before the prctl
    TEST_PCHECK(sigprocmask(SIG_SETMASK, &old_mask_, nullptr) == 0);
    const FileDescriptor null = Open("/dev/null", O_RDONLY);
    TEST_CHECK(null.valid());
    TEST_PCHECK(dup2(null.get(), STDIN_FILENO) == STDIN_FILENO);
    TEST_PCHECK(dup2(output, STDOUT_FILENO) == STDOUT_FILENO);
    TEST_PCHECK(dup2(output, STDERR_FILENO) == STDERR_FILENO);
  }

  // Takes in what the test says until its process ends. False at the deadline or when a signal
  // stops the run.
  bool Follow(const FileDescriptor& process, const FileDescriptor& output,
              const FileDescriptor& channel, OutputPrinter* printer, TestResult* result) {
    const Deadline deadline(options_.deadline);
    enum : std::uint8_t { kProcess, kOutput, kChannel, kStop, kCount };
    std::array<pollfd, kCount> polled{};
    polled[kProcess] = {.fd = process.get(), .events = POLLIN, .revents = 0};
    polled[kOutput] = {.fd = output.get(), .events = POLLIN, .revents = 0};
    polled[kChannel] = {.fd = channel.get(), .events = POLLIN, .revents = 0};
    polled[kStop] = {.fd = stop_.get(), .events = POLLIN, .revents = 0};
    while (true) {
      const int ready = RetryEintr(
          [&] { return poll(polled.data(), polled.size(), deadline.LeftAsPollTimeout()); });
      TEST_PCHECK(ready >= 0);
      if (polled[kProcess].revents != 0) return true;
      if (polled[kStop].revents != 0) {
        signalfd_siginfo info{};
        TEST_PCHECK(read(stop_.get(), &info, sizeof(info)) == sizeof(info));
        stop_signal_ = static_cast<int>(info.ssi_signo);
        return false;
      }
      // A closed end is ready for ever; stop asking.
      if (polled[kOutput].revents != 0 && !DrainOutput(output, printer)) polled[kOutput].fd = -1;
      if (polled[kChannel].revents != 0 && !DrainChannel(channel, result)) polled[kChannel].fd = -1;
      // On a busy machine the end may have come while we were not looking.
      if (deadline.Passed()) return WaitForEnd(process, deadline);
    }
  }

  // These take what is there. False: nothing will ever come again.
  static bool DrainOutput(const FileDescriptor& output, OutputPrinter* printer) {
    std::array<char, 4096> buffer;
    // Bounded, so that one that writes without end cannot keep us from the deadline.
    for (int i = 0; i < 64; ++i) {
      const ssize_t got =
          RetryEintr([&] { return read(output.get(), buffer.data(), buffer.size()); });
      if (got < 0) return errno == EAGAIN;
      if (got == 0) return false;
      printer->Add({buffer.data(), static_cast<std::size_t>(got)});
    }
    return true;
  }

  bool DrainChannel(const FileDescriptor& channel, TestResult* result) {
    std::vector<char> buffer(kMessageMax + 1);
    while (true) {
      const ssize_t got =
          RetryEintr([&] { return recv(channel.get(), buffer.data(), buffer.size(), 0); });
      if (got < 0) return errno == EAGAIN;
      if (got == 0) return false;
      const std::string text(buffer.data() + 1, static_cast<std::size_t>(got) - 1);
      switch (static_cast<Message>(buffer[0])) {
        case Message::kFailure:
          result->failed = true;
          ktap_->Diagnostic(text);
          break;
        case Message::kSkip:
          result->skipped = true;
          result->skip_reason = text;
          break;
        case Message::kEnd:
          ended_ = true;
          break;
      }
    }
  }

  void Drain(const FileDescriptor& output, const FileDescriptor& channel, OutputPrinter* printer,
             TestResult* result) {
    DrainOutput(output, printer);
    DrainChannel(channel, result);
  }

  // Tells what everybody in the test's group is doing, while they still do it.
  void DescribeHang(pid_t group) {
    ktap_->Diagnostic("deadline of " + std::to_string(Scaled(options_.deadline).count()) +
                      " ms passed; what its tasks are doing:");
    for (const pid_t pid : MembersOf(group)) {
      for (const pid_t tid : ThreadsOf(pid)) ktap_->Diagnostic(DescribeTask(tid));
    }
  }

  // Kills the test's group and whatever else it left, and reaps all of it. Returns the wait status
  // of the test's process; nothing if it cannot be killed.
  std::optional<int> KillAll(pid_t test, const FileDescriptor& process, TestResult* result) {
    // The test's process is not reaped yet, so nobody else can have its number.
    kill(-test, SIGKILL);
    kill(test, SIGKILL);
    std::optional<int> status;
    if (WaitForEnd(process, Deadline(options_.kill_wait))) {
      int wait_status = 0;
      TEST_PCHECK(RetryEintr([&] { return waitpid(test, &wait_status, 0); }) == test);
      status = wait_status;
    } else {
      ReportUnkillable(test, result);
    }

    // Members of its group that had another parent, and those which left the group, are our
    // children now. Killing one may give us its children in turn.
    for (std::vector<pid_t> left = LeftBehind(); !left.empty(); left = LeftBehind()) {
      for (const pid_t pid : left) kill(pid, SIGKILL);
      for (const pid_t pid : left) {
        const FileDescriptor orphan = PidFd(pid);
        // A deadline for each: the thousandth of a crowd is not to pay for the others.
        if (orphan.valid() && WaitForEnd(orphan, Deadline(options_.kill_wait))) {
          waitpid(pid, nullptr, 0);
        } else {
          ReportUnkillable(pid, result);
        }
      }
    }
    return status;
  }

  static bool WaitForEnd(const FileDescriptor& process, const Deadline& deadline) {
    pollfd entry = {.fd = process.get(), .events = POLLIN, .revents = 0};
    return RetryEintr([&] { return poll(&entry, 1, deadline.LeftAsPollTimeout()); }) == 1;
  }

  // Our children, other than those we had at the start and those we have given up.
  std::vector<pid_t> LeftBehind() const {
    siginfo_t info{};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return {};  // ECHILD: the usual
    std::vector<pid_t> left = ChildrenOf(getpid());
    std::erase_if(left, [this](pid_t pid) { return not_ours_.contains(pid); });
    return left;
  }

  void ReportUnkillable(pid_t pid, TestResult* result) {
    result->unkillable = true;
    ktap_->Diagnostic("SIGKILL did not end this one:");
    for (const pid_t tid : ThreadsOf(pid)) ktap_->Diagnostic(DescribeTask(tid));
    not_ours_.insert(pid);
  }

  void JudgeEnd(int status, TestResult* result) {
    const bool clean_exit = WIFEXITED(status) && WEXITSTATUS(status) == (result->failed ? 1 : 0);
    if (ended_ && clean_exit) return;
    result->ending = TestResult::Ending::kCrashed;
    ktap_->Diagnostic(
        "the test's process " + testing::PrintToString(ExitStatus::FromWait(status)) +
        (ended_ ? ", which does not fit what the test reported" : " before the test had ended"));
  }

  void CheckKernel(TestResult* result) {
    const KmsgWatch::Report report = kernel_log_.Take();
    for (const std::string& line : report.Lines()) ktap_->Diagnostic(line);
    result->splat = !report.Clean();
  }

  void NoteIfSlow(std::chrono::steady_clock::duration took) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(took);
    if (ms * 2 < Scaled(options_.deadline)) return;
    ktap_->Diagnostic("slow: took " + std::to_string(ms.count()) + " ms of " +
                      std::to_string(Scaled(options_.deadline).count()));
  }

  const RunnerOptions& options_;
  KtapWriter* ktap_;
  KmsgWatch kernel_log_;
  std::set<pid_t> not_ours_;
  sigset_t stop_signals_{};
  sigset_t old_mask_{};
  FileDescriptor stop_;
  int stop_signal_ = 0;
  bool ended_ = false;  // the running test has reported its end
};

}  // namespace

int RunIsolated(const RunnerOptions& options, KtapWriter* ktap) {
  return Runner(options, ktap).Run();
}

int RunInProcess(const RunnerOptions& options, KtapWriter* ktap) {
  auto* listener = new KtapListener(ktap, options.policy);
  SetListener(listener);
  const int rc = RUN_ALL_TESTS();
  ktap->PrintTotals();
  if (listener->failed_outside() || !ktap->complete()) return kExitFail;
  // A code of GoogleTest that no result explains must not get lost.
  if (rc != 0 && ktap->totals().failed == 0) return kExitFail;
  return ExitCode(ktap->totals());
}

}  // namespace revoke_test
