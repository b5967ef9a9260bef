// Merging one branch into another, three-way: what the source changed since the state that both have in common is
// brought into the target, and what both changed otherwise is a conflict.
//
// The writes are worked out on unchanging trees without a lock; under the commit lock it is then seen whether the
// branches are still those, and if not all is worked out again, at last under the lock, so that a busy writer does not
// keep a merge from its end. How things of one kind merge is the business of a policy: one for each tag of keys.
//
// Thread safety: any thread, holding no ReadGuard. Ownership: borrows engine and catalogue.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "branch/catalogue.h"
#include "branch/diff.h"
#include "branch/diff_values.h"
#include "strata/branch.h"
#include "strata/status.h"
#include "txn/write_set.h"

namespace strata::branch {

// The three states. The nodes live as long as the ReadGuard that was taken when they were looked up.
struct MergeSides {
  tree::Root base;  // empty where the branches have no state in common
  txn::Head source;
  txn::Head target;
};

// A key whose rows in base and source differ; an empty row: it is not there.
struct MergeKey {
  std::string_view key;  // of the tree
  model::SplitKey parts;
  std::string_view base;
  std::string_view source;
};

// What has to be done with such a key.
enum class MergeVerdict : uint8_t {
  kNothing,     // the source did not change the value, or both changed it alike
  kTakeSource,  // the source alone changed it
  kConflict,
};

// One merge under way, as the policies see it.
class MergeWork {
 public:
  MergeWork(txn::Engine& engine, const MergeRequest& request, const MergeSides& sides, const KeepOn* keep_on);

  const MergeSides& sides() const { return sides_; }
  tree::Forest& forest() { return engine_.forest(); }
  RowValues& values() { return values_; }
  // kInvalidArgument once the operation is not wanted any more.
  Status ask() { return patience_.ask(); }

  // The target's row; empty: it is not there.
  Result<std::string_view> target_row(std::string_view key);
  Result<MergeVerdict> judge(const MergeKey& key, std::string_view target_row);
  // The source's value, or its absence, into the target.
  Status take_source(const MergeKey& key);
  // Copies. kTransactionTooLarge.
  Status put(std::string_view key, std::string_view value);
  Status erase(std::string_view key);
  const txn::WriteSet& writes() const { return writes_; }

  // A conflict about the whole entity. `check`, if given, refuses an answer that cannot be stored.
  using CheckAnswer = std::function<Status(std::string_view value)>;
  Status resolve_whole(const MergeKey& key, std::string_view target_row, const CheckAnswer& check = {});
  // What the sides have, for a conflict about the whole entity.
  Status describe(const MergeKey& key, std::string_view target_row, MergeConflict* conflict);
  // Notes a conflict about something in it and says who wins; *value: what was answered instead, as long as the merge.
  // `parts`: keys whose writes count as writes of the entity.
  Result<Resolution> resolve(const MergeKey& key, MergeConflict conflict, std::string_view* value,
                             const tree::KeyRange& parts = {});

  // In the order of the answer.
  std::vector<MergeConflict> take_conflicts();

 private:
  Status check_size() const;
  Result<bool> takes_part(std::string_view key);
  Result<uint64_t> last_write(const txn::Head& head, std::string_view key, const tree::KeyRange& parts);

  txn::Engine& engine_;
  const MergeRequest& request_;
  const MergeSides sides_;
  RowValues values_;
  Patience patience_;
  txn::WriteSet writes_;
  std::vector<MergeConflict> conflicts_;
};

// How what lies under one tag merges. Made anew for each attempt at a merge.
class MergePolicy {
 public:
  MergePolicy() = default;
  virtual ~MergePolicy() = default;
  MergePolicy(const MergePolicy&) = delete;
  MergePolicy& operator=(const MergePolicy&) = delete;

  // Called for each key that differs between base and source, in order.
  virtual Status merge(MergeWork& work, const MergeKey& key) = 0;
  // Called behind the last one; the policies of greater tags come first, that of spaces last.
  virtual Status finish(MergeWork& work) {
    (void)work;
    return Status::ok();
  }
};

constexpr size_t kMergeTags = 10;
// By tag; null: what lies there follows from other keys. Tags with the same maker share one policy.
using MergePolicies = std::array<std::unique_ptr<MergePolicy> (*)(), kMergeTags>;

// `keep_on` may be null. Errors as Branches::merge.
Status merge_branches(txn::Engine& engine, Catalogue& catalogue, const MergePolicies& policies,
                      const MergeRequest& request, const KeepOn* keep_on, MergeResult* result);

}  // namespace strata::branch
