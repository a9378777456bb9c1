// SPDX-License-Identifier: GPL-2.0

#include "privilege.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "fd.h"
#include "process.h"

namespace revoke_test {
namespace {

using CapabilitySets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

__user_cap_header_struct Header() { return {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0}; }

int GetCapabilities(CapabilitySets* sets) {
  __user_cap_header_struct header = Header();
  return static_cast<int>(syscall(SYS_capget, &header, sets->data()));
}

int SetCapabilities(const CapabilitySets& sets) {
  __user_cap_header_struct header = Header();
  return static_cast<int>(syscall(SYS_capset, &header, sets.data()));
}

int WriteFile(const char* path, const std::string& text) {
  const FileDescriptor fd = Open(path, O_WRONLY);
  if (!fd.valid()) {
    errno = fd.error();
    return -1;
  }
  return write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : -1;
}

}  // namespace

bool HaveCapability(int capability) {
  CapabilitySets sets{};
  return GetCapabilities(&sets) == 0 &&
         (sets[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
}

int DropCapability(int capability) {
  CapabilitySets sets{};
  if (GetCapabilities(&sets) != 0) return -1;
  __user_cap_data_struct& set = sets[CAP_TO_INDEX(capability)];
  const auto keep = ~static_cast<__u32>(CAP_TO_MASK(capability));
  set.effective &= keep;
  set.permitted &= keep;
  set.inheritable &= keep;
  return SetCapabilities(sets);
}

int BecomeUser(uid_t id) {
  // The bare calls: glibc's would signal the other threads of the process that was forked.
  if (syscall(SYS_setgroups, 0, nullptr) != 0) return -1;
  if (syscall(SYS_setresgid, id, id, id) != 0) return -1;
  if (syscall(SYS_setresuid, id, id, id) != 0) return -1;
  // Leaving user 0 has emptied the sets already, unless securebits say to keep them.
  if (SetCapabilities({}) != 0) return -1;
  // The change made the process undumpable and so took its /proc files away from it.
  return prctl(PR_SET_DUMPABLE, 1);
}

int EnterUserNamespace() {
  const std::string user = "0 " + std::to_string(geteuid()) + " 1\n";
  const std::string group = "0 " + std::to_string(getegid()) + " 1\n";
  if (unshare(CLONE_NEWUSER) != 0) return -1;
  // Mapping one's own group is allowed only once setgroups(2) is not.
  if (WriteFile("/proc/self/setgroups", "deny") != 0) return -1;
  if (WriteFile("/proc/self/uid_map", user) != 0) return -1;
  return WriteFile("/proc/self/gid_map", group);
}

bool UserNamespacesWork() {
  return InChild([] { return EnterUserNamespace() == 0 ? 0 : 1; }).HasExited(0);
}

}  // namespace revoke_test
