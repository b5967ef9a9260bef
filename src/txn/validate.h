// The conflict check: did anything that a transaction read or wrote change between two heads of its branch?
// Thread safety: pure; needs a ReadGuard and both heads alive. Ownership: borrows everything.
#pragma once

#include <span>

#include "strata/status.h"
#include "tree/forest.h"
#include "txn/head.h"
#include "txn/read_set.h"
#include "txn/write_set.h"

namespace strata::txn {

// kTransactionConflict names the key. `reads` may be null. Keys are compared by their rows in both trees of a head, so
// a deletion that was deleted by retention counts as a change; ranges by the diffs of both trees, so that a key which
// came and went counts as well, unless its tombstone went with retention.
Status validate(const tree::Forest& forest, const Head& base, const Head& now, std::span<const Write> writes,
                const ReadSet* reads);

}  // namespace strata::txn
