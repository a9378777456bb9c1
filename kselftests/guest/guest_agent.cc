// SPDX-License-Identifier: GPL-2.0
//
// guest-agent: process 1 of the initramfs guest, and the program virtme-ng starts.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "agent.h"
#include "files.h"
#include "init.h"
#include "job.h"

namespace {

constexpr char kUsage[] =
    "usage: guest-agent [-h]\n"
    "\n"
    "Run the job guest-run left in %s and write the verdict there.\n"
    "As process 1: set the machine up first and power it off afterwards.\n";

}  // namespace

int main(int argc, char** argv) {
  if (getpid() != 1) {
    if (argc > 1) {
      const bool help = std::strcmp(argv[1], "-h") == 0 || std::strcmp(argv[1], "--help") == 0;
      std::fprintf(help ? stdout : stderr, kUsage, guest::kResultsDir);
      return help ? 0 : 2;
    }
    return guest::ServeJob(guest::kResultsDir) ? 0 : 1;
  }
  try {
    setenv("PATH", "/usr/bin:/bin:/usr/sbin:/sbin", 1);
    setenv("HOME", "/tmp", 1);
    guest::SetUpMachine();
    guest::MountShares(guest::kResultsDir);
    guest::ServeJob(guest::kResultsDir);
  } catch (const guest::Error& error) {
    // Goes to the console; without a verdict the runner calls the run red.
    std::fprintf(stderr, "guest-agent: %s\n", error.what());
  }
  guest::PowerOff();
}
