// SPDX-License-Identifier: GPL-2.0
//
// Sound cards that go while somebody plays. Whoever has a device open is told at once, by what the
// library of ALSA has always looked at, and holds nobody up: not the unbind of the driver, nor the
// next card, nor the removal of the module.

#include <fcntl.h>
#include <linux/soundcard.h>
#include <poll.h>
#include <sched.h>
#include <sound/asequencer.h>
#include <sound/asound.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "baseline.h"
#include "blocked.h"
#include "call_in_thread.h"
#include "deadline.h"
#include "errno_matchers.h"
#include "fd.h"
#include "kernel_module.h"
#include "mapping.h"
#include "proc.h"
#include "revokeat.h"
#include "sigbus_probe.h"
#include "skip.h"
#include "sound_card.h"
#include "stuck_call.h"
#include "stuck_file.h"
#include "sysfs.h"
#include "temp_dir.h"
#include "test_check.h"
#include "thread.h"

namespace revoke_test {
namespace {

// As slowly as the card can: a buffer, which is one period, lasts for seconds.
constexpr PcmSetup kSlow = {.rate = 5512, .buffer = 16384, .periods = 1};
constexpr PcmSetup kMapped = {.access = SNDRV_PCM_ACCESS_MMAP_INTERLEAVED};

class AlsaTest : public testing::Test {
 protected:
  AlsaTest() : AlsaTest("snd_dummy") {}
  explicit AlsaTest(const std::string& driver) : card_(driver) {}
  explicit AlsaTest(SoundCard card) : card_(std::move(card)) {}

  void SetUp() override {
    // It may be on its way, and is bound then.
    if (card_.number() < 0) static_cast<void>(card_.Bind());
    ASSERT_TRUE(card_.Comes());
  }

  // A driver of PCI is found by the devices it has.
  void TearDown() override {
    if (card_.number() < 0) {
      EXPECT_THAT(card_.Bind(), SyscallSucceeds());
    }
  }

  // Waits for `unbind`, which nobody must hold up.
  static void ExpectAtOnce(CallInThread& unbind) {
    ASSERT_TRUE(unbind.Returns(kAtOnce)) << "the unbind waits for users";
    EXPECT_THAT(unbind.Join(), SyscallSucceeds());
  }

  static std::vector<char> Frames(const PcmSetup& setup) {
    return std::vector<char>(setup.buffer * kFrame);
  }

  // A player with a full buffer.
  static void Fill(const Pcm& pcm, const PcmSetup& setup) {
    ASSERT_THAT(pcm, SyscallSucceeds());
    ASSERT_THAT(pcm.SetUp(setup), SyscallSucceeds());
    const std::vector<char> frames = Frames(setup);
    ASSERT_THAT(pcm.Write(frames.data(), frames.size()),
                SyscallSucceedsWithValue(static_cast<long>(frames.size())));
  }

  SoundCard card_;
};

// ---- nobody is held up ----

// A page that does not come, behind one that is there.
class StuckEnd {
 public:
  StuckEnd()
      : file_(directory_.path(), StuckFile::Reads::kSucceed),
        memory_(Mapping::Anonymous(2 * PageSize())),
        end_(static_cast<char*>(memory_.base()) + PageSize()) {
    const FileDescriptor stuck = Open(file_.path(), O_RDONLY);
    TEST_CHECK(mmap(end_, PageSize(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, stuck.get(),
                    0) == end_);
  }

  // Makes `call` with what begins `before` bytes before that page. Success once it is stuck.
  template <typename F>
  bool Stick(std::size_t before, F call) {
    call_.Start([this, before, call = std::move(call)] { return call(end_ - before); });
    return file_.WaitUntilAsked(1);
  }
  // What is there before the page
  template <typename T>
  T* At(std::size_t before) const {
    return reinterpret_cast<T*>(end_ - before);
  }

  void Release() { file_.Answer(); }
  long Join() { return call_.Join(); }

 private:
  CallInThread call_;  // ends when the file is answered, by its destructor at the latest
  TempDir directory_;
  StuckFile file_;
  Mapping memory_;
  char* end_;
};

REVOKE_TEST_F(AlsaTest, UnbindDoesNotWaitForFiles, baseline::kFails) {
  CallInThread unbind;
  const FileDescriptor control = Open(card_.Control(), O_RDWR);
  ASSERT_THAT(control, SyscallSucceeds());
  const Pcm idle(card_.Capture(), O_RDONLY);
  ASSERT_THAT(idle, SyscallSucceeds());
  const Pcm playing(card_.Playback(), O_WRONLY);
  ASSERT_NO_FATAL_FAILURE(Fill(playing, kSlow));
  const FileDescriptor mixer = Open(card_.Oss("mixer"), O_RDWR);
  ASSERT_THAT(mixer, SyscallSucceeds());
  const FileDescriptor dsp = Open(card_.Oss("dsp"), O_WRONLY);
  ASSERT_THAT(dsp, SyscallSucceeds());
  ASSERT_THAT(write(dsp.get(), "sound", 5), SyscallSucceedsWithValue(5));

  unbind.Start([&] { return card_.Unbind(); });
  baseline::FailsFromHere();
  ExpectAtOnce(unbind);
  EXPECT_EQ(card_.number(), -1);
  char byte = 0;
  EXPECT_THAT(write(dsp.get(), &byte, 1), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(read(mixer.get(), &byte, 1), SyscallFailsWithErrno(EINVAL)) << "it has no read";
}

REVOKE_TEST_F(AlsaTest, UnbindDoesNotWaitForMappings, baseline::kFails) {
  CallInThread unbind;
  Pcm pcm(card_.Playback(), O_RDWR);
  ASSERT_THAT(pcm, SyscallSucceeds());
  ASSERT_THAT(pcm.SetUp(kMapped), SyscallSucceeds());
  const Mapping status = pcm.MapStatus();
  const Mapping control = pcm.MapControl();
  const Mapping data = pcm.MapData();
  ASSERT_THAT(status, SyscallSucceeds());
  ASSERT_THAT(control, SyscallSucceeds());
  ASSERT_THAT(data, SyscallSucceeds());
  // Only the mappings are left.
  ASSERT_THAT(pcm.Close(), SyscallSucceeds());

  unbind.Start([&] { return card_.Unbind(); });
  baseline::FailsFromHere();
  ExpectAtOnce(unbind);
}

REVOKE_TEST_F(AlsaTest, TheNextCardPlaysBesideStaleFiles, baseline::kFails) {
  CallInThread unbind;
  const Pcm stale(card_.Playback(), O_WRONLY);
  ASSERT_NO_FATAL_FAILURE(Fill(stale, kSlow));
  unbind.Start([&] { return card_.Unbind(); });
  baseline::FailsFromHere();
  ASSERT_NO_FATAL_FAILURE(ExpectAtOnce(unbind));
  ASSERT_THAT(card_.Bind(), SyscallSucceeds());

  const Pcm next(card_.Playback(), O_WRONLY);
  ASSERT_NO_FATAL_FAILURE(Fill(next, kSlow));
  EXPECT_EQ(next.State(), SNDRV_PCM_STATE_RUNNING);
  EXPECT_THAT(stale.State(), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(stale.Prepare(), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(next.Link(stale), SyscallFailsWithErrno(EBADFD));
}

// Somebody else's memory is not a reason for a card to stay.
REVOKE_TEST_F(AlsaTest, MemoryThatDoesNotComeKeepsNoOtherCard, baseline::kFails) {
  const SoundCard other("snd_aloop");
  const FileDescriptor control = Open(card_.Control(), O_RDWR);
  ASSERT_THAT(control, SyscallSucceeds());
  CallInThread unbind;
  StuckEnd info;
  ASSERT_TRUE(info.Stick(offsetof(snd_pcm_info, id), [&](void* what) {
    return ioctl(control.get(), SNDRV_CTL_IOCTL_PCM_INFO, what);
  }));
  ASSERT_GE(other.number(), 0);
  unbind.Start([&] { return other.Unbind(); });
  baseline::FailsFromHere();
  EXPECT_TRUE(unbind.Returns(kAtOnce));
  info.Release();
  EXPECT_THAT(info.Join(), SyscallSucceeds());
  EXPECT_THAT(unbind.Join(), SyscallSucceeds());
  EXPECT_THAT(other.Bind(), SyscallSucceeds());
}

// Timers belong to no card, but one of them can be that of a stream.
REVOKE_TEST_F(AlsaTest, TimerOfAStreamKeepsNoCard, baseline::kFails) {
  CallInThread unbind;
  FileDescriptor timer = Open("/dev/snd/timer", O_RDONLY);
  ASSERT_THAT(timer, SyscallSucceeds());
  snd_timer_select select{};
  select.id.dev_class = SNDRV_TIMER_CLASS_PCM;
  select.id.card = card_.number();
  select.id.device = 0;
  select.id.subdevice = 0;
  ASSERT_THAT(ioctl(timer.get(), SNDRV_TIMER_IOCTL_SELECT, &select), SyscallSucceeds());
  CallInThread reader([&] {
    snd_timer_read tick{};
    return read(timer.get(), &tick, sizeof(tick));
  });
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));

  unbind.Start([&] { return card_.Unbind(); });
  EXPECT_THAT(reader.Join(), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(ioctl(timer.get(), SNDRV_TIMER_IOCTL_START), SyscallFailsWithErrno(ENODEV));
  baseline::FailsFromHere();
  ASSERT_NO_FATAL_FAILURE(ExpectAtOnce(unbind));
  // It can be that of another one.
  ASSERT_THAT(card_.Bind(), SyscallSucceeds());
  select.id.card = card_.number();
  EXPECT_THAT(ioctl(timer.get(), SNDRV_TIMER_IOCTL_SELECT, &select), SyscallSucceeds());
  EXPECT_THAT(fcntl(timer.get(), F_SETFL, O_NONBLOCK), SyscallSucceeds());
  snd_timer_read tick{};
  EXPECT_THAT(read(timer.get(), &tick, sizeof(tick)), SyscallFailsWithErrno(EAGAIN));
}

// What an ioctl that is under way knows of the timer is no more than what it is told.
REVOKE_TEST_F(AlsaTest, ParametersOfItsTimerThatAreStuckKeepNoCard, baseline::kFails) {
  CallInThread unbind;
  const FileDescriptor timer = Open("/dev/snd/timer", O_RDONLY);
  ASSERT_THAT(timer, SyscallSucceeds());
  snd_timer_select select{};
  select.id.dev_class = SNDRV_TIMER_CLASS_PCM;
  select.id.card = card_.number();
  ASSERT_THAT(ioctl(timer.get(), SNDRV_TIMER_IOCTL_SELECT, &select), SyscallSucceeds());
  ASSERT_THAT(ioctl(timer.get(), SNDRV_TIMER_IOCTL_START), SyscallSucceeds());
  snd_timer_params parameters{};
  parameters.ticks = 1;
  StuckCall call(std::string(reinterpret_cast<const char*>(&parameters), sizeof(parameters)));
  ASSERT_TRUE(call.Stick(SYS_ioctl, [&](void* memory) {
    return ioctl(timer.get(), SNDRV_TIMER_IOCTL_PARAMS, memory);
  }));
  unbind.Start([&] { return card_.Unbind(); });
  baseline::FailsFromHere();
  ASSERT_NO_FATAL_FAILURE(ExpectAtOnce(unbind));
  call.Release();
  EXPECT_THAT(call.Join(), SyscallSucceeds());
  snd_timer_info info{};
  EXPECT_THAT(ioctl(timer.get(), SNDRV_TIMER_IOCTL_INFO, &info), SyscallFailsWithErrno(EBADFD));
  EXPECT_THAT(ioctl(timer.get(), SNDRV_TIMER_IOCTL_PAUSE), SyscallSucceeds());
  EXPECT_THAT(ioctl(timer.get(), SNDRV_TIMER_IOCTL_STOP), SyscallSucceeds());
}

// Events that are not queued are handed to who receives them at once.
REVOKE_TEST_F(AlsaTest, SenderThatIsStuckKeepsNoReceiver, baseline::kFails) {
  card_ = SoundCard("snd_virmidi");
  ASSERT_NO_FATAL_FAILURE(AlsaTest::SetUp());
  CallInThread unbind;
  const FileDescriptor midi = Open(card_.Midi(), O_RDONLY | O_NONBLOCK);
  ASSERT_THAT(midi, SyscallSucceeds());
  char byte = 0;
  ASSERT_THAT(read(midi.get(), &byte, 1), SyscallFailsWithErrno(EAGAIN))
      << "from now on it listens";
  FileDescriptor seq = Open("/dev/snd/seq", O_RDWR);
  ASSERT_THAT(seq, SyscallSucceeds());
  snd_seq_client_info receiver{};
  receiver.client = -1;
  do {
    ASSERT_THAT(ioctl(seq.get(), SNDRV_SEQ_IOCTL_QUERY_NEXT_CLIENT, &receiver), SyscallSucceeds());
  } while (receiver.card != card_.number());

  // It ignores what comes from elsewhere.
  snd_seq_port_info port{};
  int client = 0;
  ASSERT_THAT(ioctl(seq.get(), SNDRV_SEQ_IOCTL_CLIENT_ID, &client), SyscallSucceeds());
  port.addr.client = static_cast<unsigned char>(client);
  port.capability = SNDRV_SEQ_PORT_CAP_READ | SNDRV_SEQ_PORT_CAP_SUBS_READ;
  ASSERT_THAT(ioctl(seq.get(), SNDRV_SEQ_IOCTL_CREATE_PORT, &port), SyscallSucceeds());
  snd_seq_port_subscribe link{};
  link.sender = port.addr;
  link.dest.client = static_cast<unsigned char>(receiver.client);
  ASSERT_THAT(ioctl(seq.get(), SNDRV_SEQ_IOCTL_SUBSCRIBE_PORT, &link), SyscallSucceeds());

  StuckEnd memory;
  auto* const event = memory.At<snd_seq_event>(sizeof(snd_seq_event));
  event->type = SNDRV_SEQ_EVENT_SYSEX;
  event->flags = SNDRV_SEQ_EVENT_LENGTH_VARIABLE;
  event->queue = SNDRV_SEQ_QUEUE_DIRECT;
  event->source = port.addr;
  event->dest = link.dest;
  event->data.ext.len = 8;
  ASSERT_TRUE(memory.Stick(sizeof(*event), [&](void* from) {
    return write(seq.get(), from, sizeof(snd_seq_event) + 8);
  }));
  unbind.Start([&] { return card_.Unbind(); });
  baseline::FailsFromHere();
  ASSERT_TRUE(unbind.Returns(kAtOnce));
  EXPECT_THAT(unbind.Join(), SyscallSucceeds());
}

// A card whose buffers are real.
class AloopTest : public AlsaTest {
 protected:
  AloopTest() : AlsaTest("snd_aloop") {}

  // `transfer` is stuck on memory.
  template <typename Transfer>
  void UnbindDuring(long syscall, Transfer transfer) {
    StuckCall call;
    ASSERT_TRUE(call.Stick(syscall, transfer));
    unbind_.Start([&] { return card_.Unbind(); });
    baseline::FailsFromHere();
    ASSERT_NO_FATAL_FAILURE(ExpectAtOnce(unbind_));
    ASSERT_THAT(card_.Bind(), SyscallSucceeds());
    call.Release();
    EXPECT_THAT(call.Join(), SyscallFailsWithErrno(EBADFD));
  }

 private:
  CallInThread unbind_;  // which may wait for the files of the test
};

REVOKE_TEST_F(AloopTest, WriterThatIsStuckKeepsNoCard, baseline::kFails) {
  const Pcm pcm(card_.Playback(), O_WRONLY);
  ASSERT_THAT(pcm, SyscallSucceeds());
  ASSERT_THAT(pcm.SetUp(), SyscallSucceeds());
  UnbindDuring(SYS_write, [&](void* memory) { return pcm.Write(memory, PageSize()); });
}

REVOKE_TEST_F(AloopTest, ReaderThatIsStuckKeepsNoCard, baseline::kFails) {
  const Pcm pcm(card_.Capture(), O_RDONLY);
  ASSERT_THAT(pcm, SyscallSucceeds());
  ASSERT_THAT(pcm.SetUp(), SyscallSucceeds());
  UnbindDuring(SYS_read, [&](void* memory) { return pcm.Read(memory, PageSize()); });
}

// The same, without an unbind: all of it is transferred.
REVOKE_TEST_F(AloopTest, MemoryMayComeLate, baseline::kPasses) {
  const Pcm pcm(card_.Playback(), O_WRONLY);
  ASSERT_THAT(pcm, SyscallSucceeds());
  ASSERT_THAT(pcm.SetUp(), SyscallSucceeds());
  StuckCall writer("sound");
  ASSERT_TRUE(writer.Stick(SYS_write, [&](void* memory) { return pcm.Write(memory, PageSize()); }));
  writer.Release();
  EXPECT_THAT(writer.Join(), SyscallSucceedsWithValue(static_cast<long>(PageSize())));
  const Mapping none = Mapping::Anonymous(PageSize(), PROT_NONE);
  EXPECT_THAT(pcm.Write(none.base(), PageSize()), SyscallFailsWithErrno(EFAULT));
}

// ---- memory that comes late, for a stream that has changed ----

// A card with real buffers. Its second device wants one of each channel.
class AlsaBuffers : public AlsaTest {
 protected:
  void SetUp() override {
    REVOKE_SKIP_IF(!HaveKernelModules(), "TEST_SOUND_MODULES does not say where snd-dummy.ko is");
    ASSERT_THAT(UnloadKernelModule("snd-dummy"), SyscallSucceeds());
    ASSERT_THAT(LoadKernelModule("snd-dummy", "fake_buffer=0 pcm_devs=2"), SyscallSucceeds());
    ASSERT_NO_FATAL_FAILURE(AlsaTest::SetUp());
  }
  void TearDown() override {
    ASSERT_THAT(UnloadKernelModule("snd-dummy"), SyscallSucceeds());
    ASSERT_THAT(LoadKernelModule("snd-dummy"), SyscallSucceeds());
  }

  // A transfer that is stuck in `writer` until somebody else has set more channels.
  static void ExpectEnd(StuckCall& writer, const Pcm& pcm, const PcmSetup& other, long all) {
    if (pcm.SetUp(other) == 0) {
      writer.Release();
      EXPECT_THAT(writer.Join(), SyscallFailsWithErrno(EBADFD));
    } else {
      // Or nobody can.
      EXPECT_EQ(errno, EBUSY);
      writer.Release();
      EXPECT_THAT(writer.Join(), SyscallSucceedsWithValue(all));
    }
  }

  static constexpr PcmSetup kMono = {.access = SNDRV_PCM_ACCESS_RW_NONINTERLEAVED, .channels = 1};
  static constexpr PcmSetup kStereo = {.access = SNDRV_PCM_ACCESS_RW_NONINTERLEAVED, .channels = 2};
  static constexpr unsigned long kFrames = 16;
};

// What lies behind the list in the kernel's memory is not a list.
REVOKE_TEST_F(AlsaBuffers, ListThatComesLateIsNotForMoreChannels, baseline::kFails) {
  std::vector<char> samples(PageSize());
  void* list = samples.data();
  const Pcm pcm(card_.Playback(1), O_WRONLY);
  ASSERT_THAT(pcm, SyscallSucceeds());
  ASSERT_THAT(pcm.SetUp(kMono), SyscallSucceeds());
  StuckCall writer(std::string(reinterpret_cast<const char*>(&list), sizeof(list)));
  ASSERT_TRUE(writer.Stick(
      SYS_ioctl, [&](void* memory) { return pcm.WriteN(static_cast<void**>(memory), kFrames); }));
  ASSERT_THAT(pcm.SetUp(kStereo), SyscallSucceeds());
  writer.Release();
  baseline::FailsFromHere();
  EXPECT_THAT(writer.Join(), SyscallFailsWithErrno(EBADFD));
}

REVOKE_TEST_F(AlsaBuffers, BufferThatComesLateIsNotOneOfMore, baseline::kPasses) {
  const Pcm pcm(card_.Playback(1), O_WRONLY);
  ASSERT_THAT(pcm, SyscallSucceeds());
  ASSERT_THAT(pcm.SetUp(kMono), SyscallSucceeds());
  StuckCall writer;
  ASSERT_TRUE(writer.Stick(SYS_ioctl, [&](void* memory) { return pcm.WriteN(&memory, kFrames); }));
  ExpectEnd(writer, pcm, kStereo, 0);
}

REVOKE_TEST_F(AlsaBuffers, BufferThatComesLateIsNotForOtherFrames, baseline::kPasses) {
  const Pcm pcm(card_.Playback(), O_WRONLY);
  ASSERT_THAT(pcm, SyscallSucceeds());
  ASSERT_THAT(pcm.SetUp({.channels = 1}), SyscallSucceeds());
  StuckCall writer;
  ASSERT_TRUE(writer.Stick(SYS_write, [&](void* memory) { return pcm.Write(memory, PageSize()); }));
  ExpectEnd(writer, pcm, {}, static_cast<long>(PageSize()));
}

// ---- a call that waits for the memory of its argument ----

// The first control of snd_dummy has a value and a TLV.
constexpr unsigned int kVolume = 1;

struct Copy {
  const char* name;
  const char* driver;
  std::string (*node)(const SoundCard& card);
  int flags;
  long syscall;
  long (*call)(const Pcm& file, void* memory);
  int error = ENODEV;
};

std::string ControlOf(const SoundCard& card) { return card.Control(); }
std::string PlaybackOf(const SoundCard& card) { return card.Playback(); }
std::string MidiOf(const SoundCard& card) { return card.Midi(); }
std::string DspOf(const SoundCard& card) { return card.Oss("dsp"); }
std::string MixerOf(const SoundCard& card) { return card.Oss("mixer"); }

template <unsigned long kCommand>
long Ioctl(const Pcm& file, void* memory) {
  return ioctl(file.fd(), kCommand, memory);
}

long ListInto(const Pcm& control, void* memory) {
  snd_ctl_elem_list list{};
  list.space = 1;
  list.pids = static_cast<snd_ctl_elem_id*>(memory);
  return ioctl(control.fd(), SNDRV_CTL_IOCTL_ELEM_LIST, &list);
}

long ReadEvent(const Pcm& control, void* memory) {
  int on = 1;
  snd_ctl_elem_value value{};
  value.id.numid = kVolume;
  TEST_CHECK(ioctl(control.fd(), SNDRV_CTL_IOCTL_SUBSCRIBE_EVENTS, &on) == 0);
  TEST_CHECK(ioctl(control.fd(), SNDRV_CTL_IOCTL_ELEM_READ, &value) == 0);
  value.value.integer.value[0] ^= 1;
  TEST_CHECK(ioctl(control.fd(), SNDRV_CTL_IOCTL_ELEM_WRITE, &value) == 0);
  return read(control.fd(), memory, sizeof(snd_ctl_event));
}

// The argument is there, and what it points to is not.
long WriteFrames(const Pcm& pcm, void* memory) {
  snd_xferi transfer = {.result = 0, .buf = memory, .frames = PageSize() / kFrame};
  return ioctl(pcm.fd(), SNDRV_PCM_IOCTL_WRITEI_FRAMES, &transfer);
}

long WriteMidi(const Pcm& midi, void* memory) { return midi.Write(memory, 1); }
long WriteSound(const Pcm& dsp, void* memory) { return dsp.Write(memory, PageSize()); }

constexpr Copy kCopies[] = {
    {"CardInfo", "snd_dummy", ControlOf, O_RDWR, SYS_ioctl, Ioctl<SNDRV_CTL_IOCTL_CARD_INFO>},
    {"ElemList", "snd_dummy", ControlOf, O_RDWR, SYS_ioctl, Ioctl<SNDRV_CTL_IOCTL_ELEM_LIST>},
    {"ElemListIds", "snd_dummy", ControlOf, O_RDWR, SYS_ioctl, ListInto},
    {"ElemInfo", "snd_dummy", ControlOf, O_RDWR, SYS_ioctl, Ioctl<SNDRV_CTL_IOCTL_ELEM_INFO>},
    {"ElemRead", "snd_dummy", ControlOf, O_RDWR, SYS_ioctl, Ioctl<SNDRV_CTL_IOCTL_ELEM_READ>},
    {"ElemWrite", "snd_dummy", ControlOf, O_RDWR, SYS_ioctl, Ioctl<SNDRV_CTL_IOCTL_ELEM_WRITE>},
    {"ElemLock", "snd_dummy", ControlOf, O_RDWR, SYS_ioctl, Ioctl<SNDRV_CTL_IOCTL_ELEM_LOCK>},
    {"ElemAdd", "snd_dummy", ControlOf, O_RDWR, SYS_ioctl, Ioctl<SNDRV_CTL_IOCTL_ELEM_ADD>},
    {"TlvRead", "snd_dummy", ControlOf, O_RDWR, SYS_ioctl, Ioctl<SNDRV_CTL_IOCTL_TLV_READ>},
    {"PcmInfoOfControl", "snd_dummy", ControlOf, O_RDWR, SYS_ioctl,
     Ioctl<SNDRV_CTL_IOCTL_PCM_INFO>},
    {"Event", "snd_dummy", ControlOf, O_RDWR, SYS_read, ReadEvent},
    {"Info", "snd_aloop", PlaybackOf, O_WRONLY, SYS_ioctl, Ioctl<SNDRV_PCM_IOCTL_INFO>},
    {"HwRefine", "snd_aloop", PlaybackOf, O_WRONLY, SYS_ioctl, Ioctl<SNDRV_PCM_IOCTL_HW_REFINE>},
    {"HwParams", "snd_aloop", PlaybackOf, O_WRONLY, SYS_ioctl, Ioctl<SNDRV_PCM_IOCTL_HW_PARAMS>},
    {"SwParams", "snd_aloop", PlaybackOf, O_WRONLY, SYS_ioctl, Ioctl<SNDRV_PCM_IOCTL_SW_PARAMS>},
    {"Status", "snd_aloop", PlaybackOf, O_WRONLY, SYS_ioctl, Ioctl<SNDRV_PCM_IOCTL_STATUS>},
    {"Delay", "snd_aloop", PlaybackOf, O_WRONLY, SYS_ioctl, Ioctl<SNDRV_PCM_IOCTL_DELAY>},
    {"SyncPtr", "snd_aloop", PlaybackOf, O_WRONLY, SYS_ioctl, Ioctl<SNDRV_PCM_IOCTL_SYNC_PTR>},
    {"Rewind", "snd_aloop", PlaybackOf, O_WRONLY, SYS_ioctl, Ioctl<SNDRV_PCM_IOCTL_REWIND>},
    {"WriteI", "snd_aloop", PlaybackOf, O_WRONLY, SYS_ioctl, Ioctl<SNDRV_PCM_IOCTL_WRITEI_FRAMES>},
    {"WriteIFrames", "snd_aloop", PlaybackOf, O_WRONLY, SYS_ioctl, WriteFrames, EBADFD},
    {"MidiParams", "snd_virmidi", MidiOf, O_WRONLY, SYS_ioctl, Ioctl<SNDRV_RAWMIDI_IOCTL_PARAMS>},
    {"MidiWrite", "snd_virmidi", MidiOf, O_WRONLY, SYS_write, WriteMidi},
    {"OssSpeed", "snd_aloop", DspOf, O_WRONLY, SYS_ioctl, Ioctl<SNDCTL_DSP_SPEED>},
    {"OssWrite", "snd_aloop", DspOf, O_WRONLY, SYS_write, WriteSound, EBADFD},
    {"OssVolume", "snd_dummy", MixerOf, O_RDWR, SYS_ioctl, Ioctl<SOUND_MIXER_READ_VOLUME>},
};

class AlsaCopy : public AlsaTest, public testing::WithParamInterface<Copy> {
 protected:
  AlsaCopy() : AlsaTest(GetParam().driver) {}
};

INSTANTIATE_TEST_SUITE_P(, AlsaCopy, testing::ValuesIn(kCopies),
                         [](const auto& info) { return std::string(info.param.name); });

REVOKE_TEST_P(AlsaCopy, KeepsNoCard, baseline::kFails) {
  CallInThread unbind;
  const Pcm file(GetParam().node(card_), GetParam().flags);
  ASSERT_THAT(file, SyscallSucceeds());
  if (GetParam().node == PlaybackOf) {
    ASSERT_THAT(file.SetUp(), SyscallSucceeds());
  }
  StuckCall call;
  ASSERT_TRUE(
      call.Stick(GetParam().syscall, [&](void* memory) { return GetParam().call(file, memory); }));
  unbind.Start([&] { return card_.Unbind(); });
  baseline::FailsFromHere();
  ASSERT_NO_FATAL_FAILURE(ExpectAtOnce(unbind));
  call.Release();
  EXPECT_THAT(call.Join(), SyscallFailsWithErrno(GetParam().error));
}

// What is behind the argument is copied by the driver, for some.
REVOKE_TEST_F(AlsaTest, TlvThatIsStuckKeepsNoCard, baseline::kFails) {
  CallInThread unbind;
  const FileDescriptor control = Open(card_.Control(), O_RDWR);
  ASSERT_THAT(control, SyscallSucceeds());
  StuckEnd memory;
  auto* const header = memory.At<snd_ctl_tlv>(sizeof(snd_ctl_tlv));
  header->numid = kVolume;
  header->length = static_cast<unsigned int>(PageSize());
  ASSERT_TRUE(memory.Stick(sizeof(*header), [&](void* tlv) {
    return ioctl(control.get(), SNDRV_CTL_IOCTL_TLV_READ, tlv);
  }));
  unbind.Start([&] { return card_.Unbind(); });
  baseline::FailsFromHere();
  ASSERT_NO_FATAL_FAILURE(ExpectAtOnce(unbind));
  memory.Release();
  EXPECT_THAT(memory.Join(), SyscallFailsWithErrno(ENODEV));
}

// It does what it would have done at once.
REVOKE_TEST_F(AlsaTest, ArgumentsMayComeLate, baseline::kPasses) {
  const FileDescriptor control = Open(card_.Control(), O_RDWR);
  ASSERT_THAT(control, SyscallSucceeds());
  snd_ctl_elem_value value{};
  value.id.numid = kVolume;
  ASSERT_THAT(ioctl(control.get(), SNDRV_CTL_IOCTL_ELEM_READ, &value), SyscallSucceeds());
  value.value.integer.value[0] ^= 1;
  int on = 1;
  ASSERT_THAT(ioctl(control.get(), SNDRV_CTL_IOCTL_SUBSCRIBE_EVENTS, &on), SyscallSucceeds());
  StuckCall write(std::string(reinterpret_cast<const char*>(&value), sizeof(value)));
  ASSERT_TRUE(write.Stick(SYS_ioctl, [&](void* memory) {
    return ioctl(control.get(), SNDRV_CTL_IOCTL_ELEM_WRITE, memory);
  }));
  write.Release();
  EXPECT_THAT(write.Join(), SyscallSucceeds());
  snd_ctl_elem_value now{};
  now.id.numid = kVolume;
  ASSERT_THAT(ioctl(control.get(), SNDRV_CTL_IOCTL_ELEM_READ, &now), SyscallSucceeds());
  EXPECT_EQ(now.value.integer.value[0], value.value.integer.value[0]);
  snd_ctl_event event{};
  EXPECT_THAT(read(control.get(), &event, sizeof(event)), SyscallSucceeds());
}

// A control that is replaced has gone when there are no names for the next one.
REVOKE_TEST_F(AlsaTest, NamesMayComeLate, baseline::kPasses) {
  const FileDescriptor control = Open(card_.Control(), O_RDWR);
  ASSERT_THAT(control, SyscallSucceeds());
  snd_ctl_elem_info info{};
  info.id.iface = SNDRV_CTL_ELEM_IFACE_MIXER;
  std::strcpy(reinterpret_cast<char*>(info.id.name), "Names");
  info.type = SNDRV_CTL_ELEM_TYPE_ENUMERATED;
  info.count = 1;
  info.value.enumerated.items = 1;
  const std::string name = "name";
  info.value.enumerated.names_ptr = reinterpret_cast<std::uintptr_t>(name.c_str());
  info.value.enumerated.names_length = static_cast<unsigned int>(name.size() + 1);
  snd_ctl_elem_info next = info;
  ASSERT_THAT(ioctl(control.get(), SNDRV_CTL_IOCTL_ELEM_ADD, &info), SyscallSucceeds());

  StuckCall replace(std::string("other\0", 6));
  ASSERT_TRUE(replace.Stick(SYS_ioctl, [&](void* memory) {
    next.value.enumerated.names_ptr = reinterpret_cast<std::uintptr_t>(memory);
    next.value.enumerated.names_length = 6;
    return ioctl(control.get(), SNDRV_CTL_IOCTL_ELEM_REPLACE, &next);
  }));
  replace.Release();
  EXPECT_THAT(replace.Join(), SyscallSucceeds());
  snd_ctl_elem_info got{};
  got.id = next.id;
  ASSERT_THAT(ioctl(control.get(), SNDRV_CTL_IOCTL_ELEM_INFO, &got), SyscallSucceeds());
  EXPECT_STREQ(got.value.enumerated.name, "other");
  EXPECT_THAT(ioctl(control.get(), SNDRV_CTL_IOCTL_ELEM_REMOVE, &next.id), SyscallSucceeds());
}

// What a status says once is not lost if its memory has to be made first.
REVOKE_TEST_F(AloopTest, StatusIsTakenOnce, baseline::kPasses) {
  const Pcm pcm(card_.Playback(), O_WRONLY);
  ASSERT_THAT(pcm, SyscallSucceeds());
  ASSERT_THAT(pcm.SetUp({.starts_at = 1U << 20}), SyscallSucceeds());
  const std::vector<char> frames(PageSize());
  ASSERT_THAT(pcm.Write(frames.data(), frames.size()), SyscallSucceeds());
  const Mapping fresh = Mapping::Anonymous(PageSize());
  auto* const status = fresh.At<snd_pcm_status>();
  ASSERT_THAT(ioctl(pcm.fd(), SNDRV_PCM_IOCTL_STATUS, status), SyscallSucceeds());
  EXPECT_NE(status->avail_max, 0U);
  ASSERT_THAT(ioctl(pcm.fd(), SNDRV_PCM_IOCTL_STATUS, status), SyscallSucceeds());
  EXPECT_EQ(status->avail_max, 0U);
}

// What is for reading only can be an argument that is read only; and nothing is done twice.
REVOKE_TEST_F(AlsaTest, ArgumentsMayBeReadOnly, baseline::kPasses) {
  const FileDescriptor control = Open(card_.Control(), O_RDWR);
  ASSERT_THAT(control, SyscallSucceeds());
  const Mapping memory = Mapping::Anonymous(PageSize());
  auto* const id = memory.At<snd_ctl_elem_id>();
  id->numid = kVolume;
  ASSERT_THAT(mprotect(memory.base(), PageSize(), PROT_READ), SyscallSucceeds());
  EXPECT_THAT(ioctl(control.get(), SNDRV_CTL_IOCTL_ELEM_LOCK, id), SyscallSucceeds());
  EXPECT_THAT(ioctl(control.get(), SNDRV_CTL_IOCTL_ELEM_UNLOCK, id), SyscallSucceeds());
  EXPECT_THAT(ioctl(control.get(), SNDRV_CTL_IOCTL_ELEM_READ, id), SyscallFailsWithErrno(EFAULT));
  EXPECT_THAT(ioctl(control.get(), SNDRV_CTL_IOCTL_ELEM_LOCK, nullptr),
              SyscallFailsWithErrno(EFAULT));
}

// ---- what mappings show ----

// Buffers of each kind: of pages by ->fault, of vmalloc(), coherent ones, and of many pieces.
SoundCard CardOf(const std::string& driver) {
  return driver == "snd_ens1370" || driver == "snd_hda_intel" ? SoundCard::OnPci(driver)
                                                              : SoundCard(driver);
}

class AlsaCard : public AlsaTest, public testing::WithParamInterface<const char*> {
 protected:
  AlsaCard() : AlsaTest(CardOf(GetParam())) {}
  void SetUp() override {
    ASSERT_TRUE(card_.present());
    ASSERT_NO_FATAL_FAILURE(AlsaTest::SetUp());
  }
};

INSTANTIATE_TEST_SUITE_P(, AlsaCard,
                         testing::Values("snd_dummy", "snd_aloop", "snd_ens1370", "snd_hda_intel"),
                         [](const auto& info) { return std::string(info.param); });

REVOKE_TEST_P(AlsaCard, MappingsShowNothingOfIt, baseline::kFails) {
  CallInThread unbind;
  const Pcm pcm(card_.Playback(), O_RDWR);
  ASSERT_THAT(pcm, SyscallSucceeds());
  ASSERT_THAT(pcm.SetUp(kMapped), SyscallSucceeds());
  const Mapping status = pcm.MapStatus();
  const Mapping control = pcm.MapControl();
  const Mapping data = pcm.MapData();
  const Mapping* const all[] = {&status, &control, &data};
  std::array<unsigned long, 3> frames{};
  EXPECT_EQ(StateIn(status), SNDRV_PCM_STATE_PREPARED);
  *control.At<char>() = 1;
  *data.At<char>() = 1;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    frames[i] = PageFrameAt(all[i]->base());
  }
  ASSERT_NE(frames[0], 0U);
  ASSERT_NE(frames[1], 0U);

  unbind.Start([&] { return card_.Unbind(); });
  baseline::FailsFromHere();
  ASSERT_NO_FATAL_FAILURE(ExpectAtOnce(unbind));
  EXPECT_EQ(StateIn(status), SNDRV_PCM_STATE_DISCONNECTED);
  EXPECT_EQ(*control.At<char>(), 0);
  EXPECT_EQ(*data.At<char>(), 0);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    // Of what is mapped by PFN, /proc says nothing: there, what the page shows has to do.
    if (frames[i] != 0) {
      EXPECT_NE(PageFrameAt(all[i]->base()), frames[i]) << i;
    }
  }
}

// A player that still writes its ring, and has not been there before, is not killed.
REVOKE_TEST_P(AlsaCard, TheRestOfItsBufferIsNotASigbus, baseline::kFails) {
  CallInThread unbind;
  const Pcm pcm(card_.Playback(), O_RDWR);
  ASSERT_THAT(pcm, SyscallSucceeds());
  ASSERT_THAT(pcm.SetUp(kMapped), SyscallSucceeds());
  const Mapping status = pcm.MapStatus();
  const Mapping data = pcm.MapData();
  const Mapping copy = pcm.MapData(kMapped, MAP_PRIVATE);
  ASSERT_THAT(status, SyscallSucceeds());
  ASSERT_THAT(data, SyscallSucceeds());
  ASSERT_THAT(copy, SyscallSucceeds());

  unbind.Start([&] { return card_.Unbind(); });
  baseline::FailsFromHere();
  ASSERT_NO_FATAL_FAILURE(ExpectAtOnce(unbind));
  for (std::size_t at = 0; at < data.size(); at += PageSize()) {
    EXPECT_THAT(Probe::Write(data.At<char>(at), 1), Survives());
    EXPECT_THAT(Probe::Write(copy.At<char>(at), 1), Survives());
  }
  EXPECT_EQ(StateIn(status), SNDRV_PCM_STATE_DISCONNECTED);
}

// A codec can go alone, and its streams with it. The card stays.
class AlsaCodec : public testing::Test {
 protected:
  void SetUp() override { ASSERT_GE(card.number(), 0); }
  // On the unpatched kernel, an unbind may still be ending. A bind beside it fails, and warns.
  void TearDown() override {
    if (unbind.Started()) unbind.Join();
    if (!std::filesystem::exists("/sys/bus/hdaudio/devices/" + Name() + "/driver")) {
      EXPECT_THAT(Bind(), SyscallSucceeds());
    }
  }

  int Unbind() const { return Tell("unbind"); }
  int Bind() const { return Tell("bind"); }

  SoundCard card = SoundCard::OnPci("snd_hda_intel");
  CallInThread unbind;

 private:
  int Tell(const std::string& attribute) const {
    return WriteAttribute("/sys/bus/hdaudio/drivers/snd_hda_codec_generic/" + attribute, Name());
  }
  std::string Name() const { return "hdaudioC" + std::to_string(card.number()) + "D0"; }
};

REVOKE_TEST_F(AlsaCodec, GoesWithoutItsCard, baseline::kFails) {
  const FileDescriptor control = Open(card.Control(), O_RDWR);
  const Pcm pcm(card.Playback(), O_RDWR);
  ASSERT_THAT(pcm, SyscallSucceeds());
  ASSERT_THAT(pcm.SetUp(kMapped), SyscallSucceeds());
  const Mapping status = pcm.MapStatus();
  const Mapping data = pcm.MapData();
  *data.At<char>() = 1;

  unbind.Start([&] { return Unbind(); });
  baseline::FailsFromHere();
  ASSERT_TRUE(unbind.Returns(kAtOnce));
  ASSERT_THAT(unbind.Join(), SyscallSucceeds());
  EXPECT_THAT(pcm.State(), SyscallFailsWithErrno(EBADFD));
  EXPECT_EQ(StateIn(status), SNDRV_PCM_STATE_DISCONNECTED);
  EXPECT_EQ(*data.At<char>(), 0);
  snd_ctl_card_info info{};
  EXPECT_THAT(ioctl(control.get(), SNDRV_CTL_IOCTL_CARD_INFO, &info), SyscallSucceeds());

  ASSERT_THAT(Bind(), SyscallSucceeds());
  const Pcm next(card.Playback(), O_RDWR);
  ASSERT_THAT(next, SyscallSucceeds());
  EXPECT_THAT(next.SetUp(), SyscallSucceeds());
}

// ---- what calls return: nothing of this is new ----

// Of a stream whose card stays
REVOKE_TEST_F(AlsaCodec, StreamReturnsEbadfd, baseline::kPasses) {
  Pcm pcm(card.Playback(), O_RDWR);
  ASSERT_THAT(pcm, SyscallSucceeds());
  ASSERT_THAT(pcm.SetUp({.starts_at = 1U << 20, .wakes_up = false}), SyscallSucceeds());
  std::vector<char> frames(PcmSetup{}.buffer * kFrame);
  ASSERT_THAT(pcm.Write(frames.data(), frames.size()), SyscallSucceeds());
  CallInThread writer([&] { return pcm.Write(frames.data(), frames.size()); });
  ASSERT_TRUE(WaitUntilBlocked(writer.tid(), {.syscall = SYS_write}));
  unbind.Start([&] { return Unbind(); });
  EXPECT_THAT(writer.Join(), SyscallFailsWithErrno(EBADFD));

  EXPECT_THAT(pcm.Write(frames.data(), frames.size()), SyscallFailsWithErrno(EBADFD));
  EXPECT_THAT(pcm.State(), SyscallFailsWithErrno(EBADFD));
  EXPECT_THAT(pcm.Prepare(), SyscallFailsWithErrno(EBADFD));
  EXPECT_THAT(pcm.MapStatus(), SyscallFailsWithErrno(EBADFD));
  EXPECT_THAT(fcntl(pcm.fd(), F_SETFL, O_ASYNC), SyscallFailsWithErrno(EBADFD));
  EXPECT_THAT(lseek(pcm.fd(), 0, SEEK_SET), SyscallFailsWithErrno(ESPIPE));
  pollfd stream = {.fd = pcm.fd(), .events = POLLOUT | POLLERR | POLLNVAL, .revents = 0};
  EXPECT_THAT(poll(&stream, 1, -1), SyscallSucceedsWithValue(1));
  EXPECT_EQ(stream.revents, POLLOUT | POLLERR);
  pcm.Close();
  ASSERT_THAT(unbind.Join(), SyscallSucceeds());
  ASSERT_THAT(Bind(), SyscallSucceeds());
}

class AlsaResults : public AlsaTest {
 protected:
  // On the unpatched kernel, the unbind waits for the closes.
  void StartUnbind() {
    unbind_.Start([this] { return card_.Unbind(); });
  }
  void TearDown() override {
    EXPECT_THAT(unbind_.Join(), SyscallSucceeds());
    AlsaTest::TearDown();
  }

 private:
  CallInThread unbind_;
};

REVOKE_TEST_F(AlsaResults, BlockedWriter, baseline::kPasses) {
  Pcm pcm(card_.Playback(), O_WRONLY);
  ASSERT_NO_FATAL_FAILURE(Fill(pcm, kSlow));
  CallInThread writer([&] {
    const std::vector<char> frames = Frames(kSlow);
    long result = 0;
    // There may be room for some: then the next one is not.
    do {
      result = pcm.Write(frames.data(), frames.size());
    } while (result == static_cast<long>(frames.size()));
    return result >= 0 ? pcm.Write(frames.data(), frames.size()) : result;
  });
  ASSERT_TRUE(WaitUntilBlocked(writer.tid(), {.syscall = SYS_write}));
  StartUnbind();
  // Either it has written nothing, or the next call finds the stream gone.
  EXPECT_THAT(writer.Join(), SyscallFailsWithErrno(testing::AnyOf(EBADFD, ENODEV)));
}

REVOKE_TEST_F(AlsaResults, BlockedReader, baseline::kPasses) {
  Pcm pcm(card_.Capture(), O_RDONLY);
  ASSERT_THAT(pcm, SyscallSucceeds());
  ASSERT_THAT(pcm.SetUp(kSlow), SyscallSucceeds());
  CallInThread reader([&] {
    std::vector<char> frames = Frames(kSlow);
    // It gets nothing at all before the end of the first period.
    return pcm.Read(frames.data(), frames.size());
  });
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  StartUnbind();
  EXPECT_THAT(reader.Join(), SyscallFailsWithErrno(EBADFD));
}

REVOKE_TEST_F(AlsaResults, BlockedDrain, baseline::kPasses) {
  Pcm pcm(card_.Playback(), O_WRONLY);
  ASSERT_NO_FATAL_FAILURE(Fill(pcm, kSlow));
  CallInThread drain([&] { return pcm.Drain(); });
  ASSERT_TRUE(WaitUntilBlocked(drain.tid(), {.syscall = SYS_ioctl}));
  StartUnbind();
  EXPECT_THAT(drain.Join(), SyscallFailsWithErrno(ENODEV));
}

REVOKE_TEST_F(AlsaResults, BlockedReaderOfEvents, baseline::kPasses) {
  FileDescriptor control = Open(card_.Control(), O_RDWR);
  ASSERT_THAT(control, SyscallSucceeds());
  int on = 1;
  ASSERT_THAT(ioctl(control.get(), SNDRV_CTL_IOCTL_SUBSCRIBE_EVENTS, &on), SyscallSucceeds());
  CallInThread reader([&] {
    snd_ctl_event event{};
    return read(control.get(), &event, sizeof(event));
  });
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  StartUnbind();
  EXPECT_THAT(reader.Join(), SyscallFailsWithErrno(ENODEV));
}

REVOKE_TEST_F(AlsaResults, Pollers, baseline::kPasses) {
  Pcm pcm(card_.Playback(), O_WRONLY);
  ASSERT_NO_FATAL_FAILURE(Fill(pcm, kSlow));
  FileDescriptor control = Open(card_.Control(), O_RDWR);
  int on = 1;
  ASSERT_THAT(ioctl(control.get(), SNDRV_CTL_IOCTL_SUBSCRIBE_EVENTS, &on), SyscallSucceeds());
  // The library asks for POLLNVAL.
  pollfd event = {.fd = control.get(), .events = POLLIN | POLLERR | POLLNVAL, .revents = 0};
  CallInThread poller([&] { return poll(&event, 1, -1); });
  ASSERT_TRUE(WaitUntilBlocked(poller.tid(), {.syscall = SYS_poll}));
  StartUnbind();
  EXPECT_THAT(poller.Join(), SyscallSucceedsWithValue(1));
  EXPECT_EQ(event.revents, POLLERR | POLLNVAL);

  pollfd stream = {.fd = pcm.fd(), .events = POLLOUT | POLLERR | POLLNVAL, .revents = 0};
  EXPECT_THAT(poll(&stream, 1, -1), SyscallSucceedsWithValue(1));
  EXPECT_EQ(stream.revents & (POLLERR | POLLNVAL), POLLERR | POLLNVAL);
}

REVOKE_TEST_F(AlsaResults, LaterCalls, baseline::kPasses) {
  Pcm pcm(card_.Playback(), O_RDWR);
  ASSERT_NO_FATAL_FAILURE(Fill(pcm, kSlow));
  FileDescriptor control = Open(card_.Control(), O_RDWR);
  ASSERT_THAT(control, SyscallSucceeds());
  pollfd event = {.fd = control.get(), .events = POLLNVAL, .revents = 0};
  StartUnbind();
  const Deadline deadline(kDefaultWait);
  while (poll(&event, 1, 1) == 0 && !deadline.Passed()) {
  }
  EXPECT_EQ(event.revents, POLLERR | POLLNVAL);

  char byte[kFrame] = {};
  snd_ctl_card_info info{};
  EXPECT_THAT(pcm.Write(byte, sizeof(byte)), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(pcm.State(), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(pcm.MapStatus(), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(lseek(pcm.fd(), 0, SEEK_SET), SyscallFailsWithErrno(ESPIPE));
  EXPECT_THAT(ioctl(control.get(), SNDRV_CTL_IOCTL_CARD_INFO, &info),
              SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(read(control.get(), byte, 1), SyscallFailsWithErrno(ENODEV));
  EXPECT_THAT(fcntl(pcm.fd(), F_SETFL, O_ASYNC), SyscallFailsWithErrno(ENODEV));
}

REVOKE_TEST_F(AlsaResults, BlockedReaderOfMidi, baseline::kPasses) {
  card_ = SoundCard("snd_virmidi");
  ASSERT_NO_FATAL_FAILURE(AlsaTest::SetUp());
  FileDescriptor midi = Open(card_.Midi(), O_RDONLY);
  ASSERT_THAT(midi, SyscallSucceeds());
  CallInThread reader([&] {
    char byte = 0;
    return read(midi.get(), &byte, 1);
  });
  ASSERT_TRUE(WaitUntilBlocked(reader.tid(), {.syscall = SYS_read}));
  StartUnbind();
  EXPECT_THAT(reader.Join(), SyscallFailsWithErrno(ENODEV));
}

// Dozens of times, while there are always some who open, play, or are about to leave. On 7.3.4,
// those who play by a mapping may get SIGBUS.
REVOKE_TEST_F(AlsaTest, ComesAndGoesUnderPlayers, baseline::kPasses) {
  constexpr int kPlayers = 8;
  constexpr int kTimes = 24;
  constexpr int kAtLeast = 4;  // where everything is slow
  std::atomic<bool> over = false;
  std::atomic<int> played = 0;
  std::atomic<int> faults = 0;
  std::vector<std::unique_ptr<ScopedThread>> players;
  for (int i = 0; i < kPlayers; ++i) {
    players.push_back(std::make_unique<ScopedThread>([&, i] {
      const std::vector<char> frames = Frames(kMapped);
      const PcmSetup setup = i % 2 == 0 ? kMapped : PcmSetup{};
      while (!over) {
        const Pcm pcm(card_.Playback(), O_RDWR);
        if (pcm.error() != 0 || pcm.SetUp(setup) < 0) {
          sched_yield();
          continue;
        }
        ++played;
        const Mapping status = pcm.MapStatus();
        const Mapping data = pcm.MapData(setup);
        if (data.valid()) {
          const auto result = Probe::Run([&] {
            std::memset(data.base(), i, data.size());
            while (!over && status.valid() && StateIn(status) != SNDRV_PCM_STATE_DISCONNECTED) {
              *data.At<char>() = 1;
              sched_yield();
            }
          });
          if (result.fault) ++faults;
        } else {
          while (!over && pcm.Write(frames.data(), frames.size()) > 0) {
          }
        }
      }
    }));
  }
  [&] {
    const Deadline enough(std::chrono::seconds(5));
    int before = 0;
    for (int i = 0; i < kTimes && (i < kAtLeast || !enough.Passed()); ++i) {
      const Deadline deadline(kDefaultWait);
      while (played == before && !deadline.Passed()) sched_yield();
      ASSERT_NE(played, before) << i;
      CallInThread unbind([&] { return card_.Unbind(); });
      ASSERT_NO_FATAL_FAILURE(ExpectAtOnce(unbind));
      before = played;
      ASSERT_THAT(card_.Bind(), SyscallSucceeds());
    }
  }();
  over = true;
  players.clear();
  const bool unpatched = revokeat(-1, "", 0) == -1 && errno == ENOSYS;
  EXPECT_TRUE(faults == 0 || unpatched) << faults;
}

// ---- streams that are linked ----

REVOKE_TEST_F(AlsaTest, StreamsOfOtherCardsGoOn, baseline::kFails) {
  const SoundCard other("snd_aloop");
  CallInThread unbind;
  const PcmSetup setup = {.starts_at = 1U << 20};
  Pcm pcm(card_.Playback(), O_WRONLY);
  ASSERT_NO_FATAL_FAILURE(Fill(pcm, setup));
  const Pcm peer(other.Playback(), O_WRONLY);
  ASSERT_NO_FATAL_FAILURE(Fill(peer, setup));
  ASSERT_THAT(pcm.Link(peer), SyscallSucceeds());
  ASSERT_THAT(pcm.Start(), SyscallSucceeds());
  EXPECT_EQ(peer.State(), SNDRV_PCM_STATE_RUNNING);

  unbind.Start([&] { return card_.Unbind(); });
  const Deadline deadline(kDefaultWait);
  while (peer.State() == SNDRV_PCM_STATE_RUNNING && !deadline.Passed()) sched_yield();
  pcm.Close();
  ASSERT_THAT(unbind.Join(), SyscallSucceeds());
  baseline::FailsFromHere();
  EXPECT_EQ(peer.State(), SNDRV_PCM_STATE_SETUP);
  EXPECT_THAT(peer.Prepare(), SyscallSucceeds());
  const std::vector<char> frames = Frames(setup);
  EXPECT_THAT(peer.Write(frames.data(), frames.size()), SyscallSucceeds());
}

// ---- revokeat(2) ----

REVOKE_TEST_F(AlsaTest, OneStreamIsTaken, baseline::kEnosys) {
  REVOKE_NEED_REVOKEAT();
  const FileDescriptor control = Open(card_.Control(), O_RDWR);
  const Pcm capture(card_.Capture(), O_RDONLY);
  ASSERT_THAT(capture, SyscallSucceeds());
  ASSERT_THAT(capture.SetUp(kMapped), SyscallSucceeds());
  ASSERT_THAT(capture.Start(), SyscallSucceeds());
  const Pcm taken(card_.Playback(), O_RDWR);
  ASSERT_THAT(taken, SyscallSucceeds());
  ASSERT_THAT(taken.SetUp(kMapped), SyscallSucceeds());
  const Mapping status = taken.MapStatus();
  const Mapping data = taken.MapData();
  *data.At<char>() = 1;

  ASSERT_THAT(revoke(card_.Playback().c_str()), SyscallSucceeds());
  EXPECT_THAT(taken.State(), SyscallFailsWithErrno(ENODEV));
  EXPECT_EQ(StateIn(status), SNDRV_PCM_STATE_DISCONNECTED);
  EXPECT_EQ(*data.At<char>(), 0);
  // The next session has it at once, with parameters of its own.
  const Pcm next(card_.Playback(), O_RDWR);
  ASSERT_NO_FATAL_FAILURE(Fill(next, kSlow));
  EXPECT_THAT(next.Prepare(), SyscallFailsWithErrno(EBUSY));
  EXPECT_EQ(capture.State(), SNDRV_PCM_STATE_RUNNING);
  snd_ctl_card_info info{};
  EXPECT_THAT(ioctl(control.get(), SNDRV_CTL_IOCTL_CARD_INFO, &info), SyscallSucceeds());
}

// It does not say that all has been played.
REVOKE_TEST_F(AlsaTest, DrainOfAStreamThatIsTakenFails, baseline::kEnosys) {
  REVOKE_NEED_REVOKEAT();
  const Pcm pcm(card_.Playback(), O_WRONLY);
  ASSERT_NO_FATAL_FAILURE(Fill(pcm, kSlow));
  CallInThread drain([&] { return pcm.Drain(); });
  ASSERT_TRUE(WaitUntilBlocked(drain.tid(), {.syscall = SYS_ioctl}));
  ASSERT_THAT(RevokeFile(pcm.fd()), SyscallSucceeds());
  EXPECT_THAT(drain.Join(), SyscallFailsWithErrno(ENODEV));
}

// The hardware is left as by a close.
REVOKE_TEST_F(AloopTest, PausedStreamIsStoppedWhenItIsTaken, baseline::kEnosys) {
  REVOKE_NEED_REVOKEAT();
  const Pcm other_end(card_.Capture(1), O_RDONLY);
  ASSERT_THAT(other_end, SyscallSucceeds());
  const Pcm taken(card_.Playback(), O_WRONLY);
  ASSERT_NO_FATAL_FAILURE(Fill(taken, {.rate = 8000, .buffer = 16384}));
  ASSERT_THAT(ioctl(taken.fd(), SNDRV_PCM_IOCTL_PAUSE, 1), SyscallSucceeds());
  const std::string cable = "/proc/asound/card" + std::to_string(card_.number()) + "/cable#0";
  const auto runs = testing::HasSubstr("running: 1");
  ASSERT_THAT(ReadSmallFile(cable).value_or(""), runs);
  ASSERT_THAT(RevokeFile(taken.fd()), SyscallSucceeds());
  EXPECT_THAT(ReadSmallFile(cable).value_or(""), testing::Not(runs));
}

// Two files that share a stream: what one has mapped keeps the other from nothing any more.
REVOKE_TEST_F(AlsaTest, OneFileOfASharedStreamIsTaken, baseline::kEnosys) {
  REVOKE_NEED_REVOKEAT();
  const FileDescriptor control = Open(card_.Control(), O_RDWR);
  int subdevice = 0;
  ASSERT_THAT(ioctl(control.get(), SNDRV_CTL_IOCTL_PCM_PREFER_SUBDEVICE, &subdevice),
              SyscallSucceeds());
  const Pcm pcm(card_.Playback(), O_RDWR);
  ASSERT_THAT(pcm, SyscallSucceeds());
  ASSERT_THAT(pcm.SetUp(kMapped), SyscallSucceeds());
  const Pcm taken(card_.Playback(), O_RDWR | O_APPEND);
  const Mapping data = taken.MapData();
  ASSERT_THAT(data, SyscallSucceeds());
  ASSERT_THAT(pcm.SetUp(kMapped), SyscallFailsWithErrno(EBADFD)) << "it is mapped";

  ASSERT_THAT(RevokeFile(taken.fd()), SyscallSucceeds());
  EXPECT_THAT(taken.State(), SyscallFailsWithErrno(ENODEV));
  EXPECT_EQ(pcm.State(), SNDRV_PCM_STATE_PREPARED);
  EXPECT_THAT(pcm.SetUp(kMapped), SyscallSucceeds());
}

// By the emulation of OSS, too, buffers can be mapped.
REVOKE_TEST_F(AlsaTest, OssMappingsShowNothingOfTheOldCard, baseline::kFails) {
  CallInThread unbind;
  const FileDescriptor dsp = Open(card_.Oss("dsp"), O_RDWR);
  ASSERT_THAT(dsp, SyscallSucceeds());
  int format = AFMT_S16_LE;
  ASSERT_THAT(ioctl(dsp.get(), SNDCTL_DSP_SETFMT, &format), SyscallSucceeds());
  const Mapping data(dsp.get(), PageSize());
  ASSERT_THAT(data, SyscallSucceeds());
  *data.At<char>() = 1;
  const unsigned long frame = PageFrameAt(data.base());

  unbind.Start([&] { return card_.Unbind(); });
  baseline::FailsFromHere();
  ASSERT_NO_FATAL_FAILURE(ExpectAtOnce(unbind));
  EXPECT_EQ(*data.At<char>(), 0);
  EXPECT_NE(PageFrameAt(data.base()), frame);
}

REVOKE_TEST_F(AlsaTest, GlobalDevicesAreNotRevokable, baseline::kEnosys) {
  REVOKE_NEED_REVOKEAT();
  EXPECT_THAT(revoke("/dev/snd/timer"), SyscallFailsWithErrno(EOPNOTSUPP));
}

// ---- the module ----

REVOKE_TEST_F(AlsaTest, ModuleGoesUnderStaleFilesAndMappings, baseline::kFails) {
  REVOKE_SKIP_IF(!HaveKernelModules(), "TEST_SOUND_MODULES does not say where snd-dummy.ko is");
  CallInThread unbind;
  const FileDescriptor control = Open(card_.Control(), O_RDWR);
  const Pcm pcm(card_.Playback(), O_RDWR);
  ASSERT_THAT(pcm.SetUp(kMapped), SyscallSucceeds());
  const Mapping status = pcm.MapStatus();
  const Mapping data = pcm.MapData();
  *data.At<char>() = 1;
  // With files that have not been revoked, it never could.
  EXPECT_THAT(UnloadKernelModule("snd-dummy"), SyscallFailsWithErrno(EWOULDBLOCK));

  unbind.Start([&] { return card_.Unbind(); });
  baseline::FailsFromHere();
  ASSERT_NO_FATAL_FAILURE(ExpectAtOnce(unbind));
  ASSERT_THAT(UnloadKernelModule("snd-dummy"), SyscallSucceeds());
  EXPECT_EQ(StateIn(status), SNDRV_PCM_STATE_DISCONNECTED);
  EXPECT_EQ(*data.At<char>(), 0);
  EXPECT_THAT(pcm.State(), SyscallFailsWithErrno(ENODEV));
  ASSERT_THAT(LoadKernelModule("snd-dummy"), SyscallSucceeds());
}

}  // namespace
}  // namespace revoke_test
