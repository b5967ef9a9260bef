#include "model/utf8.h"

#include <cstdint>

#include "base/coding.h"

namespace strata::model {
namespace {

// The length of the well-formed sequence at `p`, or 0. The table of the Unicode standard (3-7).
size_t sequence_length(const unsigned char* p, size_t left) {
  const unsigned lead = p[0];
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (left < length) return 0;
  unsigned low = 0x80;
  unsigned high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  if (p[1] < low || p[1] > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if ((p[i] & 0xC0) != 0x80) return 0;
  }
  return length;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t left = bytes.size();
  while (left > 0) {
    if (left >= 8 && (base::load_u64(p) & 0x8080808080808080u) == 0) {
      p += 8;
      left -= 8;
      continue;
    }
    const size_t n = sequence_length(p, left);
    if (n == 0) return false;
    p += n;
    left -= n;
  }
  return true;
}

void append_utf8(uint32_t scalar, std::string* out) {
  const auto tail = [&](unsigned shift) { out->push_back(static_cast<char>(0x80 | (scalar >> shift & 0x3F))); };
  if (scalar < 0x80) {
    out->push_back(static_cast<char>(scalar));
  } else if (scalar < 0x800) {
    out->push_back(static_cast<char>(0xC0 | scalar >> 6));
    tail(0);
  } else if (scalar < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | scalar >> 12));
    tail(6);
    tail(0);
  } else {
    out->push_back(static_cast<char>(0xF0 | scalar >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

uint32_t next_scalar(std::string_view text, size_t* at) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data()) + *at;
  const size_t n = sequence_length(p, text.size() - *at);
  *at += n == 0 ? 1 : n;
  if (n == 0) return 0xFFFD;
  if (n == 1) return *p;
  uint32_t scalar = *p & (0xFFu >> (n + 1));
  for (size_t i = 1; i < n; ++i) scalar = scalar << 6 | (p[i] & 0x3F);
  return scalar;
}

size_t count_scalars(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<uint8_t>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

std::string quoted(std::string_view text, size_t max_characters) {
  constexpr char kHex[] = "0123456789abcdef";
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (size_t i = 0; i < text.size() && max_characters > 0; --max_characters) {
    const auto* p = reinterpret_cast<const unsigned char*>(text.data()) + i;
    const size_t n = sequence_length(p, text.size() - i);
    const unsigned char c = *p;
    if (n > 1) {
      out.append(text.substr(i, n));
    } else if (c == '\\' || c == static_cast<unsigned char>(quote)) {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (n == 0 || c < 0x20 || c == 0x7F) {
      out += "\\x";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += static_cast<char>(c);
    }
    i += n == 0 ? 1 : n;
  }
  out += quote;
  return out;
}

}  // namespace strata::model
