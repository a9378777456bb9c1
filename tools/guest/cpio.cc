// SPDX-License-Identifier: GPL-2.0

#include "cpio.h"

#include <sys/stat.h>

#include <cstdio>
#include <utility>

namespace guest {
namespace {

constexpr size_t kAlignment = 4;

std::string Hex(uint32_t value) {
  char text[9];
  std::snprintf(text, sizeof(text), "%08x", value);
  return text;
}

void Pad(std::string& bytes) {
  bytes.append((kAlignment - bytes.size() % kAlignment) % kAlignment, '\0');
}

}  // namespace

void CpioArchive::AddDirectory(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  if (path == "/" || directories_.contains(path)) return;
  AddParents(path);
  directories_.emplace(path);
  AddEntry(path, S_IFDIR | 0755, 2, 0, 0, {});
}

void CpioArchive::AddFile(std::string_view path, mode_t permissions, std::string_view contents) {
  AddParents(path);
  AddEntry(path, S_IFREG | permissions, 1, 0, 0, contents);
}

void CpioArchive::AddCharDevice(std::string_view path, mode_t permissions, unsigned major,
                                unsigned minor) {
  AddParents(path);
  AddEntry(path, S_IFCHR | permissions, 1, major, minor, {});
}

std::string CpioArchive::Finish() {
  AddEntry("/TRAILER!!!", 0, 1, 0, 0, {});
  directories_.clear();
  inode_ = 0;
  return std::exchange(bytes_, {});
}

void CpioArchive::AddParents(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash != 0 && slash != std::string_view::npos) AddDirectory(path.substr(0, slash));
}

void CpioArchive::AddEntry(std::string_view path, mode_t mode, uint32_t nlink, unsigned major,
                           unsigned minor, std::string_view contents) {
  const std::string_view name = path.substr(1);
  bytes_ += "070701";
  const uint32_t fields[] = {
      ++inode_,
      mode,
      0,  // uid
      0,  // gid
      nlink,
      0,  // mtime
      static_cast<uint32_t>(contents.size()),
      0,  // major and minor of the device the file is on
      0,
      major,
      minor,
      static_cast<uint32_t>(name.size() + 1),
      0,  // checksum, unused in this form
  };
  for (uint32_t field : fields) bytes_ += Hex(field);
  bytes_.append(name).push_back('\0');
  Pad(bytes_);
  bytes_.append(contents);
  Pad(bytes_);
}

}  // namespace guest
