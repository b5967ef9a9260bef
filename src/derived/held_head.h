// A head whose nodes and values stay while it is read for longer than a call may take.
//
// Thread safety: made and dropped in any thread; read in any. Ownership: borrows the engine.
#pragma once

#include "tree/forest.h"
#include "txn/engine.h"

namespace strata::derived {

class HeldHead {
 public:
  // REQUIRES: the head's nodes are alive by a ReadGuard or a Pin.
  HeldHead(txn::Engine& engine, const txn::Head& head);
  ~HeldHead();
  HeldHead(const HeldHead&) = delete;
  HeldHead& operator=(const HeldHead&) = delete;
  const txn::Head& head() const { return head_; }

 private:
  txn::Engine& engine_;
  txn::Head head_;
  tree::Pin pin_;
  uint64_t ticket_;
};

}  // namespace strata::derived
