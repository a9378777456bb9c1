// SPDX-License-Identifier: GPL-2.0

#include "table.h"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace bench {
namespace {

using std::string;

string Format(const char* format, ...) __attribute__((format(printf, 1, 2)));
string Format(const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  return text;
}

// In full; a hundredth where there is something behind the point.
string Number(double value, bool sign = false) {
  const double rounded = std::round(value * 100) / 100;
  const int digits = rounded == std::round(rounded) ? 0 : 2;
  return sign ? Format("%+.*f", digits, rounded) : Format("%.*f", digits, rounded);
}

string Value(const std::optional<Figures>& figures) {
  return figures ? Number(figures->median) : "-";
}

string Percent(const Row& row) {
  const std::optional<double> difference = row.Difference();
  if (!difference || row.base->median == 0) return "";
  return Format("%+.1f %%", 100 * *difference / row.base->median);
}

string Spread(const std::optional<Figures>& figures) {
  return figures ? Number(figures->spread) : "-";
}

const char* Title(Group group) {
  switch (group) {
    case Group::kCall:
      return "Instructions of one call";
    case Group::kRemoval:
      return "Instructions of one removal; growth: the power of their number it goes by";
    case Group::kSize:
      return "Bytes";
  }
  return "";
}

string What(const Subject& subject) {
  if (subject.group != Group::kRemoval) return subject.file;
  return subject.file + ": " + std::to_string(subject.scale);
}

string GrowthOf(const std::vector<Row>& rows, size_t index) {
  const std::optional<double> growth = Growth(rows, index);
  return growth ? Format("%.2f", *growth) : "";
}

string Quoted(const string& text) { return '"' + text + '"'; }

// ---- the plot ----

constexpr double kLabels = 330;  // width of what is left of the scale
constexpr double kScale = 520;   // width of the scale
constexpr double kNotes = 150;   // width of what is right of it
constexpr double kLine = 15;     // height of a row
constexpr double kHead = 50;
constexpr double kFirstDecade = 2;  // 100 instructions
constexpr double kLastDecade = 8;

double Place(double value) {
  const double decade = std::log10(std::max(value, 1.0));
  const double share = (decade - kFirstDecade) / (kLastDecade - kFirstDecade);
  return kLabels + kScale * std::clamp(share, 0.0, 1.0);
}

string Dot(double value, double y, const char* style) {
  return Format("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" %s/>\n", Place(value), y, style);
}

string Text(double x, double y, const char* anchor, const string& text) {
  return Format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor) + text +
         "</text>\n";
}

string Grid(double bottom) {
  string svg;
  for (double decade = kFirstDecade; decade <= kLastDecade; decade++) {
    const double x = Place(std::pow(10, decade));
    svg += Format("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", x,
                  kHead - 8, x, bottom);
    svg += Text(x, kHead - 14, "middle", Format("10^%.0f", decade));
  }
  return svg;
}

string PlotRow(const Row& row, double y) {
  string svg = Text(kLabels - 10, y + 4, "end", row.subject.call + ", " + What(row.subject));
  if (row.Difference()) {
    svg += Format("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#c33\"/>\n",
                  Place(row.base->median), y, Place(row.patched->median), y);
  }
  if (row.patched) svg += Dot(row.patched->median, y, "fill=\"#c33\"");
  if (row.base) svg += Dot(row.base->median, y, "fill=\"none\" stroke=\"#333\"");
  string note = row.patched ? Number(row.patched->median) : "only unpatched";
  if (row.Difference()) note = Number(*row.Difference(), true) + " (" + Percent(row) + ")";
  return svg + Text(kLabels + kScale + 10, y + 4, "start", note);
}

}  // namespace

string ToText(const std::vector<Row>& rows) {
  string text;
  std::optional<Group> group;
  for (size_t i = 0; i < rows.size(); i++) {
    const Row& row = rows[i];
    if (group != row.subject.group) {
      group = row.subject.group;
      text += Format("%s%s\n%-18s %-34s %12s %12s %10s %9s  %s\n", text.empty() ? "" : "\n",
                     Title(*group), "", "", "base", "patched", "difference", "",
                     *group == Group::kRemoval ? "spread         growth" : "spread");
    }
    const std::optional<double> difference = row.Difference();
    const string spread = Spread(row.base) + " " + Spread(row.patched);
    text += Format("%-18s %-34s %12s %12s %10s %9s  %-14s %s\n", row.subject.call.c_str(),
                   What(row.subject).c_str(), Value(row.base).c_str(), Value(row.patched).c_str(),
                   difference ? Number(*difference, true).c_str() : "-", Percent(row).c_str(),
                   spread.c_str(), GrowthOf(rows, i).c_str());
  }
  return text;
}

string ToCsv(const std::vector<Row>& rows) {
  string csv = "group,call,file,scale,base,patched,difference,base_spread,patched_spread,growth\n";
  for (size_t i = 0; i < rows.size(); i++) {
    const Row& row = rows[i];
    const auto number = [](bool there, double value) { return there ? Number(value) : string(); };
    const Figures none;
    csv += string(Name(row.subject.group)) + ',' + Quoted(row.subject.call) + ',' +
           Quoted(row.subject.file) + ',' + std::to_string(row.subject.scale) + ',' +
           number(row.base.has_value(), row.base.value_or(none).median) + ',' +
           number(row.patched.has_value(), row.patched.value_or(none).median) + ',' +
           number(row.Difference().has_value(), row.Difference().value_or(0)) + ',' +
           number(row.base.has_value(), row.base.value_or(none).spread) + ',' +
           number(row.patched.has_value(), row.patched.value_or(none).spread) + ',' +
           GrowthOf(rows, i) + '\n';
  }
  return csv;
}

string ToSvg(const std::vector<Row>& rows) {
  string body;
  double y = kHead;
  for (const Row& row : rows) {
    if (row.subject.group == Group::kSize) continue;
    body += PlotRow(row, y);
    y += kLine;
  }
  return Format(
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
             "font-family=\"sans-serif\" font-size=\"11\">\n"
             "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
             kLabels + kScale + kNotes, y + kLine) +
         Text(kLabels, 20, "start",
              "Instructions: unpatched (circle) and patched (red), and the difference") +
         Grid(y) + body + "</svg>\n";
}

}  // namespace bench
