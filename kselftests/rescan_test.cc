// SPDX-License-Identifier: GPL-2.0
//
// A PCI device and a bus that are removed while somebody writes to their "rescan" in sysfs: the
// removal has the lock that the writer waits for, and waits for the writer.

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "baseline.h"
#include "blocked.h"
#include "edu_device.h"
#include "errno_matchers.h"
#include "process.h"
#include "sysfs.h"
#include "test_check.h"
#include "uio_reset.h"

namespace revoke_test {
namespace {

namespace fs = std::filesystem;

// The file of the bus that is behind the port whose directory this is.
std::string RescanOfBusBehind(const std::string& port) {
  for (const auto& bus : fs::directory_iterator(port + "/pci_bus")) {
    return (bus.path() / "rescan").string();
  }
  return "";
}

// A process that writes to a file of sysfs. It may never end, so nobody waits for it if the test
// has failed.
class Writer {
 public:
  Writer(const std::string& path, int expected_errno)
      : child_(new Child([&] {
          const int result = WriteAttribute(path, "1");
          TEST_CHECK(expected_errno == 0 ? result == 0 : result == -1 && errno == expected_errno);
        })) {}

  pid_t pid() const { return child_->pid(); }
  ExitStatus Wait() {
    const ExitStatus status = child_->Wait();
    if (!status.IsStillRunning()) delete std::exchange(child_, nullptr);
    return status;
  }

 private:
  Child* child_;
};

// On the unpatched kernel neither of the three ends, nor does anything else that needs the lock.
REVOKE_TEST(RescanTest, RemovalDoesNotWaitForARescanThatWaitsForIt, baseline::kSticks) {
  const std::optional<EduDevice> device = EduDevice::Find();
  ASSERT_TRUE(device.has_value() && !device->port().empty()) << "no edu device behind a port";
  const std::string port = "/sys/bus/pci/devices/" + device->port();
  const std::string bus_rescan = RescanOfBusBehind(port);
  ASSERT_NE(bus_rescan, "");
  Holder holder(*device);
  ASSERT_EQ(holder.error(), 0) << "no module pci_holder";

  Writer remover(port + "/remove", 0);
  ASSERT_TRUE(holder.WaitUntilHeld());
  Writer of_device(device->Attribute("rescan"), ENODEV);
  Writer of_bus(bus_rescan, ENODEV);
  for (const Writer* writer : {&of_device, &of_bus}) {
    ASSERT_TRUE(WaitUntilBlocked(writer->pid(), {.syscall = SYS_write, .states = "D"}));
  }
  ASSERT_THAT(holder.LetGo(), SyscallSucceeds());
  baseline::FailsFromHere();
  ASSERT_THAT(remover.Wait(), Exited(0));
  EXPECT_THAT(of_device.Wait(), Exited(0));
  EXPECT_THAT(of_bus.Wait(), Exited(0));

  // They come back.
  ASSERT_THAT(EduDevice::RescanBus(), SyscallSucceeds());
  EXPECT_THAT(WriteAttribute(device->Attribute("rescan"), "1"), SyscallSucceeds());
}

}  // namespace
}  // namespace revoke_test
