// SPDX-License-Identifier: GPL-2.0
//
// main() of every suite.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "baseline.h"
#include "deadline.h"
#include "deadline_percent.h"
#include "isolated_runner.h"
#include "ktap.h"
#include "skip_table.h"
#include "splat.h"
#include "verdict.h"

namespace revoke_test {
namespace {

constexpr const char* kFooter = R"(
All flags of GoogleTest that choose tests work: --gtest_list_tests, --gtest_filter=,
--gtest_also_run_disabled_tests, --gtest_repeat=.

Exit code: 0 all passed; 1 a failure, nothing selected or wrong usage; 4 all skipped.

Environment: REVOKE_TEST_SLOW=N multiplies every time limit by N (KSFT_MACHINE_SLOW=yes stands for 5);
REVOKE_DEADLINE_PERCENT=N leaves N % of each.
Table of allowed skips: lines of "Suite.Test<TAB>reason". Allow list of splats: lines of
"regex<TAB>reason". In both, '#' starts a comment line.)";

struct Arguments {
  RunnerOptions runner;
  bool isolate = true;
  bool list_baselines = false;
  std::vector<std::string> for_gtest;
};

int Fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  return kExitFail;
}

// Returns the exit code if the program is to end here.
std::optional<int> ParseArguments(int argc, char** argv, Arguments* arguments) {
  CLI::App app("Runs each test in a process of its own and prints KTAP to standard output.");
  app.footer(kFooter);
  app.allow_extras();
  int deadline_seconds = 30;
  bool in_process = false;
  std::string allowed_skips;
  std::string allowed_splats;
  Policy& policy = arguments->runner.policy;
  app.add_option("--deadline", deadline_seconds, "Seconds each test may take, before scaling")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  app.add_flag("--require-all", policy.require_all, "A skip that is not listed is a failure")
      ->envname("REQUIRE_ALL");
  app.add_option("--allowed-skips", allowed_skips,
                 "Table of the skips that are allowed all the same")
      ->envname("REVOKE_ALLOWED_SKIPS");
  app.add_option("--splat-allow", allowed_splats, "Allow list of kernel log splats")
      ->envname("REVOKE_SPLAT_ALLOW");
  app.add_flag("--baseline", policy.baseline,
               "This is the unpatched kernel: prove what the tests declare about it");
  app.add_flag("--list-baselines", arguments->list_baselines,
               "Print each test and what it declares, \"Suite.Test<TAB>ENOSYS\", and run none");
  app.add_flag("--no-isolation", in_process,
               "Run all tests in this process, for a debugger: no deadline, no kernel log watch");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitPass : kExitFail;
  }
  arguments->for_gtest = app.remaining();
  arguments->isolate = !in_process;
  arguments->runner.deadline = std::chrono::seconds(deadline_seconds);
  if (policy.baseline && in_process) {
    return Fail("--baseline needs isolation; leave --no-isolation out");
  }

  std::string error;
  if (!ParseSlowFactor(std::getenv("REVOKE_TEST_SLOW"), std::getenv("KSFT_MACHINE_SLOW"), &error)) {
    return Fail(error);
  }
  if (!ParseDeadlinePercent(std::getenv("REVOKE_DEADLINE_PERCENT"), &error)) return Fail(error);
  if (!allowed_skips.empty()) {
    std::optional<SkipTable> table = SkipTable::Load(allowed_skips, &error);
    if (!table) return Fail(error);
    policy.allowed_skips = *std::move(table);
  }
  if (!allowed_splats.empty()) {
    std::optional<splat::AllowList> list = splat::AllowList::Load(allowed_splats, &error);
    if (!list) return Fail(error);
    arguments->runner.allowed_splats = *std::move(list);
  }
  return std::nullopt;
}

// Hands `arguments` to GoogleTest. Returns the exit code if the program is to end here.
std::optional<int> InitGTest(char* program, std::vector<std::string>* arguments) {
  std::vector<char*> argv = {program};
  for (std::string& argument : *arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  auto argc = static_cast<int>(argv.size()) - 1;
  // Before the flags are read: the program run again for a death test needs it as well.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  testing::InitGoogleTest(&argc, argv.data());
  if (argc > 1) return Fail("unknown argument '" + std::string(argv[1]) + "'; see --help");
  if (GTEST_FLAG_GET(shuffle)) return Fail("--gtest_shuffle has no effect on isolated tests");
  if (!GTEST_FLAG_GET(output).empty()) {
    return Fail("--gtest_output is not supported; the results are the KTAP on standard output");
  }
  if (GTEST_FLAG_GET(repeat) < 1) return Fail("--gtest_repeat must be at least 1");
  return std::nullopt;
}

// Of every test, selected or not. False if one declares nothing.
bool ListBaselines() {
  bool complete = true;
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  for (int s = 0; s < all.total_test_suite_count(); ++s) {
    const testing::TestSuite& suite = *all.GetTestSuite(s);
    for (int t = 0; t < suite.total_test_count(); ++t) {
      const std::string name = std::string(suite.name()) + "." + suite.GetTestInfo(t)->name();
      const std::optional<baseline::Declared> declared = baseline::DeclarationOf(name);
      std::printf("%s\t%s\n", name.c_str(), declared ? baseline::Name(*declared) : "nothing");
      complete &= declared.has_value();
    }
  }
  return complete;
}

int Main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a lost reader is an error of write(2), not our end
  Arguments arguments;
  if (const std::optional<int> code = ParseArguments(argc, argv, &arguments)) return *code;
  if (const std::optional<int> code = InitGTest(argv[0], &arguments.for_gtest)) return *code;
  if (arguments.runner.policy.baseline) baseline::BeginProof();
  if (arguments.list_baselines) return ListBaselines() ? kExitPass : kExitFail;
  // The program run again for a death test, which its parent judges.
  if (testing::internal::InDeathTestChild()) return RUN_ALL_TESTS();
  if (GTEST_FLAG_GET(list_tests)) return RUN_ALL_TESTS();

  // Tests may do to file descriptor 1 what they like.
  const int results = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
  if (results < 0) return Fail("standard output is closed; there is nowhere to report to");
  KtapWriter ktap(results);
  return arguments.isolate ? RunIsolated(arguments.runner, &ktap)
                           : RunInProcess(arguments.runner, &ktap);
}

}  // namespace
}  // namespace revoke_test

int main(int argc, char** argv) { return revoke_test::Main(argc, argv); }
