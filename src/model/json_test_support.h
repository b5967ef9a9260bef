// For tests: values from JSON text and back, and random ones.
// Thread safety: pure functions. Ownership: results are owned by the caller.
#pragma once

#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <string>
#include <string_view>

#include "strata/value.h"

namespace strata::model {

// Reads just enough of JSON for tests: no blanks inside of tokens, no escapes. Names and strings are in single quotes.
class JsonText {
 public:
  explicit JsonText(std::string_view text) : text_(text) {}

  std::string encoded() {
    EXPECT_TRUE(value()) << text_;
    EXPECT_EQ(at_, text_.size()) << text_;
    return std::string(writer_.result());
  }

 private:
  char next() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) {
    if (next() != c) return false;
    ++at_;
    return true;
  }
  bool word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return false;
    at_ += expected.size();
    return true;
  }
  std::string_view quoted() {
    EXPECT_TRUE(take('\''));
    const size_t start = at_;
    at_ = text_.find('\'', at_);
    return text_.substr(start, at_++ - start);
  }
  bool value() {
    switch (next()) {
      case '{':
        ++at_;
        if (!writer_.begin_object()) return false;
        while (!take('}')) {
          if (!writer_.name(quoted()) || !take(':') || !value()) return false;
          (void)take(',');
        }
        return writer_.end();
      case '[':
        ++at_;
        if (!writer_.begin_array()) return false;
        while (!take(']')) {
          if (!value()) return false;
          (void)take(',');
        }
        return writer_.end();
      case '\'':
        return writer_.string(quoted());
      case 'n':
        return word("null") && writer_.null();
      case 't':
        return word("true") && writer_.boolean(true);
      case 'f':
        return word("false") && writer_.boolean(false);
      default:
        return number();
    }
  }
  bool number() {
    const size_t start = at_;
    while (at_ < text_.size() && (std::isdigit(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '-' ||
                                  text_[at_] == '.' || text_[at_] == 'e')) {
      ++at_;
    }
    const std::string token(text_.substr(start, at_ - start));
    if (token.find_first_of(".e") != std::string::npos) return writer_.real(std::strtod(token.c_str(), nullptr));
    return !token.empty() && writer_.integer(std::strtoll(token.c_str(), nullptr, 10));
  }

  const std::string_view text_;
  size_t at_ = 0;
  ValueWriter writer_;
};

inline std::string from_json(std::string_view text) { return JsonText(text).encoded(); }

inline std::string to_json(ValueView value) {
  const auto token = value.read();
  if (!token.is_ok()) return "damaged";
  switch (token->type) {
    case ValueType::kNull:
      return "null";
    case ValueType::kBoolean:
      return token->boolean ? "true" : "false";
    case ValueType::kInteger:
      return std::to_string(token->integer);
    case ValueType::kFloat:
      return std::to_string(token->real);
    case ValueType::kString:
    case ValueType::kBytes:
      return "'" + std::string(token->bytes) + "'";
    default:
      break;
  }
  const bool object = token->type == ValueType::kObject;
  std::string out(1, object ? '{' : '[');
  for (ValueItems items(value); items.next();) {
    if (out.size() > 1) out += ',';
    if (object) out += "'" + std::string(items.name()) + "':";
    out += to_json(items.value());
  }
  return out + (object ? '}' : ']');
}
inline std::string to_json(std::string_view encoded) { return to_json(ValueView(encoded)); }

}  // namespace strata::model
