// SPDX-License-Identifier: GPL-2.0
//
// Whole-file helpers and the error type of the runner.

#ifndef REVOKE_TOOLS_GUEST_FILES_H_
#define REVOKE_TOOLS_GUEST_FILES_H_

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace guest {

// Something the caller has to put right; what() says what, and what to do next.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// An Error that ends in the name and text of errno.
Error ErrnoError(const std::string& what);

// Nothing if the file does not exist; throws Error if it exists and cannot be read.
std::optional<std::string> ReadFile(const std::string& path);

// Replaces the file atomically: readers see the old contents or all of the new. Throws Error.
void WriteFile(const std::string& path, std::string_view contents);

// Opens for appending, creating the file if need be. Throws Error.
class Fd OpenForAppending(const std::string& path);

// Writes everything, or throws Error. `path` is for the message.
void WriteAll(int fd, std::string_view bytes, const std::string& path);

// True if the ELF program names an interpreter, that is needs shared libraries of its host. Throws
// Error if the file is not an ELF program.
bool IsDynamicallyLinked(const std::string& path);

}  // namespace guest

#endif  // REVOKE_TOOLS_GUEST_FILES_H_
