// SPDX-License-Identifier: GPL-2.0
//
// bench-guest: counts, in the guest, the instructions of each operation and of each removal.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "count.h"
#include "files.h"
#include "footprint.h"
#include "machine.h"
#include "operation.h"
#include "removal.h"
#include "results.h"

namespace {

using bench::Group;
using bench::Operation;
using bench::Result;
using guest::Error;

// Results, and how many things could not be measured, which is said at once.
class Report {
 public:
  void Add(const bench::Subject& subject, const std::function<bench::Figure()>& measure) {
    try {
      const bench::Figure figure = measure();
      results_.push_back({subject, figure.median});
      std::printf("%-50s %14.2f (%.2f to %.2f)\n", Describe(subject).c_str(), figure.median,
                  figure.least, figure.most);
    } catch (const Error& error) {
      std::printf("%-50s %s\n", Describe(subject).c_str(), error.what());
      failures_++;
    }
    std::fflush(stdout);
  }
  int failures() const { return failures_; }
  const std::vector<Result>& results() const { return results_; }

 private:
  std::vector<Result> results_;
  int failures_ = 0;
};

void MeasureCalls(const bench::Devices& devices, Report& report) {
  for (const auto family :
       {bench::FileOperations, bench::OpenOperations, bench::WaitOperations,
        bench::MemoryOperations, bench::UringOperations, bench::SoundOperations}) {
    for (const Operation& operation : family(devices)) {
      report.Add({Group::kCall, operation.call, operation.file},
                 [&operation] { return bench::Measure(operation.prepare(), operation.count); });
    }
  }
}

void MeasureRemovals(bench::Machine& machine, long largest, Report& report) {
  for (const bench::Removal& removal : bench::Removals(machine.devices(), largest)) {
    report.Add({Group::kRemoval, removal.call, removal.what, removal.scale},
               [&] { return removal.measure(machine); });
  }
}

void MeasureSizes(const bench::Machine& machine, Report& report) {
  for (const bench::Footprint& footprint : bench::Footprints(machine.devices())) {
    report.Add({Group::kSize, footprint.call, footprint.file},
               [&] { return bench::Exactly(footprint.measure(machine)); });
  }
}

int Main(int argc, char** argv) {
  bool calls = false;
  long largest = 10000;
  std::string mutant;
  CLI::App app{"Count the instructions of each operation; tools/bench/count.h says how."};
  app.add_flag("--calls", calls, "Only single calls, no removals and sizes");
  app.add_option("--largest", largest, "Removals of up to so many files, mappings, threads")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--mutant", mutant, "Break the kernel in this way first (a kernel with mutants)");
  CLI11_PARSE(app, argc, argv);

  const char* directory = std::getenv("GUEST_RESULTS");
  if (directory == nullptr) throw Error("GUEST_RESULTS is not set: run it by guest-run");
  bench::CheckCounter();
  bench::RaiseLimits();
  if (!mutant.empty()) bench::SwitchOnMutant(mutant);
  bench::Machine machine;
  Report report;
  MeasureCalls(machine.devices(), report);
  if (!calls) {
    MeasureRemovals(machine, largest, report);
    MeasureSizes(machine, report);
  }
  if (report.failures() != 0)
    throw Error(std::to_string(report.failures()) + " could not be measured");
  guest::WriteFile(std::string(directory) + "/bench", Serialize(report.results()));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "bench-guest: " << error.what() << "\n";
    return 1;
  }
}
