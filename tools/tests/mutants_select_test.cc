// SPDX-License-Identifier: GPL-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "select.h"

namespace mutants {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

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

Want WantOf(int number) { return {"m", Kind::kTest, "s_test", "A.B" + std::to_string(number)}; }

TEST(DaysToTurn, TheTurnOfEachComesOnceInTenDays) {
  for (int number = 0; number < 200; number++) {
    int turns = 0;
    for (int day = 20000; day < 20010; day++) turns += DaysToTurn(WantOf(number), day) == 0 ? 1 : 0;
    EXPECT_EQ(turns, 1);
    const int left = DaysToTurn(WantOf(number), 20000);
    EXPECT_EQ(DaysToTurn(WantOf(number), 20000 + left), 0);
  }
}

TEST(DaysToTurn, AboutATenthADay) {
  for (int day = 20000; day < 20010; day++) {
    int chosen = 0;
    for (int number = 0; number < 1000; number++)
      chosen += DaysToTurn(WantOf(number), day) == 0 ? 1 : 0;
    EXPECT_GT(chosen, 60);
    EXPECT_LT(chosen, 150);
  }
}

TEST(Soonest, TakesThoseWhoseTurnComesFirst) {
  std::set<Want> wants;
  for (int number = 0; number < 100; number++) wants.insert(WantOf(number));
  const std::set<Want> chosen = Soonest(wants, 20000, 30);
  EXPECT_EQ(chosen.size(), 30U);
  int latest = 0;
  for (const Want& want : chosen) latest = std::max(latest, DaysToTurn(want, 20000));
  for (const Want& want : wants) {
    if (chosen.contains(want)) continue;
    EXPECT_GE(DaysToTurn(want, 20000), latest);
  }
  EXPECT_EQ(Soonest(wants, 20000, 200), wants);
}

TEST(Touched, ByTheKernelFileOrTheSuite) {
  const Switches switches = ParseSwitches(kPatch);
  const std::vector<Want> wants = {{"kick_nobody", Kind::kTest, "file_test", "A.B"},
                                   {"zap_once", Kind::kTest, "mapping_test", "A.C"}};
  EXPECT_THAT(Touched({"kernel-tree-overlay/mm/revoke.c"}, switches, wants, {}),
              ElementsAre(wants[1]));
  EXPECT_THAT(Touched({"kselftests/file_test.cc"}, switches, wants, {}), ElementsAre(wants[0]));
  EXPECT_THAT(Touched({"patches/0001-x.patch"}, switches, wants,
                      {{"patches/0001-x.patch", "--- a/fs/revoke.c\n+++ b/fs/revoke.c\n"}}),
              ElementsAre(wants[0], wants[1]));
  EXPECT_THAT(Touched({"README.md", "kselftests/util/fd.cc"}, switches, wants, {}), IsEmpty());
}

}  // namespace
}  // namespace mutants
