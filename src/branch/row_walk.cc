#include "branch/row_walk.h"

namespace strata::branch {
namespace {

constexpr uint64_t kRowsPerBurst = 512;

}  // namespace

RowWalk::RowWalk(txn::Engine& engine, const txn::BranchState& branch, bool with_deleted)
    : engine_(engine), with_deleted_(with_deleted) {
  const tree::ReadGuard guard(engine.forest());
  head_ = branch.visible.load();
  const tree::Root roots[] = {head_.present, head_.deleted};
  pin_ = engine.forest().pin(head_.commit, roots);
  ticket_ = engine.add_snapshot(head_);
}

RowWalk::~RowWalk() { engine_.remove_snapshot(ticket_); }

Result<bool> RowWalk::burst(const Visitor& visit) {
  const tree::ReadGuard guard(engine_.forest());
  tree::Cursor present(engine_.forest(), head_.present);
  tree::Cursor deleted(engine_.forest(), with_deleted_ ? head_.deleted : tree::Root());
  std::string from = last_;
  if (begun_) from.push_back('\0');
  begun_ = true;
  STRATA_TRY(present.seek(from));
  STRATA_TRY(deleted.seek(from));
  for (uint64_t n = 0; n < kRowsPerBurst; ++n) {
    if (!present.valid() && !deleted.valid()) return false;
    const bool take_deleted = !present.valid() || (deleted.valid() && deleted.key() < present.key());
    tree::Cursor& cursor = take_deleted ? deleted : present;
    txn::RowView row;
    STRATA_TRY(txn::read_row(cursor.row(), &row));
    STRATA_ASSIGN(const bool more, visit(cursor.key(), row));
    last_.assign(cursor.key());
    ++visited_;
    if (!more) break;
    STRATA_TRY(cursor.next());
  }
  return true;
}

}  // namespace strata::branch
