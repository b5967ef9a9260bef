#include "search/fusion.h"

#include <algorithm>
#include <tuple>

namespace strata::search {
namespace {

// In the order of is_before; what is in both rankings is there twice, next to each other.
std::vector<SearchHit> ranked_by_name(const std::vector<SearchHit>& keyword, const std::vector<SearchHit>& nearest) {
  std::vector<SearchHit> all;
  all.reserve(keyword.size() + nearest.size());
  const auto add = [&](const SearchHit& hit, uint64_t rank) -> SearchRanks& {
    SearchHit& added = all.emplace_back(hit);
    added.score = 1 / (kFusionConstant + static_cast<double>(rank));
    added.ranks = {};
    return added.ranks;
  };
  for (size_t i = 0; i < keyword.size(); ++i) add(keyword[i], i + 1).keyword = i + 1;
  for (size_t i = 0; i < nearest.size(); ++i) add(nearest[i], i + 1).vector = i + 1;
  std::stable_sort(all.begin(), all.end(), is_before);
  return all;
}

}  // namespace

bool is_before(const SearchHit& a, const SearchHit& b) {
  return std::tie(a.space, a.primitive, a.sequence, a.key) < std::tie(b.space, b.primitive, b.sequence, b.key);
}

std::vector<SearchHit> fuse(const std::vector<SearchHit>& keyword, const std::vector<SearchHit>& nearest, size_t k) {
  std::vector<SearchHit> fused;
  for (SearchHit& hit : ranked_by_name(keyword, nearest)) {
    if (fused.empty() || is_before(fused.back(), hit)) {
      fused.push_back(std::move(hit));
    } else {
      fused.back().score += hit.score;
      fused.back().ranks.vector = hit.ranks.vector;
    }
  }
  // Of equal ones the order of names stays.
  std::stable_sort(fused.begin(), fused.end(),
                   [](const SearchHit& a, const SearchHit& b) { return a.score > b.score; });
  if (fused.size() > k) fused.resize(k);
  return fused;
}

}  // namespace strata::search
