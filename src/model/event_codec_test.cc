#include "model/event_codec.h"

#include <gtest/gtest.h>

#include "base/coding.h"

namespace strata::model {
namespace {

std::string sample(ValueWriter* writer) {
  EXPECT_TRUE(writer->begin_object() && writer->name("n") && writer->integer(300) && writer->name("list") &&
              writer->begin_array() && writer->null() && writer->boolean(true) && writer->real(1.5) &&
              writer->string("\xC3\xA9") && writer->bytes("\x01") && writer->end() && writer->end());
  return std::string(writer->result());
}

TEST(EventCodec, EveryFieldComesBack) {
  ValueWriter writer;
  const std::string payload = sample(&writer);
  const std::string hash(32, 'h');
  for (const uint64_t database : {uint64_t{0}, uint64_t{77}}) {
    const EventRow row{kUnordered, hash, {database, 5, 1ull << 40, 1'700'000'000'000'000}, "step", payload};
    std::string bytes = "before";
    build_event(row, &bytes);
    EventRow read;
    ASSERT_TRUE(parse_event(std::string_view(bytes).substr(6), &read));
    EXPECT_EQ(read.flags, kUnordered | (database != 0 ? kForeignOrigin : 0));
    EXPECT_EQ(read.hash, hash);
    EXPECT_EQ(read.origin, row.origin);
    EXPECT_EQ(read.type, "step");
    EXPECT_EQ(read.payload, payload);
  }
}

TEST(EventCodec, ShortOrStrangeBytesAreNoEvent) {
  ValueWriter writer;
  const std::string payload = sample(&writer);
  std::string bytes;
  build_event({0, {}, {9, 1, 2, 3}, "step", payload}, &bytes);
  EventRow row;
  const size_t head = kEventHeadBytes + 8 + 2 + 4;
  for (size_t size = 0; size <= head; ++size) {
    EXPECT_FALSE(parse_event(std::string_view(bytes).substr(0, size), &row)) << size;
  }
  bytes[0] = 4;
  EXPECT_FALSE(parse_event(bytes, &row));
  EXPECT_EQ(read_event(bytes, 3, &row).code(), Code::kCorruption);
}

// The bytes that are hashed, written out by hand from docs/value_format.md.
TEST(EventCodec, HashIsThatOfTheCanonicalEncoding) {
  ValueWriter writer;
  const std::string payload = sample(&writer);
  const std::string previous(32, '\x11');
  const auto be32 = [](uint32_t n) {
    char bytes[8];
    base::store_be64(bytes, n);
    return std::string(bytes + 4, 4);
  };
  const auto be64 = [](uint64_t n) {
    char bytes[8];
    base::store_be64(bytes, n);
    return std::string(bytes, 8);
  };
  std::string text = previous + "A" + be32(4) + "I" + be64(7) + "S" + be32(4) + "step" + "I" + be64(99);
  text += "O" + be32(2) + "S" + be32(1) + "n" + "I" + be64(300) + "S" + be32(4) + "list" + "A" + be32(5) + "NT";
  text += "D" + be64(0x3FF8000000000000) + "S" + be32(2) + "\xC3\xA9" + "B" + be32(1) + "\x01";
  base::Sha256 sha;
  sha.add(text);
  const auto hash = event_hash(previous, 7, "step", 99, ValueView(payload));
  ASSERT_TRUE(hash.is_ok());
  EXPECT_EQ(*hash, sha.finish());
}

TEST(EventCodec, LargePayloadsAreHashedWhole) {
  ValueWriter writer;
  ASSERT_TRUE(writer.begin_object() && writer.name("a") && writer.string(std::string(700, 'a')) && writer.name("b") &&
              writer.string(std::string(500, 'b')) && writer.end());
  const auto one = event_hash(std::string(32, '\0'), 0, "t", 1, ValueView(writer.result()));
  std::string changed(writer.result());
  changed.back() = 'c';
  const auto other = event_hash(std::string(32, '\0'), 0, "t", 1, ValueView(changed));
  ASSERT_TRUE(one.is_ok() && other.is_ok());
  EXPECT_NE(*one, *other);
}

TEST(EventCodec, DamagedPayloadHasNoHash) {
  const std::string cut("\x0C\x05\x01\x81\x61", 5);
  EXPECT_EQ(event_hash(std::string(32, '\0'), 0, "t", 1, ValueView(cut)).status().code(), Code::kCorruption);
}

}  // namespace
}  // namespace strata::model
