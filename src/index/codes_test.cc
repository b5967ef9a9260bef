#include "index/codes.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "index/flat_scan.h"
#include "index/hnsw_graph.h"
#include "index/index_test_support.h"

// hnswlib takes the locks of rows in whatever order they meet. That none waits for the other forever follows from when
// rows become visible, which the sanitizer does not see; races it would.
#ifdef __SANITIZE_THREAD__
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() { return "detect_deadlocks=0"; }
#endif

namespace strata::index {
namespace {

constexpr VectorMetric kMetrics[] = {VectorMetric::kCosine, VectorMetric::kEuclidean, VectorMetric::kDotProduct};
constexpr uint32_t kDimension = 48;
constexpr size_t kK = 10;

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

double recall(const std::vector<Candidate>& found, const std::vector<uint32_t>& exact) {
  std::set<uint32_t> rows;
  for (const Candidate& candidate : found) rows.insert(candidate.row);
  size_t hits = 0;
  for (const uint32_t row : exact) hits += rows.count(row);
  return static_cast<double>(hits) / static_cast<double>(exact.size());
}

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

class Graphs : public testing::TestWithParam<VectorMetric> {};

TEST_P(Graphs, FindTheNearest) {
  if (kLocksAreReported) GTEST_SKIP() << "one thread builds, slowly";
  constexpr uint32_t kRows = 4000;
  const std::vector<float> floats = clustered_rows(kRows, kDimension, 30, 7);
  const OwnedTable made(GetParam(), kDimension, floats);
  const std::atomic<bool> stop{false};
  const auto graph = HnswGraph::build(made.table, {}, stop);
  ASSERT_NE(graph, nullptr);
  const std::vector<uint32_t> words(graph->words().begin(), graph->words().end());
  const auto again = HnswGraph::from_words(words, kRows);
  ASSERT_NE(again, nullptr);
  Bitmap half(kRows);
  for (uint32_t row = 0; row < kRows; row += 2) half.set(row);
  double all = 0;
  double filtered = 0;
  for (uint32_t q = 0; q < 50; ++q) {
    const std::span<const float> query(floats.data() + size_t{q} * 79 * kDimension, kDimension);
    const CodedQuery coded(made.table, query);
    std::vector<Candidate> found;
    ASSERT_TRUE(again->walk(made.table, coded, {96, nullptr}, &found));
    all += recall(found, exact_nearest(GetParam(), floats, kDimension, query.data(), kK)) / 50;
    ASSERT_TRUE(again->walk(made.table, coded, {96, &half}, &found));
    for (const Candidate& candidate : found) ASSERT_TRUE(half.test(candidate.row));
    filtered += recall(found, exact_nearest(GetParam(), floats, kDimension, query.data(), kK, &half)) / 50;
  }
  EXPECT_GE(all, 0.99);
  EXPECT_GE(filtered, 0.99);
}

// Enough rows for several threads; which of them comes first differs from build to build.
TEST_P(Graphs, ThreadsBuildThem) {
  if (kLocksAreReported && GetParam() != VectorMetric::kCosine) GTEST_SKIP() << "slow, and the same threads";
  constexpr uint32_t kRows = 8200;
  GraphOptions options;
  if (kLocksAreReported) options.build_breadth = 16;
  const std::vector<float> floats = clustered_rows(kRows, kDimension, 30, 17);
  const OwnedTable made(GetParam(), kDimension, floats);
  const std::atomic<bool> stop{false};
  const auto graph = HnswGraph::build(made.table, options, stop);
  ASSERT_NE(graph, nullptr);
  ASSERT_NE(HnswGraph::from_words({graph->words().begin(), graph->words().end()}, kRows), nullptr);
  double all = 0;
  for (uint32_t q = 0; q < 50; ++q) {
    const std::span<const float> query(floats.data() + size_t{q} * 79 * kDimension, kDimension);
    std::vector<Candidate> found;
    ASSERT_TRUE(graph->walk(made.table, CodedQuery(made.table, query), {96, nullptr}, &found));
    all += recall(found, exact_nearest(GetParam(), floats, kDimension, query.data(), kK)) / 50;
  }
  EXPECT_GE(all, kLocksAreReported ? 0.9 : 0.99);
}

INSTANTIATE_TEST_SUITE_P(Metrics, Graphs, testing::ValuesIn(kMetrics),
                         [](const auto& tested) { return std::string(metric_name(tested.param)); });

TEST(Graph, AWalkEndsAtItsLimit) {
  const std::vector<float> floats = clustered_rows(1000, kDimension, 10, 9);
  const OwnedTable made(VectorMetric::kCosine, kDimension, floats);
  const std::atomic<bool> stop{false};
  const auto graph = HnswGraph::build(made.table, {}, stop);
  const CodedQuery coded(made.table, std::span<const float>(floats).first(kDimension));
  const Bitmap none(1000);
  std::vector<Candidate> found;
  EXPECT_FALSE(graph->walk(made.table, coded, {10, &none, 200}, &found));
  EXPECT_TRUE(graph->walk(made.table, coded, {10, &none}, &found));
  EXPECT_TRUE(found.empty());
}

TEST(Graph, ABuildCanBeStopped) {
  const OwnedTable made(VectorMetric::kCosine, kDimension, clustered_rows(1000, kDimension, 10, 9));
  const std::atomic<bool> stop{true};
  EXPECT_EQ(HnswGraph::build(made.table, {}, stop), nullptr);
}

TEST(Graph, ATopThatNoGraphHasIsRefused) {
  const OwnedTable made(VectorMetric::kCosine, kDimension, clustered_rows(100, kDimension, 4, 11));
  const std::atomic<bool> stop{false};
  const auto graph = HnswGraph::build(made.table, {}, stop);
  std::vector<uint32_t> words(graph->words().begin(), graph->words().end());
  words[2] = 0xffffffff;  // a walk would go down all of them
  EXPECT_EQ(HnswGraph::from_words(words, 100), nullptr);
}

TEST(Graph, DamagedWordsAreRefusedOrHarmless) {
  constexpr uint32_t kRows = 200;
  const std::vector<float> floats = clustered_rows(kRows, kDimension, 4, 11);
  const OwnedTable made(VectorMetric::kCosine, kDimension, floats);
  const std::atomic<bool> stop{false};
  const auto graph = HnswGraph::build(made.table, {}, stop);
  const std::vector<uint32_t> words(graph->words().begin(), graph->words().end());
  EXPECT_EQ(HnswGraph::from_words(words, kRows + 1), nullptr);
  EXPECT_EQ(HnswGraph::from_words({}, 0), nullptr);
  const CodedQuery coded(made.table, std::span<const float>(floats).first(kDimension));
  for (size_t at = 0; at < words.size(); at += 3) {
    std::vector<uint32_t> damaged = words;
    damaged[at] ^= uint32_t{1} << (at * 7 % 32);
    const auto read = HnswGraph::from_words(damaged, kRows);
    if (read == nullptr) continue;
    std::vector<Candidate> found;
    read->walk(made.table, coded, {20, nullptr}, &found);
    for (const Candidate& candidate : found) ASSERT_LT(candidate.row, kRows);
  }
  std::vector<uint32_t> cut = words;
  cut.pop_back();
  EXPECT_EQ(HnswGraph::from_words(cut, kRows), nullptr);
}

TEST(Bitmap, CountsAndVisits) {
  Bitmap bitmap(130, true);
  EXPECT_EQ(bitmap.count(), 130U);
  bitmap.clear(64);
  EXPECT_FALSE(bitmap.test(64));
  Bitmap other(130);
  other.set(0);
  other.set(64);
  other.set(129);
  bitmap.keep_those_of(other);
  std::vector<uint32_t> rows;
  bitmap.for_each([&](uint32_t row) { rows.push_back(row); });
  EXPECT_EQ(rows, (std::vector<uint32_t>{0, 129}));
  EXPECT_EQ(Bitmap(0, true).count(), 0U);
}

}  // namespace
}  // namespace strata::index
