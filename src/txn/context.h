// What one operation on a session's data works with. Primitives see no more of a session than this.
// Thread safety: used by the one thread that holds the session. Ownership: borrows everything.
#pragma once

#include <functional>
#include <string_view>

#include "strata/session.h"
#include "strata/status.h"
#include "txn/branch_state.h"
#include "txn/decide.h"
#include "txn/engine.h"
#include "txn/transaction.h"

namespace strata::derived {
class Caches;
}

namespace strata::txn {

struct Context {
  Engine* engine = nullptr;
  BranchPtr branch;
  derived::Caches* caches = nullptr;  // the database's; null where nothing searches
  std::string_view space;
  Transaction* transaction = nullptr;  // null: the operation is a commit of its own
  bool read_only = false;              // the handle's
  bool may_wait = true;
  const KeepOn* keep_on = nullptr;  // null: what reads much goes on to its end
};

// kBranchNotFound for a branch that was deleted. Who asks under a ReadGuard (or holding a Pin taken under one) and
// hears that it lives may read what it shows: what a deleted one held can be gone.
Status check_alive(const BranchState& branch);

// kReadOnly if the handle or the open transaction refuses writes; `what` names the operation's target.
Status check_writable(const Context& context, std::string_view what);

// Writes as one commit, or into the open transaction. `versions` gets one number for each write, in order: the new
// version, 0 where nothing was there to erase. Keys must be in order and unique; `ensured` as in CommitRequest.
Status write(const Context& context, std::span<const Write> writes, std::span<const std::string_view> ensured,
             uint64_t* versions);

// As `write`, with writes that `decide` derives from the newest state of the branch, or from what the open transaction
// sees. Outside of a transaction it conflicts with nothing. `versions` gets one number for each write decided on. Who
// may not write still hears what `decide` says, and is refused only where something would be written (check_writable).
Status update(const Context& context, std::string_view what, std::span<const std::string_view> ensured,
              const Decide& decide, std::vector<uint64_t>* versions);

// Runs `operation` in the open transaction, or in one of its own that is committed, and tried again after a conflict:
// for operations that look before they write.
Status atomically(const Context& context, const std::function<Status(const Context&)>& operation);

}  // namespace strata::txn
