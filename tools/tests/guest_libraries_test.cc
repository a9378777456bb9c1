// SPDX-License-Identifier: GPL-2.0

#include <gmock/gmock.h>

#include <filesystem>

#include "libraries.h"

namespace guest {
namespace {

using testing::Contains;
using testing::EndsWith;
using testing::IsEmpty;

// This test
std::string Self() { return std::filesystem::read_symlink("/proc/self/exe"); }

TEST(LibrariesOf, AProgramHasSomeAndALoader) {
  const auto libraries = LibrariesOf(Self());
  EXPECT_THAT(libraries, Contains(EndsWith("/libc.so.6")));
  EXPECT_THAT(libraries, Contains(EndsWith("/ld-linux-x86-64.so.2")));
}

TEST(LibrariesOf, SoHasALibrary) {
  for (const std::string& library : LibrariesOf(Self())) {
    if (library.find("libstdc++") == library.npos) continue;
    EXPECT_THAT(LibrariesOf(library), Contains(EndsWith("/libc.so.6")));
  }
}

TEST(LibrariesOf, OthersHaveNone) {
  EXPECT_THAT(LibrariesOf(GUEST_AGENT), IsEmpty());
  EXPECT_THAT(LibrariesOf("/proc/self/cmdline"), IsEmpty());
}

}  // namespace
}  // namespace guest
