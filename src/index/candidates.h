// The nearest rows found so far, a bounded number of them.
// Thread safety: none. Ownership: owns its entries.
#pragma once

#include <cstdint>
#include <limits>

#include "index/best.h"

namespace strata::index {

struct Candidate {
  float closeness = 0;
  uint32_t row = 0;
  uint32_t part = 0;  // of a search over several tables
};

// Greater closeness first; of equal ones the row that comes first.
struct IsCloser {
  bool operator()(const Candidate& a, const Candidate& b) const {
    if (a.closeness != b.closeness) return a.closeness > b.closeness;
    return a.part != b.part ? a.part < b.part : a.row < b.row;
  }
};

class BestCandidates : public Best<Candidate, IsCloser> {
 public:
  using Best::Best;
  // What is not closer than this is not taken.
  float threshold() const { return full() && size() > 0 ? worst().closeness : -std::numeric_limits<float>::infinity(); }
};

}  // namespace strata::index
