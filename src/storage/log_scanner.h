// Reads the records of one segment in order, in large pieces, believing nothing that does not check.
//
// Thread safety: none; one scanner belongs to one thread.
// Ownership: owns its buffer; views it hands out live until the next call.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "storage/log_format.h"
#include "strata/status.h"

namespace strata::storage {

// Reads up to n bytes at an offset of a segment; fewer only at its end.
using ByteSource = std::function<Result<size_t>(uint64_t offset, size_t n, char* out)>;

ByteSource read_from(os::File& file);

// What the next record has to be for the log to be in order.
struct RecordOrder {
  uint64_t next_commit = 0;     // 0: not known; whatever comes first is believed
  uint64_t last_timestamp = 0;  // the next one is greater
};

class LogScanner {
 public:
  enum class Step : uint8_t {
    kRecord,
    kEndRecord,  // the segment was ended here; its body is the time index
    kStop,       // the limit, or bytes that are no record of this segment: reason() tells
    kDisorder,   // a record that checks, but not the one that has to come here: reason() tells
  };

  // Scans [from, limit) of a segment whose records are seeded with `seed`.
  LogScanner(ByteSource source, uint64_t seed, uint64_t from, uint64_t limit, RecordOrder order);

  // Errors: I/O only; damage is kStop.
  Result<Step> next();

  // The record found by the last call.
  const RecordHeader& header() const { return header_; }
  std::string_view body() const { return body_; }
  uint64_t record_offset() const { return record_offset_; }
  // Where the next record is expected: behind all that was believed.
  uint64_t offset() const { return offset_; }
  const RecordOrder& order() const { return order_; }
  std::string_view reason() const { return reason_; }

 private:
  Step stop(std::string_view reason, Step step = Step::kStop);
  // Makes [offset, offset + n) available; null when the segment is shorter.
  Result<const char*> load(uint64_t offset, size_t n);

  const ByteSource source_;
  const uint64_t seed_;
  const uint64_t limit_;
  uint64_t offset_;
  uint64_t record_offset_ = 0;
  RecordOrder order_;
  RecordHeader header_;
  std::string_view body_;
  std::string_view reason_;
  std::string buffer_;
  uint64_t buffer_offset_ = 0;
  size_t buffered_ = 0;
};

// The greatest durable position that any record header in [from, limit) of a segment carries, searched byte by byte,
// so that damage in between hides nothing; 0 if there is none. `*records` counts the headers found.
Result<LogPosition> greatest_durable(const ByteSource& source, uint64_t seed, uint64_t from, uint64_t limit,
                                     uint64_t* records);

}  // namespace strata::storage
