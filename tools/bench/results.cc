// SPDX-License-Identifier: GPL-2.0

#include "results.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "files.h"

namespace bench {
namespace {

using guest::Error;
using std::string;

constexpr std::string_view kFirstLine = "# bench-guest 1";
constexpr std::string_view kLastLine = "# end ";
constexpr size_t kSubjectFields = 4;

constexpr std::array kGroups = {Group::kCall, Group::kRemoval, Group::kSize};

std::vector<string> Lines(std::string_view text) {
  std::vector<string> lines = Split(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

}  // namespace

const char* Name(Group group) {
  switch (group) {
    case Group::kCall:
      return "call";
    case Group::kRemoval:
      return "removal";
    case Group::kSize:
      return "size";
  }
  return "?";
}

string Describe(const Subject& subject) {
  string text = subject.call + ", " + subject.file;
  if (subject.group == Group::kRemoval) text += ", " + std::to_string(subject.scale);
  return text;
}

std::vector<string> Split(std::string_view line, char separator) {
  std::vector<string> fields;
  while (true) {
    const size_t end = line.find(separator);
    fields.emplace_back(line.substr(0, end));
    if (end == std::string_view::npos) return fields;
    line.remove_prefix(end + 1);
  }
}

double ToNumber(const string& word) {
  char* end = nullptr;
  const double number = std::strtod(word.c_str(), &end);
  if (word.empty() || *end != '\0') throw Error("\"" + word + "\" is no number");
  return number;
}

Subject ParseSubject(const std::vector<string>& fields) {
  if (fields.size() < kSubjectFields) throw Error("a line has too few fields");
  for (const Group group : kGroups) {
    if (fields[0] == Name(group))
      return {group, fields[1], fields[2], static_cast<long>(ToNumber(fields[3]))};
  }
  throw Error("there is no group \"" + fields[0] + "\"");
}

string Serialize(const Subject& subject) {
  return string(Name(subject.group)) + '\t' + subject.call + '\t' + subject.file + '\t' +
         std::to_string(subject.scale);
}

string Serialize(const std::vector<Result>& results) {
  string text = string(kFirstLine) + '\n';
  for (const Result& result : results) {
    char value[64];
    std::snprintf(value, sizeof(value), "%.2f", result.value);
    text += Serialize(result.subject) + '\t' + value + '\n';
  }
  return text + string(kLastLine) + std::to_string(results.size()) + '\n';
}

std::vector<Result> ParseResults(std::string_view text, const string& path) {
  const std::vector<string> lines = Lines(text);
  if (lines.empty() || lines.front() != kFirstLine) throw Error(path + ": not of bench-guest");
  std::vector<Result> results;
  std::set<Subject> seen;
  try {
    for (size_t i = 1; i + 1 < lines.size(); i++) {
      const std::vector<string> fields = Split(lines[i], '\t');
      if (fields.size() != kSubjectFields + 1) throw Error("not five fields: " + lines[i]);
      results.push_back({ParseSubject(fields), ToNumber(fields.back())});
      if (!seen.insert(results.back().subject).second) throw Error("twice: " + lines[i]);
    }
  } catch (const Error& error) {
    throw Error(path + ": " + error.what());
  }
  if (results.empty()) throw Error(path + ": no results");
  if (lines.back() != string(kLastLine) + std::to_string(results.size()))
    throw Error(path + ": the end is missing");
  return results;
}

}  // namespace bench
