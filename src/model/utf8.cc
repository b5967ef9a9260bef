#include "model/utf8.h"

namespace strata::model {

uint32_t next_scalar(std::string_view text, size_t* at) {
  const uint32_t scalar = base::decode_utf8(text, *at, at);
  return scalar == base::kInvalidScalar ? 0xFFFD : scalar;
}

std::string quoted(std::string_view text, size_t max_characters) {
  constexpr char kHex[] = "0123456789abcdef";
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (size_t i = 0; i < text.size() && max_characters > 0; --max_characters) {
    size_t end = 0;
    const bool valid = base::decode_utf8(text, i, &end) != base::kInvalidScalar;
    const auto c = static_cast<unsigned char>(text[i]);
    if (end - i > 1) {
      out.append(text.substr(i, end - i));
    } else if (c == '\\' || c == static_cast<unsigned char>(quote)) {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (!valid || c < 0x20 || c == 0x7F) {
      out += "\\x";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += static_cast<char>(c);
    }
    i = end;
  }
  out += quote;
  return out;
}

}  // namespace strata::model
