#include "index/bitmap.h"

#include <gtest/gtest.h>

namespace strata::index {
namespace {

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
