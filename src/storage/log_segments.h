// The table of a log's segments: which there are, where their records end, and their open files.
//
// Thread safety: all methods may be called from any thread; add, seal and remove are serialized by the caller.
// Ownership: borrows the FileSystem; owns the files, of which only the last used stay open. A SegmentView keeps its
//   file readable even when the segment is removed meanwhile.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "os/file_system.h"
#include "storage/log_format.h"

namespace strata::storage {

constexpr uint64_t kStillWritten = ~uint64_t{0};

struct SegmentInfo {
  SegmentHeader header;
  uint64_t data_end = kStillWritten;  // where its records end; kStillWritten for the segment being written
  uint64_t file_bytes = 0;
};

struct SegmentView {
  std::shared_ptr<os::File> file;
  SegmentHeader header;
  uint64_t data_end = kStillWritten;
};

class LogSegments {
 public:
  LogSegments(os::FileSystem* fs, std::string folder) : fs_(fs), folder_(std::move(folder)) {}

  // Numbers rise. `file` may be null: it is opened when it is read.
  void add(const SegmentInfo& info, std::shared_ptr<os::File> file) EXCLUDES_LOCK(mutex_);
  void seal(uint32_t number, uint64_t data_end, uint64_t file_bytes) EXCLUDES_LOCK(mutex_);
  void set_file_bytes(uint32_t number, uint64_t file_bytes) EXCLUDES_LOCK(mutex_);
  void remove(uint32_t number) EXCLUDES_LOCK(mutex_);

  // kCorruption when there is no such segment; I/O.
  Result<SegmentView> open(uint32_t number) const EXCLUDES_LOCK(mutex_);
  std::vector<SegmentInfo> list() const EXCLUDES_LOCK(mutex_);
  uint64_t file_bytes() const EXCLUDES_LOCK(mutex_);

  std::string path(uint32_t number) const { return os::join_path(folder_, segment_name(number)); }

 private:
  struct Entry {
    SegmentInfo info;
    mutable std::shared_ptr<os::File> file;
    mutable uint64_t used = 0;
  };
  const Entry* find(uint32_t number) const REQUIRES_LOCK(mutex_);
  void close_oldest() const REQUIRES_LOCK(mutex_);

  os::FileSystem* const fs_;
  const std::string folder_;

  mutable base::Mutex mutex_;
  std::vector<Entry> entries_ GUARDED_BY(mutex_);  // ascending
  mutable size_t open_files_ GUARDED_BY(mutex_) = 0;
  mutable uint64_t uses_ GUARDED_BY(mutex_) = 0;
};

}  // namespace strata::storage
