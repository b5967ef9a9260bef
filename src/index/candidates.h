// The nearest rows found so far, a bounded number of them.
// Thread safety: none. Ownership: owns its entries.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace strata::index {

struct Candidate {
  float closeness = 0;
  uint32_t row = 0;
  uint32_t part = 0;  // of a search over several tables
};

// Greater closeness first; of equal ones the row that comes first.
inline bool is_closer(const Candidate& a, const Candidate& b) {
  if (a.closeness != b.closeness) return a.closeness > b.closeness;
  return a.part != b.part ? a.part < b.part : a.row < b.row;
}

class BestCandidates {
 public:
  explicit BestCandidates(size_t most) : most_(most) { heap_.reserve(std::min<size_t>(most, 1024)); }

  // What is not closer than this is not taken.
  float threshold() const { return full() ? heap_.front().closeness : -std::numeric_limits<float>::infinity(); }
  bool full() const { return heap_.size() >= most_; }
  size_t size() const { return heap_.size(); }

  void offer(const Candidate& candidate) {
    if (full()) {
      if (most_ == 0 || !is_closer(candidate, heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end(), is_closer);
      heap_.back() = candidate;
    } else {
      heap_.push_back(candidate);
    }
    std::push_heap(heap_.begin(), heap_.end(), is_closer);
  }
  // Closest first; leaves this empty.
  std::vector<Candidate> take() {
    std::sort(heap_.begin(), heap_.end(), is_closer);
    return std::move(heap_);
  }

 private:
  size_t most_;
  std::vector<Candidate> heap_;  // the least close on top
};

}  // namespace strata::index
