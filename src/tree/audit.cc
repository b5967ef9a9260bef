// Examination of whole trees: audit in memory and against the store's account, verify on the store's bytes.
#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "tree/forest_impl.h"

namespace strata::tree {
namespace {

std::string node_name(storage::NodeId id) {
  return "node " + std::to_string(storage::page_of(id)) + "+" + std::to_string(storage::pages_of(id));
}

// The range of keys that a parent promises for a child. No upper bound: to the end.
struct Fence {
  std::string low;
  std::optional<std::string> high;
};

Fence fence_of_child(const Node& node, uint32_t i, const Fence& own) {
  Fence fence = own;
  if (i > 0) node.copy_key(i, &fence.low);
  if (i + 1 < node.count()) node.copy_key(i + 1, &fence.high.emplace());
  return fence;
}

class Auditor {
 public:
  Auditor(ForestImpl& impl, Forest::Audit* audit) : impl_(impl), audit_(*audit) {}

  void walk(const Root& root) {
    if (root.id == 0) {
      if (root.count != 0) problem(0, "an empty root with a count");
      return;
    }
    const EpochGuard guard(impl_.epochs);
    walk_node({root.id, root.birth, root.count}, kAnyLevel, Fence());
  }
  bool reached(storage::NodeId id) const { return reached_.contains(id); }
  uint64_t pages() const { return pages_; }
  void add_pages(storage::NodeId id) { pages_ += storage::pages_of(id); }

  void problem(storage::NodeId id, const std::string& what) { audit_.problems.push_back(node_name(id) + ": " + what); }

 private:
  void walk_node(const ChildRef& ref, int level, const Fence& fence) {
    const auto [known, is_new] = reached_.emplace(ref.id, ref.birth);
    if (!is_new) {
      if (known->second != ref.birth) problem(ref.id, "reached under two births");
      return;
    }
    ++audit_.nodes;
    add_pages(ref.id);
    Status status;
    const Node* node = impl_.cache.get(ref.id, ref.birth, level, &status);
    if (node == nullptr) return problem(ref.id, status.to_string());
    if (const char* what = validate(*node, ref.id)) problem(ref.id, what);
    if (node->total() != ref.count) problem(ref.id, "the parent counts " + std::to_string(ref.count) + " keys");
    check_fence(*node, fence);
    for (uint32_t i = 0; !node->is_leaf() && i < node->count(); ++i) {
      walk_node(node->child(i), static_cast<int>(node->level()) - 1, fence_of_child(*node, i, fence));
    }
  }

  void check_fence(const Node& node, const Fence& fence) {
    const uint32_t first = node.is_leaf() ? 0 : 1;
    if (node.count() <= first) return;
    if (node.compare_key(fence.low, first) > 0) problem(node.id(), "a key below the node's range");
    if (fence.high && node.compare_key(*fence.high, node.count() - 1) <= 0)
      problem(node.id(), "a key above the node's range");
  }

  ForestImpl& impl_;
  Forest::Audit& audit_;
  std::unordered_map<storage::NodeId, uint64_t> reached_;  // with birth
  uint64_t pages_ = 0;
};

class Verifier {
 public:
  Verifier(const ForestImpl& impl, std::vector<std::string>* problems, uint64_t* pages,
           const std::function<bool(uint64_t)>& progress)
      : impl_(impl), problems_(*problems), pages_(*pages), progress_(progress) {}

  void walk(const Root& root) {
    if (root.id != 0) walk_node({root.id, root.birth, root.count}, kAnyLevel);
  }

 private:
  void walk_node(const ChildRef& ref, int level) {
    const uint32_t pages = storage::pages_of(ref.id);
    if (stopped_ || !seen_.insert(ref.id).second) return;
    if (pages == 0 || pages > kMaxNodePages) return problem(ref.id, "node id out of range");
    const std::unique_ptr<uint64_t[]> bytes(new uint64_t[storage::bytes_of(ref.id) / sizeof(uint64_t)]);
    char* data = reinterpret_cast<char*>(bytes.get());
    if (!impl_.cache.copy_if_dirty(ref.id, data)) {
      const Status status = impl_.store.read(ref.id, ref.birth, data);
      if (!status.is_ok()) return problem(ref.id, status.to_string());
      pages_ += pages;
      if (const char* what = validate(*reinterpret_cast<const Node*>(data), ref.id)) return problem(ref.id, what);
    }
    const Node& node = *reinterpret_cast<const Node*>(data);
    if (node.birth() != ref.birth) return problem(ref.id, "a reference to a node that is another one");
    if (level >= 0 && node.level() != static_cast<uint32_t>(level))
      return problem(ref.id, "a child of the wrong level");
    if (node.total() != ref.count) problem(ref.id, "the parent counts " + std::to_string(ref.count) + " keys");
    if (!progress_(++nodes_)) stopped_ = true;
    for (uint32_t i = 0; !node.is_leaf() && i < node.count(); ++i) {
      walk_node(node.child(i), static_cast<int>(node.level()) - 1);
    }
  }
  void problem(storage::NodeId id, const std::string& what) { problems_.push_back(node_name(id) + ": " + what); }

  const ForestImpl& impl_;
  std::vector<std::string>& problems_;
  uint64_t& pages_;
  const std::function<bool(uint64_t)>& progress_;
  std::unordered_set<storage::NodeId> seen_;
  uint64_t nodes_ = 0;
  bool stopped_ = false;
};

}  // namespace

Result<Forest::Audit> Forest::audit(std::span<const Root> roots) const {
  STRATA_CHECK(!impl_->editing);
  impl_->reclaim();
  Audit audit;
  Auditor auditor(*impl_, &audit);
  for (const Root& root : roots) auditor.walk(root);
  std::vector<RetiredNode> waiting;
  impl_->append_waiting(&waiting);
  for (const RetiredNode& node : waiting) {
    if (auditor.reached(node.id) && !impl_->pins.holds(node)) auditor.problem(node.id, "retired but reachable");
  }
  std::vector<Root> pinned;
  impl_->pins.append_roots(&pinned);
  for (const Root& root : pinned) auditor.walk(root);

  std::vector<storage::NodeId> retired;
  impl_->append_retired(&retired);
  std::unordered_set<storage::NodeId> retired_once;
  for (const storage::NodeId id : retired) {
    if (!retired_once.insert(id).second) auditor.problem(id, "retired twice");
    if (!auditor.reached(id)) auditor.add_pages(id);
  }
  const uint64_t used = impl_->store.used_pages();
  if (used < auditor.pages()) {
    audit.problems.push_back("the store counts " + std::to_string(used) + " pages in use, " +
                             std::to_string(auditor.pages()) + " are");
  } else {
    audit.leaked_pages = used - auditor.pages();
  }
  return audit;
}

Status Forest::verify(std::span<const Root> roots, std::vector<std::string>* problems, uint64_t* pages,
                      const std::function<bool(uint64_t)>& progress) const {
  *pages = 0;
  Verifier verifier(*impl_, problems, pages, progress);
  for (const Root& root : roots) verifier.walk(root);
  return Status::ok();
}

}  // namespace strata::tree
