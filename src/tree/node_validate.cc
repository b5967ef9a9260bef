// What a node must satisfy before anything else may look at it. The store has checked the checksum; these checks hold
// against bytes that were made to pass it.

#include "tree/node.h"

namespace strata::tree {
namespace {

constexpr uint32_t kMaxNodeBytes = kMaxNodePages * storage::kPageBytes;

// Which bytes of the heap are taken: finds cells that overlap.
class Coverage {
 public:
  // False when a byte of the range was taken already. REQUIRES: end <= kMaxNodeBytes.
  bool take(uint32_t begin, uint32_t end) {
    while (begin < end) {
      const uint32_t word = begin / 64;
      const uint32_t first = begin % 64;
      const uint32_t n = end - begin < 64 - first ? end - begin : 64 - first;
      const uint64_t mask = (n == 64 ? ~uint64_t{0} : (uint64_t{1} << n) - 1) << first;
      if ((words_[word] & mask) != 0) return false;
      words_[word] |= mask;
      begin += n;
    }
    return true;
  }

 private:
  uint64_t words_[kMaxNodeBytes / 64] = {};
};

const char* check_child(const Node& node, uint32_t i) {
  const ChildRef ref = node.child(i);
  const uint32_t pages = storage::pages_of(ref.id);
  if (storage::page_of(ref.id) == 0 || pages == 0 || pages > kMaxNodePages) return "child id out of range";
  if (ref.birth > node.birth()) return "child born after its parent";
  return nullptr;
}

}  // namespace

const char* validate(const Node& node, storage::NodeId id) {
  const uint32_t bytes = storage::bytes_of(id);
  const uint32_t kind = node.header_.kind;
  if (node.header_.id != id) return "node with another node's id";
  if (kind != kLeafKind && kind != kInnerKind) return "unknown kind of node";
  if ((kind == kLeafKind) != (node.level_ == 0) || node.level_ > kMaxLevel)
    return "level does not fit the kind of node";
  if (node.prefix_bytes_ > kMaxKeyBytes) return "prefix longer than a key may be";
  if (node.count_ == 0) return "node without keys";
  const uint32_t slots_end = node.slots_end();
  if (slots_end > bytes || node.heap_begin_ < slots_end || node.heap_begin_ > bytes) return "slots and cells overlap";

  Coverage coverage;
  uint32_t live = 0;
  const uint32_t fixed = node.is_leaf() ? Node::kLeafCellBytes : Node::kInnerCellBytes;
  for (uint32_t i = 0; i < node.count_; ++i) {
    const Slot& slot = node.slots()[i];
    if (slot.offset < node.heap_begin_ || slot.offset + fixed + slot.key_bytes > bytes) return "cell outside the heap";
    const bool unbounded = i == 0 && !node.is_leaf();
    if (unbounded ? slot.key_bytes != 0 : node.prefix_bytes_ + size_t{slot.key_bytes} > kMaxKeyBytes) {
      return "key length out of range";
    }
    uint32_t cell_bytes = fixed + slot.key_bytes;
    if (node.is_leaf()) {
      const size_t row_bytes = node.row(i).size();  // reads two bytes at the offset, which lie inside
      if (row_bytes > kMaxRowBytes) return "row length out of range";
      cell_bytes += static_cast<uint32_t>(row_bytes);
      if (slot.offset + cell_bytes > bytes) return "cell outside the heap";
    } else if (const char* problem = check_child(node, i)) {
      return problem;
    }
    if (!coverage.take(slot.offset, slot.offset + cell_bytes)) return "cells overlap";
    live += cell_bytes;
    const std::string_view key = node.suffix(i);
    if (slot.head != head_of(key)) return "key and its head differ";
    const uint32_t first_ordered = node.is_leaf() ? 1 : 2;
    if (i >= first_ordered && compare_bytes(node.suffix(i - 1), key) >= 0) return "keys out of order";
  }
  if (live + node.dead_bytes_ != bytes - node.heap_begin_) return "cells do not fill the heap";
  return nullptr;
}

}  // namespace strata::tree
