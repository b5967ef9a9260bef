#include "base/out_of_memory.h"

#include <cstdint>
#include <cstdlib>
#include <new>

namespace strata::base {

void out_of_memory() {
  // More than any machine has: std::bad_alloc comes out, as from every other allocation.
  (void)::operator new(PTRDIFF_MAX);
  std::abort();
}

}  // namespace strata::base
