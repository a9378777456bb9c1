// SPDX-License-Identifier: GPL-2.0

#include "sigbus_probe.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>

#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "process.h"
#include "thread.h"

namespace revoke_test {
namespace {

using testing::HasSubstr;
using testing::Not;

// A file of one page, two of which are mapped: the second has nothing behind it, and touching it is
// a SIGBUS with BUS_ADRERR, just as the mapping of a revoked file.
class SigbusProbe : public testing::Test {
 protected:
  SigbusProbe()
      : file_(MemFd("test", static_cast<off_t>(PageSize()))),
        mapping_(file_.get(), 2 * PageSize()) {}
  void SetUp() override { ASSERT_THAT(mapping_, SyscallSucceeds()); }

  template <typename T = std::uint32_t>
  volatile T* Bad(std::size_t offset = 0) const {
    return mapping_.At<T>(PageSize() + offset);
  }

  FileDescriptor file_;
  Mapping mapping_;
};

TEST_F(SigbusProbe, ReadsValue) {
  *mapping_.At<std::uint32_t>(4) = 0xdeadbeef;
  EXPECT_THAT(Probe::Read(mapping_.At<std::uint32_t>(4)), ReadsValue(0xdeadbeefU));
  EXPECT_THAT(Probe::Read(mapping_.At<std::uint32_t>(4)), Not(ReadsValue(1U)));
  EXPECT_THAT(Probe::Read(mapping_.At<std::uint8_t>(4)), ReadsValue(0xefU));
  EXPECT_THAT(Probe::Read(mapping_.At<std::uint64_t>(0)), ReadsValue(0xdeadbeef00000000U));
  EXPECT_THAT(Probe::Read(mapping_.At()), Survives());
}

TEST_F(SigbusProbe, WritesValue) {
  EXPECT_THAT(Probe::Write(mapping_.At<std::uint16_t>(2), 0x1234), Survives());
  EXPECT_EQ(*mapping_.At<std::uint16_t>(2), 0x1234);
}

TEST_F(SigbusProbe, TellsSigbusAndAddress) {
  EXPECT_THAT(Probe::Read(Bad(12)), DiesOfSigbusAt(Bad(12)));
  EXPECT_THAT(Probe::Write(Bad<std::uint8_t>(9), 1), DiesOfSigbusAt(Bad<std::uint8_t>(9)));
  EXPECT_THAT(Probe::Read(Bad(12)), Not(DiesOfSigbusAt(Bad(16))));
  EXPECT_THAT(Probe::Read(Bad()), Not(Survives()));
  EXPECT_THAT(Probe::Read(Bad()), Not(ReadsValue(0U)));
  EXPECT_THAT(Probe::Read(mapping_.At()), Not(DiesOfSigbusAt(mapping_.At())));
}

TEST_F(SigbusProbe, TellsSigsegvAndCode) {
  const Mapping guard = Mapping::Anonymous(PageSize(), PROT_NONE);
  EXPECT_THAT(Probe::Read(guard.At()), DiesOfSigsegvAt(guard.At(), SEGV_ACCERR));
  EXPECT_THAT(Probe::Read(guard.At()), Not(DiesOfSigsegvAt(guard.At(), SEGV_MAPERR)));
  EXPECT_THAT(Probe::Read(guard.At()), Not(DiesOfSigbusAt(guard.At())));

  Mapping gone = Mapping::Anonymous(PageSize());
  volatile std::uint32_t* const address = gone.At();
  ASSERT_THAT(gone.Unmap(), SyscallSucceeds());
  EXPECT_THAT(Probe::Write(address, 1), DiesOfSigsegvAt(address, SEGV_MAPERR));
}

TEST_F(SigbusProbe, WorksAgainAndAgain) {
  for (int i = 0; i < 100; ++i) ASSERT_THAT(Probe::Read(Bad()), DiesOfSigbusAt(Bad()));
  // The handler was left without its return; the signal mask must not show it.
  sigset_t mask;
  ASSERT_EQ(sigprocmask(SIG_BLOCK, nullptr, &mask), 0);
  EXPECT_FALSE(sigismember(&mask, SIGBUS));
}

TEST_F(SigbusProbe, WorksInEveryThread) {
  const auto probe = [this] {
    for (int i = 0; i < 100; ++i) {
      TEST_CHECK(Probe::Read(Bad()).fault.has_value());
      TEST_CHECK(!Probe::Read(mapping_.At()).fault.has_value());
    }
  };
  const ScopedThread first(probe);
  const ScopedThread second(probe);
}

TEST_F(SigbusProbe, WorksInChildren) {
  ASSERT_THAT(Probe::Read(mapping_.At()), Survives());  // installed before the fork
  EXPECT_THAT(InChild([this] { TEST_CHECK(Probe::Read(Bad()).fault->signo == SIGBUS); }),
              Exited(0));
}

TEST_F(SigbusProbe, ChildrenJudgeAsTheMatcherDoes) {
  EXPECT_TRUE(DiesOfSigbus(Bad()));
  EXPECT_FALSE(DiesOfSigbus(mapping_.At()));
  const Mapping guard = Mapping::Anonymous(PageSize(), PROT_NONE);
  EXPECT_FALSE(DiesOfSigbus(guard.At()));
  const Fault fault = {
      .signo = SIGBUS, .code = BUS_ADRERR, .addr = const_cast<const std::uint32_t*>(Bad())};
  EXPECT_TRUE(IsSigbusAt(fault, Bad()));
  EXPECT_FALSE(IsSigbusAt(std::nullopt, Bad()));
  EXPECT_FALSE(IsSigbusAt(fault, Bad() + 1));
  EXPECT_FALSE(IsSigbusAt(Fault{.signo = SIGBUS, .code = BUS_OBJERR, .addr = fault.addr}, Bad()));
  EXPECT_FALSE(IsSigbusAt(Fault{.signo = SIGSEGV, .code = fault.code, .addr = fault.addr}, Bad()));
}

TEST_F(SigbusProbe, StopsAtTheFault) {
  volatile int reached = 0;
  const ProbeResult<void> result = Probe::Run([&] {
    reached = 1;
    *Bad() = 1;
    reached = 2;
  });
  EXPECT_THAT(result, DiesOfSigbusAt(Bad()));
  EXPECT_EQ(reached, 1);
}

TEST_F(SigbusProbe, SurvivesFaultOnItsOwnStack) {
  // Runs the thread's stack into its guard: only an alternate stack can take that signal.
  ScopedThread thread([] {
    struct Recursion {
      // NOLINTNEXTLINE(misc-no-recursion): on purpose
      static int Deeper(volatile char* outer, int depth) {
        if (depth == 0) return *outer;
        volatile char frame[4096];
        frame[0] = *outer;
        return Deeper(frame, depth - 1) + frame[0];
      }
    };
    volatile char start = 0;
    volatile int sink = 0;
    const ProbeResult<void> result = Probe::Run([&] { sink = Recursion::Deeper(&start, 1 << 20); });
    TEST_CHECK(result.fault.has_value() && result.fault->signo == SIGSEGV);
  });
}

TEST_F(SigbusProbe, FaultOutsideOfAProbeKills) {
  EXPECT_THAT(InChild([this] {
                static_cast<void>(Probe::Read(mapping_.At()));
                *Bad() = 1;
              }),
              KilledBySignal(SIGBUS));
}

TEST_F(SigbusProbe, SentSignalKills) {
  EXPECT_THAT(InChild([this] {
                static_cast<void>(Probe::Read(mapping_.At()));
                static_cast<void>(Probe::Run([] { raise(SIGBUS); }));
              }),
              KilledBySignal(SIGBUS));
}

TEST_F(SigbusProbe, ProbesDoNotNest) {
  EXPECT_THAT(InChild([] {
                close(STDERR_FILENO);
                static_cast<void>(Probe::Run([] { static_cast<void>(Probe::Run([] {})); }));
              }),
              Exited(kCheckFailedExit));
}

TEST(Fault, PrintsNames) {
  EXPECT_EQ(
      FaultText({.signo = SIGBUS, .code = BUS_ADRERR, .addr = reinterpret_cast<void*>(0x1000)}),
      "SIGBUS BUS_ADRERR at 0x1000");
  EXPECT_THAT(FaultText({.signo = SIGSEGV, .code = SEGV_MAPERR, .addr = nullptr}),
              HasSubstr("SIGSEGV SEGV_MAPERR"));
  EXPECT_THAT(FaultText({.signo = SIGSEGV, .code = 77, .addr = nullptr}), HasSubstr("si_code 77"));
  EXPECT_EQ(testing::PrintToString(ProbeResult<std::uint8_t>{.fault = {}, .value = 65}),
            "no fault, value 65");
}

}  // namespace
}  // namespace revoke_test
