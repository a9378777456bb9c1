// SPDX-License-Identifier: GPL-2.0
//
// That what is measured works: each candidate refuses whoever comes after a revoke, and is drained
// when nobody is inside and not before. The checks are tried on candidates that are wrong.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cctype>
#include <ostream>
#include <string>
#include <thread>

#include "candidate.h"
#include "primitives.h"

// Instead of the address, in the names that ctest gives to the tests.
static void PrintTo(const Candidate* candidate, std::ostream* out) { *out << candidate->name; }

namespace {

using testing::TestParamInfo;
using testing::TestWithParam;
using testing::ValuesIn;

struct Use {
  alignas(16) std::byte room[kUseSize];
};

class File {
 public:
  explicit File(const Candidate& candidate) : candidate_(candidate), file_(candidate.open()) {}
  ~File() { candidate_.close(file_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool Enter(Use& use) { return candidate_.enter(file_, &use); }
  void Leave(Use& use) { candidate_.leave(file_, &use); }
  void Revoke() { candidate_.revoke(file_); }
  bool Drained() { return candidate_.drained(file_); }

 private:
  const Candidate& candidate_;
  void* const file_;
};

// ctest ends a wait that has no end.
template <class Condition>
void Await(const Condition& condition) {
  for (int round = 0; !condition(); round++) Relax(round);
}

// The checks return what is wrong, or "".

std::string CheckRefusal(const Candidate& candidate) {
  File file(candidate);
  File other(candidate);
  Use use;
  for (int i = 0; i < 3; i++) {
    if (!file.Enter(use)) return "a live file refuses";
    file.Leave(use);
  }
  file.Revoke();
  if (file.Enter(use)) return "a revoked file lets in";
  if (!file.Drained()) return "nobody is inside and it is not drained";
  if (!other.Enter(use)) return "another file refuses, too";
  other.Leave(use);
  return "";
}

std::string CheckDrain(const Candidate& candidate) {
  File file(candidate);
  Use first;
  Use second;
  Use third;
  if (!file.Enter(first) || !file.Enter(second)) return "a live file refuses";
  file.Revoke();
  if (file.Enter(third)) return "a revoked file lets in";
  if (file.Drained()) return "drained with two inside";
  file.Leave(first);
  if (file.Drained()) return "drained with one inside";
  file.Leave(second);
  if (!file.Drained()) return "nobody is inside and it is not drained";
  return "";
}

// A thread goes in and out until it is refused, while this one revokes. The revoke always begins
// after the thread has been in once and before it has been refused. Where it is held, it is inside
// until the revoke has been seen not to be drained.
class Race {
 public:
  Race(const Candidate& candidate, bool held) : file_(candidate), held_(held) {}

  std::string Run() {
    std::thread user([this] { UseUntilRefused(); });
    Await([this] { return entered_.load(); });
    file_.Revoke();
    found_inside_ = !file_.Drained();
    let_go_ = true;
    Await([this] { return file_.Drained(); });
    released_ = true;
    user.join();
    if (held_ && !found_inside_) return "drained with one inside who is held";
    return used_after_release_ ? "drained with another thread inside" : "";
  }

  bool FoundInside() const { return found_inside_; }

 private:
  void UseUntilRefused() {
    Use use;
    while (file_.Enter(use)) {
      entered_ = true;
      if (held_) Await([this] { return let_go_.load(); });
      // A release that came too early has been seen by one of a few looks.
      for (int look = 0; look < 20; look++)
        if (released_) used_after_release_ = true;
      file_.Leave(use);
    }
  }

  File file_;
  const bool held_;
  std::atomic<bool> entered_ = false;
  std::atomic<bool> let_go_ = false;
  std::atomic<bool> released_ = false;
  bool found_inside_ = false;
  bool used_after_release_ = false;
};

// As many races of both kinds, each with somebody inside when the file is revoked: who is held is,
// and with who is not it is tried until it was so.
std::string CheckRace(const Candidate& candidate, int overlaps) {
  for (const bool held : {true, false})
    for (int i = 0; i < overlaps;) {
      Race race(candidate, held);
      const std::string wrong = race.Run();
      if (!wrong.empty()) return wrong;
      if (race.FoundInside()) i++;
    }
  return "";
}

std::string NameOf(const TestParamInfo<const Candidate*>& info) {
  std::string name = info.param->name;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

class EachCandidate : public TestWithParam<const Candidate*> {};
INSTANTIATE_TEST_SUITE_P(, EachCandidate, ValuesIn(AllCandidates().begin(), AllCandidates().end()),
                         NameOf);

TEST_P(EachCandidate, RefusesAfterARevoke) { EXPECT_EQ(CheckRefusal(*GetParam()), ""); }
TEST_P(EachCandidate, IsDrainedWhenAllHaveLeft) { EXPECT_EQ(CheckDrain(*GetParam()), ""); }
TEST_P(EachCandidate, WaitsForAnotherThread) { EXPECT_EQ(CheckRace(*GetParam(), 50), ""); }

// What is wrong about a candidate.
enum class Fault { kNone, kLetsIn, kIsDrainedAtOnce, kIsNeverDrained, kForgetsOne, kForAll };

template <Fault fault>
class Faulty {
 public:
  struct Use {};

  bool Enter(Use&) {
    const LockGuard guard(lock_);
    if (fault != Fault::kLetsIn && (revoked_ || (fault == Fault::kForAll && any_revoked)))
      return false;
    users_++;
    return true;
  }
  void Leave(Use&) {
    const LockGuard guard(lock_);
    users_--;
  }
  void Revoke() {
    const LockGuard guard(lock_);
    revoked_ = any_revoked = true;
  }
  bool Drained() {
    const LockGuard guard(lock_);
    if (fault == Fault::kIsDrainedAtOnce) return true;
    return fault != Fault::kIsNeverDrained && users_ <= (fault == Fault::kForgetsOne ? 1 : 0);
  }

 private:
  inline static bool any_revoked = false;
  SpinLock lock_ = {};
  bool revoked_ = false;
  int users_ = 0;
};

template <Fault fault>
constexpr Candidate kFaulty = MakeCandidate<Faulty<fault>>("faulty");

TEST(Checks, FindNothingWhereNothingIsWrong) {
  EXPECT_EQ(CheckRefusal(kFaulty<Fault::kNone>), "");
  EXPECT_EQ(CheckDrain(kFaulty<Fault::kNone>), "");
  EXPECT_EQ(CheckRace(kFaulty<Fault::kNone>, 20), "");
}

TEST(Checks, FindWhoIsLetIn) {
  EXPECT_EQ(CheckRefusal(kFaulty<Fault::kLetsIn>), "a revoked file lets in");
  EXPECT_EQ(CheckDrain(kFaulty<Fault::kLetsIn>), "a revoked file lets in");
}

TEST(Checks, FindARevokeOfAllFiles) {
  EXPECT_EQ(CheckRefusal(kFaulty<Fault::kForAll>), "another file refuses, too");
}

TEST(Checks, FindADrainThatDoesNotWait) {
  EXPECT_EQ(CheckDrain(kFaulty<Fault::kIsDrainedAtOnce>), "drained with two inside");
  EXPECT_EQ(CheckDrain(kFaulty<Fault::kForgetsOne>), "drained with one inside");
  EXPECT_EQ(CheckRace(kFaulty<Fault::kIsDrainedAtOnce>, 1), "drained with one inside who is held");
}

TEST(Checks, FindADrainWithoutEnd) {
  EXPECT_EQ(CheckRefusal(kFaulty<Fault::kIsNeverDrained>),
            "nobody is inside and it is not drained");
  EXPECT_EQ(CheckDrain(kFaulty<Fault::kIsNeverDrained>), "nobody is inside and it is not drained");
}

}  // namespace
