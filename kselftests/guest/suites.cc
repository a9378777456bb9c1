// SPDX-License-Identifier: GPL-2.0

#include "suites.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "fd.h"
#include "files.h"

namespace guest {
namespace {

constexpr char kKunit[] = "/sys/kernel/debug/kunit/";

}  // namespace

void Note(const std::string& program, const std::string& text) {
  const std::string line = program + ": " + text + "\n";
  std::printf("%s", line.c_str());
  std::fflush(stdout);
  const Fd kmsg(open("/dev/kmsg", O_WRONLY | O_CLOEXEC));
  if (kmsg.valid()) (void)!write(kmsg.get(), line.data(), line.size());
}

void WriteControl(const std::string& path, const std::string& text) {
  const Fd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) throw ErrnoError("cannot open " + path);
  WriteAll(fd.get(), text, path);
}

std::string RunKunitSuite(const std::string& suite, const std::string& what) {
  const std::string directory = kKunit + suite;
  WriteControl(directory + "/run", what);
  return ReadFile(directory + "/results").value_or("");
}

ProcessSpec SuiteProcess(const std::string& binary, const std::vector<std::string>& args,
                         const std::string& stem, std::chrono::milliseconds timeout) {
  ProcessSpec spec{.argv = {binary},
                   .stdout_path = stem + ".ktap",
                   .stderr_path = stem + ".log",
                   .timeout = timeout};
  spec.argv.insert(spec.argv.end(), args.begin(), args.end());
  std::filesystem::remove(spec.stdout_path);
  std::filesystem::remove(spec.stderr_path);
  return spec;
}

}  // namespace guest
