// The members of an object in the order of their names, to compare or join two objects in less than quadratic time.
// Thread safety: pure. Ownership: borrows the object's bytes.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "strata/value.h"

namespace strata::model {

using Member = std::pair<std::string_view, ValueView>;

// False: the bytes are damaged, or no object.
bool sorted_members(ValueView object, std::vector<Member>* members);
// Null if there is none. REQUIRES: sorted.
const Member* find_sorted(const std::vector<Member>& members, std::string_view name);

}  // namespace strata::model
