// SPDX-License-Identifier: GPL-2.0
//
// Forked children.
//
//     Child child([&] {
//       TEST_PCHECK(close(fd) == 0);
//       TEST_CHECK(go.WaitFor(1));
//     });
//     go.Reach();
//     EXPECT_THAT(child.Wait(), Exited(0));
//
// The body runs in a process forked from a possibly threaded one: it may use system calls, the
// objects of this library that were made before the fork, and TEST_CHECK; no GoogleTest assertion
// (one that fails ends the child with kCheckFailedExit, so that it is not lost).

#ifndef REVOKE_KSELFTESTS_UTIL_PROCESS_H_
#define REVOKE_KSELFTESTS_UTIL_PROCESS_H_

#include <gmock/gmock.h>
#include <sys/types.h>

#include <chrono>
#include <concepts>
#include <functional>
#include <ostream>
#include <type_traits>

#include "deadline.h"
#include "test_check.h"

namespace revoke_test {

// How a process ended.
class ExitStatus {
 public:
  static ExitStatus FromWait(int wait_status) { return {wait_status, Kind::kEnded}; }
  static ExitStatus StillRunning() { return {0, Kind::kStillRunning}; }
  static ExitStatus NotStarted(int error) { return {error, Kind::kNotStarted}; }

  bool IsStillRunning() const { return kind_ == Kind::kStillRunning; }
  bool HasExited(int code) const;
  bool WasKilledBy(int signo) const;

  friend std::ostream& operator<<(std::ostream& os, const ExitStatus& status);

 private:
  enum class Kind { kEnded, kStillRunning, kNotStarted };
  ExitStatus(int value, Kind kind) : value_(value), kind_(kind) {}

  int value_;  // wait status, or errno of fork(2)
  Kind kind_;
};

// A child process in a process group of its own. It dies with the thread that made it
// (PR_SET_PDEATHSIG), and its whole group is killed when it ends or the object goes.
class Child {
 public:
  // Runs `body` in a new process. The child's exit code is what body returns, 0 if it returns
  // nothing.
  template <std::invocable F>
  explicit Child(F body) {
    if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
      Start([&body] {
        body();
        return 0;
      });
    } else {
      Start(body);
    }
  }

  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  // -1 if fork(2) failed or the child has been waited for.
  pid_t pid() const { return pid_; }

  // Waits at most `limit` (scaled) for the child to end, kills what is left of its group, and says
  // how it ended. A child that is still running keeps running. May be called again.
  ExitStatus Wait(std::chrono::milliseconds limit = kDefaultWait);

  // Signals the child alone. Returns 0, or -1 and errno (ESRCH: it has been waited for).
  int Signal(int signo) const;

 private:
  void Start(const std::function<int()>& body);
  void KillGroupAndReap();

  pid_t pid_ = -1;
  int fork_error_ = 0;
  int wait_status_ = 0;
};

// Runs `body` in a child and waits for it.
template <std::invocable F>
ExitStatus InChild(F body, std::chrono::milliseconds limit = kDefaultWait) {
  return Child(std::move(body)).Wait(limit);
}

MATCHER_P(Exited, code, "exited with code " + testing::PrintToString(code)) {
  return arg.HasExited(code);
}

MATCHER_P(KilledBySignal, signo, "was killed by signal " + testing::PrintToString(signo)) {
  return arg.WasKilledBy(signo);
}

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_PROCESS_H_
