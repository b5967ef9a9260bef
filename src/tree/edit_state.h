// The working state of an Edit: the path to the leaf in hand, what was born and what was replaced.
//
// The path is kept from one call to the next (the finger): a key that belongs into the same leaf of the same tree needs
// no descent. All nodes on a path that is ready for changes were born in this edit. What find() found is kept until the
// next call, which needs no search if it changes that very key.
//
// Thread safety: the editing thread's. Ownership: belongs to the Edit; the forest keeps one to use its buffers again.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tree/forest_impl.h"
#include "tree/node_build.h"

namespace strata::tree {

struct EditState {
  EditState() : scratch(new Scratch) {}

  // What a cell holds beside its key: a row in a leaf, else a child.
  struct Payload {
    std::string_view row;
    ChildRef child;
  };

  // Finds the leaf for `key`. The path is then readable, not changeable.
  Status descend(const Root& root, std::string_view key);
  // Whether the changeable path of the last call ends in the leaf for `key`.
  bool on_path(const Root& root, std::string_view key) const;
  // The path to the key's leaf, and where in it the key is or belongs.
  struct Place {
    uint32_t at = 0;
    bool exact = false;
  };
  Result<Place> locate(const Root& root, std::string_view key);
  // Copies what was not born in this edit.
  void make_path_changeable();
  void forget_path() { found = path_changeable = false; }

  // Inserts a cell at position `at` of the node path[step], or replaces the row of the cell there. The node has no room
  // for it as it is: tightens, enlarges or splits it. Updates the parents, and new_root.
  Status insert_with_rebuild(uint32_t step, uint32_t at, std::string_view key, const Payload& payload, bool replace);
  // After a removal from path[step]: merges, shrinks or removes the node if it became small.
  Status fix_underflow(uint32_t step);

  Status clear_below(const ChildRef& ref, uint32_t level);
  Result<ChildRef> relocate_below(const ChildRef& ref, uint32_t level, uint64_t first_page);

  Node* create(uint32_t pages, uint32_t level, storage::NodeId* id);
  Node* copy(const Node& from);
  // The node is no longer part of the tree in hand.
  void replaced(storage::NodeId id, uint64_t birth, uint64_t count);

  void drop_born();

  struct Step {
    Node* node;
    uint32_t index;  // of the child taken
  };
  struct alignas(64) Scratch {
    char bytes[kMaxNodePages * storage::kPageBytes];
  };

  ForestImpl* impl = nullptr;
  uint64_t stamp = 0;
  bool sealed = false;
  uint64_t exclusive_since = 0;  // of the call in hand

  std::array<Step, kMaxLevel + 2> path;
  uint32_t depth = 0;
  bool path_changeable = false;  // the finger
  bool found = false;            // find() was the last call:
  Place found_place;
  storage::NodeId found_root = 0;
  std::string_view found_key;
  ChildRef new_root;  // set by whatever changes the root

  std::vector<storage::NodeId> born;
  std::vector<RetiredNode> retired;
  uint64_t shared = 0;  // replaced nodes that only collection can free
  std::unordered_map<storage::NodeId, ChildRef> relocated;

  std::vector<Cell> cells;
  std::array<std::string, 2> separators;  // of neighbouring levels, alternating
  std::unique_ptr<Scratch> scratch;

 private:
  void set_ref(uint32_t step, const ChildRef& ref);
  Node* rebuild(uint32_t step, uint32_t pages, std::span<const Cell> from, uint32_t run_at, bool extend_run);
  Status split(uint32_t step, uint32_t at, std::string_view key, bool replace);
  Status insert_into_parent(uint32_t step, std::string_view separator, const ChildRef& left, const ChildRef& right);
  Status merge(uint32_t step, uint32_t left_index, bool* merged);
  Status shrink_root();
  void remove_empty(uint32_t step);
};

}  // namespace strata::tree
