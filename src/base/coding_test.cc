#include "base/coding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace strata::base {
namespace {

const std::vector<uint64_t> kNumbers = [] {
  std::vector<uint64_t> numbers = {0, std::numeric_limits<uint64_t>::max()};
  for (int bit = 0; bit < 64; ++bit) {
    for (int64_t step = -1; step <= 1; ++step) numbers.push_back((uint64_t{1} << bit) + static_cast<uint64_t>(step));
  }
  return numbers;
}();

TEST(CodingTest, FixedNumbersAreLittleEndian) {
  std::string out;
  put_u16(out, 0x0102);
  put_u32(out, 0x03040506);
  put_u64(out, 0x0708090a0b0c0d0e);
  EXPECT_EQ(out, "\x02\x01\x06\x05\x04\x03\x0e\x0d\x0c\x0b\x0a\x09\x08\x07");

  Reader reader(out);
  uint16_t a = 0;
  uint32_t b = 0;
  uint64_t c = 0;
  ASSERT_TRUE(reader.read_u16(a) && reader.read_u32(b) && reader.read_u64(c));
  EXPECT_EQ(a, 0x0102);
  EXPECT_EQ(b, 0x03040506u);
  EXPECT_EQ(c, 0x0708090a0b0c0d0eu);
  EXPECT_TRUE(reader.done());
}

TEST(CodingTest, BigEndianBytesSortAsNumbers) {
  std::vector<uint64_t> numbers = kNumbers;
  std::sort(numbers.begin(), numbers.end());
  std::string previous;
  for (const uint64_t number : numbers) {
    char bytes[8];
    store_be64(bytes, number);
    EXPECT_EQ(load_be64(bytes), number);
    const std::string now(bytes, 8);
    EXPECT_LE(previous, now);
    previous = now;
  }
}

TEST(CodingTest, VarintsComeBackInTheirSize) {
  for (const uint64_t number : kNumbers) {
    std::string out;
    put_varint(out, number);
    EXPECT_EQ(out.size(), varint_size(number)) << number;
    ASSERT_LE(out.size(), kMaxVarintBytes);
    Reader reader(out);
    uint64_t back = ~number;
    ASSERT_TRUE(reader.read_varint(back));
    EXPECT_EQ(back, number);
    EXPECT_TRUE(reader.done());
  }
}

TEST(CodingTest, CutVarintConsumesNothing) {
  for (const uint64_t number : kNumbers) {
    std::string out;
    put_varint(out, number);
    out.pop_back();
    Reader reader(out);
    uint64_t back = 0;
    EXPECT_FALSE(reader.read_varint(back));
    EXPECT_EQ(reader.remaining(), out.size());
  }
}

TEST(CodingTest, VarintOfMoreThan64BitsIsRefused) {
  uint64_t back = 0;
  // The tenth byte may carry one bit only, and there is no eleventh.
  EXPECT_FALSE(Reader(std::string(9, '\x80') + '\x02').read_varint(back));
  EXPECT_FALSE(Reader(std::string(10, '\x80') + '\x01').read_varint(back));
  EXPECT_TRUE(Reader(std::string(9, '\xff') + '\x01').read_varint(back));
  EXPECT_EQ(back, std::numeric_limits<uint64_t>::max());
}

TEST(CodingTest, ReadsPastTheEndFailAndConsumeNothing) {
  const std::string bytes(7, 'x');
  Reader reader(bytes);
  uint64_t number = 0;
  std::string_view view;
  EXPECT_FALSE(reader.read_u64(number));
  EXPECT_FALSE(reader.read_bytes(8, view));
  EXPECT_FALSE(reader.read_bytes(std::numeric_limits<size_t>::max(), view));
  EXPECT_EQ(reader.remaining(), 7u);
  ASSERT_TRUE(reader.read_bytes(7, view));
  EXPECT_EQ(view, bytes);
  uint8_t byte = 0;
  EXPECT_FALSE(reader.read_u8(byte));
}

TEST(CodingTest, StringsAreLengthsAndBytes) {
  std::string out;
  put_string(out, "");
  put_string(out, std::string(300, 'q'));
  Reader reader(out);
  std::string_view view = "not empty";
  ASSERT_TRUE(reader.read_string(view));
  EXPECT_EQ(view, "");
  ASSERT_TRUE(reader.read_string(view));
  EXPECT_EQ(view, std::string(300, 'q'));
}

TEST(CodingTest, StringLongerThanItsBytesConsumesNothing) {
  std::string out;
  put_varint(out, std::numeric_limits<uint64_t>::max());
  out += "abc";
  Reader reader(out);
  std::string_view view;
  EXPECT_FALSE(reader.read_string(view));
  EXPECT_EQ(reader.remaining(), out.size());
}

TEST(CodingTest, AWideVarintReadsAsTheNarrowOne) {
  for (const uint64_t v : {uint64_t{0}, uint64_t{1}, uint64_t{127}, uint64_t{128}, uint64_t{70'000}, UINT64_MAX}) {
    for (size_t bytes = varint_size(v); bytes <= kMaxVarintBytes; ++bytes) {
      char wide[kMaxVarintBytes];
      store_wide_varint(wide, v, bytes);
      Reader reader({wide, bytes});
      uint64_t read = 0;
      ASSERT_TRUE(reader.read_varint(read)) << v << " in " << bytes;
      EXPECT_EQ(read, v);
      EXPECT_TRUE(reader.done());
    }
  }
}

}  // namespace
}  // namespace strata::base
