#include "index/common_words.h"

#include <algorithm>
#include <array>

namespace strata::index {
namespace {

// In order. Those that other search engines leave out by default.
constexpr std::array<std::string_view, 33> kCommonWords = {
    "a",   "an",    "and",  "are",   "as",    "at",   "be",   "but", "by",  "for",  "if",
    "in",  "into",  "is",   "it",    "no",    "not",  "of",   "on",  "or",  "such", "that",
    "the", "their", "then", "there", "these", "they", "this", "to",  "was", "will", "with",
};
static_assert(std::is_sorted(kCommonWords.begin(), kCommonWords.end()));

}  // namespace

bool is_common_word(std::string_view folded) {
  return std::binary_search(kCommonWords.begin(), kCommonWords.end(), folded);
}

}  // namespace strata::index
