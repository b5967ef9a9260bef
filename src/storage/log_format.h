// The bytes of the commit log: segment names, segment headers, record headers, end records. docs/file_format.md gives
// the same tables for readers of other programs.
//
// Thread safety: pure functions. Ownership: nothing is kept.
// Invariants:
//   1. Every decode_* checks a checksum before it hands anything out: what it returns was written by this database.
//   2. A record's header has a checksum of its own, so that it can be trusted without reading the body.
//   3. Zero bytes never decode: space reserved and not yet written looks like the end of the log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/commit_log.h"
#include "strata/status.h"

namespace strata::storage {

// ON DISK: never renumber.
constexpr std::string_view kSegmentMagic = "STRALOG1";
constexpr uint32_t kLogFormatVersion = 1;
constexpr uint32_t kLogByteOrderMark = 0x01020304;
constexpr uint32_t kSegmentHeaderBytes = 128;
constexpr uint32_t kRecordHeaderBytes = 36;
constexpr uint32_t kEndRecordFlag = uint32_t{1} << 31;
constexpr uint64_t kMaxRecordBodyBytes = (uint64_t{1} << 30) + (uint64_t{64} << 20);
static_assert(kSegmentMagic.size() == 8);
static_assert(kMaxRecordBodyBytes < kEndRecordFlag);

// Where the data of a segment has to end, so that its end record still has a 32-bit offset.
constexpr uint64_t kMaxSegmentDataBytes = uint64_t{7} << 29;

struct SegmentHeader {
  uint32_t number = 0;
  uint64_t incarnation = 0;
  uint64_t first_commit = 0;      // number of the first record, if there is one
  uint64_t base_timestamp = 0;    // of the last commit before this segment
  LogPosition unit_start = 0;     // where the retention unit begins that this segment belongs to
  uint32_t previous_segment = 0;  // 0: the log begins here
  uint32_t previous_end = 0;      // where the records of that segment end: what lies behind is not part of the log
  LogPosition durable = 0;        // what was known to be on the device when this header was written
};

// The first record's position of a segment: how segments and units are named as positions.
constexpr LogPosition segment_start(uint32_t number) { return make_position(number, kSegmentHeaderBytes); }

// "log-0000002a.strata".
std::string segment_name(uint32_t number);
// The number in such a name; nothing for other names.
std::optional<uint32_t> segment_number(std::string_view name);

// Writes kSegmentHeaderBytes.
void encode_segment_header(char* to, uint64_t database_id, const SegmentHeader& header);
// kCorruption (names the file, offset 0) for bytes that do not check, kFormatTooNew.
Result<SegmentHeader> decode_segment_header(std::string_view bytes, uint64_t database_id, std::string_view file);

// What seeds the checksums of all records of a segment: records of another database, incarnation or segment do not
// pass.
uint64_t record_seed(uint64_t database_id, uint64_t incarnation, uint32_t segment);

struct RecordHeader {
  uint32_t body_bytes = 0;
  bool is_end = false;  // the end record of a segment: its body is the time index
  uint64_t commit = 0;
  uint64_t timestamp = 0;
  LogPosition durable = 0;
  uint32_t body_checksum = 0;
};

// Writes kRecordHeaderBytes; computes both checksums.
void encode_record_header(char* to, uint64_t seed, const RecordHeader& header, std::string_view body);
// Reads kRecordHeaderBytes; false when the header's checksum does not fit.
bool decode_record_header(const char* from, uint64_t seed, RecordHeader* header);
bool body_checks(uint64_t seed, const RecordHeader& header, std::string_view body);

}  // namespace strata::storage
