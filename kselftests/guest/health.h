// SPDX-License-Identifier: GPL-2.0
//
// Whether a guest is still as it was, after a mutant has done its work in it.

#ifndef REVOKE_KSELFTESTS_GUEST_HEALTH_H_
#define REVOKE_KSELFTESTS_GUEST_HEALTH_H_

#include <optional>
#include <string>

#include "kmsg.h"
#include "splat.h"

namespace guest {

class Health {
 public:
  // `module` is the path of test_revoke.ko. `allow` must outlive this.
  Health(std::string module, const splat::AllowList& allow);

  // What the kernel has complained of since the last call, in one line.
  std::optional<std::string> Splat();

  // Names a child of this process that SIGKILL does not end; they get a while for it.
  static std::optional<std::string> UnkillableTask();

  // Unloads the module and loads it again, which needs all that tests have taken of it to be given
  // back; says what is wrong.
  [[nodiscard]] std::optional<std::string> ModuleTrouble() const;

 private:
  std::string module_;
  revoke_test::KmsgWatch log_;
};

}  // namespace guest

#endif  // REVOKE_KSELFTESTS_GUEST_HEALTH_H_
