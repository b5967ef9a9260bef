// Nodes made anew from cells: what splits, merges and the tightening of a node have in common.
//
// Thread safety: values. Ownership: cells borrow their bytes from nodes and from the caller.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tree/node.h"

namespace strata::tree {

// One cell; its key is two pieces, since most come from a node that keeps the common prefix apart.
struct Cell {
  std::string_view prefix;
  std::string_view suffix;
  std::string_view row;  // of a leaf's cell
  ChildRef child;        // of an inner node's cell

  size_t key_bytes() const { return prefix.size() + suffix.size(); }
  char key_byte(size_t i) const { return i < prefix.size() ? prefix[i] : suffix[i - prefix.size()]; }
  void copy_key(std::string* out) const {
    out->assign(prefix);
    out->append(suffix);
  }
};

size_t common_prefix(const Cell& a, const Cell& b);

// Appends the cells of a node. The first cell of an inner node has an empty key.
void gather(const Node& node, std::vector<Cell>* cells);

// Bytes that a node of these cells takes; pages for that many bytes.
size_t built_bytes(std::span<const Cell> cells, uint32_t level);
inline uint32_t pages_for(size_t bytes) {
  return bytes == 0 ? 1 : static_cast<uint32_t>((bytes + storage::kPageBytes - 1) / storage::kPageBytes);
}

// Makes `bytes` a tight node of the cells. REQUIRES: built_bytes() fit into id; the cells do not lie in `bytes`.
void build(char* bytes, storage::NodeId id, uint64_t birth, uint32_t level, std::span<const Cell> cells);

// How many cells the left node gets when the cells, of which the one at `added` is new, are split in two.
// REQUIRES: at least two cells.
struct SplitHint {
  bool at_end = false;       // keys are being added in ascending order
  bool at_begin = false;     // in descending order
  bool in_run = false;       // in ascending order inside the node
  bool keeps_prefix = true;  // the new key has the node's prefix
};
uint32_t choose_split(std::span<const Cell> cells, uint32_t level, uint32_t added, const SplitHint& hint);

// The shortest key k with left < k <= right.
void make_separator(const Cell& left, const Cell& right, std::string* out);

}  // namespace strata::tree
