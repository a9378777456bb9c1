// SPDX-License-Identifier: GPL-2.0
//
// The table of the scaling benchmark: nanoseconds per call, one row for each candidate.

#ifndef REVOKE_TOOLS_SCALING_TABLE_H_
#define REVOKE_TOOLS_SCALING_TABLE_H_

#include <iosfwd>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace scaling {

// When one thread was in its loop, in seconds of one clock.
struct Window {
  double begin = 0;
  double end = 0;
};

// The share of the time from the first begin to the last end in which all were in their loops.
double Overlap(const std::vector<Window>& windows);

// One repetition.
struct Sample {
  double ns = 0;        // CPU time of one call, as the calling thread sees it
  double together = 0;  // the share of the time in which all threads ran, 0 to 1
};

class Table {
 public:
  // A repetition counts only if its threads ran side by side for this share of it.
  static constexpr double kTogether = 0.8;

  Table(std::vector<std::string> rows, std::vector<std::string> columns)
      : rows_(std::move(rows)), columns_(std::move(columns)) {}

  void Add(const std::string& row, const std::string& column, Sample sample);

  // The median of what counts, and half of the distance between the quartiles in per cent. "?"
  // where nothing counts. Leaves out rows without any sample. Returns whether there is a row, and
  // no "?".
  bool Print(std::ostream& out) const;

 private:
  // By row and column.
  std::map<std::pair<std::string, std::string>, std::vector<double>> counted_;
  std::set<std::string> ran_;
  std::vector<std::string> rows_;
  std::vector<std::string> columns_;
};

}  // namespace scaling

#endif  // REVOKE_TOOLS_SCALING_TABLE_H_
