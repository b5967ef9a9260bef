// Inserting where there is no room: a node is tightened, enlarged or split, up to the root if need be.
#include "tree/edit_state.h"

namespace strata::tree {
namespace {

// With so few cells a node grows instead of being split: large keys and rows would leave nodes of one cell.
constexpr size_t kFewCells = 4;

}  // namespace

// The node at path[step] is now known as `ref` to its parent, or to the tree.
void EditState::set_ref(uint32_t step, const ChildRef& ref) {
  if (step == 0) {
    new_root = ref;
  } else {
    path[step - 1].node->set_child(path[step - 1].index, ref);
  }
}

// Makes path[step] anew from cells that may lie in it, with that many pages; its number changes if its size does.
Node* EditState::rebuild(uint32_t step, uint32_t pages, std::span<const Cell> from, uint32_t run_at, bool extend_run) {
  Node* node = path[step].node;
  const uint32_t level = node->level();
  const Node::Run run = node->run();
  Node* made = node;
  if (pages == node->pages()) {
    build(scratch->bytes, node->id(), stamp, level, from);
    const Node* tight = reinterpret_cast<const Node*>(scratch->bytes);
    node->copy_from(*tight, node->id(), stamp);
  } else {
    storage::NodeId id;
    made = create(pages, level, &id);
    build(reinterpret_cast<char*>(made), id, stamp, level, from);
    impl->cache.drop(node->id());
    path[step].node = made;
    forget_path();
  }
  made->set_run(run);
  if (extend_run) made->extend_run(run_at);
  set_ref(step, {made->id(), stamp, made->total()});
  return made;
}

Status EditState::insert_with_rebuild(uint32_t step, uint32_t at, std::string_view key, const Payload& payload,
                                      bool replace) {
  Node* node = path[step].node;
  STRATA_ASSERT(node->birth() == stamp);
  cells.clear();
  gather(*node, &cells);
  if (replace) {
    cells[at].row = payload.row;
  } else {
    Cell cell;
    if (node->shares_prefix(key)) cell.prefix = node->prefix();
    cell.suffix = key.substr(cell.prefix.size());
    cell.row = payload.row;
    cell.child = payload.child;
    cells.insert(cells.begin() + at, cell);
  }
  const size_t bytes = built_bytes(cells, node->level());
  if (bytes <= node->bytes()) {
    rebuild(step, node->pages(), cells, at, !replace);
  } else if (cells.size() <= kFewCells && pages_for(bytes) <= kMaxNodePages) {
    rebuild(step, pages_for(bytes), cells, at, !replace);
  } else {
    return split(step, at, key, replace);
  }
  return Status::ok();
}

Status EditState::split(uint32_t step, uint32_t at, std::string_view key, bool replace) {
  Node* node = path[step].node;
  const uint32_t level = node->level();
  SplitHint hint;
  hint.at_begin = hint.at_end = !replace;
  for (uint32_t above = 0; above < step; ++above) {
    hint.at_begin = hint.at_begin && path[above].index == 0;
    hint.at_end = hint.at_end && path[above].index + 1 == path[above].node->count();
  }
  hint.in_run = !replace && node->continues_run(at);
  hint.keeps_prefix = replace || node->shares_prefix(key);
  const uint32_t left_cells = choose_split(cells, level, at, hint);
  const std::span<const Cell> all(cells);
  const std::span<const Cell> left = all.subspan(0, left_cells);
  const std::span<const Cell> right = all.subspan(left_cells);

  std::string& separator = separators[step % 2];
  if (level == 0) {
    make_separator(left.back(), right.front(), &separator);
  } else {
    right.front().copy_key(&separator);
  }
  const uint32_t left_pages = pages_for(built_bytes(left, level));
  const uint32_t right_pages = pages_for(built_bytes(right, level));
  // No half is larger than the node was, or it holds nothing but the new cell and its neighbour.
  STRATA_CHECK(left_pages <= kMaxNodePages && right_pages <= kMaxNodePages);

  storage::NodeId right_id;
  Node* right_node = create(right_pages, level, &right_id);
  build(reinterpret_cast<char*>(right_node), right_id, stamp, level, right);
  const ChildRef right_ref = {right_id, stamp, right_node->total()};
  if (hint.in_run || hint.at_end) {
    // The run goes on behind the new cell, wherever that is now.
    if (at >= left_cells) right_node->set_run({static_cast<uint16_t>(at - left_cells + 1), node->run().length});
  }
  const bool in_left = at < left_cells;
  const Node* left_node = rebuild(step, left_pages, left, at, in_left && !replace);
  forget_path();
  return insert_into_parent(step, separator, {left_node->id(), stamp, left_node->total()}, right_ref);
}

Status EditState::insert_into_parent(uint32_t step, std::string_view separator, const ChildRef& left,
                                     const ChildRef& right) {
  const uint32_t level = path[step].node->level() + 1;
  if (step == 0) {
    if (level > kMaxLevel) return Status::corruption("nodes", 0, "tree of too many levels");
    cells.clear();
    cells.emplace_back().child = left;
    Cell& cell = cells.emplace_back();
    cell.suffix = separator;
    cell.child = right;
    storage::NodeId id;
    Node* root = create(pages_for(built_bytes(cells, level)), level, &id);
    build(reinterpret_cast<char*>(root), id, stamp, level, cells);
    new_root = {id, stamp, 0};
    return Status::ok();
  }
  Node* parent = path[step - 1].node;
  const uint32_t at = path[step - 1].index + 1;
  // The keys of a damaged child may lie outside of what its parent promises; then no place in the parent is right.
  if ((at > 1 && parent->compare_key(separator, at - 1) <= 0) ||
      (at < parent->count() && parent->compare_key(separator, at) >= 0)) {
    return Status::corruption("nodes", storage::page_of(left.id) * storage::kPageBytes,
                              "keys outside the node's range");
  }
  const size_t suffix_bytes = separator.size() - parent->prefix().size();
  if (parent->shares_prefix(separator) && parent->has_room(Node::kInnerCellBytes + suffix_bytes)) {
    parent->insert_child(at, separator, right);
    return Status::ok();
  }
  return insert_with_rebuild(step - 1, at, separator, {{}, right}, false);
}

}  // namespace strata::tree
