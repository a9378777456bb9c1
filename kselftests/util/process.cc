// SPDX-License-Identifier: GPL-2.0

#include "process.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "errno_matchers.h"
#include "fd.h"

namespace revoke_test {
namespace {

int GTestRecords() {
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  return test != nullptr ? test->result()->total_part_count() : 0;
}

}  // namespace

bool ExitStatus::HasExited(int code) const {
  return kind_ == Kind::kEnded && WIFEXITED(value_) && WEXITSTATUS(value_) == code;
}

bool ExitStatus::WasKilledBy(int signo) const {
  return kind_ == Kind::kEnded && WIFSIGNALED(value_) && WTERMSIG(value_) == signo;
}

std::ostream& operator<<(std::ostream& os, const ExitStatus& status) {
  switch (status.kind_) {
    case ExitStatus::Kind::kStillRunning:
      return os << "still running";
    case ExitStatus::Kind::kNotStarted:
      return os << "not started, fork failed with " << ErrnoText(status.value_);
    case ExitStatus::Kind::kEnded:
      break;
  }
  if (WIFEXITED(status.value_)) {
    os << "exited with code " << WEXITSTATUS(status.value_);
    if (WEXITSTATUS(status.value_) == kCheckFailedExit) os << " (a check failed, see its output)";
    return os;
  }
  const char* name = sigabbrev_np(WTERMSIG(status.value_));
  os << "killed by signal " << WTERMSIG(status.value_);
  if (name != nullptr) os << " (SIG" << name << ")";
  return os;
}

void Child::Start(const std::function<int()>& body) {
  const pid_t parent = getpid();
  const int records_before = GTestRecords();
  pid_ = fork();
  if (pid_ < 0) {
    fork_error_ = errno;
    return;
  }
  if (pid_ > 0) {
    // Both sides do it: whoever runs first, the group exists before either goes on. EACCES: the
    // child has already executed another program.
    setpgid(pid_, pid_);
    return;
  }

  TEST_PCHECK(setpgid(0, 0) == 0);
  TEST_PCHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
  // The parent may have died before the prctl.
  if (getppid() != parent) _exit(kCheckFailedExit);
  const int code = body();
  TEST_CHECK(GTestRecords() == records_before && "GoogleTest assertion failed in a forked child");
  _exit(code);
}

Child::~Child() {
  if (pid_ > 0) KillGroupAndReap();
}

ExitStatus Child::Wait(std::chrono::milliseconds limit) {
  if (fork_error_ != 0) return ExitStatus::NotStarted(fork_error_);
  if (pid_ > 0) {
    const Deadline deadline(limit);
    const FileDescriptor process = PidFd(pid_);
    TEST_CHECK(process.valid());
    pollfd poll_entry = {.fd = process.get(), .events = POLLIN, .revents = 0};
    const int ready =
        RetryEintr([&] { return poll(&poll_entry, 1, deadline.LeftAsPollTimeout()); });
    if (ready <= 0) return ExitStatus::StillRunning();
    KillGroupAndReap();
  }
  return ExitStatus::FromWait(wait_status_);
}

int Child::Signal(int signo) const {
  if (pid_ > 0) return kill(pid_, signo);
  errno = ESRCH;
  return -1;
}

void Child::KillGroupAndReap() {
  // Before the reaping: until then the number cannot be anybody else's.
  kill(-pid_, SIGKILL);
  kill(pid_, SIGKILL);
  TEST_PCHECK(RetryEintr([&] { return waitpid(pid_, &wait_status_, 0); }) == pid_);
  pid_ = -1;
}

}  // namespace revoke_test
