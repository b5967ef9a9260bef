// The row: what the tree stores for one key. Version, time, where its versions lie in the log, and the value.
//
// ON DISK (in leaf nodes): flags u8 | timestamp u64 | version varint | anchors u64 × anchor_count(version) | value
//   flags: bit 0 tombstone (rows of a branch's deleted tree), bit 1 large: the value lies in the log record at
//   anchor 0 alone, and the row ends with its length u32. So do values above kMaxInlineValueBytes, and all values of
//   keys with kInLogTag, whatever their size: the key decides, so that a replay decides alike.
//   anchor j is the position of the newest record of this key whose version has at least j trailing zero digits in
//   base 4: the tops of a radix-4 skip list, so that a write reads no old record. 0: no such record is known.
//
// Thread safety: values and pure functions. Ownership: a RowView borrows the row's bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/coding.h"
#include "storage/commit_log.h"
#include "strata/status.h"

namespace strata::txn {

constexpr uint8_t kRowTombstone = 1;  // ON DISK: never renumber
constexpr uint8_t kRowLarge = 2;      // ON DISK: never renumber
// Values of more bytes than this stay in the log.
constexpr size_t kMaxInlineValueBytes = 2048;
// The tag of keys (the byte behind their space's NUL) whose values always stay there: vectors, of which a leaf then
// holds many, and every float once. ON DISK: never renumber.
constexpr char kInLogTag = 9;
constexpr unsigned kMaxAnchors = 32;
// flags, timestamp, version, anchors, value or its length.
constexpr size_t kMaxRowBytes = 1 + 8 + base::kMaxVarintBytes + 8 * kMaxAnchors + kMaxInlineValueBytes;

// 1 + floor(log4(version)). REQUIRES: version >= 1.
constexpr unsigned anchor_count(uint64_t version) {
  return 1 + (static_cast<unsigned>(std::bit_width(version)) - 1) / 2;
}

struct RowView {
  bool tombstone = false;
  bool large = false;
  uint64_t timestamp = 0;
  uint64_t version = 0;
  unsigned anchors = 0;
  const char* anchor_bytes = nullptr;
  std::string_view value;    // inline value; empty when large
  uint32_t large_bytes = 0;  // length of a large value

  storage::LogPosition anchor(unsigned level) const {
    return level < anchors ? base::load_u64(anchor_bytes + 8 * level) : 0;
  }
  // Where its own record lies.
  storage::LogPosition position() const { return anchor(0); }
  size_t value_bytes() const { return large ? large_bytes : value.size(); }
};

// False: the bytes are no row.
bool parse_row(std::string_view bytes, RowView* row);
// As parse_row, as an error that names the tree.
Status read_row(std::string_view bytes, RowView* row);

// A new version to be stored: what its row is made of, besides the old row.
struct RowChange {
  bool tombstone = false;
  uint64_t timestamp = 0;
  uint64_t version = 1;
  storage::LogPosition position = 0;  // of its record
  std::string_view value;
  bool in_log = false;  // a short value stays in the log too: see has_in_log_tag
};
// Writes the row of a new version into `out` (room for kMaxRowBytes) and returns its size. `old`: the row that it
// replaces, or null when the counting of versions begins anew.
size_t encode_row(const RowChange& change, const RowView* old, char* out);
// A row with given anchors (for rows of the past that are built again).
size_t encode_row(const RowChange& change, const storage::LogPosition* anchors, char* out);

// Whether the values of a tree key stay in the log whatever their size.
inline bool has_in_log_tag(std::string_view key) {
  const size_t nul = key.find('\0');
  return nul != std::string_view::npos && nul + 1 < key.size() && key[nul + 1] == kInLogTag;
}

}  // namespace strata::txn
