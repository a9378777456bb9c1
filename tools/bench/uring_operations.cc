// SPDX-License-Identifier: GPL-2.0

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>

#include "call.h"
#include "operation.h"
#include "ring.h"

namespace bench {
namespace {

constexpr unsigned kCount = 200;
constexpr unsigned kEntries = 4;

char* MapRing(int fd, std::size_t size, off_t offset) {
  const long address =
      Call(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);
  if (address < 0 && address > -4096) Must(address, "cannot map the ring");
  return reinterpret_cast<char*>(address);  // NOLINT(performance-no-int-to-ptr)
}

Loop Nop() {
  auto ring = std::make_shared<Ring>();
  return Repeat([ring] { return ring->Do({.opcode = IORING_OP_NOP}) == 0; });
}

Loop Read(const SharedFd& file, long bytes, bool fixed) {
  auto ring = std::make_shared<Ring>();
  auto buffer = std::make_shared<std::array<char, 64>>();
  if (fixed) ring->Register(file->get());
  io_uring_sqe request{.opcode = IORING_OP_READ,
                       .flags = static_cast<__u8>(fixed ? IOSQE_FIXED_FILE : 0),
                       .fd = fixed ? 0 : file->get(),
                       .len = static_cast<__u32>(buffer->size())};
  request.addr = reinterpret_cast<std::uintptr_t>(buffer->data());
  return Repeat([=, keep = file] { return ring->Do(request) == bytes; });
}

}  // namespace

Ring::Ring() {
  params_.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  fd_ = guest::Fd(
      static_cast<int>(Must(Call(SYS_io_uring_setup, kEntries, &params_), "io_uring_setup")));
  rings_size_ = std::max(params_.sq_off.array + params_.sq_entries * sizeof(unsigned),
                         params_.cq_off.cqes + params_.cq_entries * sizeof(io_uring_cqe));
  rings_ = MapRing(fd_.get(), rings_size_, IORING_OFF_SQ_RING);
  requests_ = reinterpret_cast<io_uring_sqe*>(
      MapRing(fd_.get(), params_.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES));
}

Ring::~Ring() {
  munmap(requests_, params_.sq_entries * sizeof(io_uring_sqe));
  munmap(rings_, rings_size_);
}

void Ring::Register(int fd) {
  Must(Call(SYS_io_uring_register, fd_.get(), IORING_REGISTER_FILES, &fd, 1), "register a file");
}

long Ring::Do(const io_uring_sqe& request) {
  auto* sq_tail = At<std::atomic<unsigned>>(params_.sq_off.tail);
  const unsigned mask = *At<unsigned>(params_.sq_off.ring_mask);
  const unsigned tail = sq_tail->load(std::memory_order_relaxed);
  requests_[tail & mask] = request;
  At<unsigned>(params_.sq_off.array)[tail & mask] = tail & mask;
  sq_tail->store(tail + 1, std::memory_order_release);
  const long taken = Call(SYS_io_uring_enter, fd_.get(), 1, 1, IORING_ENTER_GETEVENTS, 0, 0);
  if (taken != 1) return taken < 0 ? taken : -EIO;
  auto* cq_head = At<std::atomic<unsigned>>(params_.cq_off.head);
  const unsigned head = cq_head->load(std::memory_order_relaxed);
  if (head == At<std::atomic<unsigned>>(params_.cq_off.tail)->load(std::memory_order_acquire))
    return -EIO;
  const long result =
      At<io_uring_cqe>(params_.cq_off.cqes)[head & *At<unsigned>(params_.cq_off.ring_mask)].res;
  cq_head->store(head + 1, std::memory_order_release);
  return result;
}

std::vector<Operation> UringOperations(const Devices&) {
  return {
      {"io_uring nop", "no file", kCount, Nop},
      {"io_uring read", "/dev/zero", kCount,
       [] { return Read(Open("/dev/zero", O_RDONLY), 64, false); }},
      {"io_uring read", "/dev/zero, fixed", kCount,
       [] { return Read(Open("/dev/zero", O_RDONLY), 64, true); }},
      {"io_uring read", "tmpfs, fixed", kCount, [] { return Read(OpenTmpfs(), 64, true); }},
  };
}

}  // namespace bench
