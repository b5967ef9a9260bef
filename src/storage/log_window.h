// Reads single entities of the log by their positions: once (read_entity), or many that lie near each other, as the
// versions of one key do (LogWindow).
//
// Thread safety: the log's read functions are; a LogWindow belongs to one thread.
// Ownership: borrows the log. Views live until the next read through the same scratch string or window.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "storage/commit_record.h"

namespace strata::storage {

// Reads the entity at `position`: one read of the log, a second if it is longer than half a kilobyte.
// kCorruption when there is no entity there.
Status read_entity(const CommitLog& log, uint64_t database_id, LogPosition position, std::string* scratch,
                   EntityView* out);

// Keeps the aligned 64 KB block of the last entity, once two reads in a row fell near each other: a walk along a chain
// whose records lie close costs a read a block, one that jumps costs a small read a jump.
class LogWindow {
 public:
  LogWindow(const CommitLog& log, uint64_t database_id) : log_(log), database_id_(database_id) {}

  // Same contract as above; the view lives until the next call. Who expects a longer entity saves a read by saying so.
  Status read_entity(LogPosition position, EntityView* out, size_t expected_bytes = 512);
  // How often the log was read, for tests and measurements.
  uint64_t reads() const { return reads_; }

 private:
  Status load_block(LogPosition position);

  const CommitLog& log_;
  const uint64_t database_id_;
  std::unique_ptr<char[]> block_;
  LogPosition block_start_ = 0;
  size_t block_bytes_ = 0;
  LogPosition last_ = 0;
  std::string scratch_;
  uint64_t reads_ = 0;
};

}  // namespace strata::storage
