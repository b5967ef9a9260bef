// Small collections for tests: rows as they are written down, segments and snapshots made of them, and back.
// Thread safety: none. Ownership: values.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "derived/vector_snapshot.h"
#include "model/vector_codec.h"
#include "strata/value.h"

namespace strata::derived {

constexpr uint32_t kTestDimension = 3;

inline CollectionKind test_kind(std::string collection = "c", VectorMetric metric = VectorMetric::kEuclidean) {
  CollectionKind kind;
  kind.name = std::string("default") + '\0' + std::move(collection);
  kind.dimension = kTestDimension;
  kind.metric = metric;
  return kind;
}

// The object {"n": n}.
inline std::string metadata_of(int64_t n) {
  ValueWriter writer;
  EXPECT_TRUE(writer.begin_object() && writer.name("n") && writer.integer(n) && writer.end());
  return std::string(writer.result());
}

// A row that its number tells: its components and its metadata.
struct TestRow {
  int64_t number = 0;
  RowIdentity identity;
  bool operator==(const TestRow&) const = default;
};
using TestRows = std::map<std::string, TestRow>;  // by key

inline std::vector<float> components_of(int64_t number) {
  std::vector<float> components(kTestDimension);
  for (uint32_t i = 0; i < kTestDimension; ++i) components[i] = static_cast<float>(number) + 0.25F * i;
  return components;
}

// As it is stored.
inline std::string value_of(int64_t number) {
  std::string value;
  model::build_vector(components_of(number), metadata_of(number), &value);
  return value;
}

inline std::shared_ptr<VectorSegment> segment_of(const CollectionKind& kind, const TestRows& rows) {
  VectorSegment::Builder builder(kind, static_cast<uint32_t>(rows.size()));
  for (const auto& [key, row] : rows) {
    builder.add_row(key, row.identity, components_of(row.number).data(), metadata_of(row.number));
  }
  return builder.finish();
}

inline VectorSnapshot snapshot_of(const std::vector<std::shared_ptr<const VectorSegment>>& segments) {
  VectorSnapshot snapshot;
  for (const auto& segment : segments) snapshot.parts.push_back({segment, nullptr, segment->rows()});
  return snapshot;
}

// The rows that a snapshot shows, with all that has to hold of it.
inline TestRows rows_of(const VectorSnapshot& snapshot) {
  TestRows rows;
  for (const VectorPart& part : snapshot.parts) {
    uint32_t live = 0;
    for (uint32_t row = 0; row < part.segment->rows(); ++row) {
      if (!part.is_live(row)) continue;
      ++live;
      const auto floats = part.segment->floats(row, nullptr);
      const auto number = floats.is_ok() ? static_cast<int64_t>(**floats) : -1;
      EXPECT_EQ(part.segment->metadata(row), metadata_of(number));
      const auto added = rows.emplace(part.segment->key(row), TestRow{number, part.segment->identity(row)});
      EXPECT_TRUE(added.second) << part.segment->key(row) << " is alive in two parts";
    }
    EXPECT_EQ(live, part.live_rows);
    EXPECT_GT(live, 0u);
  }
  EXPECT_EQ(snapshot.rows(), rows.size());
  return rows;
}

}  // namespace strata::derived
