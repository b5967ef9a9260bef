#include <array>
#include <cstring>

#include "tree/forest_impl.h"

namespace strata::tree {

struct Cursor::State {
  struct Step {
    const Node* node;
    uint32_t index;
  };

  const ForestImpl& impl;
  Root root;
  std::array<Step, kMaxLevel + 2> path;  // inner nodes from the root down
  uint32_t depth = 0;
  const Node* leaf = nullptr;  // null: not valid
  uint32_t at = 0;
  // The key in hand: the leaf's prefix stands at the front for as long as the cursor stays in the leaf.
  mutable char key[kMaxKeyBytes];
  mutable uint32_t key_of = ~0u;  // the position whose key is assembled

  State(const ForestImpl& forest, const Root& tree) : impl(forest), root(tree) {}

  const Node* fetch(const ChildRef& child, uint32_t level, Status* status) {
    return impl.cache.get(child.id, child.birth, static_cast<int>(level), status);
  }
  const Node* start(Status* status) {
    leaf = nullptr;
    depth = 0;
    STRATA_ASSERT(root.id == 0 || impl.epochs.inside());
    return root.id == 0 ? nullptr : impl.cache.get(root.id, root.birth, kAnyLevel, status);
  }
  void enter(const Node* node, uint32_t index) {
    leaf = node;
    at = index;
    key_of = ~0u;
    if (node != nullptr) std::memcpy(key, node->prefix().data(), node->prefix().size());
  }
  // Goes down from `node` along its first or last children.
  Status edge(const Node* node, bool last) {
    Status status;
    while (node != nullptr && !node->is_leaf()) {
      const uint32_t index = last ? node->count() - 1 : 0;
      path[depth++] = {node, index};
      node = fetch(node->child(index), node->level() - 1, &status);
    }
    enter(node, node == nullptr ? 0 : last ? node->count() - 1 : 0);
    return status;
  }
  // To the first key of the next leaf, or the last key of the one before.
  Status step(bool forward) {
    leaf = nullptr;
    while (depth > 0) {
      Step& top = path[depth - 1];
      if (forward ? top.index + 1 < top.node->count() : top.index > 0) {
        top.index = forward ? top.index + 1 : top.index - 1;
        Status status;
        const Node* node = fetch(top.node->child(top.index), top.node->level() - 1, &status);
        if (node == nullptr) return status;
        prefetch_neighbour(forward);
        return edge(node, !forward);
      }
      --depth;
    }
    return Status::ok();
  }
  // A walk that has left its first leaf will likely want the leaf after this one.
  void prefetch_neighbour(bool forward) {
    const Step& top = path[depth - 1];
    if (top.node->level() != 1 || (forward ? top.index + 1 >= top.node->count() : top.index == 0)) return;
    impl.cache.prefetch(top.node->child(forward ? top.index + 1 : top.index - 1).id);
  }
  // Finds the leaf for `target` and the position of the first key >= it there, which may be behind the leaf's last.
  Status find(std::string_view target) {
    Status status;
    const Node* node = start(&status);
    while (node != nullptr && !node->is_leaf()) {
      const uint32_t index = node->find_child(target);
      path[depth++] = {node, index};
      node = fetch(node->child(index), node->level() - 1, &status);
    }
    if (node == nullptr) return status;
    bool exact = false;
    enter(node, node->find(target, &exact));
    return Status::ok();
  }
};

Cursor::Cursor(const Forest& forest, const Root& root) : state_(std::make_unique<State>(*forest.impl_, root)) {}
Cursor::~Cursor() = default;

Status Cursor::seek(std::string_view key) {
  STRATA_TRY(state_->find(key));
  if (state_->leaf != nullptr && state_->at == state_->leaf->count()) return state_->step(true);
  return Status::ok();
}

Status Cursor::seek_before(std::string_view key) {
  STRATA_TRY(state_->find(key));
  if (state_->leaf == nullptr) return Status::ok();
  if (state_->at == 0) return state_->step(false);
  --state_->at;
  return Status::ok();
}

Status Cursor::seek_first() {
  Status status;
  const Node* node = state_->start(&status);
  if (node == nullptr) return status;
  return state_->edge(node, false);
}

Status Cursor::seek_last() {
  Status status;
  const Node* node = state_->start(&status);
  if (node == nullptr) return status;
  return state_->edge(node, true);
}

Status Cursor::next() {
  STRATA_ASSERT(valid());
  if (++state_->at < state_->leaf->count()) return Status::ok();
  return state_->step(true);
}

Status Cursor::prev() {
  STRATA_ASSERT(valid());
  if (state_->at == 0) return state_->step(false);
  --state_->at;
  return Status::ok();
}

bool Cursor::valid() const { return state_->leaf != nullptr; }

std::string_view Cursor::key() const {
  STRATA_ASSERT(valid());
  const State& state = *state_;
  const std::string_view suffix = state.leaf->leaf_suffix(state.at);
  const size_t prefix_bytes = state.leaf->prefix().size();
  if (state.key_of != state.at) {
    std::memcpy(state.key + prefix_bytes, suffix.data(), suffix.size());
    state.key_of = state.at;
  }
  return {state.key, prefix_bytes + suffix.size()};
}

std::string_view Cursor::row() const {
  STRATA_ASSERT(valid());
  return state_->leaf->row(state_->at);
}

}  // namespace strata::tree
