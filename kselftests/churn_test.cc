// SPDX-License-Identifier: GPL-2.0
//
// Files of sysfs, procfs, debugfs, cgroups and network namespaces that come and go under readers,
// and thousands of them that go at once. Whoever reads one finds it as it was, or gone.

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "baseline.h"
#include "deadline.h"
#include "errno_matchers.h"
#include "fd.h"
#include "kernel_module.h"
#include "race.h"
#include "skip.h"
#include "sysfs.h"
#include "test_check.h"
#include "thread.h"

namespace revoke_test {
namespace {

// A file that is there from a make() until a remove(), which both return 0, or -1 and errno.
struct Kind {
  const char* name;
  std::string path;
  int gone;  // what a read says then
  std::function<int()> make;
  std::function<int()> remove;

  friend std::ostream& operator<<(std::ostream& os, const Kind& kind) { return os << kind.name; }
};

Kind OfModule(const char* name, const std::string& module, std::string path, int gone) {
  const std::string present = "/sys/kernel/" + module + "/present";
  return {name, std::move(path), gone, [present] { return WriteAttribute(present, "1"); },
          [present] { return WriteAttribute(present, "0"); }};
}

constexpr char kModulePath[] = "/sys/module/snd_dummy/coresize";

Kind Module() {
  return {"module", kModulePath, ENODEV, [] { return LoadKernelModule("snd-dummy"); },
          [] { return UnloadKernelModule("snd-dummy"); }};
}

constexpr char kCgroupDirectory[] = "/sys/fs/cgroup";
constexpr char kCgroups[] = "/sys/fs/cgroup/cgroup.procs";

Kind Cgroup() {
  const std::string path = std::string(kCgroupDirectory) + "/churn";
  return {"cgroup", path + "/cgroup.events", ENODEV, [path] { return mkdir(path.c_str(), 0755); },
          [path] { return rmdir(path.c_str()); }};
}

// Leaves everything as it was.
class ChurnTest : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (access(kCgroups, F_OK) != 0) {
      cgroups_mounted_ = mount("none", kCgroupDirectory, "cgroup2", 0, nullptr) == 0;
    }
    if (GetParam().path == kModulePath) {
      REVOKE_SKIP_IF(!HaveKernelModules(), "TEST_SOUND_MODULES is not set");
    }
    was_there_ = IsThere();
    if (was_there_) {
      ASSERT_THAT(GetParam().remove(), SyscallSucceeds());
    }
  }

  void TearDown() override {
    if (IsThere() && !was_there_) {
      EXPECT_THAT(GetParam().remove(), SyscallSucceeds());
    } else if (!IsThere() && was_there_) {
      EXPECT_THAT(GetParam().make(), SyscallSucceeds());
    }
    if (cgroups_mounted_) {
      EXPECT_THAT(umount(kCgroupDirectory), SyscallSucceeds());
    }
  }

 private:
  static bool IsThere() { return access(GetParam().path.c_str(), F_OK) == 0; }

  bool was_there_ = false;
  bool cgroups_mounted_ = false;
};

INSTANTIATE_TEST_SUITE_P(
    , ChurnTest,
    testing::Values(
        OfModule("procfs", "proc_entries", "/proc/revoke_test_entries/read_iter", EIO),
        OfModule("sysctl", "proc_entries", "/proc/sys/revoke_test_entries/value", ENOENT),
        OfModule("debugfs", "debugfs_entries", "/sys/kernel/debug/revoke_test_entries/show", EIO),
        OfModule("sysfs", "sysfs_memory", "/sys/kernel/sysfs_memory/plain", ENODEV), Cgroup(),
        Module()),
    [](const testing::TestParamInfo<Kind>& info) { return std::string(info.param.name); });

REVOKE_TEST_P(ChurnTest, ReadersMeetTheRemoval, baseline::kPasses) {
  const Kind& kind = GetParam();
  std::array<char, 64> buffer{};
  FileDescriptor file;
  long all = 0;  // how long it is
  long before = 0;
  long meanwhile = 0;
  int error = 0;
  int opener_error = 0;
  int removal = 0;
  bool seen_there = false;
  bool seen_gone = false;
  // Modules take their time, and the file goes last.
  const bool quick = kind.path != kModulePath;
  ExpectRace(
      {.overlaps = quick ? 20 : 5,
       .rounds = quick ? 60 : 5,
       .seen = [&] { return !quick || (seen_there && seen_gone); }},
      {[&] { removal = RetryEintr([&kind] { return kind.remove(); }) == 0 ? 0 : errno; },
       [&] {
         meanwhile = pread(file.get(), buffer.data(), buffer.size(), 0);
         error = errno;
         const FileDescriptor another = Open(kind.path, O_RDONLY);
         opener_error = another.error();
       }},
      [&] {
        ASSERT_THAT(kind.make(), SyscallSucceeds());
        file = Open(kind.path, O_RDONLY);
        before = pread(file.get(), buffer.data(), buffer.size(), 0);
        ASSERT_THAT(before, SyscallSucceedsWithValue(testing::Gt(0)));
        all = before;
      },
      [&] {
        ASSERT_EQ(ErrnoValue(removal), ErrnoValue(0));
        if (meanwhile < 0) {
          EXPECT_EQ(ErrnoValue(error), ErrnoValue(kind.gone));
          seen_gone = true;
        } else {
          EXPECT_EQ(meanwhile, all);
          seen_there = true;
        }
        EXPECT_THAT(ErrnoValue(opener_error),
                    testing::AnyOf(ErrnoValue(0), ErrnoValue(ENOENT), ErrnoValue(kind.gone)));
        EXPECT_THAT(pread(file.get(), buffer.data(), buffer.size(), 0),
                    SyscallFailsWithErrno(kind.gone));
        EXPECT_THAT(file.Close(), SyscallSucceeds());
        EXPECT_THAT(Open(kind.path, O_RDONLY), SyscallFailsWithErrno(ENOENT));
      });
}

// ---- network namespaces, which bring files of /proc/net along ----

// Lasts as long as it is kept, or a file of it is open.
class NetworkNamespace {
 public:
  NetworkNamespace() {
    // That of a thread which ends.
    ScopedThread([this] {
      TEST_PCHECK(unshare(CLONE_NEWNET) == 0);
      kept_ = Open("/proc/thread-self/ns/net", O_RDONLY);
      devices_ = Open("/proc/thread-self/net/dev", O_PATH);
    }).Join();
  }

  FileDescriptor OpenDevices() const {
    return Open("/proc/self/fd/" + std::to_string(devices_.get()), O_RDONLY);
  }
  // Returns when the file has gone. Until then, nobody enters a namespace that goes.
  int LetGo() {
    kept_.Close();
    const Deadline deadline(kDefaultWait);
    while (!deadline.Passed()) {
      const FileDescriptor devices = OpenDevices();
      if (devices.error() == ENOENT) return 0;
      if (!devices.valid() && devices.error() != ENXIO) return devices.error();
    }
    return ETIME;
  }

 private:
  FileDescriptor kept_;
  FileDescriptor devices_;  // O_PATH: that keeps nothing
};

REVOKE_TEST(NetworkNamespaceTest, ReadersMeetTheEnd, baseline::kPasses) {
  std::optional<NetworkNamespace> net;
  std::array<char, 1024> buffer{};
  long all = 0;
  long meanwhile = 0;
  int error = 0;
  int end = 0;
  bool seen_there = false;
  bool seen_gone = false;
  ExpectRace(
      {.rounds = 40, .seen = [&] { return seen_there && seen_gone; }},
      {[&] { end = net->LetGo(); },
       [&] {
         const FileDescriptor devices = net->OpenDevices();
         error = devices.error();
         if (devices.valid()) meanwhile = read(devices.get(), buffer.data(), buffer.size());
       }},
      [&] {
        net.emplace();
        const FileDescriptor devices = net->OpenDevices();
        all = read(devices.get(), buffer.data(), buffer.size());
        ASSERT_THAT(all, SyscallSucceedsWithValue(testing::Gt(0)));
      },
      [&] {
        ASSERT_EQ(ErrnoValue(end), ErrnoValue(0));
        if (error == 0) {
          EXPECT_EQ(meanwhile, all);
          seen_there = true;
        } else {
          EXPECT_THAT(ErrnoValue(error), testing::AnyOf(ErrnoValue(ENXIO), ErrnoValue(ENOENT)));
          seen_gone = true;
        }
      });
}

// ---- thousands at once ----

constexpr int kMany = 10'000;
constexpr int kOpen = 1'000;
// With a grace period, or a walk over all threads, for each of them it would take minutes.
constexpr std::chrono::milliseconds kBound{4'000};

using Clock = std::chrono::steady_clock;

struct Directory {
  const char* name;
  const char* many;  // the attribute that fills it
  std::string path;
  int gone;

  friend std::ostream& operator<<(std::ostream& os, const Directory& dir) { return os << dir.name; }
};

class ManyTest : public testing::TestWithParam<Directory> {
 protected:
  void SetUp() override {
    const Clock::time_point begun = Clock::now();
    ASSERT_THAT(Fill(kMany), SyscallSucceeds());
    fill_took_ = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun);
  }
  void TearDown() override { EXPECT_THAT(Fill(0), SyscallSucceeds()); }

  static int Fill(int count) { return WriteAttribute(GetParam().many, std::to_string(count)); }
  static std::string PathOf(int i) { return GetParam().path + "/" + std::to_string(i); }

  // On a machine that has much else to do, they have taken long to make, too.
  void ExpectSoonGone() const {
    const Deadline deadline(std::max(kBound, fill_took_));
    ASSERT_THAT(Fill(0), SyscallSucceeds());
    EXPECT_FALSE(deadline.Passed());
    EXPECT_THAT(access(PathOf(kMany - 1).c_str(), F_OK), SyscallFailsWithErrno(ENOENT));
  }

 private:
  std::chrono::milliseconds fill_took_{};
};

INSTANTIATE_TEST_SUITE_P(, ManyTest,
                         testing::Values(Directory{"procfs", "/sys/kernel/proc_entries/many",
                                                   "/proc/revoke_many_entries", EIO},
                                         Directory{"debugfs", "/sys/kernel/debugfs_entries/many",
                                                   "/sys/kernel/debug/revoke_many_entries", EIO},
                                         Directory{"sysfs", "/sys/kernel/sysfs_memory/many",
                                                   "/sys/kernel/sysfs_many", ENODEV}),
                         [](const testing::TestParamInfo<Directory>& info) {
                           return std::string(info.param.name);
                         });

REVOKE_TEST_P(ManyTest, GoAtOnce, baseline::kPasses) { ExpectSoonGone(); }

REVOKE_TEST_P(ManyTest, GoAtOnceWithAThousandOpen, baseline::kPasses) {
  constexpr rlim_t kFiles = 2UL * kOpen;
  const rlimit files{.rlim_cur = kFiles, .rlim_max = kFiles};
  ASSERT_THAT(setrlimit(RLIMIT_NOFILE, &files), SyscallSucceeds());
  std::vector<FileDescriptor> open;
  char byte = 0;
  for (int i = 0; i < kOpen; ++i) {
    open.push_back(Open(PathOf(i * (kMany / kOpen)), O_RDONLY));
    ASSERT_THAT(pread(open.back().get(), &byte, 1, 0), SyscallSucceedsWithValue(1));
  }
  ASSERT_NO_FATAL_FAILURE(ExpectSoonGone());
  for (const FileDescriptor& file : open) {
    ASSERT_THAT(pread(file.get(), &byte, 1, 0), SyscallFailsWithErrno(GetParam().gone));
  }
}

}  // namespace
}  // namespace revoke_test
