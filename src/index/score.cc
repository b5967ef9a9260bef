#include "index/score.h"

#include <algorithm>
#include <cmath>

namespace strata::index {
namespace {

// Sums side by side, so that the compiler may use vector instructions without changing the result.
constexpr size_t kLanes = 16;

template <typename Sum, typename Term>
Sum sum_of(size_t count, const Term& term) {
  Sum lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
  }
  for (size_t lane = 0; i < count; ++i, ++lane) lanes[lane] += term(i);
  for (size_t width = kLanes / 2; width > 0; width /= 2) {
    for (size_t lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

template <typename Sum>
Sum dot(const float* a, const float* b, size_t count) {
  return sum_of<Sum>(count, [=](size_t i) { return static_cast<Sum>(a[i]) * static_cast<Sum>(b[i]); });
}

template <typename Sum>
Sum squared_distance(const float* a, const float* b, size_t count) {
  return sum_of<Sum>(count, [=](size_t i) {
    const Sum difference = static_cast<Sum>(a[i]) - static_cast<Sum>(b[i]);
    return difference * difference;
  });
}

// Squares whose sum has kept its precision.
bool is_sound(float squared) { return squared > 1e-30F && squared < 1e30F; }

}  // namespace

VectorNorm norm_of(std::span<const float> vector) { return {dot<float>(vector.data(), vector.data(), vector.size())}; }

Scorer::Scorer(VectorMetric metric, std::span<const float> query)
    : metric_(metric), query_(query), norm_(norm_of(query)) {}

float Scorer::score(const float* vector, const VectorNorm& norm) const {
  const float* query = query_.data();
  const size_t count = query_.size();
  if (metric_ == VectorMetric::kEuclidean) {
    const auto squared = squared_distance<float>(query, vector, count);
    if (is_sound(squared)) return 1.0F / (1.0F + std::sqrt(squared));
    return static_cast<float>(1.0 / (1.0 + std::sqrt(squared_distance<double>(query, vector, count))));
  }
  if (metric_ == VectorMetric::kCosine && !(is_sound(norm.squared) && is_sound(norm_.squared))) {
    return exact_cosine(vector);
  }
  const auto product = dot<float>(query, vector, count);
  if (metric_ == VectorMetric::kCosine) {
    return std::clamp(product / (std::sqrt(norm.squared) * std::sqrt(norm_.squared)), -1.0F, 1.0F);
  }
  return std::isfinite(product) ? product : static_cast<float>(dot<double>(query, vector, count));
}

float Scorer::exact_cosine(const float* vector) const {
  const size_t count = query_.size();
  const double norm =
      std::sqrt(dot<double>(query_.data(), query_.data(), count)) * std::sqrt(dot<double>(vector, vector, count));
  if (norm == 0) return 0;
  return static_cast<float>(std::clamp(dot<double>(query_.data(), vector, count) / norm, -1.0, 1.0));
}

}  // namespace strata::index
