#include "storage/log_format.h"

#include <cstring>

#include "base/check.h"
#include "base/checksum.h"
#include "base/coding.h"

namespace strata::storage {
namespace {

constexpr std::string_view kNamePrefix = "log-";
constexpr std::string_view kNameSuffix = ".strata";
constexpr size_t kNameDigits = 8;

// ON DISK: never renumber. Offsets in a segment header.
constexpr size_t kVersionAt = 8;
constexpr size_t kByteOrderAt = 12;
constexpr size_t kDatabaseAt = 16;
constexpr size_t kNumberAt = 24;
constexpr size_t kIncarnationAt = 32;
constexpr size_t kFirstCommitAt = 40;
constexpr size_t kBaseTimestampAt = 48;
constexpr size_t kUnitStartAt = 56;
constexpr size_t kPreviousSegmentAt = 64;
constexpr size_t kPreviousEndAt = 68;
constexpr size_t kDurableAt = 72;
constexpr size_t kHeaderChecksumAt = kSegmentHeaderBytes - 4;

// ON DISK: never renumber. Offsets in a record header.
constexpr size_t kLengthAt = 4;
constexpr size_t kCommitAt = 8;
constexpr size_t kTimestampAt = 16;
constexpr size_t kRecordDurableAt = 24;
constexpr size_t kBodyChecksumAt = 32;

std::string_view checked_part(const char* header) { return {header + kLengthAt, kRecordHeaderBytes - kLengthAt}; }

}  // namespace

std::string segment_name(uint32_t number) {
  std::string name(kNamePrefix);
  for (int shift = 28; shift >= 0; shift -= 4) name.push_back("0123456789abcdef"[number >> shift & 15]);
  name.append(kNameSuffix);
  return name;
}

std::optional<uint32_t> segment_number(std::string_view name) {
  if (name.size() != kNamePrefix.size() + kNameDigits + kNameSuffix.size()) return std::nullopt;
  if (name.substr(0, kNamePrefix.size()) != kNamePrefix) return std::nullopt;
  if (name.substr(name.size() - kNameSuffix.size()) != kNameSuffix) return std::nullopt;
  uint32_t number = 0;
  for (const char c : name.substr(kNamePrefix.size(), kNameDigits)) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'a' && c <= 'f')) return std::nullopt;
    number = number << 4 | static_cast<uint32_t>(digit ? c - '0' : c - 'a' + 10);
  }
  return number == 0 ? std::nullopt : std::optional(number);
}

void encode_segment_header(char* to, uint64_t database_id, const SegmentHeader& header) {
  STRATA_ASSERT(header.number > header.previous_segment);
  STRATA_ASSERT(header.unit_start != 0);
  std::memset(to, 0, kSegmentHeaderBytes);
  std::memcpy(to, kSegmentMagic.data(), kSegmentMagic.size());
  base::store_u32(to + kVersionAt, kLogFormatVersion);
  base::store_u32(to + kByteOrderAt, kLogByteOrderMark);
  base::store_u64(to + kDatabaseAt, database_id);
  base::store_u32(to + kNumberAt, header.number);
  base::store_u64(to + kIncarnationAt, header.incarnation);
  base::store_u64(to + kFirstCommitAt, header.first_commit);
  base::store_u64(to + kBaseTimestampAt, header.base_timestamp);
  base::store_u64(to + kUnitStartAt, header.unit_start);
  base::store_u32(to + kPreviousSegmentAt, header.previous_segment);
  base::store_u32(to + kPreviousEndAt, header.previous_end);
  base::store_u64(to + kDurableAt, header.durable);
  base::store_u32(to + kHeaderChecksumAt, base::checksum({to, kHeaderChecksumAt}, database_id));
}

Result<SegmentHeader> decode_segment_header(std::string_view bytes, uint64_t database_id, std::string_view file) {
  if (bytes.size() < kSegmentHeaderBytes) return Status::corruption(file, 0, "the segment header is cut short");
  const char* from = bytes.data();
  if (bytes.substr(0, kSegmentMagic.size()) != kSegmentMagic) {
    return Status::corruption(file, 0, "this is not a log segment");
  }
  if (base::load_u32(from + kByteOrderAt) != kLogByteOrderMark) {
    return Status::corruption(file, kByteOrderAt, "unknown byte order mark");
  }
  if (base::load_u64(from + kDatabaseAt) != database_id) {
    return Status::corruption(file, kDatabaseAt, "the segment belongs to another database");
  }
  if (base::load_u32(from + kHeaderChecksumAt) != base::checksum({from, kHeaderChecksumAt}, database_id)) {
    return Status::corruption(file, 0, "the checksum of the segment header does not fit");
  }
  // Only after the checksum: a damaged version number is damage, not a newer format.
  const uint32_t version = base::load_u32(from + kVersionAt);
  if (version > kLogFormatVersion) {
    return Status::error(Code::kFormatTooNew, std::string(file) + " has log format " + std::to_string(version),
                         "open this database with a newer version of StrataDB");
  }
  SegmentHeader header;
  header.number = base::load_u32(from + kNumberAt);
  header.incarnation = base::load_u64(from + kIncarnationAt);
  header.first_commit = base::load_u64(from + kFirstCommitAt);
  header.base_timestamp = base::load_u64(from + kBaseTimestampAt);
  header.unit_start = base::load_u64(from + kUnitStartAt);
  header.previous_segment = base::load_u32(from + kPreviousSegmentAt);
  header.previous_end = base::load_u32(from + kPreviousEndAt);
  header.durable = base::load_u64(from + kDurableAt);
  const bool sane = header.previous_segment < header.number && segment_of(header.unit_start) <= header.number &&
                    header.unit_start != 0 && header.durable <= segment_start(header.number);
  if (version == 0 || !sane) return Status::corruption(file, 0, "the segment header contradicts itself");
  return header;
}

uint64_t record_seed(uint64_t database_id, uint64_t incarnation, uint32_t segment) {
  char bytes[20];
  base::store_u64(bytes, database_id);
  base::store_u64(bytes + 8, incarnation);
  base::store_u32(bytes + 16, segment);
  return base::hash({bytes, sizeof(bytes)});
}

void encode_record_header(char* to, uint64_t seed, const RecordHeader& header, std::string_view body) {
  STRATA_ASSERT(body.size() <= kMaxRecordBodyBytes);
  base::store_u32(to + kLengthAt, static_cast<uint32_t>(body.size()) | (header.is_end ? kEndRecordFlag : 0));
  base::store_u64(to + kCommitAt, header.commit);
  base::store_u64(to + kTimestampAt, header.timestamp);
  base::store_u64(to + kRecordDurableAt, header.durable);
  base::store_u32(to + kBodyChecksumAt, base::checksum(body, seed));
  base::store_u32(to, base::checksum(checked_part(to), seed));
}

bool decode_record_header(const char* from, uint64_t seed, RecordHeader* header) {
  if (base::load_u32(from) != base::checksum(checked_part(from), seed)) return false;
  const uint32_t length = base::load_u32(from + kLengthAt);
  header->is_end = (length & kEndRecordFlag) != 0;
  header->body_bytes = length & ~kEndRecordFlag;
  header->commit = base::load_u64(from + kCommitAt);
  header->timestamp = base::load_u64(from + kTimestampAt);
  header->durable = base::load_u64(from + kRecordDurableAt);
  header->body_checksum = base::load_u32(from + kBodyChecksumAt);
  return header->body_bytes <= kMaxRecordBodyBytes;
}

bool body_checks(uint64_t seed, const RecordHeader& header, std::string_view body) {
  return body.size() == header.body_bytes && base::checksum(body, seed) == header.body_checksum;
}

}  // namespace strata::storage
