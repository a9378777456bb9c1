// SPDX-License-Identifier: GPL-2.0

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>

#include "cpio.h"

namespace guest {
namespace {

// What cpio(1), an independent reader, lists.
std::string List(const std::string& archive) {
  const std::string path = testing::TempDir() + "guest_cpio_test." + std::to_string(getpid());
  std::ofstream(path, std::ios::binary) << archive;
  const std::unique_ptr<FILE, int (*)(FILE*)> reader(
      popen(("cpio -itvn --quiet <" + path + " | awk '{print $1, $NF}'").c_str(), "r"), pclose);
  std::string listing;
  char buffer[4096];
  while (const size_t got = std::fread(buffer, 1, sizeof(buffer), reader.get()))
    listing.append(buffer, got);
  std::filesystem::remove(path);
  return listing;
}

TEST(Cpio, IsReadByCpio) {
  CpioArchive archive;
  archive.AddCharDevice("/dev/console", 0600, 5, 1);
  archive.AddDirectory("/proc/");
  archive.AddFile("/a/b/prog", 0755, "12345");
  archive.AddFile("/a/b/data", 0644, "");
  EXPECT_EQ(List(archive.Finish()),
            "drwxr-xr-x dev\n"
            "crw------- dev/console\n"
            "drwxr-xr-x proc\n"
            "drwxr-xr-x a\n"
            "drwxr-xr-x a/b\n"
            "-rwxr-xr-x a/b/prog\n"
            "-rw-r--r-- a/b/data\n");
}

TEST(Cpio, StartsAnewAfterFinish) {
  CpioArchive archive;
  archive.AddFile("/x/y", 0644, "z");
  const std::string first = archive.Finish();
  archive.AddFile("/x/y", 0644, "z");
  EXPECT_EQ(archive.Finish(), first);
}

TEST(Cpio, KeepsEveryMemberAligned) {
  for (size_t size = 0; size < 9; size++) {
    CpioArchive archive;
    archive.AddFile("/" + std::string(size + 1, 'n'), 0644, std::string(size, 'c'));
    EXPECT_EQ(archive.Finish().size() % 4, 0u) << size;
  }
}

}  // namespace
}  // namespace guest
