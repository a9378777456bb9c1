// SPDX-License-Identifier: GPL-2.0
//
// What each test does on the kernel without this series. A test that passes there proves nothing
// about the series, unless it is meant to: so every test declares it, and running the very same
// binary with --baseline on the unpatched kernel proves the declarations.
//
//     REVOKE_TEST(Mapping, ChildLosesAccess, baseline::kFails) { ... }

#ifndef REVOKE_KSELFTESTS_UTIL_BASELINE_H_
#define REVOKE_KSELFTESTS_UTIL_BASELINE_H_

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>

namespace revoke_test::baseline {

enum class Declared {
  kFails,   // an assertion fails: the hole is really there
  kEnosys,  // it cannot even be tried: revokeat(2) answers ENOSYS
  kPasses,  // same behaviour on both kernels, on purpose
};
inline constexpr Declared kFails = Declared::kFails;
inline constexpr Declared kEnosys = Declared::kEnosys;
inline constexpr Declared kPasses = Declared::kPasses;

enum class Observed {
  kFails,    // an assertion failed or the kernel logged a splat, and revokeat(2) did not say ENOSYS
  kEnosys,   // failed or was skipped, after the first revokeat(2) of the test had answered ENOSYS
  kPasses,   // ran to its end without a failure or a skip
  kSkips,    // was skipped for another reason
  kCrashes,  // the test's process died
  kHangs,    // the deadline passed
};

// "fails", "ENOSYS", "passes", "skips", "crashes", "hangs".
const char* Name(Declared declared);
const char* Name(Observed observed);

// True if a test so declared may do that on the unpatched kernel. Skips, crashes and hangs prove no
// declaration.
bool Proves(Declared declared, Observed observed);

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

// TEST(), TEST_F() and TEST_P() with a declaration: baseline::kFails, kEnosys or kPasses.
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
