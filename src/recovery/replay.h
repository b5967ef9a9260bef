// Replay: applying the log's records to the state of a checkpoint, one after another.
// Thread safety: single-threaded, before the database is open. Ownership: borrows everything.
#pragma once

#include "branch/catalogue.h"
#include "storage/commit_log.h"
#include "strata/status.h"
#include "txn/engine.h"

namespace strata::recovery {

// Applies one record. kCorruption: it does not fit the state.
Status replay_record(txn::Engine& engine, branch::Catalogue& catalogue, const storage::LogRecord& record);

}  // namespace strata::recovery
