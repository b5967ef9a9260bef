// One collection as one root shows it: parts of segments, and how it becomes what another root shows.
//
// Thread safety: a snapshot is immutable. Ownership: shares its segments with other snapshots.
// Invariant: every key is alive in at most one part.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "derived/vector_segment.h"
#include "index/bitmap.h"
#include "strata/status.h"

namespace strata::derived {

struct VectorPart {
  std::shared_ptr<const VectorSegment> segment;
  std::shared_ptr<const index::Bitmap> live;  // null: all rows
  uint32_t live_rows = 0;

  bool is_live(uint32_t row) const { return live == nullptr || live->test(row); }
};

// What became of a key.
struct VectorChange {
  std::string key;
  bool present = false;
  RowIdentity identity;      // of what is there now; nothing: a transaction's own write
  uint32_t value_bytes = 0;  // in the log
  std::string_view value;    // of an own write
};

struct VectorSnapshot {
  std::vector<VectorPart> parts;

  uint64_t rows() const;
  size_t memory_bytes() const;  // shared segments included
};

// The snapshot with changes applied, which are in the order of their keys. Small parts at the end are merged, so that
// there are never many.
Result<std::shared_ptr<const VectorSnapshot>> apply_changes(const CollectionKind& kind, const VectorSnapshot& before,
                                                            const std::vector<VectorChange>& changes,
                                                            VectorReader* reader);

// All live rows of some parts as one segment; null where there are none.
Result<std::shared_ptr<VectorSegment>> merge_parts(const CollectionKind& kind, const std::vector<VectorPart>& parts,
                                                   VectorReader* reader);

// The snapshot with `merged` in the place of every row that it has too.
std::shared_ptr<const VectorSnapshot> replace_rows(const VectorSnapshot& before,
                                                   std::shared_ptr<const VectorSegment> merged);

// Compares parts of any origin with the rows of a tree, which come in the order of their keys.
class SnapshotMatcher {
 public:
  explicit SnapshotMatcher(std::vector<std::shared_ptr<const VectorSegment>> segments);
  void row(std::string_view key, const RowIdentity& identity, uint32_t value_bytes);
  // What of the parts is there, and what is there beside it.
  std::shared_ptr<const VectorSnapshot> finish(std::vector<VectorChange>* missing);

 private:
  struct Side {
    std::shared_ptr<const VectorSegment> segment;
    index::Bitmap live;
    uint32_t at = 0;
  };
  std::vector<Side> sides_;
  std::vector<VectorChange> missing_;
};

}  // namespace strata::derived
