#include "txn/engine.h"

#include <algorithm>

#include "base/check.h"

namespace strata::txn {

CommitLock::~CommitLock() {
  if (engine_ != nullptr) engine_->commit_mutex_.unlock();
}

Engine::Engine(tree::Forest& forest, os::Clock& clock, uint64_t seed, const EngineState& state)
    : forest_(forest),
      clock_(clock),
      seed_(seed),
      last_commit_(state.last_commit),
      last_timestamp_(state.last_timestamp),
      record_(seed),
      visible_timestamp_(state.last_timestamp),
      visible_commit_(state.last_commit) {
  evacuated_.store(state.evacuated);
  // Who holds the commit lock may be waiting for this very sync: then everybody publishes for himself.
  publish_synced_ = [this] {
    if (const std::optional<CommitLock> held = try_lock()) publish_durable();
  };
}

CommitLock Engine::lock() NO_THREAD_SAFETY_ANALYSIS {
  commit_mutex_.lock();
  return CommitLock(this);
}

std::optional<CommitLock> Engine::try_lock() NO_THREAD_SAFETY_ANALYSIS {
  if (!commit_mutex_.try_lock()) return std::nullopt;
  return CommitLock(this);
}

void Engine::set_room(uint64_t dirty_limit, std::function<Status()> make_room) {
  dirty_limit_ = dirty_limit;
  make_room_ = std::move(make_room);
}

// ---- stamps ----

Stamp Engine::next_stamp(const CommitLock& held) {
  (void)held;
  Stamp stamp;
  stamp.commit = last_commit_ + 1;
  stamp.timestamp = std::max(clock_.now_micros(), last_timestamp_ + 1);
  return stamp;
}

Status Engine::append_system(const CommitLock& held, Stamp* stamp, std::string_view body) {
  STRATA_TRY(failure());
  STRATA_ASSERT(stamp->commit == last_commit_ + 1 && stamp->timestamp > last_timestamp_);
  STRATA_TRY(log_->prepare(body.size()));
  auto position = log_->append(stamp->commit, stamp->timestamp, body);
  if (!position) {
    fail_locked(position.status());
    return position.status();
  }
  stamp->position = *position;
  last_commit_ = stamp->commit;
  last_timestamp_ = stamp->timestamp;
  if (strict()) {
    const Status synced = log_->sync_to(log_->end());
    if (!synced) {
      fail_locked(synced);
      return synced;
    }
    publish_durable();
  }
  visible_commit_.store(stamp->commit, std::memory_order_release);
  visible_timestamp_.store(stamp->timestamp, std::memory_order_release);
  (void)held;
  return Status::ok();
}

EngineState Engine::state(const CommitLock& held) const {
  (void)held;
  EngineState state;
  state.last_commit = visible_commit();
  state.last_timestamp = visible_timestamp();
  state.evacuated = evacuated_.load();
  return state;
}

Engine::Cut Engine::visible_cut(const CommitLock& held) const {
  (void)held;
  Cut cut;
  cut.position = pending_.empty() ? log_->end() : pending_.front().stamp.position;
  cut.next_commit = visible_commit() + 1;
  cut.last_timestamp = visible_timestamp();
  return cut;
}

Status Engine::settle(const CommitLock& held) {
  (void)held;
  STRATA_TRY(failure());
  if (pending_.empty()) return Status::ok();
  const Status synced = log_->sync_to(log_->end());
  if (!synced) {
    fail_locked(synced);
    return synced;
  }
  publish_durable();
  return Status::ok();
}

Status Engine::end_unit(const CommitLock& held) {
  STRATA_TRY(settle(held));
  const Status ended = log_->end_unit();
  if (!ended) fail_locked(ended);
  return ended;
}

uint64_t Engine::add_snapshot(const Head& head) {
  const base::MutexLock lock(snapshots_mutex_);
  snapshots_.emplace(next_ticket_, head);
  return next_ticket_++;
}

void Engine::remove_snapshot(uint64_t ticket) {
  const base::MutexLock lock(snapshots_mutex_);
  snapshots_.erase(ticket);
}

std::vector<Engine::OpenSnapshot> Engine::open_snapshots() const {
  const base::MutexLock lock(snapshots_mutex_);
  std::vector<OpenSnapshot> snapshots;
  for (const auto& [ticket, head] : snapshots_) {
    const tree::Root roots[] = {head.present, head.deleted};
    snapshots.push_back({head, forest_.pin(head.commit, roots)});
  }
  return snapshots;
}

uint64_t Engine::last_timestamp(const CommitLock& held) const {
  (void)held;
  return last_timestamp_;
}

void Engine::set_evacuated(const CommitLock& held, const tree::Root& root) {
  (void)held;
  evacuated_.store(root);
}

// ---- publishing ----

// Strict: readers see it, and what it replaced may go, only after the sync (Invariant 2).
void Engine::publish(const BranchPtr& branch, const Head& head, const Stamp& stamp, tree::Edit edit) noexcept {
  branch->tip = head;
  if (strict()) {
    edit.seal();
    pending_.push_back(Pending{stamp, log_->end(), branch, head, std::move(edit)});
    return;
  }
  branch->visible.store(head);
  visible_commit_.store(stamp.commit, std::memory_order_release);
  visible_timestamp_.store(stamp.timestamp, std::memory_order_release);
  edit.finish();
}

// REQUIRES: the commit lock is held.
void Engine::publish_durable() noexcept {
  const storage::LogPosition durable = log_->durable_end();
  while (!pending_.empty() && pending_.front().end <= durable) {
    Pending& first = pending_.front();
    first.branch->visible.store(first.head);
    visible_commit_.store(first.stamp.commit, std::memory_order_release);
    visible_timestamp_.store(first.stamp.timestamp, std::memory_order_release);
    first.edit.finish();
    published_end_.store(first.end, std::memory_order_release);
    pending_.pop_front();
  }
}

Status Engine::wait_durable(storage::LogPosition end) {
  const Status synced = log_->sync_to(end, publish_synced_);
  if (synced && published_end_.load(std::memory_order_acquire) >= end) return Status::ok();
  const CommitLock held = lock();
  if (!synced) {
    fail_locked(synced);
    return synced;
  }
  publish_durable();
  return Status::ok();
}

Status Engine::set_strict(bool strict) {
  if (strict == this->strict()) return Status::ok();
  const CommitLock held = lock();
  if (!strict) STRATA_TRY(settle(held));
  log_->set_staged(strict);
  strict_.store(strict, std::memory_order_relaxed);
  return Status::ok();
}

Status Engine::flush() {
  STRATA_TRY(failure());
  return wait_durable(log_->end());
}

// ---- failure ----

Status Engine::failure() const {
  if (!failed_.load(std::memory_order_acquire)) return Status::ok();
  const base::MutexLock lock(failure_mutex_);
  return failure_;
}

void Engine::fail(const Status& status) {
  const CommitLock held = lock();
  fail_locked(status);
}

void Engine::fail_locked(const Status& status) {
  {
    const base::MutexLock lock(failure_mutex_);
    if (failure_.is_ok()) {
      failure_ =
          Status::error(status.code(), std::string(status.message()) + "; the database is read-only from here on",
                        "free the disk or repair it, then close and open the database again");
    }
    failed_.store(true, std::memory_order_release);
  }
  publish_durable();
  // Newest first: an edit may have replaced nodes born in the one before.
  while (!pending_.empty()) {
    Pending& last = pending_.back();
    last.edit.abort();
    last.branch->tip = last.branch->visible.load();
    pending_.pop_back();
  }
}

}  // namespace strata::txn
