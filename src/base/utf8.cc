#include "base/utf8.h"

#include "base/coding.h"

namespace strata::base {
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
    if (left >= 8 && (load_u64(p) & 0x8080808080808080u) == 0) {
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

uint32_t decode_utf8(std::string_view text, size_t at, size_t* end) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data()) + at;
  const size_t n = sequence_length(p, text.size() - at);
  *end = at + (n == 0 ? 1 : n);
  if (n == 0) return kInvalidScalar;
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

}  // namespace strata::base
