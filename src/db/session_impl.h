// What a session is made of; shared by the files that implement the public C++ API over a database.
// Thread safety: `mutex` is held by a Call; `names_mutex` guards what may be asked meanwhile.
// Ownership: shares the database; owns its transaction.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "db/database.h"
#include "strata/session.h"
#include "txn/context.h"
#include "txn/transaction.h"

namespace strata {

struct Session::Impl {
  // Constant after construction.
  std::shared_ptr<db::Database> database;
  std::optional<std::string> path;
  Durability durability = Durability::kBuffered;
  bool read_only = false;
  uint64_t (*current_task)() = nullptr;
  uint64_t generation = 0;  // of the registry, when it was opened

  std::mutex mutex;
  // Guarded by it.
  txn::Context context;  // of the call that holds the lock; its branch is the current one
  std::unique_ptr<txn::Transaction> transaction;
  uint64_t owner_thread = 0;
  uint64_t owner_task = 0;

  mutable std::mutex names_mutex;
  std::string branch_name = "default";  // written under both locks
  std::string space_name = "default";
  std::atomic<uint64_t> transaction_id{0};
  std::atomic<bool> closed{false};

  bool forked() const;
  // kForked, kClosed.
  Status check_open() const;
  std::string current_branch() const {
    const std::lock_guard<std::mutex> lock(names_mutex);
    return branch_name;
  }
  std::string current_space() const {
    const std::lock_guard<std::mutex> lock(names_mutex);
    return space_name;
  }
  // The current branch, found by its name again when it was deleted. kBranchNotFound.
  Status find_branch();
  // A number that no other thread of the process ever had, unlike the system's ids.
  static uint64_t this_thread();
  uint64_t task() const { return current_task != nullptr ? current_task() : 0; }
  void end_transaction() {
    transaction.reset();
    transaction_id.store(0, std::memory_order_release);
  }
};

namespace db {

// Sessions from the inside: on databases opened with options that the public API does not have.
class SessionAccess {
 public:
  // `database` says where; its cache, history and read_only are those of `options`.
  static Result<std::unique_ptr<Session>> open(DatabaseOptions database, const OpenOptions& options);
  static Result<std::unique_ptr<Session>> open_memory(DatabaseOptions database, const OpenOptions& options);
  static Database& database(Session& session) { return *session.impl_->database; }
};

}  // namespace db
}  // namespace strata
