#include "primitives/cursor.h"

#include <cstdint>

#include "model/key_codec.h"

namespace strata::primitives {
namespace {

constexpr std::string_view kMark = "kv1:";
// Base 64 with the alphabet for names (RFC 4648, section 5).
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string to_base64(std::string_view bytes) {
  std::string text;
  uint32_t bits = 0;
  int held = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<uint8_t>(c);
    for (held += 8; held >= 6; held -= 6) text.push_back(kAlphabet[bits >> (held - 6) & 63]);
  }
  if (held > 0) text.push_back(kAlphabet[bits << (6 - held) & 63]);
  return text;
}

bool from_base64(std::string_view text, std::string* bytes) {
  uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return false;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes->push_back(static_cast<char>(bits >> held & 255));
    }
  }
  return to_base64(*bytes) == text;
}

}  // namespace

std::string encode_cursor(std::string_view last_key) { return to_base64(std::string(kMark).append(last_key)); }

Result<std::string> decode_cursor(std::string_view cursor) {
  std::string bytes;
  if (from_base64(cursor, &bytes) && bytes.starts_with(kMark)) {
    std::string key = bytes.substr(kMark.size());
    if (key.empty() || model::check_key(key).is_ok()) return key;
  }
  return Status::error(Code::kInvalidCursor,
                       "cursor '" + std::string(cursor.substr(0, 40)) + "' was not made by kv_list_paginated",
                       "pass the cursor of the page before, or None");
}

}  // namespace strata::primitives
