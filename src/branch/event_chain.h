// The chain of an event log: what an event's row says of its commit and of its predecessor, filled in as it is
// committed.
// Thread safety: under the commit lock, as every seal. Ownership: borrows everything.
#pragma once

#include "txn/decide.h"

namespace strata::branch {

// The seal of an event that is new in the database: its origin is this commit, its hash continues the chain.
Status seal_new_event(const txn::Sealing& commit, const txn::Write& write, char* bytes);

}  // namespace strata::branch
