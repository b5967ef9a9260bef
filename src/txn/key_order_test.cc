#include "txn/key_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "testing/random.h"

namespace strata::txn {
namespace {

TEST(KeyOrderTest, IsThatOfAStableSort) {
  testing::Random random(testing::test_seed(7));
  for (int round = 0; round < 300; ++round) {
    const std::string shared(random.below(20), 'p');
    std::vector<std::string> keys(random.below(60));
    for (std::string& key : keys) {
      key = shared;
      for (uint64_t n = random.below(14); n > 0; --n)
        key += static_cast<char>(random.one_in(3) ? 0 : random.below(256));
    }
    std::vector<uint32_t> expected(keys.size());
    for (uint32_t i = 0; i < expected.size(); ++i) expected[i] = i;
    std::stable_sort(expected.begin(), expected.end(), [&](uint32_t a, uint32_t b) { return keys[a] < keys[b]; });
    EXPECT_EQ(key_order(keys.size(), [&](size_t i) { return std::string_view(keys[i]); }), expected);
  }
}

}  // namespace
}  // namespace strata::txn
