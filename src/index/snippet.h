// The passage of a document that best shows why it was found, with what matches marked **so**.
//
// Thread safety: one object a thread. Ownership: a SnippetMatcher owns what it knows; a SnippetMaker borrows the
// matcher and, until snippet() is called, the strings.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "index/text_query.h"
#include "index/text_ranking.h"
#include "index/text_segment.h"
#include "index/words.h"

namespace strata::index {

constexpr size_t kSnippetCharacters = 160;

// Which words match a query.
class SnippetMatcher {
 public:
  SnippetMatcher(const TextQuery& query, const TextRanking& ranking);
  // Number of what it matches, -1 for nothing. Of a pair its letters may match alone.
  int match(const Word& word);
  float weight(int number) const { return weights_[static_cast<size_t>(number)]; }
  size_t count() const { return weights_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Numbers = std::unordered_map<std::string, int, Hash, std::equal_to<>>;
  int match_text(std::string_view word);
  void add(const QueryTerm& term, float weight);
  void add_first(std::string_view word);

  std::array<bool, 256> first_bytes_{};
  Numbers stems_;
  std::vector<std::pair<std::string, int>> prefixes_;
  std::vector<float> weights_;
  Numbers known_;
};

class SnippetMaker {
 public:
  explicit SnippetMaker(SnippetMatcher* matcher) : matcher_(*matcher) {}
  // The strings of the document in order. False: there can be no better passage.
  bool add(WordTable table, std::string_view text);
  // Empty where nothing was added. With no match it is the beginning of the first string.
  std::string snippet();

 private:
  struct Match {
    size_t begin;
    size_t end;
    int number;
  };
  struct Passage {
    WordTable table = WordTable::kNames;
    std::string_view text;
    size_t begin = 0;
    size_t end = 0;
    float weight = -1;
    size_t kinds = 0;  // how many different things match
  };
  void consider(WordTable table, std::string_view text);

  SnippetMatcher& matcher_;
  std::vector<Match> window_;
  std::string_view first_;
  bool has_first_ = false;
  Passage best_;
};

}  // namespace strata::index
