// SPDX-License-Identifier: GPL-2.0

#include "sigbus_probe.h"

#include <cerrno>
#include <csetjmp>
#include <cstring>
#include <sstream>

#include "mapping.h"
#include "test_check.h"

namespace revoke_test {
namespace {

// What the handler needs to know of the thread it interrupts.
struct ActiveProbe {
  sigjmp_buf back;
  Fault fault;
};
thread_local ActiveProbe* active_probe = nullptr;

void OnFault(int signo, siginfo_t* info, void* /*context*/) {
  // Sent by kill(2), or not by a probe: it must have the effect it has without us. Back to the
  // default; a faulting instruction is repeated on return, a sent signal is raised again.
  const bool sent = info->si_code <= 0;
  if (active_probe == nullptr || sent) {
    struct sigaction action{};
    action.sa_handler = SIG_DFL;
    sigaction(signo, &action, nullptr);
    if (sent) raise(signo);
    return;
  }
  active_probe->fault = {.signo = signo, .code = info->si_code, .addr = info->si_addr};
  siglongjmp(active_probe->back, 1);
}

void InstallHandlers() {
  struct sigaction action{};
  action.sa_sigaction = OnFault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (const int signo : {SIGBUS, SIGSEGV}) TEST_PCHECK(sigaction(signo, &action, nullptr) == 0);
}

// A stack for the handler of this thread: the probed memory may be the thread's own stack guard.
class AlternateStack {
 public:
  AlternateStack() : memory_(Mapping::Anonymous(kSize)) {
    TEST_CHECK(memory_.valid());
    const stack_t stack = {.ss_sp = memory_.base(), .ss_flags = 0, .ss_size = kSize};
    TEST_PCHECK(sigaltstack(&stack, &previous_) == 0);
  }
  AlternateStack(const AlternateStack&) = delete;
  AlternateStack& operator=(const AlternateStack&) = delete;
  ~AlternateStack() { sigaltstack(&previous_, nullptr); }

 private:
  static constexpr std::size_t kSize = std::size_t{64} * 1024;
  Mapping memory_;
  stack_t previous_{};
};

const char* CodeName(int signo, int code) {
  if (signo == SIGBUS) {
    switch (code) {
      case BUS_ADRALN:
        return "BUS_ADRALN";
      case BUS_ADRERR:
        return "BUS_ADRERR";
      case BUS_OBJERR:
        return "BUS_OBJERR";
      case BUS_MCEERR_AR:
        return "BUS_MCEERR_AR";
      case BUS_MCEERR_AO:
        return "BUS_MCEERR_AO";
      default:
        return nullptr;
    }
  }
  switch (code) {
    case SEGV_MAPERR:
      return "SEGV_MAPERR";
    case SEGV_ACCERR:
      return "SEGV_ACCERR";
    case SEGV_BNDERR:
      return "SEGV_BNDERR";
    case SEGV_PKUERR:
      return "SEGV_PKUERR";
    case SI_KERNEL:
      return "SI_KERNEL";
    default:
      return nullptr;
  }
}

}  // namespace

std::string FaultText(const Fault& fault) {
  std::ostringstream out;
  const char* name = sigabbrev_np(fault.signo);
  if (name != nullptr) {
    out << "SIG" << name;
  } else {
    out << "signal " << fault.signo;
  }
  const char* code = CodeName(fault.signo, fault.code);
  if (code != nullptr) {
    out << ' ' << code;
  } else {
    out << " si_code " << fault.code;
  }
  out << " at " << fault.addr;
  return out.str();
}

bool IsSigbusAt(const std::optional<Fault>& fault, const volatile void* addr) {
  return fault == Fault{.signo = SIGBUS, .code = BUS_ADRERR, .addr = const_cast<const void*>(addr)};
}

std::optional<Fault> Probe::Call(void (*body)(void*), void* context) {
  static const bool installed = [] {
    InstallHandlers();
    return true;
  }();
  thread_local AlternateStack stack;
  static_cast<void>(installed);
  static_cast<void>(stack);
  TEST_CHECK(active_probe == nullptr && "probes do not nest");

  ActiveProbe probe{};
  active_probe = &probe;
  // The signal mask is saved and put back: the jump leaves the handler without its return.
  if (sigsetjmp(probe.back, 1) == 0) body(context);
  active_probe = nullptr;
  if (probe.fault.signo == 0) return std::nullopt;
  return probe.fault;
}

namespace internal {

bool MatchFault(const std::optional<Fault>& fault, int signo, int code, const volatile void* addr,
                testing::MatchResultListener* listener) {
  if (!fault) {
    *listener << "which did not fault";
    return false;
  }
  *listener << "which got " << FaultText(*fault);
  return *fault == Fault{.signo = signo, .code = code, .addr = const_cast<const void*>(addr)};
}

}  // namespace internal
}  // namespace revoke_test
