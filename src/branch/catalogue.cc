#include "branch/catalogue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "branch/fork.h"
#include "branch/merge_record.h"

namespace strata::branch {

// ---- reading ----

Result<txn::BranchPtr> Catalogue::find(std::string_view name) const {
  const base::MutexLock lock(mutex_);
  const auto found = by_name_.find(name);
  if (found != by_name_.end()) return found->second;
  return Status::error(Code::kBranchNotFound, "branch '" + std::string(name) + "' does not exist",
                       "branch_create or branch_fork makes one; branch_list lists them");
}

Result<txn::BranchPtr> Catalogue::find_id(uint64_t id) const {
  const base::MutexLock lock(mutex_);
  const auto found = by_id_.find(static_cast<uint32_t>(id));
  if (found != by_id_.end()) return found->second;
  return Status::error(Code::kCorruption,
                       "a record of the log names branch " + std::to_string(id) + ", which is not there");
}

std::vector<txn::BranchPtr> Catalogue::all() const {
  const base::MutexLock lock(mutex_);
  std::vector<txn::BranchPtr> branches;
  branches.reserve(by_name_.size());
  for (const auto& [name, branch] : by_name_) branches.push_back(branch);
  return branches;
}

size_t Catalogue::count() const {
  const base::MutexLock lock(mutex_);
  return by_name_.size();
}

// ---- changing ----

Result<txn::CommitLock> Catalogue::take_lock(bool may_wait) {
  if (may_wait) return engine_.lock();
  // A strict record waits for the disk, under the lock.
  std::optional<txn::CommitLock> held = engine_.strict() ? std::nullopt : engine_.try_lock();
  if (!held) return Status::error(Code::kWouldBlock, "another thread is committing");
  return std::move(*held);
}

Status Catalogue::check_free(std::string_view name) const {
  const base::MutexLock lock(mutex_);
  if (by_name_.find(name) == by_name_.end()) return Status::ok();
  return Status::error(Code::kBranchExists, "branch '" + std::string(name) + "' exists already",
                       "choose another name, or branch_delete it first");
}

void Catalogue::insert(const txn::BranchPtr& branch) {
  lineage_.create(branch->origin.id);
  const base::MutexLock lock(mutex_);
  if (!branch->origin.name.empty()) by_name_[branch->origin.name] = branch;
  by_id_[branch->origin.id] = branch;
}

txn::BranchPtr Catalogue::make(uint32_t id, std::string_view name, const txn::BranchState* source, uint64_t created_at,
                               std::optional<uint64_t> fork_timestamp) const {
  txn::BranchOrigin origin;
  origin.id = id;
  origin.name = name;
  origin.created_at = created_at;
  origin.oldest = source != nullptr ? source->origin.oldest : created_at;
  if (source != nullptr) origin.parent = source->origin.name;
  origin.fork_timestamp = fork_timestamp;
  auto branch = std::make_shared<txn::BranchState>(std::move(origin));
  if (source != nullptr) {
    branch->trimmed_before.store(source->trimmed_before.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
  return branch;
}

Status Catalogue::create(std::string_view name, bool may_wait) {
  STRATA_ASSIGN(const txn::CommitLock held, take_lock(may_wait));
  STRATA_TRY(check_free(name));
  txn::Stamp stamp = engine_.next_stamp(held);
  const uint32_t id = next_id_;
  record_.begin(storage::RecordKind::kBranchCreate, id, 0, 0, {}, name);
  STRATA_TRY(engine_.append_system(held, &stamp, record_.finish()));
  ++next_id_;
  const txn::BranchPtr branch = make(id, name, nullptr, stamp.timestamp, std::nullopt);
  begin_head(branch.get(), txn::Head(), stamp);
  insert(branch);
  return Status::ok();
}

Result<Catalogue::Forked> Catalogue::fork(std::string_view source_name, std::string_view destination, AsOf as_of,
                                          bool may_wait) {
  if (as_of && !may_wait) return Status::error(Code::kWouldBlock, "a fork of the past reads much");
  PastOf past;
  if (as_of) {
    STRATA_ASSIGN(past, past_of(source_name, *as_of));
    if (past.overrides.size() > rows_of_a_slice_) return fork_in_slices(past, destination, *as_of);
  }
  STRATA_ASSIGN(const txn::CommitLock held, take_lock(may_wait));
  STRATA_ASSIGN(const txn::BranchPtr source, find(source_name));
  STRATA_TRY(check_free(destination));
  txn::Stamp stamp = engine_.next_stamp(held);
  ForkParameters parameters;
  parameters.name = destination;
  parameters.source = source->origin.id;
  parameters.timestamp = engine_.last_timestamp(held);
  const tree::ReadGuard guard(engine_.forest());
  if (as_of) {
    STRATA_TRY(check_kept(*source, *as_of));
    parameters.timestamp = std::min(*as_of, parameters.timestamp);
    if (source != past.source) {  // another branch of that name by now
      STRATA_TRY(rows_of_the_past(engine_, source->tip, *as_of, &past.overrides));
    } else {
      STRATA_TRY(refresh_overrides(engine_, source->tip, past.seen, *as_of, &past.overrides));
    }
  }
  const RowOverrides& overrides = past.overrides;
  const uint32_t id = next_id_;
  record_.begin(storage::RecordKind::kBranchFork, id, source->tip.last_record, overrides.size(), {},
                encode_fork(parameters));
  add_overrides(&record_, overrides, stamp.timestamp);
  const std::string_view body = record_.finish();

  txn::Head head = source->tip;
  tree::Edit edit = engine_.forest().edit(stamp.commit);
  STRATA_TRY(apply_overrides(overrides, stamp.commit - 1, &head, &edit));
  STRATA_TRY(engine_.append_system(held, &stamp, body));
  edit.finish();
  ++next_id_;
  const txn::BranchPtr branch = make(id, destination, source.get(), stamp.timestamp, parameters.timestamp);
  begin_head(branch.get(), head, stamp);
  source->exclusive_since = stamp.commit;
  note_fork(*source, *branch, parameters.timestamp);
  insert(branch);
  return Forked{branch, parameters.timestamp};
}

Status Catalogue::remove(std::string_view name, bool may_wait) {
  STRATA_ASSIGN(const txn::CommitLock held, take_lock(may_wait));
  STRATA_ASSIGN(const txn::BranchPtr branch, find(name));
  txn::Stamp stamp = engine_.next_stamp(held);
  record_.begin(storage::RecordKind::kBranchDelete, branch->origin.id, branch->tip.last_record, 0);
  STRATA_TRY(engine_.append_system(held, &stamp, record_.finish()));
  branch->deleted.store(true, std::memory_order_release);
  lineage_.remove(branch->origin.id);
  const base::MutexLock lock(mutex_);
  by_name_.erase(branch->origin.name);
  by_id_.erase(branch->origin.id);
  return Status::ok();
}

// ---- lineage ----

void Catalogue::note_fork(const txn::BranchState& source, const txn::BranchState& fork, uint64_t timestamp) {
  const bool past = timestamp < source.tip.timestamp;
  lineage_.fork(source.origin.id, fork.origin.id, timestamp, fork.tip.present, past);
}

tree::Root Catalogue::ancestor(const txn::CommitLock& held, const txn::BranchState& a,
                               const txn::BranchState& b) const {
  (void)held;
  return lineage_.ancestor(a.origin.id, b.origin.id).value_or(tree::Root());
}

void Catalogue::note_merge(const txn::CommitLock& held, txn::BranchState& source, const txn::BranchState& target,
                           uint64_t timestamp) {
  (void)held;
  learn(source, target, source.tip.present, timestamp);
}

// The state merged stays a root of its own: what it holds is freed by collection alone.
void Catalogue::learn(txn::BranchState& source, const txn::BranchState& target, const tree::Root& merged,
                      uint64_t timestamp) {
  source.exclusive_since = target.tip.commit;
  lineage_.merge(target.origin.id, target.tip.timestamp, {source.origin.id, timestamp, 0, merged});
}

std::vector<tree::Root> Catalogue::merge_bases(const txn::CommitLock& held) {
  (void)held;
  std::vector<tree::Root> roots;
  lineage_.for_each_root([&](const tree::Root& root) { roots.push_back(root); });
  return roots;
}

void Catalogue::replace_merge_bases(const txn::CommitLock& held, const std::vector<tree::Root>& roots) {
  (void)held;
  auto next = roots.begin();
  lineage_.for_each_root([&](tree::Root& root) { root = *next++; });
}

std::string Catalogue::lineage(const txn::CommitLock& held) const {
  (void)held;
  std::string bytes;
  lineage_.encode(&bytes);
  return bytes;
}

// ---- checkpoints and collection ----

std::vector<BranchSnapshot> Catalogue::snapshot(const txn::CommitLock& held) const {
  (void)held;
  std::vector<BranchSnapshot> snapshots;
  for (const txn::BranchPtr& branch : everything()) {
    snapshots.push_back({branch->origin, branch->trimmed_before.load(std::memory_order_relaxed),
                         branch->exclusive_since, branch->visible.load()});
  }
  return snapshots;
}

uint32_t Catalogue::next_id(const txn::CommitLock& held) const {
  (void)held;
  return next_id_;
}

std::vector<tree::Root> Catalogue::roots(const txn::CommitLock& held) {
  std::vector<tree::Root> roots;
  for (const tree::Root& root : merge_bases(held)) {
    if (root.id != 0) roots.push_back(root);
  }
  for (const txn::BranchPtr& branch : everything()) {
    const txn::Head visible = branch->visible.load();
    for (const tree::Root& root : {branch->tip.present, branch->tip.deleted, visible.present, visible.deleted}) {
      if (root.id != 0) roots.push_back(root);
    }
  }
  return roots;
}

// ---- opening ----

Status Catalogue::load(const std::vector<BranchSnapshot>& branches, std::string_view lineage, uint32_t next_id) {
  next_id_ = next_id;
  if (!lineage.empty() && !lineage_.decode(lineage)) {
    return Status::error(Code::kCorruption, "what the last checkpoint says of merges is damaged",
                         "restore the folder from a backup");
  }
  for (const BranchSnapshot& snapshot : branches) {
    auto branch = std::make_shared<txn::BranchState>(snapshot.origin);
    branch->trimmed_before.store(snapshot.trimmed_before, std::memory_order_relaxed);
    branch->exclusive_since = snapshot.exclusive_since;
    branch->tip = snapshot.head;
    branch->visible.store(snapshot.head);
    if (find(snapshot.origin.name).is_ok() || find_id(snapshot.origin.id).is_ok() || snapshot.origin.id >= next_id) {
      return Status::error(Code::kCorruption,
                           "the catalogue of branches names one twice: '" + snapshot.origin.name + "'");
    }
    insert(branch);
  }
  return Status::ok();
}

Status Catalogue::create_default() { return create(kDefaultBranch, true); }

Status Catalogue::replay(const storage::LogRecord& record, const storage::RecordView& view) {
  const txn::Stamp stamp{record.commit, record.timestamp, record.position};
  switch (view.kind) {
    case storage::RecordKind::kBranchCreate: {
      const auto id = static_cast<uint32_t>(view.branch);
      const txn::BranchPtr branch = make(id, view.payload, nullptr, record.timestamp, std::nullopt);
      begin_head(branch.get(), txn::Head(), stamp);
      insert(branch);
      next_id_ = std::max(next_id_, id + 1);
      return Status::ok();
    }
    case storage::RecordKind::kBranchFork:
      return replay_fork(record, view);
    case storage::RecordKind::kBranchDelete: {
      STRATA_ASSIGN(const txn::BranchPtr branch, find_id(view.branch));
      branch->deleted.store(true, std::memory_order_release);
      lineage_.remove(branch->origin.id);
      const base::MutexLock lock(mutex_);
      by_name_.erase(branch->origin.name);
      by_id_.erase(branch->origin.id);
      return Status::ok();
    }
    default:
      return replay_hidden(record, view);
  }
}

Status Catalogue::replay_fork(const storage::LogRecord& record, const storage::RecordView& view) {
  const txn::Stamp stamp{record.commit, record.timestamp, record.position};
  ForkParameters parameters;
  if (!decode_fork(view.payload, &parameters)) {
    return Status::error(Code::kCorruption, "a fork record of the log is damaged");
  }
  STRATA_ASSIGN(const txn::BranchPtr source, find_id(parameters.source));
  if (const auto filled = find_id(view.branch); filled.is_ok()) {
    (void)show_fork(*filled, source, parameters, stamp);
    return Status::ok();
  }
  const tree::ReadGuard guard(engine_.forest());
  txn::Head head = source->tip;
  tree::Edit edit = engine_.forest().edit(stamp.commit);
  STRATA_ASSIGN(const RowOverrides overrides, overrides_of(record.position, view, engine_.seed()));
  STRATA_TRY(apply_overrides(overrides, stamp.commit - 1, &head, &edit));
  edit.finish();
  const auto id = static_cast<uint32_t>(view.branch);
  const txn::BranchPtr branch = make(id, parameters.name, source.get(), record.timestamp, parameters.timestamp);
  begin_head(branch.get(), head, stamp);
  source->exclusive_since = stamp.commit;
  note_fork(*source, *branch, parameters.timestamp);
  insert(branch);
  next_id_ = std::max(next_id_, id + 1);
  return Status::ok();
}

// A merge's own changes are those of any commit; before them, the source's tip is the state that was merged.
Status Catalogue::replay_commit(const storage::LogRecord& record, const storage::RecordView& view) {
  STRATA_ASSIGN(const txn::BranchPtr branch, find_id(view.branch));
  MergeParameters merge;
  if (!decode_merge(view.payload, &merge)) return engine_.replay_commit(record, view, *branch);
  STRATA_ASSIGN(const txn::BranchPtr source, find_id(merge.source));
  engine_.end_replay_run();
  const tree::Root merged = source->tip.present;
  STRATA_TRY(engine_.replay_commit(record, view, *branch));
  learn(*source, *branch, merged, merge.timestamp);
  return Status::ok();
}

}  // namespace strata::branch
