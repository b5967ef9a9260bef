// The commit log: append-only segments of checksummed records, one record a commit. It is durability, history and
// change feed at once: an old version of a value is stored here and nowhere else.
//
// The log knows framing, segments, units, incarnations and time; what a record's body means is the caller's
// (storage/commit_record.h encodes it). docs/file_format.md gives every byte.
//
// Thread safety: append, prepare, sync_*, drop_before and close are serialized by the caller (the commit lock) unless
//   their comment says otherwise; read, position_at, walk, begin and units may run in any thread beside them.
// Ownership: borrows the FileSystem; owns its files.
// Durability: in buffered mode a record is handed to the operating system before append returns; in staged mode
//   (strict) it is written and synced by sync_to. Everything below durable_end() survives a power cut.
// Invariants:
//   1. Positions rise with commit numbers; commit numbers have no gaps.
//   2. A record never spans segments; a segment is full, synced and ended by an end record before anything in the
//      next one is acknowledged as durable.
//   3. Checksums are seeded with the database id and the segment's incarnation; each writing opening has a new
//      incarnation, whose first segment header is synced before anything is acknowledged.
//   4. Every record carries a log position that was durable when it was written: damage below the greatest such
//      position (or below the end noted at a clean close) is corruption, above it is the tail and is cut.
//   5. After a failed write or sync nothing is appended any more; the first error is kept and returned.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/file_system.h"
#include "strata/status.h"

namespace strata::storage {

// segment number << 32 | byte offset in the segment. 0 is "none": offset 0 is a segment header.
using LogPosition = uint64_t;
constexpr uint32_t segment_of(LogPosition p) { return static_cast<uint32_t>(p >> 32); }
constexpr uint32_t offset_of(LogPosition p) { return static_cast<uint32_t>(p); }
constexpr LogPosition make_position(uint32_t segment, uint32_t offset) { return uint64_t{segment} << 32 | offset; }

struct LogOptions {
  os::FileSystem* fs = nullptr;
  std::string folder;
  uint64_t database_id = 0;
  uint64_t segment_bytes = 64u << 20;
  uint64_t first_segment_bytes = 1u << 20;
  uint64_t unit_bytes = 1u << 30;  // a retention unit ends at the first segment end after this many bytes
  bool read_only = false;          // nothing is created, cut or written
  // Tests alone: leaves the incarnation out of the checksums, to show what it is for.
  bool seed_without_incarnation = false;
};

struct LogRecord {
  LogPosition position = 0;  // of the record's header
  uint64_t commit = 0;
  uint64_t timestamp = 0;
  std::string_view body;  // valid during the call that hands it out
};

// Where the log ended when it was last known: what recovery is told by the meta page.
struct LogStart {
  LogPosition replay_from = 0;  // first record to hand to the visitor; 0: from the first segment there is
  uint64_t next_commit = 1;     // the commit number expected there
  uint64_t last_timestamp = 0;  // of the commit before it
  LogPosition clean_end = 0;    // end of the log noted at a clean close, else 0
  LogPosition oldest = 0;       // what is known never to have been dropped: begin() must not lie behind it; 0: unknown
};

class CommitLog {
 public:
  using Visitor = std::function<Status(const LogRecord&)>;

  // Opens the log in options.folder, or begins one when there is no segment and start.replay_from is 0. Every record
  // from start.replay_from on is checked and handed to `visit` in order; then the tail is cut, and (unless read_only) a
  // new segment with a new incarnation is begun and its header synced. Errors: kCorruption, kFormatTooNew, I/O.
  static Result<std::unique_ptr<CommitLog>> open(const LogOptions& options, const LogStart& start,
                                                 const Visitor& visit);
  virtual ~CommitLog() = default;

  // ---- writing ----
  // Makes sure that a body of this size fits the current segment, beginning a new segment (and unit) if needed. Then
  // end() is the position that the next append will have.
  // After it unit_start() holds for the next append. Errors: I/O; then the log takes no more records.
  virtual Status prepare(size_t body_bytes) = 0;
  // Appends one record and returns its position. REQUIRES: prepare(>= body.size()); commit == last + 1; timestamp
  // rises.
  virtual Result<LogPosition> append(uint64_t commit, uint64_t timestamp, std::string_view body) = 0;
  // The first position of the current retention unit: a row whose newest record lies before it needs a before-image.
  virtual LogPosition unit_start() const = 0;
  // Staged: append only collects bytes in memory until sync_to or flush writes them.
  virtual void set_staged(bool staged) = 0;
  // Everything up to `end` is on the device when it returns OK. Callable from any thread without the commit lock;
  // callers that arrive together share one sync (a leader syncs for all). A failed sync is final.
  // `synced`: called by the thread that led a successful sync before those that it served go on, with no lock of the
  // log held; it must not wait for any of them.
  virtual Status sync_to(LogPosition end, const std::function<void()>& synced = {}) = 0;
  // The position behind the last appended record; what lies below durable_end() survives a power cut. Any thread.
  virtual LogPosition end() const = 0;
  virtual LogPosition durable_end() const = 0;
  // Ends the current segment and unit, however small, and begins a new one (compaction). A unit without records is not
  // ended again.
  virtual Status end_unit() = 0;
  // Makes the next segment's file, with its space reserved, so that going over to it costs a header write. Any thread,
  // without the commit lock; cheap when it is there already. An error here is not final: the switch tries again.
  virtual Status prepare_next() = 0;
  // OK while the path of the folder still leads to the folder that was opened: whoever moved or deleted it, or put
  // another one in its place, would find our files in the wrong place. kIoError. Any thread.
  virtual Status check_folder() const = 0;
  // Ends writing: syncs, cuts the unused end off the last segment, removes the spare one. Idempotent. Returns the end.
  virtual Result<LogPosition> close() = 0;

  // ---- reading ----
  // Bytes from a position to the end of its segment's written part; 0 if there are none or the segment is gone.
  virtual uint64_t available(LogPosition position) const = 0;
  // n bytes at a position, from the file or from what is staged. kCorruption if the segment is gone or too short.
  virtual Status read(LogPosition position, size_t n, char* out) const = 0;
  // Reads up to n bytes, fewer at the end of the segment's written part. Same errors.
  virtual Result<size_t> read_some(LogPosition position, size_t n, char* out) const = 0;
  // The record whose header is at `position`, checked whole. `scratch` holds the body that the record's view shows.
  virtual Result<LogRecord> read_record(LogPosition position, std::string* scratch) const = 0;
  // The position of the last record with a timestamp <= `timestamp`; 0 if there is none in the kept log.
  virtual Result<LogPosition> position_at(uint64_t timestamp) const = 0;
  // Hands records from `from` (0: the oldest kept) to the end known at the call to `visit`, in order.
  virtual Status walk(LogPosition from, const Visitor& visit) const = 0;
  // First position of the oldest kept segment; positions below it are gone. 0: a read-only log without segments.
  virtual LogPosition begin() const = 0;

  // ---- retention ----
  // The first positions of all units that are kept, ascending; the last is the current unit.
  virtual std::vector<LogPosition> units() const = 0;
  // Removes all whole units that end at or before `position`. Readers that still hold an open segment may finish.
  virtual Status drop_before(LogPosition position) = 0;

  // ---- examination ----
  // Bytes of records (and headers of segments) between two positions, as far as they are kept. Any thread.
  virtual uint64_t bytes_between(LogPosition from, LogPosition to) const = 0;
  // Bytes of all segment files. Any thread.
  virtual uint64_t disk_bytes() const = 0;
  // Reads every record of every segment and appends a line for each damage found. Any thread.
  // `progress(bytes done, bytes in all)` returns false to stop early.
  virtual Status verify(std::vector<std::string>* problems,
                        const std::function<bool(uint64_t, uint64_t)>& progress) const = 0;

  // ---- backup ----
  // Copies all that is kept up to `end`, a position that a record begins at or ends before, to segments of the same
  // names in another folder, and syncs them (not the folder). kCorruption for a record that does not check, the
  // errors of both file systems, and that of `progress(bytes done)`. REQUIRES: no drop_before until it returns.
  virtual Status copy_to(os::FileSystem& fs, const std::string& folder, LogPosition end,
                         const std::function<Status(uint64_t)>& progress) const = 0;
};

}  // namespace strata::storage
