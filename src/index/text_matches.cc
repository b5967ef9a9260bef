#include "index/text_matches.h"

#include <algorithm>

#include "index/text_ranking.h"
#include "index/words.h"

namespace strata::index {
namespace {

constexpr WordTable kBothTables[] = {WordTable::kText, WordTable::kNames};

float table_weight(WordTable table) { return table == WordTable::kText ? 1.0F : kNameWeight; }

}  // namespace

void MatchCollector::find_parts(const TextSegment& segment, std::string_view word, WordTable table) {
  const TextSegment::Range range = segment.with_stem(table, stem(word));
  for (uint32_t place = range.begin; place < range.end; ++place) {
    const uint32_t form = segment.form(table, place);
    const bool exact = segment.word(table, form) == word;
    parts_.push_back({table, form, table_weight(table) * (exact ? 1.0F : kOtherFormWeight)});
  }
}

void MatchCollector::find_prefix_parts(const TextSegment& segment, std::string_view prefix, WordTable table) {
  const TextSegment::Range range = segment.with_prefix(table, prefix);
  for (uint32_t word = range.begin; word < range.end; ++word) parts_.push_back({table, word, table_weight(table)});
}

void MatchCollector::collect(const QueryTerm& term, const Filter& filter, std::vector<TextMatch>* matches) {
  const TextSegment& segment = *filter.live.segment;
  for (const uint32_t document : touched_) sums_[document] = 0;  // of a call that did not come to its end
  touched_.clear();
  if (sums_.size() < segment.documents()) sums_.resize(segment.documents(), 0);
  path_matches_.assign(term.field.empty() ? 0 : segment.paths(), -1);
  if (term.words.size() > 1) return collect_phrase(term, filter, matches);
  parts_.clear();
  for (const WordTable table : kBothTables) {
    if (term.words.empty()) {
      find_prefix_parts(segment, term.prefix, table);
    } else {
      find_parts(segment, term.words[0], table);
    }
  }
  if (term.field.empty()) return collect_parts(filter, matches);
  collect_in_field(term, filter, matches);
}

void MatchCollector::hand_out(std::vector<TextMatch>* matches) {
  matches->reserve(matches->size() + touched_.size());
  for (const uint32_t document : touched_) {
    matches->push_back({document, sums_[document]});
    sums_[document] = 0;
  }
  touched_.clear();
}

void MatchCollector::collect_parts(const Filter& filter, std::vector<TextMatch>* matches) {
  const TextSegment& segment = *filter.live.segment;
  const bool all = filter.live.live == nullptr && filter.kinds == UINT32_MAX;
  if (parts_.size() == 1) {
    const float weight = parts_[0].weight;
    PostingReader postings = segment.postings(parts_[0].table, parts_[0].word);
    while (postings.next()) {
      if (!all && !filter.accepts(postings.document())) continue;
      matches->push_back({postings.document(), weight * static_cast<float>(postings.count())});
    }
    return;
  }
  for (const Part& part : parts_) {
    PostingReader postings = segment.postings(part.table, part.word);
    while (postings.next()) {
      if (!all && !filter.accepts(postings.document())) continue;
      add(postings.document(), part.weight * static_cast<float>(postings.count()));
    }
  }
  hand_out(matches);
}

bool MatchCollector::path_matches(const TextSegment& segment, uint32_t path, std::string_view field) {
  if (field.empty()) return true;
  int8_t& known = path_matches_[path];
  if (known < 0) known = segment.path_ends_with(path, field) ? 1 : 0;
  return known != 0;
}

void MatchCollector::collect_in_field(const QueryTerm& term, const Filter& filter, std::vector<TextMatch>* matches) {
  const TextSegment& segment = *filter.live.segment;
  for (const Part& part : parts_) {
    PostingReader postings = segment.postings(part.table, part.word);
    while (postings.next()) {
      const uint32_t document = postings.document();
      PathWalker walker(segment, document);
      uint32_t found = 0;
      const bool whole = postings.spots([&](uint32_t spot) {
        if (path_matches(segment, walker.at(spot), term.field)) ++found;
      });
      if (!whole) break;  // damage ends the list
      if (found > 0 && filter.accepts(document)) add(document, part.weight * static_cast<float>(found));
    }
  }
  hand_out(matches);
}

// All places of the words in parts_, in order.
void MatchCollector::gather_spots(const TextSegment& segment, const Filter& filter, std::vector<Spot>* spots) {
  spots->clear();
  for (const Part& part : parts_) {
    PostingReader postings = segment.postings(part.table, part.word);
    while (postings.next()) {
      const uint32_t document = postings.document();
      const bool wanted = filter.accepts(document);
      const bool whole = postings.spots([&](uint32_t spot) {
        if (wanted) spots->push_back({document, spot});
      });
      if (!whole) break;
    }
  }
  if (parts_.size() > 1) std::sort(spots->begin(), spots->end());
}

// A phrase lies in one string, so in one table.
void MatchCollector::collect_phrase(const QueryTerm& term, const Filter& filter, std::vector<TextMatch>* matches) {
  const TextSegment& segment = *filter.live.segment;
  std::vector<Spot> begun;  // where the words so far stand
  std::vector<Spot> spots;
  for (const WordTable table : kBothTables) {
    for (uint32_t i = 0; i < term.words.size(); ++i) {
      parts_.clear();
      find_parts(segment, term.words[i], table);
      gather_spots(segment, filter, &spots);
      if (i == 0) {
        begun.swap(spots);
      } else {
        size_t kept = 0;
        size_t at = 0;
        for (const Spot& start : begun) {
          const Spot wanted{start.document, start.spot + i};
          while (at < spots.size() && spots[at] < wanted) ++at;
          if (at < spots.size() && !(wanted < spots[at])) begun[kept++] = start;
        }
        begun.resize(kept);
      }
      if (begun.empty()) break;
    }
    // A letter may stand twice at one place.
    const auto same = [](const Spot& a, const Spot& b) { return !(a < b) && !(b < a); };
    begun.erase(std::unique(begun.begin(), begun.end(), same), begun.end());
    size_t at = 0;
    while (at < begun.size()) {
      const uint32_t document = begun[at].document;
      PathWalker walker(segment, document);
      uint32_t found = 0;
      for (; at < begun.size() && begun[at].document == document; ++at) {
        if (term.field.empty() || path_matches(segment, walker.at(begun[at].spot), term.field)) ++found;
      }
      if (found > 0) add(document, table_weight(table) * static_cast<float>(found));
    }
  }
  hand_out(matches);
}

}  // namespace strata::index
