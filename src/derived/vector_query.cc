#include "derived/vector_query.h"

#include <algorithm>
#include <cmath>

#include "index/flat_scan.h"
#include "index/score.h"

namespace strata::derived {
namespace {

// A scan of fewer rows is quicker than a walk of the graph.
constexpr uint32_t kScannedRows = 8'000;
// The same where the walk may not answer with every row that it meets.
constexpr uint32_t kScannedFiltered = 25'000;
// Compared again in float32, at least.
constexpr uint64_t kReranked = 40;
constexpr uint64_t kBreadth = 96;

uint64_t reranked(uint64_t k) { return std::max(kReranked, k + k / 2 + 10); }

// What a score says about closeness, to be compared with that of codes.
float closeness_of(VectorMetric metric, float score) {
  if (metric != VectorMetric::kEuclidean) return score;
  if (!(score > 0)) return -std::numeric_limits<float>::infinity();
  const float distance = 1 / score - 1;
  return -distance * distance;
}

}  // namespace

uint32_t scanned_rows() { return kScannedRows; }

// The answer so far.
class VectorQuery::Nearest {
 public:
  Nearest(VectorQuery& owner, std::span<const float> query)
      : owner_(owner), query_(query), scorer_(owner.ask_.metric, query) {}

  Status offer(size_t part, uint32_t row) {
    const VectorSegment& segment = *owner_.targets_[part].segment;
    STRATA_ASSIGN(const float* floats, segment.floats(row, owner_.reader_));
    const bool cosine = owner_.ask_.metric == VectorMetric::kCosine;
    const index::VectorNorm norm = cosine ? index::norm_of({floats, query_.size()}) : index::VectorNorm();
    const float score = scorer_.score(floats, norm);
    const bool full = heap_.size() >= owner_.ask_.k;
    if (full && score < heap_.front().score) return Status::ok();
    const VectorHit hit{score, segment.key(row), segment.metadata(row)};
    if (full) {
      if (!is_better(hit, heap_.front())) return Status::ok();
      std::pop_heap(heap_.begin(), heap_.end(), is_better);
      heap_.back() = hit;
    } else {
      heap_.push_back(hit);
    }
    std::push_heap(heap_.begin(), heap_.end(), is_better);
    return Status::ok();
  }

  // What is less close than this is no answer.
  float least_closeness() const {
    if (heap_.size() < owner_.ask_.k) return -std::numeric_limits<float>::infinity();
    return closeness_of(owner_.ask_.metric, heap_.front().score);
  }

  std::vector<VectorHit> take() {
    std::sort(heap_.begin(), heap_.end(), is_better);
    return std::move(heap_);
  }

 private:
  static bool is_better(const VectorHit& a, const VectorHit& b) {
    return a.score != b.score ? a.score > b.score : a.key < b.key;
  }

  VectorQuery& owner_;
  std::span<const float> query_;
  index::Scorer scorer_;
  std::vector<VectorHit> heap_;  // the worst on top
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

void VectorQuery::find_candidates(size_t part, std::span<const float> query, index::BestCandidates* best) {
  const Target& target = targets_[part];
  const index::CodeTable& table = *target.segment->codes();
  const index::CodedQuery coded(table, query);
  const uint64_t wanted = std::min<uint64_t>(reranked(ask_.k), target.count);
  const uint64_t breadth = std::max(kBreadth, 2 * ask_.k);
  const bool narrowed = target.count < table.rows / 4 * 3;
  const bool walks = target.graph != nullptr && target.count >= (narrowed ? kScannedFiltered : kScannedRows) &&
                     breadth < target.count / 16;
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

Status VectorQuery::run_exact(std::span<const float> query, Nearest* nearest) {
  // First the likely ones, for a threshold that leaves out most others.
  struct Seen {
    uint32_t row;
    float closeness;
  };
  std::vector<std::vector<Seen>> seen(targets_.size());
  index::BestCandidates best(reranked(ask_.k));
  for (size_t part = 0; part < targets_.size(); ++part) {
    const Target& target = targets_[part];
    if (target.count == 0) continue;
    const index::CodedQuery coded(*target.segment->codes(), query);
    seen[part].reserve(target.count);
    index::scan_closeness(*target.segment->codes(), coded, target.allowed, [&](uint32_t row, float closeness) {
      seen[part].push_back({row, closeness});
      if (closeness >= best.threshold()) best.offer({closeness, row, static_cast<uint32_t>(part)});
    });
  }
  std::vector<std::vector<uint32_t>> compared(targets_.size());
  for (const index::Candidate& candidate : best.take()) {
    STRATA_TRY(nearest->offer(candidate.part, candidate.row));
    compared[candidate.part].push_back(candidate.row);
  }
  for (size_t part = 0; part < targets_.size(); ++part) {
    if (seen[part].empty()) continue;
    const index::CodeTable& table = *targets_[part].segment->codes();
    const index::CodedQuery coded(table, query);
    std::vector<uint32_t>& done = compared[part];
    std::sort(done.begin(), done.end());
    auto next = done.begin();
    float least = nearest->least_closeness();
    for (const Seen& one : seen[part]) {
      while (next != done.end() && *next < one.row) ++next;
      if (next != done.end() && *next == one.row) continue;
      if (one.closeness + coded.slack(table.bounds[one.row]) < least) continue;
      STRATA_TRY(nearest->offer(part, one.row));
      least = nearest->least_closeness();
    }
  }
  return Status::ok();
}

Result<std::vector<VectorHit>> VectorQuery::run(std::span<const float> query) {
  Nearest nearest(*this, query);
  bool coded = true;
  for (const Target& target : targets_) {
    if (target.count == 0) continue;
    const index::CodeTable* table = target.segment->codes();
    coded = coded && table != nullptr && table->metric == ask_.metric && index::CodedQuery(*table, query).valid();
  }
  if (!coded) {
    for (size_t part = 0; part < targets_.size(); ++part) {
      for (uint32_t row = 0; row < targets_[part].segment->rows(); ++row) {
        const index::Bitmap* allowed = targets_[part].allowed;
        if (allowed == nullptr || allowed->test(row)) STRATA_TRY(nearest.offer(part, row));
      }
    }
    return nearest.take();
  }
  if (ask_.exact) {
    STRATA_TRY(run_exact(query, &nearest));
    return nearest.take();
  }
  index::BestCandidates best(reranked(ask_.k));
  for (size_t part = 0; part < targets_.size(); ++part) {
    if (targets_[part].count > 0) find_candidates(part, query, &best);
  }
  for (const index::Candidate& candidate : best.take()) STRATA_TRY(nearest.offer(candidate.part, candidate.row));
  return nearest.take();
}

}  // namespace strata::derived
