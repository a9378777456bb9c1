// SPDX-License-Identifier: GPL-2.0

#include "ktap.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "fd.h"
#include "ktap_listener.h"

namespace revoke_test {
namespace {

class KtapTest : public testing::Test {
 protected:
  KtapTest() : pipe_(Pipe(O_NONBLOCK)), ktap_(pipe_.write.get()) {}

  // What has been written since the last call.
  std::string Written() const {
    char buffer[4096];
    const ssize_t got = read(pipe_.read.get(), buffer, sizeof(buffer));
    return got > 0 ? std::string(buffer, static_cast<std::size_t>(got)) : "";
  }

  PipeEnds pipe_;
  KtapWriter ktap_;
};

Verdict Of(Outcome outcome, const std::string& reason = "") {
  return {.outcome = outcome, .skip_reason = reason, .notes = {}};
}

TEST_F(KtapTest, PrintsPlan) {
  ktap_.Plan(3);
  EXPECT_EQ(Written(), "KTAP version 1\n1..3\n");
}

TEST_F(KtapTest, PrintsEachResultAtOnce) {
  ktap_.Result("A.B", Of(Outcome::kPassed));
  EXPECT_EQ(Written(), "ok 1 A.B\n");
  ktap_.Result("A.C", Of(Outcome::kFailed));
  EXPECT_EQ(Written(), "not ok 2 A.C\n");
  ktap_.Result("A.D", Of(Outcome::kSkipped, "why"));
  EXPECT_EQ(Written(), "ok 3 A.D # SKIP why\n");
  ktap_.Result("A.E", Of(Outcome::kSkipped));
  EXPECT_EQ(Written(), "ok 4 A.E # SKIP no reason given\n");
  ktap_.PrintTotals();
  EXPECT_EQ(Written(), "# Totals: pass:1 fail:1 xfail:0 xpass:0 skip:2 error:0\n");
}

TEST_F(KtapTest, NotesComeBeforeTheResult) {
  ktap_.Result("A.B", {.outcome = Outcome::kFailed, .skip_reason = "", .notes = {"one", "two"}});
  EXPECT_EQ(Written(), "# one\n# two\nnot ok 1 A.B\n");
}

TEST_F(KtapTest, NothingBreaksALine) {
  ktap_.Result("A.B", Of(Outcome::kSkipped, "a\nok 9 # b"));
  EXPECT_EQ(Written(), "ok 1 A.B # SKIP a ok 9 \\# b\n");
  ktap_.Diagnostic("first\nok 9 second\n");
  EXPECT_EQ(Written(), "# first\n# ok 9 second\n");
  ktap_.Diagnostic("");
  EXPECT_EQ(Written(), "");
}

TEST_F(KtapTest, BailsOut) {
  ktap_.BailOut("no kernel");
  EXPECT_EQ(Written(), "Bail out! no kernel\n");
}

TEST_F(KtapTest, KnowsWhenNotAllWasWritten) {
  EXPECT_TRUE(ktap_.complete());
  ktap_.Plan(1);
  EXPECT_TRUE(ktap_.complete());
  KtapWriter broken(-1);
  broken.Plan(1);
  EXPECT_FALSE(broken.complete());
}

TEST(FailureText, NamesFileAndLine) {
  const testing::TestPartResult part(testing::TestPartResult::kNonFatalFailure, "file.cc", 12,
                                     "what went wrong");
  EXPECT_EQ(FailureText(part), "file.cc:12: what went wrong");
  const testing::TestPartResult nowhere(testing::TestPartResult::kFatalFailure, nullptr, -1,
                                        "text");
  EXPECT_EQ(FailureText(nowhere), "text");
}

}  // namespace
}  // namespace revoke_test
