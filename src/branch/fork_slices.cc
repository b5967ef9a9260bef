// A fork of the past that has many rows to put back: they are found without any lock, and put back a slice at a time.
#include <algorithm>
#include <chrono>
#include <thread>

#include "branch/catalogue.h"
#include "branch/fork.h"
#include "txn/context.h"

namespace strata::branch {
namespace {

// A lock that is taken again at once is not given to whoever was woken to take it.
constexpr std::chrono::microseconds kPause{100};

// The head behind a record that changed nothing but these trees.
txn::Head moved(txn::Head head, const txn::Stamp& stamp) {
  head.timestamp = stamp.timestamp;
  head.commit = stamp.commit;
  head.last_record = stamp.position;
  return head;
}

}  // namespace

// Without the lock: it takes long where much changed since.
Result<Catalogue::PastOf> Catalogue::past_of(std::string_view source_name, uint64_t as_of) const {
  PastOf past;
  STRATA_ASSIGN(past.source, find(source_name));
  const tree::ReadGuard guard(engine_.forest());
  STRATA_TRY(check_kept(*past.source, as_of));
  const txn::Head head = past.source->visible.load();
  past.seen = head.last_record;
  if (as_of < head.timestamp) STRATA_TRY(rows_of_the_past(engine_, head, as_of, &past.overrides));
  return past;
}

Result<Catalogue::Forked> Catalogue::fork_in_slices(const PastOf& past, std::string_view destination, uint64_t as_of) {
  STRATA_TRY(check_free(destination));
  STRATA_ASSIGN(const txn::BranchPtr hidden, begin_fork(past.source));
  RowOverrides newer;
  Status status;
  {
    // What was committed since the rows were looked up; the branch without a name stands still.
    const tree::ReadGuard guard(engine_.forest());
    status = rows_since(engine_, hidden->visible.load(), past.seen, as_of, &newer);
  }
  if (status.is_ok()) status = put_back(hidden, past.overrides);
  if (status.is_ok()) status = put_back(hidden, newer);
  if (status.is_ok()) {
    ForkParameters parameters;
    parameters.source = past.source->origin.id;
    parameters.timestamp = as_of;
    parameters.name = destination;
    auto forked = end_fork(hidden, past.source, parameters);
    if (forked.is_ok()) return forked;
    status = forked.status();
  }
  // What this cannot do any more is done at the next opening.
  (void)discard(hidden);
  return status;
}

Result<txn::BranchPtr> Catalogue::begin_fork(const txn::BranchPtr& source) {
  HiddenBegin begin;
  begin.source = source;
  const txn::CommitLock held = engine_.lock();
  STRATA_TRY(engine_.settle(held));
  begin.last_record = source->tip.last_record;
  return append_begin(held, begin);
}

Status Catalogue::put_back(const txn::BranchPtr& hidden, const RowOverrides& overrides) {
  storage::RecordBuilder record(engine_.seed());
  const std::span<const RowOverride> all(overrides);
  for (size_t at = 0; at < all.size(); at += rows_of_a_slice_) {
    if (at > 0) std::this_thread::sleep_for(kPause);
    STRATA_TRY(put_back_slice(hidden, all.subspan(at, std::min(rows_of_a_slice_, all.size() - at)), &record));
  }
  return Status::ok();
}

Status Catalogue::put_back_slice(const txn::BranchPtr& hidden, std::span<const RowOverride> slice,
                                 storage::RecordBuilder* record) {
  STRATA_TRY(engine_.have_room());
  // Nobody else writes records of this branch.
  record->begin(storage::RecordKind::kForkRows, hidden->origin.id, hidden->visible.load().last_record, slice.size());
  add_overrides(record, slice, hidden->origin.created_at);
  const std::string_view body = record->finish();
  const txn::CommitLock held = engine_.lock();
  STRATA_TRY(engine_.settle(held));
  const tree::ReadGuard guard(engine_.forest());
  txn::Stamp stamp = engine_.next_stamp(held);
  txn::Head head = hidden->tip;
  tree::Edit edit = engine_.forest().edit(stamp.commit);
  STRATA_TRY(apply_overrides(slice, hidden->exclusive_since, &head, &edit));
  STRATA_TRY(engine_.append_system(held, &stamp, body));
  hidden->tip = moved(head, stamp);
  hidden->visible.store(hidden->tip);
  edit.finish();
  return Status::ok();
}

Result<Catalogue::Forked> Catalogue::end_fork(const txn::BranchPtr& hidden, const txn::BranchPtr& source,
                                              const ForkParameters& parameters) {
  const txn::CommitLock held = engine_.lock();
  STRATA_TRY(engine_.settle(held));
  STRATA_TRY(check_free(parameters.name));
  STRATA_TRY(txn::check_alive(*source));
  // As long as the moment is kept, so is all that its rows lead to.
  STRATA_TRY(check_kept(*source, parameters.timestamp));
  txn::Stamp stamp = engine_.next_stamp(held);
  record_.begin(storage::RecordKind::kBranchFork, hidden->origin.id, hidden->tip.last_record, 0, {},
                encode_fork(parameters));
  STRATA_TRY(engine_.append_system(held, &stamp, record_.finish()));
  return Forked{show_fork(hidden, source, parameters, stamp), parameters.timestamp};
}

txn::BranchPtr Catalogue::show_fork(const txn::BranchPtr& hidden, const txn::BranchPtr& source,
                                    const ForkParameters& parameters, const txn::Stamp& stamp) {
  const txn::BranchPtr branch =
      make(hidden->origin.id, parameters.name, source.get(), stamp.timestamp, parameters.timestamp);
  begin_head(branch.get(), hidden->tip, stamp);
  source->exclusive_since = stamp.commit;
  note_fork(*source, *branch, parameters.timestamp);
  insert(branch);
  return branch;
}

Status Catalogue::replay_fork_rows(const storage::LogRecord& record, const storage::RecordView& view) {
  STRATA_ASSIGN(const txn::BranchPtr hidden, find_id(view.branch));
  STRATA_ASSIGN(const RowOverrides overrides, overrides_of(record.position, view, engine_.seed()));
  const tree::ReadGuard guard(engine_.forest());
  txn::Head head = hidden->tip;
  tree::Edit edit = engine_.forest().edit(record.commit);
  STRATA_TRY(apply_overrides(overrides, hidden->exclusive_since, &head, &edit));
  edit.finish();
  hidden->tip = moved(head, {record.commit, record.timestamp, record.position});
  hidden->visible.store(hidden->tip);
  return Status::ok();
}

}  // namespace strata::branch
