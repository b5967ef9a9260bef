// Verify: reads everything there is, past all caches, and says what is damaged.
// Thread safety: any thread, beside readers and writers. Ownership: borrows everything.
#pragma once

#include "branch/catalogue.h"
#include "storage/node_store.h"
#include "strata/session.h"
#include "strata/status.h"
#include "txn/engine.h"

namespace strata::recovery {

// Checks every node that the branches' checkpointed trees reach and every record of the log.
Result<VerifyResult> verify(storage::NodeStore& store, txn::Engine& engine, branch::Catalogue& catalogue,
                            const Progress& progress);

}  // namespace strata::recovery
