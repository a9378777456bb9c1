// SPDX-License-Identifier: GPL-2.0

#include "device_node.h"

#include <sys/sysmacros.h>

#include <charconv>

#include "proc.h"

namespace revoke_test {

int MakeDeviceNode(const std::string& path, mode_t type, dev_t device, mode_t permissions) {
  if (mknod(path.c_str(), type | permissions, device) != 0) return -1;
  return chmod(path.c_str(), permissions);
}

std::optional<dev_t> DeviceOf(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  if (!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode)) return std::nullopt;
  return status.st_rdev;
}

std::optional<dev_t> DeviceFromSysfs(const std::string& dev_file) {
  const std::optional<std::string> text = ReadSmallFile(dev_file);
  if (!text) return std::nullopt;
  const char* const end = text->data() + text->size();
  unsigned int major_number = 0;
  unsigned int minor_number = 0;
  const auto first = std::from_chars(text->data(), end, major_number);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ':') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, minor_number);
  if (second.ec != std::errc()) return std::nullopt;
  if (second.ptr != end && *second.ptr != '\n') return std::nullopt;
  return makedev(major_number, minor_number);
}

}  // namespace revoke_test
