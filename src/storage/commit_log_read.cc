// The reading half of the commit log: positions to bytes, time to positions, walks, retention and examination.
#include <algorithm>

#include "base/check.h"
#include "storage/log_impl.h"

namespace strata::storage {
namespace {

constexpr size_t kIndexesKept = 16;
// What one look at up to eight small records needs.
constexpr size_t kHopBytes = 4096;

}  // namespace

Result<CommitLogImpl::Located> CommitLogImpl::locate(LogPosition position) const {
  while (true) {
    Located at;
    STRATA_ASSIGN(at.view, segments_.open(segment_of(position)));
    at.limit = at.view.data_end;
    if (at.limit != kStillWritten) return at;
    const LogPosition written = end();
    at.limit = kSegmentHeaderBytes;
    if (segment_of(written) == segment_of(position)) at.limit = offset_of(written);
    // If the log went over to another segment between the two looks, the table knows this one's end by now.
    if (segment_of(written) <= segment_of(position)) return at;
  }
}

Result<size_t> CommitLogImpl::read_located(const Located& at, LogPosition position, size_t n, char* out) const {
  if (offset_of(position) >= at.limit) return size_t{0};
  const size_t wanted = static_cast<size_t>(std::min<uint64_t>(n, at.limit - offset_of(position)));
  size_t from_file = wanted;
  if (at.view.data_end == kStillWritten && position + wanted > writer_.written_end()) {
    from_file = writer_.read_unwritten(position, wanted, out);
  }
  if (from_file == 0) return wanted;
  STRATA_ASSIGN(const size_t got, at.view.file->read(offset_of(position), from_file, out));
  if (got < from_file) {
    return Status::corruption(segments_.path(segment_of(position)), offset_of(position) + got,
                              "the segment is shorter than its records");
  }
  return wanted;
}

uint64_t CommitLogImpl::available(LogPosition position) const {
  const Result<Located> at = locate(position);
  return at.is_ok() && at->limit > offset_of(position) ? at->limit - offset_of(position) : 0;
}

Status CommitLogImpl::read(LogPosition position, size_t n, char* out) const {
  STRATA_ASSIGN(const size_t got, read_some(position, n, out));
  if (got == n) return Status::ok();
  return Status::corruption(segments_.path(segment_of(position)), offset_of(position), "behind the end of the records");
}

Result<size_t> CommitLogImpl::read_some(LogPosition position, size_t n, char* out) const {
  STRATA_ASSIGN(const Located at, locate(position));
  return read_located(at, position, n, out);
}

Result<LogRecord> CommitLogImpl::read_record(LogPosition position, std::string* scratch) const {
  STRATA_ASSIGN(const Located at, locate(position));
  const std::string path = segments_.path(segment_of(position));
  char head[kRecordHeaderBytes];
  STRATA_ASSIGN(const size_t got, read_located(at, position, sizeof(head), head));
  const uint64_t seed = seed_of(at.view.header.incarnation, at.view.header.number);
  RecordHeader header;
  if (got < sizeof(head) || !decode_record_header(head, seed, &header) || header.is_end) {
    return Status::corruption(path, offset_of(position), "there is no record here");
  }
  if (header.body_bytes > at.limit - offset_of(position) - kRecordHeaderBytes) {
    return Status::corruption(path, offset_of(position), "the record is longer than its segment");
  }
  scratch->resize(header.body_bytes);
  STRATA_ASSIGN(const size_t body, read_located(at, position + kRecordHeaderBytes, header.body_bytes, scratch->data()));
  if (body < header.body_bytes || !body_checks(seed, header, *scratch)) {
    return Status::corruption(path, offset_of(position), "the checksum of the record does not fit");
  }
  return LogRecord{position, header.commit, header.timestamp, *scratch};
}

uint64_t CommitLogImpl::limit_of(const SegmentInfo& info, LogPosition end) const {
  return info.header.number == segment_of(end) ? offset_of(end) : info.data_end;
}

ByteSource CommitLogImpl::source_of(uint32_t number) const {
  return [this, number](uint64_t offset, size_t n, char* out) {
    return read_some(make_position(number, static_cast<uint32_t>(offset)), n, out);
  };
}

Status CommitLogImpl::walk(LogPosition from, const Visitor& visit) const {
  // In this order: every segment below `last` is listed with its end.
  const LogPosition last = end();
  const std::vector<SegmentInfo> infos = segments_.list();
  const auto before = [](const SegmentInfo& info, uint32_t number) { return info.header.number < number; };
  auto info = std::lower_bound(infos.begin(), infos.end(), segment_of(from), before);
  if (from != 0 && info != infos.end() && info->header.number != segment_of(from)) {
    // The start of an empty segment that was replaced means the start of its replacement.
    const bool replaced = info->header.previous_segment < segment_of(from) && from == segment_start(segment_of(from));
    if (!replaced) {
      return Status::corruption(segments_.path(segment_of(from)), offset_of(from), "this part of the log is gone");
    }
  }
  for (; info != infos.end() && info->header.number <= segment_of(last); ++info) {
    STRATA_TRY(walk_segment(*info, limit_of(*info, last), from, visit));
  }
  return Status::ok();
}

Status CommitLogImpl::walk_segment(const SegmentInfo& info, uint64_t limit, LogPosition from,
                                   const Visitor& visit) const {
  const uint32_t number = info.header.number;
  uint64_t offset = kSegmentHeaderBytes;
  RecordOrder order{info.header.first_commit, info.header.base_timestamp};
  if (number == segment_of(from) && from > segment_start(number)) {
    offset = offset_of(from);
    order = {};
  }
  LogScanner scanner(source_of(number), seed_of(info.header.incarnation, info.header.number), offset, limit, order);
  while (scanner.offset() != limit) {
    STRATA_ASSIGN(const LogScanner::Step step, scanner.next());
    if (step != LogScanner::Step::kRecord) {
      const bool ended = step == LogScanner::Step::kEndRecord;
      return Status::corruption(segments_.path(number), scanner.offset(),
                                ended ? "the segment was ended before its records" : scanner.reason());
    }
    const RecordHeader& header = scanner.header();
    const LogPosition position = make_position(number, static_cast<uint32_t>(scanner.record_offset()));
    STRATA_TRY(visit({position, header.commit, header.timestamp, scanner.body()}));
  }
  return Status::ok();
}

Result<LogPosition> CommitLogImpl::position_at(uint64_t timestamp) const {
  const LogPosition last = end();
  const std::vector<SegmentInfo> infos = segments_.list();
  for (auto info = infos.rbegin(); info != infos.rend(); ++info) {
    if (info->header.number > segment_of(last) || info->header.base_timestamp >= timestamp) continue;
    STRATA_ASSIGN(const LogPosition found, find_in_segment(*info, limit_of(*info, last), timestamp));
    if (found != 0) return found;
  }
  return LogPosition{0};
}

// The last record of the segment with a timestamp <= `timestamp`; 0 if there is none.
Result<LogPosition> CommitLogImpl::find_in_segment(const SegmentInfo& info, uint64_t limit, uint64_t timestamp) const {
  STRATA_ASSIGN(const std::optional<LogTimeIndex::Entry> entry, index_entry(info, timestamp));
  if (!entry || entry->offset >= limit) return LogPosition{0};
  const uint32_t number = info.header.number;
  const uint64_t seed = seed_of(info.header.incarnation, info.header.number);
  char window[kHopBytes];
  uint64_t window_start = 0;
  size_t window_bytes = 0;
  LogPosition found = 0;
  for (uint64_t offset = entry->offset; offset < limit;) {
    if (offset + kRecordHeaderBytes > window_start + window_bytes) {
      window_start = offset;
      const LogPosition from = make_position(number, static_cast<uint32_t>(offset));
      STRATA_ASSIGN(window_bytes, read_some(from, sizeof(window), window));
    }
    RecordHeader header;
    const bool whole = offset + kRecordHeaderBytes <= window_start + window_bytes;
    if (!whole || !decode_record_header(window + (offset - window_start), seed, &header) || header.is_end) {
      return Status::corruption(segments_.path(number), offset, "there is no record here");
    }
    if (header.timestamp > timestamp) break;
    found = make_position(number, static_cast<uint32_t>(offset));
    offset += kRecordHeaderBytes + header.body_bytes;
  }
  return found;
}

Result<std::optional<LogTimeIndex::Entry>> CommitLogImpl::index_entry(const SegmentInfo& info,
                                                                      uint64_t timestamp) const {
  using Answer = std::optional<LogTimeIndex::Entry>;
  const uint32_t number = info.header.number;
  const auto answer = [timestamp](const LogTimeIndex& index) {
    const LogTimeIndex::Entry* entry = index.find(timestamp);
    return entry == nullptr ? Answer() : Answer(*entry);
  };
  {
    base::MutexLock lock(index_mutex_);
    if (number == live_number_) return answer(live_index_);
    const auto has_number = [number](const auto& kept) { return kept.first == number; };
    const auto kept = std::find_if(indexes_.begin(), indexes_.end(), has_number);
    if (kept != indexes_.end()) {
      std::rotate(kept, kept + 1, indexes_.end());
      return answer(*indexes_.back().second);
    }
  }
  STRATA_ASSIGN(const Index index, load_index(info));
  base::MutexLock lock(index_mutex_);
  cache_index(number, index);
  return answer(*index);
}

void CommitLogImpl::cache_index(uint32_t number, Index index) const {
  if (indexes_.size() >= kIndexesKept) indexes_.erase(indexes_.begin());
  indexes_.emplace_back(number, std::move(index));
}

// From the end record; from the records themselves where a crash left none.
Result<CommitLogImpl::Index> CommitLogImpl::load_index(const SegmentInfo& info) const {
  STRATA_ASSIGN(const SegmentView view, segments_.open(info.header.number));
  const uint64_t seed = seed_of(info.header.incarnation, info.header.number);
  const uint64_t data_end = view.data_end;
  auto index = std::make_shared<LogTimeIndex>();
  STRATA_ASSIGN(const uint64_t file_bytes, view.file->size());
  LogScanner ended(read_from(*view.file), seed, data_end, file_bytes, {});
  STRATA_ASSIGN(const LogScanner::Step end_step, ended.next());
  const bool is_index = end_step == LogScanner::Step::kEndRecord &&
                        LogTimeIndex::decode(ended.body(), static_cast<uint32_t>(data_end), index.get());
  if (is_index) return Index(std::move(index));
  index->clear();
  LogScanner scanner(read_from(*view.file), seed, kSegmentHeaderBytes, data_end,
                     {info.header.first_commit, info.header.base_timestamp});
  for (uint64_t record = 0; scanner.offset() < data_end; ++record) {
    STRATA_ASSIGN(const LogScanner::Step step, scanner.next());
    if (step != LogScanner::Step::kRecord) {
      return Status::corruption(segments_.path(info.header.number), scanner.offset(), scanner.reason());
    }
    if (record % kCommitsPerIndexEntry == 0) {
      index->add(scanner.header().timestamp, static_cast<uint32_t>(scanner.record_offset()));
    }
  }
  return Index(std::move(index));
}

std::vector<LogPosition> CommitLogImpl::units() const {
  std::vector<LogPosition> starts;
  LogPosition last = 0;
  for (const SegmentInfo& info : segments_.list()) {
    if (info.header.unit_start == last) continue;
    last = info.header.unit_start;
    // Of a unit that is dropped in part the rest counts.
    starts.push_back(std::max(last, segment_start(info.header.number)));
  }
  return starts;
}

Status CommitLogImpl::drop_before(LogPosition position) {
  STRATA_TRY(check_writable());
  uint32_t first_kept = 0;
  for (const LogPosition start : units()) {
    if (segment_of(start) <= segment_of(position)) first_kept = segment_of(start);
  }
  if (segment_start(first_kept) > begin()) begin_.store(segment_start(first_kept), std::memory_order_release);
  for (const SegmentInfo& info : segments_.list()) {
    if (info.header.number >= first_kept) break;
    STRATA_TRY(check_folder());
    segments_.remove(info.header.number);
    STRATA_TRY(options_.fs->remove(segments_.path(info.header.number)));
    // One by one, oldest first: a crash leaves no hole.
    STRATA_TRY(options_.fs->sync_folder(options_.folder));
  }
  return Status::ok();
}

uint64_t CommitLogImpl::bytes_between(LogPosition from, LogPosition to) const {
  uint64_t sum = 0;
  for (const SegmentInfo& info : segments_.list()) {
    const uint32_t number = info.header.number;
    if (number < segment_of(from) || number > segment_of(to)) continue;
    const uint64_t begin = number == segment_of(from) ? offset_of(from) : 0;
    const uint64_t end = number == segment_of(to) ? offset_of(to) : info.data_end;
    if (end > begin && end != kStillWritten) sum += end - begin;
  }
  return sum;
}

uint64_t CommitLogImpl::disk_bytes() const { return segments_.file_bytes(); }

Status CommitLogImpl::verify(std::vector<std::string>* problems,
                             const std::function<bool(uint64_t, uint64_t)>& progress) const {
  const LogPosition last = end();
  std::vector<SegmentInfo> infos = segments_.list();
  std::erase_if(infos, [last](const SegmentInfo& info) { return info.header.number > segment_of(last); });
  uint64_t in_all = 0;
  for (const SegmentInfo& info : infos) in_all += limit_of(info, last);
  uint64_t before = 0;
  bool stopped = false;
  const auto report = [&](uint64_t done) {
    stopped = stopped || !progress(before + done, in_all);
    return !stopped;
  };
  LostEnd lost;
  for (size_t i = 0; i < infos.size() && !stopped; ++i) {
    const uint64_t incarnation = infos[i].header.incarnation;
    if (i > 0 && infos[i - 1].header.incarnation != incarnation) lost = {};
    Status verified = verify_segment(infos[i], limit_of(infos[i], last), &lost, problems, report);
    const bool ended = i + 1 < infos.size() && infos[i + 1].header.incarnation == incarnation;
    if (ended && verified.is_ok()) verified = look_for_end(infos[i], infos[i + 1].header.number, &lost);
    // Retention may have dropped it meanwhile.
    const bool dropped = infos[i].header.number < segment_of(begin());
    if (!verified.is_ok() && !dropped) problems->push_back(verified.to_string());
    before += limit_of(infos[i], last);
    if (!stopped) stopped = !progress(before, in_all);
  }
  return Status::ok();
}

// The end record of a segment that was full when the next one was begun.
Status CommitLogImpl::look_for_end(const SegmentInfo& info, uint32_t next, LostEnd* lost) const {
  STRATA_ASSIGN(const SegmentView view, segments_.open(info.header.number));
  STRATA_ASSIGN(const uint64_t file_bytes, view.file->size());
  LogScanner scanner(read_from(*view.file), seed_of(info.header.incarnation, info.header.number), view.data_end,
                     file_bytes, {});
  STRATA_ASSIGN(const LogScanner::Step step, scanner.next());
  if (step == LogScanner::Step::kEndRecord) return Status::ok();
  const std::string path = segments_.path(info.header.number);
  *lost = {Status::corruption(path, view.data_end, "the end record is damaged"), segment_start(next)};
  return Status::ok();
}

// `lost`: reported when a record here says that it was on the device.
Status CommitLogImpl::verify_segment(const SegmentInfo& info, uint64_t limit, LostEnd* lost,
                                     std::vector<std::string>* problems,
                                     const std::function<bool(uint64_t)>& progress) const {
  constexpr uint64_t kReportBytes = 4u << 20;
  const uint32_t number = info.header.number;
  const std::string path = segments_.path(number);
  STRATA_ASSIGN(const SegmentView view, segments_.open(number));
  char head[kSegmentHeaderBytes];
  STRATA_ASSIGN(const size_t n, view.file->read(0, sizeof(head), head));
  const Result<SegmentHeader> header = decode_segment_header({head, n}, options_.database_id, path);
  if (!header.is_ok()) problems->push_back(header.status().to_string());

  const uint64_t seed = seed_of(info.header.incarnation, info.header.number);
  RecordOrder order{info.header.first_commit, info.header.base_timestamp};
  uint64_t offset = kSegmentHeaderBytes;
  uint64_t reported = 0;
  while (offset < limit) {
    LogScanner scanner(source_of(number), seed, offset, limit, order);
    LogScanner::Step step = LogScanner::Step::kRecord;
    while (step == LogScanner::Step::kRecord && scanner.offset() < limit) {
      STRATA_ASSIGN(step, scanner.next());
      if (step == LogScanner::Step::kRecord && !lost->damage.is_ok() && scanner.header().durable > lost->durable_if) {
        problems->push_back(lost->damage.to_string());
        *lost = {};
      }
      if (scanner.offset() - reported < kReportBytes) continue;
      reported = scanner.offset();
      if (!progress(reported)) return Status::ok();
    }
    offset = scanner.offset();
    if (step == LogScanner::Step::kRecord) break;
    problems->push_back(Status::corruption(path, offset, scanner.reason()).to_string());
    // A header that checks leads over a damaged body to the next record.
    char bytes[kRecordHeaderBytes];
    STRATA_ASSIGN(const size_t got,
                  read_some(make_position(number, static_cast<uint32_t>(offset)), sizeof(bytes), bytes));
    RecordHeader record;
    if (got < sizeof(bytes) || !decode_record_header(bytes, seed, &record)) return Status::ok();
    offset += kRecordHeaderBytes + record.body_bytes;
    order = {record.commit + 1, record.timestamp};
  }
  return Status::ok();
}

}  // namespace strata::storage
