// SPDX-License-Identifier: GPL-2.0

#include "boots.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <exception>
#include <iostream>
#include <mutex>
#include <numeric>
#include <optional>
#include <set>
#include <thread>

#include "files.h"
#include "judge.h"
#include "outcome.h"
#include "runner.h"

namespace mutants {
namespace {

namespace fs = std::filesystem;
using guest::Error;

// Of a guest that does not even begin; once may be bad luck.
constexpr int kTries = 2;
// The guest gives a sign of life every few seconds. Longer than it takes the kernel to see a
// lockup.
constexpr std::chrono::seconds kSilence{150};
// For each test of KUnit; three times as long in suites that say that they are slow.
constexpr std::chrono::seconds kKunitTimeout{6};
constexpr std::chrono::seconds kKunitTimeoutInDebug{15};

// Hands over whole lines of what comes in pieces.
class Lines {
 public:
  explicit Lines(std::function<void(const std::string&)> take) : take_(std::move(take)) {}

  void Add(std::string_view text) {
    for (const char c : text) {
      if (c != '\n') {
        line_ += c;
        continue;
      }
      take_(line_);
      line_.clear();
    }
  }

 private:
  std::function<void(const std::string&)> take_;
  std::string line_;
};

// Boots guests for one session; as RunSessions().
int RunSession(const Project& project, const GuestOptions& options, const fs::path& root,
               Session* session, const std::function<bool(const std::vector<Result>&)>& on,
               const std::function<void(const Result&)>& progress) {
  const splat::AllowList allow = LoadSplats(project);
  int boots = 0;
  int idle = 0;
  for (std::vector<Step> plan; !(plan = session->NextPlan()).empty();) {
    const fs::path results = root / std::to_string(++boots);
    fs::create_directories(results);
    guest::WriteFile(results / kPlanFile, Serialize(plan));
    Lines lines([&progress](const std::string& line) {
      if (const std::optional<Result> result = ParseResultLine(line)) progress(*result);
    });
    const guest::RunResult run =
        guest::RunGuest(MakeGuest(project, options, plan, results), allow,
                        [&lines](std::string_view text) { lines.Add(text); });
    if (run.interrupted) throw Error("interrupted");
    const Boot boot = ReadBoot(results, allow);
    const std::vector<Result> decided = session->Take(boot);
    idle = boot.entries.empty() ? idle + 1 : 0;
    if (idle == kTries) {
      for (const std::string& line : run.judgement.red) std::cerr << "mutants: " << line << "\n";
      throw Error("guests do not begin with the plan; see " + results.string());
    }
    if (!on(decided)) break;
  }
  return boots;
}

// While this lives, the stop signals go to whoever watches a guest, and to no other thread.
class StopSignalsBlocked {
 public:
  StopSignalsBlocked() {
    sigemptyset(&stop_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&stop_, signal);
    pthread_sigmask(SIG_BLOCK, &stop_, &old_);
  }
  StopSignalsBlocked(const StopSignalsBlocked&) = delete;
  StopSignalsBlocked& operator=(const StopSignalsBlocked&) = delete;
  ~StopSignalsBlocked() {
    // One that has found nobody to be stopped.
    const timespec now{};
    while (sigtimedwait(&stop_, nullptr, &now) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &old_, nullptr);
  }

 private:
  sigset_t stop_{};
  sigset_t old_{};
};

}  // namespace

splat::AllowList LoadSplats(const Project& project) {
  std::string error;
  std::optional<splat::AllowList> list = splat::AllowList::Load(project.Splats(), &error);
  if (!list) throw Error(error);
  return *std::move(list);
}

guest::RunSpec MakeGuest(const Project& project, const GuestOptions& options,
                         const std::vector<Step>& plan, const fs::path& results) {
  const fs::path modules = project.Build() / "modules";
  const std::string test_revoke = modules / "test_revoke.ko";
  guest::RunSpec spec{.kernel = project.Build() / "arch/x86/boot/bzImage",
                      .results = results,
                      .agent = project.Programs() / "guest-agent"};
  spec.backend = guest::Backend::kInitramfs;
  spec.accel = guest::Accel::kTcg;
  spec.memory = "3G";
  spec.timeout = std::chrono::hours(2);
  spec.silence = kSilence;
  spec.devices = EntriesOf(Require(project.source / "kselftests/guest/devices"));
  spec.monitor = true;
  // A test of KUnit that hangs costs little, and a task that spins is noticed.
  const std::chrono::seconds kunit = project.debug ? kKunitTimeoutInDebug : kKunitTimeout;
  spec.append = {"kunit.enable=1", "kunit.timeout=" + std::to_string(kunit.count()),
                 "watchdog_thresh=20"};
  spec.sysctls = {"kernel.hung_task_panic=1"};
  spec.env = {"TEST_REVOKE_KO=" + test_revoke, "REVOKE_SPLAT_ALLOW=" + project.Splats().string(),
              "TEST_SOUND_MODULES=" + modules.string()};
  if (project.debug) {
    spec.env.emplace_back("KSFT_MACHINE_SLOW=yes");
    spec.append.insert(spec.append.end(), {"numa=fake=2", "numa_balancing=enable"});
  }
  const fs::path guest = project.source / "kselftests/guest";
  for (const std::string& name : EntriesOf(Require(guest / "modules")))
    spec.modules.push_back(modules / (name + ".ko"));
  for (const fs::directory_entry& entry :
       fs::directory_iterator(project.source / "kselftests/modules")) {
    if (entry.path().extension() == ".c")
      spec.modules.push_back(modules / entry.path().filename().replace_extension(".ko"));
  }
  spec.modules.push_back(test_revoke);
  std::set<std::string> files = {project.Splats()};
  for (const std::string& client : EntriesOf(Require(guest / "clients")))
    files.insert(project.Suites() / client);
  for (const Step& step : plan) {
    if (step.kind == Kind::kTest) files.insert(project.Suites() / step.suite);
  }
  if (!options.mutant_switch.empty()) files.insert(options.mutant_switch);
  spec.files.assign(files.begin(), files.end());
  spec.program = {project.Programs() / "run-mutants",
                  "-b",
                  project.Suites(),
                  "-d",
                  std::to_string(options.deadline.count()),
                  "-p",
                  std::to_string(options.deadline_percent)};
  if (!options.mutant_switch.empty())
    spec.program.insert(spec.program.end(), {"-s", options.mutant_switch});
  return spec;
}

bool SplatAfterBegin(std::string_view console, const splat::AllowList& allow) {
  const size_t mark = console.rfind("run-mutants: ");
  size_t begin = std::string_view::npos;
  for (size_t at = mark; at != std::string_view::npos;
       at = at == 0 ? std::string_view::npos : console.rfind("run-mutants: ", at - 1)) {
    const std::string_view line = console.substr(at, console.find('\n', at) - at);
    if (line.find(" begins") == std::string_view::npos) continue;
    begin = at;
    break;
  }
  if (begin == std::string_view::npos) return false;
  return splat::CountDenied(splat::Scan(console.substr(begin), allow)) > 0;
}

Boot ReadBoot(const fs::path& results, const splat::AllowList& allow) {
  std::string error;
  const std::string journal = guest::ReadFile(results / kJournalFile).value_or("");
  std::optional<std::vector<Entry>> entries = ParseJournal(journal, &error);
  if (!entries) throw Error((results / kJournalFile).string() + ": " + error);
  Boot boot{.entries = *std::move(entries)};
  if (boot.entries.empty() || boot.entries.back().ended) return boot;
  const Step& step = boot.entries.back().step;
  const std::string stem = step.mutant == kNone ? "control-" + step.suite : "step";
  boot.unended = OutcomesOf(guest::ReadFile(results / (stem + ".ktap")).value_or(""), step.tests);
  boot.splat = SplatAfterBegin(guest::ReadFile(results / "console.log").value_or(""), allow);
  return boot;
}

Outcome UmlOutcome(std::string_view console, const std::string& test,
                   const splat::AllowList& allow) {
  const Outcome outcome = OutcomesOf(console, {test})[0];
  if (outcome != Outcome::kPassed && outcome != Outcome::kMissing) return outcome;
  // KUnit does not watch the log, but nothing else was run since its plan.
  const size_t begin = console.find("\n    1..1\n");
  if (begin == std::string_view::npos) return outcome;
  const bool splat = splat::CountDenied(splat::Scan(console.substr(begin), allow)) > 0;
  return splat ? Outcome::kSplat : outcome;
}

std::vector<std::vector<Want>> Share(const std::vector<Want>& wants, std::size_t most) {
  std::vector<std::vector<Want>> lists(std::min(wants.size(), most));
  // The tests of a mutant, and those of a suite, are much alike.
  for (std::size_t i = 0; i < wants.size(); i++) lists[i % lists.size()].push_back(wants[i]);
  return lists;
}

int RunSessions(const Project& project, const GuestOptions& options, std::vector<Session>* sessions,
                const std::function<bool(const std::vector<Result>&)>& on,
                const std::function<void(const Result&)>& progress) {
  std::mutex lock;
  const auto locked_on = [&](const std::vector<Result>& decided) {
    const std::lock_guard guard(lock);
    return on(decided);
  };
  const auto locked_progress = [&](const Result& result) {
    const std::lock_guard guard(lock);
    progress(result);
  };
  const fs::path root = project.Results() / "guests";
  fs::remove_all(root);
  const StopSignalsBlocked blocked;
  std::exception_ptr error;
  std::vector<int> boots(sessions->size());
  std::atomic<std::size_t> next = 0;
  const auto run = [&] {
    try {
      for (std::size_t i = next++; i < sessions->size(); i = next++) {
        boots[i] = RunSession(project, options, root / std::to_string(i + 1), &(*sessions)[i],
                              locked_on, locked_progress);
      }
    } catch (...) {
      const std::lock_guard guard(lock);
      // The other guests are stopped, as by the user. What they say of it is not wanted.
      if (!error) {
        error = std::current_exception();
        kill(getpid(), SIGTERM);
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    const std::size_t jobs = std::min(sessions->size(), static_cast<std::size_t>(options.jobs));
    threads.reserve(jobs);
    for (std::size_t i = 0; i < jobs; i++) threads.emplace_back(run);
  }
  if (error) std::rethrow_exception(error);
  return std::accumulate(boots.begin(), boots.end(), 0);
}

}  // namespace mutants
