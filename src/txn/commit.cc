// Committing data: validate, plan, record, apply, append, publish.
#include <algorithm>
#include <array>

#include "base/check.h"
#include "txn/context.h"
#include "txn/engine.h"
#include "txn/validate.h"
#include "txn/view.h"

namespace strata::txn {
namespace {

// A transaction that read much is checked before the lock is taken; under it only what came since is checked again.
constexpr size_t kReadsCheckedUnderLock = 64;
// Bounds what a run of replayed commits keeps back from reuse.
constexpr uint64_t kCommitsInReplayRun = 4096;

Write marker_of(std::string_view key) {
  Write marker;
  marker.key = key;
  marker.ensured = true;
  return marker;
}

bool reads_much(const CommitRequest& request) {
  return request.reads != nullptr &&
         request.reads->keys().size() + request.reads->ranges().size() * 8 > kReadsCheckedUnderLock;
}

}  // namespace

Result<CommitOutcome> Engine::commit(const CommitRequest& request) {
  STRATA_TRY(failure());
  // The answer of a strict commit waits for the disk.
  if (strict() && !request.may_wait) return Status::error(Code::kWouldBlock, "the commit waits for the disk");
  if (forest_.unwritten_bytes() > dirty_limit_) {
    if (!request.may_wait) return Status::error(Code::kWouldBlock, "the commit waits for a checkpoint");
    STRATA_TRY(make_room_());
  }
  storage::LogPosition end = 0;
  Result<CommitOutcome> outcome = validate_and_commit(request, &end);
  // Who lost to a commit that is not durable yet hears of it when that one is: its retry then sees what it lost to.
  // So does who was refused by what it met.
  const bool answered_by_tip =
      outcome.is_ok() || outcome.status().code() == Code::kTransactionConflict || request.decide != nullptr;
  if (strict() && answered_by_tip) STRATA_TRY(wait_durable(end));
  return outcome;
}

Status Engine::have_room() {
  STRATA_TRY(failure());
  return forest_.unwritten_bytes() > dirty_limit_ ? make_room_() : Status::ok();
}

Result<CommitOutcome> Engine::commit(const CommitLock& held, const CommitRequest& request) {
  STRATA_TRY(settle(held));
  const tree::ReadGuard guard(forest_);
  Result<CommitOutcome> outcome = commit_locked(request, Head());
  if (outcome.is_ok()) STRATA_TRY(settle(held));
  return outcome;
}

// *end: the log position that the answer rests on.
Result<CommitOutcome> Engine::validate_and_commit(const CommitRequest& request, storage::LogPosition* end) {
  Head validated;
  tree::Pin pin;
  if (request.base != nullptr && validates_) {
    validated = *request.base;
    if (reads_much(request)) {
      const tree::ReadGuard guard(forest_);
      const Head seen = (*request.branch)->visible.load();
      const std::array<tree::Root, 2> roots = {seen.present, seen.deleted};
      pin = forest_.pin(seen.commit, roots);
      STRATA_TRY(validate(forest_, validated, seen, request.writes, request.reads));
      validated = seen;
    }
  }
  // Outside of any guard: who holds the lock may be waiting for all readers to leave.
  std::optional<CommitLock> held = try_lock();
  if (!held) {
    if (!request.may_wait) return Status::error(Code::kWouldBlock, "another thread is committing");
    held.emplace(lock());
  }
  const tree::ReadGuard guard(forest_);
  Result<CommitOutcome> result = commit_locked(request, validated);
  *end = log_->end();
  return result;
}

Result<CommitOutcome> Engine::commit_locked(const CommitRequest& request, const Head& validated) {
  STRATA_TRY(failure());
  BranchState& branch = **request.branch;
  STRATA_TRY(check_alive(branch));
  if (request.base != nullptr && validates_) {
    STRATA_TRY(validate(forest_, validated, branch.tip, request.writes, request.reads));
  }
  std::span<const Write> writes = request.writes;
  uint64_t* versions = request.versions;
  if (request.decide != nullptr) {
    Context context;
    context.engine = this;
    context.branch = *request.branch;
    View view(context);
    view.open_at(branch.tip);
    decided_.clear();
    STRATA_TRY((*request.decide)(view, &decided_));
    writes = decided_;
    request.decided_versions->resize(writes.size());
    versions = request.decided_versions->data();
    if (writes.empty()) return CommitOutcome{branch.tip.timestamp};
  }
  Stamp stamp;
  stamp.commit = last_commit_ + 1;
  stamp.timestamp = std::max(clock_.now_micros(), last_timestamp_ + 1);
  STRATA_TRY(seal_writes(*request.branch, writes, stamp));
  STRATA_ASSIGN(const bool committed, append_commit(request, writes, stamp));
  if (versions != nullptr) {
    for (size_t i = 0; i < writes.size(); ++i) versions[i] = plan_[i].skipped ? 0 : plan_[i].version;
  }
  return CommitOutcome{committed ? stamp.timestamp : branch.tip.timestamp};
}

Status Engine::seal_writes(const BranchPtr& branch, std::span<const Write> writes, const Stamp& stamp) {
  const auto sealed = [](const Write& write) { return write.seal != nullptr; };
  if (std::none_of(writes.begin(), writes.end(), sealed)) return Status::ok();
  Context context;
  context.engine = this;
  context.branch = branch;
  View view(context);
  view.open_at(branch->tip);
  for (size_t i = 0; i < writes.size(); ++i) {
    const Write& write = writes[i];
    if (write.seal == nullptr) continue;
    const Sealing commit{view, stamp.timestamp, branch->origin.id, i > 0 ? &writes[i - 1] : nullptr};
    STRATA_TRY(write.seal(commit, write, const_cast<char*>(write.value.data())));
  }
  return Status::ok();
}

// Whether there was anything to commit. Nothing of it is seen, in memory or in the log, unless that is the answer.
Result<bool> Engine::append_commit(const CommitRequest& request, std::span<const Write> writes, Stamp stamp) {
  BranchState& branch = **request.branch;
  plan_.resize(writes.size() + request.ensured.size());
  uint64_t most_bytes = request.message.value_or(std::string_view()).size() + request.payload.size();
  for (const Write& write : writes) most_bytes += most_entity_bytes(write);
  for (const std::string_view key : request.ensured) most_bytes += most_entity_bytes(marker_of(key));
  Head head = branch.tip;
  tree::Edit edit = forest_.edit(stamp.commit);
  // Where the record will lie has to be known before the first row is made. A small commit makes sure of room for the
  // most that it can take, and finds each key once; a large one is looked up first.
  const bool in_one_pass = most_bytes <= one_pass_limit_;
  Result<bool> any = in_one_pass ? build_and_apply(request, writes, most_bytes, &stamp, &head, &edit)
                                 : build_then_apply(request, writes, &stamp, &head, &edit);
  if (!any || (!*any && !request.even_if_empty)) return any;
  const auto position = log_->append(stamp.commit, stamp.timestamp, record_.finish());
  if (!position) {
    edit.abort();
    fail_locked(position.status());
    return position.status();
  }
  STRATA_CHECK(*position == stamp.position);
  last_commit_ = stamp.commit;
  last_timestamp_ = stamp.timestamp;
  head.commit = stamp.commit;
  head.timestamp = stamp.timestamp;
  head.last_record = stamp.position;
  ++head.commits;
  publish(*request.branch, head, stamp, std::move(edit));
  return true;
}

void Engine::begin_record(const CommitRequest& request, size_t most_entities) {
  const BranchState& branch = **request.branch;
  record_.begin(storage::RecordKind::kCommit, branch.origin.id, branch.tip.last_record, most_entities,
                request.message.value_or(std::string_view()), request.message ? kHasMessage : request.payload);
}

Status Engine::prepare_log(size_t body_bytes) {
  Status prepared = log_->prepare(body_bytes);
  if (!prepared) fail_locked(prepared);
  return prepared;
}

Result<bool> Engine::build_and_apply(const CommitRequest& request, std::span<const Write> writes, uint64_t most_bytes,
                                     Stamp* stamp, Head* head, tree::Edit* edit) {
  const BranchState& branch = **request.branch;
  const uint64_t trimmed = branch.trimmed_before.load(std::memory_order_relaxed);
  begin_record(request, plan_.size());
  STRATA_TRY(prepare_log(record_.size() + most_bytes));
  stamp->position = log_->end();
  const storage::LogPosition unit = log_->unit_start();
  bool any = false;
  const auto make = [&](const Write& write, PlannedWrite* planned) -> Status {
    STRATA_TRY(plan_write(forest_, *head, write, trimmed, edit, planned));
    if (planned->skipped) return Status::ok();
    any = true;
    add_to_record(planned, stamp->timestamp, unit, &record_);
    const storage::LogPosition at = storage::entity_position(stamp->position, planned->entity_offset);
    return apply_write(*planned, stamp->timestamp, at, branch.exclusive_since, head, edit);
  };
  size_t at = 0;
  for (const Write& write : writes) STRATA_TRY(make(write, &plan_[at++]));
  if (!any && !writes.empty()) return false;
  for (const std::string_view key : request.ensured) STRATA_TRY(make(marker_of(key), &plan_[at++]));
  return any;
}

Result<bool> Engine::build_then_apply(const CommitRequest& request, std::span<const Write> writes, Stamp* stamp,
                                      Head* head, tree::Edit* edit) {
  const BranchState& branch = **request.branch;
  const uint64_t trimmed = branch.trimmed_before.load(std::memory_order_relaxed);
  size_t at = 0;
  for (const Write& write : writes) STRATA_TRY(plan_write(forest_, *head, write, trimmed, edit, &plan_[at++]));
  const auto has_effect = [](const PlannedWrite& planned) { return !planned.skipped; };
  if (std::none_of(plan_.begin(), plan_.begin() + static_cast<std::ptrdiff_t>(at), has_effect) &&
      !request.even_if_empty) {
    return false;
  }
  for (const std::string_view key : request.ensured) {
    STRATA_TRY(plan_write(forest_, *head, marker_of(key), trimmed, edit, &plan_[at++]));
  }
  const auto build = [&] {
    begin_record(request, plan_.size());
    for (PlannedWrite& planned : plan_) {
      if (!planned.skipped) add_to_record(&planned, stamp->timestamp, log_->unit_start(), &record_);
    }
    return record_.finish().size();
  };
  const storage::LogPosition unit = log_->unit_start();
  const size_t bytes = build();
  if (bytes > storage::kMaxRecordBodyBytes) {
    return Status::error(Code::kTransactionTooLarge, "the commit holds more than 1 GiB of writes",
                         "commit in smaller parts");
  }
  STRATA_TRY(prepare_log(bytes));
  // A new unit wants more before-images, which may not fit again; the next unit is far away then.
  if (log_->unit_start() != unit) STRATA_TRY(prepare_log(build()));
  stamp->position = log_->end();
  for (const PlannedWrite& planned : plan_) {
    if (planned.skipped) continue;
    const storage::LogPosition position = storage::entity_position(stamp->position, planned.entity_offset);
    STRATA_TRY(apply_write(planned, stamp->timestamp, position, branch.exclusive_since, head, edit));
  }
  return true;
}

// ---- replay ----

void Engine::replay_stamp(const storage::LogRecord& record) {
  last_commit_ = record.commit;
  last_timestamp_ = record.timestamp;
  visible_commit_.store(record.commit, std::memory_order_relaxed);
  visible_timestamp_.store(record.timestamp, std::memory_order_relaxed);
}

void Engine::end_replay_run() {
  if (replay_run_) replay_run_->finish();
  replay_run_.reset();
  replay_run_commits_ = 0;
}

Status Engine::replay_commit(const storage::LogRecord& record, const storage::RecordView& view, BranchState& branch) {
  if (replay_run_commits_ == kCommitsInReplayRun) end_replay_run();
  if (!replay_run_) replay_run_.emplace(forest_.edit(record.commit));
  ++replay_run_commits_;
  const tree::ReadGuard guard(forest_);
  Head head = branch.tip;
  storage::EntityReader reader(record.position, view, seed_);
  while (true) {
    STRATA_ASSIGN(const bool more, reader.next());
    if (!more) break;
    const storage::EntityView& entity = reader.entity();
    Write write;
    write.key = entity.key();
    write.value = entity.value();
    write.tombstone = entity.tombstone();
    PlannedWrite planned;
    STRATA_TRY(plan_write(forest_, head, write, 0, &*replay_run_, &planned));
    if (planned.skipped) {
      return Status::error(Code::kCorruption, "a record of the log erases a key that is not there");
    }
    planned.version = entity.version();
    planned.counts_on = (planned.had_present || planned.had_deleted) && planned.old.version + 1 == entity.version();
    STRATA_TRY(
        apply_write(planned, entity.timestamp(), reader.position(), branch.exclusive_since, &head, &*replay_run_));
  }
  head.commit = record.commit;
  head.timestamp = record.timestamp;
  head.last_record = record.position;
  if (view.kind == storage::RecordKind::kCommit) ++head.commits;
  branch.tip = head;
  branch.visible.store(head);
  return Status::ok();
}

}  // namespace strata::txn
