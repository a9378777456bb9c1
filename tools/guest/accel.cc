// SPDX-License-Identifier: GPL-2.0

#include "accel.h"

#include <fcntl.h>

#include "fd.h"
#include "files.h"

namespace guest {

AccelAnswer ChooseAccel(const std::string& kvm_device, const std::string& boot_id,
                        const std::string& cache_file, const std::function<bool()>& probe) {
  const Fd device(open(kvm_device.c_str(), O_RDWR | O_CLOEXEC));
  if (!device.valid()) {
    return {Accel::kTcg, std::string(ErrnoError(kvm_device + " cannot be opened").what())};
  }
  const std::string works = boot_id + " works\n";
  const std::string broken = boot_id + " broken\n";
  std::string known = ReadFile(cache_file).value_or("");
  if (known != works && known != broken) {
    known = probe() ? works : broken;
    WriteFile(cache_file, known);
  }
  if (known == works) return {Accel::kKvm, "a guest booted under KVM"};
  return {Accel::kTcg, kvm_device + " opens, but no guest boots under it"};
}

}  // namespace guest
