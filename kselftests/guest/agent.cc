// SPDX-License-Identifier: GPL-2.0

#include "agent.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <vector>

#include "argv.h"
#include "fd.h"
#include "files.h"

namespace guest {
namespace {

void SetSysctl(const std::string& setting) {
  const size_t equals = setting.find('=');
  if (equals == std::string::npos) throw Error("a sysctl is name=value, not " + setting);
  std::string path = "/proc/sys/" + setting.substr(0, equals);
  std::replace(path.begin(), path.end(), '.', '/');
  const Fd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) throw ErrnoError("cannot open " + path);
  WriteAll(fd.get(), setting.substr(equals + 1), path);
}

void LoadModule(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) throw ErrnoError("cannot open " + path);
  if (syscall(SYS_finit_module, fd.get(), "", 0) == 0) return;
  // Under virtme-ng, udev loads the drivers of what it finds.
  if (errno != EEXIST) throw ErrnoError("cannot load " + path);
}

// Waits for `child`. As process 1 the agent inherits orphans, and they are reaped here too.
int WaitFor(pid_t child) {
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, 0);
    if (pid == child) return status;
    if (pid < 0 && errno != EINTR) throw ErrnoError("cannot wait for the program");
  }
}

Verdict Run(const Job& job, const std::string& output) {
  for (const std::string& sysctl : job.sysctls) SetSysctl(sysctl);
  for (const std::string& module : job.modules) LoadModule(module);
  const Fd out = OpenForAppending(output);
  const Fd in(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!in.valid()) throw ErrnoError("cannot open /dev/null");

  std::vector<std::string> environment;
  for (char** variable = environ; *variable != nullptr; variable++)
    environment.emplace_back(*variable);
  environment.push_back(std::string("GUEST_RESULTS=") + kResultsDir);
  environment.insert(environment.end(), job.env.begin(), job.env.end());
  const std::vector<char*> argv = Pointers(job.argv);
  const std::vector<char*> envp = Pointers(environment);

  int report[2];
  if (pipe2(report, O_CLOEXEC) < 0) throw ErrnoError("cannot create a pipe");
  const Fd report_read(report[0]);
  Fd report_write(report[1]);
  const pid_t child = fork();
  if (child < 0) throw ErrnoError("cannot fork");
  if (child == 0) {
    setsid();
    if (dup2(in.get(), 0) >= 0 && dup2(out.get(), 1) >= 0 && dup2(out.get(), 2) >= 0)
      execve(argv[0], argv.data(), envp.data());
    const int code = errno;
    (void)!write(report_write.get(), &code, sizeof(code));
    _exit(127);
  }
  report_write.Reset();
  int code = 0;
  const bool failed = read(report_read.get(), &code, sizeof(code)) == sizeof(code);
  const int status = WaitFor(child);
  if (failed) {
    errno = code;
    throw ErrnoError("cannot execute " + job.argv[0]);
  }
  if (WIFSIGNALED(status))
    return {.nonce = job.nonce, .kind = Verdict::Kind::kKilled, .value = WTERMSIG(status)};
  return {.nonce = job.nonce, .kind = Verdict::Kind::kExited, .value = WEXITSTATUS(status)};
}

}  // namespace

Verdict RunJob(const Job& job, const std::string& output) {
  try {
    return Run(job, output);
  } catch (const Error& error) {
    return {.nonce = job.nonce, .kind = Verdict::Kind::kError, .text = error.what()};
  }
}

bool ServeJob(const std::string& results) {
  try {
    const std::string path = results + "/" + kJobFile;
    const std::optional<std::string> text = ReadFile(path);
    if (!text) throw Error("no such file: " + path);
    std::string error;
    const std::optional<Job> job = ParseJob(*text, &error);
    if (!job) throw Error(path + ": " + error);
    const Verdict verdict = RunJob(*job, results + "/" + kOutputFile);
    sync();
    WriteFile(results + "/" + kVerdictFile, Serialize(verdict));
    return true;
  } catch (const Error& error) {
    std::fprintf(stderr, "guest-agent: %s\n", error.what());
    return false;
  }
}

}  // namespace guest
