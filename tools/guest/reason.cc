// SPDX-License-Identifier: GPL-2.0

#include "reason.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <utility>

namespace guest {
namespace {

// More is in the results file, whose path is printed with the reason.
constexpr size_t kMaxLines = 8;
constexpr size_t kMaxLength = 200;

bool IsSource(std::string_view path) {
  constexpr std::array<std::string_view, 3> kEndings = {".cc", ".c", ".h"};
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [path](std::string_view ending) { return path.ends_with(ending); });
}

// Whether there is something like "mm/revoke.c:12" in it.
bool NamesAPlace(std::string_view line) {
  for (size_t at = 0; (at = line.find(':', at)) != std::string_view::npos; at++) {
    const bool number =
        at + 1 < line.size() && std::isdigit(static_cast<unsigned char>(line[at + 1])) != 0;
    if (number && IsSource(line.substr(0, at))) return true;
  }
  return false;
}

bool Begins(std::string_view line) { return line.starts_with("FAILED ") || NamesAPlace(line); }

// GoogleTest ends an assertion with an empty line or with the result of the test.
bool Ends(std::string_view line) { return line.empty() || line.starts_with("[  FAILED  ]"); }

}  // namespace

std::vector<std::string> FirstFailure(const std::vector<std::string>& printed) {
  auto begin = std::find_if(printed.begin(), printed.end(), Begins);
  auto end = printed.end();
  if (begin == end) {
    begin = end - static_cast<ptrdiff_t>(std::min(printed.size(), kMaxLines));
  } else {
    end = std::find_if(begin + 1, end, [](std::string_view l) { return Ends(l) || Begins(l); });
    if (static_cast<size_t>(end - begin) > kMaxLines)
      end = begin + static_cast<ptrdiff_t>(kMaxLines);
  }
  std::vector<std::string> lines(begin, end);
  // What was declared is half of the reason.
  const auto declared = std::find_if(end, printed.end(),
                                     [](std::string_view l) { return l.starts_with("baseline "); });
  if (declared != printed.end()) lines.push_back(*declared);
  for (std::string& line : lines)
    if (line.size() > kMaxLength) line = line.substr(0, kMaxLength) + "...";
  return lines;
}

std::vector<std::string> LinesOfXml(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, char>, 5> kEntities = {
      {{"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&amp;", '&'}}};
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    char c = text.front();
    size_t length = 1;
    for (const auto& [entity, stands_for] : kEntities) {
      if (!text.starts_with(entity)) continue;
      c = stands_for;
      length = entity.size();
      break;
    }
    text.remove_prefix(length);
    if (c == '\n') {
      lines.emplace_back();
    } else {
      lines.back().push_back(c);
    }
  }
  if (lines.back().empty()) lines.pop_back();
  return lines;
}

}  // namespace guest
