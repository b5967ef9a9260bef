#include "derived/embeddings.h"

#include <algorithm>

#include "index/score.h"

namespace strata::derived {
namespace {

// Sets in memory of one process: more are made by programs that make a new embedder again and again.
constexpr size_t kMostSets = 8;
// A model gives the same text nearly the same vector again; two models do not.
constexpr float kSameModel = 0.999F;

bool is_same(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return false;
  if (std::equal(a.begin(), a.end(), b.begin())) return true;
  return index::Scorer(VectorMetric::kCosine, a).score(b.data(), index::norm_of(b)) >= kSameModel;
}

}  // namespace

Embeddings::Choice Embeddings::of(uint64_t embedder) {
  const base::MutexLock lock(mutex_);
  const auto known = sets_.find(embedder);
  if (known != sets_.end()) return {known->second, {}};
  if (kept_ == nullptr) kept_ = std::make_shared<EmbeddingSet>(engine_, place_);
  const auto probe = kept_->store.probe();
  if (probe) return {nullptr, probe->text};
  // Whose the empty one is is not known before it has a vector.
  if (kept_is_taken_) return {add_own(embedder), {}};
  kept_is_taken_ = true;
  sets_[embedder] = kept_;
  return {kept_, {}};
}

EmbeddingSetPtr Embeddings::decide(uint64_t embedder, std::span<const float> vector) {
  const base::MutexLock lock(mutex_);
  const auto known = sets_.find(embedder);
  if (known != sets_.end()) return known->second;
  const auto probe = kept_->store.probe();
  if (!probe || !is_same(probe->vector, vector)) {
    if (kept_is_taken_) return add_own(embedder);
    kept_->store.clear();
  }
  kept_is_taken_ = true;
  return sets_[embedder] = kept_;
}

EmbeddingSetPtr Embeddings::add_own(uint64_t embedder) {
  size_t own = 0;
  for (const auto& [number, set] : sets_) own += set != kept_ ? 1 : 0;
  for (auto at = sets_.begin(); own >= kMostSets && at != sets_.end();) {  // the oldest have the least numbers
    const bool in_memory = at->second != kept_;
    if (in_memory) at->second->index.release();  // who searches by it now still can
    at = in_memory ? sets_.erase(at) : std::next(at);
    own -= in_memory ? 1 : 0;
  }
  return sets_[embedder] = std::make_shared<EmbeddingSet>(engine_, EmbeddingStore::Place());
}

std::set<EmbeddingSetPtr> Embeddings::all() const {
  const base::MutexLock lock(mutex_);
  std::set<EmbeddingSetPtr> sets;
  if (kept_ != nullptr) sets.insert(kept_);
  for (const auto& [number, set] : sets_) sets.insert(set);
  return sets;
}

uint64_t Embeddings::memory_bytes() const {
  uint64_t bytes = 0;
  for (const EmbeddingSetPtr& set : all()) bytes += set->store.memory_bytes() + set->index.memory_bytes();
  return bytes;
}

bool Embeddings::in_use() const {
  const base::MutexLock lock(mutex_);
  return kept_ != nullptr;
}

void Embeddings::background_step() {
  for (const EmbeddingSetPtr& set : all()) set->index.let_go_of_old();
}

void Embeddings::close() {
  const base::MutexLock lock(mutex_);
  for (const auto& [number, set] : sets_) set->index.release();
  if (kept_ == nullptr) return;
  kept_->index.release();
  kept_->store.close();
}

}  // namespace strata::derived
