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
// Payload of a commit record that has a message, which may be empty. ON DISK: never change.
constexpr std::string_view kHasMessage = "m";

bool reads_much(const CommitRequest& request) {
  return request.reads != nullptr &&
         request.reads->keys().size() + request.reads->ranges().size() * 8 > kReadsCheckedUnderLock;
}

}  // namespace

Result<CommitOutcome> Engine::commit(const CommitRequest& request) {
  STRATA_TRY(failure());
  // The answer of a strict commit waits for the disk.
  if (strict() && !request.may_wait) return Status::error(Code::kWouldBlock, "the commit waits for the disk");
  if (forest_.dirty_bytes() > dirty_limit_) {
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
  if (branch.deleted.load(std::memory_order_relaxed)) {
    return Status::error(Code::kBranchNotFound, "branch '" + branch.origin.name + "' does not exist",
                         "branch_create or branch_fork makes one; branch_list lists them");
  }
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
  const uint64_t trimmed = branch.trimmed_before.load(std::memory_order_relaxed);
  plan_.clear();
  plan_.resize(writes.size() + request.ensured.size());
  size_t effects = 0;
  size_t at = 0;
  for (const Write& write : writes) {
    STRATA_TRY(plan_write(forest_, branch.tip, write, trimmed, &plan_[at]));
    effects += plan_[at++].skipped ? 0 : 1;
  }
  if (effects > 0 || writes.empty()) {
    for (const std::string_view key : request.ensured) {
      Write marker;
      marker.key = key;
      marker.ensured = true;
      STRATA_TRY(plan_write(forest_, branch.tip, marker, trimmed, &plan_[at]));
      effects += plan_[at++].skipped ? 0 : 1;
    }
  }
  plan_.resize(at);
  CommitOutcome outcome;
  outcome.timestamp = branch.tip.timestamp;
  if (effects > 0) {
    Stamp stamp;
    stamp.commit = last_commit_ + 1;
    stamp.timestamp = std::max(clock_.now_micros(), last_timestamp_ + 1);
    STRATA_TRY(seal_writes(*request.branch, writes, stamp));
    STRATA_TRY(append_commit(request, stamp));
    outcome.timestamp = stamp.timestamp;
  }
  if (versions != nullptr) {
    for (size_t i = 0; i < writes.size(); ++i) versions[i] = plan_[i].skipped ? 0 : plan_[i].version;
  }
  return outcome;
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

// Nothing of it is seen, in memory or in the log, unless it returns OK.
Status Engine::append_commit(const CommitRequest& request, const Stamp& given) {
  BranchState& branch = **request.branch;
  Stamp stamp = given;
  const auto effects = static_cast<uint64_t>(
      std::count_if(plan_.begin(), plan_.end(), [](const PlannedWrite& planned) { return !planned.skipped; }));
  const auto build = [&] {
    record_.begin(storage::RecordKind::kCommit, branch.origin.id, branch.tip.last_record, effects,
                  request.message.value_or(std::string_view()), request.message ? kHasMessage : std::string_view());
    for (PlannedWrite& planned : plan_) {
      if (!planned.skipped) add_to_record(&planned, stamp.timestamp, log_->unit_start(), &record_);
    }
    return record_.finish();
  };
  std::string_view body = build();
  if (body.size() > storage::kMaxRecordBodyBytes) {
    return Status::error(Code::kTransactionTooLarge, "the commit holds more than 1 GiB of writes",
                         "commit in smaller parts");
  }
  const storage::LogPosition unit = log_->unit_start();
  Status prepared = log_->prepare(body.size());
  // A new unit wants more before-images, which may not fit again; the next unit is far away then.
  if (prepared && log_->unit_start() != unit) {
    body = build();
    prepared = log_->prepare(body.size());
  }
  if (!prepared) {
    fail_locked(prepared);
    return prepared;
  }
  stamp.position = log_->end();

  Head head = branch.tip;
  tree::Edit edit = forest_.edit(stamp.commit);
  for (const PlannedWrite& planned : plan_) {
    if (planned.skipped) continue;
    const storage::LogPosition at = storage::entity_position(stamp.position, planned.entity_offset);
    STRATA_TRY(apply_write(planned, stamp.timestamp, at, branch.exclusive_since, &head, &edit));
  }
  const auto position = log_->append(stamp.commit, stamp.timestamp, body);
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
  return Status::ok();
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
    STRATA_TRY(plan_write(forest_, head, write, 0, &planned));
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
  ++head.commits;
  branch.tip = head;
  branch.visible.store(head);
  return Status::ok();
}

}  // namespace strata::txn
