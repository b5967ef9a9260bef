// The table at the end of an array or object of more than kStride members: one fingerprint a member (objects only),
// then the offset of every kStride-th member. It makes a look-up by name or index skip what it does not want.
// Thread safety: pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/checksum.h"

namespace strata::model {

// ON DISK: the low byte of XXH3-64 of the name.
inline uint8_t name_fingerprint(std::string_view name) { return static_cast<uint8_t>(base::hash(name)); }

}  // namespace strata::model
