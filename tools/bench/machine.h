// SPDX-License-Identifier: GPL-2.0
//
// The machine under test: the devices that operations use, and how they are removed.

#ifndef REVOKE_TOOLS_BENCH_MACHINE_H_
#define REVOKE_TOOLS_BENCH_MACHINE_H_

#include <string>

#include "operation.h"

namespace bench {

// revokeat(2) of all that is open at `path`, and of one open file: 0, or a negated errno.
long Revoke(const std::string& path);
long RevokeFile(long fd);

// Switches on a mutant of a kernel that has them. Throws Error.
void SwitchOnMutant(const std::string& name);

// As many files, mappings and tasks as 100,000 of each need. Throws Error.
void RaiseLimits();

class Machine {
 public:
  // Binds the first PCI device of QEMU's kind "edu" to uio_pci_generic. Throws Error.
  Machine();

  const Devices& devices() const { return devices_; }

  // Its driver goes and comes back. Both throw Error.
  void Unbind() const;
  void Bind();

 private:
  std::string directory_;  // of the device, in sysfs
  Devices devices_;
};

}  // namespace bench

#endif  // REVOKE_TOOLS_BENCH_MACHINE_H_
