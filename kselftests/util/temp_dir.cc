// SPDX-License-Identifier: GPL-2.0

#include "temp_dir.h"

#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace revoke_test {

TempDir::TempDir(Kind kind) {
  const char* parent = std::getenv("TMPDIR");
  std::string name =
      std::string(parent != nullptr && *parent != '\0' ? parent : "/tmp") + "/revoke-test-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) {
    error_ = errno;
    return;
  }
  path_ = name;
  if (kind == Kind::kTmpfs) {
    // No flags: in particular not MS_NODEV.
    if (mount("revoke-test", path_.c_str(), "tmpfs", 0, "mode=0755") != 0) {
      error_ = errno;
    } else {
      mounted_ = true;
    }
  }
}

TempDir::~TempDir() {
  if (path_.empty()) return;
  // Lazily: a test may leave files open, and its processes end after this.
  if (mounted_ && umount2(path_.c_str(), MNT_DETACH) != 0) std::perror("umount of a test's tmpfs");
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  if (error) std::fprintf(stderr, "removing %s: %s\n", path_.c_str(), error.message().c_str());
}

}  // namespace revoke_test
