#include "index/distance.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "index/codes.h"
#include "index/distance_kernels.h"

namespace strata::index {
namespace {

constexpr uint32_t kDimensions[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 100, 127, 128, 129, 384, 769, 1536};

TEST(Distance, FloatKernelsAreEqualToTheBit) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const uint32_t dimension : kDimensions) {
    // One float further on: aligned to nothing wider.
    std::vector<float> a(dimension + 1);
    std::vector<float> b(dimension + 1);
    for (float& value : a) value = normal(random);
    for (float& value : b) value = normal(random);
    const float dot = plain_kernels().dot(a.data() + 1, b.data() + 1, dimension);
    const float distance = plain_kernels().squared_l2(a.data() + 1, b.data() + 1, dimension);
    for (const Kernels* kernels : usable_kernels()) {
      EXPECT_EQ(kernels->dot(a.data() + 1, b.data() + 1, dimension), dot) << kernels->name << dimension;
      EXPECT_EQ(kernels->squared_l2(a.data() + 1, b.data() + 1, dimension), distance) << kernels->name << dimension;
    }
  }
}

TEST(Distance, BitsAreCounted) {
  std::mt19937_64 random(2);
  for (const size_t count : {0U, 1U, 7U, 64U}) {
    std::vector<uint64_t> words(count);
    uint64_t wanted = 0;
    for (uint64_t& word : words) {
      word = random();
      for (uint64_t left = word; left != 0; left &= left - 1) ++wanted;
    }
    for (const Kernels* kernels : usable_kernels()) {
      EXPECT_EQ(kernels->count_bits(words.data(), count), wanted) << kernels->name;
    }
  }
}

struct Codes {
  Codes(uint32_t dimension, uint32_t row_count, bool extreme)
      : stride(code_stride(dimension)), rows(row_count * stride, 128), query(stride, 0) {
    std::mt19937 random(dimension);
    const auto code = [&] {
      return extreme ? (random() % 2 == 0 ? 127 : -127) : static_cast<int>(random() % 255) - 127;
    };
    for (uint32_t row = 0; row < row_count; ++row) {
      for (uint32_t i = 0; i < dimension; ++i) rows[row * stride + i] = static_cast<uint8_t>(code() + 128);
    }
    for (uint32_t i = 0; i < dimension; ++i) query[i] = static_cast<int8_t>(extreme ? 127 : code());
  }
  size_t stride;
  std::vector<uint8_t> rows;
  std::vector<int8_t> query;
};

TEST(Distance, CodeKernelsAreEqual) {
  constexpr uint32_t kRows = 11;
  const std::vector<uint32_t> picked = {3, 0, 10, 10, 7};
  for (const uint32_t dimension : kDimensions) {
    for (const bool extreme : {false, true}) {
      const Codes codes(dimension, kRows, extreme);
      CodeRows consecutive{codes.rows.data(), codes.stride, nullptr, 1, kRows - 1};
      CodeRows chosen{codes.rows.data(), codes.stride, picked.data(), 0, picked.size()};
      std::vector<int32_t> wanted(kRows);
      std::vector<int32_t> got(kRows);
      for (const Kernels* kernels : usable_kernels()) {
        for (const CodeRows& rows : {consecutive, chosen}) {
          plain_kernels().dot_rows(rows, codes.query.data(), wanted.data());
          kernels->dot_rows(rows, codes.query.data(), got.data());
          for (size_t i = 0; i < rows.count; ++i) ASSERT_EQ(got[i], wanted[i]) << kernels->name << " " << dimension;
        }
        const uint8_t* b = codes.rows.data() + codes.stride;
        ASSERT_EQ(kernels->dot_pair(codes.rows.data(), b, codes.stride),
                  plain_kernels().dot_pair(codes.rows.data(), b, codes.stride))
            << kernels->name << " " << dimension;
      }
    }
  }
}

TEST(Distance, TheLargestSumsFit) {
  const uint32_t dimension = kMaxVectorDimension;
  const std::vector<uint8_t> row(dimension, 255);
  const std::vector<int8_t> query(dimension, 127);
  const int64_t wanted = int64_t{255} * 127 * dimension;
  for (const Kernels* kernels : usable_kernels()) {
    int32_t got = 0;
    kernels->dot_rows({row.data(), dimension, nullptr, 0, 1}, query.data(), &got);
    EXPECT_EQ(got, wanted) << kernels->name;
    EXPECT_EQ(kernels->dot_pair(row.data(), row.data(), dimension), wanted) << kernels->name;
  }
}

}  // namespace
}  // namespace strata::index
