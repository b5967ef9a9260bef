#include "index/distance_kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#include <cstring>

namespace strata::index {
namespace {

// Sixteen sums, and what is added to them: whole rows of sixteen, then the rest.
class Sums {
 public:
  template <typename Term>
  static float of(const float* a, const float* b, size_t n, const Term& term) {
    float32x4_t sums[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
    size_t i = 0;
    for (; i + kFloatLanes <= n; i += kFloatLanes) add(a + i, b + i, term, sums);
    if (i < n) {
      float rest_a[kFloatLanes] = {};
      float rest_b[kFloatLanes] = {};
      std::memcpy(rest_a, a + i, (n - i) * sizeof(float));
      std::memcpy(rest_b, b + i, (n - i) * sizeof(float));
      add(rest_a, rest_b, term, sums);
    }
    const float32x4_t four = vaddq_f32(vaddq_f32(sums[0], sums[2]), vaddq_f32(sums[1], sums[3]));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
  }

 private:
  template <typename Term>
  static void add(const float* a, const float* b, const Term& term, float32x4_t* sums) {
    for (size_t i = 0; i < 4; ++i) sums[i] = vaddq_f32(sums[i], term(vld1q_f32(a + 4 * i), vld1q_f32(b + 4 * i)));
  }
};

float dot_neon(const float* a, const float* b, size_t n) {
  return Sums::of(a, b, n, [](float32x4_t x, float32x4_t y) { return vmulq_f32(x, y); });
}

float squared_l2_neon(const float* a, const float* b, size_t n) {
  return Sums::of(a, b, n, [](float32x4_t x, float32x4_t y) {
    const float32x4_t difference = vsubq_f32(x, y);
    return vmulq_f32(difference, difference);
  });
}

// Adds sixteen products of unsigned and signed bytes to four sums.
inline int32x4_t add_products(int32x4_t sum, uint8x16_t row, int8x16_t other) {
  const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(row)));
  const int16x8_t high = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(row)));
  const int16x8_t other_low = vmovl_s8(vget_low_s8(other));
  const int16x8_t other_high = vmovl_s8(vget_high_s8(other));
  sum = vmlal_s16(sum, vget_low_s16(low), vget_low_s16(other_low));
  sum = vmlal_s16(sum, vget_high_s16(low), vget_high_s16(other_low));
  sum = vmlal_s16(sum, vget_low_s16(high), vget_low_s16(other_high));
  return vmlal_s16(sum, vget_high_s16(high), vget_high_s16(other_high));
}

void dot_rows_neon(const CodeRows& rows, const int8_t* query, int32_t* out) {
  for (size_t i = 0; i < rows.count; ++i) {
    const uint8_t* row = rows.row(i);
    if (rows.picked != nullptr && i + 2 < rows.count) {
      for (size_t at = 0; at < rows.stride; at += 64) __builtin_prefetch(rows.row(i + 2) + at);
    }
    int32x4_t s0 = vdupq_n_s32(0);
    int32x4_t s1 = vdupq_n_s32(0);
    for (size_t j = 0; j < rows.stride; j += 32) {
      s0 = add_products(s0, vld1q_u8(row + j), vld1q_s8(query + j));
      s1 = add_products(s1, vld1q_u8(row + j + 16), vld1q_s8(query + j + 16));
    }
    out[i] = vaddvq_s32(vaddq_s32(s0, s1));
  }
}

int32_t dot_pair_neon(const uint8_t* a, const uint8_t* b, size_t stride) {
  const uint8x16_t flip = vdupq_n_u8(0x80);
  int32x4_t sum = vdupq_n_s32(0);
  for (size_t j = 0; j < stride; j += 16) {
    sum = add_products(sum, vld1q_u8(a + j), vreinterpretq_s8_u8(veorq_u8(vld1q_u8(b + j), flip)));
  }
  return vaddvq_s32(sum);
}

uint64_t count_bits_neon(const uint64_t* words, size_t count) { return plain_kernels().count_bits(words, count); }

constexpr Kernels kNeon = {"neon", dot_neon, squared_l2_neon, dot_rows_neon, dot_pair_neon, count_bits_neon};

}  // namespace

const Kernels* neon_kernels() { return &kNeon; }

}  // namespace strata::index

#else

namespace strata::index {
const Kernels* neon_kernels() { return nullptr; }
}  // namespace strata::index

#endif
