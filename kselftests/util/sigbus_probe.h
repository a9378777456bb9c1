// SPDX-License-Identifier: GPL-2.0
//
// Touches memory in the calling thread and says what happened: a value, or the SIGBUS or SIGSEGV
// with its si_code and si_addr. Nothing is forked, so it is this process's mapping that is judged.
//
//     EXPECT_THAT(Probe::Read(bar.At<std::uint32_t>(0)), DiesOfSigbusAt(bar.At(0)));
//     EXPECT_THAT(Probe::Write(bar.At<std::uint32_t>(0), 1U), Survives());

#ifndef REVOKE_KSELFTESTS_UTIL_SIGBUS_PROBE_H_
#define REVOKE_KSELFTESTS_UTIL_SIGBUS_PROBE_H_

#include <gmock/gmock.h>

#include <concepts>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

namespace revoke_test {

// What the signal handler was told.
struct Fault {
  int signo = 0;               // SIGBUS or SIGSEGV
  int code = 0;                // si_code: BUS_ADRERR, SEGV_MAPERR, ...
  const void* addr = nullptr;  // si_addr

  friend bool operator==(const Fault&, const Fault&) = default;
};

// "SIGBUS BUS_ADRERR at 0x7f0000001000".
std::string FaultText(const Fault& fault);

// A value read, or the fault instead of it.
template <typename T>
struct ProbeResult {
  std::optional<Fault> fault;
  T value{};  // meaningful without fault only
};

template <>
struct ProbeResult<void> {
  std::optional<Fault> fault;
};

template <typename T>
std::ostream& operator<<(std::ostream& os, const ProbeResult<T>& result) {
  if (result.fault) return os << FaultText(*result.fault);
  if constexpr (std::is_void_v<T>) {
    return os << "no fault";
  } else {
    return os << "no fault, value " << +result.value;
  }
}

class Probe {
 public:
  // One load of sizeof(T) bytes, which must be naturally aligned.
  template <std::integral T>
  static ProbeResult<T> Read(const volatile T* from) {
    T value{};
    const std::optional<Fault> fault = Catch([&] { value = *from; });
    return {.fault = fault, .value = value};
  }

  // One store of sizeof(T) bytes.
  template <std::integral T>
  static ProbeResult<void> Write(volatile T* to, std::type_identity_t<T> value) {
    return {.fault = Catch([&] { *to = value; })};
  }

  // Runs `body`, which may fault anywhere and is left at that point: it must own nothing that has a
  // destructor, and must not hold a lock. Probes do not nest.
  template <std::invocable F>
  static ProbeResult<void> Run(F body) {
    return {.fault = Catch(body)};
  }

 private:
  template <typename F>
  static std::optional<Fault> Catch(F&& body) {
    return Call([](void* context) { (*static_cast<std::remove_reference_t<F>*>(context))(); },
                static_cast<void*>(&body));
  }

  static std::optional<Fault> Call(void (*body)(void*), void* context);
};

namespace internal {

bool MatchFault(const std::optional<Fault>& fault, int signo, int code, const volatile void* addr,
                testing::MatchResultListener* listener);

}  // namespace internal

// What DiesOfSigbusAt() asks for, where no matcher can be used: in children.
bool IsSigbusAt(const std::optional<Fault>& fault, const volatile void* addr);

// Whether a read of `from` gives that.
template <std::integral T>
bool DiesOfSigbus(const volatile T* from) {
  return IsSigbusAt(Probe::Read(from).fault, from);
}

// The access raised SIGBUS with BUS_ADRERR (what a fault handler's VM_FAULT_SIGBUS gives) at
// exactly this address.
MATCHER_P(
    DiesOfSigbusAt, addr,
    std::string(negation ? "does not die" : "dies") + " of SIGBUS BUS_ADRERR at " +
        testing::PrintToString(const_cast<const void*>(static_cast<const volatile void*>(addr)))) {
  return internal::MatchFault(arg.fault, SIGBUS, BUS_ADRERR, addr, result_listener);
}

// The access raised SIGSEGV with this si_code (SEGV_MAPERR: nothing mapped, SEGV_ACCERR: not
// permitted) at exactly this address.
MATCHER_P2(
    DiesOfSigsegvAt, addr, code,
    std::string(negation ? "does not die" : "dies") + " of " +
        FaultText({.signo = SIGSEGV,
                   .code = code,
                   .addr = const_cast<const void*>(static_cast<const volatile void*>(addr))})) {
  return internal::MatchFault(arg.fault, SIGSEGV, code, addr, result_listener);
}

// The access raised no signal.
MATCHER(Survives, negation ? "faults" : "does not fault") { return !arg.fault.has_value(); }

// The access raised no signal and the value read matches.
MATCHER_P(ReadsValue, value,
          "reads a value that " + testing::DescribeMatcher<std::uint64_t>(value)) {
  return !arg.fault.has_value() &&
         testing::ExplainMatchResult(testing::MatcherCast<std::uint64_t>(value),
                                     static_cast<std::uint64_t>(arg.value), result_listener);
}

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_SIGBUS_PROBE_H_
