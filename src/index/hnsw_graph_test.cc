#include "index/hnsw_graph.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace strata::index
