// SPDX-License-Identifier: GPL-2.0
//
// Programs that people use on cards that go: those of alsa-utils, by the library of ALSA. Each ends
// or moves on by itself, as it has always done, and holds up neither the removal nor the next card,
// even if it is stopped and cannot notice.

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <list>
#include <ranges>
#include <string>
#include <tuple>
#include <vector>

#include "baseline.h"
#include "call_in_thread.h"
#include "deadline.h"
#include "errno_matchers.h"
#include "kernel_module.h"
#include "pci_device.h"
#include "qemu_monitor.h"
#include "skip.h"
#include "sound_card.h"
#include "sound_client.h"
#include "sound_server.h"
#include "stuck_call.h"
#include "sysfs.h"

namespace revoke_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kRemoval{100};

// Does the clock count the instructions of this machine? It goes on while an emulated processor
// waits for a real one otherwise, and says little of the kernel.
bool ClockIsExact() { return std::getenv("TEST_CLOCK_IS_EXACT") != nullptr; }

// For programs to notice.
constexpr milliseconds kEnd{1'000};

enum class Card { kDummy, kAloop, kEs1370, kAc97, kHda, kUsb };

const char* Name(Card card) {
  constexpr const char* kNames[] = {"Dummy", "Aloop", "Es1370", "Ac97", "Hda", "Usb"};
  return kNames[static_cast<int>(card)];
}

SoundCard Find(Card card) {
  switch (card) {
    case Card::kDummy:
      return SoundCard("snd_dummy");
    case Card::kAloop:
      return SoundCard("snd_aloop");
    case Card::kEs1370:
      return SoundCard::OnPci("snd_ens1370");
    case Card::kAc97:
      return SoundCard::OnPci("snd_intel8x0");
    case Card::kHda:
      return SoundCard::OnPci("snd_hda_intel");
    case Card::kUsb:
      return SoundCard::OnUsb();
  }
  return SoundCard("");
}

enum class Way { kUnbind, kRemove, kEmulator };

const char* Name(Way way) {
  constexpr const char* kNames[] = {"Unbind", "Remove", "Emulator"};
  return kNames[static_cast<int>(way)];
}

// A card that can be taken away, and comes back.
class SoundClientsTest : public testing::Test {
 protected:
  explicit SoundClientsTest(Card kind) : kind_(kind), card_(Find(kind)) {}

  void SetUp() override {
    ASSERT_TRUE(card_.present()) << "no " << Name(kind_) << "; see kselftests/guest/devices";
    ASSERT_TRUE(card_.Comes());
  }

  // A test that has failed may have left it away.
  void TearDown() override {
    if (card_.number() >= 0) return;
    Give(card_.present() ? Way::kUnbind : kind_ == Card::kUsb ? Way::kEmulator : Way::kRemove);
  }

  const SoundCard& card() const { return card_; }

  // 0, or -1 and errno. Returns when the card has gone.
  int Take(Way way) const {
    switch (way) {
      case Way::kUnbind:
        return card_.Unbind();
      case Way::kRemove:
        return card_.Remove();
      case Way::kEmulator:
        break;
    }
    if (!QemuCommand("device_del usb-audio")) {
      errno = EIO;
      return -1;
    }
    const Deadline deadline(kDefaultWait);
    while (card_.present() && !deadline.Passed()) sched_yield();
    errno = ETIME;
    return card_.present() ? -1 : 0;
  }
  // Brings it back.
  void Give(Way way) {
    switch (way) {
      case Way::kUnbind:
        ASSERT_THAT(card_.Bind(), SyscallSucceeds());
        break;
      case Way::kRemove:
        ASSERT_THAT(PciDevice::RescanBus(), SyscallSucceeds());
        break;
      case Way::kEmulator:
        ASSERT_TRUE(QemuCommand("device_add usb-audio,bus=xhci.0,id=usb-audio"));
        break;
    }
    ASSERT_NO_FATAL_FAILURE(Return());
  }
  // Waits until it is back.
  void Return() {
    const Deadline deadline(kDefaultWait);
    do {
      card_ = Find(kind_);
    } while (!card_.present() && !deadline.Passed());
    ASSERT_TRUE(card_.Comes());
  }

  // Waits until so many streams run.
  testing::AssertionResult Runs(int streams) const {
    const Deadline deadline(kDefaultWait);
    while (card_.Running() < streams && !deadline.Passed()) sched_yield();
    const int running = card_.Running();
    if (running >= streams) return testing::AssertionSuccess();
    return testing::AssertionFailure() << running << " streams run, not " << streams;
  }

  // Starts them, and waits until they have the card, and so many streams run.
  void Start(std::list<SoundClient>& clients, const std::vector<Program>& programs, int streams) {
    for (const Program program : programs) clients.emplace_back(program, card_);
    for (const SoundClient& client : clients) ASSERT_TRUE(client.Holds(card_));
    ASSERT_TRUE(Runs(streams)) << clients.back().Output();
  }

  void ExpectThemToMoveOn(std::list<SoundClient>& clients) {
    for (SoundClient& client : clients) {
      EXPECT_TRUE(client.MovesOn(kEnd));
    }
  }

  // Ten of them on the card while it is taken, one more that is stopped, and the next one after it.
  // On the unpatched kernel that one would hold the removal up if the driver waits for it.
  void TakeFromTen(Way way, const std::vector<Program>& ten, int streams) {
    CallInThread removal;
    SoundClient stopped(Program::kMonitor, card_);
    ASSERT_TRUE(stopped.Holds(card_));
    ASSERT_TRUE(stopped.WaitsForEvents());
    ASSERT_THAT(stopped.Stop(), SyscallSucceeds());
    std::list<SoundClient> clients;
    ASSERT_NO_FATAL_FAILURE(Start(clients, ten, streams));

    const auto begin = steady_clock::now();
    milliseconds took{0};
    removal.Start([&] {
      const int result = Take(way);
      took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - begin);
      return result;
    });
    baseline::FailsFromHere();
    ASSERT_TRUE(removal.Returns(kAtOnce)) << "the removal waits for users";
    ASSERT_THAT(removal.Join(), SyscallSucceeds());
    // The emulator takes its time.
    if (way != Way::kEmulator && ClockIsExact()) {
      EXPECT_LE(took, kRemoval);
    }
    ExpectThemToMoveOn(clients);
    ASSERT_NO_FATAL_FAILURE(Give(way));

    std::list<SoundClient> next;
    ASSERT_NO_FATAL_FAILURE(Start(next, {ten.front()}, 1));
    SoundClient mixer(
        {"/usr/bin/amixer", "amixer", "-c", std::to_string(card_.number()), "contents"});
    EXPECT_TRUE(mixer.Ends());
    ASSERT_THAT(stopped.Continue(), SyscallSucceeds());
    EXPECT_TRUE(stopped.MovesOn(kEnd));
  }

 private:
  Card kind_;
  SoundCard card_;
};

// ---- ten players, and one that is stopped ----

using Taken = std::tuple<Card, Way>;

std::string NameOf(const testing::TestParamInfo<Taken>& info) {
  return std::string(Name(std::get<Card>(info.param))) + Name(std::get<Way>(info.param));
}

class SoundTaken : public SoundClientsTest, public testing::WithParamInterface<Taken> {
 protected:
  SoundTaken() : SoundClientsTest(std::get<Card>(GetParam())) {}
  static Way way() { return std::get<Way>(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(
    , SoundTaken,
    testing::Values(Taken(Card::kDummy, Way::kUnbind), Taken(Card::kAloop, Way::kUnbind),
                    Taken(Card::kEs1370, Way::kUnbind), Taken(Card::kAc97, Way::kRemove),
                    Taken(Card::kHda, Way::kUnbind), Taken(Card::kHda, Way::kRemove)),
    NameOf);

REVOKE_TEST_P(SoundTaken, FromTenPlayers, baseline::kFails) {
  TakeFromTen(way(), std::vector<Program>(10, Program::kMixed), 1);
}

// The driver of USB has never waited. Of these programs, none maps the buffer: the unpatched kernel
// kills some of those that do, as AlsaTest shows.
class UsbSoundTaken : public SoundTaken {};

INSTANTIATE_TEST_SUITE_P(, UsbSoundTaken,
                         testing::Values(Taken(Card::kUsb, Way::kUnbind),
                                         Taken(Card::kUsb, Way::kEmulator)),
                         NameOf);

REVOKE_TEST_P(UsbSoundTaken, FromTenPrograms, baseline::kPasses) {
  std::vector<Program> programs(10, Program::kMonitor);
  programs.front() = Program::kAplay;
  TakeFromTen(way(), programs, 1);
}

// ---- each program ----

struct Session {
  Card card;
  const char* name;
  std::vector<Program> programs;  // at the same time
};

class SoundSession : public SoundClientsTest, public testing::WithParamInterface<Session> {
 protected:
  SoundSession() : SoundClientsTest(GetParam().card) {}
  static const std::vector<Program>& programs() { return GetParam().programs; }
};

std::vector<Session> Sessions() {
  std::vector<Session> sessions;
  for (const Card card :
       {Card::kDummy, Card::kAloop, Card::kEs1370, Card::kAc97, Card::kHda, Card::kUsb}) {
    sessions.push_back({card, "Plain", {Program::kAplay, Program::kMonitor}});
    sessions.push_back({card, "Mapped", {Program::kAplayMmap}});
    sessions.push_back({card, "Tone", {Program::kSpeakerTest}});
    if (card == Card::kUsb) continue;  // It does not record.
    sessions.end()[-3].programs.push_back(Program::kArecordMmap);
    sessions.end()[-2].programs.push_back(Program::kArecord);
  }
  return sessions;
}

std::string NameOfSession(const testing::TestParamInfo<Session>& info) {
  return std::string(Name(info.param.card)) + info.param.name;
}

INSTANTIATE_TEST_SUITE_P(, SoundSession, testing::ValuesIn(Sessions()), NameOfSession);

REVOKE_TEST_P(SoundSession, MovesOnAndPlaysAgain, baseline::kPasses) {
  const auto monitors = std::count(programs().begin(), programs().end(), Program::kMonitor);
  const int streams = static_cast<int>(programs().size() - monitors);
  CallInThread removal;
  std::list<SoundClient> clients;
  ASSERT_NO_FATAL_FAILURE(Start(clients, programs(), streams));
  removal.Start([&] { return Take(Way::kUnbind); });
  ASSERT_THAT(removal.Join(), SyscallSucceeds());
  ExpectThemToMoveOn(clients);
  ASSERT_NO_FATAL_FAILURE(Give(Way::kUnbind));
  std::list<SoundClient> again;
  ASSERT_NO_FATAL_FAILURE(Start(again, programs(), streams));
}

// This one does not notice, and asks for ever what there is to read.
class SoundLoop : public SoundSession {};

INSTANTIATE_TEST_SUITE_P(, SoundLoop,
                         testing::Values(Session{Card::kDummy, "", {Program::kAlsaloop}},
                                         Session{Card::kEs1370, "", {Program::kAlsaloop}},
                                         Session{Card::kAc97, "", {Program::kAlsaloop}},
                                         Session{Card::kHda, "", {Program::kAlsaloop}}),
                         NameOfSession);

REVOKE_TEST_P(SoundLoop, HoldsNothingUp, baseline::kFails) {
  CallInThread removal;
  std::list<SoundClient> clients;
  ASSERT_NO_FATAL_FAILURE(Start(clients, programs(), 2));
  removal.Start([&] { return Take(Way::kUnbind); });
  baseline::FailsFromHere();
  ASSERT_TRUE(removal.Returns(kAtOnce)) << "the unbind waits for it";
  ASSERT_THAT(removal.Join(), SyscallSucceeds());
  ASSERT_NO_FATAL_FAILURE(Give(Way::kUnbind));
  std::list<SoundClient> again;
  ASSERT_NO_FATAL_FAILURE(Start(again, programs(), 2));
}

// ---- the modules ----

// Drivers, in the order in which they can be unloaded.
struct Drivers {
  Card card;
  std::vector<const char*> modules;
};

class SoundModules : public SoundClientsTest, public testing::WithParamInterface<Drivers> {
 protected:
  SoundModules() : SoundClientsTest(GetParam().card) {}
  void SetUp() override {
    REVOKE_SKIP_IF(!HaveKernelModules(), "TEST_SOUND_MODULES does not say where they are");
    ASSERT_NO_FATAL_FAILURE(SoundClientsTest::SetUp());
  }
  void TearDown() override {
    Load();
    SoundClientsTest::TearDown();
  }
  static void Load() {
    for (const char* module : std::ranges::reverse_view(GetParam().modules)) {
      EXPECT_THAT(LoadKernelModule(module),
                  testing::AnyOf(SyscallSucceeds(), SyscallFailsWithErrno(EEXIST)));
    }
  }
};

INSTANTIATE_TEST_SUITE_P(
    , SoundModules,
    testing::Values(Drivers{Card::kAloop, {"snd-aloop"}}, Drivers{Card::kAc97, {"snd-intel8x0"}},
                    Drivers{Card::kHda, {"snd-hda-intel", "snd-hda-codec-generic"}},
                    Drivers{Card::kUsb, {"snd-usb-audio"}}),
    [](const testing::TestParamInfo<Drivers>& info) { return Name(info.param.card); });

REVOKE_TEST_P(SoundModules, GoUnderAStoppedPlayer, baseline::kFails) {
  CallInThread removal;
  std::list<SoundClient> clients;
  ASSERT_NO_FATAL_FAILURE(Start(clients, {Program::kAplayMmap}, 1));
  ASSERT_THAT(clients.front().Stop(), SyscallSucceeds());
  // It could never be unloaded while somebody plays.
  for (const char* module : GetParam().modules) {
    ASSERT_THAT(UnloadKernelModule(module), SyscallFailsWithErrno(EWOULDBLOCK));
  }
  removal.Start([&] { return Take(Way::kUnbind); });
  baseline::FailsFromHere();
  ASSERT_TRUE(removal.Returns(kAtOnce)) << "the unbind waits for users";
  ASSERT_THAT(removal.Join(), SyscallSucceeds());
  for (const char* module : GetParam().modules) {
    ASSERT_THAT(UnloadKernelModule(module), SyscallSucceeds()) << module;
  }
  Load();
  // That of USB has lost more than that.
  if (GetParam().card == Card::kUsb) {
    ASSERT_NO_FATAL_FAILURE(Give(Way::kUnbind));
  }
  ASSERT_NO_FATAL_FAILURE(Return());
  std::list<SoundClient> next;
  ASSERT_NO_FATAL_FAILURE(Start(next, {Program::kAplay}, 1));
  ASSERT_THAT(clients.front().Continue(), SyscallSucceeds());
  ExpectThemToMoveOn(clients);
}

// ---- suspend ----

// To the level of devices, and back at once. 0, or -1 and errno.
int SuspendMachine() {
  const std::string power = "/sys/power/";
  if (WriteAttribute("/sys/module/suspend/parameters/pm_test_delay", "0") < 0) return -1;
  if (WriteAttribute(power + "pm_test", "devices") < 0) return -1;
  return WriteAttribute(power + "state", "mem");
}

class SoundSuspend : public SoundClientsTest, public testing::WithParamInterface<Card> {
 protected:
  SoundSuspend() : SoundClientsTest(GetParam()) {}
};

INSTANTIATE_TEST_SUITE_P(, SoundSuspend, testing::Values(Card::kHda, Card::kEs1370),
                         [](const auto& info) { return Name(info.param); });

REVOKE_TEST_P(SoundSuspend, PlayersGoOn, baseline::kPasses) {
  std::list<SoundClient> clients;
  ASSERT_NO_FATAL_FAILURE(Start(clients, {Program::kAplay}, 1));
  ASSERT_THAT(SuspendMachine(), SyscallSucceeds());
  EXPECT_TRUE(Runs(1));
}

REVOKE_TEST_P(SoundSuspend, FilesOfACardThatHasGoneAreNotInTheWay, baseline::kFails) {
  CallInThread removal;
  std::list<SoundClient> stale;
  ASSERT_NO_FATAL_FAILURE(Start(stale, {Program::kAplayMmap}, 1));
  ASSERT_THAT(stale.front().Stop(), SyscallSucceeds());
  removal.Start([&] { return Take(Way::kUnbind); });
  baseline::FailsFromHere();
  ASSERT_TRUE(removal.Returns(kAtOnce)) << "the unbind waits for users";
  ASSERT_THAT(SuspendMachine(), SyscallSucceeds());
  ASSERT_NO_FATAL_FAILURE(Give(Way::kUnbind));

  std::list<SoundClient> next;
  ASSERT_NO_FATAL_FAILURE(Start(next, {Program::kAplay}, 1));
  ASSERT_THAT(SuspendMachine(), SyscallSucceeds());
  EXPECT_TRUE(Runs(1));
  ASSERT_THAT(stale.front().Continue(), SyscallSucceeds());
  ExpectThemToMoveOn(stale);
}

// ---- a server ----

class SoundServerTest : public SoundClientsTest, public testing::WithParamInterface<Card> {
 protected:
  SoundServerTest() : SoundClientsTest(GetParam()) {}
};

INSTANTIATE_TEST_SUITE_P(, SoundServerTest, testing::Values(Card::kDummy, Card::kHda),
                         [](const auto& info) { return Name(info.param); });

REVOKE_TEST_P(SoundServerTest, PlaysOnTheNextCard, baseline::kFails) {
  CallInThread removal;
  SoundServer server;
  ASSERT_TRUE(server.PlayOn(card(), "first"));
  ASSERT_TRUE(Runs(1)) << server.Output();
  removal.Start([&] { return Take(Way::kUnbind); });
  baseline::FailsFromHere();
  ASSERT_TRUE(removal.Returns(kAtOnce)) << "the unbind waits for the server";
  ASSERT_THAT(removal.Join(), SyscallSucceeds());
  ASSERT_TRUE(server.IsAlive());
  ASSERT_TRUE(server.Forget("first"));
  ASSERT_NO_FATAL_FAILURE(Give(Way::kUnbind));
  ASSERT_TRUE(server.PlayOn(card(), "second"));
  EXPECT_TRUE(Runs(1));
  EXPECT_TRUE(server.IsAlive());
}

// ---- 32 bits ----

// Both widths get the same answers, before and after.
class SoundCalls : public SoundClientsTest, public testing::WithParamInterface<Card> {
 protected:
  SoundCalls() : SoundClientsTest(GetParam()) {}

  void Answers(const char* program, std::string& answers) {
    CallInThread removal;
    const std::string directory = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    SoundClient client({directory + "/" + program, program, card().Playback(), card().Control()});
    ASSERT_TRUE(client.Prints("plays"));
    removal.Start([&] { return Take(Way::kUnbind); });
    ASSERT_THAT(removal.Join(), SyscallSucceeds());
    EXPECT_TRUE(client.Ends());
    answers = client.Output();
    ASSERT_NO_FATAL_FAILURE(Give(Way::kUnbind));
  }
};

INSTANTIATE_TEST_SUITE_P(, SoundCalls, testing::Values(Card::kAloop, Card::kHda),
                         [](const auto& info) { return Name(info.param); });

REVOKE_TEST_P(SoundCalls, WidthMakesNoDifference, baseline::kPasses) {
  std::string wide;
  std::string narrow;
  ASSERT_NO_FATAL_FAILURE(Answers("sound_calls", wide));
  ASSERT_NO_FATAL_FAILURE(Answers("sound_calls_32", narrow));
  EXPECT_EQ(narrow, wide);
  EXPECT_THAT(wide, testing::HasSubstr("\nstops"));
}

}  // namespace
}  // namespace revoke_test
