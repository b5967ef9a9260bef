// Large blocks of memory for many small objects that are reached at random: backed by huge pages where the system has
// them, which spares most of the address translation.
// Thread safety: yes. Ownership: a LargeMemory owns its block.
#pragma once

#include <cstddef>
#include <memory>

namespace strata::os {

struct FreeLargeMemory {
  void operator()(char* block) const;
};
using LargeMemory = std::unique_ptr<char, FreeLargeMemory>;

// Uninitialised bytes, aligned to 64 at least; null when there is no memory. Blocks of 2 MB and more are aligned to
// that, and asked to be huge pages as far as they fill them.
LargeMemory allocate_large(size_t bytes);

}  // namespace strata::os
