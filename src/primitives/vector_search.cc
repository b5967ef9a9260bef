#include "primitives/vector_search.h"

#include <algorithm>
#include <vector>

#include "primitives/vector_score.h"

namespace strata::primitives {
namespace {

struct Candidate {
  float score = 0;
  std::string key;
  std::string metadata;
};

bool is_better(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.key < b.key;
}

// The best of one query so far: a heap with the worst of them on top.
class Best {
 public:
  Best(VectorMetric metric, std::span<const float> query, uint64_t k) : scorer_(metric, query), k_(k) {}

  // Vectors come in the order of their keys, so of equal scores the first is the better one.
  void offer(const float* vector, const VectorNorm& norm, std::string_view key, std::string_view metadata) {
    const float score = scorer_.score(vector, norm);
    if (heap_.size() == k_) {
      if (!(score > heap_.front().score)) return;
      std::pop_heap(heap_.begin(), heap_.end(), is_better);
      heap_.pop_back();
    }
    Candidate& added = heap_.emplace_back();
    added.score = score;
    added.key = key;
    added.metadata = metadata;
    std::push_heap(heap_.begin(), heap_.end(), is_better);
  }

  void finish(VectorHits* hits) {
    std::sort(heap_.begin(), heap_.end(), is_better);
    for (const Candidate& best : heap_) hits->add(best.key, best.score, best.metadata);
    hits->end_query();
  }

 private:
  Scorer scorer_;
  uint64_t k_;
  std::vector<Candidate> heap_;
};

}  // namespace

model::KeySpan vectors_of(std::string_view space, std::string_view collection) {
  std::string prefix(collection);
  prefix += '\0';
  return model::prefix_span(space, model::Tag::kVector, prefix);
}

Status search_collection(const txn::Context& context, txn::View* view, const VectorQuery& query, VectorHits* hits) {
  return scan_collection(context, view, query, hits);
}

Status scan_collection(const txn::Context& context, txn::View* view, const VectorQuery& query, VectorHits* hits) {
  const uint32_t dimension = query.definition.dimension;
  std::vector<Best> best;
  best.reserve(query.count);
  for (uint64_t i = 0; i < query.count; ++i) {
    best.emplace_back(query.metric, query.queries.subspan(i * dimension, dimension), query.k);
  }
  std::vector<float> components(dimension);
  const model::KeySpan span = vectors_of(context.space, query.collection);
  const size_t key_at = span.begin.size();
  Status damage;
  const auto visit = [&](std::string_view key, const VersionedValue& value) {
    model::VectorView vector;
    if (!damage.is_ok()) return;
    damage = model::read_vector(value.value, &vector);
    if (!damage.is_ok()) return;
    if (vector.dimension != dimension) {
      damage = Status::error(Code::kCorruption, "a stored vector has another dimension than its collection");
      return;
    }
    if (query.filter != nullptr && !query.filter->matches(ValueView(vector.metadata))) return;
    vector.copy(components.data());
    const VectorNorm norm = query.metric == VectorMetric::kCosine ? norm_of(components) : VectorNorm();
    for (Best& one : best) one.offer(components.data(), norm, key.substr(key_at), vector.metadata);
  };
  if (query.count > 0) {
    STRATA_TRY(view->scan({span.begin, span.end, std::nullopt, false, true}, visit).status());
    STRATA_TRY(damage);
  }
  for (Best& one : best) one.finish(hits);
  return Status::ok();
}

void describe_index(const txn::Context& context, CollectionInfo* info) {
  (void)context;
  info->index = "exact";
  info->memory_bytes = 0;
}

}  // namespace strata::primitives
