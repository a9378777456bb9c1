// SPDX-License-Identifier: GPL-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "files.h"
#include "sizes.h"
#include "table.h"

namespace bench {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::vector<Row> kRows = {
    {{Group::kCall, "read", "/dev/null"}, Figures{314, 0}, Figures{322.25, 1}},
    {{Group::kCall, "read", "test device"}, std::nullopt, Figures{1077, 0}},
    {{Group::kRemoval, "revokeat", "files", 10}, std::nullopt, Figures{1000, 0}},
    {{Group::kRemoval, "revokeat", "files", 100}, std::nullopt, Figures{10000, 0}},
};

std::string LineWith(const std::string& text, const std::string& part) {
  for (const std::string& line : Split(text, '\n'))
    if (line.find(part) != std::string::npos) return line;
  return "";
}

TEST(Text, HasBothKernelsAndTheDifference) {
  EXPECT_THAT(LineWith(ToText(kRows), "/dev/null"),
              AllOf(HasSubstr("314 "), HasSubstr("322.25 "), HasSubstr("+8.25"),
                    HasSubstr("+2.6 %"), HasSubstr("0 1")));
}

TEST(Text, SaysThatTheBaseDoesNotKnowIt) {
  EXPECT_THAT(LineWith(ToText(kRows), "test device"), AllOf(HasSubstr(" - "), Not(HasSubstr("%"))));
}

TEST(Text, HasTheGrowth) {
  EXPECT_THAT(LineWith(ToText(kRows), "files: 100"), HasSubstr("1.00"));
  EXPECT_THAT(LineWith(ToText(kRows), "files: 10 "), Not(HasSubstr("1.00")));
}

TEST(Csv, LeavesEmptyWhatThereIsNot) {
  const std::string csv = ToCsv(kRows);
  EXPECT_EQ(LineWith(csv, "/dev/null"), "call,\"read\",\"/dev/null\",0,314,322.25,8.25,0,1,");
  EXPECT_EQ(LineWith(csv, "test device"), "call,\"read\",\"test device\",0,,1077,,,0,");
  EXPECT_EQ(LineWith(csv, ",100,"), "removal,\"revokeat\",\"files\",100,,10000,,,0,1.00");
}

TEST(Svg, HasADotForEachFigureOfInstructions) {
  const std::string svg = ToSvg(kRows);
  size_t dots = 0;
  for (size_t at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1))
    dots++;
  EXPECT_EQ(dots, 5U);
  EXPECT_THAT(svg, AllOf(HasSubstr("<svg"), HasSubstr("+8.25 (+2.6 %)"), HasSubstr("</svg>")));
}

// ---- sizes ----

constexpr char kBase[] =
    "ffffffff81000000 0000000000000010 T vfs_read\n"
    "ffffffff81000100 0000000000000020 t helper.isra.0\n"
    "ffffffff82000000 0000000000000004 d counter\n"
    "ffffffff83000000 T label_without_size\n";
constexpr char kPatched[] =
    "ffffffff81000000 0000000000000018 T vfs_read\n"
    "ffffffff81000100 0000000000000020 t helper.constprop.0\n"
    "ffffffff81000200 0000000000000100 T revoke_it\n"
    "ffffffff81000300 0000000000000400 t revoke_test_case\n"
    "ffffffff82000000 0000000000000008 d counter\n"
    "ffffffff82000100 0000000000000500 R kallsyms_names\n";
constexpr char kTests[] =
    "0000000000000000 0000000000000400 t revoke_test_case\n"
    "                 U revoke_it\n";

TEST(Sizes, AreWithoutTheTests) {
  const SizeReport report = CompareSizes(kBase, kPatched, {kTests});
  ASSERT_EQ(report.rows.size(), 2U);
  EXPECT_EQ(report.rows[0].base->median, 0x30);
  EXPECT_EQ(report.rows[0].patched->median, 0x138);
  EXPECT_EQ(report.rows[1].Difference(), 4);
}

TEST(Sizes, NameWhatHasGrown) {
  const SizeReport report = CompareSizes(kBase, kPatched, {kTests});
  EXPECT_THAT(report.text, AllOf(HasSubstr("+264 and 0 bytes"), HasSubstr("new revoke_it +256"),
                                 HasSubstr("vfs_read +8"), Not(HasSubstr("helper"))));
}

TEST(Sizes, NeedSymbols) { EXPECT_THROW(CompareSizes("", kPatched, {}), guest::Error); }

}  // namespace
}  // namespace bench
