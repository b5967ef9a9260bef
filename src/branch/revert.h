// Going back: what has to be written so that a branch holds again what it held at a moment.
// Thread safety: any thread. Ownership: values own what they point to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "strata/status.h"
#include "txn/engine.h"
#include "txn/write_set.h"

namespace strata::branch {

// Writes against the head whose last record was `seen`.
struct Reversal {
  storage::LogPosition seen = 0;
  std::vector<txn::Write> writes;  // in key order; views into `bytes`
  uint64_t keys = 0;               // of what users call keys
  std::vector<std::string> bytes;
};

// What differs by value from the state at `to`. Events, and the markers of spaces that hold some, stay. REQUIRES: a
// ReadGuard taken before the branch's cut was looked at; `to` is not before that cut.
Status plan_reversal(txn::Engine& engine, const txn::Head& head, uint64_t to, Reversal* reversal);

// Commits the reversal of `branch` to its state at `to`; a branch that changes meanwhile is looked at again. Nothing to
// undo: no commit, and the timestamp is the branch's last.
struct Reverted {
  uint64_t keys = 0;
  uint64_t timestamp = 0;
  uint64_t version = 0;
};
Result<Reverted> revert(txn::Engine& engine, const txn::BranchPtr& branch, uint64_t to);

}  // namespace strata::branch
