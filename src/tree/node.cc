#include "tree/node.h"

namespace strata::tree {

uint64_t Node::total_before(uint32_t end) const {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < end; ++i) sum += child(i).count;
  return sum;
}

uint64_t Node::total() const { return is_leaf() ? count_ : total_before(count_); }

uint32_t Node::end_of_ties(uint32_t head, uint32_t at) const {
  const Slot* all = slots();
  uint32_t end = count_;
  while (at < end) {
    const uint32_t middle = (at + end) / 2;
    if (all[middle].head == head) {
      at = middle + 1;
    } else {
      end = middle;
    }
  }
  return end;
}

uint32_t Node::cell_bytes(uint32_t i) const {
  const uint32_t key = slots()[i].key_bytes;
  return is_leaf() ? kLeafCellBytes + key + static_cast<uint32_t>(row(i).size()) : kInnerCellBytes + key;
}

char* Node::insert_slot(uint32_t i, std::string_view suffix, size_t cell_bytes) {
  STRATA_ASSERT(i <= count_);
  STRATA_ASSERT(has_room(cell_bytes));
  heap_begin_ = static_cast<uint16_t>(heap_begin_ - cell_bytes);
  Slot* slot = slots() + i;
  std::memmove(slot + 1, slot, (count_ - i) * sizeof(Slot));
  slot->offset = heap_begin_;
  slot->key_bytes = static_cast<uint16_t>(suffix.size());
  slot->head = head_of(suffix);
  ++count_;
  extend_run(i);
  return at(heap_begin_);
}

void Node::insert_row(uint32_t i, std::string_view key, std::string_view row) {
  STRATA_ASSERT(is_leaf() && shares_prefix(key));
  const std::string_view suffix = key.substr(prefix_bytes_);
  char* cell = insert_slot(i, suffix, leaf_cell_bytes(suffix.size(), row.size()));
  write_row(cell, suffix, row);
}

void Node::insert_child(uint32_t i, std::string_view key, const ChildRef& ref) {
  STRATA_ASSERT(!is_leaf() && i > 0 && shares_prefix(key));
  const std::string_view suffix = key.substr(prefix_bytes_);
  char* cell = insert_slot(i, suffix, kInnerCellBytes + suffix.size());
  write_child(cell, suffix, ref);
}

void Node::append_row(std::string_view suffix, std::string_view row) {
  write_row(append_slot(suffix, leaf_cell_bytes(suffix.size(), row.size())), suffix, row);
}

void Node::append_child(std::string_view suffix, const ChildRef& ref) {
  write_child(append_slot(suffix, kInnerCellBytes + suffix.size()), suffix, ref);
}

char* Node::append_slot(std::string_view suffix, size_t cell_bytes) {
  const Run before = run();
  char* cell = insert_slot(count_, suffix, cell_bytes);
  set_run(before);  // copying cells is no run of insertions
  return cell;
}

void Node::write_row(char* cell, std::string_view suffix, std::string_view row) {
  const uint16_t row_bytes = static_cast<uint16_t>(row.size());
  std::memcpy(cell, &row_bytes, 2);
  cell += kLeafCellBytes;
  if (!suffix.empty()) std::memcpy(cell, suffix.data(), suffix.size());
  if (!row.empty()) std::memcpy(cell + suffix.size(), row.data(), row.size());
}

void Node::write_child(char* cell, std::string_view suffix, const ChildRef& ref) {
  std::memcpy(cell, &ref, sizeof(ref));
  if (!suffix.empty()) std::memcpy(cell + kInnerCellBytes, suffix.data(), suffix.size());
}

bool Node::replace_row(uint32_t i, std::string_view row) {
  Slot& slot = slots()[i];
  const uint32_t old_bytes = static_cast<uint32_t>(this->row(i).size());
  const uint32_t key_bytes = slot.key_bytes;
  uint32_t offset = slot.offset;
  if (row.size() > old_bytes) {
    const size_t cell_bytes = leaf_cell_bytes(key_bytes, row.size());
    if (free_bytes() < cell_bytes) return false;
    dead_bytes_ = static_cast<uint16_t>(dead_bytes_ + leaf_cell_bytes(key_bytes, old_bytes));
    heap_begin_ = static_cast<uint16_t>(heap_begin_ - cell_bytes);
    std::memcpy(at(heap_begin_) + kLeafCellBytes, at(offset) + kLeafCellBytes, key_bytes);
    offset = slot.offset = heap_begin_;
  } else {
    dead_bytes_ = static_cast<uint16_t>(dead_bytes_ + (old_bytes - row.size()));
  }
  const uint16_t row_bytes = static_cast<uint16_t>(row.size());
  std::memcpy(at(offset), &row_bytes, 2);
  if (!row.empty()) std::memcpy(at(offset) + kLeafCellBytes + key_bytes, row.data(), row.size());
  return true;
}

void Node::set_child(uint32_t i, const ChildRef& ref) {
  STRATA_ASSERT(!is_leaf() && i < count_);
  std::memcpy(at(slots()[i].offset), &ref, sizeof(ref));
}

void Node::add_to_count(uint32_t i, uint64_t difference) {
  ChildRef ref = child(i);
  ref.count += difference;
  set_child(i, ref);
}

void Node::remove(uint32_t i) {
  STRATA_ASSERT(i < count_);
  Slot* slot = slots() + i;
  const uint32_t removed = cell_bytes(i);
  if (slot->offset == heap_begin_) {
    heap_begin_ = static_cast<uint16_t>(heap_begin_ + removed);
  } else {
    dead_bytes_ = static_cast<uint16_t>(dead_bytes_ + removed);
  }
  std::memmove(slot, slot + 1, (count_ - i - 1) * sizeof(Slot));
  --count_;
  run_length_ = 0;
  run_end_ = 0;
  if (i == 0 && !is_leaf() && count_ > 0) {  // the new first child takes over "from the beginning"
    dead_bytes_ = static_cast<uint16_t>(dead_bytes_ + slots()[0].key_bytes);
    slots()[0].key_bytes = 0;
    slots()[0].head = 0;
  }
}

void Node::copy_from(const Node& from, storage::NodeId id, uint64_t birth) {
  const uint32_t begin = from.slots_end();
  const uint32_t end = from.heap_begin_;
  std::memcpy(static_cast<void*>(this), &from, begin);
  std::memcpy(at(end), from.data() + end, from.bytes() - end);
  header_.checksum = 0;
  header_.id = id;
  header_.birth = birth;
}

Node* Node::format(char* bytes, storage::NodeId id, uint64_t birth, uint32_t level, std::string_view prefix_a,
                   std::string_view prefix_b) {
  Node* node = reinterpret_cast<Node*>(bytes);
  node->header_.checksum = 0;
  node->header_.kind = level == 0 ? kLeafKind : kInnerKind;
  node->header_.id = id;
  node->header_.birth = birth;
  node->level_ = static_cast<uint16_t>(level);
  node->count_ = 0;
  node->heap_begin_ = static_cast<uint16_t>(storage::bytes_of(id));
  node->prefix_bytes_ = static_cast<uint16_t>(prefix_a.size() + prefix_b.size());
  node->dead_bytes_ = node->run_end_ = node->run_length_ = node->zero_ = 0;
  char* prefix = bytes + kHeaderBytes;
  std::memset(prefix, 0, node->slots_begin() - kHeaderBytes);
  if (!prefix_a.empty()) std::memcpy(prefix, prefix_a.data(), prefix_a.size());
  if (!prefix_b.empty()) std::memcpy(prefix + prefix_a.size(), prefix_b.data(), prefix_b.size());
  return node;
}

}  // namespace strata::tree
