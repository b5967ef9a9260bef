#include "index/folding.h"

#include <utf8proc.h>

#include "base/utf8.h"

namespace strata::index {
namespace {

constexpr uint32_t kHangulFirst = 0xAC00;
constexpr uint32_t kLeadFirst = 0x1100;
constexpr uint32_t kVowelFirst = 0x1161;
constexpr uint32_t kTailBefore = 0x11A7;
constexpr uint32_t kLeads = 19;
constexpr uint32_t kVowels = 21;
constexpr uint32_t kTails = 28;
constexpr uint32_t kVoiced = 0x3099;
constexpr uint32_t kSemiVoiced = 0x309A;
constexpr uint32_t kZeroWidthSpace = 0x200B;
constexpr uint32_t kTatweel = 0x0640;

bool in(uint32_t code, uint32_t first, uint32_t last) { return code >= first && code <= last; }

bool is_hangul_syllable(uint32_t code) { return in(code, kHangulFirst, 0xD7A3); }
bool is_kana(uint32_t code) { return in(code, 0x3041, 0x30FF); }

bool is_unspaced(uint32_t code) {
  if (code < 0x0E00) return false;
  return in(code, 0x0E00, 0x0EFF) ||    // Thai, Lao
         in(code, 0x1000, 0x109F) ||    // Myanmar
         in(code, 0x1780, 0x17FF) ||    // Khmer
         in(code, 0x3005, 0x3007) ||    // iteration mark, closing mark, ideographic zero
         in(code, 0x3021, 0x3029) ||    // numerals
         in(code, 0x3040, 0x312F) ||    // kana, bopomofo
         in(code, 0x31A0, 0x31BF) ||    // bopomofo
         in(code, 0x31F0, 0x31FF) ||    // kana
         in(code, 0x3400, 0x4DBF) ||    // ideographs
         in(code, 0x4E00, 0x9FFF) ||    //
         in(code, 0xA960, 0xA97F) ||    // jamo
         in(code, 0xAC00, 0xD7FF) ||    // hangul
         in(code, 0xF900, 0xFAFF) ||    // ideographs
         in(code, 0x1100, 0x11FF) ||    // jamo
         in(code, 0x1AFF0, 0x1B16F) ||  // kana
         in(code, 0x20000, 0x3FFFF);    // ideographs
}

// Accents of Latin, Greek, Cyrillic and others, points of Hebrew and Arabic. What is left out: nuktas (7), voicing
// marks of kana (8), viramas (9), vowels and tones of Telugu, Thai, Lao and Tibetan (84 to 132).
bool is_accent(utf8proc_propval_t combining_class) {
  return combining_class == 1 || (combining_class >= 10 && combining_class <= 36) || combining_class >= 200;
}

bool is_letter_or_number(int category) {
  switch (category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return true;
    default:
      return false;
  }
}

CharKind kind_of(uint32_t code) {
  if (code < 0x80) {
    if (in(code | 0x20, 'a', 'z') || in(code, '0', '9')) return CharKind::kWord;
    return code == '\'' ? CharKind::kApostrophe : CharKind::kOther;
  }
  if (code == 0x2019) return CharKind::kApostrophe;
  if (code == kZeroWidthSpace) return CharKind::kOther;
  if (code == kTatweel || in(code, 0x1F3FB, 0x1F3FF)) return CharKind::kNothing;
  const utf8proc_property_t* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(code));
  if (property->ignorable) return CharKind::kNothing;
  if (is_letter_or_number(property->category)) return is_unspaced(code) ? CharKind::kUnspaced : CharKind::kWord;
  switch (property->category) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
      return is_accent(property->combining_class) ? CharKind::kNothing : CharKind::kMark;
    case UTF8PROC_CATEGORY_ME:
      return CharKind::kNothing;
    default:
      break;
  }
  const bool emoji = property->boundclass == UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC ||
                     property->boundclass == UTF8PROC_BOUNDCLASS_REGIONAL_INDICATOR;
  return emoji ? CharKind::kEmoji : CharKind::kOther;
}

uint32_t composed(uint32_t base, uint32_t mark) {
  utf8proc_int32_t pair[2] = {static_cast<utf8proc_int32_t>(base), static_cast<utf8proc_int32_t>(mark)};
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  return utf8proc_normalize_utf32(pair, 2, options) == 1 ? static_cast<uint32_t>(pair[0]) : base;
}

// The digit of another script as one of ASCII; other code points come out as they are. Digits stand in rows of ten,
// which begin at a multiple of 16 or six behind one (those that do not are taken apart before).
uint32_t plain_digit(uint32_t code) {
  if (code < 0x80 || !is_digit(code)) return code;
  const uint32_t row = code & ~uint32_t{15};
  return '0' + (is_digit(row) ? code - row : code - row - 6);
}

}  // namespace

bool is_letter_or_digit(uint32_t code) {
  return code != base::kInvalidScalar && is_letter_or_number(utf8proc_category(static_cast<utf8proc_int32_t>(code)));
}

bool is_digit(uint32_t code) {
  return code != base::kInvalidScalar && utf8proc_category(static_cast<utf8proc_int32_t>(code)) == UTF8PROC_CATEGORY_ND;
}

bool is_space(uint32_t code) {
  if (code == base::kInvalidScalar) return false;
  if (in(code, 0x09, 0x0D) || in(code, 0x1C, 0x20) || code == 0x85) return true;
  if (code < 0x80) return false;
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

bool begins_character(uint32_t code) {
  if (code < 0x80) return true;
  if (code == base::kInvalidScalar) return false;
  if (in(code, 0x1F3FB, 0x1F3FF) || in(code, kVowelFirst, 0x11FF)) return false;
  const utf8proc_property_t* property = utf8proc_get_property(static_cast<utf8proc_int32_t>(code));
  const bool mark = property->category == UTF8PROC_CATEGORY_MN || property->category == UTF8PROC_CATEGORY_MC ||
                    property->category == UTF8PROC_CATEGORY_ME;
  return !mark && !property->ignorable;
}

uint32_t FoldedReader::peek(size_t* end) const {
  return at_ < text_.size() ? base::decode_utf8(text_, at_, end) : base::kInvalidScalar;
}

void FoldedReader::push(uint32_t code, size_t begin, size_t end) {
  if (tail_ < kMostFolded) queue_[tail_++] = FoldedChar{code, 0, kind_of(code), begin, end};
}

// Characters that are one with what follows them: a hangul syllable in parts, kana and its voicing mark, a flag.
bool FoldedReader::join_following(uint32_t code, size_t begin, size_t end) {
  size_t next_end = 0;
  if (in(code, kLeadFirst, kLeadFirst + kLeads - 1)) {
    const uint32_t vowel = peek(&next_end);
    if (!in(vowel, kVowelFirst, kVowelFirst + kVowels - 1)) return false;
    at_ = next_end;
    uint32_t syllable = kHangulFirst + ((code - kLeadFirst) * kVowels + (vowel - kVowelFirst)) * kTails;
    const uint32_t tail = peek(&next_end);
    if (in(tail, kTailBefore + 1, kTailBefore + kTails - 1)) {
      at_ = next_end;
      syllable += tail - kTailBefore;
    }
    push(syllable, begin, at_);
    return true;
  }
  if (is_kana(code)) {
    uint32_t mark = peek(&next_end);
    if (mark == 0xFF9E) mark = kVoiced;
    if (mark == 0xFF9F) mark = kSemiVoiced;
    if (mark == kVoiced || mark == kSemiVoiced) {
      at_ = next_end;
      code = composed(code, mark);
      end = next_end;
    }
    push(code, begin, end);
    return true;
  }
  if (in(code, 0x1F1E6, 0x1F1FF)) {
    const uint32_t other = peek(&next_end);
    const bool flag = in(other, 0x1F1E6, 0x1F1FF);
    if (flag) at_ = next_end;
    queue_[tail_++] = FoldedChar{code, flag ? other : 0, CharKind::kEmoji, begin, at_};
    return true;
  }
  if (is_hangul_syllable(code)) {
    push(code, begin, end);
    return true;
  }
  return false;
}

bool FoldedReader::fill() {
  if (at_ >= text_.size()) return false;
  head_ = tail_ = 0;
  const size_t begin = at_;
  const uint32_t code = base::decode_utf8(text_, begin, &at_);
  const size_t end = at_;
  if (code < 0x80) {
    push(in(code, 'A', 'Z') ? code | 0x20 : code, begin, end);
    return true;
  }
  if (code == base::kInvalidScalar) {
    queue_[tail_++] = FoldedChar{code, 0, CharKind::kOther, begin, end};
    return true;
  }
  // Folding them would lose that the one parts words and the other does not.
  if (code == kZeroWidthSpace || join_following(code, begin, end)) {
    if (code == kZeroWidthSpace) push(code, begin, end);
    return true;
  }
  utf8proc_int32_t parts[kMostFolded];
  int boundary = UTF8PROC_BOUNDCLASS_START;
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD);
  const auto size =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code), parts, kMostFolded, options, &boundary);
  if (size == 1 && is_kana(static_cast<uint32_t>(parts[0]))) {  // of half width
    if (join_following(static_cast<uint32_t>(parts[0]), begin, end)) return true;
  }
  for (utf8proc_ssize_t i = 0; i < size && i < static_cast<utf8proc_ssize_t>(kMostFolded); ++i) {
    push(plain_digit(static_cast<uint32_t>(parts[i])), begin, end);
  }
  if (tail_ == 0) queue_[tail_++] = FoldedChar{code, 0, CharKind::kNothing, begin, end};
  return true;
}

}  // namespace strata::index
