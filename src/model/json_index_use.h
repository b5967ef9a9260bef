// Which parts of which indexes hold every document for which a filter holds.
//
// A comparison of one place with a literal is a range of codes, so is the question whether a place is there. Of what is
// joined by && any part is enough, of what is joined by || every part is needed; whatever else a filter asks is left to
// who looks at the documents.
//
// Thread safety: pure functions, values. Ownership: values.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "model/json_index_code.h"
#include "model/json_path.h"
#include "model/json_query.h"

namespace strata::model {

struct IndexUse {
  enum class Kind : uint8_t {
    kRange,   // the codes of one index
    kAllOf,   // every part is needed
    kAnyOf,   // one part is enough, whichever is the smallest
    kNoMore,  // nothing is needed: the filter holds for no document
  };
  Kind kind = Kind::kRange;
  size_t index = 0;  // kRange: which
  IndexCodes codes;
  std::vector<IndexUse> parts;  // kAllOf, kAnyOf
};

// The place of an index: the steps of a singular path.
using IndexedPlace = std::span<const JsonStep>;

// Nothing: a document for which the filter holds may be in none of the indexes. $ in the filter fits no index.
std::optional<IndexUse> use_indexes(const JsonFilter& filter, std::span<const IndexedPlace> indexes);

}  // namespace strata::model
