#include "branch/revert.h"

#include <optional>

#include "branch/diff_values.h"
#include "branch/fork.h"
#include "branch/past.h"
#include "model/key_codec.h"
#include "strata/value.h"
#include "txn/context.h"
#include "txn/history.h"
#include "txn/row.h"
#include "txn/view.h"

namespace strata::branch {
namespace {

using model::Tag;

// How often a branch is looked at without the lock, before it is kept from changing.
constexpr int kAttempts = 4;

bool is_counted(Tag tag) { return tag == Tag::kKv || tag == Tag::kState || tag == Tag::kJson || tag == Tag::kVector; }

class Planner {
 public:
  Planner(txn::Engine& engine, const txn::Head& head, Reversal* reversal)
      : engine_(engine), head_(head), was_history_(engine), is_history_(engine), reversal_(*reversal) {}

  Status add(const RowOverride& change) {
    const auto parts = model::split_key(change.key);
    if (!parts) return Status::error(Code::kCorruption, "a key of a tree belongs to no space");
    if (parts->tag == Tag::kEvent || parts->tag == Tag::kEventType) return Status::ok();
    std::optional<std::string_view> was;
    STRATA_TRY(value_of(change.row, &was_history_, &was));
    STRATA_ASSIGN(const auto row, engine_.forest().get(head_.present, change.key));
    std::optional<std::string_view> is;
    if (row) STRATA_TRY(value_of(*row, &is_history_, &is));
    if (!was && !is) return Status::ok();
    if (was && is && same_value(parts->tag, *was, *is)) return Status::ok();
    if (!was && parts->tag == Tag::kSpace) {
      STRATA_ASSIGN(const bool events, holds_events(std::string(parts->space)));
      if (events) return Status::ok();
    }
    write(change.key, was);
    if (is_counted(parts->tag)) ++reversal_.keys;
    return Status::ok();
  }

 private:
  // Nothing for an empty row and for a tombstone.
  static Status value_of(std::string_view bytes, txn::History* history, std::optional<std::string_view>* value) {
    value->reset();
    if (bytes.empty()) return Status::ok();
    txn::RowView row;
    STRATA_TRY(txn::read_row(bytes, &row));
    if (row.tombstone) return Status::ok();
    STRATA_ASSIGN(*value, history->value_of(row));
    return Status::ok();
  }

  Result<bool> holds_events(const std::string& space) const {
    const model::KeySpan span = model::prefix_span(space, Tag::kEvent);
    tree::Cursor cursor(engine_.forest(), head_.present);
    STRATA_TRY(cursor.seek(span.begin));
    return cursor.valid() && cursor.key() < std::string_view(span.end);
  }

  void write(const std::string& key, std::optional<std::string_view> value) {
    reversal_.bytes.push_back(key);
    reversal_.bytes.emplace_back(value.value_or(std::string_view()));
    txn::Write write;
    write.tombstone = !value;
    reversal_.writes.push_back(write);
  }

  txn::Engine& engine_;
  const txn::Head& head_;
  txn::History was_history_;
  txn::History is_history_;
  Reversal& reversal_;
};

}  // namespace

Status plan_reversal(txn::Engine& engine, const txn::Head& head, uint64_t to, Reversal* reversal) {
  *reversal = Reversal();
  reversal->seen = head.last_record;
  if (to >= head.timestamp) return Status::ok();
  RowOverrides overrides;
  STRATA_TRY(rows_of_the_past(engine, head, to, &overrides));
  Planner planner(engine, head, reversal);
  for (const RowOverride& change : overrides) STRATA_TRY(planner.add(change));
  for (size_t i = 0; i < reversal->writes.size(); ++i) {
    reversal->writes[i].key = reversal->bytes[2 * i];
    reversal->writes[i].value = reversal->bytes[2 * i + 1];
  }
  return Status::ok();
}

Result<Reverted> revert(txn::Engine& engine, const txn::BranchPtr& branch, uint64_t to) {
  Reversal reversal;
  for (int attempt = 1;; ++attempt) {
    {
      const tree::ReadGuard guard(engine.forest());
      STRATA_TRY(txn::check_alive(*branch));
      STRATA_TRY(check_kept(*branch, to));
      STRATA_TRY(plan_reversal(engine, branch->visible.load(), to, &reversal));
    }
    Reverted reverted;
    bool stale = false;
    const txn::Decide decide = [&](txn::View& view, std::vector<txn::Write>* writes) -> Status {
      const txn::Head& tip = view.head();
      stale = tip.last_record != reversal.seen;
      if (stale && attempt < kAttempts) return Status::ok();
      STRATA_TRY(check_kept(*branch, to));
      if (stale) STRATA_TRY(plan_reversal(engine, tip, to, &reversal));
      stale = false;
      *writes = reversal.writes;
      reverted.keys = reversal.keys;
      reverted.version = tip.commits + (writes->empty() ? 0 : 1);
      return Status::ok();
    };
    std::vector<uint64_t> versions;
    txn::CommitRequest request;
    request.branch = &branch;
    request.decide = &decide;
    request.decided_versions = &versions;
    STRATA_ASSIGN(const txn::CommitOutcome outcome, engine.commit(request));
    if (stale) continue;
    reverted.timestamp = outcome.timestamp;
    return reverted;
  }
}

}  // namespace strata::branch
