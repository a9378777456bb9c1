// SPDX-License-Identifier: GPL-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "table.h"

namespace scaling {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

TEST(Overlap, IsTheShareInWhichAllRan) {
  EXPECT_DOUBLE_EQ(Overlap({{0, 2}, {1, 4}}), 0.25);
  EXPECT_DOUBLE_EQ(Overlap({{1, 2}, {1, 2}}), 1);
}

TEST(Overlap, IsZeroForThoseWhoDidNotMeetOrDidNotRun) {
  EXPECT_EQ(Overlap({{0, 1}, {2, 3}}), 0);
  EXPECT_EQ(Overlap({{0, 0}, {0, 0}}), 0);
  EXPECT_EQ(Overlap({}), 0);
}

class ScalingTable : public testing::Test {
 protected:
  // Returns whether it is complete.
  bool Print() {
    std::ostringstream out;
    const bool complete = table_.Print(out);
    text_ = out.str();
    return complete;
  }

  Table table_{{"word", "slots"}, {"alone", "shared"}};
  std::string text_;
};

TEST_F(ScalingTable, HasTheMedianAndTheQuartiles) {
  for (const double ns : {9.0, 10.0, 100.0, 8.0, 12.0})
    table_.Add("word", "alone", {.ns = ns, .together = 1});
  table_.Add("word", "shared", {.ns = 50, .together = 1});
  EXPECT_TRUE(Print());
  EXPECT_THAT(text_,
              ContainsRegex("ns per call +alone +shared\nword +10.0 [+]-15 % +50.0 [+]- 0 %\n"));
}

TEST_F(ScalingTable, HasTheRowsThatRanInTheOrderGiven) {
  table_.Add("slots", "alone", {.ns = 1, .together = 1});
  Print();
  EXPECT_THAT(text_, AllOf(HasSubstr("slots"), Not(HasSubstr("word"))));
  table_.Add("word", "alone", {.ns = 1, .together = 1});
  Print();
  EXPECT_LT(text_.find("word"), text_.find("slots"));
}

TEST_F(ScalingTable, DoesNotCountThreadsThatDidNotRunSideBySide) {
  table_.Add("word", "shared", {.ns = 60, .together = 0.9});
  for (const double together : {0.5, 0.0})
    table_.Add("word", "shared", {.ns = 15, .together = together});
  Print();
  EXPECT_THAT(text_, HasSubstr("60.0 +- 0 %"));
}

TEST_F(ScalingTable, IsIncompleteIfNothingCountsInACell) {
  table_.Add("word", "alone", {.ns = 15, .together = 1});
  table_.Add("word", "shared", {.ns = 15, .together = 0.5});
  EXPECT_FALSE(Print());
  EXPECT_THAT(text_, ContainsRegex("15.0 .* [?]\n"));
}

TEST_F(ScalingTable, IsIncompleteIfACellWasNotMeasured) {
  table_.Add("word", "alone", {.ns = 15, .together = 1});
  EXPECT_FALSE(Print());
}

TEST_F(ScalingTable, IsIncompleteWithoutRows) { EXPECT_FALSE(Print()); }

}  // namespace
}  // namespace scaling
