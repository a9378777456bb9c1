// SPDX-License-Identifier: GPL-2.0
//
// GoogleTest listener that prints KTAP, one result as each test ends. IsolatedMain uses it for
// --no-isolation; with isolation the parent process prints.

#ifndef REVOKE_KSELFTESTS_UTIL_KTAP_LISTENER_H_
#define REVOKE_KSELFTESTS_UTIL_KTAP_LISTENER_H_

#include <gtest/gtest.h>

#include <string>

#include "ktap.h"
#include "verdict.h"

namespace revoke_test {

// "file:line: text", or "text" where there is no file.
std::string FailureText(const testing::TestPartResult& part);

class KtapListener : public testing::EmptyTestEventListener {
 public:
  // Both must outlive the listener.
  KtapListener(KtapWriter* ktap, const Policy& policy) : ktap_(ktap), policy_(policy) {}

  void OnTestProgramStart(const testing::UnitTest& unit_test) override;
  void OnTestStart(const testing::TestInfo& test) override;
  void OnTestPartResult(const testing::TestPartResult& part) override;
  void OnTestEnd(const testing::TestInfo& test) override;

  // True if an assertion failed outside of every test: in an environment or a suite's set-up. Such
  // a failure has no result line of its own.
  bool failed_outside() const { return failed_outside_; }

 private:
  KtapWriter* ktap_;
  const Policy& policy_;
  bool inside_ = false;
  bool failed_outside_ = false;
  TestResult result_;
};

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_KTAP_LISTENER_H_
