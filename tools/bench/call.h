// SPDX-License-Identifier: GPL-2.0
//
// System calls without a library between: what is counted is the call, and it is the same six
// instructions around each.

#ifndef REVOKE_TOOLS_BENCH_CALL_H_
#define REVOKE_TOOLS_BENCH_CALL_H_

#include <type_traits>

namespace bench {

namespace internal {

template <typename T>
long Word(T value) {
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<long>(value);
  } else {
    return static_cast<long>(value);
  }
}

inline long Raw(long number, long a, long b, long c, long d, long e, long f) {
  long result = number;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "+a"(result)
               : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

}  // namespace internal

// The result as the kernel gives it: a negated errno if it failed.
template <typename A = long, typename B = long, typename C = long, typename D = long,
          typename E = long, typename F = long>
inline __attribute__((always_inline)) long Call(long number, A a = 0, B b = 0, C c = 0, D d = 0,
                                                E e = 0, F f = 0) {
  using internal::Word;
  return internal::Raw(number, Word(a), Word(b), Word(c), Word(d), Word(e), Word(f));
}

}  // namespace bench

#endif  // REVOKE_TOOLS_BENCH_CALL_H_
