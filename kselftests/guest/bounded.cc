// SPDX-License-Identifier: GPL-2.0

#include "bounded.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

#include "fd.h"
#include "files.h"

namespace guest {
namespace {

constexpr std::chrono::milliseconds kKillWait{2000};

// Whether the process has ended; waits for it.
bool Ended(const Fd& process, std::chrono::milliseconds timeout) {
  const auto end = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd entry = {process.get(), POLLIN, 0};
    const int ready = poll(&entry, 1, left.count() > 0 ? static_cast<int>(left.count()) : 0);
    if (ready >= 0 || errno != EINTR) return ready == 1;
  }
}

[[noreturn]] void RunChild(const std::function<void()>& what) {
  try {
    what();
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    std::fflush(nullptr);
    _exit(1);
  }
  _exit(0);
}

}  // namespace

Bounded RunBounded(const std::function<void()>& what, std::chrono::milliseconds timeout) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) throw ErrnoError("cannot fork");
  if (child == 0) RunChild(what);
  // By number: the declaration of glibc 2.36 cannot be used from C++.
  const Fd process(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  if (!process.valid()) throw ErrnoError("cannot watch a child");
  const bool in_time = Ended(process, timeout);
  if (!in_time) {
    kill(child, SIGKILL);
    if (!Ended(process, kKillWait)) return Bounded::kStuck;
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!in_time) return Bounded::kStuck;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? Bounded::kDone : Bounded::kFailed;
}

}  // namespace guest
