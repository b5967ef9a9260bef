// A database: the composition root. Opens the parts in their order, keeps them, closes them in the reverse order.
//
// Thread safety: open and close by one thread; everything else in any thread.
// Ownership: owns node store, forest, log, engine, catalogue and background work; sessions share it.
// Durability: see txn/engine.h. Opening for writing takes the folder's lock; a read-only opening writes nothing at all.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "branch/catalogue.h"
#include "derived/caches.h"
#include "os/clock.h"
#include "os/file_system.h"
#include "recovery/checkpoint.h"
#include "recovery/retention.h"
#include "storage/commit_log.h"
#include "storage/node_store.h"
#include "strata/options.h"
#include "strata/session.h"
#include "strata/status.h"
#include "tree/forest.h"
#include "txn/engine.h"

namespace strata::db {

class Background;

struct DatabaseOptions {
  os::FileSystem* fs = nullptr;  // null: in memory
  os::Clock* clock = nullptr;    // null: the system's
  std::string folder;
  bool read_only = false;
  size_t cache_bytes = 256u << 20;
  std::optional<uint64_t> keep_history_micros;
  uint64_t database_id = 0;  // of a new database; 0: a random one
  uint64_t segment_bytes = 64u << 20;
  uint64_t first_segment_bytes = 1u << 20;
  uint64_t unit_bytes = 1u << 30;
  uint64_t checkpoint_log_bytes = 96u << 20;  // a checkpoint starts when this much log follows the last one
  bool background = true;                     // false: nothing runs by itself (tests drive it)
};

class Database {
 public:
  static Result<std::shared_ptr<Database>> open(const DatabaseOptions& options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Ends background work, checkpoints, closes the log, lets go of the lock. Idempotent.
  Status close();
  bool closed() const { return closed_.load(std::memory_order_acquire); }
  // In a child made by fork: lets go of the lock's descriptor, and of nothing else. The object must be leaked there.
  void abandon_in_child();

  txn::Engine& engine() { return *engine_; }
  branch::Catalogue& catalogue() { return *catalogue_; }
  tree::Forest& forest() { return *forest_; }
  storage::NodeStore& nodes() { return *nodes_; }
  storage::CommitLog& log() { return *log_; }
  derived::Caches& caches() { return *caches_; }
  const DatabaseOptions& options() const { return options_; }
  bool in_memory() const { return options_.fs == nullptr; }

  // ---- durability asked for by open handles: the stricter one holds ----
  Status add_handle(Durability durability);
  Status remove_handle(Durability durability);
  void set_keep_history(uint64_t micros);

  // ---- whole-database operations ----
  Status checkpoint();
  Result<CompactResult> compact(std::optional<uint64_t> keep_micros, const Progress& progress);
  Result<VerifyResult> verify(const Progress& progress);
  // Copies everything, as of one commit, to a folder of `fs` that is missing or empty.
  Result<BackupResult> backup(os::FileSystem& fs, const std::string& folder, const Progress& progress);
  Result<DatabaseInfo> info();
  // Collects nodes that no branch reaches when many have gathered.
  Status collect_if_due();
  // Something was left behind that only a collection frees.
  void collect_later() { leftovers_.store(true, std::memory_order_relaxed); }
  // What background work does when nothing else is asked of it. Steps of it are no-ops when not due.
  Status background_step();

 private:
  explicit Database(DatabaseOptions options);
  Status start();
  Status lock_folder();
  Status open_nodes();
  Status open_log();
  void make_caches();
  recovery::RetentionParts parts();
  Status check_not_inside_compaction(std::string_view what) const;
  Status sync_if_due();
  Status checkpoint_if_due();
  Status trim_history_if_due();
  uint64_t disk_bytes() const;
  // What may wait for a checkpoint before writers wait too. What a checkpoint is writing does not count, so that nodes
  // take up to twice this while one runs.
  uint64_t unwritten_limit() const;

  DatabaseOptions options_;
  std::unique_ptr<os::FileSystem> memory_files_;
  std::unique_ptr<os::FileLock> lock_;
  std::unique_ptr<storage::NodeStore> nodes_;
  std::unique_ptr<tree::Forest> forest_;
  std::unique_ptr<txn::Engine> engine_;
  std::unique_ptr<branch::Catalogue> catalogue_;
  std::unique_ptr<storage::CommitLog> log_;
  std::unique_ptr<recovery::Checkpointer> checkpointer_;
  std::unique_ptr<derived::Caches> caches_;
  std::unique_ptr<Background> background_;
  uint64_t opened_at_micros_ = 0;            // of the monotonic clock
  std::optional<uint64_t> clean_at_commit_;  // the commit at which it was last closed for good
  base::Mutex handles_mutex_;
  int strict_handles_ GUARDED_BY(handles_mutex_) = 0;
  base::Mutex compacting_;                          // one compaction or backup at a time
  std::atomic<std::thread::id> compacting_thread_;  // whose progress callback must not ask for another
  std::atomic<uint64_t> trimmed_at_{0};
  std::atomic<bool> leftovers_{false};
  std::atomic<bool> closed_{false};
};

}  // namespace strata::db
