// SPDX-License-Identifier: GPL-2.0

#include "proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <memory>
#include <sstream>
#include <string_view>

#include "errno_matchers.h"
#include "fd.h"

namespace revoke_test {
namespace {

template <typename N>
std::optional<N> ParseNumber(std::string_view text) {
  N number{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// The numeric names in a directory.
std::vector<pid_t> NumbersIn(const std::string& dir) {
  std::vector<pid_t> numbers;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(dir.c_str()), &closedir);
  if (!stream) return numbers;
  while (const dirent* entry = readdir(stream.get())) {
    if (const auto number = ParseNumber<pid_t>(entry->d_name)) numbers.push_back(*number);
  }
  return numbers;
}

std::vector<pid_t> ProcessesWith(const std::function<bool(const TaskState&)>& wanted) {
  std::vector<pid_t> found;
  for (const pid_t pid : NumbersIn("/proc")) {
    const std::optional<TaskState> task = ReadTask(pid);
    if (task && wanted(*task)) found.push_back(pid);
  }
  return found;
}

std::string TaskDir(pid_t tid) { return "/proc/" + std::to_string(tid); }

// "pid (comm) state ppid pgrp ...", where comm may itself contain blanks and parentheses.
bool ParseStat(const std::string& text, TaskState* task) {
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return false;
  task->comm = text.substr(open + 1, close - open - 1);
  std::istringstream rest(text.substr(close + 1));
  return static_cast<bool>(rest >> task->state >> task->parent >> task->group);
}

void ParseSyscall(const std::string& text, TaskState* task) {
  const std::string_view first = std::string_view(text).substr(0, text.find_first_of(" \n"));
  if (first == "running") {
    task->syscall = TaskState::Syscall::kRunning;
  } else if (const auto number = ParseNumber<long>(first)) {
    task->syscall = *number < 0 ? TaskState::Syscall::kNone : TaskState::Syscall::kNumber;
    task->syscall_number = *number;
  }
}

}  // namespace

std::optional<std::string> ReadSmallFile(const std::string& path) {
  const FileDescriptor fd = Open(path, O_RDONLY);
  if (!fd.valid()) return std::nullopt;
  std::string text;
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t got = RetryEintr([&] { return read(fd.get(), buffer.data(), buffer.size()); });
    if (got < 0) return std::nullopt;
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

std::optional<TaskState> ReadTaskDir(const std::string& dir) {
  TaskState task;
  const std::optional<std::string> stat = ReadSmallFile(dir + "/stat");
  if (!stat || !ParseStat(*stat, &task)) return std::nullopt;
  if (const auto text = ReadSmallFile(dir + "/syscall")) ParseSyscall(*text, &task);
  if (const auto text = ReadSmallFile(dir + "/wchan"); text && *text != "0") task.wchan = *text;
  if (const auto text = ReadSmallFile(dir + "/status")) {
    constexpr std::string_view kKey = "\nvoluntary_ctxt_switches:\t";
    const std::size_t at = text->find(kKey);
    if (at != std::string::npos) {
      const std::string_view rest = std::string_view(*text).substr(at + kKey.size());
      task.voluntary_switches =
          ParseNumber<std::uint64_t>(rest.substr(0, rest.find('\n'))).value_or(0);
    }
  }
  return task;
}

std::optional<TaskState> ReadTask(pid_t tid) { return ReadTaskDir(TaskDir(tid)); }

std::vector<pid_t> ThreadsOf(pid_t pid) { return NumbersIn(TaskDir(pid) + "/task"); }

std::vector<pid_t> ChildrenOf(pid_t parent) {
  return ProcessesWith([=](const TaskState& task) { return task.parent == parent; });
}

std::vector<pid_t> MembersOf(pid_t group) {
  return ProcessesWith([=](const TaskState& task) { return task.group == group; });
}

std::string DescribeTask(pid_t tid) {
  const std::optional<TaskState> task = ReadTask(tid);
  std::ostringstream out;
  out << "task " << tid;
  if (!task) {
    out << " is gone";
    return out.str();
  }
  out << " (" << task->comm << ") state " << task->state << ", ";
  switch (task->syscall) {
    case TaskState::Syscall::kUnknown:
      out << "system call unknown";
      break;
    case TaskState::Syscall::kRunning:
      out << "running";
      break;
    case TaskState::Syscall::kNone:
      out << "in no system call";
      break;
    case TaskState::Syscall::kNumber:
      out << "in system call " << task->syscall_number;
      break;
  }
  if (!task->wchan.empty()) out << ", asleep in " << task->wchan;
  if (const auto stack = ReadSmallFile(TaskDir(tid) + "/stack"); stack && !stack->empty()) {
    out << '\n' << *stack;
  }
  return out.str();
}

}  // namespace revoke_test
