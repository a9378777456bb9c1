// SPDX-License-Identifier: GPL-2.0

#include "deadline.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "deadline_percent.h"

namespace revoke_test {

namespace {

// The whole number from 1 to `max` that `value` is; nothing with *error set to "NAME='VALUE' is not
// a whole number ...; DO" if it is none.
std::optional<int> ParseNumber(const char* name, const char* value, int max, const char* hint,
                               std::string* error) {
  const std::string_view text = value;
  int number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code == std::errc() && end == text.data() + text.size() && number >= 1 && number <= max) {
    return number;
  }
  *error = std::string(name) + "='" + value + "' is not a whole number from 1 to " +
           std::to_string(max) + "; unset it, or give " + hint;
  return std::nullopt;
}

// See ShortenDeadlines().
std::atomic<int> percent_left{100};
static_assert(std::atomic<int>::is_always_lock_free);

bool IsSet(const char* value) { return value != nullptr && *value != '\0'; }

// What was parsed, or the end of the process.
int OrDie(std::optional<int> parsed, const std::string& error) {
  if (parsed) return *parsed;
  std::fprintf(stderr, "%s\n", error.c_str());
  _exit(1);
}

}  // namespace

std::optional<int> ParseSlowFactor(const char* revoke_test_slow, const char* ksft_machine_slow,
                                   std::string* error) {
  if (IsSet(revoke_test_slow)) {
    return ParseNumber("REVOKE_TEST_SLOW", revoke_test_slow, kMaxSlowFactor,
                       "the factor by which to wait longer", error);
  }
  if (ksft_machine_slow != nullptr && std::string_view(ksft_machine_slow) == "yes") {
    return kMachineSlowFactor;
  }
  return 1;
}

std::optional<int> ParseDeadlinePercent(const char* value, std::string* error) {
  if (!IsSet(value)) return 100;
  return ParseNumber("REVOKE_DEADLINE_PERCENT", value, 100,
                     "how much of each time limit is to be left", error);
}

int SlowFactor() {
  static const int factor = [] {
    std::string error;
    const std::optional<int> parsed =
        ParseSlowFactor(std::getenv("REVOKE_TEST_SLOW"), std::getenv("KSFT_MACHINE_SLOW"), &error);
    return OrDie(parsed, error);
  }();
  return factor;
}

std::chrono::milliseconds Scaled(std::chrono::milliseconds time) {
  static const int percent = [] {
    std::string error;
    const std::optional<int> parsed =
        ParseDeadlinePercent(std::getenv("REVOKE_DEADLINE_PERCENT"), &error);
    return OrDie(parsed, error);
  }();
  return time * SlowFactor() * percent * percent_left.load() / 10'000;
}

void ShortenDeadlines(int percent) { percent_left = percent; }

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
