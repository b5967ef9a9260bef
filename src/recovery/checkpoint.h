// Checkpoints: the trees as of a cut in the log go to the node store, so that recovery replays only what follows it.
//
// Order (both durability modes): capture heads and cut under the commit lock; sync the log up to the cut; write and
// sync the nodes; write and sync the meta page. The log is kept back to the cut of the checkpoint before.
//
// Thread safety: run in any thread, one at a time (it waits). Ownership: borrows everything.
// Durability: when run returns OK, an opening needs no log before cut().
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <vector>

#include "base/mutex.h"
#include "branch/catalogue.h"
#include "recovery/checkpoint_head.h"
#include "storage/commit_log.h"
#include "storage/node_store.h"
#include "tree/forest.h"
#include "txn/engine.h"

namespace strata::recovery {

class Checkpointer {
 public:
  Checkpointer(storage::NodeStore& store, txn::Engine& engine, branch::Catalogue& catalogue)
      : store_(store), engine_(engine), catalogue_(catalogue) {}

  // What the newest checkpoint says when a database is opened.
  void start(const txn::Engine::Cut& cut) { cut_.store(cut.position); }
  // `clean_end`: the end of the log, when it is closed for good.
  Status run(storage::LogPosition clean_end = 0);
  // As run, unless `needed` says no once the checkpoint under way has ended.
  Status run_if(const std::function<bool()>& needed);
  // Does `work` while no checkpoint is under way.
  Status between(const std::function<Status()>& work);
  // What a checkpoint stands for: the visible heads and their place in the log, and the roots that a pin keeps alive.
  struct Capture {
    CheckpointHead head;
    std::vector<tree::Root> roots;
    tree::Pin pin;
  };
  Capture capture(const txn::CommitLock& held) const;
  // Waits for the checkpoint under way; from then on everything above answers kClosed.
  void stop();
  // Where a replay on the newest checkpoint begins.
  storage::LogPosition cut() const { return cut_.load(); }
  // Where a replay on the older of the two that can be opened begins: the log before it is not needed any more.
  storage::LogPosition needed_from() const { return needed_from_.load(); }
  // What the next checkpoints say the log is kept from: those that a removal of older segments waits for.
  void keep_log_from(storage::LogPosition position) { keep_log_from_.store(position); }
  void set_keep_history(std::optional<uint64_t> micros);
  std::optional<uint64_t> keep_history() const;

 private:
  Status check_running() const REQUIRES_LOCK(running_);
  Status run_locked(storage::LogPosition clean_end) REQUIRES_LOCK(running_);

  storage::NodeStore& store_;
  txn::Engine& engine_;
  branch::Catalogue& catalogue_;
  base::Mutex running_;  // held for the length of a checkpoint; taken before the commit lock
  bool stopped_ GUARDED_BY(running_) = false;
  std::atomic<storage::LogPosition> cut_{0};
  std::atomic<storage::LogPosition> needed_from_{0};
  std::atomic<storage::LogPosition> keep_log_from_{0};
  mutable base::Mutex mutex_;
  std::optional<uint64_t> keep_history_ GUARDED_BY(mutex_);
};

}  // namespace strata::recovery
