// The sparse index of one segment from time to offset: every eighth commit. Kept in memory for the segment being
// written, stored in the end record of a full one.
//
// Thread safety: none; whoever shares one guards it.
// Ownership: owns its entries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace strata::storage {

constexpr uint32_t kCommitsPerIndexEntry = 8;  // ON DISK: never renumber

class LogTimeIndex {
 public:
  struct Entry {
    uint64_t timestamp = 0;
    uint32_t offset = 0;
  };

  // Call for the records 0, 8, 16… of the segment, in order.
  void add(uint64_t timestamp, uint32_t offset) { entries_.push_back({timestamp, offset}); }
  // The last entry with a timestamp <= `timestamp`; null if there is none. Lives until the next add.
  const Entry* find(uint64_t timestamp) const;
  size_t size() const { return entries_.size(); }
  void clear() { entries_.clear(); }

  // The body of an end record.
  void encode(std::string* out) const;
  // False for bytes that are no index of a segment whose records end at data_end: entries that do not rise, or lie
  // outside of it.
  static bool decode(std::string_view bytes, uint32_t data_end, LogTimeIndex* out);

 private:
  std::vector<Entry> entries_;
};

}  // namespace strata::storage
