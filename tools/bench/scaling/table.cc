// SPDX-License-Identifier: GPL-2.0

#include "table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ostream>

namespace scaling {
namespace {

constexpr int kNameWidth = 26;
constexpr int kCellWidth = 16;

std::string Pad(const std::string& text, int width) {
  char padded[64];
  std::snprintf(padded, sizeof(padded), "%*s", width, text.c_str());
  return padded;
}

// The value below which this share of them is; they are sorted.
double At(const std::vector<double>& values, double share) {
  return values[std::lround(share * static_cast<double>(values.size() - 1))];
}

std::string Summary(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const double median = At(values, 0.5);
  char text[64];
  std::snprintf(text, sizeof(text), "%.1f +-%2.0f %%", median,
                50 * (At(values, 0.75) - At(values, 0.25)) / median);
  return text;
}

}  // namespace

double Overlap(const std::vector<Window>& windows) {
  if (windows.empty()) return 0;
  Window all = windows[0];
  Window any = windows[0];
  for (const Window& window : windows) {
    all = {.begin = std::max(all.begin, window.begin), .end = std::min(all.end, window.end)};
    any = {.begin = std::min(any.begin, window.begin), .end = std::max(any.end, window.end)};
  }
  return any.end > any.begin ? std::max(0.0, all.end - all.begin) / (any.end - any.begin) : 0;
}

void Table::Add(const std::string& row, const std::string& column, Sample sample) {
  ran_.insert(row);
  if (sample.together >= kTogether) counted_[{row, column}].push_back(sample.ns);
}

bool Table::Print(std::ostream& out) const {
  bool complete = !ran_.empty();
  out << Pad("ns per call", -kNameWidth);
  for (const std::string& column : columns_) out << Pad(column, kCellWidth);
  for (const std::string& row : rows_) {
    if (!ran_.contains(row)) continue;
    out << '\n' << Pad(row, -kNameWidth);
    for (const std::string& column : columns_) {
      const auto cell = counted_.find({row, column});
      out << Pad(cell == counted_.end() ? "?" : Summary(cell->second), kCellWidth);
      complete = complete && cell != counted_.end();
    }
  }
  out << '\n';
  return complete;
}

}  // namespace scaling
