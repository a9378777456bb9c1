// SPDX-License-Identifier: GPL-2.0
//
// revoke_demo: takes a PCI device away from a process that has mapped it, tells the story step by
// step, and answers the same questions on whatever kernel runs. With --compare it prints the
// answers of two kernels side by side.

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "blocked.h"
#include "call_in_thread.h"
#include "checkpoint.h"
#include "edu_device.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "process.h"
#include "revokeat.h"
#include "sigbus_probe.h"
#include "test_check.h"

namespace revoke_test {
namespace {

constexpr const char* kFooter = R"(
The demonstration runs as root in a guest whose machine has QEMU's PCI device "edu" and whose kernel
has uio_pci_generic. Its answers are lines of KEY<TAB>QUESTION<TAB>ANSWER.

Exit status: 0 the story was told to its end (whatever the answers), 1 it could not be, or the two
files compared do not answer the same questions; 2 wrong usage.)";

struct Answer {
  std::string key;
  std::string question;
  std::string answer;
};
using Answers = std::vector<Answer>;

// At once: threads and children that wait for what will not come any more must not hold it up.
[[noreturn]] void GiveUp(const std::string& why) {
  std::cout.flush();
  std::cerr << "revoke_demo: " << why << std::endl;
  _exit(1);
}

[[noreturn]] void GiveUp(const std::string& what, int error) {
  GiveUp(what + ": " + ErrnoText(error));
}

// ---- the story ----

// Asked on both kernels, whether they can be tried or not.
constexpr const char* kRevokeDrives = "Does the holder still drive the hardware after the revoke?";
constexpr const char* kRevokeRead = "What becomes of its blocked read?";
constexpr const char* kRevokeOpen = "Can the device be opened and driven anew?";
constexpr const char* kNoSuchCall = "(no such call)";

class Story {
 public:
  // Runs it all and returns the answers.
  Answers Tell();

 private:
  void Step(const std::string& text) { std::cout << "\n" << ++step_ << ". " << text << std::endl; }
  static void Say(const std::string& text) { std::cout << "   " << text << std::endl; }
  void Answered(const std::string& key, const std::string& question, const std::string& answer) {
    Say(question + " " + answer);
    answers_.push_back({key, question, answer});
  }

  void Bind();
  FileDescriptor OpenDevice() const;
  static Mapping Map(const FileDescriptor& uio);
  static void Drive(const Mapping& bar, std::uint32_t word);

  void UnbindUnderAHolder();
  void RevokeUnderAHolder();

  int step_ = 0;
  Answers answers_;
  std::optional<EduDevice> device_;
};

std::string Hex(std::uint32_t word) {
  char text[16];
  std::snprintf(text, sizeof(text), "0x%08x", word);
  return text;
}

void Story::Bind() {
  if (device_->Bind() != 0) GiveUp("cannot bind uio_pci_generic to the device", errno);
}

FileDescriptor Story::OpenDevice() const {
  FileDescriptor uio = Open(device_->UioNode(), O_RDWR);
  if (!uio.valid()) GiveUp("cannot open the device's /dev/uioN", uio.error());
  return uio;
}

Mapping Story::Map(const FileDescriptor& uio) {
  Mapping bar = MapBar(uio);
  if (!bar.valid()) GiveUp("cannot map BAR 0", bar.error());
  return bar;
}

// The device returns the complement of what it was last told.
void Story::Drive(const Mapping& bar, std::uint32_t word) {
  *bar.At(edu::kLiveness) = word;
  const std::uint32_t heard = *bar.At(edu::kLiveness);
  Say("wrote " + Hex(word) + ", the device answers " + Hex(heard));
  if (heard != ~word) {
    GiveUp("the device does not answer as edu does");
  }
}

std::string Outcome(const std::optional<Fault>& fault, const std::string& otherwise) {
  if (!fault) return otherwise;
  const char* name = sigabbrev_np(fault->signo);
  return std::string("no, SIG") + (name != nullptr ? name : "?");
}

// How a call on the stale file ended.
std::string CallOutcome(long result) {
  return result == -1 ? "returns " + ErrnoName(errno) : "returns " + std::to_string(result);
}

// Waits in a read for an interrupt that will not come.
class BlockedReader {
 public:
  explicit BlockedReader(const FileDescriptor& uio)
      : call_([this, &uio] { return read(uio.get(), &count_, sizeof(count_)); }) {
    const testing::AssertionResult blocked = WaitUntilBlocked(call_.tid(), {.syscall = SYS_read});
    if (!blocked) GiveUp(blocked.message());
  }

  std::string Outcome() { return CallOutcome(call_.Join()); }

 private:
  std::int32_t count_ = 0;
  CallInThread call_;
};

// A child that inherits the mapping and tries it when told to.
class HeirOfTheMapping {
 public:
  explicit HeirOfTheMapping(const Mapping& bar)
      : child_([this, &bar] {
          TEST_CHECK(!Probe::Read(bar.At(edu::kIdentification)).fault);
          ready_.Reach();
          TEST_CHECK(go_.WaitFor(1));
          const std::optional<Fault> fault = Probe::Read(bar.At(edu::kLiveness)).fault;
          if (!fault) return kRead;
          TEST_CHECK(IsSigbusAt(fault, bar.At(edu::kLiveness)));
          return kFaulted;
        }) {
    if (!ready_.WaitFor(1)) GiveUp("the forked child did not start");
  }

  std::string Outcome() {
    go_.Reach();
    const ExitStatus status = child_.Wait();
    if (status.HasExited(kRead)) return "YES";
    if (status.HasExited(kFaulted)) return "no, SIGBUS";
    GiveUp("the forked child did not tell");
  }

 private:
  static constexpr int kRead = 1;
  static constexpr int kFaulted = 2;
  Checkpoint ready_;
  Checkpoint go_;
  Child child_;  // last: it uses the others
};

void Story::UnbindUnderAHolder() {
  Step("A process opens " + device_->UioNode() + ", maps BAR 0 of the PCI device and drives it.");
  FileDescriptor stale_uio = OpenDevice();
  Mapping stale = Map(stale_uio);
  Say("the device says it is " + Hex(*stale.At(edu::kIdentification)));
  Drive(stale, 0x11111111);

  Step("A second thread waits for an interrupt; a forked child has inherited the mapping.");
  HeirOfTheMapping child(stale);
  BlockedReader reader(stale_uio);

  Step("The administrator unbinds the driver, to give the device to somebody else.");
  if (device_->Unbind() != 0) GiveUp("cannot unbind the driver", errno);
  const std::optional<Fault> write = Probe::Write(stale.At(edu::kLiveness), 0x22222222U).fault;
  const ProbeResult<std::uint32_t> heard = Probe::Read(stale.At(edu::kLiveness));
  if (!heard.fault) Say("wrote 0x22222222, the device answers " + Hex(heard.value));
  const bool drives = !write && !heard.fault && heard.value == ~0x22222222U;
  Answered("unbind-drives", "Does it still drive the hardware after the unbind?",
           drives ? "YES" : Outcome(heard.fault, "no"));
  Answered("unbind-child", "Does its forked child still reach the hardware?", child.Outcome());
  Answered("unbind-read", "What becomes of the blocked read?", reader.Outcome());

  Step("The driver is bound again; a new owner opens and maps the device.");
  Bind();
  const FileDescriptor uio = OpenDevice();
  Answered("unbind-open", "Does the new open work?", "yes");
  const Mapping bar = Map(uio);
  Drive(bar, 0x33333333);

  Step("The first process writes through the mapping it has kept.");
  const std::optional<Fault> intrusion = Probe::Write(stale.At(edu::kLiveness), 0xbadbadU).fault;
  const std::uint32_t seen = *bar.At(edu::kLiveness);
  Say("the new owner wrote 0x33333333 and now reads " + Hex(seen));
  const bool behind = seen != ~0x33333333U;
  Answered("rebind-drives", "Does it drive the device behind the new owner's back?",
           behind ? "YES" : Outcome(intrusion, "no"));

  Step("The first process cleans up.");
  const bool unmapped = stale.Unmap() == 0;
  const bool closed = stale_uio.Close() == 0;
  Answered("unbind-close", "Do its munmap and close succeed?", unmapped && closed ? "yes" : "NO");
}

void Story::RevokeUnderAHolder() {
  Step(
      "Another process maps the device. This time it is taken away with revoke(2), driver in place.");
  const FileDescriptor stale_uio = OpenDevice();
  const Mapping stale = Map(stale_uio);
  Drive(stale, 0x44444444);
  // No reader waits where the read would never end.
  std::optional<BlockedReader> reader;
  if (HaveRevokeat()) reader.emplace(stale_uio);
  const int revoked = revoke(device_->UioNode().c_str());
  Answered("revoke", "revoke(\"" + device_->UioNode() + "\")", CallOutcome(revoked));
  if (!reader) {
    Answered("revoke-drives", kRevokeDrives, kNoSuchCall);
    Answered("revoke-read", kRevokeRead, kNoSuchCall);
    Answered("revoke-open", kRevokeOpen, kNoSuchCall);
    return;
  }
  // The reader would wait for ever.
  if (revoked != 0) GiveUp("revoke failed");
  const ProbeResult<std::uint32_t> heard = Probe::Read(stale.At(edu::kLiveness));
  Answered("revoke-drives", kRevokeDrives, Outcome(heard.fault, "YES"));
  Answered("revoke-read", kRevokeRead, reader->Outcome());
  const FileDescriptor uio = OpenDevice();
  Drive(Map(uio), 0x55555555);
  Answered("revoke-open", kRevokeOpen, "yes");
}

Answers Story::Tell() {
  utsname system{};
  uname(&system);
  std::cout << "Linux " << system.release << ", " << (HaveRevokeat() ? "with" : "without")
            << " revoke(2)" << std::endl;
  device_ = EduDevice::Find();
  if (!device_) GiveUp("no edu device here; start QEMU with -device edu");
  Bind();
  UnbindUnderAHolder();
  RevokeUnderAHolder();
  return answers_;
}

// ---- answers in files ----

void Write(const std::string& path, const Answers& answers) {
  std::ofstream file(path);
  for (const Answer& answer : answers) {
    file << answer.key << '\t' << answer.question << '\t' << answer.answer << '\n';
  }
  file.flush();
  if (!file) throw std::runtime_error("cannot write " + path);
}

Answers Read(const std::string& path) {
  std::ifstream file(path);
  if (!file)
    throw std::runtime_error("cannot read " + path + "; run the demonstration with --answers");
  Answers answers;
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find('\t');
    const std::size_t second = line.find('\t', first + 1);
    if (first == std::string::npos || second == std::string::npos) {
      std::string problem = path;
      problem.append(": not an answer: ").append(line);
      throw std::runtime_error(problem);
    }
    answers.push_back({line.substr(0, first), line.substr(first + 1, second - first - 1),
                       line.substr(second + 1)});
  }
  if (answers.empty()) throw std::runtime_error(path + ": no answers");
  return answers;
}

void Compare(const std::vector<std::string>& labels, const std::vector<Answers>& kernels) {
  const Answers& left = kernels[0];
  const Answers& right = kernels[1];
  const bool same_questions = std::equal(
      left.begin(), left.end(), right.begin(), right.end(),
      [](const Answer& a, const Answer& b) { return a.key == b.key && a.question == b.question; });
  if (!same_questions) throw std::runtime_error("the two files do not answer the same questions");

  std::size_t question_width = 0;
  std::size_t left_width = labels[0].size();
  std::size_t right_width = labels[1].size();
  for (std::size_t i = 0; i < left.size(); ++i) {
    question_width = std::max(question_width, left[i].question.size());
    left_width = std::max(left_width, left[i].answer.size());
    right_width = std::max(right_width, right[i].answer.size());
  }
  const auto row = [&](const std::string& question, const std::string& a, const std::string& b) {
    std::printf("%-*s | %-*s | %s\n", static_cast<int>(question_width), question.c_str(),
                static_cast<int>(left_width), a.c_str(), b.c_str());
  };
  row("", labels[0], labels[1]);
  std::printf("%s-+-%s-+-%s\n", std::string(question_width, '-').c_str(),
              std::string(left_width, '-').c_str(), std::string(right_width, '-').c_str());
  for (std::size_t i = 0; i < left.size(); ++i) {
    row(left[i].question, left[i].answer, right[i].answer);
  }
}

int Main(int argc, char** argv) {
  CLI::App app("Takes a PCI device away from a process that has mapped it, and tells the story.");
  app.footer(kFooter);
  std::string answers;
  std::vector<std::string> compared;
  std::vector<std::string> labels = {"unpatched", "patched"};
  app.add_option("--answers", answers, "Write the answers to this file as well");
  CLI::Option* compare =
      app.add_option("--compare", compared, "Run nothing; print two files of answers as a table")
          ->expected(2);
  app.add_option("--labels", labels, "Headings of the two columns")
      ->expected(2)
      ->needs(compare)
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (!compared.empty()) {
    Compare(labels, {Read(compared[0]), Read(compared[1])});
    return 0;
  }
  const Answers told = Story().Tell();
  if (!answers.empty()) Write(answers, told);
  return 0;
}

}  // namespace
}  // namespace revoke_test

int main(int argc, char** argv) {
  try {
    return revoke_test::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "revoke_demo: %s\n", error.what());
    return 1;
  }
}
