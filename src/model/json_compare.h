// What is equal and what is less inside of documents: in a patch's tests, in a path's filters.
//
// Numbers by what they are worth, exactly: 1 and 1.0 are the same, 2^53 + 1 and 2^53 are not, whichever is a float. NaN
// equals nothing. Everything else by type and parts, members in any order; strings by their code points.
//
// Thread safety: pure functions. Bytes of any origin: damage makes values differ.
#pragma once

#include <compare>

#include "strata/value.h"

namespace strata::model {

inline bool is_number(ValueType type) { return type == ValueType::kInteger || type == ValueType::kFloat; }
inline bool is_container(ValueType type) { return type == ValueType::kArray || type == ValueType::kObject; }

// REQUIRES: both are numbers.
std::partial_ordering compare_numbers(const ValueToken& a, const ValueToken& b);

bool equal_json(ValueView a, ValueView b);

}  // namespace strata::model
