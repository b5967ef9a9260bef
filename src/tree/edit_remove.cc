// Removing: small nodes are merged with a neighbour, empty ones vanish, and whole trees are dropped or moved.
#include "tree/edit_state.h"

namespace strata::tree {
namespace {

// A node with fewer bytes than this looks for a neighbour to merge with, if both together leave some room. Nodes are
// not evened out with a full neighbour: those two are half full on average as they are.
constexpr size_t kSmallNode = storage::kPageBytes / 3;
constexpr size_t kMergedNode = storage::kPageBytes * 4 / 5;

int compare_cells(const Cell& a, const Cell& b) {
  const size_t common = common_prefix(a, b);
  const size_t a_left = a.key_bytes() - common;
  const size_t b_left = b.key_bytes() - common;
  if (a_left == 0 || b_left == 0) return a_left < b_left ? -1 : a_left > b_left ? 1 : 0;
  return static_cast<uint8_t>(a.key_byte(common)) < static_cast<uint8_t>(b.key_byte(common)) ? -1 : 1;
}

}  // namespace

Status EditState::fix_underflow(uint32_t step) {
  for (;; --step) {
    Node* node = path[step].node;
    if (step == 0) return shrink_root();
    Node* parent = path[step - 1].node;
    if (node->count() == 0) {
      remove_empty(step);
      continue;
    }
    const size_t used = node->used_bytes();
    if (node->pages() > 1 && pages_for(used + used / 8) < node->pages()) {
      cells.clear();
      gather(*node, &cells);
      node = rebuild(step, pages_for(used + used / 8), cells, 0, false);
    }
    if (used >= kSmallNode || parent->count() == 1) return Status::ok();
    const uint32_t index = path[step - 1].index;
    bool merged = false;
    if (index + 1 < parent->count()) STRATA_TRY(merge(step, index, &merged));
    if (!merged && index > 0) STRATA_TRY(merge(step, index - 1, &merged));
    if (!merged) return Status::ok();
  }
}

void EditState::remove_empty(uint32_t step) {
  impl->cache.drop(path[step].node->id());
  path[step - 1].node->remove(path[step - 1].index);
  forget_path();
}

Status EditState::shrink_root() {
  Node* root = path[0].node;
  if (root->count() == 0) {
    impl->cache.drop(root->id());
    new_root = ChildRef();
    forget_path();
    return Status::ok();
  }
  const Node* node = root;
  while (!node->is_leaf() && node->count() == 1) {
    const ChildRef child = node->child(0);
    Status status;
    const Node* next = impl->cache.get(child.id, child.birth, static_cast<int>(node->level()) - 1, &status);
    if (next == nullptr) return status;
    replaced(node->id(), node->birth(), 0);
    new_root = child;
    forget_path();
    node = next;
  }
  return Status::ok();
}

// Merges the children left_index and left_index + 1 of path[step - 1], one of which is path[step].
Status EditState::merge(uint32_t step, uint32_t left_index, bool* merged) {
  Node* node = path[step].node;
  Node* parent = path[step - 1].node;
  const bool node_is_left = path[step - 1].index == left_index;
  const ChildRef other = parent->child(node_is_left ? left_index + 1 : left_index);
  Status status;
  const Node* neighbour = impl->cache.get(other.id, other.birth, static_cast<int>(node->level()), &status);
  if (neighbour == nullptr) return status;
  if (node->used_bytes() + neighbour->used_bytes() > kMergedNode + 2 * Node::kHeaderBytes) return Status::ok();

  const uint32_t level = node->level();
  const Node* left = node_is_left ? node : neighbour;
  const Node* right = node_is_left ? neighbour : node;
  cells.clear();
  gather(*left, &cells);
  gather(*right, &cells);
  const uint32_t joint = left->count();
  if (level > 0) {
    cells[joint].prefix = parent->prefix();
    cells[joint].suffix = parent->suffix(left_index + 1);
  }
  const size_t bytes = built_bytes(cells, level);
  if (bytes > kMergedNode) return Status::ok();
  const uint32_t first = level == 0 ? 0 : 1;
  const bool ascends = (joint <= first || compare_cells(cells[joint - 1], cells[joint]) < 0) &&
                       (level == 0 || joint + 1 >= cells.size() || compare_cells(cells[joint], cells[joint + 1]) < 0);
  if (!ascends) {
    return Status::corruption("nodes", storage::page_of(other.id) * storage::kPageBytes, "keys of neighbours overlap");
  }
  path[step - 1].index = left_index;
  rebuild(step, 1, cells, 0, false);
  parent->remove(left_index + 1);
  replaced(other.id, other.birth, 0);
  forget_path();
  *merged = true;
  return Status::ok();
}

Status EditState::clear_below(const ChildRef& ref, uint32_t level) {
  if (ref.birth <= exclusive_since || level == 0) {
    replaced(ref.id, ref.birth, level == 0 ? 0 : ref.count / 16);
    return Status::ok();
  }
  Status status;
  const Node* node = impl->cache.get(ref.id, ref.birth, static_cast<int>(level), &status);
  if (node == nullptr) return status;
  for (uint32_t i = 0; i < node->count(); ++i) STRATA_TRY(clear_below(node->child(i), level - 1));
  replaced(ref.id, ref.birth, 0);
  return Status::ok();
}

Result<ChildRef> EditState::relocate_below(const ChildRef& ref, uint32_t level, uint64_t first_page) {
  const bool moves = storage::page_of(ref.id) >= first_page && ref.birth != stamp;
  if (level == 0 && !moves) return ref;
  if (const auto known = relocated.find(ref.id); known != relocated.end()) {
    return ChildRef{known->second.id, known->second.birth, ref.count};
  }
  Status status;
  const Node* node = impl->cache.get(ref.id, ref.birth, static_cast<int>(level), &status);
  if (node == nullptr) return status;
  Node* made = nullptr;
  if (ref.birth == stamp) {
    made = const_cast<Node*>(node);
  } else if (moves) {
    made = copy(*node);
  }
  for (uint32_t i = 0; level > 0 && i < node->count(); ++i) {
    const ChildRef child = node->child(i);
    STRATA_ASSIGN(const ChildRef moved, relocate_below(child, level - 1, first_page));
    if (moved.id == child.id) continue;
    if (made == nullptr) made = copy(*node);
    made->set_child(i, moved);
  }
  const ChildRef result = made == nullptr ? ref : ChildRef{made->id(), stamp, ref.count};
  if (ref.birth != stamp) relocated.emplace(ref.id, result);
  return result;
}

}  // namespace strata::tree
