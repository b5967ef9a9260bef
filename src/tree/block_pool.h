// Memory for nodes: blocks of one to eight pages, each behind a small header that only lives in memory. Freed blocks
// are kept for the next node, never given back before the pool goes.
//
// Thread safety: allocate and free in any thread (a lock); Magazine is for one thread at a time and rarely locks.
// Ownership: the pool owns all blocks. Blocks are spaced by an odd number of cache lines, so that the headers of nodes
//   do not all fall into the same cache set.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/mutex.h"
#include "os/large_memory.h"
#include "tree/node.h"

namespace strata::tree {

// What memory knows of a node beside its bytes; lies right before them.
struct alignas(64) BlockHeader {
  uint64_t retired = 0;  // the commit that replaced the node, if the node had to wait after that; else 0
  bool writing = false;  // a checkpoint in flight reads it
};
static_assert(sizeof(BlockHeader) == 64);

inline BlockHeader* block_of(const Node* node) {
  return reinterpret_cast<BlockHeader*>(const_cast<char*>(node->data())) - 1;
}

class BlockPool {
 public:
  BlockPool() = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // Uninitialised bytes of a node of `pages` (1 to kMaxNodePages) pages, block header reset.
  char* allocate(uint32_t pages);
  void free(char* node_bytes, uint32_t pages);
  uint64_t reserved_bytes() const;

 private:
  friend class Magazine;
  char* take_locked(uint32_t pages) REQUIRES_LOCK(mutex_);

  mutable base::Mutex mutex_;
  std::array<std::vector<char*>, kMaxNodePages + 1> free_ GUARDED_BY(mutex_);
  std::vector<os::LargeMemory> chunks_ GUARDED_BY(mutex_);
  char* fresh_ GUARDED_BY(mutex_) = nullptr;  // unused end of the newest chunk
  size_t fresh_bytes_ GUARDED_BY(mutex_) = 0;
  uint64_t reserved_ GUARDED_BY(mutex_) = 0;
};

// The editing thread's own small stock of one-page blocks.
class Magazine {
 public:
  explicit Magazine(BlockPool& pool) : pool_(pool) {}
  char* allocate(uint32_t pages) {
    if (pages != 1) return pool_.allocate(pages);
    if (count_ == 0) refill();
    return reset(blocks_[--count_]);
  }
  // Looks at nothing in the block: it may be cold.
  void free(char* node_bytes, uint32_t pages);

 private:
  friend class BlockPool;
  static constexpr uint32_t kCapacity = 128;
  static char* reset(char* node_bytes) {
    *(reinterpret_cast<BlockHeader*>(node_bytes) - 1) = BlockHeader();
    return node_bytes;
  }
  void refill();
  BlockPool& pool_;
  uint32_t count_ = 0;
  std::array<char*, kCapacity> blocks_;
};

}  // namespace strata::tree
