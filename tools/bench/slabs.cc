// SPDX-License-Identifier: GPL-2.0

#include <cmath>
#include <map>
#include <sstream>

#include "files.h"
#include "footprint.h"

namespace bench {
namespace {

struct Cache {
  double objects = 0;
  double bytes = 0;  // of each
};

// Lines of "name objects slots bytes ...", after two of headers.
std::map<std::string, Cache> ParseSlabinfo(std::string_view text) {
  std::map<std::string, Cache> caches;
  std::istringstream lines{std::string(text)};
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string name;
    Cache cache;
    double slots = 0;
    if (fields >> name >> cache.objects >> slots >> cache.bytes) caches[name] = cache;
  }
  if (caches.empty()) throw guest::Error("/proc/slabinfo has no caches");
  return caches;
}

}  // namespace

double BytesOfOne(std::string_view before, std::string_view after, long count) {
  const std::map<std::string, Cache> old = ParseSlabinfo(before);
  double bytes = 0;
  for (const auto& [name, cache] : ParseSlabinfo(after)) {
    const auto found = old.find(name);
    const double more = cache.objects - (found == old.end() ? 0 : found->second.objects);
    bytes += std::round(more / static_cast<double>(count)) * cache.bytes;
  }
  if (bytes <= 0) throw guest::Error("no cache has grown");
  return bytes;
}

}  // namespace bench
