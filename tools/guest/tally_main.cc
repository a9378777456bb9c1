// SPDX-License-Identifier: GPL-2.0
//
// tally: adds test results up; its last line is "N passed, N failed".

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "files.h"
#include "judge.h"
#include "require_all.h"
#include "skip_table.h"
#include "splat.h"
#include "tally.h"

namespace {

namespace fs = std::filesystem;

using guest::Error;
using guest::ReadFile;
using guest::Tally;

constexpr char kFooter[] = R"(
Each argument is a result that is expected: LABEL=FILE, with KTAP or JUnit in
the file. A file that is missing, empty or cut short counts as failed.

The table of allowed skips has lines of NAME<TAB>REASON, where NAME is what is
printed after SKIPPED.

Each thing that failed is named at the end, with the first failed assertion and
the file that says more.

Exit status: 0 if something passed and nothing failed, 1 otherwise, 2 wrong usage.)";

struct Input {
  std::string label;
  std::string file;
};

Input Split(const std::string& argument) {
  const size_t equals = argument.find('=');
  if (equals == std::string::npos || equals == 0)
    throw Error("an argument is LABEL=FILE, not " + argument);
  return {argument.substr(0, equals), argument.substr(equals + 1)};
}

Tally CountConsole(const std::string& file, const splat::AllowList& allow) {
  Tally tally;
  for (const std::string& why : guest::JudgeConsole(ReadFile(file), allow).red) tally.Fail(why);
  if (tally.failed == 0) tally.passed = 1;
  return tally;
}

// The files that say more: the results themselves, and the log that belongs to them.
std::vector<std::string> FilesOf(const std::string& results) {
  std::vector<std::string> files;
  std::error_code code;
  if (fs::exists(results, code)) files.push_back(results);
  fs::path log = results;
  if (log.filename() == "guest.ktap") {
    log.replace_filename("console.log");
  } else {
    log.replace_extension(".log");
  }
  if (log != results && fs::exists(log, code) && fs::file_size(log, code) > 0) files.push_back(log);
  return files;
}

class Sum {
 public:
  void Add(const Input& input, Tally tally) {
    std::printf("%-28s %5d passed %4d failed %4d skipped\n", input.label.c_str(), tally.passed,
                tally.failed, tally.skipped);
    for (const std::string& skip : tally.skips)
      std::printf("    SKIPPED %s\n", guest::SkipName(input.label, skip).c_str());
    passed_ += tally.passed;
    failed_ += tally.failed;
    skipped_ += tally.skipped;
    if (tally.failed > 0) red_.emplace_back(input, std::move(tally));
  }

  // `status` is that of the stages which made the results.
  bool Finish(int status) {
    for (const auto& [input, tally] : red_) PrintFailures(input, tally);
    if (status != 0 && failed_ == 0) {
      failed_ = 1;
      std::printf("    FAILED a stage, without leaving a failed result\n");
    }
    if (skipped_ > 0) std::printf("%d skipped, counted as neither\n", skipped_);
    std::printf("%d passed, %d failed\n", passed_, failed_);
    return failed_ == 0 && passed_ > 0;
  }

 private:
  static void PrintFailures(const Input& input, const Tally& tally) {
    std::printf("%s:\n", input.label.c_str());
    for (std::size_t i = 0; i < tally.failures.size(); i++) {
      std::printf("    FAILED %s\n", tally.failures[i].c_str());
      for (const std::string& line : tally.reasons[i]) std::printf("        %s\n", line.c_str());
    }
    for (const std::string& file : FilesOf(input.file)) std::printf("    see %s\n", file.c_str());
  }

  int passed_ = 0;
  int failed_ = 0;
  int skipped_ = 0;
  std::vector<std::pair<Input, Tally>> red_;  // in the order in which they were given
};

int Main(int argc, char** argv) {
  std::vector<std::string> inputs;
  std::vector<std::string> consoles;
  std::string allow_path;
  std::string skips_path;
  bool require_all = false;
  int status = 0;
  CLI::App app{"Add test results up."};
  app.footer(kFooter);
  app.add_option("--status", status,
                 "Exit status of the stages that made the results; counted as a failure if it is "
                 "not 0 and no other failure explains it");
  app.add_option("--console", consoles, "LABEL=FILE: a console log that must be free of splats")
      ->allow_extra_args(false);
  app.add_option("--allow", allow_path, "Splats to excuse: lines of REGEX<TAB>REASON");
  app.add_flag("--require-all", require_all, "A skip that is not listed is a failure");
  app.add_option("--allowed-skips", skips_path, "Table of the skips that are allowed all the same");
  app.add_option("results", inputs, "LABEL=FILE...");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (inputs.empty() && consoles.empty()) throw Error("no results are given; -h shows how");

  splat::AllowList allow;
  if (!allow_path.empty()) {
    std::string error;
    std::optional<splat::AllowList> loaded = splat::AllowList::Load(allow_path, &error);
    if (!loaded) throw Error(error);
    allow = *std::move(loaded);
  }
  revoke_test::SkipTable skips;
  if (!skips_path.empty()) {
    std::string error;
    std::optional<revoke_test::SkipTable> loaded = revoke_test::SkipTable::Load(skips_path, &error);
    if (!loaded) throw Error(error);
    skips = *std::move(loaded);
  }
  Sum sum;
  for (const std::string& argument : inputs) {
    const Input input = Split(argument);
    Tally tally = guest::Count(ReadFile(input.file));
    if (require_all) guest::RequireAll(input.label, skips, &tally);
    sum.Add(input, std::move(tally));
  }
  for (const std::string& argument : consoles) {
    const Input input = Split(argument);
    sum.Add(input, CountConsole(input.file, allow));
  }
  return sum.Finish(status) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "tally: " << error.what() << "\n";
    return 2;
  }
}
