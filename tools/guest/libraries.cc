// SPDX-License-Identifier: GPL-2.0

#include "libraries.h"

#include <elf.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "files.h"

namespace guest {
namespace {

constexpr char kLoader[] = "/lib64/ld-linux-x86-64.so.2";

bool IsElf(const std::string& path) { return ReadFile(path).value_or("").starts_with(ELFMAG); }

}  // namespace

std::set<std::string> LibrariesOf(const std::string& path) {
  const bool library = std::filesystem::path(path).filename().string().find(".so") != path.npos;
  if (!IsElf(path) || (!library && !IsDynamicallyLinked(path))) return {};
  const std::string command = std::string(kLoader) + " --list '" + path + "' 2>&1";
  const std::unique_ptr<FILE, int (*)(FILE*)> list(popen(command.c_str(), "r"), pclose);
  if (!list) throw ErrnoError("cannot start " + command);
  std::set<std::string> libraries;
  char buffer[4096];
  // "NAME => PATH (ADDRESS)", or one of both alone
  while (std::fgets(buffer, sizeof(buffer), list.get()) != nullptr) {
    const std::string line = buffer;
    if (line.find("not found") != line.npos) throw Error(path + " needs " + line);
    const size_t begin = line.find('/');
    const size_t end = line.find(" (0x");
    if (begin != line.npos && end != line.npos) libraries.insert(line.substr(begin, end - begin));
  }
  if (libraries.empty()) throw Error(command + " names none");
  return libraries;
}

}  // namespace guest
