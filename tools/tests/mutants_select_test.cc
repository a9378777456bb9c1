// SPDX-License-Identifier: GPL-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "select.h"

namespace mutants {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr char kPatch[] =
    "diff --git a/include/linux/revoke_mutant.h b/include/linux/revoke_mutant.h\n"
    "+++ b/include/linux/revoke_mutant.h\n"
    "+	M(none,			\"nothing: the control run\") \\\n"
    "+	M(kick_nobody, \"Sleepers are not kicked\") \\\n"
    "+	M(zap_once, \"No second zap\")\n"
    "+#define revoke_mutant(name)						\\\n"
    "diff --git a/fs/revoke.c b/fs/revoke.c\n"
    "--- a/fs/revoke.c\n"
    "+++ b/fs/revoke.c\n"
    "+	if (revoke_mutant(kick_nobody))\n"
    "-	if (revoke_mutant(gone))\n"
    "+	if (a || revoke_mutant(zap_once) || revoke_mutant(kick_nobody))\n"
    "+++ b/mm/revoke.c\n"
    "+	if (revoke_mutant(zap_once))\n";

TEST(Switches, AreInTheListAndInFiles) {
  EXPECT_THAT(SwitchProblems(kPatch), IsEmpty());
  EXPECT_THAT(ParseSwitches(kPatch).files,
              ElementsAre(Pair("kick_nobody", ElementsAre("fs/revoke.c")),
                          Pair("zap_once", ElementsAre("fs/revoke.c", "mm/revoke.c"))));
  EXPECT_THAT(ParseSwitches(kPatch).Names(), ElementsAre("kick_nobody", "zap_once"));
}

TEST(Switches, MustBeListedAndUsed) {
  EXPECT_THAT(SwitchProblems("+	M(a, \"x\")\n+++ b/f.c\n+ if (revoke_mutant(b))\n"),
              ElementsAre(HasSubstr("a: nothing asks for it"), HasSubstr("b: is not in the list")));
  EXPECT_THAT(SwitchProblems(""), ElementsAre(HasSubstr("no mutant")));
}

TEST(DayOf, TakesDatesOnly) {
  EXPECT_EQ(DayOf("1970-01-11"), 10);
  EXPECT_EQ(*DayOf("2026-03-01") - *DayOf("2026-02-28"), 1);
  for (const char* bad : {"", "2026", "2026-02-30", "2026-2-3", "2026-02-03x", "26-02-03",
                          "2026/02/03", "2026-02-0x"}) {
    EXPECT_FALSE(DayOf(bad)) << bad;
  }
}

TEST(InTenth, TheTurnOfEachComesOnceInTenDays) {
  for (int mutant = 0; mutant < 200; mutant++) {
    int turns = 0;
    for (int day = 20000; day < 20010; day++) {
      turns += InTenth("mutant" + std::to_string(mutant), day) ? 1 : 0;
    }
    EXPECT_EQ(turns, 1);
  }
}

TEST(InTenth, AboutATenthADay) {
  for (int day = 20000; day < 20010; day++) {
    int chosen = 0;
    for (int mutant = 0; mutant < 1000; mutant++)
      chosen += InTenth("mutant" + std::to_string(mutant), day) ? 1 : 0;
    EXPECT_GT(chosen, 60);
    EXPECT_LT(chosen, 150);
  }
}

TEST(Touched, ByTheKernelFileOrTheSuite) {
  const Switches switches = ParseSwitches(kPatch);
  const std::vector<Want> wants = {{"kick_nobody", Kind::kTest, "file_test", "A.B"},
                                   {"zap_once", Kind::kTest, "mapping_test", "A.C"}};
  EXPECT_THAT(Touched({"kernel-tree-overlay/mm/revoke.c"}, switches, wants, {}),
              ElementsAre("zap_once"));
  EXPECT_THAT(Touched({"kselftests/file_test.cc"}, switches, wants, {}),
              ElementsAre("kick_nobody"));
  EXPECT_THAT(Touched({"patches/0001-x.patch"}, switches, wants,
                      {{"patches/0001-x.patch", "--- a/fs/revoke.c\n+++ b/fs/revoke.c\n"}}),
              UnorderedElementsAre("kick_nobody", "zap_once"));
  EXPECT_THAT(Touched({"README.md", "kselftests/util/fd.cc"}, switches, wants, {}), IsEmpty());
}

}  // namespace
}  // namespace mutants
