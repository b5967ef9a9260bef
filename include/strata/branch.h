// Branches: every piece of data lies on one. A fork shares all data with its source and costs the same at any size.
//
// Names: [A-Za-z0-9][A-Za-z0-9._/-]{0,127}. The branch `default` is always there.
// Thread safety, common errors: strata/session.h. Ownership: borrows the Call.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/session.h"

namespace strata {

struct BranchInfo {
  std::string name;
  std::string id;           // opaque, unique among databases
  std::string status;       // "active"
  uint64_t created_at = 0;  // timestamps in microseconds
  uint64_t updated_at = 0;
  uint64_t version = 0;  // commits since the branch was made
  std::optional<std::string> parent;
  std::optional<uint64_t> fork_timestamp;
  uint64_t key_count = 0;
};

struct ForkResult {
  std::string source;
  std::string destination;
  uint64_t key_count = 0;
  uint64_t timestamp = 0;  // the state forked from
};

// How many things of each kind a commit wrote or deleted.
struct CommitChanges {
  uint64_t collection = 0;
  uint64_t event = 0;
  uint64_t json = 0;
  uint64_t kv = 0;
  uint64_t state = 0;
  uint64_t vector = 0;
};

struct CommitInfo {
  uint64_t timestamp = 0;
  std::optional<std::string> message;
  CommitChanges changes;
};

struct RevertResult {
  uint64_t keys_applied = 0;
  uint64_t version = 0;    // the branch's commits
  uint64_t timestamp = 0;  // of the commit; of the branch's last one if there was nothing to undo
};

// What an entry of a diff or a conflict is about.
struct EntityName {
  std::string space;
  std::string_view primitive;  // "kv", "state", "json", "event", "collection", "vector": a literal
  std::string key;
  std::optional<uint64_t> sequence;       // of an event, which has no key
  std::optional<std::string> collection;  // of a vector, beside its key
};

enum class DiffChange : uint8_t { kAdded, kRemoved, kModified };

// Values are in the binary form (strata/value.h); of an event they are {"event_type", "value"}. Those of a vector are
// as stored: Vectors::entry_of parts them, Vectors::value_of makes them. Nothing: not there.
struct DiffEntry {
  EntityName entity;
  DiffChange change = DiffChange::kAdded;
  std::optional<std::string> a;
  std::optional<std::string> b;
};

struct DiffResult {
  uint64_t added = 0;  // exact, whatever the limit
  uint64_t removed = 0;
  uint64_t modified = 0;
  std::vector<DiffEntry> entries;  // by space, primitive and key
};

struct DiffQuery {
  std::string_view a;
  std::string_view b;
  std::optional<uint64_t> limit;  // of entries; nothing: all
  AsOf as_of;                     // of both
};

enum class MergeStrategy : uint8_t {
  kLastWriterWins,  // of each conflict the side that was written later, the source's where both were at once
  kSource,
  kTarget,
  kStrict,   // a conflict ends the merge: kMergeConflict
  kAnswers,  // the caller says what each conflict becomes
};

enum class Resolution : uint8_t { kUndecided, kSource, kTarget, kValue };

// Both sides changed it, to different values. Values as in a DiffEntry; of JSON those at the path.
struct MergeConflict {
  EntityName entity;
  std::optional<std::string> path;  // in a document that both sides changed; nothing: it is about the whole
  std::optional<std::string> base;
  std::optional<std::string> source;
  std::optional<std::string> target;
  Resolution resolution = Resolution::kUndecided;
  size_t number = 0;  // of its answer
};

struct MergeAnswer {
  Resolution resolution = Resolution::kTarget;
  std::string value;  // of kValue
};

// The states of both branches that conflicts were found in, for who answers them.
struct MergeSeen {
  uint64_t source = 0;
  uint64_t target = 0;
  bool operator==(const MergeSeen&) const = default;
};

struct MergeRequest {
  std::string_view source;
  std::string_view target;
  MergeStrategy strategy = MergeStrategy::kLastWriterWins;
  bool dry_run = false;  // says what would be done, and changes nothing
  // Of kAnswers: one for each conflict, by its number, given to the result that had them. Nothing: they are asked for.
  const std::vector<MergeAnswer>* answers = nullptr;
  MergeSeen answered;  // what that result had seen
};

struct MergeResult {
  // False (kAnswers alone): there are conflicts to be answered, those asked before or, if a branch changed meanwhile,
  // others. Nothing was changed.
  bool done = false;
  MergeSeen seen;
  uint64_t keys_applied = 0;
  uint64_t spaces_merged = 0;
  std::vector<MergeConflict> conflicts;  // by space, primitive, key and place in the document; whoever won them
  uint64_t version = 0;                  // commits of the target, this one included
  uint64_t timestamp = 0;                // of the commit; dry_run: of the target's last one
};

class Branches {
 public:
  explicit Branches(Call& call) : call_(call) {}

  // Errors of the three that change: kInvalidBranchName, kBranchExists, kBranchNotFound, kBranchInUse (the default
  // branch or this handle's own), kInTransaction, kReadOnly.
  Status create(std::string_view name);
  // as_of: kHistoryTrimmed.
  Result<ForkResult> fork(std::string_view source, std::string_view destination, AsOf as_of);
  Status remove(std::string_view name);
  Result<std::optional<BranchInfo>> get(std::string_view name);
  Result<std::vector<std::string>> list();  // sorted
  Result<bool> exists(std::string_view name);
  // Going from a to b, in time proportional to what differs. Errors: kBranchNotFound, kHistoryTrimmed, kInTransaction.
  Result<DiffResult> diff(const DiffQuery& query);
  // Brings what the source changed since the common ancestor into the target, as one commit, made also where nothing is
  // left to bring: a later merge starts from here. Errors: kBranchNotFound, kMergeIntoItself, kMergeConflict (then
  // result->conflicts are there), kInTransaction, kReadOnly (not with dry_run), kTransactionTooLarge, kWouldBlock.
  Status merge(const MergeRequest& request, MergeResult* result);
  // Newest first, a fork's going on into its source's before the fork, as far as history is kept. A limit of nothing:
  // all. kBranchNotFound.
  Result<std::vector<CommitInfo>> log(std::string_view name, std::optional<uint64_t> limit);
  // One commit after which the branch holds what it held at `to`; events stay, and their spaces. kBranchNotFound,
  // kHistoryTrimmed, kInTransaction, kReadOnly, kTransactionTooLarge.
  Result<RevertResult> revert(std::string_view name, uint64_t to);

 private:
  Call& call_;
};

}  // namespace strata
