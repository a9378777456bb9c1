// SPDX-License-Identifier: GPL-2.0

#include "project.h"

#include <algorithm>
#include <optional>

#include "files.h"
#include "process.h"
#include "steps.h"

namespace mutants {
namespace {

namespace fs = std::filesystem;
using guest::Error;

constexpr std::chrono::seconds kListTimeout{60};

// What a program prints.
std::string OutputOf(const std::vector<std::string>& argv, const fs::path& scratch) {
  fs::create_directories(scratch);
  const guest::ProcessSpec spec{.argv = argv,
                                .stdout_path = scratch / "list.out",
                                .stderr_path = scratch / "list.err",
                                .timeout = kListTimeout};
  fs::remove(spec.stdout_path);
  fs::remove(spec.stderr_path);
  const guest::ProcessResult result = guest::RunProcess(spec);
  if (result.timed_out) throw Error(argv[0] + " does not list its tests");
  if (const auto failure = guest::DescribeFailure(spec, result)) throw Error(*failure);
  return Require(spec.stdout_path);
}

// NAME of each "KUNIT_CASE(NAME)" and "KUNIT_CASE_SLOW(NAME)".
void AddKunitCases(std::string_view text, std::set<std::string>* names) {
  constexpr std::string_view kCase = "KUNIT_CASE";
  for (size_t at = 0; (at = text.find(kCase, at)) != std::string_view::npos; at++) {
    const size_t open = text.find('(', at);
    const size_t end = text.find_first_of(",)", std::min(open, text.size()));
    if (end != std::string_view::npos) names->emplace(text.substr(open + 1, end - open - 1));
  }
}

}  // namespace

std::string Require(const fs::path& path) {
  std::optional<std::string> text = guest::ReadFile(path);
  if (!text) throw Error("no such file: " + path.string());
  return *std::move(text);
}

Table LoadTable(const fs::path& path) {
  std::string error;
  std::optional<Table> table = Table::Parse(guest::ReadFile(path).value_or(""), &error);
  if (!table) throw Error(path.string() + ": " + error);
  return *std::move(table);
}

std::vector<std::string> SuitesOf(const Project& project) {
  std::vector<std::string> suites;
  for (const fs::directory_entry& entry : fs::directory_iterator(project.source / "kselftests")) {
    const std::string name = entry.path().filename();
    if (name.ends_with("_test.cc")) suites.push_back(entry.path().stem());
  }
  std::sort(suites.begin(), suites.end());
  return suites;
}

std::vector<Declared> ListTests(const Project& project) {
  std::vector<Declared> tests;
  for (const std::string& suite : SuitesOf(project)) {
    const std::string text =
        OutputOf({project.Suites() / suite, "--list-baselines"}, project.Results());
    for (const std::string& line : SplitLines(text)) {
      const std::vector<std::string> fields = SplitTabs(line);
      if (fields.size() != 2)
        throw Error(std::string(suite).append(" --list-baselines printed: ").append(line));
      tests.push_back({.suite = suite, .test = fields[0], .declaration = fields[1]});
    }
  }
  return tests;
}

std::set<std::string> ListKunit(const Project& project) {
  std::set<std::string> names;
  for (const fs::directory_entry& entry :
       fs::recursive_directory_iterator(project.source / "kernel-tree-overlay")) {
    if (entry.path().string().ends_with("_kunit.c")) AddKunitCases(Require(entry.path()), &names);
  }
  return names;
}

std::vector<std::string> EntriesOf(std::string_view text) {
  std::vector<std::string> lines = SplitLines(text);
  std::erase_if(lines, [](const std::string& line) { return line.starts_with('#'); });
  return lines;
}

}  // namespace mutants
