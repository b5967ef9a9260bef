// Fills a hidden branch with versions that keep their own numbers and times, a batch at a time.
//
// Thread safety: one thread, holding no lock and no ReadGuard. Ownership: borrows the engine; copies what it is given.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "branch/bundle_format.h"
#include "strata/status.h"
#include "txn/engine.h"

namespace strata::branch {

class ImportWriter {
 public:
  ImportWriter(txn::Engine& engine, txn::BranchPtr hidden) : engine_(engine), hidden_(std::move(hidden)) {}

  // One version more; those of a key come oldest first. kDeltaMismatch: it does not follow what is there.
  Status add(const BundleEntry& entry);
  // One version more of a row that follows from others, and is counted as what is there says.
  Status add_derived(std::string_view key, bool tombstone, uint64_t timestamp);
  // Commits, newest first, when there are no more versions.
  Status add_commit(const BundleCommit& commit);
  Status finish();
  // A key that was deleted here and counts anew in the bundle has no history from before this any more; 0: there is
  // none.
  uint64_t forgotten() const { return forgotten_; }

 private:
  struct Item {
    size_t key_at = 0;
    size_t key_bytes = 0;
    size_t value_bytes = 0;
    uint64_t version = 0;  // 0: as what is there says
    uint64_t timestamp = 0;
    bool tombstone = false;
  };
  Status take(std::string_view key, std::string_view value, const Item& item);
  Status flush_rows();
  Status flush_commits();
  struct Building;
  Status write_item(const Item& item, Building* building);
  Status append(const txn::CommitLock& held, txn::Stamp* stamp, txn::Head head, tree::Edit edit);

  txn::Engine& engine_;
  const txn::BranchPtr hidden_;
  storage::RecordBuilder record_{engine_.seed()};
  std::string bytes_;
  std::vector<Item> items_;
  std::string commits_;
  bool any_commit_ = false;
  BundleCommit last_commit_;
  uint64_t forgotten_ = 0;
};

}  // namespace strata::branch
