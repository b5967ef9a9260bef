// The checksum of every stored thing: 32 bits of XXH3, seeded so that bytes of another database, file or incarnation
// do not pass. It finds damage, not malice.
// Thread safety: pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace strata::base {

uint32_t checksum(std::string_view bytes, uint64_t seed);
// All 64 bits, for hash tables and names (not stored).
uint64_t hash(std::string_view bytes, uint64_t seed = 0);

}  // namespace strata::base
