// SPDX-License-Identifier: GPL-2.0

#include "select.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>

#include "steps.h"

namespace mutants {
namespace {

constexpr char kListed[] = "M(";
constexpr char kSwitch[] = "revoke_mutant(";
constexpr char kOverlay[] = "kernel-tree-overlay/";
constexpr char kSuites[] = "kselftests/";

// The identifier that `text` begins with.
std::string_view Identifier(std::string_view text) {
  size_t size = 0;
  while (size < text.size() &&
         (std::isalnum(static_cast<unsigned char>(text[size])) != 0 || text[size] == '_')) {
    size++;
  }
  return text.substr(0, size);
}

// "mm/revoke.c" of "+++ b/mm/revoke.c"; nothing for other lines.
std::optional<std::string> NewFile(std::string_view line) {
  constexpr std::string_view kMark = "+++ b/";
  if (!line.starts_with(kMark)) return std::nullopt;
  return std::string(line.substr(kMark.size()));
}

struct Found {
  std::set<std::string> listed;
  std::map<std::string, std::set<std::string>> used;
};

Found Search(std::string_view patch) {
  Found found;
  std::string file;
  for (const std::string& line : SplitLines(patch)) {
    if (const std::optional<std::string> name = NewFile(line)) file = *name;
    if (line[0] != '+') continue;
    const std::string_view added = std::string_view(line).substr(1);
    const size_t begin = added.find_first_not_of(" \t");
    if (begin == std::string_view::npos) continue;
    if (added.substr(begin).starts_with(kListed)) {
      const std::string_view name = Identifier(added.substr(begin + 2));
      if (!name.empty() && added.substr(begin + 2 + name.size()).starts_with(','))
        found.listed.emplace(name);
    }
    for (size_t at = 0; (at = added.find(kSwitch, at)) != std::string_view::npos; at++) {
      const std::string_view before = added.substr(0, at);
      const std::string_view name = Identifier(added.substr(at + sizeof(kSwitch) - 1));
      const bool whole = added.substr(at + sizeof(kSwitch) - 1 + name.size()).starts_with(')');
      if (!name.empty() && whole && !before.starts_with("#define"))
        found.used[std::string(name)].insert(file);
    }
  }
  found.listed.erase(kNone);
  return found;
}

}  // namespace

std::vector<std::string> Switches::Names() const {
  std::vector<std::string> names;
  names.reserve(files.size());
  for (const auto& [name, where] : files) names.push_back(name);
  return names;
}

Switches ParseSwitches(std::string_view patch) {
  Found found = Search(patch);
  Switches switches;
  for (const std::string& name : found.listed) switches.files[name] = found.used[name];
  return switches;
}

std::vector<std::string> SwitchProblems(std::string_view patch) {
  const Found found = Search(patch);
  std::vector<std::string> problems;
  if (found.listed.empty()) problems.emplace_back("the patch lists no mutant");
  for (const std::string& name : found.listed) {
    if (!found.used.contains(name)) problems.push_back(name + ": nothing asks for it");
  }
  for (const auto& [name, files] : found.used) {
    if (!found.listed.contains(name)) problems.push_back(name + ": is not in the list");
  }
  return problems;
}

std::optional<int> DayOf(std::string_view date) {
  std::array<int, 3> fields{};
  for (size_t i = 0; i < fields.size(); i++) {
    const size_t size = i == 0 ? 4 : 2;
    if (date.size() < size) return std::nullopt;
    const std::string digits(date.substr(0, size));
    const char* end = digits.data() + digits.size();
    if (std::from_chars(digits.data(), end, fields[i]).ptr != end) return std::nullopt;
    date.remove_prefix(size);
    if (i < 2) {
      if (!date.starts_with('-')) return std::nullopt;
      date.remove_prefix(1);
    }
  }
  const std::chrono::year_month_day day{std::chrono::year(fields[0]),
                                        std::chrono::month(static_cast<unsigned>(fields[1])),
                                        std::chrono::day(static_cast<unsigned>(fields[2]))};
  if (!date.empty() || !day.ok()) return std::nullopt;
  return static_cast<int>(std::chrono::sys_days(day).time_since_epoch().count());
}

int DaysToTurn(const Want& want, int day) {
  // FNV-1a, mixed as the end of MurmurHash3 does: the same on every machine.
  std::uint64_t hash = 14695981039346656037U;
  for (const char c : want.mutant + " " + want.suite + " " + want.test)
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdU;
  hash ^= hash >> 33;
  return static_cast<int>((hash % 10 + 10 - static_cast<std::uint64_t>(day % 10)) % 10);
}

std::set<std::string> FilesOf(std::string_view patch) {
  std::set<std::string> files;
  for (const std::string& line : SplitLines(patch)) {
    if (std::optional<std::string> file = NewFile(line)) files.insert(*std::move(file));
  }
  return files;
}

std::set<Want> Touched(const std::vector<std::string>& paths, const Switches& switches,
                       const std::vector<Want>& wants,
                       const std::map<std::string, std::string>& patches) {
  std::set<std::string> kernel_files;
  std::set<std::string> suites;
  for (const std::string& path : paths) {
    if (path.starts_with(kOverlay)) kernel_files.insert(path.substr(sizeof(kOverlay) - 1));
    if (const auto patch = patches.find(path); patch != patches.end())
      kernel_files.merge(FilesOf(patch->second));
    if (path.starts_with(kSuites) && path.ends_with(".cc"))
      suites.insert(path.substr(sizeof(kSuites) - 1, path.size() - sizeof(kSuites) + 1 - 3));
  }
  std::set<Want> touched;
  for (const Want& want : wants) {
    const auto mutant = switches.files.find(want.mutant);
    const bool in_kernel =
        mutant != switches.files.end() && std::any_of(mutant->second.begin(), mutant->second.end(),
                                                      [&kernel_files](const std::string& file) {
                                                        return kernel_files.contains(file);
                                                      });
    if (in_kernel || suites.contains(want.suite)) touched.insert(want);
  }
  return touched;
}

std::set<Want> Soonest(const std::set<Want>& wants, int day, std::size_t most) {
  std::vector<Want> sorted(wants.begin(), wants.end());
  std::stable_sort(sorted.begin(), sorted.end(), [day](const Want& a, const Want& b) {
    return DaysToTurn(a, day) < DaysToTurn(b, day);
  });
  sorted.resize(std::min(sorted.size(), most));
  return {sorted.begin(), sorted.end()};
}

}  // namespace mutants
