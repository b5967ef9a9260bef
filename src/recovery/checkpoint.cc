#include "recovery/checkpoint.h"

#include <algorithm>
#include <vector>

namespace strata::recovery {

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
  return stopped_ ? Status::error(Code::kClosed, "the database was closed meanwhile") : Status::ok();
}

Status Checkpointer::run_locked(storage::LogPosition clean_end) {
  STRATA_TRY(check_running());
  STRATA_TRY(engine_.failure());
  CheckpointHead head;
  std::vector<tree::Root> roots;
  std::vector<storage::NodeImage> images;
  tree::Pin pin;
  {
    const txn::CommitLock held = engine_.lock();
    head.state = engine_.state(held);
    head.cut = engine_.visible_cut(held);
    head.clean_end = clean_end;
    head.oldest = std::max(engine_.log().begin(), keep_log_from_.load());
    head.next_branch_id = catalogue_.next_id(held);
    head.keep_history_micros = keep_history();
    head.branches = catalogue_.snapshot(held);
    for (const branch::BranchSnapshot& snapshot : head.branches) {
      roots.push_back(snapshot.head.present);
      roots.push_back(snapshot.head.deleted);
    }
    roots.push_back(head.state.evacuated);
    pin = engine_.forest().pin(head.state.last_commit, roots);
    images = engine_.forest().begin_checkpoint(head.state.last_commit);
  }
  Status status = engine_.log().sync_to(head.cut.position);
  if (status.is_ok()) status = store_.commit(images, encode_head(head));
  {
    const txn::CommitLock held = engine_.lock();
    engine_.forest().end_checkpoint(status.is_ok());
  }
  if (!status) {
    engine_.fail(status);
    return status;
  }
  needed_from_.store(cut_.load());
  cut_.store(head.cut.position);
  return Status::ok();
}

}  // namespace strata::recovery
