// SPDX-License-Identifier: GPL-2.0
//
// bench-report: what bench-guest has measured in two kernels, side by side, or against a reference.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "comparison.h"
#include "files.h"
#include "results.h"
#include "sizes.h"
#include "table.h"

namespace {

using guest::Error;
using std::string;

constexpr int kOff = 1;
constexpr int kUsage = 2;

string MustRead(const string& path) {
  const std::optional<string> text = guest::ReadFile(path);
  if (!text) throw Error("no such file: " + path);
  return *text;
}

struct Options {
  std::vector<string> base;
  std::vector<string> patched;
  string base_structs;
  string patched_structs;
  string base_symbols;
  string patched_symbols;
  std::vector<string> test_symbols;
  string text;
  string csv;
  string svg;
  string reference;
  string control;
  bool write_reference = false;
};

std::vector<std::vector<bench::Result>> Load(const std::vector<string>& paths) {
  std::vector<std::vector<bench::Result>> repeats;
  for (const string& path : paths) repeats.push_back(bench::ParseResults(MustRead(path), path));
  return repeats;
}

// To the rows of the guests, what the files of the kernels say.
std::vector<bench::Row> AddSizes(std::vector<bench::Row> rows, const Options& options,
                                 bench::SizeReport& sizes) {
  if (!options.base_structs.empty()) {
    const std::vector<bench::Row> structs =
        bench::Merge(Load({options.base_structs}), Load({options.patched_structs}));
    rows.insert(rows.end(), structs.begin(), structs.end());
  }
  if (options.base_symbols.empty()) return rows;
  std::vector<string> tests;
  for (const string& path : options.test_symbols) tests.push_back(MustRead(path));
  sizes =
      bench::CompareSizes(MustRead(options.base_symbols), MustRead(options.patched_symbols), tests);
  rows.insert(rows.end(), sizes.rows.begin(), sizes.rows.end());
  return rows;
}

int ReportBoth(const Options& options) {
  bench::SizeReport sizes;
  const std::vector<bench::Row> counted = bench::Merge(Load(options.base), Load(options.patched));
  const std::vector<bench::Row> rows = AddSizes(counted, options, sizes);
  const string text = bench::ToText(rows) + sizes.text;
  std::cout << text;
  if (!options.text.empty()) guest::WriteFile(options.text, text);
  if (!options.csv.empty()) guest::WriteFile(options.csv, bench::ToCsv(rows));
  if (!options.svg.empty()) guest::WriteFile(options.svg, bench::ToSvg(rows));
  if (options.write_reference)
    guest::WriteFile(options.reference, bench::SerializeReference(counted));
  return 0;
}

int CheckPatched(const Options& options) {
  if (options.patched.size() != 1) throw Error("one file of --patched is compared");
  const string& path = options.patched.front();
  const std::vector<bench::Result> results = bench::ParseResults(MustRead(path), path);
  std::vector<bench::Expected> reference =
      bench::ParseReference(MustRead(options.reference), options.reference);
  if (!options.control.empty())
    reference = bench::WithValuesOf(Load({options.control}).front(), std::move(reference));
  const std::vector<string> wrong = bench::Check(results, reference);
  for (const string& line : wrong) std::cout << "OFF  " << line << "\n";
  std::cout << results.size() << " figures, " << wrong.size() << " not as in "
            << (options.control.empty() ? options.reference : options.control) << "\n";
  return wrong.empty() ? 0 : kOff;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app{"Compare what bench-guest measured in two kernels, or with a reference."};
  app.footer("Exit status: 0, or 1 if a figure is off or something is missing, 2 wrong usage.");
  app.add_option("--base", options.base, "Results in the unpatched kernel, one file a repeat");
  app.add_option("--patched", options.patched, "Results in the patched kernel")->required();
  CLI::Option* structs = app.add_option("--base-structs", options.base_structs,
                                        "Sizes of structures of the unpatched kernel");
  structs->needs(
      app.add_option("--patched-structs", options.patched_structs, "And of the patched"));
  app.add_option("--base-symbols", options.base_symbols,
                 "What nm -S says of the unpatched vmlinux");
  app.add_option("--patched-symbols", options.patched_symbols, "The same of the patched one")
      ->needs("--base-symbols");
  app.add_option("--test-symbols", options.test_symbols,
                 "Objects that are tests, and do not count");
  app.add_option("--text", options.text, "Write the table there, too");
  app.add_option("--csv", options.csv, "Write it as CSV");
  app.add_option("--svg", options.svg, "Write a plot");
  app.add_option("--reference", options.reference,
                 "Without --base: compare the patched kernel with this file");
  app.add_option("--control", options.control,
                 "Take only the tolerances from the reference, the figures from these results")
      ->needs("--reference");
  app.add_flag("--write-reference", options.write_reference, "Write it instead")
      ->needs("--reference", "--base");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  if (!options.base.empty()) return ReportBoth(options);
  if (!options.reference.empty()) return CheckPatched(options);
  std::cerr << "bench-report: --base or --reference is needed; -h shows how\n";
  return kUsage;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "bench-report: " << error.what() << "\n";
    return kOff;
  }
}
