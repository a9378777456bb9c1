// SPDX-License-Identifier: GPL-2.0
//
// Turns what a guest run left behind into green or red. Fails closed: whatever is absent is red.

#ifndef REVOKE_TOOLS_GUEST_JUDGE_H_
#define REVOKE_TOOLS_GUEST_JUDGE_H_

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "job.h"
#include "splat.h"

namespace guest {

struct Evidence {
  std::string nonce;                              // of the job
  std::optional<std::string> verdict;             // contents of the verdict file, if there is one
  std::optional<std::string> console;             // console log, if it could be read
  std::optional<std::chrono::seconds> timed_out;  // the limit that was exceeded
  std::optional<std::string> emulator_failure;    // the emulator could not start or did not exit 0
};

struct Judgement {
  std::vector<std::string> red;      // why the run is red, most telling first; empty: green
  std::vector<std::string> excused;  // splats the allow list excused, with their reasons
  std::vector<std::string> report;   // what the kernel printed with the first splat that is red

  [[nodiscard]] bool green() const { return red.empty(); }
};

Judgement Judge(const Evidence& evidence, const splat::AllowList& allow);

// The part about the console log; nothing means that there is none.
Judgement JudgeConsole(const std::optional<std::string>& console, const splat::AllowList& allow);

// The judgement as a results file with one result, "guest".
std::string ToKtap(const Judgement& judgement);

}  // namespace guest

#endif  // REVOKE_TOOLS_GUEST_JUDGE_H_
