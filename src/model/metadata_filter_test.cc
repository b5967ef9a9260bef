#include "model/metadata_filter.h"

#include <gtest/gtest.h>

#include <limits>

namespace strata::model {
namespace {

// {"a": {"b": <value>}, "n": <value>} and one condition, both built from what `put` appends.
template <typename Put>
std::string metadata(const Put& put) {
  ValueWriter writer;
  EXPECT_TRUE(writer.begin_object(2) && writer.name("a") && writer.begin_object(1) && writer.name("b") && put(writer) &&
              writer.end() && writer.name("n") && put(writer) && writer.end());
  return std::string(writer.result());
}

template <typename Put>
MetadataFilter filter(std::string_view field, std::string_view op, const Put& put) {
  ValueWriter writer;
  EXPECT_TRUE(writer.begin_array(1) && writer.begin_object(3) && writer.name("field") && writer.string(field) &&
              writer.name("op") && writer.string(op) && writer.name("value") && put(writer) && writer.end() &&
              writer.end());
  auto parsed = MetadataFilter::parse(ValueView(writer.result()));
  EXPECT_TRUE(parsed.is_ok()) << parsed.status().to_string();
  return std::move(parsed).value();
}

auto integer(int64_t v) {
  return [v](ValueWriter& writer) { return writer.integer(v); };
}
auto real(double v) {
  return [v](ValueWriter& writer) { return writer.real(v); };
}
auto text(std::string v) {
  return [v](ValueWriter& writer) { return writer.string(v); };
}

template <typename Have, typename Want>
bool matches(std::string_view op, const Have& have, const Want& want) {
  const std::string bytes = metadata(have);
  const bool nested = filter("a.b", op, want).matches(ValueView(bytes));
  EXPECT_EQ(nested, filter("n", op, want).matches(ValueView(bytes)));
  return nested;
}

TEST(MetadataFilterTest, IntegersAndFloatsCompareExactly) {
  constexpr int64_t kOdd = (int64_t{1} << 53) + 1;  // no double
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  EXPECT_TRUE(matches("eq", integer(3), real(3)));
  EXPECT_TRUE(matches("eq", real(-0.0), integer(0)));
  EXPECT_FALSE(matches("eq", integer(kOdd), real(0x1p53)));
  EXPECT_TRUE(matches("gt", integer(kOdd), real(0x1p53)));
  EXPECT_TRUE(matches("lt", real(0x1p53), integer(kOdd)));
  EXPECT_TRUE(matches("lt", integer(kMost), real(0x1p63)));
  EXPECT_FALSE(matches("eq", integer(kMost), real(0x1p63)));
  EXPECT_TRUE(matches("eq", integer(kLeast), real(-0x1p63)));
  EXPECT_TRUE(matches("gt", integer(kLeast), real(-0x1p64)));
  EXPECT_TRUE(matches("lt", integer(-3), real(-2.5)));
  EXPECT_TRUE(matches("gt", real(-2.5), integer(-3)));
  EXPECT_TRUE(matches("lte", integer(2), real(2.5)));
  EXPECT_TRUE(matches("lt", integer(kMost), real(std::numeric_limits<double>::infinity())));
}

TEST(MetadataFilterTest, NanEqualsNothing) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const char* op : {"eq", "gt", "gte", "lt", "lte"}) {
    EXPECT_FALSE(matches(op, real(nan), real(nan))) << op;
    EXPECT_FALSE(matches(op, integer(1), real(nan))) << op;
  }
  EXPECT_TRUE(matches("ne", real(nan), real(nan)));
}

TEST(MetadataFilterTest, TypesStayApart) {
  const auto yes = [](ValueWriter& writer) { return writer.boolean(true); };
  const auto bytes = [](ValueWriter& writer) { return writer.bytes("1"); };
  EXPECT_FALSE(matches("eq", integer(1), yes));
  EXPECT_FALSE(matches("eq", yes, real(1)));
  EXPECT_TRUE(matches("eq", yes, yes));
  EXPECT_FALSE(matches("gte", yes, yes));
  EXPECT_FALSE(matches("eq", bytes, text("1")));
  EXPECT_FALSE(matches("gt", text("1"), integer(0)));
  EXPECT_TRUE(matches("gt", text("\xEF\xBF\xBF"), text("z")));
}

TEST(MetadataFilterTest, Lists) {
  const auto list = [](ValueWriter& writer) {
    return writer.begin_array() && writer.integer(1) && writer.string("x") && writer.begin_array() && writer.end() &&
           writer.end();
  };
  EXPECT_TRUE(matches("contains", list, real(1)));
  EXPECT_TRUE(matches("contains", list, text("x")));
  EXPECT_FALSE(matches("contains", list, text("")));
  EXPECT_TRUE(matches("contains", text("abc"), text("bc")));
  EXPECT_FALSE(matches("contains", integer(1), integer(1)));
  EXPECT_TRUE(matches("in", real(1), list));
  EXPECT_FALSE(matches("in", integer(2), list));
  EXPECT_FALSE(matches("in", list, list));
}

TEST(MetadataFilterTest, WhatIsMissing) {
  const std::string bytes = metadata(integer(1));
  const auto yes = [](ValueWriter& writer) { return writer.boolean(true); };
  const auto no = [](ValueWriter& writer) { return writer.boolean(false); };
  for (const std::string_view metadata_bytes : {std::string_view(bytes), std::string_view("\0", 1)}) {
    for (const char* field : {"x", "a.x", "n.b", "a.b.c", "", "a."}) {
      EXPECT_FALSE(filter(field, "ne", integer(7)).matches(ValueView(metadata_bytes))) << field;
      EXPECT_FALSE(filter(field, "exists", yes).matches(ValueView(metadata_bytes))) << field;
      EXPECT_TRUE(filter(field, "exists", no).matches(ValueView(metadata_bytes))) << field;
    }
  }
  EXPECT_TRUE(filter("a.b", "exists", yes).matches(ValueView(bytes)));
}

TEST(MetadataFilterTest, NothingAskedForMatchesAll) {
  EXPECT_TRUE(MetadataFilter().matches(ValueView()));
  const auto none = MetadataFilter::parse(ValueView());
  ASSERT_TRUE(none.is_ok());
  EXPECT_TRUE(none->empty());
  EXPECT_EQ(MetadataFilter::parse(ValueView("\x41")).status().code(), Code::kInvalidType);
  EXPECT_FALSE(MetadataFilter::parse(ValueView(std::string_view("\x08\x7F", 2))).is_ok()) << "damaged";
}

}  // namespace
}  // namespace strata::model
