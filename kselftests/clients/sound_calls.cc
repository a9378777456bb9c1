// SPDX-License-Identifier: GPL-2.0
//
// Makes the calls of a sound client, before and after its card goes, and prints what each returns.
// It is built for 32 and for 64 bits, and needs no library but that of C.
//
// usage: sound_calls PCM CONTROL

#include <fcntl.h>
#include <poll.h>
#include <sound/asound.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

namespace {

constexpr unsigned int kFrames = 4096;
constexpr unsigned int kFrameBytes = 4;

char buffer[kFrames * kFrameBytes];

void Say(const char* call, long result) {
  std::printf("%s %s\n", call, result < 0 ? strerrorname_np(errno) : "succeeds");
  std::fflush(stdout);
}

void SetMask(snd_pcm_hw_params& params, int param, unsigned int value) {
  snd_mask& mask = params.masks[param - SNDRV_PCM_HW_PARAM_FIRST_MASK];
  std::memset(mask.bits, 0, sizeof(mask.bits));
  mask.bits[value / 32] = 1U << value % 32;
}

void SetInterval(snd_pcm_hw_params& params, int param, unsigned int value) {
  snd_interval& interval = params.intervals[param - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL];
  interval = {};
  interval.min = value;
  interval.max = value;
  interval.integer = 1;
}

snd_pcm_hw_params HwParams() {
  snd_pcm_hw_params params{};
  std::memset(params.masks, 0xff, sizeof(params.masks));
  for (snd_interval& interval : params.intervals) interval.max = UINT_MAX;
  params.rmask = ~0U;
  params.info = ~0U;
  SetMask(params, SNDRV_PCM_HW_PARAM_ACCESS, SNDRV_PCM_ACCESS_RW_INTERLEAVED);
  SetMask(params, SNDRV_PCM_HW_PARAM_FORMAT, SNDRV_PCM_FORMAT_S16_LE);
  SetInterval(params, SNDRV_PCM_HW_PARAM_CHANNELS, 2);
  SetInterval(params, SNDRV_PCM_HW_PARAM_RATE, 48000);
  SetInterval(params, SNDRV_PCM_HW_PARAM_BUFFER_SIZE, kFrames);
  SetInterval(params, SNDRV_PCM_HW_PARAM_PERIODS, 4);
  return params;
}

snd_pcm_sw_params SwParams() {
  snd_pcm_sw_params params{};
  params.period_step = 1;
  params.avail_min = 1;
  params.start_threshold = 1;
  params.boundary = kFrames;
  while (params.boundary <= LONG_MAX / 4) params.boundary *= 2;
  params.stop_threshold = params.boundary;
  return params;
}

// The calls of a PCM device, all of them made once.
void CallStream(int pcm) {
  snd_pcm_info info{};
  Say("INFO", ioctl(pcm, SNDRV_PCM_IOCTL_INFO, &info));
  snd_pcm_hw_params hw = HwParams();
  Say("HW_REFINE", ioctl(pcm, SNDRV_PCM_IOCTL_HW_REFINE, &hw));
  hw = HwParams();
  Say("HW_PARAMS", ioctl(pcm, SNDRV_PCM_IOCTL_HW_PARAMS, &hw));
  snd_pcm_sw_params sw = SwParams();
  Say("SW_PARAMS", ioctl(pcm, SNDRV_PCM_IOCTL_SW_PARAMS, &sw));
  Say("PREPARE", ioctl(pcm, SNDRV_PCM_IOCTL_PREPARE));
  snd_xferi frames{};
  frames.buf = buffer;
  frames.frames = kFrames;
  Say("WRITEI_FRAMES", ioctl(pcm, SNDRV_PCM_IOCTL_WRITEI_FRAMES, &frames));
  void* channels[2] = {buffer, buffer};
  snd_xfern each{};
  each.bufs = channels;
  each.frames = 1;
  Say("WRITEN_FRAMES", ioctl(pcm, SNDRV_PCM_IOCTL_WRITEN_FRAMES, &each));
  snd_pcm_status status{};
  Say("STATUS", ioctl(pcm, SNDRV_PCM_IOCTL_STATUS, &status));
  Say("STATUS_EXT", ioctl(pcm, SNDRV_PCM_IOCTL_STATUS_EXT, &status));
  snd_pcm_sync_ptr pointers{};
  pointers.flags = SNDRV_PCM_SYNC_PTR_APPL | SNDRV_PCM_SYNC_PTR_AVAIL_MIN;
  Say("SYNC_PTR", ioctl(pcm, SNDRV_PCM_IOCTL_SYNC_PTR, &pointers));
  snd_pcm_sframes_t delay = 0;
  Say("DELAY", ioctl(pcm, SNDRV_PCM_IOCTL_DELAY, &delay));
  Say("HWSYNC", ioctl(pcm, SNDRV_PCM_IOCTL_HWSYNC));
  snd_pcm_channel_info channel{};
  Say("CHANNEL_INFO", ioctl(pcm, SNDRV_PCM_IOCTL_CHANNEL_INFO, &channel));
  snd_pcm_uframes_t some = 1;
  Say("REWIND", ioctl(pcm, SNDRV_PCM_IOCTL_REWIND, &some));
  some = 1;
  Say("FORWARD", ioctl(pcm, SNDRV_PCM_IOCTL_FORWARD, &some));
  void* data = mmap(nullptr, sizeof(buffer), PROT_READ | PROT_WRITE, MAP_SHARED, pcm, 0);
  Say("mmap", data == MAP_FAILED ? -1 : 0);
}

void CallControl(int control) {
  snd_ctl_card_info card{};
  Say("CARD_INFO", ioctl(control, SNDRV_CTL_IOCTL_CARD_INFO, &card));
  snd_ctl_elem_id ids[1] = {};
  snd_ctl_elem_list list{};
  list.space = 1;
  list.pids = ids;
  Say("ELEM_LIST", ioctl(control, SNDRV_CTL_IOCTL_ELEM_LIST, &list));
  snd_ctl_elem_info info{};
  info.id = ids[0];
  Say("ELEM_INFO", ioctl(control, SNDRV_CTL_IOCTL_ELEM_INFO, &info));
  snd_ctl_elem_value value{};
  value.id = ids[0];
  Say("ELEM_READ", ioctl(control, SNDRV_CTL_IOCTL_ELEM_READ, &value));
  Say("ELEM_WRITE", ioctl(control, SNDRV_CTL_IOCTL_ELEM_WRITE, &value));
  snd_pcm_info pcm{};
  Say("PCM_INFO", ioctl(control, SNDRV_CTL_IOCTL_PCM_INFO, &pcm));
  int on = 1;
  Say("SUBSCRIBE_EVENTS", ioctl(control, SNDRV_CTL_IOCTL_SUBSCRIBE_EVENTS, &on));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int pcm = open(argv[1], O_RDWR);
  const int control = open(argv[2], O_RDWR);
  if (pcm < 0 || control < 0) return 2;
  CallStream(pcm);
  CallControl(control);

  // So it blocks until the card goes, in the middle of it or at the beginning of the next.
  snd_xferi frames{};
  frames.buf = buffer;
  frames.frames = kFrames;
  Say("plays", 0);
  while (ioctl(pcm, SNDRV_PCM_IOCTL_WRITEI_FRAMES, &frames) == 0) {
  }
  const bool gone = errno == EBADFD || errno == ENODEV;
  Say(gone ? "stops" : "fails", 0);
  pollfd polled[2] = {{pcm, POLLOUT | POLLNVAL, 0}, {control, POLLIN | POLLNVAL, 0}};
  for (pollfd& one : polled) {
    const int ready = poll(&one, 1, -1);
    std::printf("poll %d %#x\n", ready, static_cast<unsigned int>(one.revents));
  }
  CallStream(pcm);
  CallControl(control);
  Say("write", write(pcm, buffer, kFrameBytes));
  Say("read", read(control, buffer, sizeof(snd_ctl_event)));
  return 0;
}
