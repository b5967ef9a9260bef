// Finds out what a folder of segments says the log is: which segments belong to it, where each one's records end, where
// the log ends, and whether something is missing that was once on the device. Changes nothing.
//
// Thread safety: a function. Ownership: borrows what the options name; opens and closes its own files.
// Invariants: the numbered rules at the head of log_recovery.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/commit_log.h"
#include "storage/log_segments.h"

namespace strata::storage {

struct RecoveredLog {
  std::vector<SegmentInfo> segments;  // oldest kept first; data_end of each is known
  LogPosition end = 0;                // behind the last record; 0: there are no segments
  uint64_t next_commit = 1;
  uint64_t last_timestamp = 0;
  bool last_is_empty = false;          // the last segment holds no records at all
  bool last_is_ended = false;          // it has an end record
  LogPosition known_durable = 0;       // what is behind it may be in the operating system's memory only
  std::vector<std::string> leftovers;  // names of segment files that are no part of the log
  uint32_t next_number = 1;            // greater than that of any segment file
  uint64_t next_incarnation = 1;       // greater than any that may have written records
};

// Replays the log from start.replay_from into `visit`. Errors: kCorruption, kFormatTooNew, I/O, the visitor's.
Result<RecoveredLog> recover_log(const LogOptions& options, const LogStart& start, const CommitLog::Visitor& visit);

}  // namespace strata::storage
