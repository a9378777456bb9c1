// SPDX-License-Identifier: GPL-2.0

#include "backend.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <set>
#include <utility>

#include "cpio.h"
#include "files.h"
#include "libraries.h"

namespace guest {
namespace {

using std::string;
using std::vector;

template <typename... Parts>
void Append(vector<string>& argv, Parts&&... parts) {
  (argv.emplace_back(std::forward<Parts>(parts)), ...);
}

// CONFIG_UEVENT_HELPER_PATH
constexpr char kEarlyProgram[] = "/early";

// A comma ends a value in qemu's option syntax unless it is doubled.
string QemuValue(const string& value) {
  string out;
  for (char c : value) {
    out += c;
    if (c == ',') out += ',';
  }
  return out;
}

// Quotes for the shell through which virtme-ng passes its arguments on.
string ShellQuote(const string& text) {
  string out = "'";
  for (char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

void AppendQemuShare(vector<string>& argv, const string& tag, const string& path, bool read_only) {
  Append(argv, "-fsdev",
         "local,id=" + tag + ",path=" + QemuValue(path) + ",security_model=none,multidevs=remap" +
             (read_only ? ",readonly=on" : ""),
         "-device", "virtio-9p-pci,fsdev=" + tag + ",mount_tag=" + tag);
}

// Neither time nor chance comes from the host, so that each run is the same. To TCG each byte that
// "rep stosb" stores is an instruction, so the kernel shall not prefer it to longer words.
void AppendIcount(vector<string>& argv) {
  Append(argv, "-cpu", "max,-erms");
  Append(argv, "-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm", "-seed", "1");
}

// Both ends of the socket are the emulator's own. No other one has that name.
void AppendMonitor(vector<string>& argv) {
  static std::atomic<int> emulators = 0;
  const string socket = "path=guest-run-" + std::to_string(getpid()) + "-" +
                        std::to_string(++emulators) + ",abstract=on";
  Append(argv, "-chardev", "socket,id=monitor,server=on,wait=off," + socket);
  Append(argv, "-mon", "chardev=monitor,mode=control");
  Append(argv, "-chardev", "socket,id=port," + socket);
  Append(argv, "-device", "virtio-serial-pci");
  Append(argv, "-device", "virtserialport,chardev=port,name=monitor");
  // Whoever pulls a device pulls it out of a PCI Express slot, which is to tell the kernel.
  Append(argv, "-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off");
}

// Every panic ends the emulator instead of hanging it.
vector<string> KernelArguments(const RunSpec& spec, Accel accel) {
  vector<string> args = {"panic=-1", "oops=panic"};
  if (accel != Accel::kKvm) {
    // An emulated CPU stands still while the host is busy elsewhere; the guest would take that for
    // a lockup of its own, or during boot for a broken timer.
    Append(args, "no_timer_check", "watchdog_thresh=60", "rcupdate.rcu_cpu_stall_timeout=120");
  }
  if (accel == Accel::kIcount) Append(args, "norandmaps", "kfence.sample_interval=0");
  // Otherwise the initcalls may be over before there is a program.
  if (!spec.early.empty()) Append(args, "initramfs_async=0");
  args.insert(args.end(), spec.append.begin(), spec.append.end());
  return args;
}

string Join(const vector<string>& words) {
  string out;
  for (const string& word : words) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

EmulatorCommand InitramfsCommand(const RunSpec& spec, Accel accel) {
  const RunFiles files = FilesOf(spec);
  vector<string> argv = {spec.qemu, "-nodefaults", "-no-user-config", "-no-reboot"};
  Append(argv, "-display", "none", "-serial", "stdio");
  if (accel == Accel::kKvm) {
    Append(argv, "-machine", "q35,accel=kvm", "-cpu", "host");
  } else {
    Append(argv, "-machine", "q35,accel=tcg");
  }
  if (accel == Accel::kTcg) Append(argv, "-cpu", "max");
  if (accel == Accel::kIcount) AppendIcount(argv);
  Append(argv, "-smp", std::to_string(spec.cpus), "-m", spec.memory);
  AppendQemuShare(argv, kResultsTag, spec.results, false);
  for (const Share& share : MakeJob(spec, "").shares)
    AppendQemuShare(argv, share.tag, share.path, true);
  for (const string& device : spec.devices) Append(argv, "-device", device);
  if (spec.monitor) AppendMonitor(argv);
  argv.insert(argv.end(), spec.qemu_args.begin(), spec.qemu_args.end());
  vector<string> kernel = {"console=ttyS0", "earlyprintk=serial,ttyS0"};
  for (string& arg : KernelArguments(spec, accel)) kernel.push_back(std::move(arg));
  Append(argv, "-kernel", spec.kernel, "-initrd", files.initrd, "-append", Join(kernel));
  return {std::move(argv), files.console, files.emulator};
}

void AppendVngMachine(vector<string>& argv, const RunSpec& spec, Accel accel) {
  // virtme-ng checks this one as it is and passes it to a shell unquoted.
  if (spec.kernel.find_first_of(" \t\n$`\"'\\;&|<>()*?[]#~") != string::npos) {
    throw Error("virtme-ng cannot take a kernel from " + spec.kernel +
                ": rename the directory or use --backend initramfs");
  }
  // No microvm: it has no PCI. 9p: the start of virtiofsd is racy.
  Append(argv, "--run", spec.kernel, "--user", "root", "--disable-microvm", "--force-9p");
  if (accel != Accel::kKvm) Append(argv, "--disable-kvm");
  // virtme-ng finds a bare name by itself, and takes only a path.
  if (spec.qemu.find('/') != string::npos) Append(argv, "--qemu", spec.qemu);
  Append(argv, "--cpus", std::to_string(spec.cpus), "--memory", spec.memory);
  for (const string& device : spec.devices)
    Append(argv, "--qemu-opts=-device " + ShellQuote(device));
  for (const string& arg : spec.qemu_args) Append(argv, "--qemu-opts=" + ShellQuote(arg));
  for (const string& arg : KernelArguments(spec, accel)) Append(argv, "--append", arg);
  for (const string& share : spec.shares) Append(argv, "--rodir=" + ShellQuote(share));
}

EmulatorCommand VngCommand(const RunSpec& spec, Accel accel) {
  const RunFiles files = FilesOf(spec);
  vector<string> argv = {spec.vng, "--verbose"};
  AppendVngMachine(argv, spec, accel);
  Append(argv, "--rwdir=" + ShellQuote(string(kResultsDir) + "=" + spec.results));
  Append(argv, "--exec", ShellQuote(spec.agent));
  // With --verbose the console comes on standard error.
  return {std::move(argv), files.emulator, files.console};
}

// Adds what a file or directory brings along.
void AddWithContents(const string& path, std::set<string>& files) {
  if (std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::directory_iterator(path))
      AddWithContents(entry.path(), files);
    return;
  }
  files.insert(path);
  files.merge(LibrariesOf(path));
}

}  // namespace

const char* Name(Backend backend) {
  switch (backend) {
    case Backend::kAuto:
      return "auto";
    case Backend::kInitramfs:
      return "initramfs";
    case Backend::kVng:
      return "vng";
  }
  return "?";
}

const char* Name(Accel accel) {
  switch (accel) {
    case Accel::kAuto:
      return "auto";
    case Accel::kKvm:
      return "kvm";
    case Accel::kTcg:
      return "tcg";
    case Accel::kIcount:
      return "icount";
  }
  return "?";
}

RunFiles FilesOf(const RunSpec& spec) {
  return {spec.results + "/console.log", spec.results + "/emulator.log",
          spec.results + "/initramfs.cpio", spec.results + "/guest.ktap"};
}

Backend ResolveBackend(const RunSpec& spec) {
  if (spec.backend != Backend::kAuto) return spec.backend;
  return IsDynamicallyLinked(spec.program.at(0)) ? Backend::kVng : Backend::kInitramfs;
}

Job MakeJob(const RunSpec& spec, const std::string& nonce) {
  Job job{.nonce = nonce,
          .argv = spec.program,
          .env = spec.env,
          .sysctls = spec.sysctls,
          .modules = spec.modules};
  for (size_t i = 0; i < spec.shares.size(); i++)
    job.shares.push_back({"share" + std::to_string(i), spec.shares[i]});
  return job;
}

EmulatorCommand MakeCommand(const RunSpec& spec, Backend backend, Accel accel) {
  if (accel == Accel::kIcount && (backend == Backend::kVng || spec.cpus != 1))
    throw Error("--accel icount needs --smp 1 and a static program");
  return backend == Backend::kVng ? VngCommand(spec, accel) : InitramfsCommand(spec, accel);
}

std::vector<std::string> MakeShellCommand(const RunSpec& spec, Accel accel) {
  vector<string> argv = {spec.vng};
  AppendVngMachine(argv, spec, accel);
  return argv;
}

std::string MakeInitramfs(const RunSpec& spec) {
  CpioArchive archive;
  // The kernel opens the console before init can mount devtmpfs.
  archive.AddCharDevice("/dev/console", 0600, 5, 1);
  for (const char* directory : {"/proc", "/sys", "/run", "/tmp"}) archive.AddDirectory(directory);
  const auto add = [&archive](const string& from, const string& to) {
    const std::optional<string> contents = ReadFile(from);
    if (!contents) throw Error("no such file: " + from);
    archive.AddFile(to, 0755, *contents);
  };
  add(spec.agent, "/init");
  if (!spec.early.empty()) add(spec.early, kEarlyProgram);
  std::set<string> files;
  for (const string& path : spec.files) AddWithContents(path, files);
  files.insert(spec.modules.begin(), spec.modules.end());
  files.insert(spec.program.at(0));
  for (const string& file : files) add(file, file);
  return archive.Finish();
}

}  // namespace guest
