// SPDX-License-Identifier: GPL-2.0

#include "splat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "temp_dir.h"

namespace splat {
namespace {

using revoke_test::TempDir;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;

AllowList Allow(const std::string& text) {
  std::string error;
  std::optional<AllowList> list = AllowList::Parse(text, "test", &error);
  EXPECT_TRUE(list) << error;
  return list.value_or(AllowList());
}

std::vector<std::string> Kinds(const std::string& log, const AllowList& allow = {}) {
  std::vector<std::string> kinds;
  for (const Finding& finding : Scan(log, allow)) {
    kinds.push_back(finding.denied() ? finding.kind : "excused " + finding.kind);
  }
  return kinds;
}

// Lines as kernels print them, with the kind they must be given.
struct Example {
  const char* kind;
  const char* line;
};
constexpr Example kSplats[] = {
    {"panic", "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100"},
    {"sanitizer", "BUG: KASAN: slab-use-after-free in revoke_file+0x3a/0x80"},
    {"sanitizer", "BUG: KCSAN: data-race in start_using / stop_using"},
    {"sanitizer", "BUG: KFENCE: use-after-free read in uio_read+0x1c/0x90"},
    {"ubsan", "UBSAN: array-index-out-of-bounds in fs/revoke.c:12:3"},
    {"lockdep", "WARNING: possible circular locking dependency detected"},
    {"lockdep", "WARNING: possible recursive locking detected"},
    {"lockdep", "WARNING: possible irq lock inversion dependency detected"},
    {"lockdep", "WARNING: inconsistent lock state"},
    {"lockdep", "WARNING: bad unlock balance detected!"},
    {"lockdep", "WARNING: held lock freed!"},
    {"lockdep", "WARNING: lock held when returning to user space!"},
    {"lockdep", "INFO: trying to register non-static key."},
    {"lockdep", "INFO: lockdep is turned off."},
    {"lockdep", "DEBUG_LOCKS_WARN_ON(lock->magic != lock)"},
    {"lockdep", "turning off the locking correctness validator."},
    {"rcu", "WARNING: suspicious RCU usage"},
    {"rcu-stall", "rcu: INFO: rcu_preempt self-detected stall on CPU"},
    {"rcu-stall", "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:"},
    {"rcu-stall", "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-... }"},
    {"atomic-sleep", "BUG: sleeping function called from invalid context at mm/util.c:42"},
    {"atomic-sleep", "BUG: scheduling while atomic: test/123/0x00000002"},
    {"hung-task", "INFO: task revoke_test:77 blocked for more than 10 seconds."},
    {"lockup", "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [test:66]"},
    {"lockup", "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 43s!"},
    {"memory-leak", "unreferenced object 0xffff888003a5b000 (size 64):"},
    {"memory-leak", "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)"},
    {"list", "list_del corruption. prev->next should be ffff888, but was dead000"},
    {"list", "list_add corruption. next->prev should be prev"},
    {"refcount", "refcount_t: underflow; use-after-free."},
    {"odebug", "ODEBUG: free active (active state 0) object: ffff8880 object type: timer_list"},
    {"slab",
     "BUG kmalloc-64 (Not tainted): Objects remaining in kmalloc-64 on __kmem_cache_shutdown()"},
    {"slab", "BUG kmalloc-64 (Not tainted): Poison overwritten"},
    {"page-state", "BUG: Bad page state in process test  pfn:01234"},
    {"page-state", "BUG: Bad rss-counter state mm:ffff8880 type:MM_FILEPAGES val:1"},
    {"page-table", "mm/memory.c:190: bad pgd 00000000a1b2c3d4(0000000000000064)"},
    {"page-table", "mm/pgtable-generic.c:50: bad pmd 00000000a1b2c3d4(8000000012345867)"},
    {"memory-type", "x86/PAT: uio_test:72 freeing invalid memtype [mem 0xfea00000-0xfea00fff]"},
    {"memory-type",
     "x86/PAT: kworker/u8:1:72 conflicting memory types fea00000-fea01000 "
     "write-combining<->uncached-minus"},
    {"sysfs", "sysfs: cannot create duplicate filename '/class/uio/uio0'"},
    {"kobject",
     "kobject: 'x' (ffff8880): tried to init an initialized object, something is seriously wrong."},
    {"kobject", "Device 'x' does not have a release() function, it is broken and must be fixed."},
    {"stack", "kernel stack-protector: stack is corrupted in: f"},
    {"stack", "Thread overran stack, or stack corrupted"},
    {"irq", "irq 16: nobody cared (try booting with the \"irqpoll\" option)"},
    {"oom", "Out of memory: Killed process 12 (test) total-vm:1kB"},
    {"oom", "test invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0"},
    {"oom", "test: page allocation failure: order:9, mode:0x40cc0(GFP_KERNEL|__GFP_COMP)"},
    {"kernel-bug", "kernel BUG at fs/revoke.c:99!"},
    {"bad-access", "BUG: unable to handle page fault for address: ffffc90000000000"},
    {"bad-access",
     "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008"},
    {"bad-access",
     "Oops: general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP"},
    {"bad-access", "traps: PANIC: double fault, error_code: 0x0"},
    {"oops", "Oops: 0002 [#1] PREEMPT SMP KASAN"},
    {"oops", "Internal error: BUG: 0000000096000004 [#1] SMP"},
    {"bug", "BUG: spinlock bad magic on CPU#0, test/1"},
    {"warning", "WARNING: CPU: 0 PID: 66 at fs/revoke.c:10 revoke_it+0x3/0x10"},
    {"warning", "WARNING: fs/revoke.c:10 at revoke_it+0x3/0x10, CPU#0: test/66"},
    {"cut-here", "------------[ cut here ]------------"},
    {"trace", "Call Trace:"},
    {"trace", " Call trace:"},
    {"end-trace", "---[ end trace 0000000000000000 ]---"},
};

TEST(SplatTable, FindsEachExampleAlone) {
  for (const Example& example : kSplats) {
    EXPECT_THAT(Kinds(example.line), ElementsAre(example.kind)) << example.line;
  }
}

TEST(SplatTable, EveryRowCompilesAndIsFirstForSomeExample) {
  std::vector<bool> first_for(Patterns().size(), false);
  for (const Example& example : kSplats) {
    for (std::size_t row = 0; row < Patterns().size(); ++row) {
      std::string error;
      const std::optional<Regex> regex = Regex::Compile(Patterns()[row].regex, &error);
      ASSERT_TRUE(regex) << Patterns()[row].regex << ": " << error;
      if (regex->Matches(example.line)) {
        first_for[row] = true;
        break;
      }
    }
  }
  for (std::size_t row = 0; row < Patterns().size(); ++row) {
    EXPECT_TRUE(first_for[row]) << Patterns()[row].regex << " is never the first to match";
  }
}

TEST(SplatTable, PassesOverWhatIsNoSplat) {
  for (const char* line : {
           "Linux version 7.3.4 (gcc 12.2.0)",
           "kasan: KernelAddressSanitizer initialized (generic)",
           "kfence: initialized - using 2097152 bytes for 255 objects",
           "kmemleak: Kernel memory leak detector initialized (mem pool available: 15679)",
           "rcu: Preemptible hierarchical RCU implementation.",
           "DEBUG: nothing",
           "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT  ",
           "Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
           "traps: test[12] general protection fault ip:401000 sp:7ffc error:0 in test",
           "test[66]: segfault at 0 ip 0000000000401136 sp 00007ffc error 6",
           "Kernel command line: panic_on_warn=1 oops=panic hung_task_panic=1",
           "ok 1 Warning.IsPrinted",
           "Warning: unable to open an initial console.",
           "",
       }) {
    EXPECT_THAT(Kinds(line), IsEmpty()) << line;
  }
}

TEST(StripLogPrefix, RemovesWhatIsNotTheMessage) {
  EXPECT_EQ(StripLogPrefix("[    1.234567] text"), "text");
  EXPECT_EQ(StripLogPrefix("<4>[12345.678901] text\r\n"), "text");
  EXPECT_EQ(StripLogPrefix("[    1.234567][   T66] text"), "text");
  EXPECT_EQ(StripLogPrefix("[    1.234567][    C1]  indented"), " indented");
  EXPECT_EQ(StripLogPrefix("\x1b[0;32mtext\x1b[0m"), "text");
  EXPECT_EQ(StripLogPrefix(std::string("a\0b", 3)), "a b");
  EXPECT_EQ(StripLogPrefix("[text] stays"), "[text] stays");
  EXPECT_EQ(StripLogPrefix("[ ] stays"), "[ ] stays");
  EXPECT_EQ(StripLogPrefix("<a> stays"), "<a> stays");
  EXPECT_EQ(StripLogPrefix("  stays"), "  stays");
  EXPECT_EQ(StripLogPrefix("[1.2"), "[1.2");
  EXPECT_EQ(StripLogPrefix(""), "");
}

constexpr const char* kWarning =
    "[    1.000000] before\n"
    "[    1.000001] ------------[ cut here ]------------\n"
    "[    1.000002] refusing to revoke a pipe\n"
    "[    1.000003] WARNING: fs/revoke.c:10 at make_revokable+0x3/0x10, CPU#0: test/66\n"
    "[    1.000004] Modules linked in:\n"
    "[    1.000005] Call Trace:\n"
    "[    1.000006]  <TASK>\n"
    "[    1.000007] ---[ end trace 0000000000000000 ]---\n"
    "[    1.000008] after\n";

TEST(Scan, WholeSplatIsOneFinding) {
  const std::vector<Finding> findings = Scan(kWarning, {});
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].line, 4U);
  EXPECT_EQ(findings[0].kind, "warning");
  EXPECT_EQ(findings[0].text, "WARNING: fs/revoke.c:10 at make_revokable+0x3/0x10, CPU#0: test/66");
  EXPECT_TRUE(findings[0].denied());
  EXPECT_EQ(CountDenied(findings), 1U);
}

TEST(Scan, AllowedSplatIsExcusedWhole) {
  const AllowList allow = Allow("^WARNING: .* make_revokable\\+\tprovoked by the test\n");
  const std::vector<Finding> findings = Scan(kWarning, allow);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_THAT(findings[0].reason, Optional(std::string("provoked by the test")));
  EXPECT_EQ(CountDenied(findings), 0U);
}

TEST(Scan, SecondSplatInsideAnAllowedOneIsFound) {
  const std::string log = std::string("WARNING: known\nCall Trace:\nBUG: other\nCall Trace:\n");
  EXPECT_THAT(Kinds(log, Allow("known\treason\n")), ElementsAre("excused warning", "bug"));
}

TEST(Scan, FramesAfterAnAllowedSplatAreNotItsOwn) {
  const AllowList allow = Allow("make_revokable\treason\n");
  EXPECT_THAT(Kinds(std::string(kWarning) + "Call Trace:\n", allow),
              ElementsAre("excused warning", "trace"));
  // Without an end, its reach is limited.
  std::string log = "WARNING: make_revokable\n";
  for (int i = 0; i < 200; ++i) log += "line\n";
  EXPECT_THAT(Kinds(log + "Call Trace:\n", allow), ElementsAre("excused warning", "trace"));
}

TEST(Scan, CutHereNeedsItsHeadlineSoon) {
  std::string log = "------------[ cut here ]------------\n";
  for (int i = 0; i < 20; ++i) log += "line\n";
  EXPECT_THAT(Kinds(log + "WARNING: known\n", Allow("known\treason\n")),
              ElementsAre("cut-here", "excused warning"));
  // And an allowed splat does not swallow the beginning of the next.
  EXPECT_THAT(
      Kinds("WARNING: known\n------------[ cut here ]------------\n", Allow("known\treason\n")),
      ElementsAre("excused warning", "cut-here"));
}

TEST(Scan, LoneFramesAreFindings) {
  EXPECT_THAT(Kinds("Call Trace:\n f+0x1/0x2\n"), ElementsAre("trace"));
  EXPECT_THAT(Kinds("------------[ cut here ]------------\nCall Trace:\n---[ end trace 0 ]---\n"),
              ElementsAre("cut-here"));
}

TEST(Scan, LogWithoutLastNewline) { EXPECT_THAT(Kinds("a\nBUG: x"), ElementsAre("bug")); }

TEST(Scanner, IsAsNewAfterFinish) {
  const AllowList allow;
  Scanner scanner(allow);
  scanner.Feed("BUG: x");
  EXPECT_EQ(scanner.Finish().size(), 1U);
  scanner.Feed("Call Trace:");
  const std::vector<Finding> findings = scanner.Finish();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].line, 1U);
  EXPECT_THAT(scanner.Finish(), IsEmpty());
}

TEST(AllowList, FirstMatchingEntryGivesTheReason) {
  const AllowList list = Allow("# comment\n\nBUG: x\tfirst\r\nBUG:\t \tsecond\n");
  ASSERT_EQ(list.entries().size(), 2U);
  EXPECT_EQ(list.entries()[1].line, 4);
  EXPECT_EQ(list.Match("BUG: x")->reason, "first");
  EXPECT_EQ(list.Match("BUG: y")->reason, "second");
  EXPECT_EQ(list.Match("WARNING: x"), nullptr);
}

TEST(AllowList, RejectsBadEntries) {
  const std::string bad[][2] = {
      {"BUG: x", "without a reason"},        {"BUG: x\t", "without a reason"},
      {"BUG: x\t  ", "without a reason"},    {"BUG: x reason", "without a reason"},
      {"\treason", "without an expression"}, {"(BUG\treason", "bad POSIX extended"},
      {".*\treason", "matches every line"},  {"x*\treason", "matches every line"},
  };
  for (const auto& [entry, what] : bad) {
    std::string error;
    EXPECT_FALSE(AllowList::Parse("# comment\n" + entry + "\n", "list", &error)) << entry;
    EXPECT_THAT(error, testing::StartsWith("list:2: "));
    EXPECT_THAT(error, HasSubstr(what));
  }
}

TEST(AllowList, LoadsFile) {
  const TempDir dir;
  std::ofstream(dir / "list") << "BUG: x\treason\n";
  std::ofstream(dir / "empty") << "";
  std::string error;
  const std::optional<AllowList> list = AllowList::Load(dir / "list", &error);
  ASSERT_TRUE(list) << error;
  EXPECT_NE(list->Match("BUG: x"), nullptr);
  EXPECT_TRUE(AllowList::Load(dir / "empty", &error)) << error;
  EXPECT_FALSE(AllowList::Load(dir / "missing", &error));
  EXPECT_THAT(error, HasSubstr("cannot be read"));
  EXPECT_FALSE(AllowList::Load(dir.path(), &error));
}

}  // namespace
}  // namespace splat
