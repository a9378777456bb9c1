// SPDX-License-Identifier: GPL-2.0
//
// guest-run: runs one program in a guest kernel and says whether all is well.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "accel.h"
#include "argv.h"
#include "backend.h"
#include "files.h"
#include "runner.h"
#include "splat.h"

namespace {

namespace fs = std::filesystem;
using guest::Accel;
using guest::Backend;
using guest::Error;

constexpr int kRed = 1;
constexpr int kUsage = 2;
constexpr int kInterrupted = 130;

constexpr char kFooter[] = R"(
Exit status: 0 green, 1 red, 2 wrong usage, 130 interrupted.

Green means: the guest wrote a verdict for this very run, the program exited
with 0, the console log shows a boot and no splat outside the allow list, and
nothing had to be stopped. Anything absent is red.

Files in the results directory: output (of the program), console.log,
emulator.log, verdict, guest.ktap (the judgement), and whatever the program
writes to $GUEST_RESULTS.)";

fs::path CacheDirectory() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    return fs::path(cache) / "linux-revoke";
  const char* home = std::getenv("HOME");
  if (home == nullptr) throw Error("neither XDG_CACHE_HOME nor HOME is set; set one of them");
  return fs::path(home) / ".cache" / "linux-revoke";
}

std::string Absolute(const std::string& path, const char* what) {
  std::error_code code;
  const fs::path canonical = fs::canonical(path, code);
  if (code) throw Error(std::string(what) + " " + path + ": " + code.message());
  return canonical;
}

std::string BootId() {
  const std::optional<std::string> id = guest::ReadFile("/proc/sys/kernel/random/boot_id");
  return id ? id->substr(0, id->find('\n')) : "unknown";
}

guest::AccelAnswer ResolveAccel(const guest::RunSpec& spec) {
  if (spec.accel != Accel::kAuto) return {spec.accel, "as asked"};
  const fs::path cache = CacheDirectory() / "kvm";
  fs::create_directories(cache);
  return guest::ChooseAccel("/dev/kvm", BootId(), cache / "answer", [&] {
    std::cerr << "guest-run: probing KVM (once per boot of this machine)\n";
    return guest::ProbeKvm(spec, cache / "probe");
  });
}

[[noreturn]] void ExecuteShell(const guest::RunSpec& spec, Accel accel) {
  const std::vector<std::string> command = guest::MakeShellCommand(spec, accel);
  const std::vector<char*> argv = guest::Pointers(command);
  execvp(argv[0], argv.data());
  throw guest::ErrnoError("cannot start " + command[0] + " (is it installed?)");
}

int Report(const guest::RunSpec& spec, const guest::RunResult& result) {
  char summary[160];
  std::snprintf(summary, sizeof(summary), "guest-run: %s in %.1f s (%s, %s)\n",
                result.judgement.green() ? "green" : "RED",
                static_cast<double>(result.elapsed.count()) / 1000, guest::Name(result.backend),
                guest::Name(result.accel));
  for (const std::string& line : result.judgement.excused)
    std::cerr << "guest-run: " << line << "\n";
  for (const std::string& line : result.judgement.red) std::cerr << "guest-run: " << line << "\n";
  for (const std::string& line : result.judgement.report)
    std::cerr << "guest-run: | " << line << "\n";
  if (!result.judgement.green())
    std::cerr << "guest-run: console log: " << guest::FilesOf(spec).console << "\n";
  std::cerr << summary;
  guest::WriteFile(guest::FilesOf(spec).ktap, guest::ToKtap(result.judgement));
  if (result.interrupted) return kInterrupted;
  return result.judgement.green() ? 0 : kRed;
}

int Main(int argc, char** argv) {
  guest::RunSpec spec;
  std::string allow_path;
  bool shell = false;
  bool quiet = false;
  int64_t timeout = spec.timeout.count();
  spec.agent = fs::canonical("/proc/self/exe").replace_filename("guest-agent");

  CLI::App app{"Run a program in a guest kernel and judge the run."};
  app.footer(kFooter);
  app.add_option("--kernel", spec.kernel, "Kernel image (bzImage)")->required();
  app.add_option("--results", spec.results, "Directory for the results; made if missing");
  app.add_option("--backend", spec.backend, "How to boot: initramfs needs a static program")
      ->transform(CLI::CheckedTransformer(std::map<std::string, Backend>{
          {"auto", Backend::kAuto}, {"initramfs", Backend::kInitramfs}, {"vng", Backend::kVng}}));
  app.add_option("--accel", spec.accel,
                 "auto probes KVM by booting, once per host boot; icount: TCG, and time is the "
                 "number of instructions")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, Accel>{{"auto", Accel::kAuto},
                                                               {"kvm", Accel::kKvm},
                                                               {"tcg", Accel::kTcg},
                                                               {"icount", Accel::kIcount}}));
  app.add_option("--smp", spec.cpus, "Number of CPUs")
      ->check(CLI::Range(1, 8))
      ->capture_default_str();
  app.add_option("--mem", spec.memory, "Memory, as qemu writes it")->capture_default_str();
  app.add_option("--timeout", timeout, "Seconds until the guest is stopped")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--device", spec.devices, "qemu device to add, for example edu; repeatable")
      ->allow_extra_args(false);
  app.add_option("--qemu-arg", spec.qemu_args, "Argument for qemu as it is; repeatable")
      ->allow_extra_args(false);
  app.add_flag("--monitor", spec.monitor,
               "With --backend initramfs: lead the guest's virtio port \"monitor\" to qemu's QMP");
  app.add_option("--append", spec.append, "Kernel command line argument; repeatable")
      ->allow_extra_args(false);
  app.add_option(
         "--file", spec.files,
         "File or directory to have in the initramfs under the same path; a program brings its "
         "libraries; repeatable")
      ->allow_extra_args(false);
  app.add_option("--early", spec.early,
                 "With --backend initramfs: static program to start at the first uevent of the "
                 "boot; the kernel has CONFIG_UEVENT_HELPER_PATH=\"/early\"");
  app.add_option("--share", spec.shares,
                 "Directory to see read-only under the same path; repeatable")
      ->allow_extra_args(false);
  app.add_option("--env", spec.env, "NAME=VALUE for the program; repeatable")
      ->allow_extra_args(false);
  app.add_option("--sysctl", spec.sysctls, "name=value to set before the program; repeatable")
      ->allow_extra_args(false);
  app.add_option("--module", spec.modules, "Kernel module to load before the program; repeatable")
      ->allow_extra_args(false);
  app.add_option("--allow", allow_path, "Splats to excuse: lines of REGEX<TAB>REASON");
  app.add_option("--agent", spec.agent, "The guest agent")->capture_default_str();
  app.add_option("--qemu", spec.qemu, "The emulator")->capture_default_str();
  app.add_option("--vng", spec.vng, "virtme-ng")->capture_default_str();
  app.add_flag("--quiet", quiet, "Do not show what the program prints");
  app.add_flag("--shell", shell, "Start an interactive virtme-ng shell; no program, no judgement");
  app.add_option("program", spec.program,
                 "Program to run in the guest, and its arguments (after --)");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  if (!shell && (spec.program.empty() || spec.results.empty())) {
    std::cerr << "guest-run: --results and a program are needed (or --shell); -h shows how\n";
    return kUsage;
  }

  spec.timeout = std::chrono::seconds(timeout);
  spec.kernel = Absolute(spec.kernel, "kernel");
  spec.agent = Absolute(spec.agent, "agent");
  for (std::string& path : spec.files) path = Absolute(path, "file");
  if (!spec.early.empty()) spec.early = Absolute(spec.early, "early program");
  for (std::string& path : spec.modules) path = Absolute(path, "module");
  for (std::string& path : spec.shares) path = Absolute(path, "share");
  if (shell) ExecuteShell(spec, ResolveAccel(spec).accel);

  spec.program[0] = Absolute(spec.program[0], "program");
  fs::create_directories(spec.results);
  spec.results = Absolute(spec.results, "results");
  splat::AllowList allow;
  if (!allow_path.empty()) {
    std::string error;
    std::optional<splat::AllowList> loaded = splat::AllowList::Load(allow_path, &error);
    if (!loaded) throw Error(error);
    allow = *std::move(loaded);
  }

  const guest::AccelAnswer accel = ResolveAccel(spec);
  spec.accel = accel.accel;
  std::cerr << "guest-run: " << guest::Name(guest::ResolveBackend(spec)) << " with "
            << guest::Name(spec.accel) << " (" << accel.why << ")\n";
  const guest::RunResult result = guest::RunGuest(spec, allow, [quiet](std::string_view text) {
    if (!quiet) std::cout << text << std::flush;
  });
  return Report(spec, result);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "guest-run: " << error.what() << "\n";
    return kRed;
  }
}
