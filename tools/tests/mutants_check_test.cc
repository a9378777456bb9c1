// SPDX-License-Identifier: GPL-2.0

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "commands.h"
#include "files.h"

namespace mutants {
namespace {

namespace fs = std::filesystem;

// A project with the KUnit test "a_test", the mutants "m" and "slow", and no suite.
class CheckTest : public testing::Test {
 protected:
  CheckTest() {
    for (const char* directory : {"kselftests", "kernel-tree-overlay/fs/tests", "tools/mutants"})
      fs::create_directories(project_.source / directory);
    guest::WriteFile(project_.source / "kernel-tree-overlay/fs/tests/toy_kunit.c",
                     "\tKUNIT_CASE(a_test),\n");
    guest::WriteFile(project_.SwitchesPatch(),
                     "+++ b/include/linux/revoke_mutant.h\n"
                     "+\tM(m, \"text\") \\\n"
                     "+\tM(slow, \"text\")\n"
                     "+++ b/fs/toy.c\n"
                     "+\tif (revoke_mutant(m) || revoke_mutant(slow))\n");
  }
  ~CheckTest() override { fs::remove_all(project_.source); }

  int Check(const std::string& kunit_rows, const std::vector<std::string>& elsewhere) const {
    guest::WriteFile(project_.KunitTable(), kunit_rows);
    return CheckEvidence(project_, elsewhere);
  }

 private:
  const Project project_{.source =
                             testing::TempDir() + "mutants_check_test." + std::to_string(getpid())};
};

TEST_F(CheckTest, IsGreenIfEachMutantIsNoticed) {
  EXPECT_EQ(Check("toy\ta_test\tKUnit\tm,slow\n", {}), 0);
  EXPECT_EQ(Check("toy\ta_test\tKUnit\tm\n", {"slow"}), 0);
}

TEST_F(CheckTest, IsRedIfNoTestIsKnownForAMutant) {
  EXPECT_EQ(Check("toy\ta_test\tKUnit\tm\n", {}), 1);
  EXPECT_EQ(Check("", {"slow"}), 1);
}

TEST_F(CheckTest, IsRedIfAMutantElsewhereIsNone) {
  EXPECT_EQ(Check("toy\ta_test\tKUnit\tm,slow\n", {"slow"}), 1);
  EXPECT_EQ(Check("toy\ta_test\tKUnit\tm,slow\n", {"gone"}), 1);
}

}  // namespace
}  // namespace mutants
