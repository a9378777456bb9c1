// SPDX-License-Identifier: GPL-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reason.h"

namespace guest {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(FirstFailure, IsTheFirstThatNamesAPlace) {
  EXPECT_THAT(FirstFailure({"what the test printed", "kselftests/a_test.cc:12: Expected equality",
                            "  a", "    Which is: 1", "kselftests/a_test.cc:13: later"}),
              ElementsAre("kselftests/a_test.cc:12: Expected equality", "  a", "    Which is: 1"));
}

TEST(FirstFailure, IsKnownInEveryForm) {
  for (const char* line :
       {"a.cc:1: Failure", "drain: EXPECTATION FAILED at lib/test.c:12",
        "FAILED test_mail (exit 1)", "revoke_test.c:45:all:Expected 0 (0) == ret (-1)",
        "WARNING: CPU: 0 PID: 1 at fs/a.h:3 f"})
    EXPECT_THAT(FirstFailure({"before", line}), ElementsAre(line));
}

TEST(FirstFailure, NoPlaceIsNone) {
  for (const char* line : {"time 12:30", "a.cc: no line", "a.txt:3", "not FAILED at all"})
    EXPECT_THAT(FirstFailure({"before", line}), ElementsAre("before", line));
}

TEST(FirstFailure, EndsWithTheAssertion) {
  EXPECT_THAT(FirstFailure({"a.cc:1: Failure", "why", "", "more"}),
              ElementsAre("a.cc:1: Failure", "why"));
  EXPECT_THAT(FirstFailure({"a.cc:1: Failure", "[  FAILED  ] A.a", "more"}),
              ElementsAre("a.cc:1: Failure"));
}

TEST(FirstFailure, WithoutAnAssertionIsWhatCameLast) {
  std::vector<std::string> printed(20, "noise");
  printed.emplace_back("killed by signal 11");
  EXPECT_THAT(FirstFailure(printed), SizeIs(8));
  EXPECT_EQ(FirstFailure(printed).back(), "killed by signal 11");
  EXPECT_THAT(FirstFailure({}), IsEmpty());
}

TEST(FirstFailure, IsShort) {
  std::vector<std::string> printed(100, std::string(100'000, 'x'));
  printed.front() = "a.cc:1: Failure";
  EXPECT_THAT(FirstFailure(printed), SizeIs(8));
  EXPECT_LT(FirstFailure(printed).back().size(), 300U);
}

TEST(FirstFailure, TellsTheDeclaration) {
  EXPECT_THAT(FirstFailure({"a.cc:1: Failure", "a.cc:2: Failure", "baseline A.a declared=fails"}),
              ElementsAre("a.cc:1: Failure", "baseline A.a declared=fails"));
  EXPECT_THAT(FirstFailure({"baseline A.a declared=fails", "why"}),
              ElementsAre("baseline A.a declared=fails", "why"));
}

TEST(LinesOfXml, ReplacesEntities) {
  EXPECT_THAT(LinesOfXml("a &lt;b&gt; &amp;lt;\n&quot;c&apos;\n"),
              ElementsAre("a <b> &lt;", "\"c'"));
  EXPECT_THAT(LinesOfXml(""), IsEmpty());
}

}  // namespace
}  // namespace guest
