// SPDX-License-Identifier: GPL-2.0
//
// Watches the kernel log and the taint flags while a test runs.

#ifndef REVOKE_KSELFTESTS_UTIL_KMSG_H_
#define REVOKE_KSELFTESTS_UTIL_KMSG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fd.h"
#include "splat.h"

namespace revoke_test {

// One record of /dev/kmsg.
struct KmsgRecord {
  bool from_kernel = false;  // false: written by a program
  std::uint64_t sequence = 0;
  std::string text;  // lines separated by '\n'; without the dictionary
};

// Parses "priority,sequence,time,flags[,...];text\n KEY=value\n". Nothing if it is not of that
// form.
std::optional<KmsgRecord> ParseKmsgRecord(std::string_view record);

// Names of the taint flags that speak of something gone wrong and are set in `after` but not in
// `before`: "WARN DIE". Flags that only tell what kind of module was loaded are left out.
std::string NewTaint(std::uint64_t before, std::uint64_t after);

// The kernel's taint mask; nothing if it cannot be read.
std::optional<std::uint64_t> ReadTaint();

class KmsgWatch {
 public:
  // Watches what the kernel logs from now on. `allow` must outlive the watch.
  explicit KmsgWatch(const splat::AllowList& allow);

  // For tests: `records` is non-blocking and gives one record per read.
  KmsgWatch(const splat::AllowList& allow, FileDescriptor records);

  // False if the log cannot be read here; why_not() says why. Taint is compared all the same.
  bool watching() const { return records_.valid(); }
  const std::string& why_not() const { return why_not_; }

  struct Report {
    std::vector<splat::Finding> findings;  // splats, denied and excused, since the last report
    std::string new_taint;                 // as NewTaint()
    std::string trouble;  // why a part of the log could not be judged; empty: all was

    // Nothing to complain of.
    bool Clean() const;
    // One line per complaint or excused splat.
    std::vector<std::string> Lines() const;
  };

  // What happened since the construction or the last report.
  Report Take();

 private:
  const splat::AllowList& allow_;
  FileDescriptor records_;
  std::string why_not_;
  std::optional<std::uint64_t> taint_;
};

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_KMSG_H_
