// One living branch as the transaction layer sees it: its heads and the limits of its history.
//
// Thread safety: constants after construction; `visible` and the atomics by any thread; what the commit lock guards
//   says so.
// Ownership: shared by the catalogue, sessions and transactions; a deleted branch lives on, marked, until the last of
//   them lets go.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "txn/head.h"

namespace strata::txn {

// Constant after construction.
struct BranchOrigin {
  uint32_t id = 0;
  std::string name;
  uint64_t created_at = 0;
  uint64_t oldest = 0;  // the making of the branch that its history begins in
  std::optional<std::string> parent;
  std::optional<uint64_t> fork_timestamp;
};

class BranchState {
 public:
  explicit BranchState(BranchOrigin branch_origin) : origin(std::move(branch_origin)) {}

  const BranchOrigin origin;

  // What readers see.
  HeadBox visible;
  std::atomic<bool> deleted{false};
  // The retention cut: states before it are not readable, versions replaced at or before it are gone.
  std::atomic<uint64_t> trimmed_before{0};

  // ---- guarded by the commit lock ----
  Head tip;                      // what the next commit builds on; ahead of `visible` while a sync is under way
  uint64_t exclusive_since = 0;  // the last fork from or into this branch: nodes born at or before it may be shared
};

using BranchPtr = std::shared_ptr<BranchState>;

}  // namespace strata::txn
