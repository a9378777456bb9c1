// SPDX-License-Identifier: GPL-2.0
//
// bench-guest: counts, in the guest, the instructions of each operation.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "count.h"
#include "files.h"
#include "machine.h"
#include "operation.h"

namespace {

using bench::Operation;
using guest::Error;

std::vector<Operation> AllOperations(const bench::Devices& devices) {
  std::vector<Operation> all;
  for (const auto family : {bench::FileOperations, bench::OpenOperations, bench::WaitOperations,
                            bench::MemoryOperations, bench::UringOperations}) {
    for (Operation& operation : family(devices)) all.push_back(std::move(operation));
  }
  return all;
}

int Main(int argc, char** argv) {
  CLI::App app{"Count the instructions of each operation; see tools/bench/count.h."};
  CLI11_PARSE(app, argc, argv);
  bench::CheckCounter();
  bench::Machine machine;
  int wrong = 0;
  for (const Operation& operation : AllOperations(machine.devices())) {
    try {
      const bench::Figure figure = bench::Measure(operation.prepare(), operation.count);
      std::printf("%s\t%s\t%.2f\t%.2f\t%.2f\n", operation.call.c_str(), operation.file.c_str(),
                  figure.median, figure.least, figure.most);
    } catch (const Error& error) {
      std::printf("%s\t%s\t%s\n", operation.call.c_str(), operation.file.c_str(), error.what());
      wrong++;
    }
  }
  return wrong == 0 ? 0 : 1;
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
