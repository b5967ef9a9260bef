#include "os/spare_memory.h"

#include <sys/mman.h>

namespace strata::os {

bool has_spare_memory(size_t bytes) {
  void* const mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return false;
  ::munmap(mapped, bytes);
  return true;
}

}  // namespace strata::os
