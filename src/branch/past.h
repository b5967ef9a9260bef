// A branch as it was at a moment, as what differs from its present: at the cost of what changed since.
//
// The branch's own records say which keys changed since the moment; where those are many, a look at every row is
// cheaper. Each changed key's row is then built again from the log.
//
// Thread safety: any thread, under a ReadGuard that was taken before the branch's cut was looked at. Ownership: values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/commit_log.h"
#include "strata/status.h"
#include "txn/engine.h"

namespace strata::branch {

// A key's row as it was; an empty row: the key did not exist.
struct RowOverride {
  std::string key;
  std::string row;  // of the present tree, or a tombstone of the deleted one
};
using RowOverrides = std::vector<RowOverride>;  // in key order

// The rows that differ at `as_of` from those of `head`. REQUIRES: as_of is not before the branch's cut.
Status rows_of_the_past(txn::Engine& engine, const txn::Head& head, uint64_t as_of, RowOverrides* overrides);

// The rows of keys that were changed on the way to `head` behind the record `seen`, whatever they were before it.
Status rows_since(txn::Engine& engine, const txn::Head& head, storage::LogPosition seen, uint64_t as_of,
                  RowOverrides* overrides);

// Brings overrides against an older head of the branch, whose last record was `seen`, up to `head`: the keys that were
// changed in between.
Status refresh_overrides(txn::Engine& engine, const txn::Head& head, storage::LogPosition seen, uint64_t as_of,
                         RowOverrides* overrides);

}  // namespace strata::branch
