// Words of English that stand in nearly every text and say little about it: the, of, is, …
// Thread safety: pure. Ownership: none.
#pragma once

#include <string_view>

namespace strata::index {

bool is_common_word(std::string_view folded);

}  // namespace strata::index
