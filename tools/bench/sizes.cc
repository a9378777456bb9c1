// SPDX-License-Identifier: GPL-2.0

#include "sizes.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "files.h"

namespace bench {
namespace {

using std::string;

constexpr size_t kShown = 12;

struct Symbols {
  std::map<string, long> code;  // bytes by name; those of the same name together
  long code_bytes = 0;
  long data_bytes = 0;
};

// What the compiler has numbered is the same thing in both kernels: "name.isra.0".
string Plain(const string& name) { return name.substr(0, name.find('.', 1)); }

// "ADDRESS SIZE TYPE NAME", nothing for other lines
struct Line {
  long size;
  char type;
  string name;
};
std::optional<Line> ParseLine(const string& text) {
  const std::vector<string> fields = Split(text, ' ');
  if (fields.size() != 4 || fields[2].size() != 1) return std::nullopt;
  return Line{std::strtol(fields[1].c_str(), nullptr, 16), fields[2][0], Plain(fields[3])};
}

// Adds what `nm` has listed, or takes it away with a `sign` of -1.
void Count(std::string_view listing, long sign, Symbols& symbols) {
  for (const string& line : Split(listing, '\n')) {
    const std::optional<Line> symbol = ParseLine(line);
    // The table of symbols has those of the tests, too.
    if (!symbol || symbol->name.starts_with("kallsyms_")) continue;
    const long size = sign * symbol->size;
    if (string("tTwW").find(symbol->type) != string::npos) {
      symbols.code[symbol->name] += size;
      symbols.code_bytes += size;
    } else {
      symbols.data_bytes += size;
    }
  }
}

Symbols Read(std::string_view listing, const std::vector<string>& without) {
  Symbols symbols;
  Count(listing, 1, symbols);
  if (symbols.code.empty()) throw guest::Error("nm has found no functions");
  for (const string& object : without) Count(object, -1, symbols);
  return symbols;
}

Row ToRow(const char* what, long base, long patched) {
  return {{Group::kSize, "vmlinux, no tests", what},
          Figures{static_cast<double>(base), 0},
          Figures{static_cast<double>(patched), 0}};
}

string Growers(const Symbols& base, const Symbols& patched) {
  std::vector<std::pair<long, string>> grown;
  long more = 0;
  long less = 0;
  std::map<string, long> all = patched.code;
  for (const auto& [name, size] : base.code) all[name] -= size;
  for (const auto& [name, size] : all) {
    if (size > 0) more += size;
    if (size < 0) less += size;
    grown.emplace_back(size, name);
  }
  std::sort(grown.rbegin(), grown.rend());
  string text = "\nCode: +" + std::to_string(more) + " and " + std::to_string(less) +
                " bytes; most of it in\n";
  for (size_t i = 0; i < std::min(kShown, grown.size()) && grown[i].first > 0; i++) {
    const bool is_new = !base.code.contains(grown[i].second);
    text += "  " + string(is_new ? "new " : "    ") + grown[i].second + " +" +
            std::to_string(grown[i].first) + "\n";
  }
  return text;
}

}  // namespace

SizeReport CompareSizes(std::string_view base, std::string_view patched,
                        const std::vector<string>& tests) {
  const Symbols before = Read(base, {});
  const Symbols after = Read(patched, tests);
  return {{ToRow("code", before.code_bytes, after.code_bytes),
           ToRow("data", before.data_bytes, after.data_bytes)},
          Growers(before, after)};
}

}  // namespace bench
