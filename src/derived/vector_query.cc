#include "derived/vector_query.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "index/best.h"
#include "index/flat_scan.h"
#include "index/score.h"

namespace strata::derived {
namespace {

// Measured on 5,000 to 53,500 embeddings: a walk takes as long as the scan of 50 times as many rows as it keeps,
// 64 at least, and as many times longer as the rows outnumber those that may be answers.
constexpr double kRowsOfEf = 50;

bool is_walk_quicker(uint64_t ef, uint64_t rows, uint64_t allowed) {
  const double share = static_cast<double>(allowed) / static_cast<double>(rows);
  return static_cast<double>(allowed) * share > kRowsOfEf * static_cast<double>(std::max<uint64_t>(ef, 64));
}

// Compared again in float32: more than are asked for, since their codes may have them in another order.
uint64_t reranked(uint64_t k) { return k + k / 2 + 10; }

// What a score says about closeness, to be compared with that of codes.
float closeness_of(VectorMetric metric, float score) {
  if (metric != VectorMetric::kEuclidean) return score;
  if (!(score > 0)) return -std::numeric_limits<float>::infinity();
  const float distance = 1 / score - 1;
  return -distance * distance;
}

}  // namespace

// The answer so far.
class VectorQuery::Nearest {
 public:
  Nearest(const VectorQuery& owner, std::span<const float> query)
      : owner_(owner), query_(query), scorer_(owner.ask_.metric, query), best_(owner.ask_.k) {}

  Status offer(size_t part, uint32_t row) {
    const VectorSegment& segment = *owner_.targets_[part].segment;
    STRATA_ASSIGN(const float* floats, segment.floats(row, owner_.reader_));
    const bool cosine = owner_.ask_.metric == VectorMetric::kCosine;
    const index::VectorNorm norm = cosine ? index::norm_of({floats, query_.size()}) : index::VectorNorm();
    const float score = scorer_.score(floats, norm);
    if (best_.full() && score < best_.worst().score) return Status::ok();
    best_.offer({score, segment.key(row), segment.metadata(row)});
    return Status::ok();
  }

  // What is less close than this is no answer.
  float least_closeness() const {
    if (!best_.full()) return -std::numeric_limits<float>::infinity();
    return closeness_of(owner_.ask_.metric, best_.worst().score);
  }

  std::vector<VectorHit> take() { return best_.take(); }

 private:
  struct IsBetter {
    bool operator()(const VectorHit& a, const VectorHit& b) const {
      return a.score != b.score ? a.score > b.score : a.key < b.key;
    }
  };

  const VectorQuery& owner_;
  std::span<const float> query_;
  index::Scorer scorer_;
  index::Best<VectorHit, IsBetter> best_;
};

VectorQuery::VectorQuery(const VectorSnapshot& snapshot, const VectorAsk& ask, VectorReader* reader)
    : ask_(ask), reader_(reader) {
  targets_.resize(snapshot.parts.size());
  for (size_t i = 0; i < targets_.size(); ++i) {
    const VectorPart& part = snapshot.parts[i];
    Target& target = targets_[i];
    target.segment = part.segment.get();
    target.allowed = part.live.get();
    target.count = part.live_rows;
    target.graph = part.segment->graph();
    if (ask.filter == nullptr || ask.filter->empty()) continue;
    target.filtered = part.segment->matching(*ask.filter);
    if (part.live != nullptr) target.filtered->keep_those_of(*part.live);
    target.allowed = &*target.filtered;
    target.count = target.filtered->count();
  }
}

bool VectorQuery::encode(std::span<const float> query, CodedQueries* coded) const {
  coded->resize(targets_.size());
  for (size_t part = 0; part < targets_.size(); ++part) {
    if (targets_[part].count == 0) continue;
    const index::CodeTable* table = targets_[part].segment->codes();
    if (table == nullptr || table->metric != ask_.metric) return false;
    (*coded)[part].emplace(*table, query);
    if (!(*coded)[part]->valid()) return false;
  }
  return true;
}

void VectorQuery::find_candidates(size_t part, const index::CodedQuery& coded, index::BestCandidates* best) const {
  const Target& target = targets_[part];
  const index::CodeTable& table = *target.segment->codes();
  const uint64_t wanted = std::min<uint64_t>(reranked(ask_.k), target.count);
  const uint64_t breadth = std::max(ask_.ef != 0 ? ask_.ef : kDefaultEf, reranked(ask_.k));
  const bool walks = target.graph != nullptr && is_walk_quicker(breadth, table.rows, target.count);
  if (walks) {
    std::vector<index::Candidate> found;
    // A walk that meets too few allowed rows would cost more than the scan.
    const bool ended = target.graph->walk(table, coded, {breadth, target.allowed, target.count / 4}, &found);
    if (ended && found.size() >= wanted) {
      for (index::Candidate candidate : found) {
        candidate.part = static_cast<uint32_t>(part);
        best->offer(candidate);
      }
      return;
    }
  }
  index::scan_codes(table, coded, target.allowed, static_cast<uint32_t>(part), best);
}

Status VectorQuery::run_by_floats(Nearest* nearest) const {
  for (size_t part = 0; part < targets_.size(); ++part) {
    const Target& target = targets_[part];
    for (uint32_t row = 0; row < target.segment->rows(); ++row) {
      if (target.allowed == nullptr || target.allowed->test(row)) STRATA_TRY(nearest->offer(part, row));
    }
  }
  return Status::ok();
}

Status VectorQuery::run_exact(const CodedQueries& coded, Nearest* nearest) const {
  index::PossibleRows possible(ask_.k);
  for (size_t part = 0; part < targets_.size(); ++part) {
    const Target& target = targets_[part];
    if (target.count == 0) continue;
    possible.scan(*target.segment->codes(), *coded[part], target.allowed, static_cast<uint32_t>(part));
  }
  for (const index::Candidate& candidate : possible.take()) {
    if (candidate.closeness < nearest->least_closeness()) break;
    STRATA_TRY(nearest->offer(candidate.part, candidate.row));
  }
  return Status::ok();
}

Result<std::vector<VectorHit>> VectorQuery::run(std::span<const float> query) {
  Nearest nearest(*this, query);
  CodedQueries coded;
  if (!encode(query, &coded)) {
    STRATA_TRY(run_by_floats(&nearest));
    return nearest.take();
  }
  if (ask_.exact) {
    STRATA_TRY(run_exact(coded, &nearest));
    return nearest.take();
  }
  index::BestCandidates best(reranked(ask_.k));
  for (size_t part = 0; part < targets_.size(); ++part) {
    if (targets_[part].count > 0) find_candidates(part, *coded[part], &best);
  }
  const std::vector<index::Candidate> candidates = best.take();
  for (size_t i = 0; i < candidates.size(); ++i) {
    const index::Candidate& candidate = candidates[i];
    if (i + 1 < candidates.size()) targets_[candidates[i + 1].part].segment->prefetch(candidates[i + 1].row);
    const index::RowBounds& bounds = targets_[candidate.part].segment->codes()->bounds[candidate.row];
    // No answer, by as much as its code can be wrong.
    if (candidate.closeness + coded[candidate.part]->slack(bounds) < nearest.least_closeness()) continue;
    STRATA_TRY(nearest.offer(candidate.part, candidate.row));
  }
  return nearest.take();
}

}  // namespace strata::derived
