#include "txn/row.h"

#include <cstring>

#include "base/check.h"
#include "storage/commit_record.h"

namespace strata::txn {

bool parse_row(std::string_view bytes, RowView* row) {
  base::Reader reader(bytes);
  uint8_t flags = 0;
  if (!reader.read_u8(flags) || (flags & ~(kRowTombstone | kRowLarge)) != 0) return false;
  if (!reader.read_u64(row->timestamp) || !reader.read_varint(row->version) || row->version == 0) return false;
  std::string_view anchors;
  row->anchors = anchor_count(row->version);
  if (!reader.read_bytes(8 * size_t{row->anchors}, anchors)) return false;
  row->anchor_bytes = anchors.data();
  row->tombstone = (flags & kRowTombstone) != 0;
  row->large = (flags & kRowLarge) != 0;
  row->value = {};
  row->large_bytes = 0;
  if (row->large) return reader.read_u32(row->large_bytes) && reader.done() && !row->tombstone;
  row->value = std::string_view(reader.position(), reader.remaining());
  return !row->tombstone || row->value.empty();
}

Status read_row(std::string_view bytes, RowView* row) {
  if (parse_row(bytes, row)) return Status::ok();
  return Status::error(Code::kCorruption, "a row of a tree is damaged", "verify() lists all damage");
}

namespace {

size_t encode(const RowChange& change, unsigned anchors, const storage::LogPosition* positions, char* out) {
  STRATA_ASSERT(change.version >= 1 && anchors <= kMaxAnchors);
  STRATA_ASSERT(!change.tombstone || change.value.empty());
  const bool large = change.value.size() > kMaxInlineValueBytes || (change.in_log && !change.tombstone);
  char* at = out;
  *at++ = static_cast<char>((change.tombstone ? kRowTombstone : 0) | (large ? kRowLarge : 0));
  base::store_u64(at, change.timestamp);
  at = base::store_varint(at + 8, change.version);
  for (unsigned level = 0; level < anchors; ++level, at += 8) base::store_u64(at, positions[level]);
  if (large) {
    base::store_u32(at, static_cast<uint32_t>(change.value.size()));
    at += 4;
  } else if (!change.value.empty()) {
    std::memcpy(at, change.value.data(), change.value.size());
    at += change.value.size();
  }
  STRATA_ASSERT(static_cast<size_t>(at - out) <= kMaxRowBytes);
  return static_cast<size_t>(at - out);
}

}  // namespace

size_t encode_row(const RowChange& change, const RowView* old, char* out) {
  storage::LogPosition positions[kMaxAnchors];
  const unsigned anchors = anchor_count(change.version);
  const unsigned fresh = storage::pointer_levels(change.version);
  for (unsigned level = 0; level < anchors; ++level) {
    positions[level] = level < fresh ? change.position : (old != nullptr ? old->anchor(level) : 0);
  }
  return encode(change, anchors, positions, out);
}

size_t encode_row(const RowChange& change, const storage::LogPosition* anchors, char* out) {
  return encode(change, anchor_count(change.version), anchors, out);
}

}  // namespace strata::txn
