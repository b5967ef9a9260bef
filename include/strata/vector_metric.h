// How near two vectors are: what a collection is made with, and what a search may ask for instead.
// Thread safety: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace strata {

// A higher score is nearer.
enum class VectorMetric : uint8_t {
  kCosine,      // in [-1, 1]; 0 where one of the two is zero
  kEuclidean,   // 1 / (1 + distance)
  kDotProduct,  // the product itself
};

constexpr uint32_t kMaxVectorDimension = 65'536;

// The word for it: "cosine", "euclidean", "dot_product".
constexpr std::string_view metric_name(VectorMetric metric) {
  return metric == VectorMetric::kCosine ? "cosine" : metric == VectorMetric::kEuclidean ? "euclidean" : "dot_product";
}

constexpr std::optional<VectorMetric> metric_of(std::string_view name) {
  for (const VectorMetric metric : {VectorMetric::kCosine, VectorMetric::kEuclidean, VectorMetric::kDotProduct}) {
    if (name == metric_name(metric)) return metric;
  }
  return std::nullopt;
}

}  // namespace strata
