#include "index/words.h"

#include <libstemmer.h>
#include <utf8proc.h>

#include <array>
#include <cstring>
#include <memory>
#include <utility>

#include "base/utf8.h"

namespace strata::index {
namespace {

// Of each byte what it is in a folded word: itself, its small letter, or 0 where it parts words.
constexpr std::array<char, 256> kFolded = [] {
  std::array<char, 256> table{};
  for (size_t c = '0'; c <= '9'; ++c) table[c] = static_cast<char>(c);
  for (size_t c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = static_cast<char>(c);
  return table;
}();

char folded(char c) { return kFolded[static_cast<uint8_t>(c)]; }
bool is_plain(char c) { return static_cast<uint8_t>(c) < 0x80; }

constexpr size_t kLeastStemmed = 3;

}  // namespace

std::string word_rules() {
  constexpr std::string_view kOwnRules = "words 2";  // to be counted up when other words come out of a text
  return std::string(kOwnRules) + ", Unicode " + utf8proc_unicode_version() + ", Snowball English";
}

bool WordReader::next(Word* word) {
  while (true) {
    if (folded_) {
      if (next_folded(word)) return true;
      if (folded_) return false;  // the end
    }
    bool ended = false;
    if (next_plain(word, &ended)) return true;
    if (ended) return false;
  }
}

// The next word while all is ASCII; sets folded_ where it is not.
bool WordReader::next_plain(Word* word, bool* ended) {
  const char* text = text_.data();
  const size_t size = text_.size();
  size_t at = at_;
  while (at < size && folded(text[at]) == 0 && is_plain(text[at])) ++at;
  if (at == size) {
    at_ = at;
    *ended = true;
    return false;
  }
  const size_t begin = at;
  size_t length = 0;
  while (at < size) {
    char c = folded(text[at]);
    if (c == 0) {
      if (!is_plain(text[at])) break;
      if (text[at] != '\'' || at + 1 == size) break;
      if (!is_plain(text[at + 1])) {
        ++at;
        break;
      }
      if (folded(text[at + 1]) == 0) break;
      c = '\'';
    }
    if (length < kMaxWordBytes) buffer_[length++] = c;
    ++at;
  }
  if (at < size && !is_plain(text[at])) {
    folded_.emplace(text_, begin);
    return false;
  }
  at_ = at;
  *word = {std::string_view(buffer_, length), begin, at, 0, false};
  return true;
}

bool WordReader::take_next(FoldedChar* c) {
  if (has_held_) {
    has_held_ = false;
    *c = held_;
    return true;
  }
  return folded_->next(c);
}

// False with folded_ still set: the text is at its end; without: go on in plain text.
bool WordReader::next_folded(Word* word) {
  if (plain_again_ != 0) {
    at_ = std::exchange(plain_again_, 0);
    folded_.reset();
    return false;
  }
  FoldedChar c;
  while (take_next(&c)) {
    if (take(c, word) == Step::kWord) return true;
    if (plain_again_ != 0) {
      at_ = std::exchange(plain_again_, 0);
      folded_.reset();
      return false;
    }
  }
  return finish(word) == Step::kWord;
}

void WordReader::append(const FoldedChar& c) {
  if (size_ == 0) begin_ = c.begin;
  end_ = c.end;
  if (size_ >= kMaxWordBytes) return;
  if (c.code < 0x80) {
    buffer_[size_++] = static_cast<char>(c.code);
    return;
  }
  pair_.clear();
  base::append_utf8(c.code, &pair_);
  if (size_ + pair_.size() > kMaxWordBytes) return;
  std::memcpy(buffer_ + size_, pair_.data(), pair_.size());
  size_ += pair_.size();
}

// Hands out what has been gathered, if anything: a word, a pair, or a letter that stands alone.
WordReader::Step WordReader::finish(Word* word) {
  if (size_ > 0) {
    *word = {std::string_view(buffer_, std::exchange(size_, 0)), begin_, end_, 0, false};
    return Step::kWord;
  }
  if (last_.text.empty()) return Step::kMore;
  const size_t begin = before_.text.empty() ? last_.begin : before_.begin;
  pair_ = before_.text + last_.text;
  *word = {pair_, begin, last_.end, before_.text.size(), true};
  before_.text.clear();
  last_.text.clear();
  return Step::kWord;
}

WordReader::Step WordReader::take(const FoldedChar& c, Word* word) {
  constexpr size_t kMostLetterBytes = 64;  // marks without end are not worth keeping
  const bool in_run = !last_.text.empty();
  const bool idle = size_ == 0 && !in_run;
  const auto hold = [&] {
    held_ = c;
    has_held_ = true;
    return finish(word);
  };
  switch (c.kind) {
    case CharKind::kNothing:
    case CharKind::kMark:
      if (in_run) {
        if (c.kind == CharKind::kMark && last_.text.size() < kMostLetterBytes) base::append_utf8(c.code, &last_.text);
        last_.end = c.end;
      } else if (size_ > 0) {
        if (c.kind == CharKind::kMark) append(c);
        end_ = c.end;
      }
      return Step::kMore;
    case CharKind::kWord:
      if (in_run) return hold();
      append(c);
      return Step::kMore;
    case CharKind::kUnspaced: {
      if (size_ > 0) return hold();
      Step step = Step::kMore;
      if (in_run) {
        if (!before_.text.empty()) {
          pair_ = before_.text + last_.text;
          *word = {pair_, before_.begin, last_.end, before_.text.size(), false};
          step = Step::kWord;
        }
        std::swap(before_, last_);
        last_.text.clear();
      }
      base::append_utf8(c.code, &last_.text);
      last_.begin = c.begin;
      last_.end = c.end;
      return step;
    }
    case CharKind::kEmoji:
      if (!idle) return hold();
      pair_.clear();
      base::append_utf8(c.code, &pair_);
      if (c.second != 0) base::append_utf8(c.second, &pair_);
      *word = {pair_, c.begin, c.end, 0, false};
      return Step::kWord;
    case CharKind::kApostrophe:
      if (size_ > 0) {
        FoldedChar following;
        if (!folded_->next(&following)) return finish(word);
        if (following.kind != CharKind::kWord) {
          held_ = following;
          has_held_ = true;
          return finish(word);
        }
        FoldedChar plain = c;
        plain.code = '\'';
        append(plain);
        append(following);
        return Step::kMore;
      }
      [[fallthrough]];
    case CharKind::kOther:
      // An ASCII character is one byte, folds to itself, and leaves nothing behind.
      if (c.end - c.begin == 1 && c.code < 0x80) plain_again_ = c.end;
      return finish(word);
  }
  return Step::kMore;
}

std::string_view stem(std::string_view word) {
  struct Free {
    void operator()(sb_stemmer* stemmer) const { sb_stemmer_delete(stemmer); }
  };
  thread_local const std::unique_ptr<sb_stemmer, Free> stemmer(sb_stemmer_new("english", nullptr));
  if (word.size() < kLeastStemmed || stemmer == nullptr) return word;
  bool letters = false;
  for (const char c : word) letters = letters || (c >= 'a' && c <= 'z');
  if (!letters) return word;
  const auto* bytes = reinterpret_cast<const sb_symbol*>(word.data());
  const sb_symbol* stemmed = sb_stemmer_stem(stemmer.get(), bytes, static_cast<int>(word.size()));
  if (stemmed == nullptr) return word;  // out of memory
  return {reinterpret_cast<const char*>(stemmed), static_cast<size_t>(sb_stemmer_length(stemmer.get()))};
}

}  // namespace strata::index
