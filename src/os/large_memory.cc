#include "os/large_memory.h"

#include <cstdlib>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace strata::os {
namespace {

constexpr size_t kHugePageBytes = 2u << 20;
constexpr size_t kAlignment = 64;

}  // namespace

void FreeLargeMemory::operator()(char* block) const { std::free(block); }

LargeMemory allocate_large(size_t bytes) {
  const bool huge = bytes >= kHugePageBytes;
  const size_t rounded = (bytes + kAlignment - 1) & ~(kAlignment - 1);
  LargeMemory block(static_cast<char*>(std::aligned_alloc(huge ? kHugePageBytes : kAlignment, rounded)));
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  // Advice: without it everything works, a little slower.
  if (huge && block != nullptr) (void)::madvise(block.get(), bytes, MADV_HUGEPAGE);
#endif
  return block;
}

}  // namespace strata::os
