// The nearest rows of a snapshot.
//
// Parts are scanned by their codes or walked by their graph, whichever costs less; the best are compared again in
// float32, whose scores are the answer. An exact query compares again every row that, by the bounds of its code, could
// belong to the answer.
// Thread safety: a VectorQuery belongs to one thread. Ownership: borrows snapshot, filter and reader.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "derived/vector_snapshot.h"
#include "index/candidates.h"
#include "model/metadata_filter.h"
#include "strata/status.h"

namespace strata::derived {

// Finds 998 of 1,000 of the ten nearest among 53,500 embeddings of sentences; fewer where queries are unlike vectors.
constexpr uint64_t kDefaultEf = 96;

struct VectorAsk {
  uint64_t k = 0;
  VectorMetric metric = VectorMetric::kCosine;  // another than the collection's: by the floats alone
  const model::MetadataFilter* filter = nullptr;
  bool exact = false;
  uint64_t ef = 0;  // candidates kept while a graph is walked; 0: kDefaultEf
};

struct VectorHit {
  float score = 0;
  std::string_view key;
  std::string_view metadata;  // encoded
};

class VectorQuery {
 public:
  VectorQuery(const VectorSnapshot& snapshot, const VectorAsk& ask, VectorReader* reader);

  // The nearest, best first, ties by key. Views live as long as the snapshot.
  Result<std::vector<VectorHit>> run(std::span<const float> query);

 private:
  struct Target {
    const VectorSegment* segment = nullptr;
    std::optional<index::Bitmap> filtered;
    const index::Bitmap* allowed = nullptr;  // null: all rows
    uint32_t count = 0;
    std::shared_ptr<const index::HnswGraph> graph;
  };
  class Nearest;

  // Of a query, for each target; nothing where no row is asked for.
  using CodedQueries = std::vector<std::optional<index::CodedQuery>>;

  // False: the codes cannot answer it.
  bool encode(std::span<const float> query, CodedQueries* coded) const;
  void find_candidates(size_t part, const index::CodedQuery& coded, index::BestCandidates* best) const;
  Status run_by_floats(Nearest* nearest) const;
  Status run_exact(const CodedQueries& coded, Nearest* nearest) const;

  VectorAsk ask_;
  VectorReader* reader_;
  std::vector<Target> targets_;
};

}  // namespace strata::derived
