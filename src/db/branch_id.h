// How users see a branch's identity: unique among databases.
// Thread safety: pure. Ownership: a value.
#pragma once

#include <cstdint>
#include <string>

namespace strata::db {

inline std::string branch_id(uint64_t database, uint32_t branch) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (size_t i = 16; i-- > 0; database >>= 4) text[i] = kDigits[database & 15];
  return text + "." + std::to_string(branch);
}

}  // namespace strata::db
