// Copying the commit log into another folder, up to a position.
#include <algorithm>

#include "storage/log_impl.h"

namespace strata::storage {
namespace {

constexpr size_t kCopyBytes = 1u << 20;

}  // namespace

Status CommitLogImpl::copy_to(os::FileSystem& fs, const std::string& folder, LogPosition end,
                              const std::function<Status(uint64_t)>& progress) const {
  uint64_t copied = 0;
  for (const SegmentInfo& info : segments_.list()) {
    if (info.header.number > segment_of(end)) break;
    const bool last = info.header.number == segment_of(end);
    STRATA_ASSIGN(const uint64_t bytes, copy_segment(info, last ? offset_of(end) : info.data_end, !last, fs, folder));
    copied += bytes;
    STRATA_TRY(progress(copied));
  }
  return Status::ok();
}

// Copies a segment's records and checks the copy; gives it an end record. Returns its size.
Result<uint64_t> CommitLogImpl::copy_segment(const SegmentInfo& info, uint64_t limit, bool with_end, os::FileSystem& fs,
                                             const std::string& folder) const {
  const uint32_t number = info.header.number;
  const uint64_t seed = seed_of(info.header.incarnation, number);
  STRATA_ASSIGN(const auto file, fs.open(os::join_path(folder, segment_name(number)), os::OpenMode::kCreateNew));
  std::string buffer(kCopyBytes, '\0');
  encode_segment_header(buffer.data(), options_.database_id, info.header);
  STRATA_TRY(file->write(0, std::string_view(buffer).substr(0, kSegmentHeaderBytes)));
  for (uint64_t offset = kSegmentHeaderBytes; offset < limit;) {
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(limit - offset, buffer.size()));
    STRATA_TRY(read(make_position(number, static_cast<uint32_t>(offset)), wanted, buffer.data()));
    STRATA_TRY(file->write(offset, std::string_view(buffer).substr(0, wanted)));
    offset += wanted;
  }
  // What was copied, not what was read: nothing lies between this check and what the copy is opened with.
  LogScanner scanner(read_from(*file), seed, kSegmentHeaderBytes, limit,
                     {info.header.first_commit, info.header.base_timestamp});
  LogTimeIndex index;
  for (uint64_t record = 0; scanner.offset() != limit; ++record) {
    STRATA_ASSIGN(const LogScanner::Step step, scanner.next());
    if (step != LogScanner::Step::kRecord) {
      const bool ended = step == LogScanner::Step::kEndRecord;
      return Status::corruption(segments_.path(number), scanner.offset(),
                                ended ? "the segment was ended before its records" : scanner.reason());
    }
    if (record % kCommitsPerIndexEntry != 0) continue;
    index.add(scanner.header().timestamp, static_cast<uint32_t>(scanner.record_offset()));
  }
  std::string end_record;
  if (with_end) end_record = encode_end_record(seed, scanner.order(), info.header.durable, index);
  if (!end_record.empty()) STRATA_TRY(file->write(limit, end_record));
  STRATA_TRY(file->sync());
  return limit + end_record.size();
}

}  // namespace strata::storage
