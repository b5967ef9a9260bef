// The words of a text as search sees them.
//
// A word is a run of letters and digits with the marks that belong to them, folded (folding.h); an apostrophe between
// letters belongs to it, `_` and all other signs part words. A run of a script that writes without spaces becomes its
// pairs of neighbours, a single letter stays alone. An emoji is a word; skin tones and joiners are left out.
//
// Thread safety: one object a thread. Ownership: borrows the text; Word::text is valid until the next call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "index/folding.h"

namespace strata::index {

// Names the rules by which a text becomes words: what was indexed by others does not fit.
std::string word_rules();

// What is longer is known by its beginning alone.
constexpr size_t kMaxWordBytes = 200;

struct Word {
  std::string_view text;  // folded
  size_t begin = 0;       // the bytes of the text it comes from
  size_t end = 0;
  // Of a pair: how much of the text is its first letter; 0 for other words. And whether it is the last of its run.
  size_t first_letter_bytes = 0;
  bool ends_run = false;
};

class WordReader {
 public:
  explicit WordReader(std::string_view text) : text_(text) {}
  // False at the end.
  bool next(Word* word);

 private:
  enum class Step : uint8_t { kMore, kWord };
  bool next_plain(Word* word, bool* ended);
  bool next_folded(Word* word);
  Step take(const FoldedChar& c, Word* word);
  Step finish(Word* word);
  bool take_next(FoldedChar* c);
  void append(const FoldedChar& c);

  std::string_view text_;
  size_t at_ = 0;
  // Set while the text is not plain ASCII; then it, not at_, says where the reading is.
  std::optional<FoldedReader> folded_;
  FoldedChar held_;  // read, to be taken next
  bool has_held_ = false;
  size_t plain_again_ = 0;  // where the text may be plain again; 0: not yet

  // The word so far.
  char buffer_[kMaxWordBytes + 8];
  size_t size_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
  // Of a run without spaces: the letter before the last one, which may have been handed out as half of a pair, and the
  // last one, whose marks may follow.
  struct Letter {
    std::string text;
    size_t begin = 0;
    size_t end = 0;
  };
  Letter before_;
  Letter last_;
  std::string pair_;
};

// The stem of an English word; other words come out as they are. Valid until the thread's next call.
std::string_view stem(std::string_view word);

}  // namespace strata::index
