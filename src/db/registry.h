// The databases open in this process: opens of one folder share one, and fork and exit reach all of them.
//
// Thread safety: any thread. Opening and closing wait for each other.
// Ownership: weak; sessions own databases. The one instance is never destroyed.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "db/database.h"
#include "os/file_system.h"
#include "strata/status.h"

namespace strata::db {

class Registry {
 public:
  static Registry& instance();

  // The folder's database, opened or shared; counts one handle on it.
  Result<std::shared_ptr<Database>> open(const DatabaseOptions& options);
  Result<std::shared_ptr<Database>> open_memory(const DatabaseOptions& options);
  // One more handle on a database that has some.
  void retain(const std::shared_ptr<Database>& database);
  // One handle less; the last one closes it.
  Status release(const std::shared_ptr<Database>& database);
  // Closes every database, whoever still has handles.
  void close_all();

  // Rises in a child made by fork: what was opened under another number is dead.
  uint64_t generation() const { return generation_.load(std::memory_order_relaxed); }

 private:
  struct Entry {
    std::shared_ptr<Database> database;
    std::optional<os::FolderIdentity> folder;
    int handles = 0;
  };
  Registry();
  void after_fork_in_child();
  Entry* find(const Database* database) REQUIRES_LOCK(mutex_);

  base::Mutex mutex_;
  std::vector<Entry> entries_ GUARDED_BY(mutex_);
  std::atomic<uint64_t> generation_{1};
};

}  // namespace strata::db
