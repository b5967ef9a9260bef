// Examination of whole trees: audit in memory and against the store's account, verify on the store's bytes.
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

// Reads every node of some roots, each once: its bytes as the store has them, or as it will get them.
class StoredNodes {
 public:
  // `stored`: the store has an image of it, and these are its bytes.
  using Visit = std::function<Status(storage::NodeId id, char* bytes, bool stored)>;
  // Told what is wrong with a node; on OK the walk goes on without what lies below it.
  using Damage = std::function<Status(storage::NodeId id, const Status& problem)>;

  StoredNodes(const ForestImpl& impl, Visit visit, Damage damage)
      : impl_(impl), visit_(std::move(visit)), damage_(std::move(damage)) {}

  Status walk(std::span<const Root> roots) {
    for (const Root& root : roots) {
      if (root.id != 0) STRATA_TRY(walk_node({root.id, root.birth, root.count}, kAnyLevel));
    }
    return Status::ok();
  }

 private:
  Status walk_node(const ChildRef& ref, int level) {
    const uint32_t pages = storage::pages_of(ref.id);
    if (!seen_.insert(ref.id).second) return Status::ok();
    if (pages == 0 || pages > kMaxNodePages) return damaged(ref.id, "node id out of range");
    const std::unique_ptr<uint64_t[]> bytes(new uint64_t[storage::bytes_of(ref.id) / sizeof(uint64_t)]);
    char* data = reinterpret_cast<char*>(bytes.get());
    const bool stored = !impl_.cache.copy_if_not_stored(ref.id, data);
    if (stored) {
      const Status read = impl_.store.read(ref.id, ref.birth, data);
      if (!read.is_ok()) return damage_(ref.id, read);
      if (const char* what = validate(*reinterpret_cast<const Node*>(data), ref.id)) return damaged(ref.id, what);
    }
    const Node& node = *reinterpret_cast<const Node*>(data);
    if (node.birth() != ref.birth) return damaged(ref.id, "a reference to a node that is another one");
    if (level >= 0 && node.level() != static_cast<uint32_t>(level)) {
      return damaged(ref.id, "a child of the wrong level");
    }
    if (node.total() != ref.count) {
      STRATA_TRY(damaged(ref.id, "the parent counts " + std::to_string(ref.count) + " keys"));
    }
    STRATA_TRY(visit_(ref.id, data, stored));
    for (uint32_t i = 0; !node.is_leaf() && i < node.count(); ++i) {
      STRATA_TRY(walk_node(node.child(i), static_cast<int>(node.level()) - 1));
    }
    return Status::ok();
  }
  Status damaged(storage::NodeId id, std::string_view what) {
    return damage_(id, Status::corruption("nodes", storage::page_of(id) * storage::kPageBytes, what));
  }

  const ForestImpl& impl_;
  const Visit visit_;
  const Damage damage_;
  std::unordered_set<storage::NodeId> seen_;
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
  uint64_t nodes = 0;
  bool stopped = false;
  const auto visit = [&](storage::NodeId id, const char*, bool stored) {
    if (stored) *pages += storage::pages_of(id);
    stopped = !progress(++nodes);
    return stopped ? Status::error(Code::kInvalidArgument, "stopped") : Status::ok();
  };
  const auto damage = [problems](storage::NodeId id, const Status& problem) {
    problems->push_back(node_name(id) + ": " + problem.to_string());
    return Status::ok();
  };
  const Status walked = StoredNodes(*impl_, visit, damage).walk(roots);
  return stopped ? Status::ok() : walked;
}

Status Forest::copy_nodes(std::span<const Root> roots, const NodeVisitor& visit) const {
  const auto hand_out = [&visit](storage::NodeId id, char* bytes, bool) { return visit(id, bytes); };
  const auto refuse = [](storage::NodeId, const Status& problem) { return problem; };
  return StoredNodes(*impl_, hand_out, refuse).walk(roots);
}

}  // namespace strata::tree
