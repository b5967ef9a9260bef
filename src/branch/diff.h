// What differs between two branches: a paired walk of their trees that skips what they share.
//
// Only values count: what was written again with the same value, or at another time, is no difference.
// Thread safety: any thread, under a ReadGuard taken before the heads were loaded. Ownership: values.
#pragma once

#include <optional>

#include "strata/branch.h"
#include "strata/status.h"
#include "txn/engine.h"

namespace strata::branch {

struct DiffRequest {
  txn::Head a;
  txn::Head b;
  std::optional<uint64_t> limit;
  AsOf as_of;  // REQUIRES: not before the cut of either branch
  const KeepOn* keep_on = nullptr;
};

Result<DiffResult> diff_heads(txn::Engine& engine, const DiffRequest& request);

// Asks, each time it has been called often enough, whether a long operation is still wanted.
class Patience {
 public:
  explicit Patience(const KeepOn* keep_on) : keep_on_(keep_on) {}
  // kInvalidArgument once it is not.
  Status ask();

 private:
  static constexpr uint64_t kCallsBetween = 512;
  const KeepOn* keep_on_;
  uint64_t calls_ = 0;
};

}  // namespace strata::branch
