#include "model/json_index_code.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "model/json_query_run.h"
#include "model/json_test_support.h"

namespace strata::model {
namespace {

std::string code_of(std::string_view encoded) {
  std::string code;
  EXPECT_TRUE(append_index_code(encoded, &code));
  return code;
}

template <typename Write>
std::string encoded(const Write& write) {
  ValueWriter writer;
  EXPECT_TRUE(write(writer));
  return std::string(writer.result());
}
std::string integer(int64_t n) {
  return encoded([&](ValueWriter& writer) { return writer.integer(n); });
}
std::string real(double n) {
  return encoded([&](ValueWriter& writer) { return writer.real(n); });
}
std::string string(std::string_view text) {
  return encoded([&](ValueWriter& writer) { return writer.string(text); });
}

// What a document may have at a place, in groups that are in order.
std::vector<std::string> values() {
  const double infinity = std::numeric_limits<double>::infinity();
  std::vector<std::string> all = {from_json("null"), from_json("true"), from_json("false")};
  for (const double n : {-infinity, -1e300, -2.5, -0.0, 0.0, 5e-324, 0.5, 9007199254740992.0, 9223372036854775808.0,
                         1e300, infinity, std::nan("")}) {
    all.push_back(real(n));
  }
  for (const int64_t n : {INT64_MIN, INT64_MIN + 1, int64_t{-3}, int64_t{-1}, int64_t{0}, int64_t{1}, int64_t{2},
                          int64_t{9007199254740992}, int64_t{9007199254740993}, INT64_MAX - 1, INT64_MAX}) {
    all.push_back(integer(n));
  }
  const std::string long_text(kIndexedStringBytes, 'x');
  for (const std::string& text :
       {std::string(), std::string("\0", 1), std::string("\0\1", 2), std::string("\1"), std::string("a"),
        std::string("a\0", 2), std::string("a\0b", 3), std::string("a\1"), std::string("aa"), std::string("b"),
        std::string("\xc3\xa9"), long_text.substr(1), long_text, long_text + "y", long_text + "z"}) {
    all.push_back(string(text));
  }
  all.push_back(encoded([](ValueWriter& writer) { return writer.bytes("b"); }));
  for (const char* text : {"[]", "[1]", "{}", "{'a':1}"}) all.push_back(from_json(text));
  return all;
}

bool has(const IndexCodes& codes, const std::string& code) { return code >= codes.begin && code < codes.end; }

TEST(JsonIndexCodeTest, TheRangeOfAComparisonHasAllThatFulfilIt) {
  const std::vector<std::string> all = values();
  for (const std::string& literal : all) {
    const ValueToken token = *ValueView(literal).read();
    const bool can_be_written = token.type != ValueType::kBytes && token.type < ValueType::kArray &&
                                !(token.type == ValueType::kFloat && !std::isfinite(token.real));
    if (!can_be_written) continue;
    for (const auto comparison : {JsonComparison::kEqual, JsonComparison::kLess, JsonComparison::kLessEqual,
                                  JsonComparison::kGreater, JsonComparison::kGreaterEqual}) {
      JsonFilter filter;
      filter.kind = JsonFilter::Kind::kCompare;
      filter.comparison = comparison;
      filter.operands.resize(2);
      filter.operands[0].kind = JsonOperand::Kind::kQuery;
      filter.operands[0].query.relative = true;
      filter.operands[1].literal = token;
      const IndexCodes codes = index_codes(comparison, token);
      for (const std::string& value : all) {
        JsonQueryRun run(1000);
        const auto holds = run.holds(filter, value, value);
        ASSERT_TRUE(holds.is_ok());
        if (*holds) {
          EXPECT_TRUE(has(codes, code_of(value)))
              << to_json(value) << " and " << static_cast<int>(comparison) << " " << to_json(literal);
        }
      }
    }
  }
}

TEST(JsonIndexCodeTest, WhatIsPlainlyDifferentIsOutside) {
  const auto equal = [](const std::string& literal) {
    return index_codes(JsonComparison::kEqual, *ValueView(literal).read());
  };
  EXPECT_TRUE(has(equal(integer(1)), code_of(real(1.0))));
  EXPECT_FALSE(has(equal(integer(1)), code_of(integer(2))));
  EXPECT_FALSE(has(equal(integer(1)), code_of(from_json("true"))));
  EXPECT_FALSE(has(equal(string("a")), code_of(string("b"))));
  EXPECT_FALSE(has(equal(string("1")), code_of(integer(1))));
  EXPECT_FALSE(has(equal(from_json("null")), code_of(from_json("false"))));
  const IndexCodes above = index_codes(JsonComparison::kGreater, *ValueView(integer(1)).read());
  EXPECT_FALSE(has(above, code_of(integer(0))));
  EXPECT_FALSE(has(above, code_of(string("2"))));
  EXPECT_FALSE(has(above, code_of(real(std::nan("")))));
  const IndexCodes below = index_codes(JsonComparison::kLess, *ValueView(string("b")).read());
  EXPECT_FALSE(has(below, code_of(string("c"))));
  EXPECT_FALSE(has(below, code_of(integer(0))));
  EXPECT_TRUE(index_codes(JsonComparison::kLess, *ValueView(from_json("true")).read()).empty());
}

TEST(JsonIndexCodeTest, CodesAreInOrderAndTellWhereTheyEnd) {
  const std::vector<std::string> all = values();
  for (const std::string& value : all) {
    const std::string code = code_of(value);
    EXPECT_LE(code.size(), kMaxIndexCodeBytes);
    EXPECT_TRUE(has(all_index_codes(), code));
    for (const char* behind : {"", "key", "\xff"}) EXPECT_EQ(index_code_bytes(code + behind), code.size());
    for (const std::string& other : all) {
      const ValueToken a = *ValueView(value).read();
      const ValueToken b = *ValueView(other).read();
      if (a.type != ValueType::kString || b.type != ValueType::kString || a.bytes >= b.bytes) continue;
      // Whatever follows them.
      EXPECT_LE(code, code_of(other));
      EXPECT_TRUE(code == code_of(other) || code + "\xff" < code_of(other));
    }
  }
}

TEST(JsonIndexCodeTest, IntersectionsAreWhatBothHave) {
  const auto of = [](JsonComparison comparison, int64_t n) {
    return index_codes(comparison, *ValueView(integer(n)).read());
  };
  const IndexCodes between = intersection(of(JsonComparison::kGreater, 3), of(JsonComparison::kLess, 6));
  EXPECT_TRUE(has(between, code_of(integer(4))));
  EXPECT_FALSE(has(between, code_of(integer(2))));
  EXPECT_FALSE(has(between, code_of(integer(7))));
  EXPECT_TRUE(intersection(of(JsonComparison::kGreater, 6), of(JsonComparison::kLess, 3)).empty());
}

TEST(JsonIndexCodeTest, BytesThatAreNoValueHaveNone) {
  std::string code;
  EXPECT_FALSE(append_index_code("", &code));
  EXPECT_FALSE(append_index_code(std::string_view("\x85"
                                                  "ab",
                                                  3),
                                 &code));
}

}  // namespace
}  // namespace strata::model
