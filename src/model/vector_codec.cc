#include "model/vector_codec.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/coding.h"

namespace strata::model {
namespace {

constexpr size_t kHeadBytes = 4;

Status damaged() { return Status::error(Code::kCorruption, "a stored vector is damaged", "verify() lists all damage"); }

}  // namespace

void VectorView::copy(float* to) const {
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(to, floats, float_bytes());
  } else {
    for (uint32_t i = 0; i < dimension; ++i) to[i] = std::bit_cast<float>(base::load_u32(floats + size_t{4} * i));
  }
}

bool parse_vector(std::string_view bytes, VectorView* vector) {
  if (bytes.size() < kHeadBytes) return false;
  const uint32_t dimension = base::load_u32(bytes.data());
  if (dimension == 0 || dimension > kMaxVectorDimension) return false;
  if ((bytes.size() - kHeadBytes) / 4 < dimension) return false;
  vector->dimension = dimension;
  vector->floats = bytes.data() + kHeadBytes;
  vector->metadata = bytes.substr(kHeadBytes + size_t{4} * dimension);
  return !vector->metadata.empty();
}

Status read_vector(std::string_view bytes, VectorView* vector) {
  return parse_vector(bytes, vector) ? Status::ok() : damaged();
}

void build_vector(std::span<const float> components, std::string_view metadata, std::string* out) {
  STRATA_ASSERT(!components.empty() && components.size() <= kMaxVectorDimension);
  base::put_u32(*out, static_cast<uint32_t>(components.size()));
  if constexpr (std::endian::native == std::endian::little) {
    out->append(reinterpret_cast<const char*>(components.data()), components.size_bytes());
  } else {
    for (const float component : components) base::put_u32(*out, std::bit_cast<uint32_t>(component));
  }
  if (metadata.empty()) {
    out->push_back(static_cast<char>(value_format::kNull));
  } else {
    out->append(metadata);
  }
}

VectorFault find_fault(std::span<const float> components) {
  // Of the bits: any that is set beside the signs, and an exponent of ones.
  constexpr uint32_t kExponent = 0x7F800000;
  uint32_t any = 0;
  uint32_t not_finite = 0;
  for (const float component : components) {
    const auto bits = std::bit_cast<uint32_t>(component);
    any |= bits;
    not_finite |= static_cast<uint32_t>((bits & kExponent) == kExponent);
  }
  if (not_finite != 0) return VectorFault::kNotFinite;
  return (any & 0x7FFFFFFF) == 0 ? VectorFault::kZero : VectorFault::kNone;
}

Status check_vector(std::string_view bytes) {
  VectorView vector;
  STRATA_TRY(read_vector(bytes, &vector));
  for (uint32_t i = 0; i < vector.dimension; ++i) {
    if (!std::isfinite(std::bit_cast<float>(base::load_u32(vector.floats + size_t{4} * i)))) return damaged();
  }
  const ValueView metadata(vector.metadata);
  STRATA_TRY(metadata.validate());
  STRATA_ASSIGN(const ValueToken token, metadata.read());
  return token.type == ValueType::kNull || token.type == ValueType::kObject ? Status::ok() : damaged();
}

std::string build_collection(const CollectionDefinition& definition) {
  ValueWriter writer;
  const bool fits = writer.begin_object(2) && writer.name("dimension") && writer.integer(definition.dimension) &&
                    writer.name("metric") && writer.string(metric_name(definition.metric)) && writer.end();
  STRATA_CHECK(fits);
  return std::string(writer.result());
}

std::optional<CollectionDefinition> parse_collection(std::string_view value) {
  CollectionDefinition definition;
  bool dimension = false;
  bool metric = false;
  ValueItems members{ValueView(value)};
  while (members.next()) {
    const Result<ValueToken> token = members.value().read();
    if (!token.is_ok()) return std::nullopt;
    if (members.name() == "dimension") {
      dimension = token->type == ValueType::kInteger && token->integer >= 1 && token->integer <= kMaxVectorDimension;
      definition.dimension = static_cast<uint32_t>(token->integer);
    } else if (members.name() == "metric") {
      const auto known = token->type == ValueType::kString ? metric_of(token->bytes) : std::nullopt;
      metric = known.has_value();
      definition.metric = known.value_or(VectorMetric::kCosine);
    } else {
      return std::nullopt;
    }
  }
  if (!members.status().is_ok() || !dimension || !metric) return std::nullopt;
  return definition;
}

std::optional<VectorName> split_vector_key(std::string_view user_key) {
  const size_t nul = user_key.find('\0');
  if (nul == std::string_view::npos || nul == 0 || nul + 1 == user_key.size()) return std::nullopt;
  const VectorName name{user_key.substr(0, nul), user_key.substr(nul + 1)};
  if (name.key.find('\0') != std::string_view::npos) return std::nullopt;
  return name;
}

}  // namespace strata::model
