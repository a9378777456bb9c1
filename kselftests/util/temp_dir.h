// SPDX-License-Identifier: GPL-2.0

#ifndef REVOKE_KSELFTESTS_UTIL_TEMP_DIR_H_
#define REVOKE_KSELFTESTS_UTIL_TEMP_DIR_H_

#include <string>

namespace revoke_test {

// A new directory below $TMPDIR or /tmp, removed with all that is in it when the object goes.
class TempDir {
 public:
  enum class Kind {
    kPlain,  // on whatever file system is there
    kTmpfs,  // a tmpfs of its own, on which device nodes work; needs CAP_SYS_ADMIN
  };

  explicit TempDir(Kind kind = Kind::kPlain);
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();

  // 0, or the errno of the call that failed (EPERM: no CAP_SYS_ADMIN for kTmpfs). Usable with the
  // matchers of errno_matchers.h.
  int error() const { return error_; }

  const std::string& path() const { return path_; }

  // Path of `name` in the directory.
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
  bool mounted_ = false;
  int error_ = 0;
};

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_TEMP_DIR_H_
