// How many things a branch holds: what users call its keys. Markers of spaces, indexes and collections do not count.
// Thread safety: needs a ReadGuard. Ownership: nothing is kept.
#pragma once

#include "strata/status.h"
#include "tree/forest.h"

namespace strata::branch {

// O(spaces × log n).
Result<uint64_t> key_count(const tree::Forest& forest, const tree::Root& present);

}  // namespace strata::branch
