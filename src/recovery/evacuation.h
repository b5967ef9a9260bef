// Evacuation: the large values that lie in log segments about to be dropped and are still needed.
// Thread safety: as said. Ownership: borrows everything.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "branch/catalogue.h"
#include "strata/status.h"
#include "txn/engine.h"

namespace strata::recovery {

// Positions of large values below `drop_to` that a row of any head, open snapshot or merge base, or a before-image in
// the kept log, refers to. Any thread; takes the commit lock for a moment: what is committed meanwhile refers to
// nothing else.
Result<std::set<storage::LogPosition>> needed_values(txn::Engine& engine, branch::Catalogue& catalogue,
                                                     storage::LogPosition drop_to);

// What branch_log tells of the commit at `cut`, if its record lies below `drop_to`, as it is stored (txn::kCutEntry);
// empty: there is no such commit. Takes it from `root`, what was evacuated before, where the record is gone already: a
// cut that lies before the last one changes nothing.
Result<std::string> cut_entry(txn::Engine& engine, uint64_t cut, storage::LogPosition drop_to, const tree::Root& root);

// Makes `root` the tree of exactly these values, and of this entry: keeps those it has, reads the others from the log.
Status evacuate(txn::Engine& engine, const std::set<storage::LogPosition>& needed, std::string_view cut_entry,
                tree::Root* root, tree::Edit* edit);

}  // namespace strata::recovery
