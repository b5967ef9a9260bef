// Marking: which nodes can be reached from some roots. Collection frees the others, the audit checks the marked ones.
#include <algorithm>

#include "tree/forest_impl.h"

namespace strata::tree {
namespace {

Status damaged(storage::NodeId id, std::string_view what) {
  return Status::corruption("nodes", storage::page_of(id) * storage::kPageBytes, what);
}

class Marker {
 public:
  explicit Marker(ForestImpl& impl) : impl_(impl), seen_(impl.store.page_limit()) {}

  // Marks everything below a root; loads inner nodes only (and a root that is a leaf).
  Status mark(const Root& root) {
    if (root.id == 0) return Status::ok();
    STRATA_ASSIGN(const bool is_new, add(root.id));
    if (!is_new) return Status::ok();
    const EpochGuard guard(impl_.epochs);
    Status status;
    const Node* node = impl_.cache.get(root.id, root.birth, kAnyLevel, &status);
    return node == nullptr ? status : mark_below(*node);
  }
  // Marks a node alone. Returns whether it was not marked before.
  Result<bool> add(storage::NodeId id) {
    const uint64_t page = storage::page_of(id);
    if (page == 0 || page >= seen_.size()) return damaged(id, "node id out of range");
    if (seen_[page]) return false;
    seen_[page] = true;
    ids_.push_back(id);
    return true;
  }
  const std::vector<bool>& seen() const { return seen_; }
  std::vector<storage::NodeId>& ids() { return ids_; }

 private:
  Status mark_below(const Node& node) {
    for (uint32_t i = 0; !node.is_leaf() && i < node.count(); ++i) {
      const ChildRef child = node.child(i);
      STRATA_ASSIGN(const bool is_new, add(child.id));
      if (!is_new || node.level() == 1) continue;
      Status status;
      const Node* next = impl_.cache.get(child.id, child.birth, static_cast<int>(node.level()) - 1, &status);
      if (next == nullptr) return status;
      STRATA_TRY(mark_below(*next));
    }
    return Status::ok();
  }

  ForestImpl& impl_;
  std::vector<bool> seen_;
  std::vector<storage::NodeId> ids_;
};

}  // namespace

Status Forest::collect(std::span<const Root> roots) {
  STRATA_CHECK(!impl_->editing && !impl_->cache.writing());
  // Whoever entered before may still be in a tree that is no longer a root.
  impl_->wait_for_readers();
  impl_->reclaim();
  std::vector<Root> all(roots.begin(), roots.end());
  impl_->pins.append_roots(&all);
  Marker marker(*impl_);
  for (const Root& root : all) STRATA_TRY(marker.mark(root));
  // Retired nodes are freed in their own time.
  std::vector<storage::NodeId> retired;
  impl_->append_retired(&retired);
  for (const storage::NodeId id : retired) {
    STRATA_ASSIGN(const bool is_new, marker.add(id));
    (void)is_new;
  }
  std::vector<storage::NodeId>& kept = marker.ids();
  std::sort(kept.begin(), kept.end());
  impl_->cache.keep_only(marker.seen());
  impl_->store.keep_only(kept);
  impl_->shared_garbage.store(0, std::memory_order_relaxed);
  return Status::ok();
}

}  // namespace strata::tree
