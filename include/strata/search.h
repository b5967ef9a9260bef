// Search: what was written, found by its words.
//
// The text of a document is every string in its value, and the names of members, which count less; a document is a key,
// a cell, a JSON document, an event or a vector's metadata. Queries are as in docs/search.md: words are ORed and ranked
// by BM25, "phrases" must occur, -words must not, prefix* and field:word narrow. No text is wrong as a query.
//
// A search sees every commit at once and, in a transaction, its own writes. The first search of a space makes its
// index; later ones bring it up to date, so that a write pays nothing.
//
// Beside words there is nearness: of the vectors of a collection to a vector given, or of all documents to the query by
// the vectors that an embedder makes of texts (strata/embedding.h). kSemantic ranks by that alone,
// kHybrid by both, each document by its places in the two rankings (reciprocal rank fusion).
//
// Works on the session's current branch. Thread safety, common errors: strata/session.h. Ownership: borrows the Call.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/session.h"

namespace strata {

class EmbeddingRun;

// In the order of their names.
enum class SearchPrimitive : uint8_t { kEvent, kJson, kKv, kState, kVector };

enum class SearchMode : uint8_t { kKeyword, kHybrid, kSemantic };

struct SearchRequest {
  std::string_view query;
  SearchMode mode = SearchMode::kKeyword;
  uint64_t k = 10;                                         // REQUIRES: at least 1
  std::optional<std::vector<SearchPrimitive>> primitives;  // nothing: all
  std::optional<std::vector<std::string_view>> spaces;     // nothing: the current one
  // What nearness is measured to. REQUIRES: nothing under kKeyword, else one of both: a vector, and the collection of
  // the current space that it is compared with; or an embedder, which compares the query with all that is searched.
  std::string_view collection;
  std::span<const float> vector;
  EmbeddingRun* embedding = nullptr;
  AsOf as_of;
};

// A document's place in each ranking, from 1; nothing: it is not in that one.
struct SearchRanks {
  std::optional<uint64_t> keyword;
  std::optional<uint64_t> vector;
};

struct SearchHit {
  SearchPrimitive primitive = SearchPrimitive::kKv;
  std::string space;
  std::string key;        // of an event empty; of a vector collection, NUL, key
  uint64_t sequence = 0;  // of an event
  double score = 0;
  SearchRanks ranks;
  std::string snippet;
};

class Search {
 public:
  explicit Search(Call& call) : call_(call) {}

  // At most k hits, best first; equal scores by space, primitive, name. Errors: kSpaceNotFound for a named space that
  // does not exist then (the default and the current one need not have been written), kInvalidSpaceName,
  // kHistoryTrimmed, kWouldBlock (in a kTry call, while the index has to be brought up to date); of the collection and
  // its vector as for Vectors::search. Nothing while request.embedding wants vectors of texts.
  Result<std::vector<SearchHit>> search(const SearchRequest& request);

 private:
  Call& call_;
};

}  // namespace strata
