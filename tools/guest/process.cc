// SPDX-License-Identifier: GPL-2.0

#include "process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "argv.h"
#include "fd.h"
#include "files.h"

namespace guest {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kTick{100};
// Long enough for an emulator to flush its logs, short enough not to be noticed.
constexpr milliseconds kKillGrace{2000};

// Routes the stop signals to a descriptor while it lives.
class StopSignals {
 public:
  StopSignals() {
    sigset_t set;
    sigemptyset(&set);
    for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
    if (sigprocmask(SIG_BLOCK, &set, &old_) < 0) throw ErrnoError("cannot block signals");
    child_ = old_;
    for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigdelset(&child_, signal);
    fd_ = Fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd_.valid()) throw ErrnoError("cannot create a signalfd");
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals() { sigprocmask(SIG_SETMASK, &old_, nullptr); }

  [[nodiscard]] int fd() const { return fd_.get(); }
  // Takes one signal, which would otherwise be delivered later; true if there was one.
  [[nodiscard]] bool Take() const {
    signalfd_siginfo info;
    return read(fd_.get(), &info, sizeof(info)) == sizeof(info);
  }
  // For a child, which is to be stopped by them though the caller may have them blocked, too.
  [[nodiscard]] const sigset_t& child_mask() const { return child_; }

 private:
  sigset_t old_;
  sigset_t child_;
  Fd fd_;
};

struct Pipe {
  Fd read;
  Fd write;
};

Pipe MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) < 0) throw ErrnoError("cannot create a pipe");
  return {Fd(fds[0]), Fd(fds[1])};
}

// In the child, after fork: only async-signal-safe calls.
[[noreturn]] void Exec(char* const argv[], int input, int output, int error, int report,
                       const sigset_t& mask, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  if (dup2(input, 0) >= 0 && dup2(output, 1) >= 0 && dup2(error, 2) >= 0) execvp(argv[0], argv);
  const int code = errno;
  (void)!write(report, &code, sizeof(code));
  _exit(127);
}

// One stream of the child, copied to a file as it comes.
class Pump {
 public:
  Pump(Fd from, const std::string& path)
      : from_(std::move(from)), to_(OpenForAppending(path)), path_(path) {
    fcntl(from_.get(), F_SETFL, O_NONBLOCK);
  }

  // -1 once the stream has ended, which poll(2) ignores.
  [[nodiscard]] int fd() const { return from_.get(); }

  // Copies what is there; false if nothing was.
  bool Copy() {
    std::array<char, 65536> buffer;
    const ssize_t got = read(from_.get(), buffer.data(), buffer.size());
    if (got > 0) {
      WriteAll(to_.get(), {buffer.data(), static_cast<size_t>(got)}, path_);
    } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
      from_.Reset();
    }
    return got > 0;
  }

 private:
  Fd from_;
  Fd to_;
  std::string path_;
};

// The running child. Kills and reaps it when destroyed.
class Child {
 public:
  Child(const ProcessSpec& spec, const StopSignals& signals) {
    const std::vector<char*> argv = Pointers(spec.argv);
    const Fd input(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!input.valid()) throw ErrnoError("cannot open /dev/null");
    Pipe output = MakePipe();
    Pipe error = MakePipe();
    Pipe report = MakePipe();
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ < 0) throw ErrnoError("cannot fork");
    if (pid_ == 0) {
      Exec(argv.data(), input.get(), output.write.get(), error.write.get(), report.write.get(),
           signals.child_mask(), parent);
    }
    setpgid(pid_, pid_);
    report.write.Reset();
    int code = 0;
    if (read(report.read.get(), &code, sizeof(code)) == sizeof(code)) {
      waitpid(pid_, nullptr, 0);
      errno = code;
      throw ErrnoError("cannot start " + spec.argv[0] + " (is it installed?)");
    }
    // By number: the declaration of glibc 2.36 cannot be used from C++.
    pidfd_ = Fd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    if (!pidfd_.valid()) throw ErrnoError("cannot watch " + spec.argv[0]);
    out_ = std::move(output.read);
    err_ = std::move(error.read);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (!reaped_) Reap();
  }

  [[nodiscard]] int pidfd() const { return pidfd_.get(); }
  Fd TakeOutput() { return std::move(out_); }
  Fd TakeError() { return std::move(err_); }
  void Signal(int signal) const { kill(-pid_, signal); }

  // Waits for the child and kills what is left of its group. Returns the wait status.
  int Reap() {
    // The group is killed while the unreaped leader still keeps its number from being reused.
    siginfo_t info;
    Signal(done_ ? SIGKILL : SIGTERM);
    if (!done_) {
      pollfd ended = {pidfd_.get(), POLLIN, 0};
      poll(&ended, 1, static_cast<int>(kKillGrace.count()));
      Signal(SIGKILL);
    }
    while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
    }
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    // The rest of the group was reparented to us.
    while (waitpid(-pid_, nullptr, 0) > 0 || errno == EINTR) {
    }
    reaped_ = true;
    return status;
  }

  void set_done() { done_ = true; }

 private:
  pid_t pid_ = -1;
  Fd pidfd_;
  Fd out_;
  Fd err_;
  bool done_ = false;
  bool reaped_ = false;
};

}  // namespace

ProcessResult RunProcess(const ProcessSpec& spec) {
  StopSignals signals;
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) throw ErrnoError("cannot become a subreaper");
  Child child(spec, signals);
  Pump out(child.TakeOutput(), spec.stdout_path);
  Pump err(child.TakeError(), spec.stderr_path);
  const Clock::time_point deadline = Clock::now() + spec.timeout;

  ProcessResult result;
  bool exited = false;
  while (!exited && !result.interrupted && !result.timed_out) {
    std::array<pollfd, 4> fds = {{{child.pidfd(), POLLIN, 0},
                                  {signals.fd(), POLLIN, 0},
                                  {out.fd(), POLLIN, 0},
                                  {err.fd(), POLLIN, 0}}};
    if (poll(fds.data(), fds.size(), static_cast<int>(kTick.count())) < 0 && errno != EINTR)
      throw ErrnoError("cannot poll");
    if (fds[2].revents != 0) out.Copy();
    if (fds[3].revents != 0) err.Copy();
    if (fds[1].revents != 0) result.interrupted = signals.Take();
    if (fds[0].revents != 0) exited = true;
    spec.tick();
    if (!exited && (Clock::now() >= deadline || spec.stalled())) result.timed_out = true;
  }

  if (exited) child.set_done();
  const int status = child.Reap();
  if (exited) {
    if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  }
  // Does not wait for the end of the streams: a daemon outside the group may still hold them.
  while (out.Copy()) {
  }
  while (err.Copy()) {
  }
  spec.tick();
  return result;
}

std::optional<std::string> DescribeFailure(const ProcessSpec& spec, const ProcessResult& result) {
  if (result.interrupted) return "interrupted";
  if (result.timed_out || result.exit_code == 0) return std::nullopt;
  const std::string how = result.exit_code
                              ? "exited with " + std::to_string(*result.exit_code)
                              : "was killed by signal " + std::to_string(result.signal.value_or(0));
  // In a guest the whole path would lead the reader on the host astray.
  const std::string log = spec.stderr_path.substr(spec.stderr_path.rfind('/') + 1);
  return spec.argv[0] + " " + how + " (see " + log + ")";
}

}  // namespace guest
