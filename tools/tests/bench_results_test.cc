// SPDX-License-Identifier: GPL-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "files.h"
#include "footprint.h"
#include "results.h"

namespace bench {
namespace {

using guest::Error;
using testing::ElementsAre;

const std::vector<Result> kResults = {{{Group::kCall, "read", "/dev/null"}, 322},
                                      {{Group::kRemoval, "revokeat", "files", 1000}, 2900512.5},
                                      {{Group::kSize, "open file", "UIO"}, 256}};

TEST(Results, SurviveTheFile) { EXPECT_EQ(ParseResults(Serialize(kResults), "f"), kResults); }

TEST(Results, ThatWereCutShortAreNone) {
  const std::string text = Serialize(kResults);
  for (size_t length = 0; length + 1 < text.size(); length++)
    EXPECT_THROW(ParseResults(text.substr(0, length), "f"), Error) << text.substr(0, length);
}

TEST(Results, ThatAreEmptyAreNone) {
  EXPECT_THROW(ParseResults("", "f"), Error);
  EXPECT_THROW(ParseResults("# bench-guest 1\n# end 0\n", "f"), Error);
}

TEST(Results, OfTheSameTwiceAreNone) {
  EXPECT_THROW(ParseResults("# bench-guest 1\ncall\ta\tb\t0\t1\ncall\ta\tb\t0\t2\n# end 2\n", "f"),
               Error);
}

TEST(Results, NeedKnownGroupsAndNumbers) {
  EXPECT_THROW(ParseResults("# bench-guest 1\nx\ta\tb\t0\t1\n# end 1\n", "f"), Error);
  EXPECT_THROW(ParseResults("# bench-guest 1\ncall\ta\tb\t0\tx\n# end 1\n", "f"), Error);
  EXPECT_THROW(ParseResults("# bench-guest 1\ncall\ta\tb\t0\t\n# end 1\n", "f"), Error);
}

constexpr char kBefore[] =
    "slabinfo - version: 2.1\n"
    "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>\n"
    "filp                 100    120    192   21    1 : tunables    0    0    0\n"
    "kmalloc-64           500    512     64   64    1 : tunables    0    0    0\n"
    "kmalloc-8            500    512      8  512    1 : tunables    0    0    0\n";

std::string After(int files, int records) {
  return "filp " + std::to_string(100 + files) + " 9999 192 21 1\nkmalloc-64 " +
         std::to_string(500 + records) + " 9999 64 64 1\nkmalloc-8 530 9999 8 512 1\n";
}

TEST(Slabs, CountWhatEachHas) {
  EXPECT_EQ(BytesOfOne(kBefore, After(2000, 0), 2000), 192);
  EXPECT_EQ(BytesOfOne(kBefore, After(2030, 3990), 2000), 192 + 2 * 64);
}

TEST(Slabs, ThatDoNotGrowAreAnError) {
  EXPECT_THROW(BytesOfOne(kBefore, kBefore, 2000), Error);
  EXPECT_THROW(BytesOfOne("", "", 2000), Error);
}

}  // namespace
}  // namespace bench
