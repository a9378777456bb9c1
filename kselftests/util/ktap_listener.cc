// SPDX-License-Identifier: GPL-2.0

#include "ktap_listener.h"

#include <optional>

namespace revoke_test {

std::string FailureText(const testing::TestPartResult& part) {
  std::string text;
  if (part.file_name() != nullptr) {
    text = std::string(part.file_name()) + ":" + std::to_string(part.line_number()) + ": ";
  }
  return text + part.message();
}

void KtapListener::OnTestProgramStart(const testing::UnitTest& unit_test) {
  ktap_->Plan(static_cast<std::size_t>(unit_test.test_to_run_count()));
}

void KtapListener::OnTestStart(const testing::TestInfo& test) {
  inside_ = true;
  result_ = TestResult();
  result_.name = std::string(test.test_suite_name()) + "." + test.name();
}

void KtapListener::OnTestPartResult(const testing::TestPartResult& part) {
  if (part.skipped()) {
    result_.skip_reason = part.message();
  } else if (part.failed()) {
    ktap_->Diagnostic(FailureText(part));
    failed_outside_ |= !inside_;
  }
}

void KtapListener::OnTestEnd(const testing::TestInfo& test) {
  result_.failed = test.result()->Failed();
  result_.skipped = test.result()->Skipped();
  ktap_->Result(result_.name, Judge(result_, policy_, std::nullopt));
  inside_ = false;
}

}  // namespace revoke_test
