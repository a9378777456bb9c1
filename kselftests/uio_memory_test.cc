// SPDX-License-Identifier: GPL-2.0
//
// The memory behind /dev/uioN, of every type that a driver can have. The driver frees it as soon as
// it has unregistered the device: no mapping may be left by then. Where mappings hold no reference
// to the pages, whoever has a stale one reads and writes the next owner's memory; where they do,
// the memory is not freed.

#include "uio_memory.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "baseline.h"
#include "checkpoint.h"
#include "errno_matchers.h"
#include "fd.h"
#include "mapping.h"
#include "process.h"
#include "revokeat.h"
#include "sigbus_probe.h"
#include "skip.h"
#include "test_check.h"

namespace revoke_test {
namespace {

using testing::Not;

struct MemoryType {
  const char* region;
  std::uint32_t number;  // of the region, in the words at its beginning
  off_t map;             // number of the mapping of its device
};

void PrintTo(const MemoryType& type, std::ostream* os) { *os << type.region; }

std::string TypeName(const testing::TestParamInfo<MemoryType>& info) { return info.param.region; }

constexpr MemoryType kPhys = {UIO_MEMORY_PHYS, 0, 0};
constexpr MemoryType kLogical = {UIO_MEMORY_LOGICAL, 1, 1};
constexpr MemoryType kVirtual = {UIO_MEMORY_VIRTUAL, 2, 2};
constexpr MemoryType kIova = {UIO_MEMORY_IOVA, 3, 3};
constexpr MemoryType kCoherent = {UIO_MEMORY_COHERENT, 4, 4};
// Allocated with the first open, freed with the last release.
constexpr MemoryType kDmem = {UIO_MEMORY_DMEM, 5, 0};

class UioMemoryTest : public testing::TestWithParam<MemoryType> {
 protected:
  void SetUp() override {
    REVOKE_SKIP_IF(!UioMemory::Available(), "the module uio_memory is not loaded");
    ASSERT_THAT(device_.Bind(), SyscallSucceeds());
    ASSERT_NE(node(), "") << "no UIO device here";
  }

  const UioMemory& device() const { return device_; }
  static std::string node() { return UioMemory::NodeOf(GetParam().region); }
  static FileDescriptor OpenUio() { return Open(node(), O_RDWR); }

  static Mapping Map(const FileDescriptor& uio) {
    return {uio.get(), PageSize(), PROT_READ | PROT_WRITE, MAP_SHARED,
            GetParam().map * static_cast<off_t>(PageSize())};
  }

  // As the kernel has it.
  static std::string State() { return Look().state; }
  static std::uint32_t Word() { return Look().word; }

  static std::uint32_t WordOfNextOwner() { return UIO_MEMORY_OF_NEXT_OWNER(GetParam().number); }

  // The driver's memory is there, through this mapping.
  static void ExpectShares(const Mapping& mapping, std::uint32_t word) {
    EXPECT_THAT(Probe::Write(mapping.At(), word), Survives());
    EXPECT_THAT(Probe::Read(mapping.At()), ReadsValue(word));
    EXPECT_EQ(State(), UIO_MEMORY_HELD);
    EXPECT_EQ(Word(), word);
  }

  // A write through a mapping that is not dead might hit anybody's memory: not without a read.
  static void ExpectDead(const Mapping& mapping) {
    ASSERT_THAT(Probe::Read(mapping.At()), DiesOfSigbusAt(mapping.At()));
    EXPECT_THAT(Probe::Write(mapping.At(), 0U), DiesOfSigbusAt(mapping.At()));
  }

 private:
  static UioMemory::Region Look() {
    const std::optional<UioMemory::Region> region = UioMemory::Look(GetParam().region);
    EXPECT_TRUE(region.has_value()) << "debugfs does not tell of the region; is it mounted?";
    return region.value_or(UioMemory::Region());
  }

  UioMemory device_;
};

INSTANTIATE_TEST_SUITE_P(, UioMemoryTest,
                         testing::Values(kPhys, kLogical, kVirtual, kIova, kCoherent, kDmem),
                         TypeName);

// ---- while nothing is taken away ----

REVOKE_TEST_P(UioMemoryTest, HolderSharesItWithTheDriver, baseline::kPasses) {
  const FileDescriptor uio = OpenUio();
  const Mapping mapping = Map(uio);
  ASSERT_THAT(mapping, SyscallSucceeds());
  EXPECT_THAT(Probe::Read(mapping.At()), ReadsValue(Word()));
  ExpectShares(mapping, 0x12345678);
}

// ---- the driver is unbound, and frees it ----

REVOKE_TEST_P(UioMemoryTest, UnbindTakesTheMappingAway, baseline::kFails) {
  const FileDescriptor uio = OpenUio();
  const Mapping mapping = Map(uio);
  ExpectShares(mapping, 0x1);
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  baseline::FailsFromHere();
  ExpectDead(mapping);
}

REVOKE_TEST_P(UioMemoryTest, UnbindTakesTheMappingAwayThoughItsFileIsClosed, baseline::kFails) {
  FileDescriptor uio = OpenUio();
  const Mapping mapping = Map(uio);
  ASSERT_THAT(uio.Close(), SyscallSucceeds());
  ExpectShares(mapping, 0x2);
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  baseline::FailsFromHere();
  ExpectDead(mapping);
}

REVOKE_TEST_P(UioMemoryTest, UnbindTakesAForkedChildsMappingAway, baseline::kFails) {
  const FileDescriptor uio = OpenUio();
  const Mapping mapping = Map(uio);
  ExpectShares(mapping, 0x3);
  Checkpoint touched;
  Checkpoint unbound;
  Child child([&] {
    TEST_CHECK(*mapping.At() == 0x3);
    touched.Reach();
    TEST_CHECK(unbound.WaitFor(1));
    const std::optional<Fault> fault = Probe::Read(mapping.At()).fault;
    if (!fault) return baseline::HoleInChild();
    TEST_CHECK(IsSigbusAt(fault, mapping.At()));
    TEST_CHECK(IsSigbusAt(Probe::Write(mapping.At(), 0U).fault, mapping.At()));
    return 0;
  });
  ASSERT_TRUE(touched.WaitFor(1));
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  unbound.Reach();
  EXPECT_THAT(child.Wait(), Exited(0))
      << baseline::kHoleExit << ": the child still reads the memory";
}

// ---- the driver comes back, with other memory ----

REVOKE_TEST_P(UioMemoryTest, NewMappingAfterABindWorks, baseline::kPasses) {
  FileDescriptor stale_uio = OpenUio();
  Mapping stale = Map(stale_uio);
  ExpectShares(stale, 0x4);
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  ASSERT_THAT(device().Bind(), SyscallSucceeds());
  const FileDescriptor uio = OpenUio();
  const Mapping mapping = Map(uio);
  ASSERT_THAT(mapping, SyscallSucceeds());
  ExpectShares(mapping, 0x5);
  EXPECT_THAT(stale.Unmap(), SyscallSucceeds());
  EXPECT_THAT(stale_uio.Close(), SyscallSucceeds());
  ExpectShares(mapping, 0x6);
}

REVOKE_TEST_P(UioMemoryTest, StaleMappingStaysDeadAfterABind, baseline::kFails) {
  const FileDescriptor stale_uio = OpenUio();
  const Mapping stale = Map(stale_uio);
  ExpectShares(stale, 0x7);
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  ASSERT_THAT(device().Bind(), SyscallSucceeds());
  const FileDescriptor uio = OpenUio();
  const Mapping mapping = Map(uio);
  ExpectShares(mapping, 0x8);
  baseline::FailsFromHere();
  ExpectDead(stale);
  EXPECT_EQ(Word(), 0x8U);
}

// ---- where mappings hold no reference to the pages ----

class UioMemoryUncounted : public UioMemoryTest {};

INSTANTIATE_TEST_SUITE_P(, UioMemoryUncounted, testing::Values(kPhys, kIova, kCoherent), TypeName);

REVOKE_TEST_P(UioMemoryUncounted, StaleMappingIsNotOfTheNextOwnersMemory, baseline::kFails) {
  const FileDescriptor uio = OpenUio();
  const Mapping mapping = Map(uio);
  ExpectShares(mapping, 0x9);
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  ASSERT_EQ(State(), UIO_MEMORY_REUSED);
  ASSERT_EQ(Word(), WordOfNextOwner());
  baseline::FailsFromHere();
  ASSERT_THAT(Probe::Read(mapping.At()), Not(ReadsValue(WordOfNextOwner())))
      << "freed memory, now of somebody else, can be read";
  ExpectDead(mapping);
  EXPECT_EQ(Word(), WordOfNextOwner());
}

// ---- where they do, or the driver frees it with the last release ----

class UioMemoryCounted : public UioMemoryTest {};

INSTANTIATE_TEST_SUITE_P(, UioMemoryCounted, testing::Values(kLogical, kVirtual, kDmem), TypeName);

REVOKE_TEST_P(UioMemoryCounted, StaleMappingKeepsNoMemory, baseline::kFails) {
  const FileDescriptor uio = OpenUio();
  const Mapping mapping = Map(uio);
  ExpectShares(mapping, 0xa);
  ASSERT_THAT(device().Unbind(), SyscallSucceeds());
  baseline::FailsFromHere();
  ASSERT_EQ(State(), UIO_MEMORY_REUSED) << "the driver has given it up, and it is not free";
  EXPECT_EQ(Word(), WordOfNextOwner());
  ExpectDead(mapping);
  EXPECT_EQ(Word(), WordOfNextOwner());
}

// ---- revokeat(2), with the driver in place ----

REVOKE_TEST_P(UioMemoryTest, RevokeTakesTheMappingAway, baseline::kEnosys) {
  FileDescriptor uio = OpenUio();
  Mapping mapping = Map(uio);
  ExpectShares(mapping, 0xb);
  ASSERT_THAT(revoke(node().c_str()), SyscallSucceedsWithValue(0));
  ExpectDead(mapping);
  const FileDescriptor new_uio = OpenUio();
  const Mapping new_mapping = Map(new_uio);
  ASSERT_THAT(new_mapping, SyscallSucceeds());
  ExpectShares(new_mapping, 0xc);
  ExpectDead(mapping);
  EXPECT_THAT(mapping.Unmap(), SyscallSucceeds());
  EXPECT_THAT(uio.Close(), SyscallSucceeds());
  ExpectShares(new_mapping, 0xd);
}

class UioMemoryOfOpenFiles : public UioMemoryTest {};

INSTANTIATE_TEST_SUITE_P(, UioMemoryOfOpenFiles, testing::Values(kDmem), TypeName);

REVOKE_TEST_P(UioMemoryOfOpenFiles, RevokeOfTheLastOneFreesIt, baseline::kEnosys) {
  const FileDescriptor first = OpenUio();
  const FileDescriptor second = OpenUio();
  const Mapping of_first = Map(first);
  const Mapping of_second = Map(second);
  ExpectShares(of_first, 0xe);
  ASSERT_THAT(revokeat(first.get(), "", AT_EMPTY_PATH | REVOKE_FILE), SyscallSucceedsWithValue(0));
  ExpectDead(of_first);
  ExpectShares(of_second, 0xf);
  ASSERT_THAT(revokeat(second.get(), "", AT_EMPTY_PATH | REVOKE_FILE), SyscallSucceedsWithValue(0));
  EXPECT_EQ(State(), UIO_MEMORY_NONE);
  ExpectDead(of_second);
}

}  // namespace
}  // namespace revoke_test
