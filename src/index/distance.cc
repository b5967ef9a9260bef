#include "index/distance.h"

#include <vector>

#include "index/distance_kernels.h"

namespace strata::index {
namespace {

// Several sums at once, as the vector kernels keep them: what is lost to rounding is about the same.
constexpr size_t kLanes = 8;

float dot_plain(const float* a, const float* b, size_t n) {
  float lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) lanes[j] += a[i + j] * b[i + j];
  }
  for (; i < n; ++i) lanes[0] += a[i] * b[i];
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

float squared_l2_plain(const float* a, const float* b, size_t n) {
  float lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) {
      const float d = a[i + j] - b[i + j];
      lanes[j] += d * d;
    }
  }
  for (; i < n; ++i) lanes[0] += (a[i] - b[i]) * (a[i] - b[i]);
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

void dot_rows_plain(const CodeRows& rows, const int8_t* query, int32_t* out) {
  for (size_t i = 0; i < rows.count; ++i) {
    const uint8_t* row = rows.row(i);
    int32_t sum = 0;
    for (size_t j = 0; j < rows.stride; ++j) sum += int32_t{row[j]} * query[j];
    out[i] = sum;
  }
}

int32_t dot_pair_plain(const uint8_t* a, const uint8_t* b, size_t stride) {
  int32_t sum = 0;
  for (size_t j = 0; j < stride; ++j) sum += int32_t{a[j]} * (int32_t{b[j]} - 128);
  return sum;
}

constexpr Kernels kPlain = {"plain", dot_plain, squared_l2_plain, dot_rows_plain, dot_pair_plain};

const std::vector<const Kernels*>& usable() {
  static const std::vector<const Kernels*> all = [] {
    std::vector<const Kernels*> found;
    for (const Kernels* kernels : {avx512_kernels(), avx2_kernels(), neon_kernels(), &plain_kernels()}) {
      if (kernels != nullptr) found.push_back(kernels);
    }
    return found;
  }();
  return all;
}

}  // namespace

const Kernels& plain_kernels() { return kPlain; }

const Kernels& kernels() {
  static const Kernels& best = *usable().front();
  return best;
}

std::span<const Kernels* const> usable_kernels() { return usable(); }

}  // namespace strata::index
