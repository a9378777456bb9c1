// SPDX-License-Identifier: GPL-2.0

#include "skip_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <optional>
#include <string>

#include "temp_dir.h"

namespace revoke_test {
namespace {

using testing::HasSubstr;
using testing::Pointee;

TEST(SkipTable, FindsReasons) {
  std::string error;
  const std::optional<SkipTable> table =
      SkipTable::Parse("# comment\n\nA.B\tno hardware\nP/A.B/0\t\tother\n", "table", &error);
  ASSERT_TRUE(table) << error;
  EXPECT_THAT(table->ReasonFor("A.B"), Pointee(std::string("no hardware")));
  EXPECT_THAT(table->ReasonFor("P/A.B/0"), Pointee(std::string("other")));
  EXPECT_EQ(table->ReasonFor("A.C"), nullptr);
  EXPECT_THAT(table->ReasonFor("A.B/7"), Pointee(std::string("no hardware")));
  EXPECT_EQ(table->ReasonFor("P/A.B/1"), nullptr);
  EXPECT_EQ(table->ReasonFor("P/A.B"), nullptr);
  EXPECT_EQ(table->ReasonFor("A.Bc"), nullptr);
  EXPECT_EQ(SkipTable().ReasonFor("A.B"), nullptr);
}

TEST(SkipTable, RejectsBadEntries) {
  const std::string bad[][2] = {
      {"A.B\n", "without a reason"},          {"A.B \t \n", "without a reason"},
      {"A.B\t\n", "without a reason"},        {"AB\treason\n", "not the full name"},
      {"A.*\treason\n", "not the full name"}, {"A.B\tx\nA.B\ty\n", "listed twice"},
  };
  for (const auto& [text, what] : bad) {
    std::string error;
    EXPECT_FALSE(SkipTable::Parse("#\n" + text, "table", &error)) << text;
    EXPECT_THAT(error, HasSubstr(what));
    EXPECT_THAT(error, testing::StartsWith(what == "listed twice" ? "table:3: " : "table:2: "));
  }
}

TEST(SkipTable, LoadsFile) {
  const TempDir dir;
  std::ofstream(dir / "table") << "A.B\treason\n";
  std::string error;
  EXPECT_TRUE(SkipTable::Load(dir / "table", &error)) << error;
  EXPECT_FALSE(SkipTable::Load(dir / "missing", &error));
  EXPECT_THAT(error, HasSubstr("ENOENT"));
}

}  // namespace
}  // namespace revoke_test
