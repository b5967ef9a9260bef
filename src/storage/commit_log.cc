#include "storage/commit_log.h"

#include <algorithm>

#include "base/check.h"
#include "storage/log_impl.h"

namespace strata::storage {
namespace {

// Reserved space behind the end of an ended segment is given back when it is worth a call.
constexpr uint64_t kWorthTruncating = 64u << 10;

}  // namespace

std::string encode_end_record(uint64_t seed, const RecordOrder& order, LogPosition durable, const LogTimeIndex& index) {
  std::string body;
  index.encode(&body);
  RecordHeader header;
  header.is_end = true;
  header.commit = order.next_commit - 1;
  header.timestamp = order.last_timestamp;
  header.durable = durable;
  std::string record(kRecordHeaderBytes, '\0');
  encode_record_header(record.data(), seed, header, body);
  return record + body;
}

Result<std::unique_ptr<CommitLog>> CommitLog::open(const LogOptions& options, const LogStart& start,
                                                   const Visitor& visit) {
  STRATA_ASSERT(options.fs != nullptr);
  STRATA_ASSIGN(RecoveredLog recovered, recover_log(options, start, visit));
  auto log = std::make_unique<CommitLogImpl>(options);
  STRATA_TRY(log->start(std::move(recovered)));
  return std::unique_ptr<CommitLog>(std::move(log));
}

CommitLogImpl::CommitLogImpl(const LogOptions& options)
    : options_(options), segments_(options.fs, options.folder), writer_(options.fs, options.folder) {}

Status CommitLogImpl::start(RecoveredLog recovered) {
  next_commit_ = recovered.next_commit;
  last_timestamp_ = recovered.last_timestamp;
  if (options_.read_only) {
    for (const SegmentInfo& info : recovered.segments) segments_.add(info, nullptr);
    if (!recovered.segments.empty()) begin_.store(segment_start(recovered.segments.front().header.number));
    writer_.start_durable(recovered.end);
    return Status::ok();
  }
  STRATA_ASSIGN(folder_, options_.fs->identity(options_.folder));
  STRATA_TRY(sync_recovered(recovered));
  STRATA_TRY(begin_incarnation(recovered));
  return remove_leftovers(recovered);
}

// After a killed process the tail may be in the operating system's memory only; the new header will call it durable.
Status CommitLogImpl::sync_recovered(const RecoveredLog& recovered) {
  if (recovered.known_durable >= recovered.end) return Status::ok();
  for (const SegmentInfo& info : recovered.segments) {
    if (info.header.number < segment_of(recovered.known_durable)) continue;
    STRATA_ASSIGN(const auto file, options_.fs->open(segments_.path(info.header.number), os::OpenMode::kReadWrite));
    STRATA_TRY(file->sync());
  }
  return options_.fs->sync_folder(options_.folder);
}

Status CommitLogImpl::begin_incarnation(const RecoveredLog& recovered) {
  SegmentHeader header;
  header.number = recovered.next_number;
  header.incarnation = recovered.next_incarnation;
  header.first_commit = next_commit_;
  header.base_timestamp = last_timestamp_;
  header.unit_start = segment_start(header.number);
  const size_t kept = recovered.segments.size() - (recovered.last_is_empty ? 1 : 0);
  begin_.store(segment_start(kept > 0 ? recovered.segments.front().header.number : header.number));
  for (size_t i = 0; i < kept; ++i) segments_.add(recovered.segments[i], nullptr);
  if (kept > 0) {
    const SegmentInfo& last = recovered.segments[kept - 1];
    header.previous_segment = last.header.number;
    header.previous_end = static_cast<uint32_t>(last.data_end);
    header.durable = make_position(header.previous_segment, header.previous_end);
    for (size_t i = 0; i < kept; ++i) {
      const SegmentInfo& info = recovered.segments[i];
      if (info.header.unit_start == last.header.unit_start) unit_bytes_ += info.data_end;
    }
    // An empty last segment may have begun a unit, which then begins here.
    const bool begun = recovered.last_is_empty && recovered.segments.back().header.unit_start ==
                                                      segment_start(recovered.segments.back().header.number);
    if (begun || unit_bytes_ >= options_.unit_bytes) {
      unit_bytes_ = 0;
    } else {
      header.unit_start = last.header.unit_start;
    }
  } else if (recovered.last_is_empty) {
    // Everything before it was dropped: the link stays, so that the log still says that there was something.
    header.previous_segment = recovered.segments.back().header.previous_segment;
    header.previous_end = recovered.segments.back().header.previous_end;
    header.durable = recovered.segments.back().header.durable;
  }
  STRATA_ASSIGN(NewSegment segment, make_segment(header.number, options_.first_segment_bytes));
  STRATA_TRY(write_header(segment, header));
  STRATA_TRY(segment.file->sync());
  STRATA_TRY(options_.fs->sync_folder(options_.folder));
  segment.name_synced = true;
  current_ = header;
  current_file_ = segment.file;
  capacity_ = segment.capacity;
  seed_ = seed_of(header.incarnation, header.number);
  segments_.add({header, kStillWritten, capacity_}, segment.file);
  writer_.begin_segment(segment.file, segment_start(header.number), true);
  writer_.start_durable(segment_start(header.number));
  grown_capacity_.store(next_capacity());
  {
    base::MutexLock lock(index_mutex_);
    live_number_ = header.number;
  }
  base::MutexLock lock(spare_mutex_);
  last_number_ = header.number;
  no_spares_ = false;
  return Status::ok();
}

Status CommitLogImpl::remove_leftovers(const RecoveredLog& recovered) {
  // Newest first, one after the other: a leftover whose predecessor went before it would look like the log's beginning.
  std::vector<std::string> names = recovered.leftovers;
  std::sort(names.begin(), names.end(), std::greater<>());
  for (const std::string& name : names) {
    STRATA_TRY(options_.fs->remove(os::join_path(options_.folder, name)));
    STRATA_TRY(options_.fs->sync_folder(options_.folder));
  }
  if (!recovered.segments.empty()) {
    const SegmentInfo& last = recovered.segments.back();
    if (recovered.last_is_empty) {
      STRATA_TRY(options_.fs->remove(segments_.path(last.header.number)));
    } else if (!recovered.last_is_ended && last.file_bytes > last.data_end) {
      STRATA_ASSIGN(const auto file, options_.fs->open(segments_.path(last.header.number), os::OpenMode::kReadWrite));
      STRATA_TRY(file->truncate(last.data_end));
      segments_.set_file_bytes(last.header.number, last.data_end);
    }
  }
  return Status::ok();
}

Status CommitLogImpl::check_writable() const {
  if (options_.read_only) return Status::error(Code::kReadOnly, "the log was opened read-only");
  if (closed_) return Status::error(Code::kClosed, "the log is closed");
  return Status::ok();
}

Status CommitLogImpl::check_folder() const {
  const Result<os::FolderIdentity> now = options_.fs->identity(options_.folder);
  if (now.is_ok() && *now == folder_) return Status::ok();
  return Status::error(Code::kIoError,
                       "the folder " + options_.folder + " was moved, deleted or replaced while it was open",
                       "close the database and open it where its folder is now");
}

Status CommitLogImpl::prepare(size_t body_bytes) {
  STRATA_TRY(check_writable());
  if (body_bytes > kMaxRecordBodyBytes) {
    return Status::error(Code::kTransactionTooLarge, "a commit of " + std::to_string(body_bytes) + " bytes",
                         "commit in parts; one commit can hold " + std::to_string(kMaxRecordBodyBytes) + " bytes");
  }
  const uint64_t needed = kRecordHeaderBytes + body_bytes;
  const uint64_t used = offset_of(end());
  if (used + needed <= capacity_) return Status::ok();
  if (segment_is_empty()) {
    Status reserved = current_file_->reserve(used + needed);
    if (!reserved.is_ok()) return writer_.fail(std::move(reserved));
    capacity_ = used + needed;
    segments_.set_file_bytes(current_.number, capacity_);
    return Status::ok();
  }
  const bool new_unit = unit_bytes_ + used >= options_.unit_bytes;
  return begin_next(new_unit, kSegmentHeaderBytes + needed);
}

Result<LogPosition> CommitLogImpl::append(uint64_t commit, uint64_t timestamp, std::string_view body) {
  STRATA_TRY(check_writable());
  const LogPosition position = end();
  STRATA_CHECK(offset_of(position) + kRecordHeaderBytes + body.size() <= capacity_);
  STRATA_CHECK(commit == next_commit_ && timestamp > last_timestamp_);
  char head[kRecordHeaderBytes];
  RecordHeader header;
  header.commit = commit;
  header.timestamp = timestamp;
  header.durable = durable_end();
  encode_record_header(head, seed_, header, body);
  STRATA_TRY(writer_.append({head, sizeof(head)}, body));
  if (records_++ % kCommitsPerIndexEntry == 0) {
    base::MutexLock lock(index_mutex_);
    live_index_.add(timestamp, offset_of(position));
  }
  next_commit_ = commit + 1;
  last_timestamp_ = timestamp;
  return position;
}

void CommitLogImpl::set_staged(bool staged) {
  if (!options_.read_only) writer_.set_staged(staged);
}

Status CommitLogImpl::sync_to(LogPosition end, const std::function<void()>& synced) {
  if (options_.read_only) return Status::ok();
  return writer_.sync_to(end, synced);
}

Status CommitLogImpl::end_unit() {
  STRATA_TRY(check_writable());
  if (segment_is_empty() && current_.unit_start == segment_start(current_.number)) return Status::ok();
  // Segments grow again from the first size: who ends a unit wants space back, not space reserved.
  grown_capacity_.store(options_.first_segment_bytes);
  STRATA_TRY(shrink_spare(options_.first_segment_bytes));
  return begin_next(true, 0);
}

uint64_t CommitLogImpl::next_capacity() const {
  const uint64_t most = std::min(options_.segment_bytes, kMaxSegmentDataBytes);
  return std::min(std::max(capacity_ * 2, options_.first_segment_bytes), std::max(most, options_.first_segment_bytes));
}

Result<CommitLogImpl::NewSegment> CommitLogImpl::make_segment(uint32_t number, uint64_t capacity) {
  NewSegment segment;
  segment.number = number;
  segment.capacity = std::clamp<uint64_t>(capacity, kSegmentHeaderBytes, kMaxSegmentDataBytes);
  const std::string path = segments_.path(number);
  STRATA_TRY(check_folder());
  STRATA_ASSIGN(segment.file, options_.fs->open(path, os::OpenMode::kCreateNew));
  Status reserved = segment.file->reserve(segment.capacity);
  if (!reserved.is_ok()) {
    // A full disk: what was reserved so far is given back. The first error is the one that tells why.
    segment.file.reset();
    (void)options_.fs->remove(path).is_ok();
    return reserved;
  }
  return segment;
}

Status CommitLogImpl::prepare_next() {
  STRATA_TRY(writer_.error());
  base::MutexLock lock(spare_mutex_);
  if (spare_ || no_spares_) return Status::ok();
  STRATA_ASSIGN(NewSegment spare, make_segment(last_number_ + 1, grown_capacity_.load()));
  STRATA_TRY(options_.fs->sync_folder(options_.folder));
  spare.name_synced = true;
  spare_ = std::move(spare);
  return Status::ok();
}

Result<CommitLogImpl::NewSegment> CommitLogImpl::next_segment(uint64_t least_bytes) {
  base::MutexLock lock(spare_mutex_);
  last_number_ = current_.number + 1;
  if (!spare_) return make_segment(last_number_, std::max(least_bytes, grown_capacity_.load()));
  NewSegment segment = std::move(*spare_);
  spare_.reset();
  STRATA_ASSERT(segment.number == last_number_);
  if (segment.capacity < least_bytes) {
    STRATA_TRY(segment.file->reserve(least_bytes));
    segment.capacity = least_bytes;
  }
  return segment;
}

Status CommitLogImpl::write_header(NewSegment& segment, const SegmentHeader& header) {
  char bytes[kSegmentHeaderBytes];
  encode_segment_header(bytes, options_.database_id, header);
  return segment.file->write(0, {bytes, sizeof(bytes)});
}

// Writes the end record of the segment being written and gives back its unused space.
Status CommitLogImpl::end_segment() {
  STRATA_TRY(writer_.drain());
  std::string record;
  {
    base::MutexLock lock(index_mutex_);
    record = encode_end_record(seed_, {next_commit_, last_timestamp_}, durable_end(), live_index_);
  }
  STRATA_TRY(writer_.write_behind_end(record));
  const uint64_t data_end = offset_of(end());
  const uint64_t used = data_end + record.size();
  uint64_t file_bytes = std::max(used, capacity_);
  if (file_bytes > used + (closed_ ? 0 : kWorthTruncating)) {
    STRATA_TRY(current_file_->truncate(used));
    file_bytes = used;
  }
  segments_.seal(current_.number, data_end, file_bytes);
  return Status::ok();
}

Status CommitLogImpl::begin_next(bool new_unit, uint64_t least_bytes) {
  Status ended = end_segment();
  if (!ended.is_ok()) return writer_.fail(std::move(ended));
  Result<NewSegment> next = next_segment(least_bytes);
  if (!next.is_ok()) return writer_.fail(next.status());
  SegmentHeader header;
  header.number = next->number;
  header.incarnation = current_.incarnation;
  header.first_commit = next_commit_;
  header.base_timestamp = last_timestamp_;
  header.unit_start = new_unit ? segment_start(header.number) : current_.unit_start;
  header.previous_segment = current_.number;
  header.previous_end = offset_of(end());
  header.durable = durable_end();
  Status written = write_header(*next, header);
  if (!written.is_ok()) return writer_.fail(std::move(written));
  unit_bytes_ = new_unit ? 0 : unit_bytes_ + header.previous_end;
  {
    base::MutexLock lock(index_mutex_);
    cache_index(current_.number, std::make_shared<const LogTimeIndex>(std::move(live_index_)));
    live_index_ = LogTimeIndex();
    live_number_ = header.number;
  }
  current_ = header;
  seed_ = seed_of(header.incarnation, header.number);
  current_file_ = next->file;
  capacity_ = next->capacity;
  records_ = 0;
  grown_capacity_.store(next_capacity());
  segments_.add({header, kStillWritten, capacity_}, next->file);
  writer_.begin_segment(next->file, segment_start(header.number), next->name_synced);
  return Status::ok();
}

Status CommitLogImpl::shrink_spare(uint64_t capacity) {
  base::MutexLock lock(spare_mutex_);
  if (!spare_ || spare_->capacity <= capacity) return Status::ok();
  const Status truncated = spare_->file->truncate(capacity);
  if (!truncated.is_ok()) return writer_.fail(truncated);
  spare_->capacity = capacity;
  return Status::ok();
}

Status CommitLogImpl::remove_spare() {
  base::MutexLock lock(spare_mutex_);
  no_spares_ = true;
  if (!spare_) return Status::ok();
  const std::string path = segments_.path(spare_->number);
  spare_.reset();
  STRATA_TRY(check_folder());
  STRATA_TRY(options_.fs->remove(path));
  return options_.fs->sync_folder(options_.folder);
}

Result<LogPosition> CommitLogImpl::close() {
  if (options_.read_only) return end();
  if (closed_) {
    STRATA_TRY(writer_.error());
    return end();
  }
  closed_ = true;
  Status removed = remove_spare();
  STRATA_TRY(writer_.error());
  Status ended = end_segment();
  if (!ended.is_ok()) return writer_.fail(std::move(ended));
  STRATA_TRY(writer_.sync_to(end(), {}));
  if (!removed.is_ok()) return removed;
  return end();
}

}  // namespace strata::storage
