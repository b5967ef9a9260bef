// The commit log itself: what commit_log.h promises, put together from the table of segments, the writer and recovery.
//
// Thread safety, Ownership, Durability: see commit_log.h.
// Invariants:
//   1. While the log goes over to a new segment, the table knows of the new one, and where the old one ends, before
//      end() moves: whoever sees a position can open its segment.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "storage/log_recovery.h"
#include "storage/log_scanner.h"
#include "storage/log_segments.h"
#include "storage/log_time_index.h"
#include "storage/log_writer.h"

namespace strata::storage {

// The end record of a segment: `order` is what would have to follow its last record.
std::string encode_end_record(uint64_t seed, const RecordOrder& order, LogPosition durable, const LogTimeIndex& index);

class CommitLogImpl final : public CommitLog {
 public:
  explicit CommitLogImpl(const LogOptions& options);

  // Takes over what recovery found; unless read-only, begins the first segment of a new incarnation.
  Status start(RecoveredLog recovered);

  Status prepare(size_t body_bytes) override;
  Result<LogPosition> append(uint64_t commit, uint64_t timestamp, std::string_view body) override;
  LogPosition unit_start() const override { return current_.unit_start; }
  void set_staged(bool staged) override;
  Status sync_to(LogPosition end, const std::function<void()>& synced) override;
  LogPosition end() const override { return writer_.end(); }
  LogPosition durable_end() const override { return writer_.durable_end(); }
  Status end_unit() override;
  Status prepare_next() override;
  Status check_folder() const override;
  Result<LogPosition> close() override;

  uint64_t available(LogPosition position) const override;
  Status read(LogPosition position, size_t n, char* out) const override;
  Result<size_t> read_some(LogPosition position, size_t n, char* out) const override;
  Result<LogRecord> read_record(LogPosition position, std::string* scratch) const override;
  Result<LogPosition> position_at(uint64_t timestamp) const override;
  Status walk(LogPosition from, const Visitor& visit) const override;
  LogPosition begin() const override { return begin_.load(std::memory_order_acquire); }
  std::vector<LogPosition> units() const override;
  Status drop_before(LogPosition position) override;
  uint64_t bytes_between(LogPosition from, LogPosition to) const override;
  uint64_t disk_bytes() const override;
  Status verify(std::vector<std::string>* problems,
                const std::function<bool(uint64_t, uint64_t)>& progress) const override;
  Status copy_to(os::FileSystem& fs, const std::string& folder, LogPosition end,
                 const std::function<Status(uint64_t)>& progress) const override;

 private:
  struct NewSegment {
    std::shared_ptr<os::File> file;
    uint32_t number = 0;
    uint64_t capacity = 0;
    bool name_synced = false;
  };
  struct Located {
    SegmentView view;
    uint64_t limit = 0;  // where readable bytes end
  };
  using Index = std::shared_ptr<const LogTimeIndex>;

  // ---- commit_log.cc: opening and writing ----
  Status check_writable() const;
  Status sync_recovered(const RecoveredLog& recovered);
  Status begin_incarnation(const RecoveredLog& recovered);
  Status remove_leftovers(const RecoveredLog& recovered);
  Result<NewSegment> make_segment(uint32_t number, uint64_t capacity);
  Result<NewSegment> next_segment(uint64_t least_bytes) EXCLUDES_LOCK(spare_mutex_);
  Status write_header(NewSegment& segment, const SegmentHeader& header);
  Status begin_next(bool new_unit, uint64_t least_bytes);
  Status end_segment();
  Status remove_spare() EXCLUDES_LOCK(spare_mutex_);
  Status shrink_spare(uint64_t capacity) EXCLUDES_LOCK(spare_mutex_);
  uint64_t next_capacity() const;
  bool segment_is_empty() const { return offset_of(end()) == kSegmentHeaderBytes; }

  // ---- commit_log_read.cc: reading and examining ----
  Result<Located> locate(LogPosition position) const;
  Result<size_t> read_located(const Located& at, LogPosition position, size_t n, char* out) const;
  // The part of a segment's records that was there when `end` was the end; a source that reads it.
  uint64_t limit_of(const SegmentInfo& info, LogPosition end) const;
  ByteSource source_of(uint32_t number) const;
  Status walk_segment(const SegmentInfo& info, uint64_t limit, LogPosition from, const Visitor& visit) const;
  Result<LogPosition> find_in_segment(const SegmentInfo& info, uint64_t limit, uint64_t timestamp) const;
  Result<std::optional<LogTimeIndex::Entry>> index_entry(const SegmentInfo& info, uint64_t timestamp) const
      EXCLUDES_LOCK(index_mutex_);
  Result<Index> load_index(const SegmentInfo& info) const;
  void cache_index(uint32_t number, Index index) const REQUIRES_LOCK(index_mutex_);
  // An end record that is not there. A crash may leave none, for it is synced with the records that it follows: it is
  // damage when its incarnation knew something behind it to be on the device.
  struct LostEnd {
    Status damage;
    LogPosition durable_if = 0;
  };
  Status look_for_end(const SegmentInfo& info, uint32_t next, LostEnd* lost) const;
  Status verify_segment(const SegmentInfo& info, uint64_t limit, LostEnd* lost, std::vector<std::string>* problems,
                        const std::function<bool(uint64_t)>& progress) const;

  // ---- commit_log_copy.cc ----
  Result<uint64_t> copy_segment(const SegmentInfo& info, uint64_t limit, bool with_end, os::FileSystem& fs,
                                const std::string& folder) const;

  uint64_t seed_of(uint64_t incarnation, uint32_t segment) const {
    if (options_.seed_without_incarnation) return record_seed(options_.database_id, 0, 0);
    return record_seed(options_.database_id, incarnation, segment);
  }

  // Constant after construction.
  const LogOptions options_;
  os::FolderIdentity folder_;  // of a log that is written

  // Synchronise themselves.
  LogSegments segments_;
  LogWriter writer_;

  // Of the commit lock.
  SegmentHeader current_;  // the header of the segment being written
  std::shared_ptr<os::File> current_file_;
  uint64_t capacity_ = 0;  // of the segment being written
  uint64_t seed_ = 0;
  uint64_t unit_bytes_ = 0;  // in the segments of the current unit before this one
  uint64_t next_commit_ = 1;
  uint64_t last_timestamp_ = 0;
  uint64_t records_ = 0;  // in the segment being written
  bool closed_ = false;

  std::atomic<uint64_t> grown_capacity_{0};  // what the next segment should hold
  std::atomic<LogPosition> begin_{0};        // moves before a segment is removed

  base::Mutex spare_mutex_;
  std::optional<NewSegment> spare_ GUARDED_BY(spare_mutex_);
  uint32_t last_number_ GUARDED_BY(spare_mutex_) = 0;  // of the segment being written
  bool no_spares_ GUARDED_BY(spare_mutex_) = true;

  mutable base::Mutex index_mutex_;
  LogTimeIndex live_index_ GUARDED_BY(index_mutex_);
  uint32_t live_number_ GUARDED_BY(index_mutex_) = 0;
  mutable std::vector<std::pair<uint32_t, Index>> indexes_ GUARDED_BY(index_mutex_);  // last used last
};

}  // namespace strata::storage
