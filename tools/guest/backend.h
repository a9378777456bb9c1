// SPDX-License-Identifier: GPL-2.0
//
// The two ways to boot a guest, behind one interface: each is a function from what is asked to the
// command line of the emulator.
//
//   initramfs  qemu itself; the root is an archive of the agent, the program and named files.
//              Quick (seconds, even without hardware virtualisation); static programs only.
//   vng        virtme-ng; the root is the host's own, read-only. Runs anything the host can run.

#ifndef REVOKE_TOOLS_GUEST_BACKEND_H_
#define REVOKE_TOOLS_GUEST_BACKEND_H_

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "job.h"

namespace guest {

enum class Backend { kAuto, kInitramfs, kVng };
// kIcount is TCG whose clock counts instructions: one nanosecond each, whatever the host does.
enum class Accel { kAuto, kKvm, kTcg, kIcount };

const char* Name(Backend backend);
const char* Name(Accel accel);

// What is asked of one guest run. Paths are absolute.
struct RunSpec {
  std::string kernel;   // bzImage
  std::string results;  // directory, exists
  std::string agent;    // guest-agent, static
  std::string qemu = "qemu-system-x86_64";
  std::string vng = "vng";
  Backend backend = Backend::kAuto;
  Accel accel = Accel::kAuto;
  int cpus = 2;
  std::string memory = "2G";
  std::chrono::seconds timeout{600};
  std::chrono::seconds silence{0};     // how long the program may print nothing; 0: for ever
  std::vector<std::string> devices;    // arguments of qemu's -device
  std::vector<std::string> qemu_args;  // passed to qemu as they are
  bool monitor = false;                // the guest can give qemu commands; initramfs backend only
  std::vector<std::string> append;     // kernel command line
  std::vector<std::string> files;      // put into the initramfs under the same path, with what is
                                       // in a directory and the libraries of a program
  std::string early;                   // static program that the kernel starts before init, or none
  std::vector<std::string> shares;     // directories mounted read-only under the same path
  std::vector<std::string> env;
  std::vector<std::string> sysctls;
  std::vector<std::string> modules;  // kernel modules, loaded by the agent
  std::vector<std::string> program;  // argv; program[0] is absolute
};

// The files of a run inside `results`.
struct RunFiles {
  std::string console;   // console log
  std::string emulator;  // what the emulator itself printed
  std::string initrd;    // initramfs backend only
  std::string ktap;      // the judgement
};
RunFiles FilesOf(const RunSpec& spec);

// `spec.backend` resolved: initramfs unless the program needs shared libraries.
Backend ResolveBackend(const RunSpec& spec);

// The job file of a run.
Job MakeJob(const RunSpec& spec, const std::string& nonce);

struct EmulatorCommand {
  std::vector<std::string> argv;
  std::string stdout_path;
  std::string stderr_path;
};

// `backend` and `accel` are resolved, not kAuto.
EmulatorCommand MakeCommand(const RunSpec& spec, Backend backend, Accel accel);

// An interactive virtme-ng shell in the kernel; the caller executes it.
std::vector<std::string> MakeShellCommand(const RunSpec& spec, Accel accel);

// The archive the initramfs backend boots from. Throws Error if a file cannot be read.
std::string MakeInitramfs(const RunSpec& spec);

}  // namespace guest

#endif  // REVOKE_TOOLS_GUEST_BACKEND_H_
