#include "derived/vector_snapshot.h"

#include <gtest/gtest.h>

#include "derived/vector_test_support.h"
#include "testing/random.h"

namespace strata::derived {
namespace {

using SnapshotPtr = std::shared_ptr<const VectorSnapshot>;

SnapshotPtr changed(const CollectionKind& kind, const VectorSnapshot& before,
                    const std::vector<VectorChange>& changes) {
  auto after = apply_changes(kind, before, changes, nullptr);
  EXPECT_TRUE(after.is_ok()) << after.status().to_string();
  return after.is_ok() ? *after : nullptr;
}

VectorChange removal(const std::string& key) {
  VectorChange change;
  change.key = key;
  return change;
}

// Random changes on a snapshot and on a map. Earlier snapshots stay what they were, for other branches show them.
TEST(VectorSnapshot, FollowsChanges) {
  const CollectionKind kind = test_kind();
  testing::Random random(testing::test_seed(2));
  auto snapshot = std::make_shared<const VectorSnapshot>();
  TestRows rows;
  std::vector<std::pair<SnapshotPtr, TestRows>> earlier;
  size_t most_parts = 0;
  for (int64_t round = 0; round < 300; ++round) {
    std::map<std::string, std::string> values;  // as long as the changes
    std::vector<VectorChange> changes;
    const uint64_t size = 1 + random.below(random.one_in(20) ? 60 : 5);
    std::map<std::string, bool> keys;
    for (uint64_t i = 0; i < size; ++i) keys["k" + std::to_string(random.below(90))] = random.percent(70);
    for (const auto& [key, present] : keys) {
      VectorChange change = removal(key);
      change.present = present;
      if (present) change.value = values[key] = value_of(round);
      changes.push_back(std::move(change));
      if (present) {
        rows[key] = {round, {}};
      } else {
        rows.erase(key);
      }
    }
    snapshot = changed(kind, *snapshot, changes);
    ASSERT_EQ(rows_of(*snapshot), rows) << "round " << round;
    most_parts = std::max(most_parts, snapshot->parts.size());
    if (random.one_in(20)) earlier.emplace_back(snapshot, rows);
  }
  EXPECT_LE(most_parts, 10u) << "small parts are merged";
  for (const auto& [one, expected] : earlier) EXPECT_EQ(rows_of(*one), expected);
}

TEST(VectorSnapshot, ARowThatIsTheSameStaysWhereItIs) {
  const CollectionKind kind = test_kind();
  const auto segment = segment_of(kind, {{"a", {1, {10, 5}}}, {"b", {2, {11, 5}}}});
  VectorChange same = removal("a");
  same.present = true;
  same.identity = {10, 5};
  const auto after = changed(kind, snapshot_of({segment}), {same});
  ASSERT_EQ(after->parts.size(), 1u);
  EXPECT_EQ(after->parts[0].segment, segment);
  EXPECT_EQ(after->parts[0].live, nullptr);
}

TEST(VectorSnapshot, WithoutRowsItHasNoParts) {
  const CollectionKind kind = test_kind();
  const auto segment = segment_of(kind, {{"a", {1, {10, 5}}}, {"b", {2, {11, 5}}}});
  const auto after = changed(kind, snapshot_of({segment}), {removal("a"), removal("absent"), removal("b")});
  EXPECT_TRUE(after->parts.empty());
  const auto merged = merge_parts(kind, after->parts, nullptr);
  ASSERT_TRUE(merged.is_ok());
  EXPECT_EQ(*merged, nullptr);
}

TEST(VectorSnapshot, MergedPartsHaveTheLivingRows) {
  const CollectionKind kind = test_kind();
  const auto one = segment_of(kind, {{"a", {1, {10, 5}}}, {"c", {3, {12, 5}}}});
  const auto other = segment_of(kind, {{"b", {2, {11, 5}}}, {"d", {4, {13, 5}}}});
  const auto after = changed(kind, snapshot_of({one, other}), {removal("c")});
  const auto merged = merge_parts(kind, after->parts, nullptr);
  ASSERT_TRUE(merged.is_ok());
  const TestRows expected = {{"a", {1, {10, 5}}}, {"b", {2, {11, 5}}}, {"d", {4, {13, 5}}}};
  EXPECT_EQ(rows_of(snapshot_of({*merged})), expected);
}

// What is merged in the background meets snapshots that went on meanwhile, and those of other branches.
TEST(VectorSnapshot, AMergedPartTakesThePlaceOfTheRowsThatItHas) {
  const CollectionKind kind = test_kind();
  const auto one = segment_of(kind, {{"a", {1, {10, 5}}}, {"c", {3, {12, 5}}}});
  const auto other = segment_of(kind, {{"b", {2, {11, 5}}}, {"d", {4, {13, 5}}}});
  const VectorSnapshot before = snapshot_of({one, other});
  const auto merged = merge_parts(kind, before.parts, nullptr);
  ASSERT_TRUE(merged.is_ok());

  const auto replaced = replace_rows(before, *merged);
  ASSERT_EQ(replaced->parts.size(), 1u);
  EXPECT_EQ(replaced->parts[0].segment, *merged);
  EXPECT_EQ(rows_of(*replaced), rows_of(before));

  // A row was deleted, one written anew under the same key, one is new.
  const auto newer = segment_of(kind, {{"b", {20, {21, 9}}}, {"e", {30, {22, 9}}}});
  VectorSnapshot went_on = *changed(kind, before, {removal("a"), removal("b")});
  went_on.parts.push_back({newer, nullptr, 2});
  const auto meanwhile = replace_rows(went_on, *merged);
  EXPECT_EQ(rows_of(*meanwhile), rows_of(went_on));
  EXPECT_EQ(meanwhile->parts[0].segment, *merged);
  EXPECT_EQ(meanwhile->parts[0].live_rows, 2u);

  // Another branch that shows nothing of it.
  const VectorSnapshot apart = snapshot_of({newer});
  EXPECT_EQ(replace_rows(apart, *merged)->parts[0].segment, newer);
}

TEST(SnapshotMatcher, TakesOfSegmentsWhatTheTreeHas) {
  const CollectionKind kind = test_kind();
  const auto one = segment_of(kind, {{"a", {1, {10, 5}}}, {"b", {2, {11, 5}}}, {"d", {4, {13, 5}}}});
  const auto twice = segment_of(kind, {{"b", {2, {11, 5}}}, {"c", {3, {12, 5}}}});
  const auto useless = segment_of(kind, {{"x", {9, {99, 5}}}});
  SnapshotMatcher matcher({one, twice, useless});
  matcher.row("a", {10, 5}, 20);
  matcher.row("b", {11, 5}, 20);
  matcher.row("c", {12, 6}, 20);  // the same place in the log, but another time: another row
  matcher.row("d", {14, 5}, 20);  // another place
  matcher.row("e", {15, 5}, 33);
  std::vector<VectorChange> missing;
  const auto snapshot = matcher.finish(&missing);
  const TestRows expected = {{"a", {1, {10, 5}}}, {"b", {2, {11, 5}}}};
  EXPECT_EQ(rows_of(*snapshot), expected);
  ASSERT_EQ(missing.size(), 3u);
  EXPECT_EQ(missing[0].key, "c");
  EXPECT_EQ(missing[1].key, "d");
  EXPECT_EQ(missing[2].key, "e");
  EXPECT_TRUE(missing[2].present);
  EXPECT_EQ(missing[2].identity, (RowIdentity{15, 5}));
  EXPECT_EQ(missing[2].value_bytes, 33u);
}

}  // namespace
}  // namespace strata::derived
