// From code points to what is compared: no case, no accents, compatibility forms taken apart.
//
// Folding is the compatibility decomposition (NFKD) with full case folding, without accents and points and without
// characters that are not shown. Marks that carry meaning stay: vowel signs, viramas, voicing marks of kana.
//
// Thread safety: pure. Ownership: a FoldedReader borrows the text.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace strata::index {

enum class CharKind : uint8_t {
  kOther,       // parts words
  kNothing,     // neither parts words nor belongs to them: accents, joiners, what is not shown
  kWord,        // a letter or digit of a script that puts spaces between words
  kUnspaced,    // a letter of a script without spaces: ideographs, kana, hangul, Thai, Lao, Myanmar, Khmer
  kMark,        // belongs to the letter before it
  kApostrophe,  // inside a word it belongs to the word
  kEmoji,       // a word by itself
};

struct FoldedChar {
  uint32_t code = 0;
  uint32_t second = 0;  // kEmoji: of a flag, else 0
  CharKind kind = CharKind::kOther;
  size_t begin = 0;  // the bytes of the text it comes from
  size_t end = 0;
};

// The folded characters of a text, in order. Bytes that are no UTF-8 part words.
class FoldedReader {
 public:
  FoldedReader(std::string_view text, size_t at) : text_(text), at_(at) {}
  // False at the end.
  bool next(FoldedChar* out) {
    if (head_ == tail_ && !fill()) return false;
    *out = queue_[head_++];
    return true;
  }

 private:
  static constexpr size_t kMostFolded = 24;  // of one code point
  bool fill();
  uint32_t peek(size_t* end) const;
  void push(uint32_t code, size_t begin, size_t end);
  bool join_following(uint32_t code, size_t begin, size_t end);

  std::string_view text_;
  size_t at_;
  size_t head_ = 0;
  size_t tail_ = 0;
  std::array<FoldedChar, kMostFolded> queue_;
};

// Whether a letter or digit (as in `\w` of patterns, without `_`); whether a digit.
bool is_letter_or_digit(uint32_t code);
bool is_digit(uint32_t code);
bool is_space(uint32_t code);
// Whether the text may be cut before this code point without taking a character apart.
bool begins_character(uint32_t code);

}  // namespace strata::index
