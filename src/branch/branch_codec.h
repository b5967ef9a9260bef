// A branch as a checkpoint stores it, and the bytes of that.
//
// ON DISK: each branch is a length-prefixed record, so that fields can be added at its end.
// Thread safety: pure functions. Ownership: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/coding.h"
#include "txn/branch_state.h"

namespace strata::branch {

struct BranchSnapshot {
  txn::BranchOrigin origin;
  uint64_t trimmed_before = 0;
  uint64_t exclusive_since = 0;
  txn::Head head;
};

void put_root(std::string& out, const tree::Root& root);
bool read_root(base::Reader& reader, tree::Root* root);

void put_branch(std::string& out, const BranchSnapshot& branch);
// False: the bytes are no branch.
bool read_branch(base::Reader& reader, BranchSnapshot* branch);

}  // namespace strata::branch
