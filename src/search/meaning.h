// Documents by what they mean: the nearest to a query, by the vectors that an embedder made of their texts.
// Thread safety: as the scope. Ownership: borrows everything.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "search/embedding_run.h"
#include "search/scope.h"
#include "strata/search.h"
#include "txn/patience.h"

namespace strata::search {

// The `depth` nearest, best first, scored by cosine; equal ones by space, primitive, name. Nothing where the run wants
// vectors first, and for a query that is blank or has a vector of zeros. Errors: kInvalidEmbedding (the query's vector
// does not fit those of the documents), kWouldBlock (in a kTry call, where something has to be made).
Status find_by_meaning(Scope* scope, EmbeddingRun::Impl* run, std::string_view query, size_t depth,
                       txn::Patience* patience, std::vector<SearchHit>* hits);

// Has the run want what documents of the scope lack.
Status want_documents(Scope* scope, EmbeddingRun::Impl* run, txn::Patience* patience);

}  // namespace strata::search
