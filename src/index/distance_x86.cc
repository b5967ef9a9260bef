#include "index/distance_kernels.h"

#if defined(__x86_64__)
// Headers of g++ 12 leave the unused lanes of some results unset on purpose, and it warns of that.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

// Each function is compiled for the instructions that it is named after, and called only where the machine has them.
#define STRATA_AVX2 __attribute__((target("avx2,fma,popcnt")))
#define STRATA_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,avx512dq,popcnt")))

namespace strata::index {
namespace {

// Rows that share the loads of a query.
constexpr size_t kTogether = 4;
constexpr size_t kPrefetchedRows = 8;

inline void prefetch_row(const CodeRows& rows, size_t i) {
  if (rows.picked == nullptr || i >= rows.count) return;
  const uint8_t* row = rows.row(i);
  for (size_t at = 0; at < rows.stride; at += 64) __builtin_prefetch(row + at);
}

// ---- AVX2 ----

// Eight sums: halves onto halves.
STRATA_AVX2 float fold_avx2(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  s = _mm_add_ss(s, _mm_movehdup_ps(s));
  return _mm_cvtss_f32(s);
}

STRATA_AVX2 int32_t sum_avx2(__m256i v) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
  return _mm_cvtsi128_si32(s);
}

// The rest of a row, or nothing where it has ended.
STRATA_AVX2 __m256i tail_avx2(size_t left) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(left)), lanes);
}

template <typename Term>
STRATA_AVX2 float add_up_avx2(const float* a, const float* b, size_t n) {
  __m256 s0 = _mm256_setzero_ps();
  __m256 s1 = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + kFloatLanes <= n; i += kFloatLanes) {
    s0 = _mm256_add_ps(s0, Term::of(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i)));
    s1 = _mm256_add_ps(s1, Term::of(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8)));
  }
  for (__m256* sum : {&s0, &s1}) {
    if (i >= n) break;
    const __m256i mask = tail_avx2(n - i);
    *sum = _mm256_add_ps(*sum, Term::of(_mm256_maskload_ps(a + i, mask), _mm256_maskload_ps(b + i, mask)));
    i += 8;
  }
  return fold_avx2(_mm256_add_ps(s0, s1));
}

struct ProductAvx2 {
  STRATA_AVX2 static __m256 of(__m256 a, __m256 b) { return _mm256_mul_ps(a, b); }
};

struct SquareAvx2 {
  STRATA_AVX2 static __m256 of(__m256 a, __m256 b) {
    const __m256 difference = _mm256_sub_ps(a, b);
    return _mm256_mul_ps(difference, difference);
  }
};

// Sixteen products of unsigned and signed bytes, pairs of them added.
STRATA_AVX2 __m256i products_avx2(const void* unsigned_bytes, __m256i other) {
  const __m256i u = _mm256_cvtepu8_epi16(_mm_loadu_si128(static_cast<const __m128i*>(unsigned_bytes)));
  return _mm256_madd_epi16(u, other);
}

STRATA_AVX2 __m256i load_signed_avx2(const void* bytes) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(static_cast<const __m128i*>(bytes)));
}

STRATA_AVX2 void dot_rows_avx2(const CodeRows& rows, const int8_t* query, int32_t* out) {
  for (size_t i = 0; i < rows.count; ++i) {
    prefetch_row(rows, i + kPrefetchedRows);
    const uint8_t* row = rows.row(i);
    __m256i s0 = _mm256_setzero_si256();
    __m256i s1 = _mm256_setzero_si256();
    for (size_t j = 0; j < rows.stride; j += 32) {
      s0 = _mm256_add_epi32(s0, products_avx2(row + j, load_signed_avx2(query + j)));
      s1 = _mm256_add_epi32(s1, products_avx2(row + j + 16, load_signed_avx2(query + j + 16)));
    }
    out[i] = sum_avx2(_mm256_add_epi32(s0, s1));
  }
}

STRATA_AVX2 int32_t dot_pair_avx2(const uint8_t* a, const uint8_t* b, size_t stride) {
  const __m128i flip = _mm_set1_epi8(static_cast<char>(0x80));
  __m256i sum = _mm256_setzero_si256();
  for (size_t j = 0; j < stride; j += 16) {
    const __m128i row = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b + j));
    sum = _mm256_add_epi32(sum, products_avx2(a + j, _mm256_cvtepi8_epi16(_mm_xor_si128(row, flip))));
  }
  return sum_avx2(sum);
}

STRATA_AVX2 uint64_t count_bits_avx2(const uint64_t* words, size_t count) {
  uint64_t total = 0;
  for (size_t i = 0; i < count; ++i) total += static_cast<uint64_t>(_mm_popcnt_u64(words[i]));
  return total;
}

// ---- AVX-512 with VNNI ----

STRATA_AVX512 __mmask16 tail_mask(size_t left) { return static_cast<__mmask16>((1u << left) - 1); }

STRATA_AVX512 float fold_avx512(__m512 v) {
  return fold_avx2(_mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1)));
}

template <typename Term>
STRATA_AVX512 float add_up_avx512(const float* a, const float* b, size_t n) {
  __m512 sum = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + kFloatLanes <= n; i += kFloatLanes) {
    sum = _mm512_add_ps(sum, Term::of(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i)));
  }
  if (i < n) {
    const __mmask16 mask = tail_mask(n - i);
    sum = _mm512_add_ps(sum, Term::of(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i)));
  }
  return fold_avx512(sum);
}

struct ProductAvx512 {
  STRATA_AVX512 static __m512 of(__m512 a, __m512 b) { return _mm512_mul_ps(a, b); }
};

struct SquareAvx512 {
  STRATA_AVX512 static __m512 of(__m512 a, __m512 b) {
    const __m512 difference = _mm512_sub_ps(a, b);
    return _mm512_mul_ps(difference, difference);
  }
};

STRATA_AVX512 int32_t dot_row_avx512(const uint8_t* row, const int8_t* query, size_t stride) {
  __m512i s0 = _mm512_setzero_si512();
  __m512i s1 = s0;
  size_t j = 0;
  for (; j + 128 <= stride; j += 128) {
    s0 = _mm512_dpbusd_epi32(s0, _mm512_loadu_si512(row + j), _mm512_loadu_si512(query + j));
    s1 = _mm512_dpbusd_epi32(s1, _mm512_loadu_si512(row + j + 64), _mm512_loadu_si512(query + j + 64));
  }
  if (j < stride) s0 = _mm512_dpbusd_epi32(s0, _mm512_loadu_si512(row + j), _mm512_loadu_si512(query + j));
  return _mm512_reduce_add_epi32(_mm512_add_epi32(s0, s1));
}

STRATA_AVX512 void dot_rows_avx512(const CodeRows& rows, const int8_t* query, int32_t* out) {
  if (rows.picked == nullptr) {
    // One after the other, which is how memory is read ahead.
    const uint8_t* row = rows.row(0);
    for (size_t i = 0; i < rows.count; ++i, row += rows.stride) out[i] = dot_row_avx512(row, query, rows.stride);
    return;
  }
  size_t i = 0;
  for (; i + kTogether <= rows.count; i += kTogether) {
    for (size_t next = 0; next < kTogether; ++next) prefetch_row(rows, i + kPrefetchedRows + next);
    const uint8_t* r0 = rows.row(i);
    const uint8_t* r1 = rows.row(i + 1);
    const uint8_t* r2 = rows.row(i + 2);
    const uint8_t* r3 = rows.row(i + 3);
    __m512i s0 = _mm512_setzero_si512();
    __m512i s1 = s0;
    __m512i s2 = s0;
    __m512i s3 = s0;
    for (size_t j = 0; j < rows.stride; j += 64) {
      const __m512i q = _mm512_loadu_si512(query + j);
      s0 = _mm512_dpbusd_epi32(s0, _mm512_loadu_si512(r0 + j), q);
      s1 = _mm512_dpbusd_epi32(s1, _mm512_loadu_si512(r1 + j), q);
      s2 = _mm512_dpbusd_epi32(s2, _mm512_loadu_si512(r2 + j), q);
      s3 = _mm512_dpbusd_epi32(s3, _mm512_loadu_si512(r3 + j), q);
    }
    out[i] = _mm512_reduce_add_epi32(s0);
    out[i + 1] = _mm512_reduce_add_epi32(s1);
    out[i + 2] = _mm512_reduce_add_epi32(s2);
    out[i + 3] = _mm512_reduce_add_epi32(s3);
  }
  for (; i < rows.count; ++i) out[i] = dot_row_avx512(rows.row(i), query, rows.stride);
}

STRATA_AVX512 int32_t dot_pair_avx512(const uint8_t* a, const uint8_t* b, size_t stride) {
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
  __m512i sum = _mm512_setzero_si512();
  for (size_t j = 0; j < stride; j += 64) {
    const __m512i signed_b = _mm512_xor_si512(_mm512_loadu_si512(b + j), flip);
    sum = _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(a + j), signed_b);
  }
  return _mm512_reduce_add_epi32(sum);
}

constexpr Kernels kAvx2 = {"avx2",        add_up_avx2<ProductAvx2>, add_up_avx2<SquareAvx2>, dot_rows_avx2,
                           dot_pair_avx2, count_bits_avx2};
constexpr Kernels kAvx512 = {
    "avx512",       add_up_avx512<ProductAvx512>, add_up_avx512<SquareAvx512>, dot_rows_avx512, dot_pair_avx512,
    count_bits_avx2};

}  // namespace

const Kernels* avx2_kernels() {
  const bool has = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
                   __builtin_cpu_supports("popcnt") != 0;
  return has ? &kAvx2 : nullptr;
}

const Kernels* avx512_kernels() {
  const bool has = __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
                   __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
                   __builtin_cpu_supports("avx512vnni") != 0 && __builtin_cpu_supports("popcnt") != 0;
  return has ? &kAvx512 : nullptr;
}

}  // namespace strata::index

#else

namespace strata::index {
const Kernels* avx2_kernels() { return nullptr; }
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace strata::index

#endif
