#include "index/flat_scan.h"

#include <gtest/gtest.h>

#include "index/index_test_support.h"

namespace strata::index {
namespace {

constexpr VectorMetric kMetrics[] = {VectorMetric::kCosine, VectorMetric::kEuclidean, VectorMetric::kDotProduct};
constexpr uint32_t kDimension = 48;
constexpr size_t kK = 10;

TEST(FlatScan, FindsTheNearest) {
  for (const VectorMetric metric : kMetrics) {
    const std::vector<float> floats = clustered_rows(3000, kDimension, 20, 5);
    const OwnedTable made(metric, kDimension, floats);
    Bitmap some(3000);
    for (uint32_t row = 0; row < 3000; row += 3) some.set(row);
    for (uint32_t q = 0; q < 20; ++q) {
      const std::span<const float> query(floats.data() + size_t{q} * 101 * kDimension, kDimension);
      const CodedQuery coded(made.table, query);
      for (const Bitmap* allowed : {static_cast<const Bitmap*>(nullptr), static_cast<const Bitmap*>(&some)}) {
        BestCandidates best(4 * kK);
        scan_codes(made.table, coded, allowed, 0, &best);
        const std::vector<Candidate> found = best.take();
        ASSERT_EQ(found.size(), 4 * kK);
        ASSERT_TRUE(std::is_sorted(found.begin(), found.end(), IsCloser()));
        for (const Candidate& candidate : found) ASSERT_TRUE(allowed == nullptr || allowed->test(candidate.row));
        EXPECT_EQ(recall(found, exact_nearest(metric, floats, kDimension, query.data(), kK, allowed)), 1.0);
      }
    }
  }
}

TEST(PossibleRows, HoldTheNearestAndFewOthers) {
  constexpr uint32_t kRows = 3000;
  for (const VectorMetric metric : kMetrics) {
    const std::vector<float> floats = clustered_rows(kRows, kDimension, 20, 5);
    const OwnedTable made(metric, kDimension, floats);
    Bitmap some(kRows);
    for (uint32_t row = 0; row < kRows; row += 3) some.set(row);
    for (uint32_t q = 0; q < 20; ++q) {
      const std::span<const float> query(floats.data() + size_t{q} * 101 * kDimension, kDimension);
      for (const Bitmap* allowed : {static_cast<const Bitmap*>(nullptr), static_cast<const Bitmap*>(&some)}) {
        PossibleRows possible(kK);
        possible.scan(made.table, CodedQuery(made.table, query), allowed, 0);
        const std::vector<Candidate> found = possible.take();
        EXPECT_EQ(recall(found, exact_nearest(metric, floats, kDimension, query.data(), kK, allowed)), 1);
        EXPECT_LT(found.size(), kRows / 10);
        EXPECT_TRUE(std::is_sorted(found.begin(), found.end(), IsCloser()));
      }
    }
  }
}

}  // namespace
}  // namespace strata::index
