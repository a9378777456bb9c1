// SPDX-License-Identifier: GPL-2.0
//
// A driver in user space that others have written, DPDK's, loses its network card. Unless told
// otherwise it dies of SIGBUS; with --hot-plug it handles SIGBUS and goes on without the card.

#include "testpmd.h"

#include <chrono>
#include <csignal>
#include <string>

#include "baseline.h"
#include "errno_matchers.h"
#include "process.h"
#include "pullable_card.h"
#include "skip.h"
#include "sysfs.h"

namespace revoke_test {
namespace {

using testing::Gt;
using WhenItGoes = Testpmd::WhenItGoes;

constexpr std::chrono::milliseconds kWithinASecond{1'000};

class TestpmdTest : public testing::Test {
 protected:
  explicit TestpmdTest(Puller puller = Puller::kSysfs)
      : puller_(puller), card_(kE1000Card, puller) {}

  void SetUp() override {
    REVOKE_SKIP_IF(!Testpmd::IsInstalled(), "dpdk-testpmd is not installed (Debian: dpdk-dev)");
    const char* why_not = WhyNot(puller_);
    REVOKE_SKIP_IF(why_not != nullptr, why_not);
    ASSERT_TRUE(huge_pages_.valid());
    ASSERT_TRUE(card_.Find());
    ASSERT_NO_FATAL_FAILURE(Bind());
  }
  void TearDown() override {
    if (IsSkipped()) return;
    if (!card_.IsThere()) {
      ASSERT_TRUE(card_.PlugIn());
      return;
    }
    // DPDK has left it running: the next driver is not to be interrupted.
    EXPECT_THAT(WriteAttribute(card_.device().Attribute("reset"), "1"), SyscallSucceeds());
    EXPECT_THAT(card_.device().Unbind(), SyscallSucceeds());
  }

  PullableCard& card() { return card_; }

  // It leaves no interrupt behind, as nobody will take it.
  testing::AssertionResult Pull() {
    EXPECT_THAT(card_.device().SilenceIntx(), SyscallSucceeds());
    return card_.Pull();
  }

  void Bind() const { ASSERT_THAT(card_.device().Bind(), SyscallSucceeds()); }
  void PlugInAndBind() {
    ASSERT_TRUE(card_.PlugIn());
    ASSERT_NO_FATAL_FAILURE(Bind());
  }

 private:
  HugePages huge_pages_;
  Puller puller_;
  PullableCard card_;
};

class TestpmdPull : public TestpmdTest, public testing::WithParamInterface<Puller> {
 protected:
  TestpmdPull() : TestpmdTest(GetParam()) {}
};

INSTANTIATE_TEST_SUITE_P(, TestpmdPull, testing::Values(Puller::kSysfs, Puller::kEmulator),
                         [](const auto& info) { return std::string(Name(info.param)); });

REVOKE_TEST_P(TestpmdPull, DiesOfTheNextAccess, baseline::kFails) {
  {
    Testpmd testpmd(card().device(), WhenItGoes::kDie);
    ASSERT_TRUE(testpmd.Says(Testpmd::kPrompt));
    // While it sends, which it can do until its ring is full without an access.
    ASSERT_TRUE(Pull());
    baseline::FailsFromHere();
    testpmd.Type(Testpmd::kReadTheCard);
    ASSERT_THAT(testpmd.process().Wait(kWithinASecond), KilledBySignal(SIGBUS));
  }
  ASSERT_NO_FATAL_FAILURE(PlugInAndBind());
  Testpmd next(card().device(), WhenItGoes::kDie);
  EXPECT_TRUE(next.Says(Testpmd::kPrompt));
}

// It hears of the removal on the unpatched kernel, too, and lets go of the card; but until then it
// has the card.
REVOKE_TEST_F(TestpmdTest, GoesOnWithoutIt, baseline::kFails) {
  Testpmd testpmd(card().device(), WhenItGoes::kHandleIt);
  ASSERT_TRUE(testpmd.Says(Testpmd::kPrompt));
  // So that the card is gone before it hears of it.
  ASSERT_TRUE(testpmd.Stop());
  ASSERT_THAT(testpmd.PagesOfBar(), Gt(0));
  testpmd.Type(Testpmd::kReadTheCard);
  ASSERT_TRUE(Pull());
  baseline::FailsFromHere();
  ASSERT_EQ(testpmd.PagesOfBar(), 0);
  ASSERT_THAT(testpmd.GoOn(), SyscallSucceeds());
  ASSERT_TRUE(testpmd.Says("Successful remap resource", kWithinASecond));
  ASSERT_TRUE(testpmd.Says("Now total ports is 0"));
  ASSERT_NO_FATAL_FAILURE(PlugInAndBind());
  testpmd.Type("port attach " + card().device().address());
  ASSERT_TRUE(testpmd.Says("Now total ports is 1"));
  testpmd.Type("stop");
  testpmd.Type("port start all");
  ASSERT_TRUE(testpmd.Says("Done"));
  testpmd.Type("start");
  EXPECT_TRUE(testpmd.Says("Logical Core 1"));
}

}  // namespace
}  // namespace revoke_test
