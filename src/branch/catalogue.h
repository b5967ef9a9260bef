// The catalogue: which branches there are. Every change of it is a record of the log.
//
// Thread safety: find, list and count in any thread. What takes a CommitLock needs it held; create, fork and remove
// take
//   it themselves. load and replay_* before any other use, single-threaded.
// Ownership: shares branches with sessions and transactions; borrows the engine.
// Durability: as a commit's (txn/engine.h); in strict mode a branch is seen by nobody before its record is durable.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "branch/branch_codec.h"
#include "branch/lineage.h"
#include "branch/past.h"
#include "strata/session.h"
#include "strata/status.h"
#include "txn/engine.h"

namespace strata::branch {

constexpr std::string_view kDefaultBranch = "default";
// What a fork of the past puts back by one record, in one hold of the commit lock.
constexpr size_t kRowsOfASlice = 512;

struct ForkParameters;

class Catalogue {
 public:
  explicit Catalogue(txn::Engine& engine) : engine_(engine), record_(engine.seed()) {}

  // ---- reading ----
  // kBranchNotFound.
  Result<txn::BranchPtr> find(std::string_view name) const;
  std::vector<txn::BranchPtr> all() const;  // by name
  size_t count() const;

  // ---- changing: one record each ---- REQUIRES: valid names. may_wait false: kWouldBlock instead of waiting.
  Status create(std::string_view name, bool may_wait);
  struct Forked {
    txn::BranchPtr branch;
    uint64_t timestamp = 0;  // of the state forked from
  };
  // kHistoryTrimmed for an as_of before the source's kept history.
  Result<Forked> fork(std::string_view source, std::string_view destination, AsOf as_of, bool may_wait);
  Status remove(std::string_view name, bool may_wait);
  // The root of the latest state that both contain; the empty tree if there is none.
  tree::Root ancestor(const txn::CommitLock& held, const txn::BranchState& a, const txn::BranchState& b) const;
  // The target's tip has become the merge of all that the source was up to `timestamp`, which is its tip.
  void note_merge(const txn::CommitLock& held, txn::BranchState& source, const txn::BranchState& target,
                  uint64_t timestamp);

  // ---- branches that nobody sees yet (branch/hidden.cc): what imports and forks of the past work on ----
  // They have no name, and are found by find_id alone. What is left of them after a crash is dropped at the opening.
  struct HiddenBegin {
    txn::BranchPtr source;             // whose newest state it begins with; null: empty
    storage::LogPosition last_record;  // of the source: where that has moved on, kDeltaMismatch
    uint64_t oldest = 0;               // without a source: where its history begins, and its cut
    uint64_t trimmed_before = 0;
    uint64_t later_than = 0;  // the time of all that follows
  };
  Result<txn::BranchPtr> begin_hidden(const HiddenBegin& begin);
  // Tests alone: how many rows a fork of the past puts back at once.
  void set_rows_of_a_slice(size_t rows) { rows_of_a_slice_ = rows; }
  // Gives it a name. kBranchExists.
  Result<txn::BranchPtr> reveal(const txn::BranchPtr& hidden, std::string_view name);
  // Its state becomes that of `target`, which is as `begin` found it: one commit. History up to `forgotten` is none of
  // the target's any more. kDeltaMismatch, kBranchNotFound.
  struct Adoption {
    txn::BranchPtr target;
    storage::LogPosition last_record = 0;
    uint64_t forgotten = 0;
  };
  Status adopt(const txn::BranchPtr& hidden, const Adoption& adoption);
  Status discard(const txn::BranchPtr& hidden);
  // Without a record. Returns how many there were.
  size_t drop_hidden();
  // By id; the hidden ones too.
  std::vector<txn::BranchPtr> everything() const;

  // ---- checkpoints and collection ----
  std::vector<BranchSnapshot> snapshot(const txn::CommitLock& held) const;  // of the `visible` heads
  uint32_t next_id(const txn::CommitLock& held) const;
  // Roots that living branches need: their tips, what readers see, and the states that later merges start from.
  std::vector<tree::Root> roots(const txn::CommitLock& held);
  // The last of these alone. They live while a ReadGuard taken under this hold of the lock does.
  std::vector<tree::Root> merge_bases(const txn::CommitLock& held);
  // Replaces them, in the same order, by others of the same contents.
  void replace_merge_bases(const txn::CommitLock& held, const std::vector<tree::Root>& roots);
  // What branches contain of others, as a checkpoint stores it.
  std::string lineage(const txn::CommitLock& held) const;
  // History up to here is gone.
  void trim_lineage(uint64_t cut) { lineage_.trim(cut); }

  // ---- opening ----
  Status load(const std::vector<BranchSnapshot>& branches, std::string_view lineage, uint32_t next_id);
  // Makes the default branch of a new database. REQUIRES: the log is attached and empty.
  Status create_default();
  // A branch record (create, fork, delete), after engine.replay_stamp.
  Status replay(const storage::LogRecord& record, const storage::RecordView& view);
  // A commit record, likewise.
  Status replay_commit(const storage::LogRecord& record, const storage::RecordView& view);
  // The branch that a commit record names.
  Result<txn::BranchPtr> find_id(uint64_t id) const;

 private:
  Result<txn::CommitLock> take_lock(bool may_wait);
  void insert(const txn::BranchPtr& branch);
  // What a branch made by this record is like; the caller fills its head.
  txn::BranchPtr make(uint32_t id, std::string_view name, const txn::BranchState* source, uint64_t created_at,
                      std::optional<uint64_t> fork_timestamp) const;
  Status check_free(std::string_view name) const;
  void note_fork(const txn::BranchState& source, const txn::BranchState& fork, uint64_t timestamp);
  void learn(txn::BranchState& source, const txn::BranchState& target, const tree::Root& merged, uint64_t timestamp);
  // What a fork of the past puts back, found on a head whose last record was `seen`.
  struct PastOf {
    txn::BranchPtr source;
    storage::LogPosition seen = 0;
    RowOverrides overrides;
  };
  Result<PastOf> past_of(std::string_view source_name, uint64_t as_of) const;
  // A fork of the past that puts back many rows (branch/fork_slices.cc).
  Result<Forked> fork_in_slices(const PastOf& past, std::string_view destination, uint64_t as_of);
  Result<txn::BranchPtr> begin_fork(const txn::BranchPtr& source);
  Status put_back(const txn::BranchPtr& hidden, const RowOverrides& overrides);
  Status put_back_slice(const txn::BranchPtr& hidden, std::span<const RowOverride> slice,
                        storage::RecordBuilder* record);
  Result<Forked> end_fork(const txn::BranchPtr& hidden, const txn::BranchPtr& source, const ForkParameters& parameters);
  txn::BranchPtr show_fork(const txn::BranchPtr& hidden, const txn::BranchPtr& source, const ForkParameters& parameters,
                           const txn::Stamp& stamp);
  Status replay_fork_rows(const storage::LogRecord& record, const storage::RecordView& view);
  Status replay_fork(const storage::LogRecord& record, const storage::RecordView& view);
  Status replay_hidden(const storage::LogRecord& record, const storage::RecordView& view);
  Result<txn::BranchPtr> append_begin(const txn::CommitLock& held, const HiddenBegin& begin);
  txn::BranchPtr make_hidden(uint32_t id, const HiddenBegin& begin, const txn::Stamp& stamp);
  txn::BranchPtr show(const txn::BranchPtr& hidden, std::string_view name, const txn::Stamp& stamp);
  void hand_over(const txn::BranchPtr& hidden, const Adoption& adoption, const txn::Stamp& stamp);
  void forget(const txn::BranchPtr& branch);

  txn::Engine& engine_;
  mutable base::Mutex mutex_;  // the tables only; taken inside the commit lock, never the other way round
  std::map<std::string, txn::BranchPtr, std::less<>> by_name_ GUARDED_BY(mutex_);
  std::unordered_map<uint32_t, txn::BranchPtr> by_id_ GUARDED_BY(mutex_);
  size_t rows_of_a_slice_ = kRowsOfASlice;
  Lineage lineage_;                // guarded by the commit lock
  uint32_t next_id_ = 1;           // guarded by the commit lock
  storage::RecordBuilder record_;  // guarded by the commit lock
};

}  // namespace strata::branch
