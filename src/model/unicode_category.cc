#include "model/unicode_category.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "model/unicode_category_table.h"

namespace strata::model {

unsigned unicode_category(uint32_t scalar) {
  const uint32_t behind = scalar << 5 | 31;
  const uint32_t* run = std::upper_bound(std::begin(kCategoryRuns), std::end(kCategoryRuns), behind) - 1;
  STRATA_ASSERT(*run >> 5 <= scalar);
  return *run & 31;
}

uint32_t categories_named(std::string_view name) {
  uint32_t found = 0;
  if (name.empty() || name.size() > 2 || name == "Cs") return 0;  // no string holds a surrogate
  for (unsigned i = 0; i < std::size(kCategoryNames); ++i) {
    if (std::string_view(kCategoryNames[i]).starts_with(name)) found |= 1u << i;
  }
  return found;
}

}  // namespace strata::model
