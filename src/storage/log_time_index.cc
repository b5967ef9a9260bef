#include "storage/log_time_index.h"

#include <algorithm>

#include "base/coding.h"
#include "storage/log_format.h"

namespace strata::storage {

const LogTimeIndex::Entry* LogTimeIndex::find(uint64_t timestamp) const {
  const auto later = [](uint64_t wanted, const Entry& entry) { return wanted < entry.timestamp; };
  const auto behind = std::upper_bound(entries_.begin(), entries_.end(), timestamp, later);
  return behind == entries_.begin() ? nullptr : &*std::prev(behind);
}

void LogTimeIndex::encode(std::string* out) const {
  base::put_varint(*out, entries_.size());
  Entry last;
  for (const Entry& entry : entries_) {
    base::put_varint(*out, entry.timestamp - last.timestamp);
    base::put_varint(*out, entry.offset - last.offset);
    last = entry;
  }
}

bool LogTimeIndex::decode(std::string_view bytes, uint32_t data_end, LogTimeIndex* out) {
  base::Reader reader(bytes);
  uint64_t count = 0;
  // An entry takes two bytes at least: the count is bounded by the bytes present before anything is allocated.
  if (!reader.read_varint(count) || count > reader.remaining() / 2) return false;
  out->entries_.clear();
  out->entries_.reserve(static_cast<size_t>(count));
  Entry last;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t time_step = 0;
    uint64_t offset_step = 0;
    if (!reader.read_varint(time_step) || !reader.read_varint(offset_step)) return false;
    const uint64_t offset = last.offset + offset_step;
    const bool rises = time_step > 0 && time_step <= ~uint64_t{0} - last.timestamp && offset_step > 0;
    if (!rises || offset_step >= data_end || offset < kSegmentHeaderBytes || offset >= data_end) return false;
    last = {last.timestamp + time_step, static_cast<uint32_t>(offset)};
    out->entries_.push_back(last);
  }
  return reader.done();
}

}  // namespace strata::storage
