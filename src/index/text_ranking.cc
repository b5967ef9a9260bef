#include "index/text_ranking.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "index/best.h"
#include "index/text_matches.h"

namespace strata::index {
namespace {

// How often a search asks whether it is still wanted: in matches, and what each look into a segment costs.
constexpr size_t kAskEvery = size_t{1} << 20;
constexpr size_t kLookCosts = 64;
// Where more than one of so many documents has a score, all are looked at instead of a list of those.
constexpr uint64_t kFew = 8;
// Scores looked at together.
constexpr size_t kBlock = 64;
constexpr size_t kKeptScores = size_t{4} << 20;  // of a thread's scratch memory, between searches

// What one thread's searches use again.
struct Scratch {
  MatchCollector collector;
  std::vector<float> scores;       // by source and document; zero between searches
  std::vector<TextMatch> matches;  // of one term
  std::vector<uint64_t> touched;   // places in scores
};

// What one term gives to a document.
class TermScorer {
 public:
  TermScorer(float weight, float average_length)
      : most_(weight * (kBm25K1 + 1.0F)), slope_(kBm25K1 * kBm25B / average_length) {}
  float score(float frequency, float length) const {
    constexpr float kBase = kBm25K1 * (1.0F - kBm25B);
    return most_ * frequency / (frequency + kBase + slope_ * length);
  }

 private:
  float most_;
  float slope_;
};

class Ranker {
 public:
  Ranker(const TextSearch& search, Scratch* scratch)
      : search_(search),
        scratch_(*scratch),
        touched_(scratch->touched),
        best_(search.k, Order{*this}),
        matches_(scratch->matches) {
    for (const TextSource& source : search.sources) {
      bases_.push_back(total_);
      total_ += source.live.segment->documents();
    }
    if (scratch_.scores.size() < total_) scratch_.scores.resize(total_, 0);
    uint64_t units = 0;
    for (size_t kind = 0; kind < kMaxKinds; ++kind) {
      if ((search.kinds >> kind & 1) == 0) continue;
      documents_ += search.statistics.documents[kind];
      units += search.statistics.units[kind];
    }
    average_ =
        documents_ == 0 ? 1.0F : static_cast<float>(static_cast<double>(units) / static_cast<double>(documents_));
    if (average_ == 0) average_ = 1.0F;
    // Where everything in an unharmed segment is searched, nobody need look at each document.
    bool other_kinds = false;
    for (size_t kind = 0; kind < kMaxKinds; ++kind) {
      other_kinds = other_kinds || ((search.kinds >> kind & 1) == 0 && search.statistics.documents[kind] != 0);
    }
    kinds_ = other_kinds ? search.kinds : UINT32_MAX;
  }

  TextRanking run() {
    TextRanking ranking;
    for (const QueryTerm& term : search_.query.any) {
      ranking.any_weights.push_back(add_term(term, nullptr));
      if (ended_) break;
    }
    std::vector<uint64_t> required;
    bool first = true;
    for (const QueryTerm& term : search_.query.phrases) {
      std::vector<uint64_t> with_phrase;
      ranking.phrase_weights.push_back(add_term(term, &with_phrase));
      std::sort(with_phrase.begin(), with_phrase.end());
      if (std::exchange(first, false)) {
        required = std::move(with_phrase);
      } else {
        std::vector<uint64_t> both;
        std::set_intersection(required.begin(), required.end(), with_phrase.begin(), with_phrase.end(),
                              std::back_inserter(both));
        required = std::move(both);
      }
      if (ended_) break;
    }
    for (const QueryTerm& term : search_.query.never) {
      exclude(term);
      if (ended_) break;
    }
    ranking.ended = ended_;
    if (ended_ || search_.k == 0) return ranking;
    if (!search_.query.phrases.empty()) {
      offer_all(required);
    } else if (scattered_) {
      offer_scattered();
    } else {
      offer_all(touched_);
    }
    ranking.hits = best_.take();
    return ranking;
  }
  // Whatever ended the search, the next one finds zeros.
  ~Ranker() {
    if (scattered_) {
      std::fill_n(scratch_.scores.begin(), total_, 0.0F);
    } else {
      for (const uint64_t place : touched_) scratch_.scores[place] = 0;
    }
    touched_.clear();
    matches_.clear();
    if (scratch_.scores.size() > kKeptScores) std::vector<float>().swap(scratch_.scores);
    if (touched_.capacity() > kKeptScores) std::vector<uint64_t>().swap(touched_);
    if (matches_.capacity() > kKeptScores) std::vector<TextMatch>().swap(matches_);
  }
  Ranker(const Ranker&) = delete;
  Ranker& operator=(const Ranker&) = delete;

 private:
  // Best first.
  struct Order {
    const Ranker& ranker;
    bool operator()(const TextHit& a, const TextHit& b) const { return ranker.better(a, b); }
  };

  void collect(const QueryTerm& term) {
    matches_.clear();
    ends_.clear();
    for (const TextSource& source : search_.sources) {
      scratch_.collector.collect(term, {source.live, kinds_}, &matches_);
      ends_.push_back(matches_.size());
    }
    done_ += matches_.size() + search_.sources.size() * kLookCosts;
    if (done_ < kAskEvery || search_.keep_on == nullptr) return;
    done_ = 0;
    ended_ = ended_ || !(*search_.keep_on)();
  }

  // Adds what the term is worth to the documents that have it; names them if asked to.
  float add_term(const QueryTerm& term, std::vector<uint64_t>* names) {
    collect(term);
    const float weight = term_weight(documents_, matches_.size(), term);
    scattered_ = scattered_ || touched_.size() + matches_.size() > total_ / kFew;
    size_t at = 0;
    for (size_t i = 0; i < search_.sources.size(); ++i) {
      const std::span<const TextMatch> matches(matches_.data() + at, ends_[i] - at);
      at = ends_[i];
      add_scores(i, matches, weight);
      if (names == nullptr) continue;
      for (const TextMatch& match : matches) names->push_back(bases_[i] + match.document);
    }
    return weight;
  }

  // In blocks, so that the arithmetic of several matches is done at once.
  void add_scores(size_t source, std::span<const TextMatch> matches, float weight) {
    const TextSegment& segment = *search_.sources[source].live.segment;
    float* scores = scratch_.scores.data() + bases_[source];
    const TermScorer scorer(weight, average_);
    float gains[kBlock];
    for (size_t begin = 0; begin < matches.size(); begin += kBlock) {
      const std::span<const TextMatch> block = matches.subspan(begin, std::min(kBlock, matches.size() - begin));
      for (size_t i = 0; i < block.size(); ++i) gains[i] = static_cast<float>(segment.length(block[i].document));
      for (size_t i = 0; i < block.size(); ++i) gains[i] = scorer.score(block[i].frequency, gains[i]);
      if (!scattered_) {
        for (const TextMatch& match : block) {
          if (scores[match.document] == 0) touched_.push_back(bases_[source] + match.document);
        }
      }
      for (size_t i = 0; i < block.size(); ++i) scores[block[i].document] += gains[i];
    }
  }

  void exclude(const QueryTerm& term) {
    collect(term);
    size_t at = 0;
    for (size_t i = 0; i < search_.sources.size(); ++i) {
      for (; at < ends_[i]; ++at) {
        float& score = scratch_.scores[bases_[i] + matches_[at].document];
        if (score > 0) score = -1;
      }
    }
  }

  bool better(const TextHit& a, const TextHit& b) const {
    if (a.score != b.score) return a.score > b.score;
    const TextSource& first = search_.sources[a.source];
    const TextSource& second = search_.sources[b.source];
    if (first.group != second.group) return first.group < second.group;
    const uint8_t first_kind = first.live.segment->kind(a.document);
    const uint8_t second_kind = second.live.segment->kind(b.document);
    if (first_kind != second_kind) return first_kind < second_kind;
    return first.live.segment->key(a.document) < second.live.segment->key(b.document);
  }

  // The least score that can be among the best.
  float least() const { return best_.full() ? best_.worst().score : std::numeric_limits<float>::denorm_min(); }

  // REQUIRES: its score is least() or more.
  void offer(uint64_t place) {
    const auto source = static_cast<size_t>(std::upper_bound(bases_.begin(), bases_.end(), place) - bases_.begin()) - 1;
    best_.offer({static_cast<uint32_t>(source), static_cast<uint32_t>(place - bases_[source]), scratch_.scores[place]});
  }

  void offer_all(const std::vector<uint64_t>& places) {
    for (const uint64_t place : places) {
      if (scratch_.scores[place] >= least()) offer(place);
    }
  }

  // Whatever has a score.
  void offer_scattered() {
    const float* scores = scratch_.scores.data();
    for (uint64_t begin = 0; begin < total_; begin += kBlock) {
      const uint64_t end = std::min(begin + kBlock, total_);
      const float wanted = least();
      uint32_t found = 0;
      for (uint64_t place = begin; place < end; ++place) found |= scores[place] >= wanted ? 1 : 0;
      if (found == 0) continue;
      for (uint64_t place = begin; place < end; ++place) {
        if (scores[place] >= least()) offer(place);
      }
    }
  }

  const TextSearch& search_;
  Scratch& scratch_;
  std::vector<uint64_t> bases_;
  uint64_t total_ = 0;
  uint64_t documents_ = 0;
  float average_ = 1;
  uint32_t kinds_ = 0;
  std::vector<uint64_t>& touched_;
  bool scattered_ = false;  // touched_ does not name all documents that have a score
  Best<TextHit, Order> best_;
  size_t done_ = 0;
  bool ended_ = false;
  // Of the term under way, and where those of each source end.
  std::vector<TextMatch>& matches_;
  std::vector<size_t> ends_;
};

}  // namespace

float term_weight(uint64_t documents, uint64_t matching, const QueryTerm& term) {
  const auto all = static_cast<double>(documents);
  const auto with = static_cast<double>(matching);
  const double worth = term.times * (term.common ? static_cast<double>(kCommonWordWeight) : 1.0);
  return static_cast<float>(worth * std::log(1.0 + (all - with + 0.5) / (with + 0.5)));
}

float term_score(float weight, float frequency, float length, float average_length) {
  return TermScorer(weight, average_length).score(frequency, length);
}

TextRanking rank_text(const TextSearch& search) {
  thread_local Scratch scratch;
  return Ranker(search, &scratch).run();
}

}  // namespace strata::index
