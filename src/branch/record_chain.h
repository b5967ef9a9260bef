// The records of a branch, from its last one back through those of the branches that it was forked from.
//
// Thread safety: any thread, under a ReadGuard that was taken before the branch's cut was looked at: then no segment
//   that holds anything newer than the cut goes meanwhile. Ownership: borrows the engine.
#pragma once

#include <cstdint>
#include <functional>

#include "storage/commit_record.h"
#include "strata/status.h"
#include "txn/engine.h"

namespace strata::branch {

struct ChainRecord {
  storage::LogRecord record;
  storage::RecordView view;
  // What this record and those before it did later than this does not belong to the branch: it was forked from an
  // earlier moment of theirs.
  uint64_t until = UINT64_MAX;
};

// Where a walk stands: at the next record to be visited.
struct ChainPlace {
  storage::LogPosition position = 0;  // 0: at the end
  uint64_t until = UINT64_MAX;        // see ChainRecord
};

// Hands the record at `place` and those before it to `visit`, newest first, as far as the log is kept. False from
// `visit` ends it before the record that it was handed. What it is handed lives for that call.
Status walk_records(txn::Engine& engine, ChainPlace* place,
                    const std::function<Result<bool>(const ChainRecord&)>& visit);

// Whether a record's entities are versions of keys: of a commit, or imported ones, which are older than their record.
// Those of a fork are rows put back, and say nothing of the branch's own changes.
bool holds_versions(const storage::RecordView& view);

}  // namespace strata::branch
