// SPDX-License-Identifier: GPL-2.0

#include "baseline.h"

#include <cstdio>
#include <cstdlib>
#include <map>

#include "deadline.h"
#include "test_notes.h"

namespace revoke_test::baseline {
namespace {

bool proving = false;
// A second at least, of what takes three if it is to come.
constexpr int kPercentAtTheHole = 34;

// A function's static, because declarations are made by other files' initialisers.
std::map<std::string, Declared, std::less<>>& Declarations() {
  static std::map<std::string, Declared, std::less<>> declarations;
  return declarations;
}

}  // namespace

const char* Name(Declared declared) {
  switch (declared) {
    case Declared::kFails:
      return "fails";
    case Declared::kSticks:
      return "sticks";
    case Declared::kEnosys:
      return "ENOSYS";
    case Declared::kPasses:
      return "passes";
  }
  std::abort();
}

const char* Name(Observed observed) {
  switch (observed) {
    case Observed::kFails:
      return "fails";
    case Observed::kSetupFails:
      return "setup-fails";
    case Observed::kEnosys:
      return "ENOSYS";
    case Observed::kPasses:
      return "passes";
    case Observed::kSkips:
      return "skips";
    case Observed::kSplats:
      return "splats";
    case Observed::kCrashes:
      return "crashes";
    case Observed::kHangs:
      return "hangs";
  }
  std::abort();
}

bool Proves(Declared declared, Observed observed) {
  switch (declared) {
    case Declared::kFails:
    case Declared::kSticks:
      return observed == Observed::kFails;
    case Declared::kEnosys:
      return observed == Observed::kEnosys;
    case Declared::kPasses:
      return observed == Observed::kPasses;
  }
  std::abort();
}

void BeginProof() { proving = true; }

void FailsFromHere() {
  NoteHole();
  if (proving) ShortenDeadlines(kPercentAtTheHole);
}

int HoleInChild() {
  NoteHole();
  return kHoleExit;
}

bool Declare(const char* suite, const char* test, Declared declared) {
  const std::string name = std::string(suite) + "." + test;
  const auto [entry, inserted] = Declarations().emplace(name, declared);
  if (!inserted && entry->second != declared) {
    std::fprintf(stderr, "%s declares two baselines; keep one\n", name.c_str());
    std::exit(1);
  }
  return true;
}

std::optional<Declared> DeclarationOf(std::string_view full_name) {
  const std::size_t dot = full_name.find('.');
  std::string_view suite = full_name.substr(0, dot);
  std::string_view test = dot == std::string_view::npos ? "" : full_name.substr(dot + 1);
  test = test.substr(0, test.find('/'));

  // "Prefix/Suite" for a parameterised suite, "Suite/0" for a typed one, "Prefix/Suite/0" for both:
  // whichever part was declared.
  while (true) {
    const std::size_t slash = suite.find('/');
    const std::string name = std::string(suite.substr(0, slash)) + "." + std::string(test);
    if (const auto entry = Declarations().find(name); entry != Declarations().end()) {
      return entry->second;
    }
    if (slash == std::string_view::npos) return std::nullopt;
    suite.remove_prefix(slash + 1);
  }
}

}  // namespace revoke_test::baseline
