#include "txn/write_set.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/checksum.h"
#include "txn/key_order.h"

namespace strata::txn {
namespace {

constexpr size_t kBlockBytes = 64 * 1024;
constexpr size_t kFirstSlots = 64;

bool key_less(const Write& a, const Write& b) { return a.key < b.key; }

}  // namespace

WriteSet::WriteSet() = default;
WriteSet::~WriteSet() = default;

std::string_view WriteSet::store(std::string_view bytes) {
  bytes_ += bytes.size();
  if (bytes.empty()) return {};
  if (bytes.size() > kBlockBytes / 4) {
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(bytes.size()));
    std::memcpy(blocks_.back().get(), bytes.data(), bytes.size());
    return {blocks_.back().get(), bytes.size()};
  }
  if (block_left_ < bytes.size()) {
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(kBlockBytes));
    block_at_ = blocks_.back().get();
    block_left_ = kBlockBytes;
  }
  char* at = block_at_;
  std::memcpy(at, bytes.data(), bytes.size());
  block_at_ += bytes.size();
  block_left_ -= bytes.size();
  return {at, bytes.size()};
}

// The slot that holds the key, or the empty one where it belongs. REQUIRES: slots_ is not empty.
size_t WriteSet::slot_of(std::string_view key, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  while (slots_[slot] != 0 && writes_[slots_[slot] - 1].key != key) slot = (slot + 1) & mask;
  return slot;
}

void WriteSet::rebuild_slots() const {
  std::fill(slots_.begin(), slots_.end(), 0);
  const size_t mask = slots_.size() - 1;
  for (size_t i = 0; i < writes_.size(); ++i) {
    size_t slot = base::hash(writes_[i].key) & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = static_cast<uint32_t>(i + 1);
  }
  slots_stale_ = false;
}

void WriteSet::grow() {
  slots_.assign(slots_.empty() ? kFirstSlots : slots_.size() * 2, 0);
  rebuild_slots();
}

const Write* WriteSet::find(std::string_view key) const {
  if (writes_.empty()) return nullptr;
  if (slots_stale_) rebuild_slots();
  const size_t slot = slot_of(key, base::hash(key));
  return slots_[slot] == 0 ? nullptr : &writes_[slots_[slot] - 1];
}

void WriteSet::put(const Write& write) {
  if (slots_stale_) rebuild_slots();
  if ((writes_.size() + 1) * 2 > slots_.size()) grow();
  const size_t slot = slot_of(write.key, base::hash(write.key));
  Write kept = write;
  kept.value = store(write.value);
  if (slots_[slot] != 0) {
    Write& present = writes_[slots_[slot] - 1];
    kept.key = present.key;
    if (remembering_) undo_.push_back({present, true});
    present = kept;
    return;
  }
  kept.key = store(write.key);
  if (remembering_) undo_.push_back({kept, false});
  const bool still_ordered = sorted_ == writes_.size() && (writes_.empty() || writes_.back().key < kept.key);
  writes_.push_back(kept);
  slots_[slot] = static_cast<uint32_t>(writes_.size());
  if (still_ordered) sorted_ = writes_.size();
}

std::span<const Write> WriteSet::ordered() const {
  if (sorted_ < writes_.size()) {
    // Those that came since the last time are ordered, then merged with the others.
    const size_t old = sorted_;
    const std::vector<uint32_t> order = key_order(writes_.size() - old, [&](size_t i) { return writes_[old + i].key; });
    std::vector<Write> merged;
    merged.reserve(writes_.capacity());
    size_t next = 0;
    for (const uint32_t i : order) {
      const Write& added = writes_[old + i];
      while (next < old && key_less(writes_[next], added)) merged.push_back(writes_[next++]);
      merged.push_back(added);
    }
    while (next < old) merged.push_back(writes_[next++]);
    writes_.swap(merged);
    sorted_ = writes_.size();
    slots_stale_ = true;
  }
  return writes_;
}

void WriteSet::clear() {
  writes_.clear();
  slots_.clear();
  blocks_.clear();
  undo_.clear();
  block_at_ = nullptr;
  block_left_ = 0;
  sorted_ = 0;
  bytes_ = 0;
  slots_stale_ = false;
  remembering_ = false;
}

void WriteSet::remember() {
  undo_.clear();
  remembering_ = true;
}

void WriteSet::forget() {
  undo_.clear();
  remembering_ = false;
}

void WriteSet::rewind() {
  remembering_ = false;
  for (auto undo = undo_.rbegin(); undo != undo_.rend(); ++undo) {
    const auto at =
        std::find_if(writes_.begin(), writes_.end(), [&](const Write& w) { return w.key == undo->before.key; });
    STRATA_CHECK(at != writes_.end());
    if (undo->existed) {
      *at = undo->before;
    } else {
      if (static_cast<size_t>(at - writes_.begin()) < sorted_) --sorted_;
      writes_.erase(at);
    }
  }
  undo_.clear();
  if (!slots_.empty()) rebuild_slots();
}

}  // namespace strata::txn
