#include "storage/log_scanner.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/coding.h"

namespace strata::storage {
namespace {

constexpr size_t kPieceBytes = 256u << 10;

bool all_zero(const char* from, size_t n) {
  return n == 0 || (from[0] == 0 && std::memcmp(from, from + 1, n - 1) == 0);
}

}  // namespace

ByteSource read_from(os::File& file) {
  return [&file](uint64_t offset, size_t n, char* out) { return file.read(offset, n, out); };
}

LogScanner::LogScanner(ByteSource source, uint64_t seed, uint64_t from, uint64_t limit, RecordOrder order)
    : source_(std::move(source)), seed_(seed), limit_(limit), offset_(from), order_(order) {
  STRATA_ASSERT(from >= kSegmentHeaderBytes);
}

LogScanner::Step LogScanner::stop(std::string_view reason, Step step) {
  reason_ = reason;
  body_ = {};
  return step;
}

Result<LogScanner::Step> LogScanner::next() {
  if (offset_ >= limit_) return stop("the records end here");
  if (limit_ - offset_ < kRecordHeaderBytes) return stop("the record header is cut short");
  STRATA_ASSIGN(const char* head, load(offset_, kRecordHeaderBytes));
  if (head == nullptr) return stop("the file ends within a record header");
  RecordHeader header;
  if (!decode_record_header(head, seed_, &header)) return stop("the checksum of the record header does not fit");
  const size_t size = kRecordHeaderBytes + header.body_bytes;
  if (size > limit_ - offset_) return stop("the record is longer than its segment");
  STRATA_ASSIGN(const char* record, load(offset_, size));
  if (record == nullptr) return stop("the file ends within a record");
  const std::string_view body(record + kRecordHeaderBytes, header.body_bytes);
  if (!body_checks(seed_, header, body)) return stop("the checksum of the record does not fit");
  if (!header.is_end) {
    const bool expected = order_.next_commit == 0 || header.commit == order_.next_commit;
    if (!expected) return stop("the commit number is out of order", Step::kDisorder);
    if (header.timestamp <= order_.last_timestamp) return stop("the timestamp does not rise", Step::kDisorder);
  }
  header_ = header;
  body_ = body;
  record_offset_ = offset_;
  if (header.is_end) return Step::kEndRecord;
  offset_ += size;
  order_ = {header.commit + 1, header.timestamp};
  return Step::kRecord;
}

Result<const char*> LogScanner::load(uint64_t offset, size_t n) {
  const bool inside = offset >= buffer_offset_ && offset + n <= buffer_offset_ + buffered_;
  if (!inside) {
    // What is needed and a piece of what follows, so that small records cost one read a piece.
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(std::max(n, kPieceBytes), limit_ - offset));
    if (buffer_.size() < wanted) buffer_.resize(wanted);
    STRATA_ASSIGN(buffered_, source_(offset, wanted, buffer_.data()));
    buffer_offset_ = offset;
    if (buffered_ < n) return static_cast<const char*>(nullptr);
  }
  return static_cast<const char*>(buffer_.data() + (offset - buffer_offset_));
}

Result<LogPosition> greatest_durable(const ByteSource& source, uint64_t seed, uint64_t from, uint64_t limit,
                                     uint64_t* records) {
  LogPosition greatest = 0;
  std::string piece;
  for (uint64_t at = from; at + kRecordHeaderBytes <= limit;) {
    // Pieces overlap by a header, so that each offset is looked at whole.
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(kPieceBytes, limit - at));
    if (piece.size() < wanted) piece.resize(wanted);
    STRATA_ASSIGN(const size_t got, source(at, wanted, piece.data()));
    if (got < kRecordHeaderBytes) break;
    const size_t last = got - kRecordHeaderBytes;
    for (size_t i = 0; i <= last;) {
      constexpr size_t kBlock = 256;
      if (i + kBlock + kRecordHeaderBytes <= got && all_zero(piece.data() + i, kBlock)) {
        // A header may begin with a zero byte, so its last bytes are looked at again.
        const size_t skip = all_zero(piece.data() + i, kBlock + kRecordHeaderBytes) ? kBlock : 1;
        i += skip;
        continue;
      }
      const uint32_t length = base::load_u32(piece.data() + i + 4) & ~kEndRecordFlag;
      RecordHeader header;
      const bool possible = length <= kMaxRecordBodyBytes && at + i + length < limit;
      if (!possible || !decode_record_header(piece.data() + i, seed, &header)) {
        ++i;
        continue;
      }
      ++*records;
      greatest = std::max(greatest, header.durable);
      i += kRecordHeaderBytes;
    }
    at += last + 1;
  }
  return greatest;
}

}  // namespace strata::storage
