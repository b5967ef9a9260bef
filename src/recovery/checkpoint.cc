#include "recovery/checkpoint.h"

#include <algorithm>
#include <vector>

namespace strata::recovery {
namespace {

// How many nodes are looked at in one hold of the commit lock: a fraction of a millisecond.
constexpr size_t kNodesAtOnce = 1024;

}  // namespace

void Checkpointer::set_keep_history(std::optional<uint64_t> micros) {
  const base::MutexLock lock(mutex_);
  keep_history_ = micros;
}

std::optional<uint64_t> Checkpointer::keep_history() const {
  const base::MutexLock lock(mutex_);
  return keep_history_;
}

Status Checkpointer::run(storage::LogPosition clean_end) {
  const base::MutexLock running(running_);
  return run_locked(clean_end);
}

Status Checkpointer::run_if(const std::function<bool()>& needed) {
  const base::MutexLock running(running_);
  return needed() ? run_locked(0) : Status::ok();
}

Status Checkpointer::between(const std::function<Status()>& work) {
  const base::MutexLock running(running_);
  STRATA_TRY(check_running());
  return work();
}

void Checkpointer::stop() {
  const base::MutexLock running(running_);
  stopped_ = true;
}

Status Checkpointer::check_running() const {
  return stopped_ ? Status::error(Code::kClosed, "the database was closed meanwhile", "open it again") : Status::ok();
}

Checkpointer::Capture Checkpointer::capture(const txn::CommitLock& held) const {
  Capture captured;
  CheckpointHead& head = captured.head;
  head.state = engine_.state(held);
  head.cut = engine_.visible_cut(held);
  head.oldest = std::max(engine_.log().begin(), keep_log_from_.load());
  head.next_branch_id = catalogue_.next_id(held);
  head.keep_history_micros = keep_history();
  head.branches = catalogue_.snapshot(held);
  for (const branch::BranchSnapshot& snapshot : head.branches) {
    captured.roots.push_back(snapshot.head.present);
    captured.roots.push_back(snapshot.head.deleted);
  }
  head.lineage = catalogue_.lineage(held);
  const std::vector<tree::Root> bases = catalogue_.merge_bases(held);
  captured.roots.insert(captured.roots.end(), bases.begin(), bases.end());
  captured.roots.push_back(head.state.evacuated);
  captured.pin = engine_.forest().pin(head.state.last_commit, captured.roots);
  return captured;
}

Status Checkpointer::run_locked(storage::LogPosition clean_end) {
  STRATA_TRY(check_running());
  STRATA_TRY(engine_.failure());
  Capture captured;
  std::vector<storage::NodeImage> images;
  {
    const txn::CommitLock held = engine_.lock();
    captured = capture(held);
    engine_.forest().begin_checkpoint(captured.head.state.last_commit);
  }
  for (bool more = true; more;) {
    const txn::CommitLock held = engine_.lock();
    more = engine_.forest().gather_checkpoint(kNodesAtOnce, &images);
  }
  CheckpointHead& head = captured.head;
  head.clean_end = clean_end;
  Status status = engine_.log().sync_to(head.cut.position);
  if (status.is_ok()) status = store_.commit(images, encode_head(head));
  for (bool more = true; more;) {
    const txn::CommitLock held = engine_.lock();
    more = engine_.forest().end_checkpoint(status.is_ok(), kNodesAtOnce);
  }
  engine_.forest().forget_checkpoint();
  if (!status) {
    engine_.fail(status);
    return status;
  }
  needed_from_.store(cut_.load());
  cut_.store(head.cut.position);
  return Status::ok();
}

}  // namespace strata::recovery
