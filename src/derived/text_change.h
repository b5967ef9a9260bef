// A snapshot of the text index under change: documents added and removed, small segments merged.
// Thread safety: none. Ownership: shares the segments of the snapshot it starts from.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "derived/text_index.h"

namespace strata::derived {

class TextChange {
 public:
  // `base` null: starts from nothing.
  explicit TextChange(const TextSnapshot* base);

  // Another segment. REQUIRES: nothing else here has a document that is alive in it.
  void adopt(index::LiveSegment segment);
  // False: there is no such document, so that the base is not what it should be.
  bool remove(DocumentKind kind, std::string_view key);
  // REQUIRES: the document is not there, or was removed; of one kind and key it is called once.
  Status add(DocumentKind kind, std::string_view key, const index::DocumentIdentity& identity,
             std::string_view row_value);
  // The changed segments. `merge`: small ones are put together where many have gathered.
  std::unique_ptr<TextSnapshot> finish(bool merge);

  // Indexes of segments that should become one, few documents each or most of them dead; fewer than two (or one with
  // dead documents): nothing is due. `most` documents together.
  static std::vector<size_t> due(const std::vector<index::LiveSegment>& segments, uint64_t most);

 private:
  struct Part {
    index::SegmentPtr segment;
    index::LivenessPtr live;                   // as it was
    std::shared_ptr<index::Liveness> changed;  // instead, once something died
    bool alive(uint32_t document) const {
      return changed != nullptr ? changed->alive(document) : live == nullptr || live->alive(document);
    }
  };
  void seal();
  void count(const index::TextSegment& segment, uint32_t document, bool added);

  std::vector<Part> parts_;
  index::TextStatistics statistics_;
  std::unique_ptr<index::SegmentBuilder> builder_;
};

}  // namespace strata::derived
