#include "index/score.h"

#include <algorithm>
#include <cmath>

#include "index/distance.h"

namespace strata::index {
namespace {

double dot_double(const float* a, const float* b, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

double squared_distance_double(const float* a, const float* b, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    sum += difference * difference;
  }
  return sum;
}

// Squares whose sum has kept its precision.
bool is_sound(float squared) { return squared > 1e-30F && squared < 1e30F; }

}  // namespace

VectorNorm norm_of(std::span<const float> vector) {
  return {kernels().dot(vector.data(), vector.data(), vector.size())};
}

Scorer::Scorer(VectorMetric metric, std::span<const float> query)
    : metric_(metric), query_(query), norm_(norm_of(query)) {}

float Scorer::score(const float* vector, const VectorNorm& norm) const {
  const float* query = query_.data();
  const size_t count = query_.size();
  if (metric_ == VectorMetric::kEuclidean) {
    const float squared = kernels().squared_l2(query, vector, count);
    if (is_sound(squared)) return 1.0F / (1.0F + std::sqrt(squared));
    return static_cast<float>(1.0 / (1.0 + std::sqrt(squared_distance_double(query, vector, count))));
  }
  if (metric_ == VectorMetric::kCosine && !(is_sound(norm.squared) && is_sound(norm_.squared))) {
    return exact_cosine(vector);
  }
  const float product = kernels().dot(query, vector, count);
  if (metric_ == VectorMetric::kCosine) {
    return std::clamp(product / (std::sqrt(norm.squared) * std::sqrt(norm_.squared)), -1.0F, 1.0F);
  }
  return std::isfinite(product) ? product : static_cast<float>(dot_double(query, vector, count));
}

float Scorer::exact_cosine(const float* vector) const {
  const size_t count = query_.size();
  const double norm =
      std::sqrt(dot_double(query_.data(), query_.data(), count)) * std::sqrt(dot_double(vector, vector, count));
  if (norm == 0) return 0;
  return static_cast<float>(std::clamp(dot_double(query_.data(), vector, count) / norm, -1.0, 1.0));
}

}  // namespace strata::index
