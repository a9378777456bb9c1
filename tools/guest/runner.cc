// SPDX-License-Identifier: GPL-2.0

#include "runner.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "fd.h"
#include "files.h"
#include "process.h"

namespace guest {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kProbeTimeout{20};

std::string MakeNonce() {
  uint64_t value = 0;
  if (getrandom(&value, sizeof(value), 0) != sizeof(value))
    throw ErrnoError("cannot get random bytes");
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(value));
  return text;
}

// Hands over what a growing file gained since the last call. The file may not exist yet.
class Tail {
 public:
  Tail(std::string path, const std::function<void(std::string_view)>& sink)
      : path_(std::move(path)), sink_(sink) {}

  void Follow() {
    if (!fd_.valid()) fd_ = Fd(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd_.valid()) return;
    char buffer[65536];
    for (;;) {
      const ssize_t got = read(fd_.get(), buffer, sizeof(buffer));
      if (got <= 0) return;
      last_ = Clock::now();
      sink_({buffer, static_cast<size_t>(got)});
    }
  }

  // How long nothing has come.
  std::chrono::seconds Silence() const {
    return std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - last_);
  }

 private:
  std::string path_;
  const std::function<void(std::string_view)>& sink_;
  Fd fd_;
  Clock::time_point last_ = Clock::now();
};

// Results of an earlier run must not be taken for those of this one.
void RemoveOldResults(const fs::path& results) {
  for (const fs::directory_entry& entry : fs::directory_iterator(results)) {
    const fs::path name = entry.path().filename();
    if (name.extension() == ".ktap" || name.extension() == ".log" || name == kVerdictFile ||
        name == kOutputFile) {
      fs::remove(entry.path());
    }
  }
}

}  // namespace

RunResult RunGuest(const RunSpec& spec, const splat::AllowList& allow,
                   const std::function<void(std::string_view)>& echo) {
  const auto begin = std::chrono::steady_clock::now();
  const RunFiles files = FilesOf(spec);
  const std::string verdict = spec.results + "/" + kVerdictFile;
  const std::string output = spec.results + "/" + kOutputFile;
  RemoveOldResults(spec.results);

  RunResult result{.backend = ResolveBackend(spec), .accel = spec.accel};
  const std::string nonce = MakeNonce();
  WriteFile(spec.results + "/" + kJobFile, Serialize(MakeJob(spec, nonce)));
  if (result.backend == Backend::kInitramfs) WriteFile(files.initrd, MakeInitramfs(spec));

  const EmulatorCommand command = MakeCommand(spec, result.backend, spec.accel);
  Tail tail(output, echo);
  const ProcessSpec process{
      .argv = command.argv,
      .stdout_path = command.stdout_path,
      .stderr_path = command.stderr_path,
      .timeout = spec.timeout,
      .tick = [&tail] { tail.Follow(); },
      .stalled = [&] { return spec.silence.count() > 0 && tail.Silence() >= spec.silence; }};
  const ProcessResult ended = RunProcess(process);

  Evidence evidence{.nonce = nonce,
                    .verdict = ReadFile(verdict),
                    .console = ReadFile(files.console),
                    .emulator_failure = DescribeFailure(process, ended)};
  if (ended.timed_out) {
    const auto ran = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begin);
    evidence.timed_out = std::min(ran, spec.timeout);
  }
  result.interrupted = ended.interrupted;
  result.judgement = Judge(evidence, allow);
  fs::remove(files.initrd);
  result.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begin);
  return result;
}

bool ProbeKvm(const RunSpec& spec, const std::string& directory) {
  fs::create_directories(directory);
  RunSpec probe{
      .kernel = spec.kernel, .results = directory, .agent = spec.agent, .qemu = spec.qemu};
  probe.backend = Backend::kInitramfs;
  probe.accel = Accel::kKvm;
  probe.timeout = kProbeTimeout;
  // The agent does nothing and succeeds when asked for its help.
  probe.program = {spec.agent, "--help"};
  return RunGuest(probe, splat::AllowList(), [](std::string_view) {}).judgement.green();
}

}  // namespace guest
