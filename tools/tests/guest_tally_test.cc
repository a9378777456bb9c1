// SPDX-License-Identifier: GPL-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "require_all.h"
#include "tally.h"

namespace guest {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// passed, failed, skipped
std::vector<int> Numbers(const Tally& tally) { return {tally.passed, tally.failed, tally.skipped}; }

TEST(Ktap, CountsAFlatFile) {
  const Tally tally = CountKtap(
      "KTAP version 1\n1..4\nok 1 A.a\nnot ok 2 A.b\n# x.cc:3: why\nok 3 A.c # SKIP no device\n"
      "ok 4 - A.d\n");
  EXPECT_THAT(Numbers(tally), ElementsAre(2, 1, 1));
  EXPECT_THAT(tally.failures, ElementsAre("A.b"));
}

constexpr char kNested[] =
    "[    1.0] noise before\n"
    "KTAP version 1\n"
    "1..2\n"
    "    KTAP version 1\n"
    "    # Subtest: revoke\n"
    "    1..2\n"
    "    ok 1 drain\n"
    "        KTAP version 1\n"
    "        # Subtest: race\n"
    "        1..2\n"
    "        ok 1 open\n"
    "        ok 2 close\n"
    "    ok 2 race\n"
    "ok 1 revoke\n"
    "    KTAP version 1\n"
    "    1..1\n"
    "    not ok 1 zap\n"
    "not ok 2 revoke_mm\n";

TEST(Ktap, CountsLeavesOnly) {
  const Tally tally = CountKtap(kNested);
  EXPECT_THAT(Numbers(tally), ElementsAre(3, 1, 0));
  EXPECT_THAT(tally.failures, ElementsAre("zap"));
}

TEST(Ktap, AGroupThatFailedByItselfCounts) {
  const Tally tally =
      CountKtap("KTAP version 1\n1..1\n    KTAP version 1\n    1..1\n    ok 1 a\nnot ok 1 group\n");
  EXPECT_THAT(Numbers(tally), ElementsAre(1, 1, 0));
  EXPECT_THAT(tally.failures, ElementsAre("group (as a whole)"));
}

// All green, with what KUnit prints: no plan for the parameters of a test, but their count.
constexpr char kGreen[] =
    "KTAP version 1\n"
    "1..2\n"
    "    KTAP version 1\n"
    "    # Subtest: revoke\n"
    "    1..3\n"
    "    ok 1 drain\n"
    "        KTAP version 1\n"
    "        # Subtest: method\n"
    "        ok 1 read\n"
    "        ok 2 write\n"
    "    # method: pass:2 fail:0 skip:0 total:2\n"
    "    ok 2 method\n"
    "        KTAP version 1\n"
    "        # Subtest: race\n"
    "        1..2\n"
    "        ok 1 open\n"
    "        ok 2 close\n"
    "    ok 3 race\n"
    "# Totals: pass:5 fail:0 skip:0 total:5\n"
    "ok 1 revoke\n"
    "ok 2 revoke_mm\n";

std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> lines;
  for (size_t end; (end = text.find('\n')) != std::string_view::npos; text.remove_prefix(end + 1))
    lines.emplace_back(text.substr(0, end + 1));
  return lines;
}

// kGreen without its lines from `begin` to before `end`.
std::string Without(size_t begin, size_t end) {
  const std::vector<std::string> lines = Lines(kGreen);
  std::string text;
  for (size_t i = 0; i < lines.size(); i++)
    if (i < begin || i >= end) text += lines[i];
  return text;
}

TEST(Ktap, TheWholeIsGreen) { EXPECT_THAT(Numbers(CountKtap(kGreen)), ElementsAre(6, 0, 0)); }

TEST(Ktap, EveryTruncationFails) {
  const size_t lines = Lines(kGreen).size();
  for (size_t end = 0; end < lines; end++)
    EXPECT_GT(CountKtap(Without(end, lines)).failed, 0) << Without(end, lines);
}

TEST(Ktap, EveryLineThatCountsIsMissed) {
  const std::vector<std::string> lines = Lines(kGreen);
  for (size_t i = 0; i < lines.size(); i++) {
    const bool counts = lines[i].find("ok ") != std::string::npos ||
                        lines[i].find("1..") != std::string::npos ||
                        lines[i].find("# method: pass:") != std::string::npos;
    EXPECT_EQ(CountKtap(Without(i, i + 1)).failed > 0, counts) << lines[i];
  }
}

TEST(Ktap, AGroupCutShortFails) {
  const std::vector<std::string> lines = Lines(kGreen);
  for (size_t begin = 0; begin < lines.size(); begin++) {
    const size_t indent = lines[begin].find_first_not_of(' ');
    if (lines[begin].find("Subtest") == std::string::npos || indent == 0) continue;
    size_t end = begin;
    while (lines[end].find_first_not_of(' ') >= indent) end++;
    for (size_t cut = begin; cut + 1 < end; cut++)
      EXPECT_GT(CountKtap(Without(cut + 1, end)).failed, 0) << Without(cut + 1, end);
  }
}

TEST(Ktap, EachNumberIsTheNext) {
  for (const char* text :
       {"1..2\nok 1 a\nok 1 a\n", "1..2\nok 1 a\nok 3 b\n", "1..2\nok 2 b\nok 1 a\n",
        "1..1\nok 0 a\n", "1..1\nok 1x a\n", "1..1\n    1..2\n    ok 1 a\n    ok 1 a\nok 1 g\n"})
    EXPECT_GT(CountKtap(text).failed, 0) << text;
}

TEST(Ktap, ASecondPlanFails) {
  for (const char* text : {"1..3\nok 1 a\n1..1\n", "1..1\nok 1 a\n1..1\n",
                           "1..1\n    1..2\n    ok 1 a\n    1..1\nok 1 g\n"})
    EXPECT_THAT(CountKtap(text).failures, Contains(HasSubstr("a second plan"))) << text;
}

TEST(Ktap, AGroupNeedsAPlanOrACount) {
  EXPECT_THAT(CountKtap("1..1\n    ok 1 a\nok 1 g\n").failures,
              ElementsAre(HasSubstr("g: neither a plan nor a count")));
  EXPECT_THAT(Numbers(CountKtap(
                  "1..1\n    ok 1 a\n    ok 2 b\n# g: pass:2 fail:0 skip:0 total:2\nok 1 g\n")),
              ElementsAre(2, 0, 0));
  EXPECT_GT(CountKtap("1..1\n    ok 1 a\n# g: pass:2 fail:0 skip:0 total:2\nok 1 g\n").failed, 0);
  // The count of one group is no count of the next.
  EXPECT_GT(CountKtap("1..1\n# g: pass:1 fail:0 skip:0 total:1\n    ok 1 a\nok 1 g\n").failed, 0);
}

TEST(Ktap, AnEmptyGroupFails) {
  EXPECT_THAT(CountKtap("1..2\n    1..0\nok 1 g\nok 2 h\n").failures,
              ElementsAre("g: nothing was run"));
  EXPECT_GT(CountKtap("1..1\n    KTAP version 1\nok 1 g\n").failed, 0);
}

TEST(Ktap, WhoBailsOutFails) {
  for (const char* text : {"1..1\nok 1 a\nBail out! no memory\n",
                           "1..1\n    1..1\n    ok 1 a\n    Bail out!\nok 1 g\n"})
    EXPECT_THAT(CountKtap(text).failures, ElementsAre(HasSubstr("Bail out!"))) << text;
}

TEST(Ktap, ALevelIsTwoBlanksToo) {
  const Tally tally = CountKtap(
      "1..2\n  1..2\n    1..1\n    ok 1 x\n  ok 1 x\n  not ok 2 y\n"
      "not ok 1 g\nok 2 h\n");
  EXPECT_THAT(Numbers(tally), ElementsAre(2, 1, 0));
  EXPECT_THAT(tally.failures, ElementsAre("y"));
  // Even where nothing announces it.
  EXPECT_GT(CountKtap("1..1\nok 1 x\n  not ok 2 y\n").failed, 0);
}

TEST(Ktap, ADirectiveIsReadHoweverItIsWritten) {
  for (const char* text :
       {"1..1\nok 1 a # skip why\n", "1..1\nok 1 a # Skip\n", "1..1\nok 1 # SKIP why\n",
        "1..1\nok 1 a #SKIP\n", "1..1\nok 1 a #1 # SKIP why\n", "1..0 # skip why\n",
        "1..0 # Skipped: why\n"})
    EXPECT_THAT(Numbers(CountKtap(text)), ElementsAre(0, 0, 1)) << text;
  EXPECT_THAT(Numbers(CountKtap("1..1\nok 1 a # took 3 s\n")), ElementsAre(1, 0, 0));
}

TEST(Ktap, MissingResultsFailOneByOne) {
  const Tally tally = CountKtap("KTAP version 1\n1..3\nok 1 a\n");
  EXPECT_THAT(Numbers(tally), ElementsAre(1, 2, 0));
  EXPECT_THAT(tally.failures, ElementsAre(HasSubstr("result 2 of 3 is missing"),
                                          HasSubstr("result 3 of 3 is missing")));
}

TEST(Ktap, MoreResultsThanAnnouncedFail) {
  EXPECT_THAT(CountKtap("1..1\nok 1 a\nok 2 b\n").failures,
              ElementsAre(HasSubstr("more results than announced")));
}

TEST(Ktap, ASkippedPlanIsASkip) {
  EXPECT_THAT(Numbers(CountKtap("KTAP version 1\n1..0 # SKIP no PCI\n")), ElementsAre(0, 0, 1));
}

TEST(Ktap, AnEmptyPlanIsAFailure) {
  EXPECT_THAT(CountKtap("KTAP version 1\n1..0\n").failures,
              ElementsAre(HasSubstr("nothing was run")));
}

TEST(Ktap, NothingIsAFailure) {
  for (const char* text : {"", "\n", "Segmentation fault\n", "KTAP version 1\n"})
    EXPECT_THAT(Numbers(CountKtap(text)), ElementsAre(0, 1, 0)) << text;
}

// What run_kselftest.sh prints: it quotes the output of a test.
constexpr char kQuoted[] =
    "TAP version 13\n"
    "1..2\n"
    "# timeout set to 1800\n"
    "# selftests: revoke_cc: a_test\n"
    "# KTAP version 1\n"
    "# 1..2\n"
    "# # 1..7\n"
    "# ok 1 A.a\n"
    "# ok 2 A.b # SKIP why\n"
    "# # Totals: pass:1 fail:0 xfail:0 xpass:0 skip:1 error:0\n"
    "ok 1 selftests: revoke_cc: a_test\n"
    "# ok 5 is what somebody says\n"
    "ok 2 selftests: revoke_cc: b_test\n"
    "# Totals: pass:2 fail:0 xfail:0 xpass:0 skip:0 error:0\n";

TEST(Ktap, WhatIsQuotedCounts) {
  const Tally tally = CountKtap(kQuoted);
  EXPECT_THAT(Numbers(tally), ElementsAre(2, 0, 1));
  EXPECT_THAT(tally.skips, ElementsAre("A.b"));
}

TEST(Ktap, WhatIsMissingInAQuoteFails) {
  for (const char* line : {"# 1..2\n", "# ok 1 A.a\n", "# ok 2 A.b # SKIP why\n"}) {
    std::string text = kQuoted;
    text.erase(text.find(line), std::string(line).size());
    EXPECT_GT(CountKtap(text).failed, 0) << text;
  }
}

TEST(Ktap, WhatFailsInAQuoteFails) {
  std::string text = kQuoted;
  text.replace(text.find("ok 1 A.a"), 2, "not ok");
  EXPECT_THAT(CountKtap(text).failures, ElementsAre("A.a"));
}

TEST(Ktap, ASkipIsNamedWithItsGroup) {
  EXPECT_THAT(CountKtap("1..2\nok 1 A.c # SKIP no device\nok 2 A.d\n").skips, ElementsAre("A.c"));
  EXPECT_THAT(CountKtap("1..2\n    1..2\n    ok 1 x\n        1..1\n        ok 1 fault page # SKIP\n"
                        "    ok 2 y\nok 1 g\n    1..1\n    ok 1 z # SKIP\nok 2 h\n")
                  .skips,
              ElementsAre("y.fault page", "h.z"));
  EXPECT_THAT(CountKtap("1..0 # SKIP\n").skips, ElementsAre("all"));
  EXPECT_THAT(CountKtap("1..1\n    1..0 # SKIP\nok 1 g\n").skips, ElementsAre("g.all"));
}

TEST(Ktap, AFailureHasItsReason) {
  const Tally tally = CountKtap(
      "1..4\n# a.cc:1: of a test that passed\nok 1 A.a\n# noise\n# b.cc:2: why\n#   x\nnot ok 2 A.b\n"
      "# c.cc:3: why\nnot ok 3 A.c\nok 4 A.d\n# d.cc:4: of nobody\n");
  EXPECT_THAT(tally.failures, ElementsAre("A.b", "A.c"));
  EXPECT_THAT(tally.reasons,
              ElementsAre(ElementsAre("b.cc:2: why", "  x"), ElementsAre("c.cc:3: why")));
}

TEST(Ktap, AReasonMayComeAfterTheLast) {
  EXPECT_THAT(CountKtap("1..1\nnot ok 1 guest\n# timed out\n").reasons,
              ElementsAre(ElementsAre("timed out")));
  // Where something came before, what follows belongs to somebody else.
  EXPECT_THAT(CountKtap("1..1\n# a.cc:1: why\nnot ok 1 a\n# b.cc:2: x\n").reasons,
              ElementsAre(ElementsAre("a.cc:1: why")));
  EXPECT_THAT(CountKtap("1..2\nnot ok 1 a\n# b.cc:2: of b\nok 2 b\n# Totals: pass:1\n").reasons,
              ElementsAre(IsEmpty()));
}

TEST(Ktap, KunitTellsTheReason) {
  EXPECT_THAT(
      CountKtap("1..1\n    KTAP version 1\n    1..1\n    # zap: EXPECTATION FAILED at a.c:7\n"
                "    Expected x == 1, but\n    not ok 1 zap\nnot ok 1 revoke\n")
          .reasons,
      ElementsAre(ElementsAre("zap: EXPECTATION FAILED at a.c:7", "Expected x == 1, but")));
}

TEST(Ktap, WhatWasPrintedLastExplainsWhatIsMissing) {
  EXPECT_THAT(CountKtap("1..2\n# a.cc:1: why\n").reasons,
              ElementsAre(ElementsAre("a.cc:1: why"), IsEmpty()));
}

constexpr char kJunit[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<testsuite name=\"x\"\n\ttests=\"3\"\n\tfailures=\"1\"\n\tdisabled=\"0\"\n\tskipped=\"1\"\n>\n"
    "\t<testcase name=\"good\" status=\"run\"/>\n"
    "\t<testcase name=\"bad\" status=\"fail\"><failure message=\"\"/></testcase>\n"
    "\t<testcase name=\"odd\" status=\"notrun\"><skipped message=\"\"/></testcase>\n"
    "</testsuite>\n";

TEST(Junit, CountsWhatCtestWrites) {
  const Tally tally = Count(kJunit);
  EXPECT_THAT(Numbers(tally), ElementsAre(1, 1, 1));
  EXPECT_THAT(tally.failures, ElementsAre("bad"));
}

TEST(Junit, AFailureHasItsReason) {
  EXPECT_THAT(
      CountJunit(
          "<testsuite tests=\"1\" failures=\"1\"><testcase name=\"a\"><failure message=\"Failed\"/>"
          "<system-out>noise\na.cc:1: Failure\n1 &lt; 2\n</system-out></testcase></testsuite>")
          .reasons,
      ElementsAre(ElementsAre("a.cc:1: Failure", "1 < 2")));
  EXPECT_THAT(
      CountJunit(
          "<testsuite tests=\"1\" failures=\"1\"><testcase name=\"a\"><failure>b.c:2</failure>"
          "</testcase></testsuite>")
          .reasons,
      ElementsAre(ElementsAre("b.c:2")));
}

TEST(Junit, NamesWhatIsSkipped) {
  EXPECT_THAT(Count(kJunit).skips, ElementsAre("odd"));
  EXPECT_THAT(CountJunit("<testsuite tests=\"3\" skipped=\"1\" disabled=\"1\">"
                         "<testcase name=\"a\" status=\"disabled\"/><testcase name=\"b\"/>"
                         "<testcase name=\"c\"/></testsuite>")
                  .skips,
              ElementsAre("a", HasSubstr("does not name")));
}

TEST(Junit, EachThatIsCountedIsThere) {
  EXPECT_GT(CountJunit("<testsuite tests=\"2\"><testcase name=\"a\"/></testsuite>").failed, 0);
}

TEST(Junit, NoTestsAreAFailure) {
  EXPECT_THAT(CountJunit("<testsuite name=\"x\" tests=\"0\"></testsuite>").failures,
              ElementsAre("nothing was run"));
}

TEST(Junit, ACutFileFails) {
  const std::string whole = kJunit;
  EXPECT_THAT(Numbers(CountJunit(whole.substr(0, whole.find("</testsuite")))),
              ElementsAre(0, 1, 0));
  EXPECT_THAT(Numbers(CountJunit("")), ElementsAre(0, 1, 0));
}

TEST(Count, AMissingFileFails) {
  const Tally tally = Count(std::nullopt);
  EXPECT_THAT(Numbers(tally), ElementsAre(0, 1, 0));
}

TEST(Count, AGoodFileHasNoFailures) {
  EXPECT_THAT(Count("KTAP version 1\n1..1\nok 1 a\n").failures, IsEmpty());
}

revoke_test::SkipTable Table(const std::string& text) {
  std::string error;
  return revoke_test::SkipTable::Parse(text, "table", &error).value();
}

TEST(RequireAll, ASkipThatIsNotListedFails) {
  Tally tally = CountKtap("1..2\nok 1 A.c # SKIP no device\nok 2 A.d\n");
  RequireAll("s", Table("A.d\twhy\n"), &tally);
  EXPECT_THAT(Numbers(tally), ElementsAre(1, 1, 0));
  EXPECT_THAT(tally.failures, ElementsAre(AllOf(HasSubstr("A.c"), HasSubstr("skipped"))));
}

TEST(RequireAll, ASkipThatIsListedIsASkip) {
  Tally tally = CountKtap("1..2\nok 1 A.c # SKIP no device\nok 2 A.d\n");
  RequireAll("s", Table("A.c\twhy\n"), &tally);
  EXPECT_THAT(Numbers(tally), ElementsAre(1, 0, 1));
}

TEST(RequireAll, ANameWithoutAGroupHasItsLabel) {
  for (const char* listed : {"uml/revoke.odd\twhy\n", "odd.uml\twhy\n"}) {
    Tally tally = CountJunit(kJunit);
    RequireAll("uml/revoke", Table(listed), &tally);
    EXPECT_EQ(tally.skipped, std::string(listed).starts_with("uml") ? 1 : 0);
  }
  EXPECT_EQ(SkipName("uml/revoke", "fault page"), "uml/revoke.fault_page");
  EXPECT_EQ(SkipName("uml/revoke", "A.c/x"), "A.c/x");
}

TEST(RequireAll, WhatWasNotSkippedStays) {
  Tally tally = CountKtap(kNested);
  RequireAll("s", {}, &tally);
  EXPECT_THAT(Numbers(tally), ElementsAre(3, 1, 0));
}

}  // namespace
}  // namespace guest
