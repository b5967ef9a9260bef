#include <utility>

#include "tree/edit_state.h"

namespace strata::tree {
// ---- the path ----

Status EditState::descend(const Root& root, std::string_view key) {
  forget_path();
  depth = 0;
  Status status;
  const Node* node = impl->cache.get(root.id, root.birth, kAnyLevel, &status);
  for (;;) {
    if (node == nullptr) return status;
    STRATA_ASSERT(depth < path.size());
    path[depth].node = const_cast<Node*>(node);
    if (node->is_leaf()) break;
    const uint32_t index = node->find_child(key);
    path[depth++].index = index;
    const ChildRef child = node->child(index);
    if (node->level() == 1 && child.birth != stamp) impl->cache.prefetch(child.id);
    node = impl->cache.get(child.id, child.birth, static_cast<int>(node->level()) - 1, &status);
  }
  ++depth;
  return Status::ok();
}

bool EditState::on_path(const Root& root, std::string_view key) const {
  if (!path_changeable || path[0].node->id() != root.id) return false;
  bool above = false;
  bool below = false;
  for (uint32_t step = depth - 1; step-- > 0 && !(above && below);) {
    const Node& node = *path[step].node;
    const uint32_t index = path[step].index;
    if (!above && index > 0) {
      if (node.compare_key(key, index) < 0) return false;
      above = true;
    }
    if (!below && index + 1 < node.count()) {
      if (node.compare_key(key, index + 1) >= 0) return false;
      below = true;
    }
  }
  return true;
}

Result<EditState::Place> EditState::locate(const Root& root, std::string_view key) {
  if (std::exchange(found, false) && found_root == root.id && found_key == key) return found_place;
  if (!on_path(root, key)) STRATA_TRY(descend(root, key));
  Place place;
  place.at = path[depth - 1].node->find(key, &place.exact);
  return place;
}

Node* EditState::create(uint32_t pages, uint32_t level, storage::NodeId* id) {
  char* bytes = impl->cache.create(pages, id);
  born.push_back(*id);
  return Node::format(bytes, *id, stamp, level, {}, {});
}

Node* EditState::copy(const Node& from) {
  storage::NodeId id;
  Node* node = reinterpret_cast<Node*>(impl->cache.create(from.pages(), &id));
  born.push_back(id);
  node->copy_from(from, id, stamp);
  return node;
}

void EditState::replaced(storage::NodeId id, uint64_t birth, uint64_t count) {
  if (birth == stamp) {
    impl->cache.drop(id);
  } else if (birth > exclusive_since) {
    retired.push_back({id, birth, stamp});
  } else {
    shared += 1 + count;
  }
}

void EditState::make_path_changeable() {
  if (path_changeable) return;
  for (uint32_t step = 0; step < depth; ++step) {
    const Node* old = path[step].node;
    if (old->birth() == stamp) continue;
    Node* node = copy(*old);
    path[step].node = node;
    if (step > 0) {
      Node* parent = path[step - 1].node;
      const ChildRef ref = parent->child(path[step - 1].index);
      parent->set_child(path[step - 1].index, {node->id(), stamp, ref.count});
    }
    replaced(old->id(), old->birth(), 0);
  }
  path_changeable = true;
}

void EditState::drop_born() {
  for (const storage::NodeId id : born) {
    // Freed in this edit already, or its number taken again by a later node of this edit and dropped with that.
    const Node* node = impl->cache.peek(id);
    if (node != nullptr && node->birth() == stamp) impl->cache.drop(id);
  }
}

// ---- Edit ----

Edit::Edit(std::unique_ptr<EditState> state) : state_(std::move(state)) {}
Edit::Edit(Edit&&) noexcept = default;
Edit::~Edit() {
  if (state_ != nullptr) abort();
}

Result<std::optional<std::string_view>> Edit::find(const Root& root, std::string_view key) {
  if (root.id == 0) return std::optional<std::string_view>();
  EditState& work = *state_;
  STRATA_ASSERT(work.impl->epochs.inside());
  STRATA_ASSIGN(work.found_place, work.locate(root, key));
  work.found = true;
  work.found_root = root.id;
  work.found_key = key;
  if (!work.found_place.exact) return std::optional<std::string_view>();
  return std::optional<std::string_view>(work.path[work.depth - 1].node->row(work.found_place.at));
}

Status Edit::put(Root& root, std::string_view key, std::string_view row, uint64_t exclusive_since) {
  STRATA_CHECK(key.size() <= kMaxKeyBytes && row.size() <= kMaxRowBytes);
  EditState& work = *state_;
  const EpochGuard hold(work.impl->epochs);
  work.exclusive_since = exclusive_since;
  const size_t least_bytes = Node::kHeaderBytes + sizeof(Slot) + Node::leaf_cell_bytes(key.size(), row.size());
  if (root.id == 0) {
    storage::NodeId id;
    Node* leaf = work.create(pages_for(least_bytes), 0, &id);
    leaf->insert_row(0, key, row);
    root = {id, work.stamp, 1};
    work.forget_path();
    return Status::ok();
  }
  STRATA_ASSIGN(const auto place, work.locate(root, key));
  work.make_path_changeable();
  const auto [at, exact] = place;
  Node* leaf = work.path[work.depth - 1].node;
  work.new_root = {work.path[0].node->id(), work.stamp, 0};
  if (exact) {
    if (!leaf->replace_row(at, row)) STRATA_TRY(work.insert_with_rebuild(work.depth - 1, at, key, {row, {}}, true));
  } else {
    for (uint32_t step = 0; step + 1 < work.depth; ++step) work.path[step].node->add_to_count(work.path[step].index, 1);
    const size_t suffix_bytes = key.size() - leaf->prefix().size();
    if (leaf->shares_prefix(key) && leaf->has_room(Node::leaf_cell_bytes(suffix_bytes, row.size()))) {
      leaf->insert_row(at, key, row);
    } else {
      STRATA_TRY(work.insert_with_rebuild(work.depth - 1, at, key, {row, {}}, false));
    }
  }
  root = {work.new_root.id, work.new_root.birth, root.count + (exact ? 0 : 1)};
  return Status::ok();
}

Status Edit::erase(Root& root, std::string_view key, uint64_t exclusive_since, bool* removed) {
  *removed = false;
  if (root.id == 0) return Status::ok();
  EditState& work = *state_;
  const EpochGuard hold(work.impl->epochs);
  work.exclusive_since = exclusive_since;
  STRATA_ASSIGN(const auto place, work.locate(root, key));
  const auto [at, exact] = place;
  if (!exact) return Status::ok();
  work.make_path_changeable();
  work.new_root = {work.path[0].node->id(), work.stamp, 0};
  work.path[work.depth - 1].node->remove(at);
  for (uint32_t step = 0; step + 1 < work.depth; ++step) {
    work.path[step].node->add_to_count(work.path[step].index, ~uint64_t{0});
  }
  STRATA_TRY(work.fix_underflow(work.depth - 1));
  *removed = true;
  root = {work.new_root.id, work.new_root.birth, root.count - 1};
  if (root.id == 0) root = Root();
  return Status::ok();
}

Status Edit::clear(Root& root, uint64_t exclusive_since) {
  if (root.id == 0) return Status::ok();
  EditState& work = *state_;
  const EpochGuard hold(work.impl->epochs);
  work.exclusive_since = exclusive_since;
  work.forget_path();
  Status status;
  const Node* node = work.impl->cache.get(root.id, root.birth, kAnyLevel, &status);
  if (node == nullptr) return status;
  STRATA_TRY(work.clear_below({root.id, root.birth, root.count}, node->level()));
  root = Root();
  return Status::ok();
}

Status Edit::relocate(Root& root, uint64_t first_page) {
  if (root.id == 0) return Status::ok();
  EditState& work = *state_;
  const EpochGuard hold(work.impl->epochs);
  work.forget_path();
  Status status;
  const Node* node = work.impl->cache.get(root.id, root.birth, kAnyLevel, &status);
  if (node == nullptr) return status;
  STRATA_ASSIGN(const ChildRef moved,
                work.relocate_below({root.id, root.birth, root.count}, node->level(), first_page));
  root = {moved.id, moved.birth, root.count};
  return Status::ok();
}

namespace {

void put_away(std::unique_ptr<EditState> work) {
  ForestImpl* impl = work->impl;
  work->born.clear();
  work->retired.clear();
  work->relocated.clear();
  work->shared = 0;
  work->forget_path();
  if (!work->sealed) impl->editing = false;
  work->sealed = false;
  impl->spare_edit = std::move(work);
}

}  // namespace

void Edit::seal() {
  STRATA_CHECK(state_->impl->editing && !state_->sealed);
  state_->sealed = true;
  state_->forget_path();
  state_->impl->editing = false;
}

void Edit::finish() {
  EditState& work = *state_;
  work.impl->shared_garbage.fetch_add(work.shared, std::memory_order_relaxed);
  work.impl->retire(&work.retired);
  work.impl->cache.trim();
  put_away(std::move(state_));
}

void Edit::abort() {
  state_->drop_born();
  put_away(std::move(state_));
}

Edit Forest::edit(uint64_t stamp) {
  STRATA_CHECK(!impl_->editing);
  impl_->editing = true;
  auto state = impl_->spare_edit != nullptr ? std::move(impl_->spare_edit) : std::make_unique<EditState>();
  state->impl = impl_.get();
  state->stamp = stamp;
  return Edit(std::move(state));
}

}  // namespace strata::tree
