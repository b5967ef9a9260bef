// A session: one handle on a database, with a current branch, a current space and at most one open transaction.
//
// Every operation runs in a Call, which holds the session's own lock for its length:
//
//     strata::Call call(session, strata::Call::kWait);
//     auto version = strata::Kv(call).put("greeting", encoded_value);
//
// Thread safety: any thread may make a Call on any session. A transaction belongs to the thread (and task) that began
//   it: meanwhile data operations of others answer kTransactionOtherThread.
// Ownership: sessions of one database share its engine; the last one to close ends it.
// Errors common to all operations: kClosed, kForked (in a child made by fork), kWouldBlock (only in a kTry call),
//   kIoError/kDiskFull/kCorruption from the disk, kBranchNotFound when the current branch was deleted.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/options.h"
#include "strata/status.h"

namespace strata {

namespace txn {
struct Context;
}
namespace db {
class SessionAccess;
}

enum class Isolation : uint8_t { kSerializable, kSnapshot };

// A moment: microseconds since 1970. Nothing means the present.
using AsOf = std::optional<uint64_t>;

// done, total; false ends the operation (the caller knows why), which then changes nothing and answers
// kInvalidArgument.
using Progress = std::function<bool(uint64_t done, uint64_t total)>;

// False ends a long operation, which then changes nothing and answers kInvalidArgument. Called now and then, in the
// calling thread, perhaps under a ReadGuard: it uses no database and waits for nobody who does.
using KeepOn = std::function<bool()>;

// One version of something, as reads hand it out. `value` is in the binary form (strata/value.h), empty if deleted.
struct VersionedValue {
  std::string_view value;
  uint64_t version = 0;
  std::optional<uint64_t> timestamp;  // nothing: written by the open transaction, not committed yet
  bool deleted = false;
};

// False ends a long operation, which then changes nothing and answers kInvalidArgument. Called now and then, in the
// calling thread, perhaps under a ReadGuard: it uses no database and waits for nobody who does.
using KeepOn = std::function<bool()>;

// Rows in one buffer: what scans, lists and histories fill. Views are valid until the next change of the object.
class RowList {
 public:
  struct Entry {
    uint32_t key_bytes = 0;
    uint32_t value_bytes = 0;
    uint64_t offset = 0;  // of the key in the buffer; the value follows it
    uint64_t version = 0;
    uint64_t timestamp = 0;  // 0: not committed yet
    bool deleted = false;
    bool present = true;  // false: a gap, in the answer to a batch of keys
  };
  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  const Entry& entry(size_t i) const { return entries_[i]; }
  std::string_view key(size_t i) const {
    return std::string_view(buffer_).substr(entries_[i].offset, entries_[i].key_bytes);
  }
  std::string_view value(size_t i) const {
    return std::string_view(buffer_).substr(entries_[i].offset + entries_[i].key_bytes, entries_[i].value_bytes);
  }
  void add(std::string_view key, const VersionedValue& value) {
    entries_.push_back({static_cast<uint32_t>(key.size()), static_cast<uint32_t>(value.value.size()), buffer_.size(),
                        value.version, value.timestamp.value_or(0), value.deleted, true});
    buffer_.append(key).append(value.value);
  }
  void add_gap() { entries_.push_back({0, 0, buffer_.size(), 0, 0, false, false}); }
  void clear() {
    entries_.clear();
    buffer_.clear();
  }

 private:
  std::vector<Entry> entries_;
  std::string buffer_;
};

struct DatabaseInfo {
  std::string version;
  std::optional<std::string> path;  // nothing: in memory
  Durability durability = Durability::kBuffered;
  double uptime_secs = 0;
  uint64_t branch_count = 0;
  uint64_t total_keys = 0;
  uint64_t disk_bytes = 0;
  uint64_t memory_bytes = 0;
  uint64_t commit_timestamp = 0;
};

struct CompactResult {
  uint64_t bytes_before = 0;
  uint64_t bytes_after = 0;
  uint64_t versions_removed = 0;
};

struct VerifyResult {
  bool ok = true;
  uint64_t pages = 0;
  std::vector<std::string> problems;
};

struct BackupResult {
  std::string path;
  uint64_t bytes = 0;      // written
  uint64_t timestamp = 0;  // of the last commit in it
};

struct TimeRange {
  uint64_t oldest = 0;
  uint64_t latest = 0;
};

// The version of the library.
std::string_view library_version();

class Session {
 public:
  // Opens or (unless read_only) creates the database in the folder `path`. Opens of one folder in one process share
  // one engine. Errors: kDatabaseNotFound (read_only and nothing there), kDatabaseLocked (another process),
  // kInvalidPathName, kNotADatabase, kFormatTooNew, kPermissionDenied, kReadOnly, kCorruption, I/O.
  static Result<std::unique_ptr<Session>> open(const std::string& path, const OpenOptions& options);
  static Result<std::unique_ptr<Session>> open_memory(const OpenOptions& options);
  // Another handle on the same database, on this one's branch and space, without a transaction. Any thread.
  Result<std::unique_ptr<Session>> session();
  ~Session();  // as close, without its answer
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Idempotent; rolls an open transaction back; the engine ends with its last session. Waits. In a child made by fork
  // it does nothing. The answer is the error of the last sync, if there was one.
  Status close();
  bool closed() const;
  bool forked() const;
  // What a caller may ask without a Call, whatever another thread does meanwhile.
  Result<bool> in_transaction() const;
  // 0 without a transaction; else a number that no other transaction of the process has. Never fails.
  uint64_t transaction_id() const;
  Result<std::string> current_branch() const;
  Result<std::string> current_space() const;
  Result<std::string> ping() const;  // the library's version
  Result<DatabaseInfo> info() const;
  // Everything acknowledged so far survives a power cut when it returns OK. Waits.
  Status flush();
  // Reads everything there is and says what is damaged. Waits.
  Result<VerifyResult> verify(const Progress& progress);
  // Applies `keep_history_micros` (nothing: what the database was opened with) and gives space back. Waits.
  // Errors: kInTransaction, kReadOnly.
  Result<CompactResult> compact(std::optional<uint64_t> keep_history_micros, const Progress& progress);
  // Copies the whole database, as of one commit, into the folder `path`, while others go on; it is a database of its
  // own then. Waits for a compaction, and compactions for it. Errors: kBackupExists (the folder is neither missing nor
  // empty), kInTransaction, kCompactionActive (from a progress callback), kCorruption (of what was to be copied), I/O.
  Result<BackupResult> backup(const std::string& path, const Progress& progress);
  Result<TimeRange> time_range() const;
  // Path as given at open (nothing in memory), and whether this handle refuses writes: for a repr. Never fail.
  std::optional<std::string> path() const;
  bool read_only() const;

  // Before the process ends, while its threads still run: stops the background work of every engine and closes it.
  static void close_all();

 private:
  friend class Call;
  friend class db::SessionAccess;
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// One call on a session. Holds the session's lock, never an engine lock between operations.
class Call {
 public:
  enum Mode : uint8_t {
    kWait,  // operations wait for locks and for the disk
    kTry,   // nothing waits: what would have to, or reads very much, answers kWouldBlock, and nothing is changed
  };
  // `keep_on`: asked by what reads much; null: it goes on to its end. Borrowed.
  Call(Session& session, Mode mode, const KeepOn* keep_on = nullptr);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  // kWouldBlock: the session is busy in another thread (kTry only). kClosed, kForked. OK otherwise.
  const Status& entered() const { return entered_; }

  // ---- transactions ----  Errors as the codes say.
  Status begin(bool read_only, Isolation isolation, std::optional<std::string> message);
  // The commit's timestamp (of the snapshot if nothing was written). kTransactionConflict ends the transaction too.
  // In a kTry call that would have to wait the transaction stays open.
  Result<uint64_t> commit(std::optional<std::string> message);
  Status rollback();

  // ---- handle state ----
  Status branch_use(std::string_view name);
  Status space_use(std::string_view name);

 private:
  friend class Session;
  friend class Kv;
  friend class State;
  friend class Events;
  friend class Json;
  friend class Vectors;
  friend class Branches;
  friend class Spaces;
  friend class Bundles;
  friend class Search;
  friend class Embedding;
  // REQUIRES: entered() is OK. Checks the caller and the current branch.
  Result<txn::Context*> context();
  // kTransactionOtherThread; REQUIRES as context().
  Status check_caller();
  // For what changes or compares whole branches: kInTransaction.
  Status check_no_transaction(std::string_view what);
  Session::Impl& impl();

  Session& session_;
  Status entered_;
  bool may_wait_;
  const KeepOn* keep_on_;
  bool locked_ = false;
};

}  // namespace strata
