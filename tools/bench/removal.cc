// SPDX-License-Identifier: GPL-2.0

#include "removal.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <utility>

#include "busy_clock.h"
#include "call.h"
#include "many.h"
#include "sleepers.h"

namespace bench {
namespace {

double CountRevoke(const std::string& path) {
  return static_cast<double>(CountBusy([&path] { Must(Revoke(path), "revokeat " + path); }));
}

constexpr long kBarOfEdu = 1L << 20;

double CountUnbind(const Machine& machine) {
  return static_cast<double>(CountBusy([&machine] { machine.Unbind(); }));
}

double UnbindFiles(Machine& machine, long count) {
  double instructions = 0;
  {
    const ManyFiles files(machine.devices().uio, count);
    instructions = CountUnbind(machine);
  }
  machine.Bind();
  return instructions;
}

double UnbindReaders(Machine& machine, long count) {
  double instructions = 0;
  {
    const Readers readers(machine.devices().uio, count);
    instructions = CountUnbind(machine);
  }
  machine.Bind();
  return instructions;
}

// What anybody who may open the node can do to hold up its removal: mappings in pieces, and tasks
// that leave one by one.
double UnbindPiecesAndReaders(Machine& machine, long count) {
  constexpr long kReaders = 700;
  double instructions = 0;
  {
    const ManyPieces pieces(machine.devices().uio, kBarOfEdu, count);
    const Readers readers(machine.devices().uio, kReaders);
    instructions = CountUnbind(machine);
  }
  machine.Bind();
  return instructions;
}

double RevokeFiles(Machine& machine, long count) {
  const ManyFiles files(machine.devices().uio, count);
  return CountRevoke(machine.devices().uio);
}

double RevokeMappings(Machine& machine, long count) {
  const SharedFd file = Open(machine.devices().uio, O_RDWR);
  const ManyMappings mappings(file->get(), MAP_SHARED, count);
  return CountRevoke(machine.devices().uio);
}

double RevokeAmongThreads(Machine& machine, long count) {
  const Sleepers sleepers(count);
  const SharedFd file = Open(machine.devices().uio, O_RDWR);
  return CountRevoke(machine.devices().uio);
}

// The fewer there are, the more it matters what else the system does: so many rounds.
Figure Rounds(const std::function<double()>& round, long scale) {
  std::vector<double> rounds(scale <= 100 ? 7 : scale <= 1000 ? 3 : 1);
  for (double& instructions : rounds) instructions = round();
  return Summarize(std::move(rounds));
}

struct Kind {
  const char* call;
  const char* what;
  double (*measure)(Machine&, long);
};

Removal ToRemoval(const Kind& kind, long scale) {
  return {kind.call, kind.what, scale, [kind, scale](Machine& machine) {
            return Rounds([&] { return kind.measure(machine, scale); }, scale);
          }};
}

}  // namespace

std::vector<Removal> Removals(const Devices& devices, long largest) {
  std::vector<Removal> removals;
  for (const long scale : {0L, 1L, 1000L})
    removals.push_back(ToRemoval({"unbind", "UIO, open files", UnbindFiles}, scale));
  for (const long scale : {70L, 700L})
    removals.push_back(ToRemoval({"unbind", "UIO, readers", UnbindReaders}, scale));
  for (const long scale : {6000L, 60000L})
    removals.push_back(
        ToRemoval({"unbind", "UIO, VMAs, and 700 readers", UnbindPiecesAndReaders}, scale));
  if (!devices.revoke) return removals;
  for (const Kind& kind :
       {Kind{"revokeat", "files", RevokeFiles},
        Kind{"revokeat", "mappings of one file", RevokeMappings},
        Kind{"revokeat", "one file, threads in the system", RevokeAmongThreads}}) {
    for (long scale = 1; scale <= largest; scale *= 10) removals.push_back(ToRemoval(kind, scale));
  }
  return removals;
}

}  // namespace bench
