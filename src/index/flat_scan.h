// Comparing a query with every row of a table, or with those of a bitmap.
// Thread safety: reads only. Ownership: borrows everything.
#pragma once

#include <functional>

#include "index/bitmap.h"
#include "index/candidates.h"
#include "index/codes.h"

namespace strata::index {

// Offers the rows of `allowed` (null: all) to `best`, as those of part `part`.
void scan_codes(const CodeTable& table, const CodedQuery& query, const Bitmap* allowed, uint32_t part,
                BestCandidates* best);
// The same without a choice: each row and its closeness.
void scan_closeness(const CodeTable& table, const CodedQuery& query, const Bitmap* allowed,
                    const std::function<void(uint32_t row, float closeness)>& visit);

}  // namespace strata::index
