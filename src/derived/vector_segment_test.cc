#include "derived/vector_segment.h"

#include <gtest/gtest.h>

#include <cstring>

#include "derived/vector_test_support.h"
#include "testing/random.h"

namespace strata::derived {
namespace {

std::shared_ptr<VectorSegment> from_image(std::string_view image, const CollectionKind& kind) {
  os::LargeMemory memory = os::allocate_large(image.size() + 1);
  std::memcpy(memory.get(), image.data(), image.size());
  return VectorSegment::from_image(std::move(memory), image.size(), kind);
}

TestRows some_rows(int64_t count) {
  TestRows rows;
  for (int64_t i = 0; i < count; ++i) {
    rows["k" + std::to_string(i)] = {i, {static_cast<uint64_t>(100 + i), static_cast<uint64_t>(7 * i)}};
  }
  return rows;
}

TEST(VectorSegment, HasItsRowsInTheOrderOfKeys) {
  const CollectionKind kind = test_kind();
  const TestRows rows = some_rows(40);
  const auto segment = segment_of(kind, rows);
  EXPECT_EQ(rows_of(snapshot_of({segment})), rows);
  uint32_t at = 0;
  for (const auto& [key, row] : rows) {
    EXPECT_EQ(segment->key(at), key);
    EXPECT_EQ(segment->find(key), at);
    ++at;
  }
  for (const char* absent : {"", "a", "k", "k5x", "z"}) EXPECT_FALSE(segment->find(absent)) << absent;
  ASSERT_NE(segment->codes(), nullptr);
  EXPECT_EQ(segment->codes()->rows, 40u);
}

TEST(VectorSegment, NumbersTooLargeForCodesHaveNone) {
  const CollectionKind kind = test_kind();
  VectorSegment::Builder builder(kind, 2);
  const float small[kTestDimension] = {1, 2, 3};
  const float large[kTestDimension] = {1e30F, 2, 3};
  builder.add_row("a", {1, 1}, small, metadata_of(1));
  builder.add_row("b", {2, 1}, large, metadata_of(2));
  const auto segment = builder.finish();
  EXPECT_EQ(segment->codes(), nullptr);
  EXPECT_EQ((*segment->floats(1, nullptr))[0], 1e30F);
}

TEST(VectorSegment, RefusesAVectorOfAnotherDimension) {
  const CollectionKind kind = test_kind();
  VectorSegment::Builder builder(kind, 1);
  std::string value;
  const std::vector<float> longer(kTestDimension + 1, 1);
  model::build_vector(longer, {}, &value);
  EXPECT_EQ(builder.add_value("a", {1, 1}, value).code(), Code::kCorruption);
  EXPECT_EQ(builder.add_value("a", {1, 1}, "xx").code(), Code::kCorruption);
  EXPECT_TRUE(builder.add_value("a", {1, 1}, value_of(4)).is_ok());
  EXPECT_EQ(builder.rows(), 1u);
}

TEST(VectorSegment, AnImageTellsAllButTheFloats) {
  const CollectionKind kind = test_kind();
  const auto segment = segment_of(kind, some_rows(40));
  const auto again = from_image(segment->image(), kind);
  ASSERT_NE(again, nullptr);
  ASSERT_EQ(again->rows(), 40u);
  for (uint32_t row = 0; row < 40; ++row) {
    EXPECT_EQ(again->key(row), segment->key(row));
    EXPECT_EQ(again->metadata(row), segment->metadata(row));
    EXPECT_EQ(again->identity(row), segment->identity(row));
  }
  ASSERT_NE(again->codes(), nullptr);
  EXPECT_EQ(std::memcmp(again->codes()->codes, segment->codes()->codes, 40 * index::code_stride(kTestDimension)), 0);
}

TEST(VectorSegment, AnImageOfAnotherKindIsNone) {
  const auto segment = segment_of(test_kind(), some_rows(5));
  EXPECT_EQ(from_image(segment->image(), test_kind("d")), nullptr);
  EXPECT_EQ(from_image(segment->image(), test_kind("longer")), nullptr);
  EXPECT_EQ(from_image(segment->image(), test_kind("c", VectorMetric::kCosine)), nullptr);
  CollectionKind wider = test_kind();
  wider.dimension = kTestDimension + 1;
  EXPECT_EQ(from_image(segment->image(), wider), nullptr);
}

// Checksums stand before it, but what is read is not believed all the same: nothing outside of the image is touched
// (which the address sanitizer would see).
TEST(VectorSegment, ADamagedImageIsRefusedOrStaysInside) {
  const CollectionKind kind = test_kind();
  const std::string good(segment_of(kind, some_rows(9))->image());
  testing::Random random(testing::test_seed(5));
  uint64_t refused = 0;
  constexpr uint64_t kImages = 3000;
  for (uint64_t i = 0; i < kImages; ++i) {
    std::string bytes = good;
    const uint64_t changes = 1 + random.below(3);
    for (uint64_t c = 0; c < changes; ++c) bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    if (random.one_in(4)) bytes.resize(random.below(bytes.size()));
    const auto segment = from_image(bytes, kind);
    refused += segment == nullptr ? 1 : 0;
    if (segment == nullptr) continue;
    size_t read = 0;
    for (uint32_t row = 0; row < segment->rows(); ++row) {
      read += segment->key(row).size() + segment->metadata(row).size();
      EXPECT_EQ(segment->find(segment->key(row)), row);
    }
    EXPECT_LE(read, bytes.size());
  }
  EXPECT_GT(refused, kImages / 4);
}

}  // namespace
}  // namespace strata::derived
