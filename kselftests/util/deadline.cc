// SPDX-License-Identifier: GPL-2.0

#include "deadline.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace revoke_test {

std::optional<int> ParseSlowFactor(const char* revoke_test_slow, const char* ksft_machine_slow,
                                   std::string* error) {
  if (revoke_test_slow != nullptr && *revoke_test_slow != '\0') {
    const std::string_view text = revoke_test_slow;
    int factor = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), factor);
    if (code != std::errc() || end != text.data() + text.size() || factor < 1 ||
        factor > kMaxSlowFactor) {
      *error = "REVOKE_TEST_SLOW='" + std::string(text) + "' is not a whole number from 1 to " +
               std::to_string(kMaxSlowFactor) +
               "; unset it, or give the factor by which to wait longer";
      return std::nullopt;
    }
    return factor;
  }
  if (ksft_machine_slow != nullptr && std::string_view(ksft_machine_slow) == "yes") {
    return kMachineSlowFactor;
  }
  return 1;
}

int SlowFactor() {
  static const int factor = [] {
    std::string error;
    const std::optional<int> parsed =
        ParseSlowFactor(std::getenv("REVOKE_TEST_SLOW"), std::getenv("KSFT_MACHINE_SLOW"), &error);
    if (!parsed) {
      std::fprintf(stderr, "%s\n", error.c_str());
      _exit(1);
    }
    return *parsed;
  }();
  return factor;
}

std::chrono::milliseconds Scaled(std::chrono::milliseconds time) { return time * SlowFactor(); }

Deadline::Deadline(std::chrono::milliseconds in)
    : end_(std::chrono::steady_clock::now() + Scaled(in)) {}

std::chrono::nanoseconds Deadline::Left() const {
  return std::max(std::chrono::nanoseconds(end_ - std::chrono::steady_clock::now()),
                  std::chrono::nanoseconds::zero());
}

timespec Deadline::LeftAsTimespec() const {
  const std::chrono::nanoseconds left = Left();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  return {.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
}

int Deadline::LeftAsPollTimeout() const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(Left()).count();
  return static_cast<int>(std::min<std::chrono::milliseconds::rep>(left, INT_MAX));
}

}  // namespace revoke_test
