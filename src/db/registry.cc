#include "db/registry.h"

#include <pthread.h>

#include <algorithm>

#include "base/check.h"

namespace strata::db {

Registry& Registry::instance() {
  static Registry* const registry = new Registry();  // outlives every thread
  return *registry;
}

// The lock is held across fork, so that the child finds the table whole.
Registry::Registry() {
  pthread_atfork([]() NO_THREAD_SAFETY_ANALYSIS { instance().mutex_.lock(); },
                 []() NO_THREAD_SAFETY_ANALYSIS { instance().mutex_.unlock(); },
                 []() NO_THREAD_SAFETY_ANALYSIS {
                   instance().after_fork_in_child();
                   instance().mutex_.unlock();
                 });
}

void Registry::after_fork_in_child() NO_THREAD_SAFETY_ANALYSIS {
  generation_.fetch_add(1, std::memory_order_relaxed);
  // The engines' threads do not exist here: nothing of them may run, not even their destructors.
  for (Entry& entry : entries_) {
    entry.database->abandon_in_child();
    new std::shared_ptr<Database>(std::move(entry.database));
  }
  entries_.clear();
}

Registry::Entry* Registry::find(const Database* database) {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.database.get() == database; });
  return found == entries_.end() ? nullptr : &*found;
}

Result<std::shared_ptr<Database>> Registry::open(const DatabaseOptions& options) {
  const base::MutexLock lock(mutex_);
  const auto identity = options.fs->identity(options.folder);
  if (identity) {
    for (Entry& entry : entries_) {
      if (entry.folder != *identity) continue;
      if (entry.database->options().read_only && !options.read_only) {
        return Status::error(Code::kDatabaseLocked,
                             "database " + options.folder + " is open with read_only=True in this process",
                             "close that handle first");
      }
      ++entry.handles;
      return entry.database;
    }
  }
  STRATA_ASSIGN(std::shared_ptr<Database> database, Database::open(options));
  STRATA_ASSIGN(const os::FolderIdentity folder, options.fs->identity(options.folder));
  entries_.push_back({database, folder, 1});
  return database;
}

Result<std::shared_ptr<Database>> Registry::open_memory(const DatabaseOptions& options) {
  STRATA_ASSIGN(std::shared_ptr<Database> database, Database::open(options));
  const base::MutexLock lock(mutex_);
  entries_.push_back({database, std::nullopt, 1});
  return database;
}

void Registry::retain(const std::shared_ptr<Database>& database) {
  const base::MutexLock lock(mutex_);
  if (Entry* entry = find(database.get())) ++entry->handles;
}

Status Registry::release(const std::shared_ptr<Database>& database) {
  const base::MutexLock lock(mutex_);
  Entry* entry = find(database.get());
  if (entry == nullptr || --entry->handles > 0) return Status::ok();
  entries_.erase(entries_.begin() + (entry - entries_.data()));
  return database->close();
}

void Registry::close_all() {
  const base::MutexLock lock(mutex_);
  for (const Entry& entry : entries_) (void)entry.database->close();
}

}  // namespace strata::db
