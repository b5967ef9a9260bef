#include "primitives/cursor.h"

#include <array>
#include <cstdint>

#include "model/key_codec.h"

namespace strata::primitives {
namespace {

constexpr std::string_view kMark = "kv1:";
// Base 64 with the alphabet for names (RFC 4648, section 5).
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// The value of each digit; kNoDigit for every other byte.
constexpr uint8_t kNoDigit = 64;
constexpr auto kDigits = [] {
  std::array<uint8_t, 256> digits{};
  digits.fill(kNoDigit);
  for (size_t i = 0; i < kAlphabet.size(); ++i) digits[static_cast<uint8_t>(kAlphabet[i])] = static_cast<uint8_t>(i);
  return digits;
}();

void add_base64(std::string_view bytes, std::string* text) {
  uint32_t bits = 0;
  int held = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<uint8_t>(c);
    for (held += 8; held >= 6; held -= 6) text->push_back(kAlphabet[bits >> (held - 6) & 63]);
  }
  if (held > 0) text->push_back(kAlphabet[bits << (6 - held) & 63]);
}

// Only what add_base64 writes: bits behind the last byte are zero.
bool from_base64(std::string_view text, std::string* bytes) {
  uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const uint8_t digit = kDigits[static_cast<uint8_t>(c)];
    if (digit == kNoDigit) return false;
    bits = bits << 6 | digit;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes->push_back(static_cast<char>(bits >> held & 255));
  }
  return held < 6 && (bits & ((1U << held) - 1)) == 0;
}

}  // namespace

std::string encode_cursor(std::string_view last_key) {
  std::string marked;
  marked.reserve(kMark.size() + last_key.size());
  marked.append(kMark).append(last_key);
  std::string text;
  text.reserve(marked.size() * 4 / 3 + 2);
  add_base64(marked, &text);
  return text;
}

Result<std::string> decode_cursor(std::string_view cursor) {
  std::string bytes;
  bytes.reserve(cursor.size());
  if (from_base64(cursor, &bytes) && bytes.starts_with(kMark)) {
    std::string key = bytes.substr(kMark.size());
    if (key.empty() || model::check_key(key).is_ok()) return key;
  }
  return Status::error(Code::kInvalidCursor,
                       "cursor '" + std::string(cursor.substr(0, 40)) + "' was not made by kv_list_paginated",
                       "pass the cursor of the page before, or None");
}

}  // namespace strata::primitives
