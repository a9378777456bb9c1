// SPDX-License-Identifier: GPL-2.0

#ifndef REVOKE_KSELFTESTS_UTIL_DEVICE_NODE_H_
#define REVOKE_KSELFTESTS_UTIL_DEVICE_NODE_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <optional>
#include <string>

namespace revoke_test {

// Makes a node for `device`, with exactly these permissions whatever the umask. `type` is S_IFCHR
// or S_IFBLK. Returns 0, or -1 and errno (EPERM: no CAP_MKNOD). Not async-signal-safe.
int MakeDeviceNode(const std::string& path, mode_t type, dev_t device, mode_t permissions = 0600);

// The device that the node at `path` stands for; nothing if it is no device node.
std::optional<dev_t> DeviceOf(const std::string& path);

// The number in a sysfs "dev" file, "major:minor\n"; nothing if it cannot be read or is of another
// form.
std::optional<dev_t> DeviceFromSysfs(const std::string& dev_file);

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_DEVICE_NODE_H_
