#include "index/distance.h"

#include <bit>
#include <vector>

#include "index/distance_kernels.h"

namespace strata::index {
namespace {

template <typename Term>
float sum_of(size_t n, const Term& term) {
  float lanes[kFloatLanes] = {};
  size_t i = 0;
  for (; i + kFloatLanes <= n; i += kFloatLanes) {
    for (size_t lane = 0; lane < kFloatLanes; ++lane) lanes[lane] += term(i + lane);
  }
  for (size_t lane = 0; i < n; ++i, ++lane) lanes[lane] += term(i);
  for (size_t width = kFloatLanes / 2; width > 0; width /= 2) {
    for (size_t lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

float dot_plain(const float* a, const float* b, size_t n) {
  return sum_of(n, [=](size_t i) { return a[i] * b[i]; });
}

float squared_l2_plain(const float* a, const float* b, size_t n) {
  return sum_of(n, [=](size_t i) { return (a[i] - b[i]) * (a[i] - b[i]); });
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

uint64_t count_bits_plain(const uint64_t* words, size_t count) {
  uint64_t total = 0;
  for (size_t i = 0; i < count; ++i) total += static_cast<uint64_t>(std::popcount(words[i]));
  return total;
}

constexpr Kernels kPlain = {"plain", dot_plain, squared_l2_plain, dot_rows_plain, dot_pair_plain, count_bits_plain};

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
