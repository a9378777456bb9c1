// SPDX-License-Identifier: GPL-2.0

#include "require_all.h"

#include <algorithm>
#include <utility>

namespace guest {

std::string SkipName(const std::string& label, const std::string& name) {
  std::string full = name.find('.') == std::string::npos ? label + "." + name : name;
  std::replace(full.begin(), full.end(), ' ', '_');
  return full;
}

void RequireAll(const std::string& label, const revoke_test::SkipTable& allowed, Tally* tally) {
  const std::vector<std::string> skips = std::exchange(tally->skips, {});
  tally->skipped = 0;
  for (const std::string& skip : skips) {
    const std::string name = SkipName(label, skip);
    if (allowed.ReasonFor(name) != nullptr) {
      tally->Skip(skip);
    } else {
      tally->Fail(name +
                  ": skipped, though all tests are required; make it run, or list it with a "
                  "reason in the table of allowed skips");
    }
  }
}

}  // namespace guest
