#include "primitives/vector_checks.h"

#include <vector>

#include "model/utf8.h"

namespace strata::primitives {

Status refuse_not_finite(const std::string& what) {
  return Status::error(Code::kInvalidVector, what + " holds NaN, infinity or a number too large for float32",
                       "every component is a finite number");
}

Status refuse_zero(const std::string& what) {
  return Status::error(Code::kZeroVector, what + " is zero, which has no direction: cosine is not defined",
                       "leave it out, or make the collection with the metric euclidean or dot_product");
}

Status refuse_dimension(const std::string& what, uint64_t dimension, std::string_view collection, uint32_t wanted) {
  return Status::error(Code::kDimensionMismatch,
                       what + " has dimension " + std::to_string(dimension) + ", collection " +
                           model::quoted(collection) + " " + std::to_string(wanted),
                       "give as many components as the collection was made with");
}

Status check_fits(const model::CollectionDefinition& definition, std::string_view collection, std::string_view value,
                  const std::string& what) {
  model::VectorView vector;
  STRATA_TRY(model::read_vector(value, &vector));
  if (vector.dimension != definition.dimension) {
    return refuse_dimension(what, vector.dimension, collection, definition.dimension);
  }
  std::vector<float> components(vector.dimension);
  vector.copy(components.data());
  const model::VectorFault fault = model::find_fault(components);
  if (fault == model::VectorFault::kNotFinite) return refuse_not_finite(what);
  const bool cosine = definition.metric == VectorMetric::kCosine;
  return fault == model::VectorFault::kZero && cosine ? refuse_zero(what) : Status::ok();
}

}  // namespace strata::primitives
