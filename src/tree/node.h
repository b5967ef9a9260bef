// One node of a tree, in memory exactly as on disk: header, common key prefix, slots growing up, cells growing down.
//
//   [header 40][prefix, padded to 8][slot]…[slot]   free   [cell]…[cell]
//
// A slot holds where its cell is, how long its key is, and the first four bytes of the key; keys are stored without
// the prefix that all keys of the node share. A leaf cell is row length, key, row; an inner cell is child id, child
// birth, keys below the child, key. The first key of an inner node is never looked at and is stored empty: it stands
// for "from the beginning". docs/file_format.md describes the bytes.
//
// Thread safety: a published node is immutable; one in making belongs to one thread.
// Ownership: a Node is a view of bytes owned by the cache or by a buffer; views returned live as long as those.
// Invariants:
//   1. Keys (in an inner node from the second on) ascend strictly.
//   2. Cells do not overlap; their sizes and dead_bytes add up to the size of the heap.
//   3. A node that came from disk has passed validate(); nothing else makes the functions below safe to call.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/check.h"
#include "storage/node_store.h"
#include "tree/forest.h"

namespace strata::tree {

// ON DISK: never renumber.
constexpr uint32_t kLeafKind = 1;
constexpr uint32_t kInnerKind = 2;
constexpr uint32_t kMaxNodePages = 8;
constexpr uint32_t kMaxLevel = 24;

static_assert(std::endian::native == std::endian::little, "nodes are used in memory as they lie on disk");

// A child as its parent knows it. ON DISK: never reorder.
struct ChildRef {
  storage::NodeId id = 0;
  uint64_t birth = 0;
  uint64_t count = 0;  // keys below
};
static_assert(sizeof(ChildRef) == 24);

// The first four bytes as a number that sorts as they do; missing ones are zero.
inline uint32_t head_of(std::string_view key) {
  uint32_t head = 0;
  if (key.size() >= 4) {
    std::memcpy(&head, key.data(), 4);
    return __builtin_bswap32(head);
  }
  for (size_t i = 0; i < key.size(); ++i) head |= static_cast<uint32_t>(static_cast<uint8_t>(key[i])) << (24 - 8 * i);
  return head;
}

inline int compare_bytes(std::string_view a, std::string_view b) {
  const size_t n = a.size() < b.size() ? a.size() : b.size();
  const int order = n == 0 ? 0 : std::memcmp(a.data(), b.data(), n);
  if (order != 0) return order;
  return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
}

// Short runs of bytes, mostly equal: spares the call.
inline bool equal_bytes(const char* a, const char* b, size_t n) {
  const auto differ = [a, b](size_t at) {
    uint64_t x, y;
    std::memcpy(&x, a + at, 8);
    std::memcpy(&y, b + at, 8);
    return x ^ y;
  };
  if (n < 8) {
    for (size_t i = 0; i < n; ++i) {
      if (a[i] != b[i]) return false;
    }
    return true;
  }
  for (size_t i = 0; i + 8 <= n; i += 8) {
    if (differ(i) != 0) return false;
  }
  return differ(n - 8) == 0;
}

inline size_t common_prefix(std::string_view a, std::string_view b) {
  const size_t n = a.size() < b.size() ? a.size() : b.size();
  size_t i = 0;
  while (i < n && a[i] == b[i]) ++i;
  return i;
}

// ON DISK: never reorder.
struct Slot {
  uint16_t offset;     // of the cell in the node
  uint16_t key_bytes;  // behind the prefix
  uint32_t head;       // head_of(key behind the prefix)
};
static_assert(sizeof(Slot) == 8);

class alignas(8) Node {
 public:
  Node() = delete;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  static constexpr uint32_t kHeaderBytes = 40;
  static constexpr uint32_t kLeafCellBytes = 2;    // beside key and row
  static constexpr uint32_t kInnerCellBytes = 24;  // beside key

  storage::NodeId id() const { return header_.id; }
  uint64_t birth() const { return header_.birth; }
  uint32_t level() const { return level_; }
  bool is_leaf() const { return level_ == 0; }
  uint32_t count() const { return count_; }
  uint32_t pages() const { return storage::pages_of(header_.id); }
  uint32_t bytes() const { return storage::bytes_of(header_.id); }
  const char* data() const { return reinterpret_cast<const char*>(this); }

  std::string_view prefix() const { return {data() + kHeaderBytes, prefix_bytes_}; }
  std::string_view suffix(uint32_t i) const {
    const Slot& slot = slots()[i];
    return {data() + slot.offset + (is_leaf() ? kLeafCellBytes : kInnerCellBytes), slot.key_bytes};
  }
  std::string_view leaf_suffix(uint32_t i) const {
    const Slot& slot = slots()[i];
    return {data() + slot.offset + kLeafCellBytes, slot.key_bytes};
  }
  size_t key_bytes(uint32_t i) const { return size_t{prefix_bytes_} + slots()[i].key_bytes; }
  void copy_key(uint32_t i, std::string* out) const {
    out->assign(prefix());
    out->append(suffix(i));
  }
  // REQUIRES: is_leaf().
  std::string_view row(uint32_t i) const {
    const Slot& slot = slots()[i];
    uint16_t row_bytes;
    std::memcpy(&row_bytes, data() + slot.offset, 2);
    return {data() + slot.offset + kLeafCellBytes + slot.key_bytes, row_bytes};
  }
  // REQUIRES: !is_leaf().
  ChildRef child(uint32_t i) const {
    ChildRef ref;
    std::memcpy(&ref, data() + slots()[i].offset, sizeof(ref));
    return ref;
  }

  // Index of the first key >= `key` (count() if none); *exact: it is equal. REQUIRES: is_leaf().
  uint32_t find(std::string_view key, bool* exact) const {
    const std::string_view common = prefix();
    *exact = false;
    if (const int side = side_of(key); side != 0) return side < 0 ? 0 : count_;
    return lower_bound(key.substr(common.size()), 0, exact);
  }
  // Index of the child whose keys may include `key`. REQUIRES: !is_leaf().
  uint32_t find_child(std::string_view key) const {
    if (const int side = side_of(key); side != 0) return side < 0 ? 0 : count_ - 1u;
    bool exact = false;
    const uint32_t i = lower_bound(key.substr(prefix_bytes_), 1, &exact);
    return exact ? i : i - 1;
  }
  // Asks for the cache lines that find() begins with, before the first of them has come.
  static void prefetch(const Node* node) {
    const char* bytes = reinterpret_cast<const char*>(node);
    __builtin_prefetch(bytes);
    __builtin_prefetch(bytes + 64);
    __builtin_prefetch(bytes + 128);
    __builtin_prefetch(bytes + 192);
  }
  // The order of `key` and the i-th key. In an inner node REQUIRES: i > 0.
  int compare_key(std::string_view key, uint32_t i) const {
    if (const int side = side_of(key); side != 0) return side;
    return compare_bytes(key.substr(prefix_bytes_), suffix(i));
  }
  bool shares_prefix(std::string_view key) const { return key.starts_with(prefix()); }

  // Keys in and below this node.
  uint64_t total() const;
  // Keys below the children before the i-th. REQUIRES: !is_leaf().
  uint64_t total_before(uint32_t i) const;

  // ---- making and changing: nodes in making only ----
  uint32_t free_bytes() const { return heap_begin_ - slots_end(); }             // between slots and heap
  uint32_t used_bytes() const { return bytes() - free_bytes() - dead_bytes_; }  // what a tight copy would take
  bool has_room(size_t cell_bytes) const { return free_bytes() >= cell_bytes + sizeof(Slot); }
  static size_t leaf_cell_bytes(size_t suffix_bytes, size_t row_bytes) {
    return kLeafCellBytes + suffix_bytes + row_bytes;
  }

  // Insert before position i. REQUIRES: the prefix is shared; `has_room`.
  void insert_row(uint32_t i, std::string_view key, std::string_view row);
  void insert_child(uint32_t i, std::string_view key, const ChildRef& ref);
  // Append behind all; `suffix` is the key without the node's prefix. REQUIRES: `has_room`.
  void append_row(std::string_view suffix, std::string_view row);
  void append_child(std::string_view suffix, const ChildRef& ref);
  // Replaces the row where it lies or in the free space; false when there is no room for that.
  bool replace_row(uint32_t i, std::string_view row);
  void set_child(uint32_t i, const ChildRef& ref);
  void add_to_count(uint32_t i, uint64_t difference);
  void remove(uint32_t i);
  // Runs of keys inserted one behind the other: position behind the last, and how many.
  struct Run {
    uint16_t end;
    uint16_t length;
  };
  Run run() const { return {run_end_, run_length_}; }
  void set_run(Run run) {
    run_end_ = run.end;
    run_length_ = run.length;
  }
  void extend_run(uint32_t i) {
    run_length_ = run_end_ == i ? static_cast<uint16_t>(run_length_ + (run_length_ < 0xffff)) : uint16_t{1};
    run_end_ = static_cast<uint16_t>(i + 1);
  }
  // True when a key inserted at position i continues a run that is long enough to count on.
  bool continues_run(uint32_t i) const { return run_length_ >= 4 && run_end_ == i; }

  // A copy of `from` under another identity. REQUIRES: space for from.bytes().
  void copy_from(const Node& from, storage::NodeId id, uint64_t birth);

  // Makes bytes a node without cells.
  static Node* format(char* bytes, storage::NodeId id, uint64_t birth, uint32_t level, std::string_view prefix_a,
                      std::string_view prefix_b);

 private:
  friend const char* validate(const Node& node, storage::NodeId id);

  const Slot* slots() const { return reinterpret_cast<const Slot*>(data() + slots_begin()); }
  Slot* slots() { return reinterpret_cast<Slot*>(reinterpret_cast<char*>(this) + slots_begin()); }
  char* at(uint32_t offset) { return reinterpret_cast<char*>(this) + offset; }
  uint32_t slots_begin() const { return kHeaderBytes + ((prefix_bytes_ + 7u) & ~7u); }
  uint32_t slots_end() const { return slots_begin() + count_ * static_cast<uint32_t>(sizeof(Slot)); }
  uint32_t cell_bytes(uint32_t i) const;
  char* insert_slot(uint32_t i, std::string_view suffix, size_t cell_bytes);
  char* append_slot(std::string_view suffix, size_t cell_bytes);
  static void write_row(char* cell, std::string_view suffix, std::string_view row);
  static void write_child(char* cell, std::string_view suffix, const ChildRef& ref);

  // 0: the key has the prefix; else on which side of all keys with the prefix it lies.
  int side_of(std::string_view key) const {
    const size_t n = prefix_bytes_;
    if (key.size() >= n && equal_bytes(key.data(), data() + kHeaderBytes, n)) return 0;
    const size_t m = key.size() < n ? key.size() : n;
    const int order = std::memcmp(key.data(), data() + kHeaderBytes, m);
    if (order != 0) return order;
    return key.size() < n ? -1 : 0;
  }
  uint32_t lower_bound(std::string_view suffix, uint32_t first, bool* exact) const {
    const Slot* all = slots();
    const uint32_t head = head_of(suffix);
    uint32_t at = first;
    for (uint32_t n = count_ - first; n > 1;) {
      const uint32_t half = n / 2;
      at = all[at + half - 1].head < head ? at + half : at;
      n -= half;
    }
    if (at < count_ && all[at].head < head) ++at;
    if (at == count_ || all[at].head != head) return at;
    return lower_bound_of_ties(suffix, head, at, exact);
  }
  uint32_t lower_bound_of_ties(std::string_view suffix, uint32_t head, uint32_t at, bool* exact) const {
    const Slot* all = slots();
    uint32_t end = at + 1;
    if (end < count_ && all[end].head == head) end = end_of_ties(head, end);
    while (at < end) {
      const uint32_t middle = (at + end) / 2;
      const int order = compare_bytes(suffix, this->suffix(middle));
      if (order == 0) {
        *exact = true;
        return middle;
      }
      if (order < 0) {
        end = middle;
      } else {
        at = middle + 1;
      }
    }
    return at;
  }
  uint32_t end_of_ties(uint32_t head, uint32_t at) const;

  storage::NodeHeader header_;
  uint16_t level_;         // 0: leaf
  uint16_t count_;         // slots
  uint16_t heap_begin_;    // offset of the lowest cell
  uint16_t prefix_bytes_;  // 0 to kMaxKeyBytes
  uint16_t dead_bytes_;    // in the heap, belonging to no cell
  uint16_t run_end_;       // position behind the last inserted key, and how many were inserted in a row there:
  uint16_t run_length_;    // says where to split; a hint
  uint16_t zero_;
};
static_assert(sizeof(Node) == Node::kHeaderBytes);

// Null, or what is wrong with these bytes as node `id`: everything that the functions above and the editing of copies
// rely on. REQUIRES: bytes_of(id) bytes, the header checked by the store.
const char* validate(const Node& node, storage::NodeId id);

}  // namespace strata::tree
