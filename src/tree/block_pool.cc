#include "tree/block_pool.h"

#include <cstring>

#include "base/out_of_memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define STRATA_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STRATA_ADDRESS_SANITIZER 1
#endif
#endif
#ifdef STRATA_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace strata::tree {
namespace {

constexpr size_t kFirstChunkBytes = 256u << 10;
constexpr size_t kChunkBytes = 2u << 20;

size_t block_bytes(uint32_t pages) { return sizeof(BlockHeader) + size_t{pages} * storage::kPageBytes; }

// A freed node is not to be looked at: the address sanitizer says so at once, a debug build by nonsense.
void hide(char* node_bytes, uint32_t pages) {
#ifdef STRATA_ADDRESS_SANITIZER
  __asan_poison_memory_region(node_bytes, size_t{pages} * storage::kPageBytes);
#elif defined(STRATA_DEBUG)
  std::memset(node_bytes, 0xdb, size_t{pages} * storage::kPageBytes);
#else
  (void)node_bytes;
  (void)pages;
#endif
}

void show(char* node_bytes, uint32_t pages) {
#ifdef STRATA_ADDRESS_SANITIZER
  __asan_unpoison_memory_region(node_bytes, size_t{pages} * storage::kPageBytes);
#else
  (void)node_bytes;
  (void)pages;
#endif
}

}  // namespace

char* BlockPool::take_locked(uint32_t pages) {
  std::vector<char*>& stock = free_[pages];
  if (!stock.empty()) {
    char* block = stock.back();
    stock.pop_back();
    show(block, pages);
    return block;
  }
  const size_t bytes = block_bytes(pages);
  if (fresh_bytes_ < bytes) {
    const size_t chunk_bytes = chunks_.empty() ? kFirstChunkBytes : kChunkBytes;
    auto chunk = os::allocate_large(chunk_bytes);
    if (chunk == nullptr) base::out_of_memory();
    chunks_.push_back(std::move(chunk));
    reserved_ += chunk_bytes;
    fresh_ = chunks_.back().get();
    fresh_bytes_ = chunk_bytes;
  }
  char* block = fresh_ + sizeof(BlockHeader);
  fresh_ += bytes;
  fresh_bytes_ -= bytes;
  return block;
}

char* BlockPool::allocate(uint32_t pages) {
  STRATA_ASSERT(pages >= 1 && pages <= kMaxNodePages);
  base::MutexLock lock(mutex_);
  return Magazine::reset(take_locked(pages));
}

void BlockPool::free(char* node_bytes, uint32_t pages) {
  hide(node_bytes, pages);
  base::MutexLock lock(mutex_);
  free_[pages].push_back(node_bytes);
}

uint64_t BlockPool::reserved_bytes() const {
  base::MutexLock lock(mutex_);
  return reserved_;
}

void Magazine::free(char* node_bytes, uint32_t pages) {
  if (pages != 1) return pool_.free(node_bytes, pages);
  if (count_ == kCapacity) {
    base::MutexLock lock(pool_.mutex_);
    while (count_ > kCapacity / 2) {
      char* block = blocks_[--count_];
      hide(block, 1);
      pool_.free_[1].push_back(block);
    }
  }
  blocks_[count_++] = node_bytes;
}

void Magazine::refill() {
  base::MutexLock lock(pool_.mutex_);
  while (count_ < kCapacity / 4) blocks_[count_++] = pool_.take_locked(1);
}

}  // namespace strata::tree
