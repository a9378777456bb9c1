// SPDX-License-Identifier: GPL-2.0

#include "job.h"

#include <charconv>

namespace guest {
namespace {

constexpr std::string_view kEnd = "end";

std::string Escape(std::string_view value) {
  std::string out;
  for (char c : value) {
    switch (c) {
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\\':
        out += "\\\\";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::optional<std::string> Unescape(std::string_view value) {
  std::string out;
  for (size_t i = 0; i < value.size(); i++) {
    if (value[i] != '\\') {
      out += value[i];
      continue;
    }
    if (++i == value.size()) return std::nullopt;
    switch (value[i]) {
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case '\\':
        out += '\\';
        break;
      default:
        return std::nullopt;
    }
  }
  return out;
}

void Add(std::string& out, std::string_view key, std::string_view value) {
  out.append(key).append(" ").append(Escape(value)).append("\n");
}

struct Field {
  std::string_view key;
  std::string value;
};

// All fields before the end mark.
std::optional<std::vector<Field>> ParseFields(std::string_view text, std::string* error) {
  std::vector<Field> fields;
  int number = 0;
  while (!text.empty()) {
    number++;
    const size_t eol = text.find('\n');
    if (eol == std::string_view::npos) break;
    const std::string_view line = text.substr(0, eol);
    text.remove_prefix(eol + 1);
    if (line == kEnd) {
      if (text.empty()) return fields;
      *error = "text after the end mark";
      return std::nullopt;
    }
    const size_t space = line.find(' ');
    std::optional<std::string> value;
    if (space != std::string_view::npos) value = Unescape(line.substr(space + 1));
    if (!value) {
      *error = "line " + std::to_string(number) + " is not \"key value\": " + std::string(line);
      return std::nullopt;
    }
    fields.push_back({line.substr(0, space), *std::move(value)});
  }
  *error = "cut short: no end mark";
  return std::nullopt;
}

std::optional<int> ParseInt(std::string_view text) {
  int value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string Serialize(const Job& job) {
  std::string out;
  Add(out, "nonce", job.nonce);
  for (const std::string& arg : job.argv) Add(out, "arg", arg);
  for (const std::string& env : job.env) Add(out, "env", env);
  for (const std::string& sysctl : job.sysctls) Add(out, "sysctl", sysctl);
  for (const std::string& module : job.modules) Add(out, "module", module);
  for (const Share& share : job.shares) Add(out, "share", share.tag + ":" + share.path);
  return out.append(kEnd).append("\n");
}

std::string Serialize(const Verdict& verdict) {
  std::string out;
  Add(out, "nonce", verdict.nonce);
  switch (verdict.kind) {
    case Verdict::Kind::kExited:
      Add(out, "exited", std::to_string(verdict.value));
      break;
    case Verdict::Kind::kKilled:
      Add(out, "killed", std::to_string(verdict.value));
      break;
    case Verdict::Kind::kError:
      Add(out, "error", verdict.text);
      break;
  }
  return out.append(kEnd).append("\n");
}

std::optional<Job> ParseJob(std::string_view text, std::string* error) {
  const std::optional<std::vector<Field>> fields = ParseFields(text, error);
  if (!fields) return std::nullopt;
  Job job;
  for (const Field& field : *fields) {
    if (field.key == "nonce") {
      job.nonce = field.value;
    } else if (field.key == "arg") {
      job.argv.push_back(field.value);
    } else if (field.key == "env") {
      job.env.push_back(field.value);
    } else if (field.key == "sysctl") {
      job.sysctls.push_back(field.value);
    } else if (field.key == "module") {
      job.modules.push_back(field.value);
    } else if (const size_t colon = field.value.find(':');
               field.key == "share" && colon != std::string::npos) {
      job.shares.push_back({field.value.substr(0, colon), field.value.substr(colon + 1)});
    } else {
      *error = "unknown field: " + std::string(field.key) + " " + field.value;
      return std::nullopt;
    }
  }
  if (job.nonce.empty() || job.argv.empty()) {
    *error = "a job needs a nonce and a program";
    return std::nullopt;
  }
  return job;
}

std::optional<Verdict> ParseVerdict(std::string_view text, std::string* error) {
  const std::optional<std::vector<Field>> fields = ParseFields(text, error);
  if (!fields) return std::nullopt;
  if (fields->size() != 2 || (*fields)[0].key != "nonce") {
    *error = "a verdict has a nonce and one outcome";
    return std::nullopt;
  }
  Verdict verdict{.nonce = (*fields)[0].value};
  const auto& [key, value] = (*fields)[1];
  if (key == "error") {
    verdict.text = value;
    return verdict;
  }
  const std::optional<int> number = ParseInt(value);
  if ((key != "exited" && key != "killed") || !number) {
    *error = "unknown outcome: " + std::string(key) + " " + value;
    return std::nullopt;
  }
  verdict.kind = key == "exited" ? Verdict::Kind::kExited : Verdict::Kind::kKilled;
  verdict.value = *number;
  return verdict;
}

}  // namespace guest
