// Writes the end of the log: hands records to the operating system one by one (buffered), or collects them until the
// leader of a group of waiting committers writes and syncs them all (staged).
//
// Thread safety: append, begin_segment, drain, set_staged and write_end_record are serialized by the caller (the commit
//   lock); sync_to, read_unwritten, the positions and error() may run in any thread beside them.
// Ownership: shares the files of the segments that are not yet synced; borrows the FileSystem.
// Durability: sync_to returns OK when all bytes below its argument, the files that hold them and these files' names are
//   on the device.
// Invariants:
//   1. durable_end <= written_end <= end. durable_end moves only after every file written since the last sync, older
//      segments first, and the folder, if it has new names, were synced without an error.
//   2. All bytes that are not yet written belong to the segment being written.
//   3. The first error is kept; after it nothing is written or synced any more and durable_end stays.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "os/file_system.h"
#include "storage/commit_log.h"

namespace strata::storage {

class LogWriter {
 public:
  LogWriter(os::FileSystem* fs, std::string folder) : fs_(fs), folder_(std::move(folder)) {}

  // The next append goes to `first` in `file`. `name_synced`: the folder was synced since the file was made.
  // REQUIRES: drained.
  void begin_segment(std::shared_ptr<os::File> file, LogPosition first, bool name_synced) EXCLUDES_LOCK(mutex_);
  // Appends head and body at end(). REQUIRES: a segment was begun.
  Status append(std::string_view head, std::string_view body) EXCLUDES_LOCK(mutex_);
  // Writes bytes behind end() that are no record of the log; end() does not move. REQUIRES: drained.
  Status write_behind_end(std::string_view bytes) EXCLUDES_LOCK(mutex_);
  // Hands all that is staged to the operating system.
  Status drain() EXCLUDES_LOCK(mutex_);
  void set_staged(bool staged) EXCLUDES_LOCK(mutex_);
  bool staged() const { return staged_; }

  // `synced`, of the thread that led the sync: called after it succeeded, before those that waited for it go on, with
  // no lock held. It must not wait for any of them.
  Status sync_to(LogPosition end, const std::function<void()>& synced) EXCLUDES_LOCK(mutex_);
  // The log ends here, and all of it is on the device already (recovery synced it, or nobody will write).
  void start_durable(LogPosition end) EXCLUDES_LOCK(mutex_);
  // Keeps the error and returns the one that is kept.
  Status fail(Status error) EXCLUDES_LOCK(mutex_);
  Status error() const EXCLUDES_LOCK(mutex_);

  LogPosition end() const { return end_.load(std::memory_order_acquire); }
  LogPosition written_end() const { return written_end_.load(std::memory_order_acquire); }
  LogPosition durable_end() const { return durable_end_.load(std::memory_order_acquire); }

  // Copies what of [position, position + n) is not yet written to its place in `out`, and returns how many bytes before
  // it have to be read from the file. REQUIRES: position + n <= end(), one segment.
  size_t read_unwritten(LogPosition position, size_t n, char* out) const EXCLUDES_LOCK(mutex_);

 private:
  using Lock = base::MutexLock;
  // Waits until no other thread writes or syncs, then takes that part.
  Status lead(Lock& lock) REQUIRES_LOCK(mutex_);
  // The next leader may go on.
  void stop_leading() REQUIRES_LOCK(mutex_);
  // Whoever waits for the sync of that number.
  std::condition_variable& group(uint64_t number) { return groups_[number % 2]; }
  // As the leader: writes what is staged. Releases the lock while it does.
  Status write_staged(Lock& lock) REQUIRES_LOCK(mutex_);
  Status sync_files(Lock& lock) REQUIRES_LOCK(mutex_);
  Status keep(Status error) REQUIRES_LOCK(mutex_);

  os::FileSystem* const fs_;
  const std::string folder_;

  // Of the caller's lock; set under mutex_ too where other threads read it.
  bool staged_ = false;
  std::string scratch_;

  std::atomic<LogPosition> end_{0};
  std::atomic<LogPosition> written_end_{0};
  std::atomic<LogPosition> durable_end_{0};
  std::atomic<bool> failed_{false};

  mutable base::Mutex mutex_;
  // Committers wait in the group of the sync that covers them: of the one under way, or of the next, which the first of
  // them to wake leads. So a sync wakes those that it served and one more.
  std::condition_variable groups_[2];
  std::condition_variable led_;  // who wants to write without a sync
  uint64_t sync_number_ GUARDED_BY(mutex_) = 0;
  LogPosition sync_target_ GUARDED_BY(mutex_) = 0;  // of the last sync begun
  bool leading_ GUARDED_BY(mutex_) = false;
  bool names_unsynced_ GUARDED_BY(mutex_) = false;
  std::shared_ptr<os::File> file_ GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<os::File>> unsynced_ GUARDED_BY(mutex_);  // older segments, oldest first
  std::string collected_ GUARDED_BY(mutex_);                            // behind what is being written
  std::string writing_ GUARDED_BY(mutex_);  // begins at written_end_; the leader reads it without the lock
  Status error_ GUARDED_BY(mutex_);
};

}  // namespace strata::storage
