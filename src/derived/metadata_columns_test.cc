#include "derived/metadata_columns.h"

#include <gtest/gtest.h>

#include "strata/value.h"
#include "testing/random.h"

namespace strata::derived {
namespace {

using testing::Random;

// A value of any type, often the same one.
bool put_any(ValueWriter* writer, Random* random, int depth) {
  switch (random->below(depth > 0 ? 7 : 5)) {
    case 0:
      return writer->null();
    case 1:
      return writer->boolean(random->one_in(2));
    case 2:
      return writer->integer(static_cast<int64_t>(random->below(4)));
    case 3:
      return writer->real(static_cast<double>(random->below(8)) / 2);
    case 4:
      return writer->string(random->one_in(2) ? "red" : "redder");
    case 5:
      return writer->begin_array() && put_any(writer, random, depth - 1) && writer->integer(1) && writer->end();
    default:
      return writer->begin_object() && writer->name("inner") && put_any(writer, random, depth - 1) && writer->end();
  }
}

// Null, or an object with some of the fields f0 to f24.
std::string any_metadata(Random* random) {
  ValueWriter writer;
  bool written = false;
  if (random->one_in(6)) {
    written = writer.null();
  } else {
    written = writer.begin_object();
    for (uint64_t field = random->below(25); field < 25; field += 1 + random->below(8)) {
      written = written && writer.name("f" + std::to_string(field)) && put_any(&writer, random, 2);
    }
    written = written && writer.end();
  }
  EXPECT_TRUE(written);
  return std::string(writer.result());
}

model::MetadataFilter any_filter(Random* random) {
  static constexpr const char* kOps[] = {"eq", "ne", "gt", "gte", "lt", "lte", "in", "contains", "exists"};
  ValueWriter writer;
  bool written = writer.begin_array();
  for (uint64_t left = 1 + random->below(2); left > 0; --left) {
    const std::string op = kOps[random->below(std::size(kOps))];
    std::string field = "f" + std::to_string(random->below(25));
    if (random->one_in(4)) field += ".inner";
    written = written && writer.begin_object() && writer.name("field") && writer.string(field) && writer.name("op") &&
              writer.string(op) && writer.name("value");
    if (op == "exists") {
      written = written && writer.boolean(random->one_in(2));
    } else if (op == "in") {
      written =
          written && writer.begin_array() && put_any(&writer, random, 1) && put_any(&writer, random, 1) && writer.end();
    } else {
      written = written && put_any(&writer, random, 1);
    }
    written = written && writer.end();
  }
  EXPECT_TRUE(written && writer.end());
  auto filter = model::MetadataFilter::parse(ValueView(writer.result()));
  EXPECT_TRUE(filter.is_ok()) << filter.status().to_string();
  return filter.is_ok() ? *filter : model::MetadataFilter();
}

// More fields and conditions than are kept: what was dropped is made again.
TEST(MetadataColumns, SayWhatEachRowSays) {
  Random random(testing::test_seed(4));
  std::vector<std::string> rows(200);
  for (std::string& row : rows) row = any_metadata(&random);
  MetadataColumns columns;
  const auto source = [&](uint32_t row) -> std::string_view { return rows[row]; };
  uint64_t matched = 0;
  for (int i = 0; i < 3000; ++i) {
    const model::MetadataFilter filter = any_filter(&random);
    const index::Bitmap found = columns.matching(filter, 200, source);
    for (uint32_t row = 0; row < rows.size(); ++row) {
      ASSERT_EQ(found.test(row), filter.matches(ValueView(rows[row]))) << "filter " << i << ", row " << row;
    }
    matched += found.count();
  }
  EXPECT_GT(matched, 1000u);
  EXPECT_GT(columns.memory_bytes(), 0u);
  EXPECT_LT(columns.memory_bytes(), size_t{1} << 20);
}

TEST(MetadataColumns, WithoutConditionsAllMatch) {
  MetadataColumns columns;
  const auto source = [](uint32_t) -> std::string_view { return {}; };
  EXPECT_EQ(columns.matching({}, 70, source).count(), 70u);
  EXPECT_EQ(columns.memory_bytes(), 0u);
}

}  // namespace
}  // namespace strata::derived
