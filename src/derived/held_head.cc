#include "derived/held_head.h"

namespace strata::derived {

HeldHead::HeldHead(txn::Engine& engine, const txn::Head& head)
    : engine_(engine), head_(head), pin_(engine.forest().pin(head.commit, {&head_.present, 1})) {
  ticket_ = engine.add_snapshot(head);
}

HeldHead::~HeldHead() { engine_.remove_snapshot(ticket_); }

}  // namespace strata::derived
