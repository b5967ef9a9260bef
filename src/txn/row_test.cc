#include "txn/row.h"

#include <gtest/gtest.h>

#include <vector>

#include "testing/random.h"

namespace strata::txn {
namespace {

std::string encode(const RowChange& change, const RowView* old) {
  char bytes[kMaxRowBytes];
  return std::string(bytes, encode_row(change, old, bytes));
}

TEST(RowTest, RoundTrip) {
  RowChange change;
  change.timestamp = 1'700'000'000'000'001;
  change.version = 1;
  change.position = 77;
  change.value = "value";
  RowView row;
  const std::string bytes = encode(change, nullptr);
  ASSERT_TRUE(parse_row(bytes, &row));
  EXPECT_EQ(row.timestamp, change.timestamp);
  EXPECT_EQ(row.version, 1u);
  EXPECT_EQ(row.position(), 77u);
  EXPECT_EQ(row.value, "value");
  EXPECT_FALSE(row.tombstone || row.large);
}

TEST(RowTest, LargeValuesLeaveTheirLength) {
  const std::string value(kMaxInlineValueBytes + 1, 'v');
  RowChange change;
  change.version = 5;
  change.position = 9;
  change.value = value;
  RowView row;
  const std::string bytes = encode(change, nullptr);
  ASSERT_TRUE(parse_row(bytes, &row));
  EXPECT_TRUE(row.large);
  EXPECT_EQ(row.value_bytes(), value.size());
  EXPECT_LT(bytes.size(), 64u);
}

TEST(RowTest, TheTagOfAKeyKeepsShortValuesInTheLog) {
  EXPECT_TRUE(
      has_in_log_tag(std::string_view("default\0\x09"
                                      "c\0k",
                                      12)));
  EXPECT_FALSE(
      has_in_log_tag(std::string_view("default\0\x02"
                                      "a\x09",
                                      11)));
  EXPECT_FALSE(has_in_log_tag("default"));
  EXPECT_FALSE(has_in_log_tag(std::string_view("default\0", 8)));
  RowChange change;
  change.position = 9;
  change.value = "short";
  change.in_log = true;
  RowView row;
  std::string bytes = encode(change, nullptr);
  ASSERT_TRUE(parse_row(bytes, &row));
  EXPECT_TRUE(row.large);
  EXPECT_EQ(row.value_bytes(), 5u);
  change.value = {};
  change.tombstone = true;
  bytes = encode(change, nullptr);
  ASSERT_TRUE(parse_row(bytes, &row));
  EXPECT_TRUE(row.tombstone && !row.large);
}

// Anchor j is the newest version at or before this one that has j trailing zero digits in base 4.
TEST(RowTest, AnchorsAreTheTopsOfASkipList) {
  std::string bytes;
  for (uint64_t version = 1; version <= 5000; ++version) {
    RowView old;
    if (version > 1) {
      ASSERT_TRUE(parse_row(bytes, &old));
    }
    RowChange change;
    change.version = version;
    change.position = version * 100;
    const std::string next = encode(change, version > 1 ? &old : nullptr);
    bytes = next;
    RowView row;
    ASSERT_TRUE(parse_row(bytes, &row));
    ASSERT_EQ(row.anchors, anchor_count(version));
    uint64_t step = 1;
    for (unsigned level = 0; level < row.anchors; ++level, step *= 4) {
      ASSERT_EQ(row.anchor(level), version / step * step * 100) << version << " at level " << level;
    }
  }
}

TEST(RowTest, DamagedBytesAreNoRow) {
  RowChange change;
  change.version = 70;
  change.value = "abc";
  const std::string good = encode(change, nullptr);
  RowView row;
  for (size_t size = 0; size < good.size() - 3; ++size) EXPECT_FALSE(parse_row(good.substr(0, size), &row)) << size;
  std::string flags = good;
  flags[0] = 8;
  EXPECT_FALSE(parse_row(flags, &row));
  EXPECT_EQ(read_row(flags, &row).code(), Code::kCorruption);
  testing::Random random(testing::test_seed(1));
  for (int i = 0; i < 20'000; ++i) {
    std::string mutant = good;
    for (uint64_t n = 1 + random.below(3); n > 0; --n)
      mutant[random.below(mutant.size())] = static_cast<char>(random.next());
    if (parse_row(mutant, &row)) {
      for (unsigned level = 0; level < row.anchors + 2; ++level) (void)row.anchor(level);
      EXPECT_LE(row.value.size(), mutant.size());
    }
  }
}

}  // namespace
}  // namespace strata::txn
