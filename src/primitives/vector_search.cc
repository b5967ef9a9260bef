#include "primitives/vector_search.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "derived/caches.h"
#include "derived/vector_query.h"
#include "index/best.h"
#include "index/score.h"
#include "os/together.h"
#include "txn/patience.h"

namespace strata::primitives {
namespace {

using index::norm_of;
using index::Scorer;
using index::VectorNorm;

// A thread is not worth its making for fewer.
constexpr uint64_t kQueriesOfAThread = 4;

// A vector that the log showed, whose memory is gone by now.
struct Scanned {
  float score = 0;
  std::string key;
  std::string metadata;
};

struct IsBetter {
  bool operator()(const Scanned& a, const Scanned& b) const {
    return a.score != b.score ? a.score > b.score : a.key < b.key;
  }
};

// The best of one query so far.
class Nearest {
 public:
  Nearest(VectorMetric metric, std::span<const float> query, uint64_t k) : scorer_(metric, query), best_(k) {}

  // Vectors come in the order of their keys, so of equal scores the first is the better one.
  void offer(const float* vector, const VectorNorm& norm, std::string_view key, std::string_view metadata) {
    const float score = scorer_.score(vector, norm);
    if (best_.full() && !(score > best_.worst().score)) return;
    best_.offer({score, std::string(key), std::string(metadata)});
  }

  void finish(VectorHits* hits) {
    for (const Scanned& one : best_.take()) hits->add(one.key, one.score, one.metadata);
    hits->end_query();
  }

 private:
  Scorer scorer_;
  index::Best<Scanned, IsBetter> best_;
};

derived::CollectionKind kind_of(const txn::Context& context, std::string_view collection,
                                const model::CollectionDefinition& definition) {
  derived::CollectionKind kind;
  kind.name.append(context.space).push_back('\0');
  kind.name.append(collection);
  kind.dimension = definition.dimension;
  kind.metric = definition.metric;
  return kind;
}

// Of each query. Many are shared out among threads, under the caller's ReadGuard.
Result<std::vector<std::vector<derived::VectorHit>>> nearest_of_all(const txn::Context& context,
                                                                    const derived::VectorSnapshot& snapshot,
                                                                    const VectorQuery& query) {
  const uint32_t dimension = query.definition.dimension;
  std::vector<std::vector<derived::VectorHit>> found(query.count);
  std::vector<Status> statuses(query.count);
  std::atomic<uint64_t> next{0};
  const std::thread::id caller = std::this_thread::get_id();
  Status ended;
  const auto work = [&] {
    const bool asks = std::this_thread::get_id() == caller;  // the others may not
    const txn::Patience patience(asks ? context.keep_on : nullptr);
    derived::VectorReader reader(*context.engine);
    derived::VectorQuery nearest(snapshot, {query.k, query.metric, query.filter, query.exact, query.ef}, &reader);
    for (uint64_t i = next++; i < query.count; i = next++) {
      auto hits = nearest.run(query.queries.subspan(i * dimension, dimension));
      statuses[i] = hits.status();
      if (hits.is_ok()) found[i] = std::move(*hits);
      if (query.count == 1 || !asks) continue;
      ended = patience.ask();
      if (!ended.is_ok()) next = query.count;
    }
  };
  const uint64_t threads = std::min<uint64_t>(query.count / kQueriesOfAThread, os::useful_threads());
  os::run_together(static_cast<unsigned>(threads), work);
  STRATA_TRY(ended);
  for (const Status& status : statuses) STRATA_TRY(status);
  return found;
}

}  // namespace

model::KeySpan vectors_of(std::string_view space, std::string_view collection) {
  std::string prefix(collection);
  prefix += '\0';
  return model::prefix_span(space, model::Tag::kVector, prefix);
}

Status search_collection(const txn::Context& context, txn::View* view, const VectorQuery& query, VectorHits* hits) {
  // The past has no index; and in a transaction that made the collection anew, rows on disk may be of another kind.
  const model::TreeKey definition(context.space, model::Tag::kCollection, query.collection);
  const bool redefined = view->own_writes() != nullptr && view->own_writes()->find(definition) != nullptr;
  if (context.caches == nullptr || view->past() || redefined) return scan_collection(context, view, query, hits);
  const model::KeySpan span = vectors_of(context.space, query.collection);
  derived::CollectionPlace place;
  place.kind = kind_of(context, query.collection, query.definition);
  place.begin = span.begin;
  place.end = span.end;
  place.branch = context.branch;
  derived::VectorReader reader(*context.engine, context.keep_on);
  STRATA_ASSIGN(const auto snapshot, context.caches->vectors().snapshot(place, *view, &reader));
  STRATA_ASSIGN(const auto found, nearest_of_all(context, *snapshot, query));
  for (const auto& nearest : found) {
    for (const derived::VectorHit& hit : nearest) hits->add(hit.key, hit.score, hit.metadata);
    hits->end_query();
  }
  return Status::ok();
}

Status scan_collection(const txn::Context& context, txn::View* view, const VectorQuery& query, VectorHits* hits) {
  const uint32_t dimension = query.definition.dimension;
  std::vector<Nearest> best;
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
    for (Nearest& one : best) one.offer(components.data(), norm, key.substr(key_at), vector.metadata);
  };
  if (query.count > 0) {
    STRATA_TRY(view->scan({span.begin, span.end, std::nullopt, false, true}, visit).status());
    STRATA_TRY(damage);
  }
  for (Nearest& one : best) one.finish(hits);
  return Status::ok();
}

void describe_index(const txn::Context& context, CollectionInfo* info) {
  info->index = "none";
  if (context.caches == nullptr) return;
  const derived::CollectionKind kind = kind_of(context, info->name, {info->dimension, info->metric});
  const derived::VectorIndex::Description known = context.caches->vectors().describe(kind, *context.branch);
  if (known.searched) info->index = known.has_graph ? "hnsw" : "scan";
  info->memory_bytes = known.memory_bytes;
}

}  // namespace strata::primitives
