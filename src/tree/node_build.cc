#include "tree/node_build.h"

namespace strata::tree {
namespace {

// The prefix that a node of these cells stores once. The first key of an inner node counts for nothing.
size_t prefix_of(std::span<const Cell> cells, uint32_t level) {
  const size_t first = level == 0 ? 0 : 1;
  if (cells.size() <= first) return 0;
  // A single key would be all prefix, and every further key would change that.
  if (cells.size() == first + 1) return cells[first].prefix.size();
  return common_prefix(cells[first], cells.back());
}

std::string_view tail(std::string_view bytes, size_t from) {
  return from < bytes.size() ? bytes.substr(from) : std::string_view();
}

}  // namespace

size_t common_prefix(const Cell& a, const Cell& b) {
  const size_t n = a.key_bytes() < b.key_bytes() ? a.key_bytes() : b.key_bytes();
  size_t i = 0;
  if (a.prefix.data() == b.prefix.data() && a.prefix.size() == b.prefix.size()) i = a.prefix.size();
  while (i < n && a.key_byte(i) == b.key_byte(i)) ++i;
  return i;
}

void gather(const Node& node, std::vector<Cell>* cells) {
  const bool leaf = node.is_leaf();
  for (uint32_t i = 0; i < node.count(); ++i) {
    Cell& cell = cells->emplace_back();
    cell.suffix = node.suffix(i);
    if (leaf) {
      cell.prefix = node.prefix();
      cell.row = node.row(i);
    } else {
      if (i > 0) cell.prefix = node.prefix();
      cell.child = node.child(i);
    }
  }
}

size_t built_bytes(std::span<const Cell> cells, uint32_t level) {
  const size_t prefix = prefix_of(cells, level);
  size_t sum = Node::kHeaderBytes + ((prefix + 7) & ~size_t{7});
  for (size_t i = 0; i < cells.size(); ++i) {
    sum += sizeof(Slot);
    if (level == 0) {
      sum += Node::kLeafCellBytes + cells[i].key_bytes() - prefix + cells[i].row.size();
    } else {
      sum += Node::kInnerCellBytes + (i == 0 ? 0 : cells[i].key_bytes() - prefix);
    }
  }
  return sum;
}

void build(char* bytes, storage::NodeId id, uint64_t birth, uint32_t level, std::span<const Cell> cells) {
  STRATA_ASSERT(built_bytes(cells, level) <= storage::bytes_of(id));
  const size_t prefix = prefix_of(cells, level);
  std::string_view prefix_a, prefix_b;
  if (prefix > 0) {
    const Cell& last = cells.back();
    prefix_a = last.prefix.substr(0, prefix);
    prefix_b = last.suffix.substr(0, prefix - prefix_a.size());
  }
  Node* node = Node::format(bytes, id, birth, level, prefix_a, prefix_b);
  std::string joined;
  for (uint32_t i = 0; i < cells.size(); ++i) {
    const Cell& cell = cells[i];
    // Only a cell whose own prefix is longer than the node's needs its two pieces joined.
    std::string_view key = tail(cell.suffix, prefix - (prefix < cell.prefix.size() ? prefix : cell.prefix.size()));
    if (prefix < cell.prefix.size()) {
      joined.assign(cell.prefix.substr(prefix));
      joined.append(cell.suffix);
      key = joined;
    }
    if (level == 0) {
      node->append_row(key, cell.row);
    } else {
      node->append_child(i == 0 ? std::string_view() : key, cell.child);
    }
  }
  STRATA_ASSERT(node->used_bytes() == built_bytes(cells, level));
}

uint32_t choose_split(std::span<const Cell> cells, uint32_t level, uint32_t added, const SplitHint& hint) {
  const uint32_t n = static_cast<uint32_t>(cells.size());
  STRATA_ASSERT(n >= 2 && added < n);
  const uint32_t first = level == 0 ? 0 : 1;  // the first position that a new cell can have
  // An inner node is better off with two children than with one.
  const uint32_t least = level > 0 && n >= 4 ? 2 : 1;
  if (added == n - 1 && (hint.at_end || hint.in_run || !hint.keeps_prefix)) return n - least;
  if (added == first && (hint.at_begin || !hint.keeps_prefix)) return first + 1 < n ? first + 1 : 1;
  if (hint.in_run && added + 1 >= n / 2 && added + 1 < n) return added + 1;

  size_t sum = 0;
  for (const Cell& cell : cells) sum += cell.suffix.size() + cell.row.size() + sizeof(Slot) + sizeof(ChildRef);
  size_t left = 0;
  uint32_t at = 0;
  while (at < n - least) {
    const Cell& cell = cells[at];
    const size_t bytes = cell.suffix.size() + cell.row.size() + sizeof(Slot) + sizeof(ChildRef);
    if (at >= least && (left + bytes / 2) * 2 > sum) break;
    left += bytes;
    ++at;
  }
  return at;
}

void make_separator(const Cell& left, const Cell& right, std::string* out) {
  size_t n = common_prefix(left, right) + 1;
  if (n > right.key_bytes()) n = right.key_bytes();  // only if the keys do not ascend: damaged fences between nodes
  out->assign(right.prefix.substr(0, n));
  if (n > right.prefix.size()) out->append(right.suffix.substr(0, n - right.prefix.size()));
}

}  // namespace strata::tree
