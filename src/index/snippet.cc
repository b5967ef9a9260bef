#include "index/snippet.h"

#include <algorithm>

#include "base/utf8.h"
#include "index/folding.h"

namespace strata::index {
namespace {

// A character is not looked for further than this.
constexpr size_t kMostCharacterBytes = 1024;
// A further occurrence of what the passage has already is worth this much of the first.
constexpr float kRepeated = 0.1F;

// `at` moved back to where a character begins.
size_t character_begin(std::string_view text, size_t at) {
  size_t steps = 0;
  while (at > 0 && at < text.size()) {
    const bool inside = (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80;
    size_t end = 0;
    if (!inside && (begins_character(base::decode_utf8(text, at, &end)) || ++steps > kMostCharacterBytes)) break;
    --at;
  }
  return at;
}

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

// The place behind the first `count` code points, moved back to where a character begins.
size_t cut_after(std::string_view text, size_t count) {
  size_t at = 0;
  for (; at < text.size() && count > 0; --count) {
    size_t end = 0;
    base::decode_utf8(text, at, &end);
    at = end;
  }
  const size_t cut = character_begin(text, at);
  return cut == 0 ? at : cut;
}

// So many code points before and behind a place: what lies beyond cannot be part of a snippet that has the place.
size_t step_back(std::string_view text, size_t at, size_t count) {
  while (at > 0 && count > 0) count -= (static_cast<uint8_t>(text[--at]) & 0xC0) != 0x80 ? 1 : 0;
  return at;
}
size_t step_on(std::string_view text, size_t at, size_t count) {
  for (; at < text.size(); ++at) {
    if ((static_cast<uint8_t>(text[at]) & 0xC0) != 0x80 && count-- == 0) break;
  }
  return at;
}

struct Piece {
  size_t begin;
  size_t end;
  bool matches;
};

// The words around [begin, end) of a text.
std::vector<Piece> pieces_around(std::string_view text, size_t begin, size_t end, SnippetMatcher* matcher) {
  const size_t from = character_begin(text, step_back(text, begin, kSnippetCharacters + 1));
  const size_t to = character_begin(text, step_on(text, end, kSnippetCharacters + 1));
  WordReader reader(text.substr(from, to - from));
  std::vector<Piece> pieces;
  for (Word word; reader.next(&word);) {
    const Piece piece{from + word.begin, from + word.end, matcher->match(word) >= 0};
    // The first and the last may be parts of words.
    const bool cut = (piece.begin == from && from > 0) || (piece.end == to && to < text.size());
    if (!cut || (piece.begin < end && piece.end > begin)) pieces.push_back(piece);
  }
  return pieces;
}

std::string marked(std::string_view text, size_t begin, size_t end, const std::vector<Piece>& pieces) {
  std::string result;
  size_t at = begin;
  for (size_t i = 0; i < pieces.size();) {
    const Piece& piece = pieces[i++];
    if (!piece.matches || piece.begin < at || piece.end > end) continue;
    size_t last = piece.end;
    // Pairs of neighbours overlap, and what touches is marked as one.
    for (; i < pieces.size() && pieces[i].begin <= last; ++i) {
      if (pieces[i].matches && pieces[i].end <= end) last = std::max(last, pieces[i].end);
    }
    result.append(text.substr(at, piece.begin - at));
    result.append("**").append(text.substr(piece.begin, last - piece.begin)).append("**");
    at = last;
  }
  return result.append(text.substr(at, end - at));
}

}  // namespace

SnippetMatcher::SnippetMatcher(const TextQuery& query, const TextRanking& ranking) {
  for (size_t i = 0; i < query.any.size(); ++i) add(query.any[i], ranking.any_weights[i]);
  for (size_t i = 0; i < query.phrases.size(); ++i) add(query.phrases[i], ranking.phrase_weights[i]);
}

void SnippetMatcher::add_first(std::string_view word) {
  if (!word.empty()) first_bytes_[static_cast<uint8_t>(word[0])] = true;
}

void SnippetMatcher::add(const QueryTerm& term, float weight) {
  const auto number = static_cast<int>(weights_.size());
  if (!term.prefix.empty()) {
    prefixes_.emplace_back(term.prefix, number);
    add_first(term.prefix);
    weights_.push_back(weight);
    return;
  }
  for (const std::string& word : term.words) {
    const auto [place, added] = stems_.emplace(std::string(stem(word)), static_cast<int>(weights_.size()));
    if (added) weights_.push_back(weight);
    add_first(place->first);
    add_first(word);
  }
}

int SnippetMatcher::match(const Word& word) {
  const int number = match_text(word.text);
  if (number >= 0 || word.first_letter_bytes == 0) return number;
  const int first = match_text(word.text.substr(0, word.first_letter_bytes));
  return first >= 0 ? first : match_text(word.text.substr(word.first_letter_bytes));
}

int SnippetMatcher::match_text(std::string_view word) {
  if (word.empty() || !first_bytes_[static_cast<uint8_t>(word[0])]) return -1;
  const auto known = known_.find(word);
  if (known != known_.end()) return known->second;
  int number = -1;
  const auto stemmed = stems_.find(stem(word));
  if (stemmed != stems_.end()) number = stemmed->second;
  for (const auto& [prefix, of_prefix] : prefixes_) {
    if (number < 0 && word.starts_with(prefix)) number = of_prefix;
  }
  if (known_.size() < 10000) known_.emplace(word, number);
  return number;
}

bool SnippetMaker::add(WordTable table, std::string_view text) {
  if (!has_first_ && table == WordTable::kText) {
    first_ = text;
    has_first_ = true;
  }
  window_.clear();
  size_t next = 0;  // of the window
  WordReader reader(text);
  for (Word word; reader.next(&word);) {
    const int number = matcher_.match(word);
    if (number < 0) continue;
    window_.push_back({word.begin, word.end, number});
    while (window_[next].begin + kSnippetCharacters < word.end && next + 1 < window_.size()) ++next;
    if (next > 0) {
      window_.erase(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(next));
      next = 0;
    }
    consider(table, text);
    if (best_.kinds == matcher_.count() && best_.table == WordTable::kText) return false;
  }
  return true;
}

// The matches in window_ as a passage. Text goes before names.
void SnippetMaker::consider(WordTable table, std::string_view text) {
  float weight = 0;
  size_t kinds = 0;
  for (size_t i = 0; i < window_.size(); ++i) {
    bool seen = false;
    for (size_t j = 0; j < i && !seen; ++j) seen = window_[j].number == window_[i].number;
    kinds += seen ? 0 : 1;
    weight += matcher_.weight(window_[i].number) * (seen ? kRepeated : 1.0F);
  }
  const bool better_table = table == WordTable::kText && best_.table == WordTable::kNames;
  const bool worse_table = table == WordTable::kNames && best_.table == WordTable::kText;
  if (best_.weight >= 0 && !better_table && (worse_table || weight <= best_.weight)) return;
  best_ = {table, text, window_.front().begin, window_.back().end, weight, kinds};
}

std::string SnippetMaker::snippet() {
  if (best_.weight < 0) {
    best_.text = first_;
    best_.begin = best_.end = 0;
  }
  const std::string_view text = best_.text;
  const std::vector<Piece> pieces = pieces_around(text, best_.begin, best_.end, &matcher_);
  size_t begin = best_.begin;
  size_t end = best_.end;
  size_t first = 0;
  while (first < pieces.size() && pieces[first].begin < begin) ++first;
  size_t last = first;
  while (last < pieces.size() && pieces[last].end <= end) ++last;
  // Whole words are added on both sides by turns, while there is room.
  size_t used = count_characters(text.substr(begin, end - begin));
  const auto fits = [&](size_t from, size_t to) {
    const size_t more = count_characters(text.substr(from, to - from));
    if (used + more > kSnippetCharacters) return false;
    used += more;
    return true;
  };
  bool before = true;
  bool behind = true;
  while (before || behind) {
    before = before && first > 0 && fits(std::min(begin, pieces[first - 1].begin), begin);
    if (before) begin = std::min(begin, pieces[--first].begin);
    behind = behind && last < pieces.size() && fits(end, std::max(end, pieces[last].end));
    if (behind) end = std::max(end, pieces[last++].end);
  }
  if (end == begin || used > kSnippetCharacters) {  // one word that is longer than a snippet, or none at all
    end = begin +
          cut_after(text.substr(begin, std::min(text.size() - begin, 8 * kSnippetCharacters)), kSnippetCharacters);
  }
  return marked(text, begin, end, pieces);
}

}  // namespace strata::index
