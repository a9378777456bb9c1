// SPDX-License-Identifier: GPL-2.0

#include "skip_table.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sstream>

namespace revoke_test {

std::optional<SkipTable> SkipTable::Parse(std::string_view text, std::string_view name,
                                          std::string* error) {
  SkipTable table;
  std::istringstream in{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos || line.front() == '#') continue;
    const auto fail = [&](const std::string& what) {
      *error = std::string(name) + ":" + std::to_string(number) + ": " + what +
               "; write: Suite.Test<TAB>reason";
      return std::nullopt;
    };
    const std::size_t tab = line.find('\t');
    const std::string test = line.substr(0, tab);
    const std::size_t reason =
        tab == std::string::npos ? tab : line.find_first_not_of(" \t\r", tab);
    if (reason == std::string::npos) return fail("entry without a reason");
    if (test.find('.') == std::string::npos || test.find_first_of(" *?") != std::string::npos) {
      return fail("'" + test + "' is not the full name of one test");
    }
    if (!table.reasons_.emplace(test, line.substr(reason)).second) {
      return fail("'" + test + "' is listed twice");
    }
  }
  return table;
}

std::optional<SkipTable> SkipTable::Load(const std::string& path, std::string* error) {
  // Not a stream: those take a directory for an empty file.
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"),
                                                             &std::fclose);
  std::string text;
  if (file) {
    std::array<char, 4096> buffer;
    while (std::feof(file.get()) == 0 && std::ferror(file.get()) == 0) {
      text.append(buffer.data(), std::fread(buffer.data(), 1, buffer.size(), file.get()));
    }
  }
  if (!file || std::ferror(file.get()) != 0) {
    *error = path + ": cannot be read: " + strerrorname_np(errno) +
             "; check the path of the table of allowed skips";
    return std::nullopt;
  }
  return Parse(text, path, error);
}

const std::string* SkipTable::ReasonFor(std::string_view test) const {
  auto entry = reasons_.find(test);
  if (entry == reasons_.end())
    entry = reasons_.find(test.substr(0, test.find('/', test.find('.'))));
  return entry != reasons_.end() ? &entry->second : nullptr;
}

}  // namespace revoke_test
