// Whether there is memory left, asked by those who could not bear to run out of it.
// Thread safety: any thread. Ownership: none.
#pragma once

#include <cstddef>

namespace strata::os {

// Whether the process could have so many bytes more right now. Touches none of them.
bool has_spare_memory(size_t bytes);

}  // namespace strata::os
