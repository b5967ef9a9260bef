#include "model/vector_codec.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "base/coding.h"
#include "testing/random.h"

namespace strata::model {
namespace {

std::string encoded(std::span<const float> components, std::string_view metadata = {}) {
  std::string bytes;
  build_vector(components, metadata, &bytes);
  return bytes;
}

TEST(VectorCodecTest, RoundTrip) {
  const std::vector<float> components = {1.5F, -2.0F, 1e-40F};
  ValueWriter writer;
  ASSERT_TRUE(writer.begin_object(1) && writer.name("n") && writer.integer(7) && writer.end());
  for (const std::string_view metadata : {std::string_view(), writer.result()}) {
    const std::string bytes = encoded(components, metadata);
    VectorView view;
    ASSERT_TRUE(parse_vector(bytes, &view));
    EXPECT_EQ(view.dimension, 3u);
    EXPECT_EQ(view.metadata, metadata.empty() ? std::string_view("\0", 1) : metadata);
    std::vector<float> copy(3);
    view.copy(copy.data());
    EXPECT_EQ(copy, components);
    EXPECT_TRUE(check_vector(bytes).is_ok());
  }
}

TEST(VectorCodecTest, BytesOnDisk) {
  const std::vector<float> components = {1.0F, -2.0F};
  EXPECT_EQ(encoded(components), std::string("\x02\0\0\0\0\0\x80\x3F\0\0\0\xC0\0", 13));
}

TEST(VectorCodecTest, DamagedBytesAreNoVector) {
  const std::vector<float> components = {1.0F, -2.0F};
  const std::string good = encoded(components);
  VectorView view;
  for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(parse_vector(good.substr(0, size), &view)) << size;
  std::string none = good;
  base::store_u32(none.data(), 0);
  EXPECT_FALSE(parse_vector(none, &view));
  std::string many = good;
  base::store_u32(many.data(), kMaxVectorDimension + 1);
  EXPECT_FALSE(parse_vector(many + std::string(4 * kMaxVectorDimension, 'x'), &view));
  EXPECT_EQ(read_vector(many, &view).code(), Code::kCorruption);
}

TEST(VectorCodecTest, ChecksLookInside) {
  const std::vector<float> nan = {1.0F, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_FALSE(check_vector(encoded(nan)).is_ok());
  const std::vector<float> good = {1.0F};
  EXPECT_FALSE(check_vector(encoded(good) + "x").is_ok());
  EXPECT_FALSE(check_vector(encoded(good, "\x41")).is_ok()) << "metadata that is a number";
}

TEST(VectorCodecTest, Faults) {
  const float inf = std::numeric_limits<float>::infinity();
  const auto fault = [](std::vector<float> components) { return find_fault(components); };
  EXPECT_EQ(fault({1, 2}), VectorFault::kNone);
  EXPECT_EQ(fault({0, 1e-45F}), VectorFault::kNone);
  EXPECT_EQ(fault({0, -0.0F}), VectorFault::kZero);
  EXPECT_EQ(fault({0, inf}), VectorFault::kNotFinite);
  EXPECT_EQ(fault({-inf}), VectorFault::kNotFinite);
  EXPECT_EQ(fault({std::numeric_limits<float>::max()}), VectorFault::kNone);
}

TEST(VectorCodecTest, Collections) {
  for (const VectorMetric metric : {VectorMetric::kCosine, VectorMetric::kEuclidean, VectorMetric::kDotProduct}) {
    const auto definition = parse_collection(build_collection({384, metric}));
    ASSERT_TRUE(definition);
    EXPECT_EQ(definition->dimension, 384u);
    EXPECT_EQ(definition->metric, metric);
    EXPECT_EQ(metric_of(metric_name(metric)), metric);
  }
  EXPECT_FALSE(metric_of("manhattan"));
  const auto refused = [](int64_t dimension, std::string_view metric) {
    ValueWriter writer;
    EXPECT_TRUE(writer.begin_object(2) && writer.name("dimension") && writer.integer(dimension) &&
                writer.name("metric") && writer.string(metric) && writer.end());
    return !parse_collection(writer.result());
  };
  EXPECT_TRUE(refused(0, "cosine"));
  EXPECT_TRUE(refused(kMaxVectorDimension + 1, "cosine"));
  EXPECT_TRUE(refused(3, "x"));
  EXPECT_FALSE(refused(3, "cosine"));
  EXPECT_FALSE(parse_collection("\x41"));
  EXPECT_FALSE(parse_collection(""));
}

TEST(VectorCodecTest, MutantsAreRefusedOrWhole) {
  testing::Random random(testing::test_seed(1));
  const std::vector<float> components = {1.0F, 2.0F, 3.0F};
  ValueWriter writer;
  ASSERT_TRUE(writer.begin_object(1) && writer.name("text") && writer.string("some words") && writer.end());
  const std::string vector = encoded(components, writer.result());
  const std::string collection = build_collection({3, VectorMetric::kCosine});
  for (int i = 0; i < 20'000; ++i) {
    std::string mutant = i % 2 == 0 ? vector : collection;
    for (uint64_t n = 1 + random.below(3); n > 0; --n) {
      mutant[random.below(mutant.size())] = static_cast<char>(random.next());
    }
    mutant.resize(random.below(8) == 0 ? random.below(mutant.size()) : mutant.size());
    VectorView view;
    if (parse_vector(mutant, &view)) {
      ASSERT_EQ(4 + view.float_bytes() + view.metadata.size(), mutant.size());
    }
    (void)check_vector(mutant);
    const auto definition = parse_collection(mutant);
    if (definition) {
      ASSERT_TRUE(definition->dimension >= 1 && definition->dimension <= kMaxVectorDimension);
    }
  }
}

TEST(VectorCodecTest, KeysHaveTwoParts) {
  const auto name = split_vector_key(std::string_view("docs\0k", 6));
  ASSERT_TRUE(name);
  EXPECT_EQ(name->collection, "docs");
  EXPECT_EQ(name->key, "k");
  for (const std::string_view bad : {std::string_view("docs"), std::string_view("docs\0", 5),
                                     std::string_view("\0k", 2), std::string_view("a\0b\0c", 5)}) {
    EXPECT_FALSE(split_vector_key(bad));
  }
}

}  // namespace
}  // namespace strata::model
