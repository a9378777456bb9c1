// SPDX-License-Identifier: GPL-2.0

#include "test_check.h"

#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>

#include "test_notes.h"

namespace revoke_test::internal {
namespace {

iovec Piece(const char* text) {
  return {.iov_base = const_cast<char*>(text), .iov_len = std::strlen(text)};
}

}  // namespace

void CheckFailed(const char* file, int line, const char* condition, int error) {
  NoteFailedCheck();
  std::array<char, 16> number{};
  std::to_chars(number.data(), number.data() + number.size() - 1, line);
  std::array<char, 16> error_number{};
  std::to_chars(error_number.data(), error_number.data() + error_number.size() - 1, error);
  const char* error_name = strerrorname_np(error);

  const std::array<iovec, 8> line_pieces = {
      Piece(file),
      Piece(":"),
      Piece(number.data()),
      Piece(": check failed: "),
      Piece(condition),
      Piece(error != 0 ? ", errno is " : ""),
      Piece(error == 0              ? ""
            : error_name != nullptr ? error_name
                                    : error_number.data()),
      Piece("\n"),
  };
  // One call, so that lines of several processes do not mix. Nothing is left to do if it fails: the
  // exit code tells.
  [[maybe_unused]] const ssize_t written =
      writev(STDERR_FILENO, line_pieces.data(), static_cast<int>(line_pieces.size()));
  _exit(kCheckFailedExit);
}

}  // namespace revoke_test::internal
