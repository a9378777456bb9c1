// SPDX-License-Identifier: GPL-2.0
//
// What is measured: named operations, a file for each family. What an operation needs it makes
// itself, and holds it while it is measured.

#ifndef REVOKE_TOOLS_BENCH_OPERATION_H_
#define REVOKE_TOOLS_BENCH_OPERATION_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "count.h"
#include "fd.h"

namespace bench {

// The two together are the name of a row: "pread", "/dev/null".
struct Operation {
  std::string call;
  std::string file;
  unsigned count;                 // operations in a batch: less than half a million instructions
  std::function<Loop()> prepare;  // throws Error
};

// The devices under test of this machine.
struct Devices {
  std::string uio;      // node of a PCI device that is bound to uio_pci_generic
  bool revoke = false;  // this kernel has revokeat(2), and with it /dev/revoke_test0
};

// Reading, writing and the like; one file each.
std::vector<Operation> FileOperations(const Devices& devices);
// Waiting for one file or many, which are ready or not.
std::vector<Operation> WaitOperations(const Devices& devices);
// open+close, splice.
std::vector<Operation> OpenOperations(const Devices& devices);
// Mappings, faults, fork.
std::vector<Operation> MemoryOperations(const Devices& devices);
// io_uring.
std::vector<Operation> UringOperations(const Devices& devices);
// What players do.
std::vector<Operation> SoundOperations(const Devices& devices);

// ---- for those that make operations ----

// Shared, because a Loop can be copied.
using SharedFd = std::shared_ptr<guest::Fd>;

// Throws Error.
SharedFd Open(const std::string& path, int flags);

// A new file of 128 KiB in a tmpfs, open for reading and writing, and without a name.
SharedFd OpenTmpfs();

struct Pipe {
  SharedFd read;
  SharedFd write;
};
Pipe MakePipe();

// `result` of a call during the preparation; throws Error with `what` if it is an error.
long Must(long result, const std::string& what);

}  // namespace bench

#endif  // REVOKE_TOOLS_BENCH_OPERATION_H_
