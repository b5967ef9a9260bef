#include "base/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace strata::base {

uint32_t checksum(std::string_view bytes, uint64_t seed) {
  const uint64_t h = XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
  return static_cast<uint32_t>(h ^ (h >> 32));
}

uint64_t hash(std::string_view bytes, uint64_t seed) { return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed); }

}  // namespace strata::base
