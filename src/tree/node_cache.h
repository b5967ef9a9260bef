// All resident nodes of a forest, found by page number: the table of frames, loading, eviction, and which are dirty.
//
// A frame is one atomic word: the node's address, whether it was used lately, and whether it is dirty. Tables of frames
// never move, so a child is one load away and nothing points from a parent's memory to its child's.
//
// Thread safety: get and the statistics in any thread; get under the guard of the epoch domain. create, drop, the
//   dirty set and forget are the editing thread's (the commit lock). Eviction happens inside get and trim.
// Ownership: owns the nodes' memory; borrows the store and the epoch domain.
// Invariants:
//   1. A node is in its frame from create or load until drop or eviction; it is dirty until a checkpoint wrote it.
//   2. Only clean nodes are evicted, by a compare-and-swap of the whole frame word.
//   3. Evicted memory is reused only when no reader from before the eviction is left.
#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "storage/node_store.h"
#include "tree/block_pool.h"
#include "tree/epoch.h"
#include "tree/node.h"

namespace strata::tree {

constexpr int kAnyLevel = -1;

class NodeCache {
 public:
  NodeCache(storage::NodeStore& store, EpochDomain& epochs, size_t cache_bytes, bool evictable);
  ~NodeCache();
  NodeCache(const NodeCache&) = delete;
  NodeCache& operator=(const NodeCache&) = delete;

  // The node, loaded if need be; null and *status on corruption or an I/O error. A node of another birth or level than
  // expected is corruption.
  const Node* get(storage::NodeId id, uint64_t birth, int level, Status* status) const {
    const std::atomic<uintptr_t>* frame = find_frame(storage::page_of(id));
    if (frame != nullptr) {
      const uintptr_t word = frame->load(std::memory_order_acquire);
      if (word != 0) {
        const Node* node = node_of(word);
        Node::prefetch(node);
        if ((word & kUsed) == 0) mark_used(storage::page_of(id), word);
        if (node->id() == id && node->birth() == birth &&
            (level < 0 || node->level() == static_cast<uint32_t>(level))) {
          return node;
        }
      }
    }
    return get_slow(id, birth, level, status);
  }
  // Asks for all cache lines of a node that is about to be copied.
  void prefetch(storage::NodeId id) const {
    const Frame* frame = find_frame(storage::page_of(id));
    if (frame == nullptr) return;
    const uintptr_t word = frame->load(std::memory_order_relaxed);
    if (word == 0) return;
    const char* bytes = node_of(word)->data();
    for (uint32_t at = 0; at < storage::kPageBytes; at += 64) __builtin_prefetch(bytes + at);
  }
  // The node if it is resident, else null.
  const Node* peek(storage::NodeId id) const;

  // Copies the node if the store has no image of it to read back; else false.
  bool copy_if_not_stored(storage::NodeId id, char* out) const;

  // A new dirty node's memory, with identity: id of `pages` pages. The caller formats it.
  char* create(uint32_t pages, storage::NodeId* id);
  // Frees a node: its memory at once (REQUIRES: no reader can see it) and its id in the store. While a checkpoint is
  // writing it, at the end of that.
  void drop(storage::NodeId id);
  // The node was replaced by that commit; begin_writing does not write it for later cuts.
  void set_retired(storage::NodeId id, uint64_t stamp);

  // A checkpoint of the nodes that are dirty, born by `cut` and not retired by it, in steps: each handles a few nodes,
  // so that the editing thread is not kept for long; it may go on in between.
  void begin_writing(uint64_t cut);
  // Adds the images of about `most` more nodes; false once there are no more.
  bool gather(size_t most, std::vector<storage::NodeImage>* images);
  // Takes up to `most` of the nodes gathered out of the checkpoint; on success they are clean. False once all are.
  bool end_writing(bool success, size_t most);
  // Behind the last step: what was written may be evicted. Any thread, one at a time.
  void allow_eviction();
  bool writing() const { return writing_; }

  // Evicts down to the limit, as far as clean nodes allow.
  void trim() const;
  // Drops the memory of every resident node whose page is not in `keep` (a bit a page). Their ids are the caller's.
  // REQUIRES: no reader can see them; not writing().
  void keep_only(const std::vector<bool>& keep);

  // Of nodes in frames; of evicted ones that a reader may still be looking at.
  uint64_t resident_bytes() const {
    return written_bytes_.load(std::memory_order_relaxed) + loaded_bytes_.load(std::memory_order_relaxed);
  }
  uint64_t evicted_bytes() const { return evicted_bytes_.load(std::memory_order_relaxed); }
  uint64_t dirty_bytes() const { return dirty_bytes_.load(std::memory_order_relaxed); }
  // Of dirty nodes that no checkpoint is writing.
  uint64_t unwritten_bytes() const {
    const uint64_t dirty = dirty_bytes();
    return dirty - std::min(dirty, writing_bytes_.load(std::memory_order_relaxed));
  }
  uint64_t loads() const { return loads_.load(std::memory_order_relaxed); }
  uint64_t evictions() const { return evictions_.load(std::memory_order_relaxed); }

 private:
  using Frame = std::atomic<uintptr_t>;
  static constexpr uintptr_t kUsed = 1;
  static constexpr uintptr_t kDirty = 2;
  static constexpr uintptr_t kFlags = 63;
  static constexpr uint32_t kFrameBits = 14;
  static constexpr uint64_t kFrames = uint64_t{1} << kFrameBits;
  static constexpr uint64_t kMaxPages = uint64_t{1} << 32;
  struct Table {
    Frame frames[kFrames] = {};
    uint64_t dirty[kFrames / 64] = {};  // the editing thread's
    uint32_t dirty_count = 0;
  };
  struct Evicted {
    char* node_bytes;
    uint64_t epoch;
  };

  static const Node* node_of(uintptr_t word) { return reinterpret_cast<const Node*>(word & ~kFlags); }
  Frame* find_frame(uint64_t page) const {
    if (page >= kMaxPages) return nullptr;
    Table* table = tables_[page >> kFrameBits].load(std::memory_order_acquire);
    return table == nullptr ? nullptr : &table->frames[page & (kFrames - 1)];
  }
  Table* make_table(uint64_t page) const;
  Table* table_of(uint64_t page) const {  // made if need be
    Table* table = page < kMaxPages ? tables_[page >> kFrameBits].load(std::memory_order_acquire) : nullptr;
    return table != nullptr ? table : make_table(page);
  }
  void mark_used(uint64_t page, uintptr_t word) const;
  const Node* get_slow(storage::NodeId id, uint64_t birth, int level, Status* status) const;
  const Node* load(storage::NodeId id, uint64_t birth, Status* status) const;
  void set_dirty(Table& table, uint64_t page, uint32_t bytes);
  void clear_dirty(uint64_t page, uint32_t bytes);
  void free_evicted_locked() const REQUIRES_LOCK(mutex_);
  void trim_locked() const REQUIRES_LOCK(mutex_);
  void add_to_ring_locked(uint64_t page) const REQUIRES_LOCK(mutex_);
  Frame& frame_at(uint64_t page) const {
    Frame* frame = find_frame(page);
    STRATA_CHECK(frame != nullptr);
    return *frame;
  }

  // Constant.
  storage::NodeStore& store_;
  EpochDomain& epochs_;
  const size_t cache_bytes_;
  const bool evictable_;

  // Synchronize themselves.
  mutable BlockPool pool_;
  const std::unique_ptr<std::atomic<Table*>[], void (*)(void*)> tables_;
  mutable std::atomic<uint64_t> tables_end_{0};  // no table at or behind this index
  // Bytes of nodes by where they came from; each node is taken off the counter of the thread that removes it, so that
  // only the sum is meaningful. One writer each: the editing thread; whoever holds mutex_.
  mutable std::atomic<uint64_t> written_bytes_{0};
  mutable std::atomic<uint64_t> loaded_bytes_{0};
  mutable std::atomic<uint64_t> evicted_bytes_{0};
  std::atomic<uint64_t> dirty_bytes_{0};
  std::atomic<uint64_t> writing_bytes_{0};  // of the dirty ones that a checkpoint is writing
  mutable std::atomic<uint64_t> loads_{0};
  mutable std::atomic<uint64_t> evictions_{0};

  // The editing thread's.
  Magazine magazine_;
  bool writing_ = false;
  uint64_t cut_ = 0;                       // of the checkpoint in flight
  uint64_t gathered_words_ = 0;            // of the tables' dirty bits, that were looked at
  std::vector<storage::NodeId> images_;    // of the checkpoint in flight
  size_t ended_ = 0;                       // of them, that are out of it
  std::vector<storage::NodeId> deferred_;  // dropped while being written

  mutable base::Mutex mutex_;
  mutable std::vector<uint64_t> ring_ GUARDED_BY(mutex_);  // pages that may be evicted; entries may be stale
  mutable size_t hand_ GUARDED_BY(mutex_) = 0;
  mutable size_t ring_limit_ GUARDED_BY(mutex_) = 1024;  // tidy the ring when it is longer
  mutable std::deque<Evicted> evicted_ GUARDED_BY(mutex_);
};

}  // namespace strata::tree
