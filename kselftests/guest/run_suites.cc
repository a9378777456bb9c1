// SPDX-License-Identifier: GPL-2.0
//
// run-suites: runs KUnit suites and test binaries one after the other in one guest, with a results
// file each, and looks for leaks at the end.

#include <getopt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "files.h"
#include "numbers.h"
#include "process.h"
#include "require_all.h"
#include "skip_table.h"
#include "suites.h"
#include "tally.h"

namespace {

namespace fs = std::filesystem;
using guest::Error;
using guest::ReadFile;
using guest::WriteControl;

constexpr char kUsage[] =
    "usage: run-suites [-h] [-r DIR] [-d SECONDS] [-k SUITE]... [-a ARG]... [BINARY]...\n"
    "\n"
    "Run KUnit suites, then test binaries, one after the other.\n"
    "\n"
    "  -k SUITE    run this KUnit suite through debugfs\n"
    "  -a ARG      argument for every test binary\n"
    "  -d SECONDS  kill a binary that runs longer (default 600)\n"
    "  -r DIR      where the results go (default $GUEST_RESULTS)\n"
    "  -h          this text\n"
    "\n"
    "Results: kunit-SUITE.ktap; BINARY.ktap and BINARY.log (standard error); and,\n"
    "where the kernel has kmemleak, kmemleak.ktap; where it has gcov, its counters,\n"
    "gcov-DIRECTORY-FILE.gcda.\n"
    "Exit status: 0 if all passed, 1 otherwise, 2 wrong usage. With REQUIRE_ALL=1 in\n"
    "the environment a skip that $REVOKE_ALLOWED_SKIPS does not list is a failure.\n";

constexpr char kKmemleak[] = "/sys/kernel/debug/kmemleak";
constexpr char kGcov[] = "/sys/kernel/debug/gcov";

void Note(const std::string& text) { guest::Note("run-suites", text); }

// A results file with one result.
std::string OneResult(bool ok, const std::string& name, const std::string& details) {
  return std::string("KTAP version 1\n1..1\n") + (ok ? "ok 1 " : "not ok 1 ") + name + "\n" +
         details;
}

std::string Seconds(std::chrono::steady_clock::time_point since) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f s",
                std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count());
  return text;
}

// What the environment says of skips, here as in the test binaries.
struct Policy {
  bool require_all = false;
  revoke_test::SkipTable allowed_skips;
};

Policy PolicyFromEnvironment() {
  Policy policy;
  if (const char* all = std::getenv("REQUIRE_ALL"); all != nullptr)
    policy.require_all = *all != '\0' && std::strcmp(all, "0") != 0;
  if (const char* path = std::getenv("REVOKE_ALLOWED_SKIPS"); path != nullptr && *path != '\0') {
    std::string error;
    std::optional<revoke_test::SkipTable> table = revoke_test::SkipTable::Load(path, &error);
    if (!table) throw Error(error);
    policy.allowed_skips = *std::move(table);
  }
  return policy;
}

// Exit status of a program of kselftest that has skipped everything.
constexpr int kSkipped = 4;

// Says of each result that is no pass why it is none. If all is said to be well, some has passed:
// the kernel's C harness ends with 0 even if everything was skipped.
bool AllPassed(const std::string& label, guest::Tally tally, const Policy& policy,
               int exit_code = 0) {
  if (policy.require_all) guest::RequireAll(label, policy.allowed_skips, &tally);
  if (exit_code == 0 && tally.passed + tally.failed == 0) tally.Fail("nothing has passed");
  for (const std::string& failure : tally.failures)
    std::printf("run-suites: %s: %s\n", label.c_str(), failure.c_str());
  return tally.failed == 0;
}

bool RunKunit(const std::string& suite, const Policy& policy, const fs::path& results) {
  const auto begin = std::chrono::steady_clock::now();
  Note("KUnit suite " + suite + " begins");
  std::string ktap;
  try {
    ktap = guest::RunKunitSuite(suite, "1");
  } catch (const Error& error) {
    ktap = OneResult(
        false, suite,
        "# " + std::string(error.what()) + "\n# is the suite built, and kunit.enable=1 given?\n");
  }
  guest::WriteFile(results / ("kunit-" + suite + ".ktap"), ktap);
  const bool passed = AllPassed(suite, guest::CountKtap(ktap), policy);
  Note("KUnit suite " + suite + (passed ? " passed in " : " FAILED in ") + Seconds(begin));
  return passed;
}

bool RunBinary(const std::string& binary, const std::vector<std::string>& args,
               std::chrono::seconds deadline, const Policy& policy, const fs::path& results) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string name = fs::path(binary).filename();
  Note(name + " begins");
  const guest::ProcessSpec spec = guest::SuiteProcess(binary, args, results / name, deadline);
  std::string outcome;
  bool passed = false;
  try {
    const guest::ProcessResult result = guest::RunProcess(spec);
    if (result.timed_out) {
      outcome = "killed after " + std::to_string(deadline.count()) + " s";
    } else {
      outcome = guest::DescribeFailure(spec, result).value_or("");
    }
    passed = (result.exit_code == 0 || result.exit_code == kSkipped) &&
             AllPassed(name, guest::Count(ReadFile(spec.stdout_path)), policy,
                       result.exit_code.value_or(0));
  } catch (const Error& error) {
    outcome = error.what();
  }
  Note(name + (passed ? " ended in " : " FAILED in ") + Seconds(begin) +
       (outcome.empty() ? "" : ": " + outcome));
  return passed;
}

// Clears what was found before; false if the kernel has no kmemleak.
bool ForgetLeaks() {
  if (access(kKmemleak, F_OK) < 0) return false;
  WriteControl(kKmemleak, "clear");
  return true;
}

// Memory freed by RCU or a work item looks lost for a while, and kmemleak itself reports nothing
// younger than 5 s: so wait, and believe only what a second scan still finds.
bool FindLeaks(const fs::path& results) {
  Note("looking for leaks");
  const timespec age = {.tv_sec = 6, .tv_nsec = 0};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &age, nullptr);
  WriteControl(kKmemleak, "scan");
  WriteControl(kKmemleak, "scan");
  const std::string leaks = ReadFile(kKmemleak).value_or("");
  guest::WriteFile(results / "kmemleak.ktap", OneResult(leaks.empty(), "kmemleak", leaks));
  if (!leaks.empty()) Note("memory was LEAKED, see kmemleak.ktap");
  return leaks.empty();
}

// What was executed, for lcov on the host: the files are where the objects were built.
void CopyCoverage(const fs::path& results) {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(kGcov)) {
    const fs::path& path = entry.path();
    if (path.extension() != ".gcda") continue;
    const std::string name =
        path.parent_path().filename().string() + "-" + path.filename().string();
    guest::WriteFile(results / ("gcov-" + name), ReadFile(path).value_or(""));
  }
}

int Main(int argc, char** argv) {
  const char* environment = std::getenv("GUEST_RESULTS");
  fs::path results = environment == nullptr ? "" : environment;
  std::chrono::seconds deadline{600};
  std::vector<std::string> suites;
  std::vector<std::string> args;
  for (int option; (option = getopt(argc, argv, "+hr:d:k:a:")) != -1;) {
    switch (option) {
      case 'h':
        std::fputs(kUsage, stdout);
        return 0;
      case 'r':
        results = optarg;
        break;
      case 'd':
        if (const std::optional<int> seconds = guest::ParsePositive(optarg)) {
          deadline = std::chrono::seconds(*seconds);
          break;
        }
        std::fprintf(stderr, "run-suites: -d wants a number of seconds, not %s\n", optarg);
        return 2;
      case 'k':
        suites.emplace_back(optarg);
        break;
      case 'a':
        args.emplace_back(optarg);
        break;
      default:
        std::fputs(kUsage, stderr);
        return 2;
    }
  }
  const std::vector<std::string> binaries(argv + optind, argv + argc);
  if (results.empty() || (suites.empty() && binaries.empty())) {
    std::fputs("run-suites: a results directory and something to run are needed; -h shows how\n",
               stderr);
    return 2;
  }

  const Policy policy = PolicyFromEnvironment();
  const bool leaks = ForgetLeaks();
  bool passed = true;
  for (const std::string& suite : suites) passed &= RunKunit(suite, policy, results);
  for (const std::string& binary : binaries)
    passed &= RunBinary(binary, args, deadline, policy, results);
  if (leaks) passed &= FindLeaks(results);
  if (fs::exists(kGcov)) CopyCoverage(results);
  return passed ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "run-suites: %s\n", error.what());
    return 1;
  }
}
