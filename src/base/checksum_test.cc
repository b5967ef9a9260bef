#include "base/checksum.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace strata::base {
namespace {

// The number is stored: a change of library or of formula must not go unnoticed. The published XXH3 of no bytes is
// 0x2d06800538d394c2; its halves are folded.
TEST(ChecksumTest, ValuesAreThoseOfTheFormat) {
  EXPECT_EQ(checksum("", 0), 0x15d514c7u);
  EXPECT_EQ(checksum("strata", 0), 0x309d80d6u);
  EXPECT_EQ(checksum("strata", 1), 0x5f6c0b6u);
}

TEST(ChecksumTest, EveryBitFlipChangesIt) {
  std::string bytes(512, 'a');
  const uint32_t before = checksum(bytes, 7);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(checksum(bytes, 7), before) << "bit " << bit;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  }
}

TEST(ChecksumTest, SeedsKeepFilesApart) {
  std::set<uint32_t> seen;
  for (uint64_t seed = 0; seed < 1000; ++seed) seen.insert(checksum("the same bytes", seed));
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(ChecksumTest, HashDependsOnSeedAndLength) {
  EXPECT_NE(hash("a"), hash(std::string_view("a\0", 2)));
  EXPECT_NE(hash("a", 1), hash("a", 2));
}

}  // namespace
}  // namespace strata::base
