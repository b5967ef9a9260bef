// Two rankings made one, by reciprocal rank fusion: a document is worth 1 / (60 + rank) in each ranking that it is in,
// so that scores of different kinds need not be compared.
// Thread safety: pure functions. Ownership: values.
#pragma once

#include <cstddef>
#include <vector>

#include "strata/search.h"

namespace strata::search {

constexpr double kFusionConstant = 60;
// How many of each ranking take part, at least.
constexpr size_t kFusedDepth = 100;

// Whether `a` names a document that comes before that of `b`: by space, primitive, name.
bool is_before(const SearchHit& a, const SearchHit& b);

// The at most k best of both, best first; equal scores as is_before says. Each has its score, and its rank in either.
// REQUIRES: each ranking is best first and has no document twice.
std::vector<SearchHit> fuse(const std::vector<SearchHit>& keyword, const std::vector<SearchHit>& nearest, size_t k);

}  // namespace strata::search
