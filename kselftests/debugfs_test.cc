// SPDX-License-Identifier: GPL-2.0
//
// Files of debugfs that are removed while they are in use: by each of the helpers that drivers make
// them with, and by their own methods.

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ostream>
#include <string>
#include <string_view>

#include "baseline.h"
#include "call_in_thread.h"
#include "entries_test.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "proc.h"
#include "stuck_call.h"
#include "sysfs.h"

namespace revoke_test {
namespace {

constexpr short kInAndOut = POLLIN | POLLOUT;

// kselftests/modules/debugfs_entries.c.
class DebugfsTest : public EntriesTest {
 protected:
  DebugfsTest() : EntriesTest("debugfs_entries") {}

  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(EntriesTest::SetUp());
    ASSERT_THAT(access(PathOf("").c_str(), F_OK), SyscallSucceeds()) << "debugfs is not mounted";
  }

  static std::string PathOf(const std::string& file) {
    return "/sys/kernel/debug/revoke_test_entries/" + file;
  }

  // Calls of ->release.
  int Releases() const { return Read("releases"); }
};

// What is written to a string is copied before there is a look at how long it is.
REVOKE_TEST_F(DebugfsTest, StringIsNotWrittenToBeforeItBegins, baseline::kPasses) {
  const FileDescriptor file = Open(PathOf("str"), O_WRONLY);
  ASSERT_THAT(file, SyscallSucceeds());
  const std::string page(PageSize() + 1, 'x');
  // As 32 bits, it is a page before; with the length, an offset that is none.
  const off_t before = 0xfffff000;
  EXPECT_THAT(pwrite(file.get(), page.data(), page.size(), before), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(pwrite(file.get(), page.data(), 1, static_cast<off_t>(PageSize())),
              SyscallFailsWithErrno(EINVAL));
}

// ---- user memory that does not come ----

// A file by the helper of that name.
struct Helper {
  const char* name;
  std::string_view text;  // what there is to read
  int mode;               // O_RDONLY, or O_RDWR: that can be written, too
};

void PrintTo(const Helper& helper, std::ostream* os) { *os << helper.name; }
std::string HelperName(const testing::TestParamInfo<Helper>& info) { return info.param.name; }

constexpr Helper kShow = {"show", "shown\n", O_RDONLY};
constexpr Helper kBlob = {"blob", "a blob\n", O_RDONLY};
constexpr Helper kAttribute = {"attribute", "64\n", O_RDWR};
constexpr Helper kU32 = {"u32", "32\n", O_RDWR};
constexpr Helper kBool = {"bool", "Y\n", O_RDWR};
constexpr Helper kStr = {"str", "a string\n", O_RDWR};

class DebugfsHelper : public DebugfsTest, public testing::WithParamInterface<Helper> {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(DebugfsTest::SetUp());
    if (GetParam().mode == O_RDWR) {
      ASSERT_THAT(WriteAttribute(path(), GetParam().text), SyscallSucceeds());
    }
    ASSERT_EQ(Text(), GetParam().text);
  }

  // All files are removed while a reader, or a writer, is stuck. Those that keep the file from
  // being removed meanwhile fail where the baseline is to.
  void RemoveDuringRead() {
    const FileDescriptor file = OpenFile();
    const auto size = static_cast<long>(GetParam().text.size());
    CallInThread removal;
    StuckCall reader;
    ASSERT_TRUE(
        reader.Stick(SYS_read, [&](void* memory) { return read(file.get(), memory, PageSize()); }));
    removal.Start([&] { return Remove(); });
    baseline::FailsFromHere();
    ASSERT_TRUE(removal.Returns(kAtOnce));
    EXPECT_THAT(removal.Join(), SyscallSucceeds());
    reader.Release();
    EXPECT_THAT(reader.Join(), SyscallSucceedsWithValue(size)) << "which it had";
    EXPECT_EQ(reader.Memory(GetParam().text.size()), GetParam().text);
    char byte = 0;
    EXPECT_THAT(read(file.get(), &byte, 1), SyscallFailsWithErrno(EIO));
  }

  void RemoveDuringWrite() {
    const FileDescriptor file = OpenFile();
    CallInThread removal;
    StuckCall writer("0\n");
    ASSERT_TRUE(
        writer.Stick(SYS_write, [&](void* memory) { return write(file.get(), memory, 2); }));
    removal.Start([&] { return Remove(); });
    baseline::FailsFromHere();
    ASSERT_TRUE(removal.Returns(kAtOnce));
    EXPECT_THAT(removal.Join(), SyscallSucceeds());
    writer.Release();
    EXPECT_THAT(writer.Join(), SyscallFailsWithErrno(EIO));
    EXPECT_THAT(write(file.get(), "0\n", 2), SyscallFailsWithErrno(EIO));
    ASSERT_THAT(Create(), SyscallSucceeds());
    EXPECT_EQ(Text(), GetParam().text) << "written after the removal";
  }

 private:
  static std::string path() { return PathOf(GetParam().name); }
  static FileDescriptor OpenFile() { return Open(path(), GetParam().mode); }
  // Values outlive their files.
  static std::string Text() { return ReadSmallFile(path()).value_or(""); }
};

class DebugfsReader : public DebugfsHelper {};

INSTANTIATE_TEST_SUITE_P(, DebugfsReader, testing::Values(kShow, kBlob, kAttribute, kU32),
                         HelperName);

REVOKE_TEST_P(DebugfsReader, ThatIsStuckHoldsNobodyUp, baseline::kFails) { RemoveDuringRead(); }

class DebugfsWriter : public DebugfsHelper {};

INSTANTIATE_TEST_SUITE_P(, DebugfsWriter, testing::Values(kAttribute, kU32, kStr), HelperName);

REVOKE_TEST_P(DebugfsWriter, ThatIsStuckHoldsNobodyUp, baseline::kFails) { RemoveDuringWrite(); }

// These have always copied without the file.
class DebugfsCarefulReader : public DebugfsHelper {};

INSTANTIATE_TEST_SUITE_P(, DebugfsCarefulReader, testing::Values(kBool, kStr), HelperName);

REVOKE_TEST_P(DebugfsCarefulReader, ThatIsStuckHoldsNobodyUp, baseline::kPasses) {
  RemoveDuringRead();
}

class DebugfsCarefulWriter : public DebugfsHelper {};

INSTANTIATE_TEST_SUITE_P(, DebugfsCarefulWriter, testing::Values(kBool), HelperName);

REVOKE_TEST_P(DebugfsCarefulWriter, ThatIsStuckHoldsNobodyUp, baseline::kPasses) {
  RemoveDuringWrite();
}

// ---- a method that removes its own file ----

// It does not wait for itself. Where it would, the module ends that after a while, and the write
// fails with EDEADLK.
REVOKE_TEST_F(DebugfsTest, FileIsRemovedByItsOwnMethod, baseline::kFails) {
  const FileDescriptor file = Open(PathOf("itself"), O_WRONLY);
  ASSERT_THAT(file, SyscallSucceeds());
  baseline::FailsFromHere();
  EXPECT_THAT(write(file.get(), "x", 1), SyscallSucceedsWithValue(1));
  EXPECT_THAT(write(file.get(), "x", 1), SyscallFailsWithErrno(EIO));
  EXPECT_THAT(Open(PathOf("itself"), O_WRONLY), SyscallFailsWithErrno(ENOENT));
}

// ---- open files, and nobody inside ----

class DebugfsMethods : public DebugfsTest {
 protected:
  static FileDescriptor OpenFile() { return Open(PathOf("methods"), O_RDWR); }

  static void ExpectAlive(const FileDescriptor& file) {
    char byte = 0;
    EXPECT_THAT(read(file.get(), &byte, 1), SyscallSucceedsWithValue(1));
    EXPECT_THAT(write(file.get(), "x", 1), SyscallSucceedsWithValue(1));
    EXPECT_THAT(lseek(file.get(), 0, SEEK_SET), SyscallSucceedsWithValue(0));
    EXPECT_THAT(ioctl(file.get(), 0), SyscallSucceedsWithValue(0));
    EXPECT_EQ(Polled(file), 0);
  }

  static void ExpectDead(const FileDescriptor& file) {
    char byte = 0;
    EXPECT_THAT(read(file.get(), &byte, 1), SyscallFailsWithErrno(EIO));
    EXPECT_THAT(write(file.get(), "x", 1), SyscallFailsWithErrno(EIO));
    EXPECT_THAT(lseek(file.get(), 0, SEEK_SET), SyscallFailsWithErrno(EIO));
    EXPECT_THAT(ioctl(file.get(), 0), SyscallFailsWithErrno(EIO));
    EXPECT_EQ(Polled(file), POLLHUP);
  }

 private:
  static short Polled(const FileDescriptor& file) {
    pollfd polled = {.fd = file.get(), .events = kInAndOut, .revents = 0};
    EXPECT_NE(poll(&polled, 1, 0), -1);
    return polled.revents;
  }
};

REVOKE_TEST_F(DebugfsMethods, OpenFileIsDeadAndReleasedByItsClose, baseline::kPasses) {
  FileDescriptor file = OpenFile();
  ExpectAlive(file);
  ASSERT_THAT(Remove(), SyscallSucceeds());
  EXPECT_EQ(Releases(), 0);
  ExpectDead(file);
  EXPECT_THAT(OpenFile(), SyscallFailsWithErrno(ENOENT));
  EXPECT_EQ(Releases(), 0);
  EXPECT_THAT(file.Close(), SyscallSucceeds());
  EXPECT_EQ(Releases(), 1);
}

REVOKE_TEST_F(DebugfsMethods, TheNextOneOfThatNameWorks, baseline::kPasses) {
  const FileDescriptor stale = OpenFile();
  ASSERT_THAT(Remove(), SyscallSucceeds());
  ASSERT_THAT(Create(), SyscallSucceeds());
  const FileDescriptor file = OpenFile();
  ExpectAlive(file);
  ExpectDead(stale);
  ExpectAlive(file);
}

}  // namespace
}  // namespace revoke_test
