// SPDX-License-Identifier: GPL-2.0
//
// Writes an initramfs: a cpio archive in the "newc" form, which needs no privileges even for device
// nodes. See Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.

#ifndef REVOKE_TOOLS_GUEST_CPIO_H_
#define REVOKE_TOOLS_GUEST_CPIO_H_

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace guest {

class CpioArchive {
 public:
  // Paths are absolute; missing parent directories are added. Everything belongs to root.
  void AddDirectory(std::string_view path);
  void AddFile(std::string_view path, mode_t permissions, std::string_view contents);
  void AddCharDevice(std::string_view path, mode_t permissions, unsigned major, unsigned minor);

  // Ends the archive and returns it. The object is empty afterwards.
  std::string Finish();

 private:
  void AddParents(std::string_view path);
  void AddEntry(std::string_view path, mode_t mode, uint32_t nlink, unsigned major, unsigned minor,
                std::string_view contents);

  std::string bytes_;
  std::set<std::string, std::less<>> directories_;
  uint32_t inode_ = 0;
};

}  // namespace guest

#endif  // REVOKE_TOOLS_GUEST_CPIO_H_
