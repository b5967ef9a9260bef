// Whether the vectors of a delta fit the collections of the branch that it is added to, and its own: as BundleVectors,
// with what the delta rests on as its beginning.
//
// Thread safety: none, holding no ReadGuard. Ownership: borrows the engine.
#pragma once

#include <set>
#include <string>

#include "branch/bundle_check.h"
#include "branch/bundle_vectors.h"
#include "strata/status.h"
#include "txn/branch_state.h"
#include "txn/engine.h"
#include "txn/history.h"

namespace strata::branch {

class DeltaVectors {
 public:
  using Refusal = BundleVectors::Refusal;

  // `base`: the state that the delta rests on, which stays.
  DeltaVectors(txn::Engine& engine, const txn::Head& base, BundleHead head);
  // The next entry, of whatever tag.
  Result<Refusal> add(const CheckedEntry& checked);
  // Behind the last one. `result`: the state that they made of the base.
  Result<Refusal> end(const txn::Head& result);

 private:
  // What the base has under a key, as an entry; a tombstone where it has nothing.
  Result<BundleEntry> base_entry(std::string_view key);
  Result<Refusal> begin_key(const CheckedEntry& checked, const model::SplitKey& parts);
  Result<Refusal> add_base_collection(std::string_view space, std::string_view name);

  txn::Engine& engine_;
  const txn::Head base_;
  txn::History history_;
  BundleVectors vectors_;
  std::string space_;
  std::set<std::string, std::less<>> known_;    // collections of the space that vectors_ knows
  std::set<std::string, std::less<>> changed_;  // keys of collections that the base has and the delta defines anew
};

}  // namespace strata::branch
