// SPDX-License-Identifier: GPL-2.0

#include "comparison.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "files.h"

namespace bench {
namespace {

using guest::Error;
using std::string;

constexpr std::string_view kReferenceHeader =
    "# What `make bench-check` compares the patched kernel with; written by `make bench-reference`.\n"
    "# group, call, file, scale, instructions or bytes, by how much it may be off\n";
constexpr size_t kReferenceFields = 6;

Figures Summarize(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.back() - values.front()};
}

std::map<Subject, Figures> Summarize(const std::vector<std::vector<Result>>& repeats,
                                     const char* kernel) {
  std::map<Subject, std::vector<double>> values;
  for (const std::vector<Result>& repeat : repeats)
    for (const Result& result : repeat) values[result.subject].push_back(result.value);
  std::map<Subject, Figures> summary;
  for (auto& [subject, numbers] : values) {
    if (numbers.size() != repeats.size())
      throw Error(string("not in each repeat of the ") + kernel + " kernel: " + Describe(subject));
    summary[subject] = Summarize(std::move(numbers));
  }
  if (summary.empty()) throw Error(string("no results of the ") + kernel + " kernel");
  return summary;
}

std::optional<Figures> Find(const std::map<Subject, Figures>& all, const Subject& subject) {
  const auto found = all.find(subject);
  if (found == all.end()) return std::nullopt;
  return found->second;
}

string Number(double value) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.2f", value);
  return text;
}

bool SameButScale(const Subject& a, const Subject& b) {
  return a.group == b.group && a.call == b.call && a.file == b.file;
}

}  // namespace

std::optional<double> Row::Difference() const {
  if (!base || !patched) return std::nullopt;
  return patched->median - base->median;
}

std::vector<Row> Merge(const std::vector<std::vector<Result>>& base,
                       const std::vector<std::vector<Result>>& patched) {
  const std::map<Subject, Figures> of_base = Summarize(base, "unpatched");
  const std::map<Subject, Figures> of_patched = Summarize(patched, "patched");
  std::vector<Row> rows;
  for (const Result& result : patched.front())
    rows.push_back(
        {result.subject, Find(of_base, result.subject), Find(of_patched, result.subject)});
  for (const Result& result : base.front()) {
    if (!of_patched.contains(result.subject))
      rows.push_back({result.subject, Find(of_base, result.subject), std::nullopt});
  }
  return rows;
}

std::optional<double> Growth(const std::vector<Row>& rows, size_t index) {
  if (index == 0 || rows[index].subject.group != Group::kRemoval) return std::nullopt;
  const Row& now = rows[index];
  const Row& before = rows[index - 1];
  if (!SameButScale(now.subject, before.subject) || !now.patched || !before.patched ||
      before.subject.scale <= 0 || before.patched->median <= 0 || now.patched->median <= 0) {
    return std::nullopt;
  }
  return std::log(now.patched->median / before.patched->median) /
         std::log(static_cast<double>(now.subject.scale) /
                  static_cast<double>(before.subject.scale));
}

double DefaultTolerance(const Subject& subject, const Figures& figures) {
  constexpr double kSpreads = 3;
  const bool removal = subject.group == Group::kRemoval;
  const double instructions = removal ? 40000 : 2;
  // What a revoke leaves to RCU and to works is done in some of its calls.
  const double call_share = subject.call == "open+revokeat+close" ? 0.05 : 0.005;
  const double share = removal ? 0.6 : call_share;
  return std::max({instructions, share * figures.median, kSpreads * figures.spread});
}

string SerializeReference(const std::vector<Row>& rows) {
  string text(kReferenceHeader);
  for (const Row& row : rows) {
    if (!row.patched) continue;
    text += Serialize(row.subject) + '\t' + Number(row.patched->median) + '\t' +
            Number(DefaultTolerance(row.subject, *row.patched)) + '\n';
  }
  return text;
}

std::vector<Expected> ParseReference(std::string_view text, const string& path) {
  std::vector<Expected> reference;
  for (const string& line : Split(text, '\n')) {
    if (line.empty() || line[0] == '#') continue;
    const std::vector<string> fields = Split(line, '\t');
    if (fields.size() != kReferenceFields) throw Error(path + ": not six fields: " + line);
    reference.push_back({ParseSubject(fields), ToNumber(fields[4]), ToNumber(fields[5])});
    if (reference.back().tolerance < 0) throw Error(path + ": tolerance below 0: " + line);
  }
  if (reference.empty()) throw Error(path + ": no rows");
  return reference;
}

std::vector<Expected> WithValuesOf(const std::vector<Result>& control,
                                   std::vector<Expected> reference) {
  std::map<Subject, double> values;
  for (const Result& result : control) values[result.subject] = result.value;
  for (Expected& expected : reference) {
    const auto found = values.find(expected.subject);
    if (found == values.end())
      throw Error("the control run has no result: " + Describe(expected.subject));
    expected.value = found->second;
  }
  return reference;
}

std::vector<string> Check(const std::vector<Result>& results,
                          const std::vector<Expected>& reference) {
  std::map<Subject, double> left;
  for (const Result& result : results) left[result.subject] = result.value;
  std::vector<string> wrong;
  for (const Expected& expected : reference) {
    const auto found = left.find(expected.subject);
    if (found == left.end()) {
      wrong.push_back(Describe(expected.subject) + ": no result");
      continue;
    }
    const double off = found->second - expected.value;
    // Not a number is not within either.
    if (!(std::abs(off) <= expected.tolerance)) {
      wrong.push_back(Describe(expected.subject) + ": " + Number(found->second) + ", not " +
                      Number(expected.value) + " +- " + Number(expected.tolerance));
    }
    left.erase(found);
  }
  for (const auto& [subject, value] : left)
    wrong.push_back(Describe(subject) + ": not in the reference (make bench-reference)");
  return wrong;
}

}  // namespace bench
