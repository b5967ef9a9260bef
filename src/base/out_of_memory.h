// What operator new does when there is no memory, for those who get theirs in another way.
// Thread safety: any thread. Ownership: none.
#pragma once

namespace strata::base {

[[noreturn]] void out_of_memory();

}  // namespace strata::base
