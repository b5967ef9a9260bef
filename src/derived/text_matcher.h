// Finds which documents of some segments are those of a tree, whatever the segments were made for.
//
// Thread safety: none. Ownership: shares the segments.
#pragma once

#include <string_view>
#include <vector>

#include "derived/text_documents.h"
#include "index/bitmap.h"
#include "index/text_writer.h"

namespace strata::derived {

class TextMatcher {
 public:
  explicit TextMatcher(std::vector<index::SegmentPtr> segments);
  // Of the documents of the tree, in the order of their kinds and keys. Whether a segment has this version of it.
  bool match(DocumentKind kind, std::string_view key, const index::DocumentIdentity& identity);
  // The segments that have something of it, the others dropped. Only destruction may follow.
  std::vector<index::LiveSegment> finish();

 private:
  struct Side {
    index::SegmentPtr segment;
    index::Bitmap found;
    uint32_t at = 0;  // among its documents by key
  };
  std::vector<Side> sides_;
};

}  // namespace strata::derived
