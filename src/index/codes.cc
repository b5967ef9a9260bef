#include "index/codes.h"

#include <algorithm>
#include <cmath>

namespace strata::index {
namespace {

constexpr float kMostCode = 127;

// What a vector is multiplied by before anything else.
float normalisation(VectorMetric metric, const float* vector, size_t dimension) {
  if (metric != VectorMetric::kCosine) return 1;
  const float squared = kernels().dot(vector, vector, dimension);
  // Beyond this the sum has lost its precision; and zero has no direction.
  if (squared > 1e-30F && squared < 1e30F) return 1 / std::sqrt(squared);
  double exact = 0;
  for (size_t i = 0; i < dimension; ++i) exact += static_cast<double>(vector[i]) * vector[i];
  return exact == 0 ? 0 : static_cast<float>(1 / std::sqrt(exact));
}

float greatest(const float* values, size_t n) {
  float lanes[kFloatLanes] = {};
  size_t i = 0;
  for (; i + kFloatLanes <= n; i += kFloatLanes) {
    for (size_t lane = 0; lane < kFloatLanes; ++lane) lanes[lane] = std::max(lanes[lane], std::abs(values[i + lane]));
  }
  for (; i < n; ++i) lanes[0] = std::max(lanes[0], std::abs(values[i]));
  return *std::max_element(std::begin(lanes), std::end(lanes));
}

// The nearest whole number, from -127 to 127; that for what is none, which whoever asks refuses then.
float nearest_code(float value) {
  constexpr float kShift = 12'582'912;  // numbers of its size have no fractions
  const float nearest = (value + kShift) - kShift;
  return nearest > -kMostCode ? (nearest < kMostCode ? nearest : kMostCode) : -kMostCode;
}

struct Rounded {
  float length = 0;  // of the bytes
  float error = 0;   // at least the length of what they leave out
};

// Writes c + `shift` for values ≈ scale·c, and into `values` what is left of them.
template <typename Byte>
Rounded round_all(std::span<float> values, float scale, int shift, Byte* codes) {
  const float inverse = scale > 0 ? 1 / scale : 0;
  int32_t squares = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const float nearest = nearest_code(values[i] * inverse);
    const auto code = static_cast<int32_t>(nearest);
    codes[i] = static_cast<Byte>(code + shift);
    squares += code * code;
    values[i] -= scale * nearest;
  }
  constexpr float kSumsRounded = 1.0001F;
  const float left = kernels().dot(values.data(), values.data(), values.size());
  return {scale * std::sqrt(static_cast<float>(squares)), kSumsRounded * std::sqrt(left)};
}

}  // namespace

RowBounds widest_of(std::span<const RowBounds> rows) {
  RowBounds widest;
  for (const RowBounds& row : rows) {
    widest.length = std::max(widest.length, row.length);
    widest.error = std::max(widest.error, row.error);
  }
  return widest;
}

void CentreSum::add(const float* row) {
  const float factor = normalisation(metric_, row, sums_.size());
  for (size_t i = 0; i < sums_.size(); ++i) sums_[i] += static_cast<double>(row[i]) * factor;
  ++rows_;
}

void CentreSum::mean(float* centre) const {
  for (size_t i = 0; i < sums_.size(); ++i) {
    centre[i] = rows_ == 0 ? 0 : static_cast<float>(sums_[i] / static_cast<double>(rows_));
  }
}

bool RowEncoder::encode(const float* row, uint8_t* codes, RowFactors* factors, RowBounds* bounds) {
  const float factor = normalisation(metric_, row, dimension_);
  for (uint32_t i = 0; i < dimension_; ++i) difference_[i] = row[i] * factor - centre_[i];
  factors->scale = greatest(difference_.data(), dimension_) / kMostCode;
  factors->bias = 0;
  if (metric_ == VectorMetric::kEuclidean) {
    factors->bias = -kernels().dot(difference_.data(), difference_.data(), dimension_);
  }
  const Rounded rounded = round_all(std::span<float>(difference_), factors->scale, 128, codes);
  std::fill(codes + dimension_, codes + code_stride(dimension_), uint8_t{128});
  bounds->length = rounded.length;
  bounds->error = rounded.error;
  // Sums of squares stay finite with room to spare.
  return bounds->length < 1e15F && std::isfinite(factors->scale) && std::isfinite(factors->bias);
}

CodedQuery::CodedQuery(const CodeTable& table, std::span<const float> query) : codes_(code_stride(table.dimension)) {
  const size_t n = query.size();
  std::vector<float> values(n);
  const float normal = normalisation(table.metric, query.data(), n);
  const bool euclidean = table.metric == VectorMetric::kEuclidean;
  for (size_t i = 0; i < n; ++i) values[i] = query[i] * normal - (euclidean ? table.centre[i] : 0);
  unit_ = euclidean ? 2 : 1;
  const float scale = greatest(values.data(), n) / kMostCode;
  factor_ = unit_ * scale;
  const float squared = kernels().dot(values.data(), values.data(), n);
  length_ = std::sqrt(squared);
  constant_ = euclidean ? -squared : kernels().dot(table.centre, values.data(), n);
  error_ = round_all(std::span<float>(values), scale, 0, codes_.data()).error;
  for (const int8_t code : codes_) offset_ += 128 * code;
  const float centre = std::sqrt(kernels().dot(table.centre, table.centre, n));
  rounding_base_ = squared + length_ * centre + (euclidean ? centre * centre : 0);
  valid_ = length_ < 1e15F && std::isfinite(constant_) && std::isfinite(rounding_base_);
}

}  // namespace strata::index
