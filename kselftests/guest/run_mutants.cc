// SPDX-License-Identifier: GPL-2.0
//
// run-mutants: works through a plan of mutants and tests in one guest, and keeps a journal.

#include <getopt.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>

#include "files.h"
#include "health.h"
#include "mutant_run.h"
#include "numbers.h"
#include "splat.h"
#include "steps.h"

namespace {

using guest::Error;

constexpr char kUsage[] =
    "usage: run-mutants [-h] [-r DIR] [-s FILE] [-b DIR] [-d SECONDS] [-p N]\n"
    "                   [PLAN]\n"
    "\n"
    "For each line of the plan, \"MUTANT<TAB>KIND<TAB>SUITE<TAB>TEST:TEST...\", run the\n"
    "tests, which must be green, turn the mutant on, run them, turn it off. Then see\n"
    "whether the guest is still well: no task that cannot be killed, the kernel has not\n"
    "complained and, if a test was red, test_revoke can be loaded anew.\n"
    "\n"
    "  PLAN        default: plan in the results directory\n"
    "  -s FILE     turns mutants on and off (default /sys/kernel/debug/revoke_mutant)\n"
    "  -b DIR      where the test binaries are\n"
    "  -d SECONDS  for each test (default 30)\n"
    "  -p N        leave N % of each time limit while a mutant is on (default 100), and\n"
    "              at least three times what the test took without\n"
    "  -r DIR      where the results go (default $GUEST_RESULTS)\n"
    "  -h          this text\n"
    "\n"
    "Results: journal; step.ktap and step.log of the last step, before.* of what was run\n"
    "before it, control-SUITE.* without a mutant.\n"
    "Environment: TEST_REVOKE_KO, the module; REVOKE_SPLAT_ALLOW, splats to excuse.\n"
    "Exit status: 0 if the plan is done, 3 if the rest of it needs a new guest, 1 if\n"
    "something else is wrong, 2 wrong usage. What is red is in the journal only.\n";

struct Arguments {
  guest::MutantRunOptions run;
  std::string plan;
};

// Nothing: wrong usage.
std::optional<Arguments> Parse(int argc, char** argv) {
  Arguments arguments;
  if (const char* results = std::getenv("GUEST_RESULTS")) arguments.run.results = results;
  for (int option; (option = getopt(argc, argv, "hr:s:b:d:p:")) != -1;) {
    switch (option) {
      case 'h':
        std::fputs(kUsage, stdout);
        std::exit(0);
      case 'r':
        arguments.run.results = optarg;
        break;
      case 's':
        arguments.run.mutant_switch = optarg;
        break;
      case 'b':
        arguments.run.binaries = optarg;
        break;
      case 'd':
        if (const std::optional<int> seconds = guest::ParsePositive(optarg)) {
          arguments.run.deadline = std::chrono::seconds(*seconds);
          break;
        }
        std::fprintf(stderr, "run-mutants: -d wants a number of seconds, not %s\n", optarg);
        return std::nullopt;
      case 'p':
        if (const std::optional<int> percent = guest::ParsePositive(optarg);
            percent && *percent <= 100) {
          arguments.run.percent = *percent;
          break;
        }
        std::fprintf(stderr, "run-mutants: -p wants a number from 1 to 100, not %s\n", optarg);
        return std::nullopt;
      default:
        return std::nullopt;
    }
  }
  if (optind + 1 < argc || arguments.run.results.empty()) return std::nullopt;
  arguments.plan = optind < argc ? argv[optind] : arguments.run.results + "/" + mutants::kPlanFile;
  return arguments;
}

splat::AllowList AllowedSplats() {
  const char* path = std::getenv("REVOKE_SPLAT_ALLOW");
  if (path == nullptr || *path == '\0') return {};
  std::string error;
  std::optional<splat::AllowList> list = splat::AllowList::Load(path, &error);
  if (!list) throw Error(error);
  return *std::move(list);
}

int Main(int argc, char** argv) {
  const std::optional<Arguments> arguments = Parse(argc, argv);
  if (!arguments) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  const char* module = std::getenv("TEST_REVOKE_KO");
  if (module == nullptr) throw Error("TEST_REVOKE_KO does not say where test_revoke.ko is");
  std::string error;
  const std::optional<std::string> text = guest::ReadFile(arguments->plan);
  if (!text) throw Error("no such file: " + arguments->plan);
  const std::optional<std::vector<mutants::Step>> plan = mutants::ParsePlan(*text, &error);
  if (!plan) throw Error(arguments->plan + ": " + error);
  // What a test leaves behind comes to this process.
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) throw guest::ErrnoError("cannot become a subreaper");

  const splat::AllowList allow = AllowedSplats();
  guest::Health health(module, allow);
  guest::MutantRun run(arguments->run, &health);
  for (const mutants::Step& step : *plan) {
    if (!run.Do(step)) return mutants::kWantsNewGuest;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "run-mutants: %s\n", error.what());
    return 1;
  }
}
