#include "recovery/verify.h"

namespace strata::recovery {

Result<VerifyResult> verify(storage::NodeStore& store, txn::Engine& engine, branch::Catalogue& catalogue,
                            const Progress& progress) {
  VerifyResult result;
  std::vector<tree::Root> roots;
  tree::Pin pin;
  {
    const txn::CommitLock held = engine.lock();
    for (const txn::BranchPtr& branch : catalogue.everything()) {
      const txn::Head head = branch->visible.load();
      for (const tree::Root& root : {head.present, head.deleted}) {
        if (root.id != 0) roots.push_back(root);
      }
    }
    for (const tree::Root& base : catalogue.merge_bases(held)) {
      if (base.id != 0) roots.push_back(base);
    }
    const tree::Root evacuated = engine.evacuated();
    if (evacuated.id != 0) roots.push_back(evacuated);
    pin = engine.forest().pin(engine.visible_commit(), roots);
  }
  // One scale for both parts: pages of nodes and pages of log.
  const uint64_t node_pages = store.used_pages();
  const uint64_t log_pages = engine.log().disk_bytes() / storage::kPageBytes;
  const uint64_t total = node_pages + log_pages + 1;
  bool stopped = false;
  const auto tell = [&](uint64_t done) {
    if (progress && !progress(std::min(done, total - 1), total)) stopped = true;
    return !stopped;
  };
  if (store.disk_bytes() > 0) {
    STRATA_TRY(engine.forest().verify(roots, &result.problems, &result.pages, tell));
  } else {  // in memory: there is nothing behind the cache to read
    const txn::CommitLock held = engine.lock();
    STRATA_ASSIGN(const auto audit, engine.forest().audit(roots));
    result.problems = audit.problems;
    result.pages = store.used_pages();
  }
  if (!stopped) {
    STRATA_TRY(engine.log().verify(&result.problems, [&](uint64_t done, uint64_t all) {
      return tell(node_pages + (all == 0 ? 0 : done * log_pages / all));
    }));
  }
  if (!stopped && progress && !progress(total, total)) stopped = true;
  if (stopped)
    return Status::error(Code::kInvalidArgument, "the verification was ended by its progress callback",
                         "call it again");
  result.ok = result.problems.empty();
  return result;
}

}  // namespace strata::recovery
