// A head whose nodes and values stay while it is read for longer than a call may take.
//
// Thread safety: made and dropped in any thread; read in any. Ownership: borrows the engine.
#pragma once

#include <optional>

#include "strata/status.h"
#include "tree/forest.h"
#include "txn/context.h"
#include "txn/engine.h"
#include "txn/view.h"

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

// Opens the view anew at the held head, or in the context's transaction, to which that head belongs. What is read from
// then on is not noted.
Status open_again(const txn::Context& context, AsOf as_of, const HeldHead& held, std::optional<txn::View>* view);

}  // namespace strata::derived
