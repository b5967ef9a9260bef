#include "branch/bundle_vectors.h"

#include <algorithm>

#include "model/vector_codec.h"

namespace strata::branch {
namespace {

BundleVectors::Refusal refuse(const char* why) { return std::string(why); }

}  // namespace

BundleVectors::Refusal BundleVectors::collection(const model::SplitKey& parts, const BundleEntry& entry) {
  if (parts.space != space_) {
    space_ = parts.space;
    collections_.clear();
  }
  Definition version;
  version.timestamp = entry.timestamp;
  if (!entry.tombstone) {
    const auto definition = model::parse_collection(entry.value);
    if (!definition) return refuse("a bad definition of a collection");
    version.dimension = definition->dimension;
    version.metric = definition->metric;
  }
  collections_[std::string(parts.user)].push_back(version);
  return std::nullopt;
}

BundleVectors::Refusal BundleVectors::vector(const model::SplitKey& parts, const BundleEntry& entry) {
  if (parts.space != space_) {
    space_ = parts.space;
    collections_.clear();
  }
  if (dimension_ != 0) {
    if (Refusal refusal = lives(entry.timestamp)) return refusal;
    dimension_ = 0;
  }
  const auto name = model::split_vector_key(parts.user);
  if (!name) return refuse("a bad key of a vector");
  collection_ = name->collection;
  if (entry.tombstone) return std::nullopt;
  model::VectorView view;
  if (!model::check_vector(entry.value).is_ok() || !model::parse_vector(entry.value, &view)) {
    return refuse("a bad vector");
  }
  dimension_ = view.dimension;
  since_ = entry.timestamp;
  std::vector<float> components(view.dimension);
  view.copy(components.data());
  zero_ = model::find_fault(components) == model::VectorFault::kZero;
  return std::nullopt;
}

BundleVectors::Refusal BundleVectors::end_of_vector() {
  if (dimension_ == 0) return std::nullopt;
  Refusal refusal = lives(UINT64_MAX);
  dimension_ = 0;
  return refusal;
}

BundleVectors::Refusal BundleVectors::lives(uint64_t until) const {
  const auto known = collections_.find(collection_);
  // What was replaced before the cut is gone, and what a delta rests on lies on its branch.
  const uint64_t from = std::max(since_, head_.trimmed_before);
  const std::vector<Definition> none;
  const std::vector<Definition>& versions = known != collections_.end() ? known->second : none;
  const auto later = [](uint64_t time, const Definition& each) { return time < each.timestamp; };
  auto at = std::upper_bound(versions.begin(), versions.end(), from, later);
  if (at != versions.begin()) {
    --at;
  } else if (!head_.since) {
    return refuse("a vector without its collection");
  }
  const Definition* first = at != versions.end() ? &*at : nullptr;
  for (; at != versions.end() && at->timestamp < until; ++at) {
    if (at->dimension != dimension_) return refuse("a vector of another dimension than its collection");
    if (at->metric != first->metric) return refuse("a vector that outlives its collection");
    if (zero_ && at->metric == VectorMetric::kCosine) return refuse("a vector of zeros in a collection of cosine");
  }
  return std::nullopt;
}

}  // namespace strata::branch
