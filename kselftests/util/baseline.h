// SPDX-License-Identifier: GPL-2.0
//
// What each test does on the kernel without this series. A test that passes there proves nothing
// about the series, unless it is meant to: so every test declares it, and running the very same
// binary with --baseline on the unpatched kernel proves the declarations.
//
//     REVOKE_TEST(Uio, UnbindTakesTheMappingAway, baseline::kFails) {
//       const Mapping bar = MapBar(uio);
//       ASSERT_THAT(device.Unbind(), SyscallSucceeds());
//       baseline::FailsFromHere();
//       EXPECT_THAT(Probe::Read(bar.At(0)), DiesOfSigbusAt(bar.At(0)));
//     }
//
// A test fails for many reasons: no device, a setup that times out, a typing error. So one that is
// to fail says from where on: what goes wrong before FailsFromHere() proves nothing, and nor does a
// TEST_CHECK in a child, wherever it is. A child that sees the hole ends with HoleInChild(), and
// the one who waits for it need not say anything:
//
//     Child child([&] { return Probe::Read(word).fault ? 0 : baseline::HoleInChild(); });
//     EXPECT_THAT(child.Wait(), Exited(0));

#ifndef REVOKE_KSELFTESTS_UTIL_BASELINE_H_
#define REVOKE_KSELFTESTS_UTIL_BASELINE_H_

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>

namespace revoke_test::baseline {

enum class Declared {
  kFails,   // an assertion after FailsFromHere() fails: the hole is really there
  kSticks,  // the same, and processes are left that nothing ends: so the suite comes last
  kEnosys,  // it cannot even be tried: revokeat(2) answers ENOSYS
  kPasses,  // same behaviour on both kernels, on purpose
};
inline constexpr Declared kFails = Declared::kFails;
inline constexpr Declared kSticks = Declared::kSticks;
inline constexpr Declared kEnosys = Declared::kEnosys;
inline constexpr Declared kPasses = Declared::kPasses;

enum class Observed {
  kFails,       // first failed after FailsFromHere()
  kSetupFails,  // first failed elsewhere
  kEnosys,   // failed or was skipped, after the first revokeat(2) of the test had answered ENOSYS
  kPasses,   // ran to its end without a failure or a skip
  kSkips,    // was skipped for another reason
  kSplats,   // the kernel complained, whatever became of the test
  kCrashes,  // the test's process died
  kHangs,    // the deadline passed
};

// "fails", "setup-fails", "ENOSYS", "passes", "skips", "splats", "crashes", "hangs".
const char* Name(Declared declared);
const char* Name(Observed observed);

// True if a test so declared may do that on the unpatched kernel. Each declaration is proven by one
// thing; the rest proves none.
bool Proves(Declared declared, Observed observed);

// The tests of this process and of its children prove their declarations: what is to fail does not
// wait long for what does not come.
void BeginProof();

// What the unpatched kernel does wrong is what the next assertion looks at. In a test, any thread
// or child of it; async-signal-safe.
void FailsFromHere();

// For children: the same, and the exit code of one that has seen the hole.
inline constexpr int kHoleExit = 98;
[[nodiscard]] int HoleInChild();

// Records what `test` (as TEST() spells it) declares; called before main by the macros. A second,
// different declaration of one test ends the process.
bool Declare(const char* suite, const char* test, Declared declared);

// The declaration of a test by its full name. Instances of parameterised and typed tests
// ("Prefix/Suite.Name/3", "Suite/0.Name") have that of Suite.Name. Nothing: it has none.
std::optional<Declared> DeclarationOf(std::string_view full_name);

}  // namespace revoke_test::baseline

#define REVOKE_DECLARE_BASELINE_(suite, name, declared)                  \
  [[maybe_unused]] static const bool baseline_of_##suite##_##name = [] { \
    namespace baseline = ::revoke_test::baseline;                        \
    return baseline::Declare(#suite, #name, declared);                   \
  }()

// TEST(), TEST_F() and TEST_P() with a declaration: baseline::kFails, kSticks, kEnosys or kPasses.
#define REVOKE_TEST(suite, name, declared)         \
  REVOKE_DECLARE_BASELINE_(suite, name, declared); \
  TEST(suite, name)
#define REVOKE_TEST_F(fixture, name, declared)       \
  REVOKE_DECLARE_BASELINE_(fixture, name, declared); \
  TEST_F(fixture, name)
#define REVOKE_TEST_P(fixture, name, declared)       \
  REVOKE_DECLARE_BASELINE_(fixture, name, declared); \
  TEST_P(fixture, name)

#endif  // REVOKE_KSELFTESTS_UTIL_BASELINE_H_
