#include "derived/text_matcher.h"

#include <gtest/gtest.h>

namespace strata::derived {
namespace {

struct Document {
  DocumentKind kind;
  std::string key;
  uint64_t position;
};

index::SegmentPtr segment_of(const std::vector<Document>& documents) {
  index::SegmentBuilder builder;
  for (const Document& one : documents) {
    builder.add_string(index::WordTable::kText, 0, "text of " + one.key);
    builder.end_document(static_cast<uint8_t>(one.kind), one.key, {one.position, one.position * 2});
  }
  return builder.build();
}

bool match(TextMatcher& matcher, const Document& one) {
  return matcher.match(one.kind, one.key, {one.position, one.position * 2});
}

TEST(TextMatcherTest, TakesTheVersionsThatTheTreeHas) {
  const auto first =
      segment_of({{DocumentKind::kKv, "b", 2}, {DocumentKind::kKv, "a", 1}, {DocumentKind::kJson, "a", 3}});
  const auto second = segment_of({{DocumentKind::kKv, "b", 7}, {DocumentKind::kState, "z", 9}});
  TextMatcher matcher({second, first});
  EXPECT_TRUE(match(matcher, {DocumentKind::kJson, "a", 3}));
  EXPECT_FALSE(match(matcher, {DocumentKind::kJson, "b", 3}));
  EXPECT_FALSE(match(matcher, {DocumentKind::kKv, "a", 8}));  // another version
  EXPECT_TRUE(match(matcher, {DocumentKind::kKv, "b", 7}));
  EXPECT_FALSE(match(matcher, {DocumentKind::kState, "a", 9}));
  const auto live = matcher.finish();
  ASSERT_EQ(live.size(), 2u);
  EXPECT_EQ(live[0].segment, first);  // the larger one
  EXPECT_EQ(live[0].alive_count(), 1u);
  EXPECT_TRUE(live[0].alive(2));
  EXPECT_EQ(live[1].alive_count(), 1u);
  EXPECT_TRUE(live[1].alive(0));
}

TEST(TextMatcherTest, ADocumentCountsOnce) {
  const std::vector<Document> documents = {{DocumentKind::kEvent, "a", 1}, {DocumentKind::kVector, "c", 2}};
  const auto large = segment_of({documents[0], documents[1], {DocumentKind::kVector, "d", 3}});
  TextMatcher matcher({segment_of(documents), large, segment_of({documents[1]})});
  for (const Document& one : documents) EXPECT_TRUE(match(matcher, one));
  const auto live = matcher.finish();
  ASSERT_EQ(live.size(), 1u);
  EXPECT_EQ(live[0].segment, large);
  EXPECT_EQ(live[0].alive_count(), 2u);
}

TEST(TextMatcherTest, AWholeSegmentNeedsNoList) {
  const std::vector<Document> documents = {{DocumentKind::kKv, "a", 1}, {DocumentKind::kKv, "b", 2}};
  TextMatcher matcher({segment_of(documents)});
  for (const Document& one : documents) EXPECT_TRUE(match(matcher, one));
  const auto live = matcher.finish();
  ASSERT_EQ(live.size(), 1u);
  EXPECT_EQ(live[0].live, nullptr);
  EXPECT_TRUE(TextMatcher({}).finish().empty());
}

}  // namespace
}  // namespace strata::derived
