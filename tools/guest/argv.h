// SPDX-License-Identifier: GPL-2.0

#ifndef REVOKE_TOOLS_GUEST_ARGV_H_
#define REVOKE_TOOLS_GUEST_ARGV_H_

#include <string>
#include <vector>

namespace guest {

// The strings as execve(2) wants them: pointers, the last one null. They point into `strings`, and
// execve does not write through them.
inline std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace guest

#endif  // REVOKE_TOOLS_GUEST_ARGV_H_
