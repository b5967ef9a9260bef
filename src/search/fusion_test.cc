#include "search/fusion.h"

#include <gtest/gtest.h>

#include <string>

namespace strata::search {
namespace {

SearchHit named(std::string key, SearchPrimitive primitive = SearchPrimitive::kKv, std::string space = "default") {
  SearchHit hit;
  hit.primitive = primitive;
  hit.space = std::move(space);
  hit.key = std::move(key);
  hit.score = 1000;  // of another scale: it must not count
  return hit;
}

std::string keys(const std::vector<SearchHit>& hits) {
  std::string all;
  for (const SearchHit& hit : hits) all += hit.key;
  return all;
}

TEST(FusionTest, BothRankingsCount) {
  const auto fused = fuse({named("a"), named("b"), named("c")}, {named("c"), named("d")}, 10);
  ASSERT_EQ(keys(fused), "cabd");
  EXPECT_DOUBLE_EQ(fused[0].score, 1.0 / 63 + 1.0 / 61);
  EXPECT_EQ(fused[0].ranks.keyword, 3u);
  EXPECT_EQ(fused[0].ranks.vector, 1u);
  EXPECT_DOUBLE_EQ(fused[1].score, 1.0 / 61);
  EXPECT_EQ(fused[1].ranks.keyword, 1u);
  EXPECT_EQ(fused[1].ranks.vector, std::nullopt);
  EXPECT_EQ(fused[3].ranks.keyword, std::nullopt);
  EXPECT_EQ(fused[3].ranks.vector, 2u);
}

TEST(FusionTest, EqualScoresBySpacePrimitiveName) {
  EXPECT_EQ(keys(fuse({named("b")}, {named("a")}, 10)), "ab");
  EXPECT_EQ(keys(fuse({named("a", SearchPrimitive::kState)}, {named("b", SearchPrimitive::kKv)}, 10)), "ba");
  EXPECT_EQ(keys(fuse({named("a", SearchPrimitive::kKv, "y")}, {named("b", SearchPrimitive::kKv, "x")}, 10)), "ba");
}

TEST(FusionTest, EventsAreOrderedByNumber) {
  SearchHit ninth = named("", SearchPrimitive::kEvent);
  ninth.sequence = 9;
  SearchHit tenth = ninth;
  tenth.sequence = 10;
  const auto fused = fuse({tenth}, {ninth}, 10);
  ASSERT_EQ(fused.size(), 2u);
  EXPECT_EQ(fused[0].sequence, 9u);
}

TEST(FusionTest, OneNameInTwoPrimitivesIsTwoDocuments) {
  EXPECT_EQ(fuse({named("a", SearchPrimitive::kKv)}, {named("a", SearchPrimitive::kState)}, 10).size(), 2u);
}

TEST(FusionTest, NoMoreThanAskedFor) {
  EXPECT_EQ(keys(fuse({named("a"), named("b")}, {named("b")}, 1)), "b");
  EXPECT_EQ(fuse({}, {}, 5).size(), 0u);
}

}  // namespace
}  // namespace strata::search
