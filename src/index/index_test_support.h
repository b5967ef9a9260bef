// Vectors for tests: clustered, as embeddings are.
// Thread safety: none. Ownership: owns its arrays.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include "index/bitmap.h"
#include "index/candidates.h"
#include "index/codes.h"

namespace strata::index {

// hnswlib takes its locks in whatever order rows meet, which the thread sanitizer reports although one thread builds.
#ifdef __SANITIZE_THREAD__
constexpr bool kLocksAreReported = true;
#else
constexpr bool kLocksAreReported = false;
#endif

inline std::vector<float> clustered_rows(uint32_t rows, uint32_t dimension, uint32_t clusters, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> centres(size_t{clusters} * dimension);
  for (float& value : centres) value = normal(random);
  std::vector<float> all(size_t{rows} * dimension);
  for (uint32_t row = 0; row < rows; ++row) {
    const uint64_t cluster = random() % clusters;
    for (uint32_t i = 0; i < dimension; ++i) {
      all[size_t{row} * dimension + i] = centres[cluster * dimension + i] + 0.5F * normal(random);
    }
  }
  return all;
}

// A table with its arrays.
struct OwnedTable {
  OwnedTable(VectorMetric metric, uint32_t dimension, const std::vector<float>& floats) {
    const auto rows = static_cast<uint32_t>(floats.size() / dimension);
    CentreSum sum(metric, dimension);
    for (uint32_t row = 0; row < rows; ++row) sum.add(floats.data() + size_t{row} * dimension);
    centre.resize(dimension);
    sum.mean(centre.data());
    factors.resize(rows);
    bounds.resize(rows);
    codes.resize(rows * code_stride(dimension));
    RowEncoder encoder(metric, dimension, centre.data());
    for (uint32_t row = 0; row < rows; ++row) {
      valid &= encoder.encode(floats.data() + size_t{row} * dimension, codes.data() + row * code_stride(dimension),
                              &factors[row], &bounds[row]);
    }
    table = {metric, dimension, rows, centre.data(), factors.data(), bounds.data(), codes.data(), widest_of(bounds)};
  }
  std::vector<float> centre;
  std::vector<RowFactors> factors;
  std::vector<RowBounds> bounds;
  std::vector<uint8_t> codes;
  bool valid = true;
  CodeTable table;
};

// In float64.
inline double exact_closeness(VectorMetric metric, const float* a, const float* b, uint32_t dimension) {
  double dot = 0;
  double aa = 0;
  double bb = 0;
  double distance = 0;
  for (uint32_t i = 0; i < dimension; ++i) {
    dot += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
    distance += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  }
  if (metric == VectorMetric::kDotProduct) return dot;
  return metric == VectorMetric::kCosine ? dot / std::sqrt(aa * bb) : -distance;
}

// The k closest rows of `allowed` (null: all).
inline std::vector<uint32_t> exact_nearest(VectorMetric metric, const std::vector<float>& floats, uint32_t dimension,
                                           const float* query, size_t k, const Bitmap* allowed = nullptr) {
  std::vector<std::pair<double, uint32_t>> all;
  const auto rows = static_cast<uint32_t>(floats.size() / dimension);
  for (uint32_t row = 0; row < rows; ++row) {
    if (allowed != nullptr && !allowed->test(row)) continue;
    all.emplace_back(-exact_closeness(metric, floats.data() + size_t{row} * dimension, query, dimension), row);
  }
  k = std::min(k, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(k), all.end());
  std::vector<uint32_t> nearest;
  for (size_t i = 0; i < k; ++i) nearest.push_back(all[i].second);
  return nearest;
}

// Of the rows that are the nearest, the share that was found.
inline double recall(const std::vector<Candidate>& found, const std::vector<uint32_t>& exact) {
  std::set<uint32_t> rows;
  for (const Candidate& candidate : found) rows.insert(candidate.row);
  size_t hits = 0;
  for (const uint32_t row : exact) hits += rows.count(row);
  return static_cast<double>(hits) / static_cast<double>(exact.size());
}

}  // namespace strata::index
