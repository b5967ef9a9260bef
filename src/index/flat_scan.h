// Comparing a query with every row of a table, or with those of a bitmap.
// Thread safety: reads only. Ownership: borrows everything.
#pragma once

#include <vector>

#include "index/bitmap.h"
#include "index/candidates.h"
#include "index/codes.h"

namespace strata::index {

// Offers the rows of `allowed` (null: all) to `best`, as those of part `part`.
void scan_codes(const CodeTable& table, const CodedQuery& query, const Bitmap* allowed, uint32_t part,
                BestCandidates* best);

// All rows that can be among the k closest by their floats, as far as codes tell: those whose closeness can be as much
// as the k-th best is at least.
class PossibleRows {
 public:
  explicit PossibleRows(size_t k) : surest_(k) {}

  // The rows of `allowed` (null: all), as those of part `part`. Tables may be scanned one after the other.
  void scan(const CodeTable& table, const CodedQuery& query, const Bitmap* allowed, uint32_t part);
  // Closest first: their closeness is the most that it can be. Leaves this empty.
  std::vector<Candidate> take();

 private:
  BestCandidates surest_;  // by the least that closeness can be
  std::vector<Candidate> possible_;
};

}  // namespace strata::index
