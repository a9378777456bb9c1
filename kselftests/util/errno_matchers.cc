// SPDX-License-Identifier: GPL-2.0

#include "errno_matchers.h"

#include <cstring>

namespace revoke_test {

std::string ErrnoName(int error) {
  const char* name = strerrorname_np(error);
  return name != nullptr ? name : "errno " + std::to_string(error);
}

std::string ErrnoText(int error) {
  const char* text = strerrordesc_np(error);
  return ErrnoName(error) + " (" + (text != nullptr ? text : "unknown") + ")";
}

}  // namespace revoke_test
