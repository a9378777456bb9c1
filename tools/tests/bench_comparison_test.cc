// SPDX-License-Identifier: GPL-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "comparison.h"
#include "files.h"

namespace bench {
namespace {

using guest::Error;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Subject kRead{Group::kCall, "read", "/dev/null"};
const Subject kPoll{Group::kCall, "poll", "UIO"};

std::vector<std::vector<Result>> Repeats(const std::vector<double>& values) {
  std::vector<std::vector<Result>> repeats;
  for (const double value : values) repeats.push_back({{kRead, value}});
  return repeats;
}

TEST(Merge, TakesTheMedianAndTheSpread) {
  const std::vector<Row> rows = Merge(Repeats({314, 310, 330}), Repeats({322, 322, 322}));
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].base->median, 314);
  EXPECT_EQ(rows[0].base->spread, 20);
  EXPECT_EQ(rows[0].patched->spread, 0);
  EXPECT_EQ(rows[0].Difference(), 8);
}

TEST(Merge, KeepsWhatOneKernelAloneKnows) {
  const std::vector<Row> rows = Merge({{{kRead, 314}}}, {{{kPoll, 846}}});
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_FALSE(rows[0].base);
  EXPECT_FALSE(rows[1].patched);
  EXPECT_FALSE(rows[1].Difference());
}

TEST(Merge, NeedsEachRowInEachRepeat) {
  EXPECT_THROW(Merge({{{kRead, 1}}, {{kPoll, 1}}}, {{{kRead, 1}}}), Error);
  EXPECT_THROW(Merge({{{kRead, 1}}}, {{{kRead, 1}}, {}}), Error);
}

TEST(Merge, NeedsResultsOfBoth) {
  EXPECT_THROW(Merge({}, {{{kRead, 1}}}), Error);
  EXPECT_THROW(Merge({{{kRead, 1}}}, {}), Error);
  EXPECT_THROW(Merge({{{kRead, 1}}}, {{}}), Error);
}

std::vector<Row> Removals(double few, double many) {
  return {{{Group::kRemoval, "revokeat", "files", 1000}, std::nullopt, Figures{few, 0}},
          {{Group::kRemoval, "revokeat", "files", 10000}, std::nullopt, Figures{many, 0}}};
}

TEST(Growth, IsThePowerOfTheScale) {
  EXPECT_NEAR(*Growth(Removals(1e6, 1e7), 1), 1, 1e-9);
  EXPECT_NEAR(*Growth(Removals(1e6, 1e8), 1), 2, 1e-9);
  EXPECT_NEAR(*Growth(Removals(1e6, 1e6), 1), 0, 1e-9);
}

TEST(Growth, NeedsTheSameAtASmallerScale) {
  std::vector<Row> rows = Removals(1e6, 1e7);
  EXPECT_FALSE(Growth(rows, 0));
  rows[0].subject.file = "mappings";
  EXPECT_FALSE(Growth(rows, 1));
}

// ---- the reference ----

const std::vector<Expected> kReference = {{kRead, 322, 2}, {kPoll, 846, 2}};

std::vector<std::string> CheckValues(double read, double poll) {
  return Check({{kRead, read}, {kPoll, poll}}, kReference);
}

TEST(Check, IsGreenWithinTheTolerance) {
  EXPECT_THAT(CheckValues(322, 846), IsEmpty());
  EXPECT_THAT(CheckValues(324, 844), IsEmpty());
}

TEST(Check, IsRedWhenOneRowExceedsIt) {
  EXPECT_THAT(CheckValues(324.01, 846), ElementsAre(HasSubstr("read, /dev/null: 324.01, not 322")));
  EXPECT_THAT(CheckValues(322, 843.9), ElementsAre(HasSubstr("poll, UIO")));
  EXPECT_THAT(CheckValues(NAN, 846), ElementsAre(HasSubstr("read")));
}

TEST(Check, IsRedWhenARowIsMissing) {
  EXPECT_THAT(Check({{kRead, 322}}, kReference), ElementsAre(HasSubstr("poll, UIO: no result")));
}

TEST(Check, IsRedWithoutResults) { EXPECT_EQ(Check({}, kReference).size(), 2U); }

TEST(Check, IsRedWhenThereIsNoReferenceOfARow) {
  EXPECT_THAT(Check({{kRead, 322}, {kPoll, 846}}, {kReference[0]}),
              ElementsAre(HasSubstr("not in the reference")));
}

TEST(Check, CanGoByAControlRun) {
  const std::vector<Expected> expected = WithValuesOf({{kRead, 325}, {kPoll, 910}}, kReference);
  EXPECT_THAT(Check({{kRead, 325}, {kPoll, 910}}, expected), IsEmpty());
  EXPECT_THAT(Check({{kRead, 328}, {kPoll, 910}}, expected), ElementsAre(HasSubstr("not 325")));
  EXPECT_THROW(WithValuesOf({{kRead, 325}}, kReference), Error);
}

TEST(Reference, SurvivesTheFile) {
  const std::vector<Row> rows = Merge(Repeats({314}), Repeats({322}));
  const std::vector<Expected> reference = ParseReference(SerializeReference(rows), "f");
  ASSERT_EQ(reference.size(), 1U);
  EXPECT_EQ(reference[0].subject, kRead);
  EXPECT_EQ(reference[0].value, 322);
  EXPECT_EQ(reference[0].tolerance, 2);
}

TEST(Reference, NeedsRowsThatAreWellFormed) {
  EXPECT_THROW(ParseReference("", "f"), Error);
  EXPECT_THROW(ParseReference("# only a comment\n", "f"), Error);
  EXPECT_THROW(ParseReference("call\tread\t/dev/null\t0\t322\n", "f"), Error);
  EXPECT_THROW(ParseReference("call\tread\t/dev/null\t0\t322\t-1\n", "f"), Error);
  EXPECT_THROW(ParseReference("call\tread\t/dev/null\t0\tx\t2\n", "f"), Error);
}

TEST(Reference, ToleratesMoreWhereRepeatsDiffer) {
  EXPECT_EQ(DefaultTolerance(kRead, {322, 0}), 2);
  EXPECT_EQ(DefaultTolerance(kRead, {322, 5}), 15);
  EXPECT_EQ(DefaultTolerance(kRead, {100000, 0}), 500);
}

}  // namespace
}  // namespace bench
