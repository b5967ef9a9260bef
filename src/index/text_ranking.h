// Ranking: which documents a query finds, best first, by BM25.
//
// A word finds all words of its stem; other forms than the one asked for count a little less, words in the names of
// members a quarter; the commonest words of English (the, of, …) a tenth. Statistics are those of the living documents
// searched, however they are spread over segments: the same documents give the same scores.
//
//     score = Σ w · times · ln(1 + (N − n + ½)/(n + ½)) · f·(k1 + 1) / (f + k1·(1 − b + b·length/average))
//
// over the terms that may and must occur; n documents have the term, f is how often, weighted as above, w is a tenth
// for common words, else 1.
//
// Thread safety: pure; keeps scratch memory by thread. Ownership: borrows everything for the call.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "index/text_query.h"
#include "index/text_writer.h"

namespace strata::index {

constexpr float kBm25K1 = 1.2F;
constexpr float kBm25B = 0.75F;
constexpr float kOtherFormWeight = 0.85F;
constexpr float kNameWeight = 0.25F;
constexpr float kCommonWordWeight = 0.1F;

struct TextSource {
  LiveSegment live;
  uint32_t group = 0;  // documents of equal score are ordered by group, kind and key
};

// Documents, and the sum of their lengths, by kind.
struct TextStatistics {
  std::array<uint64_t, kMaxKinds> documents{};
  std::array<uint64_t, kMaxKinds> units{};
};

struct TextSearch {
  const TextQuery& query;
  std::span<const TextSource> sources;
  TextStatistics statistics;    // of all sources
  uint32_t kinds = UINT32_MAX;  // those searched, a bit each
  size_t k = 10;
  const std::function<bool()>* keep_on = nullptr;  // asked now and then; false ends the search
};

struct TextHit {
  uint32_t source = 0;
  uint32_t document = 0;
  float score = 0;
};

struct TextRanking {
  std::vector<TextHit> hits;          // at most k, best first
  std::vector<float> any_weights;     // of query.any: what one occurrence is worth
  std::vector<float> phrase_weights;  // of query.phrases
  bool ended = false;                 // by keep_on: there are no hits
};

TextRanking rank_text(const TextSearch& search);

// The parts of the formula, for whoever computes it another way.
float term_weight(uint64_t documents, uint64_t matching, const QueryTerm& term);
float term_score(float weight, float frequency, float length, float average_length);

}  // namespace strata::index
