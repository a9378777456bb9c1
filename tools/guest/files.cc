// SPDX-License-Identifier: GPL-2.0

#include "files.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "fd.h"

namespace guest {

Error ErrnoError(const std::string& what) {
  const int code = errno;
  return Error{what + ": " + (strerrorname_np(code) ?: "?") + " (" + std::strerror(code) + ")"};
}

std::optional<std::string> ReadFile(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT) return std::nullopt;
    throw ErrnoError("cannot open " + path);
  }
  std::string contents;
  char buffer[65536];
  for (;;) {
    const ssize_t got = read(fd.get(), buffer, sizeof(buffer));
    if (got == 0) return contents;
    if (got < 0) {
      if (errno == EINTR) continue;
      throw ErrnoError("cannot read " + path);
    }
    contents.append(buffer, static_cast<size_t>(got));
  }
}

void WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t put = write(fd, bytes.data(), bytes.size());
    if (put < 0) {
      if (errno == EINTR) continue;
      throw ErrnoError("cannot write " + path);
    }
    bytes.remove_prefix(static_cast<size_t>(put));
  }
}

void WriteFile(const std::string& path, std::string_view contents) {
  const std::string temporary = path + ".new";
  const Fd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd.valid()) throw ErrnoError("cannot create " + temporary);
  WriteAll(fd.get(), contents, temporary);
  if (fsync(fd.get()) < 0) throw ErrnoError("cannot sync " + temporary);
  if (std::rename(temporary.c_str(), path.c_str()) < 0)
    throw ErrnoError("cannot rename to " + path);
}

Fd OpenForAppending(const std::string& path) {
  Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd.valid()) throw ErrnoError("cannot create " + path);
  return fd;
}

bool IsDynamicallyLinked(const std::string& path) {
  const std::optional<std::string> image = ReadFile(path);
  if (!image) throw Error("no such program: " + path);
  Elf64_Ehdr header;
  if (image->size() < sizeof(header) || image->compare(0, SELFMAG, ELFMAG) != 0)
    throw Error("not an ELF program: " + path);
  std::memcpy(&header, image->data(), sizeof(header));
  for (size_t i = 0; i < header.e_phnum; i++) {
    Elf64_Phdr segment;
    const size_t offset = header.e_phoff + i * sizeof(segment);
    if (offset + sizeof(segment) > image->size()) throw Error("damaged ELF program: " + path);
    std::memcpy(&segment, image->data() + offset, sizeof(segment));
    if (segment.p_type == PT_INTERP) return true;
  }
  return false;
}

}  // namespace guest
