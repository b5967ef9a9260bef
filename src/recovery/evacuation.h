// Evacuation: the large values that lie in log segments about to be dropped and are still needed.
// Thread safety: as said. Ownership: borrows everything.
#pragma once

#include <set>

#include "branch/catalogue.h"
#include "strata/status.h"
#include "txn/engine.h"

namespace strata::recovery {

// Positions of large values below `drop_to` that a row of any head, open snapshot or merge base, or a before-image in
// the kept log, refers to. Any thread; takes the commit lock for a moment: what is committed meanwhile refers to
// nothing else.
Result<std::set<storage::LogPosition>> needed_values(txn::Engine& engine, branch::Catalogue& catalogue,
                                                     storage::LogPosition drop_to);

// Makes `root` the tree of exactly these values: keeps those it has, reads the others from the log.
Status evacuate(txn::Engine& engine, const std::set<storage::LogPosition>& needed, tree::Root* root, tree::Edit* edit);

}  // namespace strata::recovery
