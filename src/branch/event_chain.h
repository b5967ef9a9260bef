// The chain of an event log: what an event's row says of its commit and of its predecessor, filled in as it is
// committed.
// Thread safety: under the commit lock, as every seal. Ownership: borrows everything.
#pragma once

#include <string_view>

#include "txn/decide.h"

namespace strata::branch {

// For an event that is about to be sealed under the same hold of the commit lock: what its predecessor's row says, so
// that the seal need not look for it. `bytes` is the event's own value.
void know_predecessor(std::string_view value, char* bytes);

// The seal of an event that is new in the database: its origin is this commit, its hash continues the chain.
Status seal_new_event(const txn::Sealing& commit, const txn::Write& write, char* bytes);

}  // namespace strata::branch
