// Retention: what history is kept, and how the space of the rest comes back.
//
// A cut is logical and exact: versions replaced at or before it, and tombstones at or before it, are invisible at
// once, and so are states before it. Space follows in whole units of the log: large values in them that are still
// needed are copied into a tree of their own under their old position, two checkpoints make that (and a log cut behind
// the units) what either meta page says, and then the segments go.
//
// Thread safety: one compaction at a time; any thread. Ownership: borrows everything.
#pragma once

#include <optional>

#include "branch/catalogue.h"
#include "recovery/checkpoint.h"
#include "storage/node_store.h"
#include "strata/session.h"
#include "strata/status.h"
#include "txn/engine.h"

namespace strata::recovery {

struct RetentionParts {
  storage::NodeStore& store;
  txn::Engine& engine;
  branch::Catalogue& catalogue;
  Checkpointer& checkpointer;
};

// Moves the cut to the last commit's time less `keep_micros` and drops what lies behind it. Returns the number of
// versions that are no longer visible. `progress` runs in the calling thread without engine locks; when it returns
// false nothing is changed and the answer is kInvalidArgument.
Result<uint64_t> drop_history(const RetentionParts& parts, uint64_t keep_micros, const Progress& progress);

// Moves nodes from the end of the page file into its gaps and gives the rest back to the file system.
Status shrink(const RetentionParts& parts);

// Frees nodes that no branch reaches any more.
Status collect_garbage(const RetentionParts& parts);

// A retention record met in replay.
Status replay_retention(txn::Engine& engine, branch::Catalogue& catalogue, const storage::LogRecord& record,
                        const storage::RecordView& view);

}  // namespace strata::recovery
