// SPDX-License-Identifier: GPL-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "backend.h"
#include "files.h"

namespace guest {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

RunSpec Example() {
  RunSpec spec{.kernel = "/k/bzImage", .results = "/r", .agent = "/a/guest-agent"};
  spec.devices = {"edu,dma_mask=0xffffffff"};
  spec.append = {"kunit.enable=1"};
  spec.shares = {"/mods"};
  spec.program = {"/p/test", "--x"};
  return spec;
}

// The value that follows `option`.
std::string After(const std::vector<std::string>& argv, const std::string& option) {
  for (size_t i = 0; i + 1 < argv.size(); i++)
    if (argv[i] == option) return argv[i + 1];
  return "(no " + option + ")";
}

TEST(InitramfsCommand, IsHermeticAndEndsOnPanic) {
  const EmulatorCommand command = MakeCommand(Example(), Backend::kInitramfs, Accel::kTcg);
  EXPECT_EQ(command.argv[0], "qemu-system-x86_64");
  EXPECT_THAT(command.argv, IsSupersetOf({"-nodefaults", "-no-user-config", "-no-reboot"}));
  EXPECT_THAT(After(command.argv, "-append"),
              AllOf(HasSubstr("console=ttyS0"), HasSubstr("panic=-1"), HasSubstr("oops=panic"),
                    HasSubstr("kunit.enable=1")));
  EXPECT_EQ(After(command.argv, "-kernel"), "/k/bzImage");
  EXPECT_EQ(After(command.argv, "-initrd"), "/r/initramfs.cpio");
  EXPECT_EQ(command.stdout_path, "/r/console.log");
  EXPECT_EQ(command.stderr_path, "/r/emulator.log");
}

TEST(InitramfsCommand, SharesResultsWritableAndTheRestReadOnly) {
  const auto argv = MakeCommand(Example(), Backend::kInitramfs, Accel::kTcg).argv;
  EXPECT_THAT(argv, Contains(AllOf(HasSubstr("path=/r,"), Not(HasSubstr("readonly")))));
  EXPECT_THAT(argv, Contains(AllOf(HasSubstr("path=/mods,"), HasSubstr("readonly=on"))));
  EXPECT_THAT(argv, Contains("virtio-9p-pci,fsdev=results,mount_tag=results"));
}

TEST(InitramfsCommand, CountsInstructionsWithoutTheHostsTimeAndChance) {
  RunSpec spec = Example();
  spec.cpus = 1;
  const auto argv = MakeCommand(spec, Backend::kInitramfs, Accel::kIcount).argv;
  EXPECT_EQ(After(argv, "-icount"), "shift=0,sleep=off");
  EXPECT_THAT(After(argv, "-rtc"), HasSubstr("clock=vm"));
  EXPECT_EQ(After(argv, "-seed"), "1");
  EXPECT_THAT(After(argv, "-machine"), HasSubstr("accel=tcg"));
  EXPECT_THAT(After(argv, "-append"), HasSubstr("no_timer_check"));
}

TEST(InitramfsCommand, CountsInstructionsOfOneProcessorOnly) {
  RunSpec spec = Example();
  EXPECT_THROW(MakeCommand(spec, Backend::kInitramfs, Accel::kIcount), Error);
  spec.cpus = 1;
  EXPECT_THROW(MakeCommand(spec, Backend::kVng, Accel::kIcount), Error);
}

TEST(InitramfsCommand, DoublesCommasInPaths) {
  RunSpec spec = Example();
  spec.results = "/r,x";
  EXPECT_THAT(MakeCommand(spec, Backend::kInitramfs, Accel::kTcg).argv,
              Contains(HasSubstr("path=/r,,x,")));
}

TEST(InitramfsCommand, AddsDevices) {
  EXPECT_THAT(MakeCommand(Example(), Backend::kInitramfs, Accel::kTcg).argv,
              Contains("edu,dma_mask=0xffffffff"));
}

TEST(InitramfsCommand, LeadsAPortToTheMonitorWhenTold) {
  RunSpec spec = Example();
  EXPECT_EQ(After(MakeCommand(spec, Backend::kInitramfs, Accel::kTcg).argv, "-mon"), "(no -mon)");
  spec.monitor = true;
  const auto argv = MakeCommand(spec, Backend::kInitramfs, Accel::kTcg).argv;
  EXPECT_EQ(After(argv, "-mon"), "chardev=monitor,mode=control");
  EXPECT_THAT(argv, Contains(HasSubstr("virtserialport,chardev=port,name=monitor")));
}

TEST(InitramfsCommand, AcceleratorFollows) {
  EXPECT_EQ(After(MakeCommand(Example(), Backend::kInitramfs, Accel::kKvm).argv, "-machine"),
            "q35,accel=kvm");
  EXPECT_EQ(After(MakeCommand(Example(), Backend::kInitramfs, Accel::kTcg).argv, "-machine"),
            "q35,accel=tcg");
}

TEST(InitramfsCommand, AnEmulatedCpuMayStandStillForLonger) {
  EXPECT_THAT(After(MakeCommand(Example(), Backend::kInitramfs, Accel::kTcg).argv, "-append"),
              HasSubstr("watchdog_thresh=60"));
  EXPECT_THAT(After(MakeCommand(Example(), Backend::kInitramfs, Accel::kKvm).argv, "-append"),
              Not(HasSubstr("watchdog_thresh")));
}

TEST(VngCommand, RunsTheAgentWithTheResultsWritable) {
  const EmulatorCommand command = MakeCommand(Example(), Backend::kVng, Accel::kTcg);
  EXPECT_EQ(command.argv[0], "vng");
  EXPECT_THAT(command.argv,
              IsSupersetOf({"--verbose", "--disable-microvm", "--force-9p", "--disable-kvm",
                            "--rwdir='/run/results=/r'", "--rodir='/mods'",
                            "--qemu-opts=-device 'edu,dma_mask=0xffffffff'"}));
  EXPECT_EQ(After(command.argv, "--user"), "root");
  EXPECT_EQ(After(command.argv, "--exec"), "'/a/guest-agent'");
  EXPECT_EQ(command.stderr_path, "/r/console.log");
}

TEST(VngCommand, UsesKvmOnlyWhenTold) {
  EXPECT_THAT(MakeCommand(Example(), Backend::kVng, Accel::kKvm).argv,
              Not(Contains("--disable-kvm")));
}

TEST(VngCommand, QuotesForTheShellInBetween) {
  RunSpec spec = Example();
  spec.agent = "/it's here/agent";
  EXPECT_EQ(After(MakeCommand(spec, Backend::kVng, Accel::kTcg).argv, "--exec"),
            "'/it'\\''s here/agent'");
}

TEST(VngCommand, RefusesAKernelPathTheShellWouldSplit) {
  RunSpec spec = Example();
  spec.kernel = "/my kernels/bzImage";
  EXPECT_THROW(MakeCommand(spec, Backend::kVng, Accel::kTcg), Error);
}

TEST(ShellCommand, IsInteractive) {
  const auto argv = MakeShellCommand(Example(), Accel::kTcg);
  EXPECT_THAT(argv, Not(Contains("--exec")));
  EXPECT_THAT(argv, Contains("--disable-kvm"));
}

TEST(MakeJob, CarriesProgramAndShares) {
  const Job job = MakeJob(Example(), "n");
  EXPECT_THAT(job.argv, ElementsAre("/p/test", "--x"));
  EXPECT_THAT(job.shares, ElementsAre(Share{"share0", "/mods"}));
  EXPECT_EQ(job.nonce, "n");
}

TEST(ResolveBackend, TakesVngForProgramsThatNeedLibraries) {
  RunSpec spec = Example();
  spec.program = {"/proc/self/exe"};  // this test
  EXPECT_EQ(ResolveBackend(spec), Backend::kVng);
  spec.program = {GUEST_AGENT};
  EXPECT_EQ(ResolveBackend(spec), Backend::kInitramfs);
  spec.backend = Backend::kVng;
  EXPECT_EQ(ResolveBackend(spec), Backend::kVng);
}

TEST(ResolveBackend, RefusesWhatIsNoProgram) {
  RunSpec spec = Example();
  spec.program = {"/proc/self/cmdline"};
  EXPECT_THROW(ResolveBackend(spec), Error);
  spec.program = {"/nonexistent"};
  EXPECT_THROW(ResolveBackend(spec), Error);
}

TEST(MakeInitramfs, HoldsAgentProgramAndFiles) {
  RunSpec spec = Example();
  spec.agent = GUEST_AGENT;
  spec.program = {GUEST_AGENT, "-h"};
  spec.files = {"/proc/self/cmdline"};
  spec.modules = {"/proc/self/comm"};
  const std::string archive = MakeInitramfs(spec);
  for (const char* name :
       {"init", "dev/console", GUEST_AGENT + 1, "proc/self/cmdline", "proc/self/comm"})
    EXPECT_THAT(archive, HasSubstr(std::string(name) + '\0')) << name;
  spec.files = {"/nonexistent"};
  EXPECT_THROW(MakeInitramfs(spec), Error);
}

TEST(MakeInitramfs, HoldsTheEarlyProgramWhereTheKernelLooksForIt) {
  RunSpec spec = Example();
  spec.agent = GUEST_AGENT;
  spec.program = {GUEST_AGENT};
  spec.modules = {};
  const auto has_it = HasSubstr(std::string("00early") + '\0');
  const auto waits = HasSubstr("initramfs_async=0");
  EXPECT_THAT(MakeInitramfs(spec), Not(has_it));
  EXPECT_THAT(After(MakeCommand(spec, Backend::kInitramfs, Accel::kTcg).argv, "-append"),
              Not(waits));
  spec.early = GUEST_AGENT;
  EXPECT_THAT(MakeInitramfs(spec), has_it);
  EXPECT_THAT(After(MakeCommand(spec, Backend::kInitramfs, Accel::kTcg).argv, "-append"), waits);
}

TEST(MakeInitramfs, TakesWhatBelongsToAFile) {
  RunSpec spec = Example();
  spec.agent = GUEST_AGENT;
  spec.program = {GUEST_AGENT};
  spec.modules = {};
  const auto self = std::filesystem::read_symlink("/proc/self/exe");
  spec.files = {self, "/proc/sys/debug"};
  const std::string archive = MakeInitramfs(spec);
  EXPECT_THAT(archive, HasSubstr(std::string("/libc.so.6") + '\0'));
  EXPECT_THAT(archive, HasSubstr(std::string("proc/sys/debug/exception-trace") + '\0'));
}

}  // namespace
}  // namespace guest
