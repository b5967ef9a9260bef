#include "tree/node_cache.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/out_of_memory.h"

namespace strata::tree {
namespace {

constexpr std::string_view kNodes = "nodes";  // how messages call the store's file

// A counter with one writer at a time needs no locked instruction.
void add_to(std::atomic<uint64_t>& counter, uint64_t difference) {
  counter.store(counter.load(std::memory_order_relaxed) + difference, std::memory_order_relaxed);
}

Status damaged(storage::NodeId id, std::string_view what) {
  return Status::corruption(kNodes, storage::page_of(id) * storage::kPageBytes, what);
}

}  // namespace

NodeCache::NodeCache(storage::NodeStore& store, EpochDomain& epochs, size_t cache_bytes, bool evictable)
    : store_(store),
      epochs_(epochs),
      cache_bytes_(cache_bytes),
      evictable_(evictable),
      // Zero pages until used: the array is as large as the greatest file needs.
      tables_(static_cast<std::atomic<Table*>*>(std::calloc(kMaxPages >> kFrameBits, sizeof(std::atomic<Table*>))),
              &std::free),
      magazine_(pool_) {
  if (tables_ == nullptr) base::out_of_memory();
}

NodeCache::~NodeCache() {
  for (uint64_t i = 0; i < tables_end_.load(); ++i) delete tables_[i].load();
}

NodeCache::Table* NodeCache::make_table(uint64_t page) const {
  STRATA_CHECK(page < kMaxPages);
  const uint64_t index = page >> kFrameBits;
  Table* table = nullptr;
  auto made = std::make_unique<Table>();
  uint64_t end = tables_end_.load();
  while (end <= index && !tables_end_.compare_exchange_weak(end, index + 1)) {
  }
  if (!tables_[index].compare_exchange_strong(table, made.get(), std::memory_order_acq_rel)) return table;
  return made.release();
}

void NodeCache::mark_used(uint64_t page, uintptr_t word) const {
  find_frame(page)->compare_exchange_strong(word, word | kUsed, std::memory_order_acq_rel);
}

const Node* NodeCache::peek(storage::NodeId id) const {
  const Frame* frame = find_frame(storage::page_of(id));
  if (frame == nullptr) return nullptr;
  const uintptr_t word = frame->load(std::memory_order_acquire);
  return word == 0 || node_of(word)->id() != id ? nullptr : node_of(word);
}

bool NodeCache::copy_if_not_stored(storage::NodeId id, char* out) const {
  const EpochGuard guard(epochs_);
  const Frame* frame = find_frame(storage::page_of(id));
  const uintptr_t word = frame == nullptr ? 0 : frame->load(std::memory_order_acquire);
  const bool stored = evictable_ && (word & kDirty) == 0;
  if (word == 0 || stored || node_of(word)->id() != id) return false;
  std::memcpy(out, node_of(word)->data(), storage::bytes_of(id));
  return true;
}

const Node* NodeCache::get_slow(storage::NodeId id, uint64_t birth, int level, Status* status) const {
  const Frame* frame = find_frame(storage::page_of(id));
  const uintptr_t word = frame == nullptr ? 0 : frame->load(std::memory_order_acquire);
  const Node* node = word == 0 ? nullptr : node_of(word);
  if (node == nullptr) node = load(id, birth, status);
  if (node == nullptr) return nullptr;
  if (node->id() != id || node->birth() != birth) {
    *status = damaged(id, "a reference to a node that is another one");
    return nullptr;
  }
  if (level >= 0 && node->level() != static_cast<uint32_t>(level)) {
    *status = damaged(id, "a child of the wrong level");
    return nullptr;
  }
  return node;
}

const Node* NodeCache::load(storage::NodeId id, uint64_t birth, Status* status) const {
  const uint64_t page = storage::page_of(id);
  const uint32_t pages = storage::pages_of(id);
  if (page == 0 || page >= kMaxPages || pages == 0 || pages > kMaxNodePages) {
    *status = damaged(id, "node id out of range");
    return nullptr;
  }
  if (!evictable_) {
    *status = damaged(id, "node missing");
    return nullptr;
  }
  char* bytes = pool_.allocate(pages);
  *status = store_.read(id, birth, bytes);
  Node* node = reinterpret_cast<Node*>(bytes);
  if (status->is_ok()) {
    if (const char* problem = validate(*node, id)) *status = damaged(id, problem);
    if (status->is_ok() && node->birth() != birth) *status = damaged(id, "node of another birth");
  }
  if (!status->is_ok()) {
    pool_.free(bytes, pages);
    return nullptr;
  }
  Frame& frame = table_of(page)->frames[page & (kFrames - 1)];
  uintptr_t expected = 0;
  if (!frame.compare_exchange_strong(expected, reinterpret_cast<uintptr_t>(node) | kUsed, std::memory_order_acq_rel)) {
    pool_.free(bytes, pages);  // another thread was faster
    return node_of(expected);
  }
  base::MutexLock lock(mutex_);
  add_to(loads_, 1);
  add_to(loaded_bytes_, storage::bytes_of(id));
  add_to_ring_locked(page);
  if (resident_bytes() > cache_bytes_) trim_locked();
  return node;
}

char* NodeCache::create(uint32_t pages, storage::NodeId* id) {
  *id = store_.allocate(pages);
  const uint64_t page = storage::page_of(*id);
  Table* table = table_of(page);
  char* bytes = magazine_.allocate(pages);
  Frame& frame = table->frames[page & (kFrames - 1)];
  STRATA_ASSERT(frame.load(std::memory_order_relaxed) == 0);
  frame.store(reinterpret_cast<uintptr_t>(bytes) | kUsed | kDirty, std::memory_order_release);
  const uint32_t node_bytes = storage::bytes_of(*id);
  add_to(written_bytes_, node_bytes);
  set_dirty(*table, page, node_bytes);
  return bytes;
}

void NodeCache::set_dirty(Table& table, uint64_t page, uint32_t bytes) {
  const uint64_t bit = uint64_t{1} << (page % 64);
  uint64_t& word = table.dirty[(page & (kFrames - 1)) / 64];
  STRATA_ASSERT((word & bit) == 0);
  word |= bit;
  ++table.dirty_count;
  add_to(dirty_bytes_, bytes);
}

void NodeCache::clear_dirty(uint64_t page, uint32_t bytes) {
  Table* table = tables_[page >> kFrameBits].load(std::memory_order_relaxed);
  const uint64_t bit = uint64_t{1} << (page % 64);
  uint64_t& word = table->dirty[(page & (kFrames - 1)) / 64];
  STRATA_ASSERT((word & bit) != 0);
  word &= ~bit;
  --table->dirty_count;
  add_to(dirty_bytes_, 0 - uint64_t{bytes});
}

void NodeCache::drop(storage::NodeId id) {
  const uint64_t page = storage::page_of(id);
  Frame* frame = find_frame(page);
  uintptr_t word = frame == nullptr ? 0 : frame->load(std::memory_order_acquire);
  const bool dirty = (word & kDirty) != 0;
  if (dirty) {  // stays where it is: only this thread changes dirty frames
    if (writing_ && block_of(node_of(word))->writing) {
      deferred_.push_back(id);
      return;
    }
    clear_dirty(page, storage::bytes_of(id));
    frame->store(0, std::memory_order_release);
  } else if (word != 0) {
    word = frame->exchange(0, std::memory_order_acq_rel);
  }
  if (word != 0) {
    magazine_.free(const_cast<char*>(node_of(word)->data()), storage::pages_of(id));
    add_to(written_bytes_, 0 - uint64_t{storage::bytes_of(id)});
  }
  store_.release(id, !dirty);
}

void NodeCache::set_retired(storage::NodeId id, uint64_t stamp) {
  const Frame* frame = find_frame(storage::page_of(id));
  const uintptr_t word = frame == nullptr ? 0 : frame->load(std::memory_order_acquire);
  if ((word & kDirty) != 0) block_of(node_of(word))->retired = stamp;
}

void NodeCache::begin_writing(uint64_t cut) {
  STRATA_CHECK(!writing_ && images_.empty());
  writing_ = true;
  cut_ = cut;
  gathered_words_ = 0;
}

bool NodeCache::gather(size_t most, std::vector<storage::NodeImage>* images) {
  STRATA_CHECK(writing_);
  constexpr uint64_t kWords = kFrames / 64;
  const size_t enough = images_.size() + most;
  const uint64_t end = tables_end_.load() * kWords;
  while (gathered_words_ < end && images_.size() < enough) {
    const Table* table = tables_[gathered_words_ / kWords].load(std::memory_order_acquire);
    const uint64_t w = gathered_words_ % kWords;
    if (table == nullptr || table->dirty_count == 0) {
      gathered_words_ += kWords - w;
      continue;
    }
    ++gathered_words_;
    for (uint64_t bits = table->dirty[w]; bits != 0; bits &= bits - 1) {
      const uint64_t slot = w * 64 + static_cast<uint64_t>(std::countr_zero(bits));
      const Node* node = node_of(table->frames[slot].load(std::memory_order_relaxed));
      BlockHeader* block = block_of(node);
      if (node->birth() > cut_ || (block->retired != 0 && block->retired <= cut_)) continue;
      block->writing = true;
      images_.push_back(node->id());
      images->push_back({node->id(), node->data()});
      add_to(writing_bytes_, storage::bytes_of(node->id()));
    }
  }
  return gathered_words_ < end;
}

bool NodeCache::end_writing(bool success, size_t most) {
  STRATA_CHECK(writing_);
  for (const size_t end = std::min(images_.size(), ended_ + most); ended_ < end; ++ended_) {
    const storage::NodeId id = images_[ended_];
    const uint64_t page = storage::page_of(id);
    Frame& frame = frame_at(page);
    const uintptr_t word = frame.load(std::memory_order_relaxed);
    block_of(node_of(word))->writing = false;
    add_to(writing_bytes_, 0 - uint64_t{storage::bytes_of(id)});
    if (!success) continue;
    clear_dirty(page, storage::bytes_of(id));
    frame.store(word & ~kDirty, std::memory_order_release);
  }
  if (ended_ < images_.size()) return true;
  writing_ = false;
  ended_ = 0;
  for (const storage::NodeId id : deferred_) drop(id);
  deferred_.clear();
  return false;
}

void NodeCache::allow_eviction() {
  for (const storage::NodeId id : std::exchange(images_, {})) {
    if (!evictable_) break;
    base::MutexLock lock(mutex_);
    add_to_ring_locked(storage::page_of(id));
  }
  trim();
}

void NodeCache::keep_only(const std::vector<bool>& keep) {
  STRATA_CHECK(!writing_);
  for (uint64_t i = 0; i < tables_end_.load(); ++i) {
    Table* table = tables_[i].load(std::memory_order_acquire);
    if (table == nullptr) continue;
    for (uint64_t slot = 0; slot < kFrames; ++slot) {
      const uint64_t page = i * kFrames + slot;
      if (page < keep.size() && keep[page]) continue;
      Frame& frame = table->frames[slot];
      if (frame.load(std::memory_order_relaxed) == 0) continue;
      const uintptr_t word = frame.exchange(0, std::memory_order_acq_rel);
      if (word == 0) continue;
      const uint32_t bytes = node_of(word)->bytes();
      if ((word & kDirty) != 0) clear_dirty(page, bytes);
      magazine_.free(const_cast<char*>(node_of(word)->data()), bytes / storage::kPageBytes);
      add_to(written_bytes_, 0 - uint64_t{bytes});
    }
  }
}

void NodeCache::add_to_ring_locked(uint64_t page) const {
  if (ring_.size() >= ring_limit_) {
    // Pages that were freed or evicted since, or are listed twice.
    std::sort(ring_.begin(), ring_.end());
    ring_.erase(std::unique(ring_.begin(), ring_.end()), ring_.end());
    std::erase_if(ring_, [this](uint64_t each) {
      const Frame* frame = find_frame(each);
      const uintptr_t word = frame == nullptr ? 0 : frame->load(std::memory_order_relaxed);
      return word == 0 || (word & kDirty) != 0;
    });
    ring_limit_ = std::max<size_t>(1024, 2 * ring_.size());
  }
  ring_.push_back(page);
}

void NodeCache::trim() const {
  if (!evictable_) return;
  if (resident_bytes() <= cache_bytes_ && evicted_bytes() == 0) return;
  base::MutexLock lock(mutex_);
  trim_locked();
}

void NodeCache::trim_locked() const {
  free_evicted_locked();
  // At most twice around: the first time may only take the marks of use away.
  size_t steps = 2 * ring_.size() + 1;
  size_t removed = 0;
  while (resident_bytes() > cache_bytes_ && !ring_.empty() && steps-- > 0) {
    if (hand_ >= ring_.size()) hand_ = 0;
    Frame* frame = find_frame(ring_[hand_]);
    uintptr_t word = frame == nullptr ? 0 : frame->load(std::memory_order_acquire);
    const bool stale = word == 0 || (word & kDirty) != 0;
    if (!stale && (word & kUsed) != 0) {
      frame->compare_exchange_strong(word, word & ~kUsed, std::memory_order_acq_rel);
      ++hand_;
      continue;
    }
    if (!stale && !frame->compare_exchange_strong(word, 0, std::memory_order_acq_rel)) continue;
    ring_[hand_] = ring_.back();
    ring_.pop_back();
    if (stale) continue;
    const Node* node = node_of(word);
    add_to(loaded_bytes_, 0 - uint64_t{node->bytes()});
    add_to(evicted_bytes_, node->bytes());
    evicted_.push_back({const_cast<char*>(node->data()), 0});
    ++removed;
  }
  if (removed == 0) return;
  add_to(evictions_, removed);
  const uint64_t epoch = epochs_.advance();
  for (size_t i = evicted_.size() - removed; i < evicted_.size(); ++i) evicted_[i].epoch = epoch;
}

void NodeCache::free_evicted_locked() const {
  if (evicted_.empty()) return;
  const uint64_t oldest = epochs_.oldest_reader();
  while (!evicted_.empty() && evicted_.front().epoch < oldest) {
    char* bytes = evicted_.front().node_bytes;
    const uint32_t pages = reinterpret_cast<const Node*>(bytes)->pages();
    add_to(evicted_bytes_, 0 - uint64_t{pages} * storage::kPageBytes);
    evicted_.pop_front();
    pool_.free(bytes, pages);
  }
}

}  // namespace strata::tree
