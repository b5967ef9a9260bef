#include "index/codes.h"

#include <gtest/gtest.h>

#include <limits>

#include "index/index_test_support.h"

namespace strata::index {
namespace {

constexpr VectorMetric kMetrics[] = {VectorMetric::kCosine, VectorMetric::kEuclidean, VectorMetric::kDotProduct};
constexpr uint32_t kDimension = 48;

float closeness_of(const OwnedTable& made, const CodedQuery& query, uint32_t row) {
  int32_t product = 0;
  kernels().dot_rows({made.codes.data(), code_stride(made.table.dimension), nullptr, row, 1}, query.codes(), &product);
  return query.closeness(product, made.factors[row]);
}

TEST(Codes, ClosenessLiesWithinItsBounds) {
  for (const VectorMetric metric : kMetrics) {
    // Far from the origin, and of very different lengths.
    std::vector<float> floats = clustered_rows(500, kDimension, 5, 3);
    for (size_t i = 0; i < floats.size(); ++i)
      floats[i] = (floats[i] + 30) * (1 + static_cast<float>(i / kDimension % 7));
    const OwnedTable made(metric, kDimension, floats);
    ASSERT_TRUE(made.valid);
    for (uint32_t q = 0; q < 20; ++q) {
      const std::span<const float> query(floats.data() + size_t{q} * 17 * kDimension, kDimension);
      const CodedQuery coded(made.table, query);
      ASSERT_TRUE(coded.valid());
      for (uint32_t row = 0; row < made.table.rows; ++row) {
        const double exact =
            exact_closeness(metric, floats.data() + size_t{row} * kDimension, query.data(), kDimension);
        ASSERT_NEAR(closeness_of(made, coded, row), exact, coded.slack(made.bounds[row]));
      }
    }
  }
}

TEST(Codes, ZeroAndConstantRowsWork) {
  std::vector<float> floats(3 * kDimension, 0);
  for (uint32_t i = 0; i < kDimension; ++i) floats[kDimension + i] = 1;
  for (const VectorMetric metric : kMetrics) {
    const OwnedTable made(metric, kDimension, floats);
    EXPECT_TRUE(made.valid);
    const CodedQuery coded(made.table, std::span<const float>(floats).subspan(kDimension, kDimension));
    EXPECT_GT(closeness_of(made, coded, 1), closeness_of(made, coded, 0));
  }
}

TEST(Codes, NumbersThatAreTooLargeAreRefused) {
  const std::vector<float> floats(2 * kDimension, std::numeric_limits<float>::max());
  EXPECT_TRUE(OwnedTable(VectorMetric::kCosine, kDimension, floats).valid);  // normalised
  EXPECT_FALSE(OwnedTable(VectorMetric::kEuclidean, kDimension, floats).valid &&
               CodedQuery(OwnedTable(VectorMetric::kEuclidean, kDimension, floats).table,
                          std::span<const float>(floats).first(kDimension))
                   .valid());
  const OwnedTable small(VectorMetric::kDotProduct, kDimension, std::vector<float>(kDimension, 1));
  EXPECT_FALSE(CodedQuery(small.table, std::span<const float>(floats).first(kDimension)).valid());
}

}  // namespace
}  // namespace strata::index
