// SPDX-License-Identifier: GPL-2.0

#ifndef REVOKE_KSELFTESTS_GUEST_NUMBERS_H_
#define REVOKE_KSELFTESTS_GUEST_NUMBERS_H_

#include <charconv>
#include <optional>
#include <string_view>

namespace guest {

// A whole number greater than 0 and nothing else.
inline std::optional<int> ParsePositive(std::string_view text) {
  int value = 0;
  const char* end = text.data() + text.size();
  const auto [at, code] = std::from_chars(text.data(), end, value);
  if (code != std::errc() || at != end || value <= 0) return std::nullopt;
  return value;
}

}  // namespace guest

#endif  // REVOKE_KSELFTESTS_GUEST_NUMBERS_H_
