// The log of a branch: its commits, newest first, those of its source before the fork included.
// Thread safety: any thread, under a ReadGuard that was taken before the branch's cut was looked at. Ownership: values.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "branch/bundle_format.h"
#include "branch/record_chain.h"
#include "strata/branch.h"
#include "strata/status.h"
#include "txn/engine.h"

namespace strata::branch {

// Called for one commit; false ends the walk. The message lives for that call.
using LogVisitor = std::function<bool(const BundleCommit&)>;

// Walks the commits that are not older than `cut`, which is the branch's. The record of the one at the cut may be gone;
// its entry was kept.
class LogWalk {
 public:
  LogWalk(txn::Engine& engine, storage::LogPosition last, uint64_t cut) : engine_(engine), place_{last}, cut_(cut) {}

  // Goes on behind the last commit visited. Ended when `visit` was never told to stop.
  Status walk(const LogVisitor& visit);

 private:
  Status walk_imported(const LogVisitor& visit, bool* more);
  Status walk_cut(const LogVisitor& visit);

  txn::Engine& engine_;
  ChainPlace place_;
  const uint64_t cut_;
  // Records of imported commits that were passed, newest record first; their commits are visited from the last one on.
  std::vector<storage::LogPosition> imported_;
  uint64_t passed_ = 0;  // of the commits of the record to be visited next
};

// Counts an entity, if it is of a kind that logs count.
void count_change(std::string_view tree_key, CommitChanges* changes);

// The entry of a commit record.
Status read_log_entry(const storage::LogRecord& record, const storage::RecordView& view, uint64_t seed,
                      BundleCommit* commit);

}  // namespace strata::branch
