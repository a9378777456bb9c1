// SPDX-License-Identifier: GPL-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tally.h"

namespace guest {
namespace {

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

TEST(Ktap, EveryTruncationFails) {
  const std::string whole = kNested;
  for (size_t end = whole.find('\n'); end + 1 < whole.size(); end = whole.find('\n', end + 1))
    EXPECT_GT(CountKtap(whole.substr(0, end + 1)).failed, 0) << whole.substr(0, end + 1);
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
  EXPECT_THAT(CountKtap("KTAP version 1\n1..0\n").failures, ElementsAre("nothing was run"));
}

TEST(Ktap, NothingIsAFailure) {
  for (const char* text : {"", "\n", "Segmentation fault\n", "KTAP version 1\n"})
    EXPECT_THAT(Numbers(CountKtap(text)), ElementsAre(0, 1, 0)) << text;
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

}  // namespace
}  // namespace guest
