#include "model/json_path_lexer.h"

#include <charconv>

#include "base/check.h"
#include "model/json_path.h"
#include "model/utf8.h"

namespace strata::model {
namespace {

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Status JsonPathLexer::error() const {
  STRATA_ASSERT(failed());
  return Status::error(Code::kInvalidPath,
                       "JSONPath " + model::quoted(text_, 80) + ": " + error_ + ", at offset " + std::to_string(at_),
                       "RFC 9535: $.name, $['name'], $[0], $[*], $..name, $[1:3], $[?@.a > 1]");
}

bool JsonPathLexer::integer(int64_t* number) {
  const size_t start = at_;
  const bool negative = take('-');
  const size_t digits = at_;
  while (!at_end() && is_digit(text_[at_])) ++at_;
  const std::string_view written = text_.substr(digits, at_ - digits);
  const bool zero_first = written.size() > 1 || negative ? written.substr(0, 1) == "0" : false;
  if (written.empty() || zero_first) {
    return fail_at(start, written.empty() ? "an integer is missing" : "an integer has a zero in front");
  }
  const auto parsed = std::from_chars(text_.data() + start, text_.data() + at_, *number);
  if (parsed.ec != std::errc() || *number > kMaxJsonPathInteger || *number < -kMaxJsonPathInteger) {
    return fail_at(start, "an integer lies outside of 2^53 - 1");
  }
  return true;
}

bool JsonPathLexer::quoted(std::string_view* content) {
  const char quote = text_[at_++];
  const size_t start = at_;
  while (!at_end() && text_[at_] != quote && text_[at_] != '\\') {
    if (static_cast<uint8_t>(text_[at_]) < 0x20) return fail("a control character must be escaped");
    ++at_;
  }
  *content = text_.substr(start, at_ - start);
  if (next() == '\\') {
    if (unescaped_.capacity() < text_.size()) {
      STRATA_ASSERT(unescaped_.empty());
      unescaped_.reserve(text_.size());
    }
    const size_t from = unescaped_.size();
    unescaped_.append(*content);
    while (!at_end() && text_[at_] != quote) {
      if (static_cast<uint8_t>(text_[at_]) < 0x20) return fail("a control character must be escaped");
      if (text_[at_] != '\\') {
        unescaped_.push_back(text_[at_++]);
      } else if (!escape(quote, &unescaped_)) {
        return false;
      }
    }
    *content = std::string_view(unescaped_).substr(from);
  }
  return take(quote) || fail("a closing quote is missing");
}

bool JsonPathLexer::escape(char quote, std::string* out) {
  constexpr std::string_view kLetters = "bfnrt/\\";
  constexpr std::string_view kMeanings = "\b\f\n\r\t/\\";
  const size_t start = at_++;
  const char c = next();
  if (at_end()) return fail("a closing quote is missing");
  if (c == 'u') {
    const std::optional<uint32_t> scalar = unicode_escape();
    if (!scalar) return fail_at(start, "\\u needs four hexadecimal digits, and surrogates a pair of them");
    append_utf8(*scalar, out);
    return true;
  }
  const size_t letter = kLetters.find(c);
  if (letter == std::string_view::npos && c != quote) return fail_at(start, "there is no such escape");
  out->push_back(letter == std::string_view::npos ? quote : kMeanings[letter]);
  ++at_;
  return true;
}

// REQUIRES: at the u.
std::optional<uint32_t> JsonPathLexer::unicode_escape() {
  const std::optional<uint32_t> first = four_digits();
  if (!first || *first < 0xD800 || *first > 0xDFFF) return first;
  if (*first > 0xDBFF || !take('\\') || next() != 'u') return std::nullopt;
  const std::optional<uint32_t> second = four_digits();
  if (!second || *second < 0xDC00 || *second > 0xDFFF) return std::nullopt;
  return 0x10000 + ((*first - 0xD800) << 10) + (*second - 0xDC00);
}

std::optional<uint32_t> JsonPathLexer::four_digits() {
  ++at_;
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    const int digit = at_end() ? -1 : hex_digit(text_[at_]);
    if (digit < 0) return std::nullopt;
    value = value << 4 | static_cast<uint32_t>(digit);
  }
  return value;
}

}  // namespace strata::model
