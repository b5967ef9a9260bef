// The general categories of Unicode: what \p{Lu} in a regular expression means.
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <string_view>

namespace strata::model {

// The number of the category, below 30.
unsigned unicode_category(uint32_t scalar);
// The categories that "Lu", or "L" for all of a kind, stands for, a bit each; 0 where there is none of that name.
uint32_t categories_named(std::string_view name);

}  // namespace strata::model
