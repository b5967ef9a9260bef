#include "txn/write_set.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "testing/random.h"

namespace strata::txn {
namespace {

Write put_of(std::string_view key, std::string_view value, uint64_t version = 1) {
  Write write;
  write.key = key;
  write.value = value;
  write.version = version;
  return write;
}

std::map<std::string, std::string> contents(const WriteSet& set) {
  std::map<std::string, std::string> found;
  std::string_view before;
  for (const Write& write : set.ordered()) {
    EXPECT_TRUE(found.empty() || before < write.key);
    before = write.key;
    found[std::string(write.key)] = write.tombstone ? "(deleted)" : std::string(write.value);
  }
  return found;
}

TEST(WriteSetTest, LastWriteOfAKeyCounts) {
  WriteSet set;
  EXPECT_EQ(set.find("a"), nullptr);
  set.put(put_of("b", "1"));
  set.put(put_of("a", "2"));
  set.put(put_of("b", "3"));
  ASSERT_NE(set.find("b"), nullptr);
  EXPECT_EQ(set.find("b")->value, "3");
  EXPECT_EQ(contents(set), (std::map<std::string, std::string>{{"a", "2"}, {"b", "3"}}));
  EXPECT_EQ(set.size(), 2u);
  set.clear();
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.find("a"), nullptr);
}

TEST(WriteSetTest, RewindUndoesWhatWasPutSinceRemember) {
  WriteSet set;
  set.put(put_of("a", "1"));
  set.put(put_of("c", "1"));
  set.remember();
  set.put(put_of("b", "2"));
  set.put(put_of("a", "2"));
  set.put(put_of("a", "3"));
  set.rewind();
  EXPECT_EQ(contents(set), (std::map<std::string, std::string>{{"a", "1"}, {"c", "1"}}));
  EXPECT_EQ(set.find("b"), nullptr);
  set.put(put_of("b", "4"));
  EXPECT_EQ(set.find("b")->value, "4");
}

TEST(WriteSetTest, AgreesWithAMap) {
  testing::Random random(testing::test_seed(1));
  WriteSet set;
  std::map<std::string, std::string> expected;
  for (int i = 0; i < 20'000; ++i) {
    const std::string key = "key" + std::to_string(random.below(3000));
    const std::string value(random.below(random.one_in(500) ? 40'000 : 40), static_cast<char>('a' + random.below(26)));
    Write write = put_of(key, value);
    write.tombstone = random.one_in(5);
    if (write.tombstone) write.value = {};
    set.put(write);
    expected[key] = write.tombstone ? "(deleted)" : value;
    if (random.one_in(700)) {
      ASSERT_EQ(contents(set), expected);
    }
    const std::string other = "key" + std::to_string(random.below(3000));
    ASSERT_EQ(set.find(other) != nullptr, expected.contains(other));
  }
  EXPECT_EQ(contents(set), expected);
}

}  // namespace
}  // namespace strata::txn
