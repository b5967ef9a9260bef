// What a vector must be to lie in a collection, and the errors that say so. `what` names the vector.
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "model/vector_codec.h"
#include "strata/status.h"

namespace strata::primitives {

Status refuse_not_finite(const std::string& what);
Status refuse_zero(const std::string& what);
Status refuse_dimension(const std::string& what, uint64_t dimension, std::string_view collection, uint32_t wanted);

// Whether a stored value can lie in the collection.
Status check_fits(const model::CollectionDefinition& definition, std::string_view collection, std::string_view value,
                  const std::string& what);

}  // namespace strata::primitives
