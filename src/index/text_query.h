// A text query: what must, may and must not occur. Any text is one; what makes no sense is read as words.
//
//     word   prefix*   "a phrase"   field:word   -any of these
//
// Words may occur and raise the score, as often as they are given; a phrase must occur; what begins with `-` must not.
// A field is the end of the dotted names that lead to a string.
//
// Thread safety: values and pure functions. Ownership: owns what it holds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace strata::index {

struct QueryTerm {
  std::string field;               // empty: anywhere
  std::vector<std::string> words;  // folded; several stand side by side in one string
  std::string prefix;              // instead of words: the folded beginning of one
  uint32_t times = 1;
  bool common = false;  // a word that says little (common_words.h)
  bool operator==(const QueryTerm&) const = default;
};

struct TextQuery {
  std::vector<QueryTerm> any;      // at least one occurs, unless there are phrases
  std::vector<QueryTerm> phrases;  // all occur
  std::vector<QueryTerm> never;    // none occurs
  // Whether nothing can match it.
  bool empty() const { return any.empty() && phrases.empty(); }
};

TextQuery parse_text_query(std::string_view text);

}  // namespace strata::index
