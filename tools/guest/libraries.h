// SPDX-License-Identifier: GPL-2.0

#ifndef REVOKE_TOOLS_GUEST_LIBRARIES_H_
#define REVOKE_TOOLS_GUEST_LIBRARIES_H_

#include <set>
#include <string>

namespace guest {

// The shared libraries that a program of this machine, or a library of it, is loaded with, and what
// loads them. None if it is static, or no ELF file. Throws Error if one is missing.
std::set<std::string> LibrariesOf(const std::string& path);

}  // namespace guest

#endif  // REVOKE_TOOLS_GUEST_LIBRARIES_H_
