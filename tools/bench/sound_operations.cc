// SPDX-License-Identifier: GPL-2.0
//
// What a player does for each period, on a card without hardware: snd-aloop. Nothing is ever
// started, so the time that passes does not matter.

#include <fcntl.h>
#include <sound/asound.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <climits>
#include <memory>
#include <string>
#include <vector>

#include "call.h"
#include "files_under_test.h"
#include "operation.h"

namespace bench {
namespace {

constexpr unsigned kCount = 200;
constexpr unsigned kFrames = 1024;
constexpr unsigned kFrameBytes = 4;

snd_interval& IntervalOf(snd_pcm_hw_params& params, int param) {
  return params.intervals[param - SNDRV_PCM_HW_PARAM_FIRST_INTERVAL];
}

void Choose(snd_pcm_hw_params& params, int param, unsigned value) {
  if (param <= SNDRV_PCM_HW_PARAM_LAST_MASK) {
    snd_mask& mask = params.masks[param - SNDRV_PCM_HW_PARAM_FIRST_MASK];
    std::fill(std::begin(mask.bits), std::end(mask.bits), 0U);
    mask.bits[value / 32] = 1U << value % 32;
  } else {
    IntervalOf(params, param).min = value;
    IntervalOf(params, param).max = value;
    IntervalOf(params, param).integer = 1;
  }
}

// 16 bits, two channels; prepared, and never to start by itself.
SharedFd OpenPcm() {
  const SharedFd fd = Open(kPcm, O_RDWR | O_NONBLOCK);
  snd_pcm_hw_params hw{};
  for (snd_mask& mask : hw.masks) std::fill(std::begin(mask.bits), std::end(mask.bits), ~0U);
  for (snd_interval& interval : hw.intervals) interval.max = UINT_MAX;
  hw.rmask = ~0U;
  hw.info = ~0U;
  Choose(hw, SNDRV_PCM_HW_PARAM_ACCESS, SNDRV_PCM_ACCESS_RW_INTERLEAVED);
  Choose(hw, SNDRV_PCM_HW_PARAM_FORMAT, SNDRV_PCM_FORMAT_S16_LE);
  Choose(hw, SNDRV_PCM_HW_PARAM_CHANNELS, 2);
  Choose(hw, SNDRV_PCM_HW_PARAM_RATE, 48000);
  Choose(hw, SNDRV_PCM_HW_PARAM_BUFFER_SIZE, 4 * kFrames);
  Choose(hw, SNDRV_PCM_HW_PARAM_PERIODS, 4);
  Must(ioctl(fd->get(), SNDRV_PCM_IOCTL_HW_PARAMS, &hw), "cannot set the parameters of a PCM");
  snd_pcm_sw_params sw{};
  sw.period_step = 1;
  sw.avail_min = 1;
  sw.boundary = 4 * kFrames;
  while (sw.boundary <= LONG_MAX / 4) sw.boundary *= 2;
  sw.start_threshold = sw.boundary;
  sw.stop_threshold = sw.boundary;
  Must(ioctl(fd->get(), SNDRV_PCM_IOCTL_SW_PARAMS, &sw), "cannot set the parameters of a PCM");
  Must(ioctl(fd->get(), SNDRV_PCM_IOCTL_PREPARE), "cannot prepare a PCM");
  return fd;
}

Loop SyncPtr(unsigned flags) {
  const SharedFd fd = OpenPcm();
  auto pointers = std::make_shared<snd_pcm_sync_ptr>();
  return Repeat([fd, pointers, flags, raw = fd->get(), at = pointers.get()] {
    at->flags = flags;
    return Call(SYS_ioctl, raw, SNDRV_PCM_IOCTL_SYNC_PTR, at) == 0;
  });
}

// One period, and back to where it was.
Loop WriteAndRewind(bool by_ioctl) {
  const SharedFd fd = OpenPcm();
  auto samples = std::make_shared<std::vector<char>>(std::size_t{kFrames} * kFrameBytes);
  auto transfer = std::make_shared<snd_xferi>();
  auto frames = std::make_shared<snd_pcm_uframes_t>();
  return Repeat([=, raw = fd->get(), from = samples->data(), bytes = long{kFrames} * kFrameBytes] {
    if (by_ioctl) {
      *transfer = {.result = 0, .buf = from, .frames = kFrames};
      if (Call(SYS_ioctl, raw, SNDRV_PCM_IOCTL_WRITEI_FRAMES, transfer.get()) != 0) return false;
    } else if (Call(SYS_write, raw, from, bytes) != bytes) {
      return false;
    }
    *frames = kFrames;
    return Call(SYS_ioctl, raw, SNDRV_PCM_IOCTL_REWIND, frames.get()) == 0 && fd && samples;
  });
}

}  // namespace

std::vector<Operation> SoundOperations(const Devices&) {
  return {
      {"ioctl SYNC_PTR", "ALSA PCM", kCount, [] { return SyncPtr(SNDRV_PCM_SYNC_PTR_APPL); }},
      {"ioctl SYNC_PTR, HWSYNC", "ALSA PCM", kCount,
       [] { return SyncPtr(SNDRV_PCM_SYNC_PTR_APPL | SNDRV_PCM_SYNC_PTR_HWSYNC); }},
      {"write a period, rewind", "ALSA PCM", kCount, [] { return WriteAndRewind(false); }},
      {"ioctl WRITEI a period, rewind", "ALSA PCM", kCount, [] { return WriteAndRewind(true); }},
  };
}

}  // namespace bench
