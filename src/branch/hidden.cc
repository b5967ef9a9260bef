// Branches without a name: made, filled by an import or a fork of the past, and shown in one step or never.
#include <algorithm>

#include "branch/catalogue.h"
#include "branch/fork.h"
#include "txn/context.h"

namespace strata::branch {
namespace {

// The payload of the first record. ON DISK: source u32, 0 for none | oldest u64 | cut u64.
std::string encode_begin(const Catalogue::HiddenBegin& begin) {
  std::string bytes;
  base::put_u32(bytes, begin.source != nullptr ? begin.source->origin.id : 0);
  base::put_u64(bytes, begin.oldest);
  base::put_u64(bytes, begin.trimmed_before);
  return bytes;
}

// The payload of the last one. ON DISK: branch that takes over u32, 0 for none | name of a new one, or u64: up to when
// the one that takes over forgets.
std::string encode_end(std::string_view name) {
  std::string bytes;
  base::put_u32(bytes, 0);
  bytes += name;
  return bytes;
}
std::string encode_end(const Catalogue::Adoption& adoption) {
  std::string bytes;
  base::put_u32(bytes, adoption.target->origin.id);
  base::put_u64(bytes, adoption.forgotten);
  return bytes;
}

Status damaged() { return Status::error(Code::kCorruption, "a record of an import in the log is damaged"); }

Status moved_on(std::string_view name) {
  return Status::error(Code::kDeltaMismatch,
                       "branch '" + std::string(name) + "' was changed while the bundle was being imported",
                       "export the whole branch");
}

}  // namespace

std::vector<txn::BranchPtr> Catalogue::everything() const {
  std::vector<txn::BranchPtr> branches;
  {
    const base::MutexLock lock(mutex_);
    branches.reserve(by_id_.size());
    for (const auto& [id, branch] : by_id_) branches.push_back(branch);
  }
  const auto by_id = [](const txn::BranchPtr& a, const txn::BranchPtr& b) { return a->origin.id < b->origin.id; };
  std::sort(branches.begin(), branches.end(), by_id);
  return branches;
}

size_t Catalogue::drop_hidden() {
  size_t dropped = 0;
  for (const txn::BranchPtr& branch : everything()) {
    if (!branch->origin.name.empty()) continue;
    forget(branch);
    ++dropped;
  }
  return dropped;
}

void Catalogue::forget(const txn::BranchPtr& branch) {
  branch->deleted.store(true, std::memory_order_release);
  lineage_.remove(branch->origin.id);
  const base::MutexLock lock(mutex_);
  by_id_.erase(branch->origin.id);
}

// ---- what the records do, at once and in replay ----

txn::BranchPtr Catalogue::make_hidden(uint32_t id, const HiddenBegin& begin, const txn::Stamp& stamp) {
  txn::BranchOrigin origin;
  origin.id = id;
  origin.created_at = stamp.timestamp;
  origin.oldest = begin.oldest;
  const auto branch = std::make_shared<txn::BranchState>(std::move(origin));
  branch->trimmed_before.store(begin.trimmed_before, std::memory_order_relaxed);
  begin_head(branch.get(), begin.source != nullptr ? begin.source->tip : txn::Head(), stamp);
  if (begin.source != nullptr) begin.source->exclusive_since = stamp.commit;
  insert(branch);
  next_id_ = std::max(next_id_, id + 1);
  return branch;
}

txn::BranchPtr Catalogue::show(const txn::BranchPtr& hidden, std::string_view name, const txn::Stamp& stamp) {
  txn::BranchOrigin origin = hidden->origin;
  origin.name = name;
  origin.created_at = stamp.timestamp;
  const auto branch = std::make_shared<txn::BranchState>(std::move(origin));
  branch->trimmed_before.store(hidden->trimmed_before.load(std::memory_order_relaxed), std::memory_order_relaxed);
  branch->exclusive_since = hidden->exclusive_since;
  txn::Head head = hidden->tip;
  head.timestamp = stamp.timestamp;
  head.commit = stamp.commit;
  head.last_record = stamp.position;
  head.commits = 0;
  branch->tip = head;
  branch->visible.store(head);
  insert(branch);
  return branch;
}

void Catalogue::hand_over(const txn::BranchPtr& hidden, const Adoption& adoption, const txn::Stamp& stamp) {
  txn::BranchState* const target = adoption.target.get();
  txn::Head head = hidden->tip;
  head.timestamp = stamp.timestamp;
  head.commit = stamp.commit;
  head.last_record = stamp.position;
  head.commits = target->tip.commits + 1;
  target->exclusive_since = std::max(target->exclusive_since, hidden->exclusive_since);
  const uint64_t cut = std::max(target->trimmed_before.load(std::memory_order_relaxed), adoption.forgotten);
  target->trimmed_before.store(cut, std::memory_order_release);
  target->tip = head;
  target->visible.store(head);
  forget(hidden);
}

// ---- the records ----

Result<txn::BranchPtr> Catalogue::begin_hidden(const HiddenBegin& begin) {
  STRATA_ASSIGN(const txn::CommitLock held, take_lock(true));
  STRATA_TRY(engine_.settle(held));
  return append_begin(held, begin);
}

Result<txn::BranchPtr> Catalogue::append_begin(const txn::CommitLock& held, const HiddenBegin& begin) {
  txn::Stamp stamp = engine_.next_stamp(held);
  stamp.timestamp = std::max(stamp.timestamp, begin.later_than + 1);
  storage::LogPosition previous = 0;
  if (begin.source != nullptr) {
    STRATA_TRY(txn::check_alive(*begin.source));
    previous = begin.source->tip.last_record;
    if (previous != begin.last_record) return moved_on(begin.source->origin.name);
  }
  record_.begin(storage::RecordKind::kImportBegin, next_id_, previous, 0, {}, encode_begin(begin));
  STRATA_TRY(engine_.append_system(held, &stamp, record_.finish()));
  return make_hidden(next_id_, begin, stamp);
}

Result<txn::BranchPtr> Catalogue::reveal(const txn::BranchPtr& hidden, std::string_view name) {
  STRATA_ASSIGN(const txn::CommitLock held, take_lock(true));
  STRATA_TRY(check_free(name));
  txn::Stamp stamp = engine_.next_stamp(held);
  record_.begin(storage::RecordKind::kImportEnd, hidden->origin.id, hidden->tip.last_record, 0, {}, encode_end(name));
  STRATA_TRY(engine_.append_system(held, &stamp, record_.finish()));
  return show(hidden, name, stamp);
}

Status Catalogue::adopt(const txn::BranchPtr& hidden, const Adoption& adoption) {
  STRATA_ASSIGN(const txn::CommitLock held, take_lock(true));
  STRATA_TRY(engine_.settle(held));
  const txn::BranchState& target = *adoption.target;
  STRATA_TRY(txn::check_alive(target));
  if (target.tip.last_record != adoption.last_record) return moved_on(target.origin.name);
  txn::Stamp stamp = engine_.next_stamp(held);
  record_.begin(storage::RecordKind::kImportEnd, hidden->origin.id, hidden->tip.last_record, 0, {},
                encode_end(adoption));
  STRATA_TRY(engine_.append_system(held, &stamp, record_.finish()));
  hand_over(hidden, adoption, stamp);
  return Status::ok();
}

Status Catalogue::discard(const txn::BranchPtr& hidden) {
  STRATA_ASSIGN(const txn::CommitLock held, take_lock(true));
  forget(hidden);
  txn::Stamp stamp = engine_.next_stamp(held);
  record_.begin(storage::RecordKind::kBranchDelete, hidden->origin.id, hidden->tip.last_record, 0);
  return engine_.append_system(held, &stamp, record_.finish());
}

Status Catalogue::replay_hidden(const storage::LogRecord& record, const storage::RecordView& view) {
  if (view.kind == storage::RecordKind::kForkRows) return replay_fork_rows(record, view);
  const txn::Stamp stamp{record.commit, record.timestamp, record.position};
  base::Reader reader(view.payload);
  uint32_t other = 0;
  if (view.kind == storage::RecordKind::kImportBegin) {
    HiddenBegin begin;
    if (!reader.read_u32(other) || !reader.read_u64(begin.oldest) || !reader.read_u64(begin.trimmed_before)) {
      return damaged();
    }
    if (other != 0) {
      STRATA_ASSIGN(begin.source, find_id(other));
    }
    make_hidden(static_cast<uint32_t>(view.branch), begin, stamp);
    return Status::ok();
  }
  STRATA_ASSIGN(const txn::BranchPtr hidden, find_id(view.branch));
  if (view.kind == storage::RecordKind::kImportLog) {
    txn::Head head = hidden->tip;
    head.timestamp = record.timestamp;
    head.commit = record.commit;
    head.last_record = record.position;
    hidden->tip = head;
    hidden->visible.store(head);
    return Status::ok();
  }
  if (view.kind != storage::RecordKind::kImportEnd || !reader.read_u32(other)) return damaged();
  if (other == 0) {
    (void)show(hidden, std::string_view(reader.position(), reader.remaining()), stamp);
    return Status::ok();
  }
  Adoption adoption;
  STRATA_ASSIGN(adoption.target, find_id(other));
  if (!reader.read_u64(adoption.forgotten)) return damaged();
  hand_over(hidden, adoption, stamp);
  return Status::ok();
}

}  // namespace strata::branch
