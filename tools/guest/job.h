// SPDX-License-Identifier: GPL-2.0
//
// What the host runner asks of the guest, and what the guest answers. Both go through files of one
// directory on the host, which the guest sees at kResultsDir:
//
//     job       written by the runner before the boot
//     output    standard output and error of the program
//     verdict   written by the guest agent, last of all, complete or not at all
//
// Shared by guest-run (host) and guest-agent (guest).

#ifndef REVOKE_TOOLS_GUEST_JOB_H_
#define REVOKE_TOOLS_GUEST_JOB_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace guest {

inline constexpr char kResultsDir[] = "/run/results";
inline constexpr char kResultsTag[] = "results";  // 9p mount tag
inline constexpr char kJobFile[] = "job";
inline constexpr char kOutputFile[] = "output";
inline constexpr char kVerdictFile[] = "verdict";

// A host directory the guest sees, read-only, under the same absolute path.
struct Share {
  std::string tag;  // 9p mount tag
  std::string path;

  bool operator==(const Share&) const = default;
};

struct Job {
  std::string nonce;                 // copied to the verdict, so that an old one cannot count
  std::vector<std::string> argv;     // argv[0] is the path of the program in the guest
  std::vector<std::string> env;      // NAME=VALUE, added to the agent's environment
  std::vector<std::string> sysctls;  // kernel.name=value, written before the program starts
  std::vector<std::string> modules;  // paths of kernel modules, loaded before the program starts
  std::vector<Share> shares;         // mounted by the agent when it is process 1

  bool operator==(const Job&) const = default;
};

struct Verdict {
  enum class Kind {
    kExited,  // value is the exit code
    kKilled,  // value is the signal
    kError,   // the agent could not run the program; text says why
  };
  std::string nonce;
  Kind kind = Kind::kError;
  int value = 0;
  std::string text;

  bool operator==(const Verdict&) const = default;
};

// One "key value" pair per line; newline, carriage return and backslash in values are escaped.
std::string Serialize(const Job& job);
std::string Serialize(const Verdict& verdict);

// On malformed text these return nothing and set *error (never null) to what is wrong. A text that
// was cut short is malformed.
std::optional<Job> ParseJob(std::string_view text, std::string* error);
std::optional<Verdict> ParseVerdict(std::string_view text, std::string* error);

}  // namespace guest

#endif  // REVOKE_TOOLS_GUEST_JOB_H_
