#include "index/score.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "testing/random.h"

namespace strata::index {
namespace {

double exact_score(VectorMetric metric, const std::vector<float>& a, const std::vector<float>& b) {
  double product = 0;
  double norm_a = 0;
  double norm_b = 0;
  double distance = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = a[i];
    const double y = b[i];
    product += x * y;
    norm_a += x * x;
    norm_b += y * y;
    distance += (x - y) * (x - y);
  }
  if (metric == VectorMetric::kDotProduct) return product;
  if (metric == VectorMetric::kEuclidean) return 1 / (1 + std::sqrt(distance));
  return norm_a == 0 || norm_b == 0 ? 0 : product / std::sqrt(norm_a) / std::sqrt(norm_b);
}

std::vector<float> random_vector(testing::Random* random, size_t count, double scale) {
  std::vector<float> vector(count);
  for (float& component : vector) {
    component = static_cast<float>((static_cast<double>(random->below(2001)) - 1000) / 1000 * scale);
  }
  return vector;
}

TEST(VectorScoreTest, AsInFloat64) {
  testing::Random random(testing::test_seed(3));
  for (const double scale : {1.0, 1e-25, 1e25, 1e-40, 3e38}) {
    for (const size_t count : {1u, 2u, 15u, 16u, 17u, 384u, 1000u}) {
      const std::vector<float> query = random_vector(&random, count, scale);
      const std::vector<float> vector = random_vector(&random, count, scale);
      for (const VectorMetric metric : {VectorMetric::kCosine, VectorMetric::kEuclidean, VectorMetric::kDotProduct}) {
        const double expected = exact_score(metric, query, vector);
        const float score = Scorer(metric, query).score(vector.data(), norm_of(vector));
        if (std::fabs(expected) > 3e38) {
          EXPECT_TRUE(std::isinf(score)) << expected;
          continue;
        }
        const double size =
            metric == VectorMetric::kDotProduct ? scale * scale * static_cast<double>(count) + 1e-37 : 1.0;
        EXPECT_NEAR(score, expected, 2e-6 * size) << metric_name(metric) << " " << count << " " << scale;
      }
    }
  }
}

TEST(VectorScoreTest, EqualVectorsScoreAlikeWhereverTheyLie) {
  testing::Random random(testing::test_seed(4));
  const std::vector<float> query = random_vector(&random, 77, 1);
  const std::vector<float> vector = random_vector(&random, 77, 1);
  for (const VectorMetric metric : {VectorMetric::kCosine, VectorMetric::kEuclidean, VectorMetric::kDotProduct}) {
    const Scorer scorer(metric, query);
    const float score = scorer.score(vector.data(), norm_of(vector));
    for (size_t shift = 1; shift < 8; ++shift) {
      std::vector<float> moved(77 + shift);
      std::copy(vector.begin(), vector.end(), moved.begin() + static_cast<std::ptrdiff_t>(shift));
      const std::span<const float> there(moved.data() + shift, 77);
      EXPECT_EQ(scorer.score(there.data(), norm_of(there)), score);
    }
  }
}

TEST(VectorScoreTest, EdgesOfCosine) {
  const std::vector<float> zero = {0, 0};
  const std::vector<float> one = {1, 2};
  EXPECT_EQ(Scorer(VectorMetric::kCosine, one).score(zero.data(), norm_of(zero)), 0);
  for (const float scale : {1.0F, 1e-22F, 1e18F, 1e-44F, 1.5e38F}) {
    const std::vector<float> same = {scale, 2 * scale};
    const std::vector<float> back = {-scale, -2 * scale};
    const Scorer scorer(VectorMetric::kCosine, same);
    EXPECT_LE(scorer.score(same.data(), norm_of(same)), 1.0F);
    EXPECT_NEAR(scorer.score(same.data(), norm_of(same)), 1, 1e-6) << scale;
    EXPECT_NEAR(scorer.score(back.data(), norm_of(back)), -1, 1e-6) << scale;
  }
}

}  // namespace
}  // namespace strata::index
