// Finding one member of an encoded container: by its name, by its index, by its place.
//
// Thread safety: pure functions. Ownership: a Slot borrows the container's bytes.
// Bytes of any origin: what does not fit together is kDamaged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "strata/value.h"

namespace strata::model {

enum class Seek : uint8_t { kFound, kMissing, kDamaged };

// Where a member lies.
struct Slot {
  uint32_t index = 0;
  const char* start = nullptr;  // in an object: of the name
  const char* value = nullptr;
  const char* end = nullptr;
};

// Of an encoded container: how many bytes its size and count take. REQUIRES: a container's tag.
inline size_t container_width(char tag) { return size_t{1} << (static_cast<uint8_t>(tag) & 3); }

// The place, at or before member `index`, that the table knows; *first is the index of the member there. False: damage.
// REQUIRES: index < token.count, `width` as container_width says.
bool seek_row(const ValueToken& token, size_t width, uint32_t index, const char** at, uint32_t* first);
// REQUIRES: an object.
Seek find_member(const ValueToken& token, size_t width, std::string_view name, Slot* slot);
// REQUIRES: an array.
Seek find_item(const ValueToken& token, size_t width, uint32_t index, Slot* slot);

}  // namespace strata::model
