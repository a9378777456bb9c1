// SPDX-License-Identifier: GPL-2.0
//
// The files that operations use.

#ifndef REVOKE_TOOLS_BENCH_FILES_UNDER_TEST_H_
#define REVOKE_TOOLS_BENCH_FILES_UNDER_TEST_H_

namespace bench {

inline constexpr char kSysfs[] = "/sys/kernel/rcu_expedited";
inline constexpr char kDebugfs[] = "/sys/kernel/debug/x86/tlb_single_page_flush_ceiling";
inline constexpr char kSound[] = "/dev/snd/controlC0";
inline constexpr char kPcm[] = "/dev/snd/pcmC1D0p";
inline constexpr char kTest[] = "/dev/revoke_test0";

}  // namespace bench

#endif  // REVOKE_TOOLS_BENCH_FILES_UNDER_TEST_H_
