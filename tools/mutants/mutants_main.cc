// SPDX-License-Identifier: GPL-2.0
//
// mutants: shows that the tests notice when a mechanism of the facility is broken.

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <functional>
#include <iostream>

#include "commands.h"
#include "files.h"

namespace {

namespace fs = std::filesystem;
using guest::Error;

constexpr char kFooter[] = R"(
tools/mutants/switches.patch adds switches to the patched kernel, each of which
breaks one mechanism at run time. kselftests/evidence.tsv and
tools/mutants/kunit.tsv say which tests must be red with which of them.

Exit status: 0 if all is well, 1 if not, 2 wrong usage.)";

struct Options {
  mutants::Project project;
  mutants::GuestOptions guest;
  mutants::Selection selection;
  mutants::Breadth breadth;
  std::string profile = "normal";
  std::string targets;
  std::vector<std::string> suites;
  std::vector<std::string> imports;
  std::vector<std::string> elsewhere;
  std::function<int()> command;
};

fs::path CacheDirectory() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    return fs::path(cache) / "linux-revoke";
  const char* home = std::getenv("HOME");
  if (home == nullptr) throw Error("neither XDG_CACHE_HOME nor HOME is set; set one of them");
  return fs::path(home) / ".cache" / "linux-revoke";
}

void AddGuestOptions(CLI::App* command, Options* options) {
  command->add_option("--profile", options->profile, "normal, or debug with its own mutants")
      ->check(CLI::IsMember({"normal", "debug"}))
      ->capture_default_str();
  command->add_option("--build", options->project.build,
                      "Build of the kernel (default mutant-PROFILE)");
  command->add_option("--switch", options->guest.mutant_switch,
                      "A file to take in place of the kernel's switch, for tests of this tool");
  command
      ->add_option("--percent", options->guest.deadline_percent,
                   "How much of each time limit is left while a mutant is on, as much hangs then")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command->add_option("--jobs", options->guest.jobs, "How many guests to run at a time")
      ->check(CLI::Range(1, 16))
      ->capture_default_str();
}

void AddRun(CLI::App* app, Options* options) {
  CLI::App* run = app->add_subcommand("run", "Each mutant must make its tests red, none must not");
  AddGuestOptions(run, options);
  run->add_option("--tenth", options->selection.tenth,
                  "The tenth of the table whose turn it is on that day, YYYY-MM-DD");
  run->add_option(
         "--touched", options->selection.touched,
         "A changed file of the project: also the tests and mutants that it may concern; repeatable")
      ->allow_extra_args(false);
  run->add_option("--at-most", options->selection.at_most,
                  "How many tests changed files may add (default: all that they may concern)")
      ->check(CLI::PositiveNumber);
  run->add_option("names", options->selection.names, "Mutants (default: all)");
  run->callback([options] {
    options->command = [options] {
      return mutants::RunMutants(options->project, options->guest, options->selection);
    };
  });
}

int RunDiscover(const Options& options) {
  std::vector<mutants::Target> targets;
  if (!options.targets.empty()) targets = mutants::ParseTargets(mutants::Require(options.targets));
  for (const std::string& name : options.selection.names)
    targets.push_back({.mutant = name, .suites = options.suites});
  if (targets.empty()) throw Error("no mutant is named; -h shows how");
  return mutants::Discover(options.project, options.guest, targets, options.breadth);
}

void AddDiscover(CLI::App* app, Options* options) {
  CLI::App* discover =
      app->add_subcommand("discover", "Find out which tests mutants make red, for the table");
  AddGuestOptions(discover, options);
  discover->add_option("--list", options->targets,
                       "Lines of MUTANT<TAB>TEXT<TAB>SUITE,SUITE...; those with few suites first");
  discover->add_option("--suite", options->suites, "This suite only; repeatable")
      ->allow_extra_args(false);
  discover->add_flag("--proven", options->breadth.proven_too,
                     "Also tests that have been seen red by something");
  discover->add_flag("--instances", options->breadth.all_instances,
                     "All instances of parameterised tests, not the first alone");
  discover->add_option("names", options->selection.names, "Mutants");
  discover->callback([options] { options->command = [options] { return RunDiscover(*options); }; });
}

void AddEvidence(CLI::App* app, Options* options) {
  CLI::App* evidence =
      app->add_subcommand("evidence", "Bring the table up to date with tests and observations");
  evidence
      ->add_option("--import", options->imports,
                   "Lines of MUTANT<TAB>KIND<TAB>SUITE<TAB>TEST[<TAB>debug]; repeatable")
      ->allow_extra_args(false);
  evidence->callback([options] {
    options->command = [options] {
      return mutants::UpdateEvidence(options->project, options->imports);
    };
  });
  CLI::App* check = app->add_subcommand("check", "Table, tests and mutants agree; needs no guest");
  check
      ->add_option("--elsewhere", options->elsewhere,
                   "A mutant that something else than a test has to notice; repeatable")
      ->allow_extra_args(false);
  check->callback([options] {
    options->command = [options] {
      return mutants::CheckEvidence(options->project, options->elsewhere);
    };
  });
}

int Main(int argc, char** argv) {
  Options options;
  options.project.source = fs::current_path();
  CLI::App app{"Show that the tests notice when a mechanism of the facility is broken."};
  app.footer(kFooter);
  app.require_subcommand(1);
  app.add_option("--project", options.project.source, "The checkout (default: here)");
  AddRun(&app, &options);
  AddDiscover(&app, &options);
  AddEvidence(&app, &options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  options.project.source = fs::canonical(options.project.source);
  options.project.cache = CacheDirectory();
  options.project.debug = options.profile == "debug";
  if (options.project.build.empty()) options.project.build = "mutant-" + options.profile;
  return options.command();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "mutants: " << error.what() << "\n";
    return 1;
  }
}
