#include "derived/held_head.h"

namespace strata::derived {

HeldHead::HeldHead(txn::Engine& engine, const txn::Head& head)
    : engine_(engine), head_(head), pin_(engine.forest().pin(head.commit, {&head_.present, 1})) {
  ticket_ = engine.add_snapshot(head);
}

HeldHead::~HeldHead() { engine_.remove_snapshot(ticket_); }

Status open_again(const txn::Context& context, AsOf as_of, const HeldHead& held, std::optional<txn::View>* view) {
  view->emplace(context);
  if (context.transaction != nullptr) {
    STRATA_TRY((*view)->open(as_of));
  } else {
    (*view)->open_at(held.head());
  }
  (*view)->stop_noting();
  return Status::ok();
}

}  // namespace strata::derived
