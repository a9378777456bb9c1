// SPDX-License-Identifier: GPL-2.0
//
// Checks for forked children. A child cannot use GoogleTest's assertions: they would be recorded in
// its copy of the test and vanish with it. These write one line to standard error and end the
// process with kCheckFailedExit, and they use async-signal-safe calls only. One that fails never
// proves a hole (baseline.h).

#ifndef REVOKE_KSELFTESTS_UTIL_TEST_CHECK_H_
#define REVOKE_KSELFTESTS_UTIL_TEST_CHECK_H_

#include <cerrno>

namespace revoke_test {

inline constexpr int kCheckFailedExit = 99;

namespace internal {

// `error` is errno, or 0 if the check is not about a system call.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition, int error);

}  // namespace internal
}  // namespace revoke_test

// Ends the process unless `condition` holds.
#define TEST_CHECK(condition)                                                  \
  do {                                                                         \
    if (!(condition)) {                                                        \
      ::revoke_test::internal::CheckFailed(__FILE__, __LINE__, #condition, 0); \
    }                                                                          \
  } while (false)

// The same for a condition on a system call's result; names errno too.
#define TEST_PCHECK(condition)                                                     \
  do {                                                                             \
    if (!(condition)) {                                                            \
      ::revoke_test::internal::CheckFailed(__FILE__, __LINE__, #condition, errno); \
    }                                                                              \
  } while (false)

#endif  // REVOKE_KSELFTESTS_UTIL_TEST_CHECK_H_
