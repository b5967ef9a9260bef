// Search: what was written, found by its words.
//
// The text of a document is every string in its value, and the names of members, which count less; a document is a key,
// a cell, a JSON document, an event or a vector's metadata. Queries are as in docs/search.md: words are ORed and ranked
// by BM25, "phrases" must occur, -words must not, prefix* and field:word narrow. No text is wrong as a query.
//
// A search sees every commit at once and, in a transaction, its own writes. The first search of a space makes its
// index; later ones bring it up to date, so that a write pays nothing.
//
// Works on the session's current branch. Thread safety, common errors: strata/session.h. Ownership: borrows the Call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/session.h"

namespace strata {

// In the order of their names.
enum class SearchPrimitive : uint8_t { kEvent, kJson, kKv, kState, kVector };

struct SearchRequest {
  std::string_view query;
  uint64_t k = 10;                                         // REQUIRES: at least 1
  std::optional<std::vector<SearchPrimitive>> primitives;  // nothing: all
  std::optional<std::vector<std::string_view>> spaces;     // nothing: the current one
  AsOf as_of;
};

struct SearchHit {
  SearchPrimitive primitive = SearchPrimitive::kKv;
  std::string space;
  std::string key;        // of an event empty; of a vector collection, NUL, key
  uint64_t sequence = 0;  // of an event
  double score = 0;
  std::string snippet;
};

class Search {
 public:
  explicit Search(Call& call) : call_(call) {}

  // At most k hits, best first; equal scores by space, primitive, name. Errors: kSpaceNotFound for a named space that
  // does not exist then (the default and the current one need not have been written), kInvalidSpaceName,
  // kHistoryTrimmed, kWouldBlock (in a kTry call, while the index has to be brought up to date).
  Result<std::vector<SearchHit>> search(const SearchRequest& request);

 private:
  Call& call_;
};

}  // namespace strata
