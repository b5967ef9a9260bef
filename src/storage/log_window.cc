#include "storage/log_window.h"

#include <algorithm>

#include "base/check.h"
#include "base/coding.h"

namespace strata::storage {
namespace {

constexpr size_t kFirstReadBytes = 512;
constexpr uint32_t kBlockBytes = 64u << 10;

Status no_entity(LogPosition position) {
  return Status::corruption(segment_name(segment_of(position)), offset_of(position), "there is no entity here");
}

// What reading takes: where the bytes come from, where they go, and the number of reads so far.
struct Reading {
  const CommitLog& log;
  uint64_t database_id;
  std::string* scratch;
  uint64_t* reads;
};

// The first read is of `first_bytes`.
Status read_whole(const Reading& with, LogPosition position, size_t first_bytes, EntityView* out) {
  const CommitLog& log = with.log;
  std::string* scratch = with.scratch;
  if (scratch->size() < first_bytes) scratch->resize(first_bytes);
  ++*with.reads;
  STRATA_ASSIGN(const size_t got, log.read_some(position, first_bytes, scratch->data()));
  if (got < kEntityFixedBytes) return no_entity(position);
  const uint32_t length = base::load_u32(scratch->data() + 4);
  if (length > got) {
    // The length is not trusted yet: it is bounded by what there is before anything is allocated.
    if (length > log.available(position)) return no_entity(position);
    scratch->resize(std::max<size_t>(scratch->size(), length));
    ++*with.reads;
    STRATA_TRY(log.read(position + got, length - got, scratch->data() + got));
  }
  const std::string_view bytes(scratch->data(), std::max<size_t>(length, got));
  return parse_entity(bytes, with.database_id, out) ? Status::ok() : no_entity(position);
}

}  // namespace

Status read_entity(const CommitLog& log, uint64_t database_id, LogPosition position, std::string* scratch,
                   EntityView* out) {
  uint64_t reads = 0;
  return read_whole({log, database_id, scratch, &reads}, position, kFirstReadBytes, out);
}

Status LogWindow::read_entity(LogPosition position, EntityView* out, size_t expected_bytes) {
  const LogPosition distance = position > last_ ? position - last_ : last_ - position;
  const bool near = last_ != 0 && distance < kBlockBytes;
  last_ = position;
  const auto inside = [this](LogPosition at, size_t n) {
    return at >= block_start_ && at + n <= block_start_ + block_bytes_;
  };
  if (near && !inside(position, kEntityFixedBytes)) STRATA_TRY(load_block(position));
  if (inside(position, kEntityFixedBytes)) {
    const size_t offset = static_cast<size_t>(position - block_start_);
    const uint32_t length = base::load_u32(block_.get() + offset + 4);
    if (inside(position, length)) {
      const bool good = parse_entity({block_.get() + offset, length}, database_id_, out);
      return good ? Status::ok() : no_entity(position);
    }
  }
  // What is expected may come from damaged bytes.
  const size_t most = static_cast<size_t>(std::max<uint64_t>(kFirstReadBytes, log_.available(position)));
  return read_whole({log_, database_id_, &scratch_, &reads_}, position, std::min(expected_bytes, most), out);
}

// Blocks are aligned, so that a walk in either direction reads each once. An entity that lies across the border is read
// by itself.
Status LogWindow::load_block(LogPosition position) {
  if (block_ == nullptr) block_.reset(new char[kBlockBytes]);
  block_start_ = make_position(segment_of(position), offset_of(position) / kBlockBytes * kBlockBytes);
  block_bytes_ = 0;
  ++reads_;
  STRATA_ASSIGN(block_bytes_, log_.read_some(block_start_, kBlockBytes, block_.get()));
  return Status::ok();
}

}  // namespace strata::storage
