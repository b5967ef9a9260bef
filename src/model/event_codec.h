// The value of an event's row, and its hash. docs/value_format.md describes both byte for byte.
//
// ON DISK: flags u8 | hash, 32 bytes | origin: branch u32, sequence u64, timestamp u64 | with kForeignOrigin: database
//   u64 | length of the type u16 | type | payload in the binary form of a value
// Hash and the origin's timestamp are known when the event is committed: until then they are zeros.
//
// Thread safety: pure functions. Ownership: an EventRow borrows the bytes that it was parsed from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/sha256.h"
#include "strata/status.h"
#include "strata/value.h"

namespace strata::model {

// ON DISK: never renumber.
constexpr uint8_t kForeignOrigin = 1;  // the origin is a branch of another database, whose id is there
// At or before this event lies one that was first appended elsewhere or earlier (a merge, an import): own timestamps
// need not rise along the log up to here. Without it they are those of the commits.
constexpr uint8_t kUnordered = 2;

constexpr size_t kEventHashOffset = 1;
constexpr size_t kEventBranchOffset = kEventHashOffset + base::Sha256::kBytes;
constexpr size_t kEventSequenceOffset = kEventBranchOffset + 4;
constexpr size_t kEventTimestampOffset = kEventSequenceOffset + 8;
constexpr size_t kEventHeadBytes = kEventTimestampOffset + 8;

static_assert(kEventHeadBytes == 53);

// Where an event was appended first; two events of a space are the same one if their origins are.
struct EventOrigin {
  uint64_t database = 0;  // 0: the one that the row lies in
  uint32_t branch = 0;
  uint64_t sequence = 0;
  uint64_t timestamp = 0;  // the event's own timestamp
  bool operator==(const EventOrigin&) const = default;
};

struct EventRow {
  uint8_t flags = 0;
  std::string_view hash;  // 32 bytes
  EventOrigin origin;
  std::string_view type;
  std::string_view payload;
};

// False: the bytes are no event.
bool parse_event(std::string_view bytes, EventRow* row);
// As parse_event, as an error that names the event.
Status read_event(std::string_view bytes, uint64_t sequence, EventRow* row);

// Appends the value of a row to *out. row.hash may be empty: zeros. The flag of a foreign origin follows from it.
// REQUIRES: a valid type and payload.
void build_event(const EventRow& row, std::string* out);

// SHA-256(previous ‖ encode([sequence, type, timestamp, payload])), with the encoding of docs/value_format.md.
// `previous`: the 32 bytes of the event before; zeros for the first.
Result<base::Sha256::Digest> event_hash(std::string_view previous, uint64_t sequence, std::string_view type,
                                        uint64_t timestamp, ValueView payload);
constexpr base::Sha256::Digest kNoHash{};

}  // namespace strata::model
