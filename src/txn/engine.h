// The engine of transactions: one commit lock a database, under which commits are validated, logged, applied and
// published; and the durability that their acknowledgement waits for.
//
// Path of a commit: validate against `tip`, build the record, apply it to unpublished roots, append it to the log,
// publish. Everything that can fail comes before the append or is the append, so a failure leaves no trace.
// Buffered: published at once. Strict: `tip` moves at once, `visible` after the group's sync, in commit order.
//
// Thread safety: commit, lock, publish and durability functions in any thread; functions that take a CommitLock
//   need it held. Readers take no lock: ReadGuard, then BranchState::visible.
// Ownership: borrows forest, log and clock, which outlive it.
// Durability: an answer of commit means: in the operating system's hands (buffered), on the device (strict).
// Invariants:
//   1. Commit numbers have no gaps and timestamps rise, over all branches and kinds of records.
//   2. A root that readers may see is never retired before `visible` has moved past it.
//   3. After a failed write or sync no commit is acknowledged: `tip` falls back to `visible`, the first error is kept.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "os/clock.h"
#include "storage/commit_log.h"
#include "storage/commit_record.h"
#include "strata/status.h"
#include "tree/forest.h"
#include "txn/branch_state.h"
#include "txn/decide.h"
#include "txn/plan.h"
#include "txn/read_set.h"
#include "txn/write_set.h"

namespace strata::txn {

class Engine;

// Payload of a commit record that has a message, which may be empty. ON DISK: never change.
constexpr std::string_view kHasMessage = "m";

// What names a record: its number and time, and where it lies.
struct Stamp {
  uint64_t commit = 0;
  uint64_t timestamp = 0;
  storage::LogPosition position = 0;
};

// The commit lock, held. A value of this type is the permission to call what needs it.
class CommitLock {
 public:
  ~CommitLock();
  CommitLock(CommitLock&& other) noexcept : engine_(std::exchange(other.engine_, nullptr)) {}
  CommitLock(const CommitLock&) = delete;
  CommitLock& operator=(const CommitLock&) = delete;

 private:
  friend class Engine;
  explicit CommitLock(Engine* engine) : engine_(engine) {}
  Engine* engine_;
};

struct CommitRequest {
  const BranchPtr* branch = nullptr;
  std::span<const Write> writes;  // ordered by key, keys unique
  // Keys to be put with an empty value if absent; they conflict with nothing.
  std::span<const std::string_view> ensured;
  std::optional<std::string_view> message;
  const Head* base = nullptr;      // of a transaction: the head it read; null: no validation
  const ReadSet* reads = nullptr;  // null: only what was written is validated
  bool may_wait = true;            // false: kWouldBlock instead of waiting
  uint64_t* versions = nullptr;    // gets one number a write: its version, 0: nothing was there to erase
  // Instead of `writes` and `versions`, for writes that depend on the newest state of the branch.
  const Decide* decide = nullptr;
  std::vector<uint64_t>* decided_versions = nullptr;
  // What the record carries beside entities, instead of whether it has a message.
  std::string_view payload;
  bool even_if_empty = false;  // a commit although nothing changes
};

struct CommitOutcome {
  uint64_t timestamp = 0;  // of the commit; of the branch's last one if nothing was written
};

// Counters that a checkpoint and recovery carry over.
struct EngineState {
  uint64_t last_commit = 0;
  uint64_t last_timestamp = 0;
  tree::Root evacuated;  // large values whose segments are gone, by log position, and kCutEntry (txn/history.h)
};

class Engine {
 public:
  // `seed`: the database id, which the checksums of records are seeded with.
  Engine(tree::Forest& forest, os::Clock& clock, uint64_t seed, const EngineState& state);
  // Once, after the log was replayed. REQUIRES: before any commit.
  void attach(storage::CommitLog* log) { log_ = log; }

  tree::Forest& forest() { return forest_; }
  storage::CommitLog& log() { return *log_; }
  uint64_t seed() const { return seed_; }

  // Once, before commits: what a commit waits for, without locks, while more than `dirty_limit` bytes of nodes wait
  // for a checkpoint.
  void set_room(uint64_t dirty_limit, std::function<Status()> make_room);

  // Tests alone: commits without the conflict check, to show that it is missed.
  void set_validates(bool validates) { validates_ = validates; }
  // Tests alone: how large a commit may be to be worked out in one pass.
  void set_one_pass_limit(uint64_t bytes) { one_pass_limit_ = bytes; }
  // Tests alone: how much a merge may write.
  void set_merge_limit(uint64_t bytes) { merge_limit_ = bytes; }
  uint64_t merge_limit() const { return merge_limit_; }

  // ---- commits ----
  Result<CommitOutcome> commit(const CommitRequest& request);
  // Waits, without locks, until commits have room: what commit does by itself when it takes the lock.
  Status have_room();
  // The newest timestamp that readers may see.
  uint64_t visible_timestamp() const { return visible_timestamp_.load(std::memory_order_acquire); }
  uint64_t visible_commit() const { return visible_commit_.load(std::memory_order_acquire); }

  // ---- durability ----
  bool strict() const { return strict_.load(std::memory_order_relaxed); }
  // Waits for what is not durable yet when it loosens.
  Status set_strict(bool strict);
  // Everything committed so far is on the device, and visible, when it returns OK.
  Status flush();
  // The error that made the database read-only; OK while there is none.
  Status failure() const;
  void fail(const Status& status);

  // ---- under the commit lock ----
  CommitLock lock() NO_THREAD_SAFETY_ANALYSIS;
  std::optional<CommitLock> try_lock() NO_THREAD_SAFETY_ANALYSIS;
  // The number and time that the next record will have.
  Stamp next_stamp(const CommitLock& held);
  // Appends a record that is no commit of data (of branches, of retention), with the stamp just asked for. Strict: it
  // is durable, and everything before it visible, when this returns.
  Status append_system(const CommitLock& held, Stamp* stamp, std::string_view body);
  // Everything appended is durable and visible when it returns OK: `tip` equals `visible` on every branch.
  Status settle(const CommitLock& held);
  // As commit, for who holds the lock. Strict: it is durable and visible, with everything before it, when this returns.
  // REQUIRES: have_room was OK a moment ago.
  Result<CommitOutcome> commit(const CommitLock& held, const CommitRequest& request);
  Status end_unit(const CommitLock& held);
  EngineState state(const CommitLock& held) const;
  uint64_t last_timestamp(const CommitLock& held) const;
  // The first position that a replay on top of the `visible` heads has to read, and the number of that record.
  struct Cut {
    storage::LogPosition position = 0;
    uint64_t next_commit = 0;
    uint64_t last_timestamp = 0;
  };
  Cut visible_cut(const CommitLock& held) const;
  void set_evacuated(const CommitLock& held, const tree::Root& root);
  tree::Root evacuated() const { return evacuated_.load(); }

  // ---- open transactions ----
  // The snapshots that are being read from for longer than a call: retention keeps what they need.
  uint64_t add_snapshot(const Head& head);
  void remove_snapshot(uint64_t ticket);
  // Each with a pin of its own: the transaction may end at any time, and what only it kept with it.
  struct OpenSnapshot {
    Head head;
    tree::Pin pin;
  };
  std::vector<OpenSnapshot> open_snapshots() const;

  // ---- replay, single-threaded ----
  // Applies a commit record to the branch's tip, and makes it visible. A run of commits is one edit of the trees, so
  // that a node is copied once for all of them; end_replay_run ends it, before anything else touches the trees.
  Status replay_commit(const storage::LogRecord& record, const storage::RecordView& view, BranchState& branch);
  void end_replay_run();
  // Notes number and time of a replayed record of any kind.
  void replay_stamp(const storage::LogRecord& record);

 private:
  friend class CommitLock;
  // Strict: appended, not yet durable.
  struct Pending {
    Stamp stamp;
    storage::LogPosition end = 0;
    BranchPtr branch;
    Head head;
    tree::Edit edit;
  };

  Result<CommitOutcome> validate_and_commit(const CommitRequest& request, storage::LogPosition* end);
  Result<CommitOutcome> commit_locked(const CommitRequest& request, const Head& validated);
  Status seal_writes(const BranchPtr& branch, std::span<const Write> writes, const Stamp& stamp);
  Result<bool> append_commit(const CommitRequest& request, std::span<const Write> writes, Stamp stamp);
  void begin_record(const CommitRequest& request, size_t most_entities);
  Status prepare_log(size_t body_bytes);
  Result<bool> build_and_apply(const CommitRequest& request, std::span<const Write> writes, uint64_t most_bytes,
                               Stamp* stamp, Head* head, tree::Edit* edit);
  Result<bool> build_then_apply(const CommitRequest& request, std::span<const Write> writes, Stamp* stamp, Head* head,
                                tree::Edit* edit);
  // The record is in the log: whoever runs out of memory from here on ends the process, which loses nothing, rather
  // than go on with half of a commit.
  void publish(const BranchPtr& branch, const Head& head, const Stamp& stamp, tree::Edit edit) noexcept;
  void publish_durable() noexcept;
  Status wait_durable(storage::LogPosition end);
  void fail_locked(const Status& status);

  tree::Forest& forest_;
  os::Clock& clock_;
  const uint64_t seed_;
  storage::CommitLog* log_ = nullptr;
  uint64_t dirty_limit_ = UINT64_MAX;
  bool validates_ = true;
  uint64_t one_pass_limit_ = uint64_t{4} << 20;
  uint64_t merge_limit_ = uint64_t{1} << 30;
  std::function<Status()> make_room_;

  base::Mutex commit_mutex_;
  // Guarded by the commit lock.
  uint64_t last_commit_;
  uint64_t last_timestamp_;
  std::deque<Pending> pending_;  // strict: appended, not yet durable, in order
  storage::RecordBuilder record_;
  std::optional<tree::Edit> replay_run_;
  uint64_t replay_run_commits_ = 0;
  std::vector<PlannedWrite> plan_;
  std::vector<Write> decided_;

  std::function<void()> publish_synced_;                // constant
  std::atomic<storage::LogPosition> published_end_{0};  // strict: everything below it is visible

  std::atomic<bool> strict_{false};
  std::atomic<uint64_t> visible_timestamp_;
  std::atomic<uint64_t> visible_commit_;
  std::atomic<bool> failed_{false};
  mutable base::Mutex failure_mutex_;
  Status failure_ GUARDED_BY(failure_mutex_);
  RootBox evacuated_;
  mutable base::Mutex snapshots_mutex_;
  uint64_t next_ticket_ GUARDED_BY(snapshots_mutex_) = 1;
  std::unordered_map<uint64_t, Head> snapshots_ GUARDED_BY(snapshots_mutex_);
};

}  // namespace strata::txn
