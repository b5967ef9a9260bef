#include "strata/value.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace strata {
namespace {

uint64_t test_seed() {
  const char* given = std::getenv("STRATA_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("STRATA_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    char two[4];
    std::snprintf(two, sizeof(two), "%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
    out += two;
  }
  return out;
}

template <typename Fill>
std::string encode(Fill fill) {
  ValueWriter writer;
  EXPECT_TRUE(fill(writer));
  EXPECT_TRUE(writer.error().is_ok());
  return std::string(writer.result());
}

std::string encode_integer(int64_t v) {
  return encode([&](ValueWriter& w) { return w.integer(v); });
}
std::string encode_real(double v) {
  return encode([&](ValueWriter& w) { return w.real(v); });
}
std::string encode_string(std::string_view v) {
  return encode([&](ValueWriter& w) { return w.string(v); });
}

ValueToken read(std::string_view bytes) {
  const Result<ValueToken> token = ValueView(bytes).read();
  EXPECT_TRUE(token.is_ok()) << hex(bytes);
  return token.is_ok() ? *token : ValueToken();
}

bool is_valid(std::string_view bytes) { return ValueView(bytes).validate().is_ok(); }

TEST(ValueTest, ScalarsHaveTheDocumentedBytes) {
  EXPECT_EQ(hex(encode([](ValueWriter& w) { return w.null(); })), "00");
  EXPECT_EQ(hex(encode([](ValueWriter& w) { return w.boolean(false); })), "01");
  EXPECT_EQ(hex(encode([](ValueWriter& w) { return w.boolean(true); })), "02");
  EXPECT_EQ(hex(encode_integer(-8)), "40");
  EXPECT_EQ(hex(encode_integer(0)), "48");
  EXPECT_EQ(hex(encode_integer(55)), "7f");
  EXPECT_EQ(hex(encode_integer(56)), "2038");
  EXPECT_EQ(hex(encode_integer(-9)), "20f7");
  EXPECT_EQ(hex(encode_integer(128)), "218000");
  EXPECT_EQ(hex(encode_integer(std::numeric_limits<int64_t>::max())), "27ffffffffffffff7f");
  EXPECT_EQ(hex(encode_integer(std::numeric_limits<int64_t>::min())), "270000000000000080");
  EXPECT_EQ(hex(encode_real(1.0)), "03000000000000f03f");
  EXPECT_EQ(hex(encode_real(-0.0)), "030000000000000080");
  EXPECT_EQ(hex(encode_real(-std::nan("5"))), "03000000000000f87f");
  EXPECT_EQ(hex(encode_string("")), "80");
  EXPECT_EQ(hex(encode_string("ab")), "826162");
  EXPECT_EQ(hex(encode_string(std::string(128, 'x'))).substr(0, 6), "108078");
  EXPECT_EQ(hex(encode([](ValueWriter& w) { return w.bytes("ab"); })), "14026162");
}

TEST(ValueTest, ContainersHaveTheDocumentedBytes) {
  EXPECT_EQ(hex(encode([](ValueWriter& w) { return w.begin_array() && w.end(); })), "080100");
  EXPECT_EQ(hex(encode([](ValueWriter& w) {
              return w.begin_object() && w.name("a") && w.integer(1) && w.name("b") && w.begin_array() && w.null() &&
                     w.end() && w.end();
            })),
            "0c0a028161498162080201"
            "00");
  // 17 items: one offset, of item 16.
  EXPECT_EQ(hex(encode([](ValueWriter& w) {
              bool ok = w.begin_array(17);
              for (int i = 0; i < 17; ++i) ok = ok && w.integer(0);
              return ok && w.end();
            })),
            "081311"
            "4848484848484848484848484848484848"
            "10");
}

// Names a to q: their fingerprints, then one offset.
TEST(ValueTest, TheTableHasTheDocumentedBytes) {
  const std::string object = encode([](ValueWriter& w) {
    bool ok = w.begin_object();
    for (char c = 'a'; c <= 'q'; ++c) ok = ok && w.name(std::string_view(&c, 1)) && w.null();
    return ok && w.end();
  });
  EXPECT_EQ(hex(object.substr(0, 3)), "0c4611");
  EXPECT_EQ(hex(object.substr(3 + 17 * 3)),
            "1f3f1bca789a9766ce711d3afc0a2b8796"
            "30");
}

TEST(ValueTest, IntegersRoundTripAtEveryWidth) {
  for (int bit = 0; bit < 64; ++bit) {
    for (int64_t delta = -2; delta <= 2; ++delta) {
      const auto v = static_cast<int64_t>((uint64_t{1} << bit) + static_cast<uint64_t>(delta));
      for (const int64_t n : {v, static_cast<int64_t>(0 - static_cast<uint64_t>(v))}) {
        const std::string bytes = encode_integer(n);
        EXPECT_EQ(read(bytes).integer, n);
        EXPECT_TRUE(is_valid(bytes)) << n;
      }
    }
  }
}

TEST(ValueTest, FloatsKeepTheirBits) {
  for (const double v : {0.0, -0.0, 1.5, -1e308, 5e-324, std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(std::bit_cast<uint64_t>(read(encode_real(v)).real), std::bit_cast<uint64_t>(v));
  }
  EXPECT_TRUE(std::isnan(read(encode_real(std::nan(""))).real));
}

TEST(ValueTest, StringsOfEveryLengthClassRoundTrip) {
  for (const size_t n : {0u, 1u, 2u, 3u, 4u, 7u, 8u, 15u, 16u, 17u, 127u, 128u, 255u, 256u, 65535u, 65536u}) {
    std::string text(n, 'a');
    for (size_t i = 0; i < n; ++i) text[i] = static_cast<char>('a' + i % 26);
    const std::string bytes = encode_string(text);
    EXPECT_EQ(read(bytes).bytes, text);
    EXPECT_TRUE(is_valid(bytes)) << n;
    const std::string raw = encode([&](ValueWriter& w) { return w.bytes(text); });
    EXPECT_EQ(read(raw).bytes, text);
    EXPECT_EQ(read(raw).type, ValueType::kBytes);
    EXPECT_TRUE(is_valid(raw)) << n;
  }
}

// The hint decides how much is moved, never what comes out.
TEST(ValueTest, HintsDoNotChangeTheBytes) {
  for (const int count : {0, 1, 16, 17, 60, 200, 5000, 30000}) {
    std::vector<std::string> results;
    for (const size_t hint : {0, 100, 100000}) {
      results.push_back(encode([&](ValueWriter& w) {
        bool ok = w.begin_object(hint);
        for (int i = 0; i < count; ++i) ok = ok && w.name("n" + std::to_string(i)) && w.integer(i);
        return ok && w.end();
      }));
      EXPECT_TRUE(is_valid(results.back())) << count;
    }
    EXPECT_EQ(results[0], results[1]);
    EXPECT_EQ(results[0], results[2]);
  }
}

TEST(ValueTest, MembersAndItemsAreFoundByNameAndIndex) {
  for (const int count : {0, 1, 16, 17, 33, 1000, 20000}) {
    const std::string object = encode([&](ValueWriter& w) {
      bool ok = w.begin_object();
      for (int i = 0; i < count; ++i) ok = ok && w.name("n" + std::to_string(i)) && w.integer(i * 1000);
      return ok && w.end();
    });
    const std::string array = encode([&](ValueWriter& w) {
      bool ok = w.begin_array();
      for (int i = 0; i < count; ++i) ok = ok && w.integer(i * 1000);
      return ok && w.end();
    });
    for (int i = 0; i < count; ++i) {
      const auto member = ValueView(object).find("n" + std::to_string(i));
      ASSERT_TRUE(member.is_ok() && member->has_value()) << i;
      EXPECT_EQ(read((*member)->bytes()).integer, i * 1000);
      const auto item = ValueView(array).at(static_cast<uint32_t>(i));
      ASSERT_TRUE(item.is_ok() && item->has_value()) << i;
      EXPECT_EQ(read((*item)->bytes()).integer, i * 1000);
    }
    EXPECT_FALSE(ValueView(object).find("n" + std::to_string(count)).value().has_value());
    EXPECT_FALSE(ValueView(object).find("").value().has_value());
    EXPECT_FALSE(ValueView(array).at(static_cast<uint32_t>(count)).value().has_value());
    EXPECT_FALSE(ValueView(array).find("n0").value().has_value());
    EXPECT_FALSE(ValueView(object).at(0).value().has_value());
  }
}

TEST(ValueTest, ItemsWalkInOrder) {
  const std::string object = encode([](ValueWriter& w) {
    return w.begin_object() && w.name("z") && w.integer(1) && w.name("a") && w.string("two") && w.end();
  });
  ValueItems items{ValueView(object)};
  EXPECT_EQ(items.count(), 2u);
  ASSERT_TRUE(items.next());
  EXPECT_EQ(items.name(), "z");
  ASSERT_TRUE(items.next());
  EXPECT_EQ(items.name(), "a");
  EXPECT_EQ(read(items.value().bytes()).bytes, "two");
  EXPECT_FALSE(items.next());
  EXPECT_TRUE(items.status().is_ok());
  ValueItems scalar{ValueView(encode_integer(1))};
  EXPECT_FALSE(scalar.next());
  EXPECT_TRUE(scalar.status().is_ok());
}

TEST(ValueTest, AbandonTakesAContainerBack) {
  const std::string plain =
      encode([](ValueWriter& w) { return w.begin_array() && w.integer(1) && w.null() && w.end(); });
  const std::string after = encode([](ValueWriter& w) {
    bool ok = w.begin_array() && w.integer(1) && w.begin_object() && w.name("n") && w.begin_array();
    w.abandon();
    w.abandon();
    ok = ok && w.null();
    return ok && w.end();
  });
  EXPECT_EQ(after, plain);
}

TEST(ValueTest, NestingEndsAt128) {
  ValueWriter writer;
  for (int i = 0; i < kMaxValueNesting; ++i) ASSERT_TRUE(writer.begin_array());
  EXPECT_FALSE(writer.begin_object());
  EXPECT_EQ(writer.error().code(), Code::kNestingTooDeep);
  writer.clear();
  for (int i = 0; i < kMaxValueNesting; ++i) ASSERT_TRUE(writer.begin_array());
  for (int i = 0; i < kMaxValueNesting; ++i) ASSERT_TRUE(writer.end());
  EXPECT_TRUE(is_valid(writer.result()));
  const std::string deepest(writer.result());
  const std::string deeper =
      encode([&](ValueWriter& w) { return w.begin_array() && w.value(ValueView(deepest)) && w.end(); });
  EXPECT_EQ(ValueView(deeper).validate().code(), Code::kCorruption);
}

TEST(ValueTest, SizeEndsAt64MiB) {
  ValueWriter writer;
  const std::string most(kMaxValueBytes - 5, 'x');
  ASSERT_TRUE(writer.string(most));
  EXPECT_EQ(writer.size(), kMaxValueBytes);
  EXPECT_FALSE(writer.null());
  EXPECT_EQ(writer.error().code(), Code::kValueTooLarge);
  writer.clear();
  EXPECT_FALSE(writer.bytes(std::string(kMaxValueBytes - 4, 'x')));
  EXPECT_EQ(writer.error().code(), Code::kValueTooLarge);
  writer.clear();
  ASSERT_TRUE(writer.null());
  EXPECT_EQ(writer.size(), 1u);
}

TEST(ValueTest, SameIsStrict) {
  EXPECT_TRUE(same(ValueView(encode_real(std::nan("1"))), ValueView(encode_real(-std::nan("2")))));
  EXPECT_FALSE(same(ValueView(encode_real(0.0)), ValueView(encode_real(-0.0))));
  EXPECT_FALSE(same(ValueView(encode_integer(1)), ValueView(encode_real(1.0))));
  EXPECT_FALSE(same(ValueView(encode_integer(1)), ValueView(encode([](ValueWriter& w) { return w.boolean(true); }))));
  EXPECT_FALSE(same(ValueView(encode_string("a")), ValueView(encode([](ValueWriter& w) { return w.bytes("a"); }))));
  const auto pair = [](const char* first, const char* second, int one, int two) {
    return encode([&](ValueWriter& w) {
      return w.begin_array() && w.begin_object() && w.name(first) && w.integer(one) && w.name(second) &&
             w.integer(two) && w.end() && w.end();
    });
  };
  EXPECT_TRUE(same(ValueView(pair("a", "b", 1, 2)), ValueView(pair("b", "a", 2, 1))));
  EXPECT_FALSE(same(ValueView(pair("a", "b", 1, 2)), ValueView(pair("b", "a", 1, 2))));
  EXPECT_FALSE(same(ValueView(pair("a", "b", 1, 2)), ValueView(pair("a", "c", 1, 2))));
}

TEST(ValueTest, ValidateRefusesWhatIsNotCanonical) {
  const auto bytes = [](std::initializer_list<int> list) {
    std::string out;
    for (const int b : list) out += static_cast<char>(b);
    return out;
  };
  EXPECT_TRUE(is_valid(bytes({0x48})));
  for (const auto& bad : {
           bytes({}),  // nothing
           bytes({0x04}),
           bytes({0x0B, 0, 0}),
           bytes({0x18, 0}),
           bytes({0x28}),
           bytes({0x3F}),                                // no such type
           bytes({0x48, 0x48}),                          // two values
           bytes({0x20, 0x05}),                          // a small integer in the long form
           bytes({0x21, 0x38, 0x00}),                    // two bytes where one does
           bytes({0x03, 1, 0, 0, 0, 0, 0, 0xF8, 0x7F}),  // another NaN
           bytes({0x10, 1, 'a'}),                        // a short string in the long form
           bytes({0x15, 1, 0, 'a'}),                     // two bytes of length where one does
           bytes({0x09, 2, 0, 0, 0}),                    // likewise of a container
           bytes({0x81, 0xFF}),
           bytes({0x83, 0xED, 0xA0, 0x80}),  // not UTF-8; a surrogate
           bytes({0x82, 0xC0, 0x80}),        // overlong
           bytes({0x08, 2, 0, 0x48}),
           bytes({0x08, 1, 1}),                                    // count and members disagree
           bytes({0x0C, 3, 1, 0x48, 0x48}),                        // a name that is no string
           bytes({0x0C, 7, 2, 0x81, 'a', 0x48, 0x81, 'a', 0x48}),  // a name twice
       }) {
    EXPECT_EQ(ValueView(bad).validate().code(), Code::kCorruption) << hex(bad);
  }
}

TEST(ValueTest, ValidateChecksTheTable) {
  std::string object = encode([](ValueWriter& w) {
    bool ok = w.begin_object();
    for (int i = 0; i < 20; ++i) ok = ok && w.name(std::to_string(i)) && w.null();
    return ok && w.end();
  });
  ASSERT_TRUE(is_valid(object));
  for (size_t back = 1; back <= 21; ++back) {
    std::string broken = object;
    broken[broken.size() - back] ^= 1;
    EXPECT_FALSE(is_valid(broken)) << back;
  }
}

// ---- random values ----

bool write_random(ValueWriter& w, std::mt19937_64& random, int depth) {
  switch (random() % (depth > 5 ? 6 : 8)) {
    case 0:
      return w.null();
    case 1:
      return w.boolean(random() % 2 != 0);
    case 2:
      return w.integer(static_cast<int64_t>(random()) >> (random() % 64));
    case 3:
      return w.real(std::bit_cast<double>(random()));
    case 4:
      return w.string(std::string(random() % 200, 'k'));
    case 5:
      return w.bytes(std::string(random() % 300, '\xFE'));
    case 6: {
      const size_t n = random() % (depth < 2 ? 40 : 5);
      bool ok = w.begin_array(random() % 2 != 0 ? n : 0);
      for (size_t i = 0; i < n; ++i) ok = ok && write_random(w, random, depth + 1);
      return ok && w.end();
    }
    default: {
      const size_t n = random() % (depth < 2 ? 40 : 5);
      bool ok = w.begin_object(random() % 2 != 0 ? n : 0);
      for (size_t i = 0; i < n; ++i) {
        ok = ok && w.name(std::to_string(random() % 1000) + "." + std::to_string(i)) &&
             write_random(w, random, depth + 1);
      }
      return ok && w.end();
    }
  }
}

// Writes what it reads, item by item.
bool rewrite(ValueWriter& w, ValueView view) {
  const Result<ValueToken> token = view.read();
  if (!token.is_ok()) return false;
  switch (token->type) {
    case ValueType::kNull:
      return w.null();
    case ValueType::kBoolean:
      return w.boolean(token->boolean);
    case ValueType::kInteger:
      return w.integer(token->integer);
    case ValueType::kFloat:
      return w.real(token->real);
    case ValueType::kString:
      return w.string(token->bytes);
    case ValueType::kBytes:
      return w.bytes(token->bytes);
    case ValueType::kArray:
    case ValueType::kObject:
      break;
  }
  const bool object = token->type == ValueType::kObject;
  bool ok = object ? w.begin_object() : w.begin_array();
  ValueItems items(view);
  while (ok && items.next()) ok = (!object || w.name(items.name())) && rewrite(w, items.value());
  return ok && items.status().is_ok() && w.end();
}

// Everything a reader may do with bytes of any origin; the result is only that it returns.
size_t read_all(ValueView view, int depth) {
  size_t seen = 1;
  if (depth > kMaxValueNesting) return seen;
  ValueItems items(view);
  while (items.next()) {
    seen += read_all(items.value(), depth + 1);
    const auto found = view.find(items.name());
    if (found.is_ok() && found->has_value()) seen += (*found)->bytes().size();
    const auto item = view.at(static_cast<uint32_t>(seen % 50));
    if (item.is_ok() && item->has_value()) seen += (*item)->bytes().size();
  }
  return seen;
}

TEST(ValueTest, RandomValuesRoundTrip) {
  std::mt19937_64 random(test_seed());
  ValueWriter writer;
  for (int round = 0; round < 3000; ++round) {
    writer.clear();
    ASSERT_TRUE(write_random(writer, random, 0));
    const std::string bytes(writer.result());
    ASSERT_TRUE(is_valid(bytes)) << hex(bytes).substr(0, 400);
    ValueWriter again;
    ASSERT_TRUE(rewrite(again, ValueView(bytes)));
    ASSERT_EQ(again.result(), bytes);
    ASSERT_TRUE(same(ValueView(bytes), ValueView(again.result())));
  }
}

// Damaged bytes are refused or are another valid value: never a crash, never a read outside.
TEST(ValueTest, MutatedBytesNeverCrash) {
  std::mt19937_64 random(test_seed());
  ValueWriter writer;
  std::string other = "\x48";
  size_t refused = 0;
  size_t total = 0;
  for (int round = 0; round < 4000; ++round) {
    writer.clear();
    ASSERT_TRUE(write_random(writer, random, 0));
    const std::string_view made = writer.result().substr(0, 3000);
    // An exact heap copy, so that the address sanitizer sees a read past the end.
    std::vector<char> bytes(made.begin(), made.end());
    const size_t edits = 1 + random() % 4;
    for (size_t i = 0; i < edits && !bytes.empty(); ++i) {
      const size_t where = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[where] = static_cast<char>(random());
          break;
        case 1:
          bytes[where] ^= static_cast<char>(1 << (random() % 8));
          break;
        case 2:
          bytes.resize(where);
          break;
        default:
          bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(where), static_cast<char>(random()));
          break;
      }
    }
    bytes.shrink_to_fit();
    const ValueView view(std::string_view(bytes.data(), bytes.size()));
    ++total;
    if (!view.validate().is_ok()) {
      ++refused;
    } else {
      ValueWriter again;
      ASSERT_TRUE(rewrite(again, view));
      ASSERT_EQ(again.result(), view.bytes());
    }
    EXPECT_GT(read_all(view, 0), 0u);
    same(view, ValueView(other));
    same(ValueView(other), view);
    other.assign(bytes.begin(), bytes.end());
  }
  EXPECT_GT(refused, total / 4);
}

}  // namespace
}  // namespace strata
