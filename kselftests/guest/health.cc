// SPDX-License-Identifier: GPL-2.0

#include "health.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>
#include <vector>

#include "bounded.h"
#include "fd.h"
#include "files.h"
#include "proc.h"

namespace guest {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kModule[] = "test_revoke";
constexpr std::chrono::seconds kKillWait{3};
constexpr std::chrono::seconds kUnloadWait{3};
constexpr std::chrono::seconds kReloadTimeout{15};

void Unload() {
  const Clock::time_point end = Clock::now() + kUnloadWait;
  // Without it there is nothing to unload: a test may have died after it had done so.
  while (syscall(SYS_delete_module, kModule, O_NONBLOCK) < 0 && errno != ENOENT) {
    if (errno != EWOULDBLOCK || Clock::now() >= end)
      throw ErrnoError("cannot unload " + std::string(kModule));
    sched_yield();
  }
}

void Load(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) throw ErrnoError("cannot open " + path);
  if (syscall(SYS_finit_module, fd.get(), "", 0) < 0) throw ErrnoError("cannot load " + path);
}

}  // namespace

Health::Health(std::string module, const splat::AllowList& allow)
    : module_(std::move(module)), log_(allow) {
  if (!log_.watching()) throw Error("the kernel log is not watched: " + log_.why_not());
}

std::optional<std::string> Health::Splat() {
  const revoke_test::KmsgWatch::Report report = log_.Take();
  if (report.Clean()) return std::nullopt;
  std::string text;
  for (const std::string& line : report.Lines()) text += (text.empty() ? "" : "; ") + line;
  return text;
}

std::optional<std::string> Health::UnkillableTask() {
  const Clock::time_point end = Clock::now() + kKillWait;
  for (;;) {
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    const std::vector<pid_t> left = revoke_test::ChildrenOf(getpid());
    if (left.empty()) return std::nullopt;
    for (const pid_t pid : left) kill(pid, SIGKILL);
    if (Clock::now() >= end)
      return "SIGKILL does not end " + revoke_test::DescribeTask(left.front());
    sched_yield();
  }
}

std::optional<std::string> Health::ModuleTrouble() const {
  const Bounded ended = RunBounded(
      [this] {
        Unload();
        Load(module_);
      },
      kReloadTimeout);
  if (ended == Bounded::kDone) return std::nullopt;
  return std::string(kModule) +
         (ended == Bounded::kStuck ? " does not go, or not come back" : " cannot be loaded anew");
}

}  // namespace guest
