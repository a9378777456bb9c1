// SPDX-License-Identifier: GPL-2.0

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include <cerrno>

#include "call.h"
#include "files_under_test.h"
#include "operation.h"

namespace bench {
namespace {

constexpr unsigned kCount = 500;
constexpr unsigned kCountOfMany = 50;
constexpr unsigned kMany = 64;

// Pipes, each with a byte in it or without.
std::vector<Pipe> MakePipes(unsigned count, bool ready) {
  std::vector<Pipe> pipes;
  for (unsigned i = 0; i < count; i++) {
    pipes.push_back(MakePipe());
    if (ready) Must(Call(SYS_write, pipes.back().write->get(), "x", 1), "write to a pipe");
  }
  return pipes;
}

// poll(2) without waiting.
Loop Poll(const std::vector<SharedFd>& fds, long ready) {
  auto polled = std::make_shared<std::vector<pollfd>>();
  for (const SharedFd& fd : fds) polled->push_back({.fd = fd->get(), .events = POLLIN});
  return Repeat([fds, polled, ready, at = polled->data(), count = polled->size()] {
    return Call(SYS_poll, at, count, 0) == ready;
  });
}

std::vector<SharedFd> ReadEnds(const std::vector<Pipe>& pipes) {
  std::vector<SharedFd> ends;
  ends.reserve(pipes.size());
  for (const Pipe& pipe : pipes) ends.push_back(pipe.read);
  return ends;
}

Operation PollFile(const char* name, std::string path, long ready) {
  return {"poll", name, kCount, [path = std::move(path), ready] {
            return Poll({Open(path, O_RDONLY | O_NONBLOCK)}, ready);
          }};
}

Loop PollPipes(unsigned count) {
  // A pipe whose other end has gone is ready.
  const auto pipes = std::make_shared<std::vector<Pipe>>(MakePipes(count, false));
  const Loop loop = Poll(ReadEnds(*pipes), 0);
  return [pipes, loop](unsigned times) { return loop(times); };
}

Loop SelectPipes(unsigned count) {
  auto pipes = std::make_shared<std::vector<Pipe>>(MakePipes(count, false));
  fd_set all;
  FD_ZERO(&all);
  int last = 0;
  for (const Pipe& pipe : *pipes) {
    FD_SET(pipe.read->get(), &all);
    last = std::max(last, pipe.read->get());
  }
  return Repeat([pipes, all, last] {
    fd_set in = all;
    timeval now{};
    return Call(SYS_select, last + 1, &in, 0, 0, &now) == 0;
  });
}

struct Epoll {
  SharedFd fd;
  std::shared_ptr<std::vector<epoll_event>> events;
};

Epoll MakeEpoll(const std::vector<SharedFd>& fds) {
  Epoll epoll{std::make_shared<guest::Fd>(epoll_create1(EPOLL_CLOEXEC)),
              std::make_shared<std::vector<epoll_event>>(fds.size())};
  for (const SharedFd& fd : fds) {
    epoll_event event{.events = EPOLLIN};
    Must(Call(SYS_epoll_ctl, epoll.fd->get(), EPOLL_CTL_ADD, fd->get(), &event), "epoll_ctl");
  }
  return epoll;
}

// All are ready, which epoll finds out by polling each.
Loop WaitForPipes(unsigned count) {
  auto pipes = std::make_shared<std::vector<Pipe>>(MakePipes(count, true));
  const Epoll epoll = MakeEpoll(ReadEnds(*pipes));
  return Repeat(
      [pipes, epoll, fd = epoll.fd->get(), at = epoll.events->data(),
       all = static_cast<long>(count)] { return Call(SYS_epoll_wait, fd, at, all, 0) == all; });
}

Loop AddAndDelete(const std::string& path) {
  const SharedFd file = Open(path, O_RDONLY | O_NONBLOCK);
  const Epoll epoll = MakeEpoll({});
  auto event = std::make_shared<epoll_event>(epoll_event{.events = EPOLLIN});
  return Repeat([=, fd = epoll.fd->get(), target = file->get(), at = event.get(),
                 keep = std::make_pair(file, epoll)] {
    return Call(SYS_epoll_ctl, fd, EPOLL_CTL_ADD, target, at) == 0 &&
           Call(SYS_epoll_ctl, fd, EPOLL_CTL_DEL, target, at) == 0;
  });
}

}  // namespace

std::vector<Operation> WaitOperations(const Devices& devices) {
  std::vector<Operation> operations = {
      PollFile("/dev/null", "/dev/null", 1),
      PollFile("sysfs attribute", kSysfs, 1),
      PollFile("/proc/version", "/proc/version", 1),
      PollFile("UIO", devices.uio, 0),
      PollFile("ALSA control", kSound, 0),
      {"poll", "pipe", kCount, [] { return PollPipes(1); }},
      {"poll", "64 pipes", kCountOfMany, [] { return PollPipes(kMany); }},
      {"select", "pipe", kCount, [] { return SelectPipes(1); }},
      {"select", "64 pipes", kCountOfMany, [] { return SelectPipes(kMany); }},
      {"epoll_wait", "pipe", kCount, [] { return WaitForPipes(1); }},
      {"epoll_wait", "64 pipes", kCountOfMany, [] { return WaitForPipes(kMany); }},
      {"epoll_ctl add+del", "UIO", kCount, [uio = devices.uio] { return AddAndDelete(uio); }},
      {"epoll_ctl add+del", "ALSA control", kCount, [] { return AddAndDelete(kSound); }},
  };
  if (devices.revoke) operations.push_back(PollFile("test device", kTest, 0));
  return operations;
}

}  // namespace bench
