// The values of collections and of vectors.
//
// ON DISK, a vector: dimension u32 | its components, float32 each | metadata in the binary form of a value: null where
//   there is none, else an object. A collection: the object {"dimension": integer, "metric": string}.
//
// Thread safety: pure functions. Ownership: views borrow the bytes that they were parsed from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "strata/status.h"
#include "strata/value.h"
#include "strata/vector_metric.h"

namespace strata::model {

struct VectorView {
  uint32_t dimension = 0;
  const char* floats = nullptr;  // dimension × float32, little-endian, perhaps not aligned
  std::string_view metadata;     // null or an object, encoded

  size_t float_bytes() const { return size_t{4} * dimension; }
  // The components, where `to` has room for them.
  void copy(float* to) const;
};

// False: the bytes are no vector. Components and metadata are not looked into.
bool parse_vector(std::string_view bytes, VectorView* vector);
// As parse_vector, as an error.
Status read_vector(std::string_view bytes, VectorView* vector);
// Appends a vector's value to *out. `metadata` is encoded; empty: none. REQUIRES: 1 to kMaxVectorDimension components.
void build_vector(std::span<const float> components, std::string_view metadata, std::string* out);
// That it is a vector as it may be stored, for bytes of any origin: finite, of an allowed dimension, with metadata that
// is null or a valid object.
Status check_vector(std::string_view bytes);

// What may be wrong with the components of a vector.
enum class VectorFault : uint8_t { kNone, kNotFinite, kZero };
VectorFault find_fault(std::span<const float> components);

struct CollectionDefinition {
  uint32_t dimension = 0;
  VectorMetric metric = VectorMetric::kCosine;
};

// The value of a collection's row.
std::string build_collection(const CollectionDefinition& definition);
// Nothing: the bytes are no definition.
std::optional<CollectionDefinition> parse_collection(std::string_view value);

// The two parts of a vector's user key; nothing for bytes that are none.
struct VectorName {
  std::string_view collection;
  std::string_view key;
};
std::optional<VectorName> split_vector_key(std::string_view user_key);

}  // namespace strata::model
