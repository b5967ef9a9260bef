// The words that JSONPaths (RFC 9535) are made of, singular ones and queries: names, integers, quoted strings.
//
// Each function that reads answers false once it has failed; error() then says what is wrong, at the place where.
// Thread safety: none. Ownership: borrows the text and the memory for what is written with escapes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "strata/status.h"

namespace strata::model {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
// Of the shorthand `.name`; whatever is not ASCII may be part of one, too.
inline bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<uint8_t>(c) >= 0x80;
}
inline bool continues_name(char c) { return starts_name(c) || is_digit(c); }

class JsonPathLexer {
 public:
  // REQUIRES: *unescaped is empty; it grows once, so that views into it stay.
  JsonPathLexer(std::string_view text, std::string* unescaped) : text_(text), unescaped_(*unescaped) {}

  bool fail(const char* why) {
    if (error_ == nullptr) error_ = why;
    return false;
  }
  bool fail_at(size_t at, const char* why) {
    at_ = at;
    return fail(why);
  }
  bool failed() const { return error_ != nullptr; }
  // kInvalidPath, naming the offset. REQUIRES: failed().
  Status error() const;

  std::string_view text() const { return text_; }
  size_t at() const { return at_; }
  void go_to(size_t at) { at_ = at; }
  bool at_end() const { return at_ == text_.size(); }
  char next() const { return at_end() ? '\0' : text_[at_]; }
  std::string_view rest() const { return text_.substr(at_); }
  bool take(char c) {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view word) {
    if (!rest().starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void skip_blanks() {
    while (!at_end() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
  }

  // The name of `.name`.
  bool shorthand(std::string_view* name) {
    const size_t start = at_;
    if (at_end() || !starts_name(text_[at_])) return fail("a name is missing");
    while (!at_end() && continues_name(text_[at_])) ++at_;
    *name = text_.substr(start, at_ - start);
    return true;
  }
  // Of an index or a slice.
  bool integer(int64_t* number);
  // REQUIRES: at a quote.
  bool quoted(std::string_view* content);

 private:
  bool escape(char quote, std::string* out);
  std::optional<uint32_t> unicode_escape();
  std::optional<uint32_t> four_digits();

  const std::string_view text_;
  std::string& unescaped_;
  size_t at_ = 0;
  const char* error_ = nullptr;
};

}  // namespace strata::model
