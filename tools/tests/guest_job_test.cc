// SPDX-License-Identifier: GPL-2.0

#include <gtest/gtest.h>

#include "job.h"

namespace guest {
namespace {

Job Example() {
  return {.nonce = "n1",
          .argv = {"/bin/x", "", "a b", "back\\slash", "line\nbreak"},
          .env = {"A=1"},
          .sysctls = {"kernel.panic_on_warn=1"},
          .modules = {"/m/x.ko"},
          .shares = {{"share0", "/some/dir"}, {"share1", "/with:colon"}}};
}

TEST(Job, SurvivesTheRoundTrip) {
  std::string error;
  EXPECT_EQ(ParseJob(Serialize(Example()), &error), Example()) << error;
}

TEST(Job, EveryTruncationIsAnError) {
  const std::string whole = Serialize(Example());
  for (size_t size = 0; size < whole.size(); size++) {
    std::string error;
    EXPECT_FALSE(ParseJob(whole.substr(0, size), &error)) << size;
    EXPECT_NE(error, "") << size;
  }
}

TEST(Job, SaysWhatItDoesNotKnow) {
  std::string error;
  EXPECT_FALSE(ParseJob("nonce 1\narg x\ncolour red\nend\n", &error));
  EXPECT_EQ(error, "unknown field: colour red");
}

TEST(Job, NeedsAProgram) {
  std::string error;
  EXPECT_FALSE(ParseJob("nonce 1\nend\n", &error));
  EXPECT_EQ(error, "a job needs a nonce and a program");
}

class VerdictRoundTrip : public testing::TestWithParam<Verdict> {};

TEST_P(VerdictRoundTrip, Holds) {
  std::string error;
  EXPECT_EQ(ParseVerdict(Serialize(GetParam()), &error), GetParam()) << error;
}

INSTANTIATE_TEST_SUITE_P(
    All, VerdictRoundTrip,
    testing::Values(Verdict{.nonce = "a", .kind = Verdict::Kind::kExited, .value = 0},
                    Verdict{.nonce = "a", .kind = Verdict::Kind::kExited, .value = 255},
                    Verdict{.nonce = "a", .kind = Verdict::Kind::kKilled, .value = 7},
                    Verdict{.nonce = "a", .kind = Verdict::Kind::kError, .text = "why\nnot"}));

TEST(Verdict, GarbageIsAnError) {
  for (const char* text :
       {"", "end\n", "nonce a\nend\n", "nonce a\nexited\nend\n", "nonce a\nexited x\nend\n",
        "nonce a\nexited 0x\nend\n", "nonce a\nexited 0\n", "nonce a\nexited 0\nend\nmore\n",
        "exited 0\nnonce a\nend\n", "nonce a\nexited 0\nexited 0\nend\n"}) {
    std::string error;
    EXPECT_FALSE(ParseVerdict(text, &error)) << text;
    EXPECT_NE(error, "") << text;
  }
}

}  // namespace
}  // namespace guest
