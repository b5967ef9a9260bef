// Comparing a query with every row of a table, or with those of a bitmap.
// Thread safety: reads only. Ownership: borrows everything.
#pragma once

#include "index/bitmap.h"
#include "index/candidates.h"
#include "index/codes.h"

namespace strata::index {

// Offers the rows of `allowed` (null: all) to `best`, as those of part `part`; adds all of them to *seen, in their
// order, unless it is null.
void scan_codes(const CodeTable& table, const CodedQuery& query, const Bitmap* allowed, uint32_t part,
                BestCandidates* best, std::vector<Candidate>* seen = nullptr);

}  // namespace strata::index
