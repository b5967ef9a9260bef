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
  Definition version{entry.timestamp, 0};
  if (!entry.tombstone) {
    const auto definition = model::parse_collection(entry.value);
    if (!definition) return refuse("a bad definition of a collection");
    version.dimension = definition->dimension;
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
    if (Refusal refusal = lives(dimension_, since_, entry.timestamp)) return refusal;
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
  return std::nullopt;
}

BundleVectors::Refusal BundleVectors::end_of_vector() {
  if (dimension_ == 0) return std::nullopt;
  Refusal refusal = lives(dimension_, since_, UINT64_MAX);
  dimension_ = 0;
  return refusal;
}

BundleVectors::Refusal BundleVectors::lives(uint32_t dimension, uint64_t from, uint64_t until) const {
  const auto known = collections_.find(collection_);
  // What was replaced before the cut is gone, and what a delta rests on lies on its branch.
  from = std::max(from, head_.trimmed_before);
  const std::vector<Definition> none;
  const std::vector<Definition>& versions = known != collections_.end() ? known->second : none;
  const auto later = [](uint64_t time, const Definition& each) { return time < each.timestamp; };
  auto at = std::upper_bound(versions.begin(), versions.end(), from, later);
  if (at != versions.begin()) {
    --at;
  } else if (!head_.since) {
    return refuse("a vector without its collection");
  }
  for (; at != versions.end() && at->timestamp < until; ++at) {
    if (at->dimension != dimension) return refuse("a vector of another dimension than its collection");
  }
  return std::nullopt;
}

}  // namespace strata::branch
